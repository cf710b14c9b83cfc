// The breaker with a clock moved by hand, invariants over random outcomes, figures against exact ones, threads (worth
// something under ThreadSanitizer), and every allocation failing in turn.
#include <stdlib.h>

// What policy/health.c allocates with.
static unsigned long allocations, fail_at;  // 0: never
static void *counted_calloc(size_t n, size_t size);
static int counted_memalign(void **out, size_t align, size_t size);
#define calloc counted_calloc
#define posix_memalign counted_memalign
#include "policy/health.c"
#undef calloc
#undef posix_memalign

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// cmocka wants the three above first
#include <cmocka.h>

static void *counted_calloc(size_t n, size_t size) {
  return ++allocations == fail_at ? NULL : calloc(n, size);
}
static int counted_memalign(void **out, size_t align, size_t size) {
  return ++allocations == fail_at ? 12 : posix_memalign(out, align, size);
}

enum { START = 5 * 3600 * 1000 };  // of the clock

static uint64_t random_state;
static uint64_t random_next(void) {
  random_state += 0x9E3779B97F4A7C15u;
  uint64_t z = random_state;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}
static bool chance(unsigned percent) {
  return random_next() % 100 < percent;
}

struct hand {
  struct health *h;
  struct health_record *r;
  uint64_t now;
  struct health_pass pass;  // of the attempt that was admitted last
  bool admitted;            // it has not ended
};
static struct hand hand(void) {
  struct hand t = {.h = health_new(), .now = START};
  assert_non_null(t.h);
  t.r = health_record(t.h, HEALTH_ENDPOINT, STR("p\nm"));
  assert_non_null(t.r);
  return t;
}
static bool admit(struct hand *t) {
  struct health_pass pass;
  bool admitted = health_admit(t->r, t->now, &pass);
  if (admitted) t->pass = pass, t->admitted = true;
  return admitted;
}
// Of the attempt that was admitted, else of one that begins and ends now.
static struct health_pass pass_of(struct hand *t) {
  struct health_pass pass = t->admitted ? t->pass : health_pass(t->r);
  t->admitted = false;
  return pass;
}
static void good(struct hand *t) {
  health_success(t->r, pass_of(t), &(struct health_sample){t->now, 100, 1000, 50});
}
static void bad(struct hand *t, enum fault fault, unsigned retry_after_s) {
  health_failure(t->r, pass_of(t), fault, retry_after_s, t->now, random_next());
}
static void abandon(struct hand *t) {
  health_abandon(t->r, pass_of(t));
}
static enum health_state state_of(struct hand *t) {
  return health_state(t->r, t->now);
}
// Until the bench has ended; returns its length.
static uint64_t wait_out(struct hand *t) {
  uint64_t until = health_benched_until(t->r, t->now);
  assert_true(until > t->now);
  uint64_t length = until - t->now;
  t->now = until - 1;
  assert_int_equal(state_of(t), HEALTH_BENCHED);
  t->now = until;
  assert_int_equal(state_of(t), HEALTH_UP);
  assert_int_equal(health_benched_until(t->r, t->now), 0);
  return length;
}
static void assert_about(uint64_t ms, uint64_t want) {
  if (ms < want * 9 / 10 || ms > want * 11 / 10)
    fail_msg("%llu ms, not about %llu", (unsigned long long)ms, (unsigned long long)want);
}

static void test_records_are_found_again(void **state) {
  (void)state;
  enum { N = 2000 };
  static struct health_record *records[N];
  struct health *h = health_new();
  char name[32];
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < N; i++) {
      struct str id = {name, (size_t)snprintf(name, sizeof name, "provider %d", i)};
      struct health_record *r = health_record(h, HEALTH_PROVIDER, id);
      assert_non_null(r);
      assert_int_equal((uintptr_t)r % 64, 0);
      if (round)
        assert_ptr_equal(r, records[i]);
      else
        records[i] = r;
      assert_ptr_not_equal(r, health_record(h, HEALTH_KEY, id));
    }
  }
  health_free(h);
  health_free(NULL);
}

// All percentiles of one figure; false: there is none.
static bool read_all(double (*read)(const struct health_record *, enum health_percentile, uint64_t),
                     const struct health_record *r, uint64_t now, double out[HEALTH_PERCENTILES]) {
  for (unsigned p = 0; p < HEALTH_PERCENTILES; p++) out[p] = read(r, (enum health_percentile)p, now);
  return out[HEALTH_P50] > 0;
}

static void test_nothing_known_is_up(void **state) {
  (void)state;
  struct hand t = hand();
  double out[HEALTH_PERCENTILES];
  struct health_report report;
  assert_int_equal(state_of(&t), HEALTH_UP);
  assert_true(admit(&t));
  assert_true(admit(&t));
  assert_false(read_all(health_latency_ms, t.r, t.now, out));
  assert_true(health_latency_ms(t.r, HEALTH_P50, t.now) == 0);
  health_report(t.r, t.now, &report);
  assert_false(report.noted);
  assert_true(report.uptime_5m < 0);
  assert_false(report.has_latency);
  health_free(t.h);
}

