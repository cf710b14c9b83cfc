// Some providers, asked to go on with what the model is made to have said, say that once more before they go on
// (Mistral's `prefix`). A chat client has it already: the repetition is left out, however it is cut and spelt. Pure.
#pragma once
#include <stdbool.h>

#include "json/escape.h"

struct chat_repeat {
  struct str text;          // inside: what may be repeated; empty: nothing. Outlives this
  struct escape_walk walk;  // behind what has been repeated so far
  bool over;                // whatever comes is new
};

static inline struct chat_repeat chat_repeat(struct str text) {
  return (struct chat_repeat){text, escape_walk(text), !text.len};
}

// What of the next piece of the answer is new. `*held`: what was taken for a repetition before and was none; it comes
// first.
struct str chat_repeat_take(struct chat_repeat *r, struct str piece, struct str *held);
// No more comes, or something else: what was taken for a repetition and was none. A whole one is left out.
struct str chat_repeat_end(struct chat_repeat *r);
