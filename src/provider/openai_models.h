// What OpenAI's own models refuse, by their names.
// Source: https://platform.openai.com/docs/guides/reasoning and the refusals of the API.
#pragma once
#include <stdbool.h>

#include "base/str.h"

// Does this model reason when asked with this effort ("" or absent: its default)? Then it refuses temperature, top_p,
// both penalties, logit_bias, logprobs, top_logprobs and stop.
bool openai_model_reasons(struct str model, struct str effort);
// Is it served by the Responses API alone?
bool openai_model_only_responses(struct str model);
