#include "policy/health.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
  BUCKETS = 512,  // of the table
  // The breaker.
  RECENT_SLICES = 6,
  RECENT_MS = 5000,  // of a slice: 30 s in all
  OUTAGE_FAILURES = 2,
  OUTAGE_PERCENT = 20,
  BENCH_MS = 5000,  // the first time; doubles
  BENCH_MAX_MS = 30 * 1000,
  RATE_MS = 10 * 1000,  // a rate limit that names no time
  SURE_MS = 60 * 1000,  // a refused key, an unknown model: doubles
  BILLING_MS = 5 * 60 * 1000,
  LONGEST_MS = 10 * 60 * 1000,
  PROBE_MS = 60 * 1000,  // a probe that nobody gave back is over then: longer ones are slow, not lost
  PROBES = 3,            // successes that close it
  // Figures.
  MINUTES = 30,
  SHORT_MINUTES = 5,
  QUARTERS = 96,  // of an hour: a day
  GRADE_LEAST = 100,
  PUBLISH_MS = 200,
  STEPS = 80,  // of a histogram, each a fifth above the one before: the middle is at most a tenth off
};

struct histogram {
  uint16_t steps[STEPS];
};

struct minute {
  uint64_t number;  // since the clock's begin; what is of another minute is not counted
  uint32_t good, bad;
  struct histogram latency, throughput;
};

struct quarter {
  uint64_t number;
  uint32_t good, bad;
};

struct windows {
  struct minute minutes[MINUTES];
  struct quarter quarters[QUARTERS];
};

enum breaker { BREAKER_CLOSED, BREAKER_OPEN };

struct health_record {
  // read by everybody
  _Atomic(uint32_t) breaker;  // enum breaker; open is half open once its time is over
  _Atomic(uint32_t) grade;    // enum health_state, of uptime
  _Atomic(uint64_t) until_ms, probe_until_ms;
  _Atomic(uint64_t) published_ms;                                              // when the figures were; 0: never
  _Atomic(float) latency[HEALTH_PERCENTILES], throughput[HEALTH_PERCENTILES];  // 0: unknown
  // under the lock
  pthread_mutex_t lock;
  unsigned level;      // how often it was opened in a row
  unsigned successes;  // in a row, while open
  bool sure;           // it was opened by something that leaves no doubt: one success closes it
  uint8_t last_fault;
  struct {
    uint64_t number;
    uint32_t good, bad;
  } recent[RECENT_SLICES];
  struct windows *windows;  // NULL: nothing was noted yet, or no memory
  // never changed
  struct health_record *next;
  enum health_kind kind;
  size_t identity_len;
  char identity[];
};

struct health {
  pthread_mutex_t lock;
  struct health_record *buckets[BUCKETS];
};

#define READ(member) atomic_load_explicit(&(member), memory_order_relaxed)
#define WRITE(member, value) atomic_store_explicit(&(member), (value), memory_order_relaxed)

// --- the table ---

struct health *health_new(void) {
  struct health *h = calloc(1, sizeof *h);
  if (h && pthread_mutex_init(&h->lock, NULL) != 0) {
    free(h);
    return NULL;
  }
  return h;
}

void health_free(struct health *h) {
  if (!h) return;
  for (size_t i = 0; i < BUCKETS; i++)
    for (struct health_record *r = h->buckets[i], *next; r; r = next) {
      next = r->next;
      pthread_mutex_destroy(&r->lock);
      free(r->windows);
      free(r);
    }
  pthread_mutex_destroy(&h->lock);
  free(h);
}

static uint32_t hash(enum health_kind kind, struct str identity) {
  uint32_t h = 2166136261u ^ (uint32_t)kind;
  for (size_t i = 0; i < identity.len; i++) h = (h ^ (unsigned char)identity.ptr[i]) * 16777619u;
  return h;
}

