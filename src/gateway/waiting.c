#include "gateway/waiting.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

// The requests of one key.
struct lane {
  struct lane *next, *prev;  // a ring
  const void *key;
  struct waiter *first, **tail;
  unsigned count;
};

// A provider that somebody waits for, or once did.
struct gate {
  struct gate *next;
  struct health_record *record;
  unsigned waiting;
  uint64_t held_us;        // how long a place is held, averaged over about the last sixteen; 0: not known
  uint64_t busy_since_ms;  // since when there was always somebody waiting
};

struct waiting {
  pthread_mutex_t lock;
  // Changed under the lock, and read without it by those who have nothing to do with the queue while it is empty.
  _Atomic(unsigned) count;
  struct lane *turn;  // served next; NULL: nobody waits
  struct gate *gates;
};

struct waiting *waiting_new(void) {
  struct waiting *w = calloc(1, sizeof *w);
  if (w && pthread_mutex_init(&w->lock, NULL) != 0) {
    free(w);
    return NULL;
  }
  return w;
}

void waiting_free(struct waiting *w) {
  if (!w) return;
  while (w->gates) {
    struct gate *next = w->gates->next;
    free(w->gates);
    w->gates = next;
  }
  pthread_mutex_destroy(&w->lock);
  free(w);
}

// --- gates ---

static struct gate *gate_find(struct waiting *w, const struct health_record *record) {
  struct gate *g = w->gates;
  while (g && g->record != record) g = g->next;
  return g;
}

// NULL: out of memory.
static struct gate *gate_of(struct waiting *w, struct health_record *record) {
  struct gate *g = gate_find(w, record);
  if (g || !(g = calloc(1, sizeof *g))) return g;
  g->record = record;
  g->next = w->gates;
  w->gates = g;
  return g;
}

static void gate_note(struct gate *g, uint64_t held_us) {
  if (!held_us) return;
  g->held_us = g->held_us ? g->held_us + (held_us >> 4) - (g->held_us >> 4) : held_us;
}

// --- lanes ---

// NULL: out of memory.
static struct lane *lane_of(struct waiting *w, const void *key) {
  struct lane *l = w->turn;
  if (l) do
      if (l->key == key) return l;
    while ((l = l->next) != w->turn);
  struct lane *made = calloc(1, sizeof *made);
  if (!made) return NULL;
  made->key = key;
  made->tail = &made->first;
  if (!w->turn) {
    w->turn = made->next = made->prev = made;
  } else {  // before the one that is served next: last in the round
    made->next = w->turn;
    made->prev = w->turn->prev;
    made->prev->next = made->next->prev = made;
  }
  return made;
}

static void lane_drop(struct waiting *w, struct lane *l) {
  if (l->count) return;
  if (w->turn == l) w->turn = l->next == l ? NULL : l->next;
  l->next->prev = l->prev;
  l->prev->next = l->next;
  free(l);
}

static void take_out(struct waiting *w, struct waiter *x) {
  struct lane *l = x->lane;
  struct waiter **at = &l->first;
  while (*at != x) at = &(*at)->next;
  *at = x->next;
  if (!*at) l->tail = at;
  l->count--;
  x->queued = false;
  x->lane = NULL;
  for (unsigned i = 0; i < x->count; i++) gate_find(w, x->wants[i].record)->waiting--;

  atomic_fetch_sub(&w->count, 1);
  lane_drop(w, l);
}

static int place_for(const struct waiter *x, const struct gate *g) {
  for (unsigned i = 0; i < x->count; i++)
    if (x->wants[i].record == g->record) return (int)i;
  return -1;
}

// The next in turn who waits for this gate.
static struct waiter *next_for(struct waiting *w, const struct gate *g, int *place) {
  struct lane *l = w->turn;
  do
    for (struct waiter *x = l->first; x; x = x->next)
      if ((*place = place_for(x, g)) >= 0) return x;
  while ((l = l->next) != w->turn);
  return NULL;
}

static void serve(struct waiting *w, struct gate *g) {
  int place;
  while (g->waiting) {
    struct waiter *x = next_for(w, g, &place);
    if (!x || !health_enter(g->record, x->wants[place].limit)) return;
    w->turn = x->lane->next;
    take_out(w, x);
    x->granted = place;
    loop_post(x->loop, &x->task);
  }
}

// --- how long it will take ---

// Of one key, those that wait for any of the same providers.
static unsigned rivals(const struct lane *l, const struct waiter *x) {
  unsigned count = 0;
  for (const struct waiter *y = l->first; y; y = y->next) {
    bool rival = false;
    for (unsigned i = 0; i < y->count && !rival; i++)
      for (unsigned k = 0; k < x->count && !rival; k++) rival = y->wants[i].record == x->wants[k].record;
    count += rival;
  }
  return count;
}

