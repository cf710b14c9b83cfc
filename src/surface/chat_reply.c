// Whole replies of openai_chat.h: the provider's values as they stand, in an object that every client can read.
#include "surface/chat_shape.h"
#include "surface/chat_shared.h"

// Reasoning that is told only in details, or in parts of the content, as text beside them. Nothing when there is none.
static void write_reasoning(const struct json_doc *doc, const struct chat_members *m, uint32_t reasoning,
                            struct buf *out) {
  size_t from = out->len;
  uint32_t content = m->at[CHAT_WORD_CONTENT], details = m->at[CHAT_WORD_REASONING_DETAILS];
  if (LIKELY(reasoning == JSON_NONE && details == JSON_NONE && !json_is(doc, content, JSON_ARRAY))) return;
  buf_lit(out, ",\"reasoning\":");
  if (reasoning != JSON_NONE && json_type(doc, reasoning) != JSON_NULL) {
    buf_str(out, json_raw(doc, reasoning));
    return;
  }
  buf_char(out, '"');
  bool any = chat_details_text(doc, details, out);
  if (!any && json_is(doc, content, JSON_ARRAY)) any = chat_parts_text(doc, content, true, out);
  buf_char(out, '"');
  if (any || out->failed) return;
  out->len = from;
  if (reasoning != JSON_NONE) buf_lit(out, ",\"reasoning\":null");
}

static void write_content(const struct json_doc *doc, uint32_t content, struct buf *out) {
  if (!json_is(doc, content, JSON_ARRAY)) {
    buf_str(out, content == JSON_NONE ? STR("null") : json_raw(doc, content));
    return;
  }
  buf_char(out, '"');
  chat_parts_text(doc, content, false, out);
  buf_char(out, '"');
}

// DeepSeek at Azure puts the JSON it was asked for where its reasoning would be.
static bool answer_is_reasoning(const struct chat_reply *reply, const struct json_doc *doc, uint32_t content,
                                uint32_t reasoning, uint32_t calls) {
  return reply->wants_json && reply->endpoint->provider->protocol == PROTOCOL_AZURE && !chat_has_text(doc, content) &&
         chat_has_text(doc, reasoning) && json_first(doc, calls) == JSON_NONE;
}

// `m`: the message's members. `sample` (may be NULL) learns where its text is.
static void write_message(struct chat_reply *reply, const struct json_doc *doc, uint32_t message,
                          const struct chat_members *m, struct chat_shape_sample *sample, struct buf *out) {
  static const chat_word_set ours = CHAT_SET(ROLE) | CHAT_SET(CONTENT) | CHAT_SET(TOOL_CALLS) | CHAT_SET(REASONING);
  static const chat_word_set thoughts = CHAT_SET(REASONING_CONTENT) | CHAT_SET(REASONING_DETAILS);
  uint32_t content = m->at[CHAT_WORD_CONTENT], calls = m->at[CHAT_WORD_TOOL_CALLS];
  uint32_t reasoning = m->at[CHAT_WORD_REASONING];
  if (json_type(doc, reasoning) == JSON_NULL) reasoning = m->at[CHAT_WORD_REASONING_CONTENT];
  reply->text_bytes += chat_inside(doc, content).len + chat_inside(doc, reasoning).len;
  bool hides = reply->hides_reasoning;
  if (answer_is_reasoning(reply, doc, content, reasoning, calls)) {
    content = reasoning;
    hides = true;
  }
  buf_lit(out, "\"message\":{\"role\":\"assistant\",\"content\":");
  if (sample) {
    bool plain = json_first(doc, calls) == JSON_NONE && !json_is(doc, reasoning, JSON_STRING) && !hides &&
                 m->at[CHAT_WORD_REASONING_DETAILS] == JSON_NONE;
    sample->content = plain ? content : JSON_NONE;
    sample->content_at = out->len + 1;
  }
  write_content(doc, content, out);
  if (!hides) write_reasoning(doc, m, reasoning, out);
  chat_copy_others(doc, message, hides ? ours | thoughts : ours, out);
  if (json_first(doc, calls) != JSON_NONE) {
    buf_char(out, ',');
    chat_calls_whole(reply, doc, calls, out);
    reply->text_bytes += json_raw(doc, calls).len;
  }
  buf_char(out, '}');
}

