#include "provider/anthropic_reply.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "provider/decode.h"

enum {
  BLOCKS_MAX = 4096,         // content blocks of one answer; far more than any model makes
  ARGUMENTS_MAX = 16 << 20,  // bytes of one tool call's input in a whole reply
};

// --- errors ---

static const struct {
  const char *type;
  enum fault fault;
} error_types[] = {
    {"invalid_request_error", FAULT_BAD_REQUEST},  {"authentication_error", FAULT_UPSTREAM_AUTH},
    {"billing_error", FAULT_UPSTREAM_BILLING},     {"permission_error", FAULT_UPSTREAM_AUTH},
    {"not_found_error", FAULT_UPSTREAM_MODEL},     {"request_too_large", FAULT_TOO_LARGE},
    {"rate_limit_error", FAULT_UPSTREAM_RATE},     {"timeout_error", FAULT_TIMEOUT},
    {"overloaded_error", FAULT_UPSTREAM_OVERLOAD}, {"api_error", FAULT_UPSTREAM_ERROR},
};

// An invalid request may be a prompt that is too long, or an account that is empty: only the words tell.
static enum fault by_words(struct str message) {
  static const struct {
    const char *words;
    enum fault fault;
  } rows[] = {{"prompt is too long", FAULT_CONTEXT},
              {"exceed context limit", FAULT_CONTEXT},
              {"context window", FAULT_CONTEXT},
              {"credit balance", FAULT_UPSTREAM_BILLING}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_find(message, str_from_cstr(rows[i].words), 0) != SIZE_MAX) return rows[i].fault;
  return FAULT_BAD_REQUEST;
}

// `error`: {"type":…,"message":…}. `status` 0: it came in a stream.
static void error_read(const struct json_doc *doc, uint32_t error, unsigned status, struct decode_failure *failure) {
  struct arena arena = {0};
  struct str type = decode_member(doc, error, STR("type")), message = {0};
  enum fault fault = status ? fault_of_status(status) : FAULT_UPSTREAM_ERROR;
  if (!json_string(doc, json_get(doc, error, STR("message")), &arena, &message)) message = type;
  for (size_t i = 0; i < sizeof error_types / sizeof *error_types; i++)
    if (str_eq(type, str_from_cstr(error_types[i].type))) fault = error_types[i].fault;
  if (fault == FAULT_BAD_REQUEST) fault = by_words(message);
  decode_fail(failure, fault, message.len ? message : str_from_cstr(fault_row(fault)->message));
  arena_free(&arena);
}

void anthropic_error(unsigned status, struct str body, struct decode_failure *failure) {
  struct json_doc doc = {0};
  enum fault fault = fault_of_status(status);
  uint32_t error = json_parse(&doc, body, 3) == JSON_OK ? json_get(&doc, 0, STR("error")) : JSON_NONE;
  if (json_is(&doc, error, JSON_OBJECT))
    error_read(&doc, error, status, failure);
  else  // a proxy on the way, or another service
    decode_fail(failure, fault, str_from_cstr(fault_row(fault)->message));
  json_doc_free(&doc);
}

// --- usage and finish ---

// Anthropic counts what came from its cache and what went there beside input_tokens; llm/usage.h counts them inside.
struct counts {
  uint64_t input, read, written, written_1h, output, thinking, searches;
  bool known;
};

// A later object replaces the counts it names; message_delta may correct those of message_start.
static void counts_read(struct counts *c, const struct json_doc *doc, uint32_t usage) {
  if (!json_is(doc, usage, JSON_OBJECT)) return;
  uint32_t creation = json_get(doc, usage, STR("cache_creation"));
  uint32_t details = json_get(doc, usage, STR("output_tokens_details"));
  c->known |= decode_count(doc, usage, STR("input_tokens"), &c->input);
  c->known |= decode_count(doc, usage, STR("output_tokens"), &c->output);
  decode_count(doc, usage, STR("cache_read_input_tokens"), &c->read);
  decode_count(doc, usage, STR("cache_creation_input_tokens"), &c->written);
  decode_count(doc, creation, STR("ephemeral_1h_input_tokens"), &c->written_1h);
  decode_count(doc, details, STR("thinking_tokens"), &c->thinking);
  decode_count(doc, json_get(doc, usage, STR("server_tool_use")), STR("web_search_requests"), &c->searches);
}

