#include "provider/efforts.h"

#include "provider/openai_models.h"
#include "provider/table.h"

#define E(level) (1u << EFFORT_##level)
#define LOW_TO_HIGH (E(LOW) | E(MEDIUM) | E(HIGH))

// The first row of the vendor that is found in the model's name counts. Vendors that are not here get what was sent.
static const struct row {
  const char *vendor, *model;
  unsigned set;
} rows[] = {
    {"groq", "gpt-oss", LOW_TO_HIGH},
    {"groq", "qwen", E(NONE)},  // and "default"
    {"groq", "", 0},
    {"cerebras", "gpt-oss", LOW_TO_HIGH},
    {"cerebras", "", E(NONE)},
    {"xai", "non-reasoning", 0},
    {"xai", "grok-3-mini", E(LOW) | E(HIGH)},
    {"xai", "grok-4.20", 0},
    {"xai", "grok-4.3", E(NONE) | LOW_TO_HIGH},
    {"xai", "grok-4.5", LOW_TO_HIGH},
    {"xai", "grok-4.6", LOW_TO_HIGH | E(XHIGH)},
    {"xai", "grok-4-", 0},
    {"xai", "grok-code", 0},
    {"xai", "grok-3", 0},
    {"xai", "grok-2", 0},
    {"deepseek", "", LOW_TO_HIGH | E(XHIGH) | E(MAX)},
    {"moonshotai", "", 0},
    {"moonshotai-cn", "", 0},
    {"z-ai", "glm-5.2", E(NONE) | E(MINIMAL) | LOW_TO_HIGH | E(XHIGH) | E(MAX)},
    {"z-ai", "glm-5.3", E(LOW) | E(HIGH) | E(MAX)},
    {"z-ai", "", 0},
    {"zhipu", "glm-5.2", E(NONE) | E(MINIMAL) | LOW_TO_HIGH | E(XHIGH) | E(MAX)},
    {"zhipu", "glm-5.3", E(LOW) | E(HIGH) | E(MAX)},
    {"zhipu", "", 0},
    {"alibaba", "", 0},
    {"alibaba-cn", "", 0},
    {"siliconflow", "", 0},
    {"siliconflow-cn", "", 0},
    {"vllm", "", LOW_TO_HIGH},
    {"sglang", "", LOW_TO_HIGH},
    {"llama.cpp", "", LOW_TO_HIGH},
    {"ollama", "", E(NONE) | LOW_TO_HIGH},
    {"ollama-cloud", "", E(NONE) | LOW_TO_HIGH},
};

struct efforts efforts_of(const struct endpoint *e) {
  struct str vendor = e->provider->id, model = e->upstream_model;
  if (e->provider->quirks->openai_models) {
    unsigned set;
    return openai_model_efforts(openai_model_name(e), &set) ? (struct efforts){.known = true, .set = set}
                                                            : (struct efforts){0};
  }
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct row *row = &rows[i];
    struct str word = str_from_cstr(row->model);
    if (!str_eq(vendor, str_from_cstr(row->vendor)) || str_find(model, word, 0) == SIZE_MAX) continue;
    bool any = str_eq(word, STR("qwen"));
    return (struct efforts){.known = true, .fallback_any = any, .set = row->set};
  }
  return (struct efforts){0};
}

enum effort efforts_nearest(unsigned set, enum effort wished) {
  for (int step = 0; set && step <= EFFORT_MAX; step++) {
    int below = (int)wished - step, above = (int)wished + step;
    // What reasons a little is nearer to any level than what does not reason at all.
    bool off = below == EFFORT_NONE && wished != EFFORT_NONE;
    if (below >= EFFORT_NONE && !off && set >> below & 1) return (enum effort)below;
    if (above <= EFFORT_MAX && set >> above & 1) return (enum effort)above;
  }
  return set & E(NONE) ? EFFORT_NONE : EFFORT_UNSET;
}

static const char *const words[] = {
    [EFFORT_UNSET] = "",        [EFFORT_NONE] = "none", [EFFORT_MINIMAL] = "minimal", [EFFORT_LOW] = "low",
    [EFFORT_MEDIUM] = "medium", [EFFORT_HIGH] = "high", [EFFORT_XHIGH] = "xhigh",     [EFFORT_MAX] = "max"};

const char *effort_word(enum effort effort) {
  return words[effort];
}

enum effort effort_of_word(struct str word) {
  for (int i = EFFORT_NONE; i <= EFFORT_MAX; i++)
    if (str_eq(word, str_from_cstr(words[i]))) return (enum effort)i;
  return EFFORT_UNSET;
}
