// A record is two cache lines that everybody reads without a lock (its bench, its probe, its figures, the medians in
// the first line) and what only its lock's holder touches. What readers see is published by writers as single atomics:
// a reader may see one figure of now and one of a moment ago, which is as good.
//
// The bench is one word, so that no reader ever sees half of it: the millisecond of its end and its length. It holds
// only between begin and end: a clock that jumps, either way, ends a bench rather than making it last.
#include "policy/health.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "policy/health_window.h"

enum {
  SECOND_MS = 1000,
  CEILING_MS = 10 * 60 * SECOND_MS,  // of every bench
  // An outage's: 28 s and three probes, and what has recovered is back within 30 s.
  OUTAGE_MS = 5 * SECOND_MS,
  OUTAGE_CEILING_MS = 28 * SECOND_MS,
  RATE_MS = 10 * SECOND_MS,  // a rate limit without Retry-After
  // Our key, its account or the model is not known there. Short at first, as some providers say so when they are sick;
  // what is so in truth soon has the longest bench.
  REFUSED_MS = 10 * SECOND_MS,
  // A probe under way for longer is a long stream, or its end was never told: the next is let through.
  PROBE_MS = 60 * SECOND_MS,
  PROBES = 3,                   // successes in a row that end an outage
  RELAPSE_MS = 60 * SECOND_MS,  // an outage so soon after the last goes on where that one ended
  LEVEL_MAX = 10,               // doublings
  SLACK_MS = 10 * SECOND_MS,    // loops read the clock once a turn: one may be behind another

  SLICES = 6,
  SLICE_MS = 5 * SECOND_MS,  // the window of outages
  OUTAGE_FAILURES = 2,
  OUTAGE_PERCENT = 20,
  // Three failures in a row, or four with at most four successes between, whatever the half minute before was like:
  // under 1,000 requests a second 20 % of it would be thousands of failures.
  BURST_FAILURE = 4,
  BURST = 12,

  PUBLISH_MS = 200,
  GRADE_REQUESTS = 100,
  DEGRADED_PERCENT = 95,
  POOR_PERCENT = 80,
  TABLE_MIN = 256,
};

struct slice {
  uint32_t ok, failed;
};

struct health_record {
  _Atomic(uint32_t) under_way;  // see health_enter
  // What routing reads of a thousand records.
  _Alignas(64) _Atomic uint64_t bench;  // 0: closed; else its end in ms << 24 | its length in ms
  _Atomic uint64_t probe;               // 0: none is under way; else when it began + 1
  _Atomic uint64_t published;           // ms << 8 | grade of 5 minutes << 4 | grade of 30; 0: nothing yet
  _Atomic uint32_t opened;              // how often the breaker has; see health_pass
  _Atomic float figures[HEALTH_PERCENTILES][WINDOW_FIGURES][2];  // of 5 and of 30 minutes; 0: none
  // The lock's.
  _Alignas(64) pthread_mutex_t lock;
  struct health_window *window;  // NULL: nothing noted, or no memory for it
  struct slice slices[SLICES];
  uint64_t slice;         // number of the newest since the clock's zero
  uint64_t closed_ms;     // when the last bench was over with a success, 0: never
  uint64_t next_publish;  // at so many notes in any case
  uint64_t notes;
  uint8_t level;     // how often an outage's bench was doubled
  uint8_t refusals;  // benches without an outage, since the last success
  uint8_t streak;    // successes in a row, half open
  uint8_t burst;
  bool doubt;      // the bench is an outage's: PROBES successes close it, not one
  bool relapsing;  // that bench was an outage's
  bool vouched;    // a sign of life ended the bench
  bool deceived;   // and it failed all the same: such signs are not asked for
  bool noted;
  uint8_t kind, last_fault;
  // The table's.
  struct health *health;
  struct health_record *next;
  uint64_t hash;
  size_t identity_len;
  char identity[];
};

struct health {
  pthread_mutex_t lock;  // of the map
  _Atomic uint64_t benches;
  size_t count, size;  // size: a power of two
  struct health_record **buckets;
};

#define LOAD(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define STORE(x, value) atomic_store_explicit(&(x), (value), memory_order_relaxed)

// --- the table ---

struct health *health_new(void) {
  struct health *h = calloc(1, sizeof *h);
  if (!h) return NULL;
  h->size = TABLE_MIN;
  h->buckets = calloc(h->size, sizeof *h->buckets);
  if (!h->buckets) return free(h), NULL;
  pthread_mutex_init(&h->lock, NULL);
  return h;
}