static void test_outage_opens_probes_close(void **state) {
  (void)state;
  struct hand t = hand();
  bad(&t, FAULT_UPSTREAM_ERROR, 0);  // the only attempt there was
  assert_int_equal(state_of(&t), HEALTH_BENCHED);
  assert_true(admit(&t));  // benched is asked all the same when nothing is left
  good(&t);                // it may have begun before
  assert_int_equal(state_of(&t), HEALTH_BENCHED);
  assert_about(wait_out(&t), 5000);
  for (int i = 0; i < 3; i++) {
    assert_true(admit(&t));
    assert_int_equal(state_of(&t), HEALTH_PROBING);
    assert_false(admit(&t));
    struct health_report report;
    health_report(t.r, t.now, &report);
    assert_true(report.half_open);
    assert_int_equal(report.last_fault, FAULT_UPSTREAM_ERROR);
    good(&t);
    assert_int_equal(state_of(&t), HEALTH_UP);
  }
  assert_true(admit(&t));
  assert_true(admit(&t));
  assert_int_equal(health_benches(t.h), 1);
  health_free(t.h);
}

static void test_bench_doubles_to_its_ceiling(void **state) {
  (void)state;
  static const uint64_t want[] = {5000, 10000, 20000, OUTAGE_CEILING_MS, OUTAGE_CEILING_MS};
  struct hand t = hand();
  bad(&t, FAULT_TIMEOUT, 0);
  for (int i = 0; i < 5; i++) {
    uint64_t length = wait_out(&t);
    assert_about(length, want[i]);
    assert_true(length <= OUTAGE_CEILING_MS);
    assert_true(admit(&t));
    if (i % 2) good(&t);  // one success is not enough
    bad(&t, FAULT_TIMEOUT, 0);
    bad(&t, FAULT_TIMEOUT, 0);  // of another attempt, already under way: not longer for that
  }
  wait_out(&t);
  for (int i = 0; i < 3; i++) good(&t);
  // A relapse goes on where it ended; much later it begins anew.
  bad(&t, FAULT_TIMEOUT, 0);
  assert_about(wait_out(&t), OUTAGE_CEILING_MS);
  for (int i = 0; i < 3; i++) good(&t);
  t.now += 10 * 60 * 1000;
  bad(&t, FAULT_TIMEOUT, 0);
  assert_about(wait_out(&t), 5000);
  health_free(t.h);
}

static void test_share_of_failures(void **state) {
  (void)state;
  struct hand t = hand();
  for (int i = 0; i < 100; i++, t.now += 100) i % 10 == 9 ? bad(&t, FAULT_UPSTREAM_CUT, 0) : good(&t);
  assert_int_equal(state_of(&t), HEALTH_DEGRADED);  // one in ten: no outage
  for (int i = 0; i < 40 && state_of(&t) != HEALTH_BENCHED; i++, t.now += 100)
    i % 2 ? bad(&t, FAULT_UPSTREAM_CUT, 0) : good(&t);
  assert_int_equal(state_of(&t), HEALTH_BENCHED);
  health_free(t.h);
  // A long good time before does not hide three in a row.
  t = hand();
  for (int i = 0; i < 10000; i++) good(&t);
  for (int i = 0; i < 2; i++) bad(&t, FAULT_UPSTREAM_CUT, 0);
  assert_int_equal(state_of(&t), HEALTH_UP);
  bad(&t, FAULT_UPSTREAM_CUT, 0);
  assert_int_equal(state_of(&t), HEALTH_BENCHED);
  health_free(t.h);
}

static void test_failures_of_the_past_do_not_count(void **state) {
  (void)state;
  struct hand t = hand();
  for (int i = 0; i < 9; i++) good(&t);
  bad(&t, FAULT_UPSTREAM_ERROR, 0);
  assert_int_equal(state_of(&t), HEALTH_UP);
  t.now += 31000;
  for (int i = 0; i < 4; i++) good(&t);
  bad(&t, FAULT_UPSTREAM_ERROR, 0);  // one of five, but one
  assert_int_equal(state_of(&t), HEALTH_UP);
  health_free(t.h);
}

static void test_benches_at_once(void **state) {
  (void)state;
  static const struct {
    enum fault fault;
    unsigned retry_after_s;
    uint64_t first_ms, second_ms;
  } cases[] = {
      {FAULT_UPSTREAM_RATE, 0, 10000, 10000},        {FAULT_UPSTREAM_RATE, 3, 3000, 3000},
      {FAULT_UPSTREAM_RATE, 100000, 600000, 600000}, {FAULT_UPSTREAM_AUTH, 0, 10000, 20000},
      {FAULT_UPSTREAM_MODEL, 0, 10000, 20000},       {FAULT_UPSTREAM_BILLING, 0, 10000, 20000},
      {FAULT_UPSTREAM_OVERLOAD, 7, 7000, 7000},      {FAULT_UPSTREAM_ERROR, 2, 2000, 2000},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct hand t = hand();
    for (int n = 0; n < 1000; n++) good(&t);  // no outage at all
    bad(&t, cases[i].fault, cases[i].retry_after_s);
    assert_int_equal(state_of(&t), HEALTH_BENCHED);
    uint64_t length = wait_out(&t);
    assert_about(length, cases[i].first_ms);
    if (cases[i].retry_after_s) assert_int_equal(length, cases[i].first_ms);  // as the provider said
    assert_true(admit(&t));
    assert_false(admit(&t));
    bad(&t, cases[i].fault, cases[i].retry_after_s);
    assert_about(wait_out(&t), cases[i].second_ms);
    good(&t);  // one closes it
    assert_true(admit(&t));
    assert_true(admit(&t));
    health_free(t.h);
  }
  struct hand t = hand();
  bad(&t, FAULT_UPSTREAM_AUTH, 0);
  for (int i = 0; i < 20; i++) {
    assert_true(wait_out(&t) <= CEILING_MS);
    bad(&t, FAULT_UPSTREAM_AUTH, 0);
  }
  assert_about(wait_out(&t), CEILING_MS);
  health_free(t.h);
}

