// What clients read of the catalogue: every member that a strict client insists on, of a type it takes, and the pages,
// filters and orders of the list.
#include "admin/catalogue_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
// cmocka wants the three above first.
#include <cmocka.h>

#include "json/json.h"
#include "llm/catalogue.h"
#include "provider/table.h"

enum { TEXT_MAX = 16 * 1024 * 1024 };

static struct api_key_secret one_key = {{"sk-test", 7}, 1};

struct fixture {
  struct arena arena;
  struct catalogue catalogue;
  struct buf out;
  struct json_doc doc;
};

// A snapshot of everything that ships, and one configured model with awkward text.
static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  static struct config_provider providers[100];
  static struct config_endpoint endpoints[1];
  static struct config_override overrides[2];
  static struct config_model models[1];
  static struct str output[] = {{"embeddings", 10}};
  struct config config = {.demo = true, .providers = providers, .models = models, .model_count = 1};
  for (size_t i = 0; i < provider_row_count; i++)
    providers[config.provider_count++] =
        (struct config_provider){.id = str_from_cstr(provider_rows[i].id), .keys = &one_key, .key_count = 1};
  endpoints[0] = (struct config_endpoint){.provider = STR("ollama"), .model = STR("m"), .pricing = PRICING_UNSET};
  endpoints[0].quantization = STR("int4");
  endpoints[0].output_modalities = (struct str_list){output, 1};
  models[0] = (struct config_model){.id = STR("own \"model\""),
                                    .name = STR("caf\xC3\xA9 <b>\n"),
                                    .description = STR("tab\there \xFF"),
                                    .endpoints = endpoints,
                                    .endpoint_count = 1};
  endpoints[0].overrides = overrides;
  endpoints[0].override_count = 2;
  overrides[0] = (struct config_override){.min_prompt_tokens = 200000, .prices = PRICING_UNSET};
  overrides[0].prices.prompt = 6000000000;
  overrides[0].prices.input_audio_cache = 1;
  overrides[1] = (struct config_override){.has_start = true, .utc_start = 1630, .has_end = true, .utc_end = 30};
  overrides[1].prices = PRICING_UNSET;
  overrides[1].prices.completion = 0;
  struct config_problems problems = {0};
  if (!catalogue_build(&f->arena, &config, &f->catalogue, &problems)) return -1;
  buf_init(&f->out, TEXT_MAX);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  json_doc_free(&f->doc);
  buf_free(&f->out);
  arena_free(&f->arena);
  free(f);
  return 0;
}

static void parse(struct fixture *f) {
  assert_false(f->out.failed);
  enum json_error error = json_parse(&f->doc, buf_view(&f->out), 16);
  if (error) fail_msg("%s at %u", json_error_text(error), f->doc.error_at);
}

static void list(struct fixture *f, const char *query) {
  buf_clear(&f->out);
  models_json(&f->out, &f->catalogue, str_from_cstr(query));
  parse(f);
}

static uint32_t member(struct fixture *f, uint32_t object, const char *key) {
  uint32_t node = json_get(&f->doc, object, str_from_cstr(key));
  if (node == JSON_NONE) fail_msg("no member %s", key);
  return node;
}

static size_t length(struct fixture *f, uint32_t container) {
  size_t count = 0;
  for (uint32_t n = json_first(&f->doc, container); n != JSON_NONE; n = json_next(&f->doc, container, n)) count++;
  return count;
}

static uint64_t number(struct fixture *f, uint32_t node) {
  uint64_t value;
  if (!json_u64(&f->doc, node, UINT64_MAX / 2, &value)) fail_msg("no number");
  return value;
}

// The id of the n-th model of the list.
static struct str id_at(struct fixture *f, size_t n) {
  uint32_t data = member(f, 0, "data"), node = json_first(&f->doc, data);
  while (n--) node = json_next(&f->doc, data, node);
  struct str id;
  assert_true(json_string(&f->doc, member(f, node, "id"), &f->arena, &id));
  return id;
}

