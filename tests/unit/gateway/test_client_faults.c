// What goes wrong at clients and between two requests, in memory: leaving at every moment, half-closing, slowness,
// nonsense; deadlines of tokens; connections that providers close in the instant they are used again; a clock that is
// set. Each request has one row, whatever happens.
#include "answer.h"

static void on_good(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  (void)sim;
  sim_good(s, m->streams);
}

static void on_slow(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  (void)sim;
  (void)m;
  sim_wait(s, 100000);
  sim_good(s, m->streams);
}

// A token each second, a hundred of them.
static void on_tokens(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  (void)sim;
  (void)m;
  sim_stream_head(s);
  sim_role(s);
  sim_token(s, "word ");
  s->steps[s->count - 1].wait_ms = 1000;
  s->steps[s->count - 1].times = 100;
  sim_event(s, "", "\"stop\"");
  sim_usage(s, SIM_USAGE);
  sim_chunk(s, "data: [DONE]\n\n");
  sim_say(s, "0\r\n\r\n");
}

static struct sim *begin(void (*on_request)(struct sim *sim, struct sim_mock *mock, struct sim_script *script)) {
  struct sim *sim = sim_new(1, NULL);
  sim->on_request = on_request;
  return sim;
}

static const struct sim_row *only_row(struct sim *sim) {
  assert_int_equal(sim_take_rows(sim), 1);
  return &sim->rows[0];
}

static void is_good(struct sim_client *c) {
  assert_true(sim_until(c->sim, answer_is_here, c, 400000));
  struct answer a = answer_read(c, 0);
  assert_int_equal(a.status, 200);
  assert_int_equal(a.code, 0);
  assert_str(a.text, STR(SIM_TEXT));
}

// --- R11: connections that are used again ---

static void on_reuse(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  const enum sim_end *end = sim->context;
  if (m->requests > 1)
    s->end = *end;
  else
    sim_good(s, m->streams);
}

static void test_closed_when_used_again(void **state) {
  (void)state;
  static const enum sim_end ends[] = {SIM_CLOSE, SIM_RESET};
  for (int i = 0; i < 4; i++) {
    struct sim *sim = begin(on_reuse);
    sim->context = &ends[i % 2];
    for (int k = 0; k < 2; k++) is_good(sim_ask(sim, i / 2));
    assert_int_equal(sim->asks[0], 3);  // the second one twice: on a fresh connection, once
    assert_int_equal(sim->dials[0], 2);
    assert_int_equal(sim->asks[1], 0);
    assert_int_equal(sim_take_rows(sim), 2);
    for (int k = 0; k < 2; k++) {
      assert_int_equal(sim->rows[k].fault, FAULT_NONE);
      assert_int_equal(sim->rows[k].cost, 15000000);
      assert_str(sim_failures(sim, &sim->rows[k]), STR(""));
    }
    sim_end(sim);
  }
}

static void test_closed_while_idle(void **state) {
  (void)state;
  struct sim *sim = begin(on_good);
  is_good(sim_ask(sim, false));
  sim_advance(sim, 1000);
  sim_mock_close(sim->mocks);
  sim_advance(sim, 1000);
  is_good(sim_ask(sim, false));
  assert_int_equal(sim->asks[0], 2);
  assert_int_equal(sim->dials[0], 2);
  sim_end(sim);
}

// --- R10: the wait that is told when everybody is out ---

static void on_limited(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  static const char *const waits[] = {"Retry-After: 30\r\n", "Retry-After: 10\r\n", "Retry-After: 20\r\n"};
  (void)sim;
  sim_whole(s, "429 Too Many Requests", waits[m->provider], "{\"error\":{\"message\":\"not now\"}}");
}

static void test_shortest_wait(void **state) {
  (void)state;
  struct sim *sim = begin(on_limited);
  struct sim_client *c = sim_ask(sim, false);
  assert_true(sim_until(sim, answer_is_here, c, 1000));
  struct answer a = answer_read(c, 0);
  assert_int_equal(a.status, 429);
  uint64_t seconds = 0;
  assert_true(str_to_u64(http_field_get(&a.head, STR("retry-after")), 1000, &seconds));
  assert_int_equal(seconds, 10);
  assert_int_equal(only_row(sim)->cost, 0);
  sim_end(sim);
}

