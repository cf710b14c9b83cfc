// The spool: order, hand-over, ceiling, what a later process finds, and what a kill at any byte leaves.
#define _GNU_SOURCE
#include "fixture.h"
// after cmocka.h's own needs
#include <signal.h>
#include <sys/wait.h>

#include "base/time.h"
#include "store/spool.c"

static void remove_files(const char *path) {
  DIR *dir = opendir(path);
  for (struct dirent *e; dir && (e = readdir(dir));) unlinkat(dirfd(dir), e->d_name, 0);
  if (dir) closedir(dir);
}

static struct spool *open_spool(struct fixture *f, uint64_t bytes_max) {
  struct spool *s = spool_open(&f->arena, str_from_cstr(f->dir), 0, bytes_max, &f->why);
  if (!s) print_error("%.*s\n", STR_ARGS(f->why));
  return s;
}

// --- Records that know their number ---

static struct record numbered(uint64_t n, char text[300]) {
  memset(text, 'a' + (int)(n % 26), 300);
  return (struct record){.id = str_from(text, 24 + n % 200),
                         .model = STR("test/model"),
                         .created_us = n,
                         .status = 200,
                         .usage = {.known = true, .prompt = n * 3},
                         .cost = {.total = (int64_t)n * 7}};
}

static bool append(struct spool *s, uint64_t n) {
  char text[300];
  struct record r = numbered(n, text);
  return spool_append(s, &r);
}

struct seen {
  uint64_t next;  // the number expected
  size_t wrong;   // records that were not as numbered() makes them
  size_t records;
  size_t stop_at;  // `take` refuses when this many were seen; 0: never
};

static bool see(void *context, const struct record *r) {
  struct seen *seen = context;
  char text[300];
  struct record want = numbered(r->created_us, text);
  seen->wrong += !str_eq(r->id, want.id) || !str_eq(r->model, want.model) || r->usage.prompt != want.usage.prompt ||
                 r->cost.total != want.cost.total || r->created_us != seen->next || !r->usage.known;
  seen->next = r->created_us + 1;
  seen->records++;
  return !seen->stop_at || seen->records < seen->stop_at;
}

static size_t replay(struct fixture *f, struct seen *seen, bool done) {
  struct spool_replay *r = NULL;
  assert_true(spool_replay_begin(&f->arena, str_from_cstr(f->dir), &r, &f->why));
  size_t taken = spool_replay_read(r, see, seen);
  spool_replay_done(r, done);
  return taken;
}

// --- The wire form ---

static void test_every_member_survives(void **state) {
  (void)state;
  struct record in = {.created_us = 1,
                      .status = 499,
                      .fault = 7,
                      .streamed = true,
                      .cancelled = true,
                      .latency_ms = 2,
                      .generation_ms = 3,
                      .gateway_us = 4,
                      .usage = {.known = true,
                                .estimated = true,
                                .prompt = 5,
                                .completion = 6,
                                .total = 7,
                                .cached = 8,
                                .cache_write = 9,
                                .reasoning = 10,
                                .audio_prompt = 11,
                                .audio_completion = 12,
                                .image_completion = 13,
                                .cache_write_1h = 17,
                                .image_prompt = 18,
                                .video_prompt = 19,
                                .video_completion = 20,
                                .audio_cached = 21,
                                .image_cached = 22,
                                .video_cached = 23,
                                .images = 24,
                                .web_searches = 25,
                                .beside = {28, 29, 30, 31},
                                .billed = true,
                                .billed_prompt = 26,
                                .billed_completion = 27},
                      .cost = {INT64_MAX, 15, -16}};
  struct str *strings[] = {&in.id,          &in.key_id,        &in.model,
                           &in.provider,    &in.provider_name, &in.upstream_model,
                           &in.upstream_id, &in.finish_reason, &in.native_finish_reason,
                           &in.api_type,    &in.user,          &in.session_id,
                           &in.app_title,   &in.http_referer,  &in.user_agent,
                           &in.error,       &in.attempts_json, &in.preset_id,
                           &in.router};
  static const char text[] = "abcdefghijklmnopqrstuvwxyz";
  for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) *strings[i] = str_from(text + i, 3 + i % 5);
  char wire[RECORD_WIRE_MAX];
  size_t len = record_encode(wire, &in);
  struct record out;
  assert_true(record_decode(str_from(wire, len), &out));
  char again[RECORD_WIRE_MAX];
  assert_int_equal(record_encode(again, &out), len);
  assert_memory_equal(wire, again, len);
  assert_memory_equal(&out.usage, &in.usage, sizeof in.usage);
  assert_int_equal(out.cost.completion, -16);
  assert_true(str_eq(out.attempts_json, in.attempts_json));
  assert_true(str_eq(out.preset_id, in.preset_id) && str_eq(out.router, in.router));
  for (size_t cut = 0; cut < len; cut++) assert_false(record_decode(str_from(wire, cut), &out));
  // One of the texts alone, without counts that are rare.
  in.usage = (struct usage){.known = true, .prompt = 5};
  in.preset_id = (struct str){0};
  size_t texts = record_encode(again, &in);
  assert_true(record_decode(str_from(again, texts), &out));
  assert_memory_equal(&out.usage, &in.usage, sizeof in.usage);
  assert_true(!out.preset_id.len && str_eq(out.router, in.router));
  // Without what only few records have: a record of an earlier version.
  in.router = (struct str){0};
  size_t usual = record_encode(again, &in);
  assert_in_range(usual, len - 200, len - 1);
  assert_true(record_decode(str_from(again, usual), &out));
  assert_memory_equal(&out.usage, &in.usage, sizeof in.usage);
  assert_true(!out.preset_id.len && !out.router.len);
  for (size_t cut = 0; cut < usual; cut++) assert_false(record_decode(str_from(again, cut), &out));
}

