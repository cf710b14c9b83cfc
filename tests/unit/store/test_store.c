// Opening under all kinds of bad luck, keys, secrets, and the store's thread.
#define _GNU_SOURCE
#include "fixture.h"
// after cmocka.h's own needs
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/wait.h>

#include "base/rand.h"
#include "base/time.h"
#include "llm/generation_id.h"
#include "store/keyhash.h"
#include "store/private.h"

static struct store *must_open(struct fixture *f, bool own) {
  struct store *s = store_open(&f->arena, fixture_dir(f), own, &f->why);
  if (!s) fail_msg("%.*s", STR_ARGS(f->why));
  return s;
}

static void write_file(struct str path, const void *bytes, size_t len) {
  FILE *file = fopen(path.ptr, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, len, file), len);
  fclose(file);
}

static mode_t mode_of(struct str path) {
  struct stat st;
  assert_int_equal(stat(path.ptr, &st), 0);
  return st.st_mode & 0777;
}

// --- Opening ---

static void test_opens_makes_and_opens_again(void **state) {
  struct fixture *f = *state;
  struct str deep = fixture_path(f, "a/b/data/");
  struct store *s = store_open(&f->arena, deep, true, &f->why);
  assert_non_null(s);
  assert_int_equal(mode_of(fixture_path(f, "a/b/data")), 0700);
  assert_int_equal(mode_of(fixture_path(f, "a/b/data/signalbox.db")), 0600);
  assert_int_equal(mode_of(fixture_path(f, "a/b/data/signalbox.db-wal")), 0600);
  store_close(s);
  s = store_open(&f->arena, deep, true, &f->why);
  assert_non_null(s);
  store_close(s);
}

static void test_one_gateway_a_data_dir(void **state) {
  struct fixture *f = *state;
  struct store *s = must_open(f, true);
  assert_null(store_open(&f->arena, fixture_dir(f), true, &f->why));
  assert_contains(f->why, "another signalbox (process ");
  assert_contains(f->why, arena_printf(&f->arena, "%ld", (long)getpid()).ptr);
  struct store *cli = must_open(f, false);  // needs no lock
  store_close(cli);
  store_close(s);
  s = must_open(f, true);
  store_close(s);
}

static void test_a_file_in_the_place_of_the_directory(void **state) {
  struct fixture *f = *state;
  struct str path = fixture_path(f, "data");
  write_file(path, "x", 1);
  assert_null(store_open(&f->arena, path, true, &f->why));
  assert_contains(f->why, "is a file, not a directory");
  assert_null(store_open(&f->arena, fixture_path(f, "data/below"), true, &f->why));
  assert_contains(f->why, "data");
}

static void test_what_is_no_database_is_left_alone(void **state) {
  struct fixture *f = *state;
  static char garbage[100000];
  for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = (char)(i * 7 + i / 300);
  struct str path = fixture_path(f, "signalbox.db");
  write_file(path, garbage, sizeof garbage);
  assert_null(store_open(&f->arena, fixture_dir(f), true, &f->why));
  assert_contains(f->why, "file is not a database");
  assert_contains(f->why, "it was left as it is");
  char now[sizeof garbage];
  FILE *file = fopen(path.ptr, "r");
  assert_int_equal(fread(now, 1, sizeof now, file), sizeof now);
  fclose(file);
  assert_memory_equal(now, garbage, sizeof now);
}

static void change_database(struct fixture *f, const char *sql) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(fixture_path(f, "signalbox.db").ptr, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
}

static void test_a_newer_schema_is_left_alone(void **state) {
  struct fixture *f = *state;
  store_close(must_open(f, true));
  change_database(f, "PRAGMA user_version=1000");
  assert_null(store_open(&f->arena, fixture_dir(f), true, &f->why));
  assert_contains(f->why, "newer signalbox (schema 1000");
}

static void test_another_programs_database_is_left_alone(void **state) {
  struct fixture *f = *state;
  change_database(f, "CREATE TABLE theirs(x)");
  assert_null(store_open(&f->arena, fixture_dir(f), true, &f->why));
  assert_contains(f->why, "another program's database");
}

static void test_a_damaged_schema_is_told(void **state) {
  struct fixture *f = *state;
  store_close(must_open(f, true));
  int fd = open(fixture_path(f, "signalbox.db").ptr, O_WRONLY | O_CLOEXEC);
  char garbage[3000];
  memset(garbage, 0xa5, sizeof garbage);
  assert_int_equal(pwrite(fd, garbage, sizeof garbage, 100), sizeof garbage);  // behind the header: the schema's page
  close(fd);
  assert_null(store_open(&f->arena, fixture_dir(f), true, &f->why));
  assert_contains(f->why, "malformed");
  assert_contains(f->why, "Restore a backup");
}