// --- deadlines of tokens ---

static void on_waffle(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  (void)sim;
  if (m->provider) {
    sim_good(s, m->streams);
    return;
  }
  sim_stream_head(s);
  sim_role(s);
  sim_say_str(s, 5000, STR("c\r\n: thinking\n\n\r\n"), 1000);
  s->end = SIM_HANG;
}

static void test_first_token_deadline(void **state) {
  (void)state;
  struct sim *sim = sim_new(1, "upstream:\n  first_token_timeout_ms: 20s\n");
  sim->on_request = on_waffle;
  uint64_t began = sim_ms(sim);
  struct sim_client *c = sim_ask(sim, true);
  is_good(c);
  assert_in_range(sim_ms(sim) - began, 20000, 20040);
  assert_str(sim_failures(sim, only_row(sim)), STR("one:timeout"));
  assert_int_equal(only_row(sim)->cost, 30000000);
  sim_end(sim);
}

static void test_token_rate(void **state) {
  (void)state;
  struct sim *sim = sim_new(1, "upstream:\n  min_tokens_per_second: 5\n");
  sim->on_request = on_tokens;
  uint64_t began = sim_ms(sim);
  struct sim_client *c = sim_ask(sim, true);
  assert_true(sim_until(sim, answer_is_here, c, 200000));
  struct answer a = answer_read(c, 0);
  assert_in_range(sim_ms(sim) - began, 10000, 21000);
  assert_int_equal(a.code, 504);
  assert_str(a.finish, STR("error"));
  assert_str(sim_failures(sim, only_row(sim)), STR("one:timeout"));
  assert_int_equal(only_row(sim)->cost, 0);
  assert_int_equal(sim->asks[1], 0);
  assert_true(sim->mocks->hung_up);
  sim_end(sim);
}

// --- R17: the clock is set ---

static void test_clock_jumps(void **state) {
  (void)state;
  for (int i = 0; i < 4; i++) {
    struct sim *sim = begin(i / 2 ? on_tokens : on_slow);
    struct sim_client *c = sim_ask(sim, i / 2);
    sim_advance(sim, 30000);
    sim->clock.unix_us = i % 2 ? sim->clock.unix_us + 3600000000 : sim->clock.unix_us - 3600000000;
    assert_true(sim_until(sim, answer_is_here, c, 400000));
    assert_int_equal(answer_read(c, 0).status, 200);
    const struct sim_row *row = only_row(sim);
    assert_int_equal(row->fault, FAULT_NONE);
    assert_in_range(row->latency_ms + row->generation_ms, 100000, 100200);
    sim_end(sim);
  }
}

// --- R20: leaving ---

enum leaving { IN_HEAD, IN_BODY, WAITING, STREAMING, LEAVINGS };

