// The store of answers: bounds, lifetimes, those who wait; and all of it from several threads.
#include "gateway/response_cache.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// cmocka wants the ones above first
#include <cmocka.h>

#include "base/time.h"

enum { LOTS = 1 << 30 };

static struct cache_ticket *ticket(struct cache_ticket *t, unsigned key) {
  *t = (struct cache_ticket){0};
  memcpy(t->key, &key, sizeof key);
  return t;
}

static struct cache_answer answer(const char *text, uint64_t now, unsigned ttl_s) {
  return (struct cache_answer){.bytes = str_from_cstr(text),
                               .facts = {.source_id = STR("gen-1"), .model = STR("m")},
                               .stored_ms = now,
                               .until_ms = now + ttl_s * 1000ull};
}

static void put(struct response_cache *c, unsigned key, const char *text, uint64_t now, uint64_t max) {
  struct cache_ticket t;
  enum cache_outcome outcome = response_cache_begin(c, ticket(&t, key), true, now);
  assert_true(outcome == CACHE_LEAD || outcome == CACHE_ALONE);
  struct cache_answer a = answer(text, now, 10);
  response_cache_finish(c, &t, &a, max, now);
}

// What is kept under a key; NULL: nothing.
static const char *get(struct response_cache *c, unsigned key, uint64_t now) {
  static char text[64];
  struct cache_ticket t;
  if (response_cache_begin(c, ticket(&t, key), false, now) != CACHE_HIT) {
    response_cache_abandon(c, &t, true);
    return NULL;
  }
  struct str bytes = cache_entry_answer(t.entry)->bytes;
  snprintf(text, sizeof text, "%.*s", STR_ARGS(bytes));
  cache_entry_release(t.entry);
  return text;
}

static void test_kept_for_its_time(void **state) {
  (void)state;
  struct response_cache *c = response_cache_new();
  assert_null(get(c, 1, 0));
  put(c, 1, "one", 1000, LOTS);
  assert_string_equal(get(c, 1, 1000), "one");
  assert_string_equal(get(c, 1, 10999), "one");
  assert_null(get(c, 1, 11000));
  assert_null(get(c, 1, 1001));  // it went for good
  put(c, 1, "one", 1000, LOTS);
  put(c, 1, "another", 2000, LOTS);
  assert_string_equal(get(c, 1, 11500), "another");
  size_t entries, bytes;
  response_cache_measure(c, &entries, &bytes);
  assert_int_equal(entries, 1);
  assert_null(get(c, 2, 12000));  // by the way, what is over goes
  response_cache_measure(c, &entries, &bytes);
  assert_int_equal(entries, 0);
  assert_int_equal(bytes, 0);
  struct cache_ticket t;
  assert_int_equal(response_cache_begin(NULL, ticket(&t, 1), false, 0), CACHE_ALONE);
  response_cache_abandon(NULL, &t, true);
  response_cache_free(c);
}

static void test_longest_unused_go_first(void **state) {
  (void)state;
  struct response_cache *c = response_cache_new();
  size_t entries, bytes, one;
  put(c, 0, "x", 0, LOTS);
  response_cache_measure(c, &entries, &one);
  uint64_t max = 4 * one;
  for (unsigned i = 1; i < 4; i++) put(c, i, "x", 0, max);
  assert_non_null(get(c, 0, 1));  // used: now 1 is the oldest
  put(c, 4, "x", 1, max);
  assert_non_null(get(c, 0, 1));
  assert_null(get(c, 1, 1));
  assert_non_null(get(c, 2, 1));
  // One that takes all the room, one that finds none.
  static char big[1000];
  memset(big, 'x', sizeof big - 1);
  put(c, 9, big, 1, one + 998);
  response_cache_measure(c, &entries, &bytes);
  assert_int_equal(entries, 1);
  put(c, 9, big, 1, one + 997);  // and what was there is not true any more
  assert_null(get(c, 9, 1));
  for (unsigned i = 0; i < 100000; i++) put(c, i, "x", 1, 100 * one);
  response_cache_measure(c, &entries, &bytes);
  assert_int_equal(entries, 100);
  assert_int_equal(bytes, 100 * one);
  put(c, 5, "x", 1, 0);
  response_cache_free(c);
}

// --- waiting, on one loop ---

static struct loop *l;
static unsigned woken;

static void on_woken(struct task *task) {
  (void)task;
  woken++;
}

static struct cache_ticket *waiter(struct cache_ticket *t, unsigned key) {
  ticket(t, key);
  t->loop = l;
  t->task.run = on_woken;
  return t;
}