// As another user, as root may write everywhere.
static int open_as_nobody(struct fixture *f, const char *expected) {
  pid_t child = fork();
  if (child == 0) {
    if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(3);
    struct store *s = store_open(&f->arena, fixture_dir(f), true, &f->why);
    bool told = !s && str_find(f->why, str_from_cstr(expected), 0) != SIZE_MAX;
    if (!told) fprintf(stderr, "told: %.*s\n", STR_ARGS(f->why));
    _exit(told ? 0 : 1);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  return status;
}

static void test_no_right_to_write_is_told(void **state) {
  struct fixture *f = *state;
  assert_int_equal(chmod(f->dir, 0555), 0);
  assert_int_equal(open_as_nobody(f, "cannot be written: Permission denied. Give this user the right"), 0);
  assert_int_equal(chmod(f->dir, 0777), 0);
  store_close(must_open(f, true));
  if (getuid() == 0) {
    // The directory is writable, the files in it are somebody else's.
    assert_int_equal(open_as_nobody(f, "Give this user the right to write in data_dir"), 0);
    unlink(fixture_path(f, "lock").ptr);
    assert_int_equal(open_as_nobody(f, "unable to open database file. Give this user the right"), 0);
  }
}

static void test_records_that_cannot_be_stored_at_start_stay(void **state) {
  struct fixture *f = *state;
  store_close(must_open(f, true));
  struct spool *spool = spool_open(&f->arena, fixture_path(f, "spool"), 0, 2 << 20, &f->why);
  struct record r = {.id = STR("x")};
  assert_true(spool_append(spool, &r));
  spool_close(spool);
  change_database(f, "CREATE TRIGGER no BEFORE INSERT ON generations BEGIN SELECT RAISE(ABORT, 'no room'); END");
  assert_null(store_open(&f->arena, fixture_dir(f), true, &f->why));
  assert_contains(f->why, "cannot store the records of the last run: no room. They are kept in");
  assert_int_equal(count_files(fixture_path(f, "spool").ptr, ".spool"), 1);
  change_database(f, "DROP TRIGGER no");
  struct store *s = must_open(f, true);
  bool found;
  assert_true(store_generation(s, &f->arena, r.id, &r, &found, &f->why));
  assert_true(found);
  store_close(s);
}

// --- Keys ---

static struct key_row a_key(const char *id, uint8_t hash) {
  struct key_row row = {.id = str_from_cstr(id),
                        .name = STR("laptop"),
                        .prefix = STR("sk-sb-v1-ab12"),
                        .has_limit = true,
                        .limit = 10000000000000,
                        .created = 1790000000,
                        .updated = 1790000001};
  memset(row.hash, hash, sizeof row.hash);
  return row;
}

static void test_keys_are_kept_changed_and_deleted(void **state) {
  struct fixture *f = *state;
  struct store *s = must_open(f, false);
  struct key_row a = a_key("key_a", 1), b = a_key("key_b", 2), *rows;
  size_t count;
  bool found;
  uint64_t version = store_keys_version(s);
  assert_true(store_key_insert(s, &a, &f->why));
  assert_int_not_equal(store_keys_version(s), version);
  b.has_limit = false;
  b.management = true;
  assert_true(store_key_insert(s, &b, &f->why));
  assert_false(store_key_insert(s, &a, &f->why));
  assert_contains(f->why, "such a key already");
  a.name = STR("");
  a.disabled = true;
  a.has_limit = false;
  a.expires = 1800000000;
  assert_true(store_key_update(s, &a, &f->why));
  store_close(s);

  s = must_open(f, false);
  assert_true(store_key_list(s, &f->arena, &rows, &count, &f->why));
  assert_int_equal(count, 2);
  assert_str(rows[0].id, a.id);
  assert_str(rows[0].name, STR(""));
  assert_str(rows[0].prefix, a.prefix);
  assert_memory_equal(rows[0].hash, a.hash, 32);
  assert_true(rows[0].disabled && !rows[0].has_limit && !rows[0].management && !rows[0].declared);
  assert_int_equal(rows[0].expires, 1800000000);
  assert_int_equal(rows[0].created, a.created);
  assert_true(rows[1].management);
  assert_false(rows[1].has_limit);
  assert_true(store_key_delete(s, STR("key_a"), &found, &f->why));
  assert_true(found);
  assert_true(store_key_delete(s, STR("key_a"), &found, &f->why));
  assert_false(found);
  assert_true(store_key_list(s, &f->arena, &rows, &count, &f->why));
  assert_int_equal(count, 1);
  store_close(s);
}

static void test_the_version_moves_when_another_process_changes_keys(void **state) {
  struct fixture *f = *state;
  struct store *server = must_open(f, true), *cli = must_open(f, false);
  uint64_t version = store_keys_version(server);
  assert_int_equal(store_keys_version(server), version);
  struct key_row a = a_key("key_a", 1);
  assert_true(store_key_insert(cli, &a, &f->why));
  assert_int_not_equal(store_keys_version(server), version);
  store_close(cli);
  store_close(server);
}

static void test_the_pepper_is_made_once_and_guarded(void **state) {
  struct fixture *f = *state;
  uint8_t first[32], again[32], zero[32] = {0};
  assert_true(store_pepper(&f->arena, fixture_dir(f), first, &f->why));
  assert_true(store_pepper(&f->arena, fixture_dir(f), again, &f->why));
  assert_memory_equal(first, again, 32);
  assert_memory_not_equal(first, zero, 32);
  assert_int_equal(mode_of(fixture_path(f, "pepper")), 0600);
  assert_int_equal(count_files(f->dir, ""), 3);  // no other name is left beside . and ..
  assert_int_equal(truncate(fixture_path(f, "pepper").ptr, 31), 0);
  assert_false(store_pepper(&f->arena, fixture_dir(f), again, &f->why));
  assert_contains(f->why, "must hold 32 bytes; restore it");
}

static void test_the_hash_is_hmac_sha256(void **state) {
  (void)state;
  uint8_t pepper[32], want[32], got[32];
  char text[200];
  for (size_t i = 0; i < sizeof pepper; i++) pepper[i] = (uint8_t)(i * 37 + 200);
  memset(text, 'k', sizeof text);
  struct key_hasher *h = key_hasher_new(pepper);
  static const size_t lengths[] = {0, 1, 52, 55, 56, 63, 64, 65, 119, 120, 200};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    assert_non_null(HMAC(EVP_sha256(), pepper, 32, (const unsigned char *)text, lengths[i], want, NULL));
    key_hasher_hash(h, str_from(text, lengths[i]), got);
    assert_memory_equal(got, want, 32);
    store_key_hash(pepper, str_from(text, lengths[i]), got);
    assert_memory_equal(got, want, 32);
  }
  key_hasher_free(h);
}

