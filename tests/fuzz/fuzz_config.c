// Any bytes as a configuration file: it is read, or there are problems with sensible places; nothing leaks.
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"
#include "config/problem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct arena arena = {.max = 64 * 1024 * 1024};
  struct config config;
  struct config_problems problems = {0};
  bool ok = config_parse(&arena, STR("fuzz.yaml"), str_from((const char *)data, size), &config, &problems);
  if (ok != (problems.count == 0) || problems.count > PROBLEMS_MAX) abort();
  for (size_t i = 0; i < problems.count; i++) {
    const struct config_problem *problem = &problems.items[i];
    if (!problem->text.len || (problem->line && !problem->column)) abort();
    for (size_t k = 0; k < problem->text.len; k++) {
      if (problem->text.ptr[k] == '\n') abort();
    }
  }
  if (ok && !config.listen_count) abort();
  arena_free(&arena);
  return 0;
}
