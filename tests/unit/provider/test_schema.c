// Schemas for grammars: what stays, what is told instead, and which ones lead back to themselves.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "provider/schema.h"

static const struct {
  const char *given, *strict;
} schemas[] = {
    {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":9}",
     "{\"type\":\"integer\",\"description\":\"(minimum: 1, maximum: 9)\"}"},
    {"{\"type\":\"string\",\"description\":\"A \\\"name\\\".\",\"maxLength\":5}",
     "{\"type\":\"string\",\"description\":\"A \\\"name\\\". (maxLength: 5)\"}"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\"}},\"required\":[\"a\"],\"additionalProperties\":"
     "true}",
     "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"additionalProperties\":false}},\"required\":["
     "\"a\"],"
     "\"additionalProperties\":false}"},
    {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"number\"}}",
     "{\"type\":\"object\",\"description\":\"(additionalProperties: {\\\"type\\\":\\\"number\\\"})\","
     "\"additionalProperties\":false}"},
    {"{\"type\":\"array\",\"minItems\":1,\"maxItems\":3,\"items\":{\"type\":\"string\",\"minLength\":2}}",
     "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\",\"description\":\"(minLength: 2)\"},"
     "\"description\":\"(maxItems: 3)\"}"},
    {"{\"type\":\"array\",\"minItems\":2}", "{\"type\":\"array\",\"description\":\"(minItems: 2)\"}"},
    {"{\"type\":\"string\",\"format\":\"date-time\"}", "{\"type\":\"string\",\"format\":\"date-time\"}"},
    {"{\"type\":\"string\",\"format\":\"credit-card\"}",
     "{\"type\":\"string\",\"description\":\"(format: \\\"credit-card\\\")\"}"},
    {"{\"type\":\"string\",\"pattern\":\"^[a-z]{2}\\\\d+$\"}",
     "{\"type\":\"string\",\"pattern\":\"^[a-z]{2}\\\\d+$\"}"},
    {"{\"type\":\"string\",\"pattern\":\"^(?=.*a)\"}",
     "{\"type\":\"string\",\"description\":\"(pattern: \\\"^(?=.*a)\\\")\"}"},
    {"{\"type\":\"string\",\"pattern\":\"\\\\bx\"}",
     "{\"type\":\"string\",\"description\":\"(pattern: \\\"\\\\\\\\bx\\\")\"}"},
    {"{\"oneOf\":[{\"type\":\"null\"},{\"properties\":{}}]}",
     "{\"anyOf\":[{\"type\":\"null\"},{\"properties\":{},\"additionalProperties\":false}]}"},
    {"{\"$schema\":\"x\",\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"number\",\"multipleOf\":2}}}",
     "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"number\",\"description\":\"(multipleOf: 2)\"}}}"},
    {"{\"$ref\":\"https://example.com/a.json\"}", "{\"description\":\"($ref: \\\"https://example.com/a.json\\\")\"}"},
    {"{\"items\":true}", "{\"items\":true}"},
};

static void test_strict(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
    struct buf out;
    buf_init(&out, 4096);
    assert_true(schema_write_strict(&out, str_from_cstr(schemas[i].given)));
    if (!str_eq(buf_view(&out), str_from_cstr(schemas[i].strict)))
      fail_msg("%s: %.*s, expected %s", schemas[i].given, STR_ARGS(buf_view(&out)), schemas[i].strict);
    buf_free(&out);
  }
}

static void test_cycles(void **state) {
  (void)state;
  static const struct {
    const char *schema;
    bool recursive;
  } rows[] = {
      {"{\"type\":\"object\"}", false},
      {"{\"properties\":{\"a\":{\"$ref\":\"#\"}}}", true},
      {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"items\":{\"$ref\":\"#/$defs/b\"}},\"b\":{\"type\":\"null\"}}}",
       false},
      {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"items\":{\"$ref\":\"#/$defs/a\"}}}}", true},
      {"{\"$ref\":\"#/definitions/a\",\"definitions\":{\"a\":{\"items\":{\"$ref\":\"#/definitions/b\"}},"
       "\"b\":{\"not\":{\"$ref\":\"#/definitions/a\"}}}}",
       true},
      {"{\"anyOf\":[{\"$ref\":\"#/$defs/b\"},{\"$ref\":\"#/$defs/b\"}],\"$defs\":{\"b\":{\"type\":\"null\"}}}", false},
      {"{\"properties\":{\"$ref\":{\"type\":\"string\"}}}", false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    bool no_memory = false;
    if (schema_is_recursive(str_from_cstr(rows[i].schema), &no_memory) != rows[i].recursive)
      fail_msg("%s", rows[i].schema);
    assert_false(no_memory);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_strict), cmocka_unit_test(test_cycles)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
