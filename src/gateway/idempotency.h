// Outcomes kept by the client's Idempotency-Key, for all loops: a request sent twice is answered twice and made once.
// In memory, for a day and within a number of bytes (the oldest go first): a restart forgets them.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"
#include "llm/generation_id.h"
#include "policy/cache_key.h"

enum { IDEMPOTENCY_HOURS = 24, IDEMPOTENCY_KEY_MAX = 255 };

enum idempotency_result {
  IDEMPOTENCY_RUN,     // the first: run it, then keep or forget
  IDEMPOTENCY_REPLAY,  // *outcome is held: give it to the client, then release
  IDEMPOTENCY_BUSY,    // the first is under way: 409
  IDEMPOTENCY_OTHER,   // the first had another body: 422
  IDEMPOTENCY_LOST,    // out of memory: run it; nothing is kept
};

struct idempotency_outcome {
  uint16_t status;
  bool stream;  // the body is the events of a stream
  char generation_id[GENERATION_ID_SIZE];
  struct str fields;  // header lines that went with it
  struct str body;    // as it was sent
};

struct idempotency;
struct idempotency_entry;

// 1 to 255 visible characters.
bool idempotency_key_valid(struct str value);

struct idempotency *idempotency_new(void);  // NULL: out of memory
void idempotency_free(struct idempotency *s);
// `name` stands for the caller's key and the value, `body` for the request (cache_key_plain). *entry is the caller's
// with RUN and REPLAY.
enum idempotency_result idempotency_begin(struct idempotency *s, const uint8_t name[CACHE_KEY_SIZE],
                                          const uint8_t body[CACHE_KEY_SIZE], uint64_t now_ms,
                                          struct idempotency_entry **entry);
// After RUN: the outcome, copied. One that is larger than `max_bytes` is forgotten.
void idempotency_keep(struct idempotency *s, struct idempotency_entry *entry, const struct idempotency_outcome *outcome,
                      uint64_t max_bytes, uint64_t now_ms);
// After RUN: nothing is kept, and the next request with this key runs.
void idempotency_forget(struct idempotency *s, struct idempotency_entry *entry);
// After REPLAY.
const struct idempotency_outcome *idempotency_outcome(const struct idempotency_entry *entry);
void idempotency_release(struct idempotency_entry *entry);
// Whether an answer with this status would come out the same if it were asked for again. What another try may cure, and
// what hangs on the caller's key, is not kept.
bool idempotency_keeps(unsigned status);
