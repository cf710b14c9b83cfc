// The short way for whole replies. The replies of one model have the same bytes in the same places but for a few
// values:
//
//     in   {"id":"   ID   ",…"created":   N   ,…"content":"   TEXT   ",…"usage":   {…}   ,…}
//     out  {"id":"gen-…",…,"created":N   between   TEXT   behind   ,"usage":{…}}
//
// A shape remembers the bytes around these values, as they came and as they went out. A reply with exactly these bytes
// around valid values takes the short way: compare, find each value's end, copy; its usage object is read and written
// like any other. Equal bytes were rewritten once and would be rewritten the same again, so only speed can be lost.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "surface/openai_chat.h"

enum { CHAT_SHAPE_VALUES = 4, CHAT_SHAPE_MAX = 4096 };

struct chat_shape {
  char *bytes;                       // the bytes before each value, those behind the last; then out_between, out_behind
  uint8_t kinds[CHAT_SHAPE_VALUES];  // which value comes when
  uint16_t before[CHAT_SHAPE_VALUES], tail;
  uint16_t out_between, out_behind;
  bool valid;
  uint8_t wasted;  // learnt again without having been used: replies that all differ are not worth it
  char finish_reason[24], native_finish_reason[40];  // as in struct chat_reply
};

// A reply as it was rewritten: what a shape is learnt from. Offsets into `out`.
struct chat_shape_sample {
  const struct json_doc *doc;
  struct str out;
  uint32_t id, created, content, usage;  // nodes
  size_t begun;                          // behind what chat_begin wrote
  size_t content_at;                     // the text's first character
  size_t usage_at;                       // the comma before `"usage":`
};
// Replaces the shape, when the sample has all four values and memory allows.
void chat_shape_learn(struct chat_shape *shape, const struct chat_shape_sample *sample, const struct chat_reply *reply);
// True when the reply fits: it has been written, and everything is noted on *reply. Else neither was touched.
bool chat_shape_apply(struct chat_shape *shape, struct chat_reply *reply, struct str body, struct buf *out);
void chat_shape_free(struct chat_shape *shape);
