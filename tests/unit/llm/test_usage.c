// Costs to the last pico dollar, by table.
#include "llm/usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants the three above first.
#include <cmocka.h>

#define F(usd_per_million) ((price_femto)((usd_per_million)*1000000000LL))  // whole USD a million tokens, in femto

static const struct pricing simple = {
    F(3),        F(15),       PRICE_UNSET, PRICE_UNSET, PRICE_UNSET, PRICE_UNSET, PRICE_UNSET,
    PRICE_UNSET, PRICE_UNSET, PRICE_UNSET, PRICE_UNSET, PRICE_UNSET, PRICE_UNSET,
};
static const struct pricing full = {
    .prompt = F(3),
    .completion = F(15),
    .request = 5000000000000,  // 0.005 USD
    .image = F(1),
    .image_token = F(1),
    .image_output = F(40),
    .audio = F(10),
    .audio_output = F(20),
    .web_search = F(1),
    .internal_reasoning = F(30),
    .input_cache_read = F(1),
    .input_cache_write = F(4),
    .input_cache_write_1h = F(6),
};

static const struct {
  const char *what;
  const struct pricing *pricing;
  struct usage usage;
  struct cost expected;
} cases[] = {
    {"nothing", &simple, {0}, {0, 0, 0}},
    {"nothing priced", &PRICING_UNSET, {.prompt = 10, .completion = 10}, {0, 0, 0}},
    {"plain", &simple, {.prompt = 12, .completion = 7}, {141000000, 36000000, 105000000}},
    {"unset parts fall back",
     &simple,
     {.prompt = 100, .cached = 60, .cache_write = 10, .audio_prompt = 5, .completion = 50, .reasoning = 40},
     {1050000000, 300000000, 750000000}},
    {"each part at its price",
     &full,
     {.prompt = 100,
      .cached = 60,
      .cache_write = 10,
      .audio_prompt = 5,
      .completion = 50,
      .reasoning = 20,
      .audio_completion = 5,
      .image_completion = 10},
     // prompt 60*1 + 10*4 + 5*10 + 25*3 = 225; completion 20*30 + 5*20 + 10*40 + 15*15 = 1325 (USD a million)
     {1550000000 + 5000000000, 225000000, 1325000000}},
    {"what is kept for an hour",
     &full,
     {.prompt = 100, .cache_write = 30, .cache_write_1h = 10},
     {350000000 + 5000000000, 350000000, 0}},
    {"what is billed is not what was used",
     &simple,
     {.prompt = 100, .cached = 50, .completion = 50, .billed = true, .billed_prompt = 10, .billed_completion = 5},
     {105000000, 30000000, 75000000}},
    {"web searches", &full, {.web_searches = 3}, {3000000 + 5000000000, 0, 0}},
    {"cached audio is charged once",
     &full,
     {.prompt = 100, .cached = 80, .audio_prompt = 50},
     {5280000000, 280000000, 0}},
    {"parts beyond the whole",
     &full,
     {.prompt = 10, .cached = 500, .completion = 2, .reasoning = 9},
     {5070000000, 10000000, 60000000}},
    {"absurd counts saturate",
     &simple,
     {.prompt = UINT64_MAX, .completion = UINT64_MAX},
     {INT64_MAX, INT64_MAX, INT64_MAX}},
};

static void test_costs(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct cost got = usage_cost(&cases[i].usage, cases[i].pricing);
    const struct cost *expected = &cases[i].expected;
    if (got.total != expected->total || got.prompt != expected->prompt || got.completion != expected->completion)
      fail_msg("%s: total %lld prompt %lld completion %lld", cases[i].what, (long long)got.total, (long long)got.prompt,
               (long long)got.completion);
  }
}

static void test_total_is_rounded_from_the_exact_sum(void **state) {
  (void)state;
  struct pricing tiny = PRICING_UNSET;
  tiny.prompt = 250;
  tiny.completion = 250;
  struct usage usage = {.prompt = 1, .completion = 1};
  struct cost got = usage_cost(&usage, &tiny);
  assert_int_equal(got.prompt, 0);
  assert_int_equal(got.completion, 0);
  assert_int_equal(got.total, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_costs),
      cmocka_unit_test(test_total_is_rounded_from_the_exact_sum),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