static struct health_record *record_new(enum health_kind kind, struct str identity) {
  struct health_record *r = calloc(1, sizeof *r + identity.len);
  if (!r) return NULL;
  if (pthread_mutex_init(&r->lock, NULL) != 0) {
    free(r);
    return NULL;
  }
  r->kind = kind;
  r->identity_len = identity.len;
  if (identity.len) memcpy(r->identity, identity.ptr, identity.len);
  return r;
}

struct health_record *health_record(struct health *h, enum health_kind kind, struct str identity) {
  struct health_record **bucket = &h->buckets[hash(kind, identity) % BUCKETS];
  pthread_mutex_lock(&h->lock);
  struct health_record *r = *bucket;
  while (r && (r->kind != kind || !str_eq(str_from(r->identity, r->identity_len), identity))) r = r->next;
  if (!r && (r = record_new(kind, identity))) {
    r->next = *bucket;
    *bucket = r;
  }
  pthread_mutex_unlock(&h->lock);
  return r;
}

// --- reading ---

static bool is_fresh(const struct health_record *r, uint64_t now_ms) {
  uint64_t published = READ(r->published_ms);
  return published && (now_ms < published || now_ms - published < MINUTES * 60000ull);
}

enum health_state health_state(const struct health_record *r, uint64_t now_ms) {
  if (READ(r->breaker) == BREAKER_CLOSED) return is_fresh(r, now_ms) ? (enum health_state)READ(r->grade) : HEALTH_UP;
  if (now_ms < READ(r->until_ms)) return HEALTH_BENCHED;
  return now_ms < READ(r->probe_until_ms) ? HEALTH_PROBING : HEALTH_UP;
}

uint64_t health_benched_until(const struct health_record *r, uint64_t now_ms) {
  uint64_t until = READ(r->until_ms);
  return READ(r->breaker) == BREAKER_OPEN && now_ms < until ? until : 0;
}

static bool figures(const struct health_record *r, const _Atomic(float) from[], uint64_t now_ms,
                    double out[HEALTH_PERCENTILES]) {
  if (!is_fresh(r, now_ms) || READ(from[0]) <= 0) return false;
  for (int i = 0; i < HEALTH_PERCENTILES; i++) out[i] = (double)READ(from[i]);
  return true;
}

bool health_latency_ms(const struct health_record *r, uint64_t now_ms, double out[HEALTH_PERCENTILES]) {
  return figures(r, r->latency, now_ms, out);
}

bool health_throughput(const struct health_record *r, uint64_t now_ms, double out[HEALTH_PERCENTILES]) {
  return figures(r, r->throughput, now_ms, out);
}

double health_latency_p50(const struct health_record *r, uint64_t now_ms) {
  return is_fresh(r, now_ms) ? (double)READ(r->latency[HEALTH_P50]) : 0;
}

double health_throughput_p50(const struct health_record *r, uint64_t now_ms) {
  return is_fresh(r, now_ms) ? (double)READ(r->throughput[HEALTH_P50]) : 0;
}

// --- figures ---

static unsigned step_of(double value) {
  double step = log(value) / log(1.2);
  return step < 0 ? 0 : step >= STEPS ? STEPS - 1 : (unsigned)step;
}

static double value_of(unsigned step) {
  return pow(1.2, step + 0.5);
}

// Tenths of tokens a second, so that slow ones have steps of their own.
static const double throughput_unit = 0.1;

static void count(struct histogram *h, double value) {
  uint16_t *step = &h->steps[step_of(value)];
  if (*step < UINT16_MAX) ++*step;
}

static struct minute *minute_at(struct windows *w, uint64_t now_ms) {
  uint64_t number = now_ms / 60000 + 1;
  struct minute *m = &w->minutes[number % MINUTES];
  if (m->number != number) *m = (struct minute){.number = number};
  return m;
}

