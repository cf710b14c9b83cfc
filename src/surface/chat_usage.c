// Token counts: read in every spelling of the OpenAI-like services, written in OpenRouter's with the cost beside them.
#include "surface/chat_shared.h"

static uint64_t count_of(const struct json_doc *doc, uint32_t node) {
  uint64_t n;
  return json_u64(doc, node, (uint64_t)1 << 48, &n) ? n : 0;
}

// Something that counts nothing: a text, a negative number, a fraction, one beyond all bounds.
static bool is_senseless(const struct json_doc *doc, uint32_t node) {
  uint64_t n;
  return node != JSON_NONE && json_type(doc, node) != JSON_NULL && !json_u64(doc, node, (uint64_t)1 << 48, &n);
}

uint32_t chat_usage_find(const struct json_doc *doc, const struct chat_top *top) {
  uint32_t usage = top->usage;
  if (!json_is(doc, usage, JSON_OBJECT)) usage = json_get(doc, top->x_groq, STR("usage"));
  if (!json_is(doc, usage, JSON_OBJECT)) usage = top->choice.at[CHAT_WORD_USAGE];
  return json_is(doc, usage, JSON_OBJECT) ? usage : JSON_NONE;
}

bool chat_usage_read(const struct json_doc *doc, uint32_t usage, const struct provider_quirks *quirks,
                     struct usage *out) {
  struct chat_members m, in, made;
  chat_members_read(&m, doc, usage);
  if (!json_is(doc, m.at[CHAT_WORD_PROMPT_TOKENS], JSON_NUMBER) &&
      !json_is(doc, m.at[CHAT_WORD_COMPLETION_TOKENS], JSON_NUMBER))
    return false;
  if (is_senseless(doc, m.at[CHAT_WORD_PROMPT_TOKENS]) || is_senseless(doc, m.at[CHAT_WORD_COMPLETION_TOKENS]))
    return false;
  chat_members_read(&in, doc, m.at[CHAT_WORD_PROMPT_TOKENS_DETAILS]);
  chat_members_read(&made, doc, m.at[CHAT_WORD_COMPLETION_TOKENS_DETAILS]);
  uint32_t cached = in.at[CHAT_WORD_CACHED_TOKENS_DETAILS], tools = m.at[CHAT_WORD_SERVER_TOOL_USE];
  struct usage u = {
      .known = true,
      .prompt = count_of(doc, m.at[CHAT_WORD_PROMPT_TOKENS]),
      .completion = count_of(doc, m.at[CHAT_WORD_COMPLETION_TOKENS]),
      .total = count_of(doc, m.at[CHAT_WORD_TOTAL_TOKENS]),
      .cached = count_of(doc, in.at[CHAT_WORD_CACHED_TOKENS]),
      .cache_write = count_of(doc, in.at[CHAT_WORD_CACHE_WRITE_TOKENS]),
      .audio_prompt = count_of(doc, in.at[CHAT_WORD_AUDIO_TOKENS]),
      .image_prompt = count_of(doc, in.at[CHAT_WORD_IMAGE_TOKENS]),
      .video_prompt = count_of(doc, in.at[CHAT_WORD_VIDEO_TOKENS]),
      .reasoning = count_of(doc, made.at[CHAT_WORD_REASONING_TOKENS]),
      .audio_completion = count_of(doc, made.at[CHAT_WORD_AUDIO_TOKENS]),
      .image_completion = count_of(doc, made.at[CHAT_WORD_IMAGE_TOKENS]),
      .video_completion = count_of(doc, made.at[CHAT_WORD_VIDEO_TOKENS]),
      .web_searches = count_of(doc, m.at[CHAT_WORD_NUM_SEARCH_QUERIES]),
  };
  if (UNLIKELY(cached != JSON_NONE)) {
    u.audio_cached = count_of(doc, json_get(doc, cached, STR("audio_tokens")));
    u.image_cached = count_of(doc, json_get(doc, cached, STR("image_tokens")));
  }
  if (UNLIKELY(tools != JSON_NONE)) u.web_searches = count_of(doc, json_get(doc, tools, STR("web_search_requests")));
  // Together, Moonshot, Hugging Face; DeepSeek; Mistral; Perplexity:
  if (!u.cached) u.cached = count_of(doc, m.at[CHAT_WORD_CACHED_TOKENS]);
  if (!u.cached) u.cached = count_of(doc, m.at[CHAT_WORD_PROMPT_CACHE_HIT_TOKENS]);
  if (!u.cached) u.cached = count_of(doc, m.at[CHAT_WORD_NUM_CACHED_TOKENS]);
  if (!u.reasoning) u.reasoning = count_of(doc, m.at[CHAT_WORD_REASONING_TOKENS]);
  usage_settle(&u, (quirks->cached_outside ? USAGE_CACHED_OUTSIDE : 0u) |
                       (quirks->reasoning_outside ? USAGE_REASONING_OUTSIDE : 0u));
  if (!u.known) return false;
  *out = u;
  return true;
}

