// Which endpoints stay, in which order, and why.
#include "policy/routing.c"

#include "policy/provider_slug.c"
#include "policy/routing_filters.c"
// after the file under test
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// cmocka wants the three above first
#include <cmocka.h>

#include "routing_world.h"

static struct world w;

// Asks, and compares the providers in order: "a b c"; then, explained, the same.
static void expect(const char *providers) {
  char got[512] = "";
  world_refill(&w);
  assert_true(routing_decide(&w.query, &w.arena, &w.result));
  for (unsigned i = 0; i < w.result.count; i++) {
    struct str id = w.result.candidates[i].endpoint->provider->id;
    struct str tag = w.result.candidates[i].endpoint->tag;
    size_t len = strlen(got);
    snprintf(got + len, sizeof got - len, "%s%.*s%s%.*s", len ? " " : "", STR_ARGS(id), tag.len ? "/" : "",
             (int)tag.len, tag.len ? tag.ptr : "");
  }
  assert_string_equal(got, providers);
  struct routing plain = w.result, all;
  w.query.explain = true;
  assert_true(routing_decide(&w.query, &w.arena, &all));
  w.query.explain = false;
  assert_int_equal(all.count, plain.count);
  for (unsigned i = 0; i < plain.count; i++) {
    const struct routing_candidate *a = &plain.candidates[i], *b = &all.candidates[i];
    assert_ptr_equal(a->endpoint, b->endpoint);
    assert_int_equal(a->band, b->band);
    assert_int_equal(a->place, b->place);
    assert_int_equal(b->filter, ROUTING_FILTER_NONE);
  }
  assert_memory_equal(all.removed, plain.removed, sizeof all.removed);
  unsigned removed = 0;
  for (unsigned i = 0; i < ROUTING_FILTER_COUNT; i++) removed += plain.removed[i];
  assert_int_equal(removed, all.out_count);
  for (unsigned i = 0; i < all.out_count; i++) assert_true(plain.removed[all.candidates[all.count + i].filter] > 0);
  assert_int_equal(plain.last == ROUTING_FILTER_NONE, plain.count > 0 || !all.out_count);
}

static void removed_by(enum routing_filter filter, unsigned count) {
  assert_int_equal(w.result.removed[filter], count);
}

static struct str_list slugs(const char *text) {
  static struct str room[64];
  static size_t used;
  if (used > 48) used = 0;
  struct str rest = str_from_cstr(text), piece;
  size_t from = used;
  while (str_split(&rest, ',', &piece)) room[used++] = piece;
  return (struct str_list){room + from, used - from};
}

// Three providers of one model, sorted by price so that nothing is drawn.
static void three(void) {
  world_free(&w);
  world_init(&w);
  world_model(&w, "m/one");
  world_endpoint(&w, "a", 1);
  world_endpoint(&w, "b", 2);
  world_endpoint(&w, "c", 3);
  w.wish.sort = SORT_PRICE;
}

static void test_lists(void **state) {
  (void)state;
  three();
  expect("a b c");
  w.wish.only = slugs("b,c,nobody");
  expect("b c");
  removed_by(ROUTING_FILTER_PROVIDERS, 1);
  w.house.only = slugs("a,C");  // the house's is a ceiling
  expect("c");
  w.house.ignore = slugs("c");
  expect("");
  assert_int_equal(w.result.last, ROUTING_FILTER_PROVIDERS);
  removed_by(ROUTING_FILTER_PROVIDERS, 3);
  three();
  w.wish.ignore = slugs("b");
  w.house.ignore = slugs("c");
  expect("a");
  three();
  w.wish.only = slugs("");
  expect("");
}

