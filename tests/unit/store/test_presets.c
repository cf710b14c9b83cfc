// Presets in the database: versions, pages, changes; and a database from before there were any.
#include "fixture.h"
// after cmocka.h's own needs
#include <sqlite3.h>
#include <string.h>

#include "store/presets.h"

static struct store *must_open(struct fixture *f) {
  struct store *s = store_open(&f->arena, fixture_dir(f), false, &f->why);
  if (!s) fail_msg("%.*s", STR_ARGS(f->why));
  return s;
}

static void put(struct fixture *f, struct store *s, const char *slug, const char *config, uint64_t now_us,
                struct preset_row *row) {
  struct preset_version_row version = {.config = str_from_cstr(config),
                                       .system_prompt = STR("Be brief."),
                                       .creator = STR("key_1"),
                                       .created_us = now_us};
  bool full;
  if (!store_preset_put(s, &f->arena, str_from_cstr(slug), row, &version, &full, &f->why))
    fail_msg("%.*s", STR_ARGS(f->why));
  assert_true(str_eq(version.id, row->version_id));
  assert_true(str_eq(version.preset_id, row->id));
  assert_int_equal(version.id.len, 36);
}

static void is(struct str got, const char *want) {
  if (!str_eq(got, str_from_cstr(want))) fail_msg("\"%.*s\" is not \"%s\"", STR_ARGS(got), want);
}

static void test_versions_are_kept(void **state) {
  struct fixture *f = *state;
  struct store *s = must_open(f);
  struct preset_row first, second, row;
  struct preset_version_row version, *all;
  size_t count;
  uint64_t total;
  bool found;
  put(f, s, "Writer", "{\"a\":1}", 1000, &first);
  put(f, s, "writer", "{\"a\":2}", 2000, &second);
  is(second.id, first.id.ptr);
  is(second.slug, "Writer");
  assert_int_equal(second.version, 2);
  store_close(s);
  s = must_open(f);
  assert_true(store_preset_find(s, &f->arena, STR("WRITER"), &row, &found, &f->why) && found);
  assert_int_equal(row.version, 2);
  is(row.version_id, second.version_id.ptr);
  is(row.name, "Writer");
  is(row.creator, "key_1");
  assert_int_equal(row.description.len, 0);
  assert_int_equal(row.created_us, 1000);
  assert_int_equal(row.updated_us, 2000);
  assert_int_equal(row.status_updated_us, 0);
  for (uint64_t n = 1; n <= 2; n++) {
    assert_true(store_preset_version(s, &f->arena, row.id, n, &version, &found, &f->why) && found);
    is(version.config, n == 1 ? "{\"a\":1}" : "{\"a\":2}");
    is(version.system_prompt, "Be brief.");
    assert_int_equal(version.created_us, n * 1000);
  }
  assert_true(store_preset_version(s, &f->arena, row.id, 3, &version, &found, &f->why) && !found);
  assert_true(store_preset_versions(s, &f->arena, row.id, 1, 5, &all, &count, &total, &f->why));
  assert_int_equal(count, 1);
  assert_int_equal(total, 2);
  assert_int_equal(all[0].version, 2);
  assert_true(store_preset_versions(s, &f->arena, row.id, UINT64_MAX, UINT64_MAX, &all, &count, &total, &f->why));
  assert_int_equal(count, 0);
  store_close(s);
}

static void test_pages_of_those_changed_last(void **state) {
  struct fixture *f = *state;
  struct store *s = must_open(f);
  struct preset_row row, *rows;
  size_t count;
  uint64_t total;
  char slug[8];
  for (int i = 0; i < 20; i++) {
    snprintf(slug, sizeof slug, "p%d", i);
    put(f, s, slug, "{}", 1000 + (uint64_t)i, &row);
  }
  put(f, s, "p3", "{}", 5000, &row);
  assert_true(store_preset_list(s, &f->arena, 0, 3, &rows, &count, &total, &f->why));
  assert_int_equal(count, 3);
  assert_int_equal(total, 20);
  is(rows[0].slug, "p3");
  is(rows[1].slug, "p19");
  assert_int_equal(rows[0].version, 2);
  assert_true(store_preset_list(s, &f->arena, 18, 50, &rows, &count, &total, &f->why));
  assert_int_equal(count, 2);
  is(rows[1].slug, "p0");
  store_close(s);
}

