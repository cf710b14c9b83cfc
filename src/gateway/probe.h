// Active probes: while a provider or an endpoint of it is benched for an outage, the provider is asked for the list of
// its models now and then, which costs nothing. An answer is a sign of life: the bench ends early, and the next request
// is let through as the breaker's probe. No answer changes nothing. Off unless probe_interval_ms is set; the first loop
// does it, for all.
#pragma once
#include "gateway/worker.h"

struct prober;
// The worker has a new snapshot (what asked by the one before has been stopped): its intervals hold from now on.
// Without memory there are no probes.
void prober_use(struct worker *w);
// Ends and frees all of it; safe when there is nothing.
void prober_stop(struct worker *w);
