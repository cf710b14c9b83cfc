#include "provider/dialect.h"

#include "provider/anthropic_reply.h"
#include "provider/anthropic_request.h"
#include "provider/bedrock_models.h"
#include "provider/bedrock_reply.h"
#include "provider/bedrock_request.h"
#include "provider/claude.h"
#include "provider/cohere_reply.h"
#include "provider/cohere_request.h"
#include "provider/encode.h"
#include "provider/gemini_reply.h"
#include "provider/gemini_request.h"
#include "provider/google_token.h"
#include "provider/mistral_request.h"
#include "provider/openai_models.h"
#include "provider/openai_reply.h"
#include "provider/responses_error.h"
#include "provider/responses_host.h"
#include "provider/responses_reply.h"
#include "provider/responses_request.h"
#include "provider/table.h"

// --- Anthropic ---

static void anthropic_path(const struct endpoint *e, bool stream, struct buf *out) {
  (void)e;
  (void)stream;
  buf_lit(out, "/messages");
}

static void anthropic_fields(const struct conversation *c, const struct endpoint *e, struct buf *out) {
  (void)c;
  (void)e;
  buf_lit(out, "\r\nanthropic-version: 2023-06-01");
}

static bool anthropic_encode(const struct conversation *c, const struct endpoint *e, struct translation *t,
                             struct buf *out) {
  return anthropic_request(c, e, ANTHROPIC_DIRECT, t, out);
}

static void *anthropic_new(struct event_sink sink) {
  return anthropic_stream_new(sink);
}

static void anthropic_drop(void *state) {
  anthropic_stream_drop(state);
}

static void anthropic_keep(void *state) {
  anthropic_stream_keep(state);
}

static enum decode_result anthropic_event(void *state, struct str type, struct str data,
                                          struct decode_failure *failure) {
  (void)type;  // the data says it again
  return anthropic_stream_event(state, data, failure);
}

static void anthropic_fault(unsigned status, struct str type, struct str body, struct decode_failure *failure) {
  (void)type;
  anthropic_error(status, body, failure);
}

static const struct dialect anthropic = {
    .frames = FRAMES_SSE,
    .reasoning_format = "anthropic-claude-v1",
    .path = anthropic_path,
    .fields = anthropic_fields,
    .encode = anthropic_encode,
    .reply = anthropic_reply,
    .stream_new = anthropic_new,
    .stream_drop = anthropic_drop,
    .stream_keep = anthropic_keep,
    .stream_event = anthropic_event,
    .error = anthropic_fault,
};

// --- Gemini, on AI Studio and Vertex ---

static bool gemini_encode(const struct conversation *c, const struct endpoint *e, struct translation *t,
                          struct buf *out) {
  return gemini_request(c, e, e->provider->protocol == PROTOCOL_VERTEX, t, out);
}

static void gemini_head(const struct conversation *c, const struct endpoint *e, struct buf *out) {
  if (e->provider->protocol == PROTOCOL_VERTEX) gemini_vertex_fields(c, e, out);
}

static void *gemini_new(struct event_sink sink) {
  return gemini_stream_new(sink);
}

static void gemini_drop(void *state) {
  gemini_stream_drop(state);
}

static enum decode_result gemini_event(void *state, struct str type, struct str data, struct decode_failure *failure) {
  (void)type;
  return gemini_stream_event(state, data, failure);
}

static enum decode_result gemini_end(void *state, struct decode_failure *failure) {
  return gemini_stream_end(state, failure);
}

static void gemini_fault(unsigned status, struct str type, struct str body, struct decode_failure *failure) {
  (void)type;
  gemini_error(status, body, failure);
}

static const struct dialect gemini = {
    .frames = FRAMES_SSE,
    .inlines_files = true,
    .reasoning_format = "google-gemini-v1",
    .path = gemini_path,
    .fields = gemini_head,
    .encode = gemini_encode,
    .reply = gemini_reply,
    .stream_new = gemini_new,
    .stream_drop = gemini_drop,
    .stream_event = gemini_event,
    .stream_end = gemini_end,
    .error = gemini_fault,
};