static void leave_at(enum leaving when, bool stream, bool half) {
  struct sim *sim = begin(when == STREAMING ? on_tokens : on_slow);
  struct sim_client *c = sim_client_new(sim);
  struct str all = sim_post(&sim->arena, "", stream ? SIM_BODY("true") : SIM_BODY("false"));
  size_t n = when == IN_HEAD ? 50 : when == IN_BODY ? all.len - 20 : all.len;
  sim_send(c, str_from(all.ptr, n));
  sim_advance(sim, 5500);
  uint64_t left_ms = sim_ms(sim);
  if (half)
    shutdown(c->fd, SHUT_WR);
  else
    sim_leave(c);
  sim_advance(sim, 48);
  if (half && when >= WAITING) {
    assert_int_equal(sim_take_rows(sim), 0);
    assert_true(sim_until(sim, answer_is_here, c, 400000));
    struct answer a = answer_read(c, 0);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.dones, stream ? 1 : 0);
    assert_int_equal(only_row(sim)->fault, FAULT_NONE);
    assert_true(only_row(sim)->cost > 0);
    sim_end(sim);
    return;
  }
  assert_int_equal(sim->asks[0], when >= WAITING);
  for (struct sim_mock *m = sim->mocks; m; m = m->next) {
    assert_true(m->hung_up);
    assert_true(m->hung_up_ms - left_ms <= 50);
  }
  assert_int_equal(sim_take_rows(sim), when == IN_HEAD ? 0 : 1);
  if (when > IN_HEAD) {
    const struct sim_row *row = &sim->rows[0];
    assert_int_equal(row->fault, FAULT_CLIENT_GONE);
    assert_true(row->cancelled);
    // What had come is billed, as the provider will: five words of it.
    assert_int_equal(row->cost > 0, when == STREAMING);
    assert_int_equal(row->estimated, when == STREAMING);
    if (when == STREAMING) assert_in_range(row->completion, 4, 10);
  }
  assert_int_equal(sim->asks[1], 0);
  sim_end(sim);
}

static void test_leaving(void **state) {
  (void)state;
  for (int when = 0; when < LEAVINGS; when++)
    for (int k = 0; k < 4; k++)
      if (when != STREAMING || k % 2) leave_at((enum leaving)when, k % 2, k / 2);
}

static void test_leaving_behind_the_answer(void **state) {
  (void)state;
  struct sim *sim = begin(on_good);
  struct sim_client *c = sim_ask(sim, false);
  is_good(c);
  sim_leave(c);
  sim_advance(sim, 1000);
  assert_int_equal(only_row(sim)->fault, FAULT_NONE);
  sim_end(sim);
}

// --- R21: slow readers ---

static void on_flood(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  static char event[9000];
  (void)sim;
  (void)m;
  char words[8000];
  memset(words, 'w', sizeof words);
  snprintf(event, sizeof event,
           "data: {\"id\":\"m\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":"
           "{\"content\":\"%.*s\"},\"finish_reason\":null}]}\n\n",
           (int)sizeof words, words);
  sim_stream_head(s);
  char line[16];
  snprintf(line, sizeof line, "%zx\r\n", strlen(event));
  struct str chunk = arena_printf(&s->arena, "%s%s\r\n", line, event);
  sim_say_str(s, 0, chunk, 2000);  // 16 MB
  sim_say(s, "0\r\n\r\n");
  s->end = SIM_HANG;
}

static size_t said(const struct sim_mock *m) {
  return (size_t)m->times * 8000;
}

static void test_reader_that_stops(void **state) {
  (void)state;
  struct sim *sim = begin(on_flood);
  struct sim_client *c = sim_client_new(sim);
  c->deaf = true;
  sim_send(c, sim_post(&sim->arena, "", SIM_BODY("true")));
  sim_advance(sim, 30000);
  // What lies in sockets and one read's worth; the provider is not read on.
  assert_true(said(sim->mocks) < 1024 * 1024);
  assert_int_equal(sim_take_rows(sim), 0);
  sim_advance(sim, 31000);
  assert_true(sim->mocks->hung_up);
  assert_int_equal(only_row(sim)->fault, FAULT_CLIENT_GONE);
  sim_end(sim);
}

static void test_reader_that_is_slow(void **state) {
  (void)state;
  struct sim *sim = begin(on_flood);
  struct sim_client *c = sim_client_new(sim), *other;
  c->deaf = true;
  sim_send(c, sim_post(&sim->arena, "", SIM_BODY("true")));
  for (int i = 0; i < 300; i++) {
    sim_advance(sim, 1000);
    sim_client_read(c, 4096);
  }
  assert_false(sim->mocks->hung_up);
  assert_true(said(sim->mocks) < 3 * 1024 * 1024);
  // Others do not notice.
  sim->on_request = on_good;
  other = sim_ask(sim, true);
  assert_true(sim_until(sim, answer_is_here, other, 20));
  sim_end(sim);
}

// --- R22: slow writers ---

