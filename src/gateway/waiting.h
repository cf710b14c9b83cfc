// The queue of requests for which every provider that could answer has as many under way as it may have
// (providers[].max_concurrency). One for all loops, so that places are handed out in turn whatever loop a request is
// on: a place that gets free goes to the next of the keys that wait for it, and within a key to the request that came
// first.
//
// Bounded in number; each waits until its deadline at most, and one that would not be served by then is not let in. A
// burst may use all of that time. When the queue was never empty for as long, it is no burst: then it is kept so short
// that waiting takes no longer than being served, and the rest is refused at once (the controlled delay of B. Maurer,
// "Fail at Scale", ACM Queue 13(8), 2015).
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/loop.h"
#include "policy/health.h"

enum { WAITING_PLACES = 16 };

// One that waits; the caller's, all zero before. `wants`, `count`, `key`, `loop` and `task.run` are set by the caller.
struct waiter {
  struct waiting_place {
    struct health_record *record;  // the provider's
    unsigned limit;                // of requests under way there
  } wants[WAITING_PLACES];
  unsigned count;
  const void *key;  // whose request it is: keys are served in turn
  struct loop *loop;
  struct task task;  // runs on `loop` once a place is the waiter's: wants[granted], entered for it
  int granted;
  // the queue's
  bool queued;
  struct lane *lane;
  struct waiter *next;
};

struct waiting;
struct waiting *waiting_new(void);  // NULL: out of memory
void waiting_free(struct waiting *w);

// Joins the queue; a place that is free by now is granted at once (through the task). False: the queue holds `max`
// already, memory is out, or the request would not be served within `timeout_ms`; *retry_after_ms is then how long the
// queue as it stands will take, 0: not known.
MUST_CHECK bool waiting_join(struct waiting *w, struct waiter *x, unsigned max, uint64_t timeout_ms, uint64_t now_ms,
                             uint64_t *retry_after_ms);
// Leaves it. False: a place has been granted, and the task will run.
bool waiting_withdraw(struct waiting *w, struct waiter *x);
// Somebody waits for a place there: who comes now has to queue behind.
bool waiting_for(struct waiting *w, const struct health_record *record);
// A place there has become free: after health_leave. `held_us`: it was held so long; 0: for nothing.
void waiting_serve(struct waiting *w, struct health_record *record, uint64_t held_us);
// How many wait.
unsigned waiting_count(struct waiting *w);
