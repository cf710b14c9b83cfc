#include "provider/bedrock_reply.h"

#include <stdlib.h>
#include <string.h>

#include "provider/anthropic_reply.h"
#include "provider/bedrock_server_tools.h"
#include "provider/decode.h"
#include "provider/encode.h"

enum { BLOCKS_MAX = 4096, CITATIONS_MAX = 4 << 20 };

enum block_kind { BLOCK_NONE, BLOCK_CALL, BLOCK_SERVER_CALL, BLOCK_SERVER_RESULT, BLOCK_OTHER };

struct block {
  uint8_t kind;
  bool has_arguments, open;
  uint32_t call;       // of a call: its number; of a server's: its place in `tools`
  char image_type[8];  // of a picture: its format
};

struct bedrock_stream {
  struct event_sink sink;
  struct json_doc doc;
  struct block *blocks;
  uint32_t block_count, calls;
  bool begun, stopped, metered;  // messageStop and metadata have come: both, in any order, are the end
  enum finish finish;
  char native[48];
  struct bedrock_server_tools tools;
  struct buf citations;  // of block `cited`, with commas between them: they stand before the text they belong to
  uint32_t cited;
  // Of InvokeModel: Anthropic's own stream inside.
  struct anthropic_stream *claude;
  bool intervened, claude_finished;  // by a guardrail
};

// --- what whole replies and streams share ---

static void give_encrypted(struct event_sink sink, uint32_t block, struct str data) {
  // The ID tells the one who sends it back that this is base64 of what Anthropic itself gives.
  if (data.len)
    decode_give(sink, (struct event){.kind = EVENT_ENCRYPTED, .block = block, .text = data, .id = STR("bedrock")});
}

static bool is_web(struct str url) {
  return str_starts(url, STR("http://")) || str_starts(url, STR("https://"));
}

// What can be looked up is a source to a chat client; a place inside a document it sent itself is told as it is.
static bool give_citation(struct event_sink sink, const struct json_doc *doc, uint32_t citation, uint32_t block) {
  struct buf joined;
  uint32_t location = json_get(doc, citation, STR("location")), parts = json_get(doc, citation, STR("sourceContent"));
  struct str url = decode_member(doc, json_get(doc, location, STR("web")), STR("url"));
  if (!url.len) url = decode_member(doc, citation, STR("source"));
  if (!is_web(url)) url = decode_member(doc, json_get(doc, location, STR("searchResultLocation")), STR("source"));
  if (!is_web(url)) {
    decode_give(sink, (struct event){.kind = EVENT_CITATION, .block = block, .json = json_raw(doc, citation)});
    return true;
  }
  buf_init(&joined, CITATIONS_MAX);
  for (uint32_t p = json_is(doc, parts, JSON_ARRAY) ? json_first(doc, parts) : JSON_NONE; p != JSON_NONE;
       p = json_next(doc, parts, p))
    buf_str(&joined, decode_member(doc, p, STR("text")));
  bool ok = !joined.failed;
  if (ok)
    decode_give(sink, (struct event){.kind = EVENT_CITATION,
                                     .block = block,
                                     .url = url,
                                     .title = decode_member(doc, citation, STR("title")),
                                     .cited = buf_view(&joined),
                                     .json = json_raw(doc, citation)});
  buf_free(&joined);
  return ok;
}

static bool give_citations(struct event_sink sink, const struct json_doc *doc, uint32_t list, uint32_t block) {
  for (uint32_t c = json_is(doc, list, JSON_ARRAY) ? json_first(doc, list) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, list, c))
    if (!give_citation(sink, doc, c, block)) return false;
  return true;
}

static void give_call(struct event_sink sink, const struct json_doc *doc, uint32_t use, uint32_t call) {
  decode_give(sink, (struct event){.kind = EVENT_CALL,
                                   .call = call,
                                   .id = decode_member(doc, use, STR("toolUseId")),
                                   .name = decode_member(doc, use, STR("name"))});
}

