// The ledger: what goes in comes out, once, whatever fails in between; what keys have spent; kill -9 at random moments.
#define _GNU_SOURCE
#include "fixture.h"
// after cmocka.h's own needs
#include <signal.h>
#include <sys/wait.h>

#include "base/time.h"
#include "store/ledger.c"

struct rig {
  struct store *store;
  struct spool *spool;
};

static struct rig rig_open(struct fixture *f, unsigned spools_max_mb) {
  struct rig rig = {.store = store_open(&f->arena, fixture_dir(f), true, &f->why)};
  if (!rig.store) fail_msg("%.*s", STR_ARGS(f->why));
  rig.spool = spool_open(&f->arena, fixture_path(f, "spool"), 0, (uint64_t)spools_max_mb << 20, &f->why);
  if (!rig.spool) fail_msg("%.*s", STR_ARGS(f->why));
  store_attach(rig.store, rig.spool);
  return rig;
}

static void rig_close(struct rig *rig) {
  spool_close(rig->spool);
  store_close(rig->store);
}

static int64_t number_of(struct store *s, const char *sql) {
  sqlite3_stmt *st;
  assert_int_equal(sqlite3_prepare_v2(s->db, sql, -1, &st, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(st), SQLITE_ROW);
  int64_t number = sqlite3_column_int64(st, 0);
  sqlite3_finalize(st);
  return number;
}

static struct record get(struct fixture *f, struct store *s, struct str id) {
  struct record r = {0};
  bool found;
  if (!store_generation(s, &f->arena, id, &r, &found, &f->why)) fail_msg("%.*s", STR_ARGS(f->why));
  if (!found) fail_msg("%.*s is not there", STR_ARGS(id));
  return r;
}

static bool is_there(struct fixture *f, struct store *s, struct str id) {
  struct record r;
  bool found;
  assert_true(store_generation(s, &f->arena, id, &r, &found, &f->why));
  return found;
}

// --- What goes in comes out ---

#define ID STR("gen-1790000000-0ABC00abcdefghijklmn")

static const struct record samples[] = {
    {.id = ID,
     .created_us = 1790000000123456,
     .key_id = STR("key_0123456789abcdef"),
     .model = STR("openai/gpt-4o-mini"),
     .provider = STR("openai"),
     .provider_name = STR("OpenAI"),
     .upstream_model = STR("gpt-4o-mini-2024"),
     .upstream_id = STR("chatcmpl-1"),
     .finish_reason = STR("stop"),
     .native_finish_reason = STR("end_turn"),
     .api_type = STR("completions"),
     .user = STR("user \"quoted\" \\ \n line"),
     .session_id = STR("s-1"),
     .app_title = STR("\xe2\x82\xac app"),
     .http_referer = STR("https://app.example/"),
     .user_agent = STR("curl/8"),
     .preset_id = STR("a9e8d400-592a-494f-908c-375efa66cafd"),
     .router = STR("openrouter/auto"),
     .error = STR("it failed"),
     .attempts_json = STR("[{\"provider\":\"a\",\"status\":503},{\"provider\":\"b\",\"status\":200}]"),
     .status = 499,
     .fault = FAULT_UPSTREAM_CUT,
     .streamed = true,
     .cancelled = true,
     .latency_ms = UINT32_MAX,
     .generation_ms = 2,
     .gateway_us = 3,
     .usage = {.known = true,
               .estimated = true,
               .prompt = 10,
               .completion = 11,
               .total = 99,
               .cached = 1,
               .cache_write = 2,
               .reasoning = 3,
               .audio_prompt = 4,
               .audio_completion = 5,
               .image_completion = 6,
               .cache_write_1h = 1,
               .image_prompt = 7,
               .video_prompt = 8,
               .video_completion = 9,
               .audio_cached = 10,
               .image_cached = 11,
               .video_cached = 12,
               .images = 13,
               .web_searches = 14,
               .beside = {16, 17, 18, 19},
               .billed = true,
               .billed_completion = 15},
     .cost = {.total = INT64_MAX / 4, .prompt = 1, .completion = 2}},
    {.id = ID},
    {.id = ID, .finish_reason = STR("stop"), .api_type = STR("embeddings"), .usage = {.prompt = 5, .total = 5}},
    {.id = ID, .finish_reason = STR("stop"), .native_finish_reason = STR("stop"), .api_type = STR("completions")},
    {.id = STR("an id of another form"), .native_finish_reason = STR("only native")},
    {.id = STR("gen-1790000000-short"), .model = STR("m"), .status = 200},
};

static void test_every_member_comes_back(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    struct rig rig = rig_open(f, 2);
    const struct record *in = &samples[i];
    assert_true(spool_append(rig.spool, in));
    assert_false(is_there(f, rig.store, in->id));
    assert_true(store_drain(rig.store));
    assert_int_equal(spool_backlog(rig.spool), 0);
    struct record out = get(f, rig.store, in->id);
    struct str *texts_in = (struct str *)&in->key_id, *texts_out = &out.key_id;
    for (size_t t = 0; &texts_in[t] <= &in->attempts_json; t++) assert_str(texts_out[t], texts_in[t]);
    assert_str(out.id, in->id);
    assert_int_equal(out.created_us, in->created_us);
    assert_int_equal(out.status, in->status);
    assert_int_equal(out.fault, in->fault);
    assert_int_equal(out.streamed, in->streamed);
    assert_int_equal(out.cancelled, in->cancelled);
    assert_int_equal(out.latency_ms, in->latency_ms);
    assert_int_equal(out.generation_ms, in->generation_ms);
    assert_int_equal(out.gateway_us, in->gateway_us);
    assert_int_equal(out.usage.known, in->usage.known);
    assert_int_equal(out.usage.estimated, in->usage.estimated);
    assert_memory_equal(&out.usage.prompt, &in->usage.prompt, sizeof out.usage - offsetof(struct usage, prompt));
    assert_memory_equal(&out.cost, &in->cost, sizeof out.cost);
    rig_close(&rig);
    remove_tree(f->dir);
  }
}

