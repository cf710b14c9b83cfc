// Exact decimals: what is read, what is refused, and that writing gives back what was read.
#include "llm/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// cmocka wants the four above first.
#include <cmocka.h>

static const struct {
  const char *text;
  bool ok;
  int64_t femto;
  const char *written;
} prices[] = {
    {"0", true, 0, "0"},
    {"0.0", true, 0, "0"},
    {"00012.50", true, 12500000000000000, "12.5"},
    {"0.00000015", true, 150000000, "0.00000015"},
    {"1.5e-07", true, 150000000, "0.00000015"},
    {"15E-8", true, 150000000, "0.00000015"},
    {"2e+3", true, 2000000000000000000, "2000"},
    {".5", true, 500000000000000, "0.5"},
    {"5.", true, 5000000000000000, "5"},
    {"0.000000000000001", true, 1, "0.000000000000001"},
    {"0.0000000000000010000", true, 1, "0.000000000000001"},
    {"10e-16", true, 1, "0.000000000000001"},
    {"0e99999", true, 0, "0"},
    {"0.0000000000000000000000000000001e31", true, 1000000000000000, "1"},
    {"9223.372036854775807", true, INT64_MAX, "9223.372036854775807"},
    {"9223.372036854775808", false, 0, NULL},
    {"9224", false, 0, NULL},
    {"1e5", false, 0, NULL},
    {"1e99999", false, 0, NULL},
    {"1e99999999999999999999", false, 0, NULL},
    {"0.0000000000000001", false, 0, NULL},
    {"1e-16", false, 0, NULL},
    {"-1", false, 0, NULL},
    {"+1", false, 0, NULL},
    {"", false, 0, NULL},
    {".", false, 0, NULL},
    {"e5", false, 0, NULL},
    {"1e", false, 0, NULL},
    {"1e+", false, 0, NULL},
    {"1.2.3", false, 0, NULL},
    {"1,5", false, 0, NULL},
    {" 1", false, 0, NULL},
    {"1 ", false, 0, NULL},
    {"0x10", false, 0, NULL},
    {"NaN", false, 0, NULL},
    {"inf", false, 0, NULL},
};

static void test_price_parse_and_write(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof prices / sizeof *prices; i++) {
    price_femto got = -7;
    bool ok = price_parse(str_from_cstr(prices[i].text), &got);
    if (ok != prices[i].ok) fail_msg("\"%s\": %s", prices[i].text, ok ? "was taken" : "was refused");
    if (!ok) continue;
    if (got != prices[i].femto) fail_msg("\"%s\": %lld", prices[i].text, (long long)got);
    struct buf text;
    buf_init(&text, 64);
    price_write(&text, got);
    if (!str_eq(buf_view(&text), str_from_cstr(prices[i].written)))
      fail_msg("\"%s\" written as \"%.*s\"", prices[i].text, STR_ARGS(buf_view(&text)));
    buf_free(&text);
  }
}

static void test_money_parse_and_write(void **state) {
  (void)state;
  money_pico got;
  assert_true(money_parse(STR("10.00"), &got));
  assert_int_equal(got, 10000000000000);
  assert_true(money_parse(STR("0.000000000001"), &got));
  assert_int_equal(got, 1);
  assert_false(money_parse(STR("0.0000000000001"), &got));
  assert_true(money_parse(STR("9223372.036854775807"), &got));
  assert_int_equal(got, INT64_MAX);
  assert_false(money_parse(STR("9223372.036854775808"), &got));
  struct buf text;
  buf_init(&text, 64);
  money_write(&text, -1500000000000);
  assert_true(str_eq(buf_view(&text), STR("-1.5")));
  buf_clear(&text);
  money_write(&text, INT64_MIN);
  assert_true(str_eq(buf_view(&text), STR("-9223372.036854775808")));
  buf_free(&text);
}

static void test_sum_rounds_once_half_up(void **state) {
  (void)state;
  struct money_sum sum = {0};
  assert_int_equal(money_sum_total(&sum), 0);
  money_sum_add(&sum, 1, 499);
  assert_int_equal(money_sum_total(&sum), 0);
  money_sum_add(&sum, 1, 1);
  assert_int_equal(money_sum_total(&sum), 1);
  // Three thirds that would each round down make a whole.
  sum = (struct money_sum){0};
  for (int i = 0; i < 3; i++) money_sum_add(&sum, 1, 334);
  assert_int_equal(money_sum_total(&sum), 1);
  // A million tokens at 0.15 USD a million.
  sum = (struct money_sum){0};
  money_sum_add(&sum, 1000000, 150000000);
  assert_int_equal(money_sum_total(&sum), 150000000000);
  sum = (struct money_sum){0};
  money_sum_add(&sum, UINT64_MAX, INT64_MAX);
  assert_int_equal(money_sum_total(&sum), INT64_MAX);
}

// --- any decimal, against 128 bits ---

static uint64_t seed = 88172645463325252u;

static uint64_t any(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

// mantissa * 10^power as a whole number of at most INT64_MAX; false when it is none.
static bool whole(uint64_t mantissa, int power, int64_t *out) {
  __int128 value = mantissa;
  for (; value && power > 0; power--) {
    value *= 10;
    if (value > INT64_MAX) return false;
  }
  for (; value && power < 0; power++) {
    if (value % 10) return false;
    value /= 10;
  }
  if (value > INT64_MAX) return false;
  *out = (int64_t)value;
  return true;
}

static void test_any_decimal(void **state) {
  (void)state;
  unsigned taken = 0, refused = 0;
  for (int i = 0; i < 300000; i++) {
    // Digits with a point before the last `behind` of them, and perhaps an exponent.
    uint64_t mantissa = any() >> any() % 64;
    int behind = (int)(any() % 21), exponent = any() % 2 ? (int)(any() % 41) - 20 : 0;
    char digits[64], text[128];
    int len = snprintf(digits, sizeof digits, "%0*llu", behind + 1, (unsigned long long)mantissa);
    int n = snprintf(text, sizeof text, "%.*s%s%s", len - behind, digits, behind ? "." : "", digits + len - behind);
    if (exponent) snprintf(text + n, sizeof text - (size_t)n, "%c%+d", any() % 2 ? 'e' : 'E', exponent);
    int64_t expected = 0, got = -7;
    bool fits = whole(mantissa, exponent - behind + 15, &expected), ok = price_parse(str_from_cstr(text), &got);
    if (ok != fits || (ok && got != expected))
      fail_msg("\"%s\": %s %lld, expected %lld", text, ok ? "taken" : "refused", (long long)got, (long long)expected);
    fits = whole(mantissa, exponent - behind + 12, &expected);
    if (money_parse(str_from_cstr(text), &got) != fits || (fits && got != expected)) fail_msg("money \"%s\"", text);
    if (!ok) {
      refused++;
      continue;
    }
    taken++;
    // What is written is read as the same.
    struct buf written;
    buf_init(&written, 64);
    price_write(&written, got);
    assert_true(price_parse(buf_view(&written), &expected));
    assert_int_equal(got, expected);
    buf_free(&written);
  }
  assert_true(taken > 50000);
  assert_true(refused > 50000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_price_parse_and_write),
      cmocka_unit_test(test_money_parse_and_write),
      cmocka_unit_test(test_sum_rounds_once_half_up),
      cmocka_unit_test(test_any_decimal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
