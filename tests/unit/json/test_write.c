// The writer and the splice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/write.c"
#include "random_json.h"

static void assert_text(const struct buf *got, struct str wanted) {
  assert_false(got->failed);
  if (!str_eq(buf_view(got), wanted)) fail_msg("got %.*s, wanted %.*s", (int)got->len, got->ptr, STR_ARGS(wanted));
}

static void test_write_str(void **state) {
  (void)state;
  static const struct {
    struct str text, json;
  } cases[] = {
      {STR(""), STR("\"\"")},
      {STR("abc"), STR("\"abc\"")},
      {STR("\"\\/"), STR("\"\\\"\\\\/\"")},
      {STR("\b\t\n\f\r"), STR("\"\\b\\t\\n\\f\\r\"")},
      {STR("\0\x01\x0B\x1F\x7F"), STR("\"\\u0000\\u0001\\u000b\\u001f\x7F\"")},
      {STR("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), STR("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"")},
      {STR("a\xFFz"), STR("\"a\xEF\xBF\xBDz\"")},
      {STR("\x80\xBF"), STR("\"\xEF\xBF\xBD\xEF\xBF\xBD\"")},
      {STR("\xC0\x80"), STR("\"\xEF\xBF\xBD\xEF\xBF\xBD\"")},
      {STR("\xE2\x82"), STR("\"\xEF\xBF\xBD\"")},
      {STR("\xE2\x82(\xF0\x9F\x98\n"), STR("\"\xEF\xBF\xBD(\xEF\xBF\xBD\\n\"")},
      {STR("\xED\xA0\x80"), STR("\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"")},
      {STR("\xF4\x90\x80\x80"), STR("\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"")},
      {STR("a text that is longer than two vectors of thirty-two bytes, and then\n"),
       STR("\"a text that is longer than two vectors of thirty-two bytes, and then\\n\"")},
  };
  struct buf out;
  buf_init(&out, 4096);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    buf_clear(&out);
    json_write_str(&out, cases[i].text);
    assert_text(&out, cases[i].json);
  }
  buf_clear(&out);
  json_write_str(&out, (struct str){0});
  assert_text(&out, STR("\"\""));
  buf_free(&out);
}

// What is written reads back as what it was; bytes that were no UTF-8 still give valid JSON.
static void test_write_and_read_back(void **state) {
  (void)state;
  struct buf out;
  struct json_doc doc = {0};
  buf_init(&out, 1 << 16);
  struct random_json r = {4711, &out};
  for (int round = 0; round < 3000; round++) {
    char bytes[100];
    uint32_t len = random_below(&r, sizeof bytes), ceiling = round % 2 ? 0x80 : 0x100;
    for (uint32_t i = 0; i < len; i++) bytes[i] = (char)random_below(&r, random_below(&r, 2) ? 0x30 : ceiling);
    buf_clear(&out);
    json_write_str(&out, str_from(bytes, len));
    assert_int_equal(json_parse(&doc, buf_view(&out), 0), JSON_OK);
    if (ceiling == 0x80) assert_true(json_string_is(&doc, 0, str_from(bytes, len)));
  }
  json_doc_free(&doc);
  buf_free(&out);
}

static void test_write_key(void **state) {
  (void)state;
  struct buf out;
  buf_init(&out, 4096);
  buf_char(&out, '{');
  json_write_key(&out, STR("a"));
  buf_char(&out, '1');
  json_write_key(&out, STR("b\n"));
  buf_lit(&out, "[{");
  json_write_key(&out, STR("c"));
  buf_lit(&out, "null}]}");
  assert_text(&out, STR("{\"a\":1,\"b\\n\":[{\"c\":null}]}"));
  buf_clear(&out);
  json_write_key(&out, STR("a"));
  assert_text(&out, STR("\"a\":"));
  buf_free(&out);
}

static void test_write_into_a_full_buffer(void **state) {
  (void)state;
  for (size_t max = 0; max < 24; max++) {
    struct buf out;
    buf_init(&out, max);
    buf_char(&out, '{');
    json_write_key(&out, STR("a\n"));
    json_write_str(&out, STR("\xFFtext"));
    json_splice(&out, STR("[]"), &(struct json_edit){1, 1, STR("1")}, 1);
    assert_int_equal(out.failed, max < 1 + 6 + 9 + 3);
    assert_in_range(out.len, 0, max);
    buf_free(&out);
  }
}

static void test_splice(void **state) {
  (void)state;
  static const struct {
    struct str text;
    struct json_edit edits[3];
    size_t count;
    struct str wanted;
  } cases[] = {
      {STR("{\"a\":1}"), {{0}}, 0, STR("{\"a\":1}")},
      {STR("{\"a\":1}"), {{5, 6, STR("22")}}, 1, STR("{\"a\":22}")},
      {STR("{\"a\":1}"), {{6, 6, STR(",\"b\":2")}}, 1, STR("{\"a\":1,\"b\":2}")},
      {STR("{\"a\":1}"), {{1, 6, {0}}}, 1, STR("{}")},
      {STR("{\"a\":1}"), {{0, 0, STR("[")}, {7, 7, STR("]")}}, 2, STR("[{\"a\":1}]")},
      {STR("{\"a\":1}"), {{0, 7, STR("x")}}, 1, STR("x")},
      {STR("abc"), {{0, 1, STR("1")}, {1, 2, STR("2")}, {2, 3, STR("3")}}, 3, STR("123")},
      {STR("abc"), {{1, 1, STR("1")}, {1, 2, STR("2")}, {2, 2, STR("3")}}, 3, STR("a123c")},
      {{0}, {{0, 0, STR("x")}}, 1, STR("x")},
      {{0}, {{0}}, 0, STR("")},
  };
  struct buf out;
  buf_init(&out, 4096);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    buf_clear(&out);
    json_splice(&out, cases[i].text, cases[i].edits, cases[i].count);
    assert_text(&out, cases[i].wanted);
  }
  buf_free(&out);
}

// Every leaf replaced by itself gives the same text; every leaf replaced by null gives one of the same shape.
static void test_splice_random_texts(void **state) {
  (void)state;
  static struct json_edit same[4096], null[4096];
  struct json_doc doc = {0}, after = {0};
  struct buf text, out;
  buf_init(&text, 1 << 20);
  buf_init(&out, 1 << 20);
  for (uint64_t seed = 1; seed <= 100; seed++) {
    buf_clear(&text);
    random_object(&text, seed);
    assert_int_equal(json_parse(&doc, buf_view(&text), 1), JSON_OK);
    size_t count = 0;
    for (uint32_t i = 2; i < doc.count; i += 2, count++) {
      same[count] = (struct json_edit){doc.nodes[i].start, doc.nodes[i].end, json_raw(&doc, i)};
      null[count] = (struct json_edit){doc.nodes[i].start, doc.nodes[i].end, STR("null")};
    }
    buf_clear(&out);
    json_splice(&out, buf_view(&text), same, count);
    assert_text(&out, buf_view(&text));
    buf_clear(&out);
    json_splice(&out, buf_view(&text), null, count);
    assert_int_equal(json_parse(&after, buf_view(&out), 1), JSON_OK);
    assert_int_equal(after.count, doc.count);
    for (uint32_t i = 1; i < doc.count; i += 2) {
      assert_true(str_eq(json_raw(&after, i), json_raw(&doc, i)));
      assert_true(json_is(&after, i + 1, JSON_NULL));
    }
  }
  json_doc_free(&doc);
  json_doc_free(&after);
  buf_free(&text);
  buf_free(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_write_str), cmocka_unit_test(test_write_and_read_back),
      cmocka_unit_test(test_write_key), cmocka_unit_test(test_write_into_a_full_buffer),
      cmocka_unit_test(test_splice),    cmocka_unit_test(test_splice_random_texts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