static void record_free(struct health_record *r) {
  if (r->window) free(r->window->timing);
  free(r->window);
  pthread_mutex_destroy(&r->lock);
  free(r);
}

void health_free(struct health *h) {
  if (!h) return;
  for (size_t i = 0; i < h->size; i++) {
    for (struct health_record *r = h->buckets[i], *next; r; r = next) {
      next = r->next;
      record_free(r);
    }
  }
  pthread_mutex_destroy(&h->lock);
  free(h->buckets);
  free(h);
}

uint64_t health_benches(const struct health *h) {
  return LOAD(h->benches);
}

static uint64_t hash_of(enum health_kind kind, struct str identity) {
  uint64_t h = 14695981039346656037u ^ (uint64_t)kind;
  for (size_t i = 0; i < identity.len; i++) h = (h ^ (unsigned char)identity.ptr[i]) * 1099511628211u;
  return h ^ h >> 29;
}

// When there is no memory for it the chains grow instead.
static void table_grow(struct health *h) {
  size_t size = h->size * 2;
  struct health_record **buckets = calloc(size, sizeof *buckets);
  if (!buckets) return;
  for (size_t i = 0; i < h->size; i++) {
    for (struct health_record *r = h->buckets[i], *next; r; r = next) {
      next = r->next;
      r->next = buckets[r->hash & (size - 1)];
      buckets[r->hash & (size - 1)] = r;
    }
  }
  free(h->buckets);
  h->buckets = buckets;
  h->size = size;
}

static struct health_record *record_new(struct health *h, enum health_kind kind, struct str identity, uint64_t hash) {
  enum { LINE = 64 };
  size_t size = (sizeof(struct health_record) + identity.len + LINE - 1) / LINE * LINE;
  void *memory = NULL;
  if (posix_memalign(&memory, LINE, size) != 0) return NULL;
  struct health_record *r = memset(memory, 0, size);
  pthread_mutex_init(&r->lock, NULL);
  r->kind = (uint8_t)kind;
  r->health = h;
  r->hash = hash;
  r->identity_len = identity.len;
  if (identity.len) memcpy(r->identity, identity.ptr, identity.len);
  return r;
}

struct health_record *health_record(struct health *h, enum health_kind kind, struct str identity) {
  uint64_t hash = hash_of(kind, identity);
  pthread_mutex_lock(&h->lock);
  struct health_record *r = h->buckets[hash & (h->size - 1)];
  while (r && !(r->hash == hash && r->kind == kind && str_eq(str_from(r->identity, r->identity_len), identity)))
    r = r->next;
  if (!r && (r = record_new(h, kind, identity, hash))) {
    if (++h->count > h->size) table_grow(h);
    struct health_record **at = &h->buckets[hash & (h->size - 1)];
    r->next = *at;
    *at = r;
  }
  pthread_mutex_unlock(&h->lock);
  return r;
}

// --- the bench ---

#define BENCH_LENGTH_BITS 24

static uint64_t bench_end(uint64_t bench) {
  return bench >> BENCH_LENGTH_BITS;
}

static uint64_t bench_length(uint64_t bench) {
  return bench & ((1u << BENCH_LENGTH_BITS) - 1);
}

static uint64_t bench_begin(uint64_t bench) {
  return bench_end(bench) - bench_length(bench);
}

// Is the present hour within it?
static bool bench_holds(uint64_t bench, uint64_t now_ms) {
  return now_ms < bench_end(bench) && now_ms + SLACK_MS >= bench_begin(bench);
}

static bool probe_holds(uint64_t probe, uint64_t now_ms) {
  return probe && now_ms + SLACK_MS >= probe - 1 && now_ms < probe - 1 + PROBE_MS;
}

// --- reading ---

// Which of the two windows' figures are good now: 0 of 5 minutes, 1 of 30, 2 none.
static unsigned window_of(uint64_t published, uint64_t now_ms) {
  uint64_t age = now_ms + SLACK_MS - (published >> 8);  // where that is still ahead: immense
  if (LIKELY(age < SLACK_MS + WINDOW_SHORT * 60u * SECOND_MS)) return 0;
  return age < SLACK_MS + WINDOW_MINUTES * 60u * SECOND_MS ? 1 : 2;
}

// In `published`: enum health_state of those with enough requests; the others:
enum { GRADE_UNKNOWN = 8, GRADES_LOW = 0x77 };  // GRADES_LOW: either is known, and not HEALTH_UP

