// A client's connection: HTTP/1.1 server side. Reads requests (keep-alive, pipelining, fixed and chunked bodies), hands
// each to the path (request.h), and sends what it answers. One request at a time; what a client sends ahead waits.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/str.h"
#include "gateway/worker.h"
#include "net/conn.h"
#include "wire/http1.h"

struct request;

enum client_phase {
  CLIENT_IDLE,    // between requests, or before the first
  CLIENT_HEAD,    // part of a head has come
  CLIENT_BODY,    // head complete, body coming
  CLIENT_BUSY,    // a request is being answered
  CLIENT_CLOSING  // last bytes going out, then close
};

struct client {
  struct conn conn;
  struct worker *worker;
  struct client *next, *prev;
  struct request *request;  // NULL unless BODY or BUSY
  struct timer timer;
  struct task task;  // freeing, or going on with bytes that wait
  char *input;       // bytes not taken yet; NULL: none
  uint32_t input_len, input_cap;
  uint32_t searched;  // of input: known to hold no end of head
  uint8_t phase;      // enum client_phase
  bool keep_alive;    // of the present request
  bool http10;
  bool head_only;  // HEAD: bodies are not sent
  bool chunked_body;
  bool resume_queued;
  bool half_closed;        // it has ended its side, and waits for the answer
  bool answering;          // bytes of the present answer have gone out
  uint8_t probed;          // how many of them were sent ahead, see probe()
  struct chunked chunked;  // of the request's body
  uint64_t body_left;
  size_t unsent_at;  // how far a slow reader had come when the timer was set
};

// Takes over an accepted descriptor. `tls` may be NULL.
void client_start(struct worker *w, int fd, struct tls_context *tls);
// Closes at once; a request under way is told that its client is gone.
void client_close(struct client *c);
// Closes what is idle; the others close after their answer.
void client_drain(struct client *c);

// --- for the path ---

// Sends parts of an answer. False: the connection is gone (the request has been told; it must not touch the client).
bool client_send(struct client *c, const struct iovec *parts, int count);
// The answer is complete. The request is detached and may be freed; the connection goes on or closes.
void client_answered(struct client *c);
// The body of a refused request is not worth reading: the connection closes after this answer.
void client_give_up_body(struct client *c);
// Calls request_on_quiet after `ms` unless something is sent meanwhile; 0 turns it off.
void client_quiet_timer(struct client *c, unsigned ms);
