// Streams of openai_chat.h. A chunk that is like the one before but for its text takes the short way
// (chat_template.h); any other is indexed and written anew, member by member, and may leave a template behind.
#include <stdlib.h>
#include <string.h>

#include "surface/chat_shared.h"
#include "surface/chat_template.h"

enum { USAGE_KEPT_MAX = 4096, CHOICES_MAX = 64 };

struct chat_stream {
  struct chat_reply *reply;
  char *usage;  // the last usage object, as the provider wrote it; NULL: none, or too long to keep
  uint32_t usage_len;
  bool started;           // a chunk has come
  bool spoke;             // see chat_stream_spoke
  bool empty_finish;      // the newest choice gave "" as its finish reason and had nothing to say
  uint64_t begun, ended;  // choices by index, as bits: role written; finish written
  struct chat_template template;
  struct chat_calls calls;
};

struct chat_stream *chat_stream_new(struct chat_reply *reply) {
  struct chat_stream *s = calloc(1, sizeof *s);
  if (s) s->reply = reply;
  return s;
}

void chat_stream_drop(struct chat_stream *s) {
  if (!s) return;
  chat_template_free(&s->template);
  free(s->usage);
  free(s);
}

bool chat_stream_spoke(const struct chat_stream *s) {
  return s->spoke;
}

static uint64_t bit_of(uint64_t index) {
  return (uint64_t)1 << (index < CHOICES_MAX ? index : CHOICES_MAX - 1);
}

// --- one chunk on its way through ---

struct chunk {
  const struct json_doc *doc;
  struct buf *out;
  size_t event_at;  // where its event begins in out
  bool says;        // content, reasoning, a call, a refusal, a finish
  bool carries;     // something else that is worth showing even behind the end
  bool hides;       // reasoning the client does not want to see
  bool begins;      // a choice begins
  bool lists;       // texts came in lists
  // What a template needs. Any second text, and whatever depends on the state of the stream, spoils it.
  bool spoiled;
  uint32_t text;  // node of the text; JSON_NONE: none so far
  size_t text_out, text_out_next;
};

// Notes a text that may become a template's. Its first character is at `at` in out.
static void offer(struct chunk *c, uint32_t value, size_t at) {
  if (c->text != JSON_NONE) c->spoiled = true;
  c->text = value;
  c->text_out = at - c->event_at;
}

static bool is_filled(const struct json_doc *doc, uint32_t value) {
  return chat_has_text(doc, value) || json_first(doc, value) != JSON_NONE;
}

static void write_text(struct chat_stream *s, struct chunk *c, uint32_t key, uint32_t value) {
  chat_copy_member(c->doc, key, value, c->out);
  if (!chat_has_text(c->doc, value)) {
    c->says |= json_first(c->doc, value) != JSON_NONE;
    return;
  }
  size_t len = chat_inside(c->doc, value).len;
  offer(c, value, c->out->len - len - 1);
  c->says = true;
  s->reply->text_bytes += len;
}

// Clients of OpenRouter read `reasoning`; the others keep the name they know.
static void write_reasoning_twin(struct chunk *c, uint32_t delta, uint32_t value) {
  if (!json_is(c->doc, value, JSON_STRING)) return;
  if (json_type(c->doc, json_get(c->doc, delta, STR("reasoning"))) != JSON_NULL) return;
  buf_lit(c->out, ",\"reasoning\":");
  buf_str(c->out, json_raw(c->doc, value));
  if (chat_has_text(c->doc, value)) c->text_out_next = c->out->len - chat_inside(c->doc, value).len - 1 - c->event_at;
}

static bool has_reasoning(const struct json_doc *doc, uint32_t delta) {
  return json_is(doc, json_get(doc, delta, STR("reasoning")), JSON_STRING) ||
         json_is(doc, json_get(doc, delta, STR("reasoning_content")), JSON_STRING);
}

