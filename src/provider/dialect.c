#include "provider/dialect.h"

#include "provider/anthropic_reply.h"
#include "provider/anthropic_request.h"

// --- Anthropic ---

static void anthropic_path(const struct endpoint *e, bool stream, struct buf *out) {
  (void)e;
  (void)stream;
  buf_lit(out, "/messages");
}

static void anthropic_fields(const struct endpoint *e, struct buf *out) {
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
    .stream_event = anthropic_event,
    .error = anthropic_fault,
};

// --- the table ---

static const struct dialect *const dialects[PROTOCOL_COUNT] = {
    [PROTOCOL_ANTHROPIC] = &anthropic,
};

const struct dialect *dialect_of(const struct endpoint *e) {
  return dialects[e->provider->protocol];
}
