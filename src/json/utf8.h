// Well-formed UTF-8 as Unicode's table 3-7 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool utf8_is_tail(unsigned char byte) {
  return (byte & 0xC0) == 0x80;
}

// The sequence that starts at p, where a byte >= 0x80 stands: its length when it is well-formed, else 0.
static inline unsigned utf8_length(const char *p, const char *end) {
  const unsigned char *u = (const unsigned char *)p;
  size_t left = (size_t)(end - p);
  if (u[0] >= 0xE0 && u[0] < 0xF0) {
    if (left < 3 || !utf8_is_tail(u[1]) || !utf8_is_tail(u[2])) return 0;
    unsigned code = (u[0] & 0x0Fu) << 6 | (u[1] & 0x3Fu);  // the upper ten of sixteen bits
    return code >= 0x800 >> 6 && (code < 0xD800 >> 6 || code > 0xDFFF >> 6) ? 3 : 0;
  }
  if (u[0] < 0xE0) return u[0] >= 0xC2 && left >= 2 && utf8_is_tail(u[1]) ? 2 : 0;
  if (left < 4 || !utf8_is_tail(u[1]) || !utf8_is_tail(u[2]) || !utf8_is_tail(u[3])) return 0;
  unsigned code = (u[0] & 0x0Fu) << 6 | (u[1] & 0x3Fu);  // the upper bits of 21, lead nibble included
  return u[0] <= 0xF4 && code >= 0x10000 >> 12 && code <= 0x10FFFF >> 12 ? 4 : 0;
}

// Where utf8_length says 0: how many bytes still look like the beginning of a well-formed sequence, at least 1. These
// are what one U+FFFD stands for. *cut tells that only the end of the text keeps them from becoming one.
unsigned utf8_bad_length(const char *p, const char *end, bool *cut);

// Writes a code point (surrogates too, by the same rule as their neighbours) and returns the number of bytes.
unsigned utf8_write(char out[4], uint32_t code);
