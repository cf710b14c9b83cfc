// Decimal text to scaled integers and back. The scale is the number of decimal places an integer stands for: 15 for
// prices (femto), 12 for amounts (pico). Nothing is ever rounded here but the total of a sum.
#include "llm/money.h"

#include <assert.h>

enum { PRICE_PLACES = 15, MONEY_PLACES = 12, EXPONENT_MAX = 100000 };

// The text of a decimal number, taken apart: digits with an optional point among them, times 10^exponent.
struct decimal {
  struct str digits;    // may hold one '.'
  long integer_digits;  // how many stand before the point
  long exponent;
};

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool exponent_read(struct str text, long *out) {
  bool negative = false;
  if (text.len && (text.ptr[0] == '+' || text.ptr[0] == '-')) {
    negative = text.ptr[0] == '-';
    text = str_skip(text, 1);
  }
  uint64_t size;
  if (!str_to_u64(text, EXPONENT_MAX, &size)) return false;
  *out = negative ? -(long)size : (long)size;
  return true;
}

static bool decimal_read(struct str text, struct decimal *out) {
  size_t at = 0;
  while (at < text.len && is_digit(text.ptr[at])) at++;
  size_t digits = at;
  out->integer_digits = (long)at;
  if (at < text.len && text.ptr[at] == '.') {
    at++;
    while (at < text.len && is_digit(text.ptr[at])) at++;
    digits = at - 1;
  }
  out->digits = str_from(text.ptr, at);
  out->exponent = 0;
  if (!digits) return false;
  if (at == text.len) return true;
  if (text.ptr[at] != 'e' && text.ptr[at] != 'E') return false;
  return exponent_read(str_skip(text, at + 1), &out->exponent);
}

// The number times 10^places, when that is a whole number that fits.
static bool scaled_parse(struct str text, int places, int64_t *out) {
  struct decimal d;
  if (!decimal_read(text, &d)) return false;
  long power = d.integer_digits - 1 + d.exponent + places;  // of ten, for the digit at hand
  int64_t value = 0;
  for (size_t i = 0; i < d.digits.len; i++) {
    char c = d.digits.ptr[i];
    if (c == '.') continue;
    if (power < 0) {
      if (c != '0') return false;
    } else if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, c - '0', &value)) {
      return false;
    }
    power--;
  }
  for (; value && power >= 0; power--) {
    if (__builtin_mul_overflow(value, 10, &value)) return false;
  }
  *out = value;
  return true;
}

bool price_parse(struct str text, price_femto *out) {
  return scaled_parse(text, PRICE_PLACES, out);
}

bool money_parse(struct str text, money_pico *out) {
  return scaled_parse(text, MONEY_PLACES, out);
}

// `places` is a constant wherever this is inlined, so that no division by a variable is left.
static inline void scaled_write(struct buf *out, int64_t value, int places) {
  uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  uint64_t one = 1;
  for (int i = 0; i < places; i++) one *= 10;
  if (value < 0) buf_char(out, '-');
  buf_u64(out, size / one);
  uint64_t rest = size % one;
  if (!rest) return;
  char digits[1 + PRICE_PLACES];
  digits[0] = '.';
  // Two halves, whose divisions do not wait for each other.
  uint32_t low = (uint32_t)(rest % 1000000), high = (uint32_t)(rest / 1000000 % 1000000);
  for (int i = 0; i < 6; i++, low /= 10, high /= 10) {
    digits[places - i] = (char)('0' + low % 10);
    digits[places - 6 - i] = (char)('0' + high % 10);
  }
  rest /= 1000000000000;
  for (int i = places - 12; i > 0; i--, rest /= 10) digits[i] = (char)('0' + rest % 10);
  size_t len = (size_t)places + 1;
  while (digits[len - 1] == '0') len--;
  buf_append(out, digits, len);
}

void price_write(struct buf *out, price_femto price) {
  scaled_write(out, price, PRICE_PLACES);
}

void money_write(struct buf *out, money_pico amount) {
  scaled_write(out, amount, MONEY_PLACES);
}

money_pico money_sum_total(const struct money_sum *sum) {
  assert(sum->femto >= 0);
  if (LIKELY(sum->femto <= INT64_MAX - 500)) return ((int64_t)sum->femto + 500) / 1000;
  __int128 pico = sum->femto / 1000;
  if (sum->femto % 1000 >= 500) pico++;
  return pico > INT64_MAX ? INT64_MAX : (money_pico)pico;
}
