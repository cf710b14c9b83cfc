#include "gateway/metrics.h"

static const unsigned bucket_ms[LATENCY_BUCKETS] = {1, 5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30000, 120000};

static void add(_Atomic(int64_t) *value, int64_t n) {
  atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n, memory_order_relaxed);
}

void metric_outcome(struct metrics *m, enum fault fault, uint64_t latency_ms) {
  add(&m->faults[fault], 1);
  unsigned b = 0;
  while (b < LATENCY_BUCKETS && latency_ms > bucket_ms[b]) b++;
  add(&m->latency[b], 1);
  add(&m->latency_ms_sum, (int64_t)latency_ms);
}

static int64_t get(const _Atomic(int64_t) *value) {
  return atomic_load_explicit(value, memory_order_relaxed);
}

void metrics_write(struct buf *out, const struct metrics *const *all, unsigned count) {
  static const struct {
    const char *name, *type, *help;
  } rows[METRIC_COUNT] = {
#define METRIC_ROW(name, type, help) {#name, #type, help},
      METRICS(METRIC_ROW)
#undef METRIC_ROW
  };
  for (int i = 0; i < METRIC_COUNT; i++) {
    int64_t sum = 0;
    for (unsigned w = 0; w < count; w++) sum += get(&all[w]->values[i]);
    buf_printf(out, "# HELP signalbox_%s %s\n# TYPE signalbox_%s %s\nsignalbox_%s %lld\n", rows[i].name, rows[i].help,
               rows[i].name, rows[i].type, rows[i].name, (long long)sum);
  }
  buf_lit(out,
          "# HELP signalbox_outcomes_total Inference requests by outcome\n# TYPE signalbox_outcomes_total counter\n");
  for (int f = 0; f < FAULT_COUNT; f++) {
    int64_t sum = 0;
    for (unsigned w = 0; w < count; w++) sum += get(&all[w]->faults[f]);
    if (sum)
      buf_printf(out, "signalbox_outcomes_total{outcome=\"%s\"} %lld\n",
                 f ? fault_row((enum fault)f)->name : "answered", (long long)sum);
  }
  buf_lit(out,
          "# HELP signalbox_latency_seconds Arrival to first byte of the answer\n"
          "# TYPE signalbox_latency_seconds histogram\n");
  int64_t below = 0, ms = 0;
  for (int b = 0; b <= LATENCY_BUCKETS; b++) {
    for (unsigned w = 0; w < count; w++) below += get(&all[w]->latency[b]);
    if (b < LATENCY_BUCKETS)
      buf_printf(out, "signalbox_latency_seconds_bucket{le=\"%u.%03u\"} %lld\n", bucket_ms[b] / 1000,
                 bucket_ms[b] % 1000, (long long)below);
  }
  for (unsigned w = 0; w < count; w++) ms += get(&all[w]->latency_ms_sum);
  buf_printf(out,
             "signalbox_latency_seconds_bucket{le=\"+Inf\"} %lld\nsignalbox_latency_seconds_sum %lld.%03lld\n"
             "signalbox_latency_seconds_count %lld\n",
             (long long)below, (long long)(ms / 1000), (long long)(ms % 1000), (long long)below);
}
