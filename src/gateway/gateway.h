// The running gateway: its event loops and threads, the store, the present configuration; start, reload, drain.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "gateway/metrics.h"
#include "gateway/route.h"
#include "gateway/snapshot.h"
#include "store/store.h"

struct gateway;

struct gateway_options {
  struct snapshot *snapshot;  // taken over
  struct store *store;        // open; started and stopped by the gateway
  struct str management_key;
  const struct route *routes;
  size_t route_count;
};

// Opens listeners and spools, starts the loops and the store's thread. NULL with a sentence in *why (in `arena`).
struct gateway *gateway_start(struct arena *arena, const struct gateway_options *options, struct str *why);
// Puts a new configuration in place (taken over); requests under way keep theirs. Listeners and workers stay as they
// are. False: out of memory, the old one stays.
bool gateway_reload(struct gateway *g, struct snapshot *snapshot);
// Stops accepting, lets requests finish for drain_timeout_ms at most, drains the spools, frees all.
void gateway_stop(struct gateway *g);

// "127.0.0.1:8787" of the first listener, with the port the kernel gave.
struct str gateway_address(const struct gateway *g);
unsigned gateway_workers(const struct gateway *g);
bool gateway_is_draining(const struct gateway *g);

// --- for the path and the handlers ---
const struct route *gateway_routes(const struct gateway *g, size_t *count);
struct store *gateway_store(struct gateway *g);
struct sidecar *gateway_sidecar(struct gateway *g);
struct health *gateway_health(struct gateway *g);
struct response_cache *gateway_response_cache(struct gateway *g);  // may be NULL
struct idempotency *gateway_idempotency(struct gateway *g);        // may be NULL
struct sticky *gateway_sticky(struct gateway *g);
struct waiting *gateway_waiting(struct gateway *g);  // may be NULL
struct hedge_share *gateway_hedges(struct gateway *g);
// That have come so far, of all loops.
int64_t gateway_inference_requests(const struct gateway *g);
// False when asking the store for an unknown key makes no sense (it is asked too much already).
bool gateway_can_look_up_keys(struct gateway *g);
// On the store's thread: makes the loops' keyrings anew when keys have changed since the last time (`force`: in any
// case).
void gateway_keys_refresh(struct gateway *g, struct store *s, bool force);
// The presets as they are now, for a request of this loop: valid until the next call, see gateway/presets.h.
struct worker;
const struct preset_set *gateway_presets(struct worker *w);
// On the store's thread, when presets have been changed.
void gateway_presets_refresh(struct gateway *g, struct store *s);
// All loops' counters.
void gateway_metrics(struct gateway *g, struct buf *out);
// Of a key, what it has spent until now, including what is not in the store yet.
money_pico gateway_key_spent(struct gateway *g, struct str key_id);
