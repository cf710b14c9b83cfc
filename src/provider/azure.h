// Azure OpenAI: where a deployment is asked. Bodies are OpenAI's own, and spliced.
// Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference and .../latest (the v1 API).
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "llm/model.h"

// The path of an API ("/chat/completions", "/responses") behind the resource's host (`base`: the path of base_url, with
// or without /openai, /openai/v1 or /models), by the provider's api_version: none, "v1" and "preview" are the v1 API, a
// date the dated one.
void azure_path(const struct endpoint *e, struct str base, struct str api, struct buf *out);
// Is this the endpoint of models that are not OpenAI's (…/models, …models.ai.azure.com)?
bool azure_serves_others(const struct provider *p);
// A version of the dated API ("2024-10-21", "2025-01-01-preview")?
bool azure_is_dated(struct str version);
// The same, and older than this day ("2024-09-01")?
bool azure_is_before(struct str version, const char *day);