static void test_order(void **state) {
  (void)state;
  three();
  w.wish.order = slugs("c,b");
  expect("c b a");
  assert_int_equal(w.result.candidates[0].place, ROUTING_ORDERED);
  assert_int_equal(w.result.candidates[2].place, ROUTING_BY_PRICE);
  w.wish.order = slugs("c,nobody,C,a");
  expect("c a b");
  w.query.sticky = &w.endpoints[1];  // order is stronger
  expect("c a b");
  w.wish.no_fallbacks = true;
  expect("c a");
  removed_by(ROUTING_FILTER_ORDER, 1);
  w.wish.order = slugs("nobody");
  expect("");
  assert_int_equal(w.result.last, ROUTING_FILTER_ORDER);
  w.wish.no_fallbacks = false;
  expect("a b c");
  w.wish.order = slugs("c,b");
  w.records[2].state = HEALTH_POOR;  // as the caller wishes
  expect("c b a");
  assert_int_equal(w.result.candidates[0].band, ROUTING_BAND_POOR);
  w.records[2].state = HEALTH_BENCHED;
  expect("b a c");
}

static void test_order_of_offers(void **state) {
  (void)state;
  world_free(&w);
  world_init(&w);
  world_model(&w, "m/one");
  static const struct {
    const char *provider, *tag, *region, *quantization;
  } rows[] = {{"deepinfra", "turbo", "", "fp4"},
              {"deepinfra", "", "", "fp8"},
              {"google-vertex", "", "us-east5", ""},
              {"google-vertex", "", "europe-west1", "bf16"}};
  for (unsigned i = 0; i < 4; i++) {
    struct endpoint *e = world_endpoint(&w, rows[i].provider, 4 - i);
    e->tag = str_from_cstr(rows[i].tag);
    e->region = str_from_cstr(rows[i].region);
    e->quantization = str_from_cstr(rows[i].quantization);
  }
  w.providers[1].name = STR("Google");
  w.wish.sort = SORT_PRICE;
  expect("google-vertex/europe-west1 google-vertex/us-east5 deepinfra/fp8 deepinfra/turbo");
  w.wish.only = slugs("DeepInfra");
  expect("deepinfra/fp8 deepinfra/turbo");
  w.wish.only = slugs("deepinfra/fp4,google");
  expect("google-vertex/europe-west1 google-vertex/us-east5 deepinfra/turbo");
  w.wish.only = slugs("deepinfra/FP8,google-vertex/us-east5,google-vertex/bf16");
  expect("google-vertex/europe-west1 google-vertex/us-east5 deepinfra/fp8");
  w.wish.only = slugs("deepinfra/,google-vertex/mars");
  expect("");
  w.wish.only = slugs("deepinfra,google-vertex");
  w.wish.ignore = slugs("deepinfra/turbo,google-vertex/europe-west1");
  expect("google-vertex/us-east5 deepinfra/fp8");
  w.wish.only = w.wish.ignore = (struct str_list){0};
  w.wish.order = slugs("deepinfra/turbo,google-vertex,deepinfra");
  expect("deepinfra/turbo google-vertex/europe-west1 google-vertex/us-east5 deepinfra/fp8");
  w.wish.no_fallbacks = true;
  w.wish.order = slugs("deepinfra/fp8");
  expect("deepinfra/fp8");
  w.house.only = slugs("google-vertex,deepinfra/turbo");
  expect("");
  // A region that only the provider has, and an id with a slash of its own.
  three();
  w.providers[0].region = STR("eu");
  w.providers[1].id = STR("b/x");
  w.wish.only = slugs("a/EU,b/x/fp8,c/eu");
  w.endpoints[1].quantization = STR("fp8");
  expect("a b/x/fp8");
  w.wish.only = slugs("b");
  expect("b/x/fp8");
  w.wish.only = slugs("b/x");
  expect("b/x/fp8");
}

