// What a whole response and the events of a stream say; what they say of the output's items is in responses_items.c.
#include "provider/responses_reply.h"

#include <stdlib.h>

#include "provider/decode.h"
#include "provider/responses_error.h"
#include "provider/responses_items.h"

enum { EVENT_DEPTH = 8, REPLY_DEPTH = 7, DEPTH_MAX = 64 };

struct responses_stream {
  struct responses_items items;
  struct json_doc doc;
  struct buf mended;
  bool begun;
};

// --- the response ---

static uint64_t searches_of(const struct json_doc *doc, uint32_t response, uint32_t usage) {
  uint64_t n;
  uint32_t tools = json_get(doc, response, STR("tool_usage"));
  if (decode_count(doc, json_get(doc, tools, STR("web_search")), STR("num_requests"), &n)) return n;
  // xAI's
  if (decode_count(doc, json_get(doc, usage, STR("server_side_tool_usage_details")), STR("web_search_calls"), &n))
    return n;
  return UINT64_MAX;
}

static void give_usage(struct responses_stream *s, uint32_t response) {
  const struct json_doc *doc = &s->doc;
  uint32_t usage = json_get(doc, response, STR("usage"));
  uint32_t in = json_get(doc, usage, STR("input_tokens_details")),
           out = json_get(doc, usage, STR("output_tokens_details"));
  if (!json_is(doc, usage, JSON_OBJECT)) return;
  struct usage u = {.known = true,
                    .prompt = decode_count_or_0(doc, usage, STR("input_tokens")),
                    .completion = decode_count_or_0(doc, usage, STR("output_tokens")),
                    .total = decode_count_or_0(doc, usage, STR("total_tokens")),
                    .cached = decode_count_or_0(doc, in, STR("cached_tokens")),
                    .cache_write = decode_count_or_0(doc, in, STR("cache_write_tokens")),
                    .audio_prompt = decode_count_or_0(doc, in, STR("audio_tokens")),
                    .image_prompt = decode_count_or_0(doc, in, STR("image_tokens")),
                    .reasoning = decode_count_or_0(doc, out, STR("reasoning_tokens")),
                    .audio_completion = decode_count_or_0(doc, out, STR("audio_tokens")),
                    .image_completion = decode_count_or_0(doc, out, STR("image_tokens")),
                    .web_searches = searches_of(doc, response, usage)};
  if (u.web_searches == UINT64_MAX) u.web_searches = s->items.searches;
  // The total tells that the cached stand beside the rest.
  bool outside = u.cached > u.prompt && u.total == u.prompt + u.cached + u.completion;
  usage_settle(&u, outside ? USAGE_CACHED_OUTSIDE : 0);
  decode_give(s->items.sink, (struct event){.kind = EVENT_USAGE, .usage = &u});
}

static void begin(struct responses_stream *s, uint32_t response) {
  if (s->begun) return;
  s->begun = true;
  decode_give(s->items.sink, (struct event){.kind = EVENT_BEGIN,
                                            .id = decode_member(&s->doc, response, STR("id")),
                                            .model = decode_member(&s->doc, response, STR("model"))});
}

// Is an error told: an object, or a text?
static bool is_error(const struct json_doc *doc, uint32_t error) {
  return json_is(doc, error, JSON_OBJECT) || decode_inside(doc, error).len;
}

static enum decode_result fail(struct responses_stream *s, uint32_t response, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t error = json_get(doc, response, STR("error"));
  uint32_t holder = is_error(doc, error) ? response : 0;
  if (!holder) error = json_get(doc, 0, STR("error"));
  responses_error_inside(doc, holder, is_error(doc, error) ? error : holder, failure);
  return DECODE_FAILED;
}

static bool has_items(const struct json_doc *doc, uint32_t output) {
  return json_is(doc, output, JSON_ARRAY) && json_first(doc, output) != JSON_NONE;
}

// A response that has ended: what its items still lack, finish, usage.
static enum decode_result finish(struct responses_stream *s, uint32_t response, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t output = json_get(doc, response, STR("output"));
  struct str status = decode_member(doc, response, STR("status"));
  if (is_error(doc, json_get(doc, response, STR("error"))) || str_eq(status, STR("failed")))
    return fail(s, response, failure);
  bool waiting = str_eq(status, STR("queued")) || str_eq(status, STR("in_progress"));
  if (str_eq(status, STR("cancelled")) || (waiting && !s->items.count && !has_items(doc, output))) {
    decode_fail(failure, FAULT_UPSTREAM_ERROR, STR("The provider has ended without an answer."));
    return DECODE_FAILED;
  }
  responses_items_end(&s->items, output);
  if (s->items.no_memory) return decode_no_memory(failure);
  struct str reason = decode_member(doc, json_get(doc, response, STR("incomplete_details")), STR("reason"));
  enum finish end = s->items.calls ? FINISH_TOOL_CALLS : FINISH_STOP;
  if (str_eq(reason, STR("content_filter")))
    end = FINISH_CONTENT_FILTER;
  else if (reason.len || str_eq(status, STR("incomplete")))
    end = FINISH_LENGTH;
  decode_give(s->items.sink,
              (struct event){.kind = EVENT_FINISH, .finish = end, .native = reason.len ? reason : status});
  give_usage(s, response);
  return DECODE_DONE;
}

