#include "provider/decode.h"

#include <string.h>

#include "json/escape.h"

enum {
  ARGUMENTS_MAX = 16 << 20,  // bytes of one tool call's arguments in a whole reply
  COUNT_BITS = 48,           // no count of tokens is larger
};

struct str decode_inside(const struct json_doc *doc, uint32_t node) {
  struct str raw = json_raw(doc, node);
  return json_is(doc, node, JSON_STRING) ? str_from(raw.ptr + 1, raw.len - 2) : (struct str){0};
}

struct str decode_member(const struct json_doc *doc, uint32_t object, struct str name) {
  return decode_inside(doc, json_get(doc, object, name));
}

bool decode_count(const struct json_doc *doc, uint32_t object, struct str name, uint64_t *out) {
  return json_u64(doc, json_get(doc, object, name), (uint64_t)1 << COUNT_BITS, out);
}

uint64_t decode_count_or_0(const struct json_doc *doc, uint32_t object, struct str name) {
  uint64_t n;
  return decode_count(doc, object, name, &n) ? n : 0;
}

void decode_keep(char *into, size_t size, struct str inside) {
  struct str front = escape_front(inside, size - 1);
  if (front.len) memcpy(into, front.ptr, front.len);
  into[front.len] = 0;
}

// Providers quote a part of the key they refuse. It is the gateway's, and nothing a client or a log should see: what
// looks like a key (eight characters or more, letters with a digit or a star among them; no time) becomes three stars.
static void hide_keys(char *text) {
  char *to = text;
  for (char *p = text, *from = text; *from; from = p) {
    unsigned letters = 0, others = 0;
    for (; *p && (strchr("*-_", *p) || (*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')); p++) {
      letters += (*p | 0x20) >= 'a' && (*p | 0x20) <= 'z';
      others += *p == '*' || (*p >= '0' && *p <= '9');
    }
    size_t n = (size_t)(p - from);
    bool key = n >= 8 && letters >= 3 && others;
    if (!n) n = 1, p++;
    memmove(to, key ? "***" : from, key ? 3 : n);
    to += key ? 3 : n;
  }
  *to = 0;
}

void decode_fail(struct decode_failure *failure, enum fault fault, struct str message) {
  size_t nul = message.len ? str_find_char(message, 0, 0) : SIZE_MAX;
  if (nul != SIZE_MAX) message.len = nul;
  if (!message.len) message = str_from_cstr(fault_row(fault)->message);
  size_t n = message.len < sizeof failure->message - 1 ? message.len : sizeof failure->message - 1;
  while (n && n < message.len && ((unsigned char)message.ptr[n] & 0xC0) == 0x80) n--;
  failure->fault = fault;
  if (n) memcpy(failure->message, message.ptr, n);
  failure->message[n] = 0;
  if (fault == FAULT_UPSTREAM_AUTH) hide_keys(failure->message);
}

void decode_fail_json(struct decode_failure *failure, enum fault fault, const struct json_doc *doc, uint32_t message) {
  struct arena arena = {0};
  struct str text = {0};
  if (!json_string(doc, message, &arena, &text)) text = (struct str){0};
  decode_fail(failure, fault, text);
  arena_free(&arena);
}

enum decode_result decode_refuse(struct decode_failure *failure, const char *message) {
  decode_fail(failure, FAULT_UPSTREAM_INVALID, str_from_cstr(message));
  return DECODE_FAILED;
}

enum decode_result decode_no_memory(struct decode_failure *failure) {
  decode_fail(failure, FAULT_INTERNAL, STR("Out of memory."));
  return DECODE_FAILED;
}

bool decode_parse(struct json_doc *doc, struct str text, unsigned depth, struct decode_failure *failure) {
  enum json_error error = json_parse(doc, text, depth);
  if (error == JSON_OK && json_is(doc, 0, JSON_OBJECT)) return true;
  if (error == JSON_NO_MEMORY)
    decode_no_memory(failure);
  else
    decode_refuse(failure, "The provider's answer is not a JSON object.");
  return false;
}

bool decode_is_context(struct str message) {
  static const char *const words[] = {
      "prompt is too long",     "exceed context limit",         "context window",
      "maximum context length", "context_length_exceeded",      "exceeds the maximum number of tokens",
      "Input Tokens Exceeded",  "too many input tokens",        "Input is too long",
      "exceed model maximum",   "exceeds model maximum",        "too many tokens",
      "too large for model",    "available context size",       "maximum context",
      "max context length",     "input length and `max_tokens`"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (str_find(message, str_from_cstr(words[i]), 0) != SIZE_MAX) return true;
  return false;
}

void decode_give(struct event_sink sink, struct event event) {
  sink.on_event(sink.context, &event);
}

void decode_give_text(struct event_sink sink, enum event_kind kind, uint32_t block, struct str text) {
  if (text.len) decode_give(sink, (struct event){.kind = kind, .block = block, .text = text});
}

void decode_give_arguments(struct event_sink sink, uint32_t call, struct str inside) {
  if (inside.len) decode_give(sink, (struct event){.kind = EVENT_ARGUMENTS, .call = call, .text = inside});
}

bool decode_give_arguments_json(struct event_sink sink, uint32_t call, const struct json_doc *doc, uint32_t value) {
  if (json_is(doc, value, JSON_STRING)) {
    struct str inside = decode_inside(doc, value);
    bool nothing = !inside.len || str_eq(inside, STR("null"));
    decode_give_arguments(sink, call, nothing ? STR("{}") : inside);
    return true;
  }
  if (json_type(doc, value) == JSON_NULL ||
      (json_type(doc, value) >= JSON_ARRAY && json_first(doc, value) == JSON_NONE && json_raw(doc, value).len <= 2)) {
    decode_give_arguments(sink, call, STR("{}"));
    return true;
  }
  struct buf text;
  buf_init(&text, ARGUMENTS_MAX);
  json_write_str(&text, json_raw(doc, value));
  bool ok = !text.failed;
  if (ok) decode_give_arguments(sink, call, str_from(text.ptr + 1, text.len - 2));
  buf_free(&text);
  return ok;
}
