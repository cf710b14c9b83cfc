// The first byte of a run that needs a look inside a JSON string: a quote, a backslash, a control character, or a byte
// of a multi-byte character. Everything else is "plain". Never reads outside [p, end).
//
// Most strings of a chat (keys, roles, ids) end within 16 bytes, so the first steps are inline and the long runs go to
// the widest vectors the processor has.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/attr.h"

const char *plain_end_long(const char *p, const char *end);
// Eight bytes at a time in plain C: the tails of all, and everything where there are no vectors.
const char *plain_end_words(const char *p, const char *end);

#ifdef __SSE2__
static inline unsigned plain_mask16(const char *p) {
  __m128i x = _mm_loadu_si128((const __m128i *)p);
  __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
  __m128i backslash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
  __m128i other = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));  // signed: bytes from 0x80 on are negative
  return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), other));
}

static inline const char *plain_end(const char *p, const char *end) {
  for (int step = 0; step < 4; step++) {
    if (UNLIKELY(end - p < 16)) return plain_end_words(p, end);
    unsigned mask = plain_mask16(p);
    if (mask) return p + __builtin_ctz(mask);
    p += 16;
  }
  return plain_end_long(p, end);
}
#else
static inline const char *plain_end(const char *p, const char *end) {
  return plain_end_words(p, end);
}
#endif
