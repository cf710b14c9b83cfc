#include "provider/openai_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/decode.h"

enum { CALLS_MAX = 128, NO_INDEX = -1 };

struct call {
  uint32_t id_hash;  // 0: none was given
  int64_t index;     // the provider's; NO_INDEX: none
  bool has_arguments, ended;
};

struct openai_stream {
  struct event_sink sink;
  struct json_doc doc;
  struct call *calls;
  uint32_t call_count, block;
  enum event_kind kind;  // of the present block
  bool begun, finished;
  enum finish finish;
  char native[48];
  struct usage usage;
};

// --- errors ---

static enum fault fault_of_words(struct str code, struct str type, struct str message, enum fault fault) {
  static const struct {
    const char *word;
    enum fault fault;
  } rows[] = {{"context_length", FAULT_CONTEXT},
              {"insufficient_quota", FAULT_UPSTREAM_BILLING},
              {"capacity_exceeded", FAULT_UPSTREAM_OVERLOAD},
              {"overloaded", FAULT_UPSTREAM_OVERLOAD},
              {"content_filter", FAULT_CONTENT},
              {"content_policy", FAULT_CONTENT},
              {"invalid_api_key", FAULT_UPSTREAM_AUTH},
              {"authentication", FAULT_UPSTREAM_AUTH},
              {"model_not_found", FAULT_UPSTREAM_MODEL},
              {"invalid_model", FAULT_UPSTREAM_MODEL},
              {"rate_limit", FAULT_UPSTREAM_RATE}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct str word = str_from_cstr(rows[i].word);
    if (str_find(code, word, 0) != SIZE_MAX || str_find(type, word, 0) != SIZE_MAX) return rows[i].fault;
  }
  bool open = fault == FAULT_BAD_REQUEST || fault == FAULT_UNPROCESSABLE;
  if (open && str_find(message, STR("ncorrect API key"), 0) != SIZE_MAX) return FAULT_UPSTREAM_AUTH;  // xAI
  return open && decode_is_context(message) ? FAULT_CONTEXT : fault;
}

// A code that is an HTTP status, as a number or its digits; 0: it is none.
static unsigned status_of(const struct json_doc *doc, uint32_t code) {
  uint64_t n = 0;
  struct str digits = decode_inside(doc, code);
  if (json_u64(doc, code, 599, &n) && n >= 400) return (unsigned)n;
  if (digits.len != 3 || digits.ptr[0] < '4' || digits.ptr[0] > '5') return 0;
  for (size_t i = 0; i < 3; i++) {
    if (digits.ptr[i] < '0' || digits.ptr[i] > '9') return 0;
    n = n * 10 + (unsigned)(digits.ptr[i] - '0');
  }
  return (unsigned)n;
}

// The words of an error: a string, or an object or a list with one somewhere inside. Details of a request that does
// not fit echo it: only what is wrong with the first member is taken.
static uint32_t words_of(const struct json_doc *doc, uint32_t value) {
  static const struct str names[] = {{"message", 7}, {"msg", 3}, {"detail", 6}, {"error", 5}};
  for (unsigned level = 0; level < 4; level++) {
    if (json_is(doc, value, JSON_STRING)) return value;
    if (json_is(doc, value, JSON_ARRAY)) {
      value = json_first(doc, value);
      continue;
    }
    uint32_t found = JSON_NONE;
    for (size_t i = 0; found == JSON_NONE && i < sizeof names / sizeof *names; i++)
      found = json_get(doc, value, names[i]);
    value = found;
  }
  return json_is(doc, value, JSON_STRING) ? value : JSON_NONE;
}

