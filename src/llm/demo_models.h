// The models of the built-in demo provider, as if they had been configured. gateway/demo.c answers for them.
#pragma once
#include "base/arena.h"
#include "config/config.h"

enum { DEMO_MODELS = 4 };

// DEMO_MODELS of them, in the arena; NULL when out of memory.
const struct config_model *demo_models(struct arena *arena);
