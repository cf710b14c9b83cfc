// `signalbox check`: what it prints, where, and with which exit status.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
// cmocka wants the first four before it.
#include <cmocka.h>

#include "cli/check.c"

static char folder[64], file[128];

static void write_file(const char *text) {
  FILE *to = fopen(file, "w");
  assert_non_null(to);
  fputs(text, to);
  fclose(to);
}

// Sends a stream into a file of the folder and back; `keep` is the descriptor it had.
static int catch_stream(FILE *stream, const char *name) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  fflush(stream);
  int keep = dup(fileno(stream));
  FILE *to = fopen(path, "w");
  assert_non_null(to);
  dup2(fileno(to), fileno(stream));
  fclose(to);
  return keep;
}

static void release_stream(FILE *stream, const char *name, int keep, char *text, size_t size) {
  fflush(stream);
  dup2(keep, fileno(stream));
  close(keep);
  char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *from = fopen(path, "r");
  assert_non_null(from);
  text[fread(text, 1, size - 1, from)] = 0;
  fclose(from);
  unlink(path);
}

static char out[32 * 1024], err[32 * 1024];

static int run(const char *first, const char *second, const char *third) {
  char *argv[] = {"check", (char *)first, (char *)second, (char *)third, NULL};
  int argc = 1;
  while (argc < 4 && argv[argc]) argc++;
  int keep_out = catch_stream(stdout, "out"), keep_err = catch_stream(stderr, "err");
  int status = cmd_check(argc, argv);
  release_stream(stdout, "out", keep_out, out, sizeof out);
  release_stream(stderr, "err", keep_err, err, sizeof err);
  return status;
}

static void expect(const char *text, const char *piece) {
  if (!strstr(text, piece)) fail_msg("no '%s' in: %s", piece, text);
}

static void test_good(void **state) {
  (void)state;
  write_file(
      "providers: [{id: rack, base_url: 'http://127.0.0.1:1/v1'}]\n"
      "models: [{id: a/b, endpoints: [{provider: rack, model: b, pricing: {prompt: 1e-7, completion: 0}}]}]\n");
  assert_int_equal(run("-c", file, NULL), 0);
  expect(out, file);
  expect(out, ": ok (2 providers, 5 models)\n");
  assert_string_equal(err, "");
  assert_int_equal(run("--json", "-c", file), 0);
  expect(out, "\"ok\":true,\"providers\":2,\"models\":5,\"problems\":[]}");
}

// Problems of the file and of the catalogue come together, in order, once a line.
static void test_bad(void **state) {
  (void)state;
  write_file(
      "server: {workers: \"no\\\"ne\"}\n"
      "providers:\n"
      "  - {id: openai, api_key: x}\n"
      "models:\n"
      "  - openai/no-such-model\n"
      "  - {id: a/b, endpoints: [{provider: nobody}]}\n");
  assert_int_equal(run("-c", file, NULL), 1);
  assert_string_equal(out, "");
  char place[160];
  const char *last = err;
  static const char *const places[] = {"1:19: server.workers: expected",
                                       "5:1: ", "6:27: models[].endpoints[].provider"};
  for (size_t i = 0; i < 3; i++) {
    snprintf(place, sizeof place, "%s:%s", file, places[i]);
    const char *hit = strstr(last, place);
    if (!hit) fail_msg("no '%s' in: %s", place, err);
    last = hit;
  }
  assert_int_equal(run("--json", "-c", file), 1);
  expect(out, "\"ok\":false");
  expect(out, "{\"line\":1,\"column\":19,\"text\":\"server.workers: expected a number or auto, got 'no\\\"ne'\"}");
  assert_string_equal(err, "");
}

static void test_usage(void **state) {
  (void)state;
  assert_int_equal(run("--help", NULL, NULL), 0);
  expect(out, "usage: signalbox check");
  assert_int_equal(run("--settings", NULL, NULL), 0);
  expect(out, "| `providers[].base_url` |");
  assert_int_equal(run("--wrong", NULL, NULL), 2);
  expect(err, "--wrong");
  assert_int_equal(run("-c", NULL, NULL), 2);
  assert_int_equal(run("-c", "/nonexistent/file", NULL), 1);
  expect(err, "/nonexistent/file: cannot read");
}

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/signalbox-check-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(file, sizeof file, "%s/signalbox.yaml", folder);
  // What the machine's environment says must not matter here.
  static const char *const names[] = {
      "SIGNALBOX_LISTEN", "SIGNALBOX_WORKERS", "SIGNALBOX_DATA_DIR", "SIGNALBOX_MANAGEMENT_KEY",
      "http_proxy",       "HTTP_PROXY",        "https_proxy",        "HTTPS_PROXY",
      "all_proxy",        "ALL_PROXY"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
  return 0;
}
static int remove_folder(void **state) {
  (void)state;
  unlink(file);
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_good),
      cmocka_unit_test(test_bad),
      cmocka_unit_test(test_usage),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
