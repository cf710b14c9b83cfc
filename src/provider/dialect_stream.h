// A provider's stream, from the bytes of its body to events: the framing of its dialect (server-sent events or Amazon's
// frames), the dialect's decoder, and what the end of the body means. Bytes may come in any pieces.
#pragma once
#include "provider/dialect.h"
#include "wire/sse.h"

// All-zero: not begun.
struct dialect_stream {
  const struct dialect *dialect;
  void *decoder;
  struct sse sse;
};

// `event_max`: the most bytes of an event; a larger one is a failure. False: out of memory.
bool dialect_stream_begin(struct dialect_stream *s, const struct dialect *dialect, struct event_sink sink,
                          size_t event_max);
void dialect_stream_drop(struct dialect_stream *s);

// Takes all whole events of the bytes not yet taken; what is behind *taken must be given again, with more behind it.
// After DECODE_DONE and DECODE_FAILED nothing may be given. *failure is filled for DECODE_FAILED.
enum decode_result dialect_stream_feed(struct dialect_stream *s, struct str bytes, size_t *taken,
                                       struct decode_failure *failure);
// The body has ended in order, with `rest` not taken: DECODE_DONE, or DECODE_FAILED when the stream was cut.
enum decode_result dialect_stream_finish(struct dialect_stream *s, struct str rest, struct decode_failure *failure);
// Memory ran out for an event.
bool dialect_stream_overflowed(const struct dialect_stream *s);
