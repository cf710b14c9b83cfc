#include "policy/cache_wish.h"

static bool yes(struct str value) {
  return str_eq_nocase(value, STR("true")) || str_eq(value, STR("1"));
}

static bool no(struct str value) {
  return str_eq_nocase(value, STR("false")) || str_eq(value, STR("0"));
}

static unsigned clamp(unsigned seconds) {
  return seconds < 1 ? 1 : seconds > CACHE_TTL_MAX_S ? CACHE_TTL_MAX_S : seconds;
}

// 0: no number.
static unsigned seconds(struct str value) {
  bool minus = str_starts(value, STR("-"));
  if (minus || str_starts(value, STR("+"))) value = str_skip(value, 1);
  unsigned n = 0;
  size_t i = 0;
  for (; i < value.len && value.ptr[i] >= '0' && value.ptr[i] <= '9'; i++)
    if (n <= CACHE_TTL_MAX_S) n = n * 10 + (unsigned)(value.ptr[i] - '0');
  return i ? clamp(minus ? 0 : n) : 0;
}

void cache_wish_read(const struct http_head *head, struct cache_wish *wish) {
  struct str value = http_field_get(head, STR("x-openrouter-cache"));
  *wish = (struct cache_wish){.header = yes(value) ? CACHE_YES : no(value) ? CACHE_NO : CACHE_UNSAID};
  wish->ttl_s = seconds(http_field_get(head, STR("x-openrouter-cache-ttl")));
  wish->clear = yes(http_field_get(head, STR("x-openrouter-cache-clear")));
}

void cache_wish_settle(struct cache_wish *wish, enum cache_say preset, unsigned preset_ttl_s, bool by_default) {
  bool refused = wish->header == CACHE_NO || preset == CACHE_NO;
  bool wanted = wish->header == CACHE_YES || preset == CACHE_YES || by_default;
  wish->on = wanted && !refused;
  if (!wish->ttl_s) wish->ttl_s = preset_ttl_s ? clamp(preset_ttl_s) : CACHE_TTL_DEFAULT_S;
}
