// What must hold of everything a client is sent, whatever the provider sent: the members strict clients need, no null
// where they refuse it, one role and one finish reason a choice, one usage, [DONE] last. Also collects the texts, so
// that they can be compared with the provider's. Complaints are texts; NULL means fine.
#pragma once
#include <stdlib.h>

#include "base/buf.h"
#include "json/json.h"

enum { WATCH_CHOICES = 4 };

// The texts of a stream, or of a whole reply, by choice.
struct watch_texts {
  struct buf content[WATCH_CHOICES], reasoning[WATCH_CHOICES], arguments[WATCH_CHOICES];
};

struct watch {
  struct watch_texts texts;
  bool role[WATCH_CHOICES], finish[WATCH_CHOICES];
  bool usage, done, error;
  unsigned chunks, calls;
  uint64_t prompt, completion, created;
};

static inline void watch_texts_init(struct watch_texts *t) {
  struct buf *all = (struct buf *)t;
  for (size_t i = 0; i < sizeof *t / sizeof *all; i++) buf_init(&all[i], 1 << 26);
}

static inline void watch_texts_free(struct watch_texts *t) {
  struct buf *all = (struct buf *)t;
  for (size_t i = 0; i < sizeof *t / sizeof *all; i++) buf_free(&all[i]);
}

static inline bool watch_texts_equal(const struct watch_texts *a, const struct watch_texts *b) {
  for (int i = 0; i < WATCH_CHOICES; i++) {
    if (!str_eq(buf_view(&a->content[i]), buf_view(&b->content[i]))) return false;
    if (!str_eq(buf_view(&a->reasoning[i]), buf_view(&b->reasoning[i]))) return false;
    // Calls without arguments get "{}" on the way.
    if (a->arguments[i].len && !str_eq(buf_view(&a->arguments[i]), buf_view(&b->arguments[i]))) return false;
  }
  return true;
}

static inline void watch_append(const struct json_doc *doc, uint32_t node, struct buf *out) {
  struct str raw = json_raw(doc, node);
  if (json_is(doc, node, JSON_STRING)) buf_append(out, raw.ptr + 1, raw.len - 2);  // as it is spelt
}

// The texts of one delta or message.
static inline void watch_collect(struct watch_texts *t, const struct json_doc *doc, uint32_t part, uint64_t index) {
  if (index >= WATCH_CHOICES) return;
  uint32_t reasoning = json_get(doc, part, STR("reasoning"));
  if (json_type(doc, reasoning) == JSON_NULL) reasoning = json_get(doc, part, STR("reasoning_content"));
  watch_append(doc, json_get(doc, part, STR("content")), &t->content[index]);
  watch_append(doc, reasoning, &t->reasoning[index]);
  uint32_t details = json_is(doc, reasoning, JSON_STRING) ? JSON_NONE : json_get(doc, part, STR("reasoning_details"));
  for (uint32_t d = json_first(doc, details); d != JSON_NONE; d = json_next(doc, details, d))
    watch_append(doc, json_get(doc, d, STR("text")), &t->reasoning[index]);
  uint32_t calls = json_get(doc, part, STR("tool_calls"));
  for (uint32_t c = json_first(doc, calls); c != JSON_NONE; c = json_next(doc, calls, c)) {
    uint32_t arguments = json_get(doc, json_get(doc, c, STR("function")), STR("arguments"));
    watch_append(doc, arguments, &t->arguments[index]);
  }
}

// The texts of a provider's chunk.
static inline void watch_provider(struct watch_texts *t, struct str data) {
  struct json_doc doc = {0};
  if (json_parse(&doc, data, 7) == JSON_OK) {
    uint32_t choices = json_get(&doc, 0, STR("choices"));
    uint64_t position = 0, index;
    for (uint32_t c = json_first(&doc, choices); c != JSON_NONE; c = json_next(&doc, choices, c), position++) {
      if (!json_u64(&doc, json_get(&doc, c, STR("index")), 100, &index)) index = position;
      watch_collect(t, &doc, json_get(&doc, c, STR("delta")), index);
    }
  }
  json_doc_free(&doc);
}

static inline bool watch_null(const struct json_doc *doc, uint32_t object, const char *const *names) {
  for (; *names; names++) {
    uint32_t node = json_get(doc, object, str_from_cstr(*names));
    if (node != JSON_NONE && json_type(doc, node) == JSON_NULL) return true;
  }
  return false;
}

static inline bool watch_string(const struct json_doc *doc, uint32_t object, struct str name) {
  return json_is(doc, json_get(doc, object, name), JSON_STRING);
}

