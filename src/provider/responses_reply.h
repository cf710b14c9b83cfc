// OpenAI Responses, the provider's side: replies, streams and errors. Source:
// https://platform.openai.com/docs/api-reference/responses and .../responses-streaming. Pure.
#pragma once
#include "llm/event.h"

bool responses_reply(struct str body, struct event_sink sink, struct decode_failure *failure);
// DECODE_DONE at response.completed or response.incomplete.
struct responses_stream;
struct responses_stream *responses_stream_new(struct event_sink sink);
void responses_stream_drop(struct responses_stream *s);
enum decode_result responses_stream_event(struct responses_stream *s, struct str type, struct str data,
                                          struct decode_failure *failure);
