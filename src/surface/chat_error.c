// Errors of openai_chat.h: the many shapes providers give them, and the one we give.
//
// The class comes from the HTTP status; then from machine-readable codes; and only where these leave it open (a plain
// 400, an error inside a 200) from the words of the message. Numbers in a message are never looked at: providers echo
// prompts.
#include "surface/chat_shared.h"

enum { MESSAGE_MAX = 1000 };

struct told {
  unsigned status;  // HTTP status, or one named inside the body; 0: nothing tells
  struct str code, type, message;
};

struct word {
  const char *word;
  enum fault fault;
};

// Looked for inside `code`, `type` and OpenRouter's `error_type`.
static const struct word code_words[] = {
    {"context_length", FAULT_CONTEXT},
    {"exceed_context_size", FAULT_CONTEXT},
    {"too_many_prompt_tokens", FAULT_CONTEXT},
    {"too_many_tokens", FAULT_CONTEXT},
    {"max_tokens_exceeded", FAULT_CONTEXT},
    {"token_limit_exceeded", FAULT_CONTEXT},
    {"insufficient_quota", FAULT_UPSTREAM_BILLING},
    {"insufficient_balance", FAULT_UPSTREAM_BILLING},
    {"not_enough_balance", FAULT_UPSTREAM_BILLING},
    {"billing", FAULT_UPSTREAM_BILLING},
    {"exceeded_current_quota", FAULT_UPSTREAM_BILLING},
    {"payment_required", FAULT_UPSTREAM_BILLING},
    {"arrearage", FAULT_UPSTREAM_BILLING},
    {"overloaded", FAULT_UPSTREAM_OVERLOAD},
    {"capacity_exceeded", FAULT_UPSTREAM_OVERLOAD},
    {"content_filter", FAULT_CONTENT},
    {"content_policy", FAULT_CONTENT},
    {"invalid_prompt", FAULT_CONTENT},
    {"moderation", FAULT_CONTENT},
    {"data_inspection_failed", FAULT_CONTENT},
    {"datainspectionfailed", FAULT_CONTENT},
    {"invalid_api_key", FAULT_UPSTREAM_AUTH},
    {"api_key_invalid", FAULT_UPSTREAM_AUTH},
    {"authentication", FAULT_UPSTREAM_AUTH},
    {"unauthorized", FAULT_UPSTREAM_AUTH},
    {"model_not_found", FAULT_UPSTREAM_MODEL},
    {"model_not_available", FAULT_UPSTREAM_MODEL},
    {"operationnotsupported", FAULT_UPSTREAM_MODEL},  // Azure: another kind of model is deployed there
    // Groq checks what the model wrote: the next try may do better.
    {"tool_use_failed", FAULT_UPSTREAM_INVALID},
    {"json_validate_failed", FAULT_UPSTREAM_INVALID},
    {"refusal", FAULT_CONTENT},
    {"rate_limit", FAULT_UPSTREAM_RATE},
    {"throttling", FAULT_UPSTREAM_RATE},
    {"provider_unavailable", FAULT_UPSTREAM_ERROR},
    {"timeout", FAULT_TIMEOUT},
};

// Numbers some services use as codes: Zhipu and Z.ai, MiniMax, Cloudflare. Only those that mean the same everywhere.
static const struct word code_numbers[] = {
    {"1004", FAULT_UPSTREAM_AUTH},     {"1008", FAULT_UPSTREAM_BILLING}, {"1113", FAULT_UPSTREAM_BILLING},
    {"1211", FAULT_UPSTREAM_MODEL},    {"1261", FAULT_CONTEXT},          {"1301", FAULT_CONTENT},
    {"1302", FAULT_UPSTREAM_RATE},     {"1303", FAULT_UPSTREAM_RATE},    {"1305", FAULT_UPSTREAM_RATE},
    {"3040", FAULT_UPSTREAM_OVERLOAD},
};

// MiniMax's own, in base_resp.
static const struct word base_numbers[] = {
    {"1001", FAULT_TIMEOUT},          {"1002", FAULT_UPSTREAM_RATE}, {"1004", FAULT_UPSTREAM_AUTH},
    {"1008", FAULT_UPSTREAM_BILLING}, {"1026", FAULT_CONTENT},       {"1027", FAULT_CONTENT},
    {"1039", FAULT_UPSTREAM_RATE},    {"1041", FAULT_UPSTREAM_RATE}, {"2013", FAULT_BAD_REQUEST},
    {"2049", FAULT_UPSTREAM_AUTH},
};

