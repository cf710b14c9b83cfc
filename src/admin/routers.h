// signalbox/auto and signalbox/free as models among the others, for those who read the catalogue (MAP 9.3): what they
// can do is what the models that they choose from can do. Pure.
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "llm/model.h"

enum { ROUTERS_MAX = 2 };

// The catalogue with the routers in their places: auto when there is a model to choose, free when there is one that
// costs nothing (the demo's do not count). False: out of memory.
bool routers_join(const struct catalogue *c, struct arena *arena, struct catalogue *out);
// One of them, by any of its names ("openrouter/auto"); NULL: it is none, or memory is out. In the arena.
const struct model *routers_find(const struct catalogue *c, struct str id, struct arena *arena);
bool router_is(const struct model *m);
// What it costs depends on the model chosen.
bool router_price_varies(const struct model *m);
