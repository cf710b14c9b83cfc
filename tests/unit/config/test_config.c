// Whole configurations: what good ones become, and where and how bad ones are told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// cmocka wants the first four before it.
#include <cmocka.h>

#include "base/buf.h"
#include "config/config.c"
#include "provider/table.h"

static struct arena arena;
static struct config_problems problems;
static struct config config;
static char folder[64];

// What the environment of the machine says must not matter here.
static const char *const foreign[] = {
    "SIGNALBOX_CONFIG",
    "SIGNALBOX_LISTEN",
    "SIGNALBOX_WORKERS",
    "SIGNALBOX_DATA_DIR",
    "SIGNALBOX_MANAGEMENT_KEY",
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "CI_KEY",
    "TEST_SECRET",
    "TEST_EMPTY",
    "TEST_UNSET",
    "OPENAI_BASE_URL",
};

static void clean_environment(void) {
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) unsetenv(foreign[i]);
  for (size_t i = 0; i < provider_row_count; i++) {
    for (size_t k = 0; k < 3 && provider_rows[i].env_keys[k]; k++) unsetenv(provider_rows[i].env_keys[k]);
  }
}

static int setup(void **state) {
  (void)state;
  arena_free(&arena);
  problems = (struct config_problems){0};
  clean_environment();
  setenv("TEST_SECRET", "hunter2", 1);
  setenv("TEST_EMPTY", "", 1);
  return 0;
}

static bool parse(const char *text) {
  return config_parse(&arena, STR("test.yaml"), str_from_cstr(text), &config, &problems);
}

static void expect_none(void) {
  if (!problems.count) return;
  config_problems_print(&problems, STR("test.yaml"));
  fail_msg("%zu problems", problems.count);
}

static void parse_good(const char *text) {
  bool ok = parse(text);
  expect_none();
  assert_true(ok);
}

static void expect_str(struct str got, const char *wanted) {
  if (!str_eq(got, str_from_cstr(wanted))) fail_msg("got '%.*s', wanted '%s'", STR_ARGS(got), wanted);
}

static void test_defaults(void **state) {
  (void)state;
  parse_good("demo: on\n");
  assert_int_equal(config.listen_count, 1);
  expect_str(config.listen[0].host, "127.0.0.1");
  assert_int_equal(config.listen[0].port, 8787);
  assert_false(config.listen[0].tls);
  assert_int_equal(config.workers, 0);
  expect_str(config.data_dir, "./data");
  expect_str(config.store, "sqlite");
  expect_str(config.shared_state, "none");
  expect_str(config.path, "test.yaml");
  assert_true(config.demo);
  assert_int_equal(config.max_body_bytes, LIMIT_REQUEST_BODY);
  assert_int_equal(config.header_timeout_ms, 10000);
  assert_int_equal(config.body_timeout_ms, 60000);
  assert_int_equal(config.idle_timeout_ms, 75000);
  assert_int_equal(config.write_timeout_ms, 60000);
  assert_int_equal(config.drain_timeout_ms, 30000);
  assert_int_equal(config.keepalive_comment_ms, 5000);
  assert_int_equal(config.upstream_connect_timeout_ms, 5000);
  assert_int_equal(config.upstream_first_byte_timeout_ms, 300000);
  assert_int_equal(config.upstream_idle_timeout_ms, 120000);
  assert_int_equal(config.upstream_total_timeout_ms, 1800000);
  assert_int_equal(config.upstream_pool_idle_ms, 60000);
  assert_int_equal(config.management_key.len, 0);
  assert_int_equal(config.provider_count, 0);
}

// The file of the project's promises, as it stands there.
static const char example[] =
    "server:\n"
    "  listen: 127.0.0.1:8787          # one or a list; unix:/path too; tls: {cert, key} beside it for https\n"
    "  workers: auto                   # event loops; auto = one a core\n"
    "data_dir: ./data                  # embedded store, spool, generated secrets (0700)\n"
    "store: sqlite                     # or postgresql://user@host/db\n"
    "shared_state: none                # or redis://host:6379 (rate limits, budgets and cache across nodes)\n"
    "auth:\n"
    "  management_key: ${SIGNALBOX_MANAGEMENT_KEY}   # else made at first start, written to data_dir, shown once\n"
    "  keys:                                          # optional, declared keys (others live in the store)\n"
    "    - { name: ci, key: \"${CI_KEY}\", limit: \"10.00\" }\n"
    "providers:\n"
    "  - id: openai                    # slug used in routing\n"
    "    protocol: openai              # openai | anthropic | gemini | vertex | bedrock | azure | cohere | mistral | "
    "demo\n"
    "    base_url: http://127.0.0.1:9101/v1\n"
    "    api_key: ${OPENAI_API_KEY}\n"
    "models:\n"
    "  - id: openai/gpt-4o-mini\n"
    "    endpoints:\n"
    "      - provider: openai\n"
    "        model: gpt-4o-mini        # the provider's own name for it\n"
    "        context_length: 128000\n"
    "        max_completion_tokens: 16384\n"
    "        pricing: { prompt: \"0.00000015\", completion: \"0.0000006\", input_cache_read: \"0.000000075\" }\n"
    "                                  # decimal strings, USD per token: OpenRouter's keys and units\n"
    "        quantization: bf16        # and the other facts routing filters on\n";

