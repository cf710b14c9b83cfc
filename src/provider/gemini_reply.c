#include "provider/gemini_reply.h"

#include <stdlib.h>
#include <string.h>

#include "provider/decode.h"
#include "provider/gemini_args.h"

enum { ARGUMENTS_MAX = 16 << 20 };

struct gemini_stream {
  struct event_sink sink;
  struct json_doc doc;  // its memory is used again for each event
  uint32_t calls, block, sources;
  enum event_kind kind;  // of the present block: EVENT_TEXT, EVENT_REASONING; else none
  bool begun, finished, said, call_open;
  enum finish finish;
  bool failed;  // the finish is a failure of the model or the service
  char native[48];
  char message[200];  // what the service says of the failure
  struct gemini_args args;
  struct usage usage;
};

// --- errors ---

static enum fault fault_of_word(struct str word, enum fault otherwise) {
  static const struct {
    const char *word;
    enum fault fault;
  } rows[] = {{"INVALID_ARGUMENT", FAULT_BAD_REQUEST},  {"FAILED_PRECONDITION", FAULT_UPSTREAM_AUTH},
              {"UNAUTHENTICATED", FAULT_UPSTREAM_AUTH}, {"PERMISSION_DENIED", FAULT_UPSTREAM_AUTH},
              {"NOT_FOUND", FAULT_UPSTREAM_MODEL},      {"RESOURCE_EXHAUSTED", FAULT_UPSTREAM_RATE},
              {"INTERNAL", FAULT_UPSTREAM_ERROR},       {"UNKNOWN", FAULT_UPSTREAM_ERROR},
              {"CANCELLED", FAULT_UPSTREAM_ERROR},      {"ABORTED", FAULT_UPSTREAM_ERROR},
              {"DATA_LOSS", FAULT_UPSTREAM_ERROR},      {"UNAVAILABLE", FAULT_UPSTREAM_OVERLOAD},
              {"DEADLINE_EXCEEDED", FAULT_TIMEOUT}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq(word, str_from_cstr(rows[i].word))) return rows[i].fault;
  return otherwise;
}

// What the details add: a key that is none, a quota for the day, a time to wait.
static void read_details(const struct json_doc *doc, uint32_t details, struct decode_failure *failure) {
  for (uint32_t d = json_first(doc, details); d != JSON_NONE; d = json_next(doc, details, d)) {
    struct str delay = decode_member(doc, d, STR("retryDelay")), reason = decode_member(doc, d, STR("reason"));
    uint32_t violations = json_get(doc, d, STR("violations"));
    if (str_eq(reason, STR("API_KEY_INVALID")) || str_eq(reason, STR("API_KEY_SERVICE_BLOCKED")))
      failure->fault = FAULT_UPSTREAM_AUTH;
    uint64_t seconds;
    size_t end = 0;
    while (end < delay.len && delay.ptr[end] >= '0' && delay.ptr[end] <= '9') end++;
    if (str_to_u64(str_from(delay.ptr, end), 86400, &seconds))
      failure->retry_after_s = (unsigned)seconds + (end < delay.len && delay.ptr[end] == '.');
    for (uint32_t v = json_first(doc, violations); v != JSON_NONE; v = json_next(doc, violations, v))
      if (str_find(decode_member(doc, v, STR("quotaId")), STR("PerDay"), 0) != SIZE_MAX)
        failure->fault = FAULT_UPSTREAM_BILLING;
  }
}

static void error_read(const struct json_doc *doc, uint32_t error, unsigned status, struct decode_failure *failure) {
  uint64_t code = status;
  if (!status && !json_u64(doc, json_get(doc, error, STR("code")), 599, &code)) code = 500;
  enum fault fault = fault_of_status((unsigned)code);
  if (fault == FAULT_NONE || code == 499) fault = FAULT_UPSTREAM_ERROR;
  fault = fault_of_word(decode_member(doc, error, STR("status")), fault);
  if (fault == FAULT_BAD_REQUEST && decode_is_context(decode_member(doc, error, STR("message")))) fault = FAULT_CONTEXT;
  decode_fail_json(failure, fault, doc, json_get(doc, error, STR("message")));
  read_details(doc, json_get(doc, error, STR("details")), failure);
}