static void count_outcome(struct health_record *r, bool good, uint64_t now_ms) {
  uint64_t number = now_ms / RECENT_MS + 1, quarter = now_ms / 900000 + 1;
  unsigned place = number % RECENT_SLICES;
  if (r->recent[place].number != number) {
    r->recent[place].number = number;
    r->recent[place].good = r->recent[place].bad = 0;
  }
  *(good ? &r->recent[place].good : &r->recent[place].bad) += 1;
  if (!r->windows && !(r->windows = calloc(1, sizeof *r->windows))) return;
  struct minute *m = minute_at(r->windows, now_ms);
  struct quarter *q = &r->windows->quarters[quarter % QUARTERS];
  if (q->number != quarter) *q = (struct quarter){.number = quarter};
  *(good ? &m->good : &m->bad) += 1;
  *(good ? &q->good : &q->bad) += 1;
}

struct sums {
  uint64_t good, bad, latencies, throughputs;
  uint32_t latency[STEPS], throughput[STEPS];
};

// What the last so many minutes hold.
static void sum_minutes(const struct windows *w, uint64_t now_ms, unsigned minutes, bool histograms, struct sums *out) {
  uint64_t number = now_ms / 60000 + 1;
  *out = (struct sums){0};
  for (unsigned i = 0; i < MINUTES; i++) {
    const struct minute *m = &w->minutes[i];
    if (!m->number || m->number > number || number - m->number >= minutes) continue;
    out->good += m->good;
    out->bad += m->bad;
    for (unsigned s = 0; histograms && s < STEPS; s++) {
      out->latency[s] += m->latency.steps[s];
      out->throughput[s] += m->throughput.steps[s];
      out->latencies += m->latency.steps[s];
      out->throughputs += m->throughput.steps[s];
    }
  }
}

// Percentiles of how high a value is (latency), or of how low (`falling`: of a hundred answers, so many are at least
// this fast): the p90 of both is what nine of ten answers do not fall short of.
static void percentiles(const uint32_t steps[STEPS], uint64_t total, bool falling, double unit,
                        double out[HEALTH_PERCENTILES]) {
  static const unsigned parts[HEALTH_PERCENTILES] = {
      [HEALTH_P50] = 50, [HEALTH_P75] = 75, [HEALTH_P90] = 90, [HEALTH_P99] = 99, [HEALTH_P95] = 95};
  for (unsigned p = 0; p < HEALTH_PERCENTILES; p++) {
    uint64_t rank = (total * parts[p] + 99) / 100, seen = 0;
    out[p] = 0;
    for (unsigned i = 0; i < STEPS && total && !(out[p] > 0); i++) {
      unsigned step = falling ? STEPS - 1 - i : i;
      seen += steps[step];
      if (seen >= rank) out[p] = value_of(step) * unit;
    }
  }
}

static enum health_state grade_of(const struct sums *sums) {
  uint64_t total = sums->good + sums->bad;
  if (total < GRADE_LEAST) return HEALTH_UP;
  uint64_t percent = sums->good * 100 / total;
  return percent >= 95 ? HEALTH_UP : percent >= 80 ? HEALTH_DEGRADED : HEALTH_POOR;
}

static void publish(struct health_record *r, uint64_t now_ms) {
  uint64_t published = READ(r->published_ms);
  struct sums sums, more;
  double out[HEALTH_PERCENTILES];
  if (!r->windows || (published && now_ms >= published && now_ms - published < PUBLISH_MS)) return;
  sum_minutes(r->windows, now_ms, SHORT_MINUTES, true, &sums);
  if (!sums.latencies) sum_minutes(r->windows, now_ms, MINUTES, true, &sums);
  percentiles(sums.latency, sums.latencies, false, 1, out);
  for (int i = 0; i < HEALTH_PERCENTILES; i++) WRITE(r->latency[i], (float)out[i]);
  percentiles(sums.throughput, sums.throughputs, true, throughput_unit, out);
  for (int i = 0; i < HEALTH_PERCENTILES; i++) WRITE(r->throughput[i], (float)out[i]);
  sum_minutes(r->windows, now_ms, SHORT_MINUTES, false, &more);
  if (more.good + more.bad < GRADE_LEAST) sum_minutes(r->windows, now_ms, MINUTES, false, &more);
  WRITE(r->grade, (uint32_t)grade_of(&more));
  WRITE(r->published_ms, now_ms ? now_ms : 1);
}

