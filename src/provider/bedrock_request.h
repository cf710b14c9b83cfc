// AWS Bedrock Converse and ConverseStream, the provider's side: requests.
// Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"
#include "llm/model.h"

// Whose reasoning and server-side tools it is that models other than Claude give.
#define BEDROCK_FORMAT "amazon-bedrock-v1"

// "/model/{model}/converse" or its streaming twin; the model as one segment, percent-encoded.
void bedrock_path(const struct endpoint *e, bool stream, struct buf *out);
// The same of InvokeModel, by which Claude is asked in Anthropic's own words.
void bedrock_invoke_path(const struct endpoint *e, bool stream, struct buf *out);
bool bedrock_request(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out);
// Claude's by InvokeModel; what is Bedrock's own stands in t->fields.
bool bedrock_invoke_request(const struct conversation *c, const struct endpoint *e, struct translation *t,
                            struct buf *out);
