// Items are known by their place in the output: some services give one item another ID in each event. Text and
// arguments may come in pieces, only at the end, or only in the finished response: of each item it is remembered how
// much was given, and what is missing is added whenever more is told.
#include "provider/responses_reply.h"

#include <stdlib.h>
#include <string.h>

#include "json/escape.h"
#include "provider/decode.h"
#include "provider/openai_reply.h"

enum { ITEMS_MAX = 4096, ARGUMENTS_MAX = 16 << 20 };

enum item_kind { ITEM_UNKNOWN, ITEM_MESSAGE, ITEM_REASONING, ITEM_CALL, ITEM_WRAPPER, ITEM_OTHER };

struct item {
  uint8_t kind;
  bool ended, encrypted;
  uint32_t call;
  size_t text, refusal, reasoning, arguments;  // bytes given so far, as insides
  uint32_t parts;                              // parts of the summary begun
};

struct responses_stream {
  struct event_sink sink;
  struct json_doc doc;
  struct item *items;
  uint32_t item_count, calls;
  bool begun;
};

// --- pieces ---

// What `whole` has beyond what was given; nothing when it says less, or something else.
static struct str missing(struct str whole, size_t *given) {
  if (whole.len <= *given || escape_front(whole, *given).len != *given) return (struct str){0};
  struct str rest = str_skip(whole, *given);
  *given = whole.len;
  return rest;
}

static void give(struct responses_stream *s, enum event_kind kind, uint32_t block, struct str text) {
  decode_give_text(s->sink, kind, block, text);
}

static void give_citation(struct responses_stream *s, uint32_t annotation, uint32_t block) {
  const struct json_doc *doc = &s->doc;
  struct str url = decode_member(doc, annotation, STR("url"));
  if (!url.len) return;
  decode_give(s->sink, (struct event){.kind = EVENT_CITATION,
                                      .block = block,
                                      .url = url,
                                      .title = decode_member(doc, annotation, STR("title")),
                                      .json = json_raw(doc, annotation)});
}

// The item at a place; NULL: no memory, or too many. Without a place it is the newest.
static struct item *item_at(struct responses_stream *s, uint32_t holder, uint32_t *place) {
  uint64_t n;
  if (!json_u64(&s->doc, json_get(&s->doc, holder, STR("output_index")), ITEMS_MAX, &n))
    n = s->item_count ? s->item_count - 1 : 0;
  *place = (uint32_t)n;
  if (n >= s->item_count) {
    struct item *grown = realloc(s->items, (n + 1) * sizeof *grown);
    if (!grown) return NULL;
    memset(grown + s->item_count, 0, (n + 1 - s->item_count) * sizeof *grown);
    s->items = grown;
    s->item_count = (uint32_t)n + 1;
  }
  return &s->items[n];
}

// --- tool calls ---

static void call_begin(struct responses_stream *s, struct item *it, uint32_t item) {
  const struct json_doc *doc = &s->doc;
  struct str id = decode_member(doc, item, STR("call_id"));
  struct str name = decode_member(doc, item, STR("name"));
  if (!name.len || it->kind == ITEM_CALL) return;
  it->kind = ITEM_CALL;
  it->call = s->calls++;
  if (!id.len) id = decode_member(doc, item, STR("id"));
  decode_give(s->sink, (struct event){.kind = EVENT_CALL, .call = it->call, .id = id, .name = name});
}

static void call_end(struct responses_stream *s, struct item *it) {
  if (it->ended) return;
  it->ended = true;
  if (!it->arguments) decode_give_arguments(s->sink, it->call, STR("{}"));
  decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = it->call});
}