void gemini_error(unsigned status, struct str body, struct decode_failure *failure) {
  struct json_doc doc = {0};
  bool json = json_parse(&doc, body, 7) == JSON_OK;
  uint32_t root =
      json && json_is(&doc, 0, JSON_ARRAY) ? json_first(&doc, 0) : 0;  // streams and the OpenAI twin wrap it
  uint32_t error = json ? json_get(&doc, root, STR("error")) : JSON_NONE;
  if (json_is(&doc, error, JSON_OBJECT))
    error_read(&doc, error, status, failure);
  else  // HTML, from a host or location that is none
    decode_fail(failure, fault_of_status(status), (struct str){0});
  json_doc_free(&doc);
}

// --- parts ---

static uint32_t block_for(struct gemini_stream *s, enum event_kind kind) {
  if (s->kind != kind) s->block++;
  s->kind = kind;
  return s->block;
}

static void give_signature(struct gemini_stream *s, struct str signature) {
  if (!signature.len) return;
  s->kind = EVENT_BEGIN;
  decode_give_text(s->sink, EVENT_ENCRYPTED, ++s->block, signature);
}

// JSON text as a piece of a call's arguments.
static bool give_json(struct gemini_stream *s, const struct buf *json) {
  struct buf text;
  if (json->failed) return false;
  if (!json->len) return true;
  buf_init(&text, ARGUMENTS_MAX);
  json_write_str(&text, buf_view(json));
  bool ok = !text.failed;
  if (ok) decode_give_arguments(s->sink, s->calls - 1, str_from(text.ptr + 1, text.len - 2));
  buf_free(&text);
  return ok;
}

static bool call_close(struct gemini_stream *s) {
  struct buf json;
  if (!s->call_open) return true;
  s->call_open = false;
  buf_init(&json, ARGUMENTS_MAX);
  gemini_args_end(&s->args, &json);
  bool ok = give_json(s, &json);
  buf_free(&json);
  gemini_args_free(&s->args);
  decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = s->calls - 1});
  return ok;
}

// More values of a call that was begun before.
static bool call_go_on(struct gemini_stream *s, const struct json_doc *doc, uint32_t partials) {
  struct buf json;
  bool ok = true;
  buf_init(&json, ARGUMENTS_MAX);
  for (uint32_t p = json_first(doc, partials); ok && p != JSON_NONE; p = json_next(doc, partials, p))
    ok = gemini_args_take(&s->args, doc, p, &json);
  ok = ok && give_json(s, &json);
  buf_free(&json);
  return ok;
}

static bool take_call(struct gemini_stream *s, const struct json_doc *doc, uint32_t part, uint32_t call) {
  uint32_t partials = json_get(doc, call, STR("partialArgs")), args = json_get(doc, call, STR("args"));
  struct str name = decode_member(doc, call, STR("name"));
  bool more = json_type(doc, json_get(doc, call, STR("willContinue"))) == JSON_TRUE;
  s->kind = EVENT_BEGIN;
  s->said = true;
  if (name.len) {
    if (!call_close(s)) return false;
    decode_give(s->sink, (struct event){.kind = EVENT_CALL,
                                        .call = s->calls++,
                                        .id = decode_member(doc, call, STR("id")),
                                        .name = name,
                                        .text = decode_member(doc, part, STR("thoughtSignature"))});
    if (!more && partials == JSON_NONE) {
      bool ok = decode_give_arguments_json(s->sink, s->calls - 1, doc, args);
      decode_give(s->sink, (struct event){.kind = EVENT_CALL_END, .call = s->calls - 1});
      return ok;
    }
    gemini_args_begin(&s->args);
    s->call_open = true;
  }
  if (!s->call_open) return true;  // an end of nothing
  if (!call_go_on(s, doc, partials)) return false;
  return more || call_close(s);
}