static void expect_example(void) {
  expect_str(config.management_key, "mgmt-1");
  assert_int_equal(config.key_count, 1);
  expect_str(config.keys[0].name, "ci");
  expect_str(config.keys[0].key, "ci-key");
  assert_true(config.keys[0].has_limit);
  assert_true(config.keys[0].limit == 10000000000000);
  assert_int_equal(config.provider_count, 1);
  expect_str(config.providers[0].id, "openai");
  assert_int_equal(config.providers[0].protocol, PROTOCOL_OPENAI);
  assert_true(config.providers[0].protocol_given);
  expect_str(config.providers[0].base_url, "http://127.0.0.1:9101/v1");
  assert_int_equal(config.providers[0].key_count, 1);
  expect_str(config.providers[0].keys[0].value, "sk-up");
  assert_int_equal(config.providers[0].keys[0].weight, 1);
  assert_int_equal(config.model_count, 1);
  assert_int_equal(config.models[0].endpoint_count, 1);
  const struct config_endpoint *endpoint = &config.models[0].endpoints[0];
  expect_str(endpoint->provider, "openai");
  expect_str(endpoint->model, "gpt-4o-mini");
  assert_int_equal(endpoint->context_length, 128000);
  assert_int_equal(endpoint->max_completion_tokens, 16384);
  assert_int_equal(endpoint->max_prompt_tokens, 0);
  assert_true(endpoint->pricing.prompt == 150000000);
  assert_true(endpoint->pricing.completion == 600000000);
  assert_true(endpoint->pricing.input_cache_read == 75000000);
  assert_true(endpoint->pricing.input_cache_write == PRICE_UNSET);
  assert_true(endpoint->pricing.request == PRICE_UNSET);
  expect_str(endpoint->quantization, "bf16");
}

static void set_example_environment(void) {
  setenv("SIGNALBOX_MANAGEMENT_KEY", "mgmt-1", 1);
  setenv("CI_KEY", "ci-key", 1);
  setenv("OPENAI_API_KEY", "sk-up", 1);
}

static void test_example(void **state) {
  (void)state;
  set_example_environment();
  parse_good(example);
  expect_example();
  assert_int_equal(config.providers[0].line, 12);
  assert_int_equal(config.providers[0].column, 5);
  assert_int_equal(config.models[0].line, 17);
  assert_int_equal(config.models[0].endpoints[0].line, 19);
}

static void test_json(void **state) {
  (void)state;
  set_example_environment();
  parse_good(
      "{\"server\":{\"listen\":[\"127.0.0.1:8787\"],\"workers\":\"auto\"},\"store\":\"sqlite\",\n"
      "\"auth\":{\"management_key\":\"${SIGNALBOX_MANAGEMENT_KEY}\",\"keys\":[{\"name\":\"ci\",\"key\":\"${CI_KEY}\","
      "\"limit\":10}]},\n"
      "\"providers\":[{\"id\":\"openai\",\"protocol\":\"openai\",\"base_url\":\"http:\\/\\/127.0.0.1:9101\\/v1\",\n"
      "\t\"api_key\":\"${OPENAI_API_KEY}\"}],\n"
      "\"models\":[{\"id\":\"openai/gpt-4o-mini\",\"name\":null,\"endpoints\":[{\"provider\":\"openai\",\n"
      "\"model\":\"gpt-4o-mini\",\"context_length\":128000,\"max_completion_tokens\":16384,\n"
      "\"pricing\":{\"prompt\":1.5e-7,\"completion\":6E-07,\"input_cache_read\":0.000000075},\"quantization\":\"bf16\"}"
      "]}]}\n");
  expect_example();
}

