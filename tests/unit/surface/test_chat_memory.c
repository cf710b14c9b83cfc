// Each golden case once more with its n-th allocation failing, for n = 1, 2, ... until all goes well: no crash, no leak
// (the sanitizers look), and nothing that passes for a good answer but differs from it.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned long allocations, fail_at;  // 0: never

static bool fails(void) {
  return ++allocations == fail_at;
}
static void *failing_malloc(size_t size) {
  return fails() ? NULL : malloc(size);
}
static void *failing_calloc(size_t n, size_t size) {
  return fails() ? NULL : calloc(n, size);
}
static void *failing_realloc(void *p, size_t size) {
  return fails() ? NULL : realloc(p, size);
}

#define malloc failing_malloc
#define calloc failing_calloc
#define realloc failing_realloc
// Everything that allocates on behalf of the surface. Their definitions here stand in for those of the library.
#include "base/arena.c"
#include "base/buf.c"
#include "json/json.c"
#include "surface/chat_stream.c"
#include "surface/chat_template.c"
#undef malloc
#undef calloc
#undef realloc

#include "golden.h"

typedef void run_fn(const struct golden *g, struct str in, struct buf *out);

static void as_request(const struct golden *g, struct str in, struct buf *out) {
  run_request(&g->target, in, out);
}
static void as_reply(const struct golden *g, struct str in, struct buf *out) {
  run_reply(&g->target, in, out);
}
static void as_error(const struct golden *g, struct str in, struct buf *out) {
  run_error(g->status, in, out);
}
static void as_stream(const struct golden *g, struct str in, struct buf *out) {
  run_stream(&g->target, in, 97, out, NULL);
}

static bool is_error(struct str text) {
  return str_find(text, STR("\"error\":{\"code\":"), 0) != SIZE_MAX;
}

static void fail_each(const struct golden *g, const char *file, run_fn *run) {
  struct buf in, good, out;
  fail_at = 0;
  buf_init(&good, GOLDEN_FILE_MAX);
  if (golden_read(g, file, &in)) {
    run(g, buf_view(&in), &good);
    for (unsigned long n = 1;; n++) {
      buf_init(&out, GOLDEN_FILE_MAX);
      allocations = 0;
      fail_at = n;
      run(g, buf_view(&in), &out);
      bool all_went_well = allocations < n;
      fail_at = 0;
      // A template or a usage object that could not be kept is no harm; anything else must show.
      bool fine = out.failed || !out.len || is_error(buf_view(&out)) || str_eq(buf_view(&good), buf_view(&out)) ||
                  str_find(buf_view(&out), STR("[DONE]"), 0) != SIZE_MAX;
      if (!fine) fail_msg("%s/%s with allocation %lu failing: %.*s", g->name, file, n, STR_ARGS(buf_view(&out)));
      if (all_went_well) assert_true(str_eq(buf_view(&good), buf_view(&out)));
      buf_free(&out);
      if (all_went_well) break;
    }
  }
  buf_free(&in);
  buf_free(&good);
}

static void visit(struct golden *g) {
  fail_each(g, "request.json", as_request);
  fail_each(g, "reply.json", as_reply);
  fail_each(g, "error.txt", as_error);
  fail_each(g, "stream.sse", as_stream);
}

static void test_failing_allocations(void **state) {
  (void)state;
  assert_true(golden_each(visit) > 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_failing_allocations)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