// Models may leak the wrapper in which several calls are made at once: its calls are given one by one.
static bool unwrap(struct responses_stream *s, struct str inside) {
  struct json_doc doc = {0};
  struct arena arena = {0};
  struct buf quoted;
  bool ok = false;
  buf_init(&quoted, ARGUMENTS_MAX);
  buf_char(&quoted, '"');
  buf_str(&quoted, inside);
  buf_char(&quoted, '"');
  struct json_doc string = {0};
  struct str text;
  if (!quoted.failed && json_parse(&string, buf_view(&quoted), 0) == JSON_OK &&
      json_string(&string, 0, &arena, &text) && json_parse(&doc, text, 4) == JSON_OK) {
    uint32_t uses = json_get(&doc, 0, STR("tool_uses"));
    ok = json_is(&doc, uses, JSON_ARRAY);
    for (uint32_t u = ok ? json_first(&doc, uses) : JSON_NONE; ok && u != JSON_NONE; u = json_next(&doc, uses, u)) {
      struct str name = decode_member(&doc, u, STR("recipient_name"));
      if (str_starts(name, STR("functions."))) name = str_skip(name, 10);
      if (!name.len) continue;
      decode_give(s->sink, (struct event){.kind = EVENT_CALL, .call = s->calls, .name = name});
      ok = decode_give_arguments_json(s->sink, s->calls, &doc, json_get(&doc, u, STR("parameters")));
      decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = s->calls++});
    }
  }
  json_doc_free(&doc);
  json_doc_free(&string);
  arena_free(&arena);
  buf_free(&quoted);
  return ok;
}

// --- items ---

static enum item_kind kind_of(const struct json_doc *doc, uint32_t item) {
  struct str type = decode_member(doc, item, STR("type")), name = decode_member(doc, item, STR("name"));
  if (str_eq(type, STR("message"))) return ITEM_MESSAGE;
  if (str_eq(type, STR("reasoning"))) return ITEM_REASONING;
  bool call = str_eq(type, STR("function_call")) || str_eq(type, STR("custom_tool_call"));
  if (call && str_find(name, STR("multi_tool_use.parallel"), 0) != SIZE_MAX) return ITEM_WRAPPER;
  return call ? ITEM_UNKNOWN : ITEM_OTHER;  // a call is one once its name is known
}

static void message_done(struct responses_stream *s, struct item *it, uint32_t item, uint32_t place) {
  const struct json_doc *doc = &s->doc;
  uint32_t content = json_get(doc, item, STR("content"));
  size_t texts = 0, refusals = 0;
  for (uint32_t c = json_is(doc, content, JSON_ARRAY) ? json_first(doc, content) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, content, c)) {
    struct str text = decode_member(doc, c, STR("text")), refusal = decode_member(doc, c, STR("refusal"));
    // What was given before covers the parts in front first.
    size_t given = it->text > texts ? it->text - texts : 0;
    give(s, EVENT_TEXT, place, missing(text, &given));
    texts += text.len;
    given = it->refusal > refusals ? it->refusal - refusals : 0;
    give(s, EVENT_REFUSAL, place, missing(refusal, &given));
    refusals += refusal.len;
    if (it->ended) continue;
    uint32_t annotations = json_get(doc, c, STR("annotations"));
    for (uint32_t a = json_is(doc, annotations, JSON_ARRAY) ? json_first(doc, annotations) : JSON_NONE; a != JSON_NONE;
         a = json_next(doc, annotations, a))
      give_citation(s, a, place);
  }
  if (texts > it->text) it->text = texts;
  if (refusals > it->refusal) it->refusal = refusals;
  it->ended = true;
}

static void reasoning_done(struct responses_stream *s, struct item *it, uint32_t item, uint32_t place) {
  const struct json_doc *doc = &s->doc;
  const struct str lists[] = {STR("summary"), STR("content")};
  for (int l = 0; l < 2 && !it->reasoning; l++) {
    uint32_t list = json_get(doc, item, lists[l]), n = 0;
    for (uint32_t p = json_is(doc, list, JSON_ARRAY) ? json_first(doc, list) : JSON_NONE; p != JSON_NONE;
         p = json_next(doc, list, p)) {
      struct str text = decode_member(doc, p, STR("text"));
      if (text.len && n++) give(s, EVENT_REASONING, place, STR("\\n\\n"));
      give(s, EVENT_REASONING, place, text);
    }
    if (n) it->reasoning = 1;
  }
  struct str encrypted = decode_member(doc, item, STR("encrypted_content"));
  if (encrypted.len && !it->encrypted)
    decode_give(
        s->sink,
        (struct event){
            .kind = EVENT_ENCRYPTED, .block = place, .text = encrypted, .id = decode_member(doc, item, STR("id"))});
  it->encrypted |= encrypted.len != 0;
}

