// OpenAI Chat Completions and its relatives, the provider's side: replies and streams into events, for those that
// cannot be spliced (Mistral, whose content is a list of chunks). Source:
// https://platform.openai.com/docs/api-reference/chat and https://docs.mistral.ai/api. Pure: no clock, no socket.
#pragma once
#include "llm/event.h"

bool openai_reply(struct str body, struct event_sink sink, struct decode_failure *failure);
// DECODE_DONE at [DONE].
struct openai_stream;
struct openai_stream *openai_stream_new(struct event_sink sink);
void openai_stream_drop(struct openai_stream *s);
enum decode_result openai_stream_event(struct openai_stream *s, struct str data, struct decode_failure *failure);
// {"error":{…}}, {"object":"error",…}, {"detail":…}, {"message":…}
void openai_error(unsigned status, struct str body, struct decode_failure *failure);