static void stream_init(struct responses_stream *s, struct event_sink sink, bool serves_custom) {
  responses_items_init(&s->items, sink);
  s->items.serves_custom = serves_custom;
  s->items.doc = &s->doc;
  buf_init(&s->mended, 64 << 20);
}

static void stream_free(struct responses_stream *s) {
  json_doc_free(&s->doc);
  responses_items_free(&s->items);
  buf_free(&s->mended);
}

bool responses_reply(struct str body, bool serves_custom, struct event_sink sink, struct decode_failure *failure) {
  struct responses_stream s = {0};
  stream_init(&s, sink, serves_custom);
  bool ok = decode_parse(&s.doc, body, REPLY_DEPTH, failure);
  uint32_t error = ok ? json_get(&s.doc, 0, STR("error")) : JSON_NONE;
  if (ok && is_error(&s.doc, error)) {
    fail(&s, 0, failure);
    ok = false;
  } else if (ok && json_get(&s.doc, 0, STR("choices")) != JSON_NONE) {
    decode_refuse(failure, "The provider answered with a chat completion: it does not speak the Responses API.");
    ok = false;
  } else if (ok && !json_is(&s.doc, json_get(&s.doc, 0, STR("output")), JSON_ARRAY)) {
    decode_refuse(failure, "The provider's answer is JSON, but no response.");
    ok = false;
  }
  if (ok) {
    begin(&s, 0);
    ok = finish(&s, 0, failure) == DECODE_DONE;
  }
  stream_free(&s);
  return ok;
}

// --- streams ---

struct responses_stream *responses_stream_new(struct event_sink sink, bool serves_custom) {
  struct responses_stream *s = calloc(1, sizeof *s);
  if (s) stream_init(s, sink, serves_custom);
  return s;
}

void responses_stream_drop(struct responses_stream *s) {
  if (!s) return;
  stream_free(s);
  free(s);
}

enum action {
  PASS,  // nothing in it that is needed, or that is not told again
  CREATED,
  ENDED,
  FAILED,
  ADDED,
  DONE,
  ANNOTATION,
  PIECE,  // of a text, in `delta`
  WHOLE,  // of a text, in the member named
  PART,   // the same, inside `part`
};

static const struct row {
  const char *type;
  uint8_t action, what;  // what: of PIECE, WHOLE and PART
  const char *member;
} rows[] = {
    {"response.output_text.delta", PIECE, RESPONSES_TEXT, "delta"},
    {"response.function_call_arguments.delta", PIECE, RESPONSES_ARGUMENTS, "delta"},
    {"response.reasoning_summary_text.delta", PIECE, RESPONSES_SUMMARY, "delta"},
    {"response.reasoning_text.delta", PIECE, RESPONSES_REASONING, "delta"},
    {"response.custom_tool_call_input.delta", PIECE, RESPONSES_ARGUMENTS, "delta"},
    {"response.refusal.delta", PIECE, RESPONSES_REFUSAL, "delta"},
    {"response.output_text.done", WHOLE, RESPONSES_TEXT, "text"},
    {"response.refusal.done", WHOLE, RESPONSES_REFUSAL, "refusal"},
    {"response.function_call_arguments.done", WHOLE, RESPONSES_ARGUMENTS, "arguments"},
    {"response.custom_tool_call_input.done", WHOLE, RESPONSES_ARGUMENTS, "input"},
    {"response.reasoning_summary_text.done", WHOLE, RESPONSES_SUMMARY, "text"},
    {"response.reasoning_text.done", WHOLE, RESPONSES_REASONING, "text"},
    {"response.reasoning_summary_part.done", PART, RESPONSES_SUMMARY, "text"},
    {"response.content_part.done", PART, RESPONSES_TEXT, "text"},
    {"response.output_item.added", ADDED, 0, NULL},
    {"response.output_item.done", DONE, 0, NULL},
    {"response.output_text.annotation.added", ANNOTATION, 0, NULL},
    {"response.created", CREATED, 0, NULL},
    {"response.completed", ENDED, 0, NULL},
    {"response.incomplete", ENDED, 0, NULL},
    {"response.cancelled", ENDED, 0, NULL},
    {"response.done", ENDED, 0, NULL},
    {"response.failed", FAILED, 0, NULL},
    {"response.error", FAILED, 0, NULL},
    {"error", FAILED, 0, NULL},
    // older names
    {"response.reasoning.delta", PIECE, RESPONSES_REASONING, "delta"},
    {"response.reasoning.done", WHOLE, RESPONSES_REASONING, "text"},
    {"response.output_text_annotation.added", ANNOTATION, 0, NULL},
};