static bool take_part(struct gemini_stream *s, const struct json_doc *doc, uint32_t part) {
  uint32_t call = json_get(doc, part, STR("functionCall")), data = json_get(doc, part, STR("inlineData"));
  struct str text = decode_member(doc, part, STR("text")),
             signature = decode_member(doc, part, STR("thoughtSignature"));
  if (json_is(doc, call, JSON_OBJECT)) return take_call(s, doc, part, call);
  bool thought = json_type(doc, json_get(doc, part, STR("thought"))) == JSON_TRUE;
  if (text.len) {
    enum event_kind kind = thought ? EVENT_REASONING : EVENT_TEXT;
    s->said = true;
    decode_give_text(s->sink, kind, block_for(s, kind), text);
  } else if (json_is(doc, data, JSON_OBJECT) && !thought) {
    s->said = true;
    decode_give(s->sink, (struct event){.kind = EVENT_IMAGE,
                                        .name = decode_member(doc, data, STR("mimeType")),
                                        .text = decode_member(doc, data, STR("data"))});
  }
  give_signature(s, signature);
  return true;
}

// Sources come again, with more of them, from chunk to chunk.
static void take_sources(struct gemini_stream *s, const struct json_doc *doc, uint32_t grounding) {
  uint32_t chunks = json_get(doc, grounding, STR("groundingChunks")), n = 0;
  for (uint32_t c = json_first(doc, chunks); c != JSON_NONE; c = json_next(doc, chunks, c), n++) {
    uint32_t web = json_get(doc, c, STR("web"));
    struct str url = decode_member(doc, web, STR("uri"));
    if (n < s->sources || !url.len) continue;
    s->sources = n + 1;
    decode_give(s->sink, (struct event){.kind = EVENT_CITATION,
                                        .block = s->block,
                                        .url = url,
                                        .title = decode_member(doc, web, STR("title")),
                                        .json = json_raw(doc, c)});
  }
}

// --- finish and usage ---

static void take_finish(struct gemini_stream *s, struct str reason) {
  static const char *const filtered[] = {"SAFETY",
                                         "RECITATION",
                                         "BLOCKLIST",
                                         "PROHIBITED_CONTENT",
                                         "SPII",
                                         "LANGUAGE",
                                         "IMAGE_SAFETY",
                                         "IMAGE_PROHIBITED_CONTENT",
                                         "IMAGE_RECITATION"};
  static const char *const faults[] = {
      "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "NO_IMAGE", "IMAGE_OTHER", "OTHER",
      "MALFORMED_RESPONSE"};
  s->finished = true;
  s->finish = FINISH_STOP;
  s->failed = false;
  decode_keep(s->native, sizeof s->native, reason);
  if (str_eq(reason, STR("MAX_TOKENS"))) s->finish = FINISH_LENGTH;
  for (size_t i = 0; i < sizeof filtered / sizeof *filtered; i++)
    if (str_eq(reason, str_from_cstr(filtered[i]))) s->finish = FINISH_CONTENT_FILTER;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) s->failed |= str_eq(reason, str_from_cstr(faults[i]));
}

// Adds a list of counts by modality. Pages of a document are read as pictures; text is what is left.
static void modalities(const struct json_doc *doc, uint32_t list, uint64_t *audio, uint64_t *image, uint64_t *video) {
  for (uint32_t d = json_first(doc, list); d != JSON_NONE; d = json_next(doc, list, d)) {
    uint64_t count = decode_count_or_0(doc, d, STR("tokenCount"));
    struct str kind = decode_member(doc, d, STR("modality"));
    if (str_eq(kind, STR("AUDIO"))) *audio += count;
    if (str_eq(kind, STR("IMAGE")) || str_eq(kind, STR("DOCUMENT"))) *image += count;
    if (str_eq(kind, STR("VIDEO"))) *video += count;
  }
}