// Looked for inside the message.
static const struct word message_words[] = {
    {"context length", FAULT_CONTEXT},
    {"context window", FAULT_CONTEXT},
    {"context size", FAULT_CONTEXT},
    {"context limit", FAULT_CONTEXT},
    {"maximum context", FAULT_CONTEXT},
    {"context_length", FAULT_CONTEXT},
    {"prompt too long", FAULT_CONTEXT},
    {"prompt is too long", FAULT_CONTEXT},
    {"input is too long", FAULT_CONTEXT},
    {"input token count", FAULT_CONTEXT},
    {"input tokens exceed", FAULT_CONTEXT},
    {"too many input tokens", FAULT_CONTEXT},
    {"exceed model maximum", FAULT_CONTEXT},
    {"max_new_tokens` must be", FAULT_CONTEXT},
    {"while limit is", FAULT_CONTEXT},
    {"maximum model length", FAULT_CONTEXT},
    {"incorrect api key", FAULT_UPSTREAM_AUTH},
    {"invalid api key", FAULT_UPSTREAM_AUTH},
    {"api key not valid", FAULT_UPSTREAM_AUTH},
    {"insufficient balance", FAULT_UPSTREAM_BILLING},
    {"insufficient_quota", FAULT_UPSTREAM_BILLING},
    {"insufficient credits", FAULT_UPSTREAM_BILLING},
    {"balance is insufficient", FAULT_UPSTREAM_BILLING},
    {"usage guidelines", FAULT_CONTENT},
    {"model not exist", FAULT_UPSTREAM_MODEL},
    {"content management policy", FAULT_CONTENT},
    {"content policy", FAULT_CONTENT},
    {"overloaded", FAULT_UPSTREAM_OVERLOAD},
    {"rate limit", FAULT_UPSTREAM_RATE},
};

static bool contains(struct str text, struct str word) {
  for (size_t at = 0; at + word.len <= text.len; at++)
    if (str_eq_nocase(str_from(text.ptr + at, word.len), word)) return true;
  return false;
}

static enum fault by_words(const struct word *words, size_t count, struct str text) {
  for (size_t i = 0; i < count; i++)
    if (contains(text, str_from_cstr(words[i].word))) return words[i].fault;
  return FAULT_NONE;
}

static enum fault by_code(const struct told *t) {
  for (size_t i = 0; i < CHAT_COUNT(code_numbers); i++)
    if (str_eq(t->code, str_from_cstr(code_numbers[i].word))) return code_numbers[i].fault;
  enum fault fault = by_words(code_words, CHAT_COUNT(code_words), t->code);
  return fault ? fault : by_words(code_words, CHAT_COUNT(code_words), t->type);
}

// Which classes a code may turn a status into: a rate limit may be an empty account, but not a malformed request.
static enum fault class_of(const struct told *t) {
  enum fault code = by_code(t), status = t->status ? fault_of_status(t->status) : FAULT_UPSTREAM_ERROR;
  enum fault words = FAULT_NONE;
  switch (t->status) {
    case 401:
    case 402: return status;
    case 403:
      if (!code) code = by_words(message_words, CHAT_COUNT(message_words), t->message);
      return code == FAULT_CONTENT || code == FAULT_UPSTREAM_BILLING || code == FAULT_UPSTREAM_MODEL ? code : status;
    case 404: return code == FAULT_UPSTREAM_RATE ? status : code ? code : status;
    case 429: return code == FAULT_UPSTREAM_BILLING || code == FAULT_UPSTREAM_OVERLOAD ? code : status;
    default: break;
  }
  if (t->status >= 500) return code ? code : status;
  if (t->status == 413 && code == FAULT_UPSTREAM_RATE) code = FAULT_NONE;  // more than a minute's share: too large
  if (!code) words = by_words(message_words, CHAT_COUNT(message_words), t->message);
  if (t->status && words == FAULT_UPSTREAM_RATE) words = FAULT_NONE;
  return code ? code : words ? words : status;
}

// --- reading ---

// Cut to a length that a log and a client can bear, at a character's start.
static struct str shortened(struct str text) {
  if (text.len <= MESSAGE_MAX) return text;
  text.len = MESSAGE_MAX;
  while (text.len && ((unsigned char)text.ptr[text.len] & 0xC0) == 0x80) text.len--;
  return text;
}

