// The scanner: one pass, no recursion, one loop that stands either before a value or behind one. Levels below depth_max
// are checked just the same but leave nothing on the tape. See json.h for what the tape looks like.
#include "json/json.h"

#include <stdlib.h>

#include "base/limits.h"
#include "json/bulk.h"
#include "json/escape.h"
#include "json/keys.h"
#include "json/plain.h"
#include "json/utf8.h"

struct level {
  uint32_t node;  // of the open container; JSON_NONE when it is not on the tape
  bool object;
};

struct scan {
  struct json_doc *doc;
  const char *begin, *end;
  enum json_error error;
  const char *error_at;
  unsigned depth;  // open containers, and so the depth of what comes next
  unsigned depth_max;
  bool front;        // something may stand behind the value  // of what is recorded
  struct keys keys;  // of the outermost object
  struct level levels[LIMIT_JSON_DEPTH];
};

const char *json_error_text(enum json_error error) {
  switch (error) {
    case JSON_OK: return "no error";
    case JSON_BAD_SYNTAX: return "invalid JSON syntax";
    case JSON_TRUNCATED: return "the JSON text ends too early";
    case JSON_BAD_UTF8: return "invalid UTF-8";
    case JSON_TOO_DEEP: return "too many nested arrays or objects";
    case JSON_DUPLICATE_KEY: return "the same key twice in the outermost object";
    case JSON_TOO_LARGE: return "JSON text too large";
    case JSON_NO_MEMORY: return "out of memory";
  }
  return "unknown error";
}

__attribute__((cold, noinline)) static const char *refuse(struct scan *scan, enum json_error error, const char *at) {
  scan->error = error;
  scan->error_at = at;
  return NULL;
}

// Something else stands here than the grammar wants, or nothing at all.
__attribute__((cold, noinline)) static const char *unexpected(struct scan *scan, const char *at) {
  return refuse(scan, at == scan->end ? JSON_TRUNCATED : JSON_BAD_SYNTAX, at);
}

static inline const char *skip_space(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
  return p;
}

static inline bool is_digit(const char *p, const char *end) {
  return p < end && (unsigned)(*p - '0') < 10;
}

__attribute__((cold, noinline)) static const char *bad_utf8(struct scan *scan, const char *p) {
  bool cut;
  unsigned len = utf8_bad_length(p, scan->end, &cut);
  return cut ? refuse(scan, JSON_TRUNCATED, p + len) : refuse(scan, JSON_BAD_UTF8, p);
}

// The rest of a string from its first byte that is not plain: the closing quote, or NULL. *escaped is set when there
// is a backslash and otherwise left alone.
static const char *string_rest(struct scan *scan, const char *p, bool *escaped) {
  const char *end = scan->end;
  for (;;) {
    p = plain_end(bulk_end(p, end, escaped), end);
    if (p == end) return refuse(scan, JSON_TRUNCATED, p);
    unsigned len;
    if (*p == '"') return p;
    if (*p == '\\') {
      *escaped = true;
      len = escape_length(p, end);
      if (UNLIKELY(!len)) return unexpected(scan, escape_wrong(p, end));
    } else {
      if ((unsigned char)*p < 0x20) return refuse(scan, JSON_BAD_SYNTAX, p);
      len = utf8_length(p, end);
      if (UNLIKELY(!len)) return bad_utf8(scan, p);
    }
    p += len;
  }
}

// From behind the opening quote to the closing one, or NULL.
static inline const char *string_end(struct scan *scan, const char *p, bool *escaped) {
  p = plain_end(p, scan->end);
  return LIKELY(p < scan->end && *p == '"') ? p : string_rest(scan, p, escaped);
}

static inline const char *skip_digits(const char *p, const char *end) {
  while (is_digit(p, end)) p++;
  return p;
}

