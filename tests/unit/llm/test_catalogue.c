// What a configuration becomes: providers, models, endpoints, and the problems it has.
#include "llm/catalogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
// cmocka wants the four above first.
#include <cmocka.h>

#include "llm/endpoint_facts.h"
#include "llm/shipped.h"
#include "provider/table.h"

struct fixture {
  struct arena arena;
  struct config config;
  struct catalogue catalogue;
  struct config_problems problems;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  f->config = (struct config){.path = STR("test.yaml"),
                              .demo = true,
                              .upstream_connect_timeout_ms = 1,
                              .upstream_first_byte_timeout_ms = 2,
                              .upstream_idle_timeout_ms = 3,
                              .upstream_total_timeout_ms = 4};
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  arena_free(&f->arena);
  free(f);
  return 0;
}

static bool build(struct fixture *f) {
  return catalogue_build(&f->arena, &f->config, &f->catalogue, &f->problems);
}

static struct api_key_secret one_key = {{"sk-test", 7}, 1};

static struct config_provider with_key(struct str id) {
  return (struct config_provider){.id = id, .keys = &one_key, .key_count = 1, .line = 10};
}

static struct config_endpoint endpoint(struct str provider, struct str model) {
  return (struct config_endpoint){.provider = provider, .model = model, .pricing = PRICING_UNSET, .line = 20};
}

static void assert_problem(const struct fixture *f, const char *part) {
  for (size_t i = 0; i < f->problems.count; i++) {
    if (str_find(f->problems.items[i].text, str_from_cstr(part), 0) != SIZE_MAX) return;
  }
  for (size_t i = 0; i < f->problems.count; i++) fprintf(stderr, "  %.*s\n", STR_ARGS(f->problems.items[i].text));
  fail_msg("no problem says \"%s\"", part);
}

// Every pointer and index of a snapshot leads where it should.
static void assert_sound(const struct catalogue *c) {
  size_t endpoints = 0;
  for (size_t i = 0; i < c->provider_count; i++) {
    assert_int_equal(c->providers[i].index, i);
    assert_non_null(c->providers[i].quirks);
    assert_true(c->providers[i].base_url.len > 0);
  }
  for (size_t i = 0; i < c->model_count; i++) {
    const struct model *m = &c->models[i];
    assert_ptr_equal(catalogue_find(c, m->id), m);
    assert_true(m->endpoint_count > 0);
    assert_true(m->name.len && m->canonical_slug.len && m->tokenizer.len);
    assert_true(m->input_modalities.count && m->output_modalities.count && m->supported_parameters.count);
    for (size_t k = 0; k < m->endpoint_count; k++) {
      const struct endpoint *e = &m->endpoints[k];
      assert_ptr_equal(e->model, m);
      assert_int_equal(e->index, endpoints++);
      assert_ptr_equal(e->provider, &c->providers[e->provider->index]);
      assert_true(e->upstream_model.len > 0);
    }
  }
  assert_int_equal(endpoints, c->endpoint_count);
}

static void test_nothing_configured_is_demo(void **state) {
  struct fixture *f = *state;
  f->config.path = (struct str){0};
  assert_true(build(f));
  assert_sound(&f->catalogue);
  assert_int_equal(f->catalogue.provider_count, 1);
  assert_int_equal(f->catalogue.model_count, 4);
  assert_true(str_eq(f->catalogue.providers[0].base_url, STR("demo:")));
  assert_int_equal(f->catalogue.providers[0].protocol, PROTOCOL_DEMO);
  assert_int_equal(f->catalogue.providers[0].first_byte_timeout_ms, 2);
  const struct model *flaky = catalogue_find(&f->catalogue, STR("demo/flaky"));
  assert_non_null(flaky);
  assert_int_equal(flaky->endpoint_count, 2);
  assert_true(str_eq(flaky->endpoints[0].upstream_model, STR("flaky-down")));
  assert_true(str_eq(flaky->endpoints[1].upstream_model, STR("flaky-up")));
  assert_true(flaky->endpoints[0].pricing.prompt > 0);
  assert_true(flaky->endpoints[0].pricing.request == PRICE_UNSET);
  assert_non_null(catalogue_find(&f->catalogue, STR("demo/tools")));
}

