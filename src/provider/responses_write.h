// A request in OpenAI's Responses on its way: what the files that write it share (responses_request.c,
// responses_input.c, responses_tools.c).
#pragma once
#include "provider/encode.h"
#include "provider/responses_host.h"
#include "provider/steps.h"
#include "provider/table.h"

// A call of the turn that was written last, and the ID it goes by.
struct responses_call {
  const struct part *part;
  struct str id;
};

struct responses_writer {
  const struct conversation *c;
  const struct endpoint *e;
  struct translation *t;
  struct buf *out;
  enum responses_host host;
  struct str model;  // which of OpenAI's it is, if it is one
  struct steps steps;
  bool as_messages;                // system texts at the beginning are messages, not instructions
  bool keeps_reasoning;            // the model is given what it reasoned before
  bool kept_there;                 // the provider keeps the items of earlier answers itself
  bool marks;                      // places in the prompt are marked for the cache
  size_t marks_to_skip;            // only the last of them are
  const struct part *marked_last;  // the end of the prompt
  struct str *ids;                 // hash table of the IDs that calls of earlier turns go by
  size_t ids_mask;
  struct responses_call *calls;
  size_t call_count;
};

// --- responses_input.c ---

// `instructions` and `input`. False: *t says why not; when it says nothing, memory is out.
bool responses_input(struct responses_writer *w);

// --- responses_tools.c ---

// `tools`, `tool_choice` and `parallel_tool_calls`.
void responses_tools(struct responses_writer *w);
// The item of a call, and the beginning of its result: up to the key of its output.
void responses_call_item(struct responses_writer *w, const struct part *call, struct str id);
enum responses_output {
  OUTPUT_ANY,      // a string, or parts
  OUTPUT_PICTURE,  // of a computer's screen
  OUTPUT_SHELL,    // what a command printed
};
enum responses_output responses_output_begin(struct responses_writer *w, const struct part *call, struct str id);
// An item that the provider gave as a tool it ran itself. False: it cannot be sent back.
bool responses_served_item(struct responses_writer *w, const struct part *p);
// The members of an object as they are, but for those of two names ("": none).
void responses_copy(struct buf *out, const struct json_doc *doc, uint32_t object, const char *except,
                    const char *or_this);