static const char *number_end(struct scan *scan, const char *p) {
  const char *end = scan->end;
  if (*p == '-') p++;
  if (!is_digit(p, end)) return unexpected(scan, p);
  p = *p == '0' ? p + 1 : skip_digits(p, end);
  if (p < end && *p == '.') {
    if (!is_digit(++p, end)) return unexpected(scan, p);
    p = skip_digits(p, end);
  }
  if (p < end && (*p | 0x20) == 'e') {
    p++;
    if (p < end && (*p == '+' || *p == '-')) p++;
    if (!is_digit(p, end)) return unexpected(scan, p);
    p = skip_digits(p, end);
  }
  return p;
}

static const char *literal_end(struct scan *scan, const char *p, struct str word) {
  for (size_t i = 0; i < word.len; i++, p++)
    if (p == scan->end || *p != word.ptr[i]) return unexpected(scan, p);
  return p;
}

__attribute__((cold, noinline)) static bool grow_tape(struct json_doc *doc) {
  size_t cap = doc->cap ? (size_t)doc->cap * 2 : 64;
  if (cap > UINT32_MAX) cap = UINT32_MAX;
  struct json_node *nodes = cap > doc->cap ? realloc(doc->nodes, cap * sizeof *nodes) : NULL;
  if (!nodes) return false;
  doc->nodes = nodes;
  doc->cap = (uint32_t)cap;
  return true;
}

// Puts a value or key of the present depth on the tape. False when memory is out.
static inline bool record(struct scan *scan, const char *start, const char *end, enum json_type type, bool escaped) {
  struct json_doc *doc = scan->doc;
  if (scan->depth > scan->depth_max) return true;
  if (UNLIKELY(doc->count == doc->cap) && !grow_tape(doc)) return (void)refuse(scan, JSON_NO_MEMORY, start), false;
  uint32_t index = doc->count++;
  doc->nodes[index] = (struct json_node){
      .start = (uint32_t)(start - scan->begin),
      .end = (uint32_t)(end - scan->begin),
      .next = index + 1,
      .type = (uint8_t)type,
      .escaped = escaped,
      .depth = (uint16_t)scan->depth,
  };
  return true;
}

// A key and its colon; p stands where the key's quote must be. Behind the colon, or NULL.
static inline const char *scan_key(struct scan *scan, const char *p) {
  p = skip_space(p, scan->end);
  if (UNLIKELY(p == scan->end || *p != '"')) return unexpected(scan, p);
  bool escaped = false;
  const char *close = string_end(scan, p + 1, &escaped);
  if (UNLIKELY(!close)) return NULL;
  if (scan->depth == 1) {
    uint32_t start = (uint32_t)(p + 1 - scan->begin), end = (uint32_t)(close - scan->begin);
    enum json_error error = keys_add(&scan->keys, scan->begin, start, end, escaped);
    if (UNLIKELY(error)) return refuse(scan, error, p);
  }
  if (UNLIKELY(!record(scan, p, close + 1, JSON_STRING, escaped))) return NULL;
  p = skip_space(close + 1, scan->end);
  if (UNLIKELY(p == scan->end || *p != ':')) return unexpected(scan, p);
  return p + 1;
}

// A value that is no container; p is not at the end.
static inline const char *scan_scalar(struct scan *scan, const char *p) {
  const char *start = p;
  enum json_type type;
  bool escaped = false;
  switch (*p) {
    case '"':
      type = JSON_STRING;
      p = string_end(scan, p + 1, &escaped);
      if (LIKELY(p)) p++;
      break;
    case 't':
      type = JSON_TRUE;
      p = literal_end(scan, p, STR("true"));
      break;
    case 'f':
      type = JSON_FALSE;
      p = literal_end(scan, p, STR("false"));
      break;
    case 'n':
      type = JSON_NULL;
      p = literal_end(scan, p, STR("null"));
      break;
    default:
      type = JSON_NUMBER;
      if (*p != '-' && !is_digit(p, scan->end)) return unexpected(scan, p);
      p = number_end(scan, p);
      break;
  }
  if (UNLIKELY(!p) || UNLIKELY(!record(scan, start, p, type, escaped))) return NULL;
  return p;
}