// An answer that holds nothing and gives no reason, or ended by an error, costs nothing (MAP 8).
static bool is_nothing(const struct chat_reply *reply) {
  bool blank = !reply->native_finish_reason[0] && !reply->usage.completion && !reply->text_bytes;
  return blank || strcmp(reply->finish_reason, "error") == 0;
}

void chat_usage_price(struct chat_reply *reply) {
  reply->usage.images = reply->images;
  reply->cost = usage_cost(&reply->usage, &reply->endpoint->pricing, reply->asked_at);
  if (is_nothing(reply)) reply->cost = (struct cost){0};
  reply->priced = true;
}

void chat_usage_estimate(struct chat_reply *reply, uint64_t request_bytes) {
  struct usage u = {.estimated = true, .prompt = request_bytes / 4, .completion = (reply->text_bytes + 3) / 4};
  u.total = u.prompt + u.completion;
  reply->usage = u;
}

void chat_usage_check(struct chat_reply *reply) {
  struct usage *u = &reply->usage;
  if (!u->known || u->completion || !reply->text_bytes) return;
  u->completion = (reply->text_bytes + 3) / 4;
  if (!u->prompt) u->prompt = reply->request_bytes / 4;
  u->total = u->prompt + u->completion;
  u->estimated = true;
}

static void copy_others(const struct json_doc *doc, uint32_t usage, struct buf *out) {
  static const chat_word_set ours = CHAT_SET(PROMPT_TOKENS) | CHAT_SET(COMPLETION_TOKENS) | CHAT_SET(TOTAL_TOKENS) |
                                    CHAT_SET(COST) | CHAT_SET(IS_BYOK) | CHAT_SET(COST_DETAILS) |
                                    CHAT_SET(PROMPT_TOKENS_DETAILS) | CHAT_SET(COMPLETION_TOKENS_DETAILS);
  for (uint32_t key = json_first(doc, usage); key != JSON_NONE;) {
    uint32_t value = json_next(doc, usage, key);
    if (!chat_word_in(chat_word_of(doc, key), ours) && json_type(doc, value) != JSON_NULL)
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
  size_t from = out->len;
  money_write(out, cost->total);
  size_t written = out->len - from;
  buf_lit(out, ",\"is_byok\":false,\"cost_details\":{\"upstream_inference_cost\":");
  // The same number again. (The buffer may move while it grows: room first.)
  if (buf_reserve(out, written)) buf_append(out, out->ptr + from, written);
  buf_lit(out, ",\"upstream_inference_prompt_cost\":");
  money_write(out, cost->prompt);
  buf_lit(out, ",\"upstream_inference_completions_cost\":");
  money_write(out, cost->completion);
  buf_char(out, '}');
}

static void count_if(struct buf *out, struct str name, uint64_t count) {
  if (!count) return;
  json_write_key(out, name);
  buf_u64(out, count);
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
  if (usage == JSON_NONE && u->known) {  // translated: all we know
    buf_lit(out, ",\"prompt_tokens_details\":{\"cached_tokens\":");
    buf_u64(out, u->cached);
    buf_lit(out, ",\"cache_write_tokens\":");
    buf_u64(out, u->cache_write);
    buf_lit(out, ",\"audio_tokens\":");
    buf_u64(out, u->audio_prompt);
    count_if(out, STR("video_tokens"), u->video_prompt);
    count_if(out, STR("image_tokens"), u->image_prompt);
    buf_lit(out, "},\"completion_tokens_details\":{\"reasoning_tokens\":");
    buf_u64(out, u->reasoning);
    buf_lit(out, ",\"image_tokens\":");
    buf_u64(out, u->image_completion);
    buf_lit(out, ",\"audio_tokens\":");
    buf_u64(out, u->audio_completion);
    count_if(out, STR("video_tokens"), u->video_completion);
    buf_char(out, '}');
    if (u->web_searches) {
      buf_lit(out, ",\"server_tool_use\":{\"web_search_requests\":");
      buf_u64(out, u->web_searches);
      buf_char(out, '}');
    }
    write_cost(&reply->cost, out);
    buf_char(out, '}');
    return;
  }
  buf_lit(out, ",\"prompt_tokens_details\":");
  write_details(doc, json_get(doc, usage, STR("prompt_tokens_details")), STR("cached_tokens"), u->cached, out);
  buf_lit(out, ",\"completion_tokens_details\":");
  write_details(doc, json_get(doc, usage, STR("completion_tokens_details")), STR("reasoning_tokens"), u->reasoning,
                out);
  copy_others(doc, usage, out);
  write_cost(&reply->cost, out);
  buf_char(out, '}');
}
