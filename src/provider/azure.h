// Azure OpenAI: where a deployment is asked. Bodies are OpenAI's own, and spliced.
// Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference and .../latest (the v1 API).
#pragma once
#include "base/buf.h"
#include "llm/model.h"

// The path of an API ("/chat/completions", "/responses") behind the resource's host (`base`: the path of base_url, with
// or without /openai, /openai/v1 or /models), by the provider's api_version: none, "v1" and "preview" are the v1 API, a
// date the dated one.
void azure_path(const struct endpoint *e, struct str base, struct str api, struct buf *out);
