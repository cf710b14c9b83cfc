// Which levels of reasoning the models of OpenAI-like services take.
#pragma once
#include <stdbool.h>

#include "base/str.h"
#include "llm/conversation.h"
#include "llm/model.h"

struct efforts {
  bool known;         // the model is one of ours; else a level goes on as it was sent
  bool fallback_any;  // any other word than none is "default" (Qwen at Groq)
  unsigned set;       // bits 1 << enum effort; 0: it takes no level at all
};
struct efforts efforts_of(const struct endpoint *e);
// The level of the set that is nearest to the one wished for; of two, the lower. EFFORT_UNSET for an empty set.
enum effort efforts_nearest(unsigned set, enum effort wished);
// "low"; EFFORT_UNSET for a word that is none.
const char *effort_word(enum effort effort);
enum effort effort_of_word(struct str word);
