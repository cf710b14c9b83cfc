#include "provider/cohere_reply.h"

#include <stdlib.h>

#include "json/escape.h"
#include "provider/decode.h"

enum {
  CALLS_MAX = 1024,
  BLOCKS_MAX = 64,        // content blocks whose place in the whole text is known: others have no cited ranges
  LOGPROBS_MAX = 8 << 20  // bytes of the log-probabilities of one reply or event
};

struct call {
  uint64_t index;  // the provider's
  bool ended, has_arguments;
  uint8_t nothing;  // letters of "null" held back
};

// Where the text of each content block begins in the whole text: the provider counts within a block.
struct places {
  uint64_t from[BLOCKS_MAX], characters;
  bool known[BLOCKS_MAX];
};

struct cohere_stream {
  struct event_sink sink;
  struct json_doc doc;
  struct places places;
  struct call *calls;
  uint32_t call_count;
  bool begun;
};

// --- errors ---

// The month of a trial key is no matter of waiting a little.
static bool is_monthly(struct str message) {
  bool trial = str_find(message, STR("rial"), 0) != SIZE_MAX;
  return str_find(message, STR("/ month"), 0) != SIZE_MAX || str_find(message, STR("per month"), 0) != SIZE_MAX ||
         (trial && str_find(message, STR("month"), 0) != SIZE_MAX);
}