static void test_long_strings_are_cut_between_characters(void **state) {
  (void)state;
  static char text[6000];
  for (size_t i = 0; i < sizeof text; i += 3) memcpy(text + i, "\xe2\x82\xac", 3);
  static const struct {
    size_t shift, len, kept;
  } cases[] = {{0, 512, 512}, {0, 513, 510}, {0, 6000, 510}, {1, 5999, 512}, {2, 5998, 511}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct record in = {.error = str_from(text + cases[i].shift, cases[i].len)}, out;
    char wire[RECORD_WIRE_MAX];
    assert_true(record_decode(str_from(wire, record_encode(wire, &in)), &out));
    assert_int_equal(out.error.len, cases[i].kept);
  }
  struct record in = {.attempts_json = str_from(text, 4096)}, out;
  char wire[RECORD_WIRE_MAX];
  assert_true(record_decode(str_from(wire, record_encode(wire, &in)), &out));
  assert_int_equal(out.attempts_json.len, 4096);
  in.attempts_json.len++;
  assert_true(record_decode(str_from(wire, record_encode(wire, &in)), &out));
  assert_int_equal(out.attempts_json.len, 0);
}

// --- The living queue ---

static void test_reads_again_until_released(void **state) {
  struct fixture *f = *state;
  struct spool *s = open_spool(f, 8 << 20);
  assert_non_null(s);
  for (uint64_t n = 0; n < 10; n++) assert_true(append(s, n));
  struct seen first = {0}, again = {0}, rest = {.next = 4};
  assert_int_equal(spool_read(s, 4, see, &first), 4);
  assert_int_equal(spool_read(s, 100, see, &again), 10);
  assert_int_equal(spool_backlog(s), 10);
  spool_release(s, 4);
  assert_int_equal(spool_backlog(s), 6);
  rest.stop_at = 3;  // the third is refused: it does not count
  assert_int_equal(spool_read(s, 100, see, &rest), 2);
  assert_int_equal(first.wrong + again.wrong + rest.wrong, 0);
  spool_release(s, 6);
  assert_int_equal(spool_read(s, 100, see, &rest), 0);
  spool_close(s);
  assert_int_equal(count_files(f->dir, ".spool"), 0);
}

static void test_grows_then_gives_back(void **state) {
  struct fixture *f = *state;
  struct spool *s = open_spool(f, 64 << 20);
  struct seen seen = {0};
  for (uint64_t n = 0; n < 20000; n++) assert_true(append(s, n));
  assert_in_range(count_files(f->dir, ".spool"), 5, 12);
  for (size_t left = 20000; left; left -= 1000) {
    assert_int_equal(spool_read(s, 1000, see, &seen), 1000);
    spool_release(s, 1000);
  }
  assert_int_equal(seen.wrong, 0);
  assert_int_equal(count_files(f->dir, ".spool"), 1 + SPARES);
  spool_close(s);
}

static void test_drained_in_time_it_stays_in_two_segments(void **state) {
  struct fixture *f = *state;
  struct spool *s = open_spool(f, 64 << 20);
  struct seen seen = {0};
  for (uint64_t n = 0; n < 50000; n++) {
    assert_true(append(s, n));
    if (n % 100 == 99) {
      assert_int_equal(spool_read(s, 1000, see, &seen), 100);
      spool_release(s, 100);
    }
    assert_in_range(atomic_load(&s->tail->committed), 0, LEAVE_EARLY + 200 * 600);
  }
  assert_int_equal(seen.wrong, 0);
  assert_int_equal(atomic_load(&s->segments), ALTERNATING);
  spool_close(s);
}

