// What routing asks of an endpoint (struct endpoint_facts), worked out once when a snapshot is made.
#pragma once
#include "llm/model.h"

// What is known of it beside what it says of itself.
struct facts_source {
  uint32_t parameters;                           // bits of names.h; 0: only guessed
  bool parameters_shipped;                       // they are not the configuration's
  uint32_t input_modalities, output_modalities;  // the same
};
// Fills e->facts, and e->tag where it is empty: the region, else the quantization.
void endpoint_facts_fill(struct endpoint *e, const struct facts_source *source);

// "zdr", "no-training", "training" and other words for these, in any case, with - or _ or blanks; else unknown.
enum data_policy data_policy_parse(struct str text);
// USD a token, three of prompt for one of completion, and the price of a request spread over 1,000 tokens.
double endpoint_price(const struct pricing *pricing);