enum {
  S = 1 << JSON_STRING,
  N = 1 << JSON_NUMBER,
  A = 1 << JSON_ARRAY,
  O = 1 << JSON_OBJECT,
  Z = 1 << JSON_NULL,
  B = 1 << JSON_TRUE | 1 << JSON_FALSE
};

struct rule {
  const char *key;
  unsigned types;
};

static void check(struct fixture *f, uint32_t object, const struct rule *rules, size_t count) {
  for (size_t i = 0; i < count; i++) {
    enum json_type type = json_type(&f->doc, member(f, object, rules[i].key));
    if (!(rules[i].types >> type & 1)) fail_msg("%s has type %d", rules[i].key, type);
  }
}
#define CHECK(f, object, rules) check((f), (object), (rules), sizeof(rules) / sizeof *(rules))

static const struct rule model_rules[] = {
    {"id", S},
    {"object", S},
    {"created", N},
    {"owned_by", S},
    {"type", S},
    {"display_name", S},
    {"created_at", S},
    {"canonical_slug", S},
    {"name", S},
    {"description", S},
    {"hugging_face_id", S | Z},
    {"context_length", N | Z},
    {"architecture", O},
    {"pricing", O},
    {"top_provider", O},
    {"per_request_limits", Z},
    {"supported_parameters", A},
    {"default_parameters", Z | O},
    {"supported_voices", Z | A},
    {"knowledge_cutoff", S | Z},
    {"expiration_date", S | Z},
    {"links", O},
};
static const struct rule architecture_rules[] = {
    {"modality", S}, {"input_modalities", A}, {"output_modalities", A}, {"tokenizer", S}, {"instruct_type", S | Z}};
static const struct rule top_rules[] = {
    {"context_length", N | Z}, {"max_completion_tokens", N | Z}, {"is_moderated", B}};
static const struct rule pricing_rules[] = {{"prompt", S}, {"completion", S}};
static const struct rule list_rules[] = {{"object", S},      {"data", A},  {"has_more", B},   {"first_id", S | Z},
                                         {"last_id", S | Z}, {"links", O}, {"total_count", N}};
static const struct rule endpoint_rules[] = {
    {"name", S},
    {"model_id", S},
    {"model_name", S},
    {"context_length", N},
    {"pricing", O},
    {"provider_name", S},
    {"tag", S},
    {"quantization", S | Z},
    {"max_completion_tokens", N | Z},
    {"max_prompt_tokens", N | Z},
    {"supported_parameters", A},
    {"uptime_last_30m", N | Z},
    {"uptime_last_5m", N | Z},
    {"uptime_last_1d", N | Z},
    {"supports_implicit_caching", B},
    {"latency_last_30m", O | Z},
    {"throughput_last_30m", O | Z},
    {"status", N},
};
static const struct rule provider_rules[] = {{"name", S},
                                             {"slug", S},
                                             {"privacy_policy_url", S | Z},
                                             {"terms_of_service_url", S | Z},
                                             {"status_page_url", S | Z},
                                             {"headquarters", S | Z},
                                             {"datacenters", A | Z}};
static const struct rule codex_rules[] = {
    {"slug", S},
    {"display_name", S},
    {"description", S},
    {"default_reasoning_level", S | Z},
    {"supported_reasoning_levels", A},
    {"shell_type", S},
    {"visibility", S},
    {"supported_in_api", B},
    {"priority", N},
    {"upgrade", Z},
    {"base_instructions", S},
    {"supports_reasoning_summaries", B},
    {"support_verbosity", B},
    {"truncation_policy", O},
    {"supports_parallel_tool_calls", B},
    {"context_window", N | Z},
    {"experimental_supported_tools", A},
};

