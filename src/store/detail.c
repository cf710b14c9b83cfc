#include "store/detail.h"

#include <stddef.h>

#include "json/json.h"

struct member {
  struct str key;
  size_t at;  // of the struct str or uint64_t in struct record
};
#define MEMBER(key, member) \
  { {key, sizeof(key) - 1}, offsetof(struct record, member) }

static const struct member texts[] = {
    MEMBER("provider_name", provider_name),
    MEMBER("upstream_model", upstream_model),
    MEMBER("upstream_id", upstream_id),
    MEMBER("finish_reason", finish_reason),
    MEMBER("user", user),
    MEMBER("session_id", session_id),
    MEMBER("app_title", app_title),
    MEMBER("http_referer", http_referer),
    MEMBER("user_agent", user_agent),
    MEMBER("preset_id", preset_id),
    MEMBER("router", router),
    MEMBER("error", error),
};
static const struct member counts[] = {
    MEMBER("cache_write", usage.cache_write),
    MEMBER("cache_write_1h", usage.cache_write_1h),
    MEMBER("audio_prompt", usage.audio_prompt),
    MEMBER("audio_completion", usage.audio_completion),
    MEMBER("image_prompt", usage.image_prompt),
    MEMBER("image_completion", usage.image_completion),
    MEMBER("video_prompt", usage.video_prompt),
    MEMBER("video_completion", usage.video_completion),
    MEMBER("audio_cached", usage.audio_cached),
    MEMBER("image_cached", usage.image_cached),
    MEMBER("video_cached", usage.video_cached),
    MEMBER("images", usage.images),
    MEMBER("web_searches", usage.web_searches),
    MEMBER("beside_prompt", usage.beside.prompt),
    MEMBER("beside_completion", usage.beside.completion),
    MEMBER("beside_cached", usage.beside.cached),
    MEMBER("beside_cache_write", usage.beside.cache_write),
};
enum { TEXTS = sizeof texts / sizeof *texts, COUNTS = sizeof counts / sizeof *counts };
// Left out where they are the usual ones: api_type is this, the native finish reason is the finish reason.
#define USUAL_API_TYPE STR("completions")

static struct str *text_at(const struct record *r, const struct member *m) {
  return (struct str *)((char *)r + m->at);
}

static uint64_t *count_at(const struct record *r, const struct member *m) {
  return (uint64_t *)((char *)r + m->at);
}

static void key(struct buf *out, struct str name) {
  buf_lit(out, ",\"");
  buf_str(out, name);
  buf_lit(out, "\":");
}

static void text(struct buf *out, struct str name, struct str value) {
  key(out, name);
  json_write_str(out, value);
}

static void count(struct buf *out, struct str name, uint64_t value) {
  key(out, name);
  buf_u64(out, value);
}

void detail_write(struct buf *out, const struct record *r) {
  size_t start = out->len;
  for (unsigned i = 0; i < TEXTS; i++)
    if (text_at(r, &texts[i])->len) text(out, texts[i].key, *text_at(r, &texts[i]));
  if (!str_eq(r->native_finish_reason, r->finish_reason))
    text(out, STR("native_finish_reason"), r->native_finish_reason);
  if (!str_eq(r->api_type, USUAL_API_TYPE)) text(out, STR("api_type"), r->api_type);
  for (unsigned i = 0; i < COUNTS; i++)
    if (*count_at(r, &counts[i])) count(out, counts[i].key, *count_at(r, &counts[i]));
  if (r->usage.total != r->usage.prompt + r->usage.completion) count(out, STR("total"), r->usage.total);
  if (r->usage.billed) {  // zero, too
    count(out, STR("billed_prompt"), r->usage.billed_prompt);
    count(out, STR("billed_completion"), r->usage.billed_completion);
  }
  if (r->attempts_json.len) {
    key(out, STR("attempts"));
    buf_str(out, r->attempts_json);
  }
  if (out->len == start) buf_char(out, ',');
  if (!out->failed) out->ptr[start] = '{';
  buf_char(out, '}');
}

static bool text_get(const struct json_doc *doc, struct str name, struct arena *arena, struct str *out) {
  uint32_t node = json_get(doc, 0, name);
  struct str value;
  if (!json_is(doc, node, JSON_STRING)) return true;
  if (!json_string(doc, node, arena, &value)) return false;
  *out = arena_str(arena, value);
  return out->ptr != NULL;
}

bool detail_read(struct str detail, struct arena *arena, struct record *r) {
  struct json_doc doc = {0};
  if (json_parse(&doc, detail, 1) != JSON_OK || !json_is(&doc, 0, JSON_OBJECT)) detail.len = 0;
  bool ok = true;
  for (unsigned i = 0; i < TEXTS && detail.len; i++) ok &= text_get(&doc, texts[i].key, arena, text_at(r, &texts[i]));
  r->native_finish_reason = r->finish_reason;
  r->api_type = USUAL_API_TYPE;
  r->usage.total = r->usage.prompt + r->usage.completion;
  if (detail.len) {
    ok &= text_get(&doc, STR("native_finish_reason"), arena, &r->native_finish_reason);
    ok &= text_get(&doc, STR("api_type"), arena, &r->api_type);
    for (unsigned i = 0; i < COUNTS; i++)
      if (!json_u64(&doc, json_get(&doc, 0, counts[i].key), UINT64_MAX, count_at(r, &counts[i])))
        *count_at(r, &counts[i]) = 0;
    r->usage.billed =
        json_u64(&doc, json_get(&doc, 0, STR("billed_prompt")), UINT64_MAX, &r->usage.billed_prompt) &&
        json_u64(&doc, json_get(&doc, 0, STR("billed_completion")), UINT64_MAX, &r->usage.billed_completion);
    uint64_t total;
    if (json_u64(&doc, json_get(&doc, 0, STR("total")), UINT64_MAX, &total)) r->usage.total = total;
    struct str attempts = json_raw(&doc, json_get(&doc, 0, STR("attempts")));
    if (attempts.len) {
      r->attempts_json = arena_str(arena, attempts);
      ok &= r->attempts_json.ptr != NULL;
    }
  }
  json_doc_free(&doc);
  return ok;
}