// `m`: the choice's members.
static void write_choice(struct chat_reply *reply, const struct json_doc *doc, uint32_t choice,
                         const struct chat_members *m, unsigned position, struct chat_shape_sample *sample,
                         struct buf *out) {
  static const chat_word_set ours = CHAT_SET(INDEX) | CHAT_SET(MESSAGE) | CHAT_SET(FINISH_REASON) |
                                    CHAT_SET(NATIVE_FINISH_REASON) | CHAT_SET(USAGE) | CHAT_SET(DELTA);
  uint64_t index;
  if (!json_u64(doc, m->at[CHAT_WORD_INDEX], UINT32_MAX, &index)) index = position;
  uint32_t message = m->at[CHAT_WORD_MESSAGE];
  struct chat_members inside;
  chat_members_read(&inside, doc, message);
  bool called = json_first(doc, inside.at[CHAT_WORD_TOOL_CALLS]) != JSON_NONE;
  struct chat_finish finish = chat_finish_read(reply, doc, m, called, true);
  if (position) buf_char(out, ',');
  buf_lit(out, "{\"index\":");
  buf_u64(out, index);
  buf_char(out, ',');
  write_message(reply, doc, message, &inside, sample, out);
  buf_char(out, ',');
  chat_finish_write(&finish, out);
  chat_copy_others(doc, choice, ours, out);
  buf_char(out, '}');
  chat_finish_keep(reply, &finish);
}

// Is it a completion at all? Notes the fault when not.
static bool check(struct chat_reply *reply, const struct json_doc *doc, const struct chat_top *top) {
  if (chat_error_inside(reply, doc, top)) return false;
  // Azure leaves the message out when its filter has taken all of it.
  bool answered = json_is(doc, top->choice.at[CHAT_WORD_MESSAGE], JSON_OBJECT) ||
                  json_string_is(doc, top->choice.at[CHAT_WORD_FINISH_REASON], STR("content_filter"));
  if (json_is(doc, top->choices, JSON_ARRAY) && answered) return true;
  chat_fail(reply, FAULT_UPSTREAM_INVALID, STR("The provider's answer is JSON, but no chat completion."));
  return false;
}

static void write_all(struct chat_reply *reply, const struct json_doc *doc, const struct chat_top *top,
                      struct chat_shape_sample *sample, struct buf *out) {
  static const chat_word_set ours = CHAT_SET(ID) | CHAT_SET(PROVIDER) | CHAT_SET(MODEL) | CHAT_SET(OBJECT) |
                                    CHAT_SET(CREATED) | CHAT_SET(CHOICES) | CHAT_SET(USAGE) |
                                    CHAT_SET(SYSTEM_FINGERPRINT);
  uint32_t fingerprint = top->system_fingerprint;
  uint32_t usage = chat_usage_find(doc, top);
  unsigned n = 0;
  chat_note_origin(reply, doc, top, true);
  chat_begin(reply, STR("chat.completion"), out);
  sample->begun = out->len;
  buf_lit(out, ",\"choices\":[");
  for (uint32_t c = top->first; c != JSON_NONE; c = json_next(doc, top->choices, c)) {
    struct chat_members other;
    if (n) chat_members_read(&other, doc, c);
    write_choice(reply, doc, c, n ? &other : &top->choice, n, n ? NULL : sample, out);
    n++;
  }
  if (n != 1) sample->content = JSON_NONE;
  buf_lit(out, "],\"system_fingerprint\":");
  buf_str(out, json_is(doc, fingerprint, JSON_STRING) ? json_raw(doc, fingerprint) : STR("null"));
  chat_copy_others(doc, 0, ours, out);
  if (!chat_usage_read(doc, usage, reply->endpoint->provider->quirks, &reply->usage)) {
    usage = JSON_NONE;
    chat_usage_estimate(reply, reply->request_bytes);
  }
  chat_usage_check(reply);
  chat_usage_price(reply);
  sample->usage = usage == top->usage ? usage : JSON_NONE;
  sample->usage_at = out->len;
  buf_char(out, ',');
  chat_usage_write(reply, doc, usage, out);
  buf_char(out, '}');
}

bool chat_reply_whole(struct chat_reply *reply, struct str body, struct chat_shape *shape, struct buf *out) {
  if (shape && chat_shape_apply(shape, reply, body, out)) return true;
  struct json_doc doc = {0};
  enum json_error error = json_parse(&doc, body, 7);
  bool ok = false;
  if (error == JSON_NO_MEMORY) {
    chat_fail(reply, FAULT_INTERNAL, STR("Out of memory."));
  } else if (error != JSON_OK || !json_is(&doc, 0, JSON_OBJECT)) {
    chat_fail(reply, FAULT_UPSTREAM_INVALID, STR("The provider's answer is not a JSON object."));
  } else {
    struct chat_top top;
    chat_top_read(&top, &doc);
    ok = check(reply, &doc, &top);
    if (ok) {
      struct chat_shape_sample sample = {.doc = &doc, .id = top.id, .created = top.created};
      write_all(reply, &doc, &top, &sample, out);
      sample.out = buf_view(out);
      if (shape && !out->failed) chat_shape_learn(shape, &sample, reply);
    }
  }
  json_doc_free(&doc);
  return ok;
}