// Texts in lists, as strings: parts of content, and reasoning told only in details.
static void write_lists(struct chat_stream *s, struct chunk *c, uint32_t delta) {
  struct buf *out = c->out;
  uint32_t content = json_get(c->doc, delta, STR("content")),
           details = json_get(c->doc, delta, STR("reasoning_details"));
  bool parts = json_is(c->doc, content, JSON_ARRAY), told = false;
  c->spoiled = true;
  if (parts) {
    json_write_key(out, STR("content"));
    buf_char(out, '"');
    size_t from = out->len;
    c->says |= chat_parts_text(c->doc, content, false, out);
    s->reply->text_bytes += out->len - from;
    buf_char(out, '"');
  }
  if (s->reply->hides_reasoning || has_reasoning(c->doc, delta)) return;
  size_t from = out->len;
  json_write_key(out, STR("reasoning"));
  buf_char(out, '"');
  size_t begun = out->len;
  told = chat_details_text(c->doc, details, out);
  if (!told && parts) told = chat_parts_text(c->doc, content, true, out);
  s->reply->text_bytes += out->len - begun;
  buf_char(out, '"');
  c->says |= told;
  if (!told) out->len = from;
}

static bool is_thought(enum chat_word word) {
  return chat_word_in(word, CHAT_SET(REASONING) | CHAT_SET(REASONING_CONTENT) | CHAT_SET(REASONING_DETAILS));
}

static void write_delta_member(struct chat_stream *s, struct chunk *c, uint32_t delta, uint32_t key, uint32_t value) {
  static const chat_word_set telling = CHAT_SET(REASONING_DETAILS) | CHAT_SET(REFUSAL) | CHAT_SET(AUDIO) |
                                       CHAT_SET(IMAGES) | CHAT_SET(ANNOTATIONS) | CHAT_SET(FUNCTION_CALL) |
                                       CHAT_SET(EXECUTED_TOOLS);
  const struct json_doc *doc = c->doc;
  enum chat_word word = chat_word_of(doc, key);
  if (word == CHAT_WORD_ROLE || word == CHAT_WORD_TOOL_CALLS || chat_null_refused(doc, word, value)) return;
  if (word == CHAT_WORD_REASONING && json_type(doc, value) == JSON_NULL &&
      json_is(doc, json_get(doc, delta, STR("reasoning_content")), JSON_STRING))
    return;  // its twin is written instead
  if (UNLIKELY(json_is(doc, value, JSON_ARRAY))) {
    c->lists |= word == CHAT_WORD_CONTENT || word == CHAT_WORD_REASONING_DETAILS;
    if (word == CHAT_WORD_CONTENT) return;  // write_lists
  }
  if (is_thought(word) && s->reply->hides_reasoning) {
    c->hides |= is_filled(doc, value);
    s->reply->text_bytes += chat_inside(doc, value).len;
    return;
  }
  if (word == CHAT_WORD_CONTENT || word == CHAT_WORD_REASONING || word == CHAT_WORD_REASONING_CONTENT) {
    write_text(s, c, key, value);
    if (word == CHAT_WORD_REASONING_CONTENT) write_reasoning_twin(c, delta, value);
    return;
  }
  chat_copy_member(doc, key, value, c->out);
  if (is_filled(doc, value) && chat_word_in(word, telling)) {
    c->says = true;
    s->reply->text_bytes += chat_inside(doc, value).len;
  }
}

static void write_calls(struct chat_stream *s, struct chunk *c, uint32_t calls, uint64_t index, bool end) {
  struct chat_pieces found = chat_calls_piece(&s->calls, s->reply, index, c->doc, calls, end, c->out);
  if (json_first(c->doc, calls) == JSON_NONE) return;
  c->says = true;
  s->reply->text_bytes += json_raw(c->doc, calls).len / 2;  // half of it is names of members
  // A template maps its piece to a call; with a new call that may change.
  if (found.began) s->template.valid = false;
  if (found.arguments == JSON_NONE)
    c->spoiled = true;
  else
    offer(c, found.arguments, found.arguments_at);
}

