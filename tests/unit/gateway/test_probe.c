// Active probes: who is asked for the list of models, when, and what follows from the answer.
#include "answer.h"
#include "faults.h"

static const char probing[] = "routing:\n  probe_interval_ms: 1s\n";

#define BODY                                                                                  \
  "{\"model\":\"test/model\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}]," \
  "\"provider\":{\"only\":[\"one\",\"two\"],\"sort\":\"price\"}}"

// What the first provider does.
struct first {
  enum sim_dial dial;
  void (*chat)(struct sim_script *s, bool stream);
  void (*list)(struct sim_script *s, bool stream);
  unsigned lists, chats;  // asked for
};

static bool wants_list(const struct sim_mock *m) {
  return str_starts(str_from(m->request, m->whole), STR("GET "));
}

static void on_request(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  struct first *first = (struct first *)(uintptr_t)sim->context;
  if (m->provider) {
    assert_false(wants_list(m));
    sim_good(s, m->streams);
  } else if (wants_list(m)) {
    struct str head = str_from(m->request, m->whole);
    assert_true(str_starts(head, STR("GET /v1/models HTTP/1.1\r\nHost: one.test\r\n")));
    assert_true(str_find(head, STR("\r\nAuthorization: Bearer sk-upstream-0\r\n"), 0) != SIZE_MAX);
    assert_true(str_ends(head, STR("\r\n\r\n")));
    first->lists++;
    first->list(s, false);
  } else {
    first->chats++;
    first->chat(s, m->streams);
  }
}

static enum sim_dial on_dial(struct sim *sim, unsigned provider) {
  const struct first *first = sim->context;
  return provider ? SIM_CONNECTS : first->dial;
}

static void list(struct sim_script *s, bool stream) {
  (void)stream;
  sim_whole(s, "200 OK", "", "{\"object\":\"list\",\"data\":[{\"id\":\"main\",\"object\":\"model\"}]}");
}

static void huge_list(struct sim_script *s, bool stream) {
  (void)stream;
  static char block[64 * 1024];
  sim_say(s, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n");
  sim_say_str(s, 0, str_from(block, sizeof block), 80);
  s->end = SIM_HANG;
}

static struct sim *begin(struct first *first, const char *more) {
  struct sim *sim = sim_new(6, more);
  sim->context = first;
  sim->on_request = on_request;
  sim->on_dial = on_dial;
  return sim;
}

static void ask(struct sim *sim) {
  struct sim_client *c = sim_client_new(sim);
  sim_send(c, sim_post(&sim->arena, "", BODY));
  assert_true(sim_until(sim, answer_is_here, c, 20000));
  assert_int_equal(answer_read(c, 0).status, 200);
  sim_client_drop(c);
  sim_take_rows(sim);
}

static struct health_record *endpoint_one(struct sim *sim) {
  const struct snapshot *s = sim->worker->snapshot->snapshot;
  const struct model *m = &s->catalogue.models[0];
  for (size_t i = 0; i < m->endpoint_count; i++)
    if (str_eq(m->endpoints[i].provider->id, STR("one"))) return s->health.endpoints[m->endpoints[i].index];
  fail();
  return NULL;
}

static uint64_t benched_for(struct sim *sim) {
  uint64_t until = health_benched_until(endpoint_one(sim), sim_ms(sim));
  return until ? until - sim_ms(sim) : 0;
}

static int64_t metric(struct sim *sim, enum metric which) {
  return metric_get(&sim->worker->metrics, which);
}

// The breaker is half open: the next requests go there, and close it.
static void assert_is_back(struct sim *sim, struct first *first) {
  unsigned before = first->chats;
  assert_int_equal(benched_for(sim), 0);
  for (int i = 0; i < 3; i++) ask(sim);
  assert_int_equal(first->chats, before + 3);
}

// No connection, 5xx, cut: an answer to the probe ends the bench before its time.
static void test_a_list_ends_the_bench(void **state) {
  (void)state;
  static void (*const faults_of[])(struct sim_script * s, bool stream) = {NULL, status_500, closes, garbage};
  for (size_t i = 0; i < sizeof faults_of / sizeof *faults_of; i++) {
    struct first first = {.dial = faults_of[i] ? SIM_CONNECTS : SIM_REFUSES, .chat = faults_of[i], .list = list};
    struct sim *sim = begin(&first, probing);
    ask(sim);
    assert_true(benched_for(sim) > 4000);
    first.dial = SIM_CONNECTS;
    first.chat = sim_good;
    sim_advance(sim, 2500);
    assert_int_equal(first.lists, 1);
    assert_is_back(sim, &first);
    sim_advance(sim, 60000);
    assert_int_equal(first.lists, 1);  // nobody asks one that is well
    assert_int_equal(metric(sim, METRIC_health_probes_total), 1);
    assert_int_equal(metric(sim, METRIC_health_probes_answered_total), 1);
    sim_end(sim);
  }
}

// No list, no change: the bench is as long as without.
static void test_no_list(void **state) {
  (void)state;
  static void (*const answers[])(struct sim_script * s, bool stream) = {status_500, status_401, status_404, redirect,
                                                                        closes,     garbage,    silent};
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    struct first first = {.chat = status_500, .list = answers[i]};
    struct sim *sim = begin(&first, probing);
    ask(sim);
    uint64_t length = benched_for(sim);
    sim_advance(sim, length - 10);
    assert_int_equal(benched_for(sim), 10);
    assert_true(first.lists >= (answers[i] == silent ? 1 : 3));
    assert_true(first.lists <= length / 900);
    if (answers[i] == silent) assert_int_equal(first.lists, 1);  // one at a time
    assert_int_equal(metric(sim, METRIC_health_probes_answered_total), 0);
    sim_advance(sim, 10);
    first.chat = sim_good;
    assert_is_back(sim, &first);
    sim_advance(sim, 20000);  // a probe that is under way ends by itself
    assert_int_equal(benched_for(sim), 0);
    sim_end(sim);
  }
}