static void give_image(struct event_sink sink, uint32_t block, struct str format, struct str bytes) {
  char type[24] = "image/png";
  if (format.len && format.len < 8) {
    memcpy(type + 6, format.ptr, format.len);
    type[6 + format.len] = 0;
  }
  if (bytes.len)
    decode_give(sink, (struct event){.kind = EVENT_IMAGE, .block = block, .name = str_from_cstr(type), .text = bytes});
}

static bool is_servers(const struct json_doc *doc, uint32_t use) {
  return json_string_is(doc, json_get(doc, use, STR("type")), STR("server_tool_use"));
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
              {"refusal", FINISH_CONTENT_FILTER},
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

// Some replies have a count under one of its two names only.
static uint64_t count_of(const struct json_doc *doc, uint32_t usage, struct str name, struct str twin) {
  uint64_t n;
  return decode_count(doc, usage, name, &n) ? n : decode_count_or_0(doc, usage, twin);
}

// How often the model looked things up in the web: each time costs.
static uint64_t searches_of(const struct bedrock_stream *s) {
  uint64_t n = 0;
  for (uint32_t i = 0; i < s->tools.count; i++) n += str_eq(buf_view(&s->tools.items[i].name), STR("nova_grounding"));
  return n;
}

// What was read from and written to the cache stands beside inputTokens; llm/usage.h counts it inside.
static void give_usage(struct bedrock_stream *s, uint32_t usage) {
  const struct json_doc *doc = &s->doc;
  if (!json_is(doc, usage, JSON_OBJECT)) return;
  uint64_t read = count_of(doc, usage, STR("cacheReadInputTokens"), STR("cacheReadInputTokenCount"));
  uint64_t written = count_of(doc, usage, STR("cacheWriteInputTokens"), STR("cacheWriteInputTokenCount"));
  uint64_t hour = 0, detailed = 0;
  uint32_t details = json_get(doc, usage, STR("cacheDetails"));
  for (uint32_t d = json_is(doc, details, JSON_ARRAY) ? json_first(doc, details) : JSON_NONE; d != JSON_NONE;
       d = json_next(doc, details, d)) {
    uint64_t n = decode_count_or_0(doc, d, STR("inputTokens"));
    if (json_string_is(doc, json_get(doc, d, STR("ttl")), STR("1h"))) hour += n;
    detailed += n;
  }
  if (!written) written = detailed;
  struct usage u = {.known = true, .cached = read, .cache_write = written, .web_searches = searches_of(s)};
  u.cache_write_1h = hour < written ? hour : written;
  u.prompt = count_of(doc, usage, STR("inputTokens"), STR("inputTokenCount")) + read + written;
  u.completion = count_of(doc, usage, STR("outputTokens"), STR("outputTokenCount"));
  u.total = u.prompt + u.completion;
  decode_give(s->sink, (struct event){.kind = EVENT_USAGE, .usage = &u});
}

static void refuse_malformed(struct decode_failure *failure) {
  decode_fail(failure, FAULT_UPSTREAM_ERROR, STR("The provider's model wrote an answer that its own service refused."));
}

// --- whole replies ---

static void whole_reasoning(struct event_sink sink, const struct json_doc *doc, uint32_t reasoning, uint32_t number) {
  uint32_t text = json_get(doc, reasoning, STR("reasoningText"));
  decode_give_text(sink, EVENT_REASONING, number, decode_member(doc, text, STR("text")));
  decode_give_text(sink, EVENT_SIGNATURE, number, decode_member(doc, text, STR("signature")));
  give_encrypted(sink, number, decode_member(doc, reasoning, STR("redactedContent")));
}

static bool whole_cited(struct event_sink sink, const struct json_doc *doc, uint32_t cited, uint32_t number) {
  uint32_t texts = json_get(doc, cited, STR("content"));
  for (uint32_t t = json_is(doc, texts, JSON_ARRAY) ? json_first(doc, texts) : JSON_NONE; t != JSON_NONE;
       t = json_next(doc, texts, t))
    decode_give_text(sink, EVENT_TEXT, number, decode_member(doc, t, STR("text")));
  return give_citations(sink, doc, json_get(doc, cited, STR("citations")), number);
}

static bool whole_server_call(struct bedrock_server_tools *tools, const struct json_doc *doc, uint32_t use) {
  struct bedrock_server_tool *tool =
      bedrock_server_tool_begin(tools, decode_member(doc, use, STR("toolUseId")), decode_member(doc, use, STR("name")));
  uint32_t input = json_get(doc, use, STR("input"));
  if (!tool) return false;
  struct buf text;
  buf_init(&text, tool->arguments.max);
  json_write_str(&text, json_raw(doc, input));
  if (!text.failed && json_is(doc, input, JSON_OBJECT)) buf_str(&tool->arguments, str_from(text.ptr + 1, text.len - 2));
  bool ok = !text.failed;
  buf_free(&text);
  return ok;
}

static bool whole_server_result(struct bedrock_server_tools *tools, const struct json_doc *doc, uint32_t result,
                                uint32_t number, struct event_sink sink) {
  struct bedrock_server_tool *tool = bedrock_server_tool_find(tools, decode_member(doc, result, STR("toolUseId")));
  if (!tool) return true;
  bedrock_server_tool_result(tool, doc, result);
  bedrock_server_tool_pieces(tool, doc, json_get(doc, result, STR("content")));
  return bedrock_server_tool_give(tool, number, sink);
}

static bool whole_block(struct bedrock_stream *s, uint32_t block, uint32_t number) {
  const struct json_doc *doc = &s->doc;
  uint32_t use = json_get(doc, block, STR("toolUse")), result = json_get(doc, block, STR("toolResult"));
  uint32_t image = json_get(doc, block, STR("image"));
  decode_give_text(s->sink, EVENT_TEXT, number, decode_member(doc, block, STR("text")));
  whole_reasoning(s->sink, doc, json_get(doc, block, STR("reasoningContent")), number);
  if (!whole_cited(s->sink, doc, json_get(doc, block, STR("citationsContent")), number)) return false;
  give_image(s->sink, number, decode_member(doc, image, STR("format")),
             decode_member(doc, json_get(doc, image, STR("source")), STR("bytes")));
  if (json_is(doc, result, JSON_OBJECT)) return whole_server_result(&s->tools, doc, result, number, s->sink);
  if (!json_is(doc, use, JSON_OBJECT)) return true;
  if (is_servers(doc, use)) return whole_server_call(&s->tools, doc, use);
  give_call(s->sink, doc, use, s->calls);
  if (!decode_give_arguments_json(s->sink, s->calls, doc, json_get(doc, use, STR("input")))) return false;
  decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = s->calls++});
  return true;
}