static bool call_done(struct responses_stream *s, struct item *it, uint32_t item) {
  const struct json_doc *doc = &s->doc;
  struct str arguments = decode_member(doc, item, STR("arguments"));
  if (!arguments.len) arguments = decode_member(doc, item, STR("input"));
  call_begin(s, it, item);
  if (it->kind != ITEM_CALL || it->ended) return true;
  if (json_is(doc, json_get(doc, item, STR("arguments")), JSON_OBJECT) && !it->arguments) {
    it->arguments = 1;
    if (!decode_give_arguments_json(s->sink, it->call, doc, json_get(doc, item, STR("arguments")))) return false;
  }
  decode_give_arguments(s->sink, it->call, missing(arguments, &it->arguments));
  return true;
}

// The whole item, as it stands at its end or in the finished response. `last`: nothing more will be told of it.
static bool item_done(struct responses_stream *s, struct item *it, uint32_t item, uint32_t place, bool last) {
  if (it->kind == ITEM_UNKNOWN) it->kind = kind_of(&s->doc, item);
  switch ((enum item_kind)it->kind) {
    case ITEM_MESSAGE: message_done(s, it, item, place); return true;
    case ITEM_REASONING: reasoning_done(s, it, item, place); return true;
    case ITEM_WRAPPER: {
      struct str arguments = decode_member(&s->doc, item, STR("arguments"));
      if (it->ended || !arguments.len) return true;
      it->ended = true;
      return unwrap(s, arguments);
    }
    case ITEM_UNKNOWN:
    case ITEM_CALL:
      if (!call_done(s, it, item)) return false;
      if (last && it->kind == ITEM_CALL) call_end(s, it);
      return true;
    case ITEM_OTHER: return true;
  }
  return true;
}

// --- the response ---

static void fail_of(const struct json_doc *doc, uint32_t error, struct decode_failure *failure) {
  static const struct {
    const char *code;
    enum fault fault;
  } rows[] = {{"rate_limit_exceeded", FAULT_UPSTREAM_RATE},
              {"insufficient_quota", FAULT_UPSTREAM_BILLING},
              {"invalid_prompt", FAULT_CONTENT},
              {"bio_policy", FAULT_CONTENT},
              {"context_length_exceeded", FAULT_CONTEXT},
              {"content_filter", FAULT_CONTENT},
              {"server_is_overloaded", FAULT_UPSTREAM_OVERLOAD}};
  struct str code = decode_member(doc, error, STR("code"));
  enum fault fault = FAULT_UPSTREAM_ERROR;
  if (!code.len) code = decode_member(doc, error, STR("type"));
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq(code, str_from_cstr(rows[i].code))) fault = rows[i].fault;
  decode_fail_json(failure, fault, doc, json_get(doc, error, STR("message")));
}

static void give_usage(struct responses_stream *s, uint32_t usage) {
  const struct json_doc *doc = &s->doc;
  uint32_t in = json_get(doc, usage, STR("input_tokens_details")),
           out = json_get(doc, usage, STR("output_tokens_details"));
  if (!json_is(doc, usage, JSON_OBJECT)) return;
  struct usage u = {.known = true,
                    .prompt = decode_count_or_0(doc, usage, STR("input_tokens")),
                    .completion = decode_count_or_0(doc, usage, STR("output_tokens")),
                    .cached = decode_count_or_0(doc, in, STR("cached_tokens")),
                    .cache_write = decode_count_or_0(doc, in, STR("cache_write_tokens")),
                    .reasoning = decode_count_or_0(doc, out, STR("reasoning_tokens"))};
  if (u.cached > u.prompt) u.cached = u.prompt;
  if (u.cache_write > u.prompt - u.cached) u.cache_write = u.prompt - u.cached;
  if (u.reasoning > u.completion) u.reasoning = u.completion;
  u.total = u.prompt + u.completion;
  decode_give(s->sink, (struct event){.kind = EVENT_USAGE, .usage = &u});
}