static void test_every_form(void **state) {
  (void)state;
  parse_good(
      "server:\n"
      "  listen: [':80', '[::1]:8443', 'unix:/run/sb.sock', localhost:0, 'localhost:0']\n"
      "  workers: 8\n"
      "  max_body_bytes: 64 KiB\n"
      "  header_timeout_ms: 500ms\n"
      "  body_timeout_ms: 1500\n"
      "  idle_timeout_ms: 2m\n"
      "  write_timeout_ms: 1 h\n"
      "  drain_timeout_ms: 0\n"
      "  cors_origins: ['*', https://app.example, 'http://localhost:3000/']\n"
      "routing: {sort: Latency, only: [a, B/fp8, Some Name], ignore: c, data_collection: deny, zdr: on,\n"
      "  auto: {allowed_models: ['anthropic/*', openai/gpt-5], excluded_models: '*:free', cost_tier: XHigh}}\n"
      "demo: off\n"
      "providers:\n"
      "  - id: a\n"
      "    base_url: HTTPS://api.example/v1//\n"
      "    api_key: [one, {key: two, weight: 5}, '$${no}']\n"
      "    connect_timeout_ms: 250\n"
      "  - {id: b, base_url: 'http://[::1]:80', api_key: {key: three, weight: 2}}\n"
      "  - {id: local, base_url: http://localhost:1234/v1, api_key: ~}\n"
      "models:\n"
      "  - a/short\n"
      "  - id: a/long\n"
      "    endpoints:\n"
      "      - {provider: a, supported_parameters: [tools, seed], input_modalities: text, pricing: {prompt: 0}}\n"
      "      - {provider: b, model: x y, region: eu-west-1, data_policy: none kept}\n"
      "      - {provider: b, data_policy: {training: false, retention: no}}\n"
      "      - {provider: b, data_policy: {training: off}}\n"
      "      - {provider: b, data_policy: {training: on, retention: off}}\n"
      "      - {provider: b, data_policy: {retention: on}}\n");
  assert_int_equal(config.listen_count, 5);
  expect_str(config.listen[0].host, "0.0.0.0");
  assert_int_equal(config.listen[0].port, 80);
  expect_str(config.listen[1].host, "::1");
  assert_int_equal(config.listen[1].port, 8443);
  expect_str(config.listen[2].unix_path, "/run/sb.sock");
  expect_str(config.listen[3].host, "127.0.0.1");
  assert_int_equal(config.workers, 8);
  assert_int_equal(config.max_body_bytes, 65536);
  assert_int_equal(config.header_timeout_ms, 500);
  assert_int_equal(config.body_timeout_ms, 1500);
  assert_int_equal(config.idle_timeout_ms, 120000);
  assert_int_equal(config.write_timeout_ms, 3600000);
  assert_int_equal(config.drain_timeout_ms, 0);
  assert_int_equal(config.cors_origins.count, 3);
  expect_str(config.cors_origins.items[0], "*");
  expect_str(config.cors_origins.items[2], "http://localhost:3000");
  assert_int_equal(config.routing.sort, SORT_LATENCY);
  assert_int_equal(config.routing.only.count, 3);
  expect_str(config.routing.only.items[2], "Some Name");
  assert_int_equal(config.routing.ignore.count, 1);
  assert_true(config.routing.deny_collection);
  assert_true(config.routing.zdr);
  assert_int_equal(config.auto_allowed.count, 2);
  expect_str(config.auto_allowed.items[0], "anthropic/*");
  expect_str(config.auto_excluded.items[0], "*:free");
  assert_int_equal(config.auto_tier, TIER_XHIGH);
  assert_true(config.routing.max_prompt == PRICE_UNSET);
  assert_false(config.demo);
  assert_int_equal(config.provider_count, 3);
  expect_str(config.providers[0].base_url, "HTTPS://api.example/v1");
  assert_int_equal(config.providers[0].key_count, 3);
  expect_str(config.providers[0].keys[1].value, "two");
  assert_int_equal(config.providers[0].keys[1].weight, 5);
  expect_str(config.providers[0].keys[2].value, "${no}");
  assert_int_equal(config.providers[0].connect_timeout_ms, 250);
  assert_int_equal(config.providers[1].keys[0].weight, 2);
  assert_int_equal(config.providers[2].key_count, 0);
  assert_int_equal(config.model_count, 2);
  expect_str(config.models[0].id, "a/short");
  assert_int_equal(config.models[0].endpoint_count, 0);
  const struct config_endpoint *endpoints = config.models[1].endpoints;
  assert_int_equal(endpoints[0].supported_parameters.count, 2);
  expect_str(endpoints[0].supported_parameters.items[1], "seed");
  assert_int_equal(endpoints[0].input_modalities.count, 1);
  assert_true(endpoints[0].pricing.prompt == 0);
  expect_str(endpoints[1].model, "x y");
  expect_str(endpoints[1].region, "eu-west-1");
  static const char *const policies[] = {"none kept", "zdr", "no-training", "training", "unknown"};
  for (unsigned i = 0; i < 5; i++) expect_str(endpoints[1 + i].data_policy, policies[i]);
}

