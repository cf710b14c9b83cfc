// Whole replies of openai_chat.h: the provider's values as they stand, in an object that every client can read.
#include "surface/chat_shared.h"

// Copies a container's members but for those we write ourselves and nulls that strict clients refuse.
static void copy_others(const struct json_doc *doc, uint32_t object, const struct str *ours, size_t count,
                        struct buf *out) {
  for (uint32_t key = json_first(doc, object); key != JSON_NONE;) {
    uint32_t value = json_next(doc, object, key);
    if (!chat_is_one_of(doc, key, ours, count) && !chat_null_refused(doc, key, value))
      chat_copy_member(doc, key, value, out);
    key = json_next(doc, object, value);
  }
}

static void write_message(struct chat_reply *reply, const struct json_doc *doc, uint32_t message, struct buf *out) {
  static const struct str ours[] = {{"role", 4}, {"content", 7}, {"tool_calls", 10}, {"reasoning", 9}};
  uint32_t content = json_get(doc, message, STR("content")), calls = json_get(doc, message, STR("tool_calls"));
  uint32_t reasoning = json_get(doc, message, STR("reasoning"));
  if (json_type(doc, reasoning) == JSON_NULL) reasoning = json_get(doc, message, STR("reasoning_content"));
  buf_lit(out, "\"message\":{\"role\":\"assistant\",\"content\":");
  buf_str(out, content == JSON_NONE ? STR("null") : json_raw(doc, content));
  if (reasoning != JSON_NONE) {
    buf_lit(out, ",\"reasoning\":");
    buf_str(out, json_raw(doc, reasoning));
  }
  if (json_is(doc, message, JSON_OBJECT)) copy_others(doc, message, ours, CHAT_COUNT(ours), out);
  if (json_first(doc, calls) != JSON_NONE) {
    buf_char(out, ',');
    chat_calls_whole(reply, doc, calls, out);
    reply->text_bytes += json_raw(doc, calls).len;
  }
  buf_char(out, '}');
  reply->text_bytes += chat_inside(doc, content).len + chat_inside(doc, reasoning).len;
}

static void write_choice(struct chat_reply *reply, const struct json_doc *doc, uint32_t choice, unsigned position,
                         struct buf *out) {
  static const struct str ours[] = {{"index", 5}, {"message", 7}, {"finish_reason", 13}, {"native_finish_reason", 20},
                                    {"usage", 5}, {"delta", 5}};
  uint64_t index;
  if (!json_u64(doc, json_get(doc, choice, STR("index")), UINT32_MAX, &index)) index = position;
  uint32_t message = json_get(doc, choice, STR("message"));
  bool called = json_first(doc, json_get(doc, message, STR("tool_calls"))) != JSON_NONE;
  struct chat_finish finish = chat_finish_read(reply, doc, choice, called, true);
  if (position) buf_char(out, ',');
  buf_lit(out, "{\"index\":");
  buf_u64(out, index);
  buf_char(out, ',');
  write_message(reply, doc, message, out);
  buf_char(out, ',');
  chat_finish_write(&finish, out);
  if (json_is(doc, choice, JSON_OBJECT)) copy_others(doc, choice, ours, CHAT_COUNT(ours), out);
  buf_char(out, '}');
  chat_finish_keep(reply, &finish);
}

// Is it a completion at all? Notes the fault when not.
static bool check(struct chat_reply *reply, const struct json_doc *doc, const struct chat_top *top) {
  if (chat_error_inside(reply, doc, top)) return false;
  uint32_t message = json_get(doc, top->first, STR("message"));
  if (json_is(doc, top->choices, JSON_ARRAY) && json_is(doc, message, JSON_OBJECT)) return true;
  chat_fail(reply, FAULT_UPSTREAM_INVALID, STR("The provider's answer is JSON, but no chat completion."));
  return false;
}

static void write_all(struct chat_reply *reply, const struct json_doc *doc, const struct chat_top *top,
                      struct buf *out) {
  static const struct str ours[] = {{"id", 2},      {"provider", 8}, {"model", 5}, {"object", 6},
                                    {"created", 7}, {"choices", 7},  {"usage", 5}, {"system_fingerprint", 18}};
  uint32_t fingerprint = json_get(doc, 0, STR("system_fingerprint"));
  uint32_t usage = chat_usage_find(doc, top);
  unsigned n = 0;
  chat_note_origin(reply, doc, top, true);
  chat_begin(reply, STR("chat.completion"), out);
  buf_lit(out, ",\"choices\":[");
  for (uint32_t c = top->first; c != JSON_NONE; c = json_next(doc, top->choices, c))
    write_choice(reply, doc, c, n++, out);
  buf_lit(out, "],\"system_fingerprint\":");
  buf_str(out, json_is(doc, fingerprint, JSON_STRING) ? json_raw(doc, fingerprint) : STR("null"));
  copy_others(doc, 0, ours, CHAT_COUNT(ours), out);
  if (!chat_usage_read(doc, usage, reply->endpoint->provider->quirks, &reply->usage)) {
    usage = JSON_NONE;
    chat_usage_estimate(reply, reply->request_bytes);
  }
  reply->cost = usage_cost(&reply->usage, &reply->endpoint->pricing);
  buf_char(out, ',');
  chat_usage_write(reply, doc, usage, out);
  buf_char(out, '}');
}

bool chat_reply_whole(struct chat_reply *reply, struct str body, struct buf *out) {
  struct json_doc doc = {0};
  enum json_error error = json_parse(&doc, body, 7);
  bool ok = false;
  if (error == JSON_NO_MEMORY) {
    chat_fail(reply, FAULT_INTERNAL, STR("Out of memory."));
  } else if (error != JSON_OK || !json_is(&doc, 0, JSON_OBJECT)) {
    chat_fail(reply, FAULT_UPSTREAM_INVALID, STR("The provider's answer is not a JSON object."));
  } else {
    struct chat_top top = chat_top_read(&doc);
    ok = check(reply, &doc, &top);
    if (ok) write_all(reply, &doc, &top, out);
  }
  json_doc_free(&doc);
  return ok;
}
