// The share of hedges is kept by all loops together.
#include "gateway/hedge_share.c"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants the three above first
#include <cmocka.h>

static void test_shares(void **state) {
  (void)state;
  static const struct {
    int64_t requests;
    unsigned percent;
    int64_t most;
  } cases[] = {{0, 2, 0},  {1, 0, 0},     {1000, 0, 0},      {1, 2, 1},  {50, 2, 1},
               {51, 2, 2}, {1000, 2, 20}, {1000, 100, 1000}, {3, 50, 2}, {INT64_C(1) << 50, 1, 1000}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct hedge_share s = {0};
    int64_t n = 0;
    while (n < 1000 && hedge_share_take(&s, cases[i].requests, cases[i].percent)) n++;
    assert_int_equal(n, cases[i].most);
    if (!n || n == 1000) continue;
    hedge_share_give(&s);
    assert_true(hedge_share_take(&s, cases[i].requests, cases[i].percent));
    assert_false(hedge_share_take(&s, cases[i].requests, cases[i].percent));
  }
}

enum { THREADS = 8, REQUESTS = 200000, PERCENT = 3 };

static struct hedge_share shared;
static _Atomic(int64_t) requests, over;

// As loops do: a request, then perhaps a hedge for it, which is sometimes not made.
static void *loop(void *taken) {
  for (int i = 0; i < REQUESTS / THREADS; i++) {
    int64_t seen = atomic_fetch_add(&requests, 1) + 1;
    if (!hedge_share_take(&shared, seen, PERCENT)) continue;
    if (atomic_load(&shared.made) * 100 > (atomic_load(&requests) + 100) * PERCENT) over++;
    if (i % 7)
      ++*(int64_t *)taken;
    else
      hedge_share_give(&shared);
  }
  return NULL;
}

static void test_many_loops(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  int64_t taken[THREADS] = {0}, sum = 0;
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, loop, &taken[i]), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) sum += taken[i];
  assert_int_equal(over, 0);
  assert_int_equal(atomic_load(&shared.made), sum);
  assert_in_range(sum, REQUESTS * PERCENT / 100 - THREADS, REQUESTS * PERCENT / 100 + 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares), cmocka_unit_test(test_many_loops)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
