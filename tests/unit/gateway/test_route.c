// Paths to routes: prefixes, doubled prefixes, slashes, stars, methods.
#include "gateway/route.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants the three above first
#include <cmocka.h>

static void none(struct request *r) {
  (void)r;
}
static const struct route table[] = {
    {HTTP_POST, "/chat/completions", false, ACCESS_INFERENCE, none},
    {HTTP_GET, "/models", false, ACCESS_OPEN, none},
    {HTTP_GET, "/models/*/*/endpoints", false, ACCESS_OPEN, none},
    {HTTP_GET, "/healthz", true, ACCESS_OPEN, none},
    {HTTP_GET, "/", true, ACCESS_OPEN, none},
};

static void test_find(void **state) {
  (void)state;
  static const struct {
    enum http_method method;
    const char *path;
    int row;  // -1: none
    bool path_known, doubled;
  } cases[] = {
      {HTTP_POST, "/api/v1/chat/completions", 0, true, false},
      {HTTP_POST, "/v1/chat/completions", 0, true, false},
      {HTTP_POST, "/v1/chat/completions/", 0, true, false},
      {HTTP_POST, "//api//v1/chat///completions", 0, true, false},
      {HTTP_POST, "/api/v1/v1/chat/completions", 0, true, true},
      {HTTP_POST, "/v1/v1/chat/completions", 0, true, true},
      {HTTP_POST, "/chat/completions", -1, false, false},
      {HTTP_GET, "/v1/chat/completions", -1, true, false},
      {HTTP_GET, "/api/v1/models", 1, true, false},
      {HTTP_HEAD, "/api/v1/models", 1, true, false},
      {HTTP_GET, "/api/v1models", -1, false, false},
      {HTTP_GET, "/api/v1/models/openai/gpt-4o/endpoints", 2, true, false},
      {HTTP_GET, "/api/v1/models//gpt-4o/endpoints", -1, false, false},
      {HTTP_GET, "/healthz", 3, true, false},
      {HTTP_GET, "/api/v1/healthz", -1, false, false},
      {HTTP_GET, "/", 4, true, false},
      {HTTP_GET, "", -1, false, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char folded[200];
    struct route_match m =
        route_find(table, sizeof table / sizeof table[0], cases[i].method, str_from_cstr(cases[i].path), folded);
    int row = m.route ? (int)(m.route - table) : -1;
    if (row != cases[i].row || m.path_known != cases[i].path_known || (row >= 0 && m.doubled != cases[i].doubled))
      fail_msg("%s: row %d, path_known %d, doubled %d", cases[i].path, row, m.path_known, m.doubled);
  }
}

static void test_stars_are_handed_over(void **state) {
  (void)state;
  char folded[200];
  struct route_match m =
      route_find(table, sizeof table / sizeof table[0], HTTP_GET, STR("/v1/models/a%2Fb/c/endpoints"), folded);
  assert_ptr_equal(m.route, &table[2]);
  assert_true(str_eq(m.args[0], STR("a%2Fb")));
  assert_true(str_eq(m.args[1], STR("c")));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_find), cmocka_unit_test(test_stars_are_handed_over)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
