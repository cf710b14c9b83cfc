// What is kept of reasoning: by key and call, for an hour, within its bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "gateway/sidecar.h"

static void expect(struct sidecar *s, const char *key, const char *call, uint64_t now, const char *wanted) {
  struct arena arena = {0};
  struct str got = sidecar_get(s, str_from_cstr(key), str_from_cstr(call), &arena, now);
  if (!str_eq(got, str_from_cstr(wanted))) fail_msg("%s/%s: %.*s", key, call, STR_ARGS(got));
  arena_free(&arena);
}

static void put(struct sidecar *s, const char *key, const char *call, const char *details, uint64_t now) {
  sidecar_put(s, str_from_cstr(key), str_from_cstr(call), str_from_cstr(details), now);
}

static void test_by_key_and_call(void **state) {
  (void)state;
  struct sidecar *s = sidecar_new();
  put(s, "k1", "call", "one", 0);
  put(s, "k2", "call", "two", 0);
  put(s, "k1", "other", "three", 0);
  put(s, "k1", "call", "one again", 5);
  put(s, "k1", "", "nothing", 5);
  put(s, "k1", "empty", "", 5);
  expect(s, "k1", "call", 10, "one again");
  expect(s, "k2", "call", 10, "two");
  expect(s, "k1", "other", 10, "three");
  expect(s, "k3", "call", 10, "");
  expect(s, "k1", "", 10, "");
  expect(s, "k1", "empty", 10, "");
  expect(s, "", "k1\ncall", 10, "");  // the two together say no more than each
  expect(s, "k2", "call", SIDECAR_SECONDS * 1000ull - 1, "two");
  expect(s, "k2", "call", SIDECAR_SECONDS * 1000ull, "");
  expect(s, "k1", "call", SIDECAR_SECONDS * 1000ull, "one again");
  sidecar_free(s);
  expect(NULL, "k1", "call", 0, "");
  put(NULL, "k1", "call", "x", 0);
}

// The oldest make room; what is too long is not kept.
static void test_bounds(void **state) {
  (void)state;
  static char big[SIDECAR_ENTRY_MAX + 2], name[16];
  struct sidecar *s = sidecar_new();
  memset(big, 'x', SIDECAR_ENTRY_MAX + 1);
  put(s, "k", "long", big, 0);
  expect(s, "k", "long", 0, "");
  big[SIDECAR_ENTRY_MAX] = 0;
  for (int i = 0; i < 200; i++) {
    snprintf(name, sizeof name, "c%d", i);
    put(s, "k", name, big, 0);
    expect(s, "k", name, 0, big);
  }
  expect(s, "k", "c0", 0, "");
  expect(s, "k", "c150", 0, big);
  sidecar_free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_key_and_call), cmocka_unit_test(test_bounds)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