// --- the breaker ---

static uint64_t doubled(uint64_t ms, unsigned times, uint64_t most) {
  while (times-- && ms < most) ms *= 2;
  return ms < most ? ms : most;
}

// A tenth more or less, so that not everybody comes back at once.
static uint64_t jittered(uint64_t ms, uint64_t random) {
  uint64_t tenth = ms / 10;
  return tenth ? ms - tenth + random % (2 * tenth + 1) : ms;
}

static void open_until(struct health_record *r, uint64_t until_ms, bool sure) {
  r->successes = 0;
  r->sure = sure;
  WRITE(r->probe_until_ms, 0);
  WRITE(r->until_ms, until_ms);
  atomic_store_explicit(&r->breaker, BREAKER_OPEN, memory_order_release);
}

// Is what failed lately more than an accident?
static bool is_outage(const struct health_record *r, uint64_t now_ms) {
  uint64_t number = now_ms / RECENT_MS + 1, good = 0, bad = 0;
  for (unsigned i = 0; i < RECENT_SLICES; i++) {
    if (!r->recent[i].number || r->recent[i].number > number || number - r->recent[i].number >= RECENT_SLICES) continue;
    good += r->recent[i].good;
    bad += r->recent[i].bad;
  }
  return !good || (bad >= OUTAGE_FAILURES && bad * 100 >= (good + bad) * OUTAGE_PERCENT);
}

// How long what leaves no doubt keeps it out; 0: it is a matter of how often.
static uint64_t sure_bench(struct health_record *r, enum fault fault, uint64_t asked_ms) {
  switch (fault) {
    case FAULT_UPSTREAM_RATE: return asked_ms ? asked_ms : RATE_MS;
    case FAULT_UPSTREAM_OVERLOAD: return asked_ms;
    case FAULT_UPSTREAM_BILLING: return BILLING_MS;
    case FAULT_UPSTREAM_AUTH:
    case FAULT_UPSTREAM_MODEL: return doubled(SURE_MS, r->level, LONGEST_MS);
    default: return 0;
  }
}

static void judge(struct health_record *r, enum fault fault, unsigned retry_after_s, uint64_t now_ms, uint64_t random) {
  uint64_t asked = (uint64_t)retry_after_s * 1000, until = READ(r->until_ms);
  if (asked > LONGEST_MS) asked = LONGEST_MS;
  bool open = READ(r->breaker) == BREAKER_OPEN, benched = open && now_ms < until;
  uint64_t sure = sure_bench(r, fault, asked);
  if (sure) {
    if (!benched || now_ms + sure > until) open_until(r, now_ms + sure, true);
    if (!benched && r->level < 16) r->level++;
  } else if (!benched && (open || is_outage(r, now_ms))) {
    open_until(r, now_ms + jittered(doubled(BENCH_MS, r->level, BENCH_MAX_MS * 10 / 11), random), false);
    if (r->level < 16) r->level++;
  }
}

bool health_admit(struct health_record *r, uint64_t now_ms) {
  if (atomic_load_explicit(&r->breaker, memory_order_acquire) == BREAKER_CLOSED) return true;
  pthread_mutex_lock(&r->lock);
  bool open = READ(r->breaker) == BREAKER_OPEN;
  bool let = !open || (now_ms >= READ(r->until_ms) && now_ms >= READ(r->probe_until_ms));
  if (open && let) WRITE(r->probe_until_ms, now_ms + PROBE_MS);
  pthread_mutex_unlock(&r->lock);
  return let;
}

