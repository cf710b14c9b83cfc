#include "cli/load.h"

#include <stdio.h>

#include "llm/catalogue.h"

bool cli_load_catalogue(struct arena *arena, const char *given, struct catalogue *out) {
  struct config *config = arena_zalloc(arena, sizeof *config);
  return config && cli_load(arena, given, config, out);
}

bool cli_load(struct arena *arena, const char *given, struct config *config, struct catalogue *out) {
  *config = (struct config){0};
  struct config_problems problems = {0};
  struct str path = config_find(arena, given);
  bool ok = path.len ? config_load(arena, path, config, &problems) : config_from_environment(arena, config, &problems);
  if (ok) ok = catalogue_build(arena, config, out, &problems);
  if (!ok) config_problems_print(&problems, path.len ? path : STR("environment"));
  return ok;
}

const char *cli_option_value(int argc, char **argv, int *at) {
  if (*at + 1 < argc) return argv[++*at];
  fprintf(stderr, "signalbox %s: %s wants a value; see --help\n", argv[0], argv[*at]);
  return NULL;
}