static void test_tiers(void **state) {
  (void)state;
  three();
  w.endpoints[0].tag = STR("Priority");
  w.endpoints[1].tag = STR("flex");
  expect("c");
  removed_by(ROUTING_FILTER_TIER, 2);
  w.wish.only = slugs("a,b");
  expect("");
  assert_int_equal(w.result.last, ROUTING_FILTER_PROVIDERS);
  removed_by(ROUTING_FILTER_TIER, 2);
  w.wish.only = slugs("a/priority,c");
  expect("a/Priority c");
  w.wish.only = slugs("a,a/priority,c");
  expect("a/Priority c");
  w.wish.only = slugs("a/priority,c");
  w.house.ignore = slugs("a");  // not the tier's
  expect("a/Priority c");
  w.house.ignore = slugs("a/priority");
  expect("c");
  w.house.ignore = w.wish.only = (struct str_list){0};
  w.wish.order = slugs("b,b/flex");
  expect("b/flex c");
  w.wish.order = slugs("b");
  expect("c");
  w.wish.order = (struct str_list){0};
  w.query.priority_tier = true;
  expect("a/Priority c");
  w.wish.only = slugs("a,b");
  expect("a/Priority");
  w.query.priority_first = true;
  w.wish.only = slugs("a,b,c");
  w.wish.sort = SORT_PRICE;
  expect("a/Priority c");  // dearer, and first all the same
  w.wish.order = slugs("c");
  expect("c a/Priority");
  w.wish.order = (struct str_list){0};
  w.wish.sort = SORT_NONE;
  w.query.priority_tier = w.query.priority_first = false;
  w.query.flex_tier = true;
  w.wish.sort = SORT_PRICE;
  expect("b/flex c");
  w.query.flex_only = true;
  expect("b/flex");
  w.wish.sort = SORT_NONE;
  w.wish.only = slugs("a,c");  // the model has flex, but not there
  expect("");
  w.query.flex_only = false;
  w.wish.only = slugs("a,b");
  expect("b/flex");
  w.wish.ignore = slugs("b");
  expect("");
}

// Each model's name has its own variant; the same model again has what its variant lets in.
static void test_variants(void **state) {
  (void)state;
  world_free(&w);
  world_init(&w);
  world_model(&w, "m/one");
  world_endpoint(&w, "a", 2);
  struct endpoint *priority = world_endpoint(&w, "a", 4), *flex = world_endpoint(&w, "b", 1);
  priority->tag = STR("priority");
  flex->tag = STR("flex");
  world_endpoint(&w, "c", 0);
  world_model(&w, "m/two");
  world_endpoint(&w, "d", 3);
  const struct endpoint *fast = world_endpoint(&w, "e", 1);
  w.records[5].throughput[HEALTH_P50] = 100;
  w.records[4].throughput[HEALTH_P50] = 10;
  struct routing_variant variants[3] = {{.only_free = true}, {.sort = SORT_THROUGHPUT}, {0}};
  w.query.variants = variants;
  expect("c e d");
  assert_int_equal(w.result.candidates[0].sort, SORT_NONE);
  assert_int_equal(w.result.candidates[1].sort, SORT_THROUGHPUT);
  assert_ptr_equal(w.result.candidates[1].endpoint, fast);
  assert_int_equal(w.result.removed[ROUTING_FILTER_FREE], 1);
  variants[0] = (struct routing_variant){.flex_tier = true, .sort = SORT_PRICE};
  variants[1] = (struct routing_variant){.sort = SORT_PRICE};
  expect("c b/flex a e d");
  // The request's own wishes go before the names'.
  w.wish.sort = SORT_THROUGHPUT;
  variants[1].sort = SORT_PRICE;
  w.records[5].throughput[HEALTH_P50] = 1;
  expect("c b/flex a d e");
  w.wish.order = slugs("e,a");
  expect("a c b/flex e d");
  w.wish.order = (struct str_list){0};
  w.wish.sort = SORT_NONE;
  // Ranked together they are sorted as the first of them says that says it.
  w.wish.across_models = true;
  variants[0].sort = SORT_NONE;
  expect("c b/flex e a d");
  w.wish.across_models = false;
  // The house's wish is for the names that say nothing.
  w.house.sort = SORT_PRICE;
  variants[1].sort = SORT_THROUGHPUT;
  w.records[5].throughput[HEALTH_P50] = 100;
  w.records[4].throughput[HEALTH_P50] = 1;
  w.house.across_models = true;
  expect("c b/flex a e d");
  // The same model once more.
  w.chosen[2] = w.chosen[0];
  w.query.model_count = 3;
  w.house = PREFERENCES_NONE;
  variants[0] = (struct routing_variant){.only_free = true};
  variants[1] = (struct routing_variant){.sort = SORT_PRICE};
  expect("c e d a");
  variants[2].priority_tier = true;
  variants[2].sort = SORT_PRICE;
  expect("c e d a a/priority");
  assert_int_equal(w.result.candidates[3].model, 2);
}

