// The `provider` object of a request (MAP 6), checked and read: where it may go. And what it needs of an endpoint.
#pragma once
#include "llm/preferences.h"
#include "surface/openai_chat.h"

// Members that are null count as not given, members we do not know are refused. False: *note names the member and says
// what it must be. Strings point into the body or the arena.
MUST_CHECK bool preferences_read(const struct chat_request *r, struct arena *arena, struct preferences *out,
                                 struct fault_note *note);

// What the request needs: about how long it is, without pictures and sound; which members it has; which kinds of input
// and output. Files ask for nothing: whoever cannot take them is told their text.
void request_facts_of(const struct chat_request *r, struct request_facts *out);