static inline const char *watch_usage(struct watch *w, const struct json_doc *doc, uint32_t usage) {
  uint64_t total;
  if (w->usage) return "usage twice";
  w->usage = true;
  if (!json_u64(doc, json_get(doc, usage, STR("prompt_tokens")), UINT64_MAX, &w->prompt)) return "no prompt_tokens";
  if (!json_u64(doc, json_get(doc, usage, STR("completion_tokens")), UINT64_MAX, &w->completion))
    return "no completion_tokens";
  if (!json_u64(doc, json_get(doc, usage, STR("total_tokens")), UINT64_MAX, &total)) return "no total_tokens";
  if (total < w->prompt + w->completion) return "total below its parts";
  if (!json_is(doc, json_get(doc, usage, STR("cost")), JSON_NUMBER)) return "no cost";
  if (!json_is(doc, json_get(doc, usage, STR("is_byok")), JSON_FALSE)) return "no is_byok";
  uint32_t cost = json_get(doc, usage, STR("cost_details"));
  if (!json_is(doc, json_get(doc, cost, STR("upstream_inference_prompt_cost")), JSON_NUMBER)) return "no cost_details";
  if (!json_is(doc, json_get(doc, cost, STR("upstream_inference_completions_cost")), JSON_NUMBER))
    return "no completions cost";
  uint32_t in = json_get(doc, usage, STR("prompt_tokens_details"));
  for (uint32_t key = json_first(doc, in); key != JSON_NONE;) {
    uint32_t value = json_next(doc, in, key);
    if (json_type(doc, value) == JSON_NULL) return "null in prompt_tokens_details";
    key = json_next(doc, in, value);
  }
  return NULL;
}

static inline const char *watch_delta(struct watch *w, const struct json_doc *doc, uint32_t delta, uint64_t index) {
  static const char *const refused[] = {"role", "tool_calls", "reasoning_details", "audio", "images", NULL};
  if (!json_is(doc, delta, JSON_OBJECT)) return "no delta";
  if (watch_null(doc, delta, refused)) return "null in a delta";
  uint32_t role = json_get(doc, delta, STR("role")), calls = json_get(doc, delta, STR("tool_calls"));
  if (role != JSON_NONE && !json_string_is(doc, role, STR("assistant"))) return "a role that is not assistant";
  if (index < WATCH_CHOICES && !w->error) {
    if (!w->role[index] && role == JSON_NONE) return "no role in the first delta";
    w->role[index] = true;
  }
  for (uint32_t c = json_first(doc, calls); c != JSON_NONE; c = json_next(doc, calls, c)) {
    static const char *const names[] = {"id", "type", "function", NULL};
    static const char *const inner[] = {"name", "arguments", NULL};
    uint64_t at;
    if (!json_u64(doc, json_get(doc, c, STR("index")), UINT64_MAX, &at)) return "a call without index";
    if (watch_null(doc, c, names) || watch_null(doc, json_get(doc, c, STR("function")), inner)) return "null in a call";
    uint32_t arguments = json_get(doc, json_get(doc, c, STR("function")), STR("arguments"));
    if (arguments != JSON_NONE && !json_is(doc, arguments, JSON_STRING)) return "arguments that are no string";
    if (json_string_is(doc, json_get(doc, c, STR("id")), STR(""))) return "an empty id";
    w->calls++;
  }
  watch_collect(&w->texts, doc, delta, index);
  return NULL;
}

static inline bool watch_reason(const struct json_doc *doc, uint32_t reason) {
  return json_string_is(doc, reason, STR("stop")) || json_string_is(doc, reason, STR("length")) ||
         json_string_is(doc, reason, STR("tool_calls")) || json_string_is(doc, reason, STR("content_filter")) ||
         json_string_is(doc, reason, STR("error"));
}

static inline const char *watch_choice(struct watch *w, const struct json_doc *doc, uint32_t choice) {
  uint64_t index;
  if (!json_u64(doc, json_get(doc, choice, STR("index")), UINT64_MAX, &index)) return "no index";
  uint32_t finish = json_get(doc, choice, STR("finish_reason"));
  if (finish == JSON_NONE) return "no finish_reason";
  if (json_get(doc, choice, STR("native_finish_reason")) == JSON_NONE) return "no native_finish_reason";
  if (json_type(doc, finish) != JSON_NULL) {
    if (!watch_reason(doc, finish)) return "an unknown finish_reason";
    if (index < WATCH_CHOICES && w->finish[index] && !w->error) return "two finish reasons";
    if (index < WATCH_CHOICES) w->finish[index] = true;
  }
  return watch_delta(w, doc, json_get(doc, choice, STR("delta")), index);
}

// One JSON text of the client's stream.
static inline const char *watch_chunk(struct watch *w, struct str data) {
  static const char *const refused[] = {"system_fingerprint", "usage", "error", "openrouter_metadata", NULL};
  struct json_doc doc = {0};
  const char *complaint = NULL;
  uint64_t created = 0;
  if (json_parse(&doc, data, UINT32_MAX) != JSON_OK || !json_is(&doc, 0, JSON_OBJECT))
    return "a chunk that is not JSON";
  w->error |= json_get(&doc, 0, STR("error")) != JSON_NONE;
  uint32_t choices = json_get(&doc, 0, STR("choices")), usage = json_get(&doc, 0, STR("usage"));
  if (!json_string_is(&doc, json_get(&doc, 0, STR("object")), STR("chat.completion.chunk"))) complaint = "no object";
  if (!watch_string(&doc, 0, STR("id"))) complaint = "no id";
  if (!watch_string(&doc, 0, STR("provider"))) complaint = "no provider";
  if (!watch_string(&doc, 0, STR("model"))) complaint = "no model";
  if (!json_u64(&doc, json_get(&doc, 0, STR("created")), UINT32_MAX, &created)) complaint = "no created";
  if (w->chunks++ && created != w->created) complaint = "created has changed";
  w->created = created;
  if (!json_is(&doc, choices, JSON_ARRAY)) complaint = "no choices";
  if (watch_null(&doc, 0, refused)) complaint = "null in a chunk";
  if (w->usage || w->done) complaint = "something behind the end";
  if (!complaint && usage != JSON_NONE) complaint = watch_usage(w, &doc, usage);
  for (uint32_t c = json_first(&doc, choices); !complaint && c != JSON_NONE; c = json_next(&doc, choices, c))
    complaint = watch_choice(w, &doc, c);
  json_doc_free(&doc);
  return complaint;
}

