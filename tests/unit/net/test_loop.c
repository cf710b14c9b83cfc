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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_timer_fires_not_early),
      cmocka_unit_test(test_timer_moved_later_keeps_its_slot),
      cmocka_unit_test(test_timer_moved_earlier),
      cmocka_unit_test(test_timer_beyond_the_horizon),
      cmocka_unit_test(test_a_cleared_timer_is_silent),
      cmocka_unit_test(test_posted_tasks_keep_their_order),
      cmocka_unit_test(test_a_forgotten_descriptor_is_silent_in_the_same_turn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
