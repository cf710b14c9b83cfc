// One configuration with all that follows from it: catalogue, trust, origins' facts. Immutable; a reload makes a new
// one, and requests keep the one they began with.
#pragma once
#include <stdatomic.h>
#include <stdbool.h>

#include "base/arena.h"
#include "config/config.h"
#include "llm/model.h"
#include "net/upstream.h"
#include "policy/auto.h"
#include "policy/routing.h"

// Where a provider is reached; parallel to catalogue.providers.
struct provider_origin {
  struct origin_spec spec;
  struct str path;  // of base_url, without trailing slash
};

struct snapshot {
  struct arena arena;
  atomic_uint refs;
  uint64_t serial;  // no two of a process have the same
  struct config config;
  struct catalogue catalogue;
  struct provider_origin *origins;  // one for each provider
  uint64_t *identities;             // one for each endpoint: the same after a reload that keeps it
  struct health_index health;       // all NULL: nobody has looked
  struct auto_wish auto_wish;       // the configuration's
  struct tls_context *tls;          // the system's trust anchors; NULL: no provider here wants anything fetched
};

// Reads the file (path empty: from the environment). NULL when there are problems; they are in `problems`, whose memory
// is in `scratch`.
struct snapshot *snapshot_load(struct str path, struct arena *scratch, struct config_problems *problems);
// Adds what a connection of the gateway's own needs: the system's trust for https, and the configured proxy.
void snapshot_origin_complete(const struct snapshot *s, struct origin_spec *spec);
// Finds the health records of its endpoints, providers and keys, by names that survive a reload. Before anybody else
// has the snapshot. False: out of memory; nothing is known of anybody then.
bool snapshot_bind_health(struct snapshot *s, struct health *h);
struct snapshot *snapshot_hold(struct snapshot *s);
void snapshot_drop(struct snapshot *s);
