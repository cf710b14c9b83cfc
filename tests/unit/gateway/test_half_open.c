// A breaker that is half open, with attempts under way that began before it opened: however they end, the probe alone
// decides. One provider breaks for a while, beside a
// dearer one that is well.
#include "answer.h"
#include "faults.h"

#define BODY(stream)                                                                          \
  "{\"model\":\"test/model\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}]," \
  "\"provider\":{\"only\":[\"one\",\"two\"],\"sort\":\"price\"},\"stream\":" stream "}"

// What the first provider does with the next request.
enum mood { WELL, SICK, LONG_GOOD, LONG_BAD };

static void on_request(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  const enum mood *mood = sim->context;
  if (m->provider || *mood == WELL) {
    sim_good(s, m->streams);
  } else if (*mood == SICK) {
    status_500(s, m->streams);
  } else {
    sim_stream_head(s);
    sim_role(s);
    sim_token(s, "Hello from ");
    sim_wait(s, 8000);
    if (*mood == LONG_BAD) {
      s->end = SIM_RESET;
      return;
    }
    sim_token(s, "the mock");
    sim_event(s, "", "\"stop\"");
    sim_usage(s, SIM_USAGE);
    sim_chunk(s, "data: [DONE]\n\n");
    sim_say(s, "0\r\n\r\n");
  }
}

static struct sim_client *ask(struct sim *sim, const char *body) {
  struct sim_client *c = sim_client_new(sim);
  sim_send(c, sim_post(&sim->arena, "", body));
  return c;
}

static enum health_state state_of_one(struct sim *sim) {
  const struct snapshot *s = sim->worker->snapshot->snapshot;
  for (size_t i = 0; i < s->catalogue.models[0].endpoint_count; i++) {
    const struct endpoint *e = &s->catalogue.models[0].endpoints[i];
    if (str_eq(e->provider->id, STR("one"))) return health_state(s->health.endpoints[e->index], sim_ms(sim));
  }
  fail();
  return HEALTH_UP;
}

// Asks, and waits for the answer, which must be good. True: the first provider was asked.
static bool one_answers(struct sim *sim) {
  unsigned before = sim->asks[0];
  struct sim_client *c = ask(sim, BODY("false"));
  assert_true(sim_until(sim, answer_is_here, c, 5000));
  assert_int_equal(answer_read(c, 0).status, 200);
  return sim->asks[0] > before;
}

static void late_end(enum mood mood_of_the_old) {
  enum mood mood = mood_of_the_old;
  struct sim *sim = sim_new(3, NULL);
  sim->context = &mood;
  sim->on_request = on_request;
  struct sim_client *old = ask(sim, BODY("true"));  // speaks at once, ends after 8 s
  sim_advance(sim, 100);
  assert_int_equal(sim->asks[0], 1);
  mood = SICK;
  for (int i = 0; i < 3; i++) one_answers(sim);
  assert_int_equal(state_of_one(sim), HEALTH_BENCHED);
  sim_advance(sim, 6500);
  assert_int_equal(state_of_one(sim), HEALTH_UP);  // half open: the next is the probe
  mood = LONG_GOOD;
  struct sim_client *probe = ask(sim, BODY("true"));
  sim_advance(sim, 100);
  assert_int_equal(state_of_one(sim), HEALTH_PROBING);
  mood = WELL;
  assert_true(sim_until(sim, answer_is_here, old, 3000));
  assert_int_equal(answer_read(old, 0).code != 0, mood_of_the_old == LONG_BAD);
  // The old one has ended, well or badly: the probe is still the probe, and everybody else goes elsewhere.
  assert_int_equal(state_of_one(sim), HEALTH_PROBING);
  for (int i = 0; i < 3; i++) assert_false(one_answers(sim));
  assert_int_equal(state_of_one(sim), HEALTH_PROBING);
  assert_true(sim_until(sim, answer_is_here, probe, 9000));
  assert_int_equal(answer_read(probe, 0).code, 0);
  for (int i = 0; i < 5; i++) assert_true(one_answers(sim));
  assert_int_equal(state_of_one(sim), HEALTH_UP);
  sim_take_rows(sim);
  sim_end(sim);
}

static void test_an_old_success(void **state) {
  (void)state;
  late_end(LONG_GOOD);
}

static void test_an_old_failure(void **state) {
  (void)state;
  late_end(LONG_BAD);
}

// The client leaves: nothing is known, and the next is the probe.
static void test_the_probe_is_given_back(void **state) {
  (void)state;
  enum mood mood = SICK;
  struct sim *sim = sim_new(4, NULL);
  sim->context = &mood;
  sim->on_request = on_request;
  for (int i = 0; i < 3; i++) one_answers(sim);
  sim_advance(sim, 6500);
  mood = LONG_GOOD;
  struct sim_client *probe = ask(sim, BODY("true"));
  sim_advance(sim, 100);
  assert_int_equal(state_of_one(sim), HEALTH_PROBING);
  mood = WELL;
  assert_false(one_answers(sim));
  sim_leave(probe);
  sim_advance(sim, 100);
  assert_int_equal(state_of_one(sim), HEALTH_UP);
  assert_true(one_answers(sim));
  sim_take_rows(sim);
  sim_end(sim);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_old_success),
      cmocka_unit_test(test_an_old_failure),
      cmocka_unit_test(test_the_probe_is_given_back),
  };
  return cmocka_run_group_tests_name("half open", tests, NULL, NULL);
}