// --- Claude on Vertex ---

static void vertex_claude_path(const struct endpoint *e, bool stream, struct buf *out) {
  if (!str_starts(e->upstream_model, STR("publishers/")))
    buf_lit(out, "/publishers/anthropic/models/");
  else
    buf_char(out, '/');
  encode_path(out, e->upstream_model, "@/");
  if (stream)
    buf_lit(out, ":streamRawPredict");
  else
    buf_lit(out, ":rawPredict");
}

static void vertex_claude_fields(const struct conversation *c, const struct endpoint *e, struct buf *out) {
  (void)c;
  google_quota_field(e->provider->credentials, out);
}

static bool vertex_claude_encode(const struct conversation *c, const struct endpoint *e, struct translation *t,
                                 struct buf *out) {
  return anthropic_request(c, e, ANTHROPIC_VERTEX, t, out);
}

static void vertex_claude_fault(unsigned status, struct str type, struct str body, struct decode_failure *failure) {
  (void)type;
  anthropic_vertex_error(status, body, failure);
}

static const struct dialect vertex_claude = {
    .frames = FRAMES_SSE,
    .inlines_files = true,
    .reasoning_format = "anthropic-claude-v1",
    .path = vertex_claude_path,
    .fields = vertex_claude_fields,
    .encode = vertex_claude_encode,
    .reply = anthropic_reply,
    .stream_new = anthropic_new,
    .stream_drop = anthropic_drop,
    .stream_keep = anthropic_keep,
    .stream_event = anthropic_event,
    .error = vertex_claude_fault,
};

// --- Bedrock ---

static void *bedrock_new(struct event_sink sink) {
  return bedrock_stream_new(sink);
}

static void bedrock_drop(void *state) {
  bedrock_stream_drop(state);
}

static enum decode_result bedrock_event(void *state, struct str type, struct str data, struct decode_failure *failure) {
  return bedrock_stream_event(state, type, data, failure);
}

#define BEDROCK                                                                                                  \
  .frames = FRAMES_AWS, .inlines_files = true, .path = bedrock_path, .encode = bedrock_request,                  \
  .reply = bedrock_reply, .stream_new = bedrock_new, .stream_drop = bedrock_drop, .stream_event = bedrock_event, \
  .error = bedrock_error

static const struct dialect bedrock = {BEDROCK, .reasoning_format = BEDROCK_FORMAT};
static const struct dialect bedrock_claude = {BEDROCK, .reasoning_format = "anthropic-claude-v1"};
// Claude by InvokeModel: Anthropic's own body, replies and events, in Amazon's frames.
static const struct dialect bedrock_invoke = {
    .frames = FRAMES_AWS,
    .inlines_files = true,
    .reasoning_format = "anthropic-claude-v1",
    .path = bedrock_invoke_path,
    .encode = bedrock_invoke_request,
    .reply = bedrock_reply,
    .stream_new = bedrock_new,
    .stream_drop = bedrock_drop,
    .stream_event = bedrock_event,
    .error = bedrock_error,
};

static const struct dialect *bedrock_of(const struct endpoint *e) {
  if (!bedrock_model_of(e).claude.known) return &bedrock;
  return e->api == API_INVOKE ? &bedrock_invoke : &bedrock_claude;
}

// --- Cohere ---

static void cohere_path(const struct endpoint *e, bool stream, struct buf *out) {
  (void)e;
  (void)stream;
  buf_lit(out, "/chat");
}

static void *cohere_new(struct event_sink sink) {
  return cohere_stream_new(sink);
}

static void cohere_drop(void *state) {
  cohere_stream_drop(state);
}

static enum decode_result cohere_event(void *state, struct str type, struct str data, struct decode_failure *failure) {
  return cohere_stream_event(state, type, data, failure);
}

static void cohere_fault(unsigned status, struct str type, struct str body, struct decode_failure *failure) {
  (void)type;
  cohere_error(status, body, failure);
}

static const struct dialect cohere = {
    .frames = FRAMES_SSE,
    .path = cohere_path,
    .encode = cohere_request,
    .reply = cohere_reply,
    .stream_new = cohere_new,
    .stream_drop = cohere_drop,
    .stream_event = cohere_event,
    .error = cohere_fault,
};