// A string member, or a number's digits; empty otherwise.
static struct str text_of(const struct json_doc *doc, uint32_t value, struct arena *arena) {
  struct str text;
  if (json_string(doc, value, arena, &text)) return text;
  return json_is(doc, value, JSON_NUMBER) ? json_raw(doc, value) : (struct str){0};
}

static struct str message_of(const struct json_doc *doc, uint32_t error, struct arena *arena) {
  static const struct str names[] = {{"message", 7}, {"error", 5}, {"detail", 6},         {"errors", 6},     {"msg", 3},
                                     {"reason", 6},  {"title", 5}, {"error_message", 13}, {"status_msg", 10}};
  for (size_t i = 0; i < CHAT_COUNT(names); i++) {
    uint32_t value = json_get(doc, error, names[i]);
    if (json_is(doc, value, JSON_ARRAY)) value = json_first(doc, value);
    struct str text = json_is(doc, value, JSON_OBJECT) ? message_of(doc, value, arena) : text_of(doc, value, arena);
    if (text.len) return text;
  }
  return (struct str){0};
}

static void told_status(struct told *t, struct str text) {
  uint64_t number;
  if (str_to_u64(text, 599, &number) && number >= 400) t->status = (unsigned)number;
}

// OpenRouter hides what its provider said in metadata.raw, as an object or as text that may be JSON again.
static struct str raw_message(const struct json_doc *doc, uint32_t raw, struct arena *arena) {
  if (json_is(doc, raw, JSON_OBJECT)) return message_of(doc, raw, arena);
  struct str text = text_of(doc, raw, arena);
  struct json_doc inner = {0};
  if (json_parse(&inner, text, 6) == JSON_OK && json_type(&inner, 0) >= JSON_ARRAY)
    text = arena_str(arena, message_of(&inner, json_is(&inner, 0, JSON_ARRAY) ? json_first(&inner, 0) : 0, arena));
  json_doc_free(&inner);
  return text;
}

// Reads an error: an object, a string, or an array of which the first counts. `t->status` is that of the reply, or 0.
static void told_read(struct told *t, const struct json_doc *doc, uint32_t error, struct arena *arena) {
  if (json_is(doc, error, JSON_ARRAY)) error = json_first(doc, error);
  uint32_t holder = json_is(doc, error, JSON_STRING) ? 0 : error;  // a text has its code beside it
  uint32_t metadata = json_get(doc, holder, STR("metadata"));
  t->code = text_of(doc, json_get(doc, holder, STR("code")), arena);
  t->type = text_of(doc, json_get(doc, holder, STR("type")), arena);
  struct str error_type = text_of(doc, json_get(doc, metadata, STR("error_type")), arena);
  if (!t->code.len) t->code = text_of(doc, json_get(doc, holder, STR("status_code")), arena);
  if (!t->code.len) t->code = text_of(doc, json_get(doc, holder, STR("error_code")), arena);
  if (!t->type.len) t->type = text_of(doc, json_get(doc, holder, STR("error_type")), arena);
  if (!t->type.len) t->type = text_of(doc, json_get(doc, holder, STR("reason")), arena);
  if (error_type.len) t->type = error_type;
  if (!t->status) told_status(t, t->code);
  if (!t->status) told_status(t, text_of(doc, json_get(doc, holder, STR("status_code")), arena));
  t->message = json_is(doc, error, JSON_STRING) ? text_of(doc, error, arena) : message_of(doc, error, arena);
  struct str raw = raw_message(doc, json_get(doc, metadata, STR("raw")), arena);
  if (raw.len && str_starts(t->message, STR("Provider returned error")))
    t->message = arena_printf(arena, "Provider returned error: %.*s", STR_ARGS(shortened(raw)));
  if (!t->message.len) t->message = STR("The provider answered with an error and no message.");
  t->message = shortened(t->message);
}

static struct str trimmed(struct str text) {
  while (text.len && (unsigned char)text.ptr[0] <= ' ') text = str_skip(text, 1);
  while (text.len && (unsigned char)text.ptr[text.len - 1] <= ' ') text.len--;
  return text;
}

