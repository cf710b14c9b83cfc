// How a request would be routed, as JSON: what POST /signalbox/explain answers and `signalbox explain` prints. Pure.
#pragma once
#include "base/buf.h"
#include "policy/plan.h"

struct explain {
  const struct plan *plan;         // made with `explain`
  const struct plan_query *query;  // of it
  const struct fault_note *note;   // why there is no candidate; NULL: there are
};

// `{"requested":…,"candidates":[…],"excluded":[…],"auto":…}`; docs/explain.md names the members.
void explain_json(struct buf *out, const struct explain *e);
// The sentence on one candidate, or on what keeps it out; without quotes.
void explain_reason(struct buf *out, const struct routing_candidate *c);
const char *explain_band(const struct routing_candidate *c);
const char *explain_place(const struct routing_candidate *c);
// "google-vertex/us-east5": the provider's slug with its sub-offer.
void explain_tag(struct buf *out, const struct endpoint *e);
