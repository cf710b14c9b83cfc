// What routing asks of an endpoint (struct endpoint_facts), worked out once when a snapshot is made.
#pragma once
#include "llm/model.h"
#include "llm/names.h"
#include "llm/preferences.h"

// Bits of struct endpoint_facts.traits, so that a request's objections are one mask.
enum endpoint_trait {
  TRAIT_QUANTIZATION,                           // that one of enum quantization, always
  TRAIT_LACKS_INPUT = TRAIT_QUANTIZATION + 16,  // modalities that it is known not to take
  TRAIT_LACKS_OUTPUT = TRAIT_LACKS_INPUT + 16,  // or not to give
  TRAIT_MAY_TRAIN = TRAIT_LACKS_OUTPUT + 16,    // its data policy: trains, or unknown
  TRAIT_MAY_KEEP,                               // anything but zero data retention
  TRAIT_FLEX,                                   // it is of this service tier
  TRAIT_PRIORITY,
  TRAIT_RARE_PRICES,  // of a request, of pictures or of sound
};
#define TRAIT(name) ((uint64_t)1 << TRAIT_##name)
#define TRAITS(name, bits) ((uint64_t)(bits) << TRAIT_##name)  // of a group of several
#define TRAIT_OF_QUANTIZATION(name) TRAITS(QUANTIZATION, 1u << QUANTIZATION_##name)
_Static_assert((int)QUANTIZATION_COUNT <= 16 && (int)NAMES_MODALITY_COUNT <= 16, "each group has room");

// Fills e->facts, and e->tag where it is empty: the region, else the quantization.
void endpoint_facts_fill(struct endpoint *e);

// Two masks whose AND is what an endpoint lacks for a request: bits of names.h, but members that say the same in other
// words (max_tokens, max_completion_tokens) are one bit further up, for an endpoint need know one of them only.
uint32_t parameters_lacking(uint32_t known);  // 0 known: nothing is
uint32_t parameters_needed(uint32_t sent);

// "zdr", "no-training", "training" and other words for these, in any case, with - or _ or blanks; else unknown.
enum data_policy data_policy_parse(struct str text);
// USD a token, three of prompt for one of completion, and the price of a request spread over 1,000 tokens.
double endpoint_price(const struct pricing *pricing);
