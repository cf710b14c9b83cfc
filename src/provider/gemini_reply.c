#include "provider/gemini_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/escape.h"
#include "provider/decode.h"
#include "provider/gemini_args.h"
#include "provider/gemini_sources.h"

enum { ARGUMENTS_MAX = 16 << 20, LOGPROBS_MAX = 8 << 20 };

// Counts as the service tells them; later chunks may leave out what an earlier one told.
struct counts {
  uint64_t prompt, tool_use, cached, answer, thoughts;
  struct modalities {
    uint64_t audio, image, video;
  } in, tool, from_cache, out;
};

// A tool the service ran itself, of which the result has not come yet.
struct run {
  bool open;
  char name[64], id[160];
  struct buf arguments, signature;  // insides
};

struct gemini_stream {
  struct event_sink sink;
  struct json_doc doc;  // its memory is used again for each event
  uint32_t calls, block, runs;
  enum event_kind kind;  // of the present block: EVENT_TEXT, EVENT_REASONING; else none
  bool whole;            // one reply: each part stands for itself; in a stream neighbours of a kind are one
  bool begun, finished, said, call_open;
  enum finish finish;
  bool failed;     // the finish is a failure of the model or the service
  bool senseless;  // arguments have a place that is none
  bool by_query;   // this model's searches are counted one by one
  char native[48];
  char message[200];  // what the service says of the failure
  struct gemini_args args;
  struct gemini_sources sources;
  struct run run;
  struct counts counts;
};

static void begin(struct gemini_stream *s, struct event_sink sink) {
  s->sink = sink;
  gemini_sources_begin(&s->sources);
  buf_init(&s->run.arguments, ARGUMENTS_MAX);
  buf_init(&s->run.signature, ARGUMENTS_MAX);
}

static void end(struct gemini_stream *s) {
  if (s->call_open) gemini_args_free(&s->args);
  gemini_sources_free(&s->sources);
  buf_free(&s->run.arguments);
  buf_free(&s->run.signature);
  json_doc_free(&s->doc);
}

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
    struct str limit = decode_member(doc, json_get(doc, d, STR("metadata")), STR("quota_limit"));
    if (str_starts(reason, STR("API_KEY_"))) failure->fault = FAULT_UPSTREAM_AUTH;
    if (str_eq(reason, STR("BILLING_DISABLED")) || str_find(limit, STR("PerDay"), 0) != SIZE_MAX)
      failure->fault = FAULT_UPSTREAM_BILLING;
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

