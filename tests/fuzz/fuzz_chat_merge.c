// Any bytes as a request and a preset, parted by a zero byte (another parts off the system prompt): what comes of them
// is a JSON object that merges no further, with nothing of the gateway's own; what is refused is told in words.
#include <stdint.h>
#include <stdlib.h>

#include "surface/chat_merge.h"

static void require(bool condition) {
  if (!condition) abort();
}

static struct str part(struct str *rest) {
  struct str piece = {0};
  str_split(rest, '\0', &piece);
  return piece.ptr ? piece : STR("");
}

static bool is_object(struct str text, struct json_doc *doc) {
  return json_parse(doc, text, 2) == JSON_OK && json_is(doc, 0, JSON_OBJECT);
}

static void try_merge(struct str body, const struct chat_preset *preset, struct arena *arena) {
  struct chat_merge_flags flags;
  struct fault_note note;
  struct json_doc doc = {0};
  struct str once, twice;
  bool ok = chat_merge(body, preset, arena, &once, &flags, &note);
  require(ok == (note.fault == FAULT_NONE));
  require(ok || note.message.len);
  if (!ok) return;
  require(is_object(once, &doc));
  require(json_get(&doc, 0, STR("preset")) == JSON_NONE);
  if (chat_merge(once, preset, arena, &twice, &flags, &note)) require(is_object(twice, &doc));
  json_doc_free(&doc);
}

static void try_variant(struct str body, struct arena *arena) {
  struct fault_note note;
  struct json_doc doc = {0};
  struct str out, again;
  bool ok = chat_merge_variant(body, true, true, arena, &out, &note);
  require(ok == (note.fault == FAULT_NONE));
  if (!ok) return;
  require(is_object(out, &doc));
  require(chat_merge_variant(out, true, true, arena, &again, &note));
  require(str_eq(out, again));
  json_doc_free(&doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct arena arena = {0};
  struct str rest = str_from((const char *)data, size);
  struct str body = part(&rest), config = part(&rest), prompt = part(&rest);
  struct chat_preset preset = {config, prompt}, read;
  struct fault_note note;
  try_merge(body, &preset, &arena);
  try_variant(body, &arena);
  // What was made of a request is a preset that can be merged into another.
  bool ok = chat_preset_read(config, &arena, &read, &note);
  require(ok == (note.fault == FAULT_NONE));
  require(ok || note.message.len);
  if (ok) {
    struct json_doc doc = {0};
    require(is_object(read.config, &doc));
    json_doc_free(&doc);
    try_merge(body, &read, &arena);
  }
  arena_free(&arena);
  return 0;
}