static void test_key_texts_have_256_random_bits(void **state) {
  struct fixture *f = *state;
  struct str a = store_key_text(&f->arena), b = store_key_text(&f->arena);
  assert_int_equal(a.len, 9 + 43);
  assert_true(str_starts(a, STR("sk-sb-v1-")));
  assert_false(str_eq(a, b));
  for (size_t i = 9; i < a.len; i++)
    assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", a.ptr[i]));
}

// --- The thread ---

struct job {
  struct store_job job;
  bool ran;
  _Atomic(unsigned) *count;
};

static void run(struct store *s, struct store_job *job) {
  ((struct job *)job)->ran = store_drain(s);
}

static void done(struct store_job *job) {
  struct job *j = (struct job *)job;
  if (j->ran) atomic_fetch_add(j->count, 1);
}

static void count_call(void *context) {
  atomic_fetch_add((_Atomic(unsigned) *)context, 1);
}

static void test_jobs_run_and_a_full_queue_refuses(void **state) {
  struct fixture *f = *state;
  struct store *s = must_open(f, true);
  _Atomic(unsigned) count = 0, changes = 0;
  static struct job jobs[STORE_JOBS_MAX + 1];
  for (unsigned i = 0; i <= STORE_JOBS_MAX; i++) {
    jobs[i] = (struct job){{.run = run, .done = done}, false, &count};
    assert_int_equal(store_submit(s, &jobs[i].job), i < STORE_JOBS_MAX);
  }
  assert_true(store_start(s, count_call, &changes));
  WAIT_UNTIL(atomic_load(&count) == STORE_JOBS_MAX);
  assert_true(store_submit(s, &jobs[STORE_JOBS_MAX].job));
  WAIT_UNTIL(atomic_load(&count) == STORE_JOBS_MAX + 1);
  assert_int_equal(atomic_load(&changes), 0);
  struct store *cli = must_open(f, false);
  struct key_row a = a_key("key_a", 1);
  assert_true(store_key_insert(cli, &a, &f->why));
  WAIT_UNTIL(atomic_load(&changes) == 1);
  store_close(cli);
  store_stop(s);
  assert_false(store_submit(s, &jobs[0].job));
  store_close(s);
}