static bool give_server_tools(struct bedrock_stream *s) {
  for (uint32_t i = 0; i < s->tools.count; i++)
    if (!bedrock_server_tool_give(&s->tools.items[i], s->block_count, s->sink)) return false;
  return true;
}

static bool whole(struct bedrock_stream *s, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t content = json_get(doc, json_get(doc, json_get(doc, 0, STR("output")), STR("message")), STR("content"));
  struct str reason = decode_member(doc, 0, STR("stopReason"));
  enum finish finish = finish_of(reason);
  if (!json_is(doc, content, JSON_ARRAY)) {
    if (bedrock_is_error(doc))
      bedrock_error(0, (struct str){0}, doc->text, failure);
    else
      decode_refuse(failure, "The provider's answer is JSON, but no message.");
    return false;
  }
  if (finish == FINISH_ERROR) return refuse_malformed(failure), false;
  decode_give(s->sink, (struct event){.kind = EVENT_BEGIN});
  uint32_t number = 0;
  for (uint32_t b = json_first(doc, content); b != JSON_NONE; b = json_next(doc, content, b))
    if (!whole_block(s, b, number++)) return decode_no_memory(failure), false;
  s->block_count = number;
  if (!give_server_tools(s)) return decode_no_memory(failure), false;
  give_finish(s->sink, finish, reason, s->calls != 0);
  give_usage(s, json_get(doc, 0, STR("usage")));
  return true;
}

// --- Claude as Anthropic's own API has it, by InvokeModel ---

