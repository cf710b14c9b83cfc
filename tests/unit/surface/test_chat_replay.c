// Answers kept and given again: exactly the holes, exactly the zeros, and never what is broken.
#include "surface/chat_replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the ones above first
#include <cmocka.h>

#define OLD "gen-1700000000-aaaaaaaaaaaaaaaaaaaa"
#define NEW "gen-1800000000-bbbbbbbbbbbbbbbbbbbb"

static bool again(const char *answer, bool stream, struct buf *out) {
  struct buf bytes, holes;
  buf_init(&bytes, 1 << 20);
  buf_init(&holes, 1 << 20);
  bool kept = chat_replay_make(str_from_cstr(answer), stream, STR(OLD), &bytes, &holes);
  if (kept)
    chat_replay_write(buf_view(&bytes), (const struct chat_replay_hole *)holes.ptr,
                      holes.len / sizeof(struct chat_replay_hole), STR(NEW), 1800000000, out);
  buf_free(&bytes);
  buf_free(&holes);
  return kept;
}

static void expect(const char *answer, bool stream, const char *wanted) {
  struct buf out;
  buf_init(&out, 1 << 20);
  bool kept = again(answer, stream, &out);
  if (!kept && wanted) fail_msg("not kept: %s", answer);
  if (kept && !wanted) fail_msg("kept: %s", answer);
  if (kept && !str_eq(buf_view(&out), str_from_cstr(wanted))) fail_msg("%.*s\n%s", STR_ARGS(buf_view(&out)), wanted);
  buf_free(&out);
}

#define CHOICE                                                \
  "\"choices\":[{\"index\":0,\"message\":{\"content\":\"" OLD \
  " 12 \\\"usage\\\":{\\\"a\\\":1}\"},\"finish_reason\":\"stop\"}]"

static void test_whole(void **state) {
  (void)state;
  expect("{\"id\":\"" OLD "\",\"created\":1700000000,\"model\":\"m\"," CHOICE
         ",\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,\"prompt_tokens_details\":{"
         "\"cached_tokens\":3},"
         "\"cost\":0.0000012,\"is_byok\":false,\"x\":null,\"a 1\":\"b 2 \\\" "
         "3\",\"cost_details\":{\"upstream_inference_cost\":1.5e-7,\"n\":[-1,2]}}}",
         false,
         "{\"id\":\"" NEW "\",\"created\":1800000000,\"model\":\"m\"," CHOICE
         ",\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0,\"prompt_tokens_details\":{"
         "\"cached_tokens\":0},"
         "\"cost\":0,\"is_byok\":false,\"x\":null,\"a 1\":\"b 2 \\\" "
         "3\",\"cost_details\":{\"upstream_inference_cost\":0,\"n\":[0,0]}}}");
  // Other ids, white space, another order, no usage.
  expect("{ \"created\" : 5 ," CHOICE ", \"usage\" : null, \"id\": \"chatcmpl-1\" }", false,
         "{ \"created\" : 1800000000 ," CHOICE ", \"usage\" : null, \"id\": \"chatcmpl-1\" }");
}

static void test_whole_not_kept(void **state) {
  (void)state;
  static const char *const answers[] = {
      "",
      "{}",
      "[]",
      "{\"id\":\"" OLD "\"",
      "{\"choices\":[]}",
      "{\"choices\":[{\"finish_reason\":null}]}",
      "{\"choices\":[{\"finish_reason\":\"\"}]}",
      "{\"choices\":[{\"finish_reason\":\"error\"}]}",
      "{\"choices\":[{\"finish_reason\":\"stop\"},{\"finish_reason\":\"error\"}]}",
      "{\"choices\":[{\"finish_reason\":\"stop\"},{\"index\":1}]}",
      "{\"choices\":[{\"finish_reason\":\"stop\",\"error\":{\"code\":502}}]}",
      "{\"error\":{\"code\":502},\"choices\":[{\"finish_reason\":\"stop\"}]}",
  };
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) expect(answers[i], false, NULL);
}

#define CHUNK(id, created, rest) "data: {\"id\":\"" id "\",\"created\":" created "," rest "}\n\n"
#define TEXT "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"data: {\\n\\n\"},\"finish_reason\":null}]"
#define STOP "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]"
#define DONE "data: [DONE]\n\n"

static void test_stream(void **state) {
  (void)state;
  expect(CHUNK(OLD, "17", TEXT) CHUNK(OLD, "17", STOP) CHUNK(OLD, "17", "\"choices\":[],\"usage\":{\"a\":1}") DONE,
         true,
         CHUNK(NEW, "1800000000", TEXT) CHUNK(NEW, "1800000000", STOP)
             CHUNK(NEW, "1800000000", "\"choices\":[],\"usage\":{\"a\":0}") DONE);
}

static void test_stream_not_kept(void **state) {
  (void)state;
  expect("", true, NULL);
  expect(DONE, true, NULL);
  expect(CHUNK(OLD, "17", STOP), true, NULL);                              // cut
  expect(CHUNK(OLD, "17", TEXT) DONE, true, NULL);                         // never finished
  expect(CHUNK(OLD, "17", STOP) DONE CHUNK(OLD, "17", TEXT), true, NULL);  // goes on behind its end
  expect("data: {\"choices\":[{\"finish_reason\":\"error\"}]}\n\n" DONE, true, NULL);
  expect(CHUNK(OLD, "17", STOP) "data: {\"error\":{},\"choices\":[]}\n\n" DONE, true, NULL);
  expect(CHUNK(OLD, "17", STOP) "data: {\"choices\":\n\n" DONE, true, NULL);
}

static void test_bounds(void **state) {
  (void)state;
  const char *answer = CHUNK(OLD, "17", TEXT) CHUNK(OLD, "17", STOP) DONE;
  for (size_t max = 0; max < 400; max++) {
    struct buf bytes, holes;
    buf_init(&bytes, max);
    buf_init(&holes, 4096);
    bool kept = chat_replay_make(str_from_cstr(answer), true, STR(OLD), &bytes, &holes);
    assert_int_equal(kept, max >= strlen(answer) - 2 * (strlen(OLD) + 2));
    buf_free(&bytes);
    buf_free(&holes);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_whole),           cmocka_unit_test(test_whole_not_kept), cmocka_unit_test(test_stream),
      cmocka_unit_test(test_stream_not_kept), cmocka_unit_test(test_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
