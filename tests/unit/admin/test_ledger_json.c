// The account answers: every member that strict clients want is there, money is exact, and nothing breaks the JSON.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka.h wants the headers above first
#include <cmocka.h>

#include "admin/ledger_json.h"
#include "json/json.h"

// A written answer, parsed.
struct answer {
  struct buf text;
  struct json_doc doc;
  uint32_t data;
};

static void answer_free(struct answer *a) {
  json_doc_free(&a->doc);
  buf_free(&a->text);
}

static void parsed(struct answer *a) {
  enum json_error error = json_parse(&a->doc, buf_view(&a->text), 16);
  if (error) fail_msg("%s in %.*s", json_error_text(error), STR_ARGS(buf_view(&a->text)));
  a->data = json_get(&a->doc, 0, STR("data"));
  if (a->data == JSON_NONE) a->data = 0;
}

static struct answer generation(const struct record *r) {
  struct answer a = {0};
  buf_init(&a.text, 65536);
  generation_json(&a.text, r);
  parsed(&a);
  return a;
}

static struct answer key(void (*write)(struct buf *, const struct key_row *), const struct key_row *k) {
  struct answer a = {0};
  buf_init(&a.text, 65536);
  write(&a.text, k);
  parsed(&a);
  return a;
}

static void assert_member(const struct answer *a, uint32_t object, const char *name, const char *raw) {
  struct str got = json_raw(&a->doc, json_get(&a->doc, object, str_from_cstr(name)));
  if (!str_eq(got, str_from_cstr(raw))) fail_msg("%s is %.*s, want %s", name, STR_ARGS(got), raw);
}

static void assert_all_there(const struct answer *a, const char *const *names) {
  for (; *names; names++)
    if (json_get(&a->doc, a->data, str_from_cstr(*names)) == JSON_NONE) fail_msg("%s is missing", *names);
}

// --- /generation ---

static const char *const generation_members[] = {"api_type",
                                                 "app_id",
                                                 "cache_discount",
                                                 "cancelled",
                                                 "created_at",
                                                 "data_region",
                                                 "external_user",
                                                 "finish_reason",
                                                 "generation_time",
                                                 "http_referer",
                                                 "id",
                                                 "is_byok",
                                                 "latency",
                                                 "model",
                                                 "moderation_latency",
                                                 "native_finish_reason",
                                                 "native_tokens_cached",
                                                 "native_tokens_completion",
                                                 "native_tokens_completion_images",
                                                 "native_tokens_prompt",
                                                 "native_tokens_reasoning",
                                                 "num_fetches",
                                                 "num_input_audio_prompt",
                                                 "num_media_completion",
                                                 "num_media_prompt",
                                                 "num_search_results",
                                                 "origin",
                                                 "preset_id",
                                                 "provider_name",
                                                 "provider_responses",
                                                 "request_id",
                                                 "response_cache_source_id",
                                                 "router",
                                                 "service_tier",
                                                 "session_id",
                                                 "streamed",
                                                 "tokens_completion",
                                                 "tokens_prompt",
                                                 "total_cost",
                                                 "upstream_id",
                                                 "upstream_inference_cost",
                                                 "usage",
                                                 "user_agent",
                                                 "web_search_engine",
                                                 "workspace_id",
                                                 NULL};

