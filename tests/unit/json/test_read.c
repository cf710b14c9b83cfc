// The accessors, including what they do with JSON_NONE and with nodes of the wrong type.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/read.c"

static struct json_doc doc;

static void parse(const char *text) {
  assert_int_equal(json_parse(&doc, str_from_cstr(text), UINT32_MAX), JSON_OK);
}

static int teardown(void **state) {
  (void)state;
  json_doc_free(&doc);
  return 0;
}

static void assert_str(struct str got, struct str wanted) {
  if (!str_eq(got, wanted)) fail_msg("got %.*s, wanted %.*s", STR_ARGS(got), STR_ARGS(wanted));
}

static void test_walk(void **state) {
  (void)state;
  parse("{\"a\":[1,[2,3],\"x\"],\"b\":{},\"c\":[]}");
  uint32_t array = json_get(&doc, 0, STR("a"));
  assert_true(json_is(&doc, array, JSON_ARRAY));
  static const char *const children[] = {"1", "[2,3]", "\"x\""};
  uint32_t child = json_first(&doc, array);
  for (int i = 0; i < 3; i++, child = json_next(&doc, array, child))
    assert_str(json_raw(&doc, child), str_from_cstr(children[i]));
  assert_int_equal(child, JSON_NONE);
  static const char *const members[] = {"\"a\"", "[1,[2,3],\"x\"]", "\"b\"", "{}", "\"c\"", "[]"};
  child = json_first(&doc, 0);
  for (int i = 0; i < 6; i++, child = json_next(&doc, 0, child))
    assert_str(json_raw(&doc, child), str_from_cstr(members[i]));
  assert_int_equal(child, JSON_NONE);
  assert_int_equal(json_first(&doc, json_get(&doc, 0, STR("b"))), JSON_NONE);
  assert_int_equal(json_first(&doc, json_get(&doc, 0, STR("c"))), JSON_NONE);
  assert_int_equal(json_first(&doc, json_first(&doc, array)), JSON_NONE);
}

static void test_get(void **state) {
  (void)state;
  parse("{\"a\":1,\"b\":{\"a\":2,\"x\":{\"a\":0},\"a\":3},\"m\\u006fdel\":4,\"\":5,\"v\":\"a\"}");
  assert_str(json_raw(&doc, json_get(&doc, 0, STR("a"))), STR("1"));
  assert_str(json_raw(&doc, json_get(&doc, 0, STR("model"))), STR("4"));
  assert_str(json_raw(&doc, json_get(&doc, 0, STR(""))), STR("5"));
  assert_str(json_raw(&doc, json_get(&doc, json_get(&doc, 0, STR("b")), STR("a"))), STR("3"));
  assert_int_equal(json_get(&doc, 0, STR("x")), JSON_NONE);
  assert_int_equal(json_get(&doc, 0, STR("m\\u006fdel")), JSON_NONE);
  assert_int_equal(json_get(&doc, json_get(&doc, 0, STR("v")), STR("a")), JSON_NONE);
  parse("[\"a\",1]");
  assert_int_equal(json_get(&doc, 0, STR("a")), JSON_NONE);
}

static void test_get_below_the_tape(void **state) {
  (void)state;
  assert_int_equal(json_parse(&doc, STR("{\"a\":{\"b\":1}}"), 1), JSON_OK);
  uint32_t inner = json_get(&doc, 0, STR("a"));
  assert_true(json_is(&doc, inner, JSON_OBJECT));
  assert_int_equal(json_get(&doc, inner, STR("b")), JSON_NONE);
  assert_int_equal(json_first(&doc, inner), JSON_NONE);
  assert_int_equal(json_parse(&doc, STR("{\"a\":1}"), 0), JSON_OK);
  assert_int_equal(json_get(&doc, 0, STR("a")), JSON_NONE);
}

