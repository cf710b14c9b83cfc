#include "json/bulk.h"

#ifdef __SSE2__
#include <immintrin.h>
#include <stdint.h>

#include "json/escape.h"

// (BMI came with it. Without it gcc 12 makes more of "and not".)
#define AVX2 __attribute__((target("avx2,bmi")))

// What two neighbouring bytes can do wrong, one bit each. Each of three tables tells what half a byte allows; a bit
// that all three leave standing is an error. The method is Keiser's and Lemire's, "Validating UTF-8 in less than one
// instruction per byte" (2021).
enum {
  TOO_SHORT = 1 << 0,   // a lead byte without its second byte
  TOO_LONG = 1 << 1,    // a tail byte behind ASCII
  OVERLONG_3 = 1 << 2,  // E0 80..9F
  TOO_HIGH = 1 << 3,    // F4 90..BF and F5.. 90..BF
  SURROGATE = 1 << 4,   // ED A0..BF
  OVERLONG_2 = 1 << 5,  // C0, C1
  OVERLONG_4 = 1 << 6,  // F0 80..8F, and F5.. 80..8F, which is too high
  TWO_TAILS = 1 << 7,   // right or wrong, depending on the bytes before
  ANY_LOW = TOO_SHORT | TOO_LONG | TWO_TAILS,
  ANY_TAIL = TOO_LONG | OVERLONG_2 | TWO_TAILS,
};

// Looks each byte's value, 0 to 15, up in a table.
#define LOOK_UP(index, ...) _mm256_shuffle_epi8(_mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__), (index))

AVX2 static inline __m256i high_half(__m256i x) {
  return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15));
}

// Nonzero where the pair of a byte and the one before it is wrong; TWO_TAILS also where it is right.
AVX2 static inline __m256i wrong_pairs(__m256i x, __m256i before1) {
  __m256i first_high =
      LOOK_UP(high_half(before1), TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
              (char)TWO_TAILS, (char)TWO_TAILS, (char)TWO_TAILS, (char)TWO_TAILS, TOO_SHORT | OVERLONG_2, TOO_SHORT,
              TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_HIGH | OVERLONG_4);
  const char low = (char)ANY_LOW, high = (char)(ANY_LOW | TOO_HIGH | OVERLONG_4);
  __m256i first_low =
      LOOK_UP(_mm256_and_si256(before1, _mm256_set1_epi8(15)), (char)(ANY_LOW | OVERLONG_2 | OVERLONG_3 | OVERLONG_4),
              (char)(ANY_LOW | OVERLONG_2), low, low, (char)(ANY_LOW | TOO_HIGH), high, high, high, high, high, high,
              high, high, (char)(high | SURROGATE), high, high);
  const char tail_80 = (char)(ANY_TAIL | OVERLONG_3 | OVERLONG_4);
  const char tail_90 = (char)(ANY_TAIL | OVERLONG_3 | TOO_HIGH), tail_a0 = (char)(ANY_TAIL | SURROGATE | TOO_HIGH);
  __m256i second_high =
      LOOK_UP(high_half(x), TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
              tail_80, tail_90, tail_a0, tail_a0, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT);
  return _mm256_and_si256(_mm256_and_si256(first_high, first_low), second_high);
}

// x moved `n` bytes up, with the last bytes of what stands before it coming in below.
#define SHIFT_IN(x, before, n) _mm256_alignr_epi8((x), _mm256_permute2x128_si256((before), (x), 0x21), 16 - (n))

// Nonzero where UTF-8 goes wrong. A character that x ends in the middle of is not wrong yet.
AVX2 static inline __m256i wrong_utf8(__m256i x, __m256i before) {
  __m256i pairs = wrong_pairs(x, SHIFT_IN(x, before, 1));
  __m256i third = _mm256_subs_epu8(SHIFT_IN(x, before, 2), _mm256_set1_epi8(0xE0 - 0x80));
  __m256i fourth = _mm256_subs_epu8(SHIFT_IN(x, before, 3), _mm256_set1_epi8((char)(0xF0 - 0x80)));
  __m256i two_tails = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
  return _mm256_xor_si256(pairs, two_tails);
}

// Whether the first `len` of 64 bytes that begin with a character are UTF-8, but for a character cut at 64.
AVX2 static inline bool right_utf8(__m256i low, __m256i high, unsigned len) {
  if (len < 64) {
    __m256i index = _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
                                     23, 24, 25, 26, 27, 28, 29, 30, 31);
    low = _mm256_and_si256(low, _mm256_cmpgt_epi8(_mm256_set1_epi8((char)len), index));
    high = _mm256_and_si256(high, _mm256_cmpgt_epi8(_mm256_set1_epi8((char)((int)len - 32)), index));
  }
  __m256i wrong = _mm256_or_si256(wrong_utf8(low, _mm256_setzero_si256()), wrong_utf8(high, low));
  return _mm256_testz_si256(wrong, wrong);
}

// How many of the 64 bytes at p belong to a character that ends behind them.
static inline unsigned cut_bytes(const char *p) {
  const unsigned char *u = (const unsigned char *)p;
  return (u[63] >= 0xC0) * 1u | (u[62] >= 0xE0) * 2u | (u[61] >= 0xF0) * 3u;
}

AVX2 static inline uint64_t mask64(__m256i low, __m256i high) {
  return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

// Where a byte is a quote, a backslash or a control character.
AVX2 static inline __m256i stops(__m256i x) {
  __m256i quote = _mm256_cmpeq_epi8(x, _mm256_set1_epi8('"'));
  __m256i backslash = _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\\'));
  __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(x, _mm256_set1_epi8(0x1F)), x);
  return _mm256_or_si256(_mm256_or_si256(quote, backslash), control);
}