struct writer {
  struct spool *spool;
  unsigned number, records;
};

static void *write_records(void *context) {
  struct writer *w = context;
  struct rand random;
  char id[GENERATION_ID_SIZE];
  rand_seed(&random);
  for (unsigned i = 0; i < w->records; i++) {
    uint64_t moment = 1790000000000000u + i;
    generation_id(id, moment, w->number, &random);
    struct record r = {.id = str_from_cstr(id),
                       .created_us = moment,
                       .key_id = STR("key_a"),
                       .model = STR("openai/gpt-4o-mini"),
                       .cost = {.total = i}};
    while (!spool_append(w->spool, &r)) usleep(100);
  }
  return NULL;
}

static void test_two_loops_append_while_the_thread_drains(void **state) {
  struct fixture *f = *state;
  enum { WRITERS = 2, EACH = 100000 };
  struct store *s = must_open(f, true);
  struct writer writers[WRITERS];
  pthread_t threads[WRITERS];
  for (unsigned i = 0; i < WRITERS; i++) {
    struct spool *spool = spool_open(&f->arena, fixture_path(f, "spool"), i, 4 << 20, &f->why);
    assert_non_null(spool);
    store_attach(s, spool);
    writers[i] = (struct writer){spool, i, EACH};
  }
  assert_true(store_start(s, NULL, NULL));
  for (unsigned i = 0; i < WRITERS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, write_records, &writers[i]), 0);
  for (unsigned i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
  WAIT_UNTIL(store_stats(s).rows == WRITERS * EACH);
  store_stop(s);
  assert_int_equal(store_stats(s).backlog, 0);
  assert_int_equal(store_stats(s).failures, 0);
  struct key_row *rows;
  size_t count;
  assert_true(store_key_list(s, &f->arena, &rows, &count, &f->why));
  assert_int_equal(count, 1);
  assert_int_equal(rows[0].spent, (int64_t)WRITERS * EACH * (EACH - 1) / 2);
  for (unsigned i = 0; i < WRITERS; i++) spool_close(writers[i].spool);
  store_close(s);
  assert_int_equal(count_files(fixture_path(f, "spool").ptr, ".spool"), 0);
}

static void test_a_failing_database_is_tried_again(void **state) {
  struct fixture *f = *state;
  struct store *s = must_open(f, true);
  struct spool *spool = spool_open(&f->arena, fixture_path(f, "spool"), 0, 4 << 20, &f->why);
  assert_non_null(spool);
  store_attach(s, spool);
  assert_true(
      store_exec(s, "CREATE TEMP TRIGGER no BEFORE INSERT ON generations BEGIN SELECT RAISE(ABORT, 'no'); END"));
  assert_true(store_start(s, NULL, NULL));
  struct record r = {.id = STR("x")};
  assert_true(spool_append(spool, &r));
  WAIT_UNTIL(store_stats(s).failures >= 3);
  assert_int_equal(store_stats(s).backlog, 1);
  struct store_stats before = store_stats(s);
  store_stop(s);
  assert_true(store_exec(s, "DROP TRIGGER no"));
  assert_true(store_drain(s));
  assert_int_equal(before.rows, 0);
  assert_int_equal(store_stats(s).rows, 1);
  spool_close(spool);
  store_close(s);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(test_opens_makes_and_opens_again),
      TEST(test_one_gateway_a_data_dir),
      TEST(test_a_file_in_the_place_of_the_directory),
      TEST(test_what_is_no_database_is_left_alone),
      TEST(test_a_newer_schema_is_left_alone),
      TEST(test_another_programs_database_is_left_alone),
      TEST(test_a_damaged_schema_is_told),
      TEST(test_no_right_to_write_is_told),
      TEST(test_records_that_cannot_be_stored_at_start_stay),
      TEST(test_keys_are_kept_changed_and_deleted),
      TEST(test_the_version_moves_when_another_process_changes_keys),
      TEST(test_the_pepper_is_made_once_and_guarded),
      TEST(test_the_hash_is_hmac_sha256),
      TEST(test_key_texts_have_256_random_bits),
      TEST(test_jobs_run_and_a_full_queue_refuses),
      TEST(test_two_loops_append_while_the_thread_drains),
      TEST(test_a_failing_database_is_tried_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
