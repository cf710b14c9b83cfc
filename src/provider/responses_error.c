// The class comes from the status, then from the codes, then, where these leave it open, from the words of the message.
#include "provider/responses_error.h"

#include <string.h>

#include "provider/decode.h"

enum { WAIT_MS_MAX = 24 * 3600 * 1000 };

struct word {
  const char *word;
  enum fault fault;
};

// Looked for inside code and type, in this order.
static const struct word codes[] = {
    {"context_length", FAULT_CONTEXT},
    {"context_window", FAULT_CONTEXT},
    {"max_tokens_exceeded", FAULT_CONTEXT},
    {"insufficient_quota", FAULT_UPSTREAM_BILLING},
    {"billing", FAULT_UPSTREAM_BILLING},
    {"exceeded_current_quota", FAULT_UPSTREAM_BILLING},
    {"payment_required", FAULT_UPSTREAM_BILLING},
    {"content_filter", FAULT_CONTENT},
    {"content_policy", FAULT_CONTENT},
    {"invalid_prompt", FAULT_CONTENT},
    {"bio_policy", FAULT_CONTENT},
    {"cyber_policy", FAULT_CONTENT},
    {"moderation", FAULT_CONTENT},
    // What another account made or keeps: an endpoint of its own may still know it.
    {"invalid_encrypted_content", FAULT_UNSUPPORTED},
    {"previous_response_not_found", FAULT_UNSUPPORTED},
    {"invalid_api_key", FAULT_UPSTREAM_AUTH},
    {"authentication", FAULT_UPSTREAM_AUTH},
    {"unauthorized", FAULT_UPSTREAM_AUTH},
    {"permission", FAULT_UPSTREAM_AUTH},
    {"model_not_found", FAULT_UPSTREAM_MODEL},
    {"model_not_available", FAULT_UPSTREAM_MODEL},
    {"DeploymentNotFound", FAULT_UPSTREAM_MODEL},
    {"rate_limit", FAULT_UPSTREAM_RATE},
    {"too_many_requests", FAULT_UPSTREAM_RATE},
    {"RateLimitReached", FAULT_UPSTREAM_RATE},
    {"overloaded", FAULT_UPSTREAM_OVERLOAD},
    {"slow_down", FAULT_UPSTREAM_OVERLOAD},
    {"capacity", FAULT_UPSTREAM_OVERLOAD},
    {"timeout", FAULT_TIMEOUT},
    {"server_error", FAULT_UPSTREAM_ERROR},
    {"provider_unavailable", FAULT_UPSTREAM_ERROR},
    {"invalid_request", FAULT_BAD_REQUEST},
    {"unsupported_", FAULT_BAD_REQUEST},
    {"invalid_image", FAULT_BAD_REQUEST},
    {"image_", FAULT_BAD_REQUEST},
    {"invalid_value", FAULT_BAD_REQUEST},
};

// Looked for inside the message of a plain 400, or of an error without a code.
static const struct word messages[] = {
    {"ncorrect API key", FAULT_UPSTREAM_AUTH},
    {"nvalid API key", FAULT_UPSTREAM_AUTH},
    {"no credits", FAULT_UPSTREAM_BILLING},
    {"nsufficient balance", FAULT_UPSTREAM_BILLING},
    {"nsufficient credits", FAULT_UPSTREAM_BILLING},
    {"content management policy", FAULT_CONTENT},
    {"prompt too long", FAULT_CONTEXT},
};

static enum fault by_words(const struct word *words, size_t count, struct str text) {
  for (size_t i = 0; i < count; i++)
    if (str_find(text, str_from_cstr(words[i].word), 0) != SIZE_MAX) return words[i].fault;
  return FAULT_NONE;
}

static enum fault by_code(struct str text) {
  return by_words(codes, sizeof codes / sizeof *codes, text);
}

static enum fault by_message(struct str text) {
  if (decode_is_context(text)) return FAULT_CONTEXT;
  return by_words(messages, sizeof messages / sizeof *messages, text);
}

// Which classes a code may turn a status into.
static enum fault class_of(unsigned status, enum fault code, struct str message) {
  enum fault by_status = status ? fault_of_status(status) : FAULT_UPSTREAM_ERROR;
  switch (status) {
    case 401:
    case 402: return by_status;
    case 403: return code == FAULT_CONTENT || code == FAULT_UPSTREAM_BILLING ? code : by_status;
    case 429: return code == FAULT_UPSTREAM_BILLING || code == FAULT_UPSTREAM_OVERLOAD ? code : by_status;
    default: break;
  }
  if (code == FAULT_BAD_REQUEST && status && status != 400) code = FAULT_NONE;  // that is only the type of most errors
  enum fault words = !code || code == FAULT_BAD_REQUEST ? by_message(message) : FAULT_NONE;
  return words && status < 500 ? words : code ? code : by_status;
}

