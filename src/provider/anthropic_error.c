// Errors of Anthropic's API, also as Vertex wraps them.
#include "provider/anthropic_reading.h"
#include "provider/anthropic_reply.h"
#include "provider/decode.h"
#include "provider/gemini_reply.h"

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

// An invalid request may be a prompt that is too long, an account that is empty, or an answer that was filtered: only
// the words tell.
static enum fault by_words(struct str message) {
  static const struct {
    const char *words;
    enum fault fault;
  } rows[] = {{"credit balance", FAULT_UPSTREAM_BILLING}, {"content filtering policy", FAULT_CONTENT}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_find(message, str_from_cstr(rows[i].words), 0) != SIZE_MAX) return rows[i].fault;
  return decode_is_context(message) ? FAULT_CONTEXT : FAULT_BAD_REQUEST;
}

void anthropic_error_read(const struct json_doc *doc, uint32_t error, unsigned status, struct decode_failure *failure) {
  struct arena arena = {0};
  struct str type = decode_member(doc, error, STR("type")), message = {0};
  uint64_t code;  // Google's own way of saying it
  if (!status && json_u64(doc, json_get(doc, error, STR("code")), 599, &code) && code >= 400) status = (unsigned)code;
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
    anthropic_error_read(&doc, error, status, failure);
  else  // a proxy on the way, or another service
    decode_fail(failure, fault, str_from_cstr(fault_row(fault)->message));
  json_doc_free(&doc);
}

// Is this Anthropic's own error, not one of Google's? The first has a type.
static bool is_anthropic(struct str body) {
  struct json_doc doc = {0};
  bool is = json_parse(&doc, body, 3) == JSON_OK &&
            json_is(&doc, json_get(&doc, json_get(&doc, 0, STR("error")), STR("type")), JSON_STRING);
  json_doc_free(&doc);
  return is;
}

// Google's error may hold Anthropic's as the text of its message.
static struct str wrapped(struct str body, struct arena *arena) {
  struct json_doc doc = {0};
  struct str message = {0};
  if (json_parse(&doc, body, 4) == JSON_OK) {
    uint32_t root = json_is(&doc, 0, JSON_ARRAY) ? json_first(&doc, 0) : 0;
    uint32_t text = json_get(&doc, json_get(&doc, root, STR("error")), STR("message"));
    if (!json_string(&doc, text, arena, &message)) message = (struct str){0};
    message = arena_str(arena, str_trim(message));
  }
  json_doc_free(&doc);
  return message.len && message.ptr[0] == '{' && is_anthropic(message) ? message : (struct str){0};
}

void anthropic_vertex_error(unsigned status, struct str body, struct decode_failure *failure) {
  struct arena arena = {0};
  struct str inner = wrapped(body, &arena);
  if (inner.len || is_anthropic(body))
    anthropic_error(status, inner.len ? inner : body, failure);
  else
    gemini_error(status, body, failure);
  arena_free(&arena);
}
