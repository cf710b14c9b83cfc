// The shipped catalogue (generated file llm/catalogue_data.inc, made by scripts/catalogue) and the building of a
// catalogue snapshot from it and the configuration.
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "config/config.h"
#include "llm/model.h"

// Builds providers, models and endpoints for a configuration:
//  - every configured provider (protocols not built yet are a problem), plus demo unless it is off;
//  - configured models with their endpoints; members not given come from the shipped row of the same model and
//  provider;
//  - a configured model without endpoints gets the shipped endpoints at configured providers;
//  - when the configuration lists no models at all: every shipped model of every configured provider;
//  - demo/echo, demo/lorem, demo/tools, demo/flaky.
// Problems (unknown provider, no endpoint, no price) are added with the configuration's lines; false when there are
// any.
bool catalogue_build(struct arena *arena, const struct config *config, struct catalogue *out,
                     struct config_problems *problems);
