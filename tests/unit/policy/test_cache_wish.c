// Who decides whether the response cache is used, and for how long.
#include "policy/cache_wish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the ones above first
#include <cmocka.h>

static struct cache_wish wish_of(const char *on, const char *ttl, const char *clear) {
  struct http_head head = {0};
  const char *values[] = {on, ttl, clear};
  static const struct str names[] = {
      {"X-OpenRouter-Cache", 18}, {"x-openrouter-cache-ttl", 22}, {"X-OpenRouter-Cache-Clear", 24}};
  for (int i = 0; i < 3; i++)
    if (values[i]) head.fields[head.field_count++] = (struct http_field){names[i], str_from_cstr(values[i])};
  struct cache_wish wish;
  cache_wish_read(&head, &wish);
  return wish;
}

static void test_ttl(void **state) {
  (void)state;
  static const struct {
    const char *text;
    unsigned seconds;
  } cases[] = {{NULL, 300},
               {"60", 60},
               {"60abc", 60},
               {"abc", 300},
               {"", 300},
               {"0", 1},
               {"-5", 1},
               {"1", 1},
               {"86400", 86400},
               {"86401", 86400},
               {"99999999999999999999", 86400},
               {"1.9", 1},
               {"+7", 7},
               {"1e3", 1},
               {"a60", 300},
               {"-", 300},
               {"0060", 60}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct cache_wish wish = wish_of("true", cases[i].text, NULL);
    cache_wish_settle(&wish, CACHE_UNSAID, 0, false);
    if (wish.ttl_s != cases[i].seconds) fail_msg("%s: %u", cases[i].text ? cases[i].text : "none", wish.ttl_s);
  }
  struct cache_wish wish = wish_of("true", "abc", NULL);
  cache_wish_settle(&wish, CACHE_UNSAID, 77, false);
  assert_int_equal(wish.ttl_s, 77);
  wish = wish_of("true", "60", NULL);
  cache_wish_settle(&wish, CACHE_YES, 77, false);
  assert_int_equal(wish.ttl_s, 60);
  wish = wish_of(NULL, NULL, NULL);
  cache_wish_settle(&wish, CACHE_YES, 100000, false);
  assert_int_equal(wish.ttl_s, CACHE_TTL_MAX_S);
}

static void test_who_decides(void **state) {
  (void)state;
  static const struct {
    const char *header;
    enum cache_say preset;
    bool by_default, on;
  } cases[] = {
      {NULL, CACHE_UNSAID, false, false},    {NULL, CACHE_UNSAID, true, true},    {NULL, CACHE_YES, false, true},
      {NULL, CACHE_NO, true, false},         {"true", CACHE_UNSAID, false, true}, {"TRUE", CACHE_YES, false, true},
      {"true", CACHE_NO, true, false},       {"false", CACHE_YES, true, false},   {"false", CACHE_UNSAID, true, false},
      {"maybe", CACHE_UNSAID, false, false}, {"maybe", CACHE_UNSAID, true, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct cache_wish wish = wish_of(cases[i].header, NULL, NULL);
    cache_wish_settle(&wish, cases[i].preset, 0, cases[i].by_default);
    if (wish.on != cases[i].on) fail_msg("case %d", (int)i);
  }
  assert_true(wish_of("true", NULL, "true").clear);
  assert_false(wish_of("true", NULL, "false").clear);
  assert_false(wish_of("true", NULL, NULL).clear);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_ttl), cmocka_unit_test(test_who_decides)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
