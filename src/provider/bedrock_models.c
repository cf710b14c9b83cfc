#include "provider/bedrock_models.h"

enum { ALL = BEDROCK_TEXT | BEDROCK_IMAGE | BEDROCK_DOCUMENT | BEDROCK_TEXT_DOCUMENT | BEDROCK_VIDEO };
enum { DOCUMENTS = BEDROCK_DOCUMENT | BEDROCK_TEXT_DOCUMENT };
enum { NAME_MAX_LEN = 256 };

static bool has(struct str name, const char *word) {
  return str_find(name, str_from_cstr(word), 0) != SIZE_MAX;
}

static struct bedrock_model claude(struct str name, struct claude c) {
  // Those before 4.5 have no format, the newest refuse it here: a tool stands in for it.
  bool compiles = c.schema && c.budget && !has(name, "opus-4-1");
  return (struct bedrock_model){.claude = c,
                                .first_assistant = true,
                                .choice = c.forced,
                                .choice_any = c.forced,
                                .schema = compiles,
                                .strict = compiles,
                                .caches = true,
                                .caches_tools = true,
                                .caches_hour = c.schema && !has(name, "opus-4-1"),
                                .beside = BEDROCK_TEXT | BEDROCK_IMAGE,
                                .inside = BEDROCK_IMAGE | DOCUMENTS,
                                .reasons = BEDROCK_REASONS_CLAUDE};
}

static struct bedrock_model nova(struct str name) {
  bool second = has(name, "nova-2");
  return (struct bedrock_model){.nova = true,
                                .choice = true,
                                .choice_any = true,
                                .caches = true,
                                .grounding = second || has(name, "nova-premier"),
                                .beside = ALL,
                                .inside = BEDROCK_IMAGE | BEDROCK_TEXT_DOCUMENT,
                                .reasons = second ? BEDROCK_REASONS_NOVA : BEDROCK_REASONS_ITS_OWN_WAY};
}

static struct bedrock_model mistral(struct str name) {
  return (struct bedrock_model){.mistral = true,
                                .no_system = has(name, "mistral-7b") || has(name, "mixtral"),
                                .choice_any = has(name, "mistral-large"),
                                .json_results = true,
                                .inside = DOCUMENTS};
}

static struct bedrock_model other(struct str name) {
  struct bedrock_model m = {.beside = ALL, .inside = BEDROCK_IMAGE};
  m.schema = has(name, "gemma") || has(name, "minimax") || has(name, "nvidia");
  m.no_system = has(name, "titan") || has(name, "command-text") || has(name, "command-light") || has(name, "ai21.j2");
  m.no_status = has(name, "writer");
  m.reasoning_back = has(name, "deepseek") && has(name, "r1");
  if (has(name, "llama")) {
    m.beside = 0;
    m.inside = BEDROCK_IMAGE | DOCUMENTS;
  } else if (has(name, "qwen")) {
    m.first_assistant = m.schema = true;
    m.inside = 0;
    m.reasons = BEDROCK_REASONS_CONFIG;
  } else if (has(name, "openai.") || has(name, "openai/") || has(name, "gpt-oss")) {
    m.no_stops = true;
    m.no_sampling = !has(name, "gpt-oss");
    m.reasons = BEDROCK_REASONS_EFFORT;
  }
  return m;
}

static bool is_known(struct str name) {
  static const char *const words[] = {"claude-", "nova",     "llama",  "mistral", "mixtral", "pixtral",  "ministral",
                                      "qwen",    "deepseek", "openai", "gpt-oss", "writer",  "titan",    "cohere",
                                      "gemma",   "minimax",  "nvidia", "kimi",    "ai21",    "magistral"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (has(name, words[i])) return true;
  return false;
}

// "anthropic/claude-sonnet-4.5" as Bedrock would spell it.
static struct str spelt_here(struct str id, char into[NAME_MAX_LEN]) {
  size_t n = id.len < NAME_MAX_LEN ? id.len : NAME_MAX_LEN;
  for (size_t i = 0; i < n; i++) into[i] = id.ptr[i] == '.' ? '-' : id.ptr[i];
  return str_from(into, n);
}

struct bedrock_model bedrock_model_of(const struct endpoint *e) {
  char spelt[NAME_MAX_LEN];
  struct str name = e->upstream_model;
  if (!is_known(name)) name = spelt_here(e->model->id, spelt);
  struct claude c = claude_model(name);
  if (c.known) return claude(name, c);
  if (has(name, "nova")) return nova(name);
  if (has(name, "istral") || has(name, "ixtral")) return mistral(name);
  return other(name);
}
