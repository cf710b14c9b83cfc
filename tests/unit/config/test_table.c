// The table of settings is sound, and the documentation says what it says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// cmocka wants the first four before it.
#include <cmocka.h>

#include "config/config.h"
#include "config/table.c"
#include "config/yaml.h"

static struct buf doc;

static int read_doc(void **state) {
  (void)state;
  // The source tree is three levels above this file's folder.
  char path[4096];
  const char *slash = strrchr(__FILE__, '/');
  snprintf(path, sizeof path, "%.*s/../../../docs/configuration.md", slash ? (int)(slash - __FILE__) : 1,
           slash ? __FILE__ : ".");
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("cannot open %s", path);
  buf_init(&doc, 1 << 20);
  char piece[4096];
  size_t n;
  while ((n = fread(piece, 1, sizeof piece, file)) > 0) buf_append(&doc, piece, n);
  fclose(file);
  return 0;
}

static int drop_doc(void **state) {
  (void)state;
  buf_free(&doc);
  return 0;
}

static void test_rows_are_sound(void **state) {
  (void)state;
  for (size_t i = 0; i < setting_count; i++) {
    const struct setting *setting = &settings[i];
    assert_non_null(setting->help);
    assert_non_null(setting_type_name(setting->type));
    assert_true(setting_key(setting).len > 0);
    bool list = str_ends(str_from_cstr(setting->path), STR("[]"));
    assert_int_equal(list, setting->type == SETTING_SECTIONS);
    if (list) assert_true(setting->size && setting->place_at && setting->count_at);
    for (size_t k = 0; k < i; k++) assert_string_not_equal(settings[k].path, setting->path);
    // Its section stands above it.
    const char *dot = strrchr(setting->path, '.');
    bool has_section = !dot;
    for (size_t k = 0; k < i; k++) {
      struct str section = str_from_cstr(settings[k].path);
      has_section |= dot && str_eq(section, str_from(setting->path, (size_t)(dot - setting->path)));
    }
    if (!has_section) fail_msg("%s has no section above it", setting->path);
  }
}

static void test_find(void **state) {
  (void)state;
  assert_string_equal(setting_find("", STR("providers"))->path, "providers[]");
  assert_string_equal(setting_find("models[].endpoints[]", STR("model"))->path, "models[].endpoints[].model");
  assert_string_equal(setting_find("server.tls", STR("key"))->path, "server.tls.key");
  assert_null(setting_find("", STR("listen")));
  assert_null(setting_find("server", STR("tls.cert")));
  assert_null(setting_find("serve", STR("r.listen")));
}

static void test_doc_has_the_table(void **state) {
  (void)state;
  struct buf table;
  buf_init(&table, 1 << 20);
  config_help(&table);
  assert_false(table.failed);
  if (!str_ends(buf_view(&doc), buf_view(&table)))
    fail_msg("the table in docs/configuration.md differs from what `signalbox check --settings` prints");
  buf_free(&table);
}

static void test_doc_example_is_valid(void **state) {
  (void)state;
  size_t from = str_find(buf_view(&doc), STR("```yaml\n"), 0);
  assert_true(from != SIZE_MAX);
  size_t end = str_find(buf_view(&doc), STR("\n```"), from + 1);
  assert_true(end != SIZE_MAX);
  struct str all = str_from(doc.ptr + from + 8, end + 1 - from - 8);

  // The file that the example takes its management key from is one of ours here.
  char path[] = "/tmp/signalbox-secret-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, "management\n", 11), 11);
  close(fd);
  struct str secret = STR("/run/secrets/signalbox_management_key");
  size_t at = str_find(all, secret, 0);
  assert_true(at != SIZE_MAX);
  struct buf text;
  buf_init(&text, 1 << 20);
  buf_append(&text, all.ptr, at);
  buf_str(&text, str_from_cstr(path));
  buf_str(&text, str_skip(all, at + secret.len));
  setenv("CI_KEY", "ci", 1);
  setenv("OPENAI_API_KEY", "one", 1);
  setenv("GROQ_API_KEY", "two", 1);
  setenv("GROQ_API_KEY_2", "three", 1);

  struct arena arena = {0};
  struct config config;
  struct config_problems problems = {0};
  bool ok = config_parse(&arena, STR("docs/configuration.md"), buf_view(&text), &config, &problems);
  config_problems_print(&problems, STR("docs/configuration.md"));
  assert_true(ok);
  assert_int_equal(config.listen_count, 2);
  assert_int_equal(config.management_key.len, 10);
  assert_int_equal(config.provider_count, 3);
  assert_int_equal(config.providers[1].key_count, 2);
  assert_int_equal(config.providers[1].keys[1].weight, 3);
  assert_int_equal(config.providers[2].first_byte_timeout_ms, 20000);
  assert_int_equal(config.model_count, 2);
  assert_int_equal(config.models[1].endpoints[0].pricing.completion, 600000000);
  arena_free(&arena);
  buf_free(&text);
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_are_sound),
      cmocka_unit_test(test_find),
      cmocka_unit_test(test_doc_has_the_table),
      cmocka_unit_test(test_doc_example_is_valid),
  };
  return cmocka_run_group_tests(tests, read_doc, drop_doc);
}
