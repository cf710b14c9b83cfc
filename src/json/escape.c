#include "json/escape.h"

#include "json/utf8.h"

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *escape_end(const char *p, const char *end, const char **wrong) {
  if (end - p < 2) return *wrong = end, NULL;
  switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return p + 2;
    case 'u': break;
    default: return *wrong = p + 1, NULL;
  }
  const char *digits = p + 2;
  for (int i = 0; i < 4; i++)
    if (digits + i == end || hex_value(digits[i]) < 0) return *wrong = digits + i, NULL;
  return digits + 4;
}

static uint32_t hex4(const char *p) {
  uint32_t code = 0;
  for (int i = 0; i < 4; i++) code = code << 4 | (uint32_t)hex_value(p[i]);
  return code;
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
