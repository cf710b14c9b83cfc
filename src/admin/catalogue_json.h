// The catalogue as clients read it. Pure: a snapshot in, JSON behind what is in the buffer; the caller asks for failure
// once at the end. One shape pleases all: OpenRouter's with every member its SDK insists on, OpenAI's and Anthropic's
// besides.
#pragma once
#include <stdbool.h>

#include "admin/health_json.h"
#include "base/buf.h"
#include "llm/model.h"

// GET /models. `query` is what stands behind the '?', still encoded; admin/models_query.h says what of it counts.
void models_json(struct buf *out, const struct catalogue *c, struct str query);
// GET /models/count.
void models_count_json(struct buf *out, const struct catalogue *c, struct str query);
// GET /model/{author}/{slug} and GET /models/{author}/{slug}/endpoints; false, and nothing written, for an unknown id.
bool model_json(struct buf *out, const struct catalogue *c, struct str id);
// `health` NULL: nothing is known of any endpoint.
bool endpoints_json(struct buf *out, const struct catalogue *c, struct str id, const struct health_view *health);
// GET /providers.
void providers_json(struct buf *out, const struct catalogue *c);