static bool is_blocked(struct str message) {
  static const char *const words[] = {"block", "safety", "moderation", "toxic", "harmful", "policy"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (str_find(message, str_from_cstr(words[i]), 0) != SIZE_MAX) return true;
  return false;
}

// `status` 0: it was told in the middle of an answer.
static enum fault fault_of(unsigned status, struct str type, struct str message) {
  if (str_eq(type, STR("TOO_MANY_TOKENS")) || (status != 429 && decode_is_context(message))) return FAULT_CONTEXT;
  switch (status) {
    case 0:
    case 499: return FAULT_UPSTREAM_ERROR;
    case 429: return is_monthly(message) ? FAULT_UPSTREAM_BILLING : FAULT_UPSTREAM_RATE;
    case 498: return is_blocked(message) ? FAULT_CONTENT : FAULT_UPSTREAM_AUTH;
    case 501: return FAULT_UNSUPPORTED;  // this model has no such ability
    default: return fault_of_status(status);
  }
}

// What went wrong, in words: a string, or an object with one.
static uint32_t words_of(const struct json_doc *doc, uint32_t object) {
  static const struct str names[] = {{"message", 7}, {"error", 5}, {"data", 4}, {"detail", 6}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    uint32_t value = json_get(doc, object, names[i]);
    if (json_is(doc, value, JSON_OBJECT)) value = json_get(doc, value, STR("message"));
    if (json_is(doc, value, JSON_STRING)) return value;
  }
  return JSON_NONE;
}

static void fail(const struct json_doc *doc, unsigned status, uint32_t words, struct decode_failure *failure) {
  struct str type = decode_member(doc, 0, STR("error_type"));
  struct str message = decode_inside(doc, words);
  decode_fail_json(failure, fault_of(status, type, message), doc, words);
  // Its limits are of a minute, and it names no time to wait.
  bool minute =
      str_find(message, STR("/ minute"), 0) != SIZE_MAX || str_find(message, STR("per minute"), 0) != SIZE_MAX;
  if (failure->fault == FAULT_UPSTREAM_RATE && minute) failure->retry_after_s = 60;
}

void cohere_error(unsigned status, struct str body, struct decode_failure *failure) {
  struct json_doc doc = {0};
  if (json_parse(&doc, body, 3) == JSON_OK)
    fail(&doc, status, words_of(&doc, 0), failure);
  else
    decode_fail(failure, fault_of(status, STR(""), body), (struct str){0});
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
  u.image_prompt = round_count(doc, tokens, STR("image_tokens"));
  u.prompt = round_count(doc, tokens, STR("input_tokens")) + u.image_prompt;
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

// --- text and its sources ---

static void give_text(struct event_sink sink, struct places *places, uint64_t block, struct str text) {
  if (block < BLOCKS_MAX && !places->known[block]) {
    places->known[block] = true;
    places->from[block] = places->characters;
  }
  places->characters += escape_characters(text);
  decode_give_text(sink, EVENT_TEXT, (uint32_t)block + 1, text);
}

static void give_content(struct event_sink sink, const struct json_doc *doc, struct places *places, uint64_t block,
                         uint32_t content) {
  decode_give_text(sink, EVENT_REASONING, (uint32_t)block + 1, decode_member(doc, content, STR("thinking")));
  give_text(sink, places, block, decode_member(doc, content, STR("text")));
}

static bool is_url(struct str text) {
  return str_starts_nocase(text, STR("http:")) || str_starts_nocase(text, STR("https:"));
}

// A document is what its owner made of it: its address may have several names.
static struct str url_of(const struct json_doc *doc, uint32_t source, uint32_t document) {
  static const struct str names[] = {{"url", 3}, {"link", 4}, {"uri", 3}, {"source", 6}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct str url = decode_member(doc, document, names[i]);
    if (is_url(url)) return url;
  }
  struct str id = decode_member(doc, source, STR("id"));
  return is_url(id) ? id : (struct str){0};
}

// Sources that can be looked up become URL citations; a citation without any goes on as it is. Those of thinking or a
// plan are not of the answer's text.
static void give_citation(struct event_sink sink, const struct json_doc *doc, const struct places *places,
                          uint32_t citation) {
  uint32_t type = json_get(doc, citation, STR("type")), sources = json_get(doc, citation, STR("sources"));
  uint64_t start, end, block = 0;
  bool found = false;
  if (json_string_is(doc, type, STR("THINKING_CONTENT")) || json_string_is(doc, type, STR("PLAN"))) return;
  bool placed = json_u64(doc, json_get(doc, citation, STR("content_index")), BLOCKS_MAX - 1, &block);
  struct event event = {.kind = EVENT_CITATION,
                        .block = (uint32_t)block + 1,
                        .cited = decode_member(doc, citation, STR("text")),
                        .json = json_raw(doc, citation)};
  uint64_t base = placed && places->known[block] ? places->from[block] : 0;
  event.has_range = json_u64(doc, json_get(doc, citation, STR("start")), UINT32_MAX, &start) &&
                    json_u64(doc, json_get(doc, citation, STR("end")), UINT32_MAX, &end) && start <= end;
  if (event.has_range) event.from = base + start, event.to = base + end;
  for (uint32_t s = json_is(doc, sources, JSON_ARRAY) ? json_first(doc, sources) : JSON_NONE; s != JSON_NONE;
       s = json_next(doc, sources, s)) {
    uint32_t document = json_get(doc, s, STR("document"));
    if (!json_is(doc, document, JSON_OBJECT)) document = json_get(doc, s, STR("tool_output"));
    event.url = url_of(doc, s, document);
    event.title = decode_member(doc, document, STR("title"));
    if (event.url.len) decode_give(sink, event);
    found |= event.url.len != 0;
  }
  event.url = event.title = (struct str){0};
  if (!found) decode_give(sink, event);
}

// --- log-probabilities ---

static void write_bytes(struct buf *out, struct str inside) {
  struct escape_walk walk = escape_walk(inside);
  buf_char(out, '[');
  for (int byte, first = 1; (byte = escape_walk_next(&walk)) >= 0; first = 0) {
    if (!first) buf_char(out, ',');
    buf_u64(out, (uint64_t)byte);
  }
  buf_char(out, ']');
}

// A piece of text that is several tokens is as likely as all of them together.
static void write_logprob(struct buf *out, const struct json_doc *doc, uint32_t list) {
  double sum = 0, one;
  unsigned count = 0;
  for (uint32_t n = json_first(doc, list); n != JSON_NONE; n = json_next(doc, list, n), count++)
    sum += json_double(doc, n, &one) ? one : 0;
  if (count == 1)
    buf_str(out, json_raw(doc, json_first(doc, list)));
  else
    buf_printf(out, "%.9g", sum);
}

static void write_token(struct buf *out, const struct json_doc *doc, uint32_t item) {
  struct str text = decode_member(doc, item, STR("text"));
  uint32_t list = json_get(doc, item, STR("logprobs"));
  if (!json_is(doc, list, JSON_ARRAY) || !json_is(doc, json_first(doc, list), JSON_NUMBER)) return;
  if (out->len) buf_char(out, ',');
  buf_lit(out, "{\"token\":\"");
  buf_str(out, text);
  buf_lit(out, "\",\"logprob\":");
  write_logprob(out, doc, list);
  buf_lit(out, ",\"bytes\":");
  write_bytes(out, text);
  buf_lit(out, ",\"top_logprobs\":[]}");
}

// One piece's, or a list of them. False: out of memory.
static bool give_logprobs(struct event_sink sink, const struct json_doc *doc, uint32_t value) {
  struct buf out;
  buf_init(&out, LOGPROBS_MAX);
  if (json_is(doc, value, JSON_OBJECT)) write_token(&out, doc, value);
  for (uint32_t v = json_is(doc, value, JSON_ARRAY) ? json_first(doc, value) : JSON_NONE; v != JSON_NONE;
       v = json_next(doc, value, v))
    write_token(&out, doc, v);
  bool ok = !out.failed;
  if (ok && out.len) decode_give(sink, (struct event){.kind = EVENT_LOGPROBS, .json = buf_view(&out)});
  buf_free(&out);
  return ok;
}

// --- whole replies ---

static const char old_protocol[] = "The provider speaks Cohere's old protocol: correct its base_url to end in /v2.";

static bool give_calls(struct event_sink sink, const struct json_doc *doc, uint32_t calls, uint32_t *called) {
  for (uint32_t c = json_is(doc, calls, JSON_ARRAY) ? json_first(doc, calls) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, calls, c)) {
    uint32_t function = json_get(doc, c, STR("function"));
    give_call(sink, doc, c, *called);
    if (!decode_give_arguments_json(sink, *called, doc, json_get(doc, function, STR("arguments")))) return false;
    decode_give(sink, (struct event){.kind = EVENT_CALL_END, .call = (*called)++});
  }
  return true;
}

static void give_message(struct event_sink sink, const struct json_doc *doc, uint32_t message) {
  struct places places = {0};
  uint32_t content = json_get(doc, message, STR("content")), citations = json_get(doc, message, STR("citations"));
  uint64_t block = 0;
  decode_give_text(sink, EVENT_REASONING, 0, decode_member(doc, message, STR("tool_plan")));
  if (json_is(doc, content, JSON_STRING)) give_text(sink, &places, 0, decode_inside(doc, content));
  for (uint32_t c = json_is(doc, content, JSON_ARRAY) ? json_first(doc, content) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, content, c))
    give_content(sink, doc, &places, block++, c);
  for (uint32_t c = json_is(doc, citations, JSON_ARRAY) ? json_first(doc, citations) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, citations, c))
    give_citation(sink, doc, &places, c);
}

