// Cohere v2 chat, the provider's side: replies, streams and errors.
// Source: https://docs.cohere.com/reference/chat and .../reference/chat-stream. Pure.
#pragma once
#include "llm/event.h"

bool cohere_reply(struct str body, struct event_sink sink, struct decode_failure *failure);
// DECODE_DONE at message-end.
struct cohere_stream;
struct cohere_stream *cohere_stream_new(struct event_sink sink);
void cohere_stream_drop(struct cohere_stream *s);
enum decode_result cohere_stream_event(struct cohere_stream *s, struct str type, struct str data,
                                       struct decode_failure *failure);
void cohere_error(unsigned status, struct str body, struct decode_failure *failure);
