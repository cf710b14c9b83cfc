// scripts/catalogue makes of three small sources exactly the table that is expected of it, in any locale and every
// time. The sources in tests/unit/llm/catalogue hold one of each: a model with all facts, one that is deprecated,
// without price, too old, no chat model, an alias, a variant, an unknown reseller, numbers with exponents, prices of
// long prompts (in order, none that the context cannot hold); fill.json completes what costs the same, and nothing
// else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the ones above first.
#include <cmocka.h>

#include "base/buf.h"

// The folder of this file, for paths into the source tree.
static int here(void) {
  return (int)(strrchr(__FILE__, '/') - __FILE__);
}

static int run(struct buf *out, const char *format, ...) {
  char command[4096];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(command, sizeof command, format, args);
  va_end(args);
  assert_in_range(len, 1, sizeof command - 1);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  char piece[4096];
  size_t n;
  while ((n = fread(piece, 1, sizeof piece, pipe)) > 0) buf_append(out, piece, n);
  return pclose(pipe);
}

static bool have_python(void) {
  return system("python3 -c '' 2>/dev/null") == 0;
}

#define SCRIPT "%.*s/../../../scripts/catalogue"
#define SOURCE "%.*s/catalogue/"

static void test_small_sources(void **state) {
  (void)state;
  if (!have_python()) {
    print_message("python3 is not installed: the script cannot be tried\n");
    skip();
  }
  struct buf expected, got;
  buf_init(&expected, 1 << 20);
  buf_init(&got, 1 << 20);
  int h = here();
  assert_int_equal(run(&expected, "cat '" SOURCE "expected.inc'", h, __FILE__), 0);
  int status = run(&got,
                   "LC_ALL=C python3 '" SCRIPT "' --date 2026-04-01 '" SOURCE "models.dev.json' '" SOURCE
                   "openrouter.json' '" SOURCE "litellm.json' --fill '" SOURCE "fill.json'",
                   h, __FILE__, h, __FILE__, h, __FILE__, h, __FILE__, h, __FILE__);
  assert_int_equal(status, 0);
  assert_true(expected.len > 1000);
  if (!str_eq(buf_view(&expected), buf_view(&got))) {
    size_t at = 0;
    while (at < expected.len && at < got.len && expected.ptr[at] == got.ptr[at]) at++;
    fail_msg("differs from expected.inc at byte %zu: %.*s", at, (int)(got.len - at > 120 ? 120 : got.len - at),
             got.ptr + at);
  }
  buf_free(&expected);
  buf_free(&got);
}

static void test_other_files_are_refused(void **state) {
  (void)state;
  if (!have_python()) skip();
  struct buf out;
  buf_init(&out, 1 << 20);
  int h = here();
  assert_int_not_equal(
      run(&out, "echo '{}' | python3 '" SCRIPT "' --date 2026-04-01 /dev/stdin 2>/dev/null", h, __FILE__), 0);
  assert_int_not_equal(run(&out, "python3 '" SCRIPT "' --date 2026-13-01 '" SOURCE "litellm.json' 2>/dev/null", h,
                           __FILE__, h, __FILE__),
                       0);
  assert_int_equal(out.len, 0);
  buf_free(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small_sources),
      cmocka_unit_test(test_other_files_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