// Which member of the request the first detail is about, by its name; empty: none is named.
static struct str place_of(const struct json_doc *doc, uint32_t error) {
  uint32_t detail = json_get(doc, error, STR("detail"));
  if (detail == JSON_NONE) detail = json_get(doc, json_get(doc, error, STR("message")), STR("detail"));
  uint32_t loc = json_get(doc, json_is(doc, detail, JSON_ARRAY) ? json_first(doc, detail) : JSON_NONE, STR("loc"));
  struct str name = {0};
  for (uint32_t l = json_is(doc, loc, JSON_ARRAY) ? json_first(doc, loc) : JSON_NONE; l != JSON_NONE;
       l = json_next(doc, loc, l))
    if (json_is(doc, l, JSON_STRING)) name = decode_inside(doc, l);
  return str_eq(name, STR("body")) ? (struct str){0} : name;
}

static void add_place(struct decode_failure *failure, struct str place) {
  size_t have = strlen(failure->message), room = sizeof failure->message - have;
  if (place.len && place.len < 64 && place.len + 4 < room)
    snprintf(failure->message + have, room, " (%.*s)", STR_ARGS(place));
}

// `error`: the object with code and type; `status` 0: it was told in an answer.
static void error_read(const struct json_doc *doc, uint32_t error, unsigned status, struct decode_failure *failure) {
  uint32_t words = words_of(doc, error), holder = json_is(doc, error, JSON_OBJECT) ? error : 0;
  uint32_t code = json_get(doc, holder, STR("code"));
  if (!status) status = status_of(doc, code);
  enum fault fault = status ? fault_of_status(status) : FAULT_UPSTREAM_ERROR;
  struct str message = decode_inside(doc, words);
  fault = fault_of_words(decode_inside(doc, code), decode_member(doc, holder, STR("type")), message, fault);
  bool busy = fault == FAULT_UPSTREAM_RATE && str_find(message, STR("apacity exceeded"), 0) != SIZE_MAX;
  decode_fail_json(failure, busy ? FAULT_UPSTREAM_OVERLOAD : fault, doc, words);
  add_place(failure, place_of(doc, holder));
}

// Where an error is told: in a member, or by the whole object.
static uint32_t error_in(const struct json_doc *doc) {
  uint32_t error = json_get(doc, 0, STR("error"));
  if (json_type(doc, error) != JSON_NULL) return error;
  bool told = json_get(doc, 0, STR("message")) != JSON_NONE || json_get(doc, 0, STR("detail")) != JSON_NONE;
  return told && json_get(doc, 0, STR("choices")) == JSON_NONE ? 0 : JSON_NONE;
}

void openai_error(unsigned status, struct str body, struct decode_failure *failure) {
  struct json_doc doc = {0};
  uint32_t error = json_parse(&doc, body, 5) == JSON_OK ? error_in(&doc) : JSON_NONE;
  error_read(&doc, error, status, failure);
  json_doc_free(&doc);
}

// --- usage and finish ---

// Mistral counts sound beside the prompt; the total tells. Older replies only say how long it was.
static void settle_audio(struct usage *u, bool seconds) {
  uint64_t inside = u->prompt + u->completion, gap = u->total > inside ? u->total - inside : 0;
  if (!gap || (u->audio_prompt ? gap != u->audio_prompt : !seconds)) return;
  u->audio_prompt = gap;
  u->prompt += gap;
}

static void take_usage(struct openai_stream *s, const struct json_doc *doc, uint32_t usage) {
  if (!json_is(doc, usage, JSON_OBJECT)) return;
  uint32_t in = json_get(doc, usage, STR("prompt_tokens_details"));
  uint32_t out = json_get(doc, usage, STR("completion_tokens_details"));
  if (!json_is(doc, in, JSON_OBJECT)) in = json_get(doc, usage, STR("prompt_token_details"));
  struct usage u = {.known = true,
                    .prompt = decode_count_or_0(doc, usage, STR("prompt_tokens")),
                    .completion = decode_count_or_0(doc, usage, STR("completion_tokens")),
                    .total = decode_count_or_0(doc, usage, STR("total_tokens")),
                    .cached = decode_count_or_0(doc, in, STR("cached_tokens")),
                    .cache_write = decode_count_or_0(doc, in, STR("cache_write_tokens")),
                    .audio_prompt = decode_count_or_0(doc, in, STR("audio_tokens")),
                    .reasoning = decode_count_or_0(doc, out, STR("reasoning_tokens"))};
  if (!u.cached) u.cached = decode_count_or_0(doc, usage, STR("num_cached_tokens"));
  settle_audio(&u, decode_count_or_0(doc, usage, STR("prompt_audio_seconds")) != 0);
  s->usage = u;
}

