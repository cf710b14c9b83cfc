// `signalbox keys` and `signalbox usage`: exit statuses, what they print, and what they leave in the store.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka.h wants the headers above first
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "json/json.h"
#include "store/store.h"

struct fixture {
  char dir[64], file[80], data[80];
  struct arena arena;
  struct buf out, err;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  strcpy(f->dir, "/tmp/signalbox-test-XXXXXX");
  if (!mkdtemp(f->dir)) return -1;
  snprintf(f->file, sizeof f->file, "%s/c.yaml", f->dir);
  snprintf(f->data, sizeof f->data, "%s/data", f->dir);
  FILE *file = fopen(f->file, "w");
  fprintf(file, "data_dir: %s\n", f->data);
  fclose(file);
  buf_init(&f->out, 1 << 20);
  buf_init(&f->err, 1 << 20);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  static const char *const files[] = {"data/signalbox.db",
                                      "data/signalbox.db-wal",
                                      "data/signalbox.db-shm",
                                      "data/pepper",
                                      "data/lock",
                                      "data/spool",
                                      "data",
                                      "c.yaml"};
  char path[128];
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    snprintf(path, sizeof path, "%s/%s", f->dir, files[i]);
    if (unlink(path) != 0) rmdir(path);
  }
  int left = rmdir(f->dir);
  buf_free(&f->out);
  buf_free(&f->err);
  arena_free(&f->arena);
  free(f);
  return left;
}

// Runs `command` with words and the configuration behind them, and collects what it prints on both streams.
static int run(struct fixture *f, int (*command)(int, char **), ...) {
  char *argv[16] = {"command"};
  int argc = 1, kept[2];
  FILE *files[2] = {tmpfile(), tmpfile()};
  struct buf *bufs[2] = {&f->out, &f->err};
  va_list args;
  va_start(args, command);
  for (char *word; (word = va_arg(args, char *));) argv[argc++] = word;
  va_end(args);
  argv[argc++] = "-c";
  argv[argc++] = f->file;
  fflush(NULL);
  for (int i = 0; i < 2; i++) {
    kept[i] = dup(i + 1);
    assert_true(dup2(fileno(files[i]), i + 1) >= 0);
  }
  int status = command(argc, argv);
  fflush(NULL);
  for (int i = 0; i < 2; i++) {
    char piece[4096];
    dup2(kept[i], i + 1);
    close(kept[i]);
    rewind(files[i]);
    buf_clear(bufs[i]);
    for (size_t n; (n = fread(piece, 1, sizeof piece, files[i])) > 0;) buf_append(bufs[i], piece, n);
    fclose(files[i]);
  }
  return status;
}
#define KEYS(...) run(f, cmd_keys, __VA_ARGS__, NULL)
#define USAGE(...) run(f, cmd_usage, __VA_ARGS__, NULL)

static bool has(const struct buf *text, const char *part) {
  return str_find(buf_view(text), str_from_cstr(part), 0) != SIZE_MAX;
}

static struct store *open_store(struct fixture *f) {
  struct str why;
  struct store *s = store_open(&f->arena, str_from_cstr(f->data), false, &why);
  if (!s) fail_msg("%.*s", STR_ARGS(why));
  return s;
}