static void test_details_that_are_no_json_hurt_nobody(void **state) {
  struct fixture *f = *state;
  static const char *const details[] = {"", "{", "[1]", "{\"user\":1,\"total\":-1,\"cache_write\":\"x\"}", "nonsense"};
  for (size_t i = 0; i < sizeof details / sizeof *details; i++) {
    struct record r = {.usage = {.prompt = 2, .completion = 3}};
    assert_true(detail_read(str_from_cstr(details[i]), &f->arena, &r));
    assert_int_equal(r.usage.total, 5);
    assert_int_equal(r.user.len, 0);
  }
  // Bytes that are no UTF-8 are replaced, not kept and not refused.
  struct rig rig = rig_open(f, 2);
  struct record r = {.id = ID, .user_agent = STR("a\xff\x80z")};
  assert_true(spool_append(rig.spool, &r));
  assert_true(store_drain(rig.store));
  assert_str(get(f, rig.store, r.id).user_agent, STR("a\xef\xbf\xbd\xef\xbf\xbdz"));
  rig_close(&rig);
}

static void note_status(void *context, const struct record *r) {
  struct str *seen = context;
  ((char *)seen->ptr)[seen->len++] = (char)('0' + r->status);
}

static void test_recent_ones_newest_first(void **state) {
  struct fixture *f = *state;
  struct rig rig = rig_open(f, 2);
  char id[GENERATION_ID_SIZE], seen[16];
  struct rand random;
  rand_seed(&random);
  static const uint64_t moments[] = {5, 1, 9, 3};
  for (unsigned i = 0; i < 4; i++) {
    generation_id(id, 1790000000000000u + moments[i] * 1000, i, &random);
    struct record r = {.id = str_from_cstr(id), .status = (uint16_t)moments[i]};
    assert_true(spool_append(rig.spool, &r));
  }
  assert_true(store_drain(rig.store));
  struct str all = {seen, 0}, two = {seen, 0};
  assert_true(store_recent(rig.store, &f->arena, SIZE_MAX, note_status, &all, &f->why));
  assert_str(all, STR("9531"));
  assert_true(store_recent(rig.store, &f->arena, 2, note_status, &two, &f->why));
  assert_str(two, STR("95"));
  rig_close(&rig);
}