// A body that is no JSON: nothing, a page of HTML, some words.
static enum fault read_text(unsigned status, struct str body, struct arena *arena, struct str *message) {
  struct told t = {.status = status, .message = shortened(trimmed(body))};
  if (!t.message.len) {
    *message = arena_printf(arena, "The provider answered with status %u and no body.", status);
    return fault_of_status(status);
  }
  if (t.message.ptr[0] != '<') {
    *message = arena_str(arena, t.message);
    return class_of(&t);
  }
  *message = arena_printf(arena, "The provider answered with status %u and a page of HTML instead of JSON.", status);
  // A page comes from something in front of the API, and says nothing about the request or the key.
  return status == 400 || status == 403 ? FAULT_UPSTREAM_ERROR : fault_of_status(status);
}

// Providers quote a part of the key they refuse. It is the gateway's, and nothing a client or a log should see: what
// looks like a key (eight letters or more with a digit or a star among them) becomes three stars.
static struct str without_keys(struct str text, struct arena *arena) {
  char *to = arena_alloc(arena, text.len * 2 + 1);
  if (!to || !text.len) return (struct str){0};
  size_t len = 0, from = 0;
  for (size_t at = 0; at <= text.len; at++) {
    char c = at < text.len ? text.ptr[at] : ' ';
    bool part = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '*' || c == '-' || c == '_';
    if (part) continue;
    bool key = false;
    for (size_t i = from; at - from >= 8 && i < at; i++)
      key |= text.ptr[i] == '*' || (text.ptr[i] >= '0' && text.ptr[i] <= '9');
    memcpy(to + len, key ? "***" : text.ptr + from, key ? 3 : at - from);
    len += key ? 3 : at - from;
    if (at < text.len) to[len++] = c;
    from = at + 1;
  }
  return str_from(to, len);
}

enum fault chat_error_read(unsigned status, struct str body, struct arena *arena, struct str *message) {
  struct json_doc doc = {0};
  enum fault fault;
  enum json_error error = json_parse(&doc, trimmed(body), 6);
  if (error == JSON_OK && json_type(&doc, 0) >= JSON_ARRAY) {
    uint32_t root = json_is(&doc, 0, JSON_ARRAY) ? json_first(&doc, 0) : 0;
    uint32_t member = json_get(&doc, root, STR("error"));
    if (json_type(&doc, member) == JSON_NULL) member = json_get(&doc, root, STR("errors"));
    if (json_type(&doc, member) != JSON_STRING && json_first(&doc, member) == JSON_NONE) member = root;
    struct told t = {.status = status};
    told_read(&t, &doc, member, arena);
    fault = class_of(&t);
    *message = arena_str(arena, t.message);  // it may point into the body
  } else {
    fault = read_text(status, body, arena, message);
  }
  json_doc_free(&doc);
  if (fault == FAULT_UPSTREAM_AUTH) *message = without_keys(*message, arena);
  return fault ? fault : FAULT_UPSTREAM_INVALID;
}

// --- errors with status 200 ---

// MiniMax puts a status of its own into every reply; 0 is fine.
static bool base_resp_failed(const struct json_doc *doc, uint32_t base_resp) {
  uint32_t code = json_get(doc, base_resp, STR("status_code"));
  uint64_t number;
  return json_is(doc, code, JSON_NUMBER) && !(json_u64(doc, code, UINT32_MAX, &number) && number == 0);
}

// Codes that say all is well.
static bool is_fine(const struct json_doc *doc, uint32_t code) {
  uint64_t n;
  return json_u64(doc, code, UINT32_MAX, &n) && (n == 0 || n == 200 || n == 20000);
}

// An object without choices that says what went wrong in the ways of bodies with an error status: Cloudflare's list,
// FastAPI's detail, a message with a code. Returns the node that tells of it.
static uint32_t bare_error(const struct json_doc *doc) {
  uint32_t code = json_get(doc, 0, STR("code"));
  if (code == JSON_NONE) code = json_get(doc, 0, STR("error_code"));
  uint32_t errors = json_get(doc, 0, STR("errors"));
  if (json_first(doc, errors) != JSON_NONE) return errors;
  if (json_get(doc, 0, STR("detail")) != JSON_NONE) return 0;
  bool coded = (json_is(doc, code, JSON_NUMBER) && !is_fine(doc, code)) || chat_has_text(doc, code);
  bool says = chat_has_text(doc, json_get(doc, 0, STR("message"))) || chat_has_text(doc, json_get(doc, 0, STR("msg")));
  return coded && says ? 0 : JSON_NONE;
}