static void usage_give(const struct counts *c, struct event_sink sink) {
  if (!c->known) return;
  struct usage u = {
      .known = true,
      .prompt = c->input + c->read + c->written,
      .completion = c->output,
      .cached = c->read,
      .cache_write = c->written,
      .cache_write_1h = c->written_1h < c->written ? c->written_1h : c->written,
      .reasoning = c->thinking < c->output ? c->thinking : c->output,
      .web_searches = c->searches,
  };
  u.total = u.prompt + u.completion;
  sink.on_event(sink.context, &(struct event){.kind = EVENT_USAGE, .usage = &u});
}

static enum finish finish_of(struct str reason) {
  static const struct {
    const char *reason;
    enum finish finish;
  } rows[] = {{"max_tokens", FINISH_LENGTH},
              {"model_context_window_exceeded", FINISH_LENGTH},
              {"tool_use", FINISH_TOOL_CALLS},
              {"refusal", FINISH_CONTENT_FILTER}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq(reason, str_from_cstr(rows[i].reason))) return rows[i].finish;
  return FINISH_STOP;  // end_turn, stop_sequence, pause_turn, compaction, and whatever may come
}

// A call that was cut off by the limit is no call to be carried out: then `length` stays.
static void finish_give(struct str reason, bool called, struct event_sink sink) {
  enum finish finish = finish_of(reason);
  if (called && finish == FINISH_STOP) finish = FINISH_TOOL_CALLS;
  sink.on_event(sink.context, &(struct event){.kind = EVENT_FINISH, .finish = finish, .native = reason});
}

// --- blocks ---

enum block_kind { BLOCK_OTHER, BLOCK_TEXT, BLOCK_THINKING, BLOCK_CALL };

struct block {
  uint8_t kind;
  bool has_arguments, open;
  uint32_t call;
};

static void give_text(enum event_kind kind, uint32_t block, struct str text, struct event_sink sink) {
  if (text.len) sink.on_event(sink.context, &(struct event){.kind = kind, .block = block, .text = text});
}

static void give_arguments(uint32_t call, struct str text, struct event_sink sink) {
  if (text.len) sink.on_event(sink.context, &(struct event){.kind = EVENT_ARGUMENTS, .call = call, .text = text});
}

static void give_call(const struct json_doc *doc, uint32_t content, uint32_t call, struct event_sink sink) {
  sink.on_event(sink.context, &(struct event){.kind = EVENT_CALL,
                                              .call = call,
                                              .id = decode_member(doc, content, STR("id")),
                                              .name = decode_member(doc, content, STR("name"))});
}

// Only what can be looked up is a source to a chat client; places inside a document it sent itself are not.
static void give_citation(const struct json_doc *doc, uint32_t citation, uint32_t block, struct event_sink sink) {
  struct str url = decode_member(doc, citation, STR("url"));
  if (!url.len) url = decode_member(doc, citation, STR("source"));
  bool web = str_starts(url, STR("http://")) || str_starts(url, STR("https://"));
  if (!web) return;
  struct event event = {.kind = EVENT_CITATION, .block = block, .url = url, .json = json_raw(doc, citation)};
  event.title = decode_member(doc, citation, STR("title"));
  sink.on_event(sink.context, &event);
}

static void give_citations(const struct json_doc *doc, uint32_t citations, uint32_t block, struct event_sink sink) {
  for (uint32_t c = json_first(doc, citations); c != JSON_NONE; c = json_next(doc, citations, c))
    give_citation(doc, c, block, sink);
}

