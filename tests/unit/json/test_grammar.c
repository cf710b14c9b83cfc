// What the scanner takes, what it refuses, why and where: tables for each part of the grammar, and many texts made from
// seeds, whole, cut and damaged, whose verdict a second implementation gives.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/json.c"
#include "parse_exact.h"
#include "random_json.h"
#include "reference.h"

struct text_case {
  struct str text;
  enum json_error error;
  uint32_t error_at;
};
#define OK(literal) \
  { STR(literal), JSON_OK, 0 }
#define BAD(literal, at) \
  { STR(literal), JSON_BAD_SYNTAX, at }
#define CUT(literal) \
  { STR(literal), JSON_TRUNCATED, sizeof(literal) - 1 }
#define UTF(literal, at) \
  { STR(literal), JSON_BAD_UTF8, at }
#define TWICE(literal, at) \
  { STR(literal), JSON_DUPLICATE_KEY, at }

static void check_cases(const struct text_case *cases, size_t count) {
  struct json_doc doc = {0};
  for (size_t i = 0; i < count; i++) {
    for (unsigned depth_max = 0; depth_max < 4; depth_max++) {
      enum json_error error = parse(&doc, cases[i].text, depth_max);
      if (error != cases[i].error || doc.error_at != cases[i].error_at)
        fail_msg("case %zu %.*s: %s at %u", i, STR_ARGS(cases[i].text), json_error_text(error), doc.error_at);
      assert_int_equal(doc.count == 0, error != JSON_OK);
    }
    if (cases[i].error != JSON_DUPLICATE_KEY)
      assert_int_equal(reference_valid(cases[i].text), cases[i].error == JSON_OK);
  }
  json_doc_free(&doc);
}
#define CHECK(cases) check_cases((cases), sizeof(cases) / sizeof *(cases))

static void test_structure(void **state) {
  (void)state;
  static const struct text_case cases[] = {
      OK("{}"),
      OK("[]"),
      OK(" \t\r\n{ } \n"),
      OK("[[[]],{},[{}]]"),
      OK("null"),
      OK(" true "),
      OK("false"),
      OK("\"\""),
      OK("{\"\":0}"),
      OK("{\"a\" : [ 1 , { \"b\" : null } ] , \"c\" : \"d\"}"),
      OK("[true,false,null]"),
      CUT(""),
      CUT("  \n"),
      CUT("{"),
      CUT("["),
      CUT("{ "),
      CUT("{\"a"),
      CUT("{\"a\""),
      CUT("{\"a\":"),
      CUT("{\"a\":1"),
      CUT("{\"a\":1,"),
      CUT("[1"),
      CUT("[1,"),
      CUT("[[]"),
      CUT("tru"),
      CUT("n"),
      CUT("[fals"),
      BAD("{,}", 1),
      BAD("[,]", 1),
      BAD("[1,]", 3),
      BAD("[,1]", 1),
      BAD("[1,,2]", 3),
      BAD("[1 2]", 3),
      BAD("[1}", 2),
      BAD("{\"a\":1]", 6),
      BAD("{\"a\":1,}", 7),
      BAD("{\"a\",1}", 4),
      BAD("{\"a\" 1}", 5),
      BAD("{\"a\"::1}", 5),
      BAD("{\"a\":}", 5),
      BAD("{a:1}", 1),
      BAD("{'a':1}", 1),
      BAD("{1:1}", 1),
      BAD("{null:1}", 1),
      BAD("{[]:1}", 1),
      BAD("{}}", 2),
      BAD("[]]", 2),
      BAD("{}{}", 2),
      BAD("1 2", 2),
      BAD("]", 0),
      BAD("}", 0),
      BAD(":", 0),
      BAD(",", 0),
      BAD("nul1", 3),
      BAD("nullx", 4),
      BAD("True", 0),
      BAD("[NaN]", 1),
      BAD("Infinity", 0),
      BAD("-Infinity", 1),
      BAD("undefined", 0),
      BAD("[] //", 3),
      BAD("/* */[]", 0),
      BAD("[1]\0", 3),
      BAD("\0", 0),
      BAD("[\f1]", 1),
      BAD("[\v1]", 1),
      BAD("\xEF\xBB\xBF{}", 0),
      BAD("[\xC2\xA0]", 1),
      BAD("[\xFF]", 1),
      BAD("'a'", 0),
  };
  CHECK(cases);
}

