// JSON schemas for providers that compile them into a grammar and refuse the keywords a grammar cannot hold
// (Anthropic's output_config.format and strict tools, Bedrock's textFormat).
#pragma once
#include "base/buf.h"
#include "base/str.h"

// Writes `schema` (JSON) with additionalProperties false in every object, and without numeric bounds, lengths and the
// like: what they demanded is told in the description instead. False: out of memory.
bool schema_write_strict(struct buf *out, struct str schema);