static void test_changes_and_the_end(void **state) {
  struct fixture *f = *state;
  struct store *s = must_open(f), *other = must_open(f);
  struct preset_row row;
  bool found;
  uint64_t version = store_presets_version(s);
  put(f, s, "x", "{}", 1, &row);
  assert_int_not_equal(store_presets_version(s), version);
  version = store_presets_version(s);
  assert_int_equal(store_presets_version(s), version);
  row.name = STR("a name");
  row.description = STR("what for");
  row.status = 2;
  row.updated_us = row.status_updated_us = 9;
  assert_true(store_preset_update(other, &row, &f->why));
  assert_int_not_equal(store_presets_version(s), version);
  assert_true(store_preset_find(s, &f->arena, STR("x"), &row, &found, &f->why) && found);
  is(row.name, "a name");
  is(row.description, "what for");
  assert_int_equal(row.status, 2);
  assert_int_equal(row.status_updated_us, 9);
  put(f, s, "x", "{}", 10, &row);  // its status stays
  assert_int_equal(row.status, 2);
  struct str id = row.id;
  assert_true(store_preset_delete(s, id, &found, &f->why) && found);
  assert_true(store_preset_delete(s, id, &found, &f->why) && !found);
  assert_true(store_preset_find(s, &f->arena, STR("x"), &row, &found, &f->why) && !found);
  put(f, s, "x", "{}", 11, &row);  // begins anew
  assert_int_equal(row.version, 1);
  store_close(other);
  store_close(s);
}

static void test_there_is_an_end_to_presets(void **state) {
  struct fixture *f = *state;
  struct store *s = must_open(f);
  struct preset_row row;
  sqlite3 *db;
  assert_int_equal(sqlite3_open(fixture_path(f, "signalbox.db").ptr, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db,
                                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000)"
                                " INSERT INTO presets SELECT 'id'||i,'p'||i,'p',NULL,0,NULL,1,1,0 FROM n",
                                NULL, NULL, NULL),
                   SQLITE_OK);
  sqlite3_close(db);
  struct preset_version_row version = {.config = STR("{}")};
  bool full;
  assert_false(store_preset_put(s, &f->arena, STR("one-more"), &row, &version, &full, &f->why));
  assert_true(full);
  put(f, s, "p7", "{}", 5, &row);  // a version of one that is there
  assert_int_equal(row.version, 1);
  store_close(s);
}

static int count_columns(void *count, int columns, char **values, char **names) {
  (void)values;
  (void)names;
  *(int *)count = columns;
  return 0;
}

// The schema as version 1 of it was, with a key in it.
static void test_an_older_database_gets_them(void **state) {
  struct fixture *f = *state;
  struct preset_row row;
  store_close(must_open(f));
  sqlite3 *db;
  assert_int_equal(sqlite3_open(fixture_path(f, "signalbox.db").ptr, &db), SQLITE_OK);
  assert_int_equal(
      sqlite3_exec(db,
                   "DROP TABLE presets; DROP TABLE preset_versions; DROP VIEW ledger;"
                   "CREATE VIEW ledger AS SELECT id FROM generations;"
                   "INSERT INTO generations VALUES(1,'old',0,'k','m','p',200,NULL,0,1,1,1,1,1,0,0,0,0,0,'{}');"
                   "PRAGMA user_version=1",
                   NULL, NULL, NULL),
      SQLITE_OK);
  sqlite3_close(db);
  struct store *s = must_open(f);
  put(f, s, "x", "{}", 1, &row);
  store_close(s);
  assert_int_equal(sqlite3_open(fixture_path(f, "signalbox.db").ptr, &db), SQLITE_OK);
  int columns = 0;
  assert_int_equal(
      sqlite3_exec(db, "SELECT preset_id, router, model FROM ledger WHERE id='old'", count_columns, &columns, NULL),
      SQLITE_OK);
  assert_int_equal(columns, 3);
  sqlite3_close(db);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_versions_are_kept),          TEST(test_pages_of_those_changed_last), TEST(test_changes_and_the_end),
      TEST(test_there_is_an_end_to_presets), TEST(test_an_older_database_gets_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
