// Admission under overload, against a queue in front of one server: what it carries, how long those admitted wait, and
// who is refused.
#include "policy/shedder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// cmocka wants the ones above first
#include <cmocka.h>

#include "base/rand.h"

enum { TARGET_MS = 100, KEYS = 8, QUEUE_MAX = 1 << 20, PROBE_US = 10000 };

// Requests come at their times, wait in one line with the probes, and are served or refused one by one.
struct load {
  double a_second[KEYS];
  unsigned seconds, cost_us, refusal_us;
  unsigned begin_s;  // what comes before is not counted
};

struct outcome {
  unsigned admitted[KEYS], refused[KEYS];
  unsigned all_admitted, waits;
  uint64_t *wait_us;  // of those admitted
};

static struct shedder s;
static const uint64_t quiet_us = 3600 * 1000000ull;  // nothing before

static double uniform(struct rand *r) {
  return (double)(rand_next(r) >> 11) * 0x1p-53;
}

// From one request of a key to its next: anything up to twice the mean.
static uint64_t gap_us(struct rand *r, double a_second) {
  return (uint64_t)(uniform(r) * 2e6 / a_second) + 1;
}

static int by_size(const void *a, const void *b) {
  const uint64_t *x = a, *y = b;
  return *x < *y ? -1 : *x > *y;
}

static struct outcome run(const struct load *l) {
  struct outcome out = {.wait_us = malloc(QUEUE_MAX * sizeof(uint64_t))};
  struct rand r = {.state = {1, 2, 3, 4}};
  uint64_t now = quiet_us, next[KEYS], probe_sent = now, wait = 0, end = now + l->seconds * 1000000ull;
  uint64_t begin = now + l->begin_s * 1000000ull;
  memset(&s, 0, sizeof s);
  assert_non_null(out.wait_us);
  for (int k = 0; k < KEYS; k++) next[k] = l->a_second[k] > 0 ? now + gap_us(&r, l->a_second[k]) : UINT64_MAX;
  while (now < end) {
    int first = 0;
    for (int k = 1; k < KEYS; k++)
      if (next[k] < next[first]) first = k;
    uint64_t at = next[first];
    if (probe_sent <= at) {  // in line before it
      if (now < probe_sent) now = probe_sent;
      wait = now - probe_sent;
      probe_sent = now + PROBE_US;
      continue;
    }
    if (now < at) now = at;
    if (now > probe_sent + wait) wait = now - probe_sent;  // so far
    shedder_look(&s, wait, TARGET_MS, now / 1000);
    next[first] += gap_us(&r, l->a_second[first]);
    bool admitted = shedder_admit(&s, (uint64_t)first, now / 1000);
    if (admitted && at >= begin) {
      out.wait_us[out.waits++] = now - at;
      out.all_admitted++;
    }
    if (at >= begin) (admitted ? out.admitted : out.refused)[first]++;
    now += admitted ? l->cost_us : l->refusal_us;
    if (admitted) shedder_done(&s);
  }
  qsort(out.wait_us, out.waits, sizeof *out.wait_us, by_size);
  return out;
}

static uint64_t percentile(const struct outcome *o, unsigned percent) {
  return o->wait_us[(uint64_t)o->waits * percent / 100 - (percent == 100)];
}

// At twice the load nine tenths of what a server could carry is done, less what refusing costs, and nobody admitted
// waits many times the target.
static void test_twice_the_load(void **state) {
  (void)state;
  static const struct { unsigned cost_us, refusal_us; } servers[] = {{100, 3}, {1000, 20}, {5000, 50}, {20000, 100}};
  for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
    double capacity = 1e6 / servers[i].cost_us;
    struct load l = {.seconds = 40, .begin_s = 10, .cost_us = servers[i].cost_us, .refusal_us = servers[i].refusal_us};
    for (int k = 0; k < KEYS; k++) l.a_second[k] = 2 * capacity / KEYS;
    struct outcome o = run(&l);
    double refusing = (o.refused[0] * KEYS) * (double)servers[i].refusal_us / 30e6;
    assert_true(o.all_admitted > 0.9 * capacity * 30 * (1 - refusing));
    assert_in_range(percentile(&o, 50), 0, 2 * TARGET_MS * 1000);
    assert_in_range(percentile(&o, 99), 0, 4 * TARGET_MS * 1000);
    assert_true(s.on && shedder_retry_after_s(&s) >= 1);
    free(o.wait_us);
  }
}

static void overload(void) {
  struct load l = {.seconds = 10, .cost_us = 1000, .refusal_us = 20};
  l.a_second[0] = 3000;
  struct outcome o = run(&l);
  assert_true(s.on && o.refused[0]);
  free(o.wait_us);
}

