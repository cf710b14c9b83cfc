// Arguments of a function call that come value by value, each with its path ("$.location.city[0]"), as Vertex streams
// them: put together to JSON text as they come. Values come in the order of the text.
// Source: Vertex AI, streamFunctionCallArguments.
#pragma once
#include "base/buf.h"
#include "json/json.h"

enum { GEMINI_ARGS_DEPTH = 32 };

struct gemini_args {
  struct buf names;  // of the open path's segments
  struct {
    uint32_t at, len;  // in names
    bool index;        // an element of an array: the digits stand in names too
  } open[GEMINI_ARGS_DEPTH];
  unsigned depth;
  bool in_string;
};

void gemini_args_begin(struct gemini_args *a);
void gemini_args_free(struct gemini_args *a);
// Appends what one element of partialArgs adds to the text. False: a path that makes no sense, or no memory.
bool gemini_args_take(struct gemini_args *a, const struct json_doc *doc, uint32_t partial, struct buf *out);
// Appends what closes the text; "{}" when nothing came.
void gemini_args_end(struct gemini_args *a, struct buf *out);
