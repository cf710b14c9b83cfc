// `status` of GET /models/.../endpoints, and `state` of GET /signalbox/health, as an endpoint gets worse and better
// over half an hour of requests; and where it stands in the order meanwhile.
#include "answer.h"
#include "faults.h"

#define BODY(only)                                                                            \
  "{\"model\":\"test/model\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}]," \
  "\"provider\":{\"only\":[" only "]}}"

static void on_request(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  const bool *sick = sim->context;
  if (*sick && !m->provider)
    status_500(s, m->streams);
  else
    sim_good(s, m->streams);
}

static struct str get(struct sim *sim, const char *path) {
  struct sim_client *c = sim_client_new(sim);
  sim_send(c, arena_printf(&sim->arena, "GET %s HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer " SIM_KEY "\r\n\r\n",
                           path));
  assert_true(sim_until(sim, answer_is_here, c, 1000));
  struct answer a = answer_read(c, 0);
  assert_int_equal(a.status, 200);
  struct str body = arena_str(&sim->arena, a.body);
  sim_client_drop(c);
  return body;
}

// A member of the first object of a list in which another member is such a string.
static struct str member_where(struct sim *sim, struct str json, struct str list, struct str name, struct str is,
                               struct str wanted) {
  struct json_doc doc = {0};
  struct str found = {0};
  assert_int_equal(json_parse(&doc, json, 8), JSON_OK);
  uint32_t array = json_get(&doc, 0, STR("data"));
  if (list.len) array = json_get(&doc, array, list);
  for (uint32_t i = json_first(&doc, array); i != JSON_NONE && !found.len; i = json_next(&doc, array, i))
    if (json_string_is(&doc, json_get(&doc, i, name), is))
      found = arena_str(&sim->arena, json_raw(&doc, json_get(&doc, i, wanted)));
  json_doc_free(&doc);
  return found;
}

static void assert_told(struct sim *sim, int status, const char *state) {
  struct str endpoints = get(sim, "/api/v1/models/test/model/endpoints");
  struct str records = get(sim, "/api/v1/signalbox/health");
  struct str told = member_where(sim, endpoints, STR("endpoints"), STR("provider_name"), STR("one"), STR("status"));
  if (!str_eq(told, arena_printf(&sim->arena, "%d", status))) fail_msg("%.*s, not %d", STR_ARGS(told), status);
  told = member_where(sim, records, (struct str){0}, STR("kind"), STR("endpoint"), STR("state"));
  if (!str_eq(told, arena_printf(&sim->arena, "\"%s\"", state))) fail_msg("%.*s, not %s", STR_ARGS(told), state);
  told = member_where(sim, endpoints, STR("endpoints"), STR("provider_name"), STR("two"), STR("status"));
  assert_true(str_eq(told, STR("0")));
}

static void ask(struct sim *sim, const char *body, unsigned wait_ms) {
  struct sim_client *c = sim_client_new(sim);
  sim_send(c, sim_post(&sim->arena, "", body));
  assert_true(sim_until(sim, answer_is_here, c, 5000));
  sim_client_drop(c);
  sim_take_rows(sim);
  sim_forget_closed(sim);
  sim_advance(sim, wait_ms);
}

// So many times some good answers of the first provider and a bad one, never two bad ones in half a minute.
static void play(struct sim *sim, bool *sick, unsigned times, unsigned good, unsigned apart_ms) {
  for (unsigned n = 0; n < times; n++) {
    for (unsigned i = 0; i <= good; i++) {
      *sick = i == good;
      ask(sim, BODY("\"one\""), apart_ms);
    }
  }
  *sick = false;
}

// Is the first provider, the cheaper one, ever asked before the other in twelve draws? Of three healthy draws it gets
// more than two.
static bool is_drawn(struct sim *sim) {
  unsigned before = sim->asks[0];
  for (int i = 0; i < 12; i++) ask(sim, BODY("\"one\",\"two\""), 10);
  return sim->asks[0] > before;
}

static struct sim *begin(bool *sick) {
  struct sim *sim = sim_new(5, NULL);
  sim->context = sick;
  sim->on_request = on_request;
  return sim;
}

static void test_degraded(void **state) {
  (void)state;
  bool sick = false;
  struct sim *sim = begin(&sick);
  play(sim, &sick, 9, 10, 100);
  assert_told(sim, 0, "up");  // 91 %, but of 99
  play(sim, &sick, 1, 0, 0);
  assert_told(sim, -1, "degraded");
  assert_false(is_drawn(sim));
  // Well again: the better minutes count, then the bad ones are forgotten.
  for (int i = 0; i < 150; i++) ask(sim, BODY("\"one\""), 100);
  assert_told(sim, 0, "up");  // 96 %
  assert_true(is_drawn(sim));
  sim_end(sim);
}

static void test_poor(void **state) {
  (void)state;
  bool sick = false;
  struct sim *sim = begin(&sick);
  play(sim, &sick, 16, 4, 8000);
  play(sim, &sick, 5, 3, 10000);
  assert_told(sim, -2, "poor");  // 79 % of 100, and at no time an outage
  assert_false(is_drawn(sim));
  sim_advance(sim, 31 * 60 * 1000);
  assert_told(sim, 0, "up");  // nobody knows any more
  sim_end(sim);
}

static void test_benched_and_back(void **state) {
  (void)state;
  bool sick = true;
  struct sim *sim = begin(&sick);
  for (int i = 0; i < 3; i++) ask(sim, BODY("\"one\""), 100);
  assert_told(sim, -5, "benched");
  assert_false(is_drawn(sim));
  sick = false;
  sim_advance(sim, 6000);
  assert_told(sim, -3, "half_open");
  for (int i = 0; i < 3; i++) ask(sim, BODY("\"one\""), 10);
  assert_told(sim, 0, "up");
  assert_true(is_drawn(sim));
  sim_end(sim);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_degraded),
      cmocka_unit_test(test_poor),
      cmocka_unit_test(test_benched_and_back),
  };
  return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