// Some errors quote the key they refuse. It is the gateway's, and nothing a client or a log should see.
static void hide_keys(char *message) {
  static const char *const starts[] = {"AIza", "AQ.A", "ya29."};
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
    for (char *p = message; (p = strstr(p, starts[i]));)
      while ((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || *p == '_' ||
             *p == '-' || *p == '.')
        *p++ = '*';
}

static void error_read(const struct json_doc *doc, uint32_t error, unsigned status, struct decode_failure *failure) {
  uint64_t code = status;
  if (!status && !json_u64(doc, json_get(doc, error, STR("code")), 599, &code)) code = 500;
  enum fault fault = fault_of_status((unsigned)code);
  if (fault == FAULT_NONE || code == 499) fault = FAULT_UPSTREAM_ERROR;
  fault = fault_of_word(decode_member(doc, error, STR("status")), fault);
  if (fault == FAULT_BAD_REQUEST && decode_is_context(decode_member(doc, error, STR("message")))) fault = FAULT_CONTEXT;
  decode_fail_json(failure, fault, doc, json_get(doc, error, STR("message")));
  hide_keys(failure->message);
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

// Is this the beginning of a part, or does it go on with the one before?
static void part_begin(struct gemini_stream *s, enum event_kind kind) {
  bool same = s->kind == kind && kind != EVENT_BEGIN && !s->whole;
  if (!same) gemini_sources_part(&s->sources);
  if (s->kind != kind) s->block++;
  s->kind = kind;
}

// A signature of a part that is no thought. `id`: of what it belongs to (gemini_request.c); empty: a part of its own.
static void give_signature(struct gemini_stream *s, struct str id, struct str signature) {
  if (!signature.len) return;
  decode_give(s->sink, (struct event){.kind = EVENT_ENCRYPTED, .block = ++s->block, .id = id, .text = signature});
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
  s->senseless |= !ok && !json.failed && !s->args.names.failed;
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

// --- tools the service runs ---

static bool run_end(struct gemini_stream *s, struct str result, struct str result_signature) {
  struct run *run = &s->run;
  struct str id = str_from_cstr(run->id);
  char result_id[sizeof run->id + 8];
  if (run->arguments.failed || run->signature.failed) return false;
  decode_give(s->sink, (struct event){.kind = EVENT_SERVER_TOOL,
                                      .name = str_from_cstr(run->name),
                                      .id = id,
                                      .arguments = buf_view(&run->arguments),
                                      .text = result});
  give_signature(s, id, buf_view(&run->signature));
  int n = snprintf(result_id, sizeof result_id, "%s:result", run->id);
  give_signature(s, str_from(result_id, n > 0 && id.len ? (size_t)n : 0), result_signature);
  run->open = false;
  return true;
}

static bool run_close(struct gemini_stream *s) {
  return !s->run.open || run_end(s, (struct str){0}, (struct str){0});
}

// A value's JSON as the inside of a string.
static void append_inside(struct buf *out, struct str json) {
  size_t at = out->len;
  json_write_str(out, json);
  if (out->failed) return;
  memmove(out->ptr + at, out->ptr + at + 1, out->len - at - 2);
  out->len -= 2;
}

static bool run_begin(struct gemini_stream *s, const struct json_doc *doc, uint32_t part, struct str name,
                      uint32_t half) {
  struct run *run = &s->run;
  struct str id = decode_member(doc, half, STR("id")), signature = decode_member(doc, part, STR("thoughtSignature"));
  if (!run_close(s)) return false;
  run->open = true;
  decode_keep(run->name, sizeof run->name, name);
  decode_keep(run->id, sizeof run->id, id);
  // Older models give no ID, but the signature must find its run again.
  if (!id.len && signature.len) snprintf(run->id, sizeof run->id, "code_execution_%u", s->runs);
  s->runs++;
  buf_clear(&run->arguments);
  buf_clear(&run->signature);
  if (half != JSON_NONE) append_inside(&run->arguments, json_raw(doc, half));
  buf_str(&run->signature, signature);
  return !run->arguments.failed && !run->signature.failed;
}

// The result of the run before it, as a rule.
static bool run_result(struct gemini_stream *s, const struct json_doc *doc, uint32_t part, struct str name,
                       uint32_t half) {
  struct str id = decode_member(doc, half, STR("id")), known = str_from_cstr(s->run.id);
  bool fits = s->run.open && str_eq(name, str_from_cstr(s->run.name)) && (!id.len || str_eq(id, known));
  struct buf result;
  if (!fits && !run_begin(s, doc, JSON_NONE, name, JSON_NONE)) return false;
  if (!fits) decode_keep(s->run.id, sizeof s->run.id, id);
  buf_init(&result, ARGUMENTS_MAX);
  append_inside(&result, json_raw(doc, half));
  bool ok = !result.failed && run_end(s, buf_view(&result), decode_member(doc, part, STR("thoughtSignature")));
  buf_free(&result);
  return ok;
}

// --- one part ---

// What the service ran itself: code, or one of its other tools where functions stand beside them.
static bool take_run(struct gemini_stream *s, const struct json_doc *doc, uint32_t part, bool *taken) {
  uint32_t code = json_get(doc, part, STR("executableCode")), done = json_get(doc, part, STR("codeExecutionResult"));
  uint32_t call = json_get(doc, part, STR("toolCall")), response = json_get(doc, part, STR("toolResponse"));
  struct str type = decode_member(doc, call == JSON_NONE ? response : call, STR("toolType"));
  *taken = true;
  if (json_is(doc, code, JSON_OBJECT)) return run_begin(s, doc, part, STR("code_execution"), code);
  if (json_is(doc, done, JSON_OBJECT)) return run_result(s, doc, part, STR("code_execution"), done);
  if (json_is(doc, call, JSON_OBJECT)) return run_begin(s, doc, part, type, call);
  if (json_is(doc, response, JSON_OBJECT)) return run_result(s, doc, part, type, response);
  *taken = false;
  return true;
}

static void take_data(struct gemini_stream *s, const struct json_doc *doc, uint32_t data) {
  struct str type = decode_member(doc, data, STR("mimeType"));
  bool audio = str_starts(type, STR("audio/"));
  s->said = true;
  decode_give(s->sink, (struct event){.kind = audio ? EVENT_AUDIO : EVENT_IMAGE,
                                      .name = type,
                                      .text = decode_member(doc, data, STR("data"))});
}

static bool take_text(struct gemini_stream *s, struct str text, struct str signature, bool thought) {
  enum event_kind kind = thought ? EVENT_REASONING : EVENT_TEXT;
  s->said = true;
  part_begin(s, kind);
  uint32_t block = s->block;
  decode_give_text(s->sink, kind, block, text);
  if (thought) {
    decode_give_text(s->sink, EVENT_SIGNATURE, block, signature);
    return true;
  }
  if (!gemini_sources_text(&s->sources, text)) return false;
  if (!signature.len) return true;
  char id[64];  // which of the text is signed, in characters: it goes back cut as it came
  int n = snprintf(id, sizeof id, "text:%llu-%llu", (unsigned long long)s->sources.part_from,
                   (unsigned long long)s->sources.characters);
  give_signature(s, str_from(id, (size_t)n), signature);
  s->kind = EVENT_BEGIN;
  return true;
}

static bool take_part(struct gemini_stream *s, const struct json_doc *doc, uint32_t part) {
  uint32_t call = json_get(doc, part, STR("functionCall")), data = json_get(doc, part, STR("inlineData"));
  struct str text = decode_member(doc, part, STR("text")),
             signature = decode_member(doc, part, STR("thoughtSignature"));
  bool thought = json_type(doc, json_get(doc, part, STR("thought"))) == JSON_TRUE, run;
  if (!text.len || json_is(doc, call, JSON_OBJECT)) part_begin(s, EVENT_BEGIN);
  if (!take_run(s, doc, part, &run)) return false;
  if (run) return true;
  if (json_is(doc, call, JSON_OBJECT)) return run_close(s) && take_call(s, doc, part, call);
  if (text.len) return run_close(s) && take_text(s, text, signature, thought);
  if (json_is(doc, data, JSON_OBJECT)) {
    if (!run_close(s)) return false;
    if (!thought) take_data(s, doc, data);
    give_signature(s, STR("image"), signature);
    return true;
  }
  if (signature.len && !run_close(s)) return false;
  give_signature(s, (struct str){0}, signature);
  return true;
}

// --- log-probabilities ---

static void write_token(struct buf *out, const struct json_doc *doc, uint32_t token) {
  struct str text = decode_member(doc, token, STR("token"));
  uint32_t chance = json_get(doc, token, STR("logProbability"));
  struct escape_walk walk = escape_walk(text);
  buf_lit(out, "{\"token\":\"");
  buf_str(out, text);
  buf_lit(out, "\",\"logprob\":");
  if (json_is(doc, chance, JSON_NUMBER))
    buf_str(out, json_raw(doc, chance));
  else  // -Infinity; what is 0 is left out
    buf_str(out, chance == JSON_NONE ? STR("0") : STR("-9999.0"));
  buf_lit(out, ",\"bytes\":[");
  for (int byte, first = 1; (byte = escape_walk_next(&walk)) >= 0; first = 0) {
    if (!first) buf_char(out, ',');
    buf_u64(out, (uint64_t)byte);
  }
  buf_char(out, ']');
}

static void write_tops(struct buf *out, const struct json_doc *doc, uint32_t top) {
  uint32_t list = json_get(doc, top, STR("candidates"));
  bool any = false;
  buf_lit(out, ",\"top_logprobs\":[");
  for (uint32_t c = json_is(doc, list, JSON_ARRAY) ? json_first(doc, list) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, list, c)) {
    if (any) buf_char(out, ',');
    any = true;
    write_token(out, doc, c);
    buf_char(out, '}');
  }
  buf_char(out, ']');
}

static bool take_logprobs(struct gemini_stream *s, const struct json_doc *doc, uint32_t result) {
  uint32_t chosen = json_get(doc, result, STR("chosenCandidates")), tops = json_get(doc, result, STR("topCandidates"));
  uint32_t top = json_is(doc, tops, JSON_ARRAY) ? json_first(doc, tops) : JSON_NONE;
  struct buf out;
  buf_init(&out, LOGPROBS_MAX);
  for (uint32_t c = json_is(doc, chosen, JSON_ARRAY) ? json_first(doc, chosen) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, chosen, c)) {
    if (out.len) buf_char(&out, ',');
    write_token(&out, doc, c);
    write_tops(&out, doc, top);
    buf_char(&out, '}');
    if (top != JSON_NONE) top = json_next(doc, tops, top);
  }
  bool ok = !out.failed;
  if (ok && out.len) decode_give(s->sink, (struct event){.kind = EVENT_LOGPROBS, .json = buf_view(&out)});
  buf_free(&out);
  return ok;
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
      "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL",     "TOO_MANY_TOOL_CALLS", "NO_IMAGE", "IMAGE_OTHER", "OTHER",
      "MALFORMED_RESPONSE",      "MISSING_THOUGHT_SIGNATURE"};
  s->finished = true;
  s->finish = FINISH_STOP;
  s->failed = false;
  decode_keep(s->native, sizeof s->native, reason);
  if (str_eq(reason, STR("MAX_TOKENS"))) s->finish = FINISH_LENGTH;
  for (size_t i = 0; i < sizeof filtered / sizeof *filtered; i++)
    if (str_eq(reason, str_from_cstr(filtered[i]))) s->finish = FINISH_CONTENT_FILTER;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) s->failed |= str_eq(reason, str_from_cstr(faults[i]));
}

