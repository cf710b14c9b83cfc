// Where a request goes: a pure function of what it asks for (models, preferences, facts), the catalogue, the health of
// endpoints, the hour and a seed, to an order of endpoints *with reasons*. The path, `explain`, metadata and error
// messages read the same reasons.
//
//   each model's endpoints > filters (each names itself) > bands by health > order inside a band:
//     `order`, or `sort`, or the draw: the first by weight 1/price², the rest by price
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "llm/model.h"
#include "llm/preferences.h"
#include "policy/health.h"

// Why an endpoint is out. The words are OpenRouter's availability.excluded_by (MAP 15.3) where it has one.
#define ROUTING_FILTERS(X)                                                                                     \
  X(NONE, "", "")                                                                                              \
  X(PROVIDERS, "allowed_providers", "provider.only, provider.ignore or the gateway's own lists leave it out")  \
  X(TRAINING, "data_policy:training", "provider.data_collection is deny, and it may store or train")           \
  X(ZDR, "data_policy:zdr", "provider.zdr is true, and it is not known to keep nothing")                       \
  X(QUANTIZATION, "quantization", "its quantization is not among provider.quantizations")                      \
  X(MAX_PRICE, "max_price", "it costs more than provider.max_price")                                           \
  X(FREE, "max_price", "the model was asked for as :free, and this costs something")                           \
  X(CONTEXT, "context_length", "the request is longer than its context")                                       \
  X(OUTPUT, "max_completion_tokens", "it cannot answer with max_tokens tokens, and others can")                \
  X(INPUT_MODALITY, "input_modalities", "it does not take all kinds of input that are in the request")         \
  X(OUTPUT_MODALITY, "output_modalities", "it does not give the kinds of output asked for")                    \
  X(PARAMETERS, "require_parameters", "provider.require_parameters is true, and it does not know all of them") \
  X(ORDER, "allowed_providers", "provider.allow_fallbacks is false, and provider.order does not name it")      \
  X(FALLBACKS, "allow_fallbacks", "provider.allow_fallbacks is false, and others come before it")              \
  X(TIER, "tier", "it is of a service tier that was not asked for")                                            \
  X(PLACES, "limit", "more endpoints fit than one request tries")
enum routing_filter {
#define ROUTING_FILTER_ENUM(id, ...) ROUTING_FILTER_##id,
  ROUTING_FILTERS(ROUTING_FILTER_ENUM)
#undef ROUTING_FILTER_ENUM
      ROUTING_FILTER_COUNT
};
const char *routing_filter_name(enum routing_filter f);
const char *routing_filter_reason(enum routing_filter f);

// Why an endpoint that stays is where it is.
enum routing_place {
  ROUTING_STICKY,      // the conversation's prompt is cached there
  ROUTING_ORDERED,     // provider.order
  ROUTING_SORTED,      // provider.sort or a variant
  ROUTING_DRAWN,       // the draw by price
  ROUTING_BY_PRICE,    // behind the one drawn
  ROUTING_UNMEASURED,  // sorted by a figure that nobody has of it yet: first, so that it is measured
};
// In this order.
enum routing_band {
  ROUTING_BAND_GOOD,
  ROUTING_BAND_SLOW,      // misses preferred_min_throughput or preferred_max_latency
  ROUTING_BAND_UNFIT,     // is not known to have tools or format asked for, or room for the prompt
  ROUTING_BAND_DEGRADED,  // HEALTH_DEGRADED
  ROUTING_BAND_POOR,
  ROUTING_BAND_BENCHED,  // its own breaker, its provider's, or all its keys' is open
};

struct routing_candidate {
  const struct endpoint *endpoint;
  uint8_t filter;  // enum routing_filter; NONE: it is a candidate
  uint8_t band;    // enum routing_band
  uint8_t place;   // enum routing_place
  uint8_t model;   // index into routing_query.models
  uint8_t sort;    // enum sort_by: by what its model's endpoints were sorted
  double weight;   // explain: its share of the draw, 0 to 1, when it took part; else 0
};

// Health records of a snapshot, by the indices of endpoints, providers and keys; see gateway/snapshot.h. NULL: nothing
// is known of anybody.
struct health_index {
  struct health_record **endpoints, **providers;
  struct health_record ***keys;  // by provider, then by the key's place
};

// What the variants of a model's name ask for; the endpoints of that name alone are meant.
struct routing_variant {
  bool only_free;                 // :free, or signalbox/free
  bool priority_tier, flex_tier;  // endpoints of these tiers are eligible
  uint8_t sort;                   // enum sort_by; NONE: as for all
};

struct routing_query {
  const struct catalogue *catalogue;
  // In order of preference, resolved. The same one again has only endpoints that it did not have before: those that its
  // variant lets in.
  const struct model *const *models;
  unsigned model_count;
  const struct routing_variant *variants;  // one for each of the models; NULL: none of them has any
  bool only_free;                          // for all models; so are these:
  bool priority_tier, flex_tier;
  bool priority_first;  // endpoints of this tier go before all others
  bool flex_only;       // where a model has endpoints of this one, no other will do
  const struct preferences *preferences;
  const struct preferences *house;  // the configuration's own: only, ignore, zdr, sort ...; NULL: none
  const struct request_facts *facts;
  const struct health_index *health;  // NULL: all are well
  const struct endpoint *sticky;      // NULL: none
  uint64_t now_ms, seed;
  unsigned max;  // at most so many candidates are ordered
  bool explain;  // also order what is beyond `max`, and keep what is out with its reason
};

struct routing {
  struct routing_candidate *candidates;  // those that stay, in order, then (explain) those that are out
  unsigned count, out_count;
  uint16_t removed[ROUTING_FILTER_COUNT];  // how many endpoints each filter removed
  enum routing_filter last;                // the one that removed the last endpoint, when count is 0
};
// False: out of memory.
bool routing_decide(const struct routing_query *q, struct arena *arena, struct routing *out);
// The price the draw and `sort: price` go by: USD a token, three tokens of prompt for one of completion (a typical
// conversation), as a double; and per request prices spread over 1,000 tokens.
double routing_price(const struct endpoint *e);