static void test_a_generation_has_every_member(void **state) {
  (void)state;
  struct record full = {.id = STR("gen-1-a"),
                        .created_us = 1790000000123456,
                        .model = STR("openai/gpt-4o-mini"),
                        .provider = STR("openai"),
                        .provider_name = STR("OpenAI"),
                        .upstream_id = STR("chatcmpl-1"),
                        .finish_reason = STR("stop"),
                        .native_finish_reason = STR("end"),
                        .api_type = STR("completions"),
                        .user = STR("u\"1"),
                        .preset_id = STR("a9e8d400"),
                        .router = STR("openrouter/auto"),
                        .status = 200,
                        .streamed = true,
                        .latency_ms = 12,
                        .generation_ms = 34,
                        .usage = {.known = true, .prompt = 10, .completion = 20, .cached = 3, .reasoning = 4},
                        .cost = {.total = 1234567}};
  struct answer a = generation(&full);
  assert_all_there(&a, generation_members);
  assert_member(&a, a.data, "id", "\"gen-1-a\"");
  assert_member(&a, a.data, "created_at", "\"2026-09-21T14:13:20.123Z\"");
  assert_member(&a, a.data, "total_cost", "0.000001234567");
  assert_member(&a, a.data, "usage", "0.000001234567");
  assert_member(&a, a.data, "native_tokens_prompt", "10");
  assert_member(&a, a.data, "native_tokens_cached", "3");
  assert_member(&a, a.data, "native_tokens_reasoning", "4");
  assert_member(&a, a.data, "external_user", "\"u\\\"1\"");
  assert_member(&a, a.data, "streamed", "true");
  assert_member(&a, a.data, "session_id", "null");
  assert_member(&a, a.data, "preset_id", "\"a9e8d400\"");
  assert_member(&a, a.data, "router", "\"openrouter/auto\"");
  assert_member(&a, a.data, "origin", "\"\"");
  uint32_t responses = json_get(&a.doc, a.data, STR("provider_responses"));
  uint32_t only = json_first(&a.doc, responses);
  assert_member(&a, only, "provider_name", "\"OpenAI\"");
  assert_member(&a, only, "status", "200");
  assert_int_equal(json_next(&a.doc, responses, only), JSON_NONE);
  answer_free(&a);

  struct record empty = {0};
  a = generation(&empty);
  assert_all_there(&a, generation_members);
  assert_member(&a, a.data, "total_cost", "0");
  assert_member(&a, a.data, "model", "\"\"");
  assert_member(&a, a.data, "provider_responses", "[]");
  answer_free(&a);
}

