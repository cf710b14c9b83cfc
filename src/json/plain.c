#include "json/plain.h"

#include <endian.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

const char *plain_end_words(const char *p, const char *end) {
  const uint64_t each = 0x0101010101010101u;
  while (end - p >= 8) {
    uint64_t x;
    memcpy(&x, p, 8);
    x = le64toh(x);
    // The top bit of a byte is set for what we look for. A borrow spoils only bytes behind the first hit.
    uint64_t hits = ((x ^ each * '"') - each) | ((x ^ each * '\\') - each) | (x - each * 0x20) | x;
    hits &= each * 0x80;
    if (hits) return p + (__builtin_ctzll(hits) >> 3);
    p += 8;
  }
  for (; p < end; p++) {
    unsigned char c = (unsigned char)*p;
    if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80) break;
  }
  return p;
}

#ifdef __SSE2__
static const char *plain_end_sse2(const char *p, const char *end) {
  for (; end - p >= 16; p += 16) {
    unsigned mask = plain_mask16(p);
    if (mask) return p + __builtin_ctz(mask);
  }
  return plain_end_words(p, end);
}

__attribute__((target("avx2"))) static inline __m256i special32(const char *p) {
  __m256i x = _mm256_loadu_si256((const __m256i *)p);
  __m256i quote = _mm256_cmpeq_epi8(x, _mm256_set1_epi8('"'));
  __m256i backslash = _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\\'));
  __m256i other = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), x);
  return _mm256_or_si256(_mm256_or_si256(quote, backslash), other);
}

__attribute__((target("avx2"))) static const char *plain_end_avx2(const char *p, const char *end) {
  for (; end - p >= 128; p += 128) {
    __m256i a = special32(p), b = special32(p + 32), c = special32(p + 64), d = special32(p + 96);
    __m256i any = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
    if (!_mm256_testz_si256(any, any)) break;
  }
  for (; end - p >= 32; p += 32) {
    unsigned mask = (unsigned)_mm256_movemask_epi8(special32(p));
    if (mask) return p + __builtin_ctz(mask);
  }
  return plain_end_sse2(p, end);
}

const char *plain_end_long(const char *p, const char *end) {
  return __builtin_cpu_supports("avx2") ? plain_end_avx2(p, end) : plain_end_sse2(p, end);
}
#else
const char *plain_end_long(const char *p, const char *end) {
  return plain_end_words(p, end);
}
#endif