static void test_policies(void **state) {
  (void)state;
  world_free(&w);
  world_init(&w);
  world_model(&w, "m/one");
  static const char *const policies[] = {"zdr", "Training", "no_training", "who knows", "", "Zero Data Retention"};
  static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
  for (unsigned i = 0; i < 6; i++) {
    struct endpoint *e = world_endpoint(&w, names[i], i + 1);
    e->data_policy = str_from_cstr(policies[i]);
    if (i == 4) w.providers[4].data = DATA_STORES;
  }
  w.wish.sort = SORT_PRICE;
  expect("a b c d e f");
  w.wish.deny_collection = true;
  expect("a c e f");
  removed_by(ROUTING_FILTER_TRAINING, 2);
  w.house.zdr = true;
  expect("a f");
  removed_by(ROUTING_FILTER_ZDR, 2);
  w.wish.ignore = slugs("a,f");
  expect("");
  assert_int_equal(w.result.last, ROUTING_FILTER_ZDR);
  w.wish.deny_collection = w.house.zdr = false;
  w.house.deny_collection = true;
  expect("c e");
}

static void test_quantizations(void **state) {
  (void)state;
  three();
  w.endpoints[0].quantization = STR("FP8");
  w.endpoints[1].quantization = STR("awq");
  w.wish.quantizations = 1 << QUANTIZATION_fp8;
  expect("a/FP8");
  w.wish.quantizations |= 1 << QUANTIZATION_unknown;
  expect("a/FP8 b/awq c");
  w.wish.quantizations = 1 << QUANTIZATION_unknown;
  expect("b/awq c");
  w.wish.quantizations = 1 << QUANTIZATION_int4;
  expect("");
  assert_int_equal(w.result.last, ROUTING_FILTER_QUANTIZATION);
}

static void test_prices(void **state) {
  (void)state;
  three();
  w.wish.max_prompt = 2000000000;
  expect("a b");
  w.wish.max_prompt = 1999999999;
  expect("a");
  w.wish.max_prompt = PRICE_UNSET;
  w.wish.max_completion = 0;
  expect("");
  assert_int_equal(w.result.last, ROUTING_FILTER_MAX_PRICE);
  w.endpoints[2].pricing = PRICING_UNSET;  // what has no price costs nothing
  expect("c");
  w.wish.max_completion = PRICE_UNSET;
  w.query.only_free = true;
  expect("c");
  removed_by(ROUTING_FILTER_FREE, 2);
  w.endpoints[2].pricing.request = 1;
  expect("");
  w.query.only_free = false;
  price_femto *const limits[] = {&w.wish.max_request, &w.wish.max_image, &w.wish.max_audio};
  price_femto *const prices[] = {&w.endpoints[0].pricing.request, &w.endpoints[0].pricing.image,
                                 &w.endpoints[0].pricing.audio};
  for (unsigned i = 0; i < 3; i++) {
    *prices[i] = 100;
    *limits[i] = 99;
    expect("c b");
    *limits[i] = 100;
    expect("c a b");
    *limits[i] = PRICE_UNSET;
  }
}

static void test_length(void **state) {
  (void)state;
  three();
  w.endpoints[0].context_length = 1000;
  w.endpoints[1].max_prompt_tokens = 500;
  w.facts = (struct request_facts){.prompt_tokens = 500, .prompt_tokens_least = 250};
  expect("a b c");
  w.facts = (struct request_facts){.prompt_tokens = 501, .prompt_tokens_least = 250};
  expect("a c b");
  assert_int_equal(w.result.candidates[2].band, ROUTING_BAND_UNFIT);
  w.facts = (struct request_facts){.prompt_tokens = 1002, .prompt_tokens_least = 501};
  expect("c a");
  removed_by(ROUTING_FILTER_CONTEXT, 1);
  w.facts = (struct request_facts){.prompt_tokens = 4000, .prompt_tokens_least = 2000};
  expect("c");
  // max_tokens: only while somebody is left
  three();
  w.endpoints[0].max_completion_tokens = 100;
  w.endpoints[1].max_completion_tokens = 200;
  w.facts.max_tokens = 101;
  expect("b c");
  removed_by(ROUTING_FILTER_OUTPUT, 1);
  w.endpoints[2].max_completion_tokens = 50;
  w.facts.max_tokens = 1000;
  expect("a b c");
  removed_by(ROUTING_FILTER_OUTPUT, 0);
}