// --- Mistral ---

static void chat_path(const struct endpoint *e, bool stream, struct buf *out) {
  (void)e;
  (void)stream;
  buf_lit(out, "/chat/completions");
}

static void *openai_new(struct event_sink sink) {
  return openai_stream_new(sink);
}

static void openai_drop(void *state) {
  openai_stream_drop(state);
}

static enum decode_result openai_event(void *state, struct str type, struct str data, struct decode_failure *failure) {
  (void)type;
  return openai_stream_event(state, data, failure);
}

static void openai_fault(unsigned status, struct str type, struct str body, struct decode_failure *failure) {
  (void)type;
  openai_error(status, body, failure);
}

static const struct dialect mistral = {
    .frames = FRAMES_SSE,
    .path = chat_path,
    .encode = mistral_request,
    .reply = openai_reply,
    .stream_new = openai_new,
    .stream_drop = openai_drop,
    .stream_event = openai_event,
    .error = openai_fault,
};

// --- OpenAI's Responses ---

static void responses_path(const struct endpoint *e, bool stream, struct buf *out) {
  (void)e;
  (void)stream;
  buf_lit(out, "/responses");
}

static void *responses_new(struct event_sink sink) {
  return responses_stream_new(sink, false);
}

static void *responses_new_xai(struct event_sink sink) {
  return responses_stream_new(sink, true);
}

static void responses_drop(void *state) {
  responses_stream_drop(state);
}

static enum decode_result responses_event(void *state, struct str type, struct str data,
                                          struct decode_failure *failure) {
  return responses_stream_event(state, type, data, failure);
}

static bool responses_whole(struct str body, struct event_sink sink, struct decode_failure *failure) {
  return responses_reply(body, false, sink, failure);
}

static bool responses_whole_xai(struct str body, struct event_sink sink, struct decode_failure *failure) {
  return responses_reply(body, true, sink, failure);
}

static void responses_fault(unsigned status, struct str type, struct str body, struct decode_failure *failure) {
  (void)type;
  responses_error(status, body, failure);
}

static const struct dialect responses[] = {
#define X(name, format, serves_custom)                                 \
  [RESPONSES_##name] = {                                               \
      .frames = FRAMES_SSE,                                            \
      .reasoning_format = format,                                      \
      .path = responses_path,                                          \
      .encode = responses_request,                                     \
      .reply = serves_custom ? responses_whole_xai : responses_whole,  \
      .stream_new = serves_custom ? responses_new_xai : responses_new, \
      .stream_drop = responses_drop,                                   \
      .stream_event = responses_event,                                 \
      .error = responses_fault,                                        \
  },
    RESPONSES_HOSTS(X)
#undef X
};

const struct dialect *dialect_responses(const struct endpoint *e) {
  return &responses[responses_host(e)];
}

// Chat is spliced, and so preferred where both are served.
static bool wants_responses(const struct endpoint *e) {
  if (e->api != API_AUTO) return e->api == API_RESPONSES;
  return e->provider->quirks->openai_models && openai_model_only_responses(openai_model_name(e));
}

// --- the table ---

static const struct dialect *const dialects[PROTOCOL_COUNT] = {
    [PROTOCOL_ANTHROPIC] = &anthropic, [PROTOCOL_GEMINI] = &gemini,   [PROTOCOL_VERTEX] = &gemini,
    [PROTOCOL_COHERE] = &cohere,       [PROTOCOL_MISTRAL] = &mistral,
};

const struct dialect *dialect_of(const struct endpoint *e) {
  if (e->provider->protocol == PROTOCOL_OPENAI || e->provider->protocol == PROTOCOL_AZURE)
    return wants_responses(e) ? &responses[responses_host(e)] : NULL;
  if (e->provider->protocol == PROTOCOL_VERTEX && claude_model(e->upstream_model).known) return &vertex_claude;
  if (e->provider->protocol == PROTOCOL_BEDROCK) return bedrock_of(e);
  return dialects[e->provider->protocol];
}
