// Anthropic Messages, the provider's side: requests.
// Source: https://docs.anthropic.com/en/api/messages (order, models and traps: provider/steps.h, provider/claude.h).
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"
#include "llm/model.h"

enum anthropic_host {
  ANTHROPIC_DIRECT,
  ANTHROPIC_VERTEX,   // the model stands in the path, the version in the body
  ANTHROPIC_BEDROCK,  // the same; whether it is a stream, too
};
// Appends the body. False: *t says why not, or memory is out.
bool anthropic_request(const struct conversation *c, const struct endpoint *e, enum anthropic_host host,
                       struct translation *t, struct buf *out);

// How a Claude model is asked to think, wherever it is served.
struct anthropic_thinking {
  enum {
    THINK_UNSET,
    THINK_OFF,
    THINK_OWN,  // as the client wrote it itself
    THINK_BUDGET,
    THINK_ADAPTIVE,
  } mode;
  uint64_t budget;
  const char *effort;  // output_config.effort; NULL: none
  bool summarized;     // its text must be asked for
};
struct claude;
struct steps;
// `max_tokens`: of the answer. What cannot be had is noted in *t. False: refused.
bool anthropic_thinking(const struct conversation *c, const struct claude *model, const struct steps *steps,
                        uint64_t max_tokens, struct translation *t, struct anthropic_thinking *out);
// Can this conversation be thought about within a budget? A turn that calls tools must then begin with the thinking it
// came from, which clients may have lost; and an answer cannot have been begun already.
bool anthropic_thinking_fits(const struct steps *steps);
// The word for an effort; NULL: there is none.
const char *anthropic_effort(enum effort effort, const struct claude *model);
// What a kind of tool of Anthropic's needs to be switched on; empty: nothing.
struct str anthropic_tool_beta(struct str type);
// Is the form of the answer to be had by a tool of ours?
bool anthropic_emulates_format(const struct conversation *c, const struct claude *model);
// The limit of the answer: the client's, else the model's.
uint64_t anthropic_max_tokens(const struct conversation *c, const struct endpoint *e);
// The tool that stands in for a format the model cannot be asked for: its arguments are the answer.
#define ANTHROPIC_ANSWER_TOOL "json_answer"
