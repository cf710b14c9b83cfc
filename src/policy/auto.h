// signalbox/auto (also openrouter/auto): chooses the model for a prompt from a pool, by difficulty, capability and the
// caller's cost tier. Pure.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "llm/model.h"
#include "llm/preferences.h"

enum cost_tier { TIER_ANY, TIER_LOW, TIER_MEDIUM, TIER_HIGH, TIER_XHIGH, TIER_MAX };

// Of the plugin {"id":"auto-router", ...}, else of the configuration.
struct auto_wish {
  struct str_list allowed, excluded;  // patterns with * ("anthropic/*"); empty allowed: all
  enum cost_tier tier;
  bool no_pin;  // pin_model: false
};

struct auto_choice {
  double difficulty;              // 0 to 1
  const struct model *models[4];  // the one chosen, then what to fall back to
  unsigned count;
  unsigned pool;       // how many models could have been chosen
  const char *reason;  // a sentence
};
// The models of `choice` go on to routing_decide. `pinned`: what the session got before; kept while it is in the pool.
// False: the pool is empty; *why says which rule emptied it.
bool auto_choose(const struct catalogue *c, const struct auto_wish *wish, const struct request_facts *facts,
                 const struct preferences *preferences, double difficulty, const struct model *pinned,
                 struct arena *arena, struct auto_choice *out, struct str *why);
// signalbox/free: the capable models that cost nothing, in a random order by the seed.
unsigned auto_free(const struct catalogue *c, const struct request_facts *facts, uint64_t seed,
                   const struct model **models, unsigned max);