static void test_numbers(void **state) {
  (void)state;
  static const struct text_case cases[] = {
      OK("0"),
      OK("-0"),
      OK("-0.0"),
      OK("10"),
      OK("1234567890"),
      OK("-1"),
      OK("0.5"),
      OK("1.0000000000000000000000000000000000000000000000000000000000000001"),
      OK("1e5"),
      OK("1E5"),
      OK("1e+5"),
      OK("1e-5"),
      OK("0e0"),
      OK("0.0E-00"),
      OK("123.456e789"),
      OK("123456789012345678901234567890123456789012345678901234567890"),
      OK("1e999999999999999999"),
      OK("[1,-1 ,0.1, 1e1]"),
      CUT("-"),
      CUT("1."),
      CUT("1e"),
      CUT("1e+"),
      CUT("0.0e-"),
      CUT("[12"),
      BAD("+1", 0),
      BAD(".5", 0),
      BAD("-.5", 1),
      BAD("[-]", 2),
      BAD("01", 1),
      BAD("-01", 2),
      BAD("00", 1),
      BAD("1.e1", 2),
      BAD("[1.]", 3),
      BAD("[1e]", 3),
      BAD("[1e+]", 4),
      BAD("1.2.3", 3),
      BAD("1e1.5", 3),
      BAD("1ee1", 2),
      BAD("0x10", 1),
      BAD("1_000", 1),
      BAD("--1", 1),
      BAD("1-", 1),
      BAD("1a", 1),
      BAD("[1\xC2\xB2]", 2),
  };
  CHECK(cases);
}

static void test_strings(void **state) {
  (void)state;
  static const struct text_case cases[] = {
      OK("\"abc\""),
      OK("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
      OK("\"\\u0000\\uFFFF\\uabCD\""),
      OK("\"\\ud83d\\ude00\""),
      OK("\"\\ud800\""),
      OK("\"\\udc00\\ud800\""),
      OK("\"\\\\\""),
      OK("\"\x7F\""),
      CUT("\""),
      CUT("\"abc"),
      CUT("\"\\"),
      CUT("\"\\\""),
      CUT("\"\\u"),
      CUT("\"\\u12"),
      CUT("\"\\u123"),
      CUT("\"\\u1234"),
      BAD("\"\\a\"", 2),
      BAD("\"\\x41\"", 2),
      BAD("\"\\'\"", 2),
      BAD("\"\\0\"", 2),
      BAD("\"\\U0041\"", 2),
      BAD("\"\\u\"", 3),
      BAD("\"\\u12\"", 5),
      BAD("\"\\u123\"", 6),
      BAD("\"\\u123g\"", 6),
      BAD("\"\\uG123\"", 3),
      BAD("\"\\u-123\"", 3),
      BAD("\"\\u 123\"", 3),
      BAD("\"\\u12\\n\"", 5),
      BAD("\"\\\n\"", 2),
      BAD("\"\0\"", 1),
      BAD("\"a\nb\"", 2),
      BAD("\"a\tb\"", 2),
      BAD("\"\x1F\"", 1),
      BAD("\"a\"b\"", 3),
      BAD("{\"a\nb\":1}", 3),
  };
  CHECK(cases);
}

static void test_utf8(void **state) {
  (void)state;
  static const struct text_case cases[] = {
      OK("\"\xC2\x80\xDF\xBF\""),
      OK("\"\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\""),
      OK("\"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\""),
      OK("{\"\xC3\xA9\":\"\xE2\x82\xAC\"}"),
      CUT("\"\xC3"),
      CUT("\"\xE2\x82"),
      CUT("\"\xF0\x9F\x98"),
      CUT("\"\xF4"),
      UTF("\"\x80\"", 1),
      UTF("\"\xBF\"", 1),
      UTF("\"\xC0\x80\"", 1),
      UTF("\"\xC1\xBF\"", 1),
      UTF("\"\xE0\x80\x80\"", 1),
      UTF("\"\xE0\x9F\xBF\"", 1),
      UTF("\"\xED\xA0\x80\"", 1),
      UTF("\"\xED\xBF\xBF\"", 1),
      UTF("\"\xF0\x80\x80\x80\"", 1),
      UTF("\"\xF0\x8F\xBF\xBF\"", 1),
      UTF("\"\xF4\x90\x80\x80\"", 1),
      UTF("\"\xF5\x80\x80\x80\"", 1),
      UTF("\"\xF8\x88\x80\x80\x80\"", 1),
      UTF("\"\xFE\"", 1),
      UTF("\"\xFF\"", 1),
      UTF("\"\xC3\"", 1),
      UTF("\"\xE2\x82\"", 1),
      UTF("\"\xF0\x9F\x98\"", 1),
      UTF("\"\xC3\xA9\xC3\"", 3),
      UTF("\"\xE2\x28\xA1\"", 1),
      UTF("\"\xE2\x82\x28\"", 1),
      UTF("\"\xF0\x28\x8C\xBC\"", 1),
      UTF("\"\xF0\x90\x28\xBC\"", 1),
      UTF("\"\xF0\x90\x8C\x28\"", 1),
      UTF("\"\xE0\x80", 1),
      UTF("\"\xFF", 1),
      UTF("\"\x80", 1),
  };
  CHECK(cases);
}

// The same sequences at every place inside a vector, with plain text before and behind.
static void test_utf8_at_every_place(void **state) {
  (void)state;
  static const struct {
    struct str bytes;
    bool good;
  } sequences[] = {
      {STR("\xC2\x80"), true},
      {STR("\xDF\xBF"), true},
      {STR("\xE0\xA0\x80"), true},
      {STR("\xED\x9F\xBF"), true},
      {STR("\xEF\xBF\xBF"), true},
      {STR("\xF0\x90\x80\x80"), true},
      {STR("\xF4\x8F\xBF\xBF"), true},
      {STR("\\u00e9"), true},
      {STR("\\\""), true},
      {STR("\x7F"), true},
      {STR("\x80"), false},
      {STR("\xC1\xBF"), false},
      {STR("\xE0\x9F\xBF"), false},
      {STR("\xED\xA0\x80"), false},
      {STR("\xF0\x8F\xBF\xBF"), false},
      {STR("\xF4\x90\x80\x80"), false},
      {STR("\xF5\x80\x80\x80"), false},
      {STR("\xC3"), false},
      {STR("\xE4\xB8"), false},
      {STR("\xF0\x9F\x98"), false},
      {STR("\x1F"), false},
      {STR("\0"), false},
      {STR("\\x"), false},
      {STR("\\u12"), false},
  };
  struct json_doc doc = {0};
  char text[300];
  for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
    for (size_t before = 0; before <= 200; before++) {
      for (size_t behind = 0; behind <= 80; behind += before % 16 == 0 ? 1 : 40) {
        size_t len = 0;
        text[len++] = '"';
        memset(text + len, 'a', before);
        len += before;
        memcpy(text + len, sequences[i].bytes.ptr, sequences[i].bytes.len);
        len += sequences[i].bytes.len;
        memset(text + len, 'z', behind);
        len += behind;
        text[len++] = '"';
        enum json_error error = parse(&doc, str_from(text, len), 0);
        if ((error == JSON_OK) != sequences[i].good)
          fail_msg("sequence %zu, %zu before, %zu behind: %s", i, before, behind, json_error_text(error));
        if (!sequences[i].good) assert_in_range(doc.error_at, before + 1, before + sequences[i].bytes.len + 1);
      }
    }
  }
  json_doc_free(&doc);
}