static void test_price_overrides(void **state) {
  (void)state;
  parse_good(
      "demo: on\n"
      "models:\n"
      "  - id: a\n"
      "    endpoints:\n"
      "      - provider: demo\n"
      "        pricing:\n"
      "          prompt: 3e-6\n"
      "          input_audio_cache: 1e-7\n"
      "          video: 2e-7\n"
      "          overrides:\n"
      "            - {min_prompt_tokens: 200000, prompt: \"0.000006\", audio_output: 0}\n"
      "            - {utc_start: 1630, utc_end: 0030, completion: 1e-6}\n"
      "            - {utc_start: 0, utc_end: 2400, min_prompt_tokens: 1, request: 1}\n");
  const struct config_endpoint *e = &config.models[0].endpoints[0];
  assert_true(e->pricing.input_audio_cache == 100000000);
  assert_true(e->pricing.video == 200000000);
  assert_int_equal(e->override_count, 3);
  const struct config_override *o = e->overrides;
  assert_int_equal(o[0].min_prompt_tokens, 200000);
  assert_false(o[0].has_start || o[0].has_end);
  assert_true(o[0].prices.prompt == 6000000000);
  assert_true(o[0].prices.audio_output == 0);
  assert_true(o[0].prices.completion == PRICE_UNSET);
  assert_int_equal(o[0].line, 11);
  assert_int_equal(o[0].column, 15);
  assert_true(o[1].has_start && o[1].has_end);
  assert_int_equal(o[1].utc_start, 1630);
  assert_int_equal(o[1].utc_end, 30);
  assert_int_equal(o[1].min_prompt_tokens, 0);
  assert_int_equal(o[2].utc_end, 2400);
}

static void write_file(const char *path, const char *text);

static void test_other_protocols(void **state) {
  (void)state;
  char path[128], text[1024];
  snprintf(path, sizeof path, "%s/c.json", folder);
  write_file(path, "{\"type\": \"service_account\"}");
  setenv("AWS_ACCESS_KEY_ID", "not-taken", 1);
  snprintf(text, sizeof text,
           "providers:\n"
           "  - {id: anthropic, api_key: x}\n"
           "  - {id: v, protocol: vertex, base_url: https://v.example/v1/projects/p, credentials_file: %s}\n"
           "  - {id: amazon-bedrock, region: us-east-1, aws_access_key_id: AK, aws_secret_access_key: S/k+,\n"
           "     aws_session_token: t}\n"
           "  - {id: azure, base_url: https://me.openai.azure.com, api_key: x, api_version: 2024-10-21}\n"
           "  - {id: fake, protocol: demo}\n",
           path);
  parse_good(text);
  unlink(path);
  assert_int_equal(config.providers[0].protocol, PROTOCOL_ANTHROPIC);
  assert_false(config.providers[0].protocol_given);
  assert_int_equal(config.providers[1].protocol, PROTOCOL_VERTEX);
  expect_str(config.providers[1].credentials, "{\"type\": \"service_account\"}");
  assert_int_equal(config.providers[2].protocol, PROTOCOL_BEDROCK);
  expect_str(config.providers[2].region, "us-east-1");
  expect_str(config.providers[2].base_url, "https://bedrock-runtime.us-east-1.amazonaws.com");
  expect_str(config.providers[2].aws_access_key_id, "AK");
  expect_str(config.providers[2].aws_secret_access_key, "S/k+");
  assert_int_equal(config.providers[2].key_count, 0);
  expect_str(config.providers[3].api_version, "2024-10-21");
}

struct bad_case {
  const char *text;
  unsigned line, column;
  const char *piece;
};