static void test_abilities(void **state) {
  (void)state;
  three();
  w.endpoints[0].input_modalities = MODALITY_BIT(text);
  w.endpoints[1].input_modalities = MODALITY_BIT(text) | MODALITY_BIT(image);
  w.facts.input_modalities = MODALITY_BIT(image);
  expect("b c");
  removed_by(ROUTING_FILTER_INPUT_MODALITY, 1);
  w.facts = (struct request_facts){.output_modalities = MODALITY_BIT(audio)};
  w.endpoints[2].output_modalities = MODALITY_BIT(text);
  expect("a b");
  removed_by(ROUTING_FILTER_OUTPUT_MODALITY, 1);

  three();
  w.endpoints[0].parameters = NAME_BIT(max_completion_tokens) | NAME_BIT(reasoning) | NAME_BIT(top_k);
  w.endpoints[1].parameters = NAME_BIT(max_tokens) | NAME_BIT(tools);
  w.facts.parameters = NAME_BIT(max_tokens);
  w.wish.require_parameters = true;
  expect("a b c");
  w.facts.parameters |= NAME_BIT(reasoning_effort);
  expect("a c");
  removed_by(ROUTING_FILTER_PARAMETERS, 1);
  w.facts.parameters |= NAME_BIT(top_a);
  expect("c");
  w.wish.require_parameters = false;
  expect("a b c");
  w.facts.tools = true;  // tools are known at b, perhaps at c, not at a
  expect("b c a");
  assert_int_equal(w.result.candidates[2].band, ROUTING_BAND_UNFIT);
  w.facts = (struct request_facts){.parameters = NAME_BIT(response_format)};  // known at neither, perhaps at c
  expect("c a b");
  w.endpoints[1].parameters |= NAME_BIT(structured_outputs);
  expect("b c a");
  w.facts.parameters |= NAME_BIT(verbosity);
  expect("c a b");
  w.facts.parameters = NAME_BIT(top_a);  // only a wish
  expect("a b c");
}

static void test_sorts(void **state) {
  (void)state;
  three();
  w.wish.sort = SORT_THROUGHPUT;
  w.records[0].throughput[0] = 10;
  w.records[1].throughput[0] = 100;
  w.records[2].throughput[0] = 50;
  expect("b c a");
  assert_int_equal(w.result.candidates[0].place, ROUTING_SORTED);
  w.records[2].throughput[0] = 0;
  expect("c b a");
  assert_int_equal(w.result.candidates[0].place, ROUTING_UNMEASURED);
  w.records[1].throughput[0] = 0;
  expect("b c a");
  w.wish.sort = SORT_LATENCY;
  for (int i = 0; i < 3; i++) w.records[i].latency[0] = 300 - 100 * i;
  expect("c b a");
  w.records[0].latency[0] = 0;
  expect("a c b");
  w.query.health = NULL;
  expect("a b c");
  w.query.health = &w.health;

  three();
  w.wish.sort = SORT_EXACTO;
  w.endpoints[0].quantization = STR("fp4");
  w.endpoints[1].quantization = STR("fp8");
  struct endpoint *d = world_endpoint(&w, "d", 9);
  d->quantization = STR("bf16");
  for (int i = 0; i < 4; i++) w.records[i].throughput[0] = 10;
  expect("c d/bf16 b/fp8 a/fp4");
}

static void test_house_sort(void **state) {
  (void)state;
  three();
  w.wish.sort = SORT_NONE;
  w.house.sort = SORT_PRICE;
  for (w.query.seed = 0; w.query.seed < 50; w.query.seed++) expect("a b c");
  w.records[0].state = HEALTH_DEGRADED;  // nobody's explicit wish: it goes back
  expect("b c a");
  w.wish.sort = SORT_PRICE;
  expect("a b c");
  w.wish.order = slugs("c");
  expect("c a b");
}

