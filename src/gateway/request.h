// A request's whole life on one straight path (request.c), and what handlers of other routes need to answer.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "gateway/attempt.h"
#include "gateway/cache_step.h"
#include "gateway/client.h"
#include "gateway/route.h"
#include "gateway/worker.h"
#include "llm/generation_id.h"
#include "llm/record.h"
#include "policy/preset_set.h"
#include "store/store.h"
#include "surface/openai_chat.h"

enum request_state {
  REQUEST_READING,  // its body is coming
  REQUEST_RUNNING,  // on its way to providers and back
  REQUEST_STORE,    // a job is on the store's thread
  REQUEST_OVER,
};

// One attempt that is over, for the record.
struct attempt_row {
  const struct endpoint *endpoint;
  uint8_t fault;    // enum fault; FAULT_NONE: another was faster
  uint8_t reason;   // enum attempt_reason
  uint16_t status;  // 0: none came
  int16_t key;
  uint32_t started_ms;  // after the request
  uint32_t latency_ms;
};

enum { REQUEST_TARGETS = 16, REQUEST_ATTEMPTS = 3 * REQUEST_TARGETS };

// What only an inference request needs, allocated when it becomes one.
struct place_wait;
struct inference {
  struct chat_request chat;
  bool chat_parsed;
  const struct endpoint *targets[REQUEST_TARGETS];  // in order
  unsigned target_count;
  uint32_t tried;           // bits of targets
  uint32_t full;            // of those tried: whose providers had no room
  struct place_wait *wait;  // see places.h; NULL: it never had to wait for room
  uint64_t waited_ns;       // for room, before anything was sent
  const struct plan *plan;  // how they were chosen; NULL: not yet. Its strings are good until the answer flows
  struct preset_use preset;
  struct str plain_body;       // what `chat` was parsed of before a variant changed it, see planning_body
  uint8_t variant;             // that changed it: bits of enum model_variant; 0: none
  uint64_t conversation_hash;  // see sticky.h; 0: it was not asked for
  bool conversation_named;     // by the client: a session
  struct str requested;        // the model the client named first; kept when it wants metadata
  struct attempt *at;          // the one that answers, answered, or failed last; `first` or `hedge`
  struct attempt first;
  struct attempt *hedge;  // a second one at the same time; NULL: never
  struct attempt_row attempts[REQUEST_ATTEMPTS];
  unsigned attempt_count;
  struct conversation *conversation;  // the request in the common form, once a target has asked for it
  uint64_t first_ns;                  // the first of the answer; comments are none of it
  unsigned retry_after_s;             // the shortest wait that a provider asked for; 0: none did
  bool head_sent;                     // the client has the status line (and perhaps comments)
  bool spoken;                        // the client has some of the answer: no fallback any more
  bool recorded;
  struct cache_step *step;  // NULL: no answer is kept, nor asked for
};

struct request {
  struct worker *worker;
  struct client *client;  // NULL: gone
  struct worker_snapshot *ws;
  const struct route *route;
  struct str args[ROUTE_ARGS];
  struct arena arena;
  uint8_t state;     // enum request_state
  uint8_t access;    // enum route_access
  unsigned methods;  // of a path that does not take this method, see route_match
  bool has_key, key_is_management;
  bool wants_metadata;     // see metadata.h
  bool weighed;            // the shedder has been asked
  unsigned retry_after_s;  // of a refusal; 0: none in particular
  bool key_unknown;        // not in the keyring: the store is asked before the handler runs
  uint8_t unknown_hash[32];
  char key_id[40];  // of the caller's key
  struct key_spend *key_spend;
  char generation_id[GENERATION_ID_SIZE];  // empty unless inference
  char *body;                              // owned
  char *body_block;                        // the read buffer it lies in; NULL: it is a block of its own
  size_t body_len, body_cap;
  uint64_t body_expected;  // Content-Length
  struct cache_ask ask;    // see cache_step.h
  struct str query, user_agent, http_referer, app_title, session_id, origin, anthropic_beta;
  uint64_t arrived_us;  // unix time
  uint64_t begun_ms;    // the loop's clock: the head was there
  uint64_t ready_ns;    // the last byte of the request was read
  uint64_t sent_ns;     // the first try went out
  struct inference *inference;
  struct store_job job;
  struct task job_done;
  void (*on_job_done)(struct request *r);
  void *handler_data;  // the route handler's, in the arena
  struct task free_task;
};

// --- for the client's connection ---

// The head is there. Finds the route and checks the key before any body is taken. Never NULL unless memory is out; a
// refused request has been answered already when *refused is set.
struct request *request_begin(struct client *c, const struct http_head *head, bool *refused);
// Appends to the body. False: over the limit or out of memory; it has been answered.
bool request_body(struct request *r, const char *bytes, size_t n);
// The whole body, when it is long and lies in the worker's read buffer with nothing behind it: the request takes the
// buffer, and the worker another. False: nothing was done.
bool request_body_take(struct request *r, char *bytes, size_t n);
void request_body_free(struct request *r);
// Room for body bytes to be read into directly (at most `left` are to come); NULL: out of memory. Then how many came.
char *request_body_room(struct request *r, uint64_t left, size_t *room);
void request_body_filled(struct request *r, size_t n);
// Gives it its generation's id: it is in the ledger from now on.
void request_name(struct request *r);
// The body is complete: runs the path. The request may be over when this returns.
void request_run(struct request *r);
// The client has gone: cancels what is under way, records, frees.
void request_client_gone(struct request *r);
// The client can take bytes again.
void request_on_drained(struct request *r);
// Nothing was sent for the quiet time.
void request_on_quiet(struct request *r);
// The request did not arrive in time.
void request_on_slow(struct request *r);
// Its body keeps coming, but so slowly that it is not waited for: after ten times body_timeout_ms in all, it must have
// brought 1000 bytes a second on average.
bool request_body_trickles(const struct request *r);
// Its body makes no sense as HTTP.
void request_on_bad_body(struct request *r);

// When a loop has ended: frees the blocks it kept for more requests.
void request_free_spares(struct worker *w);

// --- for handlers ---

// Answers with JSON and ends the request; frees it.
void request_reply_json(struct request *r, unsigned status, struct str json);
void request_reply_text(struct request *r, unsigned status, struct str content_type, struct str text);
// OpenRouter's envelope.
void request_reply_fault(struct request *r, enum fault fault, struct str message);
// Runs `run` on the store's thread, then `done` back here; answers 503 itself when the store's queue is full. `done`
// must answer; when the client has gone meanwhile it is not called.
void request_store_job(struct request *r, void (*run)(struct store *s, struct store_job *job),
                       void (*done)(struct request *r));
// The same; false: the store's queue is full, and nothing was done.
MUST_CHECK bool request_try_store_job(struct request *r, void (*run)(struct store *s, struct store_job *job),
                                      void (*done)(struct request *r));
static inline struct request *request_of_job(struct store_job *job) {
  return (struct request *)((char *)job - offsetof(struct request, job));
}
const struct config *request_config(const struct request *r);
const struct catalogue *request_catalogue(const struct request *r);
