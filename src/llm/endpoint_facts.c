#include "llm/endpoint_facts.h"

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

// Members that say the same in other words: an endpoint need know one of them.
static const uint32_t alternatives[] = {
    NAME_BIT(max_tokens) | NAME_BIT(max_completion_tokens),
    NAME_BIT(reasoning) | NAME_BIT(include_reasoning) | NAME_BIT(reasoning_effort),
    NAME_BIT(response_format) | NAME_BIT(structured_outputs),
};
enum { ALTERNATIVES = sizeof alternatives / sizeof *alternatives };
_Static_assert(NAMES_PARAMETER_COUNT + ALTERNATIVES <= 32, "a bit for each");

uint32_t parameters_lacking(uint32_t known) {
  uint32_t lacking = ~known & (((uint32_t)1 << NAMES_PARAMETER_COUNT) - 1);
  for (unsigned i = 0; i < ALTERNATIVES; i++)
    if (!(known & alternatives[i])) lacking |= (uint32_t)1 << (NAMES_PARAMETER_COUNT + i);
  return known ? lacking : 0;
}

uint32_t parameters_needed(uint32_t sent) {
  uint32_t needed = sent;
  for (unsigned i = 0; i < ALTERNATIVES; i++) {
    needed &= ~alternatives[i];
    if (sent & alternatives[i]) needed |= (uint32_t)1 << (NAMES_PARAMETER_COUNT + i);
  }
  return needed;
}

static enum quantization quantization_of(struct str word) {
  enum quantization q = quantization_parse(word);
  return q == QUANTIZATION_COUNT ? QUANTIZATION_unknown : q;
}

static uint32_t modalities_lacking(uint32_t known) {
  return known ? ~known & (((uint32_t)1 << NAMES_MODALITY_COUNT) - 1) : 0;
}

static uint64_t traits_of(const struct endpoint *e) {
  enum data_policy data = e->data_policy.len ? data_policy_parse(e->data_policy) : e->provider->data;
  uint64_t traits = TRAITS(QUANTIZATION, 1u << quantization_of(e->quantization)) |
                    TRAITS(LACKS_INPUT, modalities_lacking(e->input_modalities)) |
                    TRAITS(LACKS_OUTPUT, modalities_lacking(e->output_modalities));
  if (data == DATA_TRAINS || data == DATA_UNKNOWN) traits |= TRAIT(MAY_TRAIN);
  if (data != DATA_NOTHING) traits |= TRAIT(MAY_KEEP);
  if (str_eq_nocase(e->tag, STR("flex"))) traits |= TRAIT(FLEX);
  if (str_eq_nocase(e->tag, STR("priority"))) traits |= TRAIT(PRIORITY);
  const struct pricing *p = &e->pricing;
  if (p->request != PRICE_UNSET || p->image != PRICE_UNSET || p->audio != PRICE_UNSET) traits |= TRAIT(RARE_PRICES);
  return traits;
}

// The lesser of two limits, either of which may be 0: not known.
static uint32_t limit(uint64_t a, uint64_t b) {
  if (!a) a = UINT32_MAX;
  if (!b) b = UINT32_MAX;
  if (b < a) a = b;
  return a < UINT32_MAX ? (uint32_t)a : UINT32_MAX;
}

void endpoint_facts_fill(struct endpoint *e) {
  uint32_t lacks = parameters_lacking(e->parameters);
  e->facts = (struct endpoint_facts){
      .traits = traits_of(e),
      .lacks = e->parameters_shipped ? 0 : lacks,
      .may_lack = e->parameters_shipped ? lacks : 0,
      .price = endpoint_price(&e->pricing),
      .prompt_price = e->pricing.prompt,
      .completion_price = e->pricing.completion,
      .prompt_tokens_max = limit(e->context_length, e->max_prompt_tokens),
      .completion_tokens_max = limit(e->max_completion_tokens, 0),
  };
  if (!e->tag.len) e->tag = e->region.len ? e->region : e->quantization;
}