static void test_the_later_end_holds(void **state) {
  (void)state;
  struct hand t = hand();
  bad(&t, FAULT_UPSTREAM_RATE, 60);
  bad(&t, FAULT_UPSTREAM_RATE, 5);
  bad(&t, FAULT_UPSTREAM_ERROR, 0);
  assert_int_equal(health_benched_until(t.r, t.now), t.now + 60000);
  bad(&t, FAULT_UPSTREAM_RATE, 90);
  assert_int_equal(wait_out(&t), 90000);
  health_free(t.h);
}

static void test_no_verdict_gives_the_probe_back(void **state) {
  (void)state;
  static const enum fault not_ours[] = {FAULT_BAD_REQUEST, FAULT_CLIENT_GONE, FAULT_CONTENT, FAULT_UPSTREAM_ANSWER};
  struct hand t = hand();
  for (size_t i = 0; i < sizeof not_ours / sizeof not_ours[0]; i++) bad(&t, not_ours[i], 30);
  assert_int_equal(state_of(&t), HEALTH_UP);
  bad(&t, FAULT_UPSTREAM_CUT, 0);
  wait_out(&t);
  assert_true(admit(&t));
  abandon(&t);
  assert_int_equal(state_of(&t), HEALTH_UP);
  assert_true(admit(&t));
  bad(&t, FAULT_BAD_REQUEST, 0);
  assert_true(admit(&t));
  t.now += PROBE_MS - 2;
  assert_int_equal(state_of(&t), HEALTH_PROBING);
  t.now += 2;  // nothing was ever heard of it
  assert_int_equal(state_of(&t), HEALTH_UP);
  assert_true(admit(&t));
  assert_false(admit(&t));
  health_free(t.h);
}

// Attempts that began before the breaker opened, and end when it is half open.
static void test_late_results_decide_nothing(void **state) {
  (void)state;
  struct hand t = hand();
  for (int i = 0; i < 10; i++) good(&t);
  struct health_pass old = health_pass(t.r);
  for (int i = 0; i < 3; i++) bad(&t, FAULT_TIMEOUT, 0);
  wait_out(&t);
  uint64_t benches = health_benches(t.h);
  struct health_report before, after;
  health_report(t.r, t.now, &before);
  for (int probe = 0; probe < 3; probe++) {
    assert_true(admit(&t));
    for (int i = 0; i < 5; i++) {
      struct health_pass unasked = health_pass(t.r);
      health_success(t.r, old, &(struct health_sample){t.now, 100, 60000, 50});
      health_failure(t.r, old, FAULT_TIMEOUT, 0, t.now, random_next());
      health_failure(t.r, old, FAULT_UPSTREAM_RATE, 0, t.now, random_next());
      health_failure(t.r, old, FAULT_UPSTREAM_AUTH, 0, t.now, random_next());
      health_failure(t.r, old, FAULT_BAD_REQUEST, 0, t.now, random_next());
      health_abandon(t.r, old);
      health_abandon(t.r, unasked);
      assert_int_equal(state_of(&t), HEALTH_PROBING);
      struct health_pass pass;
      assert_false(health_admit(t.r, t.now, &pass));
    }
    assert_int_equal(health_benches(t.h), benches);
    good(&t);  // the probe's own
    assert_int_equal(state_of(&t), HEALTH_UP);
  }
  assert_int_equal(LOAD(t.r->bench), 0);
  // Closed, and still they come: no new outage is made of them, but they are in the figures.
  for (int i = 0; i < 20; i++) health_failure(t.r, old, FAULT_TIMEOUT, 0, t.now, random_next());
  assert_int_equal(state_of(&t), HEALTH_UP);
  health_report(t.r, t.now, &after);
  assert_int_equal(after.requests_30m, before.requests_30m + 3 + 15 + 30 + 20);
  health_free(t.h);
}

