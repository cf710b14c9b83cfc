// How a request is answered by what is kept: the outcome of an earlier one with its Idempotency-Key, or an answer in
// the response cache. The path asks once the body is parsed and gives every answer on its way; whatever is left when
// the request is over is given back, so that nobody waits in vain.
//
//   cache_ask_read      the head's fields                                  (request_begin)
//   cache_step_begin    answered, waiting, or on with it                   (request_chat, before a target is chosen)
//   cache_step_take     a piece of a stream that goes to the client        (stream_flush)
//   cache_step_finish   the answer is complete, before metadata is added   (whole_done, stream_done)
//   cache_step_keep     it is as the client gets it                        (whole_done, stream_done,
//   request_reply_fault) cache_step_gone     the client has left                                (request_client_gone)
//   cache_step_over     the request is over                                (request_over)
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "llm/record.h"
#include "policy/cache_wish.h"

struct cache_step;
struct request;

struct cache_ask {
  struct cache_wish wish;
  struct str idempotency_key;
  bool bad_key;  // too long, or with characters that are not visible
};
void cache_ask_read(const struct http_head *head, struct arena *arena, struct cache_ask *ask);

// `body`: what decides the answer, the preset's members merged in. True: go on. False: the request has been answered,
// or waits for another's answer: then `go_on` is called if it must be made after all.
MUST_CHECK bool cache_step_begin(struct request *r, struct str body, enum cache_say preset, unsigned preset_ttl_s,
                                 void (*go_on)(struct request *r));
// The reply's header lines: `others` and those of the cache.
struct str cache_step_fields(struct request *r, struct str others);
// In any state, also without a step: these do nothing where nothing is wanted.
void cache_step_take(struct request *r, struct str piece);
// `rest`: a whole body, or what has not been taken of a stream.
void cache_step_finish(struct request *r, struct str rest);
void cache_step_keep(struct request *r, unsigned status, struct str rest);
// A kept answer's part of the row: who made it. False: the request is answered by a provider.
bool cache_step_row(const struct request *r, struct record *row);
// What it was answered with, when that was a kept answer; else NULL. *age_s, *left_s: how long it has been kept, and
// will be.
struct cache_facts;
const struct cache_facts *cache_step_hit(const struct request *r, uint64_t *age_s, uint64_t *left_s);
// It waits for another's answer: no provider is asked.
bool cache_step_waits(const struct request *r);
// True: the request must stay until its wait is over; it is then ended here.
MUST_CHECK bool cache_step_gone(struct request *r);
void cache_step_over(struct request *r);
