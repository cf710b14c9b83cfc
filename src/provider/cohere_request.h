// Cohere v2 chat, the provider's side: requests.
// Source: https://docs.cohere.com/reference/chat
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"
#include "llm/model.h"

bool cohere_request(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out);