static enum health_state grade_of(uint64_t published, uint64_t now_ms) {
  for (unsigned w = window_of(published, now_ms); w < 2; w++) {
    unsigned grade = published >> (w == 0 ? 4 : 0) & 15;
    if (grade != GRADE_UNKNOWN) return (enum health_state)grade;
  }
  return HEALTH_UP;
}

static __attribute__((noinline)) enum health_state state_in_doubt(const struct health_record *r, uint64_t bench,
                                                                  uint64_t published, uint64_t now_ms) {
  if (!bench) return grade_of(published, now_ms);
  if (bench_holds(bench, now_ms)) return HEALTH_BENCHED;
  return probe_holds(LOAD(r->probe), now_ms) ? HEALTH_PROBING : HEALTH_UP;
}

enum health_state health_state(const struct health_record *r, uint64_t now_ms) {
  uint64_t bench = LOAD(r->bench), published = LOAD(r->published);
  return LIKELY(!bench && !(published & GRADES_LOW)) ? HEALTH_UP : state_in_doubt(r, bench, published, now_ms);
}

uint64_t health_benched_until(const struct health_record *r, uint64_t now_ms) {
  uint64_t bench = LOAD(r->bench);
  return bench && bench_holds(bench, now_ms) ? bench_end(bench) : 0;
}

static double figure_read(const struct health_record *r, enum window_figure f, enum health_percentile p,
                          uint64_t now_ms) {
  for (unsigned w = window_of(LOAD(r->published), now_ms); w < 2; w++) {
    float figure = LOAD(r->figures[p][f][w]);
    if (figure > 0) return (double)figure;
  }
  return 0;
}

double health_latency_ms(const struct health_record *r, enum health_percentile p, uint64_t now_ms) {
  return figure_read(r, WINDOW_LATENCY, p, now_ms);
}

double health_throughput(const struct health_record *r, enum health_percentile p, uint64_t now_ms) {
  return figure_read(r, WINDOW_THROUGHPUT, p, now_ms);
}

// --- publishing; under the record's lock ---

static const double shares[HEALTH_PERCENTILES] = {
    [HEALTH_P50] = 0.50, [HEALTH_P75] = 0.75, [HEALTH_P90] = 0.90, [HEALTH_P99] = 0.99, [HEALTH_P95] = 0.95};

// Keys have no distributions: their figures are their endpoints'.
static void record_grow(struct health_record *r) {
  if (!r->window) r->window = calloc(1, sizeof *r->window);
  if (!r->window || r->kind == HEALTH_KEY) return;
  if (!r->window->timing) r->window->timing = calloc(1, sizeof *r->window->timing);
}

static unsigned grade(struct window_count c) {
  uint64_t all = (uint64_t)c.ok + c.failed;
  if (all < GRADE_REQUESTS) return GRADE_UNKNOWN;
  if ((uint64_t)c.ok * 100 < all * POOR_PERCENT) return HEALTH_POOR;
  return (uint64_t)c.ok * 100 < all * DEGRADED_PERCENT ? HEALTH_DEGRADED : HEALTH_UP;
}

// An outage that has ended is not held against it: the grade begins with the minute after.
static struct window_count graded(const struct health_record *r, unsigned minutes) {
  uint64_t closed = r->closed_ms / (60 * SECOND_MS), present = r->window->minute;
  if (r->closed_ms && present <= closed) return (struct window_count){0};
  if (r->closed_ms && present - closed < minutes) minutes = (unsigned)(present - closed);
  return health_window_minutes(r->window, minutes);
}

static void publish(struct health_record *r, uint64_t now_ms) {
  for (unsigned p = 0; r->window->timing && p < HEALTH_PERCENTILES; p++)
    for (unsigned f = 0; f < WINDOW_FIGURES; f++)
      for (unsigned w = 0; w < 2; w++)
        STORE(r->figures[p][f][w],
              (float)health_window_percentile(r->window, (enum window_figure)f, w == 1, shares[p]));
  uint64_t grades = grade(graded(r, WINDOW_SHORT)) << 4 | grade(graded(r, WINDOW_MINUTES));
  STORE(r->published, now_ms << 8 | grades);
}

