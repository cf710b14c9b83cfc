// Parsing in memory of exactly the text's size, so that a read beyond its end is found.
#pragma once
#include <stdlib.h>

#include "json/json.h"

// The doc points to `text` itself afterwards.
static inline enum json_error parse(struct json_doc *doc, struct str text, unsigned depth_max) {
  char *copy = malloc(text.len ? text.len : 1);
  if (!copy) abort();
  if (text.len) memcpy(copy, text.ptr, text.len);
  enum json_error error = json_parse(doc, str_from(copy, text.len), depth_max);
  doc->text = text;
  free(copy);
  return error;
}