static void take_count(uint64_t *count, const struct json_doc *doc, uint32_t usage, struct str name) {
  uint64_t told = decode_count_or_0(doc, usage, name);
  if (told) *count = told;
}

// Pages of a document are read as pictures; text is what is left.
static void take_modalities(struct modalities *m, const struct json_doc *doc, uint32_t usage, struct str list) {
  uint32_t details = json_get(doc, usage, list);
  if (json_is(doc, details, JSON_ARRAY)) *m = (struct modalities){0};
  for (uint32_t d = json_is(doc, details, JSON_ARRAY) ? json_first(doc, details) : JSON_NONE; d != JSON_NONE;
       d = json_next(doc, details, d)) {
    struct str kind = decode_member(doc, d, STR("modality"));
    uint64_t count = decode_count_or_0(doc, d, STR("tokenCount"));
    if (str_eq(kind, STR("AUDIO"))) m->audio += count;
    if (str_eq(kind, STR("VIDEO"))) m->video += count;
    if (str_eq(kind, STR("IMAGE")) || str_eq(kind, STR("DOCUMENT"))) m->image += count;
  }
}

// Cumulative; what is 0 is left out.
static void take_usage(struct gemini_stream *s, const struct json_doc *doc, uint32_t usage) {
  struct counts *n = &s->counts;
  if (!json_is(doc, usage, JSON_OBJECT)) return;
  take_count(&n->prompt, doc, usage, STR("promptTokenCount"));
  take_count(&n->tool_use, doc, usage, STR("toolUsePromptTokenCount"));
  take_count(&n->cached, doc, usage, STR("cachedContentTokenCount"));
  take_count(&n->answer, doc, usage, STR("candidatesTokenCount"));
  take_count(&n->thoughts, doc, usage, STR("thoughtsTokenCount"));
  take_modalities(&n->in, doc, usage, STR("promptTokensDetails"));
  take_modalities(&n->tool, doc, usage, STR("toolUsePromptTokensDetails"));
  take_modalities(&n->from_cache, doc, usage, STR("cacheTokensDetails"));
  take_modalities(&n->out, doc, usage, STR("candidatesTokensDetails"));
}

