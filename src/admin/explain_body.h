// Bodies of every inference route, for POST /signalbox/explain: those of the Responses API, of text completions and of
// embeddings become one of chat that says the same to routing. Pure.
#pragma once
#include "base/arena.h"

// The body itself when it is one of chat already, or when nothing can be made of it; else in the arena.
struct str explain_body(struct str body, struct arena *arena);