static void test_demo_models_can_be_named(void **state) {
  struct fixture *f = *state;
  struct config_model models[] = {{.id = STR("demo/flaky"), .name = STR("Mine")}, {.id = STR("demo/echo")}};
  f->config.models = models;
  f->config.model_count = 2;
  assert_true(build(f));
  assert_sound(&f->catalogue);
  assert_int_equal(f->catalogue.model_count, 4);
  const struct model *flaky = catalogue_find(&f->catalogue, STR("demo/flaky"));
  assert_true(str_eq(flaky->name, STR("Mine")));
  assert_int_equal(flaky->endpoint_count, 2);
  f->config.demo = false;
  assert_false(build(f));
  assert_problem(f, "model demo/echo is not a known one");
}

static void test_demo_off(void **state) {
  struct fixture *f = *state;
  f->config.demo = false;
  assert_true(build(f));
  assert_int_equal(f->catalogue.provider_count, 0);
  assert_int_equal(f->catalogue.model_count, 0);
}

static void test_providers_only_bring_all_their_models(void **state) {
  struct fixture *f = *state;
  struct config_provider providers[] = {with_key(STR("openai")), with_key(STR("groq"))};
  f->config.providers = providers;
  f->config.provider_count = 2;
  assert_true(build(f));
  assert_sound(&f->catalogue);
  const struct model *mini = catalogue_find(&f->catalogue, STR("openai/gpt-4o-mini"));
  assert_non_null(mini);
  assert_int_equal(mini->endpoint_count, 1);  // OpenRouter's is not configured
  assert_int_equal(mini->endpoints[0].pricing.prompt, 150000000);
  assert_int_equal(mini->context_length, 128000);
  assert_true(str_eq(mini->tokenizer, STR("GPT")));
  assert_non_null(catalogue_find(&f->catalogue, STR("meta-llama/llama-3.3-70b-instruct")));
  assert_null(catalogue_find(&f->catalogue, STR("anthropic/claude-opus-4.5")));
  assert_string_equal(catalogue_provider(&f->catalogue, STR("openai"))->quirks->max_tokens_field,
                      "max_completion_tokens");
}

static void test_configuration_overrides_rows(void **state) {
  struct fixture *f = *state;
  struct config_provider provider = with_key(STR("openai"));
  provider.base_url = STR("http://127.0.0.1:9101/v1/");
  provider.name = STR("Mine");
  provider.idle_timeout_ms = 77;
  struct str parameters[] = {STR("tools"), STR("wishful")};
  struct config_endpoint endpoints[] = {endpoint(STR("openai"), STR("gpt-4o-mini-tuned"))};
  endpoints[0].context_length = 5;
  endpoints[0].pricing.prompt = 7;
  endpoints[0].supported_parameters = (struct str_list){parameters, 2};
  endpoints[0].region = STR("eu");
  struct config_model model = {
      .id = STR("openai/gpt-4o-mini"), .description = STR("ours"), .endpoints = endpoints, .endpoint_count = 1};
  f->config.providers = &provider;
  f->config.provider_count = 1;
  f->config.models = &model;
  f->config.model_count = 1;
  assert_true(build(f));
  assert_sound(&f->catalogue);
  assert_int_equal(f->catalogue.model_count, 1 + 4);  // only what is listed, and demo
  const struct model *m = catalogue_find(&f->catalogue, model.id);
  const struct endpoint *e = &m->endpoints[0];
  assert_true(str_eq(e->provider->base_url, STR("http://127.0.0.1:9101/v1")));
  assert_true(str_eq(e->provider->name, STR("Mine")));
  assert_int_equal(e->provider->idle_timeout_ms, 77);
  assert_int_equal(e->provider->total_timeout_ms, 4);
  assert_true(str_eq(e->upstream_model, STR("gpt-4o-mini-tuned")));
  assert_int_equal(e->context_length, 5);
  assert_int_equal(e->max_completion_tokens, 16384);  // the row's
  assert_int_equal(e->pricing.prompt, 7);
  assert_int_equal(e->pricing.completion, 600000000);  // the row's
  assert_true(str_eq(e->region, STR("eu")));
  assert_int_equal(e->supported_parameters.count, 2);
  assert_int_equal(m->supported_parameters.count, 1);
  assert_true(str_eq(m->description, STR("ours")));
  assert_true(str_eq(m->name, STR("GPT-4o mini")));
  assert_int_equal(m->input_modalities.count, 3);
}

