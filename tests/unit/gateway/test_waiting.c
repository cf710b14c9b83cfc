// The queue for room at full providers: whose turn it is, how long it may get, and places that are never lost nor given
// twice, from several loops.
#include "gateway/waiting.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
// cmocka wants the ones above first
#include <cmocka.h>

#include "base/rand.h"
#include "base/time.h"

enum { PATIENT_MS = 10000, MANY = 1000 };

static struct {
  struct waiting *queue;
  struct health *health;
  struct health_record *a, *b;
  struct loop *loop;
  struct waiter *order[64];  // as they were granted
  unsigned granted;
} w;

static void on_granted(struct task *task) {
  w.order[w.granted++] = (struct waiter *)((char *)task - offsetof(struct waiter, task));
}

static int setup(void **state) {
  (void)state;
  w.queue = waiting_new();
  w.health = health_new();
  w.a = health_record(w.health, HEALTH_PROVIDER, STR("a"));
  w.b = health_record(w.health, HEALTH_PROVIDER, STR("b"));
  w.loop = loop_new();
  w.granted = 0;
  return !w.queue || !w.health || !w.a || !w.b || !w.loop;
}

static int teardown(void **state) {
  (void)state;
  waiting_free(w.queue);
  health_free(w.health);
  loop_free(w.loop);
  return 0;
}

static struct waiter waiter(const char *key, struct health_record *record, unsigned limit) {
  return (struct waiter){.wants = {{record, limit}}, .count = 1, .key = key, .loop = w.loop, .task.run = on_granted};
}

static bool join(struct waiter *x) {
  uint64_t ms;
  return waiting_join(w.queue, x, MANY, PATIENT_MS, 1000, &ms);
}

static void leave(struct health_record *record, uint64_t held_us) {
  health_leave(record);
  waiting_serve(w.queue, record, held_us);
  loop_turn(w.loop, 0);
}

static void test_one_after_the_other(void **state) {
  (void)state;
  struct waiter x[3];
  assert_true(health_enter(w.a, 1));
  assert_false(waiting_for(w.queue, w.a));
  for (int i = 0; i < 3; i++) {
    x[i] = waiter("k", w.a, 1);
    assert_true(join(&x[i]));
  }
  assert_true(waiting_for(w.queue, w.a));
  assert_false(waiting_for(w.queue, w.b));
  loop_turn(w.loop, 0);
  assert_int_equal(w.granted, 0);
  for (unsigned i = 0; i < 3; i++) {
    leave(w.a, 1000);
    assert_int_equal(w.granted, i + 1);
    assert_ptr_equal(w.order[i], &x[i]);
    assert_false(health_enter(w.a, 1));
  }
  assert_int_equal(waiting_count(w.queue), 0);
  leave(w.a, 1000);
  assert_true(health_enter(w.a, 1));
}

static void test_a_place_that_is_free_is_granted_at_once(void **state) {
  (void)state;
  struct waiter x = waiter("k", w.a, 1);
  assert_true(join(&x));
  loop_turn(w.loop, 0);
  assert_int_equal(w.granted, 1);
  assert_int_equal(x.granted, 0);
  assert_false(waiting_withdraw(w.queue, &x));
}

static void test_keys_take_turns(void **state) {
  (void)state;
  static const char *const keys[] = {"heavy", "heavy", "heavy", "heavy", "light", "third"};
  static const int order[] = {0, 4, 5, 1, 2, 3};
  struct waiter x[6];
  assert_true(health_enter(w.a, 1));
  for (int i = 0; i < 6; i++) {
    x[i] = waiter(keys[i], w.a, 1);
    assert_true(join(&x[i]));
  }
  for (int i = 0; i < 6; i++) leave(w.a, 1000);
  for (int i = 0; i < 6; i++) assert_ptr_equal(w.order[i], &x[order[i]]);
}