static void test_those_who_wait_get_the_answer(void **state) {
  (void)state;
  l = loop_new();
  woken = 0;
  struct response_cache *c = response_cache_new();
  struct cache_ticket lead, wait[5], other;
  assert_int_equal(response_cache_begin(c, waiter(&lead, 1), false, 0), CACHE_LEAD);
  for (int i = 0; i < 5; i++) assert_int_equal(response_cache_begin(c, waiter(&wait[i], 1), false, 0), CACHE_WAIT);
  assert_int_equal(response_cache_begin(c, waiter(&other, 2), false, 0), CACHE_LEAD);
  assert_true(response_cache_withdraw(c, &wait[0]));  // first, middle, last
  assert_true(response_cache_withdraw(c, &wait[2]));
  assert_true(response_cache_withdraw(c, &wait[4]));
  struct cache_answer a = answer("text", 0, 10);
  response_cache_finish(c, &lead, &a, 0, 0);  // even without room to keep it
  loop_finish(l);
  assert_int_equal(woken, 2);
  assert_int_equal(wait[1].outcome, CACHE_HIT);
  assert_int_equal(wait[3].outcome, CACHE_HIT);
  assert_false(response_cache_withdraw(c, &wait[1]));
  assert_true(str_eq(cache_entry_answer(wait[3].entry)->bytes, STR("text")));
  assert_true(str_eq(cache_entry_answer(wait[3].entry)->facts.source_id, STR("gen-1")));
  cache_entry_release(wait[1].entry);
  cache_entry_release(wait[3].entry);
  assert_null(get(c, 1, 0));
  response_cache_abandon(c, &other, true);
  response_cache_free(c);
  loop_free(l);
}

static void test_a_leader_fails_or_leaves(void **state) {
  (void)state;
  l = loop_new();
  woken = 0;
  struct response_cache *c = response_cache_new();
  struct cache_ticket t[4];
  for (int i = 0; i < 4; i++) response_cache_begin(c, waiter(&t[i], 1), false, 0);
  response_cache_abandon(c, &t[0], false);  // its client left: the next leads
  loop_finish(l);
  assert_int_equal(woken, 1);
  assert_int_equal(t[1].outcome, CACHE_LEAD);
  assert_int_equal(t[2].outcome, CACHE_WAIT);
  response_cache_abandon(c, &t[1], true);  // it failed: everybody alone
  loop_finish(l);
  assert_int_equal(woken, 3);
  assert_int_equal(t[2].outcome, CACHE_ALONE);
  assert_int_equal(t[3].outcome, CACHE_ALONE);
  struct cache_answer a = answer("text", 0, 10);
  response_cache_finish(c, &t[2], &a, LOTS, 0);  // and one of them may do better
  response_cache_abandon(c, &t[3], true);
  assert_string_equal(get(c, 1, 0), "text");
  // The last one to leave closes the door.
  response_cache_begin(c, waiter(&t[0], 2), false, 0);
  response_cache_abandon(c, &t[0], false);
  response_cache_free(c);
  loop_free(l);
}

static void test_fresh(void **state) {
  (void)state;
  l = loop_new();
  struct response_cache *c = response_cache_new();
  struct cache_ticket lead, fresh;
  put(c, 1, "old", 0, LOTS);
  assert_int_equal(response_cache_begin(c, waiter(&lead, 1), true, 0), CACHE_LEAD);
  assert_int_equal(response_cache_begin(c, waiter(&fresh, 1), true, 0), CACHE_ALONE);
  struct cache_answer a = answer("fresh", 0, 10), b = answer("lead", 0, 10);
  response_cache_finish(c, &fresh, &a, LOTS, 0);
  assert_string_equal(get(c, 1, 0), "fresh");
  response_cache_finish(c, &lead, &b, LOTS, 0);
  assert_string_equal(get(c, 1, 0), "lead");
  response_cache_free(c);
  loop_free(l);
}

// --- several loops: everybody asks for a few keys, leads, fails, leaves, or waits; nobody waits in vain ---

enum { THREADS = 4, CLIENTS = 32, ROUNDS = 1500, KEYS = 3 };

struct player {
  struct cache_ticket ticket;
  struct side *side;
  struct task again, end, leave;
  unsigned rounds;
  bool waits, gone, leaving;
};

struct side {
  struct loop *loop;
  pthread_t thread;
  struct player players[CLIENTS];
  unsigned left, hits, alone, led, withdrawn, too_late;
  uint64_t random;
};

static struct response_cache *shared;

static unsigned chance(struct side *s, unsigned n) {
  s->random = s->random * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(s->random >> 33) % n;
}

static void play(struct task *task);

