// What a request is about, as plain text. Pure.
#pragma once
#include "surface/openai_chat.h"

// The text of the last user message (parts that are no text are left out), decoded: it points into the body or the
// arena. Empty: there is none.
struct str chat_asked(const struct chat_request *r, struct arena *arena);
