// What the files that write a request of Anthropic Messages share (anthropic_request.c, _blocks.c, _tools.c).
#pragma once
#include "base/buf.h"
#include "provider/anthropic_request.h"
#include "provider/claude.h"
#include "provider/steps.h"

#define ANTHROPIC_FORMAT "anthropic-claude-v1"

enum { ANTHROPIC_BETAS = 32 };

struct anthropic_writer {
  const struct conversation *c;
  const struct claude *model;
  enum anthropic_host host;
  struct translation *t;
  struct buf *out;
  struct steps steps;
  struct anthropic_thinking thinking;
  bool thinks;                        // it will, by our wish or the client's own
  bool emulates_format;               // the answer's form is had by a tool of ours
  unsigned marks_skipped;             // of the first cache marks: more than four are refused
  bool short_mark;                    // one of five minutes has come: those of an hour must stand before
  bool offers_tools;                  // there are tools the model may call
  bool has_tools;                     // or only such as the history called
  bool may_pause;                     // the provider runs tools, and may want to be asked to go on
  struct str betas[ANTHROPIC_BETAS];  // what the body needs to be switched on
  unsigned beta_count;
  bool failed;  // out of memory
};

void anthropic_mark(struct anthropic_writer *w, enum cache_mark mark);
void anthropic_beta(struct anthropic_writer *w, struct str name);
// A member of the request that only Anthropic knows; NULL: it is not there.
const struct extra *anthropic_extra(const struct anthropic_writer *w, const char *name);

// --- anthropic_blocks.c ---

void anthropic_system(struct anthropic_writer *w);
// False: refused.
bool anthropic_messages(struct anthropic_writer *w);
// The marks on what will be written there.
unsigned anthropic_count_marks(const struct anthropic_writer *w);

// --- anthropic_tools.c ---

void anthropic_tools(struct anthropic_writer *w);
void anthropic_choice(struct anthropic_writer *w);
unsigned anthropic_count_tool_marks(const struct anthropic_writer *w);
