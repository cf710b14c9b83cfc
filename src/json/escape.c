#include "json/escape.h"

#include "json/utf8.h"

#define NO_HEX 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16
const uint8_t escape_hex[256] = {
    NO_HEX, NO_HEX, NO_HEX, 0,      1,      2,      3,      4,      5,      6,      7,      8,      9,      16, 16, 16,
    16,     16,     16,     16,     10,     11,     12,     13,     14,     15,     16,     16,     16,     16, 16, 16,
    16,     16,     16,     NO_HEX, 16,     10,     11,     12,     13,     14,     15,     16,     16,     16, 16, 16,
    16,     16,     16,     16,     NO_HEX, NO_HEX, NO_HEX, NO_HEX, NO_HEX, NO_HEX, NO_HEX, NO_HEX, NO_HEX,
};

const uint8_t escape_lengths[256] = {
    ['"'] = 2, ['\\'] = 2, ['/'] = 2, ['b'] = 2, ['f'] = 2, ['n'] = 2, ['r'] = 2, ['t'] = 2, ['u'] = 6};

const char *escape_wrong(const char *p, const char *end) {
  const unsigned char *u = (const unsigned char *)p;
  if (end - p < 2 || escape_lengths[u[1]] != 6) return p + 1;
  for (p += 2; p < end && escape_hex[(unsigned char)*p] < 16; p++) {
  }
  return p;
}

static uint32_t hex4(const char *p) {
  const unsigned char *u = (const unsigned char *)p;
  return (uint32_t)escape_hex[u[0]] << 12 | (uint32_t)escape_hex[u[1]] << 8 | (uint32_t)escape_hex[u[2]] << 4 |
         escape_hex[u[3]];
}

unsigned escape_decode(const char **p, const char *end, char out[4]) {
  const char *at = *p;
  char kind = at[1];
  *p = at + 2;
  switch (kind) {
    case 'b': return out[0] = '\b', 1;
    case 'f': return out[0] = '\f', 1;
    case 'n': return out[0] = '\n', 1;
    case 'r': return out[0] = '\r', 1;
    case 't': return out[0] = '\t', 1;
    case 'u': break;
    default: return out[0] = kind, 1;
  }
  uint32_t code = hex4(at + 2);
  *p = at + 6;
  if (code >> 10 == 0xD800 >> 10 && end - *p >= 6 && at[6] == '\\' && at[7] == 'u') {
    uint32_t low = hex4(at + 8);
    if (low >> 10 == 0xDC00 >> 10) {
      code = 0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF);
      *p = at + 12;
    }
  }
  return utf8_write(out, code);
}

struct str escape_front(struct str inside, size_t max) {
  size_t at = 0;
  if (inside.len <= max) return inside;
  while (at < max) {
    const char *p = inside.ptr + at;
    size_t step = *p == '\\' ? (p[1] == 'u' ? 6 : 2) : 1;
    while (*p != '\\' && at + step < inside.len && ((unsigned char)p[step] & 0xC0) == 0x80) step++;
    if (at + step > max) break;
    at += step;
  }
  return str_from(inside.ptr, at);
}

uint64_t escape_characters(struct str inside) {
  uint64_t n = 0;
  for (size_t i = 0; i < inside.len;) {
    const char *p = inside.ptr + i;
    if (*p == '\\') {
      // The second half of a surrogate pair is no character of its own.
      bool low = p[1] == 'u' && (p[2] == 'd' || p[2] == 'D') && escape_hex[(unsigned char)p[3]] >= 12;
      n += !low;
      i += p[1] == 'u' ? 6 : 2;
    } else {
      n += ((unsigned char)*p & 0xC0) != 0x80;
      i++;
    }
  }
  return n;
}
