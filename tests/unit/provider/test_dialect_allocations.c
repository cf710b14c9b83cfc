// The cases of every dialect (tests/golden, tests/fuzz/corpus/dialects and translate): each stream cut behind each of
// its events, and everything once more with its n-th allocation failing, for n = 1, 2, … until all goes well: no crash,
// no leak (the sanitizers look), and nothing that passes for a good answer but differs from it.
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "../surface/golden.h"
#include "provider/dialect.h"
#include "provider/table.h"
#include "surface/openai_chat.h"
#include "wire/aws_event_stream.h"

// The linker puts these in the place of the real ones (CMakeLists.txt).
static unsigned long allocations, fail_at;  // 0: never
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size) {
  return ++allocations == fail_at ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size) {
  return ++allocations == fail_at ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t size) {
  return ++allocations == fail_at ? NULL : __real_realloc(p, size);
}

static const struct provider_quirks quirks;
static struct provider provider = {.id = {"p", 1}, .name = {"P", 1}, .quirks = &quirks};
static struct model model = {.id = {"a/b", 3}};
static struct endpoint endpoint = {.provider = &provider, .model = &model, .api = API_RESPONSES};

static const struct {
  enum protocol protocol;
  struct str name;
} targets[] = {{PROTOCOL_ANTHROPIC, {"claude-haiku-4-5", 16}},
               {PROTOCOL_GEMINI, {"gemini-3", 8}},
               {PROTOCOL_VERTEX, {"claude-y", 8}},
               {PROTOCOL_BEDROCK, {"nova", 4}},
               {PROTOCOL_BEDROCK, {"anthropic.claude-sonnet-4-5", 27}},
               {PROTOCOL_COHERE, {"command-a-vision", 16}},
               {PROTOCOL_MISTRAL, {"mistral-small", 13}},
               {PROTOCOL_OPENAI, {"gpt-5.4", 7}}};
enum { TARGETS = 8 };

static const struct dialect *pick(unsigned which) {
  provider.protocol = targets[which % TARGETS].protocol;
  endpoint.upstream_model = targets[which % TARGETS].name;
  return dialect_of(&endpoint);
}

// --- what is tried ---

// Each gives what the client or the provider would get; false: a refusal or a failure, which says so.
typedef bool run_fn(const struct dialect *d, struct str in, struct buf *out);

// `lines_max`: the events that are given. True: the stream was complete.
static bool stream_of(const struct dialect *d, struct str in, unsigned lines_max, struct buf *out) {
  struct chat_reply reply;
  struct decode_failure failure = {0};
  enum decode_result result = DECODE_MORE;
  chat_reply_init(&reply, STR("gen-1"), &endpoint, 1);
  struct chat_events_options options = {.stream = true, .reasoning_format = d->reasoning_format, .collect = true};
  struct chat_events *e = chat_events_new(&reply, options);
  void *state = e ? d->stream_new(chat_events_sink(e)) : NULL;
  if (state) {
    chat_events_into(e, out);
    struct str line;
    for (unsigned n = 0; result == DECODE_MORE && n < lines_max && str_split(&in, '\n', &line); n++) {
      size_t tab = str_find_char(line, '\t', 0);
      struct str type = tab == SIZE_MAX ? (struct str){"", 0} : str_from(line.ptr, tab);
      result = d->stream_event(state, type, tab == SIZE_MAX ? line : str_skip(line, tab + 1), &failure);
    }
    if (result == DECODE_MORE && d->stream_end) result = d->stream_end(state, &failure);
    assert_int_equal(result == DECODE_FAILED, failure.fault != FAULT_NONE);
  }
  bool done = result == DECODE_DONE && chat_events_end(e, 10, out) && !out->failed;
  if (state) d->stream_drop(state);
  chat_events_drop(e);
  return done;
}

static bool as_stream(const struct dialect *d, struct str in, struct buf *out) {
  return stream_of(d, in, UINT32_MAX, out);
}

static bool as_whole(const struct dialect *d, struct str in, struct buf *out) {
  struct chat_reply reply;
  struct decode_failure failure = {0};
  chat_reply_init(&reply, STR("gen-1"), &endpoint, 1);
  struct chat_events *e =
      chat_events_new(&reply, (struct chat_events_options){.reasoning_format = d->reasoning_format});
  bool ok = e && d->reply(in, chat_events_sink(e), &failure);
  if (e) assert_int_equal(ok, failure.fault == FAULT_NONE);
  ok = ok && chat_events_end(e, 10, out);
  chat_events_drop(e);
  return ok;
}

static bool as_request(const struct dialect *d, struct str in, struct buf *out) {
  struct arena arena = {0};
  struct chat_request request;
  struct conversation conversation;
  struct fault_note note;
  struct translation t = {.arena = &arena};
  bool ok = chat_request_parse(&request, in, &arena, &note) &&
            chat_conversation(&request, &arena, &conversation, &note) && d->encode(&conversation, &endpoint, &t, out) &&
            !out->failed;
  chat_request_free(&request);
  arena_free(&arena);
  return ok;
}