static bool whole(const struct json_doc *doc, struct event_sink sink, struct decode_failure *failure) {
  uint32_t message = json_get(doc, 0, STR("message")), called = 0;
  if (!json_is(doc, message, JSON_OBJECT)) {
    if (words_of(doc, 0) != JSON_NONE)
      fail(doc, 0, words_of(doc, 0), failure);
    else
      decode_refuse(failure, json_get(doc, 0, STR("text")) != JSON_NONE
                                 ? old_protocol
                                 : "The provider's answer is JSON, but no message.");
    return false;
  }
  decode_give(sink, (struct event){.kind = EVENT_BEGIN, .id = decode_member(doc, 0, STR("id"))});
  give_message(sink, doc, message);
  if (!give_logprobs(sink, doc, json_get(doc, 0, STR("logprobs"))) ||
      !give_calls(sink, doc, json_get(doc, message, STR("tool_calls")), &called)) {
    decode_no_memory(failure);
    return false;
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
  free(s->calls);
  free(s);
}

static uint64_t index_of(const struct cohere_stream *s) {
  uint64_t index;
  return json_u64(&s->doc, json_get(&s->doc, 0, STR("index")), 1 << 20, &index) ? index : 0;
}

static void call_end(struct cohere_stream *s, uint32_t at) {
  struct call *c = &s->calls[at];
  if (c->ended) return;
  c->ended = true;
  if (!c->has_arguments) decode_give_arguments(s->sink, at, STR("{}"));
  decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = at});
}

// The open call an event goes on with, the newest of its index; call_count: none.
static uint32_t call_find(const struct cohere_stream *s) {
  uint64_t index = index_of(s);
  for (uint32_t i = s->call_count; i-- > 0;)
    if (s->calls[i].index == index) return s->calls[i].ended ? s->call_count : i;
  return s->call_count;
}

static void call_piece(struct cohere_stream *s, uint32_t at, uint32_t call) {
  struct str piece = decode_member(&s->doc, json_get(&s->doc, call, STR("function")), STR("arguments"));
  struct call *c = &s->calls[at];
  // Arguments that are nothing are sent as the word: it is held back until more comes.
  if (!c->has_arguments && str_starts(str_skip(STR("null"), c->nothing), piece)) {
    c->nothing += (uint8_t)piece.len;
    return;
  }
  if (!c->has_arguments) decode_give_arguments(s->sink, at, str_from("null", c->nothing));
  c->has_arguments = true;
  decode_give_arguments(s->sink, at, piece);
}