static struct usage usage_of(const struct gemini_stream *s) {
  const struct counts *n = &s->counts;
  uint32_t queries = s->sources.queries;
  struct usage u = {.known = n->prompt || n->tool_use || n->answer || n->thoughts,
                    .prompt = n->prompt + n->tool_use,
                    .completion = n->answer + n->thoughts,
                    .cached = n->cached,
                    .reasoning = n->thoughts,
                    .audio_prompt = n->in.audio + n->tool.audio,
                    .image_prompt = n->in.image + n->tool.image,
                    .video_prompt = n->in.video + n->tool.video,
                    .audio_cached = n->from_cache.audio,
                    .image_cached = n->from_cache.image,
                    .video_cached = n->from_cache.video,
                    .audio_completion = n->out.audio,
                    .image_completion = n->out.image,
                    .video_completion = n->out.video,
                    // Up to 2.5 an answer that was grounded is paid for, from 3 on every search.
                    .web_searches = s->by_query || !queries ? queries : 1};
  u.total = u.prompt + u.completion;
  usage_settle(&u, 0);
  return u;
}

// --- a response, whole or one of a stream ---

static bool take_candidate(struct gemini_stream *s, const struct json_doc *doc, uint32_t candidate) {
  uint32_t parts = json_get(doc, json_get(doc, candidate, STR("content")), STR("parts"));
  struct str reason = decode_member(doc, candidate, STR("finishReason"));
  struct str message = decode_member(doc, candidate, STR("finishMessage"));
  for (uint32_t p = json_is(doc, parts, JSON_ARRAY) ? json_first(doc, parts) : JSON_NONE; p != JSON_NONE;
       p = json_next(doc, parts, p))
    if (!take_part(s, doc, p)) return false;
  if (!take_logprobs(s, doc, json_get(doc, candidate, STR("logprobsResult")))) return false;
  if (!gemini_sources_take(&s->sources, doc, candidate)) return false;
  if (reason.len && !str_eq(reason, STR("FINISH_REASON_UNSPECIFIED"))) take_finish(s, reason);
  if (message.len) decode_keep(s->message, sizeof s->message, message);
  return true;
}