static const struct row *row_of(struct str type) {
  static const struct row other = {"", PASS, 0, NULL};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq(type, str_from_cstr(rows[i].type))) return &rows[i];
  return &other;
}

// Events whose name says that nothing in them is needed: they are not even read, so they may hold anything.
static bool is_idle(struct str type) {
  static const char *const names[] = {"ping", "keepalive", "keep-alive", "heartbeat"};
  if (str_starts(type, STR("response."))) return row_of(type)->action == PASS;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (str_eq(type, str_from_cstr(names[i]))) return true;
  return false;
}

// An event that ended in order, by its blank line, but lacks brackets at its end means what it would with them: some
// services drop the last one. Nothing else is mended: a text or number that is cut stays an error.
static enum json_error parse_mended(struct responses_stream *s, struct str data) {
  char open[DEPTH_MAX];
  unsigned depth = 0;
  bool string = false;
  for (size_t i = 0; i < data.len; i++) {
    char c = data.ptr[i];
    if (c == '"') string = !string;
    if (string && c == '\\') i++;
    if (string) continue;
    if ((c == '{' || c == '[') && depth == DEPTH_MAX) return JSON_TOO_DEEP;
    if (c == '{' || c == '[') open[depth++] = c;
    if ((c == '}' || c == ']') && !depth--) return JSON_BAD_SYNTAX;
  }
  buf_clear(&s->mended);
  buf_str(&s->mended, data);
  while (depth && !string) buf_char(&s->mended, open[--depth] == '{' ? '}' : ']');
  return s->mended.failed ? JSON_NO_MEMORY : json_parse(&s->doc, buf_view(&s->mended), EVENT_DEPTH);
}

static bool parse(struct responses_stream *s, struct str data, struct decode_failure *failure) {
  enum json_error error = json_parse(&s->doc, data, EVENT_DEPTH);
  if (error == JSON_TRUNCATED) error = parse_mended(s, data);
  if (error == JSON_OK && json_is(&s->doc, 0, JSON_OBJECT)) return true;
  if (error == JSON_NO_MEMORY)
    decode_no_memory(failure);
  else
    decode_refuse(failure, "An event of the provider's stream is not a JSON object.");
  return false;
}

static enum decode_result take(struct responses_stream *s, const struct row *row, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  enum responses_telling what = (enum responses_telling)row->what;
  uint32_t response = json_get(doc, 0, STR("response")), part = json_get(doc, 0, STR("part"));
  bool refusal = json_string_is(doc, json_get(doc, part, STR("type")), STR("refusal"));
  bool reasoning = json_string_is(doc, json_get(doc, part, STR("type")), STR("reasoning_text"));
  switch ((enum action)row->action) {
    case CREATED: begin(s, response); break;
    case ENDED:
      if (response == JSON_NONE) response = 0;
      begin(s, response);
      return finish(s, response, failure);
    case FAILED: return fail(s, response, failure);
    case ADDED: responses_item_added(&s->items, 0); break;
    case DONE: responses_item_done(&s->items, 0); break;
    case ANNOTATION: responses_item_annotation(&s->items, 0); break;
    case PIECE:
      responses_item_tell(&s->items, 0, what, decode_member(doc, 0, str_from_cstr(row->member)), false);
      break;
    case WHOLE: responses_item_tell(&s->items, 0, what, decode_member(doc, 0, str_from_cstr(row->member)), true); break;
    case PART:
      if (refusal || reasoning) what = refusal ? RESPONSES_REFUSAL : RESPONSES_REASONING;
      responses_item_tell(&s->items, 0, what, decode_member(doc, part, refusal ? STR("refusal") : STR("text")), true);
      break;
    case PASS:
      if (is_error(doc, json_get(doc, 0, STR("error")))) return fail(s, response, failure);
      if (json_string_is(doc, json_get(doc, 0, STR("object")), STR("chat.completion.chunk")))
        return decode_refuse(failure, "The provider answered with chat chunks: it does not speak the Responses API.");
      break;
  }
  return s->items.no_memory ? decode_no_memory(failure) : DECODE_MORE;
}

enum decode_result responses_stream_event(struct responses_stream *s, struct str type, struct str data,
                                          struct decode_failure *failure) {
  if (str_eq(str_trim(data), STR("[DONE]"))) return DECODE_MORE;  // some say it, after the end
  if (is_idle(type)) return DECODE_MORE;
  if (!parse(s, data, failure)) return DECODE_FAILED;
  struct str named = decode_member(&s->doc, 0, STR("type"));
  return take(s, row_of(named.len ? named : type), failure);
}