static void write_delta(struct chat_stream *s, struct chunk *c, uint32_t delta, uint64_t index, bool end) {
  const struct json_doc *doc = c->doc;
  uint64_t bit = bit_of(index);
  buf_lit(c->out, "\"delta\":{");
  if (chat_has_text(doc, json_get(doc, delta, STR("role"))) || !(s->begun & bit))
    buf_lit(c->out, "\"role\":\"assistant\"");
  if (!(s->begun & bit)) c->spoiled = c->begins = true;
  s->begun |= bit;
  for (uint32_t key = json_is(doc, delta, JSON_OBJECT) ? json_first(doc, delta) : JSON_NONE; key != JSON_NONE;) {
    uint32_t value = json_next(doc, delta, key);
    write_delta_member(s, c, delta, key, value);
    key = json_next(doc, delta, value);
  }
  if (UNLIKELY(c->lists)) write_lists(s, c, delta);
  c->lists = false;
  write_calls(s, c, json_get(doc, delta, STR("tool_calls")), index, end);
  buf_char(c->out, '}');
}

// The reason is written once, however often it is given.
static void write_finish(struct chat_stream *s, struct chunk *c, uint32_t choice, struct chat_finish finish,
                         uint64_t index) {
  uint32_t given = json_get(c->doc, choice, STR("finish_reason"));
  if (json_is(c->doc, given, JSON_STRING)) c->spoiled = true;
  s->empty_finish = json_string_is(c->doc, given, STR("")) && !c->says;
  if (s->ended & bit_of(index)) finish.normal = (struct str){0};
  if (finish.normal.len) {
    s->ended |= bit_of(index);
    c->says = true;
    chat_finish_keep(s->reply, &finish);
  }
  chat_finish_write(&finish, c->out);
}

static void write_choice(struct chat_stream *s, struct chunk *c, uint32_t choice, unsigned position) {
  static const chat_word_set ours = CHAT_SET(INDEX) | CHAT_SET(DELTA) | CHAT_SET(FINISH_REASON) |
                                    CHAT_SET(NATIVE_FINISH_REASON) | CHAT_SET(USAGE) | CHAT_SET(MESSAGE);
  const struct json_doc *doc = c->doc;
  struct chat_members m;
  chat_members_read(&m, doc, choice);
  uint64_t index;
  if (!json_u64(doc, m.at[CHAT_WORD_INDEX], UINT32_MAX, &index)) index = position;
  uint32_t delta = m.at[CHAT_WORD_DELTA];
  bool called =
      chat_calls_any(&s->calls, index) || json_first(doc, json_get(doc, delta, STR("tool_calls"))) != JSON_NONE;
  struct chat_finish finish = chat_finish_read(s->reply, doc, &m, called, false);
  bool end = str_eq(finish.normal, STR("tool_calls")) || str_eq(finish.normal, STR("stop"));
  if (position) buf_char(c->out, ',');
  buf_lit(c->out, "{\"index\":");
  buf_u64(c->out, index);
  buf_char(c->out, ',');
  write_delta(s, c, delta, index, end);
  buf_char(c->out, ',');
  write_finish(s, c, choice, finish, index);
  for (uint32_t key = json_is(doc, choice, JSON_OBJECT) ? json_first(doc, choice) : JSON_NONE; key != JSON_NONE;) {
    uint32_t value = json_next(doc, choice, key);
    enum chat_word word = chat_word_of(doc, key);
    if (!chat_word_in(word, ours) && !chat_null_refused(doc, word, value)) {
      chat_copy_member(doc, key, value, c->out);
      c->carries |= json_is(doc, value, JSON_OBJECT);  // logprobs, results of a content filter
    }
    key = json_next(doc, choice, value);
  }
  buf_char(c->out, '}');
}

