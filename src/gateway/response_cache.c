#include "gateway/response_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 16384, FLIGHT_BUCKETS = 256 };

struct cache_entry {
  struct cache_entry *next;           // of the bucket
  struct cache_entry *newer, *older;  // of all, by last use
  atomic_uint uses;                   // one while it is kept, one for each who holds it
  size_t size;
  uint8_t key[CACHE_KEY_SIZE];
  struct cache_answer answer;  // its strings lie behind
};

// A leader under way and those who wait for it.
struct cache_flight {
  struct cache_flight *next;  // of the bucket
  struct cache_ticket *first, *last;
  uint8_t key[CACHE_KEY_SIZE];
};

struct response_cache {
  pthread_mutex_t lock;
  struct cache_entry *newest, *oldest;
  size_t bytes, count;
  struct cache_flight *flights[FLIGHT_BUCKETS];
  struct cache_entry *buckets[BUCKETS];
};

struct response_cache *response_cache_new(void) {
  struct response_cache *c = calloc(1, sizeof *c);
  if (c && pthread_mutex_init(&c->lock, NULL) != 0) {
    free(c);
    return NULL;
  }
  return c;
}

// --- entries ---

const struct cache_answer *cache_entry_answer(const struct cache_entry *e) {
  return &e->answer;
}

void cache_entry_release(struct cache_entry *e) {
  if (e && atomic_fetch_sub_explicit(&e->uses, 1, memory_order_acq_rel) == 1) free(e);
}

static struct cache_entry *hold(struct cache_entry *e) {
  atomic_fetch_add_explicit(&e->uses, 1, memory_order_relaxed);
  return e;
}

static struct str *strings_of(struct cache_answer *a, unsigned i) {
  struct str *all[] = {&a->bytes,
                       &a->facts.source_id,
                       &a->facts.model,
                       &a->facts.provider,
                       &a->facts.provider_name,
                       &a->facts.finish_reason,
                       &a->facts.native_finish_reason,
                       &a->facts.router,
                       &a->facts.strategy};
  return i < sizeof all / sizeof *all ? all[i] : NULL;
}

static struct cache_entry *entry_new(const uint8_t key[CACHE_KEY_SIZE], const struct cache_answer *answer) {
  struct cache_answer copy = *answer;
  size_t holes = answer->hole_count * sizeof *answer->holes, size = sizeof(struct cache_entry) + holes;
  for (unsigned i = 0; strings_of(&copy, i); i++) size += strings_of(&copy, i)->len;
  struct cache_entry *e = malloc(size);
  if (!e) return NULL;
  char *at = (char *)(e + 1);
  if (holes) memcpy(at, answer->holes, holes);
  copy.holes = (struct chat_replay_hole *)at;
  at += holes;
  for (unsigned i = 0; strings_of(&copy, i); i++) {
    struct str *s = strings_of(&copy, i);
    if (s->len) memcpy(at, s->ptr, s->len);
    s->ptr = at;
    at += s->len;
  }
  *e = (struct cache_entry){.size = size, .answer = copy};
  atomic_init(&e->uses, 1);
  memcpy(e->key, key, sizeof e->key);
  return e;
}

static struct cache_entry **bucket_of(struct response_cache *c, const uint8_t key[CACHE_KEY_SIZE]) {
  return &c->buckets[(key[0] | key[1] << 8) % BUCKETS];
}

static struct cache_entry *find(struct response_cache *c, const uint8_t key[CACHE_KEY_SIZE]) {
  struct cache_entry *e = *bucket_of(c, key);
  while (e && memcmp(e->key, key, sizeof e->key) != 0) e = e->next;
  return e;
}

static void unlink_used(struct response_cache *c, struct cache_entry *e) {
  *(e->newer ? &e->newer->older : &c->newest) = e->older;
  *(e->older ? &e->older->newer : &c->oldest) = e->newer;
}

static void link_used(struct response_cache *c, struct cache_entry *e) {
  e->newer = NULL;
  e->older = c->newest;
  *(c->newest ? &c->newest->newer : &c->oldest) = e;
  c->newest = e;
}

static void drop(struct response_cache *c, struct cache_entry *e) {
  struct cache_entry **at = bucket_of(c, e->key);
  while (*at != e) at = &(*at)->next;
  *at = e->next;
  unlink_used(c, e);
  c->bytes -= e->size;
  c->count--;
  cache_entry_release(e);
}

// Takes over the caller's hold.
static void keep(struct response_cache *c, struct cache_entry *e, uint64_t max_bytes, uint64_t now_ms) {
  struct cache_entry *before = find(c, e->key);
  if (before) drop(c, before);
  if (e->size > max_bytes || e->answer.until_ms <= now_ms) {
    cache_entry_release(e);
    return;
  }
  while (c->oldest && (c->oldest->answer.until_ms <= now_ms || c->bytes + e->size > max_bytes)) drop(c, c->oldest);
  struct cache_entry **bucket = bucket_of(c, e->key);
  e->next = *bucket;
  *bucket = e;
  link_used(c, e);
  c->bytes += e->size;
  c->count++;
}

void response_cache_free(struct response_cache *c) {
  if (!c) return;
  while (c->oldest) drop(c, c->oldest);
  for (unsigned i = 0; i < FLIGHT_BUCKETS; i++) assert(!c->flights[i]);
  pthread_mutex_destroy(&c->lock);
  free(c);
}

