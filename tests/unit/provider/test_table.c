// The table of vendors is consistent, and docs/providers.md says the same.
#include "provider/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
// cmocka wants the four above first.
#include <cmocka.h>

#include "base/buf.h"

static bool slug_is_plain(struct str s) {
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.')) return false;
  }
  return s.len > 0;
}

static void test_rows_are_sound(void **state) {
  (void)state;
  assert_true(provider_row_count >= 45);
  for (size_t i = 0; i < provider_row_count; i++) {
    const struct provider_row *row = &provider_rows[i];
    struct str id = str_from_cstr(row->id);
    if (!slug_is_plain(id)) fail_msg("slug \"%s\"", row->id);
    if (provider_row_find(id) != row) fail_msg("%s is there twice", row->id);
    if (!*row->name) fail_msg("%s has no name", row->id);
    if (row->base_url && row->protocol != PROTOCOL_DEMO) {
      struct str url = str_from_cstr(row->base_url);
      if (!str_starts(url, row->local ? STR("http://127.0.0.1:") : STR("https://")))
        fail_msg("%s: %s", row->id, row->base_url);
      if (str_ends(url, STR("/"))) fail_msg("%s: slash at the end", row->id);
    }
    if (row->local != (row->local_port != 0)) fail_msg("%s: port of a local server", row->id);
    for (size_t k = 0; k < 3 && row->env_keys[k]; k++) {
      for (size_t other = 0; other < i; other++) {
        for (size_t o = 0; o < 3 && provider_rows[other].env_keys[o]; o++) {
          if (!strcmp(row->env_keys[k], provider_rows[other].env_keys[o]))
            fail_msg("%s switches on %s and %s", row->env_keys[k], row->id, provider_rows[other].id);
        }
      }
    }
  }
  assert_null(provider_row_find(STR("nobody")));
  assert_null(provider_row_find(STR("")));
}

static void test_protocols(void **state) {
  (void)state;
  for (int i = 0; i < PROTOCOL_COUNT; i++) {
    enum protocol back = PROTOCOL_COUNT;
    assert_true(protocol_parse(str_from_cstr(protocol_name((enum protocol)i)), &back));
    assert_int_equal(back, i);
  }
  enum protocol unused;
  assert_false(protocol_parse(STR("OpenAI"), &unused));
  assert_false(protocol_parse(STR(""), &unused));
}

static void test_quirks_that_cost_money(void **state) {
  (void)state;
  assert_string_equal(provider_row_find(STR("openai"))->quirks.max_tokens_field, "max_completion_tokens");
  assert_true(provider_row_find(STR("xai"))->quirks.reasoning_outside);
  assert_true(provider_row_find(STR("perplexity"))->quirks.no_done);
  assert_false(provider_row_find(STR("groq"))->quirks.no_done);
}

static void test_members_of_other_dialects(void **state) {
  (void)state;
  static const char *const theirs[] = {"thinking", "enable_thinking", "k", "p", "safetySettings", "store", "betas"};
  static const char *const none[] = {"", "thinkin", "thinkings", "model", "zzz", "A", "x_new"};
  for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
    if (!provider_is_foreign(str_from_cstr(theirs[i]))) fail_msg("%s", theirs[i]);
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (provider_is_foreign(str_from_cstr(none[i]))) fail_msg("%s", none[i]);
  // Those that rows name as their own are among them: else knowing them would mean nothing.
  for (size_t i = 0; i < provider_row_count; i++)
    for (const char *const *name = provider_rows[i].quirks.know; name && *name; name++)
      if (strcmp(*name, "include_reasoning") != 0 && !provider_is_foreign(str_from_cstr(*name)))
        fail_msg("%s of %s", *name, provider_rows[i].id);
}

static void read_file(struct buf *out, const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("cannot open %s", path);
  char piece[4096];
  size_t n;
  while ((n = fread(piece, 1, sizeof piece, file)) > 0) buf_append(out, piece, n);
  fclose(file);
}

// The source tree is three levels above this file's folder.
static void docs_path(char *out, size_t size) {
  const char *slash = strrchr(__FILE__, '/');
  snprintf(out, size, "%.*s/../../../docs/providers.md", (int)(slash - __FILE__), __FILE__);
}

static void test_docs_say_the_same(void **state) {
  (void)state;
  char path[4096];
  docs_path(path, sizeof path);
  struct buf doc, table;
  buf_init(&doc, 1 << 20);
  buf_init(&table, 1 << 20);
  read_file(&doc, path);
  provider_table_markdown(&table);
  if (str_find(buf_view(&doc), buf_view(&table), 0) == SIZE_MAX)
    fail_msg("the table in docs/providers.md differs from `signalbox providers --markdown`");
  buf_free(&doc);
  buf_free(&table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_are_sound),
      cmocka_unit_test(test_protocols),
      cmocka_unit_test(test_quirks_that_cost_money),
      cmocka_unit_test(test_docs_say_the_same),
      cmocka_unit_test(test_members_of_other_dialects),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