static void test_a_key_is_created_shown_once_and_known_by_its_hash(void **state) {
  struct fixture *f = *state;
  assert_int_equal(KEYS("create", "laptop", "--limit", "12.5", "--expires", "2999-01-31"), 0);
  struct str text = str_trim(buf_view(&f->out)), why;
  text.len -= text.len && text.ptr[text.len - 1] == '\n';
  text = arena_str(&f->arena, text);
  assert_int_equal(text.len, 52);
  struct key_row *rows;
  size_t count;
  uint8_t pepper[32], hash[32];
  struct store *s = open_store(f);
  assert_true(store_key_list(s, &f->arena, &rows, &count, &why));
  store_close(s);
  assert_int_equal(count, 1);
  assert_true(store_pepper(&f->arena, str_from_cstr(f->data), pepper, &why));
  store_key_hash(pepper, text, hash);
  assert_memory_equal(rows[0].hash, hash, 32);
  assert_true(rows[0].has_limit && !rows[0].management);
  assert_int_equal(rows[0].limit, 12500000000000);
  assert_int_equal(rows[0].expires, 32474736000);
  assert_true(str_starts(text, str_from(rows[0].prefix.ptr, 13)));
  assert_int_equal(KEYS("list"), 0);
  assert_true(has(&f->out, "laptop") && has(&f->out, "12.5") && has(&f->out, "enabled"));
  assert_false(has(&f->out, text.ptr));
}

static void test_json_of_keys(void **state) {
  struct fixture *f = *state;
  struct json_doc doc = {0};
  struct str secret, name;
  assert_int_equal(KEYS("create", "a \"b\"", "--management", "--json"), 0);
  assert_int_equal(json_parse(&doc, buf_view(&f->out), 4), JSON_OK);
  assert_true(json_string(&doc, json_get(&doc, 0, STR("key")), &f->arena, &secret));
  assert_int_equal(secret.len, 52);
  assert_int_equal(KEYS("list", "--json"), 0);
  assert_int_equal(json_parse(&doc, buf_view(&f->out), 4), JSON_OK);
  uint32_t row = json_first(&doc, json_get(&doc, 0, STR("data")));
  assert_true(json_string(&doc, json_get(&doc, row, STR("name")), &f->arena, &name));
  assert_true(str_eq(name, STR("a \"b\"")));
  json_doc_free(&doc);
}

static void test_disable_enable_delete_by_name_or_id(void **state) {
  struct fixture *f = *state;
  struct key_row *rows;
  size_t count;
  struct str why;
  assert_int_equal(KEYS("create", "one"), 0);
  assert_int_equal(KEYS("create", "twin"), 0);
  assert_int_equal(KEYS("create", "twin"), 0);
  assert_int_equal(KEYS("disable", "one"), 0);
  assert_int_equal(KEYS("disable", "twin"), 1);
  assert_true(has(&f->err, "several keys have that name"));
  assert_int_equal(KEYS("delete", "nobody"), 1);
  assert_true(has(&f->err, "there is no such key"));
  struct store *s = open_store(f);
  assert_true(store_key_list(s, &f->arena, &rows, &count, &why));
  store_close(s);
  assert_int_equal(count, 3);
  for (size_t i = 0; i < count; i++) assert_int_equal(rows[i].disabled, str_eq(rows[i].name, STR("one")));
  assert_int_equal(KEYS("enable", "one"), 0);
  for (size_t i = 0; i < count; i++) assert_int_equal(KEYS("delete", (char *)rows[i].id.ptr), 0);
  assert_int_equal(KEYS("list"), 0);
  assert_false(has(&f->out, "twin"));
}

static void test_wrong_words_change_nothing(void **state) {
  struct fixture *f = *state;
  assert_int_equal(KEYS("create", "x", "--limit", "1,5"), 2);
  assert_int_equal(KEYS("create", "x", "--limit", "-1"), 2);
  assert_int_equal(KEYS("create", "x", "--expires", "2999-02-30"), 2);
  assert_int_equal(KEYS("create", "x", "--expires", "tomorrow"), 2);
  assert_int_equal(KEYS("create", "x", "--expires", "2001-01-01"), 2);
  assert_true(has(&f->err, "lies in the past"));
  assert_int_equal(KEYS("create", "x", "y"), 2);
  assert_int_equal(KEYS("forget"), 2);
  assert_int_equal(KEYS("--json"), 2);
  assert_int_equal(KEYS("delete"), 2);
  assert_int_equal(KEYS("list", "--colour"), 2);
  assert_int_equal(KEYS("--help"), 0);
  assert_true(has(&f->out, "usage: signalbox keys"));
  assert_int_equal(USAGE("-n"), 2);
  assert_int_equal(USAGE("-n", "many"), 2);
  assert_int_equal(USAGE("--help"), 0);
  assert_true(has(&f->out, "usage: signalbox usage"));
  assert_int_equal(KEYS("list"), 0);
  assert_false(has(&f->out, "key_"));
}

