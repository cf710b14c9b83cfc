// Look-ups in the shipped rows.
#include "llm/shipped.h"

#include <assert.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

#include "llm/catalogue_data.inc"

const size_t shipped_model_count = COUNT(shipped_models);
const char shipped_date[] = SHIPPED_DATE;

static int order(struct str a, struct str b) {
  size_t shorter = a.len < b.len ? a.len : b.len;
  int by_bytes = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
  if (by_bytes) return by_bytes;
  return (a.len > b.len) - (a.len < b.len);
}

const struct shipped_model *shipped_find(struct str id) {
  size_t low = 0, high = shipped_model_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int way = order(id, str_from_cstr(shipped_models[middle].id));
    if (!way) return &shipped_models[middle];
    if (way < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

const struct shipped_endpoint *shipped_endpoints_of(const struct shipped_model *model) {
  assert((size_t)model->first_endpoint + model->endpoint_count <= COUNT(shipped_endpoints));
  return &shipped_endpoints[model->first_endpoint];
}

const struct shipped_endpoint *shipped_find_upstream(struct str provider, struct str upstream,
                                                     const struct shipped_model **model) {
  for (size_t i = 0; i < shipped_model_count; i++) {
    const struct shipped_endpoint *endpoints = shipped_endpoints_of(&shipped_models[i]);
    for (size_t k = 0; k < shipped_models[i].endpoint_count; k++) {
      if (!str_eq(str_from_cstr(endpoints[k].upstream), upstream)) continue;
      if (!str_eq(shipped_provider(endpoints[k].provider), provider)) continue;
      *model = &shipped_models[i];
      return &endpoints[k];
    }
  }
  return NULL;
}

struct str shipped_provider(unsigned number) {
  return number < COUNT(shipped_providers) ? str_from_cstr(shipped_providers[number]) : (struct str){0};
}

struct str shipped_tokenizer(const struct shipped_model *model) {
  assert(model->tokenizer < COUNT(shipped_tokenizers));
  return str_from_cstr(shipped_tokenizers[model->tokenizer]);
}

struct str shipped_parameter(unsigned bit) {
  return bit < COUNT(shipped_parameters) ? str_from_cstr(shipped_parameters[bit]) : (struct str){0};
}

struct str shipped_modality(unsigned bit) {
  return bit < COUNT(shipped_modalities) ? str_from_cstr(shipped_modalities[bit]) : (struct str){0};
}

// Decimals in the order of PRICES in scripts/catalogue, "-" for one not known: `text`, up to its end.
static void prices_read(struct str text, struct pricing *out) {
  *out = PRICING_UNSET;
  price_femto *const members[] = {&out->prompt,
                                  &out->completion,
                                  &out->input_cache_read,
                                  &out->input_cache_write,
                                  &out->internal_reasoning,
                                  &out->audio,
                                  &out->audio_output,
                                  &out->input_cache_write_1h,
                                  &out->input_audio_cache,
                                  &out->image_output,
                                  &out->web_search};
  struct str word;
  for (size_t i = 0; str_split(&text, ' ', &word); i++) {
    assert(i < COUNT(members));
    if (str_eq(word, STR("-"))) continue;
    bool ok = price_parse(word, members[i]);
    assert(ok);
    (void)ok;
  }
}

// "0.1 0.2>200000 0.2 0.4": the prices, and behind each > a number of prompt tokens and the prices beyond it.
void shipped_pricing(const struct shipped_endpoint *endpoint, struct pricing *out,
                     struct price_override overrides[SHIPPED_OVERRIDES_MAX]) {
  struct str rest = str_from_cstr(endpoint->prices), part, tokens;
  str_split(&rest, '>', &part);
  prices_read(part, out);
  while (str_split(&rest, '>', &part)) {
    assert(out->override_count < SHIPPED_OVERRIDES_MAX);
    struct price_override *o = &overrides[out->override_count++];
    *o = (struct price_override){0};
    bool ok = str_split(&part, ' ', &tokens) && str_to_u64(tokens, UINT32_MAX, &o->min_prompt_tokens);
    assert(ok);
    (void)ok;
    prices_read(part, &o->prices);
  }
  if (out->override_count) out->overrides = overrides;
}
