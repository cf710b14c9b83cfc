// Looking presets up, which a request asks for, and what is said when it cannot be used.
#include "policy/preset_set.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// cmocka wants the three above first
#include <cmocka.h>

static void contains(struct str text, const char *part) {
  if (str_find(text, str_from_cstr(part), 0) == SIZE_MAX) fail_msg("\"%s\" is not in: %.*s", part, STR_ARGS(text));
}

static struct preset_set *some(void) {
  const struct preset presets[] = {
      {STR("1"), STR("Writer"), PRESET_ACTIVE, 3, {STR("{\"model\":\"a/b\"}"), STR("Write.")}},
      {STR("2"), STR("coder"), PRESET_ACTIVE, 1, {STR("{\"model\":\"c/d\"}"), {0}}},
      {STR("3"), STR("off"), PRESET_DISABLED, 1, {STR("{}"), {0}}},
      {STR("4"), STR("old"), PRESET_ARCHIVED, 1, {STR("{}"), {0}}},
      {STR("5"), STR("code-reviewer"), PRESET_ACTIVE, 1, {STR("{}"), {0}}},
  };
  struct preset_set *set = preset_set_new(presets, sizeof presets / sizeof *presets);
  assert_non_null(set);
  return set;
}

static void test_find(void **state) {
  (void)state;
  struct preset_set *set = preset_set_hold(some());
  preset_set_drop(set);
  assert_int_equal(preset_set_count(set), 5);
  assert_int_equal(preset_set_find(set, STR("writer"))->version, 3);
  assert_int_equal(preset_set_find(set, STR("WRITER"))->version, 3);
  assert_true(str_eq(preset_set_find(set, STR("old"))->id, STR("4")));
  assert_null(preset_set_find(set, STR("write")));
  assert_null(preset_set_find(set, STR("")));
  preset_set_drop(set);
  set = preset_set_new(NULL, 0);
  assert_null(preset_set_find(set, STR("writer")));
  preset_set_drop(set);
}