// All two-byte beginnings, and all four-byte sequences in steps, against the reference.
static void test_utf8_exhaustive(void **state) {
  (void)state;
  static const unsigned char tails[] = {0x00, 0x22, 0x5C, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
  struct json_doc doc = {0};
  for (unsigned lead = 0x80; lead < 0x100; lead++) {
    for (unsigned second = 0; second < 0x100; second++) {
      for (unsigned i = 0; i < sizeof tails * sizeof tails; i++) {
        char text[] = {'"', (char)lead, (char)second, (char)tails[i / 12], (char)tails[i % 12], '"'};
        struct str whole = str_from(text, sizeof text);
        assert_int_equal(json_parse(&doc, whole, 0) == JSON_OK, reference_valid(whole));
      }
    }
  }
  json_doc_free(&doc);
}

static void test_duplicate_keys(void **state) {
  (void)state;
  static const struct text_case cases[] = {
      OK("{\"a\":1,\"b\":2}"),
      OK("{\"a\":1,\"A\":2}"),
      OK("{\"a\":1,\"aa\":2,\"\":3}"),
      OK("{\"a\":{\"x\":1,\"x\":2},\"x\":3}"),
      OK("[{\"x\":1,\"x\":2}]"),
      OK("{\"a\":1,\"b\":{\"a\":1},\"c\":{\"a\":1}}"),
      OK("{\"\\u0061\":1,\"\\u0062\":2}"),
      OK("{\"\\ud800\":1,\"\\ud801\":2}"),
      OK("{\"a\\n\":1,\"an\":2,\"a\\\\n\":3}"),
      TWICE("{\"a\":1,\"a\":2}", 7),
      TWICE("{\"\":1,\"\":2}", 6),
      TWICE("{\"a\":{\"b\":1},\"b\":2,\"a\":3}", 19),
      TWICE("{\"a\":1,\"\\u0061\":2}", 7),
      TWICE("{\"\\u0061\":1,\"a\":2}", 12),
      TWICE("{\"\\u00e9\":1,\"\xC3\xA9\":2}", 12),
      TWICE("{\"\xF0\x9F\x98\x80\":1,\"\\uD83D\\ude00\":2}", 10),
      TWICE("{\"\\/\":1,\"/\":2}", 8),
      TWICE("{\"\\ud800\":1,\"\\uD800\":2}", 12),
      TWICE("{\"a\":1,\"a\"", 7),
  };
  CHECK(cases);
}

static void test_prefixes(void **state) {
  (void)state;
  struct json_doc doc = {0};
  struct buf text;
  buf_init(&text, 1 << 24);
  for (uint64_t seed = 1; seed <= 100; seed++) {
    buf_clear(&text);
    random_object(&text, seed);
    for (size_t len = 0; len < text.len && len < 3000; len++)
      assert_int_equal(parse(&doc, str_from(text.ptr, len), 4), JSON_TRUNCATED);
  }
  buf_free(&text);
  json_doc_free(&doc);
}

static void test_mutations_agree_with_reference(void **state) {
  (void)state;
  static const char bytes[] = "{}[]\":,\\u0e-+.1 \n\x80\xC3\xA9\xE4\xF0\xFF\x1Ftn";
  struct json_doc doc = {0};
  struct buf text;
  buf_init(&text, 1 << 24);
  unsigned good = 0, bad = 0;
  for (uint64_t seed = 1; seed <= 400; seed++) {
    buf_clear(&text);
    random_object(&text, seed);
    struct random_json r = {seed, &text};
    if (text.len > 2000) text.len = 2000;
    for (int round = 0; round < 20; round++) {
      size_t at = random_below(&r, (uint32_t)text.len);
      char old = text.ptr[at];
      text.ptr[at] = bytes[random_below(&r, sizeof bytes)];
      enum json_error error = parse(&doc, buf_view(&text), seed % 6);
      if (error != JSON_DUPLICATE_KEY) {
        if ((error == JSON_OK) != reference_valid(buf_view(&text)))
          fail_msg("seed %llu: %s: %.*s", (unsigned long long)seed, json_error_text(error), (int)text.len, text.ptr);
        *(error ? &bad : &good) += 1;
      }
      if (error || round % 4 == 0) text.ptr[at] = old;
    }
  }
  assert_in_range(good, 500, 8000);
  assert_in_range(bad, 500, 8000);
  buf_free(&text);
  json_doc_free(&doc);
}

static void test_string_end(void **state) {
  (void)state;
  assert_int_equal(json_string_end(STR("\"abc\","), 1), 4);
  assert_int_equal(json_string_end(STR("\"\""), 1), 1);
  assert_int_equal(json_string_end(STR("\"a\\\"b\" \""), 1), 5);
  assert_int_equal(json_string_end(STR("x\xC3\xA9\""), 0), 3);
  assert_true(json_string_end(STR("\"abc"), 1) == SIZE_MAX);
  assert_true(json_string_end(STR("\"\\"), 1) == SIZE_MAX);
  assert_true(json_string_end(STR("\"a\nb\""), 1) == SIZE_MAX);
  assert_true(json_string_end(STR("\"\xC3\""), 1) == SIZE_MAX);
  assert_true(json_string_end(STR("\""), 1) == SIZE_MAX);
  assert_true(json_string_end(STR("\""), 2) == SIZE_MAX);
}

static void test_error_texts(void **state) {
  (void)state;
  for (int error = JSON_OK; error <= JSON_NO_MEMORY; error++)
    assert_string_not_equal(json_error_text((enum json_error)error), "unknown error");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_structure),
      cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_strings),
      cmocka_unit_test(test_utf8),
      cmocka_unit_test(test_utf8_at_every_place),
      cmocka_unit_test(test_utf8_exhaustive),
      cmocka_unit_test(test_duplicate_keys),
      cmocka_unit_test(test_prefixes),
      cmocka_unit_test(test_mutations_agree_with_reference),
      cmocka_unit_test(test_string_end),
      cmocka_unit_test(test_error_texts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
