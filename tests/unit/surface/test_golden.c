// The cases of tests/golden/openai_chat against what is expected there. Streams are fed whole, byte by byte and cut
// behind every byte. With GOLDEN_WRITE=1 the expected files are written instead of compared: read the difference before
// you commit it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chat_watch.h"
#include "golden.h"

static void check_request(struct golden *g) {
  struct buf in, out;
  if (golden_read(g, "request.json", &in)) {
    buf_init(&out, GOLDEN_FILE_MAX);
    run_request(&g->target, buf_view(&in), &out);
    struct json_doc doc = {0};
    if (json_parse(&doc, buf_view(&out), 0) != JSON_OK)
      fail_msg("%s: not JSON: %.*s", g->name, STR_ARGS(buf_view(&out)));
    json_doc_free(&doc);
    golden_compare(g, "upstream.json", buf_view(&out));
    buf_clear(&out);
    run_lost(&g->target, buf_view(&in), &out);
    struct buf lost;
    if (out.len || golden_read(g, "upstream.lost", &lost)) {
      if (!out.len) buf_free(&lost);
      golden_compare(g, "upstream.lost", buf_view(&out));
    }
    buf_free(&out);
  }
  buf_free(&in);
}

static void check_reply(struct golden *g) {
  struct buf in, out;
  if (golden_read(g, "reply.json", &in)) {
    struct watch watch = {0};
    buf_init(&out, GOLDEN_FILE_MAX);
    bool ok = run_reply(&g->target, buf_view(&in), &out);
    const char *complaint = ok ? watch_whole(&watch, buf_view(&out)) : NULL;
    if (complaint) fail_msg("%s: %s: %.*s", g->name, complaint, STR_ARGS(buf_view(&out)));
    if (ok) watch_texts_free(&watch.texts);
    golden_compare(g, "client.json", buf_view(&out));
    buf_free(&out);
  }
  buf_free(&in);
}

static void check_error(struct golden *g) {
  struct buf in, out;
  if (golden_read(g, "error.txt", &in)) {
    buf_init(&out, GOLDEN_FILE_MAX);
    run_error(g->status, buf_view(&in), &out);
    golden_compare(g, "error.json", buf_view(&out));
    buf_free(&out);
  }
  buf_free(&in);
}

static void check_stream(struct golden *g) {
  struct buf in, out, again;
  buf_init(&out, GOLDEN_FILE_MAX);
  buf_init(&again, GOLDEN_FILE_MAX);
  if (golden_read(g, "stream.sse", &in)) {
    struct watch watch = {0};
    run_stream(&g->target, buf_view(&in), in.len, &out, NULL);
    const char *complaint = watch_stream(&watch, buf_view(&out));
    if (complaint) fail_msg("%s: %s: %.*s", g->name, complaint, STR_ARGS(buf_view(&out)));
    watch_texts_free(&watch.texts);
    golden_compare(g, "client.sse", buf_view(&out));
    for (size_t step = 1; step <= 7; step++) {
      buf_clear(&again);
      run_stream(&g->target, buf_view(&in), step, &again, NULL);
      assert_true(str_eq(buf_view(&out), buf_view(&again)));
    }
  }
  buf_free(&in);
  buf_free(&out);
  buf_free(&again);
}

static bool is_beginning(const struct buf *part, const struct buf *whole) {
  return str_starts(buf_view(whole), buf_view(part));
}

// A stream cut anywhere ends in an error unless every choice had ended; what came before the cut is what the whole
// stream shows.
static void cut_stream(struct golden *g) {
  struct buf in, whole, out;
  buf_init(&whole, GOLDEN_FILE_MAX);
  buf_init(&out, GOLDEN_FILE_MAX);
  if (golden_read(g, "stream.sse", &in)) {
    struct watch all = {0};
    run_stream(&g->target, buf_view(&in), in.len, &whole, NULL);
    assert_null(watch_stream(&all, buf_view(&whole)));
    for (size_t cut = 0; cut < in.len; cut++) {
      struct watch watch = {0};
      buf_clear(&out);
      bool ok = run_stream(&g->target, str_from(in.ptr, cut), cut ? cut : 1, &out, NULL);
      const char *complaint = watch_stream(&watch, buf_view(&out));
      if (complaint) fail_msg("%s cut at %zu: %s: %.*s", g->name, cut, complaint, STR_ARGS(buf_view(&out)));
      if (ok != watch.done) fail_msg("%s cut at %zu: verdict and bytes disagree", g->name, cut);
      for (int i = 0; i < WATCH_CHOICES; i++) {
        if (ok && all.role[i] != watch.role[i]) fail_msg("%s cut at %zu passes for whole", g->name, cut);
        if (!is_beginning(&watch.texts.content[i], &all.texts.content[i]) ||
            !is_beginning(&watch.texts.reasoning[i], &all.texts.reasoning[i]))
          fail_msg("%s cut at %zu: another text: %.*s", g->name, cut, STR_ARGS(buf_view(&out)));
      }
      watch_texts_free(&watch.texts);
    }
    watch_texts_free(&all.texts);
  }
  buf_free(&in);
  buf_free(&whole);
  buf_free(&out);
}

static void test_requests(void **state) {
  (void)state;
  assert_true(golden_each(check_request) > 10);
}

static void test_replies(void **state) {
  (void)state;
  golden_each(check_reply);
}

static void test_streams(void **state) {
  (void)state;
  golden_each(check_stream);
}

static void test_cut_streams(void **state) {
  (void)state;
  golden_each(cut_stream);
}

static void test_errors(void **state) {
  (void)state;
  golden_each(check_error);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_requests),    cmocka_unit_test(test_replies), cmocka_unit_test(test_streams),
      cmocka_unit_test(test_cut_streams), cmocka_unit_test(test_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