static void test_failed_attempts_come_before_the_answer(void **state) {
  (void)state;
  static const struct {
    const char *attempts;
    uint16_t fault;
    const char *want;
  } cases[] = {
      {"[{\"provider\":\"A\",\"model\":\"m\",\"status\":503,\"fault\":\"x\",\"latency_ms\":7}]", FAULT_NONE,
       "[{\"provider_name\":\"A\",\"model_permaslug\":\"m\",\"latency\":7,\"fault\":\"x\",\"is_byok\":false,\"status\":"
       "503},"
       "{\"provider_name\":\"B\",\"model_permaslug\":\"m\",\"latency\":9,\"started\":0,\"reason\":\"first\","
       "\"is_byok\":false,\"status\":200}]"},
      {"[{\"provider\":\"A\",\"model\":\"m\",\"tag\":\"x\",\"status\":503,\"fault\":\"y\",\"reason\":\"first\","
       "\"started_ms\":0,\"latency_ms\":7},{\"provider\":\"B\",\"model\":\"m\",\"tag\":\"z\",\"status\":200,"
       "\"reason\":\"fallback\",\"started_ms\":7,\"latency_ms\":2,\"dropped\":[\"seed\"]}]",
       FAULT_NONE,
       "[{\"provider_name\":\"A\",\"model_permaslug\":\"m\",\"tag\":\"x\",\"latency\":7,\"started\":0,\"reason\":"
       "\"first\","
       "\"fault\":\"y\",\"is_byok\":false,\"status\":503},"
       "{\"provider_name\":\"B\",\"model_permaslug\":\"m\",\"tag\":\"z\",\"latency\":2,\"started\":7,\"reason\":"
       "\"fallback\",\"is_byok\":false,\"status\":200,\"dropped_parameters\":[\"seed\"]}]"},
      {"[{\"provider\":\"A\",\"status\":0}]", FAULT_CONNECT,
       "[{\"provider_name\":\"A\",\"is_byok\":false,\"status\":null}]"},
      {"[{}]", FAULT_CONNECT, "[{\"is_byok\":false,\"status\":null}]"},
      {"[{\"provider\":", FAULT_CONNECT, "[]"},
      {"{}", FAULT_CONNECT, "[]"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct record r = {.model = STR("m"),
                       .provider = STR("b"),
                       .provider_name = STR("B"),
                       .latency_ms = 9,
                       .fault = cases[i].fault,
                       .attempts_json = str_from_cstr(cases[i].attempts)};
    struct answer a = generation(&r);
    assert_member(&a, a.data, "provider_responses", cases[i].want);
    answer_free(&a);
  }
}

// --- Keys ---

static const struct key_row spent_key = {.id = STR("key_a"),
                                         .name = STR("lap\"top"),
                                         .prefix = STR("sk-sb-v1-ab12"),
                                         .hash = {0xab, 0x01},
                                         .has_limit = true,
                                         .limit = 10000000000000,
                                         .created = 1790000000,
                                         .updated = 1790000001,
                                         .expires = 1800000000,
                                         .spent = 2500000000001,
                                         .spent_day = 1,
                                         .spent_week = 20,
                                         .spent_month = 300};

static void test_a_key_tells_limit_and_spending(void **state) {
  (void)state;
  static const char *const members[] = {"allowed_data_regions",
                                        "byok_usage",
                                        "byok_usage_daily",
                                        "byok_usage_monthly",
                                        "byok_usage_weekly",
                                        "creator_user_id",
                                        "expires_at",
                                        "free_model_daily_requests",
                                        "include_byok_in_limit",
                                        "is_free_tier",
                                        "is_management_key",
                                        "is_provisioning_key",
                                        "label",
                                        "limit",
                                        "limit_remaining",
                                        "limit_reset",
                                        "organization_id",
                                        "rate_limit",
                                        "usage",
                                        "usage_daily",
                                        "usage_monthly",
                                        "usage_weekly",
                                        "workspace_id",
                                        NULL};
  struct answer a = key(key_json, &spent_key);
  assert_all_there(&a, members);
  assert_member(&a, a.data, "label", "\"lap\\\"top\"");
  assert_member(&a, a.data, "limit", "10");
  assert_member(&a, a.data, "limit_remaining", "7.499999999999");
  assert_member(&a, a.data, "usage", "2.500000000001");
  assert_member(&a, a.data, "usage_daily", "0.000000000001");
  assert_member(&a, a.data, "usage_weekly", "0.00000000002");
  assert_member(&a, a.data, "usage_monthly", "0.0000000003");
  assert_member(&a, a.data, "expires_at", "\"2027-01-15T08:00:00.000Z\"");
  answer_free(&a);
  struct key_row over = {.has_limit = true, .limit = 5, .spent = 6}, free_one = {.management = true};
  a = key(key_json, &over);
  assert_member(&a, a.data, "limit_remaining", "0");
  answer_free(&a);
  a = key(key_json, &free_one);
  assert_all_there(&a, members);
  assert_member(&a, a.data, "limit", "null");
  assert_member(&a, a.data, "limit_remaining", "null");
  assert_member(&a, a.data, "expires_at", "null");
  assert_member(&a, a.data, "is_management_key", "true");
  answer_free(&a);
}

static void test_a_row_of_keys(void **state) {
  (void)state;
  static const char *const members[] = {"byok_usage",
                                        "byok_usage_daily",
                                        "byok_usage_monthly",
                                        "byok_usage_weekly",
                                        "created_at",
                                        "creator_user_id",
                                        "disabled",
                                        "expires_at",
                                        "hash",
                                        "include_byok_in_limit",
                                        "label",
                                        "limit",
                                        "limit_remaining",
                                        "limit_reset",
                                        "name",
                                        "updated_at",
                                        "usage",
                                        "usage_daily",
                                        "usage_monthly",
                                        "usage_weekly",
                                        "workspace_id",
                                        NULL};
  struct answer a = key(keys_item_json, &spent_key);
  assert_all_there(&a, members);
  assert_member(&a, a.data, "hash", "\"ab01000000000000000000000000000000000000000000000000000000000000\"");
  assert_member(&a, a.data, "label", "\"sk-sb-v1-ab12\"");
  assert_member(&a, a.data, "name", "\"lap\\\"top\"");
  assert_member(&a, a.data, "created_at", "\"2026-09-21T14:13:20.000Z\"");
  answer_free(&a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_generation_has_every_member),
      cmocka_unit_test(test_failed_attempts_come_before_the_answer),
      cmocka_unit_test(test_a_key_tells_limit_and_spending),
      cmocka_unit_test(test_a_row_of_keys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
