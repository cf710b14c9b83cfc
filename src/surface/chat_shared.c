#include "surface/chat_shared.h"

#include <string.h>

void chat_reply_init(struct chat_reply *reply, struct str generation_id, const struct endpoint *endpoint,
                     uint64_t created) {
  memset(reply, 0, sizeof *reply);
  reply->generation_id = generation_id;
  reply->endpoint = endpoint;
  reply->created = created;
}

void chat_keep(char *into, size_t size, struct str text) {
  size_t n = text.len < size - 1 ? text.len : size - 1;
  while (n && n < text.len && ((unsigned char)text.ptr[n] & 0xC0) == 0x80) n--;
  if (n) memcpy(into, text.ptr, n);
  into[n] = 0;
}

void chat_fail(struct chat_reply *reply, enum fault fault, struct str message) {
  reply->fault = fault;
  chat_keep(reply->message, sizeof reply->message, message);
}

struct str chat_finish_normal(struct str native) {
  static const struct {
    struct str native, normal;
  } rows[] = {
#define ROW(native, normal) {{native, sizeof native - 1}, {normal, sizeof normal - 1}}
      ROW("stop", "stop"),
      ROW("length", "length"),
      ROW("tool_calls", "tool_calls"),
      ROW("content_filter", "content_filter"),
      ROW("error", "error"),
      ROW("function_call", "tool_calls"),
      ROW("tool_use", "tool_calls"),
      ROW("eos", "stop"),
      ROW("eos_token", "stop"),
      ROW("stop_sequence", "stop"),
      ROW("end_turn", "stop"),
      ROW("max_tokens", "length"),
      ROW("model_length", "length"),
      ROW("MAX_TOKENS", "length"),
      ROW("sensitive", "content_filter"),
      ROW("SAFETY", "content_filter"),
      ROW("insufficient_system_resource", "error"),
      ROW("network_error", "error"),
#undef ROW
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (str_eq(rows[i].native, native)) return rows[i].normal;
  return STR("stop");
}

// --- usage ---

static uint64_t count_of(const struct json_doc *doc, uint32_t object, struct str key) {
  uint64_t n;
  return json_u64(doc, json_get(doc, object, key), (uint64_t)1 << 50, &n) ? n : 0;
}

bool chat_usage_read(const struct json_doc *doc, uint32_t usage, const struct provider_quirks *quirks,
                     struct usage *out) {
  if (!json_is(doc, usage, JSON_OBJECT)) return false;
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
  if (json_get(doc, usage, STR("prompt_tokens")) == JSON_NONE &&
      json_get(doc, usage, STR("completion_tokens")) == JSON_NONE)
    return false;
  // Together, Moonshot, Hugging Face; DeepSeek; Perplexity.
  if (!u.cached) u.cached = count_of(doc, usage, STR("cached_tokens"));
  if (!u.cached) u.cached = count_of(doc, usage, STR("prompt_cache_hit_tokens"));
  if (!u.reasoning) u.reasoning = count_of(doc, usage, STR("reasoning_tokens"));
  if (quirks->reasoning_outside) u.completion += u.reasoning;
  if (u.cached > u.prompt) u.cached = u.prompt;
  if (u.cache_write > u.prompt - u.cached) u.cache_write = u.prompt - u.cached;
  if (u.reasoning > u.completion) u.reasoning = u.completion;
  if (u.total < u.prompt + u.completion) u.total = u.prompt + u.completion;
  *out = u;
  return true;
}

static void copy_usage_members(const struct json_doc *doc, uint32_t usage, struct buf *out) {
  static const struct str ours[] = {{"prompt_tokens", 13}, {"completion_tokens", 17}, {"total_tokens", 12},
                                    {"cost", 4},           {"is_byok", 7},            {"cost_details", 12}};
  for (uint32_t key = json_first(doc, usage); key != JSON_NONE;) {
    uint32_t value = json_next(doc, usage, key);
    bool mine = json_type(doc, value) == JSON_NULL;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) mine |= json_string_is(doc, key, ours[i]);
    if (!mine) chat_copy_member(doc, key, value, out);
    key = json_next(doc, usage, value);
  }
}

void chat_usage_write(const struct chat_reply *reply, const struct json_doc *doc, uint32_t usage, struct buf *out) {
  const struct usage *u = &reply->usage;
  buf_lit(out, "\"usage\":{\"prompt_tokens\":");
  buf_u64(out, u->prompt);
  buf_lit(out, ",\"completion_tokens\":");
  buf_u64(out, u->completion);
  buf_lit(out, ",\"total_tokens\":");
  buf_u64(out, u->total);
  if (usage != JSON_NONE) copy_usage_members(doc, usage, out);
  if (u->cached && (usage == JSON_NONE || !json_is(doc, json_get(doc, usage, STR("prompt_tokens_details")), JSON_OBJECT))) {
    buf_lit(out, ",\"prompt_tokens_details\":{\"cached_tokens\":");
    buf_u64(out, u->cached);
    buf_char(out, '}');
  }
  buf_lit(out, ",\"cost\":");
  money_write(out, reply->cost.total);
  buf_lit(out, ",\"is_byok\":false,\"cost_details\":{\"upstream_inference_cost\":");
  money_write(out, reply->cost.total);
  buf_lit(out, ",\"upstream_inference_prompt_cost\":");
  money_write(out, reply->cost.prompt);
  buf_lit(out, ",\"upstream_inference_completions_cost\":");
  money_write(out, reply->cost.completion);
  buf_lit(out, "}}");
}

// --- members ---

void chat_begin(const struct chat_reply *reply, struct str object, uint64_t created, struct buf *out) {
  buf_lit(out, "{\"id\":\"");
  buf_str(out, reply->generation_id);
  buf_lit(out, "\",\"provider\":");
  json_write_str(out, reply->endpoint->provider->name);
  buf_lit(out, ",\"model\":");
  json_write_str(out, reply->endpoint->model->id);
  buf_lit(out, ",\"object\":\"");
  buf_str(out, object);
  buf_lit(out, "\",\"created\":");
  buf_u64(out, created);
}

void chat_copy_member(const struct json_doc *doc, uint32_t key, uint32_t value, struct buf *out) {
  if (out->len && out->ptr[out->len - 1] != '{') buf_char(out, ',');
  buf_str(out, json_raw(doc, key));
  buf_char(out, ':');
  buf_str(out, json_raw(doc, value));
}

bool chat_null_refused(const struct json_doc *doc, uint32_t key, uint32_t value) {
  static const struct str names[] = {{"system_fingerprint", 18}, {"usage", 5},     {"tool_calls", 10},
                                     {"reasoning_details", 17},  {"audio", 5},     {"function_call", 13},
                                     {"annotations", 11},        {"images", 6},    {"error", 5},
                                     {"moderation", 10},         {"metadata", 8}};
  if (json_type(doc, value) != JSON_NULL) return false;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (json_string_is(doc, key, names[i])) return true;
  return false;
}