static void fail_each(const struct dialect *d, struct str in, run_fn *run, const char *name) {
  struct buf good, out;
  fail_at = 0;
  buf_init(&good, 1 << 20);
  bool good_done = run(d, in, &good);
  for (unsigned long n = 1;; n++) {
    buf_init(&out, 1 << 20);
    allocations = 0;
    fail_at = n;
    bool done = run(d, in, &out);
    bool all_went_well = allocations < n;
    fail_at = 0;
    if (done && !str_eq(buf_view(&out), buf_view(&good)))
      fail_msg("%s with allocation %lu failing: %.*s", name, n, STR_ARGS(buf_view(&out)));
    if (all_went_well) assert_int_equal(done, good_done);
    buf_free(&out);
    if (all_went_well) break;
  }
  buf_free(&good);
}

// --- the cases ---

static char text[1 << 20];

static struct str case_read(const char *folder, const char *name) {
  char path[1024];
  snprintf(path, sizeof path, "tests/fuzz/corpus/%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (!file) return (struct str){0};
  size_t n = fread(text, 1, sizeof text, file);
  fclose(file);
  return str_from(text, n);
}

static void for_each(const char *folder, void (*check)(struct str text, const char *name)) {
  char path[1024];
  snprintf(path, sizeof path, "tests/fuzz/corpus/%s", folder);
  DIR *dir = opendir(path);
  unsigned n = 0;
  assert_non_null(dir);
  for (struct dirent *entry; (entry = readdir(dir));) {
    struct str in = entry->d_name[0] == '.' ? (struct str){0} : case_read(folder, entry->d_name);
    if (in.len < 3) continue;
    check(in, entry->d_name);
    n++;
  }
  closedir(dir);
  assert_true(n > 2);
}

static void check_answer(struct str in, const char *name) {
  const struct dialect *d = pick((unsigned char)in.ptr[0]);
  fail_each(d, str_skip(in, 2), as_stream, name);
  fail_each(d, str_skip(in, 2), as_whole, name);
}

static void test_answers(void **state) {
  (void)state;
  for_each("dialects", check_answer);
}

static void check_request(struct str in, const char *name) {
  for (unsigned t = 0; t < TARGETS; t++) fail_each(pick(t), in, as_request, name);
}

static void test_requests(void **state) {
  (void)state;
  for_each("translate", check_request);
}

// --- tests/golden ---

static const struct golden *golden;

static struct str golden_answer(void) {
  return golden->answer_tool ? str_from_cstr(golden->answer_tool) : (struct str){0};
}

static bool golden_as_request(const struct dialect *d, struct str in, struct buf *out) {
  struct dialect_request r;
  struct fault_note note;
  (void)d;
  bool ok = dialect_run_request(&golden->target, in, &r, &note, out);
  dialect_request_free(&r);
  return ok;
}

static bool golden_as_reply(const struct dialect *d, struct str in, struct buf *out) {
  (void)d;
  return dialect_run_reply(&golden->target, golden_answer(), in, out);
}

static bool golden_as_stream(const struct dialect *d, struct str in, struct buf *out) {
  (void)d;
  return dialect_run_stream(&golden->target, golden_answer(), in, in.len ? in.len : 1, out, NULL);
}

static void fail_golden(struct golden *g) {
  static const struct {
    const char *file;
    run_fn *run;
  } rows[] = {{"request.json", golden_as_request},
              {"reply.json", golden_as_reply},
              {"stream.sse", golden_as_stream},
              {"stream.events", golden_as_stream}};
  const struct dialect *d = dialect_of(&g->target.endpoint);
  char name[1024];
  golden = g;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct buf in, framed;
    buf_init(&framed, GOLDEN_FILE_MAX);
    golden_path(g, rows[i].file, name);
    if (golden_read(g, rows[i].file, &in)) {
      bool lines = strstr(rows[i].file, ".events") != NULL;
      if (lines) frames_of_lines(buf_view(&in), &framed);
      fail_each(d, buf_view(lines ? &framed : &in), rows[i].run, name);
    }
    buf_free(&in);
    buf_free(&framed);
  }
}

static void test_golden(void **state) {
  (void)state;
  assert_true(golden_each_dialect(fail_golden) > 0);
}

// Only what comes with the last event makes an answer complete.
static void check_cuts(struct str in, const char *name) {
  const struct dialect *d = pick((unsigned char)in.ptr[0]);
  struct buf out;
  unsigned lines = 1;
  if (!strstr(name, "stream") && !strstr(name, "lines")) return;
  for (size_t i = 2; i < in.len; i++) lines += in.ptr[i] == '\n';
  for (unsigned n = 0; n <= lines; n++) {
    buf_init(&out, 1 << 20);
    bool done = stream_of(d, str_skip(in, 2), n, &out);
    if (done != (n == lines)) fail_msg("%s, complete after %u of %u events", name, n, lines);
    buf_free(&out);
  }
}

static void test_every_cut_is_no_end(void **state) {
  (void)state;
  for_each("dialects", check_cuts);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_requests),
                                     cmocka_unit_test(test_every_cut_is_no_end), cmocka_unit_test(test_golden)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
