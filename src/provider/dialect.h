// What a provider's protocol must be able to do, for the path of a request: say where it is asked, write the request
// from the common form, and read replies, streams and errors into events. OpenAI's own is not here: it is spliced
// (surface/openai_chat.h).
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"
#include "llm/event.h"
#include "llm/model.h"

enum dialect_frames {
  FRAMES_SSE,  // server-sent events (wire/sse.h)
  FRAMES_AWS,  // Amazon's event stream (wire/aws_event_stream.h)
};

struct dialect {
  enum dialect_frames frames;
  bool inlines_files;            // files must come as bytes: it fetches no URL
  const char *reasoning_format;  // OpenRouter's name of what signs its reasoning; NULL: nothing does
  // The path behind base_url, with its query.
  void (*path)(const struct endpoint *e, bool stream, struct buf *out);
  // Header fields beside those every request has, each as "\r\nname: value"; NULL: none.
  void (*fields)(const struct conversation *c, const struct endpoint *e, struct buf *out);
  // The request's body. False: *t says why not; when it says nothing, memory is out.
  bool (*encode)(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out);

  // A whole reply (status 200): all its events, FINISH and USAGE last. False: *failure says why.
  bool (*reply)(struct str body, struct event_sink sink, struct decode_failure *failure);
  // A stream: `state` lives as long as it does. NULL: out of memory.
  void *(*stream_new)(struct event_sink sink);
  void (*stream_drop)(void *state);
  // The provider may pause its turn: EVENT_PAUSE shall tell what it said. Before the first event. NULL: it never does.
  void (*stream_keep)(void *state);
  // One event. `type`: SSE's event field, or the frame's event or exception type.
  enum decode_result (*stream_event)(void *state, struct str type, struct str data, struct decode_failure *failure);
  // The body has ended in order. DECODE_DONE: the answer was complete all the same; DECODE_MORE: it was cut;
  // DECODE_FAILED: *failure says more. NULL: a stream without its own end was cut.
  enum decode_result (*stream_end)(void *state, struct decode_failure *failure);
  // The body of an HTTP error. `type`: the value of x-amzn-errortype, or empty.
  void (*error)(unsigned status, struct str type, struct str body, struct decode_failure *failure);
};

// OpenAI's Responses, for an endpoint of OpenAI's protocols.
const struct dialect *dialect_responses(const struct endpoint *e);
// NULL: its requests are spliced, or it is the demo.
const struct dialect *dialect_of(const struct endpoint *e);
