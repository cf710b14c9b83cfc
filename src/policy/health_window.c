#include "policy/health_window.h"

#include <assert.h>
#include <math.h>  // only what the C library itself has: frexp, ldexp
#include <string.h>

enum { MINUTE_MS = 60 * 1000, QUARTER_MINUTES = 15 };
// Loops read the clock once a turn, so that one may be a little behind another.
enum { BEHIND_MINUTES = 1 };

// --- distributions ---

static unsigned bucket_of(double value) {
  if (!(value > 1)) return 0;  // NaN too
  int exponent;
  double m = frexp(value, &exponent);  // value = m * 2^exponent, 0.5 <= m < 1
  unsigned quarter = (m >= 0.5946035575013605) + (m >= 0.7071067811865476) + (m >= 0.8408964152537145);
  unsigned bucket = (unsigned)(exponent - 1) * 4 + quarter;
  return bucket < WINDOW_BUCKETS ? bucket : WINDOW_BUCKETS - 1;
}

// The geometric middle.
static double value_of(unsigned bucket) {
  static const double middle[4] = {1.0905077326652577, 1.2968395546510096, 1.5422108254079407, 1.8340080864093424};
  return ldexp(middle[bucket % 4], (int)(bucket / 4));
}

static void slice_subtract(struct window_histogram *from, const uint16_t buckets[WINDOW_BUCKETS]) {
  for (unsigned i = 0; i < WINDOW_BUCKETS; i++) {
    assert(from->buckets[i] >= buckets[i]);
    from->buckets[i] -= buckets[i];
    from->samples -= buckets[i];
  }
}

// The present minute's slice is full: half of everything in it is taken away.
static void slice_halve(struct window_timing *t, struct window_slice *s, enum window_figure f) {
  uint16_t away[WINDOW_BUCKETS];
  for (unsigned i = 0; i < WINDOW_BUCKETS; i++) {
    away[i] = s->buckets[f][i] / 2;
    s->buckets[f][i] -= away[i];
  }
  slice_subtract(&t->last_5m[f], away);
  slice_subtract(&t->last_30m[f], away);
}

void health_window_sample(struct health_window *w, enum window_figure figure, double value) {
  struct window_timing *t = w->timing;
  if (!t) return;
  unsigned bucket = bucket_of(figure == WINDOW_THROUGHPUT ? value * WINDOW_THROUGHPUT_SCALE : value);
  struct window_slice *s = &t->minutes[w->minute % WINDOW_MINUTES];
  if (s->buckets[figure][bucket] == UINT16_MAX) slice_halve(t, s, figure);
  s->buckets[figure][bucket]++;
  t->last_5m[figure].buckets[bucket]++;
  t->last_5m[figure].samples++;
  t->last_30m[figure].buckets[bucket]++;
  t->last_30m[figure].samples++;
}

double health_window_percentile(const struct health_window *w, enum window_figure figure, bool long_term,
                                double share) {
  assert(share > 0 && share <= 1);
  if (!w->timing) return 0;
  const struct window_histogram *h = long_term ? &w->timing->last_30m[figure] : &w->timing->last_5m[figure];
  if (!h->samples) return 0;
  double wanted = share * h->samples;
  uint64_t rank = (uint64_t)wanted, seen = 0;
  if ((double)rank < wanted) rank++;
  bool falling = figure == WINDOW_THROUGHPUT;
  for (unsigned i = 0; i < WINDOW_BUCKETS; i++) {
    unsigned bucket = falling ? WINDOW_BUCKETS - 1 - i : i;
    seen += h->buckets[bucket];
    if (seen >= rank) return value_of(bucket) / (falling ? WINDOW_THROUGHPUT_SCALE : 1);
  }
  return 0;
}

// --- the hour ---

static void window_clear(struct health_window *w) {
  memset(w->minutes, 0, sizeof w->minutes);
  memset(w->quarters, 0, sizeof w->quarters);
  if (w->timing) memset(w->timing, 0, sizeof *w->timing);
}

// `w->minute` becomes the next one: the slice that was 30 minutes ago is used again.
static void next_minute(struct health_window *w) {
  w->minute++;
  unsigned at = w->minute % WINDOW_MINUTES;
  w->minutes[at] = (struct window_count){0};
  if (w->minute % QUARTER_MINUTES == 0)
    w->quarters[w->minute / QUARTER_MINUTES % WINDOW_QUARTERS] = (struct window_count){0};
  struct window_timing *t = w->timing;
  if (!t) return;
  const struct window_slice *out_of_5m = &t->minutes[(w->minute + WINDOW_MINUTES - WINDOW_SHORT) % WINDOW_MINUTES];
  for (unsigned f = 0; f < WINDOW_FIGURES; f++) {
    slice_subtract(&t->last_5m[f], out_of_5m->buckets[f]);
    slice_subtract(&t->last_30m[f], t->minutes[at].buckets[f]);
  }
  memset(&t->minutes[at], 0, sizeof t->minutes[at]);
}

// More than half an hour at once: nothing of the minutes is left, and of the day what is not older.
static void skip_to(struct health_window *w, uint64_t minute) {
  uint64_t from = w->minute / QUARTER_MINUTES, to = minute / QUARTER_MINUTES;
  memset(w->minutes, 0, sizeof w->minutes);
  if (w->timing) memset(w->timing, 0, sizeof *w->timing);
  for (uint64_t q = to - from >= WINDOW_QUARTERS ? to - WINDOW_QUARTERS + 1 : from + 1; q <= to; q++)
    w->quarters[q % WINDOW_QUARTERS] = (struct window_count){0};
  w->minute = minute;
}

void health_window_advance(struct health_window *w, uint64_t now_ms) {
  uint64_t minute = now_ms / MINUTE_MS;
  if (minute + BEHIND_MINUTES < w->minute) {
    window_clear(w);
    w->minute = minute;
  }
  if (minute >= w->minute + WINDOW_MINUTES) skip_to(w, minute);
  while (w->minute < minute) next_minute(w);
}

// --- counts ---

static void count(struct window_count *c, bool ok) {
  uint32_t *which = ok ? &c->ok : &c->failed;
  if (*which < UINT32_MAX / WINDOW_QUARTERS) ++*which;
}

void health_window_count(struct health_window *w, bool ok) {
  count(&w->minutes[w->minute % WINDOW_MINUTES], ok);
  count(&w->quarters[w->minute / QUARTER_MINUTES % WINDOW_QUARTERS], ok);
}

struct window_count health_window_minutes(const struct health_window *w, unsigned minutes) {
  assert(minutes <= WINDOW_MINUTES);
  struct window_count sum = {0};
  for (unsigned i = 0; i < minutes; i++) {
    const struct window_count *c = &w->minutes[(w->minute + WINDOW_MINUTES - i) % WINDOW_MINUTES];
    sum.ok += c->ok;
    sum.failed += c->failed;
  }
  return sum;
}

struct window_count health_window_day(const struct health_window *w) {
  struct window_count sum = {0};
  for (unsigned i = 0; i < WINDOW_QUARTERS; i++) {
    sum.ok += w->quarters[i].ok;
    sum.failed += w->quarters[i].failed;
  }
  return sum;
}
