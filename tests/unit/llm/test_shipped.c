// The shipped rows are sound: sorted, complete, every number readable, every provider known.
#include "llm/shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants the three above first.
#include <cmocka.h>

#include "provider/table.h"

static bool sorted(const char *a, const char *b) {
  return strcmp(a, b) < 0;
}

static void test_models(void **state) {
  (void)state;
  assert_true(shipped_model_count >= 200);
  size_t endpoints = 0;
  for (size_t i = 0; i < shipped_model_count; i++) {
    const struct shipped_model *m = &shipped_models[i];
    if (i && !sorted(shipped_models[i - 1].id, m->id)) fail_msg("%s is out of order", m->id);
    assert_ptr_equal(shipped_find(str_from_cstr(m->id)), m);
    if (str_find_char(str_from_cstr(m->id), '/', 0) == SIZE_MAX) fail_msg("%s has no author", m->id);
    if (m->first_endpoint != endpoints || !m->endpoint_count) fail_msg("%s: endpoints", m->id);
    endpoints += m->endpoint_count;
    if (!m->context || !(m->input & 1) || !(m->output & 1) || !*m->name) fail_msg("%s is not complete", m->id);
    if (!shipped_tokenizer(m).len) fail_msg("%s: tokenizer", m->id);
    if (m->knowledge && strlen(m->knowledge) != 10) fail_msg("%s: knowledge %s", m->id, m->knowledge);
  }
  assert_null(shipped_find(STR("openai/gpt-4o-minus")));
  assert_int_equal(strlen(shipped_date), 10);
}

static void test_endpoints(void **state) {
  (void)state;
  for (size_t i = 0; i < shipped_model_count; i++) {
    const struct shipped_model *m = &shipped_models[i];
    for (size_t k = 0; k < m->endpoint_count; k++) {
      const struct shipped_endpoint *e = &shipped_endpoints_of(m)[k];
      if (!provider_row_find(shipped_provider(e->provider)))
        fail_msg("%s: no provider %.*s", m->id, STR_ARGS(shipped_provider(e->provider)));
      struct pricing p;
      struct price_override over[SHIPPED_OVERRIDES_MAX];
      shipped_pricing(e, &p, over);
      if (p.prompt < 0 || p.completion < 0)
        fail_msg("%s: price at %.*s", m->id, STR_ARGS(shipped_provider(e->provider)));
      // A dollar a token would be a slip of six places.
      if (p.prompt > 1000000000000 || p.completion > 1000000000000) fail_msg("%s is dear: %s", m->id, e->prices);
      if (shipped_parameter(0).len && e->parameters >> 26) fail_msg("%s: unknown parameter bit", m->id);
    }
  }
}

static void test_known_facts(void **state) {
  (void)state;
  const struct shipped_model *mini = shipped_find(STR("openai/gpt-4o-mini")), *other = NULL;
  assert_non_null(mini);
  const struct shipped_endpoint *first = shipped_endpoints_of(mini);
  assert_true(str_eq(shipped_provider(first->provider), STR("openai")));
  assert_string_equal(first->upstream, "gpt-4o-mini");
  assert_int_equal(first->context, 128000);
  assert_int_equal(first->max_output, 16384);
  struct pricing p;
  struct price_override over[SHIPPED_OVERRIDES_MAX];
  shipped_pricing(first, &p, over);
  assert_int_equal(p.prompt, 150000000);
  assert_int_equal(p.completion, 600000000);
  assert_int_equal(p.input_cache_read, 75000000);
  assert_true(p.input_cache_write == PRICE_UNSET);
  assert_int_equal(p.override_count, 0);
  assert_ptr_equal(shipped_find_upstream(STR("openai"), STR("gpt-4o-mini"), &other), first);
  assert_ptr_equal(other, mini);
  assert_null(shipped_find_upstream(STR("groq"), STR("gpt-4o-mini"), &other));
}

// Longer prompts cost more, at each step, and a step changes what is asked of every request.
static void check_steps(const struct shipped_model *m, const struct pricing *p) {
  const struct pricing *before = p;
  uint64_t tokens = 0;
  for (size_t i = 0; i < p->override_count; i++) {
    const struct price_override *o = &p->overrides[i];
    if (o->timed || o->min_prompt_tokens <= tokens) fail_msg("%s: steps are out of order", m->id);
    if (o->prices.prompt == PRICE_UNSET || o->prices.completion == PRICE_UNSET) fail_msg("%s: half a step", m->id);
    if (o->prices.prompt < before->prompt || o->prices.prompt > 100 * p->prompt) fail_msg("%s: a strange step", m->id);
    tokens = o->min_prompt_tokens;
    before = &o->prices;
  }
}

static void test_steps_for_long_prompts(void **state) {
  (void)state;
  size_t count = 0;
  for (size_t i = 0; i < shipped_model_count; i++) {
    const struct shipped_model *m = &shipped_models[i];
    for (size_t k = 0; k < m->endpoint_count; k++) {
      struct pricing p;
      struct price_override over[SHIPPED_OVERRIDES_MAX];
      shipped_pricing(&shipped_endpoints_of(m)[k], &p, over);
      check_steps(m, &p);
      count += p.override_count;
    }
  }
  assert_in_range(count, 20, 500);
  const struct shipped_model *pro = NULL;
  const struct shipped_endpoint *e = shipped_find_upstream(STR("google-ai-studio"), STR("gemini-2.5-pro"), &pro);
  assert_non_null(e);
  struct pricing p;
  struct price_override over[SHIPPED_OVERRIDES_MAX];
  shipped_pricing(e, &p, over);
  assert_int_equal(p.prompt, 1250000000);
  assert_int_equal(p.override_count, 1);
  assert_int_equal(over[0].min_prompt_tokens, 200000);
  assert_int_equal(over[0].prices.prompt, 2500000000);
  assert_int_equal(over[0].prices.completion, 15000000000);
  assert_int_equal(over[0].prices.input_cache_read, 250000000);
  assert_true(over[0].prices.audio == PRICE_UNSET);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_models),
      cmocka_unit_test(test_endpoints),
      cmocka_unit_test(test_known_facts),
      cmocka_unit_test(test_steps_for_long_prompts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
