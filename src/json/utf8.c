#include "json/utf8.h"

unsigned utf8_bad_length(const char *p, const char *end, bool *cut) {
  const unsigned char *u = (const unsigned char *)p;
  *cut = false;
  if (u[0] < 0xC2 || u[0] > 0xF4) return 1;
  unsigned want = u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : 4;
  unsigned low = u[0] == 0xE0 ? 0xA0 : u[0] == 0xF0 ? 0x90 : 0x80;
  unsigned high = u[0] == 0xED ? 0x9F : u[0] == 0xF4 ? 0x8F : 0xBF;
  unsigned have = 1;
  for (; have < want && p + have < end; have++) {
    if (u[have] < low || u[have] > high) return have;
    low = 0x80, high = 0xBF;
  }
  *cut = have < want;
  return have;
}

unsigned utf8_write(char out[4], uint32_t code) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  unsigned tails = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  out[0] = (char)((0xFF00u >> (tails + 1) & 0xFFu) | code >> 6 * tails);
  for (unsigned i = 1; i <= tails; i++) out[i] = (char)(0x80 | (code >> 6 * (tails - i) & 0x3F));
  return tails + 1;
}