// Members of a chunk that are not ours and not usage. Groq repeats the usage inside x_groq: one usage a stream.
static void write_others(struct chunk *c) {
  static const chat_word_set ours = CHAT_SET(ID) | CHAT_SET(PROVIDER) | CHAT_SET(MODEL) | CHAT_SET(OBJECT) |
                                    CHAT_SET(CREATED) | CHAT_SET(CHOICES) | CHAT_SET(USAGE) | CHAT_SET(OBFUSCATION);
  const struct json_doc *doc = c->doc;
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE;) {
    uint32_t value = json_next(doc, 0, key);
    enum chat_word word = chat_word_of(doc, key);
    bool skip = chat_word_in(word, ours) || chat_null_refused(doc, word, value) ||
                (word == CHAT_WORD_X_GROQ && json_get(doc, value, STR("usage")) != JSON_NONE);
    if (!skip) {
      chat_copy_member(doc, key, value, c->out);
      c->carries |= json_type(doc, value) >= JSON_ARRAY && word != CHAT_WORD_X_GROQ;
    }
    key = json_next(doc, 0, value);
  }
}

static void write_chunk(struct chat_stream *s, struct chunk *c, uint32_t choices) {
  unsigned position = 0;
  buf_lit(c->out, "data: ");
  chat_begin(s->reply, STR("chat.completion.chunk"), c->out);
  buf_lit(c->out, ",\"choices\":[");
  for (uint32_t choice = json_first(c->doc, choices); choice != JSON_NONE; choice = json_next(c->doc, choices, choice))
    write_choice(s, c, choice, position++);
  buf_char(c->out, ']');
  if (position != 1) c->spoiled = true;
  write_others(c);
  buf_lit(c->out, "}\n\n");
}

// --- usage, kept for the end ---

static bool keep_usage(struct chat_stream *s, const struct json_doc *doc, const struct chat_top *top) {
  uint32_t usage = chat_usage_find(doc, top);
  struct usage read;
  if (!chat_usage_read(doc, usage, s->reply->endpoint->provider->quirks, &read)) return false;
  s->reply->usage = read;
  struct str raw = json_raw(doc, usage);
  s->usage_len = 0;
  char *copy = raw.len <= USAGE_KEPT_MAX ? realloc(s->usage, raw.len) : NULL;
  if (!copy) return true;  // the counts are there; only members we do not know are lost
  memcpy(copy, raw.ptr, raw.len);
  s->usage = copy;
  s->usage_len = (uint32_t)raw.len;
  return true;
}

// --- events ---

static void learn(struct chat_stream *s, const struct chunk *c, uint32_t padding) {
  const struct json_doc *doc = c->doc;
  const struct json_node *text = &doc->nodes[c->text];
  struct chat_sample sample = {.in = doc->text,
                               .out = str_from(c->out->ptr + c->event_at, c->out->len - c->event_at),
                               .text = text->start + 1,
                               .text_end = text->end - 1,
                               .text_out = c->text_out,
                               .text_out_next = c->text_out_next};
  if (json_is(doc, padding, JSON_STRING)) {
    if (doc->nodes[padding].start < text->end) return;
    sample.padding = doc->nodes[padding].start + 1;
    sample.padding_end = doc->nodes[padding].end - 1;
  }
  chat_template_learn(&s->template, &sample);
}

static void general_way(struct chat_stream *s, const struct json_doc *doc, const struct chat_top *top,
                        struct buf *out) {
  bool usage = keep_usage(s, doc, top);
  chat_note_origin(s->reply, doc, top, !s->started);
  s->started = true;
  if (!json_is(doc, top->choices, JSON_ARRAY)) return;  // a kind of event we do not know
  bool none = top->first == JSON_NONE, ended = s->ended != 0;
  struct chunk c = {.doc = doc, .out = out, .event_at = out->len, .spoiled = usage, .text = JSON_NONE};
  write_chunk(s, &c, top->choices);
  if (out->failed) return;
  // Azure begins with what its filter thought of the prompt: no choice, no ID, no model.
  if (none && json_get(doc, 0, STR("prompt_filter_results")) != JSON_NONE) c.carries = false;
  if (!c.says && !c.carries && (none || (!c.begins && (ended || c.hides)))) {
    out->len = c.event_at;  // only usage; or an echo of the end; or nothing for this client
    return;
  }
  s->spoke |= c.says;
  if (!c.spoiled && c.text != JSON_NONE) learn(s, &c, top->obfuscation);
}

