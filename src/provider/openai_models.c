#include "provider/openai_models.h"

#include <stddef.h>

#include "llm/conversation.h"

enum reasons { NEVER, ALWAYS, BY_DEFAULT, WHEN_ASKED };

#define E(level) (1u << EFFORT_##level)
#define LOW_TO_HIGH (E(LOW) | E(MEDIUM) | E(HIGH))
#define TO_XHIGH (E(NONE) | LOW_TO_HIGH | E(XHIGH))
#define TO_MAX (TO_XHIGH | E(MAX))

// The first prefix that fits counts.
static const struct row {
  const char *prefix;
  enum reasons reasons;
  unsigned efforts;
  bool stops;  // takes stop sequences while it reasons
} rows[] = {
    {"gpt-5.6", BY_DEFAULT, TO_MAX, false},
    {"gpt-5.5-pro", ALWAYS, E(MEDIUM) | E(HIGH) | E(XHIGH), false},
    {"gpt-5.5", BY_DEFAULT, TO_XHIGH, false},
    {"gpt-5.4-pro", ALWAYS, E(MEDIUM) | E(HIGH) | E(XHIGH), false},
    {"gpt-5.3-chat", ALWAYS, 0, false},
    {"gpt-5.2-chat", ALWAYS, 0, false},
    {"gpt-5.1-chat", ALWAYS, 0, false},
    {"gpt-5.2-pro", ALWAYS, 0, false},
    {"gpt-5.1-codex", ALWAYS, LOW_TO_HIGH, false},
    {"gpt-5.4", WHEN_ASKED, TO_XHIGH, false},
    {"gpt-5.3", WHEN_ASKED, TO_XHIGH, false},
    {"gpt-5.2", WHEN_ASKED, TO_XHIGH, false},
    {"gpt-5.1", WHEN_ASKED, E(NONE) | LOW_TO_HIGH, false},
    {"gpt-5-chat", NEVER, 0, true},
    {"gpt-5-pro", ALWAYS, E(HIGH), false},
    {"gpt-5", ALWAYS, E(MINIMAL) | LOW_TO_HIGH, false},
    {"o1-mini", ALWAYS, 0, true},
    {"o1-preview", ALWAYS, 0, true},
    {"o1", ALWAYS, LOW_TO_HIGH, true},
    {"o3-mini", ALWAYS, LOW_TO_HIGH, true},
    {"o3", ALWAYS, LOW_TO_HIGH, false},
    {"o4", ALWAYS, LOW_TO_HIGH, false},
    {"gpt-4", NEVER, 0, true},
    {"gpt-3.5", NEVER, 0, true},
    {"chatgpt-4o", NEVER, 0, true},
};

// "openai/gpt-5", Bedrock's "openai.gpt-5" and "ft:gpt-4o-mini:us" are called by what is in the middle.
static struct str bare(struct str model) {
  size_t slash = str_find_char(model, '/', 0);
  if (slash != SIZE_MAX) model = str_skip(model, slash + 1);
  if (str_starts(model, STR("openai."))) return str_skip(model, 7);
  return str_starts(model, STR("ft:")) ? str_skip(model, 3) : model;
}

static const struct row *row_of(struct str model) {
  model = bare(model);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_starts(model, str_from_cstr(rows[i].prefix))) return &rows[i];
  return NULL;
}

bool openai_model_reasons(struct str model, struct str effort) {
  bool none = str_eq(effort, STR("none"));
  const struct row *row = row_of(model);
  switch (row ? row->reasons : NEVER) {
    case NEVER: return false;
    case ALWAYS: return true;
    case BY_DEFAULT: return !none;
    case WHEN_ASKED: return effort.len && !none;
  }
  return false;
}

bool openai_model_never_reasons(struct str model) {
  const struct row *row = row_of(model);
  return row && row->reasons == NEVER;
}

bool openai_model_refuses_stop(struct str model, struct str effort) {
  const struct row *row = row_of(model);
  return row && !row->stops && openai_model_reasons(model, effort);
}

// Is the word among those of the name, not the front of a longer one?
static bool has_word(struct str model, struct str word) {
  size_t at = str_find(model, word, 0);
  return at != SIZE_MAX && (at + word.len == model.len || model.ptr[at + word.len] == '-');
}

bool openai_model_only_responses(struct str model) {
  static const char *const words[] = {"-codex", "codex-", "-deep-research", "computer-use-preview"};
  model = bare(model);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (str_find(model, str_from_cstr(words[i]), 0) != SIZE_MAX) return true;
  bool ours = str_starts(model, STR("gpt-5")) || str_starts(model, STR("o1")) || str_starts(model, STR("o3"));
  return ours && has_word(model, STR("-pro"));
}

bool openai_model_efforts(struct str model, unsigned *set) {
  const struct row *row = row_of(model);
  *set = row ? row->efforts : 0;
  return row != NULL;
}

bool openai_model_has_breakpoints(struct str model) {
  return !row_of(model) || str_starts(bare(model), STR("gpt-5.6"));
}

struct str openai_model_name(const struct endpoint *e) {
  struct str id = e->model ? e->model->id : (struct str){0};
  return !row_of(e->upstream_model) && row_of(id) ? id : e->upstream_model;
}
