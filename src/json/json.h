// JSON (RFC 8259), strict: a validating scanner that leaves an index of byte ranges ("tape") into the text, and helpers
// to read, write and splice. The text is never changed and never copied: numbers, key order and unknown members
// survive.
//
//   {"a":[1,"x"],"b":null}   nodes:  0 object  1 key "a"  2 array  3 number 1  4 string "x"  5 key "b"  6 null
//
// An object's children are key, value, key, value ...; `next` of a node is the node behind its whole subtree.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum json_error {
  JSON_OK,
  JSON_BAD_SYNTAX,
  JSON_TRUNCATED,      // the text ends inside a value
  JSON_BAD_UTF8,       // invalid, overlong or surrogate UTF-8
  JSON_TOO_DEEP,       // more than LIMIT_JSON_DEPTH levels
  JSON_DUPLICATE_KEY,  // twice the same key in the outermost object
  JSON_TOO_LARGE,      // 4 GiB or more
  JSON_NO_MEMORY,
};
// A sentence part for people: "invalid UTF-8".
const char *json_error_text(enum json_error error);

struct json_node {
  uint32_t start, end;  // byte range of the value; a string's includes its quotes
  uint32_t next;        // index of the node behind this one's subtree
  uint8_t type;         // enum json_type
  bool escaped;         // a string with a backslash inside
  uint16_t depth;       // 0 for the outermost value
};

struct json_doc {
  struct str text;
  struct json_node *nodes;  // owned
  uint32_t count, cap;
  uint32_t error_at;  // byte offset of the trouble when parsing failed
};

// Validates all of `text` (one value, white space around it) and records the nodes whose depth is at most `depth_max`
// (a deeper container has no children on the tape). *doc starts zeroed or used before: its node memory is used again.
// On failure the doc holds no nodes. `text` must outlive the doc.
MUST_CHECK enum json_error json_parse(struct json_doc *doc, struct str text, unsigned depth_max);
// The same for a value at the front of `text`: what stands behind it is not looked at. nodes[0].end says where it ends.
MUST_CHECK enum json_error json_parse_front(struct json_doc *doc, struct str text, unsigned depth_max);
void json_doc_free(struct json_doc *doc);

// Index 0 is the outermost value. JSON_NONE stands for "not there" and may be handed to every function below.
#define JSON_NONE UINT32_MAX
// The raw bytes of a value; empty for JSON_NONE.
struct str json_raw(const struct json_doc *doc, uint32_t node);
// JSON_NULL for JSON_NONE.
enum json_type json_type(const struct json_doc *doc, uint32_t node);
// True when the node is there and of this type.
bool json_is(const struct json_doc *doc, uint32_t node, enum json_type type);
// The value of a key in an object (the key may be spelt with escapes); JSON_NONE when absent or not an object.
// Of a key that comes twice (only possible in inner objects) the last one counts, as with nearly every other reader.
uint32_t json_get(const struct json_doc *doc, uint32_t object, struct str key);
// First child of a container (the first key, for an object), or JSON_NONE; the node behind, or JSON_NONE at the end.
uint32_t json_first(const struct json_doc *doc, uint32_t container);
uint32_t json_next(const struct json_doc *doc, uint32_t container, uint32_t child);

// A string's characters. Without escapes they point into the text, else they are decoded into the arena. False when the
// node is no string, a \u escape is a lone surrogate, or memory is out.
MUST_CHECK bool json_string(const struct json_doc *doc, uint32_t node, struct arena *arena, struct str *out);
// A string equal to `value`, without decoding memory. Here, because nearly every call ends at the length.
bool json_escaped_string_is(const struct json_doc *doc, uint32_t node, struct str value);
static inline bool json_string_is(const struct json_doc *doc, uint32_t node, struct str value) {
  if (node == JSON_NONE || doc->nodes[node].type != JSON_STRING) return false;
  const struct json_node *n = &doc->nodes[node];
  if (n->escaped) return json_escaped_string_is(doc, node, value);
  return n->end - n->start == value.len + 2 && memcmp(doc->text.ptr + n->start + 1, value.ptr, value.len) == 0;
}
// A number without fraction, sign or exponent (2 and also 2.0 and 2e0), at most `max`.
MUST_CHECK bool json_u64(const struct json_doc *doc, uint32_t node, uint64_t max, uint64_t *out);
// A number as double, for ranges and thresholds only, never for money.
MUST_CHECK bool json_double(const struct json_doc *doc, uint32_t node, double *out);
// JSON_TRUE and JSON_FALSE only.
MUST_CHECK bool json_bool(const struct json_doc *doc, uint32_t node, bool *out);

// `s` as a JSON string with its quotes; what must be escaped is, invalid UTF-8 becomes U+FFFD.
void json_write_str(struct buf *out, struct str s);
// Writes `"key":` and, unless the last byte of `out` is '{' or '[', a comma before it.
void json_write_key(struct buf *out, struct str key);

// The text's bytes [from, to) are replaced by `with` (from == to inserts).
struct json_edit {
  uint32_t from, to;
  struct str with;
};
// Copies `text` with the edits made: sorted by `from`, not overlapping.
void json_splice(struct buf *out, struct str text, const struct json_edit *edits, size_t count);

// Scans a string's inside from `at` (behind the opening quote): returns the offset of the closing quote, SIZE_MAX when
// the string is invalid or unterminated. For hot loops that know where a string begins.
size_t json_string_end(struct str text, size_t at);
