// Who speaks OpenAI's Responses, as far as it matters: whose reasoning is encrypted for whom, and what is refused.
#pragma once
#include "llm/conversation.h"
#include "llm/model.h"

// Name, the format of its reasoning (OpenRouter's names), and whether calls of custom tools are its own business.
#define RESPONSES_HOSTS(X)                         \
  X(OPENAI, "openai-responses-v1", false)          \
  X(AZURE, "azure-openai-responses-v1", false)     \
  X(BEDROCK, "bedrock-openai-responses-v1", false) \
  X(BEDROCK_XAI, "bedrock-xai-responses-v1", true) \
  X(XAI, "xai-responses-v1", true)                 \
  X(META, "meta-responses-v1", false)              \
  X(OTHER, "openai-responses-v1", false)

enum responses_host {
#define X(name, format, serves_custom) RESPONSES_##name,
  RESPONSES_HOSTS(X)
#undef X
};
enum responses_host responses_host(const struct endpoint *e);
const char *responses_format(enum responses_host host);
// Does it serve OpenAI's own models, with all that its API has?
bool responses_is_openai(enum responses_host host);
// The nearest effort that the model takes; EFFORT_UNSET: it takes none.
enum effort responses_effort(const struct endpoint *e, enum effort wished);
