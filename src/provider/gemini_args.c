#include "provider/gemini_args.h"

#include "provider/decode.h"

struct segment {
  struct str name;
  bool index;
};

void gemini_args_begin(struct gemini_args *a) {
  buf_init(&a->names, 4096);
  a->depth = 0;
  a->in_string = false;
}

void gemini_args_free(struct gemini_args *a) {
  buf_free(&a->names);
}

// "$.a.b[0]['c']" into its segments; 0: no such path. Names are insides, as everything here.
static unsigned path_read(struct str path, struct segment *segments) {
  unsigned n = 0;
  if (!path.len || path.ptr[0] != '$') return 0;
  for (size_t at = 1; at < path.len;) {
    if (n == GEMINI_ARGS_DEPTH) return 0;
    size_t begin = at + 1, end = begin;
    if (path.ptr[at] == '.') {
      while (end < path.len && path.ptr[end] != '.' && path.ptr[end] != '[') end++;
      segments[n] = (struct segment){str_from(path.ptr + begin, end - begin), false};
      at = end;
    } else if (path.ptr[at] == '[') {
      end = str_find_char(path, ']', begin);
      if (end == SIZE_MAX) return 0;
      struct str inner = str_from(path.ptr + begin, end - begin);
      bool quoted = inner.len >= 2 && inner.ptr[0] == '\'' && inner.ptr[inner.len - 1] == '\'';
      // "…" in the text is \"…\" here.
      bool doubly = inner.len >= 4 && str_starts(inner, STR("\\\"")) && str_ends(inner, STR("\\\""));
      if (quoted) inner = str_from(inner.ptr + 1, inner.len - 2);
      if (doubly) inner = str_from(inner.ptr + 2, inner.len - 4);
      segments[n] = (struct segment){inner, !quoted && !doubly};
      at = end + 1;
    } else {
      return 0;
    }
    if (!segments[n++].name.len) return 0;
  }
  return n;
}

static bool is_open(const struct gemini_args *a, unsigned level, const struct segment *s) {
  return a->open[level].index == s->index &&
         str_eq(str_from(a->names.ptr + a->open[level].at, a->open[level].len), s->name);
}

// Closes what is open above `level` containers.
static void close_to(struct gemini_args *a, unsigned level, struct buf *out) {
  if (a->in_string) buf_char(out, '"');
  a->in_string = false;
  while (a->depth > level + 1) buf_char(out, a->open[--a->depth].index ? ']' : '}');
}

static void push(struct gemini_args *a, unsigned level, const struct segment *s) {
  a->names.len = level ? a->open[level - 1].at + a->open[level - 1].len : 0;
  a->open[level].at = (uint32_t)a->names.len;
  a->open[level].len = (uint32_t)s->name.len;
  a->open[level].index = s->index;
  buf_str(&a->names, s->name);
}

static void write_value(struct gemini_args *a, const struct json_doc *doc, uint32_t partial, struct buf *out) {
  uint32_t text = json_get(doc, partial, STR("stringValue")), number = json_get(doc, partial, STR("numberValue"));
  uint32_t truth = json_get(doc, partial, STR("boolValue"));
  if (json_is(doc, text, JSON_STRING)) {
    buf_char(out, '"');
    buf_str(out, decode_inside(doc, text));
    a->in_string = json_type(doc, json_get(doc, partial, STR("willContinue"))) == JSON_TRUE;
    if (!a->in_string) buf_char(out, '"');
  } else if (number != JSON_NONE) {
    buf_str(out, json_raw(doc, number));
  } else if (truth != JSON_NONE) {
    buf_str(out, json_raw(doc, truth));
  } else {
    buf_lit(out, "null");
  }
}

bool gemini_args_take(struct gemini_args *a, const struct json_doc *doc, uint32_t partial, struct buf *out) {
  struct segment path[GEMINI_ARGS_DEPTH];
  unsigned n = path_read(decode_member(doc, partial, STR("jsonPath")), path), same = 0;
  if (!n) return false;
  while (same < n && same < a->depth && is_open(a, same, &path[same])) same++;
  if (same == n && same == a->depth && a->in_string) {  // the string goes on
    buf_str(out, decode_member(doc, partial, STR("stringValue")));
    if (json_type(doc, json_get(doc, partial, STR("willContinue"))) == JSON_TRUE) return true;
    a->in_string = false;
    buf_char(out, '"');
    return true;
  }
  if (same == n) return true;  // once more what is there already
  if (!a->depth) {
    buf_char(out, '{');
  } else {
    close_to(a, same, out);
    buf_char(out, ',');
  }
  for (unsigned level = same; level < n; level++) {
    if (level > same) buf_char(out, path[level].index ? '[' : '{');
    if (!path[level].index) {
      buf_char(out, '"');
      buf_str(out, path[level].name);
      buf_lit(out, "\":");
    }
    push(a, level, &path[level]);
  }
  a->depth = n;
  write_value(a, doc, partial, out);
  return !a->names.failed;
}

void gemini_args_end(struct gemini_args *a, struct buf *out) {
  if (!a->depth) {
    buf_lit(out, "{}");
    return;
  }
  close_to(a, 0, out);
  buf_char(out, '}');
  a->depth = 0;
}
