// Writing JSON, and changing parts of a text without touching the rest.
#include <assert.h>
#include <string.h>

#include "json/json.h"
#include "json/plain.h"
#include "json/utf8.h"

static void write_escape(struct buf *out, unsigned char c) {
  static const char short_forms[] = {
      ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
  static const char hex[] = "0123456789abcdef";
  if (c < sizeof short_forms && short_forms[c]) {
    buf_append(out, (char[]){'\\', short_forms[c]}, 2);
  } else {
    buf_append(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
  }
}

void json_write_str(struct buf *out, struct str s) {
  const char *p = s.ptr, *end = s.len ? p + s.len : p, *from = p;
  if (LIKELY(s.len && plain_end(p, end) == end && buf_reserve(out, s.len + 2))) {
    char *to = out->ptr + out->len;
    to[0] = to[s.len + 1] = '"';
    memcpy(to + 1, p, s.len);
    out->len += s.len + 2;
    return;
  }
  buf_char(out, '"');
  while ((p = plain_end(p, end)) < end) {
    unsigned len = (unsigned char)*p >= 0x80 ? utf8_length(p, end) : 0;
    if (len) {
      p += len;
      continue;
    }
    buf_append(out, from, (size_t)(p - from));
    if ((unsigned char)*p >= 0x80) {
      bool cut;
      buf_lit(out, "\xEF\xBF\xBD");
      p += utf8_bad_length(p, end, &cut);
    } else {
      write_escape(out, (unsigned char)*p++);
    }
    from = p;
  }
  buf_append(out, from, (size_t)(end - from));
  buf_char(out, '"');
}

void json_write_key(struct buf *out, struct str key) {
  char last = out->len ? out->ptr[out->len - 1] : '{';
  if (last != '{' && last != '[') buf_char(out, ',');
  json_write_str(out, key);
  buf_char(out, ':');
}

void json_splice(struct buf *out, struct str text, const struct json_edit *edits, size_t count) {
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    assert(edits[i].from >= at);
    assert(edits[i].to >= edits[i].from);
    assert(edits[i].to <= text.len);
    if (at < edits[i].from) buf_append(out, text.ptr + at, edits[i].from - at);
    buf_str(out, edits[i].with);
    at = edits[i].to;
  }
  if (at < text.len) buf_append(out, text.ptr + at, text.len - at);
}
