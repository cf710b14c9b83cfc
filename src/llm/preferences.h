// What a request says about where it may go, in one form whatever API it came by: the `provider` object and what stands
// beside it (MAP 6), and the facts of the request that routing looks at. Pure data; strings live in the request.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"
#include "llm/model.h"
#include "llm/money.h"

enum sort_by { SORT_NONE, SORT_PRICE, SORT_THROUGHPUT, SORT_LATENCY, SORT_EXACTO };

// Percentiles that must be met; 0: not given. Seconds, or tokens a second.
enum { CUTOFF_P50, CUTOFF_P75, CUTOFF_P90, CUTOFF_P99, CUTOFFS };
struct cutoffs {
  bool given;
  double at[CUTOFFS];
};

// OpenRouter's quantizations (MAP 6), as bits.
#define QUANTIZATIONS(X) \
  X(int4) X(int8) X(fp4) X(mxfp4) X(nvfp4) X(fp6) X(fp8) X(mxfp8) X(fp16) X(bf16) X(fp32) X(unknown)
enum quantization {
#define QUANTIZATION_ENUM(name) QUANTIZATION_##name,
  QUANTIZATIONS(QUANTIZATION_ENUM)
#undef QUANTIZATION_ENUM
      QUANTIZATION_COUNT
};

struct preferences {
  struct str_list order, only,
      ignore;         // slugs or display names of providers, perhaps with a sub-offer ("deepinfra/fp8")
  bool no_fallbacks;  // allow_fallbacks: false
  bool require_parameters;
  bool deny_collection;  // data_collection: deny
  bool zdr;
  uint16_t quantizations;  // bits 1 << enum quantization; 0: any
  enum sort_by sort;
  bool across_models;  // sort.partition: none
  struct cutoffs min_throughput, max_latency;
  // USD a token (prompt, completion), a request, an image, a token of sound; PRICE_UNSET: any. Of a `max_price` in USD
  // per million tokens.
  price_femto max_prompt, max_completion, max_request, max_image, max_audio;
};
extern const struct preferences PREFERENCES_NONE;  // nothing is asked for: begin with this, for prices have no zero

#define SORT_WORDS "price, throughput, latency or exacto"
MUST_CHECK bool sort_by_parse(struct str word, enum sort_by *out);
// "fp8", in any case; QUANTIZATION_COUNT: not one of them.
enum quantization quantization_parse(struct str word);

// How dear a model automatic choice may take: fifths of its pool in the order of price.
enum cost_tier { TIER_ANY, TIER_LOW, TIER_MEDIUM, TIER_HIGH, TIER_XHIGH, TIER_MAX };
#define COST_TIER_WORDS "low, medium, high, xhigh or max"
MUST_CHECK bool cost_tier_parse(struct str word, enum cost_tier *out);

// What the request needs of an endpoint.
struct request_facts {
  uint64_t prompt_tokens;        // a fair estimate: four bytes of text a token
  uint64_t prompt_tokens_least;  // certainly not fewer
  uint64_t max_tokens;           // of the answer; 0: not given
  uint32_t parameters;           // members sent that endpoints list in supported_parameters: bits of names.h
  uint32_t input_modalities;     // beside text: bits of names.h
  uint32_t output_modalities;
  bool tools;  // it has tools: endpoints that know them come first
};
