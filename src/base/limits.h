// Every ceiling of the program, in one place. Bytes unless the name says otherwise.
#pragma once

enum {
  LIMIT_HEADERS = 100,                    // header fields of one message
  LIMIT_HEAD = 16 * 1024,                 // a whole request head
  LIMIT_HEADER_LINE = 8 * 1024,           // one field
  LIMIT_UPSTREAM_HEAD = 64 * 1024,        // a provider's response head
  LIMIT_REQUEST_BODY = 32 * 1024 * 1024,  // default of server.max_body_bytes
  LIMIT_REPLY_BODY = 64 * 1024 * 1024,    // a whole (not streamed) reply of a provider
  LIMIT_JSON_DEPTH = 128,                 // nesting
  LIMIT_PENDING_INPUT = 64 * 1024,        // bytes taken from a client that pipelines while a request runs
  LIMIT_CONFIG = 1024 * 1024,             // a configuration file
};
