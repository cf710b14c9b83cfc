// The tree made of YAML and JSON: places, aliases, merges, and the limits that keep hostile files small.
#include "config/yaml.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first.
#include <cmocka.h>

#include "base/buf.h"

static struct arena arena;
static struct config_problems problems;

static int setup(void **state) {
  (void)state;
  arena_free(&arena);
  problems = (struct config_problems){0};
  return 0;
}

static const struct yaml_node *parse(struct str text) {
  return yaml_parse(&arena, text, &problems);
}

static void expect_scalar(const struct yaml_node *node, const char *text, unsigned line, unsigned column) {
  assert_non_null(node);
  assert_int_equal(node->type, YAML_SCALAR);
  assert_int_equal(node->text.len, strlen(text));
  assert_memory_equal(node->text.ptr, text, node->text.len);
  assert_int_equal(node->line, line);
  assert_int_equal(node->column, column);
}

static void test_places(void **state) {
  (void)state;
  const struct yaml_node *root =
      parse(STR("a: one\nb:\n  - 'two'\n  - \"three\"\nc: {d: 4}\n\xC3\xA4: \xC3\xB6\nlast:\n"));
  assert_int_equal(problems.count, 0);
  expect_scalar(yaml_get(root, STR("a")), "one", 1, 4);
  const struct yaml_node *list = yaml_get(root, STR("b"));
  assert_int_equal(list->type, YAML_LIST);
  assert_int_equal(list->count, 2);
  expect_scalar(list->pairs[0].value, "two", 3, 5);
  expect_scalar(list->pairs[1].value, "three", 4, 5);
  expect_scalar(yaml_get(yaml_get(root, STR("c")), STR("d")), "4", 5, 8);
  // Columns count characters, not bytes.
  expect_scalar(yaml_get(root, STR("\xC3\xA4")), "\xC3\xB6", 6, 4);
  // What is not written has the place of its key.
  expect_scalar(yaml_get(root, STR("last")), "", 7, 1);
  assert_null(yaml_get(root, STR("none")));
  assert_null(yaml_get(list, STR("a")));
}

static void test_json(void **state) {
  (void)state;
  const struct yaml_node *root = parse(STR("{\n\t\"a\":{\"b\":[1,true,null]},\"c\"\n:\t\"\\ud83d\\ude00\\/\"\n}"));
  assert_int_equal(problems.count, 0);
  const struct yaml_node *list = yaml_get(yaml_get(root, STR("a")), STR("b"));
  assert_int_equal(list->count, 3);
  expect_scalar(list->pairs[0].value, "1", 2, 12);
  assert_true(yaml_is_null(list->pairs[2].value));
  expect_scalar(yaml_get(root, STR("c")), "\xF0\x9F\x98\x80/", 3, 3);
}

static void test_null_forms(void **state) {
  (void)state;
  const struct yaml_node *root = parse(STR("[~, null, Null, NULL, , 'null', \"\", nil]"));
  // The empty place between two commas is refused by YAML.
  assert_null(root);
  setup(NULL);
  root = parse(STR("- ~\n- null\n- Null\n- NULL\n-\n- 'null'\n- \"\"\n- nil\n"));
  assert_int_equal(root->count, 8);
  for (size_t i = 0; i < 8; i++) assert_int_equal(yaml_is_null(root->pairs[i].value), i < 5);
}

static void test_no_content(void **state) {
  (void)state;
  static const char *const texts[] = {"", "\n", "# nothing\n", "---\n", "---\n...\n", "\xEF\xBB\xBF", "   \n\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    const struct yaml_node *root = parse(str_from_cstr(texts[i]));
    assert_non_null(root);
    assert_true(yaml_is_null(root));
    assert_int_equal(problems.count, 0);
  }
}

static void test_first_document_only(void **state) {
  (void)state;
  const struct yaml_node *root = parse(STR("a: 1\n---\na: 2\n--- ]\n"));
  assert_int_equal(problems.count, 0);
  expect_scalar(yaml_get(root, STR("a")), "1", 1, 4);
}

static void test_aliases_and_merges(void **state) {
  (void)state;
  const struct yaml_node *root =
      parse(STR("base: &b {x: 1, y: 2}\n"
                "one: *b\n"
                "two: {<<: *b, y: 3, z: 4}\n"
                "three: {<<: [*b, {x: 9, w: 5}]}\n"
                "four: {'<<': 1}\n"));
  assert_int_equal(problems.count, 0);
  assert_ptr_equal(yaml_get(root, STR("one")), yaml_get(root, STR("base")));
  const struct yaml_node *two = yaml_get(root, STR("two"));
  assert_int_equal(two->count, 3);
  expect_scalar(yaml_get(two, STR("x")), "1", 1, 14);
  expect_scalar(yaml_get(two, STR("y")), "3", 3, 18);
  const struct yaml_node *three = yaml_get(root, STR("three"));
  assert_int_equal(three->count, 3);
  expect_scalar(yaml_get(three, STR("x")), "1", 1, 14);
  assert_non_null(yaml_get(yaml_get(root, STR("four")), STR("<<")));
}