static enum finish finish_of(struct str reason) {
  if (str_eq(reason, STR("length")) || str_eq(reason, STR("model_length"))) return FINISH_LENGTH;
  if (str_eq(reason, STR("tool_calls")) || str_eq(reason, STR("function_call"))) return FINISH_TOOL_CALLS;
  if (str_eq(reason, STR("content_filter"))) return FINISH_CONTENT_FILTER;
  return str_eq(reason, STR("error")) ? FINISH_ERROR : FINISH_STOP;
}

static void take_finish(struct openai_stream *s, struct str reason) {
  if (!reason.len || s->finished) return;
  decode_keep(s->native, sizeof s->native, reason);
  s->finished = true;
  s->finish = finish_of(reason);
}

static void call_end(struct openai_stream *s, uint32_t at) {
  struct call *c = &s->calls[at];
  if (c->ended) return;
  c->ended = true;
  if (!c->has_arguments) decode_give_arguments(s->sink, at, STR("{}"));
  decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = at});
}

static bool settle(struct openai_stream *s, struct decode_failure *failure) {
  if (s->finish == FINISH_ERROR) {
    decode_fail(failure, FAULT_UPSTREAM_ERROR, STR("The provider failed while it answered."));
    return false;
  }
  for (uint32_t i = 0; i < s->call_count; i++) call_end(s, i);
  if (s->call_count && s->finish == FINISH_STOP) s->finish = FINISH_TOOL_CALLS;
  decode_give(s->sink, (struct event){.kind = EVENT_FINISH, .finish = s->finish, .native = str_from_cstr(s->native)});
  if (s->usage.known) decode_give(s->sink, (struct event){.kind = EVENT_USAGE, .usage = &s->usage});
  return true;
}

// --- text ---

static void give(struct openai_stream *s, enum event_kind kind, struct str text) {
  enum event_kind group = kind == EVENT_SIGNATURE ? EVENT_REASONING : kind;
  if (!text.len) return;
  if (s->kind != group) s->block++;
  s->kind = group;
  decode_give_text(s->sink, kind, s->block, text);
}

static void give_source(struct openai_stream *s, struct str url, struct str title) {
  if (str_starts_nocase(url, STR("http://")) || str_starts_nocase(url, STR("https://")))
    decode_give(s->sink, (struct event){.kind = EVENT_CITATION, .block = s->block, .url = url, .title = title});
}

// Mistral: what the text before comes from. Numbers are of what its own tools found: only addresses mean something
// here.
static void take_reference(struct openai_stream *s, const struct json_doc *doc, uint32_t chunk) {
  uint32_t ids = json_get(doc, chunk, STR("reference_ids"));
  give_source(s, decode_member(doc, chunk, STR("url")), decode_member(doc, chunk, STR("title")));
  for (uint32_t id = json_is(doc, ids, JSON_ARRAY) ? json_first(doc, ids) : JSON_NONE; id != JSON_NONE;
       id = json_next(doc, ids, id))
    give_source(s, decode_inside(doc, id), (struct str){0});
}