static const struct bad_case bad[] = {
    // shape
    {"- a\n", 1, 1, "expected settings"},
    {"hello\n", 1, 1, "expected settings"},
    {"server: x\n", 1, 9, "server: expected a mapping of settings, got a single value"},
    {"server: [a]\n", 1, 9, "got a list"},
    {"providers: {id: a}\n", 1, 12, "providers[]: expected a list"},
    {"providers: [a]\n", 1, 13, "expected a mapping of settings, got a single value"},
    {"providers:\n  -\n", 2, 3, "expected a mapping of settings, got nothing"},
    {"data_dir: [a]\n", 1, 11, "data_dir: expected a text, got a list"},
    {"demo: {a: b}\n", 1, 7, "demo: expected on or off, got a mapping"},
    {"", 1, 1, "holds no settings"},
    {"# nothing\n", 1, 1, "holds no settings"},
    {"data_dir: ''\n", 1, 11, "is empty"},
    // names
    {"serber:\n  listen: 1\n", 1, 1, "serber: unknown setting; did you mean 'server'?"},
    {"server:\n  lisen: ':80'\n", 2, 3, "did you mean 'listen'?"},
    {"listen: ':80'\n", 1, 1, "did you mean server.listen?"},
    {"server: {wumpus: 1}\n", 1, 10, "there are listen, tls, workers"},
    {"providers: [{id: openai, baseurl: 'http://x'}]\n", 1, 26, "did you mean 'base_url'?"},
    {"data_dir: a\ndata_dir: b\n", 2, 1, "'data_dir' is given twice; the first is at line 1"},
    // values
    {"server: {listen: localhost}\n", 1, 18, "a port is missing"},
    {"server: {listen: '::1:80'}\n", 1, 18, "write an IPv6 address as [::1]:8787"},
    {"server: {listen: '[::g]:80'}\n", 1, 18, "no IPv6 address"},
    {"server: {listen: 'example.org:80'}\n", 1, 18, "an IP address of this machine"},
    {"server: {listen: '127.0.0.1:65536'}\n", 1, 18, "a port is a number from 0 to 65535, got '127.0.0.1:65536'"},
    {"server:\n  listen:\n    - ':80'\n    - ':80'\n", 4, 7, "the same address is given twice"},
    {"server: {listen: []}\n", 1, 18, "at least one address"},
    {"server: {listen: 'unix:'}\n", 1, 18, "the path after unix: is missing"},
    {"server: {workers: many}\n", 1, 19, "expected a number or auto, got 'many'"},
    {"server: {workers: 0}\n", 1, 19, "must be between 1 and 1024"},
    {"server: {max_body_bytes: 1k}\n", 1, 26, "expected bytes, or a size like"},
    {"server: {max_body_bytes: 1}\n", 1, 26, "must be between 1024 and"},
    {"server: {max_body_bytes: 99999999999999999999GiB}\n", 1, 26, "expected bytes"},
    {"server: {idle_timeout_ms: -1}\n", 1, 27, "expected milliseconds"},
    {"server: {idle_timeout_ms: 1.5s}\n", 1, 27, "expected milliseconds"},
    {"server: {idle_timeout_ms: 25h}\n", 1, 27, "must be between 10 and 86400000 ms, got '25h'"},
    {"server: {tls: {cert: /nonexistent/cert.pem}}\n", 1, 15, "server.tls.key: is missing"},
    {"server: {tls: {cert: /nonexistent/cert.pem, key: /dev/null}}\n", 1, 22, "the file cannot be read"},
    {"server: {cors_origins: [https://a.example/path]}\n", 1, 25, "must end with the host or port"},
    {"store: postgresql://user:secretword@db/x\n", 1, 8, "not in this version"},
    {"routing: {sort: cheapest}\n", 1, 17, "expected price, throughput, latency or exacto, got 'cheapest'"},
    {"routing: {auto: {cost_tier: cheap}}\n", 1, 29, "expected low, medium, high, xhigh or max, got 'cheap'"},
    {"routing: {auto: {allowed_models: [open ai]}}\n", 1, 35, "expected model ids that may hold *, as in anthropic/*"},
    {"routing: {data_collection: maybe}\n", 1, 28, "expected allow or deny"},
    {"routing: {only: ['a\"b']}\n", 1, 18, "expected providers, as in openai or deepinfra/fp8"},
    {"store: mysql\n", 1, 8, "store: expected sqlite"},
    {"shared_state: redis://:secretword@host:6379\n", 1, 15, "not in this version"},
    {"demo: maybe\n", 1, 7, "expected on or off, got 'maybe'"},
    {"auth: {management_key: 'has secretword space'}\n", 1, 24, "auth.management_key: has a space"},
    {"auth: {management_key: ''}\n", 1, 24, "is empty"},
    {"auth: {keys: [{name: a}]}\n", 1, 15, "auth.keys[].key: is missing"},
    {"auth: {keys: [{name: a, key: k, limit: free}]}\n", 1, 40, "expected USD as a decimal number"},
    {"auth: {keys: [{name: a, key: k, limit: -1}]}\n", 1, 40, "not negative"},
    {"auth: {keys: [{name: a, key: k}, {name: a, key: l}]}\n", 1, 34, "'a' is used twice"},
    {"auth: {keys: [{name: a, key: secretword}, {name: b, key: secretword}]}\n", 1, 43, "the same as that of line 1"},
    {"auth: {management_key: secretword, keys: [{name: a, key: secretword}]}\n", 1, 43, "is the management key"},
    // providers
    {"providers:\n  - base_url: http://x\n", 2, 5, "providers[].id: is missing"},
    {"providers: [{id: 'a b'}]\n", 1, 18, "expected a word of letters, digits and . _ -, got 'a b'"},
    {"providers: [{id: mine}]\n", 1, 13, "providers[].base_url: is missing"},
    {"providers: [{id: azure, api_key: k}]\n", 1, 13, "base_url: is missing"},
    {"providers: [{id: a, base_url: ftp://x}]\n", 1, 31, "must begin with http:// or https://"},
    {"providers: [{id: a, base_url: 'https://'}]\n", 1, 31, "has no valid host"},
    {"providers: [{id: a, base_url: 'https://u:secretword@h/'}]\n", 1, 31, "credentials have settings of their own"},
    {"providers: [{id: a, base_url: 'http://h:0/'}]\n", 1, 31, "a port is a number"},
    {"providers: [{id: a, base_url: 'http://h/?key=secretword'}]\n", 1, 31, "must not have a query"},
    {"providers: [{id: a, base_url: 'http://h h/'}]\n", 1, 31, "has a space"},
    {"providers: [{id: a, base_url: 'http://h', protocol: opena}]\n", 1, 53, "did you mean 'openai'?"},
    {"providers: [{id: a, base_url: 'http://h', protocol: smoke}]\n", 1, 53, "there are openai, anthropic"},
    {"providers: [{id: a, base_url: 'http://h', api_key: [ok, 'secret word']}]\n", 1, 57, "has a space"},
    {"providers: [{id: a, base_url: 'http://h', api_key: {secretword: 1}}]\n", 1, 52, "expected a key or {key"},
    {"providers: [{id: a, base_url: 'http://h', api_key: {key: k, weight: 0}}]\n", 1, 69, "between 1 and 1000"},
    {"providers: [{id: a, base_url: 'http://h', api_key: [[k]]}]\n", 1, 53, "expected a key or a list of keys"},
    {"providers: [{id: a, base_url: 'http://h', api_key: [~]}]\n", 1, 53, "is empty"},
    {"providers: [{id: a, base_url: 'http://h', ca_file: /nonexistent}]\n", 1, 52, "cannot be read"},
    {"providers:\n  - {id: a, base_url: 'http://h'}\n  - {id: a, base_url: 'http://i'}\n", 3, 5,
     "providers[].id: 'a' is used twice; the first is at line 2"},
    {"providers: [{id: demo, protocol: openai, base_url: 'http://h'}]\n", 1, 13, "'demo' is the built-in provider"},
    // models
    {"models: [{name: x}]\n", 1, 10, "models[].id: is missing"},
    {"models: ['a b']\n", 1, 10, "models[].id: expected letters"},
    {"models: [a/b, a/c, a/b]\n", 1, 20, "models[].id: 'a/b' is used twice"},
    {"models: [{id: a, endpoints: [{model: x}]}]\n", 1, 30, "models[].endpoints[].provider: is missing"},
    {"models: [{id: a, endpoints: [{provider: openai}]}]\n", 1, 30, "there is no provider 'openai'; add it"},
    {"providers: [{id: openai, api_key: x}]\nmodels: [{id: a, endpoints: [{provider: opnai}]}]\n", 2, 30,
     "did you mean 'openai'?"},
    {"demo: off\nmodels: [{id: a, endpoints: [{provider: demo}]}]\n", 2, 30, "there is no provider 'demo'"},
    {"models: [{id: a, endpoints: [{provider: demo, data_policy: {train: off}}]}]\n", 1, 60, "expected a word, or {"},
    {"models: [{id: a, endpoints: [{provider: demo, data_policy: {training: x}}]}]\n", 1, 71, "expected on or off"},
    {"models: [{id: a, endpoints: [{provider: demo, context_length: 0}]}]\n", 1, 63, "must be between 1 and"},
    {"models: [{id: a, endpoints: [{provider: demo, context_length: 128k}]}]\n", 1, 63, "expected a whole number"},
    {"models: [{id: a, endpoints: [{provider: demo, pricing: {prompt: cheap}}]}]\n", 1, 65,
     "expected USD as a decimal"},
    {"models: [{id: a, endpoints: [{provider: demo, pricing: {prompt: -1}}]}]\n", 1, 65, "not negative, as in"},
    {"models: [{id: a, endpoints: [{provider: demo, pricing: {prompt: 0.0000000000000001}}]}]\n", 1, 65, "at most 15"},
    {"models: [{id: a, endpoints: [{provider: demo, pricing: {promt: 1}}]}]\n", 1, 57, "did you mean 'prompt'?"},
#define OVERRIDE_ENTRY(text) "models: [{id: a, endpoints: [{provider: demo, pricing: {overrides: [" text "]}}]}]\n"
    {OVERRIDE_ENTRY("{min_prompt_tokens: 1, prompt: -1}"), 1, 100, "overrides[].prompt: expected USD"},
    {OVERRIDE_ENTRY("{min_prompt_tokens: many, prompt: 1}"), 1, 89, "expected a whole number"},
    {OVERRIDE_ENTRY("{min_prompt_tokens: 0, prompt: 1}"), 1, 89, "must be between 1 and"},
    {OVERRIDE_ENTRY("{utc_start: 1260, utc_end: 1, prompt: 1}"), 1, 81, "expected an hour of the day as HHMM"},
    {OVERRIDE_ENTRY("{utc_start: 2400, utc_end: 1, prompt: 1}"), 1, 81, "got '2400'"},
    {OVERRIDE_ENTRY("{utc_start: 1, utc_end: 2401, prompt: 1}"), 1, 93, "got '2401'"},
    {OVERRIDE_ENTRY("{utc_start: '10:30', utc_end: 1, prompt: 1}"), 1, 81, "got '10:30'"},
    {OVERRIDE_ENTRY("{utc_start: 130, prompt: 1}"), 1, 69, "overrides[]: utc_start and utc_end go together"},
    {OVERRIDE_ENTRY("{utc_start: 130, utc_end: 130, prompt: 1}"), 1, 69, "are the same hour"},
    {OVERRIDE_ENTRY("{prompt: 1}"), 1, 69, "has no condition"},
    {OVERRIDE_ENTRY("{min_prompt_tokens: 5}"), 1, 69, "gives no price"},
    {OVERRIDE_ENTRY("{min_prompt_tokens: 5, promt: 1}"), 1, 92, "did you mean 'prompt'?"},
    {OVERRIDE_ENTRY("7"), 1, 69, "expected a mapping of settings"},
    {"models: [{id: a, endpoints: [{provider: demo, pricing: {overrides: 7}}]}]\n", 1, 68, "expected a list"},
    {"models: [{id: a, endpoints: [{provider: demo, supported_parameters: [a b]}]}]\n", 1, 70, "expected words"},
    // references
    {"data_dir: ${TEST_UNSET}\n", 1, 11, "the environment variable TEST_UNSET is not set"},
    {"data_dir: ${TEST_EMPTY}\n", 1, 11, "is empty"},
    {"data_dir: a${\n", 1, 11, "no closing brace"},
    {"data_dir: ${not-a-name}\n", 1, 11, "a reference is ${NAME}"},
    {"data_dir: ${file:/nonexistent/x}\n", 1, 11, "cannot read '/nonexistent/x': No such file or directory"},
    {"data_dir: ${file:/dev/zero}\n", 1, 11, "not a plain file"},
    {"data_dir: ${file:/}\n", 1, 11, "not a plain file"},
    {"demo: ${TEST_SECRET}\n", 1, 7, "expected on or off"},
    {"providers: [{id: a, base_url: '${TEST_SECRET}'}]\n", 1, 31, "must begin with http"},
};

