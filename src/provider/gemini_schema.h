// A JSON schema in the form of Google's older `Schema` object, a part of OpenAPI 3.0's: types in capitals, references
// written out, `nullable`, enumerations of strings. What it has no keyword for is told in the description.
// Source: https://ai.google.dev/api/caching#Schema.
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"

// False: out of memory, or *t says why it cannot be.
bool gemini_schema_write(struct buf *out, struct str schema, struct translation *t);