static void test_models(void **state) {
  (void)state;
  three();
  world_model(&w, "m/two");
  world_endpoint(&w, "d", 1);
  world_endpoint(&w, "a", 2);
  w.endpoints[0].pricing.prompt = w.endpoints[0].pricing.completion = 5000000000;
  expect("b c a d a");
  assert_int_equal(w.result.candidates[3].model, 1);
  w.records[1].state = HEALTH_BENCHED;
  w.records[1].until = 2000;
  w.records[3].state = HEALTH_BENCHED;
  w.records[3].until = 1000;
  expect("c a a d b");  // the first to come back is the first of the benched
  w.wish.across_models = true;
  expect("a c a d b");
  assert_int_equal(w.result.candidates[0].model, 1);
  w.records[1].state = w.records[3].state = HEALTH_UP;
  expect("d b a c a");
  w.wish.no_fallbacks = true;
  expect("d b");  // of each model one
  removed_by(ROUTING_FILTER_FALLBACKS, 3);
  w.wish.across_models = false;
  expect("b d");
  w.chosen[1] = w.chosen[0];  // named twice
  expect("b");
  w.wish.no_fallbacks = false;
  w.wish.order = slugs("d,a");
  w.chosen[1] = &w.models[1];
  expect("a b c d a");
}

static void test_bands(void **state) {
  (void)state;
  three();
  world_endpoint(&w, "d", 4);
  world_endpoint(&w, "e", 5);
  world_endpoint(&w, "f", 6);
  w.wish.sort = SORT_NONE;
  w.wish.min_throughput = (struct cutoffs){true, {50, 0, 20, 0}};
  w.records[0].throughput[HEALTH_P50] = 60;
  w.records[0].throughput[HEALTH_P90] = 19;  // slow
  w.records[1].state = HEALTH_POOR;
  w.records[2].state = HEALTH_DEGRADED;
  w.endpoints[3].context_length = 1;  // unfit
  w.facts.prompt_tokens = 2;
  w.records[5].state = HEALTH_PROBING;
  expect("e a d c b f");
  static const uint8_t bands[] = {ROUTING_BAND_GOOD,     ROUTING_BAND_SLOW, ROUTING_BAND_UNFIT,
                                  ROUTING_BAND_DEGRADED, ROUTING_BAND_POOR, ROUTING_BAND_BENCHED};
  for (unsigned i = 0; i < 6; i++) assert_int_equal(w.result.candidates[i].band, bands[i]);
  w.wish.max_latency = (struct cutoffs){true, {0, 0, 0, 2.5}};
  w.records[4].latency[HEALTH_P50] = 1;
  w.records[4].latency[HEALTH_P99] = 2500;
  expect("e a d c b f");
  w.records[4].latency[HEALTH_P99] = 2501;
  w.wish.sort = SORT_PRICE;  // of the bands of health only the last remains
  expect("b c a e d f");
  w.wish.order = slugs("e,c,d");  // the order goes before what is only preferred, but not before what cannot be
  expect("e c b a d f");
  w.wish.order = (struct str_list){0};
  w.query.sticky = &w.endpoints[4];  // slow is good enough
  expect("e b c a d f");
  assert_int_equal(w.result.candidates[0].place, ROUTING_STICKY);
  w.query.sticky = &w.endpoints[3];
  expect("b c a e d f");
  w.query.sticky = &w.endpoints[5];
  expect("b c a e d f");
}

static void test_benches(void **state) {
  (void)state;
  three();
  w.wish.sort = SORT_NONE;
  w.provider_records[0] = (struct health_record){.state = HEALTH_BENCHED, .until = 300};
  w.key_records[1] = (struct health_record){.state = HEALTH_BENCHED, .until = 200};
  w.records[2] = (struct health_record){.state = HEALTH_BENCHED, .until = 100};
  expect("c b a");
  for (unsigned i = 0; i < 3; i++) assert_int_equal(w.result.candidates[i].band, ROUTING_BAND_BENCHED);
  w.records[2].state = HEALTH_UP;
  expect("c b a");
  w.provider_records[0].state = HEALTH_UP;
  w.query.seed = 1;
  // One of two keys is enough.
  struct health_record *two[] = {&w.key_records[1], &w.key_records[2]};
  w.providers[1].key_count = 2;
  w.keys_at[1] = two;
  w.wish.sort = SORT_PRICE;
  expect("a b c");
  w.key_records[2] = (struct health_record){.state = HEALTH_BENCHED, .until = 50};
  w.key_records[1].until = 400;
  w.records[0] = (struct health_record){.state = HEALTH_BENCHED, .until = 100};
  w.keys_at[2] = NULL;
  w.at[2] = w.providers_at[2] = NULL;
  expect("c b a");  // the first key comes back at 50
}

