// Gemini generateContent (AI Studio and Vertex), the provider's side: replies and streams into events.
// Source: https://ai.google.dev/api/generate-content#generatecontentresponse. Pure: no clock, no socket.
#pragma once
#include "llm/event.h"

bool gemini_reply(struct str body, struct event_sink sink, struct decode_failure *failure);
// A stream: each event is a response with what is new. It has no end of its own: that is the body's, and in order when
// a finishReason has come.
struct gemini_stream;
struct gemini_stream *gemini_stream_new(struct event_sink sink);
void gemini_stream_drop(struct gemini_stream *s);
enum decode_result gemini_stream_event(struct gemini_stream *s, struct str data, struct decode_failure *failure);
// DECODE_MORE: it was cut.
enum decode_result gemini_stream_end(struct gemini_stream *s, struct decode_failure *failure);
void gemini_error(unsigned status, struct str body, struct decode_failure *failure);
