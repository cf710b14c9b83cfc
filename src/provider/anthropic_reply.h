// Anthropic Messages, the provider's side: replies and streams into events.
// Source: https://docs.anthropic.com/en/api/messages and .../streaming (shared rules: llm/event.h).
// Pure: no clock, no socket.
#pragma once
#include "llm/event.h"

// A whole reply (status 200): all its events, FINISH and USAGE last. False: *failure says why; events may have been
// given before.
bool anthropic_reply(struct str body, struct event_sink sink, struct decode_failure *failure);

// A stream. One lives as long as each open stream.
struct anthropic_stream;
struct anthropic_stream *anthropic_stream_new(struct event_sink sink);  // NULL: out of memory
void anthropic_stream_drop(struct anthropic_stream *s);
// Keeps what comes, for EVENT_PAUSE: the turn may be paused. Before the first event.
void anthropic_stream_keep(struct anthropic_stream *s);
// Takes the data of one server-sent event. DECODE_DONE at message_stop, after FINISH and USAGE. A stream that ends
// before that was cut. Events and blocks of kinds not known here are passed over.
enum decode_result anthropic_stream_event(struct anthropic_stream *s, struct str data, struct decode_failure *failure);

// The body of an HTTP error: its class and its message. `status` is the HTTP status.
void anthropic_error(unsigned status, struct str body, struct decode_failure *failure);
// The same on Vertex: the service in between answers in its own way, the model in Anthropic's, or one within the other.
void anthropic_vertex_error(unsigned status, struct str body, struct decode_failure *failure);
