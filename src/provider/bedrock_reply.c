#include "provider/bedrock_reply.h"

#include <stdlib.h>
#include <string.h>

#include "provider/decode.h"

enum { BLOCKS_MAX = 4096 };

// --- errors ---

static enum fault fault_of_type(struct str type, enum fault otherwise) {
  static const struct {
    const char *type;
    enum fault fault;
  } rows[] = {{"AccessDeniedException", FAULT_UPSTREAM_AUTH},
              {"UnrecognizedClientException", FAULT_UPSTREAM_AUTH},
              {"InvalidSignatureException", FAULT_UPSTREAM_AUTH},
              {"ExpiredTokenException", FAULT_UPSTREAM_AUTH},
              {"IncompleteSignatureException", FAULT_UPSTREAM_AUTH},
              {"IncompleteSignature", FAULT_UPSTREAM_AUTH},
              {"MissingAuthenticationToken", FAULT_UPSTREAM_AUTH},
              {"MissingAuthenticationTokenException", FAULT_UPSTREAM_AUTH},
              {"ValidationException", FAULT_BAD_REQUEST},
              {"ResourceNotFoundException", FAULT_UPSTREAM_MODEL},
              {"ServiceQuotaExceededException", FAULT_UPSTREAM_BILLING},
              {"ThrottlingException", FAULT_UPSTREAM_RATE},
              {"ModelNotReadyException", FAULT_UPSTREAM_OVERLOAD},
              {"ModelTimeoutException", FAULT_TIMEOUT},
              {"ModelErrorException", FAULT_UPSTREAM_ERROR},
              {"ModelStreamErrorException", FAULT_UPSTREAM_ERROR},
              {"InternalServerException", FAULT_UPSTREAM_ERROR},
              {"ServiceUnavailableException", FAULT_UPSTREAM_OVERLOAD}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq_nocase(type, str_from_cstr(rows[i].type))) return rows[i].fault;
  return otherwise;
}

// "Name:http://…" and "namespace#Name".
static struct str type_alone(struct str type) {
  size_t hash = str_find_char(type, '#', 0);
  if (hash != SIZE_MAX) type = str_skip(type, hash + 1);
  size_t colon = str_find_char(type, ':', 0);
  return colon == SIZE_MAX ? type : str_from(type.ptr, colon);
}

static bool says(struct str message, const char *words) {
  return str_find(message, str_from_cstr(words), 0) != SIZE_MAX;
}

void bedrock_error(unsigned status, struct str type, struct str body, struct decode_failure *failure) {
  struct json_doc doc = {0};
  bool json = json_parse(&doc, body, 3) == JSON_OK;
  uint32_t message = json ? json_get(&doc, 0, STR("message")) : JSON_NONE;
  if (json && message == JSON_NONE) message = json_get(&doc, 0, STR("Message"));
  type = type_alone(type);
  if (!type.len && json) type = type_alone(decode_member(&doc, 0, STR("__type")));
  if (!type.len && json) type = type_alone(decode_member(&doc, json_get(&doc, 0, STR("Output")), STR("__type")));
  enum fault fault = status ? fault_of_status(status) : FAULT_UPSTREAM_ERROR;
  if (status == 424) fault = FAULT_UPSTREAM_ERROR;
  fault = fault_of_type(type, fault);
  struct str words = json ? decode_inside(&doc, message) : body;
  if (fault == FAULT_BAD_REQUEST && decode_is_context(words)) fault = FAULT_CONTEXT;
  if (fault == FAULT_BAD_REQUEST && (says(words, "model identifier is invalid") || says(words, "on-demand throughput")))
    fault = FAULT_UPSTREAM_MODEL;
  if (fault == FAULT_UPSTREAM_RATE && says(words, "per day")) fault = FAULT_UPSTREAM_BILLING;
  if (json)
    decode_fail_json(failure, fault, &doc, message);
  else
    decode_fail(failure, fault, status ? (struct str){0} : body);  // HTML of a proxy is nothing to show
  json_doc_free(&doc);
}

// --- blocks ---

struct block {
  uint8_t kind;
  bool has_arguments, open;
  uint32_t call;
};
enum block_kind { BLOCK_NONE, BLOCK_TEXT, BLOCK_REASONING, BLOCK_CALL, BLOCK_OTHER };

