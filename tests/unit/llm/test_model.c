// Looking up ids, and what is suggested for those that do not exist.
#include "llm/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the three above first.
#include <cmocka.h>

static const struct model models[] = {
    {.id = {"anthropic/claude-opus-4.1", 25}},
    {.id = {"anthropic/claude-sonnet-4.5", 27}},
    {.id = {"gpt-4o-mini", 11}},
    {.id = {"mistralai/mistral-large-2512", 28}},
    {.id = {"openai/gpt-4o", 13}},
    {.id = {"openai/gpt-4o-mini", 18}},
    {.id = {"openai/o3", 9}},
    {.id = {"x-ai/grok-4", 11}},
};
static const struct provider providers[] = {{.id = {"openai", 6}}, {.id = {"groq", 4}}};
static const struct catalogue catalogue = {
    .models = models,
    .model_count = sizeof models / sizeof *models,
    .providers = providers,
    .provider_count = 2,
};

static void test_find(void **state) {
  (void)state;
  for (size_t i = 0; i < catalogue.model_count; i++) {
    assert_ptr_equal(catalogue_find(&catalogue, models[i].id), &models[i]);
  }
  assert_null(catalogue_find(&catalogue, STR("openai/gpt-4")));
  assert_null(catalogue_find(&catalogue, STR("openai/gpt-4o-minis")));
  assert_null(catalogue_find(&catalogue, STR("a")));
  assert_null(catalogue_find(&catalogue, STR("zz")));
  assert_null(catalogue_find(&catalogue, (struct str){0}));
  assert_null(catalogue_find(&(struct catalogue){0}, STR("openai/o3")));
}

static void test_provider(void **state) {
  (void)state;
  assert_ptr_equal(catalogue_provider(&catalogue, STR("groq")), &providers[1]);
  assert_null(catalogue_provider(&catalogue, STR("Groq")));
  assert_null(catalogue_provider(&catalogue, STR("")));
}

static const struct {
  const char *asked, *suggested;  // "" for nothing
} guesses[] = {
    {"openai/gpt-4o-mni", "openai/gpt-4o-mini"},
    {"openai/gpt4o", "openai/gpt-4o"},
    {"OpenAI/GPT-4o", "openai/gpt-4o"},
    {"openai/gpt-4o:free", "openai/gpt-4o"},
    {"openai/gpt-4o-mini:nitro", "openai/gpt-4o-mini"},
    {"gpt-4o", "openai/gpt-4o"},
    {"claude-sonnet-4.5", "anthropic/claude-sonnet-4.5"},
    {"claude-sonnet-4-5", "anthropic/claude-sonnet-4.5"},
    {"google/gpt-4o", "openai/gpt-4o"},
    {"xai/grok-4", "x-ai/grok-4"},
    {"grok-4", "x-ai/grok-4"},
    {"mistral-large-2411", "mistralai/mistral-large-2512"},
    {"something-else-entirely", ""},
    {"openai/whisper-large", ""},
    {"", ""},
    {":free", ""},
    {"/", ""},
};

static void test_nearest(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof guesses / sizeof *guesses; i++) {
    struct str got = catalogue_nearest(&catalogue, str_from_cstr(guesses[i].asked));
    if (!str_eq(got, str_from_cstr(guesses[i].suggested)))
      fail_msg("\"%s\": \"%.*s\"", guesses[i].asked, STR_ARGS(got));
  }
}

static void test_nearest_of_long_and_odd_ids(void **state) {
  (void)state;
  char *text = malloc(100000);
  memset(text, 'a', 100000);
  assert_int_equal(catalogue_nearest(&catalogue, str_from(text, 100000)).len, 0);
  for (size_t len = 1; len < 200; len++) {  // exact allocations, so that a read behind the end is seen
    char *odd = malloc(len);
    memset(odd, (int)(len % 251), len);
    (void)catalogue_nearest(&catalogue, str_from(odd, len));
    free(odd);
  }
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_find),
      cmocka_unit_test(test_provider),
      cmocka_unit_test(test_nearest),
      cmocka_unit_test(test_nearest_of_long_and_odd_ids),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