// The bytes of a client's stream: events of one data line each.
static inline const char *watch_stream(struct watch *w, struct str bytes) {
  watch_texts_init(&w->texts);
  while (bytes.len) {
    size_t end = str_find(bytes, STR("\n\n"), 0);
    if (!str_starts(bytes, STR("data: "))) return "an event without \"data: \"";
    if (end == SIZE_MAX) return "an event without end";
    struct str data = str_from(bytes.ptr + 6, end - 6);
    if (str_find_char(data, '\n', 0) != SIZE_MAX) return "an event of two lines";
    bytes = str_skip(bytes, end + 2);
    if (w->done) return "something behind [DONE]";
    w->done = str_eq(data, STR("[DONE]"));
    const char *complaint = w->done ? NULL : watch_chunk(w, data);
    if (complaint) return complaint;
  }
  if (w->done == w->error) return w->done ? "[DONE] behind an error" : "neither [DONE] nor an error";
  if (w->done && !w->usage) return "no usage";
  for (int i = 0; i < WATCH_CHOICES; i++)
    if (w->done && w->role[i] && !w->finish[i]) return "a choice without end";
  return NULL;
}

static inline const char *watch_message(struct watch *w, const struct json_doc *doc, uint32_t choice) {
  static const char *const refused[] = {"tool_calls", "reasoning_details", "audio", "images", NULL};
  uint32_t message = json_get(doc, choice, STR("message")), calls = json_get(doc, message, STR("tool_calls"));
  uint64_t index;
  if (!json_u64(doc, json_get(doc, choice, STR("index")), UINT64_MAX, &index)) return "no index";
  if (!json_string_is(doc, json_get(doc, message, STR("role")), STR("assistant"))) return "no role";
  if (json_get(doc, message, STR("content")) == JSON_NONE) return "no content";
  if (watch_null(doc, message, refused)) return "null in a message";
  if (!watch_reason(doc, json_get(doc, choice, STR("finish_reason")))) return "no finish_reason";
  if (json_get(doc, choice, STR("native_finish_reason")) == JSON_NONE) return "no native_finish_reason";
  for (uint32_t c = json_first(doc, calls); c != JSON_NONE; c = json_next(doc, calls, c), w->calls++) {
    uint32_t function = json_get(doc, c, STR("function"));
    if (!watch_string(doc, c, STR("id")) || !watch_string(doc, c, STR("type"))) return "a call without id or type";
    if (function != JSON_NONE && !watch_string(doc, function, STR("arguments"))) return "arguments that are no string";
    if (json_string_is(doc, json_get(doc, function, STR("arguments")), STR(""))) return "empty arguments";
  }
  watch_collect(&w->texts, doc, message, index);
  return NULL;
}

// The body of a whole reply.
static inline const char *watch_whole(struct watch *w, struct str body) {
  struct json_doc doc = {0};
  const char *complaint = NULL;
  watch_texts_init(&w->texts);
  if (json_parse(&doc, body, UINT32_MAX) != JSON_OK || !json_is(&doc, 0, JSON_OBJECT)) return "not JSON";
  uint32_t choices = json_get(&doc, 0, STR("choices"));
  if (!json_string_is(&doc, json_get(&doc, 0, STR("object")), STR("chat.completion"))) complaint = "no object";
  if (!watch_string(&doc, 0, STR("id")) || !watch_string(&doc, 0, STR("provider"))) complaint = "no id or provider";
  if (!watch_string(&doc, 0, STR("model"))) complaint = "no model";
  if (!json_u64(&doc, json_get(&doc, 0, STR("created")), UINT32_MAX, &w->created)) complaint = "no created";
  if (json_get(&doc, 0, STR("system_fingerprint")) == JSON_NONE) complaint = "no system_fingerprint";
  if (json_first(&doc, choices) == JSON_NONE) complaint = "no choices";
  for (uint32_t c = json_first(&doc, choices); !complaint && c != JSON_NONE; c = json_next(&doc, choices, c))
    complaint = watch_message(w, &doc, c);
  if (!complaint) complaint = watch_usage(w, &doc, json_get(&doc, 0, STR("usage")));
  json_doc_free(&doc);
  return complaint;
}