static void expect_no_secret(void) {
  static const char *const secrets[] = {"hunter2", "secretword", "secret word"};
  for (size_t i = 0; i < problems.count; i++) {
    for (size_t k = 0; k < 3; k++) {
      if (str_find(problems.items[i].text, str_from_cstr(secrets[k]), 0) != SIZE_MAX)
        fail_msg("a secret is shown: %.*s", STR_ARGS(problems.items[i].text));
    }
  }
}

static void test_bad(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    setup(NULL);
    assert_false(parse(bad[i].text));
    assert_true(problems.count > 0);
    bool found = false;
    for (size_t k = 0; k < problems.count; k++) {
      const struct config_problem *problem = &problems.items[k];
      found |= problem->line == bad[i].line && problem->column == bad[i].column &&
               str_find(problem->text, str_from_cstr(bad[i].piece), 0) != SIZE_MAX;
    }
    if (!found) {
      config_problems_print(&problems, STR("got"));
      fail_msg("%s: wanted %u:%u %s", bad[i].text, bad[i].line, bad[i].column, bad[i].piece);
    }
    expect_no_secret();
  }
}

static void test_all_at_once_in_order(void **state) {
  (void)state;
  assert_false(
      parse("models: [{id: a, endpoints: [{provider: nobody}]}]\n"
            "server:\n  workers: none\n  lisen: x\n"
            "providers:\n  - {id: x}\n  - {id: y, base_url: 'gopher://y', api_key: '${TEST_UNSET}'}\n"
            "demo: perhaps\n"));
  static const unsigned lines[] = {1, 3, 4, 6, 7, 7, 7, 8};
  // y's base_url is both malformed and, so, missing.
  assert_int_equal(problems.count, sizeof lines / sizeof *lines);
  for (size_t i = 0; i < problems.count; i++) assert_int_equal(problems.items[i].line, lines[i]);
}