// At once while there are few, then at every doubling or after a while.
static void publish_when_due(struct health_record *r, uint64_t now_ms) {
  enum { FEW = 20 };
  uint64_t last_ms = LOAD(r->published) >> 8;
  r->notes++;
  if (r->notes > FEW && r->notes < r->next_publish && now_ms >= last_ms && now_ms - last_ms < PUBLISH_MS) return;
  if (r->notes >= r->next_publish) r->next_publish = r->notes * 2;
  publish(r, now_ms);
}

// `s` NULL: it failed. A rate limit is no failure of uptime.
static void note(struct health_record *r, uint64_t now_ms, const struct health_sample *s, bool counts) {
  if (!r->window || (r->kind != HEALTH_KEY && !r->window->timing)) record_grow(r);
  struct health_window *w = r->window;
  if (!w) return;
  health_window_advance(w, now_ms);
  if (now_ms + SLACK_MS < r->closed_ms) r->closed_ms = 0;  // the clock has jumped
  if (counts) health_window_count(w, s != NULL);
  if (s) {
    health_window_sample(w, WINDOW_LATENCY, s->latency_ms);
    if (s->tokens)
      health_window_sample(w, WINDOW_THROUGHPUT, (double)s->tokens * 1000 / (s->total_ms ? s->total_ms : 1));
  }
  publish_when_due(r, now_ms);
}

// --- outages; under the record's lock ---

static void slices_advance(struct health_record *r, uint64_t now_ms) {
  uint64_t slice = now_ms / SLICE_MS;
  bool jumped_back = slice + SLACK_MS / SLICE_MS < r->slice;
  if (jumped_back || slice >= r->slice + SLICES) {
    memset(r->slices, 0, sizeof r->slices);
    r->slice = slice;
  }
  while (r->slice < slice) r->slices[++r->slice % SLICES] = (struct slice){0};
}

static bool is_outage(const struct health_record *r) {
  struct slice sum = {0};
  for (unsigned i = 0; i < SLICES; i++) {
    sum.ok += r->slices[i].ok;
    sum.failed += r->slices[i].failed;
  }
  if (r->burst >= BURST) return true;
  if (!sum.ok) return sum.failed > 0;
  return sum.failed >= OUTAGE_FAILURES &&
         (uint64_t)sum.failed * 100 >= ((uint64_t)sum.ok + sum.failed) * OUTAGE_PERCENT;
}

// --- opening and closing; under the record's lock ---

static uint64_t doubled(uint64_t ms, unsigned level, uint64_t ceiling_ms) {
  uint64_t length = ms << level;
  return length < ceiling_ms ? length : ceiling_ms;
}

// +-10 %, below the ceiling.
static uint64_t jittered(uint64_t ms, uint64_t ceiling_ms, uint64_t random) {
  uint64_t spread = ms / 5;
  uint64_t length = ms - spread / 2 + (spread ? random % (spread + 1) : 0);
  return length < ceiling_ms ? length : ceiling_ms;
}

// `held`: a bench was there, and is made another; the breaker does not open once more.
static void bench_set(struct health_record *r, bool held, uint64_t length_ms, bool doubt, uint64_t now_ms) {
  assert(length_ms > 0);
  assert(length_ms <= CEILING_MS);
  // Whoever sees the bench sees that it has opened.
  if (!held) STORE(r->opened, LOAD(r->opened) + 1);
  atomic_store_explicit(&r->bench, (now_ms + length_ms) << BENCH_LENGTH_BITS | length_ms, memory_order_release);
  r->deceived |= r->vouched;
  r->vouched = false;
  r->doubt = doubt;
  r->streak = 0;
  atomic_fetch_add_explicit(&r->health->benches, 1, memory_order_relaxed);
}

// How long a fault benches whatever came before; 0: only as part of an outage.
static uint64_t bench_at_once(const struct health_record *r, enum fault fault, unsigned retry_after_s,
                              uint64_t random) {
  uint64_t asked = (uint64_t)retry_after_s * SECOND_MS;
  if (asked > CEILING_MS) asked = CEILING_MS;
  switch (fault) {
    case FAULT_UPSTREAM_RATE: return asked ? asked : jittered(RATE_MS, CEILING_MS, random);
    case FAULT_UPSTREAM_OVERLOAD:
    case FAULT_UPSTREAM_ERROR: return asked;
    case FAULT_UPSTREAM_AUTH:
    case FAULT_UPSTREAM_BILLING:
    case FAULT_UPSTREAM_MODEL: return jittered(doubled(REFUSED_MS, r->refusals, CEILING_MS), CEILING_MS, random);
    default: return 0;
  }
}