void health_success(struct health_record *r, const struct health_sample *s) {
  pthread_mutex_lock(&r->lock);
  WRITE(r->probe_until_ms, 0);
  if (READ(r->breaker) == BREAKER_OPEN && (++r->successes >= PROBES || r->sure)) {
    memset(r->recent, 0, sizeof r->recent);
    r->level = 0;
    WRITE(r->until_ms, 0);
    WRITE(r->breaker, BREAKER_CLOSED);
  }
  count_outcome(r, true, s->now_ms);
  if (r->windows) {
    struct minute *m = minute_at(r->windows, s->now_ms);
    count(&m->latency, s->latency_ms ? s->latency_ms : 1);
    if (s->tokens) count(&m->throughput, (double)s->tokens * 1000 / (s->total_ms ? s->total_ms : 1) / throughput_unit);
  }
  publish(r, s->now_ms);
  pthread_mutex_unlock(&r->lock);
}

static bool counts(enum fault fault) {
  enum blame blame = health_blame(fault, 0);
  return blame == BLAME_ENDPOINT || blame == BLAME_PROVIDER || blame == BLAME_CREDENTIAL;
}

void health_failure(struct health_record *r, enum fault fault, unsigned retry_after_s, uint64_t now_ms,
                    uint64_t random) {
  if (!counts(fault)) {
    health_abandon(r);
    return;
  }
  pthread_mutex_lock(&r->lock);
  WRITE(r->probe_until_ms, 0);
  r->successes = 0;
  r->last_fault = (uint8_t)fault;
  count_outcome(r, false, now_ms);
  judge(r, fault, retry_after_s, now_ms, random);
  publish(r, now_ms);
  pthread_mutex_unlock(&r->lock);
}

void health_abandon(struct health_record *r) {
  if (READ(r->breaker) == BREAKER_CLOSED) return;
  pthread_mutex_lock(&r->lock);
  WRITE(r->probe_until_ms, 0);
  pthread_mutex_unlock(&r->lock);
}

enum blame health_blame(enum fault fault, unsigned status) {
  if (fault == FAULT_UPSTREAM_OVERLOAD && status == 529) return BLAME_PROVIDER;
  return fault_row(fault)->blame;
}

// --- for people ---

static double uptime(uint64_t good, uint64_t bad) {
  return good + bad ? 100.0 * (double)good / (double)(good + bad) : -1;
}

void health_report(struct health_record *r, uint64_t now_ms, struct health_report *out) {
  struct sums sums;
  *out = (struct health_report){.uptime_5m = -1, .uptime_30m = -1, .uptime_1d = -1};
  pthread_mutex_lock(&r->lock);
  out->state = health_state(r, now_ms);
  out->benched_until_ms = health_benched_until(r, now_ms);
  out->last_fault = (enum fault)r->last_fault;
  if (r->windows) {
    sum_minutes(r->windows, now_ms, SHORT_MINUTES, false, &sums);
    out->uptime_5m = uptime(sums.good, sums.bad);
    sum_minutes(r->windows, now_ms, MINUTES, true, &sums);
    out->uptime_30m = uptime(sums.good, sums.bad);
    out->requests_30m = sums.good + sums.bad;
    out->has_latency = sums.latencies > 0;
    out->has_throughput = sums.throughputs > 0;
    percentiles(sums.latency, sums.latencies, false, 1, out->latency_30m);
    percentiles(sums.throughput, sums.throughputs, true, throughput_unit, out->throughput_30m);
    uint64_t good = 0, bad = 0, number = now_ms / 900000 + 1;
    for (unsigned i = 0; i < QUARTERS; i++) {
      const struct quarter *q = &r->windows->quarters[i];
      if (!q->number || q->number > number || number - q->number >= QUARTERS) continue;
      good += q->good;
      bad += q->bad;
    }
    out->uptime_1d = uptime(good, bad);
  }
  pthread_mutex_unlock(&r->lock);
}
