// They have prices, so that usage, budgets and charts come alive.
#include "llm/demo_models.h"

enum { CONTEXT = 32768, OUTPUT = 4096, ENDPOINTS_MAX = 2 };
static const price_femto prompt_price = 100000000, completion_price = 400000000;  // 0.1 and 0.4 USD a million tokens

static const struct {
  const char *id, *name, *description;
  const char *upstream[ENDPOINTS_MAX];
} rows[DEMO_MODELS] = {
    {"demo/echo", "Demo: echo", "Simulated. Answers at once with the last user message.", {"echo"}},
    {"demo/lorem", "Demo: lorem", "Simulated. Streams a paragraph at a human pace.", {"lorem"}},
    {"demo/tools", "Demo: tools", "Simulated. Calls the first tool it is given.", {"tools"}},
    {"demo/flaky",
     "Demo: flaky",
     "Simulated. Its first endpoint always fails with 503, so that fallback can be seen.",
     {"flaky-down", "flaky-up"}},
};

// `divisor`: the endpoint that always fails is much cheaper than the other, so that it is drawn first.
static struct config_endpoint endpoint(const char *upstream, price_femto divisor) {
  struct config_endpoint e = {.provider = STR("demo"),
                              .model = str_from_cstr(upstream),
                              .context_length = CONTEXT,
                              .max_completion_tokens = OUTPUT,
                              .pricing = PRICING_UNSET};
  e.pricing.prompt = prompt_price / divisor;
  e.pricing.completion = completion_price / divisor;
  return e;
}

const struct config_model *demo_models(struct arena *arena) {
  struct config_model *models = arena_zalloc(arena, DEMO_MODELS * sizeof *models);
  struct config_endpoint *endpoints = arena_zalloc(arena, DEMO_MODELS * ENDPOINTS_MAX * sizeof *endpoints);
  if (!models || !endpoints) return NULL;
  for (size_t i = 0; i < DEMO_MODELS; i++, endpoints += ENDPOINTS_MAX) {
    models[i] = (struct config_model){.id = str_from_cstr(rows[i].id),
                                      .name = str_from_cstr(rows[i].name),
                                      .description = str_from_cstr(rows[i].description),
                                      .endpoints = endpoints};
    for (size_t k = 0; k < ENDPOINTS_MAX && rows[i].upstream[k]; k++) {
      endpoints[k] = endpoint(rows[i].upstream[k], !k && rows[i].upstream[1] ? 10000 : 1);
      models[i].endpoint_count++;
    }
  }
  return models;
}