// A guardrail says last that it replaced the answer.
static void on_claude_event(void *context, const struct event *event) {
  struct bedrock_stream *s = context;
  if (event->kind != EVENT_FINISH) {
    decode_give(s->sink, *event);
    return;
  }
  s->finish = event->finish;
  s->claude_finished = true;
  decode_keep(s->native, sizeof s->native, event->native);
}

static void note_guardrail(struct bedrock_stream *s, const struct json_doc *doc) {
  if (json_string_is(doc, json_get(doc, 0, STR("amazon-bedrock-guardrailAction")), STR("INTERVENED")))
    s->intervened = true;
}

static void settle_claude(struct bedrock_stream *s) {
  struct event finish = {.kind = EVENT_FINISH, .finish = s->finish, .native = str_from_cstr(s->native)};
  if (s->intervened) {
    finish.finish = FINISH_CONTENT_FILTER;
    finish.native = STR("guardrail_intervened");
  }
  if (s->claude_finished) decode_give(s->sink, finish);
}

static bool is_claudes(const struct json_doc *doc) {
  return json_is(doc, json_get(doc, 0, STR("type")), JSON_STRING);
}

bool bedrock_reply(struct str body, struct event_sink sink, struct decode_failure *failure) {
  struct bedrock_stream s = {.sink = sink};
  bool ok = decode_parse(&s.doc, body, 10, failure);
  if (ok && is_claudes(&s.doc)) {
    note_guardrail(&s, &s.doc);
    ok = anthropic_reply(body, (struct event_sink){on_claude_event, &s}, failure);
    if (ok) settle_claude(&s);
  } else if (ok) {
    ok = whole(&s, failure);
  }
  json_doc_free(&s.doc);
  bedrock_server_tools_free(&s.tools);
  return ok;
}

// --- streams ---

struct bedrock_stream *bedrock_stream_new(struct event_sink sink) {
  struct bedrock_stream *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->sink = sink;
  buf_init(&s->citations, CITATIONS_MAX);
  return s;
}

