// Errors of openai_chat.h: the many shapes providers give them, and the one we give.
#include "surface/chat_shared.h"

// Words in a code, type or message that tell more than the status does.
static enum fault class_of(unsigned status, struct str code, struct str type, struct str message) {
  static const struct {
    const char *word;
    enum fault fault;
  } words[] = {
      {"context_length", FAULT_CONTEXT},
      {"context length", FAULT_CONTEXT},
      {"context window", FAULT_CONTEXT},
      {"exceed_context_size", FAULT_CONTEXT},
      {"prompt too long", FAULT_CONTEXT},
      {"prompt is too long", FAULT_CONTEXT},
      {"too_many_prompt_tokens", FAULT_CONTEXT},
      {"maximum context", FAULT_CONTEXT},
      {"insufficient_quota", FAULT_UPSTREAM_BILLING},
      {"billing_hard_limit", FAULT_UPSTREAM_BILLING},
      {"exceeded_current_quota", FAULT_UPSTREAM_BILLING},
      {"Insufficient Balance", FAULT_UPSTREAM_BILLING},
      {"Arrearage", FAULT_UPSTREAM_BILLING},
      {"content_filter", FAULT_CONTENT},
      {"content_policy", FAULT_CONTENT},
      {"data_inspection_failed", FAULT_CONTENT},
      {"invalid_api_key", FAULT_UPSTREAM_AUTH},
      {"authentication_error", FAULT_UPSTREAM_AUTH},
      {"Incorrect API key", FAULT_UPSTREAM_AUTH},
      {"model_not_found", FAULT_UPSTREAM_MODEL},
      {"rate_limit", FAULT_UPSTREAM_RATE},
      {"Throttling", FAULT_UPSTREAM_RATE},
      {"overloaded", FAULT_UPSTREAM_OVERLOAD},
  };
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    struct str word = str_from_cstr(words[i].word);
    if (str_find(code, word, 0) != SIZE_MAX || str_find(type, word, 0) != SIZE_MAX ||
        (status < 500 && str_find(message, word, 0) != SIZE_MAX))
      return words[i].fault;
  }
  return fault_of_status(status);
}

// A string member, or a number's digits; empty otherwise.
static struct str text_of(const struct json_doc *doc, uint32_t value, struct arena *arena) {
  struct str text;
  if (json_string(doc, value, arena, &text)) return text;
  return json_is(doc, value, JSON_NUMBER) ? json_raw(doc, value) : (struct str){0};
}

static struct str message_of(const struct json_doc *doc, uint32_t error, struct arena *arena) {
  static const struct str names[] = {{"message", 7}, {"detail", 6}, {"error", 5}, {"msg", 3}, {"reason", 6}, {"title", 5},
                                     {"status_msg", 10}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    uint32_t value = json_get(doc, error, names[i]);
    struct str text = text_of(doc, value, arena);
    if (text.len) return text;
    if (json_is(doc, value, JSON_OBJECT)) {
      text = message_of(doc, value, arena);
      if (text.len) return text;
    }
    if (json_is(doc, value, JSON_ARRAY)) {
      text = message_of(doc, json_first(doc, value), arena);
      if (text.len) return text;
    }
  }
  return (struct str){0};
}

enum fault chat_error_in(const struct json_doc *doc, uint32_t error, unsigned status, struct arena *arena,
                         struct str *message) {
  if (json_is(doc, error, JSON_STRING)) {
    *message = text_of(doc, error, arena);
    return class_of(status, text_of(doc, json_get(doc, 0, STR("code")), arena), (struct str){0}, *message);
  }
  uint32_t code = json_get(doc, error, STR("code"));
  uint64_t number;
  // A code that is an HTTP status says more than the status of a reply that was 200 at first.
  if (json_u64(doc, code, 599, &number) && number >= 400) status = (unsigned)number;
  struct str code_text = text_of(doc, code, arena);
  if (str_to_u64(code_text, 599, &number) && number >= 400) status = (unsigned)number;
  *message = message_of(doc, error, arena);
  if (!message->len) *message = STR("The provider answered with an error and no message.");
  return class_of(status, code_text, text_of(doc, json_get(doc, error, STR("type")), arena), *message);
}

enum fault chat_error_read(unsigned status, struct str body, struct arena *arena, struct str *message) {
  struct json_doc doc = {0};
  enum fault fault;
  if (json_parse(&doc, body, 6) == JSON_OK && json_type(&doc, 0) >= JSON_ARRAY) {
    uint32_t root = json_is(&doc, 0, JSON_ARRAY) ? json_first(&doc, 0) : 0;
    uint32_t error = json_get(&doc, root, STR("error"));
    if (error == JSON_NONE || json_type(&doc, error) == JSON_NULL) error = json_first(&doc, json_get(&doc, root, STR("errors")));
    if (error == JSON_NONE) error = root;
    fault = chat_error_in(&doc, error, status, arena, message);
    if (fault == FAULT_NONE) fault = FAULT_UPSTREAM_INVALID;
    *message = arena_str(arena, *message);  // it may point into the body
  } else {
    struct str text = str_trim(body);
    while (text.len && (text.ptr[0] == '\n' || text.ptr[0] == '\r')) text = str_skip(text, 1);
    bool html = text.len && text.ptr[0] == '<';
    if (!text.len)
      *message = arena_printf(arena, "The provider answered with status %u and no body.", status);
    else if (html)
      *message = arena_printf(arena, "The provider answered with status %u and a page of HTML.", status);
    else
      *message = arena_printf(arena, "%.*s", (int)(text.len < 500 ? text.len : 500), text.ptr);
    fault = class_of(status, (struct str){0}, (struct str){0}, html ? (struct str){0} : *message);
  }
  json_doc_free(&doc);
  return fault;
}

static void write_error(struct buf *out, enum fault fault, struct str message, struct str metadata_json) {
  const struct fault_row *row = fault_row(fault);
  buf_lit(out, "\"error\":{\"code\":");
  buf_u64(out, row->status);
  buf_lit(out, ",\"message\":");
  json_write_str(out, message);
  buf_lit(out, ",\"metadata\":{\"error_type\":");
  json_write_str(out, str_from_cstr(row->error_type));
  if (metadata_json.len) {
    buf_char(out, ',');
    buf_str(out, metadata_json);
  }
  buf_lit(out, "}}");
}

void chat_error_write(struct buf *out, enum fault fault, struct str message, struct str metadata_json) {
  buf_char(out, '{');
  write_error(out, fault, message, metadata_json);
  buf_char(out, '}');
}

void chat_stream_error(struct buf *out, const struct chat_reply *reply, enum fault fault, struct str message) {
  struct buf metadata;
  buf_init(&metadata, 1024);
  buf_lit(&metadata, "\"provider_name\":");
  json_write_str(&metadata, reply->endpoint->provider->name);
  buf_lit(out, "data: ");
  chat_begin(reply, STR("chat.completion.chunk"), reply->created, out);
  buf_char(out, ',');
  write_error(out, fault, message, buf_view(&metadata));
  buf_lit(out,
          ",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":\"error\","
          "\"native_finish_reason\":null}]}\n\n");
  buf_free(&metadata);
}