static void test_who_cannot_use_the_place_is_passed_by(void **state) {
  (void)state;
  struct waiter first = waiter("k", w.a, 1), second = waiter("k", w.b, 1), third = waiter("l", w.a, 1);
  second.wants[1] = (struct waiting_place){w.a, 1};
  second.count = 2;
  assert_true(health_enter(w.a, 1) && health_enter(w.b, 1));
  assert_true(join(&first) && join(&second) && join(&third));
  leave(w.b, 1000);
  assert_ptr_equal(w.order[0], &second);
  assert_int_equal(second.granted, 0);
  leave(w.a, 1000);
  leave(w.a, 1000);
  assert_true(w.granted == 3 && w.order[1] != w.order[2]);
  assert_false(waiting_for(w.queue, w.b));
}

static void test_withdrawn(void **state) {
  (void)state;
  struct waiter x[3];
  assert_true(health_enter(w.a, 1));
  for (int i = 0; i < 3; i++) {
    x[i] = waiter(i == 1 ? "l" : "k", w.a, 1);
    assert_true(join(&x[i]));
  }
  assert_true(waiting_withdraw(w.queue, &x[1]));
  assert_false(waiting_withdraw(w.queue, &x[1]));
  assert_true(waiting_withdraw(w.queue, &x[2]));
  leave(w.a, 1000);
  assert_int_equal(w.granted, 1);
  assert_int_equal(waiting_count(w.queue), 0);
}

// Two places, held for a second each: two are served in a second.
static void held_a_second(void) {
  struct waiter x = waiter("k", w.a, 2);
  assert_true(health_enter(w.a, 2) && health_enter(w.a, 2));
  assert_true(join(&x));
  leave(w.a, 1000000);
  assert_int_equal(w.granted, 1);
}

static void test_bounds(void **state) {
  (void)state;
  uint64_t ms;
  held_a_second();
  struct waiter x[16], y;
  for (int i = 0; i < 16; i++) x[i] = waiter("k", w.a, 2);
  // By number.
  for (int i = 0; i < 4; i++) assert_true(waiting_join(w.queue, &x[i], 4, PATIENT_MS, 1000, &ms));
  assert_false(waiting_join(w.queue, &x[4], 4, PATIENT_MS, 1000, &ms));
  assert_in_range(ms, 2400, 2600);
  // By time: the fifth is served after two and a half seconds.
  assert_false(waiting_join(w.queue, &x[4], MANY, 2000, 1000, &ms));
  assert_in_range(ms, 2400, 2600);
  // Another key has one of this one's in front of it only.
  y = waiter("l", w.a, 2);
  assert_true(waiting_join(w.queue, &y, MANY, 2000, 1000, &ms));
  assert_in_range(ms, 900, 1100);
  assert_true(waiting_join(w.queue, &x[4], MANY, 3500, 1000, &ms));
  // No burst any more: nobody waits for longer than a second.
  assert_false(waiting_join(w.queue, &x[5], MANY, 3500, 4600, &ms));
  while (waiting_count(w.queue)) leave(w.a, 1000000);
  health_leave(w.a);
  health_leave(w.a);
  assert_true(health_enter(w.a, 2) && health_enter(w.a, 2));
  // It was empty: a new one is a burst again.
  for (int i = 6; i < 10; i++) assert_true(waiting_join(w.queue, &x[i], MANY, 3500, 5000, &ms));
  for (int i = 6; i < 10; i++) assert_true(waiting_withdraw(w.queue, &x[i]));
}

// Those who wait for another provider are in nobody's way.
static void test_a_long_line_elsewhere(void **state) {
  (void)state;
  uint64_t ms;
  held_a_second();
  struct waiter x[16], y[2] = {waiter("k", w.b, 1), waiter("k", w.b, 1)};
  w.granted = 0;
  assert_true(health_enter(w.b, 1) && join(&y[0]));
  leave(w.b, 1000000);
  assert_int_equal(w.granted, 1);
  for (int i = 0; i < 16; i++) {
    x[i] = waiter(i % 2 ? "k" : "l", w.a, 2);
    assert_true(join(&x[i]));
  }
  assert_true(waiting_join(w.queue, &y[1], MANY, 2000, 1000, &ms));
  assert_in_range(ms, 900, 1100);
  assert_true(waiting_withdraw(w.queue, &y[1]));
  for (int i = 0; i < 16; i++) assert_true(waiting_withdraw(w.queue, &x[i]));
}

