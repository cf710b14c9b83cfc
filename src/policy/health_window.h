// What came of the attempts of the last day: counts by the minute and the quarter of an hour, and distributions of
// latency and throughput over 5 and 30 minutes. One thread at a time; whoever owns it has the lock (policy/health.c).
// The hour may jump either way: what lies ahead of the present is forgotten.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum window_figure { WINDOW_LATENCY, WINDOW_THROUGHPUT, WINDOW_FIGURES };
enum {
  WINDOW_MINUTES = 30,
  WINDOW_SHORT = 5,      // minutes
  WINDOW_QUARTERS = 96,  // of an hour: a day
  // Four buckets an octave, the first from 1: a value is at most 9.1 % away from the one its bucket stands for.
  WINDOW_BUCKETS = 84,
};
// Latency counts in ms, throughput in 1/16 token a second.
#define WINDOW_THROUGHPUT_SCALE 16.0

struct window_count {
  uint32_t ok, failed;
};
struct window_histogram {
  uint32_t samples;
  uint32_t buckets[WINDOW_BUCKETS];
};
struct window_slice {  // of a minute; halved as a whole when a bucket is full, so its shape stays
  uint16_t buckets[WINDOW_FIGURES][WINDOW_BUCKETS];
};
struct window_timing {
  struct window_slice minutes[WINDOW_MINUTES];
  struct window_histogram last_5m[WINDOW_FIGURES], last_30m[WINDOW_FIGURES];  // sums of the minutes
};

// All-zero is empty.
struct health_window {
  uint64_t minute;  // since the clock's zero, of the newest slice
  struct window_count minutes[WINDOW_MINUTES], quarters[WINDOW_QUARTERS];
  struct window_timing *timing;  // NULL: counts only; owned by whoever made the window
};

// Forgets what has passed. Every reading and noting is of the hour last given here.
void health_window_advance(struct health_window *w, uint64_t now_ms);
void health_window_count(struct health_window *w, bool ok);
void health_window_sample(struct health_window *w, enum window_figure figure, double value);
// Of the last `minutes` (at most 30), the present one included.
struct window_count health_window_minutes(const struct health_window *w, unsigned minutes);
struct window_count health_window_day(const struct health_window *w);
// Of all samples this share, 0 < share <= 1, was at least as good: latency no higher, throughput no lower. 0: there are
// no samples.
double health_window_percentile(const struct health_window *w, enum window_figure figure, bool long_term, double share);
