// Streams of openai_chat.h.
//
// Two ways for a chunk. The general way indexes it and writes it anew, member by member. But most chunks differ from the one
// before only in the text of delta.content, so the general way leaves a template: the bytes before and behind that text, as
// they came and as they went out. A chunk that has exactly the same bytes around its text takes the short way: compare,
// find the text's end, copy. Equal bytes give equal output, so nothing can go wrong but speed.
#include <stdlib.h>
#include <string.h>

#include "surface/chat_shared.h"

enum { TEMPLATE_MAX = 4096, WASTED_MAX = 16 };

struct template {
  char *bytes;  // in_before, in_after, out_before, out_after, one behind the other
  uint16_t in_before, in_after, out_before, out_after;
  uint8_t wasted;  // learnt again without having been used: chunks that all differ are not worth it
};

struct chat_stream {
  struct chat_reply *reply;
  struct template template;
  char *usage;  // the last usage object, as the provider wrote it
  uint32_t usage_len;
  uint64_t role_sent, finished;  // bits by choice index below 64
  uint64_t created;
  bool spoke, finish_seen, tools_seen;
};

struct chat_stream *chat_stream_new(struct chat_reply *reply) {
  struct chat_stream *s = calloc(1, sizeof *s);
  if (s) s->reply = reply;
  return s;
}

void chat_stream_drop(struct chat_stream *s) {
  if (!s) return;
  free(s->template.bytes);
  free(s->usage);
  free(s);
}

bool chat_stream_spoke(const struct chat_stream *s) {
  return s->spoke;
}

// --- the short way ---

static bool short_way(struct chat_stream *s, struct str data, struct buf *out) {
  struct template *t = &s->template;
  if (!t->bytes || data.len < (size_t)t->in_before + t->in_after) return false;
  const char *in_after = t->bytes + t->in_before;
  if (memcmp(data.ptr, t->bytes, t->in_before) != 0) return false;
  size_t end = data.len - t->in_after;
  if (memcmp(data.ptr + end, in_after, t->in_after) != 0) return false;
  if (json_string_end(data, t->in_before) != end) return false;
  size_t text = end - t->in_before;
  if (!buf_reserve(out, text + t->out_before + t->out_after)) return true;
  const char *out_before = in_after + t->in_after;
  char *at = out->ptr + out->len;
  memcpy(at, out_before, t->out_before);
  memcpy(at + t->out_before, data.ptr + t->in_before, text);
  memcpy(at + t->out_before + text, out_before + t->out_before, t->out_after);
  out->len += text + t->out_before + t->out_after;
  s->reply->text_bytes += text;
  if (text) s->spoke = true;
  t->wasted = 0;
  return true;
}

// Keeps the bytes around the text: [from, to) in the chunk, `out_from` in what was written behind `event_at`.
static void learn(struct chat_stream *s, struct str data, size_t from, size_t to, const struct buf *out, size_t event_at,
                  size_t out_from) {
  struct template *t = &s->template;
  size_t text = to - from, in_after = data.len - to, out_before = out_from - event_at;
  size_t out_after = out->len - out_from - text, sum = from + in_after + out_before + out_after;
  if (out->failed || sum > TEMPLATE_MAX || t->wasted >= WASTED_MAX) return;
  char *bytes = realloc(t->bytes, sum);
  if (!bytes) return;
  memcpy(bytes, data.ptr, from);
  memcpy(bytes + from, data.ptr + to, in_after);
  memcpy(bytes + from + in_after, out->ptr + event_at, out_before);
  memcpy(bytes + from + in_after + out_before, out->ptr + out_from + text, out_after);
  *t = (struct template){bytes, (uint16_t)from, (uint16_t)in_after, (uint16_t)out_before, (uint16_t)out_after,
                         (uint8_t)(t->wasted + 1)};
}

// --- the general way ---

// What one chunk tells about itself while it is written.
struct chunk {
  const struct json_doc *doc;
  struct buf *out;
  bool says;              // content, reasoning, a call, a refusal, a finish
  bool plain;             // may serve as a template
  uint32_t content;       // node of the only text, or JSON_NONE
  size_t content_at;      // where its characters went in out
};

