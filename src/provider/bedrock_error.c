// What Bedrock's errors mean: a type in a header, or in the body, or an exception in a stream; sometimes only words.
#include "provider/bedrock_reply.h"
#include "provider/decode.h"

static enum fault fault_of_type(struct str type, enum fault otherwise) {
  static const struct {
    const char *type;
    enum fault fault;
  } rows[] = {{"AccessDenied", FAULT_UPSTREAM_AUTH},
              {"UnrecognizedClient", FAULT_UPSTREAM_AUTH},
              {"InvalidClientTokenId", FAULT_UPSTREAM_AUTH},
              {"InvalidSignature", FAULT_UPSTREAM_AUTH},
              {"SignatureDoesNotMatch", FAULT_UPSTREAM_AUTH},
              {"RequestExpired", FAULT_UPSTREAM_AUTH},
              {"RequestTimeTooSkewed", FAULT_UPSTREAM_AUTH},
              {"ExpiredToken", FAULT_UPSTREAM_AUTH},
              {"IncompleteSignature", FAULT_UPSTREAM_AUTH},
              {"MissingAuthenticationToken", FAULT_UPSTREAM_AUTH},
              {"NotAuthorized", FAULT_UPSTREAM_AUTH},
              {"OptInRequired", FAULT_UPSTREAM_AUTH},
              {"Validation", FAULT_BAD_REQUEST},
              {"ResourceNotFound", FAULT_UPSTREAM_MODEL},
              {"UnknownOperation", FAULT_UPSTREAM_INVALID},  // a wrong base_url
              {"ServiceQuotaExceeded", FAULT_UPSTREAM_BILLING},
              {"Throttling", FAULT_UPSTREAM_RATE},
              {"Throttled", FAULT_UPSTREAM_RATE},
              {"TooManyRequests", FAULT_UPSTREAM_RATE},
              {"ModelNotReady", FAULT_UPSTREAM_OVERLOAD},
              {"ModelTimeout", FAULT_TIMEOUT},
              {"ModelError", FAULT_UPSTREAM_ERROR},
              {"ModelStreamError", FAULT_UPSTREAM_ERROR},
              {"InternalServer", FAULT_UPSTREAM_ERROR},
              {"InternalFailure", FAULT_UPSTREAM_ERROR},
              {"ServiceUnavailable", FAULT_UPSTREAM_OVERLOAD}};
  struct str end = STR("Exception");
  if (type.len > end.len && str_eq_nocase(str_skip(type, type.len - end.len), end)) type.len -= end.len;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq_nocase(type, str_from_cstr(rows[i].type))) return rows[i].fault;
  return otherwise;
}

// "Name:http://…" and "namespace#Name".
static struct str type_alone(struct str type) {
  size_t hash = str_find_char(type, '#', 0);
  if (hash != SIZE_MAX) type = str_skip(type, hash + 1);
  size_t colon = str_find_char(type, ':', 0);
  return str_trim(colon == SIZE_MAX ? type : str_from(type.ptr, colon));
}

static bool says(struct str message, const char *words) {
  return str_find(message, str_from_cstr(words), 0) != SIZE_MAX;
}

// One type stands for many things: only the words tell.
static enum fault by_words(enum fault fault, struct str words) {
  if (fault == FAULT_BAD_REQUEST) {
    if (decode_is_context(words)) return FAULT_CONTEXT;
    if (says(words, "model identifier is invalid") || says(words, "on-demand throughput") ||
        says(words, "model ID is not supported") || says(words, "marked by provider as Legacy"))
      return FAULT_UPSTREAM_MODEL;
    if (says(words, "content filtering policy")) return FAULT_CONTENT;
  }
  if (fault == FAULT_UPSTREAM_RATE && says(words, "per day")) return FAULT_UPSTREAM_BILLING;
  // The key is fine, this model is not open to it.
  if (fault == FAULT_UPSTREAM_AUTH && (says(words, "access to the model") || says(words, "access to this model")))
    return FAULT_UPSTREAM_MODEL;
  return fault;
}

// What the model's own service answered behind Bedrock.
static enum fault by_original(const struct json_doc *doc, enum fault fault) {
  uint64_t status;
  if (fault != FAULT_UPSTREAM_ERROR || !json_u64(doc, json_get(doc, 0, STR("originalStatusCode")), 599, &status))
    return fault;
  if (status == 429) return FAULT_UPSTREAM_RATE;
  return status == 503 || status == 529 ? FAULT_UPSTREAM_OVERLOAD : fault;
}

static struct str type_of_body(const struct json_doc *doc) {
  struct str type = decode_member(doc, 0, STR("__type"));
  if (!type.len) type = decode_member(doc, json_get(doc, 0, STR("Output")), STR("__type"));
  return type.len ? type : decode_member(doc, 0, STR("code"));
}

void bedrock_error(unsigned status, struct str type, struct str body, struct decode_failure *failure) {
  struct json_doc doc = {0};
  bool json = json_parse(&doc, body, 3) == JSON_OK;
  uint32_t message = json ? json_get(&doc, 0, STR("message")) : JSON_NONE;
  if (json && message == JSON_NONE) message = json_get(&doc, 0, STR("Message"));
  if (json && message == JSON_NONE) message = json_get(&doc, 0, STR("originalMessage"));
  type = type_alone(type);
  if (!type.len && json) type = type_alone(type_of_body(&doc));
  enum fault fault = status ? fault_of_status(status) : FAULT_UPSTREAM_ERROR;
  if (status == 424) fault = FAULT_UPSTREAM_ERROR;
  fault = fault_of_type(type, fault);
  if (json) fault = by_original(&doc, fault);
  fault = by_words(fault, json ? decode_inside(&doc, message) : body);
  if (json)
    decode_fail_json(failure, fault, &doc, message);
  else
    decode_fail(failure, fault, status ? (struct str){0} : body);  // HTML of a proxy is nothing to show
  json_doc_free(&doc);
}

bool bedrock_is_error(const struct json_doc *doc) {
  bool typed = type_of_body(doc).len != 0, message = json_is(doc, json_get(doc, 0, STR("message")), JSON_STRING);
  return typed || message || json_is(doc, json_get(doc, 0, STR("Message")), JSON_STRING);
}