static void test_problems_end(void **state) {
  (void)state;
  struct buf text;
  buf_init(&text, 1 << 20);
  for (int i = 0; i < 30000; i++) buf_printf(&text, "unknown_setting_%d: 1\n", i);
  assert_false(config_parse(&arena, STR("x"), buf_view(&text), &config, &problems));
  assert_int_equal(problems.count, PROBLEMS_MAX);
  buf_free(&text);

  setup(state);
  buf_init(&text, LIMIT_CONFIG + 1);
  while (text.len <= LIMIT_CONFIG) buf_char(&text, '\n');
  assert_false(config_parse(&arena, STR("x"), buf_view(&text), &config, &problems));
  assert_int_equal(problems.count, 1);
  buf_free(&text);
}

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void test_references(void **state) {
  (void)state;
  char path[128], text[512];
  snprintf(path, sizeof path, "%s/secret", folder);
  write_file(path, "from-file\n");
  snprintf(text, sizeof text,
           "auth: {management_key: \"${file:%s}\"}\n"
           "data_dir: /x/${TEST_SECRET}/$${y}/${TEST_UNSET:-z}/${TEST_EMPTY:-}$5\n"
           "providers: [{id: a, base_url: 'http://h', api_key: \"a${TEST_SECRET}b\"}]\n",
           path);
  parse_good(text);
  expect_str(config.management_key, "from-file");
  expect_str(config.data_dir, "/x/hunter2/${y}/z/$5");
  expect_str(config.providers[0].keys[0].value, "ahunter2b");
  // A reference brings text, never structure, and is not looked through again.
  setup(NULL);
  setenv("TEST_SECRET", "{a: ${TEST_UNSET}}", 1);
  parse_good("data_dir: ${TEST_SECRET}\n");
  expect_str(config.data_dir, "{a: ${TEST_UNSET}}");
  unlink(path);
}

