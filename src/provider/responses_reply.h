// OpenAI Responses, the provider's side: replies and streams. Source:
// https://platform.openai.com/docs/api-reference/responses and .../responses-streaming. Pure.
#pragma once
#include "llm/event.h"

// `serves_custom`: calls of custom tools are of the service's own tools, which it has run (xAI).
bool responses_reply(struct str body, bool serves_custom, struct event_sink sink, struct decode_failure *failure);
// DECODE_DONE at response.completed or response.incomplete.
struct responses_stream;
struct responses_stream *responses_stream_new(struct event_sink sink, bool serves_custom);
void responses_stream_drop(struct responses_stream *s);
enum decode_result responses_stream_event(struct responses_stream *s, struct str type, struct str data,
                                          struct decode_failure *failure);
