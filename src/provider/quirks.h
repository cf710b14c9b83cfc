// How one endpoint of an OpenAI-like service wants to be asked: its vendor's quirks (provider/table.h), and what is
// true only of this model or this version of the API.
#pragma once
#include "llm/model.h"
#include "provider/table.h"

// The vendor's own, or `room` filled.
const struct provider_quirks *quirks_of(const struct endpoint *e, struct provider_quirks *room);
// Will the model think, unless it is asked not to? Said of the services where that changes what a request may hold
// (quirks.auto_while_thinks).
bool quirks_model_thinks(const struct endpoint *e);