// Enters the container at p. False when it is one too deep or memory is out.
static inline bool enter(struct scan *scan, const char *p) {
  bool object = *p == '{';
  if (UNLIKELY(scan->depth == LIMIT_JSON_DEPTH)) return (void)refuse(scan, JSON_TOO_DEEP, p), false;
  uint32_t node = scan->depth <= scan->depth_max ? scan->doc->count : JSON_NONE;
  if (UNLIKELY(!record(scan, p, p, object ? JSON_OBJECT : JSON_ARRAY, false))) return false;
  scan->levels[scan->depth++] = (struct level){node, object};
  return true;
}

// Leaves the innermost container; p is behind its bracket.
static inline void leave(struct scan *scan, const char *p) {
  uint32_t node = scan->levels[--scan->depth].node;
  if (node == JSON_NONE) return;
  scan->doc->nodes[node].end = (uint32_t)(p - scan->begin);
  scan->doc->nodes[node].next = scan->doc->count;
}

// From behind a value to before the next one, through closing brackets; `end` when the outermost value is complete and
// nothing follows, or NULL.
static inline const char *next_value(struct scan *scan, const char *p) {
  for (;;) {
    p = skip_space(p, scan->end);
    if (scan->depth == 0) return p == scan->end || scan->front ? p : unexpected(scan, p);
    if (UNLIKELY(p == scan->end)) return unexpected(scan, p);
    bool object = scan->levels[scan->depth - 1].object;
    if (*p == ',') return object ? scan_key(scan, p + 1) : p + 1;
    if (UNLIKELY(*p != (object ? '}' : ']'))) return unexpected(scan, p);
    leave(scan, ++p);
  }
}

static bool scan_text(struct scan *scan) {
  const char *p = scan->begin, *end = scan->end;
  do {
    p = skip_space(p, end);
    if (UNLIKELY(p == end)) return unexpected(scan, p);
    if (*p == '{' || *p == '[') {
      bool object = *p == '{';
      if (!enter(scan, p)) return false;
      p = skip_space(p + 1, end);
      if (p < end && *p == (object ? '}' : ']')) {
        p = next_value(scan, p);
      } else if (object) {
        p = scan_key(scan, p);
      }
    } else {
      p = scan_scalar(scan, p);
      if (LIKELY(p)) p = next_value(scan, p);
    }
    if (UNLIKELY(!p)) return false;
  } while (scan->depth);
  return true;
}

static enum json_error parse_text(struct json_doc *doc, struct str text, unsigned depth_max, bool front) {
  doc->text = text;
  doc->count = 0;
  doc->error_at = 0;
  if (text.len > UINT32_MAX) return JSON_TOO_LARGE;
  if (text.len == 0) return JSON_TRUNCATED;
  struct scan scan;  // not cleared: the levels and keys are written before they are read
  scan.doc = doc;
  scan.begin = text.ptr;
  scan.end = text.ptr + text.len;
  scan.error = JSON_OK;
  scan.depth = 0;
  scan.depth_max = depth_max;
  scan.front = front;
  keys_init(&scan.keys);
  if (!scan_text(&scan)) {
    doc->count = 0;
    doc->error_at = (uint32_t)(scan.error_at - scan.begin);
  }
  keys_free(&scan.keys);
  return scan.error;
}

enum json_error json_parse(struct json_doc *doc, struct str text, unsigned depth_max) {
  return parse_text(doc, text, depth_max, false);
}

enum json_error json_parse_front(struct json_doc *doc, struct str text, unsigned depth_max) {
  return parse_text(doc, text, depth_max, true);
}

void json_doc_free(struct json_doc *doc) {
  free(doc->nodes);
  *doc = (struct json_doc){0};
}

size_t json_string_end(struct str text, size_t at) {
  if (at >= text.len) return SIZE_MAX;
  struct scan scan;
  scan.end = text.ptr + text.len;
  bool escaped;
  const char *close = string_end(&scan, text.ptr + at, &escaped);
  return close ? (size_t)(close - text.ptr) : SIZE_MAX;
}