// One success closes a bench that is no outage's: not one that began before. What a provider asks for holds whenever.
static void test_late_results_and_benches_at_once(void **state) {
  (void)state;
  struct hand t = hand();
  struct health_pass old = health_pass(t.r);
  bad(&t, FAULT_UPSTREAM_RATE, 0);
  wait_out(&t);
  health_success(t.r, old, &(struct health_sample){t.now, 100, 60000, 50});
  assert_int_not_equal(LOAD(t.r->bench), 0);
  health_failure(t.r, old, FAULT_UPSTREAM_RATE, 7, t.now, random_next());
  assert_int_equal(wait_out(&t), 7000);
  assert_true(admit(&t));
  good(&t);
  assert_int_equal(LOAD(t.r->bench), 0);
  // Begun while it was benched, as nothing better was left: that is news.
  bad(&t, FAULT_UPSTREAM_RATE, 0);
  struct health_pass unasked = health_pass(t.r);
  wait_out(&t);
  health_success(t.r, unasked, &(struct health_sample){t.now, 100, 1000, 50});
  assert_int_equal(LOAD(t.r->bench), 0);
  health_free(t.h);
}

// The probe's stream is so long that it is forgotten; its end does not make room beside the next one.
static void test_a_forgotten_probe_ends(void **state) {
  (void)state;
  struct hand t = hand();
  struct health_pass first, second, third;
  bad(&t, FAULT_TIMEOUT, 0);
  wait_out(&t);
  assert_true(health_admit(t.r, t.now, &first));
  t.now += PROBE_MS;
  assert_true(health_admit(t.r, t.now, &second));
  health_success(t.r, first, &(struct health_sample){t.now, 100, PROBE_MS, 50});  // still a success
  assert_int_equal(t.r->streak, 1);
  assert_false(health_admit(t.r, t.now, &third));
  health_abandon(t.r, second);
  assert_true(health_admit(t.r, t.now, &third));
  health_free(t.h);
}

// Many at a time, of every age: whoever is late or no probe leaves bench and probe as they are.
static void test_random_ends_of_many(void **state) {
  (void)state;
  enum { OPEN = 24 };
  static const enum fault faults[] = {FAULT_UPSTREAM_ERROR, FAULT_UPSTREAM_RATE, FAULT_UPSTREAM_AUTH, FAULT_TIMEOUT,
                                      FAULT_BAD_REQUEST};
  unsigned late_ends = 0, probe_ends = 0;
  for (unsigned seed = 0; seed < 200; seed++) {
    random_state = seed * 104729 + 1;
    struct hand t = hand();
    struct health_pass open[OPEN];
    unsigned count = 0, failing = (unsigned)(random_next() % 101);
    for (int n = 0; n < 2000; n++, t.now += random_next() % (chance(10) ? 9000 : 300)) {
      if (count < OPEN && chance(55)) {
        bool half_open = LOAD(t.r->bench) && !health_benched_until(t.r, t.now);
        bool probing = state_of(&t) == HEALTH_PROBING;
        struct health_pass pass;
        bool admitted = health_admit(t.r, t.now, &pass);
        assert_int_equal(admitted, !(half_open && probing));
        assert_int_equal(pass.probe != 0, half_open && admitted);
        if (admitted || chance(30)) open[count++] = pass;
        continue;
      }
      if (!count) continue;
      unsigned i = (unsigned)(random_next() % count);
      struct health_pass pass = open[i];
      open[i] = open[--count];
      uint64_t bench = LOAD(t.r->bench), probe = LOAD(t.r->probe);
      bool late = is_late(t.r, pass), is_probe = pass.probe && pass.probe == probe;
      enum fault fault = faults[random_next() % (sizeof faults / sizeof *faults)];
      if (chance(10))
        health_abandon(t.r, pass);
      else if (chance(failing))
        health_failure(t.r, pass, fault, 0, t.now, random_next());
      else
        health_success(t.r, pass, &(struct health_sample){t.now, 100, 1000, 50});
      if (late) assert_int_equal(LOAD(t.r->bench), bench);
      assert_int_equal(LOAD(t.r->probe), is_probe ? 0 : probe);
      late_ends += late;
      probe_ends += is_probe;
    }
    health_free(t.h);
  }
  print_message("ends: %u late, %u of probes\n", late_ends, probe_ends);
  assert_true(late_ends > 1000 && probe_ends > 1000);
}

// A sign of life ends an outage's bench, once until it has been well; no other bench, and none that began later.
static void test_signs_of_life(void **state) {
  (void)state;
  struct hand t = hand();
  assert_false(health_wants_probe(t.r, t.now));
  assert_false(health_alive(t.r, t.now, t.now));
  for (int outage = 0; outage < 3; outage++, t.now += 10 * 60000) {
    bad(&t, FAULT_CONNECT, 0);
    assert_true(health_wants_probe(t.r, t.now));
    uint64_t asked = t.now + 500;
    t.now += 1000;
    assert_false(health_alive(t.r, asked - 600, t.now));  // asked for before it began
    assert_int_equal(state_of(&t), HEALTH_BENCHED);
    assert_true(health_alive(t.r, asked, t.now));
    assert_false(health_wants_probe(t.r, t.now));
    assert_false(health_alive(t.r, asked, t.now));
    assert_int_equal(state_of(&t), HEALTH_UP);
    assert_true(admit(&t));
    assert_int_equal(state_of(&t), HEALTH_PROBING);
    bad(&t, FAULT_CONNECT, 0);
    assert_false(health_wants_probe(t.r, t.now));
    assert_false(health_alive(t.r, t.now, t.now));
    assert_about(wait_out(&t), 10000);
    assert_false(health_wants_probe(t.r, t.now));
    for (int i = 0; i < 3; i++) good(&t);
    assert_int_equal(LOAD(t.r->bench), 0);
  }
  bad(&t, FAULT_UPSTREAM_RATE, 0);
  assert_false(health_wants_probe(t.r, t.now));
  assert_false(health_alive(t.r, t.now, t.now));
  assert_int_equal(state_of(&t), HEALTH_BENCHED);
  health_free(t.h);
}

