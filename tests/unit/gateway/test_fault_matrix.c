// The fault matrix: what goes wrong at a provider, for whole answers and streams, at the first endpoint, at the second,
// at all of them. Each row says what users are promised, not what the code happens to do: what the client gets, who was
// asked how often, what failed how, that there is one bill and what it is, and when.
//
// Not here: R2 (names) and R1's other half (addresses) need a resolver and are in tests/flow/test_upstream_connect.py;
// R3 (TLS) is there and in test_tls.py; R16 (HTTP/2) does not exist: providers are spoken to in HTTP/1.1.
#include "answer.h"
#include "faults.h"

// --- running them ---

enum position { AT_FIRST, AT_SECOND, AT_ALL, POSITIONS };
static const char *const position_names[] = {"first", "second", "all"};

struct run {
  const struct fault_case *fault;
  enum position position;
};

static bool is_faulty(const struct run *run, unsigned provider) {
  return run->position == AT_ALL || provider == (unsigned)run->position;
}

static enum sim_dial on_dial(struct sim *sim, unsigned provider) {
  const struct run *run = sim->context;
  return is_faulty(run, provider) ? run->fault->dial : SIM_CONNECTS;
}

static void on_request(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  const struct run *run = sim->context;
  if (is_faulty(run, m->provider))
    run->fault->script(s, m->streams);
  else if (m->provider < (unsigned)run->position)
    status_500(s, m->streams);
  else
    sim_good(s, m->streams);
}

// Who is expected to have been asked, and what of them failed how.
struct expected {
  unsigned asks[SIM_PROVIDERS];
  char failures[256];
  unsigned faulty;  // how many of them had the fault
  int answerer;     // whose answer the client got; -1: nobody's
};

static struct expected expect(const struct run *run) {
  static const char *const names[] = {"one", "two", "three"};
  const struct fault_case *f = run->fault;
  struct expected e = {.answerer = -1};
  for (int i = 0; i < SIM_PROVIDERS; i++) {
    size_t at = strlen(e.failures);
    const char *space = at ? " " : "";
    e.asks[i] = 1;
    if (is_faulty(run, (unsigned)i)) {
      e.faulty++;
      e.asks[i] = f->asks == ~0u ? 0 : f->asks ? f->asks : 1;
      if (f->outcome != PASSES) snprintf(e.failures + at, sizeof e.failures - at, "%s%s:%s", space, names[i], f->fault);
      if (f->outcome == FALLS_BACK) continue;
      if (f->outcome == PASSES) e.answerer = i;
      return e;
    }
    if (i < (int)run->position) {
      snprintf(e.failures + at, sizeof e.failures - at, "%s%s:upstream_error", space, names[i]);
      continue;
    }
    e.answerer = i;
    return e;
  }
  return e;
}