void response_cache_measure(struct response_cache *c, size_t *entries, size_t *bytes) {
  pthread_mutex_lock(&c->lock);
  *entries = c->count;
  *bytes = c->bytes;
  pthread_mutex_unlock(&c->lock);
}

// --- flights ---

static struct cache_flight **flight_place(struct response_cache *c, const uint8_t key[CACHE_KEY_SIZE]) {
  struct cache_flight **at = &c->flights[key[2]];
  while (*at && memcmp((*at)->key, key, sizeof(*at)->key) != 0) at = &(*at)->next;
  return at;
}

static void wait_for(struct cache_flight *f, struct cache_ticket *t) {
  t->flight = f;
  t->next = NULL;
  t->prev = f->last;
  *(f->last ? &f->last->next : &f->first) = t;
  f->last = t;
}

static void unwait(struct cache_ticket *t) {
  struct cache_flight *f = t->flight;
  *(t->prev ? &t->prev->next : &f->first) = t->next;
  *(t->next ? &t->next->prev : &f->last) = t->prev;
  t->next = t->prev = NULL;
  t->flight = NULL;
}

// Under the lock: who withdraws sees either a ticket that waits or one whose task is posted. The ticket may be gone
// when this returns.
static void wake(struct cache_ticket *t, enum cache_outcome outcome, struct cache_entry *e, struct cache_flight *f) {
  unwait(t);
  t->outcome = outcome;
  t->entry = e;
  t->flight = f;
  loop_post(t->loop, &t->task);
}

static void flight_end(struct response_cache *c, struct cache_flight *f, struct cache_entry *e) {
  while (f->first) wake(f->first, e ? CACHE_HIT : CACHE_ALONE, e ? hold(e) : NULL, NULL);
  struct cache_flight **at = flight_place(c, f->key);
  assert(*at == f);
  *at = f->next;
  free(f);
}

// --- the path's ---

static enum cache_outcome begin(struct response_cache *c, struct cache_ticket *t, bool fresh, uint64_t now_ms,
                                struct cache_flight **spare) {
  struct cache_entry *e = find(c, t->key);
  if (e && (fresh || e->answer.until_ms <= now_ms)) {
    drop(c, e);
    e = NULL;
  }
  if (e) {
    unlink_used(c, e);
    link_used(c, e);
    t->entry = hold(e);
    return CACHE_HIT;
  }
  struct cache_flight **place = flight_place(c, t->key);
  if (*place && fresh) return CACHE_ALONE;
  if (*place) {
    wait_for(*place, t);
    return CACHE_WAIT;
  }
  if (!*spare) return CACHE_ALONE;
  memcpy((*spare)->key, t->key, sizeof t->key);
  t->flight = *place = *spare;
  *spare = NULL;
  return CACHE_LEAD;
}

enum cache_outcome response_cache_begin(struct response_cache *c, struct cache_ticket *t, bool fresh, uint64_t now_ms) {
  t->entry = NULL;
  t->flight = NULL;
  t->outcome = CACHE_ALONE;
  if (!c) return CACHE_ALONE;
  struct cache_flight *spare = calloc(1, sizeof *spare);
  pthread_mutex_lock(&c->lock);
  while (c->oldest && c->oldest->answer.until_ms <= now_ms) drop(c, c->oldest);
  enum cache_outcome outcome = t->outcome = begin(c, t, fresh, now_ms, &spare);
  pthread_mutex_unlock(&c->lock);
  free(spare);
  return outcome;  // a ticket that waits may have another by now
}

void response_cache_finish(struct response_cache *c, struct cache_ticket *t, const struct cache_answer *answer,
                           uint64_t max_bytes, uint64_t now_ms) {
  assert(t->outcome == CACHE_LEAD || t->outcome == CACHE_ALONE);
  struct cache_flight *f = t->flight;
  t->flight = NULL;
  t->outcome = CACHE_OVER;
  if (!c) return;
  struct cache_entry *e = entry_new(t->key, answer);
  pthread_mutex_lock(&c->lock);
  if (f) flight_end(c, f, e);
  if (e) keep(c, e, max_bytes, now_ms);
  pthread_mutex_unlock(&c->lock);
}

void response_cache_abandon(struct response_cache *c, struct cache_ticket *t, bool failed) {
  assert(t->outcome == CACHE_LEAD || t->outcome == CACHE_ALONE);
  struct cache_flight *f = t->flight;
  t->flight = NULL;
  t->outcome = CACHE_OVER;
  if (!c || !f) return;
  pthread_mutex_lock(&c->lock);
  if (!failed && f->first)
    wake(f->first, CACHE_LEAD, NULL, f);
  else
    flight_end(c, f, NULL);
  pthread_mutex_unlock(&c->lock);
}

bool response_cache_withdraw(struct response_cache *c, struct cache_ticket *t) {
  if (!c) return true;
  pthread_mutex_lock(&c->lock);
  bool waits = t->outcome == CACHE_WAIT;
  if (waits) {
    unwait(t);
    t->outcome = CACHE_OVER;
  }
  pthread_mutex_unlock(&c->lock);
  return waits;
}
