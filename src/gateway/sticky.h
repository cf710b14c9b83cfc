// Conversations whose prompt lies in a provider's cache go back there (MAP 7.5): which endpoint answered a conversation
// last, for as long as that cache lives, also over a reload that keeps the endpoint. One bounded table for all loops;
// when it is full the oldest of a few goes.
#pragma once
#include "gateway/request.h"

struct sticky;
struct sticky *sticky_new(void);  // NULL: out of memory; all functions then know nothing
void sticky_free(struct sticky *s);

// The endpoint this request's conversation should go to; NULL: none. Also notes on the request what conversation it
// is, for sticky_note. The conversation: session_id (body, then header), else prompt_cache_key, else its first system
// message and its first other message; of this key and this model.
const struct endpoint *sticky_find(struct request *r);
// An attempt has answered: the conversation stays there from now on when the answer came out of a cache (or was
// written to one), or when the client names its session.
void sticky_note(struct attempt *a);