// What the counts consist of: what one chunk tells of it is the whole of it.
static void take_modalities(struct usage *u, const struct json_doc *doc, uint32_t usage) {
  uint32_t prompt = json_get(doc, usage, STR("promptTokensDetails")),
           tools = json_get(doc, usage, STR("toolUsePromptTokensDetails")),
           cached = json_get(doc, usage, STR("cacheTokensDetails")),
           answer = json_get(doc, usage, STR("candidatesTokensDetails"));
  if (prompt != JSON_NONE || tools != JSON_NONE) u->audio_prompt = u->image_prompt = u->video_prompt = 0;
  modalities(doc, prompt, &u->audio_prompt, &u->image_prompt, &u->video_prompt);
  modalities(doc, tools, &u->audio_prompt, &u->image_prompt, &u->video_prompt);
  if (cached != JSON_NONE) u->audio_cached = u->image_cached = u->video_cached = 0;
  modalities(doc, cached, &u->audio_cached, &u->image_cached, &u->video_cached);
  if (answer != JSON_NONE) u->audio_completion = u->image_completion = u->video_completion = 0;
  modalities(doc, answer, &u->audio_completion, &u->image_completion, &u->video_completion);
}

// Cumulative; a later chunk may leave out what an earlier one told.
static void take_usage(struct gemini_stream *s, const struct json_doc *doc, uint32_t usage) {
  struct usage *u = &s->usage;
  if (!json_is(doc, usage, JSON_OBJECT)) return;
  uint64_t prompt = decode_count_or_0(doc, usage, STR("promptTokenCount")) +
                    decode_count_or_0(doc, usage, STR("toolUsePromptTokenCount"));
  uint64_t thoughts = decode_count_or_0(doc, usage, STR("thoughtsTokenCount"));
  uint64_t answer = decode_count_or_0(doc, usage, STR("candidatesTokenCount"));
  uint64_t cached = decode_count_or_0(doc, usage, STR("cachedContentTokenCount"));
  if (prompt) u->prompt = prompt;
  if (cached) u->cached = cached;
  if (thoughts) u->reasoning = thoughts;
  uint64_t before = u->completion > u->reasoning ? u->completion - u->reasoning : 0;
  if (thoughts || answer) u->completion = (answer ? answer : before) + u->reasoning;
  take_modalities(u, doc, usage);
  u->known |= prompt || answer || thoughts;
}

// --- a response, whole or one of a stream ---

static bool take_candidate(struct gemini_stream *s, const struct json_doc *doc, uint32_t candidate) {
  uint32_t parts = json_get(doc, json_get(doc, candidate, STR("content")), STR("parts"));
  struct str reason = decode_member(doc, candidate, STR("finishReason"));
  struct str message = decode_member(doc, candidate, STR("finishMessage"));
  for (uint32_t p = json_is(doc, parts, JSON_ARRAY) ? json_first(doc, parts) : JSON_NONE; p != JSON_NONE;
       p = json_next(doc, parts, p))
    if (!take_part(s, doc, p)) return false;
  take_sources(s, doc, json_get(doc, candidate, STR("groundingMetadata")));
  if (reason.len && !str_eq(reason, STR("FINISH_REASON_UNSPECIFIED"))) take_finish(s, reason);
  if (message.len) decode_keep(s->message, sizeof s->message, message);
  return true;
}