void bedrock_stream_drop(struct bedrock_stream *s) {
  if (!s) return;
  json_doc_free(&s->doc);
  bedrock_server_tools_free(&s->tools);
  anthropic_stream_drop(s->claude);
  buf_free(&s->citations);
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

static enum decode_result no_block(struct decode_failure *failure) {
  return decode_refuse(failure, "The provider's answer has a part without a number.");
}

// Sources come before the text they are of; a client is told when that text is complete.
static bool flush_citations(struct bedrock_stream *s) {
  struct json_doc doc = {0};
  struct arena arena = {0};
  if (!s->citations.len && !s->citations.failed) return true;
  struct str list = arena_printf(&arena, "[%.*s]", STR_ARGS(buf_view(&s->citations)));
  bool ok = !s->citations.failed && list.ptr && json_parse(&doc, list, 5) == JSON_OK &&
            give_citations(s->sink, &doc, 0, s->cited);
  buf_clear(&s->citations);
  json_doc_free(&doc);
  arena_free(&arena);
  return ok;
}

static bool keep_citation(struct bedrock_stream *s, uint32_t citation, uint32_t number) {
  if (s->cited != number && !flush_citations(s)) return false;
  s->cited = number;
  if (s->citations.len) buf_char(&s->citations, ',');
  buf_str(&s->citations, json_raw(&s->doc, citation));
  return !s->citations.failed;
}

static enum decode_result start_result(struct bedrock_stream *s, struct block *b, uint32_t result) {
  struct bedrock_server_tool *tool =
      bedrock_server_tool_find(&s->tools, decode_member(&s->doc, result, STR("toolUseId")));
  if (!tool) return DECODE_MORE;
  bedrock_server_tool_result(tool, &s->doc, result);
  b->kind = BLOCK_SERVER_RESULT;
  b->call = (uint32_t)(tool - s->tools.items);
  return DECODE_MORE;
}

static enum decode_result start_use(struct bedrock_stream *s, struct block *b, uint32_t use,
                                    struct decode_failure *failure) {
  if (!is_servers(&s->doc, use)) {
    b->kind = BLOCK_CALL;
    b->call = s->calls++;
    give_call(s->sink, &s->doc, use, b->call);
    return DECODE_MORE;
  }
  struct bedrock_server_tool *tool = bedrock_server_tool_begin(&s->tools, decode_member(&s->doc, use, STR("toolUseId")),
                                                               decode_member(&s->doc, use, STR("name")));
  if (!tool) return decode_no_memory(failure);
  tool->streamed = true;
  b->kind = BLOCK_SERVER_CALL;
  b->call = s->tools.count - 1;
  return DECODE_MORE;
}

static enum decode_result on_start(struct bedrock_stream *s, struct decode_failure *failure) {
  uint32_t number, start = json_get(&s->doc, 0, STR("start")), use = json_get(&s->doc, start, STR("toolUse"));
  uint32_t result = json_get(&s->doc, start, STR("toolResult")), image = json_get(&s->doc, start, STR("image"));
  struct block *b = block_of(s, &number);
  if (!b) return no_block(failure);
  *b = (struct block){.open = true, .kind = BLOCK_OTHER};
  decode_keep(b->image_type, sizeof b->image_type, decode_member(&s->doc, image, STR("format")));
  if (json_is(&s->doc, use, JSON_OBJECT)) return start_use(s, b, use, failure);
  if (json_is(&s->doc, result, JSON_OBJECT)) return start_result(s, b, result);
  return DECODE_MORE;
}

static void delta_use(struct bedrock_stream *s, struct block *b, struct str piece) {
  if (b->kind == BLOCK_SERVER_CALL) buf_str(&s->tools.items[b->call].arguments, piece);
  if (b->kind != BLOCK_CALL) return;
  b->has_arguments |= piece.len != 0;
  decode_give_arguments(s->sink, b->call, piece);
}

static enum decode_result on_delta(struct bedrock_stream *s, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t number, delta = json_get(doc, 0, STR("delta"));
  struct block *b = block_of(s, &number);
  if (!b) return no_block(failure);
  uint32_t reasoning = json_get(doc, delta, STR("reasoningContent")), image = json_get(doc, delta, STR("image"));
  uint32_t citation = json_get(doc, delta, STR("citation"));
  if (s->citations.len && s->cited != number && !flush_citations(s)) return decode_no_memory(failure);
  decode_give_text(s->sink, EVENT_TEXT, number, decode_member(doc, delta, STR("text")));
  decode_give_text(s->sink, EVENT_REASONING, number, decode_member(doc, reasoning, STR("text")));
  decode_give_text(s->sink, EVENT_SIGNATURE, number, decode_member(doc, reasoning, STR("signature")));
  give_encrypted(s->sink, number, decode_member(doc, reasoning, STR("redactedContent")));
  give_image(s->sink, number, str_from_cstr(b->image_type),
             decode_member(doc, json_get(doc, image, STR("source")), STR("bytes")));
  delta_use(s, b, decode_member(doc, json_get(doc, delta, STR("toolUse")), STR("input")));
  if (b->kind == BLOCK_SERVER_RESULT)
    bedrock_server_tool_pieces(&s->tools.items[b->call], doc, json_get(doc, delta, STR("toolResult")));
  if (json_is(doc, citation, JSON_OBJECT) && !keep_citation(s, citation, number)) return decode_no_memory(failure);
  return DECODE_MORE;
}

static bool block_end(struct bedrock_stream *s, struct block *b, uint32_t number) {
  bool ok = true;
  if (b->kind == BLOCK_CALL && b->open) {
    if (!b->has_arguments) decode_give_arguments(s->sink, b->call, STR("{}"));
    decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = b->call});
  }
  if (b->kind == BLOCK_SERVER_RESULT && b->open)
    ok = bedrock_server_tool_give(&s->tools.items[b->call], number, s->sink);
  b->open = false;
  return ok && (s->cited != number || flush_citations(s));
}