// Mistral: text and thinking as chunks of a list.
static void take_chunk(struct openai_stream *s, const struct json_doc *doc, uint32_t chunk) {
  uint32_t thinking = json_get(doc, chunk, STR("thinking"));
  struct str type = decode_member(doc, chunk, STR("type"));
  if (str_eq(type, STR("reference")) || str_eq(type, STR("tool_reference"))) {
    take_reference(s, doc, chunk);
    return;
  }
  give(s, EVENT_TEXT, decode_member(doc, chunk, STR("text")));
  if (json_is(doc, thinking, JSON_STRING)) give(s, EVENT_REASONING, decode_inside(doc, thinking));
  for (uint32_t t = json_is(doc, thinking, JSON_ARRAY) ? json_first(doc, thinking) : JSON_NONE; t != JSON_NONE;
       t = json_next(doc, thinking, t))
    give(s, EVENT_REASONING, decode_member(doc, t, STR("text")));
  if (thinking != JSON_NONE) give(s, EVENT_SIGNATURE, decode_member(doc, chunk, STR("signature")));
}

static void take_content(struct openai_stream *s, const struct json_doc *doc, uint32_t message) {
  uint32_t content = json_get(doc, message, STR("content"));
  struct str reasoning = decode_member(doc, message, STR("reasoning_content"));
  if (!reasoning.len) reasoning = decode_member(doc, message, STR("reasoning"));
  give(s, EVENT_REASONING, reasoning);
  give(s, EVENT_REFUSAL, decode_member(doc, message, STR("refusal")));
  if (json_is(doc, content, JSON_STRING)) give(s, EVENT_TEXT, decode_inside(doc, content));
  for (uint32_t c = json_is(doc, content, JSON_ARRAY) ? json_first(doc, content) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, content, c))
    take_chunk(s, doc, c);
}

// --- tool calls ---

static uint32_t hash(struct str s) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < s.len; i++) h = (h ^ (unsigned char)s.ptr[i]) * 16777619u;
  return h ? h : 1;
}

// The call a piece goes on with; call_count: none. The id tells, else the index, else it is the newest.
static uint32_t call_find(const struct openai_stream *s, int64_t index, uint32_t id, bool named) {
  for (uint32_t i = s->call_count; i-- > 0;) {
    const struct call *c = &s->calls[i];
    if (id && c->id_hash == id) return i;
    if (id && c->id_hash && named) continue;
    if (index != NO_INDEX ? c->index == index : !named) return i;
  }
  return s->call_count;
}

static bool take_call(struct openai_stream *s, const struct json_doc *doc, uint32_t call) {
  uint32_t function = json_get(doc, call, STR("function")), arguments = json_get(doc, function, STR("arguments"));
  struct str id = decode_member(doc, call, STR("id")), name = decode_member(doc, function, STR("name"));
  uint64_t given;
  int64_t index = json_u64(doc, json_get(doc, call, STR("index")), UINT32_MAX, &given) ? (int64_t)given : NO_INDEX;
  if (str_eq(id, STR("null"))) id = (struct str){0};
  uint32_t at = call_find(s, index, id.len ? hash(id) : 0, name.len != 0);
  s->kind = EVENT_CALL;
  if (at != s->call_count && s->calls[at].ended) return true;  // once more what was whole
  if (at == s->call_count) {
    if (!name.len || s->call_count == CALLS_MAX) return true;  // a piece of nothing
    struct call *grown = realloc(s->calls, (s->call_count + 1) * sizeof *grown);
    if (!grown) return false;
    s->calls = grown;
    s->calls[s->call_count++] = (struct call){.id_hash = id.len ? hash(id) : 0, .index = index};
    decode_give(s->sink, (struct event){.kind = EVENT_CALL, .call = at, .id = id, .name = name});
  }
  if (json_is(doc, arguments, JSON_STRING)) {
    struct str piece = decode_inside(doc, arguments);
    s->calls[at].has_arguments |= piece.len != 0;
    decode_give_arguments(s->sink, at, piece);
    return true;
  }
  if (!json_is(doc, arguments, JSON_OBJECT)) return true;
  s->calls[at].has_arguments = true;
  return decode_give_arguments_json(s->sink, at, doc, arguments);
}