// How long an outage benches that is seen now, or still there behind a bench (`again`).
static uint64_t bench_of_outage(struct health_record *r, bool again, uint64_t now_ms, uint64_t random) {
  if (!again && !(r->relapsing && r->closed_ms && now_ms - r->closed_ms < RELAPSE_MS))
    r->level = 0;
  else if (r->level < LEVEL_MAX)
    r->level++;
  return jittered(doubled(OUTAGE_MS, r->level, OUTAGE_CEILING_MS), OUTAGE_CEILING_MS, random);
}

static void on_failure(struct health_record *r, bool late, enum fault fault, unsigned retry_after_s, uint64_t now_ms,
                       uint64_t random) {
  uint64_t bench = LOAD(r->bench);
  bool held = bench && bench_holds(bench, now_ms);
  uint64_t at_once = late && !retry_after_s ? 0 : bench_at_once(r, fault, retry_after_s, random);
  if (at_once) {
    // Of two benches the one that ends later holds.
    if (!held || now_ms + at_once > bench_end(bench)) bench_set(r, held, at_once, false, now_ms);
    if (!held && !late && r->refusals < LEVEL_MAX) r->refusals++;
  } else if (!held && !late && (bench || is_outage(r))) {
    bench_set(r, false, bench_of_outage(r, bench && r->doubt, now_ms, random), true, now_ms);
  }
}

static void close_breaker(struct health_record *r, uint64_t now_ms) {
  STORE(r->bench, 0);
  r->closed_ms = now_ms;
  r->relapsing = r->doubt;
  r->vouched = r->deceived = false;
  r->streak = 0;
  r->burst = 0;
  memset(r->slices, 0, sizeof r->slices);
  r->next_publish = 0;  // at once: the grade begins anew
}

// --- noting ---

struct health_pass health_pass(const struct health_record *r) {
  return (struct health_pass){.opened = LOAD(r->opened)};
}

bool health_admit(struct health_record *r, uint64_t now_ms, struct health_pass *pass) {
  uint64_t bench = atomic_load_explicit(&r->bench, memory_order_acquire);
  *pass = health_pass(r);
  if (LIKELY(!bench) || bench_holds(bench, now_ms)) return true;
  uint64_t probe = LOAD(r->probe);
  if (probe_holds(probe, now_ms)) return false;
  if (!atomic_compare_exchange_strong_explicit(&r->probe, &probe, now_ms + 1, memory_order_acquire,
                                               memory_order_relaxed))
    return false;
  uint64_t since = LOAD(r->bench);
  if (since == bench) return pass->probe = now_ms + 1, true;
  // The probe before this one has just ended, and with it the doubt, one way or the other.
  STORE(r->probe, 0);
  return !since;
}

// Behind whatever follows from its result, so that no second one slips in between. One that was forgotten does not end
// the next.
static void probe_end(struct health_record *r, struct health_pass pass) {
  uint64_t mark = pass.probe;
  if (mark) atomic_compare_exchange_strong_explicit(&r->probe, &mark, 0, memory_order_release, memory_order_relaxed);
}

// Has the breaker opened since it began?
static bool is_late(const struct health_record *r, struct health_pass pass) {
  return pass.opened != health_pass(r).opened;
}

static void on_success(struct health_record *r, uint64_t now_ms) {
  slices_advance(r, now_ms);
  r->slices[r->slice % SLICES].ok++;
  if (r->burst) r->burst--;
  r->refusals = 0;
  uint64_t bench = LOAD(r->bench);
  if (UNLIKELY(bench) && !bench_holds(bench, now_ms) && (!r->doubt || ++r->streak >= PROBES)) close_breaker(r, now_ms);
}

void health_success(struct health_record *r, struct health_pass pass, const struct health_sample *s) {
  pthread_mutex_lock(&r->lock);
  r->noted = true;
  if (!is_late(r, pass)) on_success(r, s->now_ms);
  note(r, s->now_ms, s, true);
  probe_end(r, pass);
  pthread_mutex_unlock(&r->lock);
}

static bool is_ours(enum fault fault) {
  enum blame blame = fault_row(fault)->blame;
  return blame == BLAME_ENDPOINT || blame == BLAME_PROVIDER || blame == BLAME_CREDENTIAL;
}