static enum decode_result take_response(struct gemini_stream *s, const struct json_doc *doc, uint32_t root,
                                        struct decode_failure *failure) {
  uint32_t error = json_get(doc, root, STR("error")), candidates = json_get(doc, root, STR("candidates"));
  if (json_is(doc, error, JSON_OBJECT)) return error_read(doc, error, 0, failure), DECODE_FAILED;
  if (!s->begun)
    decode_give(s->sink, (struct event){.kind = EVENT_BEGIN,
                                        .id = decode_member(doc, root, STR("responseId")),
                                        .model = decode_member(doc, root, STR("modelVersion"))});
  s->begun = true;
  for (uint32_t c = json_is(doc, candidates, JSON_ARRAY) ? json_first(doc, candidates) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, candidates, c)) {
    uint64_t index;
    if (json_u64(doc, json_get(doc, c, STR("index")), UINT32_MAX, &index) && index) continue;  // one is asked for
    if (!take_candidate(s, doc, c)) return decode_no_memory(failure);
  }
  struct str blocked = decode_member(doc, json_get(doc, root, STR("promptFeedback")), STR("blockReason"));
  if (blocked.len && json_first(doc, candidates) == JSON_NONE) {
    s->finished = true;
    s->finish = FINISH_CONTENT_FILTER;
    decode_keep(s->native, sizeof s->native, blocked);
  }
  take_usage(s, doc, json_get(doc, root, STR("usageMetadata")));
  bool gave_up = s->failed && !s->calls;
  if (!gave_up) return DECODE_MORE;
  decode_fail(failure, FAULT_UPSTREAM_ERROR,
              s->message[0] ? str_from_cstr(s->message)
                            : STR("The provider's model wrote an answer that its own service refused."));
  return DECODE_FAILED;
}

static bool settle(struct gemini_stream *s) {
  if (!call_close(s)) return false;
  if (s->calls && s->finish == FINISH_STOP) s->finish = FINISH_TOOL_CALLS;
  decode_give(s->sink, (struct event){.kind = EVENT_FINISH, .finish = s->finish, .native = str_from_cstr(s->native)});
  struct usage *u = &s->usage;
  if (u->cached > u->prompt) u->cached = u->prompt;
  u->total = u->prompt + u->completion;
  if (u->known) decode_give(s->sink, (struct event){.kind = EVENT_USAGE, .usage = u});
  return true;
}

bool gemini_reply(struct str body, struct event_sink sink, struct decode_failure *failure) {
  struct gemini_stream s = {.sink = sink};
  enum json_error error = json_parse(&s.doc, body, 10);
  enum decode_result result = DECODE_FAILED;
  if (error == JSON_NO_MEMORY) {
    decode_no_memory(failure);
  } else if (error != JSON_OK || json_type(&s.doc, 0) < JSON_ARRAY) {
    decode_refuse(failure, "The provider's answer is not a JSON object.");
  } else if (json_is(&s.doc, 0, JSON_ARRAY)) {  // a stream that was asked for without alt=sse
    result = DECODE_MORE;
    for (uint32_t r = json_first(&s.doc, 0); r != JSON_NONE && result == DECODE_MORE; r = json_next(&s.doc, 0, r))
      result = take_response(&s, &s.doc, r, failure);
  } else {
    result = take_response(&s, &s.doc, 0, failure);
  }
  if (result == DECODE_MORE && !s.finished && !s.said)
    result = decode_refuse(failure, "The provider's answer has no candidate.");
  if (result == DECODE_MORE && !settle(&s)) result = decode_no_memory(failure);
  if (s.call_open) gemini_args_free(&s.args);
  json_doc_free(&s.doc);
  return result == DECODE_MORE;
}

struct gemini_stream *gemini_stream_new(struct event_sink sink) {
  struct gemini_stream *s = calloc(1, sizeof *s);
  if (s) s->sink = sink;
  return s;
}

void gemini_stream_drop(struct gemini_stream *s) {
  if (!s) return;
  if (s->call_open) gemini_args_free(&s->args);
  json_doc_free(&s->doc);
  free(s);
}

enum decode_result gemini_stream_event(struct gemini_stream *s, struct str data, struct decode_failure *failure) {
  enum json_error error = json_parse(&s->doc, data, 10);
  if (error == JSON_NO_MEMORY) return decode_no_memory(failure);
  if (error != JSON_OK || json_type(&s->doc, 0) < JSON_ARRAY)
    return decode_refuse(failure, "The provider's stream has an event that is no JSON object.");
  return take_response(s, &s->doc, json_is(&s->doc, 0, JSON_ARRAY) ? json_first(&s->doc, 0) : 0, failure);
}

enum decode_result gemini_stream_end(struct gemini_stream *s) {
  return s->finished && settle(s) ? DECODE_DONE : DECODE_MORE;
}
