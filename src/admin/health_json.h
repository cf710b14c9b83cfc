// Health as clients read it. Every member is written in every object, null where nothing is known.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "llm/model.h"
#include "policy/routing.h"

struct health_view {
  const struct health_index *index;  // NULL, or without records: nothing is known
  uint64_t now_ms;
  bool timing;  // latency and throughput are shown
};

// How long the endpoint is benched, whatever the reason: its own, its provider's, or that of all its keys.
uint64_t endpoint_benched_until(const struct health_index *h, const struct endpoint *e, uint64_t now_ms);

// The members `status`, `uptime_last_*`, `latency_last_30m` and `throughput_last_30m` of an endpoint, as OpenRouter has
// them, in an object that has members already. `view` NULL: nothing is known.
void endpoint_health_members(struct buf *out, const struct health_view *view, const struct endpoint *e);

// GET /signalbox/health: every endpoint, provider and key that was ever asked.
void health_json(struct buf *out, const struct health_view *view, const struct catalogue *c);
