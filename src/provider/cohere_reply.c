#include "provider/cohere_reply.h"

#include <stdlib.h>

#include "provider/decode.h"

struct cohere_stream {
  struct event_sink sink;
  struct json_doc doc;
  uint32_t calls;
  bool begun, call_open, has_arguments;
};

// --- errors ---

void cohere_error(unsigned status, struct str body, struct decode_failure *failure) {
  struct json_doc doc = {0};
  bool json = json_parse(&doc, body, 3) == JSON_OK;
  struct str message = json ? decode_member(&doc, 0, STR("message")) : (struct str){0};
  struct str type = json ? decode_member(&doc, 0, STR("error_type")) : (struct str){0};
  enum fault fault = fault_of_status(status);
  if (status == 498) fault = FAULT_UPSTREAM_AUTH;
  if (status == 499) fault = FAULT_UPSTREAM_ERROR;
  bool words = decode_is_context(message) || str_eq(type, STR("TOO_MANY_TOKENS"));
  if (fault == FAULT_BAD_REQUEST && words) fault = FAULT_CONTEXT;
  if (fault == FAULT_UPSTREAM_RATE && str_find(message, STR("/ month"), 0) != SIZE_MAX) fault = FAULT_UPSTREAM_BILLING;
  if (fault == FAULT_UPSTREAM_RATE && str_find(message, STR("month"), 0) != SIZE_MAX &&
      str_find(message, STR("Trial"), 0) != SIZE_MAX)
    fault = FAULT_UPSTREAM_BILLING;
  decode_fail_json(failure, fault, &doc, json ? json_get(&doc, 0, STR("message")) : JSON_NONE);
  json_doc_free(&doc);
}

// --- shared ---

static uint64_t round_count(const struct json_doc *doc, uint32_t object, struct str name) {
  double n;
  uint64_t whole;
  if (decode_count(doc, object, name, &whole)) return whole;
  return json_double(doc, json_get(doc, object, name), &n) && n > 0 && n < 1e12 ? (uint64_t)(n + 0.5) : 0;
}

static void give_usage(struct event_sink sink, const struct json_doc *doc, uint32_t usage) {
  uint32_t tokens = json_get(doc, usage, STR("tokens")), billed = json_get(doc, usage, STR("billed_units"));
  struct usage u = {.known = json_is(doc, tokens, JSON_OBJECT) || json_is(doc, billed, JSON_OBJECT)};
  if (!u.known) return;
  u.prompt = round_count(doc, tokens, STR("input_tokens")) + round_count(doc, tokens, STR("image_tokens"));
  u.completion = round_count(doc, tokens, STR("output_tokens"));
  u.reasoning = round_count(doc, tokens, STR("reasoning_tokens"));
  u.cached = round_count(doc, usage, STR("cached_tokens"));
  u.billed = json_is(doc, billed, JSON_OBJECT);
  u.billed_prompt = round_count(doc, billed, STR("input_tokens"));
  u.billed_completion = round_count(doc, billed, STR("output_tokens"));
  if (!json_is(doc, tokens, JSON_OBJECT)) {
    u.prompt = u.billed_prompt;
    u.completion = u.billed_completion;
  }
  if (u.cached > u.prompt) u.cached = u.prompt;
  if (u.reasoning > u.completion) u.reasoning = u.completion;
  u.total = u.prompt + u.completion;
  decode_give(sink, (struct event){.kind = EVENT_USAGE, .usage = &u});
}

// False: the provider failed.
static bool give_finish(struct event_sink sink, struct str reason, bool called, struct decode_failure *failure) {
  static const struct {
    const char *reason;
    enum finish finish;
  } rows[] = {{"MAX_TOKENS", FINISH_LENGTH},
              {"ERROR_LIMIT", FINISH_LENGTH},
              {"TOOL_CALL", FINISH_TOOL_CALLS},
              {"ERROR_TOXIC", FINISH_CONTENT_FILTER}};
  enum finish finish = FINISH_STOP;
  if (str_eq(reason, STR("ERROR"))) {
    decode_fail(failure, FAULT_UPSTREAM_ERROR, STR("The provider failed while it answered."));
    return false;
  }
  if (str_eq(reason, STR("TIMEOUT"))) {
    decode_fail(failure, FAULT_TIMEOUT, (struct str){0});
    return false;
  }
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq(reason, str_from_cstr(rows[i].reason))) finish = rows[i].finish;
  if (called && finish == FINISH_STOP) finish = FINISH_TOOL_CALLS;
  decode_give(sink, (struct event){.kind = EVENT_FINISH, .finish = finish, .native = reason});
  return true;
}

