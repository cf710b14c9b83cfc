// Token counts: read in every spelling of the OpenAI-like services, written in OpenRouter's with the cost beside them.
#include "surface/chat_shared.h"

static uint64_t count_of(const struct json_doc *doc, uint32_t object, struct str key) {
  uint64_t n;
  return json_u64(doc, json_get(doc, object, key), (uint64_t)1 << 48, &n) ? n : 0;
}

uint32_t chat_usage_find(const struct json_doc *doc, uint32_t choices) {
  uint32_t usage = json_get(doc, 0, STR("usage"));
  if (!json_is(doc, usage, JSON_OBJECT)) usage = json_get(doc, json_get(doc, 0, STR("x_groq")), STR("usage"));
  if (!json_is(doc, usage, JSON_OBJECT)) usage = json_get(doc, json_first(doc, choices), STR("usage"));
  return json_is(doc, usage, JSON_OBJECT) ? usage : JSON_NONE;
}

// Some count reasoning beside completion_tokens instead of inside. The total tells which, where it is given.
static uint64_t completion_of(const struct usage *u, const struct provider_quirks *quirks) {
  if (!u->reasoning || u->total == u->prompt + u->completion) return u->completion;
  bool outside =
      quirks->reasoning_outside || u->reasoning > u->completion || u->total == u->prompt + u->completion + u->reasoning;
  return outside ? u->completion + u->reasoning : u->completion;
}

bool chat_usage_read(const struct json_doc *doc, uint32_t usage, const struct provider_quirks *quirks,
                     struct usage *out) {
  if (json_get(doc, usage, STR("prompt_tokens")) == JSON_NONE &&
      json_get(doc, usage, STR("completion_tokens")) == JSON_NONE)
    return false;
  uint32_t in = json_get(doc, usage, STR("prompt_tokens_details"));
  uint32_t made = json_get(doc, usage, STR("completion_tokens_details"));
  struct usage u = {
      .known = true,
      .prompt = count_of(doc, usage, STR("prompt_tokens")),
      .completion = count_of(doc, usage, STR("completion_tokens")),
      .total = count_of(doc, usage, STR("total_tokens")),
      .cached = count_of(doc, in, STR("cached_tokens")),
      .cache_write = count_of(doc, in, STR("cache_write_tokens")),
      .reasoning = count_of(doc, made, STR("reasoning_tokens")),
      .audio_prompt = count_of(doc, in, STR("audio_tokens")),
      .audio_completion = count_of(doc, made, STR("audio_tokens")),
      .image_completion = count_of(doc, made, STR("image_tokens")),
  };
  // Together, Moonshot, Hugging Face; DeepSeek; Perplexity.
  if (!u.cached) u.cached = count_of(doc, usage, STR("cached_tokens"));
  if (!u.cached) u.cached = count_of(doc, usage, STR("prompt_cache_hit_tokens"));
  if (!u.reasoning) u.reasoning = count_of(doc, usage, STR("reasoning_tokens"));
  u.completion = completion_of(&u, quirks);
  if (u.cached > u.prompt) u.cached = u.prompt;
  if (u.cache_write > u.prompt - u.cached) u.cache_write = u.prompt - u.cached;
  if (u.reasoning > u.completion) u.reasoning = u.completion;
  if (u.total < u.prompt + u.completion) u.total = u.prompt + u.completion;
  *out = u;
  return true;
}

void chat_usage_estimate(struct chat_reply *reply, uint64_t request_bytes) {
  struct usage u = {.estimated = true, .prompt = request_bytes / 4, .completion = (reply->text_bytes + 3) / 4};
  u.total = u.prompt + u.completion;
  reply->usage = u;
}

static void copy_others(const struct json_doc *doc, uint32_t usage, struct buf *out) {
  static const struct str ours[] = {{"prompt_tokens", 13},
                                    {"completion_tokens", 17},
                                    {"total_tokens", 12},
                                    {"cost", 4},
                                    {"is_byok", 7},
                                    {"cost_details", 12},
                                    {"prompt_tokens_details", 21},
                                    {"completion_tokens_details", 25}};
  for (uint32_t key = json_first(doc, usage); key != JSON_NONE;) {
    uint32_t value = json_next(doc, usage, key);
    if (json_type(doc, value) != JSON_NULL && !chat_is_one_of(doc, key, ours, CHAT_COUNT(ours)))
      chat_copy_member(doc, key, value, out);
    key = json_next(doc, usage, value);
  }
}

// A details object: the provider's, without what is null in it, and with one count that is always there.
static void write_details(const struct json_doc *doc, uint32_t details, struct str name, uint64_t count,
                          struct buf *out) {
  buf_char(out, '{');
  bool given = false;
  for (uint32_t key = json_first(doc, details); json_is(doc, details, JSON_OBJECT) && key != JSON_NONE;) {
    uint32_t value = json_next(doc, details, key);
    bool is_count = json_string_is(doc, key, name);
    if (is_count && !given) {
      json_write_key(out, name);
      buf_u64(out, count);
      given = true;
    } else if (!is_count && json_type(doc, value) != JSON_NULL) {
      chat_copy_member(doc, key, value, out);
    }
    key = json_next(doc, details, value);
  }
  if (!given) {
    json_write_key(out, name);
    buf_u64(out, count);
  }
  buf_char(out, '}');
}

static void write_cost(const struct cost *cost, struct buf *out) {
  buf_lit(out, ",\"cost\":");
  money_write(out, cost->total);
  buf_lit(out, ",\"is_byok\":false,\"cost_details\":{\"upstream_inference_cost\":");
  money_write(out, cost->total);
  buf_lit(out, ",\"upstream_inference_prompt_cost\":");
  money_write(out, cost->prompt);
  buf_lit(out, ",\"upstream_inference_completions_cost\":");
  money_write(out, cost->completion);
  buf_char(out, '}');
}

void chat_usage_write(const struct chat_reply *reply, const struct json_doc *doc, uint32_t usage, struct buf *out) {
  static const struct json_doc nothing;
  if (!doc) doc = &nothing;
  const struct usage *u = &reply->usage;
  buf_lit(out, "\"usage\":{\"prompt_tokens\":");
  buf_u64(out, u->prompt);
  buf_lit(out, ",\"completion_tokens\":");
  buf_u64(out, u->completion);
  buf_lit(out, ",\"total_tokens\":");
  buf_u64(out, u->total);
  buf_lit(out, ",\"prompt_tokens_details\":");
  write_details(doc, json_get(doc, usage, STR("prompt_tokens_details")), STR("cached_tokens"), u->cached, out);
  buf_lit(out, ",\"completion_tokens_details\":");
  write_details(doc, json_get(doc, usage, STR("completion_tokens_details")), STR("reasoning_tokens"), u->reasoning,
                out);
  copy_others(doc, usage, out);
  write_cost(&reply->cost, out);
  buf_char(out, '}');
}
