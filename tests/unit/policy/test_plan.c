// The plan of a request, from its body to its endpoints, and what is said when there are none.
#include "policy/plan.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// cmocka wants the three above first
#include <cmocka.h>

#include "admin/explain_json.h"
#include "llm/catalogue.h"

#define S(literal) \
  { "" literal, sizeof(literal) - 1 }

static struct {
  struct arena arena;
  struct catalogue catalogue;
} world;

static struct config_endpoint at(const char *provider, int64_t nano_dollars, const char *data, uint64_t context) {
  struct config_endpoint e = {.provider = str_from_cstr(provider), .model = STR("m"), .pricing = PRICING_UNSET};
  e.pricing.prompt = e.pricing.completion = nano_dollars * 1000000;
  e.data_policy = str_from_cstr(data);
  e.context_length = context;
  return e;
}

// Providers a, b and c; acme/large at all of them, acme/small at a, acme/gratis for nothing at b.
static int setup(void **state) {
  (void)state;
  static struct config_provider providers[] = {
      {.id = S("a"), .protocol_given = true, .base_url = S("http://a")},
      {.id = S("b"), .protocol_given = true, .base_url = S("http://b")},
      {.id = S("c"), .protocol_given = true, .base_url = S("http://c")},
  };
  static struct config_endpoint large[3], small[1], gratis[1], newer[1];
  static struct config_model models[] = {
      {.id = S("acme/large-1"), .endpoints = large, .endpoint_count = 3},
      {.id = S("acme/small-1"), .endpoints = small, .endpoint_count = 1},
      {.id = S("acme/small-2"), .endpoints = newer, .endpoint_count = 1},
      {.id = S("acme/gratis"), .endpoints = gratis, .endpoint_count = 1},
  };
  large[0] = at("a", 1000, "zdr", 8000);
  large[1] = at("b", 2000, "", 8000);
  large[2] = at("c", 3000, "", 8000);
  small[0] = newer[0] = at("a", 100, "", 4000);
  gratis[0] = at("b", 0, "", 4000);
  struct config config = {.providers = providers, .provider_count = 3, .models = models, .model_count = 4};
  struct config_problems problems = {0};
  bool good = catalogue_build(&world.arena, &config, &world.catalogue, &problems);
  for (size_t i = 0; i < problems.count; i++) print_error("%.*s\n", STR_ARGS(problems.items[i].text));
  return good ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  arena_free(&world.arena);
  return 0;
}

struct made {
  struct chat_request request;
  struct plan plan;
  struct plan_query query;
  struct fault_note note;
  struct arena arena;
  bool parsed, good;
};

// `members`: of the body, beside one message.
static void make(struct made *m, const char *members, bool explain) {
  *m = (struct made){0};
  struct str body = arena_printf(&m->arena, "{%s%s\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}", members,
                                 *members ? "," : "");
  m->parsed = chat_request_parse(&m->request, body, &m->arena, &m->note);
  m->query = (struct plan_query){
      .request = &m->request, .catalogue = &world.catalogue, .seed = 7, .max = 16, .explain = explain};
  if (m->parsed) m->good = plan_make(&m->query, &m->arena, &m->plan, &m->note);
}

static void drop(struct made *m) {
  if (m->parsed) chat_request_free(&m->request);
  arena_free(&m->arena);
}

static void order_text(const struct plan *p, char *out, size_t size) {
  out[0] = 0;
  for (unsigned i = 0; i < p->routing.count; i++) {
    const struct endpoint *e = p->routing.candidates[i].endpoint;
    size_t len = strlen(out);
    snprintf(out + len, size - len, "%s%.*s@%.*s", len ? " " : "", STR_ARGS(e->model->id), STR_ARGS(e->provider->id));
  }
}