// What a block holds from the start: all of it in a whole reply, mostly nothing in a stream. The kind of the block.
static enum block_kind block_begin(const struct json_doc *doc, uint32_t content, uint32_t number, uint32_t call,
                                   struct event_sink sink) {
  struct str type = decode_member(doc, content, STR("type"));
  if (str_eq(type, STR("text"))) {
    give_text(EVENT_TEXT, number, decode_member(doc, content, STR("text")), sink);
    uint32_t citations = json_get(doc, content, STR("citations"));
    if (json_is(doc, citations, JSON_ARRAY)) give_citations(doc, citations, number, sink);
    return BLOCK_TEXT;
  }
  if (str_eq(type, STR("thinking"))) {
    give_text(EVENT_REASONING, number, decode_member(doc, content, STR("thinking")), sink);
    give_text(EVENT_SIGNATURE, number, decode_member(doc, content, STR("signature")), sink);
    return BLOCK_THINKING;
  }
  if (str_eq(type, STR("redacted_thinking"))) {
    give_text(EVENT_ENCRYPTED, number, decode_member(doc, content, STR("data")), sink);
    return BLOCK_OTHER;
  }
  if (!str_eq(type, STR("tool_use"))) return BLOCK_OTHER;  // server-side tools and what may come
  give_call(doc, content, call, sink);
  return BLOCK_CALL;
}

static void call_end(uint32_t call, bool has_arguments, struct event_sink sink) {
  if (!has_arguments) give_arguments(call, STR("{}"), sink);
  sink.on_event(sink.context, &(struct event){.kind = EVENT_CALL_END, .call = call});
}

// --- whole replies ---

// A tool's input, which is an object here, as the inside of a string. Some hosts give a string when it was no JSON.
static bool whole_arguments(const struct json_doc *doc, uint32_t input, uint32_t call, struct event_sink sink) {
  struct buf text;
  bool has = json_first(doc, input) != JSON_NONE || json_is(doc, input, JSON_STRING);
  if (json_is(doc, input, JSON_STRING)) {
    give_arguments(call, decode_inside(doc, input), sink);
    has = decode_inside(doc, input).len != 0;
  } else if (has) {
    buf_init(&text, ARGUMENTS_MAX);
    json_write_str(&text, json_raw(doc, input));
    bool ok = !text.failed;
    if (ok) give_arguments(call, str_from(text.ptr + 1, text.len - 2), sink);
    buf_free(&text);
    if (!ok) return false;
  }
  call_end(call, has, sink);
  return true;
}

static bool whole_content(const struct json_doc *doc, uint32_t content, bool *called, struct event_sink sink) {
  uint32_t number = 0, calls = 0;
  for (uint32_t b = json_first(doc, content); b != JSON_NONE; b = json_next(doc, content, b), number++) {
    if (block_begin(doc, b, number, calls, sink) != BLOCK_CALL) continue;
    if (!whole_arguments(doc, json_get(doc, b, STR("input")), calls++, sink)) return false;
  }
  *called = calls != 0;
  return true;
}

static bool whole(const struct json_doc *doc, struct event_sink sink, struct decode_failure *failure) {
  uint32_t error = json_get(doc, 0, STR("error")), content = json_get(doc, 0, STR("content"));
  if (json_is(doc, error, JSON_OBJECT)) return error_read(doc, error, 0, failure), false;
  if (!json_is(doc, content, JSON_ARRAY))
    return decode_fail(failure, FAULT_UPSTREAM_INVALID, STR("The provider's answer is JSON, but no message.")), false;
  bool called;
  struct counts counts = {0};
  sink.on_event(sink.context, &(struct event){.kind = EVENT_BEGIN,
                                              .id = decode_member(doc, 0, STR("id")),
                                              .model = decode_member(doc, 0, STR("model"))});
  if (!whole_content(doc, content, &called, sink))
    return decode_fail(failure, FAULT_INTERNAL, STR("Out of memory.")), false;
  finish_give(decode_member(doc, 0, STR("stop_reason")), called, sink);
  counts_read(&counts, doc, json_get(doc, 0, STR("usage")));
  usage_give(&counts, sink);
  return true;
}