static void test_without_overload_nobody_is_refused(void **state) {
  (void)state;
  struct load l = {.seconds = 30, .cost_us = 1000, .refusal_us = 20};
  for (int k = 0; k < KEYS; k++) l.a_second[k] = 900.0 / KEYS;
  struct outcome o = run(&l);
  for (int k = 0; k < KEYS; k++) assert_int_equal(o.refused[k], 0);
  assert_false(s.on);
  free(o.wait_us);
}

// A key that asks for less than its part gets it, whatever the others ask for.
static void test_fair(void **state) {
  (void)state;
  struct load l = {.a_second = {4000, 900, 50, 50}, .seconds = 40, .begin_s = 10, .cost_us = 1000, .refusal_us = 20};
  struct outcome o = run(&l);
  for (int k = 2; k < 4; k++) assert_true(o.refused[k] <= (o.admitted[k] + o.refused[k]) * 3 / 100);
  double ratio = (double)o.admitted[0] / o.admitted[1];
  assert_true(ratio > 0.8 && ratio < 1.25);
  free(o.wait_us);
}

// A single stop of the whole process is no overload, and after an overload everybody is served again.
static void test_ends(void **state) {
  (void)state;
  memset(&s, 0, sizeof s);
  uint64_t now = 1000;
  shedder_look(&s, 3000000, TARGET_MS, now);
  for (int i = 0; i < 50; i++) shedder_look(&s, 20, TARGET_MS, now += 10);
  assert_false(s.on);
  overload();
  now = quiet_us / 1000 + 20000;
  unsigned refused = 0;
  for (int i = 0; i < 300; i++) {
    shedder_look(&s, 20, TARGET_MS, now += 10);
    refused += !shedder_admit(&s, 1, now);
  }
  assert_int_equal(refused, 0);
  assert_false(s.on);
}

// A burst that was over before it counted as an overload, and then nothing for an hour: who comes then finds nobody who
// was before.
static void test_a_lull(void **state) {
  (void)state;
  memset(&s, 0, sizeof s);
  uint64_t now = 1000;
  shedder_look(&s, 20, TARGET_MS, now);
  for (int i = 0; i < 500; i++) {
    shedder_look(&s, i < 100 ? 20 : 150000, TARGET_MS, now++);
    assert_true(shedder_admit(&s, 1, now));
    shedder_done(&s);
  }
  assert_false(s.on);
  now += 3600 * 1000;
  shedder_look(&s, 150000, TARGET_MS, now);  // once, as may happen at any time
  for (int i = 0; i < 100; i++) {
    shedder_look(&s, 20, TARGET_MS, now += 10);
    assert_true(shedder_admit(&s, 1, now));
  }
  // In the middle of an overload, too.
  overload();
  now = quiet_us / 1000 + 20000;
  for (int i = 0; i < 5; i++) {
    shedder_look(&s, 20, TARGET_MS, now += 60 * 1000);
    for (int k = 0; k < 50; k++) assert_true(shedder_admit(&s, 1, now));
  }
}

// Requests were rare for an hour before it: parts are equal from the first seconds on.
static void test_fair_after_quiet(void **state) {
  (void)state;
  struct load l = {.a_second = {4000, 900}, .seconds = 4, .begin_s = 2, .cost_us = 1000, .refusal_us = 20};
  struct outcome o = run(&l);
  double ratio = (double)o.admitted[0] / o.admitted[1];
  assert_true(ratio > 0.7 && ratio < 1.4);
  free(o.wait_us);
}

// Where refusing alone is more than can be done, some are served all the same.
static void test_beyond_refusing(void **state) {
  (void)state;
  struct load l = {.seconds = 20, .cost_us = 1000, .refusal_us = 300};
  l.a_second[0] = 10000;
  struct outcome o = run(&l);
  assert_true(o.all_admitted >= 1000);
  free(o.wait_us);
}

static void test_off(void **state) {
  (void)state;
  memset(&s, 0, sizeof s);
  for (uint64_t now = 0; now < 10000; now += 10) {
    shedder_look(&s, 1000000, 0, now);
    assert_true(shedder_admit(&s, 1, now));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_twice_the_load),
      cmocka_unit_test(test_without_overload_nobody_is_refused),
      cmocka_unit_test(test_fair),
      cmocka_unit_test(test_ends),
      cmocka_unit_test(test_a_lull),
      cmocka_unit_test(test_fair_after_quiet),
      cmocka_unit_test(test_beyond_refusing),
      cmocka_unit_test(test_off),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
