// Token counts: read in every spelling of the OpenAI-like services, written in OpenRouter's with the cost beside them.
#include "surface/chat_shared.h"

static uint64_t count_of(const struct json_doc *doc, uint32_t node) {
  uint64_t n;
  return json_u64(doc, node, (uint64_t)1 << 48, &n) ? n : 0;
}

uint32_t chat_usage_find(const struct json_doc *doc, const struct chat_top *top) {
  uint32_t usage = top->usage;
  if (!json_is(doc, usage, JSON_OBJECT)) usage = json_get(doc, top->x_groq, STR("usage"));
  if (!json_is(doc, usage, JSON_OBJECT)) usage = json_get(doc, top->first, STR("usage"));
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
  enum { PROMPT, COMPLETION, TOTAL, IN, MADE, CACHED, HIT, REASONING };
  static const struct str names[] = {{"prompt_tokens", 13},
                                     {"completion_tokens", 17},
                                     {"total_tokens", 12},
                                     {"prompt_tokens_details", 21},
                                     {"completion_tokens_details", 25},
                                     // Together, Moonshot, Hugging Face; DeepSeek; Perplexity:
                                     {"cached_tokens", 13},
                                     {"prompt_cache_hit_tokens", 23},
                                     {"reasoning_tokens", 16}};
  static const struct str in_names[] = {{"cached_tokens", 13}, {"cache_write_tokens", 18}, {"audio_tokens", 12}};
  static const struct str made_names[] = {{"reasoning_tokens", 16}, {"audio_tokens", 12}, {"image_tokens", 12}};
  uint32_t v[CHAT_COUNT(names)], in[CHAT_COUNT(in_names)], made[CHAT_COUNT(made_names)];
  chat_members(doc, usage, names, v, CHAT_COUNT(names));
  if (v[PROMPT] == JSON_NONE && v[COMPLETION] == JSON_NONE) return false;
  chat_members(doc, v[IN], in_names, in, CHAT_COUNT(in_names));
  chat_members(doc, v[MADE], made_names, made, CHAT_COUNT(made_names));
  struct usage u = {
      .known = true,
      .prompt = count_of(doc, v[PROMPT]),
      .completion = count_of(doc, v[COMPLETION]),
      .total = count_of(doc, v[TOTAL]),
      .cached = count_of(doc, in[0]),
      .cache_write = count_of(doc, in[1]),
      .audio_prompt = count_of(doc, in[2]),
      .reasoning = count_of(doc, made[0]),
      .audio_completion = count_of(doc, made[1]),
      .image_completion = count_of(doc, made[2]),
  };
  if (!u.cached) u.cached = count_of(doc, v[CACHED]);
  if (!u.cached) u.cached = count_of(doc, v[HIT]);
  if (!u.reasoning) u.reasoning = count_of(doc, v[REASONING]);
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