void health_failure(struct health_record *r, struct health_pass pass, enum fault fault, unsigned retry_after_s,
                    uint64_t now_ms, uint64_t random) {
  if (!is_ours(fault)) {
    health_abandon(r, pass);
    return;
  }
  pthread_mutex_lock(&r->lock);
  bool late = is_late(r, pass);
  r->noted = true;
  r->last_fault = (uint8_t)fault;
  slices_advance(r, now_ms);
  bool counts = fault != FAULT_UPSTREAM_RATE;
  if (counts && !late) {
    r->slices[r->slice % SLICES].failed++;
    if (r->burst < BURST) r->burst += BURST_FAILURE;
  }
  on_failure(r, late, fault, retry_after_s, now_ms, random);
  note(r, now_ms, NULL, counts);
  probe_end(r, pass);
  pthread_mutex_unlock(&r->lock);
}

void health_abandon(struct health_record *r, struct health_pass pass) {
  probe_end(r, pass);
}

// --- active probes ---

static bool may_be_vouched(const struct health_record *r, uint64_t now_ms) {
  uint64_t bench = LOAD(r->bench);
  return bench && bench_holds(bench, now_ms) && r->doubt && !r->deceived;
}

bool health_wants_probe(struct health_record *r, uint64_t now_ms) {
  if (LIKELY(!LOAD(r->bench))) return false;
  pthread_mutex_lock(&r->lock);
  bool wants = may_be_vouched(r, now_ms);
  pthread_mutex_unlock(&r->lock);
  return wants;
}

bool health_alive(struct health_record *r, uint64_t asked_ms, uint64_t now_ms) {
  if (LIKELY(!LOAD(r->bench))) return false;
  pthread_mutex_lock(&r->lock);
  uint64_t bench = LOAD(r->bench);
  bool ends = may_be_vouched(r, now_ms) && bench_begin(bench) <= asked_ms;
  if (ends) {
    STORE(r->bench, now_ms << BENCH_LENGTH_BITS | bench_length(bench));
    r->vouched = true;
  }
  pthread_mutex_unlock(&r->lock);
  return ends;
}

// --- for people ---

static double uptime(struct window_count c) {
  uint64_t all = (uint64_t)c.ok + c.failed;
  return all ? 100.0 * c.ok / (double)all : -1;
}

static bool report_figure(const struct health_window *w, enum window_figure f, double out[HEALTH_PERCENTILES]) {
  for (unsigned i = 0; i < HEALTH_PERCENTILES; i++) out[i] = health_window_percentile(w, f, true, shares[i]);
  return out[HEALTH_P50] > 0;
}

void health_report(struct health_record *r, uint64_t now_ms, struct health_report *out) {
  *out = (struct health_report){.uptime_5m = -1, .uptime_30m = -1, .uptime_1d = -1};
  pthread_mutex_lock(&r->lock);
  out->noted = r->noted;
  out->last_fault = (enum fault)r->last_fault;
  if (r->window) {
    struct health_window *w = r->window;
    health_window_advance(w, now_ms);
    struct window_count last_30m = health_window_minutes(w, WINDOW_MINUTES);
    out->uptime_5m = uptime(health_window_minutes(w, WINDOW_SHORT));
    out->uptime_30m = uptime(last_30m);
    out->uptime_1d = uptime(health_window_day(w));
    out->requests_30m = (uint64_t)last_30m.ok + last_30m.failed;
    out->has_latency = report_figure(w, WINDOW_LATENCY, out->latency_30m);
    out->has_throughput = report_figure(w, WINDOW_THROUGHPUT, out->throughput_30m);
  }
  out->state = health_state(r, now_ms);
  out->benched_until_ms = health_benched_until(r, now_ms);
  out->half_open = LOAD(r->bench) && !out->benched_until_ms;
  pthread_mutex_unlock(&r->lock);
}

enum blame health_blame(enum fault fault, unsigned status) {
  enum { OVERLOADED = 529 };
  if (fault == FAULT_UPSTREAM_OVERLOAD && status == OVERLOADED) return BLAME_PROVIDER;
  enum blame blame = fault_row(fault)->blame;
  return is_ours(fault) ? blame : BLAME_NOBODY;
}

bool health_enter(struct health_record *r, unsigned limit) {
  // Never above the limit, not for a moment: somebody else would find it full who has nobody to be called by when it no
  // longer is.
  uint32_t n = atomic_load(&r->under_way);
  do
    if (n >= limit) return false;
  while (!atomic_compare_exchange_weak(&r->under_way, &n, n + 1));
  return true;
}

void health_leave(struct health_record *r) {
  atomic_fetch_sub(&r->under_way, 1);
}
