// Counters of one loop. Written by the loop, read by whoever answers /metrics: relaxed atomics, no locks. A metric is a
// row in METRICS and one call where it is counted.
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "llm/fault.h"

// name, Prometheus type, help
#define METRICS(X)                                                                                                 \
  X(connections_total, counter, "Client connections accepted")                                                     \
  X(connections_open, gauge, "Client connections open")                                                            \
  X(requests_total, counter, "HTTP requests received")                                                             \
  X(inference_requests_total, counter, "Inference requests received")                                              \
  X(streams_open, gauge, "Streamed answers under way")                                                             \
  X(upstream_attempts_total, counter, "Requests sent to providers")                                                \
  X(upstream_retries_total, counter, "Requests sent again because a kept connection had been closed")              \
  X(fallbacks_total, counter, "Attempts that followed a failed one")                                               \
  X(hedges_total, counter, "Attempts made beside one that was slow to speak")                                      \
  X(hedges_won_total, counter, "Hedges that spoke first")                                                          \
  X(hedges_denied_total, counter, "Hedges not made because their share was used up")                               \
  X(hedge_extra_picodollars_total, counter, "Estimated cost of the attempts that hedging cancelled, in 1e-12 USD") \
  X(requests_shed_total, counter, "Inference requests refused because the gateway was overloaded")                 \
  X(requests_waiting, gauge, "Requests that wait for room at a provider (max_concurrency)")                        \
  X(requests_waited_total, counter, "Requests that had to wait for room at a provider")                            \
  X(health_probes_total, counter, "Lists of models asked for, of providers benched for an outage")                 \
  X(health_probes_answered_total, counter, "Such lists that came")                                                 \
  X(prompt_tokens_total, counter, "Prompt tokens, as recorded")                                                    \
  X(completion_tokens_total, counter, "Completion tokens, as recorded")                                            \
  X(cost_picodollars_total, counter, "Cost in 1e-12 USD, as recorded")                                             \
  X(records_lost_total, counter, "Records that could not be kept because the disk is full")                        \
  X(gateway_nanoseconds_total, counter, "The gateway's own share of inference latency, summed, in ns")

enum metric {
#define METRIC_ENUM(name, type, help) METRIC_##name,
  METRICS(METRIC_ENUM)
#undef METRIC_ENUM
      METRIC_COUNT
};

enum { LATENCY_BUCKETS = 12 };

struct metrics {
  _Atomic(int64_t) values[METRIC_COUNT];
  _Atomic(int64_t) faults[FAULT_COUNT];  // inference requests by outcome
  _Atomic(int64_t) latency[LATENCY_BUCKETS + 1];
  _Atomic(int64_t) latency_ms_sum;
};

static inline void metric_add(struct metrics *m, enum metric which, int64_t n) {
  // One writer: a plain add is enough, the atomic only keeps readers from seeing half a value.
  int64_t old = atomic_load_explicit(&m->values[which], memory_order_relaxed);
  atomic_store_explicit(&m->values[which], old + n, memory_order_relaxed);
}
static inline int64_t metric_get(const struct metrics *m, enum metric which) {
  return atomic_load_explicit(&m->values[which], memory_order_relaxed);
}
void metric_outcome(struct metrics *m, enum fault fault, uint64_t latency_ms);

// The Prometheus text format, summed over all loops.
void metrics_write(struct buf *out, const struct metrics *const *all, unsigned count);
