// The list of models in the shape Codex reads (`models[]` of GET /models?client_version=...). With it Codex knows a
// model's context and abilities and stops warning that it does not know the model.
#pragma once
#include "base/buf.h"
#include "llm/model.h"

// A JSON array.
void codex_models_json(struct buf *out, const struct model *const *models, size_t count);
