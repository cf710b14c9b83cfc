// One try of one endpoint, and all that belongs to it: what it is asked, the provider's reply as far as it has come,
// and its end. A request makes them one after the other until one has answered; when it hedges, two at a time.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "llm/fault.h"
#include "net/upstream.h"
#include "policy/health.h"
#include "provider/dialect_stream.h"
#include "surface/openai_chat.h"
#include "wire/inflater.h"
#include "wire/sse.h"

struct request;

enum attempt_state {
  ATTEMPT_NONE,       // not begun, or over
  ATTEMPT_WAITING,    // sent, or about to be: nothing has come back
  ATTEMPT_WHOLE,      // collecting a whole reply
  ATTEMPT_ERROR,      // collecting a provider's error
  ATTEMPT_STREAMING,  // relaying events
};

// What its result can tell of those it is about; see policy/health.h.
struct attempt_passes {
  struct health_pass endpoint, provider, key;
};

struct attempt {
  struct request *request;
  const struct endpoint *endpoint;
  uint8_t state;    // enum attempt_state
  uint8_t reason;   // enum attempt_reason: why it was made
  uint16_t status;  // of the provider's reply; 0: none came
  int key;          // place of the provider's key it was sent with; -1: none yet
  struct attempt_passes passes;
  struct exchange exchange;
  struct timer timer;  // see failover.c
  struct chat_reply reply;
  struct chat_stream *stream;           // of a provider whose answers are spliced
  const struct dialect *dialect;        // of the endpoint; NULL: it is spliced
  struct translation translation;       // what it could not be told, and what follows for its answer
  struct buf translated;                // its request's body
  struct chat_events *events;           // the client's side of its answer
  struct dialect_stream decoder;        // the provider's side of its stream
  struct str error_type;                // x-amzn-errortype
  struct stored_credential *waits_for;  // see credential.c
  struct attempt *next_waiting;
  struct file_fetch *file;  // see prepare.c
  unsigned file_count;
  bool inlines;                 // its request is spliced, with files in place of their URLs
  bool may_retry, never_retry;  // the provider said so of its error
  bool asked_again;             // the endpoint has been asked twice: its model failed the first time
  bool renewed;                 // the request has been sent again with a new credential
  bool whole;                   // a stream is wanted, but it is asked for the whole: it streams no such answers
  unsigned rounds;              // how often the provider was asked to go on with a turn that it had paused
  struct sse sse;               // of a stream that is spliced
  struct buf held;              // bytes of the reply that wait for more: a part of an event, a whole reply, an error
  struct buf early;             // events for the client that wait until the provider has really said something
  struct inflater *inflater;    // the provider compressed without being asked
  bool counted;                 // among those under way at its provider
  uint64_t started_ns;
  uint64_t head_ns;         // the provider's first byte
  uint64_t spoke_ns;        // its first token
  uint64_t hedge_ns;        // another is asked beside it at this moment; 0: none is
  uint64_t floor_ns;        // the present window of the least rate began
  uint64_t floor_bytes;     // of text that had come then
  int64_t provider_unix_s;  // of an error: the provider's clock; 0: it did not say
  unsigned retry_after_s;   // as the provider asked
};

// Why an attempt was made.
enum attempt_reason {
  ATTEMPT_FIRST,
  ATTEMPT_FALLBACK,  // the one before failed
  ATTEMPT_KEY,       // the same endpoint with another key
  ATTEMPT_AGAIN,     // the same endpoint once more: its model had failed
  ATTEMPT_HEDGE,     // the one before was slow to speak
  ATTEMPT_WAITED,    // its provider was full, and has room now
};
const char *attempt_reason_name(enum attempt_reason reason);

// Asks its endpoint (a->endpoint, a->reason are set).
void attempt_start(struct attempt *a);
// It is over without an answer: something else is tried, or the error is told (failover.c).
void attempt_failed(struct attempt *a, enum fault fault, struct str message);
// What it waited for before it could be made is there.
void attempt_prepared(struct attempt *a);
// The provider has paused its turn: can it be asked to go on? The answer so far must have been taken from the events.
bool attempt_can_go_on(struct attempt *a);
// Asks it, for the same answer. What was in the provider's reply is gone; the request may be over when this returns.
void attempt_go_on(struct attempt *a);
// Its endpoint is asked once more for a reason that is no failure of its own (a clock, a credential, the whole answer
// instead of a stream). False: there is none.
bool attempt_mend(struct attempt *a, enum fault fault, struct str message);