// --- Once ---

// The same moment and loop with other random characters: the same place.
static const char *const crowd[] = {"gen-1790000000-000100aaaaaaaaaaaaaa", "gen-1790000000-000100bbbbbbbbbbbbbb",
                                    "gen-1790000000-000100cccccccccccccc", "gen-1790000000-000101dddddddddddddd"};

static void append_crowd(struct spool *spool) {
  for (unsigned i = 0; i < 4; i++) {
    struct record r = {.id = str_from_cstr(crowd[i]),
                       .key_id = STR("key_a"),
                       .created_us = 1790000000000001,
                       .cost = {.total = 10},
                       .status = (uint16_t)(200 + i)};
    assert_true(spool_append(spool, &r));
  }
}

static void test_ids_of_one_place_all_fit_and_count_once(void **state) {
  struct fixture *f = *state;
  struct rig rig = rig_open(f, 2);
  assert_int_equal(generation_seq(str_from_cstr(crowd[0])), generation_seq(str_from_cstr(crowd[2])));
  for (int turn = 0; turn < 3; turn++) {
    append_crowd(rig.spool);
    assert_true(store_drain(rig.store));
    assert_int_equal(spool_backlog(rig.spool), 0);
    assert_int_equal(number_of(rig.store, "SELECT count(*) FROM generations"), 4);
    assert_int_equal(number_of(rig.store, "SELECT requests FROM key_usage"), 4);
    assert_int_equal(number_of(rig.store, "SELECT cost_pico FROM key_usage"), 40);
    assert_int_equal(store_stats(rig.store).rows, 4);
  }
  for (unsigned i = 0; i < 4; i++) assert_int_equal(get(f, rig.store, str_from_cstr(crowd[i])).status, 200 + i);
  assert_false(is_there(f, rig.store, STR("gen-1790000000-000100eeeeeeeeeeeeee")));
  assert_false(is_there(f, rig.store, STR("gen-1790000001-000100aaaaaaaaaaaaaa")));
  assert_false(is_there(f, rig.store, STR("")));
  rig_close(&rig);
}

static void test_spools_left_behind_are_taken_once(void **state) {
  struct fixture *f = *state;
  struct rig rig = rig_open(f, 2);
  append_crowd(rig.spool);
  // As if killed between commit and release: in the database, and still in the spool.
  size_t moved;
  struct batch b = {.store = rig.store};
  assert_true(store_step(rig.store->begin));
  assert_int_equal(spool_read(rig.spool, 3, insert, &b), 3);
  assert_true(commit(&b));
  rig_close(&rig);
  assert_int_equal(count_files(fixture_path(f, "spool").ptr, ".spool"), 1);
  rig = rig_open(f, 2);
  assert_int_equal(number_of(rig.store, "SELECT count(*) FROM generations"), 4);
  assert_int_equal(number_of(rig.store, "SELECT requests FROM key_usage"), 4);
  assert_true(drain_once(rig.store, &moved));
  assert_int_equal(moved, 0);
  rig_close(&rig);
  assert_int_equal(count_files(fixture_path(f, "spool").ptr, "spool"), 0);
}

// --- What keys have spent ---