static void give_call(struct event_sink sink, const struct json_doc *doc, uint32_t call, uint32_t number) {
  decode_give(sink, (struct event){.kind = EVENT_CALL,
                                   .call = number,
                                   .id = decode_member(doc, call, STR("id")),
                                   .name = decode_member(doc, json_get(doc, call, STR("function")), STR("name"))});
}

// Only sources that can be looked up.
static void give_citation(struct event_sink sink, const struct json_doc *doc, uint32_t citation, uint32_t block) {
  uint32_t sources = json_get(doc, citation, STR("sources"));
  for (uint32_t s = json_is(doc, sources, JSON_ARRAY) ? json_first(doc, sources) : JSON_NONE; s != JSON_NONE;
       s = json_next(doc, sources, s)) {
    uint32_t document = json_get(doc, s, STR("document"));
    struct str url = decode_member(doc, document, STR("url"));
    if (url.len)
      decode_give(sink, (struct event){.kind = EVENT_CITATION,
                                       .block = block,
                                       .url = url,
                                       .title = decode_member(doc, document, STR("title")),
                                       .json = json_raw(doc, citation)});
  }
}

// --- whole replies ---

static bool whole(const struct json_doc *doc, struct event_sink sink, struct decode_failure *failure) {
  uint32_t message = json_get(doc, 0, STR("message")), content = json_get(doc, message, STR("content"));
  uint32_t calls = json_get(doc, message, STR("tool_calls")), citations = json_get(doc, message, STR("citations"));
  uint32_t number = 1, called = 0;
  if (!json_is(doc, message, JSON_OBJECT)) {
    decode_refuse(failure, "The provider's answer is JSON, but no message.");
    return false;
  }
  decode_give(sink, (struct event){.kind = EVENT_BEGIN, .id = decode_member(doc, 0, STR("id"))});
  decode_give_text(sink, EVENT_REASONING, 0, decode_member(doc, message, STR("tool_plan")));
  if (json_is(doc, content, JSON_STRING)) decode_give_text(sink, EVENT_TEXT, 1, decode_inside(doc, content));
  for (uint32_t c = json_is(doc, content, JSON_ARRAY) ? json_first(doc, content) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, content, c), number++) {
    decode_give_text(sink, EVENT_REASONING, number, decode_member(doc, c, STR("thinking")));
    decode_give_text(sink, EVENT_TEXT, number, decode_member(doc, c, STR("text")));
  }
  for (uint32_t c = json_is(doc, citations, JSON_ARRAY) ? json_first(doc, citations) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, citations, c))
    give_citation(sink, doc, c, number - 1);
  for (uint32_t c = json_is(doc, calls, JSON_ARRAY) ? json_first(doc, calls) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, calls, c)) {
    give_call(sink, doc, c, called);
    uint32_t function = json_get(doc, c, STR("function"));
    if (!decode_give_arguments_json(sink, called, doc, json_get(doc, function, STR("arguments"))))
      return decode_no_memory(failure) != DECODE_FAILED;
    decode_give(sink, (struct event){.kind = EVENT_CALL_END, .call = called++});
  }
  if (!give_finish(sink, decode_member(doc, 0, STR("finish_reason")), called != 0, failure)) return false;
  give_usage(sink, doc, json_get(doc, 0, STR("usage")));
  return true;
}

bool cohere_reply(struct str body, struct event_sink sink, struct decode_failure *failure) {
  struct json_doc doc = {0};
  bool ok = decode_parse(&doc, body, 7, failure) && whole(&doc, sink, failure);
  json_doc_free(&doc);
  return ok;
}

// --- streams ---

struct cohere_stream *cohere_stream_new(struct event_sink sink) {
  struct cohere_stream *s = calloc(1, sizeof *s);
  if (s) s->sink = sink;
  return s;
}