struct bedrock_stream {
  struct event_sink sink;
  struct json_doc doc;
  struct block *blocks;
  uint32_t block_count, calls;
  bool begun, stopped, metered;  // messageStop and metadata have come: both, in any order, are the end
  enum finish finish;
  char native[48];
};

static void give_encrypted(struct event_sink sink, uint32_t block, struct str data) {
  // The ID tells the one who sends it back that this is base64 of what Anthropic itself gives.
  if (data.len)
    decode_give(sink, (struct event){.kind = EVENT_ENCRYPTED, .block = block, .text = data, .id = STR("bedrock")});
}

static void give_citation(struct event_sink sink, const struct json_doc *doc, uint32_t citation, uint32_t block) {
  uint32_t location = json_get(doc, citation, STR("location"));
  struct str url = decode_member(doc, json_get(doc, location, STR("web")), STR("url"));
  if (!url.len) return;  // a place in a document of the client's own
  decode_give(sink, (struct event){.kind = EVENT_CITATION,
                                   .block = block,
                                   .url = url,
                                   .title = decode_member(doc, citation, STR("title")),
                                   .json = json_raw(doc, citation)});
}

static void give_call(struct event_sink sink, const struct json_doc *doc, uint32_t use, uint32_t call) {
  decode_give(sink, (struct event){.kind = EVENT_CALL,
                                   .call = call,
                                   .id = decode_member(doc, use, STR("toolUseId")),
                                   .name = decode_member(doc, use, STR("name"))});
}

static enum finish finish_of(struct str reason) {
  static const struct {
    const char *reason;
    enum finish finish;
  } rows[] = {{"tool_use", FINISH_TOOL_CALLS},
              {"max_tokens", FINISH_LENGTH},
              {"model_context_window_exceeded", FINISH_LENGTH},
              {"guardrail_intervened", FINISH_CONTENT_FILTER},
              {"content_filtered", FINISH_CONTENT_FILTER},
              {"malformed_model_output", FINISH_ERROR},
              {"malformed_tool_use", FINISH_ERROR}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq(reason, str_from_cstr(rows[i].reason))) return rows[i].finish;
  return FINISH_STOP;
}

static void give_finish(struct event_sink sink, enum finish finish, struct str native, bool called) {
  if (called && finish == FINISH_STOP) finish = FINISH_TOOL_CALLS;
  decode_give(sink, (struct event){.kind = EVENT_FINISH, .finish = finish, .native = native});
}

// What was read from and written to the cache stands beside inputTokens; llm/usage.h counts it inside.
static void give_usage(struct event_sink sink, const struct json_doc *doc, uint32_t usage) {
  if (!json_is(doc, usage, JSON_OBJECT)) return;
  uint64_t read = decode_count_or_0(doc, usage, STR("cacheReadInputTokens"));
  uint64_t written = decode_count_or_0(doc, usage, STR("cacheWriteInputTokens"));
  struct usage u = {.known = true, .cached = read, .cache_write = written};
  u.prompt = decode_count_or_0(doc, usage, STR("inputTokens")) + read + written;
  u.completion = decode_count_or_0(doc, usage, STR("outputTokens"));
  uint32_t details = json_get(doc, usage, STR("cacheDetails"));
  for (uint32_t d = json_is(doc, details, JSON_ARRAY) ? json_first(doc, details) : JSON_NONE; d != JSON_NONE;
       d = json_next(doc, details, d))
    if (json_string_is(doc, json_get(doc, d, STR("ttl")), STR("1h")))
      u.cache_write_1h += decode_count_or_0(doc, d, STR("inputTokens"));
  if (u.cache_write_1h > written) u.cache_write_1h = written;
  u.total = u.prompt + u.completion;
  decode_give(sink, (struct event){.kind = EVENT_USAGE, .usage = &u});
}

static void refuse_malformed(struct decode_failure *failure) {
  decode_fail(failure, FAULT_UPSTREAM_ERROR, STR("The provider's model wrote an answer that its own service refused."));
}

// --- whole replies ---