// False: out of memory.
static bool on_call_start(struct cohere_stream *s, uint32_t call) {
  uint32_t before = call_find(s);
  if (before != s->call_count) call_end(s, before);
  if (s->call_count == CALLS_MAX) return true;
  struct call *grown = realloc(s->calls, (s->call_count + 1) * sizeof *grown);
  if (!grown) return false;
  s->calls = grown;
  s->calls[s->call_count] = (struct call){.index = index_of(s)};
  give_call(s->sink, &s->doc, call, s->call_count);
  call_piece(s, s->call_count++, call);
  return true;
}

static enum decode_result on_end(struct cohere_stream *s, uint32_t delta, struct decode_failure *failure) {
  uint32_t error = json_get(&s->doc, delta, STR("error"));
  bool failed = json_is(&s->doc, error, JSON_OBJECT) || decode_inside(&s->doc, error).len;
  if (json_is(&s->doc, error, JSON_OBJECT)) error = words_of(&s->doc, error);
  for (uint32_t i = 0; i < s->call_count; i++) call_end(s, i);
  if (failed) return fail(&s->doc, 0, error, failure), DECODE_FAILED;
  if (!give_finish(s->sink, decode_member(&s->doc, delta, STR("finish_reason")), s->call_count != 0, failure))
    return DECODE_FAILED;
  give_usage(s->sink, &s->doc, json_get(&s->doc, delta, STR("usage")));
  return DECODE_DONE;
}

static enum decode_result on_event(struct cohere_stream *s, struct str type, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t delta = json_get(doc, 0, STR("delta")), message = json_get(doc, delta, STR("message"));
  uint32_t call = json_get(doc, message, STR("tool_calls")), at;
  bool ok = true;
  if (json_is(doc, call, JSON_ARRAY)) call = json_first(doc, call);  // one in a list, as whole replies have them
  if (str_eq(type, STR("content-delta")) || str_eq(type, STR("content-start"))) {
    uint32_t content = json_get(doc, message, STR("content"));
    give_content(s->sink, doc, &s->places, index_of(s), content);
    if (json_get(doc, content, STR("text")) != JSON_NONE)
      ok = give_logprobs(s->sink, doc, json_get(doc, 0, STR("logprobs")));
  } else if (str_eq(type, STR("tool-plan-delta"))) {
    decode_give_text(s->sink, EVENT_REASONING, 0, decode_member(doc, message, STR("tool_plan")));
  } else if (str_eq(type, STR("tool-call-start"))) {
    ok = on_call_start(s, call);
  } else if (str_eq(type, STR("tool-call-delta"))) {
    if ((at = call_find(s)) != s->call_count) call_piece(s, at, call);
  } else if (str_eq(type, STR("tool-call-end"))) {
    if ((at = call_find(s)) != s->call_count) call_end(s, at);
  } else if (str_eq(type, STR("citation-start"))) {
    give_citation(s->sink, doc, &s->places, json_get(doc, message, STR("citations")));
  } else if (str_eq(type, STR("message-end"))) {
    return on_end(s, delta, failure);
  }
  return ok ? DECODE_MORE : decode_no_memory(failure);
}

enum decode_result cohere_stream_event(struct cohere_stream *s, struct str type, struct str data,
                                       struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  if (str_eq(str_trim(data), STR("[DONE]"))) {  // before message-end
    decode_fail(failure, FAULT_UPSTREAM_CUT, STR("The provider's stream ended before the answer was complete."));
    return DECODE_FAILED;
  }
  if (!decode_parse(&s->doc, data, 7, failure)) return DECODE_FAILED;
  struct str named = decode_member(doc, 0, STR("type"));
  if (named.len) type = named;
  bool bare = json_get(doc, 0, STR("delta")) == JSON_NONE && (!named.len || str_eq(named, STR("error")));
  if (json_get(doc, 0, STR("event_type")) != JSON_NONE) return decode_refuse(failure, old_protocol);
  if (bare && words_of(doc, 0) != JSON_NONE) return fail(doc, 0, words_of(doc, 0), failure), DECODE_FAILED;
  if (!s->begun) decode_give(s->sink, (struct event){.kind = EVENT_BEGIN, .id = decode_member(doc, 0, STR("id"))});
  s->begun = true;
  return on_event(s, type, failure);
}