bool anthropic_reply(struct str body, struct event_sink sink, struct decode_failure *failure) {
  struct json_doc doc = {0};
  enum json_error error = json_parse(&doc, body, 5);
  bool ok = false;
  if (error == JSON_OK && json_is(&doc, 0, JSON_OBJECT))
    ok = whole(&doc, sink, failure);
  else if (error == JSON_NO_MEMORY)
    decode_fail(failure, FAULT_INTERNAL, STR("Out of memory."));
  else
    decode_fail(failure, FAULT_UPSTREAM_INVALID, STR("The provider's answer is not a JSON object."));
  json_doc_free(&doc);
  return ok;
}

// --- streams ---

struct anthropic_stream {
  struct event_sink sink;
  struct json_doc doc;  // its memory is used again for each event
  struct counts counts;
  struct block *blocks;
  uint32_t block_count, calls;
  bool begun, finished;
  char id[64];  // of message_start: another one means that two answers were mixed
};

struct anthropic_stream *anthropic_stream_new(struct event_sink sink) {
  struct anthropic_stream *s = calloc(1, sizeof *s);
  if (s) s->sink = sink;
  return s;
}

void anthropic_stream_drop(struct anthropic_stream *s) {
  if (!s) return;
  json_doc_free(&s->doc);
  free(s->blocks);
  free(s);
}

static enum decode_result on_message_start(struct anthropic_stream *s, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t message = json_get(doc, 0, STR("message"));
  struct str id = decode_member(doc, message, STR("id"));
  size_t n = id.len < sizeof s->id - 1 ? id.len : sizeof s->id - 1;
  if (s->begun) {
    if (str_eq(str_from_cstr(s->id), str_from(id.ptr, n))) return DECODE_MORE;  // the same once more
    return decode_refuse(failure, "The provider mixed two answers into one stream.");
  }
  s->begun = true;
  if (n) memcpy(s->id, id.ptr, n);
  counts_read(&s->counts, doc, json_get(doc, message, STR("usage")));
  struct event begin = {.kind = EVENT_BEGIN, .id = id, .model = decode_member(doc, message, STR("model"))};
  s->sink.on_event(s->sink.context, &begin);
  return DECODE_MORE;
}

// The block an event is about; NULL: it names none that is open.
static struct block *block_of(struct anthropic_stream *s, uint64_t *number) {
  if (!json_u64(&s->doc, json_get(&s->doc, 0, STR("index")), BLOCKS_MAX, number)) return NULL;
  return *number < s->block_count && s->blocks[*number].open ? &s->blocks[*number] : NULL;
}

static bool blocks_reserve(struct anthropic_stream *s, uint64_t number) {
  if (number < s->block_count) return true;
  uint32_t count = (uint32_t)number + 8;
  struct block *grown = realloc(s->blocks, count * sizeof *grown);
  if (!grown) return false;
  memset(grown + s->block_count, 0, (count - s->block_count) * sizeof *grown);
  s->blocks = grown;
  s->block_count = count;
  return true;
}

static enum decode_result on_block_start(struct anthropic_stream *s, struct decode_failure *failure) {
  uint64_t number;
  if (block_of(s, &number)) return decode_refuse(failure, "The provider began a part of its answer twice.");
  if (!json_u64(&s->doc, json_get(&s->doc, 0, STR("index")), BLOCKS_MAX, &number))
    return decode_refuse(failure, "The provider's answer has a part without a number.");
  if (!blocks_reserve(s, number)) return decode_fail(failure, FAULT_INTERNAL, STR("Out of memory.")), DECODE_FAILED;
  uint32_t content = json_get(&s->doc, 0, STR("content_block"));
  struct block *b = &s->blocks[number];
  *b = (struct block){.open = true, .call = s->calls};
  b->kind = block_begin(&s->doc, content, (uint32_t)number, s->calls, s->sink);
  if (b->kind != BLOCK_CALL) return DECODE_MORE;
  s->calls++;
  // A stream's input comes in pieces; some hosts give all of it here.
  uint32_t input = json_get(&s->doc, content, STR("input"));
  if (json_first(&s->doc, input) == JSON_NONE) return DECODE_MORE;
  struct buf text;
  buf_init(&text, ARGUMENTS_MAX);
  json_write_str(&text, json_raw(&s->doc, input));
  if (!text.failed) give_arguments(b->call, str_from(text.ptr + 1, text.len - 2), s->sink);
  b->has_arguments = true;
  buf_free(&text);
  return DECODE_MORE;
}