// How many will be served before it, another of its key.
static uint64_t ahead_of(const struct waiting *w, const struct waiter *x) {
  unsigned own = 0;
  uint64_t ahead = 0;
  const struct lane *l = w->turn;
  if (!l) return 0;
  do
    if (l->key == x->key) own = rivals(l, x);
  while ((l = l->next) != w->turn);
  do {
    unsigned count = rivals(l, x);
    ahead += count < own + 1 ? count : own + 1;
  } while ((l = l->next) != w->turn);
  return ahead;
}

// What is to be expected by one that joins, as long as those ahead that may go to the same providers all do.
struct outlook {
  uint64_t wait_ms;     // until a place is its own; 0: not known
  uint64_t service_ms;  // how long a place is held, at the slowest of them
};

static struct outlook outlook(struct waiting *w, const struct waiter *x) {
  double rate = 0;  // places that get free in a millisecond
  struct outlook out = {0};
  for (unsigned i = 0; i < x->count; i++) {
    const struct gate *g = gate_find(w, x->wants[i].record);
    if (!g || !g->held_us) return (struct outlook){0};
    if (g->held_us / 1000 > out.service_ms) out.service_ms = g->held_us / 1000;
    rate += x->wants[i].limit * 1000.0 / (double)g->held_us;
  }
  out.wait_ms = (uint64_t)((double)(ahead_of(w, x) + 1) / rate);
  return out;
}

// How long it may wait, of `timeout_ms`.
static uint64_t patience(struct waiting *w, const struct waiter *x, const struct outlook *o, uint64_t timeout_ms,
                         uint64_t now_ms) {
  bool burst = false;
  for (unsigned i = 0; i < x->count; i++) {
    struct gate *g = gate_find(w, x->wants[i].record);
    if (g && !g->waiting) g->busy_since_ms = now_ms;
    burst = burst || !g || now_ms < g->busy_since_ms + timeout_ms;
  }
  return burst || timeout_ms < o->service_ms ? timeout_ms : o->service_ms;
}

// --- the queue ---

static bool enqueue(struct waiting *w, struct waiter *x) {
  for (unsigned i = 0; i < x->count; i++)
    if (!gate_of(w, x->wants[i].record)) return false;
  struct lane *l = lane_of(w, x->key);
  if (!l) return false;
  for (unsigned i = 0; i < x->count; i++) gate_find(w, x->wants[i].record)->waiting++;
  x->granted = -1;
  x->queued = true;
  x->lane = l;
  x->next = NULL;
  *l->tail = x;
  l->tail = &x->next;
  l->count++;
  atomic_fetch_add(&w->count, 1);
  return true;
}

bool waiting_join(struct waiting *w, struct waiter *x, unsigned max, uint64_t timeout_ms, uint64_t now_ms,
                  uint64_t *retry_after_ms) {
  pthread_mutex_lock(&w->lock);
  struct outlook o = outlook(w, x);
  bool in_vain = o.wait_ms > patience(w, x, &o, timeout_ms, now_ms);
  bool ok = !in_vain && atomic_load(&w->count) < max && enqueue(w, x);
  *retry_after_ms = o.wait_ms;
  // The count is up before the places are looked at, and who leaves a place looks at the count afterwards: one of the
  // two sees the other.
  for (unsigned i = 0; ok && i < x->count && x->queued; i++) serve(w, gate_find(w, x->wants[i].record));
  pthread_mutex_unlock(&w->lock);
  return ok;
}

bool waiting_withdraw(struct waiting *w, struct waiter *x) {
  pthread_mutex_lock(&w->lock);
  bool queued = x->queued;
  if (queued) take_out(w, x);
  pthread_mutex_unlock(&w->lock);
  return queued;
}

bool waiting_for(struct waiting *w, const struct health_record *record) {
  if (!atomic_load(&w->count)) return false;
  pthread_mutex_lock(&w->lock);
  const struct gate *g = gate_find(w, record);
  bool waits = g && g->waiting;
  pthread_mutex_unlock(&w->lock);
  return waits;
}

void waiting_serve(struct waiting *w, struct health_record *record, uint64_t held_us) {
  if (!atomic_load(&w->count)) return;
  pthread_mutex_lock(&w->lock);
  struct gate *g = gate_find(w, record);
  if (g) {
    gate_note(g, held_us);
    serve(w, g);
  }
  pthread_mutex_unlock(&w->lock);
}

unsigned waiting_count(struct waiting *w) {
  return atomic_load(&w->count);
}
