// Names of tools that a provider's alphabet does not know, in one that it does: the same every time, so that a prompt
// stays what it was, and told back in calls. Pure.
#pragma once
#include "llm/conversation.h"
#include "provider/encode.h"

// The conversation with every name of a function fit for `alphabet`: `c` itself when all are, else a copy in the arena
// that shares what is not a name. Names of tools that differ are noted in t->tool_names. NULL: out of memory.
const struct conversation *tool_names_fit(const struct conversation *c, struct encode_alphabet alphabet,
                                          struct translation *t);