static void test_a_full_spool_says_so(void **state) {
  struct fixture *f = *state;
  struct spool *s = open_spool(f, 2 << 20);
  uint64_t n = 0;
  while (append(s, n)) n++;
  assert_int_equal(spool_lost(s), 1);
  assert_false(spool_ready(s));
  assert_in_range(n, 5000, 9000);
  struct seen seen = {0};
  size_t read = spool_read(s, SIZE_MAX, see, &seen);
  assert_int_equal(read, n);
  spool_release(s, read);
  assert_true(spool_ready(s));
  assert_true(append(s, n));
  assert_int_equal(spool_read(s, SIZE_MAX, see, &seen), 1);
  assert_int_equal(seen.wrong, 0);
  spool_close(s);
}

static void test_opening_fails_with_a_sentence(void **state) {
  struct fixture *f = *state;
  struct str file = arena_printf(&f->arena, "%s/file", f->dir);
  int fd = open(file.ptr, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  close(fd);
  assert_null(spool_open(&f->arena, file, 0, 2 << 20, &f->why));
  assert_non_null(strstr(f->why.ptr, "Not a directory"));
  struct str below = arena_printf(&f->arena, "%s/none/spool", f->dir);
  assert_null(spool_open(&f->arena, below, 0, 2 << 20, &f->why));
  assert_non_null(strstr(f->why.ptr, "No such file"));
  struct spool_replay *r;
  assert_false(spool_replay_begin(&f->arena, file, &r, &f->why));
  assert_true(spool_replay_begin(&f->arena, below, &r, &f->why));
  spool_replay_done(r, true);
}

// --- What a later process finds ---

static void test_replay_delivers_what_was_not_released(void **state) {
  struct fixture *f = *state;
  struct spool *s = open_spool(f, 64 << 20);
  struct seen seen = {0}, left = {.next = 4500}, again = {.next = 4500};
  for (uint64_t n = 0; n < 10000; n++) assert_true(append(s, n));
  spool_release(s, spool_read(s, 4500, see, &seen));
  spool_close(s);
  assert_int_equal(replay(f, &left, false), 5500);
  // Not committed: the files are still there, a new writer does not touch them.
  s = open_spool(f, 64 << 20);
  assert_true(append(s, 10000));
  spool_close(s);
  assert_int_equal(replay(f, &again, true), 5501);
  assert_int_equal(left.wrong + again.wrong, 0);
  assert_int_equal(count_files(f->dir, "spool"), 0);
}

// Where the records of a fresh one-segment spool begin; `at` has room for count + 1.
static char *one_segment(struct fixture *f, uint64_t count, uint32_t *at) {
  struct spool *s = open_spool(f, 2 << 20);
  for (uint64_t n = 0; n < count; n++) {
    at[n] = atomic_load(&s->tail->committed);
    assert_true(append(s, n));
  }
  at[count] = atomic_load(&s->tail->committed);
  char *path = strdup(s->tail->path);
  spool_close(s);
  return path;
}

static void poke(const char *path, uint32_t at, char value) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  assert_int_equal(pwrite(fd, &value, 1, at), 1);
  close(fd);
}

static void test_a_torn_end_is_skipped_quietly(void **state) {
  struct fixture *f = *state;
  uint32_t at[21];
  char *path = one_segment(f, 20, at);
  poke(path, at[19] + 40, 0x55);  // inside the last record
  struct seen seen = {0};
  assert_int_equal(replay(f, &seen, true), 19);
  assert_int_equal(seen.wrong, 0);
  assert_int_equal(count_files(f->dir, ""), 2);  // . and ..
  free(path);
}

static void test_damage_in_the_middle_is_kept_aside(void **state) {
  struct fixture *f = *state;
  uint32_t at[21];
  static const int offsets[] = {0, 1, 4, 8, 16, 40};
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    char *path = one_segment(f, 20, at);
    poke(path, at[7] + (uint32_t)offsets[i], 0x55);
    struct seen seen = {0};
    assert_int_equal(replay(f, &seen, true), 19);
    assert_int_equal(seen.wrong, 1);  // the eighth is missed
    assert_int_equal(count_files(f->dir, ".spool"), 0);
    assert_int_equal(count_files(f->dir, ".spool.bad"), i + 1);
    free(path);
  }
}

static void test_a_wrong_header_is_kept_aside(void **state) {
  struct fixture *f = *state;
  uint32_t at[21];
  char *path = one_segment(f, 20, at);
  poke(path, 0, 'X');
  struct seen seen = {0};
  assert_int_equal(replay(f, &seen, true), 0);
  assert_int_equal(count_files(f->dir, ".spool.bad"), 1);
  free(path);
}