static void test_facts(void **state) {
  struct fixture *f = *state;
  struct config_provider providers[] = {with_key(STR("openai")), with_key(STR("own"))};
  providers[1].base_url = STR("http://10.0.0.1/v1");
  providers[1].data_policy = STR("zero-retention");
  struct str parameters[] = {STR("tools")}, modalities[] = {STR("text"), STR("audio")};
  struct config_endpoint endpoints[] = {endpoint(STR("openai"), STR("gpt-4o-mini")), endpoint(STR("own"), STR("x")),
                                        endpoint(STR("own"), STR("y"))};
  endpoints[0].data_policy = STR("training");
  endpoints[0].tag = STR("priority");
  endpoints[1].pricing.prompt = 0;
  endpoints[1].region = STR("eu");
  endpoints[2].pricing.prompt = 4000000000;
  endpoints[2].supported_parameters = (struct str_list){parameters, 1};
  endpoints[2].input_modalities = (struct str_list){modalities, 2};
  endpoints[2].quantization = STR("fp8");
  struct config_model models[] = {{.id = STR("openai/gpt-4o-mini"), .endpoints = endpoints, .endpoint_count = 2},
                                  {.id = STR("own/y"), .endpoints = &endpoints[2], .endpoint_count = 1}};
  f->config.providers = providers;
  f->config.provider_count = 2;
  f->config.models = models;
  f->config.model_count = 2;
  assert_true(build(f));
  const struct endpoint *e = catalogue_find(&f->catalogue, STR("openai/gpt-4o-mini"))->endpoints;
  assert_true(e[0].facts.traits & TRAIT(MAY_TRAIN));
  assert_true(e[0].facts.traits & TRAIT(PRIORITY));
  assert_true(e[0].parameters & NAME_BIT(tools));
  assert_true(e[0].input_modalities & MODALITY_BIT(image));
  assert_int_equal(e[0].output_modalities, MODALITY_BIT(text));
  assert_true(e[0].facts.price > 2.6e-7 && e[0].facts.price < 2.7e-7);  // (3 x 0.15 + 0.6) / 4 for a million
  assert_false(e[1].facts.traits & (TRAIT(MAY_TRAIN) | TRAIT(MAY_KEEP)));
  assert_int_equal(e[1].parameters, 0);  // only guessed
  assert_true(e[1].supported_parameters.count > 0);
  assert_true(e[1].input_modalities & MODALITY_BIT(image));  // the model is known
  assert_true(str_eq(e[1].tag, STR("eu")));
  e = catalogue_find(&f->catalogue, STR("own/y"))->endpoints;
  assert_int_equal(e->parameters, NAME_BIT(tools));
  assert_int_equal(e->input_modalities, MODALITY_BIT(text) | MODALITY_BIT(audio));
  assert_int_equal(e->output_modalities, 0);
  assert_true(e->facts.traits & TRAIT_OF_QUANTIZATION(fp8));
  assert_true(str_eq(e->tag, STR("fp8")));
  assert_false(catalogue_find(&f->catalogue, STR("demo/echo"))->endpoints->facts.traits & TRAIT(MAY_KEEP));
  assert_int_equal(catalogue_provider(&f->catalogue, STR("openai"))->data, DATA_STORES);
}

