// The head of a request to a provider: the same for all dialects but for the path, the credentials and a few fields.
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "llm/model.h"

struct head_target {
  struct str prefix;               // before the path, through a proxy; else empty
  struct str base;                 // path of base_url
  struct str path;                 // behind it, with its query: "/chat/completions"
  struct str host;                 // Host field
  struct str proxy_authorization;  // or empty
  struct str key;                  // or empty
  struct str fields;               // more header fields, each as "\r\nname: value"
  struct str accept;               // "text/event-stream"
};
// Appends the head of a POST with a JSON body. The body's length is not known yet: *length_at is where head_length
// writes it.
void head_write(struct buf *out, const struct provider *provider, const struct head_target *target, size_t *length_at);
// The head of a GET, complete.
void head_write_get(struct buf *out, const struct provider *provider, const struct head_target *target);
void head_length(struct buf *out, size_t length_at, size_t body_length);