// In a whole message every call is whole: each ends before the next begins.
static bool take_message(struct openai_stream *s, const struct json_doc *doc, uint32_t message, bool whole) {
  uint32_t calls = json_get(doc, message, STR("tool_calls"));
  take_content(s, doc, message);
  for (uint32_t c = json_is(doc, calls, JSON_ARRAY) ? json_first(doc, calls) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, calls, c)) {
    uint32_t before = s->call_count;
    if (!take_call(s, doc, c)) return false;
    if (whole && s->call_count != before) call_end(s, before);
  }
  return true;
}

// --- replies and chunks ---

// The elements of a choice's log-probabilities, without the brackets.
static void take_logprobs(struct openai_stream *s, const struct json_doc *doc, uint32_t choice) {
  uint32_t content = json_get(doc, json_get(doc, choice, STR("logprobs")), STR("content"));
  if (!json_is(doc, content, JSON_ARRAY)) return;
  struct str list = json_raw(doc, content), inner = str_trim(str_from(list.ptr + 1, list.len - 2));
  if (inner.len) decode_give(s->sink, (struct event){.kind = EVENT_LOGPROBS, .json = inner});
}

// False: out of memory.
static bool take_choice(struct openai_stream *s, const struct json_doc *doc, uint32_t choice, bool whole) {
  uint64_t index;
  if (json_u64(doc, json_get(doc, choice, STR("index")), UINT32_MAX, &index) && index) return true;  // one is asked for
  if (!take_message(s, doc, json_get(doc, choice, whole ? STR("message") : STR("delta")), whole)) return false;
  take_logprobs(s, doc, choice);
  take_finish(s, decode_member(doc, choice, STR("finish_reason")));
  return true;
}

static enum decode_result take(struct openai_stream *s, bool whole, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t error = error_in(doc), choices = json_get(doc, 0, STR("choices"));
  if (error != JSON_NONE || json_string_is(doc, json_get(doc, 0, STR("object")), STR("error"))) {
    if (error == JSON_NONE) error = 0;
    return error_read(doc, error, 0, failure), DECODE_FAILED;
  }
  if (whole && json_first(doc, choices) == JSON_NONE)
    return decode_refuse(failure, "The provider's answer is JSON, but no chat completion.");
  if (!s->begun)
    decode_give(s->sink, (struct event){.kind = EVENT_BEGIN,
                                        .id = decode_member(doc, 0, STR("id")),
                                        .model = decode_member(doc, 0, STR("model"))});
  s->begun = true;
  for (uint32_t c = json_is(doc, choices, JSON_ARRAY) ? json_first(doc, choices) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, choices, c))
    if (!take_choice(s, doc, c, whole)) return decode_no_memory(failure);
  take_usage(s, doc, json_get(doc, 0, STR("usage")));
  return DECODE_MORE;
}

bool openai_reply(struct str body, struct event_sink sink, struct decode_failure *failure) {
  struct openai_stream s = {.sink = sink};
  bool ok = decode_parse(&s.doc, body, 8, failure) && take(&s, true, failure) == DECODE_MORE && settle(&s, failure);
  json_doc_free(&s.doc);
  free(s.calls);
  return ok;
}

struct openai_stream *openai_stream_new(struct event_sink sink) {
  struct openai_stream *s = calloc(1, sizeof *s);
  if (s) s->sink = sink;
  return s;
}

void openai_stream_drop(struct openai_stream *s) {
  if (!s) return;
  json_doc_free(&s->doc);
  free(s->calls);
  free(s);
}

enum decode_result openai_stream_event(struct openai_stream *s, struct str data, struct decode_failure *failure) {
  if (str_eq(str_trim(data), STR("[DONE]"))) {
    if (!s->finished) {
      decode_fail(failure, FAULT_UPSTREAM_CUT, STR("The provider's stream ended before the answer was complete."));
      return DECODE_FAILED;
    }
    return settle(s, failure) ? DECODE_DONE : DECODE_FAILED;
  }
  if (!decode_parse(&s->doc, data, 8, failure)) return DECODE_FAILED;
  return take(s, false, failure);
}