static void test_a_store_that_cannot_be_opened_is_told(void **state) {
  struct fixture *f = *state;
  FILE *file = fopen(f->data, "w");
  fclose(file);
  assert_int_equal(KEYS("list"), 1);
  assert_true(has(&f->err, "is a file, not a directory"));
  assert_int_equal(USAGE("--json"), 1);
  assert_true(has(&f->err, "is a file, not a directory"));
  assert_int_equal(f->out.len, 0);
  unlink(f->data);
}

static void append_two(struct fixture *f) {
  struct str why;
  struct store *s = store_open(&f->arena, str_from_cstr(f->data), true, &why);
  struct spool *spool = spool_open(&f->arena, arena_printf(&f->arena, "%s/spool", f->data), 0, 2 << 20, &why);
  struct record r = {.id = STR("gen-1790000000-000100aaaaaaaaaaaaaa"),
                     .created_us = 1790000000000001,
                     .key_id = STR("config:ci"),
                     .model = STR("demo/echo"),
                     .status = 200,
                     .usage = {.prompt = 4, .completion = 8},
                     .cost = {.total = 3600000}};
  assert_non_null(spool);
  store_attach(s, spool);
  assert_true(spool_append(spool, &r));
  r.id = STR("gen-1790000001-000100aaaaaaaaaaaaaa");
  r.fault = FAULT_UPSTREAM_RATE;
  r.status = 429;
  assert_true(spool_append(spool, &r));
  assert_true(store_drain(s));
  spool_close(spool);
  store_close(s);
}

static void test_usage_shows_the_newest_and_the_sums_of_all(void **state) {
  struct fixture *f = *state;
  struct json_doc doc = {0};
  assert_int_equal(USAGE("--json"), 0);
  assert_int_equal(json_parse(&doc, buf_view(&f->out), 4), JSON_OK);
  append_two(f);
  assert_int_equal(USAGE("-n", "1"), 0);
  assert_true(has(&f->out, "429  demo/echo"));
  assert_true(has(&f->out, "upstream_rate"));
  assert_false(has(&f->out, " 200  demo/echo"));
  assert_true(has(&f->out, "In all: 2 requests, 8 prompt and 16 completion tokens, 0.0000072 USD"));
  assert_int_equal(USAGE("--json"), 0);
  assert_int_equal(json_parse(&doc, buf_view(&f->out), 4), JSON_OK);
  uint32_t rows = json_get(&doc, 0, STR("data")), first = json_first(&doc, rows);
  assert_true(json_string_is(&doc, json_get(&doc, first, STR("id")), STR("gen-1790000001-000100aaaaaaaaaaaaaa")));
  assert_int_not_equal(json_next(&doc, rows, first), JSON_NONE);
  uint32_t totals = json_get(&doc, 0, STR("totals"));
  assert_true(str_eq(json_raw(&doc, json_get(&doc, totals, STR("usage"))), STR("0.0000072")));
  assert_true(str_eq(json_raw(&doc, json_get(&doc, totals, STR("requests"))), STR("2")));
  json_doc_free(&doc);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(test_a_key_is_created_shown_once_and_known_by_its_hash),
      TEST(test_json_of_keys),
      TEST(test_disable_enable_delete_by_name_or_id),
      TEST(test_wrong_words_change_nothing),
      TEST(test_a_store_that_cannot_be_opened_is_told),
      TEST(test_usage_shows_the_newest_and_the_sums_of_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
