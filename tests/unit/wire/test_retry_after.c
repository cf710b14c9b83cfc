// Waits as providers write them.
#include "wire/retry_after.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { NOW = 1795449600 };  // Mon, 23 Nov 2026 16:00:00 GMT

static void test_waits(void **state) {
  (void)state;
  static const struct {
    struct str name, value;
    unsigned seconds;
  } cases[] = {
      {STR("X-Other"), STR("5"), 0},
      {STR("Retry-After"), STR(""), 0},
      {STR("Retry-After"), STR("0"), 0},
      {STR("Retry-After"), STR("30"), 30},
      {STR("Retry-After"), STR("12.5"), 13},
      {STR("Retry-After"), STR("12.0"), 12},
      {STR("Retry-After"), STR("86401"), 86400},
      {STR("Retry-After"), STR("99999999999999999999999999"), 86400},
      {STR("Retry-After"), STR("soon"), 60},
      {STR("Retry-After"), STR("-5"), 60},
      {STR("Retry-After"), STR("5s"), 60},
      {STR("Retry-After"), STR("Mon, 23 Nov 2026 16:02:41 GMT"), 161},
      {STR("Retry-After"), STR("Mon, 23 Nov 2026 15:00:00 GMT"), 1},
      {STR("Retry-After"), STR("Mon, 23 Nov 2037 15:00:00 GMT"), 86400},
      {STR("retry-after-ms"), STR("1"), 1},
      {STR("retry-after-ms"), STR("1000"), 1},
      {STR("retry-after-ms"), STR("1001"), 2},
      {STR("retry-after-ms"), STR("0"), 0},
      {STR("retry-after-ms"), STR("x"), 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct http_head head = {.field_count = 1, .fields = {{cases[i].name, cases[i].value}}};
    unsigned seconds = retry_after(&head, NOW);
    if (seconds != cases[i].seconds) fail_msg("%.*s: %u", STR_ARGS(cases[i].value), seconds);
  }
  struct http_head both = {.field_count = 2,
                           .fields = {{STR("Retry-After"), STR("9")}, {STR("retry-after-ms"), STR("2500")}}};
  assert_int_equal(retry_after(&both, NOW), 3);
  both.fields[1].value = STR("0");
  assert_int_equal(retry_after(&both, NOW), 9);
}

static void test_moments(void **state) {
  (void)state;
  assert_int_equal(retry_after_moment(STR("Mon, 23 Nov 2026 16:00:00 GMT")), NOW);
  assert_int_equal(retry_after_moment(STR("Mon, 23 Nov 2026 16:00:00 GMT ")), 0);
  assert_int_equal(retry_after_moment(STR("Mon, 23 Nov 2026 16:00:00")), 0);
  assert_int_equal(retry_after_moment(STR("2026-11-23T16:00:00Z")), 0);
  assert_int_equal(retry_after_moment(STR("")), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_waits),
      cmocka_unit_test(test_moments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
