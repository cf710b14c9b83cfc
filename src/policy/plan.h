// What becomes of a request before anybody is asked: its names are resolved, its wishes read, a model is chosen when
// the choice is open, and the endpoints are put in order. The path acts on it, and explain shows it: both make the same
// plan. Pure.
//
//   names > preferences, facts > automatic choice > routing_decide
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "policy/auto.h"
#include "policy/model_name.h"
#include "policy/routing.h"
#include "surface/openai_chat.h"

struct plan_query {
  const struct chat_request *request;  // with its preset merged in already
  const struct catalogue *catalogue;
  const struct preferences *house;     // the configuration's own; NULL: none
  const struct auto_wish *house_auto;  // for automatic choice; NULL: none
  const struct health_index *health;   // NULL: all are well
  const struct endpoint *sticky;       // where the conversation's prompt is cached; NULL: nowhere
  const struct model *pinned;          // what automatic choice gave the session before; NULL: the sticky endpoint's
  uint64_t now_ms, seed;
  unsigned max;  // at most so many endpoints are ordered
  bool explain;
};

// MAP 15.3: why nothing is there to be asked.
enum availability {
  AVAILABILITY_FINE,
  AVAILABILITY_MODEL_NOT_FOUND,
  AVAILABILITY_NO_ENDPOINTS,
  AVAILABILITY_CONSTRAINT_FILTERED,
  AVAILABILITY_PRIVACY_RESTRICTED,
  AVAILABILITY_FREE_VARIANT_ENDED,
};

enum { PLAN_MODELS = 24 };

struct plan {
  const struct chat_request *request;
  struct model_name name;                   // the first one
  const struct model *models[PLAN_MODELS];  // in order; one comes again when its name lets in other endpoints
  unsigned model_count;
  uint8_t variants[PLAN_MODELS];          // of each one's name: bits of enum model_variant
  uint8_t routers[PLAN_MODELS];           // that chose it, by model_name_router; 0: its name stood in the request
  bool varies_body;                       // those of some ask for another body: plan_body
  const struct preferences *preferences;  // never NULL
  struct request_facts facts;
  struct auto_choice choice;  // of automatic choice: count is not 0
  struct routing routing;
  const char *strategy;  // of openrouter_metadata: direct, auto, free, latest, fallback
  enum availability availability;
};

// False: *note says what is wrong, or what keeps every endpoint out; *out is then good for availability_write. The plan
// points into the request, the catalogue and the arena.
bool plan_make(const struct plan_query *q, struct arena *arena, struct plan *out, struct fault_note *note);

// What the variant of a candidate's name asks of the body: VARIANT_THINKING, VARIANT_ONLINE or both, for
// chat_merge_variant.
unsigned plan_body(const struct plan *p, unsigned candidate);
// The router that chose the endpoint's model; empty: none did. NULL: what the first name is.
struct str plan_router(const struct plan *p, const struct endpoint *e);

// `"availability":{…}`, a member of the error's object, for a plan that failed because of models or endpoints; else
// nothing.
void availability_write(struct buf *out, const struct plan *p);