// A price of the configuration holds for long prompts, too; a whole list of prices leaves nothing of the catalogue's.
static void test_steps_and_the_configuration(void **state) {
  struct fixture *f = *state;
  struct config_provider provider = with_key(STR("google-ai-studio"));
  struct config_override given = {.min_prompt_tokens = 9, .has_start = true, .has_end = true, .utc_start = 1630};
  given.prices = PRICING_UNSET;
  given.prices.completion = 4;
  struct config_endpoint endpoints[] = {endpoint(STR("google-ai-studio"), STR("gemini-2.5-pro")),
                                        endpoint(STR("google-ai-studio"), STR("gemini-2.5-pro")),
                                        endpoint(STR("google-ai-studio"), STR("gemini-2.5-pro")),
                                        endpoint(STR("google-ai-studio"), STR("gemini-2.5-pro")),
                                        endpoint(STR("google-ai-studio"), STR("gemini-2.5-pro"))};
  endpoints[1].pricing.prompt = 7;
  endpoints[2].pricing.prompt = endpoints[2].pricing.completion = 7;
  endpoints[2].pricing.internal_reasoning = endpoints[2].pricing.audio = 0;
  endpoints[3].overrides = &given;
  endpoints[3].override_count = 1;
  endpoints[4].pricing.prompt = endpoints[4].pricing.input_cache_read = 7;
  struct config_model model = {.id = STR("google/gemini-2.5-pro"), .endpoints = endpoints, .endpoint_count = 5};
  f->config.providers = &provider;
  f->config.provider_count = 1;
  f->config.models = &model;
  f->config.model_count = 1;
  assert_true(build(f));
  const struct endpoint *e = catalogue_find(&f->catalogue, model.id)->endpoints;
  assert_int_equal(e[0].pricing.override_count, 1);
  assert_int_equal(e[0].pricing.overrides[0].min_prompt_tokens, 200000);
  assert_int_equal(e[0].pricing.overrides[0].prices.prompt, 2500000000);
  assert_int_equal(e[1].pricing.override_count, 1);
  assert_true(e[1].pricing.overrides[0].prices.prompt == PRICE_UNSET);
  assert_int_equal(e[1].pricing.overrides[0].prices.completion, 15000000000);
  assert_int_equal(e[1].pricing.input_cache_read, 125000000);
  assert_int_equal(e[2].pricing.override_count, 0);
  assert_true(e[2].pricing.input_cache_read == PRICE_UNSET);
  assert_true(e[2].pricing.internal_reasoning == PRICE_UNSET);
  assert_int_equal(e[2].pricing.audio, 0);
  assert_int_equal(e[3].pricing.override_count, 1);
  assert_int_equal(e[3].pricing.prompt, 1250000000);
  const struct price_override *o = e[3].pricing.overrides;
  assert_true(o->timed);
  assert_int_equal(o->min_prompt_tokens, 9);
  assert_int_equal(o->utc_start, 1630);
  assert_int_equal(o->utc_end, 0);
  assert_int_equal(o->prices.completion, 4);
  assert_true(o->prices.prompt == PRICE_UNSET);
  assert_int_equal(e[4].pricing.override_count, 1);
  assert_true(e[4].pricing.overrides[0].prices.input_cache_read == PRICE_UNSET);
}

static void test_own_id_of_a_known_offer(void **state) {
  struct fixture *f = *state;
  struct config_provider provider = with_key(STR("openai"));
  struct config_endpoint endpoints[] = {endpoint(STR("openai"), STR(""))};
  struct config_model model = {.id = STR("gpt-4o-mini"), .endpoints = endpoints, .endpoint_count = 1};
  f->config.providers = &provider;
  f->config.provider_count = 1;
  f->config.models = &model;
  f->config.model_count = 1;
  assert_true(build(f));
  const struct model *m = catalogue_find(&f->catalogue, STR("gpt-4o-mini"));
  assert_true(str_eq(m->endpoints[0].upstream_model, STR("gpt-4o-mini")));
  assert_int_equal(m->endpoints[0].pricing.prompt, 150000000);
  assert_true(str_eq(m->canonical_slug, STR("gpt-4o-mini")));
  assert_true(str_eq(m->name, STR("GPT-4o mini")));
}

