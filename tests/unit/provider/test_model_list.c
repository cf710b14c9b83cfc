// Where each protocol lists its models, and the whole head of the question.
#include "provider/model_list.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "provider/table.h"

#define AS " HTTP/1.1\r\nHost: host\r\n"

static void test_heads(void **state) {
  (void)state;
  static const struct {
    enum protocol protocol;
    struct str base;
    const char *begin;  // NULL: no list
  } cases[] = {
      {PROTOCOL_OPENAI, STR("/v1"), "GET /v1/models" AS "Authorization: Bearer key\r\n"},
      {PROTOCOL_OPENAI, STR(""), "GET /models" AS "Authorization: Bearer key\r\n"},
      {PROTOCOL_MISTRAL, STR("/v1"), "GET /v1/models" AS "Authorization: Bearer key\r\n"},
      {PROTOCOL_ANTHROPIC, STR("/v1"),
       "GET /v1/models?limit=1" AS "x-api-key: key\r\nanthropic-version: 2023-06-01\r\n"},
      {PROTOCOL_GEMINI, STR("/v1beta"), "GET /v1beta/models?pageSize=1" AS "x-goog-api-key: key\r\n"},
      {PROTOCOL_COHERE, STR("/v2"), "GET /v1/models?page_size=1" AS "Authorization: Bearer key\r\n"},
      {PROTOCOL_COHERE, STR("/elsewhere"), NULL},
      {PROTOCOL_AZURE, STR("/openai"), NULL},
      {PROTOCOL_BEDROCK, STR(""), NULL},
      {PROTOCOL_VERTEX, STR("/v1"), NULL},
      {PROTOCOL_DEMO, STR(""), NULL},
  };
  static const struct provider_quirks plain = {0};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct provider_quirks *quirks = protocol_quirks(cases[i].protocol);
    struct provider p = {.protocol = cases[i].protocol, .quirks = quirks ? quirks : &plain};
    struct head_target target = {.host = STR("host"), .key = STR("key"), .accept = STR("application/json")};
    struct buf path, out;
    buf_init(&out, 4096);
    assert_int_equal(model_list_target(&p, cases[i].base, &target, &path), cases[i].begin != NULL);
    if (cases[i].begin) {
      head_write_get(&out, &p, &target);
      if (!str_starts(buf_view(&out), str_from_cstr(cases[i].begin))) fail_msg("%.*s", STR_ARGS(buf_view(&out)));
      assert_true(str_find(buf_view(&out), STR("\r\nAccept: application/json\r\n"), 0) != SIZE_MAX);
      assert_int_equal(str_find(buf_view(&out), STR("\r\n\r\n"), 0), out.len - 4);
      assert_int_equal(str_find(buf_view(&out), STR("Content-"), 0), SIZE_MAX);
    }
    buf_free(&path);
    buf_free(&out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_heads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