static void test_places(void **state) {
  (void)state;
  world_free(&w);
  world_init(&w);
  world_model(&w, "m/one");
  char ids[40][4];
  for (unsigned i = 0; i < 40; i++) {
    snprintf(ids[i], sizeof ids[i], "p%u", i);
    world_endpoint(&w, ids[i], 40 - i);
  }
  w.wish.sort = SORT_PRICE;
  w.query.max = 3;
  expect("p39 p38 p37");
  removed_by(ROUTING_FILTER_PLACES, 37);
  w.query.max = 0;
  assert_true(routing_decide(&w.query, &w.arena, &w.result));
  assert_int_equal(w.result.count, 40);
  w.query.model_count = 0;
  expect("");
  assert_int_equal(w.result.last, ROUTING_FILTER_NONE);
}

// --- the draw ---

static unsigned drawn_first(unsigned *counts, uint64_t draws) {
  unsigned ok = 0;
  static char room[4096];  // the arena is begun anew, so that a million draws take no memory
  for (uint64_t i = 0; i < draws; i++) {
    w.arena.at = room;
    w.arena.end = room + sizeof room;
    w.query.seed = i;
    if (!routing_decide(&w.query, &w.arena, &w.result)) break;
    ok++;
    counts[w.result.candidates[0].endpoint->index]++;
  }
  w.arena.at = w.arena.end = NULL;
  return ok;
}

// A million draws beside what the weights say: within five standard deviations.
static void test_draw_follows_the_weights(void **state) {
  (void)state;
  enum { DRAWS = 1000000, N = 5 };
  world_free(&w);
  world_init(&w);
  world_model(&w, "m/one");
  static const unsigned prices[N] = {1, 2, 3, 7, 30};
  static const char *const names[N] = {"a", "b", "c", "d", "e"};
  unsigned counts[N] = {0};
  double total = 0, chi = 0;
  for (unsigned i = 0; i < N; i++) {
    world_endpoint(&w, names[i], prices[i]);
    total += 1.0 / (prices[i] * prices[i]);
  }
  assert_int_equal(drawn_first(counts, DRAWS), DRAWS);
  for (unsigned i = 0; i < N; i++) {
    double share = 1.0 / (prices[i] * prices[i]) / total, expected = share * DRAWS;
    double off = counts[i] - expected;
    if (off * off > 25 * expected * (1 - share))
      fail_msg("%s was drawn %u times of a million, expected %.0f", names[i], counts[i], expected);
    chi += off * off / expected;
  }
  assert_true(chi < 23.5);  // 4 degrees of freedom: p = 1e-4
  w.query.explain = true;
  assert_true(routing_decide(&w.query, &w.arena, &w.result));
  for (unsigned i = 0; i < w.result.count; i++) {
    unsigned at = w.result.candidates[i].endpoint->index;
    assert_true(fabs(w.result.candidates[i].weight - 1.0 / (prices[at] * prices[at]) / total) < 1e-12);
    assert_int_equal(w.result.candidates[i].place, i ? ROUTING_BY_PRICE : ROUTING_DRAWN);
    if (i > 1) assert_true(at > w.result.candidates[i - 1].endpoint->index);
  }
}

static void test_draw_is_the_same_for_a_seed(void **state) {
  (void)state;
  three();
  w.wish.sort = SORT_NONE;
  world_model(&w, "m/two");
  world_endpoint(&w, "d", 1);
  world_endpoint(&w, "e", 1);
  unsigned firsts[2][2] = {{0}};
  for (w.query.seed = 0; w.query.seed < 400; w.query.seed++) {
    struct routing a, b;
    assert_true(routing_decide(&w.query, &w.arena, &a));
    assert_true(routing_decide(&w.query, &w.arena, &b));
    assert_int_equal(a.count, 5);
    for (unsigned i = 0; i < 5; i++) assert_ptr_equal(a.candidates[i].endpoint, b.candidates[i].endpoint);
    firsts[a.candidates[0].endpoint->index == 0][a.candidates[3].endpoint->index == 3]++;
  }
  // What is drawn of one model tells nothing of the next.
  for (unsigned i = 0; i < 4; i++) assert_true(firsts[i / 2][i % 2] > 20);
}