// --- Easy text: ASCII with no escapes but the short ones ---
//
// Nearly all text is. What follows takes 64 bytes without a branch that depends on them: an escape every sixty bytes,
// as in any prose of several lines, would cost a mispredicted branch each.

// 64 bytes, one bit each.
struct easy_masks {
  uint64_t backslash, quote;
  uint64_t fine;   // may stand behind a backslash, but for 'u'
  uint64_t other;  // control characters, bytes of multi-byte characters
};

// A byte's class is what the tables of its two halves have in common.
enum { IS_SLASH = 1, IS_6X = 2, IS_7X = 4, IS_QUOTE = 0x40, IS_BACKSLASH = 0x80 };
#define CLASS_LOW \
  0, 0, IS_QUOTE | IS_6X | IS_7X, 0, IS_7X, 0, IS_6X, 0, 0, 0, 0, 0, (char)IS_BACKSLASH, 0, IS_6X, IS_SLASH
#define CLASS_HIGH 0, 0, IS_QUOTE | IS_SLASH, 0, 0, (char)IS_BACKSLASH, IS_6X, IS_7X, 0, 0, 0, 0, 0, 0, 0, 0

AVX2 static inline struct easy_masks easy_masks_of(const char *p) {
  __m256i x = _mm256_loadu_si256((const __m256i *)p), y = _mm256_loadu_si256((const __m256i *)(p + 32));
  __m256i low = _mm256_setr_epi8(CLASS_LOW, CLASS_LOW), high = _mm256_setr_epi8(CLASS_HIGH, CLASS_HIGH);
  __m256i blank = _mm256_set1_epi8(0x20), zero = _mm256_setzero_si256();
  __m256i class_x = _mm256_and_si256(_mm256_shuffle_epi8(low, x), _mm256_shuffle_epi8(high, high_half(x)));
  __m256i class_y = _mm256_and_si256(_mm256_shuffle_epi8(low, y), _mm256_shuffle_epi8(high, high_half(y)));
  return (struct easy_masks){
      .backslash = mask64(class_x, class_y),
      .quote = mask64(_mm256_add_epi8(class_x, class_x), _mm256_add_epi8(class_y, class_y)),
      .fine = ~mask64(_mm256_cmpeq_epi8(class_x, zero), _mm256_cmpeq_epi8(class_y, zero)),
      .other = mask64(_mm256_cmpgt_epi8(blank, x), _mm256_cmpgt_epi8(blank, y)),  // signed: from 0x80 on negative
  };
}

// Which bytes are escaped, that is stand behind an odd number of backslashes. *carried: the first one is; then: the one
// behind the last is. (Backslashes in a row that begin at an odd place are told apart by where adding them to their
// beginnings carries to.)
static inline uint64_t escaped_bytes(uint64_t backslash, uint64_t *carried) {
  const uint64_t even = 0x5555555555555555;
  backslash &= ~*carried;
  uint64_t behind = backslash << 1 | *carried, odd_begins = backslash & ~even & ~behind, sum;
  *carried = __builtin_add_overflow(odd_begins, backslash, &sum);
  return (even ^ sum << 1) & behind;
}

// Goes over as many whole 64 bytes as are easy. An escape that is cut at the end is left for what comes then.
AVX2 static const char *skip_easy(const char *p, const char *end, bool *escaped) {
  uint64_t carried = 0, any = 0;
  for (; end - p >= 64; p += 64) {
    struct easy_masks m = easy_masks_of(p);
    uint64_t next = carried, inside = escaped_bytes(m.backslash, &next);
    if (UNLIKELY(((m.quote & ~inside) | (inside & ~m.fine) | m.other) != 0)) break;
    any |= m.backslash;
    carried = next;
  }
  if (any) *escaped = true;
  return p - carried;
}

AVX2 static const char *bulk_end_avx2(const char *p, const char *end, bool *escaped) {
  p = skip_easy(p, end, escaped);
  while (end - p >= 64) {
    __m256i low = _mm256_loadu_si256((const __m256i *)p), high = _mm256_loadu_si256((const __m256i *)(p + 32));
    uint64_t stop = mask64(stops(low), stops(high)), wide = mask64(low, high);
    unsigned len = 64, next = 64;  // len: up to a byte that bulk_end must not pass; next: behind an escape that is cut
    while (stop) {
      unsigned at = (unsigned)__builtin_ctzll(stop);
      unsigned step = p[at] == '\\' ? escape_length(p + at, end) : 0;
      if (!step) {
        len = at;
        break;
      }
      *escaped = true;
      next = at + step > 64 ? at + step : 64;
      stop = at + step < 64 ? stop & UINT64_MAX << (at + step) : 0;
    }
    if (wide) {
      if (!right_utf8(low, high, len)) return p;
      next -= cut_bytes(p);
    }
    if (len < 64) return p + len;
    p += next;
    if (!wide) p = skip_easy(p, end, escaped);  // text that is not ASCII mostly stays so
  }
  return p;
}

const char *bulk_end(const char *p, const char *end, bool *escaped) {
  return end - p >= 64 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
             ? bulk_end_avx2(p, end, escaped)
             : p;
}
#else
const char *bulk_end(const char *p, const char *end, bool *escaped) {
  (void)end, (void)escaped;
  return p;
}
#endif
