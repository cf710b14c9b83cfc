// OpenAI Responses, the provider's side: requests, for models that only this API serves, or serves better.
// Source: https://platform.openai.com/docs/api-reference/responses/create
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"
#include "llm/model.h"

// Nothing is stored at the provider: reasoning comes back encrypted and is sent along again.
bool responses_request(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out);