static void next_round(struct player *p) {
  if (++p->rounds < ROUNDS)
    loop_defer(p->side->loop, &p->again);
  else if (--p->side->left == 0)
    loop_stop(p->side->loop);
}

// The answer is there, or not.
static void on_end(struct task *task) {
  struct player *p = (struct player *)((char *)task - offsetof(struct player, end));
  unsigned how = chance(p->side, 8);
  if (how < 5) {
    struct cache_answer a = answer("an answer", 0, how ? 10 : 0);
    response_cache_finish(shared, &p->ticket, &a, how == 1 ? 0 : 10000, 0);
  } else {
    response_cache_abandon(shared, &p->ticket, how < 7);
  }
  next_round(p);
}

static void go_on(struct player *p, enum cache_outcome outcome) {
  struct side *s = p->side;
  if (outcome == CACHE_HIT) {
    s->hits++;
    if (!str_eq(cache_entry_answer(p->ticket.entry)->bytes, STR("an answer"))) abort();
    cache_entry_release(p->ticket.entry);
    next_round(p);
    return;
  }
  s->alone += outcome == CACHE_ALONE;
  s->led += outcome == CACHE_LEAD;
  loop_post(s->loop, &p->end);
}

// Its client leaves, perhaps when the wait is over or another has begun.
static void on_leave(struct task *task) {
  struct player *p = (struct player *)((char *)task - offsetof(struct player, leave));
  p->leaving = false;
  if (!p->waits || p->gone) return;
  if (response_cache_withdraw(shared, &p->ticket)) {
    p->side->withdrawn++;
    p->waits = false;
    next_round(p);
  } else {
    p->side->too_late++;
    p->gone = true;
  }
}

static void on_wait_over(struct task *task) {
  struct player *p = (struct player *)((char *)task - offsetof(struct player, ticket.task));
  p->waits = false;
  if (!p->gone) {
    go_on(p, p->ticket.outcome);
    return;
  }
  if (p->ticket.outcome == CACHE_HIT)
    cache_entry_release(p->ticket.entry);
  else
    response_cache_abandon(shared, &p->ticket, false);
  next_round(p);
}

static void play(struct task *task) {
  struct player *p = (struct player *)((char *)task - offsetof(struct player, again));
  struct side *s = p->side;
  ticket(&p->ticket, chance(s, KEYS));
  p->ticket.loop = s->loop;
  p->ticket.task.run = on_wait_over;
  p->gone = false;
  enum cache_outcome outcome = response_cache_begin(shared, &p->ticket, chance(s, 4) == 0, 0);
  if (outcome != CACHE_WAIT) {
    go_on(p, outcome);
    return;
  }
  p->waits = true;
  if (chance(s, 3) == 0 && !p->leaving) {
    p->leaving = true;
    loop_post(s->loop, &p->leave);
  }
}

static void *side_run(void *arg) {
  struct side *s = arg;
  for (unsigned i = 0; i < CLIENTS; i++) {
    struct player *p = &s->players[i];
    *p = (struct player){.side = s, .again = {.run = play}, .end = {.run = on_end}, .leave = {.run = on_leave}};
    loop_post(s->loop, &p->again);
  }
  s->left = CLIENTS;
  loop_run(s->loop);
  loop_finish(s->loop);
  return NULL;
}

static void test_several_loops(void **state) {
  (void)state;
  static struct side sides[THREADS];
  unsigned hits = 0, alone = 0, led = 0, withdrawn = 0, too_late = 0;
  shared = response_cache_new();
  for (unsigned i = 0; i < THREADS; i++) {
    sides[i] = (struct side){.loop = loop_new(), .random = i + 1};
    assert_int_equal(pthread_create(&sides[i].thread, NULL, side_run, &sides[i]), 0);
  }
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(sides[i].thread, NULL);
    hits += sides[i].hits;
    alone += sides[i].alone;
    led += sides[i].led;
    withdrawn += sides[i].withdrawn;
    too_late += sides[i].too_late;
  }
  print_message("hits %u, led %u, alone %u, withdrawn %u, too late %u\n", hits, led, alone, withdrawn, too_late);
  assert_true(hits && led && alone && withdrawn);
  for (unsigned i = 0; i < THREADS; i++) loop_free(sides[i].loop);
  response_cache_free(shared);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_kept_for_its_time),
      cmocka_unit_test(test_longest_unused_go_first),
      cmocka_unit_test(test_those_who_wait_get_the_answer),
      cmocka_unit_test(test_a_leader_fails_or_leaves),
      cmocka_unit_test(test_fresh),
      cmocka_unit_test(test_several_loops),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