static enum decode_result take_response(struct gemini_stream *s, const struct json_doc *doc, uint32_t root,
                                        struct decode_failure *failure) {
  uint32_t error = json_get(doc, root, STR("error")), candidates = json_get(doc, root, STR("candidates"));
  if (json_is(doc, error, JSON_OBJECT)) return error_read(doc, error, 0, failure), DECODE_FAILED;
  struct str version = decode_member(doc, root, STR("modelVersion"));
  if (version.len) s->by_query = !str_starts(version, STR("gemini-1")) && !str_starts(version, STR("gemini-2"));
  if (!s->begun)
    decode_give(s->sink, (struct event){
                             .kind = EVENT_BEGIN, .id = decode_member(doc, root, STR("responseId")), .model = version});
  s->begun = true;
  for (uint32_t c = json_is(doc, candidates, JSON_ARRAY) ? json_first(doc, candidates) : JSON_NONE; c != JSON_NONE;
       c = json_next(doc, candidates, c)) {
    uint64_t index;
    if (json_u64(doc, json_get(doc, c, STR("index")), UINT32_MAX, &index) && index) continue;  // one is asked for
    if (take_candidate(s, doc, c)) continue;
    return s->senseless ? decode_refuse(failure, "The provider sent a tool call whose arguments have no place.")
                        : decode_no_memory(failure);
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
  bool ours = str_eq(str_from_cstr(s->native), STR("MISSING_THOUGHT_SIGNATURE"));  // it will be missing again
  struct str said =
      s->message[0] ? str_from_cstr(s->message) : str_from_cstr(fault_row(FAULT_UPSTREAM_ANSWER)->message);
  decode_fail(failure, ours ? FAULT_UPSTREAM_ERROR : FAULT_UPSTREAM_ANSWER, said);
  return DECODE_FAILED;
}

static bool settle(struct gemini_stream *s) {
  if (!call_close(s) || !run_close(s) || !gemini_sources_give(&s->sources, s->sink)) return false;
  if (s->calls && s->finish == FINISH_STOP) s->finish = FINISH_TOOL_CALLS;
  decode_give(s->sink, (struct event){.kind = EVENT_FINISH, .finish = s->finish, .native = str_from_cstr(s->native)});
  struct usage u = usage_of(s);
  if (u.known) decode_give(s->sink, (struct event){.kind = EVENT_USAGE, .usage = &u});
  return true;
}

// A response, or an array of them: what a stream is that was asked for without alt=sse.
static enum decode_result take_all(struct gemini_stream *s, struct decode_failure *failure) {
  enum decode_result result = DECODE_MORE;
  if (!json_is(&s->doc, 0, JSON_ARRAY)) return take_response(s, &s->doc, 0, failure);
  for (uint32_t r = json_first(&s->doc, 0); r != JSON_NONE && result == DECODE_MORE; r = json_next(&s->doc, 0, r))
    result = take_response(s, &s->doc, r, failure);
  return result;
}

static enum decode_result nothing(struct decode_failure *failure) {  // so it ends under load
  decode_fail(failure, FAULT_UPSTREAM_OVERLOAD, STR("The provider's answer was empty."));
  return DECODE_FAILED;
}

bool gemini_reply(struct str body, struct event_sink sink, struct decode_failure *failure) {
  struct gemini_stream s = {.whole = true};
  begin(&s, sink);
  enum json_error error = json_parse(&s.doc, body, 11);
  enum decode_result result = DECODE_FAILED;
  if (error == JSON_NO_MEMORY)
    decode_no_memory(failure);
  else if (!str_trim(body).len)
    nothing(failure);
  else if (error != JSON_OK || json_type(&s.doc, 0) < JSON_ARRAY)
    decode_refuse(failure, "The provider's answer is not a JSON object.");
  else
    result = take_all(&s, failure);
  if (result == DECODE_MORE && !s.finished && !s.said)
    result = decode_refuse(failure, "The provider's answer has no candidate.");
  if (result == DECODE_MORE && !settle(&s)) result = decode_no_memory(failure);
  end(&s);
  return result == DECODE_MORE;
}

struct gemini_stream *gemini_stream_new(struct event_sink sink) {
  struct gemini_stream *s = calloc(1, sizeof *s);
  if (s) begin(s, sink);
  return s;
}

void gemini_stream_drop(struct gemini_stream *s) {
  if (!s) return;
  end(s);
  free(s);
}

enum decode_result gemini_stream_event(struct gemini_stream *s, struct str data, struct decode_failure *failure) {
  enum json_error error = json_parse(&s->doc, data, 11);
  if (error == JSON_NO_MEMORY) return decode_no_memory(failure);
  if (error != JSON_OK || json_type(&s->doc, 0) < JSON_ARRAY)
    return decode_refuse(failure, "The provider's stream has an event that is no JSON object.");
  return take_all(s, failure);
}

enum decode_result gemini_stream_end(struct gemini_stream *s, struct decode_failure *failure) {
  if (!s->begun) return nothing(failure);
  if (!s->finished) return DECODE_MORE;
  return settle(s) ? DECODE_DONE : decode_no_memory(failure);
}
