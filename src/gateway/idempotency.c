#include "gateway/idempotency.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 8192 };
static const uint64_t kept_ms = IDEMPOTENCY_HOURS * 3600 * 1000ull;

struct idempotency_entry {
  struct idempotency_entry *next;           // of the bucket
  struct idempotency_entry *newer, *older;  // of those that are kept
  atomic_uint uses;                         // one while it is in the table, one for each who holds it
  bool running;
  uint8_t name[CACHE_KEY_SIZE], body_hash[CACHE_KEY_SIZE];
  uint64_t until_ms;
  struct idempotency_outcome outcome;
  char *bytes;  // what the outcome's strings lie in
};

struct idempotency {
  pthread_mutex_t lock;
  struct idempotency_entry *newest, *oldest;
  size_t bytes;
  struct idempotency_entry *buckets[BUCKETS];
};

bool idempotency_key_valid(struct str value) {
  for (size_t i = 0; i < value.len; i++)
    if (value.ptr[i] <= ' ' || value.ptr[i] > '~') return false;
  return value.len && value.len <= IDEMPOTENCY_KEY_MAX;
}

bool idempotency_keeps(unsigned status) {
  return status == 200 || status == 400 || status == 404 || status == 413 || status == 422;
}

struct idempotency *idempotency_new(void) {
  struct idempotency *s = calloc(1, sizeof *s);
  if (s && pthread_mutex_init(&s->lock, NULL) != 0) {
    free(s);
    return NULL;
  }
  return s;
}

const struct idempotency_outcome *idempotency_outcome(const struct idempotency_entry *e) {
  return &e->outcome;
}

void idempotency_release(struct idempotency_entry *e) {
  if (!e || atomic_fetch_sub_explicit(&e->uses, 1, memory_order_acq_rel) != 1) return;
  free(e->bytes);
  free(e);
}

static size_t size_of(const struct idempotency_entry *e) {
  return sizeof *e + e->outcome.fields.len + e->outcome.body.len;
}

static struct idempotency_entry **place_of(struct idempotency *s, const uint8_t name[CACHE_KEY_SIZE]) {
  struct idempotency_entry **at = &s->buckets[(name[0] | name[1] << 8) % BUCKETS];
  while (*at && memcmp((*at)->name, name, sizeof(*at)->name) != 0) at = &(*at)->next;
  return at;
}

static void drop(struct idempotency *s, struct idempotency_entry *e) {
  struct idempotency_entry **at = place_of(s, e->name);
  assert(*at == e);
  *at = e->next;
  if (!e->running) {
    *(e->newer ? &e->newer->older : &s->newest) = e->older;
    *(e->older ? &e->older->newer : &s->oldest) = e->newer;
    s->bytes -= size_of(e);
  }
  idempotency_release(e);
}

void idempotency_free(struct idempotency *s) {
  if (!s) return;
  for (unsigned i = 0; i < BUCKETS; i++)
    while (s->buckets[i]) drop(s, s->buckets[i]);
  pthread_mutex_destroy(&s->lock);
  free(s);
}

static struct idempotency_entry *entry_new(const uint8_t name[CACHE_KEY_SIZE], const uint8_t body[CACHE_KEY_SIZE]) {
  struct idempotency_entry *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  atomic_init(&e->uses, 2);  // the table's and the request's
  e->running = true;
  memcpy(e->name, name, sizeof e->name);
  memcpy(e->body_hash, body, sizeof e->body_hash);
  return e;
}

enum idempotency_result idempotency_begin(struct idempotency *s, const uint8_t name[CACHE_KEY_SIZE],
                                          const uint8_t body[CACHE_KEY_SIZE], uint64_t now_ms,
                                          struct idempotency_entry **entry) {
  *entry = NULL;
  struct idempotency_entry *fresh = s ? entry_new(name, body) : NULL;
  if (!fresh) return IDEMPOTENCY_LOST;
  enum idempotency_result result = IDEMPOTENCY_RUN;
  pthread_mutex_lock(&s->lock);
  while (s->oldest && s->oldest->until_ms <= now_ms) drop(s, s->oldest);
  struct idempotency_entry **place = place_of(s, name), *e = *place;
  if (!e) {
    *entry = *place = fresh;
  } else if (memcmp(e->body_hash, body, sizeof e->body_hash) != 0) {
    result = IDEMPOTENCY_OTHER;
  } else if (e->running) {
    result = IDEMPOTENCY_BUSY;
  } else {
    result = IDEMPOTENCY_REPLAY;
    atomic_fetch_add_explicit(&e->uses, 1, memory_order_relaxed);
    *entry = e;
  }
  pthread_mutex_unlock(&s->lock);
  if (result != IDEMPOTENCY_RUN) free(fresh);
  return result;
}

static bool fill(struct idempotency_entry *e, const struct idempotency_outcome *outcome) {
  struct str fields = outcome->fields, body = outcome->body;
  e->bytes = malloc(fields.len + body.len + 1);
  if (!e->bytes) return false;
  if (fields.len) memcpy(e->bytes, fields.ptr, fields.len);
  if (body.len) memcpy(e->bytes + fields.len, body.ptr, body.len);
  e->outcome = *outcome;
  e->outcome.fields.ptr = e->bytes;
  e->outcome.body.ptr = e->bytes + fields.len;
  return true;
}

void idempotency_keep(struct idempotency *s, struct idempotency_entry *e, const struct idempotency_outcome *outcome,
                      uint64_t max_bytes, uint64_t now_ms) {
  assert(e->running);
  // Nobody looks at the outcome of one that runs.
  if (outcome->body.len > max_bytes || !fill(e, outcome) || size_of(e) > max_bytes) {
    idempotency_forget(s, e);
    return;
  }
  pthread_mutex_lock(&s->lock);
  while (s->oldest && s->bytes + size_of(e) > max_bytes) drop(s, s->oldest);
  e->running = false;
  e->until_ms = now_ms + kept_ms;
  e->older = s->newest;
  *(s->newest ? &s->newest->newer : &s->oldest) = e;
  s->newest = e;
  s->bytes += size_of(e);
  pthread_mutex_unlock(&s->lock);
  idempotency_release(e);
}

void idempotency_forget(struct idempotency *s, struct idempotency_entry *e) {
  assert(e->running);
  pthread_mutex_lock(&s->lock);
  drop(s, e);
  pthread_mutex_unlock(&s->lock);
  idempotency_release(e);
}