static void test_none(void **state) {
  (void)state;
  struct json_doc empty = {0};
  const struct json_doc *docs[] = {&doc, &empty};
  parse("{}");
  for (int i = 0; i < 2; i++) {
    struct str text;
    uint64_t integer;
    double number;
    bool boolean;
    struct arena arena = {0};
    assert_int_equal(json_raw(docs[i], JSON_NONE).len, 0);
    assert_int_equal(json_type(docs[i], JSON_NONE), JSON_NULL);
    assert_false(json_is(docs[i], JSON_NONE, JSON_NULL));
    assert_int_equal(json_get(docs[i], JSON_NONE, STR("a")), JSON_NONE);
    assert_int_equal(json_first(docs[i], JSON_NONE), JSON_NONE);
    assert_int_equal(json_next(docs[i], JSON_NONE, JSON_NONE), JSON_NONE);
    assert_int_equal(json_next(docs[i], 0, JSON_NONE), JSON_NONE);
    assert_false(json_string(docs[i], JSON_NONE, &arena, &text));
    assert_false(json_string_is(docs[i], JSON_NONE, STR("")));
    assert_false(json_u64(docs[i], JSON_NONE, UINT64_MAX, &integer));
    assert_false(json_double(docs[i], JSON_NONE, &number));
    assert_false(json_bool(docs[i], JSON_NONE, &boolean));
  }
}

static void test_strings(void **state) {
  (void)state;
  static const struct {
    const char *json;
    struct str text;
  } cases[] = {
      {"\"\"", STR("")},
      {"\"abc\"", STR("abc")},
      {"\"\xC3\xA9\"", STR("\xC3\xA9")},
      {"\"a\\nb\"", STR("a\nb")},
      {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", STR("\"\\/\b\f\n\r\t")},
      {"\"\\u0041\\u00e9\\u20AC\"", STR("A\xC3\xA9\xE2\x82\xAC")},
      {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", STR("\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF")},
      {"\"\\ud83d\\uDE00!\"", STR("\xF0\x9F\x98\x80!")},
      {"\"\\ud800\\udc00\\udbff\\udfff\"", STR("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF")},
      {"\"a\\u0000b\"", STR("a\0b")},
      {"\"\\\\u0041\"", STR("\\u0041")},
      {"\"end\\\\\"", STR("end\\")},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct arena arena = {0};
    struct str text;
    parse(cases[i].json);
    assert_true(json_string(&doc, 0, &arena, &text));
    assert_str(text, cases[i].text);
    assert_true(json_string_is(&doc, 0, cases[i].text));
    assert_false(json_string_is(&doc, 0, STR("other")));
    for (size_t len = 0; len < text.len; len++) assert_false(json_string_is(&doc, 0, str_from(text.ptr, len)));
    assert_int_equal(arena.held > 0, doc.nodes[0].escaped);
    arena_free(&arena);
  }
}

static void test_lone_surrogates(void **state) {
  (void)state;
  static const char *const cases[] = {"\"\\ud800\"",        "\"\\udfff\"",         "\"\\udc00\\ud800\"",
                                      "\"\\ud800x\"",       "\"\\ud800\\n\"",      "\"\\ud800\\u0041\"",
                                      "\"\\ud83d\\ud83d\"", "\"a\\uD83D \\uDE00\""};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct arena arena = {0};
    struct str text;
    parse(cases[i]);
    assert_false(json_string(&doc, 0, &arena, &text));
    assert_false(json_string_is(&doc, 0, STR("\xED\xA0\x80")));
    arena_free(&arena);
  }
}

static void test_string_without_memory(void **state) {
  (void)state;
  struct arena arena = {.max = 1};
  struct str text;
  parse("\"a\\nb\"");
  assert_false(json_string(&doc, 0, &arena, &text));
  parse("\"ab\"");
  assert_true(json_string(&doc, 0, &arena, &text));
  arena_free(&arena);
}