static void test_draw_of_free_ones(void **state) {
  (void)state;
  three();
  w.wish.sort = SORT_NONE;
  for (int i = 1; i < 3; i++) w.endpoints[i].pricing.prompt = w.endpoints[i].pricing.completion = 0;
  world_refill(&w);
  unsigned counts[3] = {0};
  drawn_first(counts, 10000);
  assert_int_equal(counts[0], 0);
  assert_true(counts[1] > 4700);
  assert_true(counts[2] > 4700);
  assert_ptr_equal(w.result.candidates[2].endpoint, &w.endpoints[0]);
  w.query.explain = true;
  assert_true(routing_decide(&w.query, &w.arena, &w.result));
  assert_true(w.result.candidates[0].weight == 0.5);
  assert_true(w.result.candidates[2].weight == 0);
}

static void test_draw_stays_in_its_band(void **state) {
  (void)state;
  three();
  w.wish.sort = SORT_NONE;
  w.records[0].state = HEALTH_DEGRADED;
  unsigned counts[3] = {0};
  drawn_first(counts, 10000);
  assert_int_equal(counts[0], 0);
  assert_in_range(counts[2], 2800, 3350);  // 4/13
  // Nobody is well: they are drawn all the same.
  for (int i = 0; i < 3; i++) w.records[i].state = HEALTH_DEGRADED;
  memset(counts, 0, sizeof counts);
  drawn_first(counts, 10000);
  assert_in_range(counts[0], 7100, 7600);  // 36/49
  w.query.sticky = &w.endpoints[2];        // not from a worse band than slow
  memset(counts, 0, sizeof counts);
  drawn_first(counts, 1000);
  assert_true(counts[0] > 600);
  for (int i = 0; i < 3; i++) w.records[i].state = HEALTH_UP;
  memset(counts, 0, sizeof counts);
  drawn_first(counts, 1000);
  assert_int_equal(counts[2], 1000);
  expect("c a b");
}

static void test_no_memory(void **state) {
  (void)state;
  three();
  bool done = false;
  for (size_t max = 1; !done; max += 16) {
    struct arena arena = {.max = max, .chunk_size = 16};
    done = routing_decide(&w.query, &arena, &w.result);
    arena_free(&arena);
    assert_true(max < 100000);
  }
}

static void test_names_of_filters(void **state) {
  (void)state;
  assert_string_equal(routing_filter_name(ROUTING_FILTER_ZDR), "data_policy:zdr");
  for (unsigned i = 1; i < ROUTING_FILTER_COUNT; i++) {
    assert_true(*routing_filter_name((enum routing_filter)i));
    assert_true(*routing_filter_reason((enum routing_filter)i));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lists),
      cmocka_unit_test(test_order),
      cmocka_unit_test(test_order_of_offers),
      cmocka_unit_test(test_tiers),
      cmocka_unit_test(test_variants),
      cmocka_unit_test(test_policies),
      cmocka_unit_test(test_quantizations),
      cmocka_unit_test(test_prices),
      cmocka_unit_test(test_length),
      cmocka_unit_test(test_abilities),
      cmocka_unit_test(test_sorts),
      cmocka_unit_test(test_house_sort),
      cmocka_unit_test(test_models),
      cmocka_unit_test(test_bands),
      cmocka_unit_test(test_benches),
      cmocka_unit_test(test_places),
      cmocka_unit_test(test_draw_follows_the_weights),
      cmocka_unit_test(test_draw_is_the_same_for_a_seed),
      cmocka_unit_test(test_draw_of_free_ones),
      cmocka_unit_test(test_draw_stays_in_its_band),
      cmocka_unit_test(test_no_memory),
      cmocka_unit_test(test_names_of_filters),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  world_free(&w);
  return failed;
}
