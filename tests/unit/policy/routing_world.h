// A small catalogue made by hand, and health that a test sets: what the tests of routing stand on.
#pragma once
#include <stdlib.h>

#include "base/arena.h"
#include "llm/endpoint_facts.h"
#include "llm/names.h"
#include "policy/routing.h"

struct health_record {
  enum health_state state;
  uint64_t until;
  double latency[HEALTH_PERCENTILES], throughput[HEALTH_PERCENTILES];  // 0: unknown
};
enum health_state health_state(const struct health_record *r, uint64_t now_ms) {
  (void)now_ms;
  return r->state;
}
uint64_t health_benched_until(const struct health_record *r, uint64_t now_ms) {
  (void)now_ms;
  return r->until;
}
double health_latency_ms(const struct health_record *r, enum health_percentile p, uint64_t now_ms) {
  (void)now_ms;
  return r->latency[p];
}
double health_throughput(const struct health_record *r, enum health_percentile p, uint64_t now_ms) {
  (void)now_ms;
  return r->throughput[p];
}

enum { WORLD_PROVIDERS = 64, WORLD_ENDPOINTS = 1100, WORLD_MODELS = 4 };
struct world {
  struct provider providers[WORLD_PROVIDERS];
  struct endpoint endpoints[WORLD_ENDPOINTS];
  struct model models[WORLD_MODELS];
  const struct model *chosen[WORLD_MODELS];
  struct catalogue catalogue;
  struct health_record records[WORLD_ENDPOINTS], provider_records[WORLD_PROVIDERS], key_records[WORLD_PROVIDERS];
  struct health_record *at[WORLD_ENDPOINTS], *providers_at[WORLD_PROVIDERS], *key_at[WORLD_PROVIDERS],
      **keys_at[WORLD_PROVIDERS];
  struct health_index health;
  struct preferences wish, house;
  struct request_facts facts;
  struct routing_query query;
  struct arena arena;
  struct routing result;
};

// One provider a name, in the order given; endless ones are all right.
static inline const struct provider *world_provider(struct world *w, const char *id, const char *name) {
  for (size_t i = 0; i < w->catalogue.provider_count; i++)
    if (str_eq(w->providers[i].id, str_from_cstr(id))) return &w->providers[i];
  struct provider *p = &w->providers[w->catalogue.provider_count];
  *p = (struct provider){.id = str_from_cstr(id),
                         .name = str_from_cstr(name ? name : id),
                         .index = (uint32_t)w->catalogue.provider_count++,
                         .key_count = 1};
  return p;
}

static inline void world_init(struct world *w) {
  memset(w, 0, sizeof *w);
  w->wish = w->house = PREFERENCES_NONE;
  w->catalogue.models = w->models;
  w->catalogue.providers = w->providers;
  w->query = (struct routing_query){.catalogue = &w->catalogue,
                                    .models = w->chosen,
                                    .preferences = &w->wish,
                                    .house = &w->house,
                                    .facts = &w->facts,
                                    .health = &w->health,
                                    .max = 16};
  for (int i = 0; i < WORLD_ENDPOINTS; i++) w->at[i] = &w->records[i];
  for (int i = 0; i < WORLD_PROVIDERS; i++) {
    w->providers_at[i] = &w->provider_records[i];
    w->key_at[i] = &w->key_records[i];
    w->keys_at[i] = &w->key_at[i];
  }
  w->health = (struct health_index){w->at, w->providers_at, w->keys_at};
}

// Call world_endpoint for its endpoints before the next model.
static inline void world_model(struct world *w, const char *id) {
  struct model *m = &w->models[w->catalogue.model_count];
  m->id = str_from_cstr(id);
  m->endpoints = &w->endpoints[w->catalogue.endpoint_count];
  w->chosen[w->catalogue.model_count++] = m;
  w->query.model_count++;
}

// `usd`: of a million tokens, question and answer alike.
static inline struct endpoint *world_endpoint(struct world *w, const char *provider, unsigned usd) {
  struct endpoint *e = &w->endpoints[w->catalogue.endpoint_count];
  struct model *m = &w->models[w->catalogue.model_count - 1];
  *e = (struct endpoint){.provider = world_provider(w, provider, NULL),
                         .model = m,
                         .pricing = PRICING_UNSET,
                         .index = (uint32_t)w->catalogue.endpoint_count++};
  e->pricing.prompt = e->pricing.completion = (price_femto)usd * 1000000000;
  endpoint_facts_fill(e);
  m->endpoint_count++;
  return e;
}

// After anything about endpoints was set.
static inline void world_refill(struct world *w) {
  for (size_t i = 0; i < w->catalogue.endpoint_count; i++) endpoint_facts_fill(&w->endpoints[i]);
}

static inline void world_free(struct world *w) {
  arena_free(&w->arena);
}