static void test_a_released_offset_behind_the_end_is_no_reason_to_remove(void **state) {
  struct fixture *f = *state;
  uint32_t at[21];
  char *path = one_segment(f, 20, at);
  poke(path, offsetof(struct segment_header, released) + 3, 'X');
  struct seen seen = {0};
  assert_int_equal(replay(f, &seen, true), 0);
  assert_int_equal(count_files(f->dir, ".spool.bad"), 1);
  free(path);
}

static void test_a_file_cut_anywhere_gives_its_whole_records(void **state) {
  struct fixture *f = *state;
  uint32_t at[4];
  char *path = one_segment(f, 3, at);
  for (uint32_t cut = at[3] + 5; cut-- > 0;) {
    assert_int_equal(truncate(path, cut), 0);
    struct seen seen = {0};
    size_t want = 0;
    while (want < 3 && at[want + 1] <= cut) want++;
    assert_int_equal(replay(f, &seen, false), want);
    assert_int_equal(seen.wrong, 0);
  }
  free(path);
}

static void test_old_records_in_a_used_segment_stay_away(void **state) {
  struct fixture *f = *state;
  struct spool *s = open_spool(f, 2 << 20);
  uint64_t n = 0;
  struct seen seen = {0};
  while (append(s, n)) n++;  // both segments are full
  spool_release(s, spool_read(s, SIZE_MAX, see, &seen));
  for (uint64_t i = 0; i < 5; i++) assert_true(append(s, n + i));
  spool_close(s);
  struct seen left = {.next = n};
  assert_int_equal(replay(f, &left, true), 5);
  assert_int_equal(left.wrong, 0);
}

// --- kill -9 ---

// Appends until it is killed; tells every number it has appended. Drains too, so that segments are used again: what was
// released is told as a negative number.
static void appender(struct fixture *f, int fd) {
  struct spool *s = open_spool(f, 64 << 20);
  struct seen seen = {0};
  for (int64_t n = 0;; n++) {
    if (!append(s, (uint64_t)n)) _exit(1);
    if (write(fd, &n, sizeof n) != sizeof n) _exit(1);
    if (n % 1500 == 1499) {
      int64_t released = -(int64_t)(n - 199);
      // Told before it is done: killed in between, the records may still be found, which is allowed.
      if (write(fd, &released, sizeof released) != sizeof released) _exit(1);
      spool_release(s, spool_read(s, spool_backlog(s) - 200, see, &seen));
    }
  }
}

static void test_killed_anywhere_everything_told_is_there(void **state) {
  struct fixture *f = *state;
  uint64_t random = time_mono_ns();
  for (int round = 0; round < 50; round++) {
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) appender(f, fds[1]);
    close(fds[1]);
    random = random * 6364136223846793005u + 1442695040888963407u;
    unsigned want = (unsigned)(random >> 33) % 9000;  // numbers to hear before the kill
    int64_t told = -1, released = 0, number;
    for (unsigned heard = 0; read(fds[0], &number, sizeof number) == sizeof number; heard++) {
      if (number >= 0)
        told = number;
      else
        released = -number;
      if (heard == want) kill(child, SIGKILL);
    }
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    struct spool_replay *r;
    assert_true(spool_replay_begin(&f->arena, str_from_cstr(f->dir), &r, &f->why));
    struct seen seen = {.next = UINT64_MAX};
    size_t taken = spool_replay_read(r, see, &seen);
    spool_replay_done(r, true);
    // In order and without a hole: only the first one's number was not known.
    assert_int_equal(seen.wrong, taken ? 1 : 0);
    uint64_t first = taken ? seen.next - taken : 0;
    if (told >= 0) {
      assert_true(first <= (uint64_t)released);
      assert_true(seen.next == (uint64_t)told + 1 || seen.next == (uint64_t)told + 2);
    }
    assert_int_equal(count_files(f->dir, ".bad"), 0);
    remove_files(f->dir);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(test_every_member_survives),
      TEST(test_long_strings_are_cut_between_characters),
      TEST(test_reads_again_until_released),
      TEST(test_grows_then_gives_back),
      TEST(test_drained_in_time_it_stays_in_two_segments),
      TEST(test_a_full_spool_says_so),
      TEST(test_opening_fails_with_a_sentence),
      TEST(test_replay_delivers_what_was_not_released),
      TEST(test_a_torn_end_is_skipped_quietly),
      TEST(test_damage_in_the_middle_is_kept_aside),
      TEST(test_a_wrong_header_is_kept_aside),
      TEST(test_a_released_offset_behind_the_end_is_no_reason_to_remove),
      TEST(test_a_file_cut_anywhere_gives_its_whole_records),
      TEST(test_old_records_in_a_used_segment_stay_away),
      TEST(test_killed_anywhere_everything_told_is_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