static bool is_chunk_ours(const struct json_doc *doc, uint32_t key) {
  static const struct str names[] = {{"id", 2},      {"provider", 8}, {"model", 5},        {"object", 6}, {"created", 7},
                                     {"choices", 7}, {"usage", 5},    {"obfuscation", 11}, {"x_groq", 6}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (json_string_is(doc, key, names[i])) return true;
  return false;
}

// tool_calls of a delta: each piece needs an index, the first one of a call its type.
static void write_calls(struct chat_stream *s, struct chunk *c, uint32_t calls) {
  const struct json_doc *doc = c->doc;
  struct buf *out = c->out;
  unsigned position = 0;
  s->tools_seen = true;
  c->says = true;
  if (out->ptr[out->len - 1] != '{') buf_char(out, ',');
  buf_lit(out, "\"tool_calls\":[");
  for (uint32_t call = json_first(doc, calls); call != JSON_NONE; call = json_next(doc, calls, call), position++) {
    if (position) buf_char(out, ',');
    uint32_t index = json_get(doc, call, STR("index")), id = json_get(doc, call, STR("id"));
    bool indexed = json_is(doc, index, JSON_NUMBER);
    bool typed = json_is(doc, json_get(doc, call, STR("type")), JSON_STRING) || !json_is(doc, id, JSON_STRING);
    if ((indexed && typed) || !json_is(doc, call, JSON_OBJECT)) {
      buf_str(out, json_raw(doc, call));
      continue;
    }
    buf_char(out, '{');
    if (!indexed) {
      buf_lit(out, "\"index\":");
      buf_u64(out, position);
    }
    if (!typed) buf_str(out, indexed ? STR("\"type\":\"function\"") : STR(",\"type\":\"function\""));
    for (uint32_t key = json_first(doc, call); key != JSON_NONE;) {
      uint32_t value = json_next(doc, call, key);
      bool skip = (!indexed && json_string_is(doc, key, STR("index"))) ||
                  (!typed && json_string_is(doc, key, STR("type")));
      if (!skip) chat_copy_member(doc, key, value, out);
      key = json_next(doc, call, value);
    }
    buf_char(out, '}');
  }
  buf_char(out, ']');
}

static bool is_text(const struct json_doc *doc, uint32_t value) {
  return json_is(doc, value, JSON_STRING) && json_raw(doc, value).len > 2;
}

static void write_delta_member(struct chat_stream *s, struct chunk *c, uint32_t key, uint32_t value) {
  const struct json_doc *doc = c->doc;
  if (json_string_is(doc, key, STR("role")) || chat_null_refused(doc, key, value)) return;
  if (json_string_is(doc, key, STR("tool_calls"))) {
    if (json_first(doc, value) != JSON_NONE) write_calls(s, c, value);
    c->plain = false;
    return;
  }
  chat_copy_member(doc, key, value, c->out);
  if (json_string_is(doc, key, STR("content")) && json_is(doc, value, JSON_STRING)) {
    c->content = value;
    c->content_at = c->out->len - (json_raw(doc, value).len - 1);
    s->reply->text_bytes += json_raw(doc, value).len - 2;
    c->says |= is_text(doc, value);
  } else if (json_string_is(doc, key, STR("content")) || is_text(doc, value) || json_first(doc, value) != JSON_NONE) {
    // Content in parts, reasoning, reasoning_details, refusal, audio ...: whatever has something in it counts.
    bool something = is_text(doc, value) || json_first(doc, value) != JSON_NONE;
    c->says |= something;
    if (is_text(doc, value)) s->reply->text_bytes += json_raw(doc, value).len - 2;
  }
}

static void write_delta(struct chat_stream *s, struct chunk *c, uint32_t delta, uint64_t index) {
  const struct json_doc *doc = c->doc;
  uint64_t bit = index < 64 ? 1ull << index : 0;
  uint32_t role = json_get(doc, delta, STR("role"));
  buf_lit(c->out, "\"delta\":{");
  if (is_text(doc, role)) {
    buf_lit(c->out, "\"role\":");
    buf_str(c->out, json_raw(doc, role));
  } else if (!(s->role_sent & bit)) {
    buf_lit(c->out, "\"role\":\"assistant\"");
    c->plain = false;
  }
  s->role_sent |= bit;
  for (uint32_t key = json_first(doc, delta); key != JSON_NONE;) {
    uint32_t value = json_next(doc, delta, key);
    write_delta_member(s, c, key, value);
    key = json_next(doc, delta, value);
  }
  buf_char(c->out, '}');
}

static bool is_choice_ours(const struct json_doc *doc, uint32_t key) {
  static const struct str names[] = {
      {"index", 5}, {"delta", 5}, {"finish_reason", 13}, {"native_finish_reason", 20}, {"usage", 5}, {"message", 7}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (json_string_is(doc, key, names[i])) return true;
  return false;
}

// The finish of a choice: written once, in the normal form.
static void write_finish(struct chat_stream *s, struct chunk *c, uint32_t finish, uint64_t index) {
  const struct json_doc *doc = c->doc;
  uint64_t bit = index < 64 ? 1ull << index : 0;
  struct str raw = json_raw(doc, finish);
  bool given = is_text(doc, finish);
  // Some services never name a reason and leave it empty on the last chunk, which has nothing else.
  bool empty = json_is(doc, finish, JSON_STRING) && !given && !c->says && s->spoke;
  if ((!given && !empty) || (s->finished & bit)) {
    buf_lit(c->out, ",\"finish_reason\":null,\"native_finish_reason\":null");
    return;
  }
  struct str native = given ? str_from(raw.ptr + 1, raw.len - 2) : STR("");
  struct str normal = given ? chat_finish_normal(native) : s->tools_seen ? STR("tool_calls") : STR("stop");
  s->finished |= bit;
  s->finish_seen = true;
  c->says = true;
  c->plain = false;
  buf_lit(c->out, ",\"finish_reason\":\"");
  buf_str(c->out, normal);
  buf_lit(c->out, "\",\"native_finish_reason\":");
  buf_str(c->out, given ? raw : STR("null"));
  chat_keep(s->reply->finish_reason, sizeof s->reply->finish_reason, normal);
  chat_keep(s->reply->native_finish_reason, sizeof s->reply->native_finish_reason, native);
}

static void write_choice(struct chat_stream *s, struct chunk *c, uint32_t choice, unsigned position) {
  const struct json_doc *doc = c->doc;
  uint64_t index;
  if (!json_u64(doc, json_get(doc, choice, STR("index")), 1000000, &index)) index = position;
  if (position) buf_char(c->out, ',');
  buf_lit(c->out, "{\"index\":");
  buf_u64(c->out, index);
  buf_char(c->out, ',');
  write_delta(s, c, json_get(doc, choice, STR("delta")), index);
  write_finish(s, c, json_get(doc, choice, STR("finish_reason")), index);
  for (uint32_t key = json_first(doc, choice); key != JSON_NONE;) {
    uint32_t value = json_next(doc, choice, key);
    if (!is_choice_ours(doc, key) && !chat_null_refused(doc, key, value)) {
      chat_copy_member(doc, key, value, c->out);
      // Content-filter results, logprobs with something in them: worth showing.
      c->says |= json_type(doc, value) == JSON_OBJECT && json_string_is(doc, key, STR("logprobs"));
    }
    key = json_next(doc, choice, value);
  }
  buf_char(c->out, '}');
}

static bool keep_usage(struct chat_stream *s, const struct json_doc *doc, uint32_t choices) {
  uint32_t usage = json_get(doc, 0, STR("usage"));
  if (!json_is(doc, usage, JSON_OBJECT)) usage = json_get(doc, json_get(doc, 0, STR("x_groq")), STR("usage"));
  if (!json_is(doc, usage, JSON_OBJECT)) usage = json_get(doc, json_first(doc, choices), STR("usage"));
  struct usage read;
  if (!chat_usage_read(doc, usage, s->reply->endpoint->provider->quirks, &read)) return false;
  s->reply->usage = read;
  struct str raw = json_raw(doc, usage);
  char *copy = realloc(s->usage, raw.len);
  if (!copy) return true;
  memcpy(copy, raw.ptr, raw.len);
  s->usage = copy;
  s->usage_len = (uint32_t)raw.len;
  return true;
}

static bool is_broken(struct chat_stream *s, const struct json_doc *doc, uint32_t choices) {
  uint32_t error = json_get(doc, 0, STR("error")), first = json_first(doc, choices);
  uint32_t inside = json_get(doc, first, STR("error"));
  if (json_is(doc, inside, JSON_OBJECT)) error = inside;
  bool flat = choices == JSON_NONE && json_string_is(doc, json_get(doc, 0, STR("object")), STR("error"));
  bool named = json_is(doc, error, JSON_OBJECT) || json_is(doc, error, JSON_STRING);
  bool finished = json_string_is(doc, json_get(doc, first, STR("finish_reason")), STR("error"));
  if (!flat && !named && !finished) return false;
  struct arena arena = {0};
  struct str message = STR("The provider ended its answer with an error.");
  enum fault fault = FAULT_UPSTREAM_ERROR;
  if (flat || named) fault = chat_error_in(doc, named ? error : 0, 502, &arena, &message);
  chat_fail(s->reply, fault, message);
  arena_free(&arena);
  return true;
}

static void note_first(struct chat_stream *s, const struct json_doc *doc) {
  uint64_t created;
  uint32_t id = json_get(doc, 0, STR("id"));
  if (!s->reply->upstream_id[0] && is_text(doc, id))
    chat_keep(s->reply->upstream_id, sizeof s->reply->upstream_id,
              str_from(json_raw(doc, id).ptr + 1, json_raw(doc, id).len - 2));
  // One time of creation for the whole stream, whatever the provider counts.
  if (!s->created)
    s->created = json_u64(doc, json_get(doc, 0, STR("created")), UINT32_MAX, &created) && created ? created
                                                                                                  : s->reply->created;
}

static void write_chunk(struct chat_stream *s, struct chunk *c, uint32_t choices) {
  const struct json_doc *doc = c->doc;
  buf_lit(c->out, "data: ");
  chat_begin(s->reply, STR("chat.completion.chunk"), s->created, c->out);
  buf_lit(c->out, ",\"choices\":[");
  unsigned position = 0;
  for (uint32_t choice = json_first(doc, choices); choice != JSON_NONE; choice = json_next(doc, choices, choice))
    write_choice(s, c, choice, position++);
  buf_char(c->out, ']');
  if (position != 1) c->plain = false;
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE;) {
    uint32_t value = json_next(doc, 0, key);
    if (!is_chunk_ours(doc, key) && !chat_null_refused(doc, key, value)) chat_copy_member(doc, key, value, c->out);
    key = json_next(doc, 0, value);
  }
  buf_lit(c->out, "}\n\n");
}

static enum chat_stream_result general_way(struct chat_stream *s, const struct json_doc *doc, struct buf *out) {
  uint32_t choices = json_get(doc, 0, STR("choices"));
  if (is_broken(s, doc, choices)) return CHAT_BROKEN;
  bool usage = keep_usage(s, doc, choices);
  note_first(s, doc);
  bool none = json_first(doc, choices) == JSON_NONE;
  if (none && (usage || choices == JSON_NONE)) return CHAT_MORE;  // only usage, or a kind of event we do not know
  uint32_t delta = json_get(doc, json_first(doc, choices), STR("delta"));
  size_t event_at = out->len;
  bool finished = s->finish_seen;
  struct chunk c = {.doc = doc, .out = out, .plain = !usage, .content = JSON_NONE};
  write_chunk(s, &c, choices);
  if (out->failed) return CHAT_MORE;
  if (finished && !none && !c.says && json_first(doc, delta) == JSON_NONE) {
    out->len = event_at;  // a chunk behind the finish that says nothing
    return CHAT_MORE;
  }
  s->spoke |= c.says;
  if (c.plain && c.content != JSON_NONE)
    learn(s, doc->text, doc->nodes[c.content].start + 1, doc->nodes[c.content].end - 1, out, event_at, c.content_at);
  return CHAT_MORE;
}

enum chat_stream_result chat_stream_event(struct chat_stream *s, struct str data, struct buf *out) {
  if (short_way(s, data, out)) return CHAT_MORE;
  if (str_eq(str_trim(data), STR("[DONE]"))) return CHAT_DONE;
  struct json_doc doc = {0};
  enum json_error error = json_parse(&doc, data, 7);
  enum chat_stream_result result = CHAT_BROKEN;
  if (error == JSON_OK && json_is(&doc, 0, JSON_OBJECT))
    result = general_way(s, &doc, out);
  else if (error == JSON_NO_MEMORY)
    chat_fail(s->reply, FAULT_INTERNAL, STR("Out of memory."));
  else
    chat_fail(s->reply, FAULT_UPSTREAM_INVALID, STR("The provider sent an event that is not a JSON object."));
  json_doc_free(&doc);
  return result;
}

// --- the end ---

static void write_last(struct chat_stream *s, bool finish, const struct json_doc *usage, struct buf *out) {
  buf_lit(out, "data: ");
  chat_begin(s->reply, STR("chat.completion.chunk"), s->created ? s->created : s->reply->created, out);
  if (finish) {
    buf_lit(out, ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"");
    buf_str(out, str_from_cstr(s->reply->finish_reason));
    buf_lit(out, "\",\"native_finish_reason\":null}]}\n\n");
    return;
  }
  buf_lit(out, ",\"choices\":[],");
  chat_usage_write(s->reply, usage, usage ? 0 : JSON_NONE, out);
  buf_lit(out, "}\n\ndata: [DONE]\n\n");
}

bool chat_stream_end(struct chat_stream *s, bool saw_done, uint64_t request_bytes, struct buf *out) {
  struct chat_reply *reply = s->reply;
  if (!s->finish_seen && (!saw_done || !s->spoke)) {
    chat_fail(reply, FAULT_UPSTREAM_CUT, STR("The provider's stream ended before the answer was complete."));
    return false;
  }
  if (!s->finish_seen) {  // [DONE] after an answer, and no reason given: it stopped
    chat_keep(reply->finish_reason, sizeof reply->finish_reason, s->tools_seen ? STR("tool_calls") : STR("stop"));
    write_last(s, true, NULL, out);
  }
  if (!reply->usage.known) {
    reply->usage = (struct usage){
        .estimated = true, .prompt = request_bytes / 4, .completion = (reply->text_bytes + 3) / 4};
    reply->usage.total = reply->usage.prompt + reply->usage.completion;
  }
  reply->cost = usage_cost(&reply->usage, &reply->endpoint->pricing);
  struct json_doc doc = {0};
  bool kept = s->usage && json_parse(&doc, str_from(s->usage, s->usage_len), 3) == JSON_OK;
  write_last(s, false, kept ? &doc : NULL, out);
  json_doc_free(&doc);
  return true;
}
