// Which model automatic choice takes, and what empties its pool.
#include "policy/auto.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
// cmocka wants the three above first
#include <cmocka.h>

#include "llm/endpoint_facts.h"

enum { MODELS = 20, MANY = 400 };
static struct provider provider, other, demo;
static struct endpoint endpoints[MANY];
static struct model models[MANY];
static char ids[MANY][32];
static struct catalogue catalogue;
static struct request_facts facts;
static struct auto_choice choice;
static struct auto_wish wish;
static struct arena arena;
static struct str why;

// a/m00 … a/m09, b/m10 …: the n-th costs n + 1; all of the same age.
static void world(unsigned count) {
  provider = (struct provider){.id = STR("one"), .name = STR("One"), .index = 0};
  other = (struct provider){.id = STR("two"), .name = STR("Two"), .index = 1};
  demo = (struct provider){.id = STR("demo"), .name = STR("Demo"), .index = 2, .protocol = PROTOCOL_DEMO};
  for (unsigned i = 0; i < count; i++) {
    snprintf(ids[i], sizeof ids[i], "%c/m%02u", i < count / 2 ? 'a' : 'b', i);
    models[i] = (struct model){
        .id = str_from_cstr(ids[i]), .endpoints = &endpoints[i], .endpoint_count = 1, .created = 1700000000};
    endpoints[i] = (struct endpoint){.provider = &provider, .model = &models[i], .pricing = PRICING_UNSET};
    endpoints[i].pricing.prompt = endpoints[i].pricing.completion = (i + 1) * (price_femto)1000000000;
  }
  catalogue = (struct catalogue){.models = models, .model_count = count, .providers = &provider, .provider_count = 3};
  facts = (struct request_facts){0};
  wish = (struct auto_wish){0};
  arena_free(&arena);
}
// After anything about endpoints was set.
static void refill(void) {
  for (size_t i = 0; i < catalogue.model_count; i++) endpoint_facts_fill(&endpoints[i]);
}
static unsigned number(const struct model *m) {
  return (unsigned)(m - models);
}
static unsigned pick(double difficulty) {
  refill();
  if (!auto_choose(&catalogue, &wish, &facts, NULL, difficulty, NULL, &arena, &choice, &why))
    fail_msg("%.*s", STR_ARGS(why));
  assert_true(choice.count >= 1);
  for (unsigned i = 0; i < choice.count; i++)
    for (unsigned j = 0; j < i; j++) assert_ptr_not_equal(choice.models[i], choice.models[j]);
  return number(choice.models[0]);
}
static struct str_list list(const struct str *items, size_t count) {
  return (struct str_list){items, count};
}
static void refused(const char *part) {
  refill();
  assert_false(auto_choose(&catalogue, &wish, &facts, NULL, 0.5, NULL, &arena, &choice, &why));
  assert_int_equal(choice.count, 0);
  if (str_find(why, str_from_cstr(part), 0) == SIZE_MAX) fail_msg("%.*s", STR_ARGS(why));
}

