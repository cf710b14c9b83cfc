// What the files that write a request for Gemini share.
#pragma once
#include "base/buf.h"
#include "llm/conversation.h"
#include "llm/model.h"
#include "provider/gemini_model.h"
#include "provider/steps.h"

// A member that Google knows and chat does not, in Google's spelling.
struct gemini_extra {
  struct str name;    // camelCase
  struct str json;    // keys inside in camelCase, too
  struct str member;  // the request's member it came in
  enum gemini_place { GEMINI_TOP, GEMINI_CONFIG, GEMINI_TOOL_CONFIG } place;
};

struct gemini_writer {
  const struct conversation *c;
  const struct conversation *given;  // as the client spelt the names of tools
  const bool *allowed;               // which of the functions may be called; NULL: all
  const struct endpoint *e;
  struct gemini_model model;
  bool vertex;
  struct translation *t;
  struct buf *out;
  struct steps steps;
  struct gemini_extra *extra;
  size_t extra_count;
  const struct turn *model_turn;  // the model's turn that was written last
  uint64_t characters;            // of its text so far
  bool failed;                    // out of memory, or *t says why it cannot be
};

// gemini_extra.c: finds the members; what Google does not know either is noted as lost.
void gemini_extra_read(struct gemini_writer *w);
// The JSON of one; empty: it was not given.
struct str gemini_extra_find(const struct gemini_writer *w, const char *name);
// Writes those of one place that `w` does not write itself.
void gemini_extra_write(struct gemini_writer *w, enum gemini_place place);
// Are these the same name, one in snake_case or camelCase, the other in camelCase?
bool gemini_same_name(struct str given, const char *camel);
// A JSON value with all keys in camelCase. False: out of memory, or no JSON.
bool gemini_write_camel(struct buf *out, struct str json);

// gemini_tools.c: tools and toolConfig.
void gemini_write_tools(struct gemini_writer *w);
// Will Google's own tools, or functions, be offered?
bool gemini_has_tools(const struct gemini_writer *w);

// gemini_config.c: generationConfig.
void gemini_write_config(struct gemini_writer *w);