static void test_words(void **state) {
  (void)state;
  char longest[PRESET_SLUG_MAX + 1];
  memset(longest, 'x', sizeof longest);
  assert_true(preset_slug_valid(STR("a-B_c.9")));
  assert_true(preset_slug_valid(str_from(longest, PRESET_SLUG_MAX)));
  static const char *const bad[] = {"", "-a", ".", "a b", "a/b", "a:b", "a@b", "a\n", "\xc3\xa4", "_"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(preset_slug_valid(str_from_cstr(bad[i])));
  assert_false(preset_slug_valid(str_from(longest, sizeof longest)));
  enum preset_status status;
  assert_true(preset_status_parse(STR("archived"), &status) && status == PRESET_ARCHIVED);
  assert_false(preset_status_parse(STR("Active"), &status));
}

static void test_named(void **state) {
  (void)state;
  static const struct {
    const char *model, *first, *second, *member, *want;  // want NULL: refused
  } cases[] = {
      {"a/b", "", "", "", ""},
      {"", "", "", "", ""},
      {"@preset/x", "", "", "", "x"},
      {"@preset/x:nitro", "", "", "", "x"},
      {"a/b@preset/x", "", "", "", "x"},
      {"a/b", "", "", "x", "x"},
      {"a/b", "", "", "@preset/x", "x"},
      {"@preset/x", "", "", "X", "x"},
      {"@preset/x", "", "", "y", NULL},
      {"@preset/", "", "", "", ""},
      {"", "@preset/x", "a/b", "", "x"},
      {"", "a/b", "c/d@preset/x", "", "x"},
      {"a/b", "@preset/x:floor", "@preset/X", "x", "x"},
      {"a/b", "@preset/x", "@preset/y", "", NULL},
      {"@preset/y", "a/b", "@preset/x", "", NULL},
      {"", "@preset/x", "a/b", "y", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct str slug;
    struct fault_note note;
    struct arena arena = {0};
    struct chat_request r = {.model = str_from_cstr(cases[i].model), .model_count = 2};
    r.models[0] = str_from_cstr(cases[i].first);
    r.models[1] = str_from_cstr(cases[i].second);
    bool ok = preset_named(&r, str_from_cstr(cases[i].member), &arena, &slug, &note);
    assert_int_equal(ok, cases[i].want != NULL);
    if (ok) assert_true(str_eq(slug, str_from_cstr(cases[i].want)));
    if (!ok) assert_int_equal(note.fault, FAULT_BAD_REQUEST);
    arena_free(&arena);
  }
}

static void test_apply(void **state) {
  (void)state;
  static const struct {
    const char *slug;
    enum fault fault;
    const char *text;  // in what comes of it
  } cases[] = {
      {"WRITER", FAULT_NONE, "[{\"role\":\"system\",\"content\":\"Write.\"},{\"role\":\"user\"}]"},
      {"coder", FAULT_NONE, "{\"model\":\"c/d\",\"messages\":[{\"role\":\"user\"}]}"},
      {"writr", FAULT_NOT_FOUND, "Did you mean Writer? GET"},
      {"code", FAULT_NOT_FOUND, "Did you mean code-reviewer, coder? GET"},
      {"zzz", FAULT_NOT_FOUND, "There is no preset \"zzz\". GET /api/v1/presets"},
      {"", FAULT_NOT_FOUND, "There is no preset"},
      {"olt", FAULT_NOT_FOUND, "There is no preset"},
      {"off", FAULT_BAD_REQUEST, "is disabled. Make it active"},
      {"old", FAULT_NOT_FOUND, "is archived. Make it active"},
      {"code-reviewer", FAULT_BAD_REQUEST, "names no model"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct preset_set *set = some();
    struct arena arena = {0};
    struct preset_use use = {0};
    struct fault_note note;
    struct str merged;
    bool ok = preset_apply(set, str_from_cstr(cases[i].slug),
                           STR("{\"model\":\"@preset/any\",\"messages\":[{\"role\":\"user\"}]}"), &arena, &merged, &use,
                           &note);
    assert_int_equal(ok, cases[i].fault == FAULT_NONE);
    assert_int_equal(note.fault, cases[i].fault);
    preset_set_drop(set);
    contains(ok ? merged : note.message, cases[i].text);
    arena_free(&arena);
  }
}

static void test_request(void **state) {
  (void)state;
  static const struct {
    const char *body;
    enum fault fault;
    const char *text;   // in what comes of it
    const char *model;  // of the request then
  } cases[] = {
      {"{\"model\":\"x/y\",\"messages\":[{\"role\":\"user\"}]}", FAULT_NONE, "{\"model\":\"x/y\",", "x/y"},
      {"{\"model\":\"x/y\",\"preset\":null,\"messages\":[{\"role\":\"user\"}]}", FAULT_NONE, "null", "x/y"},
      {"{\"model\":\"@Preset/writer\",\"messages\":[{\"role\":\"user\"}]}", FAULT_NONE, "Write.", "a/b"},
      {"{\"model\":\"x/y@preset/writer\",\"messages\":[{\"role\":\"user\"}]}", FAULT_NONE, "Write.", "x/y"},
      {"{\"preset\":\"@preset/\\u0077riter\",\"messages\":[{\"role\":\"user\"}]}", FAULT_NONE, "Write.", "a/b"},
      {"{\"models\":[\"@preset/writer:nitro\",\"x/y\"],\"messages\":[{\"role\":\"user\"}]}", FAULT_NONE,
       "[\"a/b:nitro\",\"x/y\"]", ""},
      {"{\"model\":\"@preset/writer:free\",\"messages\":[{\"role\":\"user\"}]}", FAULT_NONE, "Write.", "a/b:free"},
      {"{\"preset\":\"\",\"messages\":[{\"role\":\"user\"}]}", FAULT_BAD_REQUEST, "slug", NULL},
      {"{\"model\":\"@preset/coder\",\"preset\":\"writer\",\"messages\":[{\"role\":\"user\"}]}", FAULT_BAD_REQUEST,
       "different", NULL},
      {"{\"preset\":\"nowhere\",\"messages\":[{\"role\":\"user\"}]}", FAULT_NOT_FOUND, "There is no preset", NULL},
      {"{\"preset\":\"wrong\",\"messages\":[{\"role\":\"user\"}]}", FAULT_BAD_REQUEST, "\"seed\"", NULL},
  };
  const struct preset presets[] = {
      {STR("1"), STR("writer"), PRESET_ACTIVE, 3, {STR("{\"model\":\"a/b\"}"), STR("Write.")}},
      {STR("2"), STR("coder"), PRESET_ACTIVE, 1, {STR("{}"), {0}}},
      {STR("3"), STR("wrong"), PRESET_ACTIVE, 1, {STR("{\"seed\":\"x\"}"), {0}}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct preset_set *set = preset_set_new(presets, 3);
    struct arena arena = {0};
    struct chat_request r;
    struct preset_use use;
    struct fault_note note;
    assert_true(chat_request_parse(&r, str_from_cstr(cases[i].body), &arena, &note));
    bool ok = preset_request(set, &r, &arena, &use, &note);
    preset_set_drop(set);
    assert_int_equal(ok, cases[i].fault == FAULT_NONE);
    assert_int_equal(note.fault, cases[i].fault);
    contains(ok ? r.body : note.message, cases[i].text);
    if (ok) assert_true(str_eq(r.model, str_from_cstr(cases[i].model)));
    if (ok && use.id.len) assert_int_equal(use.version, 3);
    chat_request_free(&r);
    arena_free(&arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_find), cmocka_unit_test(test_words),
                                     cmocka_unit_test(test_named), cmocka_unit_test(test_apply),
                                     cmocka_unit_test(test_request)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
