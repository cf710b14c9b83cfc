// What upstream.c (exchanges on connections) and connecting.c (how these come about) share.
#pragma once
#include "net/conn.h"
#include "net/origin.h"
#include "net/upstream.h"
#include "wire/http1.h"

enum upstream_state {
  UP_CONNECTING,  // TCP
  UP_PROXY,       // waiting for the answer to CONNECT
  UP_TLS,         // handshake
  UP_WAITING,     // request sent, head not complete
  UP_BODY,        // inside the reply's body
  UP_IDLE,        // in the pool
};

// One connection to an origin.
struct upstream {
  struct conn conn;
  struct origin *origin;
  struct exchange *x;                      // NULL when idle
  struct upstream *next, *prev;            // idle list, newest first
  struct upstream *all_next, **all_pprev;  // of the pool: every open one
  struct timer timer;
  struct task free_task;
  char *carry;  // an incomplete head
  uint32_t carry_len, carry_cap;
  uint8_t state;     // enum upstream_state
  bool reused;       // has served before
  bool got_bytes;    // of the present reply
  bool keep;         // may go back to the pool
  bool until_close;  // body ends with the connection
  bool paused;
  uint8_t address;  // which of the origin's addresses
  struct chunked chunked;
  bool is_chunked;
  int64_t left;  // body bytes to come
};

// --- connecting.c ---

// Tries the origin's addresses from u->address on. errno tells how the one before failed.
void connecting_next(struct upstream *u);
// Something has come, or can be sent, on a connection that does not stand yet.
void connecting_go_on(struct upstream *u);
// Finds the origin's addresses, then opens a connection for the exchange, which waits until then.
void connecting_look_up(struct exchange *x);

// --- upstream.c ---

// A new connection for the exchange: begins with its first address.
void upstream_open(struct exchange *x);
// The connection is this descriptor from now on. False: the kernel refused; errno says why.
bool upstream_attach(struct upstream *u, int fd);
// It stands: sends the exchange's request.
void upstream_send(struct upstream *u);
// Keeps the bytes of a head that is not complete. False: too many, or out of memory.
bool upstream_carry(struct upstream *u, struct str in);
// Ends it and its exchange, or has the exchange try another.
void upstream_fail(struct upstream *u, enum fault fault, const char *why);
// Parts an exchange from its connection, or from the look-up it waits for.
void exchange_detach(struct exchange *x);
