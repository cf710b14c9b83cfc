// The short way through a stream. Most chunks differ from the one before only in one text: delta.content, reasoning, a
// piece of arguments; and in the padding OpenAI adds. A template remembers the bytes around that text, as they came and
// as they went out:
//
//     in   {"id":"x",…"delta":{"content":"   TEXT   "},…,"obfuscation":"   PADDING   "}
//          [---------- before ----------]        [------- middle -------]           [tail]
//     out  data: {"id":"gen-…",…"content":"   TEXT   "},…}\n\n
//
// A chunk with exactly these bytes around a valid text takes the short way: compare, find the text's end, copy. Equal
// bytes were rewritten once and would be rewritten the same again, so only speed can be lost.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct chat_template {
  char *bytes;  // in_before, in_middle, in_tail, out_before, out_between, out_after: one behind the other
  uint16_t in_before, in_middle, in_tail;       // in_tail 0: no padding, the middle goes to the end
  uint16_t out_before, out_between, out_after;  // out_between: the text stands twice, with this between
  bool valid;
  uint8_t wasted;  // learnt again without having been used: chunks that all differ are not worth it
};

// A chunk as it was rewritten: what a template is learnt from. Offsets of out are relative to `out.ptr`.
struct chat_sample {
  struct str in, out;
  size_t text, text_end;           // the text in `in`
  size_t padding, padding_end;     // the padding behind it; both 0: none
  size_t text_out, text_out_next;  // where the text stands in `out`; the second 0: only once
};

// Replaces the template, when this is worth it and memory allows.
void chat_template_learn(struct chat_template *t, const struct chat_sample *sample);
// True when the chunk fits: it has been written, and *text is the length of its text. (A failed buffer is its own
// witness.)
bool chat_template_apply(struct chat_template *t, struct str in, struct buf *out, size_t *text);
void chat_template_free(struct chat_template *t);
