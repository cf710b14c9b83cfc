// The names of models in a request that asks for a preset (chat_merge.h): what stands in the place of "@preset/slug"
// and "model@preset/slug", in `model` and in `models`.
//
//   preset   {"model":"a/b"}
//   request  {"models":["@preset/x:nitro","c/d@preset/x","e/f"]}
//   names    "models":["a/b:nitro","c/d","e/f"]
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"
#include "json/json.h"

struct chat_merge_names {
  bool replaces_model;       // the request's `model` names a preset: `model` stands in its place; empty: nothing does
  struct str model, models;  // JSON values; `models` is for either's, empty: it stays as it is
  bool none;                 // it asks for the preset's model, but there is none, and no other
};

// `own`, the request, and `theirs`, the preset, are objects whose arrays have been indexed, too. The results are in the
// arena. False: out of memory.
bool chat_merge_names(const struct json_doc *own, const struct json_doc *theirs, struct arena *arena,
                      struct chat_merge_names *out);
