// What OpenAI's own models refuse, by their names.
// Source: https://platform.openai.com/docs/guides/reasoning and the refusals of the API.
#pragma once
#include <stdbool.h>

#include "base/str.h"
#include "llm/model.h"

// Does this model reason when asked with this effort ("" or absent: its default)? Then it refuses temperature, top_p,
// both penalties, logit_bias, logprobs and top_logprobs.
bool openai_model_reasons(struct str model, struct str effort);
// Is it known not to reason at all? Then it refuses to be asked for anything of it.
bool openai_model_never_reasons(struct str model);
// Does it refuse stop sequences?
bool openai_model_refuses_stop(struct str model, struct str effort);
// Is it served by the Responses API alone?
bool openai_model_only_responses(struct str model);
// The levels it takes, as bits 1 << enum effort. False: not one of those known here.
bool openai_model_efforts(struct str model, unsigned *set);
// Does it know prompt_cache_breakpoint?
bool openai_model_has_breakpoints(struct str model);
// Which of OpenAI's models an endpoint serves: by the name the provider has for it, or, where that is a deployment's
// that tells nothing, by the name it has here. Another maker's model, or an unknown one, keeps the provider's.
struct str openai_model_name(const struct endpoint *e);