static void test_slow_writers(void **state) {
  (void)state;
  struct sim *sim = begin(on_good);
  struct str all = sim_post(&sim->arena, "", SIM_BODY("false"));
  struct sim_client *head = sim_client_new(sim), *body = sim_client_new(sim), *mute = sim_client_new(sim);
  sim_send(body, str_from(all.ptr, all.len - 10));
  for (int i = 0; i < 9; i++) {  // a byte a second keeps no head alive
    sim_send(head, str_from(all.ptr + i, 1));
    sim_advance(sim, 1000);
    assert_int_equal(head->got.len, 0);
  }
  sim_advance(sim, 2100);
  assert_int_equal(answer_read(head, 0).status, 408);
  assert_true(mute->ended);
  assert_int_equal(sim_take_rows(sim), 0);
  sim_advance(sim, 50000);
  assert_int_equal(answer_read(body, 0).status, 408);
  assert_true(body->ended);
  assert_int_equal(only_row(sim)->fault, FAULT_CLIENT_SLOW);
  assert_int_equal(sim->asks[0], 0);
  sim_end(sim);
}

// --- R23 to R26: nonsense ---

static const struct nonsense {
  const char *name, *fields, *body;  // body NULL: fields is all there is
  unsigned status;
  unsigned rows;
} nonsenses[] = {
    {"no HTTP", "HELLO\r\n\r\n", NULL, 400, 0},
    {"folded field", "GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", NULL, 400, 0},
    {"blank before the colon", "GET /healthz HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n", NULL, 400, 0},
    {"two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", NULL, 400, 0},
    {"two lengths", "Content-Length: 5\r\n", "{}", 400, 0},
    {"length and coding", "Transfer-Encoding: chunked\r\n", "{}", 400, 0},
    {"a CR in a value", "X-A: b\rX-B: c\r\n", "{}", 400, 0},
    {"an unknown coding", "GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", NULL, 400, 0},
    {"not JSON", "", "hello", 400, 1},
    {"truncated JSON", "", "{\"model\":", 400, 1},
    {"bytes behind", "", "{\"model\":\"test/model\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]} x", 400, 1},
    {"the model twice", "", "{\"model\":\"test/model\",\"model\":\"a/b\",\"messages\":[]}", 400, 1},
    {"bad UTF-8", "", "{\"model\":\"test/model\",\"messages\":[{\"role\":\"user\",\"content\":\"\xC3(\"}]}", 400, 1},
    {"no such model", "", "{\"model\":\"no/such\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", 400, 1},
};

static void test_nonsense(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof nonsenses / sizeof *nonsenses; i++) {
    const struct nonsense *n = &nonsenses[i];
    struct sim *sim = begin(on_good);
    struct sim_client *c = sim_client_new(sim);
    sim_send(c, n->body ? sim_post(&sim->arena, n->fields, n->body) : str_from_cstr(n->fields));
    sim_until(sim, answer_is_here, c, 1000);
    struct answer a = answer_read(c, 0);
    if (a.status != n->status) fail_msg("%s: status %u", n->name, a.status);
    if (a.code != n->status) fail_msg("%s: code %u", n->name, a.code);
    if (sim_take_rows(sim) != n->rows) fail_msg("%s: %u rows", n->name, sim->row_count);
    if (n->rows && sim->rows[0].cost) fail_msg("%s costs", n->name);
    assert_int_equal(sim->asks[0], 0);
    sim_end(sim);
  }
}

static void test_deep_json(void **state) {
  (void)state;
  struct sim *sim = begin(on_good);
  struct sim_client *c = sim_client_new(sim);
  enum { DEEP = 40000 };
  char *body = malloc(DEEP + 1);
  assert_non_null(body);
  memset(body, '[', DEEP);
  body[DEEP] = 0;
  sim_send(c, sim_post(&sim->arena, "", body));
  free(body);
  assert_true(sim_until(sim, answer_is_here, c, 1000));
  assert_int_equal(answer_read(c, 0).status, 400);
  assert_int_equal(only_row(sim)->fault, FAULT_BAD_REQUEST);
  sim_end(sim);
}