static enum decode_result on_stop(struct bedrock_stream *s, struct decode_failure *failure) {
  uint32_t number;
  struct block *b = block_of(s, &number);
  if (!b || block_end(s, b, number)) return DECODE_MORE;
  return decode_no_memory(failure);
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

static enum decode_result settle(struct bedrock_stream *s, struct decode_failure *failure) {
  bool ok = true;
  for (uint32_t i = 0; i < s->block_count; i++) ok = block_end(s, &s->blocks[i], i) && ok;
  if (!ok || !flush_citations(s) || !give_server_tools(s)) return decode_no_memory(failure);
  give_finish(s->sink, s->finish, str_from_cstr(s->native), s->calls != 0);
  return DECODE_DONE;
}

// --- InvokeModelWithResponseStream: a native event in base64 ---

static enum decode_result converse_event(struct bedrock_stream *s, struct str type, struct str payload,
                                         struct decode_failure *failure);

// Anthropic's events name their type; Nova's are those of ConverseStream, by their only member.
static enum decode_result native_event(struct bedrock_stream *s, struct str text, struct decode_failure *failure) {
  if (!decode_parse(&s->doc, text, 1, failure)) return DECODE_FAILED;
  if (!is_claudes(&s->doc)) {
    uint32_t name = json_first(&s->doc, 0), value = json_next(&s->doc, 0, name);
    return converse_event(s, decode_inside(&s->doc, name), json_raw(&s->doc, value), failure);
  }
  note_guardrail(s, &s->doc);
  if (!s->claude) s->claude = anthropic_stream_new((struct event_sink){on_claude_event, s});
  if (!s->claude) return decode_no_memory(failure);
  enum decode_result result = anthropic_stream_event(s->claude, text, failure);
  if (result == DECODE_DONE) settle_claude(s);
  return result;
}

static enum decode_result on_chunk(struct bedrock_stream *s, struct decode_failure *failure) {
  struct arena arena = {0};
  struct str coded, text = {0};
  if (json_string(&s->doc, json_get(&s->doc, 0, STR("bytes")), &arena, &coded)) text = encode_unbase64(coded, &arena);
  enum decode_result result = arena.failed ? decode_no_memory(failure)
                              : text.ptr   ? native_event(s, text, failure)
                                           : decode_refuse(failure, "The provider's answer has a piece without bytes.");
  arena_free(&arena);
  return result;
}

// --- all events ---

static enum decode_result on_metadata(struct bedrock_stream *s, struct decode_failure *failure) {
  (void)failure;
  give_usage(s, json_get(&s->doc, 0, STR("usage")));
  s->metered = true;
  return DECODE_MORE;
}

static enum decode_result on_message_start(struct bedrock_stream *s, struct decode_failure *failure) {
  (void)s;
  (void)failure;
  return DECODE_MORE;
}

typedef enum decode_result event_handler(struct bedrock_stream *s, struct decode_failure *failure);

static event_handler *handler_of(struct str type) {
  static const struct {
    const char *type;
    event_handler *handler;
  } rows[] = {{"contentBlockDelta", on_delta},    {"contentBlockStart", on_start},  {"contentBlockStop", on_stop},
              {"messageStart", on_message_start}, {"messageStop", on_message_stop}, {"metadata", on_metadata}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq(type, str_from_cstr(rows[i].type))) return rows[i].handler;
  return NULL;
}

static enum decode_result converse_event(struct bedrock_stream *s, struct str type, struct str payload,
                                         struct decode_failure *failure) {
  event_handler *handler = handler_of(type);
  if (!handler) return DECODE_MORE;  // initial-response, and what may come; whatever it holds
  if (!decode_parse(&s->doc, payload, 6, failure)) return DECODE_FAILED;
  if (!s->begun) decode_give(s->sink, (struct event){.kind = EVENT_BEGIN});
  s->begun = true;
  if (handler(s, failure) == DECODE_FAILED) return DECODE_FAILED;
  return s->stopped && s->metered ? settle(s, failure) : DECODE_MORE;
}

enum decode_result bedrock_stream_event(struct bedrock_stream *s, struct str type, struct str payload,
                                        struct decode_failure *failure) {
  if (!str_eq(type, STR("chunk"))) return converse_event(s, type, payload, failure);
  if (!decode_parse(&s->doc, payload, 1, failure)) return DECODE_FAILED;
  return on_chunk(s, failure);
}
