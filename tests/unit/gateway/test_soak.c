// A provider that fails half of its requests, in every way there is before the first token, beside one that is well:
// 1,000 requests a second of our clock, from several seeds. Nobody notices, the sick one is benched and comes back.
#include "answer.h"
#include "faults.h"

enum { REQUESTS = 20000, SICK_MS = 20000, OPEN_MAX = 4096 };

static const char patience[] =
    "upstream:\n  connect_timeout_ms: 500ms\n  first_byte_timeout_ms: 2s\n  idle_timeout_ms: 1s\n  total_timeout_ms: "
    "10s\n";

#define BODY(stream)                                                                          \
  "{\"model\":\"test/model\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}]," \
  "\"provider\":{\"only\":[\"one\",\"two\"]},\"stream\":" stream "}"

struct soak {
  bool sick;
  bool quick;  // only faults that show at once
  unsigned failed;
};

static const struct fault_case *any_fault(struct sim *sim, bool stream) {
  const struct soak *k = sim->context;
  for (;;) {
    const struct fault_case *f = &faults[rand_next(&sim->rand) % (sizeof faults / sizeof *faults)];
    bool heavy =
        f->script == gzip_bomb || f->script == huge_line || f->script == huge_whole || f->script == endless_head;
    bool wrong = (stream && f->only_whole) || (!stream && f->only_stream) || (k->quick && f->most_ms);
    // These leave no doubt, or name a time: such benches are longer.
    bool sure = strstr(f->name, "R10 40") || strstr(f->name, "R10 429 with");
    if (sure) continue;
    if (f->outcome == FALLS_BACK && f->script && !wrong && (!heavy || rand_next(&sim->rand) % 100 == 0)) return f;
  }
}

static enum sim_dial soak_dial(struct sim *sim, unsigned provider) {
  const struct soak *k = sim->context;
  if (provider || !k->sick || rand_next(&sim->rand) % 20) return SIM_CONNECTS;
  return k->quick || rand_next(&sim->rand) % 2 ? SIM_REFUSES : SIM_BLACK_HOLE;
}

static void soak_request(struct sim *sim, struct sim_mock *m, struct sim_script *s) {
  struct soak *k = (struct soak *)(uintptr_t)sim->context;
  if (m->provider || !k->sick || rand_next(&sim->rand) % 2) {
    if (!k->quick) sim_wait(s, (unsigned)(rand_next(&sim->rand) % 100));
    sim_good(s, m->streams);
  } else {
    k->failed++;
    any_fault(sim, m->streams)->script(s, m->streams);
  }
}

// Takes what is answered off; returns how many are left.
static unsigned collect(struct sim *sim, struct sim_client **open, unsigned count, unsigned *bad) {
  unsigned left = 0;
  for (unsigned i = 0; i < count; i++) {
    if (!answer_is_here(sim, open[i])) {
      open[left++] = open[i];
      continue;
    }
    struct answer a = answer_read(open[i], 0);
    if (a.status != 200 || a.code || !str_eq(a.text, STR(SIM_TEXT)) || !a.complete) ++*bad;
    sim_client_drop(open[i]);
  }
  return left;
}

static void soak(uint64_t seed) {
  static struct sim_client *open[OPEN_MAX];
  struct sim *sim = sim_new(seed, patience);
  struct soak k = {.sick = true};
  sim->context = &k;
  sim->on_dial = soak_dial;
  sim->on_request = soak_request;
  struct str bodies[2] = {sim_post(&sim->arena, "", BODY("false")), sim_post(&sim->arena, "", BODY("true"))};
  unsigned count = 0, bad = 0, peak = 0, sent = 0;
  while (sent < REQUESTS || count) {
    if (sent < REQUESTS) {
      assert_true(count < OPEN_MAX);
      struct sim_client *c = open[count++] = sim_client_new(sim);
      sim_send(c, bodies[sent++ % 2]);
    }
    sim_advance(sim, 1);
    count = collect(sim, open, count, &bad);
    if (count > peak) peak = count;
    if (sent % 50 == 0) {
      sim_take_rows(sim);
      sim_forget_closed(sim);
    }
  }
  sim_take_rows(sim);
  printf("seed %llu: %u requests, %u asked of the sick one, %u of them failed, %u at once, %u seen by clients\n",
         (unsigned long long)seed, sent, sim->asks[0], k.failed, peak, bad);
  assert_int_equal(bad, 0);
  assert_int_equal(sim->row_count, REQUESTS);
  assert_int_equal(atomic_load(&sim->worker->metrics.values[METRIC_records_lost_total]), 0);
  // Well again: soon it is asked as before, as it is the cheaper one.
  k.sick = false;
  uint64_t well_ms = sim_ms(sim), back_ms = 0;
  for (unsigned i = 0; i < 3000 && !back_ms; i++) {
    unsigned before = sim->asks[0], asked = 20;
    for (unsigned n = 0; n < asked; n++) {
      struct sim_client *c = sim_client_new(sim);
      sim_send(c, bodies[n % 2]);
      assert_true(sim_until(sim, answer_is_here, c, 5000));
      assert_int_equal(answer_read(c, 0).status, 200);
      sim_client_drop(c);
    }
    if (sim->asks[0] - before >= asked / 2) back_ms = sim_ms(sim);
    sim_take_rows(sim);
    sim_forget_closed(sim);
  }
  printf("          back after %llu ms\n", (unsigned long long)(back_ms - well_ms));
  assert_true(back_ms);
  assert_true(back_ms - well_ms <= 30000);
  sim_end(sim);
}

static void test_soak(void **state) {
  (void)state;
  const char *seeds = getenv("SEEDS");
  unsigned long n = seeds ? strtoul(seeds, NULL, 10) : 2;
  for (uint64_t seed = 1; seed <= n; seed++) soak(seed);
}

// One after the other, each failure known before the next request: how many does the sick one get?
static void test_benched(void **state) {
  (void)state;
  unsigned worst = 0;
  for (uint64_t seed = 1; seed <= 30; seed++) {
    struct sim *sim = sim_new(seed, patience);
    struct soak k = {.sick = true, .quick = true};
    sim->context = &k;
    sim->on_dial = soak_dial;
    sim->on_request = soak_request;
    unsigned last = 0;
    for (unsigned i = 0; i < 60; i++) {
      struct sim_client *c = sim_ask(sim, i % 2);
      assert_true(sim_until(sim, answer_is_here, c, 5000));
      assert_int_equal(answer_read(c, 0).status, 200);
      sim_client_drop(c);
      unsigned before = last;
      last = sim->dials[0] + sim->asks[0];
      if (last > before) worst = i + 1 > worst ? i + 1 : worst;
      sim_advance(sim, 10);
    }
    sim_take_rows(sim);
    sim_end(sim);
  }
  printf("the sick one was asked no more after %u requests\n", worst);
  assert_true(worst <= 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_benched),
      cmocka_unit_test(test_soak),
  };
  return cmocka_run_group_tests_name("soak", tests, NULL, NULL);
}
