#include "provider/quirks.h"

#include "provider/azure.h"
#include "provider/openai_models.h"

static bool has(struct str name, const char *word) {
  return str_find(name, str_from_cstr(word), 0) != SIZE_MAX;
}

static bool has_any(struct str name, const char *const *words) {
  for (; *words; words++)
    if (has(name, *words)) return true;
  return false;
}

// --- Azure ---

// Members that only the v1 API knows: the dated ones answer 400.
#define DATED_DENY                                                                             \
  "top_k", "min_p", "top_a", "repetition_penalty", "prompt_cache_key", "prompt_cache_options", \
      "prompt_cache_retention", "safety_identifier", "verbosity", "moderation"
static const char *const dated_deny[] = {DATED_DENY, NULL};
static const char *const old_deny[] = {DATED_DENY, "parallel_tool_calls", NULL};

static void azure(const struct endpoint *e, struct provider_quirks *q) {
  static const char *const others[] = {"grok",  "mistral", "ministral", "codestral", "deepseek",
                                       "llama", "phi-",    "Phi-",      "cohere",    "command",
                                       "jamba", "Llama",   "Mistral",   "DeepSeek",  NULL};
  struct str version = e->provider->api_version;
  bool models = azure_serves_others(e->provider);
  bool foreign = models || has_any(e->upstream_model, others);
  if (openai_model_name(e).ptr != e->upstream_model.ptr) foreign = false;  // known by the name it has here
  if (foreign) {
    *q = (struct provider_quirks){.max_tokens_field = "max_tokens",
                                  .cached_outside = true,
                                  .replay = REPLAY_CONTENT,
                                  .marks = MARKS_CUT,
                                  .no_developer = true,
                                  .text_results = true,
                                  .inlines_files = true,
                                  .auth_header = q->auth_header};
    return;
  }
  if (!azure_is_dated(version)) return;
  q->marks = MARKS_CUT;
  q->deny = dated_deny;
  if (azure_is_before(version, "2024-09-01")) {
    q->max_tokens_field = "max_tokens";
    q->deny = old_deny;
  }
  if (azure_is_before(version, "2024-08-01")) q->no_stream_options = true;
}

// --- others ---

// Kimi's thinking models have their sampling set.
static const char *const fixed_sampling[] = {
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "n", "top_k", "min_p", NULL};
// xAI's reasoning models refuse these.
static const char *const grok_deny[] = {"presence_penalty", "frequency_penalty", "stop", NULL};

static void moonshot(const struct endpoint *e, struct provider_quirks *q) {
  static const char *const fixed[] = {"kimi-k2.5", "kimi-k2.6", "kimi-k2.7", "thinking", "kimi-k3", NULL};
  if (has_any(e->upstream_model, fixed)) q->deny = fixed_sampling;
}

static void xai(const struct endpoint *e, struct provider_quirks *q) {
  static const char *const thinkers[] = {"grok-3-mini", "grok-4", "grok-code", NULL};
  if (has_any(e->upstream_model, thinkers) && !has(e->upstream_model, "non-reasoning")) q->deny = grok_deny;
}

static void zai(const struct endpoint *e, struct provider_quirks *q) {
  if (has(e->upstream_model, "glm-5.3")) q->wish = WISH_EFFORT;  // it always thinks
}

static void cerebras(const struct endpoint *e, struct provider_quirks *q) {
  if (!has(e->upstream_model, "glm")) q->replay = REPLAY_NEVER;
}

const struct provider_quirks *quirks_of(const struct endpoint *e, struct provider_quirks *room) {
  static const struct {
    const char *vendor;
    void (*refine)(const struct endpoint *e, struct provider_quirks *q);
  } rows[] = {{"xai", xai},  {"cerebras", cerebras}, {"moonshotai", moonshot}, {"moonshotai-cn", moonshot},
              {"z-ai", zai}, {"zhipu", zai}};
  const struct provider_quirks *own = e->provider->quirks;
  bool is_azure = e->provider->protocol == PROTOCOL_AZURE;
  if (LIKELY(!is_azure && !own->by_model)) return own;
  *room = *own;
  if (is_azure) azure(e, room);
  for (size_t i = 0; own->by_model && i < sizeof rows / sizeof *rows; i++)
    if (str_eq(e->provider->id, str_from_cstr(rows[i].vendor))) rows[i].refine(e, room);
  return room;
}

bool quirks_model_thinks(const struct endpoint *e) {
  static const char *const words[] = {"reasoner", "deepseek-v4", "thinking", "qwq", NULL};
  return has_any(e->upstream_model, words);
}
