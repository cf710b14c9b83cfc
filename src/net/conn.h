// A stream socket on a loop, plain or TLS, with its unsent bytes. The only place that reads and writes sockets.
// Writes go out at once; what the kernel does not take is kept and sent when it can be. While something is kept the
// owner should stop feeding (conn_blocked); on_drained says when to go on. Closing is immediate; nothing is called
// afterwards.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/str.h"
#include "net/loop.h"

struct tls_session;  // net/tls.h

enum conn_result {
  CONN_OK,     // bytes were read
  CONN_AGAIN,  // nothing there now
  CONN_EOF,    // the peer has finished
  CONN_ERROR,  // reset or TLS trouble
};

struct conn {
  struct io io;
  struct loop *loop;
  struct tls_session *tls;  // NULL: plain
  char *unsent;             // malloc'd; NULL: nothing
  size_t unsent_at, unsent_len;
  bool brings_answers;  // the owner's, before conn_start: its events come first
  bool more;            // the last read did not empty the socket, or there was none
  bool want_read;       // as set by conn_read_on
  bool wants_out;       // on_readable is also wanted when the socket can be written: connecting, TLS handshakes
  bool ended;           // see conn_peer_ended
  bool gone;            // the peer has closed both ways, or reset: nobody is left to read
  bool dead;            // a write failed: the owner finds out by on_broken or the next call
  // The owner's. `on_readable` also comes for a peer that went away (conn_read tells); `on_hangup` (may be NULL)
  // comes when the peer closed or reset while reading is off.
  void (*on_readable)(struct conn *c);
  void (*on_drained)(struct conn *c);
  void (*on_hangup)(struct conn *c);
};

// Takes over a non-blocking descriptor. Callbacks must be set before. False: it could not be watched (fd not closed).
bool conn_start(struct conn *c, struct loop *l, int fd);
// From here on the bytes go through TLS; the session is the connection's now.
void conn_secure(struct conn *c, struct tls_session *tls);
// Closes at once, forgets what is unsent. Safe on a closed one. The struct may be freed at the end of the turn
// (loop_defer), or at once if no caller up the stack touches it.
void conn_close(struct conn *c);
static inline bool conn_is_open(const struct conn *c) {
  return c->loop != 0;
}

// Tells the peer that nothing more will be sent; reading goes on. Only when nothing is unsent.
void conn_end(struct conn *c);

// At most `max` bytes; *got > 0 with CONN_OK.
enum conn_result conn_read(struct conn *c, char *into, size_t max, size_t *got);
// Sends or keeps all of it. False: the connection is broken (or memory is out): close it.
bool conn_write(struct conn *c, const struct iovec *parts, int count);
static inline bool conn_blocked(const struct conn *c) {
  return c->unsent != 0;
}
// Turns reading off (back-pressure) or on. While off only on_hangup and on_drained come.
void conn_read_on(struct conn *c, bool on);
// The peer has ended its side, and the owner goes on writing: reading is off, and on_hangup comes when it is gone
// altogether. conn_read_on(c, true) takes it back.
void conn_peer_ended(struct conn *c);
// Calls on_readable once the socket can be written (a connect has ended, a handshake may go on).
void conn_wake_writable(struct conn *c);
// Bytes may be waiting inside the TLS engine that epoll does not know of: true means read again.
bool conn_has_buffered(const struct conn *c);
