// The OpenAI Chat Completions protocol upstream: the request's head. (Its body is the surface's: same dialect,
// spliced.)
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "llm/model.h"

struct openai_target {
  struct str prefix;               // before the path, through a proxy; else empty
  struct str path;                 // of base_url
  struct str host;                 // Host field
  struct str proxy_authorization;  // or empty
  struct str key;                  // or empty
};
// Appends the head of POST {path}/chat/completions. The body's length is not known yet: *length_at is where
// openai_length writes it.
void openai_chat_head(struct buf *out, const struct provider *provider, const struct openai_target *target, bool stream,
                      size_t *length_at);
void openai_length(struct buf *out, size_t length_at, size_t body_length);