static void test_the_clock_jumps(void **state) {
  (void)state;
  enum { HOUR = 3600 * 1000 };
  static const int64_t jumps[] = {HOUR, -HOUR, 5 * HOUR, -5 * HOUR + 1, -120000, 120000, 24 * 3600000LL, -1000, 1000};
  for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
    struct hand t = hand();
    for (int n = 0; n < 200; n++, t.now += 100) chance(20) ? bad(&t, FAULT_UPSTREAM_ERROR, 0) : good(&t);
    bad(&t, FAULT_UPSTREAM_AUTH, 0);
    assert_int_equal(state_of(&t), HEALTH_BENCHED);
    t.now = (uint64_t)((int64_t)t.now + jumps[i]);
    // Ended, or not lasting longer than it would have.
    uint64_t until = health_benched_until(t.r, t.now);
    assert_true(until == 0 || until - t.now <= CEILING_MS + SLACK_MS);
    if (until) t.now = until;
    for (int n = 0; n < 3; n++, t.now += 100) {
      assert_true(admit(&t));
      good(&t);
    }
    assert_int_equal(health_benched_until(t.r, t.now), 0);
    assert_true(admit(&t) && admit(&t));
    double out[HEALTH_PERCENTILES];
    t.now += PUBLISH_MS;
    good(&t);
    assert_true(read_all(health_latency_ms, t.r, t.now, out));
    assert_true(fabs(out[HEALTH_P50] - 100) <= 10);
    health_free(t.h);
  }
}

static void test_grades(void **state) {
  (void)state;
  static const struct {
    unsigned ok_of_10;
    enum health_state want;
  } cases[] = {{10, HEALTH_UP}, {9, HEALTH_DEGRADED}, {8, HEALTH_DEGRADED}, {7, HEALTH_POOR}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct hand t = hand();
    // Spread so thinly that nothing is an outage: the bench is lifted, as only the grade is meant here.
    for (unsigned n = 0; n < 99; n++, t.now += 2000) {
      n % 10 < cases[i].ok_of_10 ? good(&t) : bad(&t, FAULT_UPSTREAM_ERROR, 0);
      STORE(t.r->bench, 0);
      assert_int_equal(state_of(&t), HEALTH_UP);  // fewer than 100
    }
    good(&t);
    assert_int_equal(state_of(&t), cases[i].want);
    t.now += 6 * 60000;
    assert_int_equal(state_of(&t), cases[i].want);  // by the last 30 minutes
    t.now += 25 * 60000;
    assert_int_equal(state_of(&t), HEALTH_UP);  // nobody knows any more
    health_free(t.h);
  }
}

static void test_a_closed_outage_does_not_grade(void **state) {
  (void)state;
  struct hand t = hand();
  for (int n = 0; n < 200; n++, t.now += 10) bad(&t, FAULT_UPSTREAM_ERROR, 0);
  t.now += 30000;
  for (int n = 0; n < 3; n++, t.now += 100) good(&t);
  assert_int_equal(state_of(&t), HEALTH_UP);
  struct health_report report;
  health_report(t.r, t.now, &report);
  assert_true(report.uptime_5m < 2);  // as it was, for people
  for (int n = 0; n < 300; n++, t.now += 400) good(&t);
  assert_int_equal(state_of(&t), HEALTH_UP);
  health_free(t.h);
}

static void test_uptime_windows(void **state) {
  (void)state;
  struct hand t = hand();
  struct health_report report;
  for (int n = 0; n < 10; n++) bad(&t, FAULT_UPSTREAM_ERROR, 0);
  t.now += 10 * 60000;
  for (int n = 0; n < 30; n++) good(&t);
  health_report(t.r, t.now, &report);
  assert_true(report.noted);
  assert_true(report.uptime_5m == 100 && report.uptime_30m == 75 && report.uptime_1d == 75);
  assert_int_equal(report.requests_30m, 40);
  bad(&t, FAULT_UPSTREAM_RATE, 1);  // no failure
  health_report(t.r, t.now, &report);
  assert_true(report.uptime_5m == 100);
  t.now += 25 * 60000;
  health_report(t.r, t.now, &report);
  assert_true(report.uptime_5m < 0 && report.uptime_30m == 100 && report.uptime_1d == 75);
  t.now += 10 * 60000;
  health_report(t.r, t.now, &report);
  assert_true(report.uptime_30m < 0 && !report.has_latency && report.uptime_1d == 75);
  t.now += 22 * 3600000;
  health_report(t.r, t.now, &report);
  assert_true(report.uptime_1d == 75);
  t.now += 2 * 3600000;
  health_report(t.r, t.now, &report);
  assert_true(report.uptime_1d < 0);
  health_free(t.h);
}

