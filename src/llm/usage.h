// Token usage in one normal form, prices, and the cost that follows.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "llm/money.h"

// Inclusive counts, as OpenAI gives them: cached and cache-write tokens are part of prompt, reasoning of completion.
struct usage {
  bool known;      // the provider gave it; else it is an estimate or nothing
  bool estimated;  // counted by us
  uint64_t prompt, completion, total;
  uint64_t cached;          // prompt tokens read from the provider's cache
  uint64_t cache_write;     // prompt tokens written to it
  uint64_t cache_write_1h;  // those of them that are kept for an hour
  uint64_t reasoning;       // completion tokens not shown
  uint64_t audio_prompt, audio_completion;
  uint64_t image_completion;
  uint64_t web_searches;  // made by the provider
  bool billed;            // the provider bills other counts than those it used (Cohere): the cost is of these
  uint64_t billed_prompt, billed_completion;
};

// OpenRouter's pricing keys (MAP 16.4). A price not given is PRICE_UNSET and falls back as usage_cost says.
#define PRICE_UNSET INT64_MIN
struct pricing {
  price_femto prompt, completion, request;
  price_femto image, image_token, image_output;
  price_femto audio, audio_output;
  price_femto web_search, internal_reasoning;
  price_femto input_cache_read, input_cache_write, input_cache_write_1h;
};
extern const struct pricing PRICING_UNSET;  // all members PRICE_UNSET

struct cost {
  money_pico total, prompt, completion;  // total = both + request + web searches, each rounded from the exact sum
};
// cached at input_cache_read (else prompt), cache_write at input_cache_write (else prompt), of it cache_write_1h at
// input_cache_write_1h (else input_cache_write), reasoning at
// internal_reasoning (else completion), audio at audio / audio_output (else prompt / completion), image_completion at
// image_output (else completion). An unset prompt or completion price counts as zero.
struct cost usage_cost(const struct usage *usage, const struct pricing *pricing);
