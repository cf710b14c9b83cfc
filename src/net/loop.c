#define _GNU_SOURCE
#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/time.h"

enum {
  EVENTS_A_TURN = 256,
  TURN_NS = 10 * 1000 * 1000,  // after which what does not come first waits for the next turn
  TICK_MS = 16,
  PROBE_MS = 10,
  LAG_OLD_NS = 100 * 1000 * 1000,  // with nothing to do since: what a probe found then says nothing any more
  SLOTS = 1024,                    // a horizon of 16 s; later timers are looked at there and put back
};

struct loop {
  int epoll_fd;
  bool stopping;
  uint64_t now_ns, now_ms;
  uint64_t unix_us;  // of this turn; 0: nobody has asked yet
  // this turn's events; loop_forget blanks the entries of a descriptor that is going away
  struct epoll_event events[EVENTS_A_TURN];
  int event_count;
  struct io *ready, *ready_last;  // what does not come first, in the order in which it became ready
  // timers
  uint64_t tick;              // the last tick that has been looked at
  struct timer slots[SLOTS];  // list heads
  uint64_t occupied[SLOTS / 64];
  // tasks
  struct task *deferred, **deferred_tail;
  _Atomic(struct task *) posted;  // newest first
  struct io wake;
  // lag: an event of our own that waits in line with all others
  struct io probe;
  uint64_t probe_sent_ns;  // 0: none is waiting
  uint64_t probe_next_ms;
  uint64_t lag_ns;     // of the last
  uint64_t lag_at_ns;  // found then
};

static void on_wake(struct io *io, uint32_t events) {
  (void)events;
  uint64_t count;
  while (read(io->fd, &count, sizeof count) > 0) {
  }
}

static struct loop *loop_of_probe(struct io *io) {
  return (struct loop *)((char *)io - offsetof(struct loop, probe));
}

static void on_probe(struct io *io, uint32_t events) {
  (void)events;
  struct loop *l = loop_of_probe(io);
  l->lag_at_ns = time_mono_ns();
  l->lag_ns = l->lag_at_ns - l->probe_sent_ns;
  l->probe_sent_ns = 0;
  l->probe_next_ms = l->now_ms + PROBE_MS;
}

// A turn that began so long after the last probe was answered, and no other is on its way: there was nothing to do.
static bool lag_is_old(const struct loop *l) {
  return l->now_ns > l->lag_at_ns + LAG_OLD_NS;
}

static void probe_send(struct loop *l) {
  uint64_t one = 1;
  if (lag_is_old(l)) l->lag_ns = 0;
  l->probe_sent_ns = time_mono_ns();
  // Edge-triggered and never read: each write is an event.
  if (write(l->probe.fd, &one, sizeof one) != (ssize_t)sizeof one) l->probe_sent_ns = 0;
}

uint64_t loop_lag_us(const struct loop *l) {
  if (!l->probe_sent_ns) return lag_is_old(l) ? 0 : l->lag_ns / 1000;
  uint64_t now = time_mono_ns(), so_far = now > l->probe_sent_ns ? now - l->probe_sent_ns : 0;
  return (so_far > l->lag_ns ? so_far : l->lag_ns) / 1000;
}

static void clock_read(struct loop *l) {
  l->now_ns = time_mono_ns();
  l->now_ms = l->now_ns / 1000000;
  l->unix_us = 0;
}

struct loop *loop_new(void) {
  struct loop *l = calloc(1, sizeof *l);
  if (!l) return NULL;
  l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  l->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  l->wake.on_ready = on_wake;
  l->probe.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  l->probe.on_ready = on_probe;
  l->deferred_tail = &l->deferred;
  for (int i = 0; i < SLOTS; i++) l->slots[i].next = l->slots[i].prev = &l->slots[i];
  clock_read(l);
  l->tick = l->now_ms / TICK_MS;
  if (l->epoll_fd < 0 || l->wake.fd < 0 || l->probe.fd < 0 || !loop_watch(l, &l->wake, EPOLLIN) ||
      !loop_watch(l, &l->probe, EPOLLIN | EPOLLET)) {
    loop_free(l);
    return NULL;
  }
  return l;
}