static void test_sums_of_more_keys_than_fit_at_once(void **state) {
  struct fixture *f = *state;
  struct rig rig = rig_open(f, 4);
  enum { KEYS = SUMS * 3 + 5, EACH = 7 };
  char id[GENERATION_ID_SIZE], key[16];
  struct rand random;
  rand_seed(&random);
  for (unsigned i = 0; i < KEYS * EACH; i++) {
    generation_id(id, 1790000000000000u + i, 0, &random);
    int len = snprintf(key, sizeof key, "key_%u", i % KEYS);
    struct record r = {.id = str_from_cstr(id),
                       .key_id = str_from(key, (size_t)len),
                       .created_us = 1790000000000000u + i,
                       .usage = {.prompt = 3, .completion = 2},
                       .cost = {.total = i % KEYS}};
    assert_true(spool_append(rig.spool, &r));
  }
  assert_true(store_drain(rig.store));
  assert_int_equal(number_of(rig.store, "SELECT count(*) FROM key_usage"), KEYS);
  assert_int_equal(
      number_of(rig.store, "SELECT count(*) FROM key_usage WHERE requests<>7 OR prompt<>21 OR completion<>14"), 0);
  assert_int_equal(number_of(rig.store, "SELECT count(*) FROM key_usage WHERE cost_pico <> 7*substr(key_id,5)"), 0);
  rig_close(&rig);
}

static void test_a_key_list_tells_day_week_month(void **state) {
  struct fixture *f = *state;
  struct rig rig = rig_open(f, 2);
  uint64_t day_us = 86400000000u, today = time_unix_us();
  static const unsigned days_ago[] = {0, 1, 6, 31, 400};
  char id[GENERATION_ID_SIZE];
  struct rand random;
  rand_seed(&random);
  for (unsigned i = 0; i < 5; i++) {
    generation_id(id, today - days_ago[i] * day_us, i, &random);
    struct record r = {.id = str_from_cstr(id),
                       .key_id = STR("config:ci"),
                       .created_us = today - days_ago[i] * day_us,
                       .cost = {.total = 1}};
    assert_true(spool_append(rig.spool, &r));
  }
  assert_true(store_drain(rig.store));
  struct key_row *rows;
  size_t count;
  assert_true(store_key_list(rig.store, &f->arena, &rows, &count, &f->why));
  assert_int_equal(count, 1);
  assert_true(rows[0].declared);
  assert_str(rows[0].id, STR("config:ci"));
  assert_int_equal(rows[0].spent, 5);
  assert_int_equal(rows[0].spent_day, 1);
  // 1970-01-01 was a Thursday: day 4 was the first Monday.
  unsigned weekday = (unsigned)((today / day_us + 3) % 7);
  assert_int_equal(rows[0].spent_week, 1 + (weekday >= 1) + (weekday >= 6));
  assert_in_range(rows[0].spent_month, 1, 3);
  rig_close(&rig);
}

// --- Failures ---

static void append_many(struct spool *spool, unsigned count, unsigned from) {
  char id[GENERATION_ID_SIZE];
  struct rand random;
  rand_seed(&random);
  for (unsigned i = from; i < from + count; i++) {
    generation_id(id, 1790000000000000u + i, 0, &random);
    struct record r = {.id = str_from_cstr(id), .key_id = STR("key_a"), .created_us = 1790000000000000u + i};
    assert_true(spool_append(spool, &r));
  }
}

static void test_a_full_disk_keeps_the_records_in_the_spool(void **state) {
  struct fixture *f = *state;
  struct rig rig = rig_open(f, 64);
  assert_true(store_exec(rig.store, "PRAGMA max_page_count=12"));
  append_many(rig.spool, 20000, 0);
  assert_false(store_drain(rig.store));
  assert_non_null(strstr(rig.store->trouble, "full"));
  assert_int_equal(spool_backlog(rig.spool), 20000);
  assert_int_equal(number_of(rig.store, "SELECT count(*) FROM generations"), 0);
  assert_int_equal(number_of(rig.store, "SELECT count(*) FROM key_usage"), 0);
  assert_in_range(store_stats(rig.store).failures, 1, 1);
  assert_true(store_exec(rig.store, "PRAGMA max_page_count=1000000"));
  assert_true(store_drain(rig.store));
  assert_int_equal(number_of(rig.store, "SELECT count(*) FROM generations"), 20000);
  assert_int_equal(number_of(rig.store, "SELECT requests FROM key_usage"), 20000);
  assert_int_equal(store_stats(rig.store).backlog, 0);
  rig_close(&rig);
}

