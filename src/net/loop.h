// One event loop of one thread: descriptors (epoll), timers (a wheel, looked at once a turn), tasks
// posted by other threads, and work put off to the end of the turn. The clock is read once a turn.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct loop;

// A watched descriptor; embed it. `on_ready` gets EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR bits.
struct io {
  int fd;
  uint32_t events;   // what is registered; 0: not watched
  bool comes_first;  // what has begun goes on before anything new: in every turn, and all of it
  void (*on_ready)(struct io *io, uint32_t events);
  // the loop's: of those that do not come first, in the queue of what is ready
  uint32_t pending;  // the events it will be told of; 0: not in the queue
  struct io *next, *prev;
};

// A timer; embed it. Setting it later than it stands costs a store: the wheel looks again when the old moment comes.
struct timer {
  struct timer *next, *prev;  // in a slot of the wheel; NULL: not set
  uint64_t due_ms;            // when on_fire is called
  uint64_t slot_ms;           // when the wheel looks at it
  void (*on_fire)(struct timer *timer);
};

// Work to be done later; embed it. It may be queued once at a time.
struct task {
  struct task *next;
  void (*run)(struct task *task);
};

struct loop *loop_new(void);  // NULL: out of memory or descriptors
void loop_free(struct loop *l);
// Turns until loop_stop.
void loop_run(struct loop *l);
void loop_stop(struct loop *l);  // from the loop's own thread
// One turn of it, for who turns it by hand: waits `wait_ms` at most (-1: without end) for descriptors. Returns how many
// had something to say.
int loop_turn(struct loop *l, int wait_ms);
// How long the next turn may wait: milliseconds until a timer must be looked at (it may turn out to be set for later),
// 0 when a task was posted or something that is ready still waits; -1: nothing but descriptors is waited for.
int loop_wait_ms(const struct loop *l);

// After loop_run has returned: runs what was posted and deferred since. From the thread that ends the loop.
void loop_finish(struct loop *l);

// How long what becomes ready now will probably have to wait for its turn, in microseconds: as a probe, sent every ten
// milliseconds while there is something to do, had to wait last, or has been waiting for by now.
uint64_t loop_lag_us(const struct loop *l);

// Registers, changes or (events 0) removes interest. False: the kernel refused.
MUST_CHECK bool loop_watch(struct loop *l, struct io *io, uint32_t events);
// Edge-triggered (EPOLLET among the events): asks for the event again if there still is, or already, reason for it.
MUST_CHECK bool loop_rearm(struct loop *l, struct io *io);
// Must be called before the descriptor is closed. Events already fetched for it in this turn are not delivered.
void loop_forget(struct loop *l, struct io *io);

// Fires `ms` from now (at least that much, at most 16 ms later), replacing an earlier setting.
void timer_set(struct loop *l, struct timer *t, uint64_t ms);
void timer_clear(struct timer *t);
static inline bool timer_is_set(const struct timer *t) {
  return t->prev != 0;
}

// At the end of this turn, on this thread: frees and other things that must not happen inside a callback.
void loop_defer(struct loop *l, struct task *task);
// From any thread: runs on the loop's thread, soon.
void loop_post(struct loop *l, struct task *task);

// The present turn's clocks.
uint64_t loop_now_ns(const struct loop *l);
uint64_t loop_now_ms(const struct loop *l);
// Unix time as of the first call in this turn.
uint64_t loop_unix_us(struct loop *l);