static bool whole_block(const struct json_doc *doc, uint32_t block, uint32_t number, uint32_t *calls,
                        struct event_sink sink) {
  uint32_t use = json_get(doc, block, STR("toolUse")), reasoning = json_get(doc, block, STR("reasoningContent"));
  uint32_t cited = json_get(doc, block, STR("citationsContent"));
  decode_give_text(sink, EVENT_TEXT, number, decode_member(doc, block, STR("text")));
  if (json_is(doc, reasoning, JSON_OBJECT)) {
    uint32_t text = json_get(doc, reasoning, STR("reasoningText"));
    decode_give_text(sink, EVENT_REASONING, number, decode_member(doc, text, STR("text")));
    decode_give_text(sink, EVENT_SIGNATURE, number, decode_member(doc, text, STR("signature")));
    give_encrypted(sink, number, decode_member(doc, reasoning, STR("redactedContent")));
  }
  if (json_is(doc, cited, JSON_OBJECT)) {
    uint32_t texts = json_get(doc, cited, STR("content")), citations = json_get(doc, cited, STR("citations"));
    for (uint32_t t = json_first(doc, texts); t != JSON_NONE; t = json_next(doc, texts, t))
      decode_give_text(sink, EVENT_TEXT, number, decode_member(doc, t, STR("text")));
    for (uint32_t c = json_first(doc, citations); c != JSON_NONE; c = json_next(doc, citations, c))
      give_citation(sink, doc, c, number);
  }
  if (!json_is(doc, use, JSON_OBJECT)) return true;
  if (json_string_is(doc, json_get(doc, use, STR("type")), STR("server_tool_use"))) return true;
  give_call(sink, doc, use, *calls);
  if (!decode_give_arguments_json(sink, *calls, doc, json_get(doc, use, STR("input")))) return false;
  decode_give(sink, (struct event){.kind = EVENT_CALL_END, .call = (*calls)++});
  return true;
}

bool bedrock_reply(struct str body, struct event_sink sink, struct decode_failure *failure) {
  struct json_doc doc = {0};
  bool ok = decode_parse(&doc, body, 8, failure);
  if (ok) {
    uint32_t message = json_get(&doc, json_get(&doc, 0, STR("output")), STR("message"));
    uint32_t content = json_get(&doc, message, STR("content")), number = 0, calls = 0;
    struct str reason = decode_member(&doc, 0, STR("stopReason"));
    enum finish finish = finish_of(reason);
    ok = json_is(&doc, content, JSON_ARRAY);
    if (!ok) {
      if (json_get(&doc, 0, STR("message")) != JSON_NONE)
        bedrock_error(0, (struct str){0}, body, failure);
      else
        decode_refuse(failure, "The provider's answer is JSON, but no message.");
    } else if (finish == FINISH_ERROR) {
      refuse_malformed(failure);
      ok = false;
    }
    if (ok) decode_give(sink, (struct event){.kind = EVENT_BEGIN});
    for (uint32_t b = json_first(&doc, content); ok && b != JSON_NONE; b = json_next(&doc, content, b))
      if (!whole_block(&doc, b, number++, &calls, sink)) ok = decode_no_memory(failure) != DECODE_FAILED;
    if (ok) {
      give_finish(sink, finish, reason, calls != 0);
      give_usage(sink, &doc, json_get(&doc, 0, STR("usage")));
    }
  }
  json_doc_free(&doc);
  return ok;
}

// --- streams ---

struct bedrock_stream *bedrock_stream_new(struct event_sink sink) {
  struct bedrock_stream *s = calloc(1, sizeof *s);
  if (s) s->sink = sink;
  return s;
}

void bedrock_stream_drop(struct bedrock_stream *s) {
  if (!s) return;
  json_doc_free(&s->doc);
  free(s->blocks);
  free(s);
}

// The block an event is about: text and reasoning begin with their first piece, without a word.
static struct block *block_of(struct bedrock_stream *s, uint32_t *number) {
  uint64_t n;
  if (!json_u64(&s->doc, json_get(&s->doc, 0, STR("contentBlockIndex")), BLOCKS_MAX, &n)) return NULL;
  *number = (uint32_t)n;
  if (n >= s->block_count) {
    uint32_t count = (uint32_t)n + 8;
    struct block *grown = realloc(s->blocks, count * sizeof *grown);
    if (!grown) return NULL;
    memset(grown + s->block_count, 0, (count - s->block_count) * sizeof *grown);
    s->blocks = grown;
    s->block_count = count;
  }
  return &s->blocks[n];
}