static void test_plans(void **state) {
  (void)state;
  static const struct {
    const char *members, *order, *strategy;
  } cases[] = {
      {"\"model\":\"acme/small-1\"", "acme/small-1@a", "direct"},
      {"\"model\":\"Acme/Small-1\",\"route\":\"fallback\"", "acme/small-1@a", "direct"},
      {"\"model\":\"acme/large-1:floor\"", "acme/large-1@a acme/large-1@b acme/large-1@c", "direct"},
      {"\"model\":\"acme/large-1\",\"provider\":{\"order\":[\"c\",\"b\"]}",
       "acme/large-1@c acme/large-1@b acme/large-1@a", "direct"},
      {"\"model\":\"acme/large-1:nitro\",\"provider\":{\"sort\":\"price\"}",
       "acme/large-1@a acme/large-1@b acme/large-1@c", "direct"},
      {"\"models\":[\"acme/small-1\",\"acme/gratis\"]", "acme/small-1@a acme/gratis@b", "fallback"},
      {"\"model\":\"acme/small-1\",\"models\":[\"acme/small-1\",\"acme/gratis\"]", "acme/small-1@a acme/gratis@b",
       "fallback"},
      {"\"model\":\"acme/small-1\",\"models\":[\"acme/small-1:nitro\"]", "acme/small-1@a", "direct"},
      {"\"model\":\"~acme/small-latest\"", "acme/small-2@a", "latest"},
      // each name's variant counts for its own model
      {"\"models\":[\"acme/gratis:free\",\"acme/large-1:floor\"]",
       "acme/gratis@b acme/large-1@a acme/large-1@b acme/large-1@c", "fallback"},
      {"\"models\":[\"acme/large-1:free\",\"acme/gratis:free\",\"acme/small-1\"]", "acme/gratis@b acme/small-1@a",
       "fallback"},
      {"\"models\":[\"acme/small-1\",\"acme/large-1:free\",\"acme/gratis\"]", "acme/small-1@a acme/gratis@b",
       "fallback"},
      {"\"models\":[\"signalbox/free\",\"acme/small-1\"]", "acme/gratis@b acme/small-1@a", "free"},
      {"\"models\":[\"acme/small-1\",\"acme/large-1:nitro\"],\"provider\":{\"sort\":\"price\"}",
       "acme/small-1@a acme/large-1@a acme/large-1@b acme/large-1@c", "fallback"},
      {"\"models\":[\"acme/large-1:floor\",\"acme/small-1\"],\"provider\":{\"order\":[\"c\"]}",
       "acme/large-1@c acme/large-1@a acme/large-1@b acme/small-1@a", "fallback"},
      {"\"models\":[\"acme/large-1\",\"acme/small-1:floor\"],\"route\":\"sort\"",
       "acme/small-1@a acme/large-1@a acme/large-1@b acme/large-1@c", "fallback"},
      {"\"model\":\"acme/gratis:free\"", "acme/gratis@b", "direct"},
      {"\"model\":\"acme/large-1\",\"provider\":{\"zdr\":true}", "acme/large-1@a", "direct"},
      {"\"model\":\"acme/large-1\",\"provider\":{\"order\":[\"b\"],\"allow_fallbacks\":false}", "acme/large-1@b",
       "direct"},
      {"\"models\":[\"acme/large-1\",\"acme/small-1\"],\"route\":\"sort\",\"provider\":{\"sort\":\"price\"}",
       "acme/small-1@a acme/large-1@a acme/large-1@b acme/large-1@c", "fallback"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    for (int explain = 0; explain < 2; explain++) {
      struct made m;
      char order[1000];
      make(&m, cases[i].members, explain);
      if (!m.good) print_error("%s: %.*s\n", cases[i].members, STR_ARGS(m.note.message));
      assert_true(m.good);
      order_text(&m.plan, order, sizeof order);
      assert_string_equal(order, cases[i].order);
      assert_string_equal(m.plan.strategy, cases[i].strategy);
      drop(&m);
    }
  }
}

static void test_variants_for_the_body(void **state) {
  (void)state;
  struct made m;
  make(&m, "\"model\":\"acme/small-1:thinking:online\"", false);
  assert_true(m.good);
  assert_int_equal(plan_body(&m.plan, 0), VARIANT_THINKING | VARIANT_ONLINE);
  drop(&m);
  make(&m, "\"models\":[\"acme/small-1\",\"acme/gratis:thinking\",\"acme/small-2:online\"]", false);
  assert_true(m.good && m.plan.varies_body);
  static const unsigned want[] = {0, VARIANT_THINKING, VARIANT_ONLINE};
  for (unsigned i = 0; i < 3; i++) assert_int_equal(plan_body(&m.plan, i), want[i]);
  drop(&m);
  make(&m, "\"model\":\"acme/small-1:floor\"", false);
  assert_true(m.good && !m.plan.varies_body);
  drop(&m);
}

static void router_is(const char *members, const char *want) {
  struct made m;
  make(&m, members, false);
  assert_true(m.parsed);
  const struct endpoint *first = m.good ? m.plan.routing.candidates[0].endpoint : NULL;
  struct str got = plan_router(&m.plan, first);
  if (!str_eq(got, str_from_cstr(want))) fail_msg("%s: \"%.*s\", not \"%s\"", members, STR_ARGS(got), want);
  drop(&m);
}

static void test_routers(void **state) {
  (void)state;
  router_is("\"model\":\"acme/small-1\"", "");
  router_is("\"model\":\"~acme/small-latest\"", "");
  router_is("\"model\":\"OpenRouter/Auto:floor\"", "openrouter/auto");
  router_is("\"model\":\"signalbox/auto:free\"", "signalbox/auto");
  router_is("\"model\":\"signalbox/free\",\"models\":[\"acme/small-1\"]", "signalbox/free");
  router_is("\"models\":[\"acme/small-1\",\"signalbox/auto\"]", "");
  router_is("\"models\":[\"acme/large-1:free\",\"openrouter/free\"]", "openrouter/free");
  router_is("\"model\":\"openrouter/auto\",\"provider\":{\"only\":[\"nobody\"]}", "openrouter/auto");
  router_is("\"model\":\"acme/none\"", "");
}

static void test_what_is_said(void **state) {
  (void)state;
  static const struct {
    const char *members, *says, *availability;
    enum fault fault;
  } cases[] = {
      {"\"temperature\":1", "No model given.", "", FAULT_BAD_REQUEST},
      {"\"model\":\"acme/lage-1\"", "Did you mean acme/large-1?",
       "\"availability\":{\"code\":\"model_not_found\",\"retryable\":false,\"requested_models\":[\"acme/lage-1\"],"
       "\"affected_providers\":[],\"excluded_by\":[]}",
       FAULT_UNKNOWN_MODEL},
      {"\"model\":\"acme/small-1\",\"models\":[\"acme/lage-1\"]", "Did you mean acme/large-1?", "",
       FAULT_UNKNOWN_MODEL},
      {"\"model\":\"acme/small-1:quick\"", "no variant :quick", "", FAULT_BAD_REQUEST},
      {"\"model\":\"acme/small-1\",\"route\":\"scenic\"", "\"route\" must be", "", FAULT_BAD_REQUEST},
      {"\"model\":\"acme/small-1\",\"provider\":{\"zdr\":7}", "zdr", "", FAULT_BAD_REQUEST},
      {"\"model\":\"acme/small-1\",\"provider\":{\"only\":[\"b\"]}",
       "No endpoints found for acme/small-1 that fit this request: its only one is out by allowed_providers",
       "\"availability\":{\"code\":\"constraint_filtered\",\"retryable\":false,\"requested_models\":[\"acme/small-1\"],"
       "\"affected_providers\":[\"a\"],\"excluded_by\":[\"allowed_providers\"],\"constraint\":{\"field\":"
       "\"provider.only\",\"detail\":",
       FAULT_NO_ENDPOINT},
      {"\"model\":\"acme/large-1\",\"provider\":{\"max_price\":{\"prompt\":0.5},\"zdr\":true}",
       "all 3 are out, 2 by data_policy:zdr, 1 by max_price",
       "\"affected_providers\":[\"a\",\"b\",\"c\"],\"excluded_by\":[\"data_policy:zdr\",\"max_price\"],"
       "\"constraint\":{\"field\":\"provider.max_price\"",
       FAULT_NO_ENDPOINT},
      {"\"model\":\"acme/small-1\",\"provider\":{\"data_collection\":\"deny\"}", "data_policy:training",
       "\"code\":\"privacy_restricted\"", FAULT_NO_ENDPOINT},
      {"\"model\":\"acme/small-1:free\"", "Leave :free out", "\"code\":\"free_variant_ended\"", FAULT_NO_ENDPOINT},
      {"\"models\":[\"acme/large-1:free\",\"acme/large-1:free:nitro\",\"acme/small-1:free\"]",
       "acme/large-1 and 1 other model that fit this request: all 4 are out by max_price",
       "\"code\":\"free_variant_ended\"", FAULT_NO_ENDPOINT},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct made m;
    struct buf out;
    buf_init(&out, 100000);
    make(&m, cases[i].members, false);
    assert_false(m.good);
    availability_write(&out, &m.plan);
    if (m.note.fault != cases[i].fault || str_find(m.note.message, str_from_cstr(cases[i].says), 0) == SIZE_MAX ||
        str_find(buf_view(&out), str_from_cstr(cases[i].availability), 0) == SIZE_MAX)
      fail_msg("%s: %.*s %.*s", cases[i].members, STR_ARGS(m.note.message), STR_ARGS(buf_view(&out)));
    assert_int_equal(m.note.fault, cases[i].fault);
    buf_free(&out);
    drop(&m);
  }
}

// Clients know what to do about this one.
static void test_too_long(void **state) {
  (void)state;
  struct made m = {0};
  struct buf body;
  buf_init(&body, 1000000);
  buf_lit(&body, "{\"model\":\"acme/small-1\",\"messages\":[{\"role\":\"user\",\"content\":\"");
  for (int i = 0; i < 40000; i++) buf_lit(&body, "word ");
  buf_lit(&body, "\"}]}");
  assert_true(chat_request_parse(&m.request, buf_view(&body), &m.arena, &m.note));
  m.query = (struct plan_query){.request = &m.request, .catalogue = &world.catalogue, .max = 16};
  assert_false(plan_make(&m.query, &m.arena, &m.plan, &m.note));
  assert_int_equal(m.note.fault, FAULT_CONTEXT);
  buf_clear(&body);
  availability_write(&body, &m.plan);
  assert_true(str_find(buf_view(&body), STR("\"excluded_by\":[\"context_length\"]"), 0) != SIZE_MAX);
  chat_request_free(&m.request);
  arena_free(&m.arena);
  buf_free(&body);
}

// What explain writes is JSON, for plans that are good and that are not; and every member is there.
static void test_explained(void **state) {
  (void)state;
  static const char *const bodies[] = {
      "\"model\":\"acme/large-1\"",
      "\"model\":\"acme/large-1:nitro\",\"provider\":{\"ignore\":[\"b\"]}",
      "\"model\":\"acme/large-1\",\"provider\":{\"only\":[\"nobody\"]},\"max_tokens\":5",
      "\"models\":[\"acme/large-1\",\"acme/gratis\"],\"provider\":{\"sort\":\"price\"}",
      "\"model\":\"signalbox/auto\"",
      "\"model\":\"signalbox/free\"",
  };
  static const char *const keys[] = {"requested", "models",  "strategy", "candidates", "excluded",
                                     "auto",      "request", "sticky",   "seed",       "error"};
  for (size_t i = 0; i < COUNT(bodies); i++) {
    struct made m;
    struct buf out;
    struct json_doc doc = {0};
    buf_init(&out, 1000000);
    make(&m, bodies[i], true);
    assert_true(m.parsed);
    struct explain e = {&m.plan, &m.query, m.good ? NULL : &m.note};
    explain_json(&out, &e);
    assert_false(out.failed);
    if (json_parse(&doc, buf_view(&out), 8) != JSON_OK) fail_msg("%.*s", STR_ARGS(buf_view(&out)));
    for (size_t k = 0; k < COUNT(keys); k++) assert_int_not_equal(json_get(&doc, 0, str_from_cstr(keys[k])), JSON_NONE);
    unsigned n = 0;
    uint32_t lists[] = {json_get(&doc, 0, STR("candidates")), json_get(&doc, 0, STR("excluded"))};
    for (int l = 0; l < 2; l++)
      for (uint32_t c = json_first(&doc, lists[l]); c != JSON_NONE; c = json_next(&doc, lists[l], c)) n++;
    assert_int_equal(n, m.plan.routing.count + m.plan.routing.out_count);
    assert_true(json_is(&doc, json_get(&doc, 0, STR("error")), m.good ? JSON_NULL : JSON_OBJECT));
    json_doc_free(&doc);
    buf_free(&out);
    drop(&m);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_plans),        cmocka_unit_test(test_variants_for_the_body),
      cmocka_unit_test(test_what_is_said), cmocka_unit_test(test_too_long),
      cmocka_unit_test(test_explained),    cmocka_unit_test(test_routers),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