static void test_too_large(void **state) {
  (void)state;
  struct sim *sim = begin(on_good);
  struct sim_client *c = sim_client_new(sim);
  sim_send(c, STR("POST /api/v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " SIM_KEY
                  "\r\nContent-Length: 100000000\r\n\r\n{"));
  assert_true(sim_until(sim, answer_is_here, c, 1000));  // before the body comes
  assert_int_equal(answer_read(c, 0).status, 413);
  assert_int_equal(only_row(sim)->fault, FAULT_TOO_LARGE);
  sim_end(sim);
}

static void test_pipelined(void **state) {
  (void)state;
  struct sim *sim = begin(on_good);
  struct sim_client *c = sim_client_new(sim);
  struct str one = sim_post(&sim->arena, "", SIM_BODY("false")), two = sim_post(&sim->arena, "", SIM_BODY("true"));
  sim_send(c, arena_printf(&sim->arena, "%.*s%.*s%.*s", STR_ARGS(one), STR_ARGS(two), STR_ARGS(one)));
  sim_advance(sim, 1000);
  size_t at = 0;
  for (int i = 0; i < 3; i++) {
    struct answer a = answer_read(c, at);
    assert_true(a.complete);
    assert_int_equal(a.stream, i == 1);
    assert_str(a.text, STR(SIM_TEXT));
    at += a.size;
  }
  assert_int_equal(at, c->got.len);
  assert_int_equal(sim_take_rows(sim), 3);
  sim_end(sim);
}

// Nothing of a client's head reaches a provider but what is meant to.
static void test_fields_stay_here(void **state) {
  (void)state;
  struct sim *sim = begin(on_good);
  struct sim_client *c = sim_client_new(sim);
  sim_send(c, sim_post(&sim->arena, "X-Evil: mark-evil\r\nCookie: mark-cookie\r\nX-Forwarded-For: mark-for\r\n",
                       SIM_BODY("false")));
  is_good(c);
  struct str asked = str_from_cstr(sim->mocks->request);
  assert_int_equal(str_find(asked, STR("mark-"), 0), SIZE_MAX);
  assert_int_equal(str_find(asked, STR(SIM_KEY), 0), SIZE_MAX);
  sim_end(sim);
}

// A stream whose last chunk comes after its answer is complete.
static void on_late_end(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  (void)sim;
  sim_good(s, m->streams);
  assert_true(s->count > 1);
  s->steps[s->count - 1].wait_ms = 500;
}

// What is brought to an end counts once for the measure of what the gateway can do, whatever is still awaited then.
static void test_ends_once(void **state) {
  (void)state;
  struct sim *sim = begin(on_late_end);
  is_good(sim_ask(sim, true));
  assert_int_equal(sim->worker->shedder.admitted, 1);
  assert_int_equal(sim->worker->shedder.done, 1);
  sim_advance(sim, 2000);
  assert_int_equal(sim->worker->shedder.done, 1);
  sim_end(sim);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_closed_when_used_again),
      cmocka_unit_test(test_closed_while_idle),
      cmocka_unit_test(test_shortest_wait),
      cmocka_unit_test(test_first_token_deadline),
      cmocka_unit_test(test_token_rate),
      cmocka_unit_test(test_clock_jumps),
      cmocka_unit_test(test_leaving),
      cmocka_unit_test(test_leaving_behind_the_answer),
      cmocka_unit_test(test_reader_that_stops),
      cmocka_unit_test(test_reader_that_is_slow),
      cmocka_unit_test(test_slow_writers),
      cmocka_unit_test(test_nonsense),
      cmocka_unit_test(test_deep_json),
      cmocka_unit_test(test_too_large),
      cmocka_unit_test(test_pipelined),
      cmocka_unit_test(test_fields_stay_here),
      cmocka_unit_test(test_ends_once),
  };
  return cmocka_run_group_tests_name("client faults", tests, NULL, NULL);
}
