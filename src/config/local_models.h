// Asks a model server on this machine which models it serves (GET /v1/models), once, at start.
#pragma once
#include "config/value.h"
#include "provider/table.h"

enum { LOCAL_MODELS_MAX = 64 };

// Adds a model "<provider>/<its name>" for each to the configuration. A server that does not answer within `limit_ms`,
// or with something else than a list, adds nothing and is named in the log.
void local_models_add(struct reader *r, const struct provider_row *row, unsigned limit_ms);
// The names in a list of models as OpenAI answers it: {"data":[{"id":"..."}]}. How many (at most LOCAL_MODELS_MAX).
size_t local_models_read(struct arena *arena, struct str reply, struct str *names);
