#include "policy/provider_slug.h"

// Nearly every comparison ends at the lengths or at the last byte (letters differ by 0x20 in case).
static bool same(struct str a, struct str b) {
  if (a.len != b.len) return false;
  return !a.len || ((a.ptr[a.len - 1] | 0x20) == (b.ptr[b.len - 1] | 0x20) && str_eq_nocase(a, b));
}

static bool leads(struct str front, struct str whole) {
  return whole.len > front.len && whole.ptr[front.len] == '/' && front.len && str_starts_nocase(whole, front);
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