static void check_model(struct fixture *f, uint32_t model) {
  CHECK(f, model, model_rules);
  CHECK(f, member(f, model, "architecture"), architecture_rules);
  CHECK(f, member(f, model, "top_provider"), top_rules);
  uint32_t pricing = member(f, model, "pricing");
  CHECK(f, pricing, pricing_rules);
  for (uint32_t key = json_first(&f->doc, pricing); key != JSON_NONE;) {
    uint32_t value = json_next(&f->doc, pricing, key);
    bool overrides = json_string_is(&f->doc, key, STR("overrides"));
    assert_true(json_is(&f->doc, value, overrides ? JSON_ARRAY : JSON_STRING));
    key = json_next(&f->doc, pricing, value);
  }
}

static void test_overrides(void **state) {
  struct fixture *f = *state;
  const char *const both[] = {
      "\"overrides\":[{\"min_prompt_tokens\":200000,\"prompt\":\"0.000006\","
      "\"input_audio_cache\":\"0.000000000000001\"},"
      "{\"utc_start\":1630,\"utc_end\":30,\"completion\":\"0\"}]}",
      "\"overrides\":[{\"min_prompt_tokens\":200000,\"prompt\":\"0.0000025\","
      "\"completion\":\"0.000015\",\"input_cache_read\":\"0.00000025\"}]}"};
  const struct str ids[] = {STR("own \"model\""), STR("google/gemini-2.5-pro")};
  for (size_t i = 0; i < 2; i++) {
    buf_clear(&f->out);
    assert_true(model_json(&f->out, &f->catalogue, ids[i]));
    if (str_find(buf_view(&f->out), str_from_cstr(both[i]), 0) == SIZE_MAX)
      fail_msg("%.*s", STR_ARGS(buf_view(&f->out)));
    buf_clear(&f->out);
    assert_true(endpoints_json(&f->out, &f->catalogue, ids[i], NULL));
    if (str_find(buf_view(&f->out), str_from_cstr(both[i]), 0) == SIZE_MAX)
      fail_msg("%.*s", STR_ARGS(buf_view(&f->out)));
  }
}

static void test_every_model_of_the_list(void **state) {
  struct fixture *f = *state;
  list(f, "output_modalities=all");
  CHECK(f, 0, list_rules);
  uint32_t data = member(f, 0, "data");
  size_t count = f->catalogue.model_count + 2;  // signalbox/auto and signalbox/free
  assert_int_equal(length(f, data), count);
  assert_int_equal(number(f, member(f, 0, "total_count")), count);
  assert_true(json_is(&f->doc, member(f, 0, "has_more"), JSON_FALSE));
  assert_true(json_is(&f->doc, member(f, member(f, 0, "links"), "next"), JSON_NULL));
  assert_int_equal(json_get(&f->doc, 0, STR("models")), JSON_NONE);
  for (uint32_t n = json_first(&f->doc, data); n != JSON_NONE; n = json_next(&f->doc, data, n)) check_model(f, n);
}

static void test_one_model(void **state) {
  struct fixture *f = *state;
  assert_true(model_json(&f->out, &f->catalogue, STR("openai/gpt-4o-mini")));
  parse(f);
  uint32_t m = member(f, 0, "data");
  check_model(f, m);
  struct str raw = json_raw(&f->doc, m);
  static const char *const parts[] = {
      "\"owned_by\":\"openai\"",
      "\"created\":1721260800",
      "\"created_at\":\"2024-07-18T00:00:00Z\"",
      "\"modality\":\"text+image+file->text\"",
      "\"prompt\":\"0.00000015\",\"completion\":\"0.0000006\",\"input_cache_read\":\"0.000000075\"}",
      "\"links\":{\"details\":\"/api/v1/models/openai/gpt-4o-mini/endpoints\"}",
      "\"top_provider\":{\"context_length\":128000,\"max_completion_tokens\":16384,\"is_moderated\":false}",
  };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (str_find(raw, str_from_cstr(parts[i]), 0) == SIZE_MAX) fail_msg("no %s in %.*s", parts[i], STR_ARGS(raw));
  }
  buf_clear(&f->out);
  assert_false(model_json(&f->out, &f->catalogue, STR("openai/none")));
  assert_int_equal(f->out.len, 0);
}