static enum decode_result on_start(struct bedrock_stream *s, struct decode_failure *failure) {
  uint32_t number, use = json_get(&s->doc, json_get(&s->doc, 0, STR("start")), STR("toolUse"));
  struct block *b = block_of(s, &number);
  if (!b) return decode_refuse(failure, "The provider's answer has a part without a number.");
  *b = (struct block){.open = true, .kind = BLOCK_OTHER};
  if (!json_is(&s->doc, use, JSON_OBJECT)) return DECODE_MORE;
  if (json_string_is(&s->doc, json_get(&s->doc, use, STR("type")), STR("server_tool_use"))) return DECODE_MORE;
  b->kind = BLOCK_CALL;
  b->call = s->calls++;
  give_call(s->sink, &s->doc, use, b->call);
  return DECODE_MORE;
}

static enum decode_result on_delta(struct bedrock_stream *s, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t number, delta = json_get(doc, 0, STR("delta"));
  struct block *b = block_of(s, &number);
  if (!b) return decode_refuse(failure, "The provider's answer has a part without a number.");
  uint32_t reasoning = json_get(doc, delta, STR("reasoningContent")), use = json_get(doc, delta, STR("toolUse"));
  uint32_t citation = json_get(doc, delta, STR("citation"));
  decode_give_text(s->sink, EVENT_TEXT, number, decode_member(doc, delta, STR("text")));
  decode_give_text(s->sink, EVENT_REASONING, number, decode_member(doc, reasoning, STR("text")));
  decode_give_text(s->sink, EVENT_SIGNATURE, number, decode_member(doc, reasoning, STR("signature")));
  give_encrypted(s->sink, number, decode_member(doc, reasoning, STR("redactedContent")));
  if (json_is(doc, citation, JSON_OBJECT)) give_citation(s->sink, doc, citation, number);
  if (!json_is(doc, use, JSON_OBJECT) || b->kind != BLOCK_CALL) return DECODE_MORE;
  struct str piece = decode_member(doc, use, STR("input"));
  b->has_arguments |= piece.len != 0;
  decode_give_arguments(s->sink, b->call, piece);
  return DECODE_MORE;
}

static void block_end(struct bedrock_stream *s, struct block *b) {
  if (b->kind == BLOCK_CALL && b->open) {
    if (!b->has_arguments) decode_give_arguments(s->sink, b->call, STR("{}"));
    decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = b->call});
  }
  b->open = false;
}

static enum decode_result on_message_stop(struct bedrock_stream *s, struct decode_failure *failure) {
  struct str reason = decode_member(&s->doc, 0, STR("stopReason"));
  decode_keep(s->native, sizeof s->native, reason);
  s->stopped = true;
  s->finish = finish_of(reason);
  if (s->finish != FINISH_ERROR) return DECODE_MORE;
  refuse_malformed(failure);
  return DECODE_FAILED;
}

static void settle(struct bedrock_stream *s) {
  for (uint32_t i = 0; i < s->block_count; i++) block_end(s, &s->blocks[i]);
  give_finish(s->sink, s->finish, str_from_cstr(s->native), s->calls != 0);
}

enum decode_result bedrock_stream_event(struct bedrock_stream *s, struct str type, struct str payload,
                                        struct decode_failure *failure) {
  if (!decode_parse(&s->doc, payload, 6, failure)) return DECODE_FAILED;
  if (!s->begun) decode_give(s->sink, (struct event){.kind = EVENT_BEGIN});
  s->begun = true;
  if (str_eq(type, STR("contentBlockDelta"))) return on_delta(s, failure);
  if (str_eq(type, STR("contentBlockStart"))) return on_start(s, failure);
  if (str_eq(type, STR("contentBlockStop"))) {
    uint32_t number;
    struct block *b = block_of(s, &number);
    if (b) block_end(s, b);
    return DECODE_MORE;
  }
  if (str_eq(type, STR("messageStop"))) {
    if (on_message_stop(s, failure) == DECODE_FAILED) return DECODE_FAILED;
  } else if (str_eq(type, STR("metadata"))) {
    give_usage(s->sink, &s->doc, json_get(&s->doc, 0, STR("usage")));
    s->metered = true;
  } else {
    return DECODE_MORE;
  }
  if (!s->stopped || !s->metered) return DECODE_MORE;
  settle(s);
  return DECODE_DONE;
}