static void begin(struct responses_stream *s, uint32_t response) {
  if (s->begun) return;
  s->begun = true;
  decode_give(s->sink, (struct event){.kind = EVENT_BEGIN,
                                      .id = decode_member(&s->doc, response, STR("id")),
                                      .model = decode_member(&s->doc, response, STR("model"))});
}

// A response that has ended: what its items still lack, finish, usage.
static enum decode_result finish(struct responses_stream *s, uint32_t response, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t output = json_get(doc, response, STR("output")), error = json_get(doc, response, STR("error"));
  struct str status = decode_member(doc, response, STR("status"));
  if (json_is(doc, error, JSON_OBJECT) || str_eq(status, STR("failed")) || str_eq(status, STR("cancelled"))) {
    fail_of(doc, error, failure);
    return DECODE_FAILED;
  }
  uint32_t n = 0;
  for (uint32_t o = json_is(doc, output, JSON_ARRAY) ? json_first(doc, output) : JSON_NONE; o != JSON_NONE;
       o = json_next(doc, output, o), n++) {
    uint32_t place = n;
    if (n >= ITEMS_MAX) break;
    if (n >= s->item_count) {
      struct item *grown = realloc(s->items, (n + 1) * sizeof *grown);
      if (!grown) return decode_no_memory(failure);
      grown[n] = (struct item){0};
      s->items = grown;
      s->item_count = n + 1;
    }
    if (!item_done(s, &s->items[n], o, place, true))
      return decode_refuse(failure, "The provider's answer holds a tool call that makes no sense.");
  }
  for (uint32_t i = 0; i < s->item_count; i++)
    if (s->items[i].kind == ITEM_CALL) call_end(s, &s->items[i]);
  struct str reason = decode_member(doc, json_get(doc, response, STR("incomplete_details")), STR("reason"));
  enum finish end = s->calls ? FINISH_TOOL_CALLS : FINISH_STOP;
  if (str_eq(status, STR("incomplete")))
    end = str_eq(reason, STR("content_filter")) ? FINISH_CONTENT_FILTER : FINISH_LENGTH;
  decode_give(s->sink, (struct event){.kind = EVENT_FINISH, .finish = end, .native = reason.len ? reason : status});
  give_usage(s, json_get(doc, response, STR("usage")));
  return DECODE_DONE;
}

bool responses_reply(struct str body, struct event_sink sink, struct decode_failure *failure) {
  struct responses_stream s = {.sink = sink};
  bool ok = decode_parse(&s.doc, body, 7, failure);
  if (ok) {
    uint32_t error = json_get(&s.doc, 0, STR("error"));
    ok = json_is(&s.doc, json_get(&s.doc, 0, STR("output")), JSON_ARRAY) || json_is(&s.doc, error, JSON_OBJECT);
    if (!ok) decode_refuse(failure, "The provider's answer is JSON, but no response.");
  }
  if (ok) {
    begin(&s, 0);
    ok = finish(&s, 0, failure) == DECODE_DONE;
  }
  json_doc_free(&s.doc);
  free(s.items);
  return ok;
}

// --- streams ---

struct responses_stream *responses_stream_new(struct event_sink sink) {
  struct responses_stream *s = calloc(1, sizeof *s);
  if (s) s->sink = sink;
  return s;
}

void responses_stream_drop(struct responses_stream *s) {
  if (!s) return;
  json_doc_free(&s->doc);
  free(s->items);
  free(s);
}

