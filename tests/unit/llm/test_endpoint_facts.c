// What routing asks of endpoints: words for what becomes of prompts, prices, tags, and the names of bits.
#include "llm/endpoint_facts.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// cmocka wants the three above first
#include <cmocka.h>

#include "llm/names.h"
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
                       .max_completion_tokens = 5};
  struct facts_source source = {.parameters = 3, .input_modalities = 4, .output_modalities = 5};
  endpoint_facts_fill(&e, &source);
  assert_true(str_eq(e.tag, STR("us-east5")));
  assert_int_equal(e.facts.parameters, 3);
  assert_int_equal(e.facts.input_modalities, 4);
  assert_int_equal(e.facts.output_modalities, 5);
  assert_int_equal(e.facts.quantization, QUANTIZATION_fp8);
  assert_int_equal(e.facts.data, DATA_STORES);
  assert_int_equal(e.facts.tier, TIER_STANDARD);
  e.region = e.tag = (struct str){0};
  e.data_policy = STR("nobody knows");
  endpoint_facts_fill(&e, &source);
  assert_true(str_eq(e.tag, STR("FP8")));
  assert_int_equal(e.facts.data, DATA_UNKNOWN);
  e.tag = STR("Flex");
  e.quantization = STR("awq");
  endpoint_facts_fill(&e, &source);
  assert_true(str_eq(e.tag, STR("Flex")));
  assert_int_equal(e.facts.tier, TIER_FLEX);
  assert_int_equal(e.facts.quantization, QUANTIZATION_unknown);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bits_are_the_catalogues),
      cmocka_unit_test(test_policies),
      cmocka_unit_test(test_price),
      cmocka_unit_test(test_fill),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