static void test_u64(void **state) {
  (void)state;
  static const struct {
    const char *json;
    uint64_t max;
    bool good;
    uint64_t value;
  } cases[] = {
      {"0", 0, true, 0},
      {"2", 9, true, 2},
      {"2.0", 9, true, 2},
      {"2e0", 9, true, 2},
      {"2.000e+0", 9, true, 2},
      {"20e-1", 9, true, 2},
      {"0.2e1", 9, true, 2},
      {"2000000e-6", 9, true, 2},
      {"1.5e1", 99, true, 15},
      {"1e3", 1000, true, 1000},
      {"120", 120, true, 120},
      {"120.0", 120, true, 120},
      {"0.0", 9, true, 0},
      {"0e99999999999999999999", 9, true, 0},
      {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
      {"18446744073709551615.0", UINT64_MAX, true, UINT64_MAX},
      {"1844674407370955161.5e1", UINT64_MAX, true, UINT64_MAX},
      {"10000000000000000000e0", UINT64_MAX, true, 10000000000000000000u},
      {"0.00000000000000000000000000000000000003e38", 9, true, 3},
      {"10", 9, false, 0},
      {"10.0", 9, false, 0},
      {"1e1", 9, false, 0},
      {"2.5", 9, false, 0},
      {"25e-1", 9, false, 0},
      {"0.1", 9, false, 0},
      {"1e-1", 9, false, 0},
      {"-1", 9, false, 0},
      {"-0", 9, false, 0},
      {"-2.0", 9, false, 0},
      {"18446744073709551616", UINT64_MAX, false, 0},
      {"18446744073709551616.0", UINT64_MAX, false, 0},
      {"1e20", UINT64_MAX, false, 0},
      {"1e999999999999999999999999", UINT64_MAX, false, 0},
      {"1e-999999999999999999999999", UINT64_MAX, false, 0},
      {"true", 9, false, 0},
      {"\"2\"", 9, false, 0},
      {"null", 9, false, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint64_t value = 77;
    parse(cases[i].json);
    if (json_u64(&doc, 0, cases[i].max, &value) != cases[i].good) fail_msg("%s", cases[i].json);
    assert_int_equal(value, cases[i].good ? cases[i].value : 77);
  }
}

static void test_double(void **state) {
  (void)state;
  static const struct {
    const char *json;
    double value;
  } cases[] = {
      {"0", 0},
      {"-0", 0},
      {"1", 1},
      {"-1.5", -1.5},
      {"0.7", 0.7},
      {"0.1", 0.1},
      {"1e3", 1000},
      {"123.456", 123.456},
      {"2E-3", 0.002},
      {"1.7976931348623157e308", 1.7976931348623157e308},
      {"5e-324", 5e-324},
      {"1e-400", 0},
      {"0e999", 0},
      {"100000000000000000000000", 1e23},
      {"0.00000000000000000000000000000000000000000000000000000000000000000000000000000025", 2.5e-79},
      {"3.14159265358979323846264338327950288419716939937510", 3.14159265358979323846},
  };
  double value;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    parse(cases[i].json);
    assert_true(json_double(&doc, 0, &value));
    if (value != cases[i].value) fail_msg("%s: %.17g", cases[i].json, value);
  }
  static const char *const bad[] = {"1e309", "-1e999999999999999999999", "\"1\"", "null", "[1]"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    parse(bad[i]);
    assert_false(json_double(&doc, 0, &value));
  }
}

static void test_bool(void **state) {
  (void)state;
  bool value = false;
  parse("[true,false,null,0,\"true\"]");
  assert_true(json_bool(&doc, 1, &value));
  assert_true(value);
  assert_true(json_bool(&doc, 2, &value));
  assert_false(value);
  for (uint32_t node = 3; node <= 5; node++) assert_false(json_bool(&doc, node, &value));
  assert_false(json_bool(&doc, 0, &value));
}

static void test_characters(void **state) {
  (void)state;
  static const struct {
    const char *inside;
    uint64_t characters;
  } rows[] = {{"", 0},        {"abc", 3},     {"\\n\\\"x", 3},         {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 3},
              {"\\u00e9", 1}, {"\\uDFFF", 0}, {"a\\uD83D\\uDE00b", 3}, {"\\ud83d\\ude00\\\\u0061", 7}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    assert_int_equal(escape_characters(str_from_cstr(rows[i].inside)), rows[i].characters);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_walk),       cmocka_unit_test(test_get),
      cmocka_unit_test(test_none),       cmocka_unit_test(test_get_below_the_tape),
      cmocka_unit_test(test_strings),    cmocka_unit_test(test_lone_surrogates),
      cmocka_unit_test(test_u64),        cmocka_unit_test(test_string_without_memory),
      cmocka_unit_test(test_double),     cmocka_unit_test(test_bool),
      cmocka_unit_test(test_characters),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
