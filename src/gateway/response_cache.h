// Answers kept for requests that come again, for all loops: bounded in bytes (the longest unused go) and in time. A
// request that comes while another with the same key is under way waits for that one's answer.
//
//   begin ─┬─ HIT    ticket->entry: give it to the client, then release
//          ├─ LEAD   run it, then finish or abandon
//          ├─ ALONE  run it, then finish or abandon; nobody waits
//          └─ WAIT   the ticket's task runs on its loop with one of the others as ticket->outcome, or it is withdrawn
//
// When a leader's answer is kept, those who wait get it. When it failed, each goes its own way (ALONE) at once: they
// would fail one behind the other. When only its client left, the first who waits leads. Those who want a stream wait
// for its end as well: half a stream may yet break, and nobody is given what may not become an answer.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"
#include "net/loop.h"
#include "policy/cache_key.h"
#include "surface/chat_replay.h"

enum cache_outcome { CACHE_OVER, CACHE_HIT, CACHE_LEAD, CACHE_ALONE, CACHE_WAIT };

// What the ledger tells of an answer. Strings are borrowed.
struct cache_facts {
  struct str source_id;  // the generation that made it
  struct str model, provider, provider_name, finish_reason, native_finish_reason;
  struct str router;    // that chose the model; empty: none did
  struct str strategy;  // of its openrouter_metadata
};

struct cache_answer {
  struct str bytes;  // as chat_replay_make leaves it
  const struct chat_replay_hole *holes;
  size_t hole_count;
  struct cache_facts facts;
  uint64_t stored_ms, until_ms;
};

struct cache_entry;
struct cache_flight;
struct response_cache;

// One request's place; embed it, zeroed. It stays where it is while CACHE_WAIT or CACHE_LEAD.
struct cache_ticket {
  struct task task;  // its `run` is the caller's: a wait is over
  struct loop *loop;
  uint8_t key[CACHE_KEY_SIZE];
  enum cache_outcome outcome;
  struct cache_entry *entry;    // HIT
  struct cache_flight *flight;  // LEAD, WAIT
  struct cache_ticket *next, *prev;
};

struct response_cache *response_cache_new(void);  // NULL: out of memory
// Nobody waits or leads any more.
void response_cache_free(struct response_cache *c);

// `task.run`, `loop` and `key` are set. `fresh`: what is kept under the key is thrown away first, and no other request
// is waited for. `c` may be NULL: ALONE.
enum cache_outcome response_cache_begin(struct response_cache *c, struct cache_ticket *t, bool fresh, uint64_t now_ms);
// LEAD or ALONE: keeps the answer (copied) until its until_ms, at most max_bytes in all, and gives it to those who wait
// even if it is too large to be kept. The ticket is done with.
void response_cache_finish(struct response_cache *c, struct cache_ticket *t, const struct cache_answer *answer,
                           uint64_t max_bytes, uint64_t now_ms);
// LEAD or ALONE: there is no answer. `failed`: nor would the others get one by waiting for the next.
void response_cache_abandon(struct response_cache *c, struct cache_ticket *t, bool failed);
// WAIT: the request's client has left. True: the ticket's task will not run. False: it is on its way and will run on
// the ticket's loop; the ticket must live until then, and what it brings must be released or abandoned.
MUST_CHECK bool response_cache_withdraw(struct response_cache *c, struct cache_ticket *t);

// Of an entry held; valid until it is released.
const struct cache_answer *cache_entry_answer(const struct cache_entry *e);
void cache_entry_release(struct cache_entry *e);

// How many answers and bytes are kept.
void response_cache_measure(struct response_cache *c, size_t *entries, size_t *bytes);
