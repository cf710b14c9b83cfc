// The plugin auto-router: what it becomes, and what is refused in which words.
#include "surface/auto_wish.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
// cmocka wants the first three before it.
#include <cmocka.h>

static struct arena arena;
static struct auto_wish wish;
static struct str pinned;
static struct fault_note note;

#define MESSAGES                                                                 \
  "\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\"," \
  "\"content\":\"y\",\"model\":\"a/b\"},{\"role\":\"user\",\"content\":\"z\"}]"

static bool read_plugins(const char *plugins) {
  size_t room = strlen(plugins) + 300;
  char *body = arena_alloc(&arena, room);  // strings of the wish point into it
  assert_non_null(body);
  int len = snprintf(body, room, "{" MESSAGES ",\"plugins\":[%s]}", plugins);
  struct chat_request r;
  note = (struct fault_note){0};
  if (!chat_request_parse(&r, str_from(body, (size_t)len), &arena, &note)) fail_msg("%.*s", STR_ARGS(note.message));
  bool good = auto_wish_read(&r, &arena, &wish, &pinned, &note);
  assert_int_equal(good, note.fault == FAULT_NONE);
  chat_request_free(&r);
  return good;
}
// Members of one plugin, with `wish` as the configuration's.
static void good(const char *members) {
  char plugin[512];
  snprintf(plugin, sizeof plugin, "{\"id\":\"auto-router\"%s%s}", *members ? "," : "", members);
  if (!read_plugins(plugin)) fail_msg("%s: %.*s", members, STR_ARGS(note.message));
}
static void bad(const char *members, const char *words) {
  char plugin[512];
  snprintf(plugin, sizeof plugin, "{\"id\":\"auto-router\",%s}", members);
  if (read_plugins(plugin)) fail_msg("%s is taken", members);
  assert_int_equal(note.fault, FAULT_BAD_REQUEST);
  assert_true(str_eq(note.param, STR("plugins")));
  if (str_find(note.message, str_from_cstr(words), 0) == SIZE_MAX)
    fail_msg("%s: %.*s", members, STR_ARGS(note.message));
}

static void test_what_is_given_replaces(void **state) {
  (void)state;
  const struct str house[] = {STR("x/*")};
  struct auto_wish before = {.allowed = {house, 1}, .excluded = {house, 1}, .tier = TIER_HIGH};
  wish = before;
  good("");
  assert_memory_equal(&wish, &before, sizeof wish);
  good("\"allowed_models\":null,\"cost_tier\":null,\"enabled\":null,\"pin_model\":null,\"cost_quality_tradeoff\":null");
  assert_memory_equal(&wish, &before, sizeof wish);
  good("\"allowed_models\":[\"anthropic/*\",\"*mini\"],\"cost_tier\":\"low\"");
  assert_int_equal(wish.allowed.count, 2);
  assert_true(str_eq(wish.allowed.items[1], STR("*mini")));
  assert_ptr_equal(wish.excluded.items, house);
  assert_int_equal(wish.tier, TIER_LOW);
  good("\"allowed_models\":[]");
  assert_int_equal(wish.allowed.count, 0);
  wish = before;
  assert_true(read_plugins("{\"id\":\"web\",\"cost_tier\":7},{\"id\":\"auto-beta-router\",\"cost_tier\":\"max\"}"));
  assert_int_equal(wish.tier, TIER_MAX);
}

static void test_tradeoff_is_a_ceiling(void **state) {
  (void)state;
  static const struct {
    const char *members;
    enum cost_tier tier;
    unsigned ceiling;
  } rows[] = {{"\"cost_quality_tradeoff\":0", TIER_ANY, 90},
              {"\"cost_quality_tradeoff\":5", TIER_ANY, 50},
              {"\"cost_quality_tradeoff\":9", TIER_ANY, 18},
              {"\"cost_quality_tradeoff\":10", TIER_ANY, 10}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    wish = (struct auto_wish){.tier = TIER_XHIGH};  // of the configuration: it gives way
    good(rows[i].members);
    assert_int_equal(wish.tier, rows[i].tier);
    assert_int_equal(wish.ceiling, rows[i].ceiling);
  }
  good("\"cost_quality_tradeoff\":0,\"cost_tier\":\"medium\"");
  assert_int_equal(wish.tier, TIER_MEDIUM);  // goes before the ceiling
}