static void one(struct fixture *f, struct str id) {
  buf_clear(&f->out);
  assert_true(model_json(&f->out, &f->catalogue, id));
  parse(f);
  check_model(f, member(f, 0, "data"));
}

static void has_text(struct fixture *f, const char *text) {
  if (str_find(buf_view(&f->out), str_from_cstr(text), 0) == SIZE_MAX)
    fail_msg("no %s in %.*s", text, STR_ARGS(buf_view(&f->out)));
}

static void test_aliases_and_variants(void **state) {
  struct fixture *f = *state;
  one(f, STR("~anthropic/claude-haiku-latest"));
  has_text(f, "\"alias_target\":{\"name\":\"Claude Haiku 4.5\",\"slug\":\"anthropic/claude-haiku-4.5\"}");
  has_text(f, "{\"data\":{\"id\":\"~anthropic/claude-haiku-latest\"");
  one(f, STR("openai/gpt-4o-mini:nitro"));
  has_text(f, "\"id\":\"openai/gpt-4o-mini\"");
  assert_int_equal(str_find(buf_view(&f->out), STR("alias_target"), 0), SIZE_MAX);
  buf_clear(&f->out);
  assert_true(endpoints_json(&f->out, &f->catalogue, STR("~anthropic/claude-haiku-latest"), NULL));
  has_text(f, "\"model_id\":\"anthropic/claude-haiku-4.5\"");
}

static void test_routers(void **state) {
  struct fixture *f = *state;
  static const char *const names[] = {"signalbox/auto", "openrouter/auto", "openrouter/auto-beta"};
  for (size_t i = 0; i < 3; i++) {
    one(f, str_from_cstr(names[i]));
    has_text(f, "\"pricing\":{\"prompt\":\"-1\",\"completion\":\"-1\"}");
    has_text(f, "\"id\":\"signalbox/auto\"");
  }
  one(f, STR("openrouter/free"));
  has_text(f, "\"pricing\":{\"prompt\":\"0\",\"completion\":\"0\"}");
  buf_clear(&f->out);
  assert_true(endpoints_json(&f->out, &f->catalogue, STR("signalbox/auto"), NULL));
  has_text(f, "\"endpoints\":[]");
  // The last of the cheapest, and of the dearest.
  static const char *const orders[] = {"sort=pricing-low-to-high", "sort=pricing-high-to-low"};
  for (size_t i = 0; i < 2; i++) {
    list(f, orders[i]);
    size_t count = length(f, member(f, 0, "data"));
    assert_true(str_eq(id_at(f, count - 1), STR("signalbox/auto")));
    buf_clear(&f->out);
  }
}

// With the demo alone there is nothing to choose from.
static void test_no_routers_for_the_demo(void **state) {
  (void)state;
  struct arena arena = {0};
  struct catalogue c;
  struct config config = {.demo = true};
  struct config_problems problems = {0};
  struct buf out;
  buf_init(&out, TEXT_MAX);
  assert_true(catalogue_build(&arena, &config, &c, &problems));
  models_count_json(&out, &c, STR(""));
  assert_true(str_eq(buf_view(&out), STR("{\"data\":{\"count\":4}}")));
  buf_free(&out);
  arena_free(&arena);
}

static void test_awkward_text(void **state) {
  struct fixture *f = *state;
  struct str text;
  assert_true(model_json(&f->out, &f->catalogue, STR("own \"model\"")));
  parse(f);
  uint32_t m = member(f, 0, "data");
  check_model(f, m);
  assert_true(json_string(&f->doc, member(f, m, "description"), &f->arena, &text));
  assert_true(str_eq(text, STR("tab\there \xEF\xBF\xBD")));
  assert_true(json_string_is(&f->doc, member(f, m, "owned_by"), STR("signalbox")));
  assert_true(json_string_is(&f->doc, member(f, m, "created_at"), STR("1970-01-01T00:00:00Z")));
  buf_clear(&f->out);
  assert_true(endpoints_json(&f->out, &f->catalogue, STR("own \"model\""), NULL));
  parse(f);
  uint32_t e = json_first(&f->doc, member(f, member(f, 0, "data"), "endpoints"));
  assert_true(json_string_is(&f->doc, member(f, e, "name"), STR("Ollama | own \"model\"")));
  assert_true(json_string_is(&f->doc, member(f, e, "quantization"), STR("int4")));
}