static void test_model_without_endpoints_gets_the_shipped_ones(void **state) {
  struct fixture *f = *state;
  struct config_provider providers[] = {with_key(STR("openrouter")), with_key(STR("openai"))};
  struct config_model model = {.id = STR("openai/gpt-4o-mini"), .name = STR("Mini")};
  f->config.providers = providers;
  f->config.provider_count = 2;
  f->config.models = &model;
  f->config.model_count = 1;
  assert_true(build(f));
  assert_sound(&f->catalogue);
  const struct model *m = catalogue_find(&f->catalogue, model.id);
  assert_int_equal(m->endpoint_count, 2);
  assert_true(str_eq(m->endpoints[0].provider->id, STR("openai")));  // the maker before an aggregator
  assert_true(str_eq(m->endpoints[1].upstream_model, STR("openai/gpt-4o-mini")));
  assert_true(str_eq(m->name, STR("Mini")));
}

static void test_local_servers_are_free(void **state) {
  struct fixture *f = *state;
  struct config_provider providers[] = {{.id = STR("ollama")},
                                        {.id = STR("mine"),
                                         .protocol = PROTOCOL_OPENAI,
                                         .protocol_given = true,
                                         .base_url = STR("http://localhost:9/v1")}};
  struct config_endpoint endpoints[] = {endpoint(STR("ollama"), STR("llama3.2")), endpoint(STR("mine"), STR("x"))};
  struct config_model model = {.id = STR("local/llama"), .endpoints = endpoints, .endpoint_count = 2};
  f->config.providers = providers;
  f->config.provider_count = 2;
  f->config.models = &model;
  f->config.model_count = 1;
  assert_true(build(f));
  assert_sound(&f->catalogue);
  const struct model *m = catalogue_find(&f->catalogue, model.id);
  assert_int_equal(m->endpoints[0].pricing.prompt, 0);
  assert_int_equal(m->endpoints[1].pricing.completion, 0);
  assert_true(m->supported_parameters.count >= 5);
}

static void test_problems_all_at_once(void **state) {
  struct fixture *f = *state;
  struct config_provider providers[] = {
      with_key(STR("openai")),
      with_key(STR("openai")),
      {.id = STR("anthropic"), .line = 12},
      with_key(STR("acme")),
      {.id = STR("groq"), .line = 14},
      {.id = STR("own"), .protocol = PROTOCOL_OPENAI, .protocol_given = true, .line = 15},
      with_key(STR("cloudflare")),
  };
  struct config_endpoint unknown_provider[] = {endpoint(STR("nowhere"), STR("x"))};
  struct config_endpoint at_skipped[] = {endpoint(STR("anthropic"), STR("x"))};
  struct config_endpoint no_price[] = {endpoint(STR("openai"), STR("secret-model"))};
  struct config_model models[] = {
      {.id = STR("a/b"), .endpoints = unknown_provider, .endpoint_count = 1, .line = 30},
      {.id = STR("c/d"), .endpoints = no_price, .endpoint_count = 1, .line = 31},
      {.id = STR("e/f"), .line = 32},
      {.id = STR("x-ai/grok-4.3"), .line = 33},
      {.id = STR("openai/gpt-4o"), .line = 34},
      {.id = STR("openai/gpt-4o"), .line = 35},
      {.id = STR("g/h"), .endpoints = at_skipped, .endpoint_count = 1, .line = 36},
  };
  f->config.providers = providers;
  f->config.provider_count = sizeof providers / sizeof *providers;
  f->config.models = models;
  f->config.model_count = sizeof models / sizeof *models;
  assert_false(build(f));
  assert_problem(f, "provider openai is there twice");
  assert_problem(f, "api_key: ${ANTHROPIC_API_KEY}");
  assert_problem(f, "provider acme needs a base_url, because it is not one whose address is known");
  assert_problem(f, "api_key: ${GROQ_API_KEY}");
  assert_problem(f, "provider own needs a base_url");
  assert_problem(f, "provider cloudflare needs a base_url");
  assert_problem(f, "model a/b: there is no provider nowhere");
  assert_problem(f, "model c/d at openai has no known price");
  assert_problem(f, "model e/f is not a known one");
  assert_problem(f, "configure one of the providers xai, amazon-bedrock, openrouter");
  assert_problem(f, "model openai/gpt-4o is there twice");
  assert_int_equal(f->problems.count, 11);  // nothing about g/h: its provider's problem is told
  for (size_t i = 0; i < f->problems.count; i++) assert_true(f->problems.items[i].line >= 10);
}

