// AWS Bedrock Converse and ConverseStream, the provider's side: replies, events and errors.
// Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html. Pure.
#pragma once
#include "json/json.h"
#include "llm/event.h"

bool bedrock_reply(struct str body, struct event_sink sink, struct decode_failure *failure);
// A stream of messages, already checked (wire/aws_event_stream.h). DECODE_DONE once messageStop and metadata have come;
// of InvokeModel, whose messages are the model's own events, once that stream has ended.
struct bedrock_stream;
struct bedrock_stream *bedrock_stream_new(struct event_sink sink);
void bedrock_stream_drop(struct bedrock_stream *s);
enum decode_result bedrock_stream_event(struct bedrock_stream *s, struct str type, struct str payload,
                                        struct decode_failure *failure);
// `type`: x-amzn-errortype or an exception's type, in any spelling. `status` 0: it came in a stream.
void bedrock_error(unsigned status, struct str type, struct str body, struct decode_failure *failure);
// Does an object without an answer say what went wrong?
bool bedrock_is_error(const struct json_doc *doc);
