#include "llm/endpoint_facts.h"

#include "llm/preferences.h"

static char plain(char c) {
  if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
  return c == '_' || c == ' ' ? '-' : c;
}

static bool reads(struct str text, const char *word) {
  size_t i = 0;
  for (; i < text.len && word[i]; i++)
    if (plain(text.ptr[i]) != word[i]) return false;
  return i == text.len && !word[i];
}

enum data_policy data_policy_parse(struct str text) {
  static const struct {
    const char *word;
    enum data_policy policy;
  } words[] = {
      {"zdr", DATA_NOTHING},
      {"none", DATA_NOTHING},
      {"nothing", DATA_NOTHING},
      {"none-kept", DATA_NOTHING},
      {"zero-retention", DATA_NOTHING},
      {"zero-data-retention", DATA_NOTHING},
      {"no-retention", DATA_NOTHING},
      {"no-storage", DATA_NOTHING},
      {"no-store", DATA_NOTHING},
      {"no-logging", DATA_NOTHING},
      {"no-training", DATA_STORES},
      {"no-train", DATA_STORES},
      {"no-collection", DATA_STORES},
      {"stores", DATA_STORES},
      {"store", DATA_STORES},
      {"stored", DATA_STORES},
      {"retains", DATA_STORES},
      {"retain", DATA_STORES},
      {"retention", DATA_STORES},
      {"deny", DATA_STORES},
      {"training", DATA_TRAINS},
      {"trains", DATA_TRAINS},
      {"train", DATA_TRAINS},
      {"may-train", DATA_TRAINS},
      {"collects", DATA_TRAINS},
      {"collect", DATA_TRAINS},
      {"allow", DATA_TRAINS},
  };
  text = str_trim(text);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (reads(text, words[i].word)) return words[i].policy;
  return DATA_UNKNOWN;
}

static double usd(price_femto price) {
  return price == PRICE_UNSET ? 0 : (double)price * 1e-15;
}

double endpoint_price(const struct pricing *pricing) {
  return (3 * usd(pricing->prompt) + usd(pricing->completion)) / 4 + usd(pricing->request) / 1000;
}

static enum service_tier tier_of(struct str tag) {
  if (str_eq_nocase(tag, STR("priority"))) return TIER_PRIORITY;
  return str_eq_nocase(tag, STR("flex")) ? TIER_FLEX : TIER_STANDARD;
}

static enum quantization quantization_of(struct str word) {
  enum quantization q = quantization_parse(word);
  return q == QUANTIZATION_COUNT ? QUANTIZATION_unknown : q;
}

void endpoint_facts_fill(struct endpoint *e, const struct facts_source *source) {
  e->facts = (struct endpoint_facts){
      .parameters = source->parameters,
      .parameters_shipped = source->parameters_shipped,
      .input_modalities = source->input_modalities,
      .output_modalities = source->output_modalities,
      .quantization = (uint8_t)quantization_of(e->quantization),
      .data = (uint8_t)(e->data_policy.len ? data_policy_parse(e->data_policy) : e->provider->data),
      .tier = (uint8_t)tier_of(e->tag),
      .price = endpoint_price(&e->pricing),
  };
  if (!e->tag.len) e->tag = e->region.len ? e->region : e->quantization;
}
