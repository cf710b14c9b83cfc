// A conversation put in the order that most providers insist on: the results of a turn's tool calls come directly
// behind it, each once and before anything else; a call without a result gets an error for one; a result without a call
// becomes the user's text; system messages in the middle too. Empty parts and the turns they leave empty are gone;
// their cache marks are their neighbours'.
#pragma once
#include "llm/conversation.h"

enum step_kind {
  STEP_PART,    // part, of a user or assistant turn
  STEP_RESULT,  // the answer of `turn` to the call `part`; turn NULL: the client gave none
  STEP_ORPHAN,  // the text of `turn`, a result of no call: the user's
  STEP_SYSTEM,  // part of a system turn that is not at the beginning: the user's
};

struct step {
  enum step_kind kind;
  bool user;                // the user's side, or the model's
  bool begins;              // the first step of its turn
  const struct part *part;  // not of STEP_ORPHAN
  const struct turn *turn;
  size_t turn_number;
  enum cache_mark cache;  // of the part or the result, or of a part beside it that is gone
};

// A call whose ID an earlier call has, and the one it goes by.
struct renamed_call {
  const struct part *call;
  struct str id;
};

struct steps {
  struct step *items;
  size_t count;
  size_t system_count;           // turns at the beginning that are the system's
  struct renamed_call *renamed;  // hash table by the call; NULL: none is renamed
  size_t renamed_mask;
};

// `call_order`: results in the order of the calls, not as the client gave them. `server_tools`: the format of those
// PART_SERVER_TOOL that stay; NULL: none do. False: out of memory.
bool steps_make(const struct conversation *c, bool call_order, const char *server_tools, struct arena *arena,
                struct steps *out);
// The ID a call and its result go by: its own, or where an earlier call has the same, another: the same in every turn
// of the conversation. Providers want each ID once.
struct str steps_call_id(const struct steps *steps, const struct part *call);
// The text parts of a result, as insides one by one; NULL when there are no more.
const struct part *step_text(const struct turn *turn, size_t *at);