static void on_block_delta(struct anthropic_stream *s) {
  const struct json_doc *doc = &s->doc;
  uint64_t number;
  struct block *b = block_of(s, &number);
  uint32_t delta = json_get(doc, 0, STR("delta"));
  if (!b) return;
  if (b->kind == BLOCK_TEXT) {
    give_text(EVENT_TEXT, (uint32_t)number, decode_member(doc, delta, STR("text")), s->sink);
    uint32_t citation = json_get(doc, delta, STR("citation"));
    if (json_is(doc, citation, JSON_OBJECT)) give_citation(doc, citation, (uint32_t)number, s->sink);
  } else if (b->kind == BLOCK_THINKING) {
    give_text(EVENT_REASONING, (uint32_t)number, decode_member(doc, delta, STR("thinking")), s->sink);
    give_text(EVENT_SIGNATURE, (uint32_t)number, decode_member(doc, delta, STR("signature")), s->sink);
  } else if (b->kind == BLOCK_CALL) {
    struct str piece = decode_member(doc, delta, STR("partial_json"));
    b->has_arguments |= piece.len != 0;
    give_arguments(b->call, piece, s->sink);
  }
}

static void on_block_stop(struct anthropic_stream *s) {
  uint64_t number;
  struct block *b = block_of(s, &number);
  if (!b) return;
  b->open = false;
  if (b->kind == BLOCK_CALL) call_end(b->call, b->has_arguments, s->sink);
}

static void on_message_delta(struct anthropic_stream *s) {
  const struct json_doc *doc = &s->doc;
  struct str reason = decode_member(doc, json_get(doc, 0, STR("delta")), STR("stop_reason"));
  counts_read(&s->counts, doc, json_get(doc, 0, STR("usage")));
  if (!reason.len || s->finished) return;
  s->finished = true;
  finish_give(reason, s->calls != 0, s->sink);
}

static enum decode_result on_message_stop(struct anthropic_stream *s, struct decode_failure *failure) {
  if (!s->begun) return decode_refuse(failure, "The provider ended an answer that it had not begun.");
  if (!s->finished) finish_give((struct str){0}, s->calls != 0, s->sink);
  usage_give(&s->counts, s->sink);
  return DECODE_DONE;
}

enum decode_result anthropic_stream_event(struct anthropic_stream *s, struct str data, struct decode_failure *failure) {
  struct json_doc *doc = &s->doc;
  enum json_error error = json_parse(doc, data, 4);
  if (error == JSON_NO_MEMORY) return decode_fail(failure, FAULT_INTERNAL, STR("Out of memory.")), DECODE_FAILED;
  if (error != JSON_OK || !json_is(doc, 0, JSON_OBJECT))
    return decode_refuse(failure, "The provider's stream has an event that is no JSON object.");
  struct str type = decode_member(doc, 0, STR("type"));
  if (str_eq(type, STR("content_block_delta"))) return on_block_delta(s), DECODE_MORE;
  if (str_eq(type, STR("content_block_start"))) return on_block_start(s, failure);
  if (str_eq(type, STR("content_block_stop"))) return on_block_stop(s), DECODE_MORE;
  if (str_eq(type, STR("message_start"))) return on_message_start(s, failure);
  if (str_eq(type, STR("message_delta"))) return on_message_delta(s), DECODE_MORE;
  if (str_eq(type, STR("message_stop"))) return on_message_stop(s, failure);
  if (str_eq(type, STR("error"))) {
    error_read(doc, json_get(doc, 0, STR("error")), 0, failure);
    return DECODE_FAILED;
  }
  return DECODE_MORE;  // ping, and kinds that may come
}