// Its list is fine, its models are not: it is believed once, until it has been well.
static void test_a_list_that_deceives(void **state) {
  (void)state;
  struct first first = {.chat = status_500, .list = list};
  struct sim *sim = begin(&first, probing);
  for (int outage = 1; outage <= 2; outage++) {
    first.chat = status_500;
    first.lists = 0;
    for (int i = 0; i < 3; i++) ask(sim);
    sim_advance(sim, 2500);
    assert_int_equal(first.lists, 1);
    assert_int_equal(benched_for(sim), 0);
    ask(sim);
    uint64_t length = benched_for(sim);
    assert_true(length > 8000);
    sim_advance(sim, length - 1);
    assert_int_equal(benched_for(sim), 1);
    assert_int_equal(first.lists, 1);
    sim_advance(sim, 1);
    first.chat = sim_good;
    assert_is_back(sim, &first);
    sim_advance(sim, 10 * 60000);
  }
  sim_end(sim);
}

// A time that the provider named, a key that is limited or refused: no sign of life changes those.
static void test_other_benches_are_left_alone(void **state) {
  (void)state;
  static void (*const faults_of[])(struct sim_script * s, bool stream) = {status_429, status_429_seconds, status_401,
                                                                          status_404};
  for (size_t i = 0; i < sizeof faults_of / sizeof *faults_of; i++) {
    struct first first = {.chat = faults_of[i], .list = list};
    struct sim *sim = begin(&first, probing);
    for (int n = 0; n < 3; n++) ask(sim);
    sim_advance(sim, 8000);
    assert_int_equal(first.lists, 0);
    sim_end(sim);
  }
}

static void test_off(void **state) {
  (void)state;
  static const char *const settings[] = {NULL, "routing:\n  health: off\n  probe_interval_ms: 1s\n"};
  for (int i = 0; i < 2; i++) {
    struct first first = {.chat = status_500, .list = list};
    struct sim *sim = begin(&first, settings[i]);
    for (int n = 0; n < 3; n++) ask(sim);
    sim_advance(sim, 30000);
    assert_int_equal(first.lists, 0);
    assert_null(sim->worker->prober);
    sim_end(sim);
  }
}

// More than a list need be: it is not read to its end.
static void test_huge_list(void **state) {
  (void)state;
  struct first first = {.chat = status_500, .list = huge_list};
  struct sim *sim = begin(&first, probing);
  ask(sim);
  first.chat = sim_good;
  sim_advance(sim, 2500);
  assert_int_equal(first.lists, 1);
  assert_is_back(sim, &first);
  for (struct sim_mock *m = sim->mocks; m; m = m->next) assert_false(m->fd >= 0 && m->playing);
  sim_end(sim);
}

// A new configuration, and the end, while one is under way.
static void test_reload_and_end(void **state) {
  (void)state;
  struct first first = {.chat = status_500, .list = silent};
  struct sim *sim = begin(&first, probing);
  ask(sim);
  sim_advance(sim, 2000);
  assert_int_equal(first.lists, 1);
  assert_int_equal(metric(sim, METRIC_health_probes_total), 1);
  struct snapshot *again = snapshot_hold(sim->worker->snapshot->snapshot);
  assert_true(worker_use_snapshot(sim->worker, again));
  sim_settle(sim);
  unsigned open = 0;
  for (struct sim_mock *m = sim->mocks; m; m = m->next) open += m->provider == 0 && m->fd >= 0 && wants_list(m);
  assert_int_equal(open, 0);
  sim_advance(sim, 1500);
  assert_int_equal(first.lists, 2);  // and this one is under way at the end
  sim_end(sim);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_list_ends_the_bench),
      cmocka_unit_test(test_no_list),
      cmocka_unit_test(test_a_list_that_deceives),
      cmocka_unit_test(test_other_benches_are_left_alone),
      cmocka_unit_test(test_off),
      cmocka_unit_test(test_huge_list),
      cmocka_unit_test(test_reload_and_end),
  };
  return cmocka_run_group_tests_name("probes", tests, NULL, NULL);
}