static void test_pin_and_enabled(void **state) {
  (void)state;
  wish = (struct auto_wish){0};
  good("\"pin_model\":true");
  assert_true(str_eq(pinned, STR("a/b")));
  assert_false(wish.no_pin);
  good("\"pin_model\":false");
  assert_int_equal(pinned.len, 0);
  assert_true(wish.no_pin);
  struct auto_wish before = wish;
  good("\"enabled\":false,\"cost_tier\":\"max\",\"pin_model\":true,\"allowed_models\":[\"a/*\"]");
  assert_memory_equal(&wish, &before, sizeof wish);
  assert_int_equal(pinned.len, 0);
  good("\"enabled\":true,\"cost_tier\":\"max\"");
  assert_int_equal(wish.tier, TIER_MAX);
}

static void test_refusals(void **state) {
  (void)state;
  static const struct {
    const char *members, *words;
  } rows[] = {{"\"enabled\":\"no\"", "\"enabled\""},
              {"\"enabled\":0", "true or false"},
              {"\"pin_model\":\"yes\"", "\"pin_model\""},
              {"\"cost_tier\":\"cheap\"", "low, medium, high, xhigh or max"},
              {"\"cost_tier\":3", "\"cost_tier\""},
              {"\"enabled\":false,\"cost_tier\":3", "\"cost_tier\""},
              {"\"cost_quality_tradeoff\":11", "0 (the best) to 10"},
              {"\"cost_quality_tradeoff\":-1", "0 (the best) to 10"},
              {"\"cost_quality_tradeoff\":1.5", "0 (the best) to 10"},
              {"\"cost_quality_tradeoff\":\"9\"", "0 (the best) to 10"},
              {"\"cost_quality_tradeoff\":99,\"cost_tier\":\"low\"", "0 (the best) to 10"},
              {"\"allowed_models\":\"a/*\"", "\"allowed_models\""},
              {"\"excluded_models\":{\"a\":1}", "\"excluded_models\""},
              {"\"excluded_models\":[1]", "\"excluded_models\""},
              {"\"allowed_models\":[\"\"]", "1 to 1024 characters"},
              {"\"allowed_models\":[\"a\",null]", "\"allowed_models\""},
              {"\"cost_tier\":\"low\",\"cost_tier\":\"max\"", "twice"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    wish = (struct auto_wish){.tier = TIER_HIGH};
    bad(rows[i].members, rows[i].words);
    assert_int_equal(wish.tier, TIER_HIGH);  // nothing of a bad one counts
  }
}

// So many patterns of so many characters, each of them `character`.
static bool patterns(const char *key, unsigned count, unsigned length, const char *character) {
  size_t size = strlen(character), at = 0;
  char *text = malloc((size_t)count * (length * size + 3) + 100);
  assert_non_null(text);
  at += (size_t)sprintf(text, "{\"id\":\"auto-router\",\"%s\":[", key);
  for (unsigned i = 0; i < count; i++) {
    at += (size_t)sprintf(text + at, "%s\"", i ? "," : "");
    for (unsigned j = 0; j < length; j++, at += size) memcpy(text + at, character, size);
    text[at++] = '"';
  }
  strcpy(text + at, "]}");
  bool good = read_plugins(text);
  free(text);
  return good;
}
static void test_patterns_have_limits(void **state) {
  (void)state;
  static const char *const keys[] = {"allowed_models", "excluded_models"};
  for (size_t i = 0; i < 2; i++) {
    assert_true(patterns(keys[i], 1024, 64, "*"));
    assert_false(patterns(keys[i], 1025, 1, "a"));
    assert_true(patterns(keys[i], 64, 1024, "a"));
    assert_false(patterns(keys[i], 65, 1024, "a"));  // 65,536 in all
    assert_false(patterns(keys[i], 1024, 65, "a"));
    assert_false(patterns(keys[i], 1, 1025, "a"));
    assert_true(patterns(keys[i], 64, 1024, "\xe2\x82\xac"));  // characters, not bytes
    assert_false(patterns(keys[i], 1, 1025, "\xe2\x82\xac"));
    assert_non_null(strstr(note.message.ptr, "65536 in all"));
  }
}

static int end(void **state) {
  (void)state;
  arena_free(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_is_given_replaces), cmocka_unit_test(test_tradeoff_is_a_ceiling),
      cmocka_unit_test(test_pin_and_enabled),        cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_patterns_have_limits),
  };
  return cmocka_run_group_tests(tests, NULL, end);
}
