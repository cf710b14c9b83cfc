// The members of a Converse request beside its messages, system texts and tools: inference parameters, what only the
// model knows, the form of the answer, metadata, and what the client wrote in Bedrock's own words. Pure.
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"
#include "provider/anthropic_request.h"
#include "provider/bedrock_models.h"

struct bedrock_fields {
  const struct conversation *c;
  const struct endpoint *e;
  const struct bedrock_model *model;
  struct translation *t;
  struct anthropic_thinking thinking;
  bool client_thinks;  // the client asked for thinking in the model's own words
};

// First of all: what the client asked for in Bedrock's or Anthropic's own words decides with. False: refused.
struct steps;
bool bedrock_fields_read(struct bedrock_fields *f, const struct steps *steps);
// Will the model think as Claude does? That forbids other things.
bool bedrock_fields_thinks(const struct bedrock_fields *f);
// Appends the members. False: out of memory.
bool bedrock_fields_write(const struct bedrock_fields *f, struct buf *out);
// Is this tool of the provider's own one that goes to the model as it is (Claude's computer, shell, editor, memory)?
bool bedrock_fields_takes_tool(const struct bedrock_model *model, const struct native_tool *tool);
