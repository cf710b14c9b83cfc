// A second opinion on what is valid JSON: the RFC's grammar written down as plainly as can be, recursive and one byte
// at a time. It shares nothing with the scanner but the depth limit.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"

struct reference {
  const unsigned char *p, *end;
};

static inline int reference_peek(const struct reference *r) {
  return r->p < r->end ? *r->p : -1;
}

static inline bool reference_take(struct reference *r, int c) {
  if (reference_peek(r) != c) return false;
  r->p++;
  return true;
}

static inline void reference_space(struct reference *r) {
  while (r->p < r->end && strchr(" \t\r\n", *r->p) && *r->p) r->p++;
}

static inline bool reference_digits(struct reference *r) {
  const unsigned char *from = r->p;
  while (r->p < r->end && *r->p >= '0' && *r->p <= '9') r->p++;
  return r->p > from;
}

static inline bool reference_number(struct reference *r) {
  reference_take(r, '-');
  if (!reference_take(r, '0') && !reference_digits(r)) return false;
  if (reference_take(r, '.') && !reference_digits(r)) return false;
  if (!reference_take(r, 'e') && !reference_take(r, 'E')) return true;
  if (!reference_take(r, '+')) reference_take(r, '-');
  return reference_digits(r);
}

static inline bool reference_utf8(struct reference *r) {
  unsigned first = *r->p++;
  if (first < 0x80) return true;
  unsigned tails = first >> 5 == 6 ? 1 : first >> 4 == 14 ? 2 : first >> 3 == 30 ? 3 : 0;
  if (!tails) return false;
  uint32_t code = first & (0x3Fu >> tails);
  for (unsigned i = 0; i < tails; i++) {
    if (reference_peek(r) >> 6 != 2) return false;
    code = code << 6 | (*r->p++ & 0x3Fu);
  }
  static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
  return code >= least[tails] && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
}

static inline bool reference_string(struct reference *r) {
  if (!reference_take(r, '"')) return false;
  while (r->p < r->end) {
    if (reference_take(r, '"')) return true;
    if (*r->p < 0x20) return false;
    if (!reference_take(r, '\\')) {
      if (!reference_utf8(r)) return false;
    } else if (reference_take(r, 'u')) {
      for (int i = 0; i < 4; i++) {
        int c = reference_peek(r);
        if (c <= 0 || !strchr("0123456789abcdefABCDEF", c)) return false;
        r->p++;
      }
    } else {
      int c = reference_peek(r);
      if (c <= 0 || !strchr("\"\\/bfnrt", c)) return false;
      r->p++;
    }
  }
  return false;
}

static inline bool reference_word(struct reference *r, const char *word) {
  while (*word)
    if (!reference_take(r, *word++)) return false;
  return true;
}

static inline bool reference_value(struct reference *r, unsigned depth) {
  int c = reference_peek(r);
  if (c == '"') return reference_string(r);
  if (c == 't') return reference_word(r, "true");
  if (c == 'f') return reference_word(r, "false");
  if (c == 'n') return reference_word(r, "null");
  if (c != '{' && c != '[') return reference_number(r);
  if (depth == LIMIT_JSON_DEPTH) return false;
  int close = c == '{' ? '}' : ']';
  r->p++;
  reference_space(r);
  if (reference_take(r, close)) return true;
  do {
    reference_space(r);
    if (c == '{') {
      if (!reference_string(r)) return false;
      reference_space(r);
      if (!reference_take(r, ':')) return false;
      reference_space(r);
    }
    if (!reference_value(r, depth + 1)) return false;
    reference_space(r);
  } while (reference_take(r, ','));
  return reference_take(r, close);
}

// Everything but duplicate keys.
static inline bool reference_valid(struct str text) {
  struct reference r = {(const unsigned char *)text.ptr, (const unsigned char *)text.ptr + text.len};
  reference_space(&r);
  if (!reference_value(&r, 0)) return false;
  reference_space(&r);
  return r.p == r.end;
}
