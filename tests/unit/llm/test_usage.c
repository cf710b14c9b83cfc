// Costs to the last pico dollar, by table.
#include "llm/usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants the three above first.
#include <cmocka.h>

#define F(usd_per_million) ((price_femto)((usd_per_million)*1000000000LL))  // whole USD a million tokens, in femto

static struct pricing simple;  // prompt 3, completion 15, nothing else
static const struct pricing full = {
    .prompt = F(3),
    .completion = F(15),
    .request = 5000000000000,  // 0.005 USD
    .image = 7000000000000,    // 0.007 USD
    .image_token = F(8),
    .image_output = F(40),
    .audio = F(10),
    .audio_output = F(20),
    .input_audio_cache = F(2),
    .video = F(5),
    .video_output = F(50),
    .web_search = F(1),
    .internal_reasoning = F(30),
    .input_cache_read = F(1),
    .input_cache_write = F(4),
    .input_cache_write_1h = F(6),
};

static struct pricing sound_only;  // prompt 3, audio 10

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
    {"what is billed has no parts",
     &full,
     {.prompt = 100, .cached = 50, .completion = 50, .reasoning = 20, .billed = true, .billed_prompt = 60},
     {180000000 + 5000000000, 180000000, 0}},
    {"web searches", &full, {.web_searches = 3}, {3000000 + 5000000000, 0, 0}},
    {"calls beside are in the whole only",
     &full,
     {.prompt = 10, .completion = 1, .beside = {.prompt = 100, .completion = 10, .cached = 60, .cache_write = 10}},
     // 10*3 + 15; beside 60*1 + 10*4 + 30*3 + 10*15
     {385000000 + 5000000000, 30000000, 15000000}},
    {"pictures by number, and their tokens",
     &full,
     {.prompt = 10, .image_prompt = 4, .images = 2},
     {14050000000 + 5000000000, 14050000000, 0}},
    {"sound, pictures and moving pictures, some of each cached",
     &full,
     {.prompt = 100,
      .cached = 30,
      .audio_prompt = 20,
      .audio_cached = 5,
      .image_prompt = 20,
      .image_cached = 4,
      .video_prompt = 20,
      .video_cached = 3},
     // 5*2 + 25*1 cached; 15*10 + 16*8 + 17*5 + 22*3 not
     {464000000 + 5000000000, 464000000, 0}},
    {"answers in every form",
     &full,
     {.completion = 100, .reasoning = 10, .audio_completion = 10, .image_completion = 10, .video_completion = 10},
     {2300000000 + 5000000000, 0, 2300000000}},
    {"without a price for it, cached sound costs what sound costs",
     &sound_only,
     {.prompt = 10, .cached = 4, .audio_prompt = 6, .audio_cached = 4},
     {72000000, 72000000, 0}},
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
    struct cost got = usage_cost(&cases[i].usage, cases[i].pricing, 0);
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
  struct cost got = usage_cost(&usage, &tiny, 0);
  assert_int_equal(got.prompt, 0);
  assert_int_equal(got.completion, 0);
  assert_int_equal(got.total, 1);
}

// --- overrides ---

enum { DAY = 86400, HOUR = 3600 };

static struct price_override override(uint64_t tokens, int start, int end) {
  return (struct price_override){.min_prompt_tokens = tokens,
                                 .timed = start >= 0,
                                 .utc_start = (uint16_t)(start < 0 ? 0 : start),
                                 .utc_end = (uint16_t)(start < 0 ? 0 : end),
                                 .prices = PRICING_UNSET};
}

static price_femto prompt_price(const struct pricing *p, uint64_t prompt, uint64_t at) {
  struct usage usage = {.prompt = prompt};
  return usage_cost(&usage, p, at).prompt * 1000 / (price_femto)prompt;
}

static void test_long_prompts(void **state) {
  (void)state;
  struct price_override tiers[] = {override(200000, -1, 0), override(500000, -1, 0)};
  tiers[0].prices.prompt = F(6);
  tiers[0].prices.completion = F(22);
  tiers[0].prices.input_cache_read = F(2);
  tiers[1].prices.prompt = F(9);
  struct pricing p = simple;
  p.overrides = tiers;
  p.override_count = 2;
  assert_int_equal(prompt_price(&p, 1, 0), F(3));
  assert_int_equal(prompt_price(&p, 200000, 0), F(3));  // more than, not from
  assert_int_equal(prompt_price(&p, 200001, 0), F(6));
  assert_int_equal(prompt_price(&p, 500000, 0), F(6));
  assert_int_equal(prompt_price(&p, 500001, 0), F(9));
  // The whole request, cached tokens and answer too; what the later entry leaves out is the earlier one's.
  struct usage usage = {.prompt = 600000, .cached = 599990, .completion = 3};
  struct cost cost = usage_cost(&usage, &p, 0);
  assert_int_equal(cost.prompt, (599990 * F(2) + 10 * F(9)) / 1000);
  assert_int_equal(cost.completion, 3 * F(22) / 1000);
  // Of one that has only cached tokens beyond the threshold.
  usage = (struct usage){.prompt = 200001, .cached = 200001};
  assert_int_equal(usage_cost(&usage, &p, 0).prompt, 200001 * F(2) / 1000);
  // What is billed differs from what was asked: the prompt's own size decides.
  usage = (struct usage){.prompt = 200001, .billed = true, .billed_prompt = 1};
  assert_int_equal(usage_cost(&usage, &p, 0).prompt, F(6) / 1000);
  assert_int_equal(p.prompt, F(3));
}