void loop_free(struct loop *l) {
  if (!l) return;
  if (l->epoll_fd >= 0) close(l->epoll_fd);
  if (l->wake.fd >= 0) close(l->wake.fd);
  if (l->probe.fd >= 0) close(l->probe.fd);
  free(l);
}

uint64_t loop_now_ns(const struct loop *l) {
  return l->now_ns;
}

uint64_t loop_now_ms(const struct loop *l) {
  return l->now_ms;
}

uint64_t loop_unix_us(struct loop *l) {
  if (!l->unix_us) l->unix_us = time_unix_us();
  return l->unix_us;
}

// --- descriptors ---

bool loop_watch(struct loop *l, struct io *io, uint32_t events) {
  assert(io->fd >= 0);
  if (io->events == events) return true;
  int op = !io->events ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
  struct epoll_event ev = {.events = events, .data.ptr = io};
  if (epoll_ctl(l->epoll_fd, op, io->fd, &ev) != 0) return false;
  io->events = events;
  return true;
}

bool loop_rearm(struct loop *l, struct io *io) {
  struct epoll_event ev = {.events = io->events, .data.ptr = io};
  return !io->events || epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, io->fd, &ev) == 0;
}

static void ready_add(struct loop *l, struct io *io, uint32_t events) {
  if (!io->pending) {
    io->next = NULL;
    io->prev = l->ready_last;
    if (io->prev)
      io->prev->next = io;
    else
      l->ready = io;
    l->ready_last = io;
  }
  io->pending |= events;
}

static void ready_remove(struct loop *l, struct io *io) {
  if (io->next)
    io->next->prev = io->prev;
  else
    l->ready_last = io->prev;
  if (io->prev)
    io->prev->next = io->next;
  else
    l->ready = io->next;
  io->pending = 0;
}

void loop_forget(struct loop *l, struct io *io) {
  if (io->events) {
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
    io->events = 0;
  }
  if (io->pending) ready_remove(l, io);
  for (int i = 0; i < l->event_count; i++)
    if (l->events[i].data.ptr == io) l->events[i].data.ptr = NULL;
}

// --- timers ---

static void slot_insert(struct loop *l, struct timer *t) {
  // Round up to the tick behind the moment, so that a timer never fires early; never the slot being looked at.
  uint64_t tick = t->due_ms / TICK_MS + 1;
  if (tick <= l->tick) tick = l->tick + 1;
  if (tick > l->tick + SLOTS - 1) tick = l->tick + SLOTS - 1;
  t->slot_ms = tick * TICK_MS;
  struct timer *head = &l->slots[tick % SLOTS];
  t->prev = head->prev;
  t->next = head;
  head->prev->next = t;
  head->prev = t;
  l->occupied[tick % SLOTS / 64] |= 1ull << (tick % 64);
}

void timer_set(struct loop *l, struct timer *t, uint64_t ms) {
  t->due_ms = l->now_ms + ms;
  if (t->prev && t->slot_ms <= t->due_ms) return;  // looked at early enough, and put back then
  timer_clear(t);
  slot_insert(l, t);
}

void timer_clear(struct timer *t) {
  if (!t->prev) return;
  t->prev->next = t->next;
  t->next->prev = t->prev;
  t->next = t->prev = NULL;
}

static void slot_run(struct loop *l, uint64_t tick) {
  struct timer *head = &l->slots[tick % SLOTS];
  l->occupied[tick % SLOTS / 64] &= ~(1ull << (tick % 64));
  if (head->next == head) return;
  // Take the whole list first: callbacks set and clear timers.
  struct timer list = {.next = head->next, .prev = head->prev};
  list.next->prev = &list;
  list.prev->next = &list;
  head->next = head->prev = head;
  while (list.next != &list) {
    struct timer *t = list.next;
    timer_clear(t);
    if (t->due_ms > l->now_ms)
      slot_insert(l, t);
    else
      t->on_fire(t);
  }
}