// The node that tells of an error, or JSON_NONE.
static uint32_t error_node(const struct json_doc *doc, const struct chat_top *top) {
  uint32_t inside = top->choice.at[CHAT_WORD_ERROR];
  if (json_first(doc, inside) != JSON_NONE || chat_has_text(doc, inside)) return inside;
  if (json_first(doc, top->error) != JSON_NONE || chat_has_text(doc, top->error)) return top->error;
  uint32_t stopped = json_get(doc, top->x_groq, STR("error"));  // why Groq ends a stream early
  if (chat_has_text(doc, stopped)) return stopped;
  if (top->first != JSON_NONE) return JSON_NONE;
  if (json_string_is(doc, json_get(doc, 0, STR("object")), STR("error"))) return 0;
  uint32_t base_resp = json_get(doc, 0, STR("base_resp"));
  if (base_resp_failed(doc, base_resp)) return base_resp;
  return top->choices == JSON_NONE ? bare_error(doc) : JSON_NONE;
}

bool chat_error_inside(struct chat_reply *reply, const struct json_doc *doc, const struct chat_top *top) {
  uint32_t error = error_node(doc, top);
  if (error != JSON_NONE) {
    struct arena arena = {0};
    struct told t = {0};
    told_read(&t, doc, error, &arena);
    enum fault fault = class_of(&t);
    if (error == json_get(doc, 0, STR("base_resp"))) {
      enum fault own = by_words(base_numbers, CHAT_COUNT(base_numbers), t.code);
      if (own) fault = own;
    }
    // Whether the request or this server's set-up is to blame is not sure: another may take it.
    if (fault == FAULT_BAD_REQUEST || fault == FAULT_UNPROCESSABLE) fault = FAULT_UNSUPPORTED;
    if (fault == FAULT_UPSTREAM_AUTH) t.message = without_keys(t.message, &arena);
    chat_fail(reply, fault ? fault : FAULT_UPSTREAM_ERROR, t.message);
    arena_free(&arena);
    return true;
  }
  struct str native = chat_inside(doc, top->choice.at[CHAT_WORD_FINISH_REASON]);
  if (!native.len || !str_eq(chat_finish_normal(native), STR("error"))) return false;
  bool overload = str_eq(native, STR("insufficient_system_resource"));
  chat_fail(reply, overload ? FAULT_UPSTREAM_OVERLOAD : FAULT_UPSTREAM_ERROR,
            STR("The provider ended its answer with an error."));
  return true;
}

// --- writing ---

// `members_json`: beside the metadata.
static void write_error(struct buf *out, enum fault fault, struct str message, struct str metadata_json,
                        struct str provider_name, struct str members_json) {
  const struct fault_row *row = fault_row(fault);
  buf_lit(out, "\"error\":{\"code\":");
  buf_u64(out, row->status);
  buf_lit(out, ",\"message\":");
  json_write_str(out, message.len ? message : str_from_cstr(row->message));
  buf_lit(out, ",\"metadata\":{\"error_type\":");
  json_write_str(out, str_from_cstr(row->error_type));
  if (provider_name.len) {
    json_write_key(out, STR("provider_name"));
    json_write_str(out, provider_name);
  }
  if (metadata_json.len) {
    buf_char(out, ',');
    buf_str(out, metadata_json);
  }
  buf_char(out, '}');
  if (members_json.len) {
    buf_char(out, ',');
    buf_str(out, members_json);
  }
  buf_char(out, '}');
}

void chat_error_write_with(struct buf *out, enum fault fault, struct str message, struct str metadata_json,
                           struct str members_json) {
  buf_char(out, '{');
  write_error(out, fault, message, metadata_json, (struct str){0}, members_json);
  buf_char(out, '}');
}

void chat_error_write(struct buf *out, enum fault fault, struct str message, struct str metadata_json) {
  chat_error_write_with(out, fault, message, metadata_json, (struct str){0});
}

void chat_stream_error(struct buf *out, const struct chat_reply *reply, enum fault fault, struct str message) {
  buf_lit(out, "data: ");
  chat_begin(reply, STR("chat.completion.chunk"), out);
  buf_char(out, ',');
  write_error(out, fault, message, (struct str){0}, reply->endpoint->provider->name, (struct str){0});
  buf_lit(out,
          ",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":\"error\","
          "\"native_finish_reason\":null}]}\n\n");
}