static void test_patterns(void **state) {
  (void)state;
  static const struct {
    const char *pattern, *name;
    bool matches;
  } cases[] = {
      {"anthropic/*", "anthropic/claude-opus-4", true},
      {"anthropic/*", "openai/gpt-5", false},
      {"ANTHROPIC/*", "anthropic/x", true},
      {"*", "a/b", true},
      {"**", "", true},
      {"", "", true},
      {"", "a", false},
      {"openai/gpt-4o*", "openai/gpt-4o", true},
      {"openai/gpt-4o*", "openai/gpt-4.1", false},
      {"*mini", "openai/gpt-5-mini", true},
      {"*mini", "openai/gpt-5-mini-high", false},
      {"*/gpt-*-mini*", "openai/gpt-5-mini-x", true},
      {"a*a*b", "aaaaaaab", true},
      {"a*a*b", "ab", false},
      {"openai/gpt-5", "openai/gpt-5", true},
      {"openai/gpt-5", "openai/gpt-5.1", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (auto_pattern_matches(str_from_cstr(cases[i].pattern), str_from_cstr(cases[i].name)) != cases[i].matches)
      fail_msg("%s %s", cases[i].pattern, cases[i].name);
}

static void test_difficulty_points_at_price(void **state) {
  (void)state;
  world(MODELS);                  // the n-th is at percentile 5 n + 2.5
  assert_int_equal(pick(0), 3);   // 17.5 and 22.5 are as near to 20: the cheaper
  assert_int_equal(pick(1), 17);  // 87.5 and 92.5
  assert_int_equal(choice.pool, MODELS);
  assert_string_equal(choice.reason, "difficulty 1.00 of a pool of 20: price percentile 88");
  unsigned before = 0;
  for (double d = 0; d <= 1; d += 0.01) {
    unsigned now = pick(d);
    assert_true(now >= before);
    before = now;
  }
}

static void test_tiers_are_fifths(void **state) {
  (void)state;
  world(MODELS);
  for (unsigned tier = TIER_LOW; tier <= TIER_MAX; tier++) {
    wish.tier = (enum cost_tier)tier;
    assert_int_equal(pick(0), 4 * (tier - TIER_LOW));
    assert_int_equal(pick(1), 4 * (tier - TIER_LOW) + 3);
  }
  assert_string_equal(choice.reason, "difficulty 1.00 of a pool of 20, cost tier max: price percentile 98");
  catalogue.model_count = 1;  // at percentile 50
  for (unsigned tier = TIER_ANY; tier <= TIER_MAX; tier++) {
    wish.tier = (enum cost_tier)tier;
    assert_int_equal(pick(0.5), 0);
    assert_int_equal(choice.count, 1);
  }
  catalogue.model_count = 2;  // at 25 and 75
  static const unsigned chosen[] = {0, 0, 0, 1, 1};
  for (unsigned tier = TIER_LOW; tier <= TIER_MAX; tier++) {
    wish.tier = (enum cost_tier)tier;
    assert_int_equal(pick(0.5), chosen[tier - TIER_LOW]);
    assert_int_equal(choice.count, 2);
  }
}

static void test_ceiling(void **state) {
  (void)state;
  world(MODELS);
  wish.ceiling = 50;  // the tenth is at 47.5, the eleventh at 52.5
  assert_int_equal(pick(1), 9);
  assert_string_equal(choice.reason,
                      "difficulty 1.00 of a pool of 20, at most price percentile 50: price percentile 48");
  assert_int_equal(choice.count, AUTO_MODELS);
  assert_true(pick(0) < 4);
  for (double d = 0; d <= 1; d += 0.05) {
    pick(d);
    for (unsigned i = 0; i < choice.count; i++) assert_true(number(choice.models[i]) < 10);
  }
  wish.ceiling = 10;
  assert_true(pick(1) <= 1);
  wish.tier = TIER_MAX;  // goes before it
  assert_int_equal(pick(1), 19);
  catalogue.model_count = 2;  // at 25 and 75: nothing is below 10
  wish.tier = TIER_ANY;
  assert_int_equal(pick(1), 0);
  assert_int_equal(choice.count, 1);
}

static void test_newer_ones_are_preferred(void **state) {
  (void)state;
  world(MODELS);
  wish.tier = TIER_HIGH;
  assert_int_equal(pick(0.5), 9);
  models[9].created -= 3 * 31557600;  // three years: 12 percentiles
  assert_int_equal(pick(0.5), 10);
  models[10].created = 0;  // unknown
  assert_int_equal(pick(0.5), 10);
}

static void test_fallbacks(void **state) {
  (void)state;
  world(MODELS);
  wish.tier = TIER_HIGH;
  assert_int_equal(pick(0.4), 9);  // a's; then dearer (b's), cheaper, dearer
  assert_int_equal(choice.count, 4);
  assert_int_equal(number(choice.models[1]), 10);
  assert_int_equal(number(choice.models[2]), 8);
  assert_int_equal(number(choice.models[3]), 11);
  wish.tier = TIER_MAX;
  assert_int_equal(pick(1), 19);
  assert_int_equal(choice.count, 4);
  for (unsigned i = 1; i < 4; i++) assert_true(number(choice.models[i]) < 19);
}

static void test_pool(void **state) {
  (void)state;
  world(MODELS);
  const struct str b = STR("B/*"), m1 = STR("*/m1?"), ten[] = {STR("b/m10"), STR("b/m11")}, none = STR("c/*");
  wish.allowed = list(&b, 1);
  assert_true(pick(0) >= 10);
  assert_int_equal(choice.pool, 10);
  wish.excluded = list(ten, 2);  // wins
  assert_true(pick(0) >= 12);
  assert_int_equal(choice.pool, 8);
  wish.excluded = wish.allowed;
  refused("excluded_models");
  wish.excluded = list(&m1, 1);  // ? is nothing special
  pick(0);
  assert_int_equal(choice.pool, 10);
  wish.allowed = list(&none, 1);
  refused("allowed_models");
  world(MODELS);
  assert_true(auto_choose(&catalogue, &wish, &facts, NULL, 0.9, &models[2], &arena, &choice, &why));
  assert_int_equal(number(choice.models[0]), 2);
  assert_non_null(strstr(choice.reason, "keeps"));
  wish.allowed = list(&b, 1);
  assert_true(auto_choose(&catalogue, &wish, &facts, NULL, 0.9, &models[2], &arena, &choice, &why));
  assert_true(number(choice.models[0]) >= 10);
}

static void test_what_the_request_needs(void **state) {
  (void)state;
  world(MODELS);
  for (unsigned i = 0; i < MODELS; i++) endpoints[i].context_length = i < 15 ? 1000 : 100000;
  facts.prompt_tokens = 5000;
  assert_true(pick(0) >= 15);
  assert_int_equal(choice.pool, 5);
  facts.prompt_tokens_least = facts.prompt_tokens = 500000;
  refused("context");
  world(MODELS);
  for (unsigned i = 0; i < MODELS; i++) endpoints[i].parameters = i % 2 ? NAME_BIT(tools) : NAME_BIT(temperature);
  facts.tools = true;
  assert_int_equal(pick(0) % 2, 1);
  assert_int_equal(choice.pool, MODELS / 2);
  world(MODELS);
  endpoints[3].input_modalities = MODALITY_BIT(text) | MODALITY_BIT(image);
  for (unsigned i = 0; i < MODELS; i++)
    if (i != 3) endpoints[i].input_modalities = MODALITY_BIT(text);
  facts.input_modalities = MODALITY_BIT(image);
  assert_int_equal(pick(1), 3);
  assert_int_equal(choice.pool, 1);
  world(MODELS);  // what makes vectors or pictures is for no chat
  for (unsigned i = 0; i < MODELS - 1; i++) endpoints[i].output_modalities = MODALITY_BIT(embeddings);
  endpoints[0].output_modalities = MODALITY_BIT(text) | MODALITY_BIT(image);
  assert_int_equal(pick(0), 19);
  assert_int_equal(choice.pool, 1);
  facts.output_modalities = MODALITY_BIT(image);
  for (unsigned i = 1; i < MODELS; i++) endpoints[i].output_modalities = MODALITY_BIT(text);
  assert_int_equal(pick(1), 0);
  world(MODELS);  // preferences
  struct preferences only = PREFERENCES_NONE;
  const struct str two = STR("two");
  only.only = list(&two, 1);
  endpoints[7].provider = &other;
  catalogue.providers = NULL;  // only their number counts
  assert_true(auto_choose(&catalogue, &wish, &facts, &only, 0.9, NULL, &arena, &choice, &why));
  assert_int_equal(choice.pool, 1);
  wish.house = &only;
  assert_int_equal(pick(0), 7);
}

static void test_demo_and_free(void **state) {
  (void)state;
  world(MODELS);
  endpoints[5].provider = &demo;
  pick(0);
  assert_int_equal(choice.pool, MODELS - 1);
  const struct str named = STR("demo/*");
  models[5].id = STR("demo/echo");
  wish.allowed = list(&named, 1);
  assert_int_equal(pick(1), 5);
  world(4);
  for (unsigned i = 0; i < 4; i++) endpoints[i].provider = &demo;
  pick(0);
  assert_int_equal(choice.pool, 4);
  world(MODELS);
  models[0].id = STR("a/m:free");
  endpoints[0].pricing = PRICING_UNSET;
  pick(0);
  assert_int_equal(choice.pool, MODELS - 1);
  const struct model *found[8];
  assert_int_equal(auto_free(&catalogue, &facts, 1, found, 8), 1);
  assert_ptr_equal(found[0], &models[0]);
  for (unsigned i = 0; i < 10; i++) endpoints[i].pricing = PRICING_UNSET;
  refill();
  unsigned first[10] = {0};
  for (uint64_t seed = 0; seed < 1000; seed++) {
    assert_int_equal(auto_free(&catalogue, &facts, seed, found, 8), 8);
    for (unsigned i = 0; i < 8; i++)
      for (unsigned j = 0; j < i; j++) assert_ptr_not_equal(found[i], found[j]);
    first[number(found[0])]++;
  }
  for (unsigned i = 0; i < 10; i++) assert_in_range(first[i], 60, 140);
  catalogue.model_count = 0;
  assert_int_equal(auto_free(&catalogue, &facts, 1, found, 8), 0);
  refused("no provider");
}

static void test_time(void **state) {
  (void)state;
  world(MANY);
  struct timespec from, to;
  double best = 1e9;
  for (int run = 0; run < 20; run++) {
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    pick(0.7);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    double took = (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) * 1e-3;
    if (took < best) best = took;
  }
  printf("     a pool of %d: %.0f us\n", MANY, best);
  assert_true(best < 2000);  // with a sanitizer; an eighth of it without
}

static int clean(void **state) {
  (void)state;
  arena_free(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_patterns),
      cmocka_unit_test(test_difficulty_points_at_price),
      cmocka_unit_test(test_tiers_are_fifths),
      cmocka_unit_test(test_ceiling),
      cmocka_unit_test(test_newer_ones_are_preferred),
      cmocka_unit_test(test_fallbacks),
      cmocka_unit_test(test_pool),
      cmocka_unit_test(test_what_the_request_needs),
      cmocka_unit_test(test_demo_and_free),
      cmocka_unit_test(test_time),
  };
  return cmocka_run_group_tests(tests, NULL, clean);
}
