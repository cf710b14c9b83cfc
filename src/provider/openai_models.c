#include "provider/openai_models.h"

#include <stddef.h>

enum reasons { NEVER, ALWAYS, BY_DEFAULT, WHEN_ASKED };

// The first prefix that fits counts.
static const struct {
  const char *prefix;
  enum reasons reasons;
} rows[] = {
    {"gpt-5.6", BY_DEFAULT},  {"gpt-5.5-pro", ALWAYS},  {"gpt-5.5", BY_DEFAULT},
    {"gpt-5.4-pro", ALWAYS},  {"gpt-5.3-chat", ALWAYS}, {"gpt-5.2-chat", ALWAYS},
    {"gpt-5.1-chat", ALWAYS}, {"gpt-5.2-pro", ALWAYS},  {"gpt-5.1-codex", ALWAYS},
    {"gpt-5.4", WHEN_ASKED},  {"gpt-5.3", WHEN_ASKED},  {"gpt-5.2", WHEN_ASKED},
    {"gpt-5.1", WHEN_ASKED},  {"gpt-5-chat", NEVER},    {"gpt-5", ALWAYS},
    {"o1", ALWAYS},           {"o3", ALWAYS},           {"o4", ALWAYS},
};

bool openai_model_reasons(struct str model, struct str effort) {
  bool none = str_eq(effort, STR("none"));
  size_t slash = str_find_char(model, '/', 0);
  if (slash != SIZE_MAX) model = str_skip(model, slash + 1);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (!str_starts(model, str_from_cstr(rows[i].prefix))) continue;
    switch (rows[i].reasons) {
      case NEVER: return false;
      case ALWAYS: return true;
      case BY_DEFAULT: return !none;
      case WHEN_ASKED: return effort.len && !none;
    }
  }
  return false;
}

bool openai_model_only_responses(struct str model) {
  static const char *const words[] = {"-codex", "codex-", "-deep-research", "computer-use-preview"};
  size_t slash = str_find_char(model, '/', 0);
  if (slash != SIZE_MAX) model = str_skip(model, slash + 1);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (str_find(model, str_from_cstr(words[i]), 0) != SIZE_MAX) return true;
  bool ours = str_starts(model, STR("gpt-5")) || str_starts(model, STR("o1")) || str_starts(model, STR("o3"));
  return ours && str_find(model, STR("-pro"), 0) != SIZE_MAX;
}
