// What routing asks of endpoints: words for what becomes of prompts, prices, tags, and the names of bits.
#include "llm/endpoint_facts.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// cmocka wants the three above first
#include <cmocka.h>

#include "llm/shipped.h"

static void test_bits_are_the_catalogues(void **state) {
  (void)state;
  static const char *const parameters[] = {
#define NAMES_TEXT(name) #name,
      NAMES_OF_PARAMETERS(NAMES_TEXT)};
  static const char *const modalities[] = {NAMES_OF_MODALITIES(NAMES_TEXT)};
#undef NAMES_TEXT
  for (unsigned i = 0; i < NAMES_PARAMETER_COUNT; i++)
    assert_true(str_eq(shipped_parameter(i), str_from_cstr(parameters[i])));
  assert_null(shipped_parameter(NAMES_PARAMETER_COUNT).ptr);
  for (unsigned i = 0; i < NAMES_MODALITY_COUNT; i++)
    assert_true(str_eq(shipped_modality(i), str_from_cstr(modalities[i])));
  assert_null(shipped_modality(NAMES_MODALITY_COUNT).ptr);
}

static void test_policies(void **state) {
  (void)state;
  static const struct {
    const char *text;
    enum data_policy policy;
  } rows[] = {
      {"zdr", DATA_NOTHING},
      {"ZDR", DATA_NOTHING},
      {" None ", DATA_NOTHING},
      {"zero_retention", DATA_NOTHING},
      {"No-Retention", DATA_NOTHING},
      {"no-training", DATA_STORES},
      {"NO_TRAINING", DATA_STORES},
      {"no training", DATA_STORES},
      {"stores", DATA_STORES},
      {"retains", DATA_STORES},
      {"deny", DATA_STORES},
      {"training", DATA_TRAINS},
      {"trains", DATA_TRAINS},
      {"collect", DATA_TRAINS},
      {"allow", DATA_TRAINS},
      {"", DATA_UNKNOWN},
      {"zdrs", DATA_UNKNOWN},
      {"zd", DATA_UNKNOWN},
      {"see our web page", DATA_UNKNOWN},
  };
  for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
    if (data_policy_parse(str_from_cstr(rows[i].text)) != rows[i].policy) fail_msg("%s", rows[i].text);
}

static void test_price(void **state) {
  (void)state;
  struct pricing p = PRICING_UNSET;
  assert_true(endpoint_price(&p) == 0);
  p.prompt = 1000000000;  // 1e-6
  p.completion = 5000000000;
  double price = endpoint_price(&p);
  assert_true(price > 1.999e-6 && price < 2.001e-6);
  p.request = 1000000000000;  // 0.001 USD, over 1,000 tokens another 1e-6
  price = endpoint_price(&p);
  assert_true(price > 2.999e-6 && price < 3.001e-6);
}

static void test_fill(void **state) {
  (void)state;
  struct provider provider = {.data = DATA_STORES};
  struct endpoint e = {.provider = &provider,
                       .pricing = PRICING_UNSET,
                       .region = STR("us-east5"),
                       .quantization = STR("FP8"),
                       .max_completion_tokens = 5,
                       .input_modalities = MODALITY_BIT(text),
                       .parameters = NAME_BIT(tools)};
  e.pricing.prompt = 7;
  endpoint_facts_fill(&e);
  assert_true(str_eq(e.tag, STR("us-east5")));
  uint64_t lacks_input = TRAITS(LACKS_INPUT, ((1u << NAMES_MODALITY_COUNT) - 1) & ~MODALITY_BIT(text));
  assert_true(e.facts.traits == (TRAIT_OF_QUANTIZATION(fp8) | TRAIT(MAY_KEEP) | lacks_input));
  assert_int_equal(e.facts.lacks, parameters_lacking(NAME_BIT(tools)));
  assert_int_equal(e.facts.may_lack, 0);
  assert_int_equal(e.facts.prompt_price, 7);
  assert_true(e.facts.completion_price == PRICE_UNSET);
  assert_int_equal(e.facts.prompt_tokens_max, UINT32_MAX);
  assert_int_equal(e.facts.completion_tokens_max, 5);
  e.region = e.tag = (struct str){0};
  e.data_policy = STR("nobody knows");
  e.input_modalities = 0;
  e.parameters_shipped = true;
  e.max_prompt_tokens = 400;
  e.context_length = (uint64_t)1 << 40;
  e.pricing.image = 0;
  endpoint_facts_fill(&e);
  assert_true(str_eq(e.tag, STR("FP8")));
  assert_true(e.facts.traits == (TRAIT_OF_QUANTIZATION(fp8) | TRAIT(MAY_KEEP) | TRAIT(MAY_TRAIN) | TRAIT(RARE_PRICES)));
  assert_int_equal(e.facts.lacks, 0);
  assert_int_equal(e.facts.may_lack, parameters_lacking(NAME_BIT(tools)));
  assert_int_equal(e.facts.prompt_tokens_max, 400);
  e.tag = STR("Flex");
  e.quantization = STR("awq");
  e.data_policy = STR("zdr");
  e.max_prompt_tokens = 0;
  endpoint_facts_fill(&e);
  assert_true(str_eq(e.tag, STR("Flex")));
  assert_true(e.facts.traits == (TRAIT_OF_QUANTIZATION(unknown) | TRAIT(FLEX) | TRAIT(RARE_PRICES)));
  assert_int_equal(e.facts.prompt_tokens_max, UINT32_MAX);  // so many that it does not matter
}

static void test_parameters(void **state) {
  (void)state;
  static const struct {
    uint32_t sent, known;
    bool lacking;
  } cases[] = {
      {0, NAME_BIT(tools), false},
      {NAME_BIT(tools), 0, false},  // nothing is known
      {NAME_BIT(tools), NAME_BIT(tools), false},
      {NAME_BIT(tools) | NAME_BIT(seed), NAME_BIT(tools), true},
      {NAME_BIT(max_tokens), NAME_BIT(max_completion_tokens), false},
      {NAME_BIT(max_completion_tokens), NAME_BIT(max_tokens), false},
      {NAME_BIT(max_tokens), NAME_BIT(tools), true},
      {NAME_BIT(reasoning_effort) | NAME_BIT(response_format), NAME_BIT(include_reasoning), true},
      {NAME_BIT(reasoning_effort) | NAME_BIT(structured_outputs),
       NAME_BIT(include_reasoning) | NAME_BIT(response_format), false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal((parameters_needed(cases[i].sent) & parameters_lacking(cases[i].known)) != 0, cases[i].lacking);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bits_are_the_catalogues),
      cmocka_unit_test(test_policies),
      cmocka_unit_test(test_price),
      cmocka_unit_test(test_fill),
      cmocka_unit_test(test_parameters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