static void test_load_and_find(void **state) {
  (void)state;
  char path[128];
  snprintf(path, sizeof path, "%s/a.yaml", folder);
  assert_false(config_load(&arena, str_from_cstr(path), &config, &problems));
  assert_int_equal(problems.count, 1);
  assert_int_equal(problems.items[0].line, 0);
  assert_true(str_find(problems.items[0].text, STR("No such file"), 0) != SIZE_MAX);

  problems = (struct config_problems){0};
  assert_false(config_load(&arena, str_from_cstr(folder), &config, &problems));
  assert_int_equal(problems.count, 1);

  write_file(path, "data_dir: /somewhere\n");
  problems = (struct config_problems){0};
  assert_true(config_load(&arena, str_from_cstr(path), &config, &problems));
  expect_str(config.data_dir, "/somewhere");
  expect_str(config.path, path);
  unlink(path);

  setenv("SIGNALBOX_CONFIG", "/from/environment", 1);
  expect_str(config_find(&arena, "/given"), "/given");
  expect_str(config_find(&arena, NULL), "/from/environment");
  unsetenv("SIGNALBOX_CONFIG");
  char before[4096];
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(folder), 0);
  write_file("signalbox.yaml", "");
  expect_str(config_find(&arena, NULL), "./signalbox.yaml");
  unlink("signalbox.yaml");
  assert_int_equal(chdir(before), 0);
}

static void test_environment_behind_file(void **state) {
  (void)state;
  setenv("SIGNALBOX_LISTEN", "0.0.0.0:1", 1);
  setenv("SIGNALBOX_WORKERS", "3", 1);
  setenv("SIGNALBOX_DATA_DIR", "/env", 1);
  setenv("SIGNALBOX_MANAGEMENT_KEY", "env-key", 1);
  setenv("OPENAI_API_KEY", "sk-env", 1);
  setenv("GROQ_API_KEY", "gsk-env", 1);
  parse_good("data_dir: /file\nproviders: [{id: openai}, {id: groq, base_url: 'http://elsewhere/v1'}]\n");
  assert_int_equal(config.listen[0].port, 1);
  assert_int_equal(config.workers, 3);
  expect_str(config.data_dir, "/file");
  expect_str(config.management_key, "env-key");
  // A listed vendor takes its key from the environment, but never to another host; no provider is added.
  assert_int_equal(config.provider_count, 2);
  assert_int_equal(config.providers[0].key_count, 1);
  expect_str(config.providers[0].keys[0].value, "sk-env");
  assert_int_equal(config.providers[1].key_count, 0);

  setup(NULL);
  setenv("SIGNALBOX_WORKERS", "hunter", 1);
  setenv("SIGNALBOX_MANAGEMENT_KEY", "hunter2 x", 1);
  assert_false(parse(""));
  assert_int_equal(problems.count, 2);
  expect_str(problems.items[0].text, "SIGNALBOX_WORKERS: expected a number or auto, got 'hunter'");
  expect_no_secret();
}

// Ends the arena at every size up to what the example needs: a problem each time, never a crash.
static void test_memory_ends(void **state) {
  set_example_environment();
  size_t ceiling = 4096, refused = 0;
  for (;; ceiling += 512) {
    setup(state);
    set_example_environment();
    arena.max = ceiling;
    arena.chunk_size = 512;
    bool ok = parse(example);
    arena.max = 0;
    arena.chunk_size = 0;
    assert_int_equal(ok, problems.count == 0);
    if (ok) break;
    refused++;
    assert_true(ceiling < 1 << 20);
  }
  assert_true(refused > 5);
  expect_example();
}

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/signalbox-config-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}
static int remove_folder(void **state) {
  setup(state);
  return rmdir(folder);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_defaults),
      TEST(test_example),
      TEST(test_json),
      TEST(test_every_form),
      TEST(test_price_overrides),
      TEST(test_other_protocols),
      TEST(test_bad),
      TEST(test_all_at_once_in_order),
      TEST(test_problems_end),
      TEST(test_references),
      TEST(test_load_and_find),
      TEST(test_environment_behind_file),
      TEST(test_memory_ends),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