// "Please try again in 1m2.5s", "in 350ms", "retry after 5 seconds": in seconds, rounded up; 0: it does not say.
static unsigned wait_of(struct str message) {
  static const char *const words[] = {"try again in ", "retry after "};
  uint64_t ms = 0;
  size_t at = SIZE_MAX;
  for (size_t i = 0; i < 2 && at == SIZE_MAX; i++) {
    at = str_find(message, str_from_cstr(words[i]), 0);
    if (at != SIZE_MAX) at += strlen(words[i]);
  }
  while (at < message.len && message.ptr[at] >= '0' && message.ptr[at] <= '9' && ms < WAIT_MS_MAX) {
    uint64_t n = 0, scale = 1000, unit = 1000;
    for (; at < message.len && message.ptr[at] >= '0' && message.ptr[at] <= '9'; at++)
      if (n < WAIT_MS_MAX) n = n * 10 + (uint64_t)(message.ptr[at] - '0');
    n *= 1000;
    if (at < message.len && message.ptr[at] == '.')
      while (++at < message.len && message.ptr[at] >= '0' && message.ptr[at] <= '9')
        n += (uint64_t)(message.ptr[at] - '0') * (scale /= 10);
    struct str rest = str_skip(message, at);
    if (str_starts(rest, STR("ms")))
      unit = 1, at++;
    else if (str_starts(rest, STR("m")))
      unit = 60000;
    else if (str_starts(rest, STR("h")))
      unit = 3600000;
    at++;
    ms += n / 1000 * unit + n % 1000 * unit / 1000;
  }
  return (unsigned)((ms < WAIT_MS_MAX ? ms : WAIT_MS_MAX) + 999) / 1000;
}

static void read(unsigned status, const struct json_doc *doc, uint32_t holder, uint32_t error,
                 struct decode_failure *failure) {
  bool text = json_is(doc, error, JSON_STRING);  // then its code stands beside it
  uint32_t at = text ? holder : error, message = text ? error : json_get(doc, error, STR("message"));
  uint32_t inner = json_get(doc, at, STR("metadata"));
  struct str told[] = {decode_member(doc, at, STR("code")), decode_member(doc, at, STR("error_type")),
                       decode_member(doc, inner, STR("error_type")), decode_member(doc, at, STR("type"))};
  enum fault code = FAULT_NONE;
  uint64_t number;
  if (!json_is(doc, message, JSON_STRING)) message = json_get(doc, at, STR("detail"));
  // The details echo the request: only what is wrong first is shown.
  if (json_is(doc, message, JSON_ARRAY)) message = json_get(doc, json_first(doc, message), STR("msg"));
  for (size_t i = 0; i < sizeof told / sizeof *told && (!code || code == FAULT_BAD_REQUEST); i++) {
    enum fault found = by_code(told[i]);
    if (found) code = found;
  }
  if (!status && (json_u64(doc, json_get(doc, at, STR("code")), 599, &number) || str_to_u64(told[0], 599, &number)) &&
      number >= 400)
    status = (unsigned)number;
  decode_fail_json(failure, class_of(status, code, decode_inside(doc, message)), doc, message);
  if (failure->fault == FAULT_UPSTREAM_RATE) failure->retry_after_s = wait_of(decode_inside(doc, message));
}

void responses_error_inside(const struct json_doc *doc, uint32_t holder, uint32_t error,
                            struct decode_failure *failure) {
  read(0, doc, holder, error, failure);
}

static void read_text(unsigned status, struct str body, struct decode_failure *failure) {
  body = str_trim(body);
  bool page =
      str_starts(body, STR("<"));  // of something in front of the API: it says nothing of the request or the key
  enum fault fault = page && (status == 400 || status == 403) ? FAULT_UPSTREAM_ERROR : fault_of_status(status);
  decode_fail(failure, fault, page ? (struct str){0} : body);
}

void responses_error(unsigned status, struct str body, struct decode_failure *failure) {
  struct json_doc doc = {0};
  bool json = json_parse(&doc, body, 5) == JSON_OK;
  uint32_t root = json && json_is(&doc, 0, JSON_ARRAY) ? json_first(&doc, 0) : 0;
  uint32_t error = json ? json_get(&doc, root, STR("error")) : JSON_NONE;
  if (json && !json_is(&doc, error, JSON_OBJECT) && !json_is(&doc, error, JSON_STRING)) error = root;
  if (json && json_type(&doc, 0) >= JSON_ARRAY)
    read(status, &doc, root, error, failure);
  else
    read_text(status, body, failure);
  json_doc_free(&doc);
}