static void test_figures_age(void **state) {
  (void)state;
  struct hand t = hand();
  double out[HEALTH_PERCENTILES];
  for (int n = 0; n < 100; n++) health_success(t.r, pass_of(&t), &(struct health_sample){t.now, 1000, 2000, 100});
  t.now += 4 * 60000;
  for (int n = 0; n < 100; n++) health_success(t.r, pass_of(&t), &(struct health_sample){t.now, 3000, 4000, 100});
  assert_true(read_all(health_latency_ms, t.r, t.now, out));
  assert_true(fabs(out[HEALTH_P90] - 3000) < 300 && fabs(out[HEALTH_P50] - 1000) < 100);
  t.now += 2 * 60000;  // the first lot is out of the five minutes
  good(&t);
  t.now += PUBLISH_MS;
  good(&t);
  assert_true(fabs(health_latency_ms(t.r, HEALTH_P50, t.now) - 3000) < 300);
  t.now += 6 * 60000;  // nothing in five: of thirty
  assert_true(read_all(health_latency_ms, t.r, t.now, out));
  assert_true(fabs(out[HEALTH_P50] - 3000) < 300 || fabs(out[HEALTH_P50] - 1000) < 100);
  assert_true(health_throughput(t.r, HEALTH_P50, t.now) > 20);
  t.now += 30 * 60000;
  assert_false(read_all(health_latency_ms, t.r, t.now, out));
  assert_true(health_latency_ms(t.r, HEALTH_P50, t.now) == 0 && health_throughput(t.r, HEALTH_P50, t.now) == 0);
  health_free(t.h);
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static void assert_near(double got, double want) {
  if (fabs(got - want) > want * 0.1) fail_msg("%g, not within 10 %% of %g", got, want);
}

static void test_percentiles_against_exact_ones(void **state) {
  (void)state;
  enum { N = 3000 };
  static double latency[N], throughput[N];
  for (unsigned seed = 1; seed <= 40; seed++) {
    random_state = seed;
    struct hand t = hand();
    unsigned octaves = 1 + seed % 16;
    for (int i = 0; i < N; i++) {
      uint32_t ms = 1 + (uint32_t)(random_next() % (1u << (random_next() % octaves + 1)));
      uint64_t tokens = 1 + random_next() % 5000;
      latency[i] = ms;
      throughput[i] = (double)tokens / (ms / 1000.0);
      if (throughput[i] > 60000 || throughput[i] < 0.1)
        tokens = 1 + ms / 10, throughput[i] = (double)tokens / (ms / 1000.0);
      health_success(t.r, pass_of(&t), &(struct health_sample){t.now, ms, ms, tokens});
      if (i % 30 == 0) t.now += 1000;
    }
    t.now += PUBLISH_MS;
    health_success(t.r, pass_of(&t),
                   &(struct health_sample){t.now, (uint32_t)latency[N - 1], (uint32_t)latency[N - 1], 0});
    qsort(latency, N, sizeof latency[0], compare);
    qsort(throughput, N, sizeof throughput[0], compare);
    double got[HEALTH_PERCENTILES];
    for (int f = 0; f < 2; f++) {
      const double *exact = f ? throughput : latency;
      assert_true(f ? read_all(health_throughput, t.r, t.now, got) : read_all(health_latency_ms, t.r, t.now, got));
      for (unsigned p = 0; p < HEALTH_PERCENTILES; p++) {
        // One sample more is in the latencies: its neighbour may be the one.
        size_t rank = (size_t)ceil(shares[p] * N), at = f ? N - rank : rank - 1;
        double want = exact[at], near = exact[at > 0 ? at - 1 : 0], next = exact[at + 1 < N ? at + 1 : at];
        if (fabs(got[p] - want) > want * 0.1 && fabs(got[p] - near) > near * 0.1) assert_near(got[p], next);
      }
      static const unsigned rising[] = {HEALTH_P50, HEALTH_P75, HEALTH_P90, HEALTH_P95, HEALTH_P99};
      for (unsigned p = 1; p < HEALTH_PERCENTILES; p++)
        assert_true(f ? got[rising[p]] <= got[rising[p - 1]] : got[rising[p]] >= got[rising[p - 1]]);
    }
    health_free(t.h);
  }
}

static void test_a_million_samples_keep_the_shape(void **state) {
  (void)state;
  struct hand t = hand();
  for (int i = 0; i < 1000000; i++)
    health_success(t.r, pass_of(&t), &(struct health_sample){t.now, i % 10 ? 100 : 5000, 5000, 10});
  t.now += PUBLISH_MS;
  good(&t);
  double got[HEALTH_PERCENTILES];
  assert_true(read_all(health_latency_ms, t.r, t.now, got));
  assert_near(got[HEALTH_P75], 100);
  assert_near(got[HEALTH_P95], 5000);
  health_free(t.h);
}

// Half of the attempts fail: benched within 10 attempts, from the beginning.
static void test_half_failing_is_benched_soon(void **state) {
  (void)state;
  enum { SEEDS = 10000 };
  unsigned late = 0, late_after_good = 0, false_alarms = 0;
  for (unsigned seed = 0; seed < SEEDS; seed++) {
    random_state = seed;
    struct hand t = hand();
    int n = 0;
    for (; n < 10 && state_of(&t) != HEALTH_BENCHED; n++, t.now++)
      chance(50) ? bad(&t, FAULT_UPSTREAM_ERROR, 0) : good(&t);
    late += state_of(&t) != HEALTH_BENCHED;
    health_free(t.h);
  }
  for (unsigned seed = 0; seed < SEEDS / 10; seed++) {
    random_state = seed;
    struct hand t = hand();
    for (int n = 0; n < 2000; n++, t.now++) chance(1) ? bad(&t, FAULT_UPSTREAM_ERROR, 0) : good(&t);
    false_alarms += health_benches(t.h) > 0;
    STORE(t.r->bench, 0);
    t.now += 100;
    for (int n = 0; n < 20 && state_of(&t) != HEALTH_BENCHED; n++, t.now++)
      chance(50) ? bad(&t, FAULT_UPSTREAM_ERROR, 0) : good(&t);
    late_after_good += state_of(&t) != HEALTH_BENCHED;
    health_free(t.h);
  }
  print_message(
      "half failing: later than 10 attempts in %u of %u; behind 2,000 good ones, later than 20 in %u of %u; "
      "1 %% failing: ever benched in %u of %u\n",
      late, SEEDS, late_after_good, SEEDS / 10, false_alarms, SEEDS / 10);
  // Of 1,024 ways ten attempts can go, 11 have one failure at most, and nobody can tell.
  assert_true(late <= SEEDS * 13 / 1000);
  assert_true(late_after_good <= SEEDS / 10 / 10);
}

static void test_random_outcomes(void **state) {
  (void)state;
  static const enum fault faults[] = {FAULT_UPSTREAM_ERROR, FAULT_UPSTREAM_RATE,  FAULT_UPSTREAM_AUTH,
                                      FAULT_CONNECT,        FAULT_UPSTREAM_MODEL, FAULT_UPSTREAM_BILLING,
                                      FAULT_TIMEOUT,        FAULT_BAD_REQUEST};
  for (unsigned seed = 0; seed < 300; seed++) {
    random_state = seed * 7919;
    struct hand t = hand();
    unsigned failing = (unsigned)(random_next() % 101);
    unsigned in_flight = 0;
    for (int n = 0; n < 2000; n++) {
      uint64_t until = health_benched_until(t.r, t.now);
      assert_true(until == 0 || (until > t.now && until - t.now <= CEILING_MS));
      bool half_open = LOAD(t.r->bench) && !until;
      bool admitted = admit(&t);
      if (half_open) {
        // At most one probe, and one when there is none.
        assert_int_equal(admitted, in_flight == 0);
        in_flight += admitted;
      } else {
        assert_true(admitted);
      }
      if (chance(70)) {
        if (chance(10))
          abandon(&t);
        else if (chance(failing))
          bad(&t, faults[random_next() % 8], chance(30) ? (unsigned)(random_next() % 2000) : 0);
        else
          good(&t);
        in_flight = 0;
      }
      uint64_t step = random_next() % (chance(5) ? 20000 : 200);
      t.now += step;
      if (step > 2000 && in_flight) abandon(&t), in_flight = 0;
    }
    abandon(&t);
    // It recovers: closed within 30 s of probes, the provider's own word excepted.
    if (health_benched_until(t.r, t.now)) t.now = health_benched_until(t.r, t.now);
    for (int i = 0; i < 3; i++, t.now += 100) {
      assert_true(admit(&t));
      good(&t);
    }
    assert_int_equal(LOAD(t.r->bench), 0);
    health_free(t.h);
  }
}

static void test_recovered_is_back_within_30_s(void **state) {
  (void)state;
  for (unsigned seed = 0; seed < 500; seed++) {
    random_state = seed;
    struct hand t = hand();
    for (int n = 0; n < 600; n++, t.now += 100)
      if (health_benched_until(t.r, t.now) == 0 && admit(&t)) chance(50) ? bad(&t, FAULT_CONNECT, 0) : good(&t);
    uint64_t recovered = t.now;
    while (LOAD(t.r->bench)) {
      if (health_benched_until(t.r, t.now) == 0 && admit(&t)) good(&t);
      t.now += 100;
      assert_true(t.now - recovered <= 30000);
    }
    health_free(t.h);
  }
}

struct thread_work {
  struct health *h;
  unsigned number;
  _Atomic uint64_t *clock;
};
static void *thread_main(void *context) {
  struct thread_work *w = context;
  struct rand_local {
    uint64_t x;
  } rng = {w->number + 1};
  struct health_record *records[4];
  char name[8];
  for (int i = 0; i < 4; i++)
    records[i] = health_record(w->h, HEALTH_ENDPOINT, str_from(name, (size_t)snprintf(name, sizeof name, "e%d", i)));
  for (int n = 0; n < 20000; n++) {
    rng.x = rng.x * 6364136223846793005u + 1442695040888963407u;
    uint64_t now = atomic_fetch_add_explicit(w->clock, rng.x >> 60, memory_order_relaxed);
    struct health_record *r = records[rng.x >> 40 & 3];
    double out[HEALTH_PERCENTILES];
    enum health_state s = health_state(r, now);
    (void)s;
    if (read_all(health_latency_ms, r, now, out)) assert(out[0] > 0);
    health_throughput(r, HEALTH_P50, now);
    struct health_pass pass;
    if (!health_admit(r, now, &pass)) continue;
    switch (rng.x >> 50 & 7) {
      case 0: health_failure(r, pass, FAULT_UPSTREAM_ERROR, 0, now, rng.x); break;
      case 1: health_abandon(r, pass); break;
      case 2: {
        struct health_report report;
        health_report(r, now, &report);
        break;
      }
      default: health_success(r, pass, &(struct health_sample){now, (uint32_t)(rng.x >> 50), 1000, 10}); break;
    }
  }
  return NULL;
}

static void test_threads(void **state) {
  (void)state;
  enum { THREADS = 4 };
  struct health *h = health_new();
  _Atomic uint64_t clock = START;
  pthread_t threads[THREADS];
  struct thread_work work[THREADS];
  for (unsigned i = 0; i < THREADS; i++) {
    work[i] = (struct thread_work){h, i, &clock};
    assert_int_equal(pthread_create(&threads[i], NULL, thread_main, &work[i]), 0);
  }
  for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  health_free(h);
}

static void test_without_memory(void **state) {
  (void)state;
  bool failed = true;
  for (unsigned long n = 1; failed; n++) {
    allocations = 0;
    fail_at = n;
    struct health *h = health_new();
    char name[16];
    for (int i = 0; h && i < 300; i++) {
      struct health_record *r =
          health_record(h, HEALTH_ENDPOINT, str_from(name, (size_t)snprintf(name, sizeof name, "e%d", i)));
      if (!r || i % 100) continue;
      double out[HEALTH_PERCENTILES];
      struct health_report report;
      health_success(r, health_pass(r), &(struct health_sample){START, 10, 10, 10});
      read_all(health_latency_ms, r, START, out);
      health_failure(r, health_pass(r), FAULT_UPSTREAM_RATE, 0, START, 0);
      assert_int_equal(health_state(r, START), HEALTH_BENCHED);
      health_report(r, START, &report);
      assert_true(report.noted);
    }
    health_free(h);
    failed = allocations >= n;
  }
  fail_at = 0;
}

static void test_blame(void **state) {
  (void)state;
  static const struct {
    unsigned status;
    enum blame want;
  } cases[] = {{400, BLAME_NOBODY},     {401, BLAME_CREDENTIAL}, {402, BLAME_CREDENTIAL}, {403, BLAME_CREDENTIAL},
               {404, BLAME_ENDPOINT},   {408, BLAME_ENDPOINT},   {413, BLAME_NOBODY},     {422, BLAME_NOBODY},
               {429, BLAME_CREDENTIAL}, {500, BLAME_ENDPOINT},   {502, BLAME_ENDPOINT},   {503, BLAME_ENDPOINT},
               {504, BLAME_ENDPOINT},   {529, BLAME_PROVIDER}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    assert_int_equal(health_blame(fault_of_status(cases[i].status), cases[i].status), cases[i].want);
  assert_int_equal(health_blame(FAULT_CONNECT, 0), BLAME_PROVIDER);
  assert_int_equal(health_blame(FAULT_RESOLVE, 0), BLAME_PROVIDER);
  assert_int_equal(health_blame(FAULT_UPSTREAM_CUT, 200), BLAME_ENDPOINT);
  assert_int_equal(health_blame(FAULT_UPSTREAM_ANSWER, 200), BLAME_NOBODY);
  assert_int_equal(health_blame(FAULT_CLIENT_GONE, 0), BLAME_NOBODY);
  assert_int_equal(health_blame(FAULT_INTERNAL, 0), BLAME_NOBODY);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_records_are_found_again),
      cmocka_unit_test(test_nothing_known_is_up),
      cmocka_unit_test(test_outage_opens_probes_close),
      cmocka_unit_test(test_bench_doubles_to_its_ceiling),
      cmocka_unit_test(test_share_of_failures),
      cmocka_unit_test(test_failures_of_the_past_do_not_count),
      cmocka_unit_test(test_benches_at_once),
      cmocka_unit_test(test_the_later_end_holds),
      cmocka_unit_test(test_no_verdict_gives_the_probe_back),
      cmocka_unit_test(test_late_results_decide_nothing),
      cmocka_unit_test(test_late_results_and_benches_at_once),
      cmocka_unit_test(test_a_forgotten_probe_ends),
      cmocka_unit_test(test_random_ends_of_many),
      cmocka_unit_test(test_signs_of_life),
      cmocka_unit_test(test_the_clock_jumps),
      cmocka_unit_test(test_grades),
      cmocka_unit_test(test_a_closed_outage_does_not_grade),
      cmocka_unit_test(test_uptime_windows),
      cmocka_unit_test(test_figures_age),
      cmocka_unit_test(test_percentiles_against_exact_ones),
      cmocka_unit_test(test_a_million_samples_keep_the_shape),
      cmocka_unit_test(test_half_failing_is_benched_soon),
      cmocka_unit_test(test_random_outcomes),
      cmocka_unit_test(test_recovered_is_back_within_30_s),
      cmocka_unit_test(test_threads),
      cmocka_unit_test(test_without_memory),
      cmocka_unit_test(test_blame),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
