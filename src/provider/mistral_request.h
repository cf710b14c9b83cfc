// Mistral chat (La Plateforme), the provider's side: requests. Close to OpenAI's, but strict about what it does not
// know. Source: https://docs.mistral.ai/api/#tag/chat
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"
#include "llm/model.h"

bool mistral_request(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out);