void cohere_stream_drop(struct cohere_stream *s) {
  if (!s) return;
  json_doc_free(&s->doc);
  free(s);
}

static void call_close(struct cohere_stream *s) {
  if (!s->call_open) return;
  if (!s->has_arguments) decode_give_arguments(s->sink, s->calls - 1, STR("{}"));
  decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = s->calls - 1});
  s->call_open = false;
}

static void call_piece(struct cohere_stream *s, uint32_t call) {
  uint32_t function = json_get(&s->doc, call, STR("function"));
  struct str piece = decode_member(&s->doc, function, STR("arguments"));
  // Arguments that are nothing are sent as the word.
  if (!piece.len || (!s->has_arguments && str_eq(piece, STR("null")))) return;
  s->has_arguments = true;
  decode_give_arguments(s->sink, s->calls - 1, piece);
}

static void on_content(struct cohere_stream *s, uint32_t message) {
  uint64_t index;
  uint32_t content = json_get(&s->doc, message, STR("content"));
  if (!json_u64(&s->doc, json_get(&s->doc, 0, STR("index")), 1 << 20, &index)) index = 0;
  decode_give_text(s->sink, EVENT_REASONING, (uint32_t)index + 1, decode_member(&s->doc, content, STR("thinking")));
  decode_give_text(s->sink, EVENT_TEXT, (uint32_t)index + 1, decode_member(&s->doc, content, STR("text")));
}

static enum decode_result on_end(struct cohere_stream *s, uint32_t delta, struct decode_failure *failure) {
  uint32_t error = json_get(&s->doc, delta, STR("error"));
  call_close(s);
  if (json_type(&s->doc, error) != JSON_NULL) {
    if (json_is(&s->doc, error, JSON_OBJECT)) error = json_get(&s->doc, error, STR("message"));
    decode_fail_json(failure, FAULT_UPSTREAM_ERROR, &s->doc, error);
    return DECODE_FAILED;
  }
  if (!give_finish(s->sink, decode_member(&s->doc, delta, STR("finish_reason")), s->calls != 0, failure))
    return DECODE_FAILED;
  give_usage(s->sink, &s->doc, json_get(&s->doc, delta, STR("usage")));
  return DECODE_DONE;
}

enum decode_result cohere_stream_event(struct cohere_stream *s, struct str type, struct str data,
                                       struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  if (!decode_parse(&s->doc, data, 7, failure)) return DECODE_FAILED;
  struct str named = decode_member(doc, 0, STR("type"));
  if (named.len) type = named;
  uint32_t delta = json_get(doc, 0, STR("delta")), message = json_get(doc, delta, STR("message"));
  uint32_t call = json_get(doc, message, STR("tool_calls"));
  if (!s->begun) decode_give(s->sink, (struct event){.kind = EVENT_BEGIN, .id = decode_member(doc, 0, STR("id"))});
  s->begun = true;
  if (str_eq(type, STR("content-delta")) || str_eq(type, STR("content-start"))) {
    on_content(s, message);
  } else if (str_eq(type, STR("tool-plan-delta"))) {
    decode_give_text(s->sink, EVENT_REASONING, 0, decode_member(doc, message, STR("tool_plan")));
  } else if (str_eq(type, STR("tool-call-start"))) {
    call_close(s);
    give_call(s->sink, doc, call, s->calls++);
    s->call_open = true;
    s->has_arguments = false;
    call_piece(s, call);
  } else if (str_eq(type, STR("tool-call-delta"))) {
    if (s->call_open) call_piece(s, call);
  } else if (str_eq(type, STR("tool-call-end"))) {
    call_close(s);
  } else if (str_eq(type, STR("citation-start"))) {
    give_citation(s->sink, doc, json_get(doc, message, STR("citations")), 1);
  } else if (str_eq(type, STR("message-end"))) {
    return on_end(s, delta, failure);
  } else if (json_get(doc, 0, STR("event_type")) != JSON_NONE) {
    return decode_refuse(failure, "The provider speaks Cohere's old protocol: correct its base_url to end in /v2.");
  } else if (!type.len && json_is(doc, json_get(doc, 0, STR("message")), JSON_STRING)) {
    cohere_error(500, data, failure);
    return DECODE_FAILED;
  }
  return DECODE_MORE;
}