// Keys found in the environment of vendors whose address is not known must not keep the program from starting.
static void test_environment_passes_over_what_cannot_be_used(void **state) {
  struct fixture *f = *state;
  f->config.path = (struct str){0};
  struct config_provider providers[] = {with_key(STR("databricks")), with_key(STR("deepseek")), {.id = STR("ollama")}};
  struct config_endpoint endpoints[] = {endpoint(STR("ollama"), STR("llama3.2:latest"))};
  struct config_model found = {.id = STR("ollama/llama3.2:latest"), .endpoints = endpoints, .endpoint_count = 1};
  f->config.providers = providers;
  f->config.provider_count = 3;
  f->config.models = &found;
  f->config.model_count = 1;
  assert_true(build(f));
  assert_sound(&f->catalogue);
  assert_null(catalogue_provider(&f->catalogue, STR("databricks")));
  assert_non_null(catalogue_find(&f->catalogue, STR("ollama/llama3.2:latest")));
  assert_non_null(catalogue_find(&f->catalogue, STR("deepseek/deepseek-v4-pro")));
}

static void test_everything_fits_in_half_a_megabyte(void **state) {
  struct fixture *f = *state;
  struct config_provider providers[100];
  f->config.path = (struct str){0};
  f->config.providers = providers;
  for (size_t i = 0; i < provider_row_count; i++) {
    assert_true(f->config.provider_count < 100);
    providers[f->config.provider_count++] = with_key(str_from_cstr(provider_rows[i].id));
  }
  assert_true(build(f));
  assert_sound(&f->catalogue);
  assert_true(f->catalogue.model_count > 200);
  assert_true(f->arena.held < 500 * 1024);
}

// Each allocation fails once: no crash, and never a catalogue that claims to be whole.
static void test_out_of_memory(void **state) {
  struct fixture *f = *state;
  struct config_provider provider = with_key(STR("openai"));
  f->config.providers = &provider;
  f->config.provider_count = 1;
  bool ok = false;
  for (size_t max = 4096; !ok; max += 4096) {
    assert_true(max < 1024 * 1024);
    arena_free(&f->arena);
    f->arena = (struct arena){.max = max};
    f->problems = (struct config_problems){0};
    ok = build(f);
  }
  assert_sound(&f->catalogue);
  assert_non_null(catalogue_find(&f->catalogue, STR("openai/gpt-4o-mini")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_nothing_configured_is_demo),
      TEST(test_demo_models_can_be_named),
      TEST(test_demo_off),
      TEST(test_providers_only_bring_all_their_models),
      TEST(test_configuration_overrides_rows),
      TEST(test_own_id_of_a_known_offer),
      TEST(test_facts),
      TEST(test_steps_and_the_configuration),
      TEST(test_model_without_endpoints_gets_the_shipped_ones),
      TEST(test_local_servers_are_free),
      TEST(test_problems_all_at_once),
      TEST(test_environment_passes_over_what_cannot_be_used),
      TEST(test_everything_fits_in_half_a_megabyte),
      TEST(test_out_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