static void test_endpoints(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < f->catalogue.model_count; i++) {
    const struct model *m = &f->catalogue.models[i];
    buf_clear(&f->out);
    assert_true(endpoints_json(&f->out, &f->catalogue, m->id, NULL));
    parse(f);
    uint32_t data = member(f, 0, "data"), endpoints = member(f, data, "endpoints");
    CHECK(f, member(f, data, "architecture"), architecture_rules);
    assert_int_equal(length(f, endpoints), m->endpoint_count);
    for (uint32_t n = json_first(&f->doc, endpoints); n != JSON_NONE; n = json_next(&f->doc, endpoints, n))
      CHECK(f, n, endpoint_rules);
  }
  buf_clear(&f->out);
  assert_false(endpoints_json(&f->out, &f->catalogue, STR("nobody/none"), NULL));
}

static void test_providers(void **state) {
  struct fixture *f = *state;
  providers_json(&f->out, &f->catalogue);
  parse(f);
  uint32_t data = member(f, 0, "data");
  assert_int_equal(length(f, data), f->catalogue.provider_count);
  for (uint32_t n = json_first(&f->doc, data); n != JSON_NONE; n = json_next(&f->doc, data, n))
    CHECK(f, n, provider_rules);
}

static void test_codex(void **state) {
  struct fixture *f = *state;
  list(f, "client_version=0.169.0");
  uint32_t models = member(f, 0, "models");
  assert_int_equal(length(f, models), length(f, member(f, 0, "data")));
  for (uint32_t n = json_first(&f->doc, models); n != JSON_NONE; n = json_next(&f->doc, models, n))
    CHECK(f, n, codex_rules);
}

static const struct {
  const char *query, *first;  // the first id; NULL: nothing is found
} filters[] = {
    {"q=GPT-4o+mini", "openai/gpt-4o-mini"},
    {"q=gpt-4O-MINI", "openai/gpt-4o-mini"},
    {"q=gpt%2d4o%2Dmini", "openai/gpt-4o-mini"},
    {"q=no%20such%20model", NULL},
    {"model_authors=openai&sort=context-high-to-low&q=gpt-4.1-", "openai/gpt-4.1-mini"},
    {"model_authors=cohere,perplexity&q=sonar", "perplexity/sonar"},
    {"providers=Groq&q=llama-3.3", "meta-llama/llama-3.3-70b-instruct"},
    {"providers=groq&model_authors=anthropic", NULL},
    {"output_modalities=embeddings", "own \"model\""},
    {"output_modalities=video", NULL},
    {"q=own", NULL},  // it writes no text
    {"input_modalities=text,image,hologram", NULL},
    {"supported_parameters=tools,reasoning_effort,nonsense", NULL},
    {"context=99999999", NULL},
    {"sort=pricing-low-to-high&q=demo/", "demo/flaky"},
    {"sort=pricing-high-to-low&model_authors=openai&q=o1", "openai/o1-pro"},
    {"sort=whatever&=&&q=demo/&limit=x&offset=-1", "demo/echo"},
    {"q=%zz", NULL},
};

static void test_filters(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
    list(f, filters[i].query);
    size_t count = length(f, member(f, 0, "data"));
    if (!filters[i].first && count) fail_msg("%s finds %.*s", filters[i].query, STR_ARGS(id_at(f, 0)));
    if (!filters[i].first) continue;
    if (!count) fail_msg("%s finds nothing", filters[i].query);
    if (!str_eq(id_at(f, 0), str_from_cstr(filters[i].first)))
      fail_msg("%s finds %.*s", filters[i].query, STR_ARGS(id_at(f, 0)));
  }
}

