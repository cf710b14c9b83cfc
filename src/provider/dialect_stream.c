#include "provider/dialect_stream.h"

#include "provider/decode.h"
#include "wire/aws_event_stream.h"

bool dialect_stream_begin(struct dialect_stream *s, const struct dialect *dialect, struct event_sink sink,
                          size_t event_max) {
  *s = (struct dialect_stream){.dialect = dialect, .decoder = dialect->stream_new(sink)};
  sse_init(&s->sse, event_max);
  return s->decoder != NULL;
}

void dialect_stream_drop(struct dialect_stream *s) {
  if (s->decoder) s->dialect->stream_drop(s->decoder);
  sse_free(&s->sse);
  *s = (struct dialect_stream){0};
}

bool dialect_stream_overflowed(const struct dialect_stream *s) {
  return s->sse.joined.failed;
}

// Without white space at its beginning, and the byte order mark at the very start.
static struct str skip_blank(const struct dialect_stream *s, struct str rest) {
  if (!s->sse.started && str_starts(rest, STR("\xef\xbb\xbf"))) rest = str_skip(rest, 3);
  while (rest.len && (rest.ptr[0] == '\n' || rest.ptr[0] == '\r' || rest.ptr[0] == ' ')) rest = str_skip(rest, 1);
  return rest;
}

// Google reports trouble in a stream as JSON outside any event; it can be read once it is all there.
static bool is_bare_json(const struct dialect_stream *s, struct str rest) {
  if (!s->dialect->stream_end) return false;
  rest = skip_blank(s, rest);
  return rest.len && (rest.ptr[0] == '{' || rest.ptr[0] == '[');
}

static enum decode_result feed_events(struct dialect_stream *s, struct str bytes, size_t *taken,
                                      struct decode_failure *failure) {
  for (;;) {
    size_t used;
    struct sse_event event;
    if (is_bare_json(s, str_skip(bytes, *taken))) return DECODE_MORE;
    enum sse_result found = sse_next(&s->sse, str_skip(bytes, *taken), &used, &event);
    *taken += used;
    if (found == SSE_MORE) return DECODE_MORE;
    if (found == SSE_TOO_LONG) return decode_refuse(failure, "The provider sent too large an event.");
    if (found == SSE_COMMENT || !event.data.len) continue;
    enum decode_result result = s->dialect->stream_event(s->decoder, event.type, event.data, failure);
    if (result != DECODE_MORE) return result;
  }
}

// What is no event is an error.
static enum decode_result feed_frames(struct dialect_stream *s, struct str bytes, size_t *taken,
                                      struct decode_failure *failure) {
  for (;;) {
    size_t used;
    struct aws_event event;
    enum aws_event_result found = aws_event_next(str_skip(bytes, *taken), &used, &event);
    *taken += used;
    if (found == AWS_EVENT_MORE) return DECODE_MORE;
    if (found == AWS_EVENT_BROKEN) return decode_refuse(failure, "The provider sent a damaged event.");
    if (!str_eq(event.message_type, STR("event"))) {
      s->dialect->error(0, event.type, event.payload.len ? event.payload : event.error_message, failure);
      return DECODE_FAILED;
    }
    enum decode_result result = s->dialect->stream_event(s->decoder, event.type, event.payload, failure);
    if (result != DECODE_MORE) return result;
  }
}

enum decode_result dialect_stream_feed(struct dialect_stream *s, struct str bytes, size_t *taken,
                                       struct decode_failure *failure) {
  *taken = 0;
  if (s->dialect->frames == FRAMES_AWS) return feed_frames(s, bytes, taken, failure);
  return feed_events(s, bytes, taken, failure);
}

static enum decode_result cut(struct decode_failure *failure, const char *message) {
  decode_fail(failure, FAULT_UPSTREAM_CUT, str_from_cstr(message));
  return DECODE_FAILED;
}

// What is left of a stream whose only end is the body's: its last event, when only the blank line is missing; an error;
// or an event that was cut.
static enum decode_result take_rest(struct dialect_stream *s, struct str rest, struct decode_failure *failure) {
  enum decode_result result = DECODE_FAILED;
  if (str_starts(rest, STR("data:")))
    result = s->dialect->stream_event(s->decoder, (struct str){0}, str_trim(str_skip(rest, 5)), failure);
  else if (is_bare_json(s, rest))  // an error, or a stream that is one array
    return s->dialect->stream_event(s->decoder, (struct str){0}, rest, failure);
  return result == DECODE_FAILED ? cut(failure, "The provider's stream ended in the middle of an event.") : result;
}

enum decode_result dialect_stream_finish(struct dialect_stream *s, struct str rest, struct decode_failure *failure) {
  enum decode_result result = DECODE_MORE;
  rest = skip_blank(s, rest);
  if (rest.len && s->dialect->stream_end) result = take_rest(s, rest, failure);
  if (result == DECODE_MORE && s->dialect->stream_end) result = s->dialect->stream_end(s->decoder, failure);
  if (result == DECODE_MORE) return cut(failure, "The provider ended its stream before the answer was complete.");
  return result;
}
