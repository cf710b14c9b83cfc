// What model servers answer to GET /v1/models.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants the first three
#include <cmocka.h>

#include "config/local_models.h"

static void test_read(void **state) {
  (void)state;
  static const struct {
    const char *reply;
    size_t count;
    const char *first;
  } cases[] = {
      {"{\"object\":\"list\",\"data\":[{\"id\":\"llama3:8b\",\"object\":\"model\"},{\"id\":\"a/b\"}]}", 2, "llama3:8b"},
      {"\r\n\r\n {\"data\":[{\"id\":\"x\"}]}\n", 1, "x"},
      {"{\"data\":[{\"id\":\"\"},{\"id\":7},{},\"x\",{\"id\":\"y\"}]}", 1, "y"},
      {"{\"data\":null}", 0, NULL},
      {"{\"models\":[]}", 0, NULL},
      {"<html>", 0, NULL},
      {"}{", 0, NULL},
      {"", 0, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct arena arena = {0};
    struct str names[LOCAL_MODELS_MAX];
    size_t count = local_models_read(&arena, str_from_cstr(cases[i].reply), names);
    if (count != cases[i].count || (count && !str_eq(names[0], str_from_cstr(cases[i].first))))
      fail_msg("%s", cases[i].reply);
    arena_free(&arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_read)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
