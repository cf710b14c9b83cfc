// Timers, tasks and descriptors of the event loop.
#include "net/loop.c"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants the three above first
#include <cmocka.h>

static struct loop *l;
static uint64_t fired_ms;

static void on_fire_stop(struct timer *t) {
  (void)t;
  fired_ms = loop_now_ms(l);
  loop_stop(l);
}

static void test_timer_fires_not_early(void **state) {
  (void)state;
  l = loop_new();
  struct timer t = {.on_fire = on_fire_stop};
  uint64_t began = loop_now_ms(l);
  timer_set(l, &t, 60);
  loop_run(l);
  assert_true(fired_ms - began >= 60);
  assert_true(fired_ms - began < 2000);
  assert_false(timer_is_set(&t));
  loop_free(l);
}

static void test_timer_moved_later_keeps_its_slot(void **state) {
  (void)state;
  l = loop_new();
  struct timer t = {.on_fire = on_fire_stop};
  uint64_t began = loop_now_ms(l);
  timer_set(l, &t, 20);
  struct timer *slot = t.prev;
  timer_set(l, &t, 100);
  assert_ptr_equal(slot, t.prev);
  loop_run(l);
  assert_true(fired_ms - began >= 100);
  loop_free(l);
}

static void test_timer_moved_earlier(void **state) {
  (void)state;
  l = loop_new();
  struct timer t = {.on_fire = on_fire_stop};
  uint64_t began = loop_now_ms(l);
  timer_set(l, &t, 1000000);
  timer_set(l, &t, 30);
  loop_run(l);
  assert_true(fired_ms - began < 5000);
  loop_free(l);
}

static void test_timer_beyond_the_horizon(void **state) {
  (void)state;
  l = loop_new();
  struct timer t = {.on_fire = on_fire_stop};
  timer_set(l, &t, 100000);  // the wheel spans 16 s
  assert_true(t.slot_ms < l->now_ms + SLOTS * TICK_MS + TICK_MS);
  // Walk the clock by hand through the horizon.
  for (int i = 0; i < 7; i++) {
    l->now_ms += 15000;
    bool due = t.due_ms <= l->now_ms;
    timers_run(l);
    assert_int_equal(timer_is_set(&t), !due);
  }
  assert_true(l->stopping);
  loop_free(l);
}

static void test_a_cleared_timer_is_silent(void **state) {
  (void)state;
  l = loop_new();
  struct timer quiet = {.on_fire = on_fire_stop}, t = {.on_fire = on_fire_stop};
  timer_set(l, &quiet, 10);
  timer_set(l, &t, 50);
  timer_clear(&quiet);
  timer_clear(&quiet);
  uint64_t began = loop_now_ms(l);
  loop_run(l);
  assert_true(fired_ms - began >= 50);
  loop_free(l);
}

static int order[3], ran;
struct numbered {
  struct task task;
  int number;
};
static void note(struct task *task) {
  order[ran++] = ((struct numbered *)task)->number;
  if (ran == 3) loop_stop(l);
}
static void *post_three(void *tasks) {
  for (int i = 0; i < 3; i++) loop_post(l, &((struct numbered *)tasks)[i].task);
  return NULL;
}

static void test_posted_tasks_keep_their_order(void **state) {
  (void)state;
  l = loop_new();
  ran = 0;
  struct numbered tasks[3] = {{{.run = note}, 1}, {{.run = note}, 2}, {{.run = note}, 3}};
  pthread_t thread;
  pthread_create(&thread, NULL, post_three, tasks);
  loop_run(l);
  pthread_join(thread, NULL);
  for (int i = 0; i < 3; i++) assert_int_equal(order[i], i + 1);
  loop_free(l);
}

static struct io ends[2];
static int seen;
static void on_first(struct io *io, uint32_t events) {
  (void)events;
  seen++;
  // Whichever comes first forgets the other: it must not be called in the same turn.
  loop_forget(l, io == &ends[0] ? &ends[1] : &ends[0]);
  loop_forget(l, io);
  loop_stop(l);
}

