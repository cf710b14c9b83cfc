#include "gateway/sidecar.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096 };

struct entry {
  struct entry *next;           // of the bucket
  struct entry *newer, *older;  // of all
  uint64_t until_ms;
  uint32_t hash;
  uint32_t name_len, details_len;
  char bytes[];  // name, details
};

struct sidecar {
  pthread_mutex_t lock;
  struct entry *buckets[BUCKETS];
  struct entry *newest, *oldest;
  size_t bytes;
};

// Key and call in one name, so that one key's calls are unknown to the other.
struct name {
  struct str key_id, call_id;
};

static uint32_t hash(struct name n) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < n.key_id.len; i++) h = (h ^ (unsigned char)n.key_id.ptr[i]) * 16777619u;
  h = (h ^ 0xFF) * 16777619u;
  for (size_t i = 0; i < n.call_id.len; i++) h = (h ^ (unsigned char)n.call_id.ptr[i]) * 16777619u;
  return h;
}

static bool is(const struct entry *e, uint32_t h, struct name n) {
  return e->hash == h && e->name_len == n.key_id.len + 1 + n.call_id.len &&
         memcmp(e->bytes, n.key_id.ptr, n.key_id.len) == 0 && e->bytes[n.key_id.len] == '\n' &&
         memcmp(e->bytes + n.key_id.len + 1, n.call_id.ptr, n.call_id.len) == 0;
}

static size_t size_of(const struct entry *e) {
  return sizeof *e + e->name_len + e->details_len;
}

static void drop(struct sidecar *s, struct entry *e) {
  struct entry **at = &s->buckets[e->hash % BUCKETS];
  while (*at != e) at = &(*at)->next;
  *at = e->next;
  if (e->newer)
    e->newer->older = e->older;
  else
    s->newest = e->older;
  if (e->older)
    e->older->newer = e->newer;
  else
    s->oldest = e->newer;
  s->bytes -= size_of(e);
  free(e);
}

static struct entry *find(struct sidecar *s, uint32_t h, struct name n) {
  struct entry *e = s->buckets[h % BUCKETS];
  while (e && !is(e, h, n)) e = e->next;
  return e;
}

struct sidecar *sidecar_new(void) {
  struct sidecar *s = calloc(1, sizeof *s);
  if (s && pthread_mutex_init(&s->lock, NULL) != 0) {
    free(s);
    return NULL;
  }
  return s;
}

void sidecar_free(struct sidecar *s) {
  if (!s) return;
  while (s->oldest) drop(s, s->oldest);
  pthread_mutex_destroy(&s->lock);
  free(s);
}

void sidecar_put(struct sidecar *s, struct str key_id, struct str call_id, struct str details, uint64_t now_ms) {
  struct name n = {key_id, call_id};
  if (!s || !call_id.len || !details.len || details.len > SIDECAR_ENTRY_MAX || call_id.len > 512) return;
  size_t name_len = key_id.len + 1 + call_id.len;
  struct entry *e = malloc(sizeof *e + name_len + details.len);
  if (!e) return;
  *e = (struct entry){.until_ms = now_ms + SIDECAR_SECONDS * 1000ull,
                      .hash = hash(n),
                      .name_len = (uint32_t)name_len,
                      .details_len = (uint32_t)details.len};
  if (key_id.len) memcpy(e->bytes, key_id.ptr, key_id.len);
  e->bytes[key_id.len] = '\n';
  memcpy(e->bytes + key_id.len + 1, call_id.ptr, call_id.len);
  memcpy(e->bytes + name_len, details.ptr, details.len);
  pthread_mutex_lock(&s->lock);
  struct entry *before = find(s, e->hash, n);
  if (before) drop(s, before);
  while (s->oldest && (s->oldest->until_ms <= now_ms || s->bytes + size_of(e) > SIDECAR_BYTES)) drop(s, s->oldest);
  e->next = s->buckets[e->hash % BUCKETS];
  s->buckets[e->hash % BUCKETS] = e;
  e->older = s->newest;
  if (s->newest)
    s->newest->newer = e;
  else
    s->oldest = e;
  s->newest = e;
  s->bytes += size_of(e);
  pthread_mutex_unlock(&s->lock);
}

struct str sidecar_get(struct sidecar *s, struct str key_id, struct str call_id, struct arena *arena, uint64_t now_ms) {
  struct name n = {key_id, call_id};
  struct str found = {0};
  if (!s || !call_id.len) return found;
  pthread_mutex_lock(&s->lock);
  struct entry *e = find(s, hash(n), n);
  if (e && e->until_ms > now_ms) found = arena_str(arena, str_from(e->bytes + e->name_len, e->details_len));
  pthread_mutex_unlock(&s->lock);
  return found;
}
