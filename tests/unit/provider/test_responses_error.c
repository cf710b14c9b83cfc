// How long a provider says to wait, and whose fault its errors are.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "provider/responses_error.c"

static void test_waits(void **state) {
  (void)state;
  static const struct {
    const char *message;
    unsigned seconds;
  } rows[] = {{"Rate limit reached. Please try again in 20s. Visit", 20},
              {"Please try again in 6ms.", 1},
              {"Please try again in 1.898s.", 2},
              {"Please try again in 1m2.5s.", 63},
              {"Please try again in 2h3m.", 7380},
              {"Please retry after 5 seconds.", 5},
              {"Please try again in ", 0},
              {"Please try again in a while.", 0},
              {"Please try again in 99999999999999999999999s.", 86400},
              {"", 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    assert_int_equal(wait_of(str_from_cstr(rows[i].message)), rows[i].seconds);
}

static void test_classes(void **state) {
  (void)state;
  static const struct {
    unsigned status;
    const char *body;
    enum fault fault;
  } rows[] = {
      {400, "{\"error\":{\"message\":\"x\",\"code\":\"model_not_found\"}}", FAULT_UPSTREAM_MODEL},
      {404, "{\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\"}}", FAULT_UPSTREAM_MODEL},
      {404, "{\"error\":{\"message\":\"x\",\"code\":\"previous_response_not_found\"}}", FAULT_UNSUPPORTED},
      {400, "{\"error\":{\"message\":\"x\",\"code\":\"invalid_encrypted_content\"}}", FAULT_UNSUPPORTED},
      {429, "{\"error\":{\"message\":\"Your input exceeds the context window\",\"code\":\"429\"}}",
       FAULT_UPSTREAM_RATE},
      {500, "{\"error\":{\"message\":\"the context window\",\"type\":\"server_error\"}}", FAULT_UPSTREAM_ERROR},
      {403, "{\"error\":{\"message\":\"x\",\"code\":\"unsupported_country_region_territory\"}}", FAULT_UPSTREAM_AUTH},
      {413, "{\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\"}}", FAULT_TOO_LARGE},
      {400, "[{\"error\":{\"message\":\"prompt is too long\"}}]", FAULT_CONTEXT},
      {200, "{\"error\":{\"message\":\"x\",\"code\":\"server_error\"}}", FAULT_UPSTREAM_ERROR},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct decode_failure failure = {0};
    responses_error(rows[i].status, str_from_cstr(rows[i].body), &failure);
    if (failure.fault != rows[i].fault) fail_msg("%u %s", rows[i].status, rows[i].body);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_waits), cmocka_unit_test(test_classes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
