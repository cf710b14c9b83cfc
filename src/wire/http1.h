// HTTP/1.1 message heads (RFC 9112) and chunked coding: bytes in, ranges out; no copies, no sockets.
// Strict on purpose, so that no two readers of a message can disagree (request smuggling): CRLF only, no obs-fold, no
// blank before the colon, one Content-Length of digits, Transfer-Encoding only exactly "chunked" and never beside
// Content-Length, field values of HTAB, 0x20-0x7e and 0x80-0xff.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/str.h"

enum http_result { HTTP_MORE, HTTP_DONE, HTTP_FAILED };

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };

struct http_field {
  struct str name, value;  // value without surrounding blanks
};

struct http_head {
  // request
  enum http_method method;
  struct str method_name, target;
  struct str path, query;  // of target: origin form, or absolute form without scheme and host; query without '?'
  struct str host;         // Host field (exactly one in HTTP/1.1), or the absolute form's authority
  bool expect_continue;
  // response
  unsigned status;
  struct str reason;
  // both
  unsigned minor;          // HTTP/1.minor: 0 or 1
  bool keep_alive;         // by version and Connection
  bool chunked;            // Transfer-Encoding: chunked
  int64_t content_length;  // -1: no such field
  size_t size;             // bytes of the head with its blank line
  unsigned field_count;
  struct http_field fields[LIMIT_HEADERS];
};

// Why a head was refused: a status to answer with (400, 417, 431, 505; always 502 for a response) and a sentence for
// people.
struct http_refusal {
  unsigned status;
  const char *why;
};

// Parses the head at the start of `bytes`. Leading empty lines are not skipped. Every str points into `bytes`.
// `limit`: largest head in bytes (431 beyond). Fields over LIMIT_HEADERS, and a request's over LIMIT_HEADER_LINE: 431.
// HTTP_MORE: no whole head yet, and nothing in it that can never become one: lines are judged as they come.
enum http_result http_request_parse(struct str bytes, size_t limit, struct http_head *head,
                                    struct http_refusal *refusal);
enum http_result http_response_parse(struct str bytes, size_t limit, struct http_head *head,
                                     struct http_refusal *refusal);
// The first field of this name (case-insensitive); {NULL, 0} when absent.
struct str http_field_get(const struct http_head *head, struct str name);

// Chunked body decoder (RFC 9112 7.1). All-zero is its start. Extensions are skipped (at most 256 bytes a chunk),
// trailers are read and dropped (at most 8 KiB in all).
struct chunked {
  uint8_t state;
  uint8_t digits;
  uint16_t extension;  // bytes of the present chunk's extension
  uint32_t trailer;    // bytes of trailers, all together
  uint64_t left;       // data bytes still to come in the present chunk
};
// Takes bytes from `in`, sets *taken, and hands over the next run of body bytes in *data (may be empty).
// HTTP_MORE: call again with the rest (or with more bytes when nothing was left); HTTP_DONE: the body is complete, what
// is behind *taken belongs to the next message; HTTP_FAILED: invalid. *data has bytes with HTTP_MORE only; the last two
// results stay once given.
enum http_result chunked_feed(struct chunked *c, struct str in, size_t *taken, struct str *data);