static unsigned wrong;
#define CHECK(condition, ...)                                                                                   \
  do {                                                                                                          \
    if (condition) break;                                                                                       \
    wrong++;                                                                                                    \
    fprintf(stderr, "%s, %s, at %s: %s: ", f->name, stream ? "stream" : "whole", position_names[run->position], \
            #condition);                                                                                        \
    fprintf(stderr, __VA_ARGS__);                                                                               \
    fputc('\n', stderr);                                                                                        \
  } while (0)

static void check_answer(const struct run *run, bool stream, const struct expected *e, const struct answer *a) {
  const struct fault_case *f = run->fault;
  CHECK(a->complete, "status %u", a->status);
  if (e->answerer >= 0) {
    CHECK(a->status == 200 && !a->code, "status %u, code %u", a->status, a->code);
    CHECK(str_eq(a->text, STR(SIM_TEXT)), "%.*s", STR_ARGS(a->text));
    CHECK(str_eq(a->finish, STR("stop")), "%.*s", STR_ARGS(a->finish));
    CHECK(a->has_usage, "no usage");
    CHECK(a->dones == (stream ? 1 : 0), "%u", a->dones);
  } else if (f->outcome == BREAKS) {
    CHECK(a->status == 200 && a->stream, "status %u", a->status);
    CHECK(a->code == f->status, "code %u", a->code);
    CHECK(str_eq(a->error_type, str_from_cstr(f->error_type)), "%.*s", STR_ARGS(a->error_type));
    CHECK(str_eq(a->finish, STR("error")), "%.*s", STR_ARGS(a->finish));
    CHECK(a->dones == 0, "%u", a->dones);
    CHECK(a->text.len > 0, "nothing of the answer");
  } else {
    // A stream that was kept alive by comments has its status already.
    bool begun = a->stream && a->comments;
    CHECK(a->status == (begun ? 200 : f->status), "status %u", a->status);
    CHECK(a->code == f->status, "code %u", a->code);
    CHECK(str_eq(a->error_type, str_from_cstr(f->error_type)), "%.*s", STR_ARGS(a->error_type));
    CHECK(a->text.len == 0, "%.*s", STR_ARGS(a->text));
  }
}

static void check_row(const struct run *run, bool stream, const struct expected *e, struct sim *sim) {
  static const char *const names[] = {"one", "two", "three"};
  const struct fault_case *f = run->fault;
  CHECK(sim->row_count == 1, "%u rows", sim->row_count);
  const struct sim_row *row = &sim->rows[0];
  struct str failures = sim_failures(sim, row);
  CHECK(str_eq(failures, str_from_cstr(e->failures)), "%.*s, expected %s", STR_ARGS(failures), e->failures);
  CHECK(row->streamed == stream, "streamed");
  if (e->answerer < 0) {
    CHECK(row->cost == 0, "%lld", (long long)row->cost);
    CHECK(strcmp(fault_row(row->fault)->name, f->fault) == 0, "%s", fault_row(row->fault)->name);
    CHECK(strcmp(row->finish, "error") == 0, "%s", row->finish);
    return;
  }
  bool estimated = f->outcome == PASSES && f->estimated;
  money_pico cost = (money_pico)(row->prompt + row->completion) * 1000000 * (e->answerer + 1);
  CHECK(row->fault == FAULT_NONE && row->status == 200, "%s", fault_row(row->fault)->name);
  CHECK(strcmp(row->provider, names[e->answerer]) == 0, "%s", row->provider);
  CHECK(row->estimated == estimated, "%d", row->estimated);
  CHECK(row->cost == cost && cost > 0, "%lld, expected %lld", (long long)row->cost, (long long)cost);
  if (!estimated) CHECK(row->prompt == 10 && row->completion == 5, "%u", (unsigned)row->completion);
  if (estimated) CHECK(row->completion > 0 && row->completion < 50, "%u", (unsigned)row->completion);
}

static void run_case(const struct fault_case *f, bool stream, enum position position) {
  struct run all = {f, position};
  const struct run *run = &all;
  struct sim *sim = sim_new(1, NULL);
  sim->context = run;
  sim->on_dial = on_dial;
  sim->on_request = on_request;
  struct expected e = expect(run);
  uint64_t began = sim_ms(sim);
  struct sim_client *c = sim_ask(sim, stream);
  bool here = sim_until(sim, answer_is_here, c, 3 * TOTAL_MS + 1000);
  uint64_t took = sim_ms(sim) - began;
  CHECK(here, "no end");
  struct answer a = answer_read(c, 0);
  check_answer(run, stream, &e, &a);
  sim_take_rows(sim);
  check_row(run, stream, &e, sim);
  for (int i = 0; i < SIM_PROVIDERS; i++) CHECK(sim->asks[i] == e.asks[i], "%d was asked %u times", i, sim->asks[i]);
  CHECK(took >= (uint64_t)f->least_ms * e.faulty, "%llu ms", (unsigned long long)took);
  CHECK(took <= (uint64_t)f->most_ms * e.faulty, "%llu ms", (unsigned long long)took);
  // Whoever fails is left at once: nothing goes on being written for nobody.
  sim_advance(sim, 2000);
  for (struct sim_mock *m = sim->mocks; m; m = m->next)
    CHECK(m->fd < 0 || !m->playing || m->step == m->script.count, "%u still speaks", m->provider);
  for (struct sim_mock *m = sim->mocks; m; m = m->next)
    CHECK(!(is_faulty(run, m->provider) && f->script && m->script.end == SIM_HANG && m->fd >= 0), "%u is still open",
          m->provider);
  sim_end(sim);
}

static void test_faults(void **state) {
  (void)state;
  const char *only = getenv("FAULT");
  unsigned runs = 0;
  wrong = 0;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    for (int stream = 0; stream < 2; stream++)
      for (int p = 0; p < POSITIONS; p++) {
        const struct fault_case *f = &faults[i];
        if ((stream && f->only_whole) || (!stream && f->only_stream)) continue;
        if (only && !strstr(f->name, only)) continue;
        run_case(f, stream, (enum position)p);
        runs++;
      }
  printf("%u faults in %u runs\n", (unsigned)(sizeof faults / sizeof *faults), runs);
  assert_int_equal(wrong, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_faults),
  };
  return cmocka_run_group_tests_name("fault matrix", tests, NULL, NULL);
}