// --- several loops ---

enum { THREADS = 4, ROUNDS = 4000, LIMIT = 3 };

struct customer {
  struct waiter waiter;
  struct runner *runner;
  bool waits, held;
};

struct runner {
  struct loop *loop;
  struct rand rand;
  struct customer customers[16];
  unsigned served;
};

static atomic_int inside, most;

static void served(struct runner *r) {
  int now = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most);
  while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) {
  }
  r->served++;
}

static void on_turn(struct task *task) {
  struct customer *c = (struct customer *)((char *)task - offsetof(struct customer, waiter.task));
  c->waits = false;
  c->held = true;
  served(c->runner);
}

static void let_go(struct customer *c) {
  c->held = false;
  atomic_fetch_sub(&inside, 1);
  health_leave(w.a);
  waiting_serve(w.queue, w.a, 100);
}

static void *run(void *arg) {
  static const char *const keys[] = {"a", "b", "c"};
  struct runner *r = arg;
  uint64_t ms;
  for (unsigned round = 0; round < ROUNDS; round++) {
    struct customer *c = &r->customers[rand_next(&r->rand) % 16];
    if (c->held) {
      let_go(c);
    } else if (c->waits) {
      if (rand_next(&r->rand) % 4 == 0 && waiting_withdraw(w.queue, &c->waiter)) c->waits = false;
    } else {
      c->waiter = waiter(keys[rand_next(&r->rand) % 3], w.a, LIMIT);
      c->waiter.loop = r->loop;
      c->waiter.task.run = on_turn;
      c->runner = r;
      c->waits = waiting_join(w.queue, &c->waiter, 24, PATIENT_MS, 1000, &ms);
    }
    loop_turn(r->loop, 0);
  }
  // Everybody is served in the end.
  for (bool busy = true; busy;) {
    busy = false;
    loop_turn(r->loop, 1);
    for (int i = 0; i < 16; i++) {
      struct customer *c = &r->customers[i];
      if (c->held) let_go(c);
      busy = busy || c->waits;
    }
  }
  return NULL;
}

static void test_from_several_loops(void **state) {
  (void)state;
  static struct runner runners[THREADS];
  pthread_t threads[THREADS];
  unsigned served_in_all = 0;
  for (int i = 0; i < THREADS; i++) {
    runners[i] = (struct runner){.loop = loop_new(), .rand.state = {(uint64_t)i + 1, 2, 3, 4}};
    assert_non_null(runners[i].loop);
    assert_int_equal(pthread_create(&threads[i], NULL, run, &runners[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    served_in_all += runners[i].served;
    loop_free(runners[i].loop);
  }
  assert_true(served_in_all > 10 * LIMIT);
  assert_int_equal(atomic_load(&inside), 0);
  assert_in_range(atomic_load(&most), 2, LIMIT);
  assert_int_equal(waiting_count(w.queue), 0);
  for (int i = 0; i < LIMIT; i++) assert_true(health_enter(w.a, LIMIT));
  assert_false(health_enter(w.a, LIMIT));
}

int main(void) {
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
  const struct CMUnitTest tests[] = {
      WITH(test_one_after_the_other),
      WITH(test_a_place_that_is_free_is_granted_at_once),
      WITH(test_keys_take_turns),
      WITH(test_who_cannot_use_the_place_is_passed_by),
      WITH(test_withdrawn),
      WITH(test_bounds),
      WITH(test_a_long_line_elsewhere),
      WITH(test_from_several_loops),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
