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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_price_parse_and_write),
      cmocka_unit_test(test_money_parse_and_write),
      cmocka_unit_test(test_sum_rounds_once_half_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