static void test_hours(void **state) {
  (void)state;
  const struct {
    int start, end;
    unsigned hour, minute;
    bool applies;
  } rows[] = {
      {100, 400, 1, 0, true},     {100, 400, 0, 59, false},    {100, 400, 3, 59, true},    {100, 400, 4, 0, false},
      {1630, 30, 16, 30, true},   {1630, 30, 16, 29, false},   {1630, 30, 23, 59, true},   {1630, 30, 0, 0, true},
      {1630, 30, 0, 29, true},    {1630, 30, 0, 30, false},    {0, 2400, 23, 59, true},    {0, 2400, 0, 0, true},
      {2330, 2400, 23, 30, true}, {2330, 2400, 23, 29, false}, {1030, 1031, 10, 30, true}, {1030, 1031, 10, 31, false},
      {0, 0, 0, 0, false},        {700, 700, 7, 0, false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct price_override o = override(0, rows[i].start, rows[i].end);
    o.prices.prompt = F(1);
    struct pricing p = simple;
    p.overrides = &o;
    p.override_count = 1;
    uint64_t at = (uint64_t)20000 * DAY + rows[i].hour * HOUR + rows[i].minute * 60 + 59;
    if (prompt_price(&p, 1, at) != (rows[i].applies ? F(1) : F(3)))
      fail_msg("%d to %d at %u:%02u", rows[i].start, rows[i].end, rows[i].hour, rows[i].minute);
  }
}

static void test_both_conditions_must_be_met(void **state) {
  (void)state;
  struct price_override list[] = {override(100, 100, 200), override(0, 130, 140)};
  list[0].prices.prompt = F(1);
  list[1].prices.prompt = F(2);
  struct pricing p = simple;
  p.overrides = list;
  p.override_count = 2;
  assert_int_equal(prompt_price(&p, 101, 1 * HOUR), F(1));
  assert_int_equal(prompt_price(&p, 100, 1 * HOUR), F(3));
  assert_int_equal(prompt_price(&p, 101, 2 * HOUR), F(3));
  assert_int_equal(prompt_price(&p, 101, 1 * HOUR + 30 * 60), F(2));  // the later entry wins
  // A price of zero replaces, an unset one does not.
  list[1].prices.prompt = 0;
  assert_int_equal(prompt_price(&p, 101, 1 * HOUR + 30 * 60), 0);
  assert_false(pricing_has_images(&p));
  list[1].prices.image = 1;
  assert_true(pricing_has_images(&p));
}

// --- the normal form ---

static void test_normal_form(void **state) {
  (void)state;
  const struct {
    const char *what;
    unsigned outside;
    struct usage given, expected;
  } rows[] = {
      {"plain", 0, {.prompt = 10, .completion = 5, .total = 15}, {.prompt = 10, .completion = 5, .total = 15}},
      {"no total", 0, {.prompt = 10, .completion = 5}, {.prompt = 10, .completion = 5, .total = 15}},
      {"a total too small",
       0,
       {.prompt = 10, .completion = 5, .total = 12},
       {.prompt = 10, .completion = 5, .total = 15}},
      {"a total that knows more",
       0,
       {.prompt = 10, .completion = 5, .total = 40},
       {.prompt = 10, .completion = 5, .total = 40}},
      {"reasoning inside",
       0,
       {.prompt = 10, .completion = 5, .reasoning = 3, .total = 15},
       {.prompt = 10, .completion = 5, .reasoning = 3, .total = 15}},
      {"reasoning outside, as the total shows",
       0,
       {.prompt = 12, .completion = 1, .reasoning = 228, .total = 241},
       {.prompt = 12, .completion = 229, .reasoning = 228, .total = 241}},
      {"small reasoning outside, as the total shows",
       0,
       {.prompt = 12, .completion = 9, .reasoning = 3, .total = 24},
       {.prompt = 12, .completion = 12, .reasoning = 3, .total = 24}},
      {"reasoning outside, without a total",
       0,
       {.prompt = 1, .completion = 2, .reasoning = 3},
       {.prompt = 1, .completion = 5, .reasoning = 3, .total = 6}},
      {"reasoning outside, as is known",
       USAGE_REASONING_OUTSIDE,
       {.prompt = 1, .completion = 4, .reasoning = 3},
       {.prompt = 1, .completion = 7, .reasoning = 3, .total = 8}},
      {"reasoning inside all the same, as the total shows",
       USAGE_REASONING_OUTSIDE,
       {.prompt = 1, .completion = 4, .reasoning = 3, .total = 5},
       {.prompt = 1, .completion = 4, .reasoning = 3, .total = 5}},
      {"more reasoning than answer, but the total has room for the answer only",
       0,
       {.prompt = 43, .completion = 10, .reasoning = 11, .total = 53},
       {.prompt = 43, .completion = 10, .reasoning = 10, .total = 53}},
      {"more cached than prompt", 0, {.prompt = 10, .cached = 12}, {.prompt = 10, .cached = 10, .total = 10}},
      {"cached outside", USAGE_CACHED_OUTSIDE, {.prompt = 10, .cached = 12}, {.prompt = 22, .cached = 12, .total = 22}},
      {"cached outside, as the total shows",
       0,
       {.prompt = 10, .cached = 4, .completion = 2, .total = 16},
       {.prompt = 14, .cached = 4, .completion = 2, .total = 16}},
      {"cached inside all the same",
       USAGE_CACHED_OUTSIDE,
       {.prompt = 10, .cached = 9},
       {.prompt = 10, .cached = 9, .total = 10}},
      {"cached and written are the prompt at most",
       0,
       {.prompt = 10, .cached = 6, .cache_write = 9, .cache_write_1h = 7},
       {.prompt = 10, .cached = 6, .cache_write = 4, .cache_write_1h = 4, .total = 10}},
      {"kinds of the prompt",
       0,
       {.prompt = 10, .audio_prompt = 6, .image_prompt = 6, .video_prompt = 6},
       {.prompt = 10, .audio_prompt = 6, .image_prompt = 4, .total = 10}},
      {"kinds of the answer",
       0,
       {.completion = 10, .audio_completion = 1, .image_completion = 2, .video_completion = 30},
       {.completion = 10, .audio_completion = 1, .image_completion = 2, .video_completion = 7, .total = 10}},
      {"kinds of what was cached",
       0,
       {.prompt = 10, .cached = 5, .audio_prompt = 2, .audio_cached = 4, .image_prompt = 8, .image_cached = 4},
       {.prompt = 10,
        .cached = 5,
        .audio_prompt = 2,
        .audio_cached = 2,
        .image_prompt = 8,
        .image_cached = 1,
        .total = 10}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct usage got = rows[i].given;
    usage_settle(&got, rows[i].outside);
    if (memcmp(&got, &rows[i].expected, sizeof got))
      fail_msg("%s: prompt %llu cached %llu completion %llu reasoning %llu total %llu", rows[i].what,
               (unsigned long long)got.prompt, (unsigned long long)got.cached, (unsigned long long)got.completion,
               (unsigned long long)got.reasoning, (unsigned long long)got.total);
  }
}

// --- any counts, any prices ---

static uint64_t seed = 1;

static uint64_t any(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

// Mostly small, sometimes absurd.
static uint64_t any_count(void) {
  uint64_t kind = any() % 16, n = any();
  return kind < 10 ? n % 40 : kind < 13 ? n % 1000000 : kind < 15 ? n : UINT64_MAX - n % 3;
}

static price_femto any_price(void) {
  uint64_t kind = any() % 16, n = any();
  return kind < 6 ? PRICE_UNSET : kind < 12 ? (price_femto)(n % 1000) : kind < 15 ? (price_femto)(n >> 24) : INT64_MAX;
}

static struct usage any_usage(void) {
  struct usage u = {.prompt = any_count(),
                    .completion = any_count(),
                    .total = any() % 2 ? any_count() : 0,
                    .cached = any_count(),
                    .cache_write = any_count(),
                    .cache_write_1h = any_count(),
                    .reasoning = any_count(),
                    .audio_prompt = any_count(),
                    .audio_completion = any_count(),
                    .image_prompt = any_count(),
                    .image_completion = any_count(),
                    .video_prompt = any_count(),
                    .video_completion = any_count(),
                    .audio_cached = any_count(),
                    .image_cached = any_count(),
                    .video_cached = any_count(),
                    .images = any() % 8 ? 0 : any_count(),
                    .web_searches = any() % 8 ? 0 : any_count()};
  return u;
}

static __int128 first_set(price_femto a, price_femto b, price_femto c, price_femto d) {
  price_femto of[] = {a, b, c, d};
  for (int i = 0; i < 4; i++)
    if (of[i] != PRICE_UNSET) return of[i];
  return 0;
}

static money_pico rounded(__int128 femto) {
  __int128 pico = (femto + 500) / 1000;
  return pico > INT64_MAX ? INT64_MAX : (money_pico)pico;
}

// The same sum by another way: everything at the plain price, then what each kind differs by.
static struct cost reckon(const struct usage *u, const struct pricing *p) {
  const price_femto none = PRICE_UNSET;
  __int128 plain = first_set(p->prompt, none, none, none), sum = plain * u->prompt;
  uint64_t text = u->cached - u->audio_cached - u->image_cached - u->video_cached;
  uint64_t left = u->prompt - u->cached;  // for writes and kinds, in this order
  sum += (first_set(p->input_cache_read, p->prompt, none, none) - plain) * text;
  sum += (first_set(p->input_audio_cache, p->input_cache_read, p->audio, p->prompt) - plain) * u->audio_cached;
  sum += (first_set(p->input_cache_read, p->image_token, p->prompt, none) - plain) * u->image_cached;
  sum += (first_set(p->input_cache_read, p->video, p->prompt, none) - plain) * u->video_cached;
  const struct {
    uint64_t count;
    __int128 price;
  } parts[] = {
      {u->cache_write_1h, first_set(p->input_cache_write_1h, p->input_cache_write, p->prompt, none)},
      {u->cache_write - u->cache_write_1h, first_set(p->input_cache_write, p->prompt, none, none)},
      {u->audio_prompt - u->audio_cached, first_set(p->audio, p->prompt, none, none)},
      {u->image_prompt - u->image_cached, first_set(p->image_token, p->prompt, none, none)},
      {u->video_prompt - u->video_cached, first_set(p->video, p->prompt, none, none)},
  };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    uint64_t n = parts[i].count < left ? parts[i].count : left;
    left -= n;
    sum += (parts[i].price - plain) * n;
  }
  const uint64_t most = (uint64_t)1 << 48;
  sum += first_set(p->image, none, none, none) * (u->images < most ? u->images : most);

  __int128 plain_out = first_set(p->completion, none, none, none), out = plain_out * u->completion;
  const struct {
    uint64_t count;
    price_femto price;
  } made[] = {{u->reasoning, p->internal_reasoning},
              {u->audio_completion, p->audio_output},
              {u->image_completion, p->image_output},
              {u->video_completion, p->video_output}};
  left = u->completion;
  for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
    uint64_t n = made[i].count < left ? made[i].count : left;
    left -= n;
    out += (first_set(made[i].price, p->completion, none, none) - plain_out) * n;
  }
  __int128 total = sum + out + first_set(p->request, none, none, none);
  total += first_set(p->web_search, none, none, none) * (u->web_searches < most ? u->web_searches : most);
  return (struct cost){.total = rounded(total), .prompt = rounded(sum), .completion = rounded(out)};
}

static void test_any_counts_at_any_prices(void **state) {
  (void)state;
  unsigned saturated = 0;
  for (int i = 0; i < 200000; i++) {
    struct usage given = any_usage(), usage = given;
    struct pricing p = PRICING_UNSET;
    for (const struct price_key *key = price_keys; key->name.len; key++) *pricing_at(&p, key) = any_price();
    usage_settle(&usage, (unsigned)(any() % 4));
    struct usage again = usage;
    usage_settle(&again, 0);
    assert_memory_equal(&again.cached, &usage.cached, sizeof usage - offsetof(struct usage, cached));
    assert_true(usage.total >= usage.prompt + usage.completion);
    assert_true(usage.cached + usage.cache_write <= usage.prompt);
    struct cost got = usage_cost(&usage, &p, 0), expected = reckon(&usage, &p);
    if (memcmp(&got, &expected, sizeof got))
      fail_msg("number %d: total %lld, expected %lld", i, (long long)got.total, (long long)expected.total);
    saturated += got.total == INT64_MAX;
    // Counts as they came, unsettled, are charged without trouble, too.
    struct cost raw = usage_cost(&given, &p, any());
    assert_true(raw.total >= 0);
  }
  assert_in_range(saturated, 1000, 150000);
}

static int prepare(void **state) {
  (void)state;
  simple = sound_only = PRICING_UNSET;
  simple.prompt = sound_only.prompt = F(3);
  simple.completion = F(15);
  sound_only.audio = F(10);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_costs),
      cmocka_unit_test(test_total_is_rounded_from_the_exact_sum),
      cmocka_unit_test(test_long_prompts),
      cmocka_unit_test(test_hours),
      cmocka_unit_test(test_both_conditions_must_be_met),
      cmocka_unit_test(test_normal_form),
      cmocka_unit_test(test_any_counts_at_any_prices),
  };
  return cmocka_run_group_tests(tests, prepare, NULL);
}
