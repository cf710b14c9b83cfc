// Whole replies of openai_chat.h: the provider's values as they stand, in an object that every client can read.
#include "surface/chat_shared.h"

// Members of the outermost object that we write ourselves.
static bool is_ours(const struct json_doc *doc, uint32_t key) {
  static const struct str names[] = {{"id", 2},      {"provider", 8}, {"model", 5}, {"object", 6},
                                     {"created", 7}, {"choices", 7},  {"usage", 5}, {"system_fingerprint", 18},
                                     {"x_groq", 6}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (json_string_is(doc, key, names[i])) return true;
  return false;
}

static void copy_others(const struct json_doc *doc, uint32_t object, bool (*skip)(const struct json_doc *, uint32_t),
                        struct buf *out) {
  for (uint32_t key = json_first(doc, object); key != JSON_NONE;) {
    uint32_t value = json_next(doc, object, key);
    if (!skip(doc, key) && !chat_null_refused(doc, key, value)) chat_copy_member(doc, key, value, out);
    key = json_next(doc, object, value);
  }
}

// A call without arguments has "{}": an empty string breaks clients that parse it.
static void write_tool_calls(const struct json_doc *doc, uint32_t calls, struct buf *out) {
  uint32_t at = doc->nodes[calls].start;
  buf_lit(out, ",\"tool_calls\":");
  for (uint32_t c = json_first(doc, calls); c != JSON_NONE; c = json_next(doc, calls, c)) {
    uint32_t arguments = json_get(doc, json_get(doc, c, STR("function")), STR("arguments"));
    if (!json_string_is(doc, arguments, STR(""))) continue;
    buf_append(out, doc->text.ptr + at, doc->nodes[arguments].start - at);
    buf_lit(out, "\"{}\"");
    at = doc->nodes[arguments].end;
  }
  buf_append(out, doc->text.ptr + at, doc->nodes[calls].end - at);
}

static bool is_message_ours(const struct json_doc *doc, uint32_t key) {
  return json_string_is(doc, key, STR("role")) || json_string_is(doc, key, STR("tool_calls"));
}

static void write_message(struct chat_reply *reply, const struct json_doc *doc, uint32_t message, struct buf *out) {
  uint32_t role = json_get(doc, message, STR("role")), calls = json_get(doc, message, STR("tool_calls"));
  uint32_t content = json_get(doc, message, STR("content"));
  buf_lit(out, "\"message\":{\"role\":");
  buf_str(out, json_is(doc, role, JSON_STRING) && json_raw(doc, role).len > 2 ? json_raw(doc, role) : STR("\"assistant\""));
  copy_others(doc, message, is_message_ours, out);
  if (content == JSON_NONE) buf_lit(out, ",\"content\":null");
  if (json_first(doc, calls) != JSON_NONE) write_tool_calls(doc, calls, out);
  buf_char(out, '}');
  if (json_is(doc, content, JSON_STRING)) reply->text_bytes += json_raw(doc, content).len - 2;
}

static bool is_choice_ours(const struct json_doc *doc, uint32_t key) {
  return json_string_is(doc, key, STR("index")) || json_string_is(doc, key, STR("message")) ||
         json_string_is(doc, key, STR("finish_reason")) || json_string_is(doc, key, STR("native_finish_reason")) ||
         json_string_is(doc, key, STR("usage"));
}

static void write_choice(struct chat_reply *reply, const struct json_doc *doc, uint32_t choice, unsigned position,
                         struct buf *out) {
  uint64_t index;
  if (!json_u64(doc, json_get(doc, choice, STR("index")), 1000000, &index)) index = position;
  uint32_t message = json_get(doc, choice, STR("message"));
  uint32_t finish = json_get(doc, choice, STR("finish_reason"));
  struct str native = json_is(doc, finish, JSON_STRING) ? json_raw(doc, finish) : STR("\"\"");
  struct str text = str_from(native.ptr + 1, native.len - 2);
  struct str normal = chat_finish_normal(text);
  // Some services leave it empty, or say "stop" about everything.
  if (!text.len && json_first(doc, json_get(doc, message, STR("tool_calls"))) != JSON_NONE) normal = STR("tool_calls");
  if (position) buf_char(out, ',');
  buf_lit(out, "{\"index\":");
  buf_u64(out, index);
  buf_char(out, ',');
  write_message(reply, doc, message, out);
  buf_lit(out, ",\"finish_reason\":\"");
  buf_str(out, normal);
  buf_lit(out, "\",\"native_finish_reason\":");
  buf_str(out, text.len ? native : STR("null"));
  copy_others(doc, choice, is_choice_ours, out);
  buf_char(out, '}');
  if (position) return;
  chat_keep(reply->finish_reason, sizeof reply->finish_reason, normal);
  chat_keep(reply->native_finish_reason, sizeof reply->native_finish_reason, text);
}

// Usage stands in several places: at the top, in x_groq, in the choice (Moonshot).
static uint32_t find_usage(const struct json_doc *doc, uint32_t choices) {
  uint32_t usage = json_get(doc, 0, STR("usage"));
  if (!json_is(doc, usage, JSON_OBJECT)) usage = json_get(doc, json_get(doc, 0, STR("x_groq")), STR("usage"));
  if (!json_is(doc, usage, JSON_OBJECT)) usage = json_get(doc, json_first(doc, choices), STR("usage"));
  return json_is(doc, usage, JSON_OBJECT) ? usage : JSON_NONE;
}

// Is it a completion at all? Notes the fault when not.
static bool check(struct chat_reply *reply, const struct json_doc *doc, uint32_t choices, struct arena *arena) {
  uint32_t error = json_get(doc, 0, STR("error"));
  uint32_t first = json_first(doc, choices);
  uint32_t inside = json_get(doc, first, STR("error"));
  if (json_is(doc, inside, JSON_OBJECT)) error = inside;
  if (json_is(doc, error, JSON_OBJECT) || json_is(doc, error, JSON_STRING) ||
      (!json_is(doc, choices, JSON_ARRAY) && json_string_is(doc, json_get(doc, 0, STR("object")), STR("error")))) {
    struct str message = {0};
    enum fault fault = chat_error_in(doc, error != JSON_NONE ? error : 0, 502, arena, &message);
    chat_fail(reply, fault, message);
    return false;
  }
  if (json_is(doc, choices, JSON_ARRAY) && json_is(doc, json_get(doc, first, STR("message")), JSON_OBJECT)) {
    if (!json_string_is(doc, json_get(doc, first, STR("finish_reason")), STR("error"))) return true;
    chat_fail(reply, FAULT_UPSTREAM_ERROR, STR("The provider ended its answer with an error."));
    return false;
  }
  chat_fail(reply, FAULT_UPSTREAM_INVALID, STR("The provider's answer is JSON, but no chat completion."));
  return false;
}

static void write_all(struct chat_reply *reply, const struct json_doc *doc, uint32_t choices, struct buf *out) {
  uint64_t created;
  if (!json_u64(doc, json_get(doc, 0, STR("created")), UINT32_MAX, &created) || !created) created = reply->created;
  uint32_t id = json_get(doc, 0, STR("id")), usage = find_usage(doc, choices);
  if (json_is(doc, id, JSON_STRING))
    chat_keep(reply->upstream_id, sizeof reply->upstream_id, str_from(json_raw(doc, id).ptr + 1, json_raw(doc, id).len - 2));
  chat_begin(reply, STR("chat.completion"), created, out);
  buf_lit(out, ",\"choices\":[");
  unsigned n = 0;
  for (uint32_t c = json_first(doc, choices); c != JSON_NONE; c = json_next(doc, choices, c))
    write_choice(reply, doc, c, n++, out);
  buf_lit(out, "],");
  if (!chat_usage_read(doc, usage, reply->endpoint->provider->quirks, &reply->usage)) {
    usage = JSON_NONE;
    reply->usage = (struct usage){.estimated = true, .completion = (reply->text_bytes + 3) / 4};
    reply->usage.total = reply->usage.completion;
  }
  reply->cost = usage_cost(&reply->usage, &reply->endpoint->pricing);
  chat_usage_write(reply, doc, usage, out);
  uint32_t fingerprint = json_get(doc, 0, STR("system_fingerprint"));
  buf_lit(out, ",\"system_fingerprint\":");
  buf_str(out, json_is(doc, fingerprint, JSON_STRING) ? json_raw(doc, fingerprint) : STR("null"));
  copy_others(doc, 0, is_ours, out);
  buf_char(out, '}');
}

bool chat_reply_whole(struct chat_reply *reply, struct str body, struct buf *out) {
  struct json_doc doc = {0};
  struct arena arena = {0};
  enum json_error error = json_parse(&doc, body, 7);
  bool ok = false;
  if (error == JSON_NO_MEMORY) {
    chat_fail(reply, FAULT_INTERNAL, STR("Out of memory."));
  } else if (error != JSON_OK || !json_is(&doc, 0, JSON_OBJECT)) {
    chat_fail(reply, FAULT_UPSTREAM_INVALID, STR("The provider's answer is not a JSON object."));
  } else {
    uint32_t choices = json_get(&doc, 0, STR("choices"));
    ok = check(reply, &doc, choices, &arena);
    if (ok) write_all(reply, &doc, choices, out);
  }
  json_doc_free(&doc);
  arena_free(&arena);
  return ok;
}
