// Which endpoints a request may use, best first. Pure.
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "llm/model.h"
#include "surface/openai_chat.h"

// The endpoints of the request's model, then of its fallback models, in the catalogue's order of preference; at most
// `max`. 0: none; *note says why and what to do (an unknown model: the nearest known one).
unsigned choose_targets(const struct catalogue *c, const struct chat_request *r, struct arena *arena,
                        const struct endpoint **targets, unsigned max, struct fault_note *note);