enum chat_stream_result chat_stream_event(struct chat_stream *s, struct str data, struct buf *out) {
  size_t text;
  if (chat_template_apply(&s->template, data, out, &text)) {
    s->reply->text_bytes += text;
    s->spoke |= text != 0;
    return CHAT_MORE;
  }
  if (str_eq(str_trim(data), STR("[DONE]"))) return CHAT_DONE;
  struct json_doc doc = {0};
  enum json_error error = json_parse(&doc, data, 7);
  bool broken = true;
  if (error == JSON_NO_MEMORY) {
    chat_fail(s->reply, FAULT_INTERNAL, STR("Out of memory."));
  } else if (error != JSON_OK || !json_is(&doc, 0, JSON_OBJECT)) {
    chat_fail(s->reply, FAULT_UPSTREAM_INVALID, STR("The provider sent an event that is not a JSON object."));
  } else {
    struct chat_top top;
    chat_top_read(&top, &doc);
    broken = chat_error_inside(s->reply, &doc, &top);
    if (!broken) general_way(s, &doc, &top, out);
  }
  json_doc_free(&doc);
  return broken ? CHAT_BROKEN : CHAT_MORE;
}

// --- the end ---

// The finish of choices whose provider never gave a reason but ended its stream in order.
static void write_missing_ends(struct chat_stream *s, struct buf *out) {
  static const struct json_doc nothing;
  for (uint64_t index = 0; index < CHOICES_MAX; index++) {
    if (!(s->begun & ~s->ended & bit_of(index))) continue;
    struct chat_finish finish = {chat_calls_any(&s->calls, index) ? STR("tool_calls") : STR("stop"), STR("null")};
    buf_lit(out, "data: ");
    chat_begin(s->reply, STR("chat.completion.chunk"), out);
    buf_lit(out, ",\"choices\":[{\"index\":");
    buf_u64(out, index);
    buf_lit(out, ",\"delta\":{");
    chat_calls_piece(&s->calls, s->reply, index, &nothing, JSON_NONE, true, out);
    buf_lit(out, "},");
    chat_finish_write(&finish, out);
    buf_lit(out, "}]}\n\n");
    chat_finish_keep(s->reply, &finish);
  }
  s->ended = s->begun;
}

static void write_usage(struct chat_stream *s, struct buf *out) {
  struct json_doc doc = {0};
  bool kept = s->usage_len && json_parse(&doc, str_from(s->usage, s->usage_len), 2) == JSON_OK;
  buf_lit(out, "data: ");
  chat_begin(s->reply, STR("chat.completion.chunk"), out);
  buf_lit(out, ",\"choices\":[],");
  chat_usage_write(s->reply, kept ? &doc : NULL, kept ? 0 : JSON_NONE, out);
  buf_lit(out, "}\n\n");
  json_doc_free(&doc);
}

bool chat_stream_end(struct chat_stream *s, bool saw_done, uint64_t request_bytes, struct buf *out) {
  struct chat_reply *reply = s->reply;
  bool complete = s->ended && !(s->begun & ~s->ended);
  bool meant = s->spoke && (saw_done || s->empty_finish);
  if (!complete && !meant) {
    chat_fail(reply, FAULT_UPSTREAM_CUT, STR("The provider's stream ended before the answer was complete."));
    return false;
  }
  write_missing_ends(s, out);
  if (!reply->usage.known) chat_usage_estimate(reply, request_bytes);
  chat_usage_check(reply);
  chat_usage_price(reply);
  write_usage(s, out);
  buf_lit(out, "data: [DONE]\n\n");
  return true;
}
