#include "policy/provider_slug.h"

#include <string.h>

// Nearly every comparison ends at the lengths or at the last byte (letters differ by 0x20 in case); most of the others
// are alike to the letter.
static inline bool alike(const char *a, const char *b, size_t len) {
  if (!len) return true;
  if ((a[len - 1] | 0x20) != (b[len - 1] | 0x20)) return false;
  return memcmp(a, b, len) == 0 || str_eq_nocase(str_from(a, len), str_from(b, len));
}

static inline bool same(struct str a, struct str b) {
  return a.len == b.len && alike(a.ptr, b.ptr, a.len);
}

static inline bool leads(struct str front, struct str whole) {
  return whole.len > front.len && front.len && whole.ptr[front.len] == '/' && alike(front.ptr, whole.ptr, front.len);
}

enum slug_match provider_slug_match(struct str slug, const struct provider *provider, struct str *sub) {
  const struct str names[] = {provider->id, provider->name};
  for (unsigned i = 0; i < 2; i++) {
    if (same(slug, names[i])) return SLUG_BASE;
    if (!leads(names[i], slug)) continue;
    *sub = str_skip(slug, names[i].len + 1);
    return SLUG_PINNED;
  }
  return leads(slug, provider->id) ? SLUG_BASE : SLUG_OTHER;
}

bool provider_slug_listed(const struct str_list *list, const struct provider *provider) {
  for (size_t i = 0; i < list->count; i++)
    if (same(list->items[i], provider->id)) return true;
  for (size_t i = 0; i < list->count; i++)
    if (same(list->items[i], provider->name)) return true;
  if (!provider->id.len || !memchr(provider->id.ptr, '/', provider->id.len)) return false;
  for (size_t i = 0; i < list->count; i++)
    if (leads(list->items[i], provider->id)) return true;
  return false;
}

bool provider_slug_is(struct str sub, const struct endpoint *endpoint) {
  if (!sub.len) return false;
  struct str region = endpoint->region.len ? endpoint->region : endpoint->provider->region;
  return same(sub, endpoint->tag) || same(sub, endpoint->quantization) || same(sub, region);
}
