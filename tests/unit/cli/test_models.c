// `signalbox models` and `signalbox providers`: exit statuses, tables and JSON, with a configuration in a file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka wants the ones above first.
#include <cmocka.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "json/json.h"
#include "provider/table.h"

static char directory[] = "/tmp/signalbox-test-XXXXXX";
static char good_file[64], bad_file[64];

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static int group_setup(void **state) {
  (void)state;
  if (!mkdtemp(directory)) return -1;
  snprintf(good_file, sizeof good_file, "%s/good.yaml", directory);
  snprintf(bad_file, sizeof bad_file, "%s/bad.yaml", directory);
  write_file(good_file,
             "providers:\n  - {id: openai, api_key: sk-x}\n  - {id: openrouter, api_key: sk-y}\n"
             "models:\n  - id: openai/gpt-4o-mini\n  - id: openai/gpt-4o\n");
  write_file(bad_file, "providers:\n  - {id: openai, api_key: sk-x}\nmodels:\n  - id: no/such-model\n");
  return 0;
}

static int group_teardown(void **state) {
  (void)state;
  unlink(good_file);
  unlink(bad_file);
  return rmdir(directory);
}

// Runs a command and collects what it prints on both streams.
static int run(int (*command)(int, char **), struct buf *out, struct buf *err, ...) {
  char *argv[16] = {"command"};
  int argc = 1;
  va_list args;
  va_start(args, err);
  for (char *word; (word = va_arg(args, char *));) argv[argc++] = word;
  va_end(args);
  FILE *files[2] = {tmpfile(), tmpfile()};
  struct buf *bufs[2] = {out, err};
  int kept[2];
  fflush(NULL);
  for (int i = 0; i < 2; i++) {
    kept[i] = dup(i + 1);
    assert_true(dup2(fileno(files[i]), i + 1) >= 0);
  }
  int status = command(argc, argv);
  fflush(NULL);
  for (int i = 0; i < 2; i++) {
    dup2(kept[i], i + 1);
    close(kept[i]);
    rewind(files[i]);
    buf_clear(bufs[i]);
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof piece, files[i])) > 0;) buf_append(bufs[i], piece, n);
    fclose(files[i]);
  }
  return status;
}

struct streams {
  struct buf out, err;
};

static int setup(void **state) {
  struct streams *s = calloc(1, sizeof *s);
  buf_init(&s->out, 1 << 24);
  buf_init(&s->err, 1 << 20);
  *state = s;
  return 0;
}

static int teardown(void **state) {
  struct streams *s = *state;
  buf_free(&s->out);
  buf_free(&s->err);
  free(s);
  return 0;
}

#define RUN(command, ...) run((command), &s->out, &s->err, __VA_ARGS__, (char *)NULL)

static void assert_says(const struct buf *buf, const char *part) {
  if (str_find(buf_view(buf), str_from_cstr(part), 0) == SIZE_MAX)
    fail_msg("no \"%s\" in:\n%.*s", part, STR_ARGS(buf_view(buf)));
}

static void test_models_table(void **state) {
  struct streams *s = *state;
  assert_int_equal(RUN(cmd_models, "-c", good_file), 0);
  assert_says(&s->out, "MODEL");
  assert_says(&s->out, "openai/gpt-4o-mini     128000       0.15        0.6  openai, openrouter\n");
  assert_says(&s->out, "demo/flaky ");
  assert_says(&s->err, "6 of 6 models");
  assert_int_equal(RUN(cmd_models, "--config", good_file, "4O-m"), 0);
  assert_says(&s->err, "1 of 6 models");
  assert_int_equal(RUN(cmd_models, "-c", good_file, "50% & more"), 0);
  assert_says(&s->err, "0 of 6 models");
}

static void test_models_json(void **state) {
  struct streams *s = *state;
  assert_int_equal(RUN(cmd_models, "-c", good_file, "--json", "mini"), 0);
  struct json_doc doc = {0};
  assert_int_equal(json_parse(&doc, buf_view(&s->out), 8), JSON_OK);
  uint64_t count;
  assert_true(json_u64(&doc, json_get(&doc, 0, STR("total_count")), 100, &count));
  assert_int_equal(count, 1);
  json_doc_free(&doc);
}

static void test_providers(void **state) {
  struct streams *s = *state;
  assert_int_equal(RUN(cmd_providers, "-c", good_file), 0);
  assert_says(&s->out, "openai             openai        1      2  configured  https://api.openai.com/v1\n");
  assert_int_equal(RUN(cmd_providers, "-c", good_file, "--all"), 0);
  assert_says(&s->out, "ANTHROPIC_API_KEY");
  assert_int_equal(RUN(cmd_providers, "--json", "--all", "-c", good_file), 0);
  struct json_doc doc = {0};
  assert_int_equal(json_parse(&doc, buf_view(&s->out), 8), JSON_OK);
  uint32_t data = json_get(&doc, 0, STR("data"));
  size_t count = 0;
  for (uint32_t n = json_first(&doc, data); n != JSON_NONE; n = json_next(&doc, data, n)) count++;
  assert_int_equal(count, provider_row_count);
  json_doc_free(&doc);
  assert_int_equal(RUN(cmd_providers, "--markdown"), 0);
  assert_says(&s->out, "| `openai` | OpenAI | openai |");
  assert_int_equal(str_find(buf_view(&s->out), STR("sk-x"), 0), SIZE_MAX);  // never a key
}

static void test_wrong_usage_and_bad_files(void **state) {
  struct streams *s = *state;
  assert_int_equal(RUN(cmd_models, "--help"), 0);
  assert_says(&s->out, "usage: signalbox models");
  assert_int_equal(RUN(cmd_providers, "-h"), 0);
  assert_says(&s->out, "usage: signalbox providers");
  assert_int_equal(RUN(cmd_models, "--bogus"), 2);
  assert_int_equal(RUN(cmd_models, "one", "two"), 2);
  assert_int_equal(RUN(cmd_models, "-c"), 2);
  assert_says(&s->err, "wants a value");
  assert_int_equal(RUN(cmd_providers, "openai"), 2);
  assert_int_equal(RUN(cmd_models, "-c", bad_file), 1);
  assert_says(&s->err, "model no/such-model is not a known one");
  assert_says(&s->err, "bad.yaml:4");
  assert_int_equal(s->out.len, 0);
  assert_int_equal(RUN(cmd_providers, "-c", "/nonexistent/x.yaml"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_models_table),
      TEST(test_models_json),
      TEST(test_providers),
      TEST(test_wrong_usage_and_bad_files),
  };
  return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
