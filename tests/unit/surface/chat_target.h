// An endpoint to try against: a row of the provider table, a model, prices.
#pragma once
#include "surface/openai_chat.h"

struct target {
  struct provider provider;
  struct model model;
  struct endpoint endpoint;
  struct str repeated;  // what its answer may begin with once more
};

#define TARGET_ID STR("gen-1753000000-AbCdEfGhIjKlMnOpQrSt")
enum { TARGET_CREATED = 1753000000 };

// Prices: 1 USD a million prompt tokens, 2 completion, 0.5 cached.
static inline void target_init(struct target *t, const char *provider) {
  static const struct provider_quirks plain;
  const struct provider_row *row = provider_row_find(str_from_cstr(provider));
  *t = (struct target){
      .provider = {.id = str_from_cstr(provider),
                   .name = str_from_cstr(row ? row->name : provider),
                   .protocol = row ? row->protocol : PROTOCOL_OPENAI,
                   .quirks = row ? &row->quirks : &plain},
      .model = {.id = STR("maker/model")},
      .endpoint = {.upstream_model = STR("their-model"), .pricing = PRICING_UNSET},
  };
  t->endpoint.provider = &t->provider;
  t->endpoint.model = &t->model;
  t->endpoint.pricing.prompt = 1000000000;
  t->endpoint.pricing.completion = 2000000000;
  t->endpoint.pricing.input_cache_read = 500000000;
}