static const struct {
  struct str text;
  unsigned line, column;  // 0: left to libfyaml, whose versions differ
  const char *piece;
} bad[] = {
    {STR("a: 1\nb: 2\na: 3\nb: 4\n"), 3, 1, "'a' is given twice; the first is at line 1"},
    {STR("{\"a\": 1, \"a\": 2}"), 1, 10, "'a' is given twice"},
    {STR("a: [1, 2\nb: 3\n"), 3, 0, "not valid YAML"},
    {STR("a: \"x\n"), 1, 0, "not valid YAML"},
    {STR("a: 1\n\tb: 2\n"), 0, 0, "not valid YAML"},
    {STR("k: {a: ${B}}\n"), 1, 0, "write \"${NAME}\" in quotes"},
    {STR("key: @x\n"), 1, 0, "not valid YAML"},
    {STR("a: *nothing\n"), 1, 4, "no anchor"},
    {STR("a: &a [1, *a]\n"), 1, 11, "inside its own anchor"},
    {STR("a: 1\nb: \xFF\n"), 2, 4, "not UTF-8"},
    {STR("\xC3\xA4: \xC3\xA4\xED\xA0\x80\n"), 1, 5, "not UTF-8"},
    {STR("a: 1\n\0b: 2\n"), 2, 1, "NUL byte"},
    {STR("? [a, b]\n: c\n"), 1, 3, "a key must be a word"},
    {STR("a: {<<: 1}\n"), 1, 9, "expects an alias"},
};

static void test_bad(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    setup(NULL);
    parse(bad[i].text);
    assert_true(problems.count > 0);
    const struct config_problem *first = &problems.items[0];
    if ((bad[i].line && first->line != bad[i].line) || (bad[i].column && first->column != bad[i].column) ||
        str_find(first->text, str_from_cstr(bad[i].piece), 0) == SIZE_MAX)
      fail_msg("case %zu: got %u:%u %.*s", i, first->line, first->column, STR_ARGS(first->text));
  }
}

static void expect_refused(struct buf *text, const char *piece) {
  assert_false(text->failed);
  assert_null(parse(buf_view(text)));
  assert_int_equal(problems.count, 1);
  if (str_find(problems.items[0].text, str_from_cstr(piece), 0) == SIZE_MAX)
    fail_msg("got %.*s", STR_ARGS(problems.items[0].text));
  buf_free(text);
}

static void test_limits(void **state) {
  struct buf text;
  buf_init(&text, 1 << 20);
  for (int i = 0; i < 100; i++) buf_lit(&text, "[");
  for (int i = 0; i < 100; i++) buf_lit(&text, "]");
  expect_refused(&text, "nested too deeply");

  setup(state);
  for (int i = 0; i < 100000; i++) buf_lit(&text, "- ");
  expect_refused(&text, "nested too deeply");

  setup(state);
  for (int i = 0; i < 100001; i++) buf_lit(&text, "- 1\n");
  expect_refused(&text, "too many parts");

  // Ten levels of ten aliases each: ten thousand million nodes, were they not counted.
  setup(state);
  buf_lit(&text, "a0: &a0 [1]\n");
  for (int i = 1; i <= 10; i++) {
    buf_printf(&text, "a%d: &a%d [", i, i);
    for (int k = 0; k < 10; k++) buf_printf(&text, "%s*a%d", k ? ", " : "", i - 1);
    buf_lit(&text, "]\n");
  }
  expect_refused(&text, "too many parts");

  // The same by merging.
  setup(state);
  buf_lit(&text, "a0: &a0 {k: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}\n");
  for (int i = 1; i <= 20; i++) buf_printf(&text, "a%d: &a%d {<<: *a%d, x%d: *a%d}\n", i, i, i - 1, i, i - 1);
  expect_refused(&text, "too many parts");

  setup(state);
  for (int i = 0; i < 1001; i++) buf_printf(&text, "- &a%d 1\n", i);
  expect_refused(&text, "too many anchors");
}

static void test_many_keys_are_quick(void **state) {
  (void)state;
  struct buf text;
  buf_init(&text, 1 << 20);
  for (int i = 0; i < 40000; i++) buf_printf(&text, "k%d: 1\n", (i * 7919) % 40000);
  buf_lit(&text, "k5: 2\n");
  const struct yaml_node *root = parse(buf_view(&text));
  assert_non_null(root);
  assert_int_equal(root->count, 40000);
  assert_int_equal(problems.count, 1);
  assert_int_equal(problems.items[0].line, 40001);
  buf_free(&text);
}

static int teardown(void **state) {
  return setup(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_places),
      TEST(test_json),
      TEST(test_null_forms),
      TEST(test_no_content),
      TEST(test_first_document_only),
      TEST(test_aliases_and_merges),
      TEST(test_bad),
      TEST(test_limits),
      TEST(test_many_keys_are_quick),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
