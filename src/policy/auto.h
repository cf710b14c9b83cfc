// signalbox/auto (also openrouter/auto): chooses the model for a prompt from a pool, by difficulty, capability and the
// caller's cost tier. Pure.
//
//   what the request wants (surface/auto_wish.h), how hard its prompt is (difficulty_of) > auto_choose > routing_decide
//
// The pool in the order of price is the axis: price stands for ability, as the catalogue knows no better measure. A
// tier is a fifth of it; inside its limits the difficulty points at the place, and newer models win over older ones
// near by.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "config/config.h"
#include "llm/model.h"
#include "llm/preferences.h"

// Of the plugin {"id":"auto-router", ...}, else of the configuration.
struct auto_wish {
  struct str_list allowed, excluded;  // patterns with * ("anthropic/*"); empty allowed: all
  enum cost_tier tier;
  uint8_t ceiling;                  // 1 to 100: the percentile of price not to go above, without a tier; 0: none
  bool no_pin;                      // pin_model: false
  const struct preferences *house;  // of the configuration, for every request; NULL: none
};
// What the configuration says (routing.auto, and of providers); it points into it.
struct auto_wish auto_wish_of(const struct config *c);

enum { AUTO_MODELS = 4 };
struct auto_choice {
  double difficulty;                        // 0 to 1
  const struct model *models[AUTO_MODELS];  // the one chosen, then what to fall back to
  unsigned count;
  unsigned pool;       // how many models could have been chosen
  const char *reason;  // a sentence
};
// The models of `choice` go on to routing_decide. `facts` and `preferences` may be NULL. `pinned`: what the session got
// before; kept while it is in the pool. False: the pool is empty, or memory is out; *why says which rule emptied it.
bool auto_choose(const struct catalogue *c, const struct auto_wish *wish, const struct request_facts *facts,
                 const struct preferences *preferences, double difficulty, const struct model *pinned,
                 struct arena *arena, struct auto_choice *out, struct str *why);
// signalbox/free: the capable models that cost nothing, in a random order by the seed; how many there are. 0 also when
// memory is out.
unsigned auto_free(const struct catalogue *c, const struct request_facts *facts, uint64_t seed,
                   const struct model **models, unsigned max);
// Does the name match? * stands for any characters; case does not matter.
bool auto_pattern_matches(struct str pattern, struct str name);