static void test_a_database_damaged_under_way_keeps_the_spool(void **state) {
  struct fixture *f = *state;
  struct rig rig = rig_open(f, 64);
  append_many(rig.spool, 5000, 0);
  assert_true(store_drain(rig.store));
  assert_true(store_exec(rig.store, "PRAGMA wal_checkpoint(TRUNCATE)"));
  char garbage[4096];
  memset(garbage, 0x5a, sizeof garbage);
  FILE *file = fopen(fixture_path(f, "signalbox.db").ptr, "r+");
  assert_int_equal(fseek(file, 16384, SEEK_SET), 0);
  for (int i = 0; i < 60; i++) assert_int_equal(fwrite(garbage, sizeof garbage, 1, file), 1);
  fclose(file);
  sqlite3_db_release_memory(rig.store->db);
  append_many(rig.spool, 100, 5000);
  assert_false(store_drain(rig.store));
  assert_int_equal(spool_backlog(rig.spool), 100);
  assert_in_range(store_stats(rig.store).failures, 1, 1);
  rig_close(&rig);
  assert_int_equal(count_files(fixture_path(f, "spool").ptr, ".spool"), 1);
}

// --- kill -9 ---

// Serves until it is killed: appends, drains through the thread, tells each number appended.
static void server(struct fixture *f, int fd) {
  struct rig rig = rig_open(f, 64);
  char id[GENERATION_ID_SIZE];
  struct rand random;
  rand_seed(&random);
  if (!store_start(rig.store, NULL, NULL)) _exit(1);
  for (uint64_t n = 0;; n++) {
    uint64_t now = time_unix_us();
    generation_id(id, now, 0, &random);
    struct record r = {.id = str_from_cstr(id), .key_id = STR("key_a"), .created_us = now, .cost = {.total = 3}};
    if (!spool_append(rig.spool, &r)) _exit(1);
    if (write(fd, id, sizeof id) != sizeof id) _exit(1);
    if (n % 8 == 0) usleep(100);
  }
}

static void test_killed_anywhere_every_answer_is_there_once(void **state) {
  struct fixture *f = *state;
  uint64_t random = time_mono_ns(), told = 0;
  for (int round = 0; round < 20; round++) {
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) server(f, fds[1]);
    close(fds[1]);
    random = random * 6364136223846793005u + 1442695040888963407u;
    unsigned want = (unsigned)(random >> 33) % 3000, heard = 0;
    char last[GENERATION_ID_SIZE] = "", id[GENERATION_ID_SIZE];
    for (; read(fds[0], id, sizeof id) == sizeof id; heard++) {
      memcpy(last, id, sizeof id);
      if (heard == want) kill(child, SIGKILL);
    }
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    told += heard;
    struct rig rig = rig_open(f, 64);
    assert_true(is_there(f, rig.store, str_from_cstr(last)));
    int64_t rows = number_of(rig.store, "SELECT count(*) FROM generations");
    // The last one of each round may have been appended and not told.
    assert_in_range((uint64_t)rows, told, told + 1);
    told = (uint64_t)rows;
    assert_int_equal(number_of(rig.store, "SELECT count(DISTINCT id) FROM generations"), rows);
    assert_int_equal(number_of(rig.store, "SELECT sum(requests) FROM key_usage"), rows);
    assert_int_equal(number_of(rig.store, "SELECT sum(cost_pico) FROM key_usage"), rows * 3);
    rig_close(&rig);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(test_every_member_comes_back),
      TEST(test_details_that_are_no_json_hurt_nobody),
      TEST(test_recent_ones_newest_first),
      TEST(test_ids_of_one_place_all_fit_and_count_once),
      TEST(test_spools_left_behind_are_taken_once),
      TEST(test_sums_of_more_keys_than_fit_at_once),
      TEST(test_a_key_list_tells_day_week_month),
      TEST(test_a_full_disk_keeps_the_records_in_the_spool),
      TEST(test_a_database_damaged_under_way_keeps_the_spool),
      TEST(test_killed_anywhere_every_answer_is_there_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