static void timers_run(struct loop *l) {
  uint64_t now = l->now_ms / TICK_MS;
  if (now - l->tick >= SLOTS) l->tick = now - (SLOTS - 1);  // slept past the horizon: each slot once
  while (l->tick < now) slot_run(l, ++l->tick);
}

// Milliseconds until a slot holds something; -1: none does.
static int timers_wait(const struct loop *l) {
  for (uint64_t ahead = 1; ahead < SLOTS;) {
    uint64_t tick = l->tick + ahead, bit = tick % 64;
    uint64_t word = l->occupied[tick % SLOTS / 64] >> bit;
    if (word) {
      ahead += (uint64_t)__builtin_ctzll(word);
      uint64_t at = (l->tick + ahead) * TICK_MS;
      return at > l->now_ms ? (int)(at - l->now_ms) : 0;
    }
    ahead += 64 - bit;
  }
  return -1;
}

// --- tasks ---

void loop_defer(struct loop *l, struct task *task) {
  task->next = NULL;
  *l->deferred_tail = task;
  l->deferred_tail = &task->next;
}

void loop_post(struct loop *l, struct task *task) {
  struct task *old = atomic_load_explicit(&l->posted, memory_order_relaxed);
  do task->next = old;
  while (!atomic_compare_exchange_weak_explicit(&l->posted, &old, task, memory_order_acq_rel, memory_order_relaxed));
  if (!old) {  // whoever finds the list empty wakes the loop
    uint64_t one = 1;
    ssize_t written = write(l->wake.fd, &one, sizeof one);
    (void)written;  // only fails when the counter is full, which wakes as well
  }
}

static void posted_run(struct loop *l) {
  struct task *list = atomic_exchange_explicit(&l->posted, NULL, memory_order_acq_rel), *in_order = NULL;
  while (list) {
    struct task *next = list->next;
    list->next = in_order;
    in_order = list;
    list = next;
  }
  while (in_order) {
    struct task *task = in_order;
    in_order = task->next;
    task->run(task);
  }
}

static void deferred_run(struct loop *l) {
  while (l->deferred) {
    struct task *list = l->deferred;
    l->deferred = NULL;
    l->deferred_tail = &l->deferred;
    while (list) {
      struct task *task = list;
      list = task->next;
      task->run(task);
    }
  }
}

// --- the turn ---

static void events_run(struct loop *l) {
  for (int i = 0; i < l->event_count; i++) {
    struct io *io = l->events[i].data.ptr;
    if (!io || !io->comes_first || io->pending) continue;
    l->events[i].data.ptr = NULL;
    io->on_ready(io, l->events[i].events);
  }
  for (int i = 0; i < l->event_count; i++)
    if (l->events[i].data.ptr) ready_add(l, l->events[i].data.ptr, l->events[i].events);
  l->event_count = 0;
}

static void ready_run(struct loop *l) {
  while (l->ready) {
    struct io *io = l->ready;
    uint32_t events = io->pending;
    ready_remove(l, io);
    io->on_ready(io, events);
    if (time_mono_ns() - l->now_ns > TURN_NS) return;
  }
}

int loop_wait_ms(const struct loop *l) {
  return l->ready || atomic_load_explicit(&l->posted, memory_order_relaxed) ? 0 : timers_wait(l);
}

int loop_turn(struct loop *l, int wait_ms) {
  int n = epoll_wait(l->epoll_fd, l->events, EVENTS_A_TURN, wait_ms);
  clock_read(l);
  l->event_count = n > 0 ? n : 0;
  bool probed = n == 1 && l->events[0].data.ptr == &l->probe;
  events_run(l);
  ready_run(l);
  posted_run(l);
  timers_run(l);
  deferred_run(l);
  bool others = l->ready || n > 1 || (n == 1 && !probed);
  if (others && !l->probe_sent_ns && l->now_ms >= l->probe_next_ms) probe_send(l);
  return l->ready && n < 1 ? 1 : n;
}

void loop_run(struct loop *l) {
  while (!l->stopping) loop_turn(l, loop_wait_ms(l));
}

void loop_finish(struct loop *l) {
  posted_run(l);
  deferred_run(l);
}

void loop_stop(struct loop *l) {
  l->stopping = true;
}
