// Whether a request wants the response cache, by its header fields, its preset and the configuration. Pure.
#pragma once
#include <stdbool.h>

#include "wire/http1.h"

enum { CACHE_TTL_DEFAULT_S = 300, CACHE_TTL_MAX_S = 86400 };

enum cache_say { CACHE_UNSAID, CACHE_YES, CACHE_NO };

struct cache_wish {
  bool on;
  unsigned ttl_s;         // once settled: 1 to CACHE_TTL_MAX_S; before: 0 when the client gave none
  bool clear;             // what is kept for this request is replaced
  enum cache_say header;  // what X-OpenRouter-Cache says
};

// X-OpenRouter-Cache: true, false; -Cache-TTL: seconds, read as far as they are digits ("60abc" is 60), clamped,
// without effect when there are none; -Cache-Clear: true.
void cache_wish_read(const struct http_head *head, struct cache_wish *wish);
// Who says no wins: the header over the preset, the preset over the header. Else who says yes. Else `by_default`. The
// client's TTL goes before the preset's (0: none).
void cache_wish_settle(struct cache_wish *wish, enum cache_say preset, unsigned preset_ttl_s, bool by_default);
