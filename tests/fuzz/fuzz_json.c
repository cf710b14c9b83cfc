// Any bytes: parsed at several depths. The verdict must not depend on the depth and must agree with the plain
// reference; what was accepted is walked, decoded, written again and spliced with nothing, and must come out as it went
// in.
#include <stdint.h>
#include <stdlib.h>

#include "../unit/json/reference.h"
#include "json/json.h"

static void require(bool condition) {
  if (!condition) abort();
}

static void visit_string(const struct json_doc *doc, uint32_t node) {
  struct arena arena = {0};
  struct str text;
  if (json_string(doc, node, &arena, &text)) {
    require(json_string_is(doc, node, text));
    struct buf out;
    struct json_doc again = {0};
    buf_init(&out, SIZE_MAX / 2);
    json_write_str(&out, text);
    require(json_parse(&again, buf_view(&out), 0) == JSON_OK);
    require(json_string_is(&again, 0, text));
    json_doc_free(&again);
    buf_free(&out);
  }
  struct str raw = json_raw(doc, node);
  require(json_string_end(raw, 1) == raw.len - 1);
  arena_free(&arena);
}

static void visit(const struct json_doc *doc, uint32_t node) {
  uint64_t integer;
  double number;
  bool boolean;
  require(doc->nodes[node].next > node);
  require(doc->nodes[node].next <= doc->count);
  if (json_is(doc, node, JSON_STRING)) visit_string(doc, node);
  if (json_u64(doc, node, UINT64_MAX, &integer)) require(json_is(doc, node, JSON_NUMBER));
  if (json_double(doc, node, &number)) require(json_is(doc, node, JSON_NUMBER));
  if (json_bool(doc, node, &boolean)) require(boolean == json_is(doc, node, JSON_TRUE));
  uint32_t last = JSON_NONE, count = 0;
  for (uint32_t child = json_first(doc, node); child != JSON_NONE; child = json_next(doc, node, child), count++) {
    require(doc->nodes[child].depth == doc->nodes[node].depth + 1);
    last = child;
  }
  if (json_is(doc, node, JSON_OBJECT)) require(count % 2 == 0);
  if (last != JSON_NONE) require(doc->nodes[last].next == doc->nodes[node].next);
}

static void splice_nothing(struct str text) {
  struct buf out;
  buf_init(&out, SIZE_MAX / 2);
  struct json_edit edits[] = {{0, 0, {0}}, {(uint32_t)text.len, (uint32_t)text.len, {0}}};
  json_splice(&out, text, edits, 2);
  require(str_eq(buf_view(&out), text));
  buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const unsigned depths[] = {UINT32_MAX, 4, 2, 1, 0};
  // A copy of exactly this size: the fuzzer's own buffer may be readable behind its end.
  char *copy = malloc(size ? size : 1);
  if (!copy) return 0;
  if (size) memcpy(copy, data, size);
  struct str text = str_from(copy, size);
  struct json_doc doc = {0};
  enum json_error first = json_parse(&doc, text, depths[0]);
  uint32_t first_at = doc.error_at;
  require(first_at <= size);
  if (first != JSON_DUPLICATE_KEY) require((first == JSON_OK) == reference_valid(text));
  for (unsigned i = 0; i < sizeof depths / sizeof *depths; i++) {
    require(json_parse(&doc, text, depths[i]) == first);
    require(doc.error_at == first_at);
    require((doc.count > 0) == (first == JSON_OK));
    for (uint32_t node = 0; node < doc.count; node++) visit(&doc, node);
  }
  splice_nothing(text);
  json_doc_free(&doc);
  free(copy);
  return 0;
}
