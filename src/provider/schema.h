// JSON schemas for providers that compile them into a grammar and refuse the keywords a grammar cannot hold
// (Anthropic's output_config.format and strict tools, Bedrock's textFormat).
// Source: https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs
#pragma once
#include "base/buf.h"
#include "base/str.h"

// Writes `schema` (JSON) with additionalProperties false in every object and only with keywords a grammar can hold:
// what the others demanded (bounds, lengths, unknown formats) is told in the description instead. False: out
// of memory.
bool schema_write_strict(struct buf *out, struct str schema);
// Does a reference in it lead back to itself? No grammar holds that. *no_memory is set when memory is out.
bool schema_is_recursive(struct str schema, bool *no_memory);