static void test_orders(void **state) {
  struct fixture *f = *state;
  list(f, "sort=newest");
  uint32_t data = member(f, 0, "data");
  uint64_t last = UINT64_MAX;
  for (uint32_t n = json_first(&f->doc, data); n != JSON_NONE; n = json_next(&f->doc, data, n)) {
    uint64_t created = number(f, member(f, n, "created"));
    assert_true(created <= last);
    last = created;
  }
}

static void test_pages_by_offset(void **state) {
  struct fixture *f = *state;
  list(f, "");
  size_t total = length(f, member(f, 0, "data"));
  struct str whole[1024];
  assert_true(total < 1024);
  for (size_t i = 0; i < total; i++) whole[i] = arena_str(&f->arena, id_at(f, i));
  size_t seen = 0;
  char query[64] = "limit=100&q=&offset=0";
  for (bool more = true; more;) {
    list(f, query);
    size_t count = length(f, member(f, 0, "data"));
    assert_true(count > 0 && count <= 100);
    for (size_t i = 0; i < count; i++) assert_true(str_eq(id_at(f, i), whole[seen++]));
    uint32_t next = member(f, member(f, 0, "links"), "next");
    more = json_is(&f->doc, next, JSON_STRING);
    assert_int_equal(more, json_is(&f->doc, member(f, 0, "has_more"), JSON_TRUE));
    struct str link;
    if (!more) break;
    assert_true(json_string(&f->doc, next, &f->arena, &link));
    assert_true(str_starts(link, STR("/api/v1/models?q=&offset=")));
    link = str_skip(link, STR("/api/v1/models?").len);
    assert_true(link.len < sizeof query);
    memcpy(query, link.ptr, link.len);
    query[link.len] = 0;
  }
  assert_int_equal(seen, total);
  list(f, "offset=100000");
  assert_int_equal(length(f, member(f, 0, "data")), 0);
  assert_true(json_is(&f->doc, member(f, 0, "first_id"), JSON_NULL));
}

// The way Anthropic's SDK pages: after the last id, forwards; before the first, backwards.
static void test_pages_by_id(void **state) {
  struct fixture *f = *state;
  list(f, "q=demo/&limit=3");
  assert_true(json_is(&f->doc, member(f, 0, "has_more"), JSON_TRUE));
  assert_true(json_string_is(&f->doc, member(f, 0, "last_id"), STR("demo/lorem")));
  list(f, "q=demo/&limit=3&after_id=demo%2Florem");
  assert_int_equal(length(f, member(f, 0, "data")), 1);
  assert_true(str_eq(id_at(f, 0), STR("demo/tools")));
  assert_true(json_is(&f->doc, member(f, 0, "has_more"), JSON_FALSE));
  list(f, "q=demo/&limit=2&before_id=demo/tools");
  assert_int_equal(length(f, member(f, 0, "data")), 2);
  assert_true(str_eq(id_at(f, 0), STR("demo/flaky")));
  assert_true(json_is(&f->doc, member(f, 0, "has_more"), JSON_TRUE));
}

static void test_count(void **state) {
  struct fixture *f = *state;
  models_count_json(&f->out, &f->catalogue, STR("q=demo/&limit=1"));
  assert_true(str_eq(buf_view(&f->out), STR("{\"data\":{\"count\":4}}")));
}

static void test_small_buffers_fail(void **state) {
  struct fixture *f = *state;
  for (size_t max = 0; max < 2000; max += 37) {
    struct buf small;
    buf_init(&small, max);
    models_json(&small, &f->catalogue, STR(""));
    assert_true(small.failed);
    buf_free(&small);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_every_model_of_the_list),
      TEST(test_overrides),
      TEST(test_one_model),
      TEST(test_aliases_and_variants),
      TEST(test_routers),
      TEST(test_no_routers_for_the_demo),
      TEST(test_awkward_text),
      TEST(test_endpoints),
      TEST(test_providers),
      TEST(test_codex),
      TEST(test_filters),
      TEST(test_orders),
      TEST(test_pages_by_offset),
      TEST(test_pages_by_id),
      TEST(test_count),
      TEST(test_small_buffers_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
