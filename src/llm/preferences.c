#include "llm/preferences.h"

const struct preferences PREFERENCES_NONE = {.max_prompt = PRICE_UNSET,
                                             .max_completion = PRICE_UNSET,
                                             .max_request = PRICE_UNSET,
                                             .max_image = PRICE_UNSET,
                                             .max_audio = PRICE_UNSET};

enum quantization quantization_parse(struct str word) {
  static const struct str names[QUANTIZATION_COUNT] = {
#define QUANTIZATION_NAME(name) [QUANTIZATION_##name] = {#name, sizeof #name - 1},
      QUANTIZATIONS(QUANTIZATION_NAME)
#undef QUANTIZATION_NAME
  };
  unsigned q = 0;
  while (q < QUANTIZATION_COUNT && !str_eq_nocase(names[q], word)) q++;
  return (enum quantization)q;
}

bool sort_by_parse(struct str word, enum sort_by *out) {
  static const char *const words[] = {"price", "throughput", "latency", "exacto"};
  for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
    if (!str_eq_nocase(word, str_from_cstr(words[i]))) continue;
    *out = (enum sort_by)(SORT_PRICE + i);
    return true;
  }
  return false;
}

bool cost_tier_parse(struct str word, enum cost_tier *out) {
  static const char *const words[] = {"low", "medium", "high", "xhigh", "max"};
  for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
    if (!str_eq_nocase(word, str_from_cstr(words[i]))) continue;
    *out = (enum cost_tier)(TIER_LOW + i);
    return true;
  }
  return false;
}