static void test_a_forgotten_descriptor_is_silent_in_the_same_turn(void **state) {
  (void)state;
  l = loop_new();
  seen = 0;
  for (int i = 0; i < 2; i++) {
    ends[i] = (struct io){.fd = eventfd(1, EFD_NONBLOCK), .on_ready = on_first};
    assert_true(loop_watch(l, &ends[i], EPOLLIN));
  }
  loop_run(l);
  assert_int_equal(seen, 1);
  close(ends[0].fd);
  close(ends[1].fd);
  loop_free(l);
}

enum { NEW = 6, LONG_MS = 8 };
static struct io fresh[NEW], begun;
static struct io *told[32];
static unsigned told_count;

static void on_fresh(struct io *io, uint32_t events) {
  (void)events;
  uint64_t value, until = time_mono_ns() + LONG_MS * 1000000ull, one = 1;
  assert_int_equal(read(io->fd, &value, sizeof value), (ssize_t)sizeof value);
  told[told_count++] = io;
  // Something that has begun goes on meanwhile.
  if (io == &fresh[0]) assert_int_equal(write(begun.fd, &one, sizeof one), (ssize_t)sizeof one);
  while (time_mono_ns() < until) {
  }
}

static void on_begun(struct io *io, uint32_t events) {
  (void)events;
  uint64_t value;
  assert_int_equal(read(io->fd, &value, sizeof value), (ssize_t)sizeof value);
  told[told_count++] = io;
}

// What is new waits for a later turn when it takes long, in its order; what has begun does not wait for it.
static void test_what_has_begun_goes_first(void **state) {
  (void)state;
  l = loop_new();
  told_count = 0;
  begun = (struct io){.fd = eventfd(0, EFD_NONBLOCK), .on_ready = on_begun, .comes_first = true};
  assert_true(loop_watch(l, &begun, EPOLLIN));
  for (int i = 0; i < NEW; i++) {
    fresh[i] = (struct io){.fd = eventfd(1, EFD_NONBLOCK), .on_ready = on_fresh};
    assert_true(loop_watch(l, &fresh[i], EPOLLIN | (i % 2 ? EPOLLET : 0)));
  }
  assert_true(loop_turn(l, 0) > 0);
  assert_in_range(told_count, 1, 2);
  assert_int_equal(loop_wait_ms(l), 0);
  loop_forget(l, &fresh[NEW - 1]);  // while it waits
  assert_true(loop_lag_us(l) == 0 || l->probe_sent_ns);
  for (int i = 0; i < 10; i++) loop_turn(l, 0);
  assert_int_equal(told_count, NEW);
  unsigned at = 0, begun_at = 0;
  for (unsigned i = 0; i < told_count; i++) {
    if (told[i] == &begun)
      begun_at = i;
    else
      assert_ptr_equal(told[i], &fresh[at++]);
  }
  assert_in_range(begun_at, 1, 2);
  assert_true(loop_lag_us(l) >= 2 * LONG_MS * 1000);  // the probe stood behind them
  // Long after there was anything to do, nothing has to wait.
  loop_turn(l, 0);
  usleep(150 * 1000);
  loop_turn(l, 0);
  assert_int_equal(loop_lag_us(l), 0);
  for (int i = 0; i < NEW; i++) close(fresh[i].fd);
  close(begun.fd);
  loop_free(l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_timer_fires_not_early),
      cmocka_unit_test(test_timer_moved_later_keeps_its_slot),
      cmocka_unit_test(test_timer_moved_earlier),
      cmocka_unit_test(test_timer_beyond_the_horizon),
      cmocka_unit_test(test_a_cleared_timer_is_silent),
      cmocka_unit_test(test_posted_tasks_keep_their_order),
      cmocka_unit_test(test_a_forgotten_descriptor_is_silent_in_the_same_turn),
      cmocka_unit_test(test_what_has_begun_goes_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