static void on_delta(struct responses_stream *s, struct item *it, uint32_t place, struct str type) {
  const struct json_doc *doc = &s->doc;
  struct str delta = decode_member(doc, 0, STR("delta"));
  if (str_eq(type, STR("response.output_text.delta"))) {
    it->kind = ITEM_MESSAGE;
    it->text += delta.len;
    give(s, EVENT_TEXT, place, delta);
  } else if (str_eq(type, STR("response.refusal.delta"))) {
    it->kind = ITEM_MESSAGE;
    it->refusal += delta.len;
    give(s, EVENT_REFUSAL, place, delta);
  } else if (str_eq(type, STR("response.reasoning_summary_text.delta")) ||
             str_eq(type, STR("response.reasoning_text.delta"))) {
    uint64_t part;
    it->kind = ITEM_REASONING;
    if (!json_u64(doc, json_get(doc, 0, STR("summary_index")), UINT32_MAX - 1, &part)) part = 0;
    if (part + 1 > it->parts && it->parts) give(s, EVENT_REASONING, place, STR("\\n\\n"));
    if (part + 1 > it->parts) it->parts = (uint32_t)part + 1;
    it->reasoning += delta.len;
    give(s, EVENT_REASONING, place, delta);
  } else if (it->kind == ITEM_CALL && !it->ended) {  // arguments, or a custom tool's input
    it->arguments += delta.len;
    decode_give_arguments(s->sink, it->call, delta);
  }
}

static bool is_delta(struct str type) {
  static const char *const names[] = {"response.output_text.delta",
                                      "response.function_call_arguments.delta",
                                      "response.reasoning_summary_text.delta",
                                      "response.reasoning_text.delta",
                                      "response.custom_tool_call_input.delta",
                                      "response.refusal.delta"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (str_eq(type, str_from_cstr(names[i]))) return true;
  return false;
}

enum decode_result responses_stream_event(struct responses_stream *s, struct str type, struct str data,
                                          struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t place;
  if (str_eq(str_trim(data), STR("[DONE]"))) return DECODE_MORE;  // some say it, after the end
  if (!decode_parse(&s->doc, data, 8, failure)) return DECODE_FAILED;
  struct str named = decode_member(doc, 0, STR("type"));
  if (named.len) type = named;
  uint32_t response = json_get(doc, 0, STR("response")), item = json_get(doc, 0, STR("item"));
  if (str_eq(type, STR("response.completed")) || str_eq(type, STR("response.incomplete")) ||
      str_eq(type, STR("response.done"))) {
    begin(s, response);
    return finish(s, response, failure);
  }
  if (str_eq(type, STR("response.failed")) || str_eq(type, STR("error"))) {
    uint32_t error = json_get(doc, response, STR("error"));
    if (!json_is(doc, error, JSON_OBJECT)) error = json_get(doc, 0, STR("error"));
    fail_of(doc, json_is(doc, error, JSON_OBJECT) ? error : 0, failure);
    return DECODE_FAILED;
  }
  if (str_eq(type, STR("response.created"))) begin(s, response);
  if (!type.len && json_is(doc, json_get(doc, 0, STR("error")), JSON_OBJECT)) {
    fail_of(doc, json_get(doc, 0, STR("error")), failure);
    return DECODE_FAILED;
  }
  if (json_string_is(doc, json_get(doc, 0, STR("object")), STR("chat.completion.chunk")))
    return decode_refuse(failure, "The provider answered with chat chunks: it does not speak the Responses API.");
  bool delta = is_delta(type), added = str_eq(type, STR("response.output_item.added"));
  bool ended = str_eq(type, STR("response.output_item.done"));
  bool arguments = str_eq(type, STR("response.function_call_arguments.done"));
  bool annotation = str_eq(type, STR("response.output_text.annotation.added"));
  if (!delta && !added && !ended && !arguments && !annotation) return DECODE_MORE;
  struct item *it = item_at(s, 0, &place);
  if (!it) return decode_no_memory(failure);
  if (delta) {
    on_delta(s, it, place, type);
  } else if (annotation) {
    give_citation(s, json_get(doc, 0, STR("annotation")), place);
    it->ended = true;  // its sources are told as they come
  } else if (added) {
    if (it->kind == ITEM_UNKNOWN) it->kind = kind_of(doc, item);
    if (it->kind == ITEM_UNKNOWN) call_begin(s, it, item);
  } else if (arguments) {
    if (it->kind == ITEM_CALL && !it->ended)
      decode_give_arguments(s->sink, it->call, missing(decode_member(doc, 0, STR("arguments")), &it->arguments));
  } else if (!item_done(s, it, item, place, false)) {
    return decode_refuse(failure, "The provider's answer holds a tool call that makes no sense.");
  }
  return DECODE_MORE;
}
