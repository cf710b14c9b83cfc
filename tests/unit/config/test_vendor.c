// What the environment adds: keys of vendors, proxies, servers on this machine.
#include "config/google.h"
#include "config/vendor.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first.
#include <cmocka.h>

static struct arena arena;
static struct config config;
static struct config_problems problems;

static int setup(void **state) {
  (void)state;
  static const char *const names[] = {
      "SIGNALBOX_LISTEN", "SIGNALBOX_WORKERS", "SIGNALBOX_DATA_DIR", "SIGNALBOX_MANAGEMENT_KEY",
      "http_proxy",       "HTTP_PROXY",        "https_proxy",        "HTTPS_PROXY",
      "all_proxy",        "ALL_PROXY",         "no_proxy",           "NO_PROXY"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
  for (size_t i = 0; i < provider_row_count; i++) {
    for (size_t k = 0; k < 3 && provider_rows[i].env_keys[k]; k++) unsetenv(provider_rows[i].env_keys[k]);
  }
  arena_free(&arena);
  problems = (struct config_problems){0};
  return 0;
}

static const struct config_provider *provider(const char *id) {
  for (size_t i = 0; i < config.provider_count; i++) {
    if (str_eq(config.providers[i].id, str_from_cstr(id))) return &config.providers[i];
  }
  return NULL;
}

static void test_keys(void **state) {
  (void)state;
  setenv("OPENAI_API_KEY", "sk-one\n", 1);
  setenv("GROQ_API_KEY", "", 1);
  setenv("ANTHROPIC_API_KEY", "not-built-yet", 1);
  setenv("DATABRICKS_TOKEN", "has no known address", 1);
  setenv("SIGNALBOX_LISTEN", "[::1]:9", 1);
  assert_true(config_from_environment(&arena, &config, &problems));
  assert_int_equal(problems.count, 0);
  assert_int_equal(config.path.len, 0);
  assert_true(config.demo);
  assert_int_equal(config.listen[0].port, 9);
  assert_non_null(provider("openai"));
  assert_int_equal(provider("openai")->key_count, 1);
  assert_true(str_eq(provider("openai")->keys[0].value, STR("sk-one")));
  assert_int_equal(provider("openai")->base_url.len, 0);
  assert_null(provider("groq"));
  assert_null(provider("databricks"));
}

static void test_google(void **state) {
  (void)state;
  static const struct {
    const char *credentials, *project, *region, *location, *key, *base_url;  // base_url NULL: a problem
  } rows[] = {
      {"{\"type\":\"service_account\",\"project_id\":\"own-1\"}", NULL, NULL, NULL, NULL,
       "https://aiplatform.googleapis.com/v1/projects/own-1/locations/global"},
      {"{\"type\":\"service_account\",\"project_id\":\"own-1\"}", "other", "europe-west4", "us", NULL,
       "https://europe-west4-aiplatform.googleapis.com/v1/projects/other/locations/europe-west4"},
      {"{\"type\":\"authorized_user\",\"quota_project_id\":\"q\"}", NULL, NULL, "eu", NULL,
       "https://aiplatform.eu.rep.googleapis.com/v1/projects/q/locations/eu"},
      {"{\"type\":\"authorized_user\"}", NULL, NULL, NULL, NULL, NULL},
      {"{\"type\":\"authorized_user\"}", "a/b", NULL, NULL, NULL, NULL},
      {NULL, NULL, NULL, NULL, "AIzaKey", "https://aiplatform.googleapis.com/v1"},
  };
  static const char path[] = "test_vendor_google.json";
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    problems = (struct config_problems){0};
    struct reader r = {&arena, &problems, &config};
    struct api_key_secret key = {str_from_cstr(rows[i].key), 1};
    struct config_provider p = {.id = STR("google-vertex"),
                                .region = str_from_cstr(rows[i].region),
                                .keys = &key,
                                .key_count = rows[i].key != NULL,
                                .credentials_file = str_from_cstr(path)};
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(rows[i].credentials ? rows[i].credentials : "", file);
    fclose(file);
    if (rows[i].project) setenv("GOOGLE_CLOUD_PROJECT", rows[i].project, 1);
    if (rows[i].location) setenv("GOOGLE_CLOUD_LOCATION", rows[i].location, 1);
    google_fill(&r, &p);
    assert_int_equal(problems.count, rows[i].base_url ? 0 : 1);
    assert_true(str_eq(p.base_url, str_from_cstr(rows[i].base_url)));
    unsetenv("GOOGLE_CLOUD_PROJECT");
    unsetenv("GOOGLE_CLOUD_LOCATION");
  }
  remove(path);
}

static void test_bad_key(void **state) {
  (void)state;
  setenv("OPENAI_API_KEY", "sk secretword", 1);
  assert_false(config_from_environment(&arena, &config, &problems));
  assert_int_equal(problems.count, 1);
  assert_true(str_find(problems.items[0].text, STR("OPENAI_API_KEY"), 0) != SIZE_MAX);
  assert_true(str_find(problems.items[0].text, STR("secretword"), 0) == SIZE_MAX);
}

static void test_proxies(void **state) {
  (void)state;
  struct reader r = {&arena, &problems, &config};
  config = (struct config){0};
  setenv("HTTP_PROXY", "http://upper:1", 1);
  setenv("http_proxy", "lower:1", 1);
  setenv("ALL_PROXY", "http://all:1", 1);
  setenv("NO_PROXY", "localhost,.example", 1);
  vendor_proxies(&r);
  assert_int_equal(problems.count, 0);
  assert_true(str_eq(config.http_proxy, STR("lower:1")));
  assert_true(str_eq(config.https_proxy, STR("http://all:1")));
  assert_true(str_eq(config.no_proxy, STR("localhost,.example")));

  setenv("HTTPS_PROXY", "socks5://user:secretword@proxy:1080", 1);
  vendor_proxies(&r);
  assert_int_equal(problems.count, 1);
  assert_true(str_find(problems.items[0].text, STR("HTTPS_PROXY"), 0) != SIZE_MAX);
  assert_true(str_find(problems.items[0].text, STR("secretword"), 0) == SIZE_MAX);
}

static int listen_anywhere(unsigned *port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in at = {.sin_family = AF_INET};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t len = sizeof at;
  assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
  *port = ntohs(at.sin_port);
  return fd;
}

static void test_probe(void **state) {
  (void)state;
  unsigned ports[3];
  int open = listen_anywhere(&ports[0]), closed = listen_anywhere(&ports[1]), other = listen_anywhere(&ports[2]);
  assert_int_equal(listen(open, 1), 0);
  assert_int_equal(listen(other, 1), 0);
  bool answers[3] = {false, true, false};
  vendor_probe(ports, answers, 3, 1000);
  assert_true(answers[0]);
  assert_false(answers[1]);
  assert_true(answers[2]);
  uint64_t begin = time_mono_ns();
  vendor_probe(ports, answers, 0, 1000);
  assert_true(time_mono_ns() - begin < 500000000);
  close(open);
  close(closed);
  close(other);
}

static int teardown(void **state) {
  return setup(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(test_keys), TEST(test_bad_key), TEST(test_google), TEST(test_proxies),
                                     TEST(test_probe)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
