// Any bytes as a configuration file: it is read, or there are problems with sensible places; nothing leaks.
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"
#include "config/problem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

// libfyaml 0.7.12 loses 1 KiB in fy_atom_format_text for a single-quoted scalar with eight '' in a row. The unit tests
// run without this, so a parser that we forget to destroy is still found.
const char *__lsan_default_suppressions(void) {
  return "leak:libfyaml.so\n";
}
const char *__lsan_default_options(void) {
  return "print_suppressions=0";
}

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
