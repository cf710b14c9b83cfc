// What several subcommands begin with: a configuration and the catalogue it makes.
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "config/config.h"
#include "llm/model.h"

// Reads the file (`given`, or the one config_find finds, or the environment when there is none). Prints every problem
// and returns false when there are any. All lives in the arena.
bool cli_load_catalogue(struct arena *arena, const char *given, struct catalogue *out);
// The same, and the configuration itself.
bool cli_load(struct arena *arena, const char *given, struct config *config, struct catalogue *out);
// The value of an option that wants one ("-c FILE"); NULL, said on standard error, when it is missing. *at moves on to
// it.
const char *cli_option_value(int argc, char **argv, int *at);
