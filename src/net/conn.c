#define _GNU_SOURCE
#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "net/tls.h"

enum { JOINED_MAX = 4096 };  // parts up to here are copied together: cheaper than having the kernel gather them

static struct conn *conn_of(struct io *io) {
  return (struct conn *)((char *)io - offsetof(struct conn, io));
}

// Plain connections are edge-triggered, which spares the kernel a second look at each of them every turn. (What TLS has
// left unread in the socket only its library knows.)
static void interest_update(struct conn *c) {
  uint32_t events = c->ended ? EPOLLHUP : EPOLLRDHUP;
  if (!c->tls) events |= EPOLLET;
  if (c->want_read) events |= EPOLLIN;
  if (c->unsent || c->wants_out) events |= EPOLLOUT;
  if (!loop_watch(c->loop, &c->io, events)) c->dead = true;
}

static enum conn_result plain_send(struct conn *c, const char *bytes, size_t n, size_t *sent) {
  ssize_t k = sys_send(c->io.fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (k < 0) return errno == EAGAIN || errno == EINTR ? CONN_AGAIN : CONN_ERROR;
  *sent = (size_t)k;
  return CONN_OK;
}

static enum conn_result any_send(struct conn *c, const char *bytes, size_t n, size_t *sent) {
  *sent = 0;
  if (!c->tls) return plain_send(c, bytes, n, sent);
  enum tls_result r = tls_write(c->tls, bytes, n, sent);
  if (r == TLS_OK) return CONN_OK;
  return r == TLS_WANT_WRITE || r == TLS_WANT_READ ? CONN_AGAIN : CONN_ERROR;
}

// Sends what is kept. True: all of it went out.
static bool flush_unsent(struct conn *c) {
  while (c->unsent_at < c->unsent_len) {
    size_t sent;
    enum conn_result r = any_send(c, c->unsent + c->unsent_at, c->unsent_len - c->unsent_at, &sent);
    if (r == CONN_ERROR) return c->dead = true, false;
    if (r == CONN_AGAIN || !sent) return false;
    c->unsent_at += sent;
  }
  free(c->unsent);
  c->unsent = NULL;
  c->unsent_at = c->unsent_len = 0;
  return true;
}

static void on_ready(struct io *io, uint32_t events) {
  struct conn *c = conn_of(io);
  if (events & (EPOLLHUP | EPOLLERR)) c->gone = true;
  bool woken = c->wants_out && events & EPOLLOUT;
  if (events & EPOLLOUT) {
    c->wants_out = false;
    if (c->unsent && flush_unsent(c)) {
      interest_update(c);
      c->on_drained(c);
      if (!conn_is_open(c)) return;
    } else {
      interest_update(c);
    }
  }
  if (c->want_read) {
    // A hang-up is found by reading: what came before it counts.
    if (!(events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) || woken || c->dead)) return;
    c->more = true;
    c->on_readable(c);
    bool ending = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    // An edge is told once: what was left, or comes with an end that was not read up to, must be told again.
    if (conn_is_open(c) && c->want_read && (c->more || ending) && c->io.events & EPOLLET &&
        !loop_rearm(c->loop, &c->io))
      c->dead = true;
  } else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) || c->dead) {
    // Level-triggered: it would come again and again. The owner closes it or lives without the news.
    if (c->on_hangup) {
      c->on_hangup(c);
    } else {
      loop_forget(c->loop, &c->io);
    }
  }
}

bool conn_start(struct conn *c, struct loop *l, int fd) {
  assert(c->on_readable && c->on_drained);
  c->loop = l;
  c->io = (struct io){.fd = fd, .on_ready = on_ready, .comes_first = c->brings_answers};
  c->want_read = true;
  if (loop_watch(l, &c->io, EPOLLIN | EPOLLRDHUP | (c->tls ? 0 : EPOLLET))) return true;
  c->loop = NULL;
  return false;
}

void conn_secure(struct conn *c, struct tls_session *tls) {
  c->tls = tls;
  interest_update(c);
}

void conn_close(struct conn *c) {
  if (!conn_is_open(c)) return;
  loop_forget(c->loop, &c->io);
  if (c->tls) tls_close(c->tls);
  close(c->io.fd);
  free(c->unsent);
  *c = (struct conn){.io.fd = -1,
                     .on_readable = c->on_readable,
                     .on_drained = c->on_drained,
                     .on_hangup = c->on_hangup,
                     .brings_answers = c->brings_answers};
}

void conn_end(struct conn *c) {
  if (c->tls) tls_end(c->tls);
  shutdown(c->io.fd, SHUT_WR);
}

enum conn_result conn_read(struct conn *c, char *into, size_t max, size_t *got) {
  *got = 0;
  if (c->tls) {
    if (c->dead) return CONN_ERROR;
    switch (tls_read(c->tls, into, max, got)) {
      case TLS_OK: return CONN_OK;
      case TLS_WANT_READ: return CONN_AGAIN;
      case TLS_WANT_WRITE:
        c->wants_out = true;
        interest_update(c);
        return CONN_AGAIN;
      case TLS_EOF: return CONN_EOF;
      case TLS_FAILED: return CONN_ERROR;
    }
  }
  ssize_t n = sys_recv(c->io.fd, into, max, MSG_DONTWAIT);
  c->more = n == (ssize_t)max;
  if (n > 0) return *got = (size_t)n, CONN_OK;
  if (n == 0) return CONN_EOF;
  // What the peer said before it stopped reading still counts: it may be why it did.
  return !c->dead && (errno == EAGAIN || errno == EINTR) ? CONN_AGAIN : CONN_ERROR;
}

bool conn_has_buffered(const struct conn *c) {
  return c->tls && tls_pending(c->tls);
}

// Keeps bytes behind what is kept already.
static bool keep(struct conn *c, const struct iovec *parts, int count, size_t skip) {
  size_t more = 0;
  for (int i = 0; i < count; i++) more += parts[i].iov_len;
  more -= skip;
  if (!more) return true;
  size_t held = c->unsent_len - c->unsent_at;
  char *grown = malloc(held + more);
  if (!grown) return false;
  if (held) memcpy(grown, c->unsent + c->unsent_at, held);
  free(c->unsent);
  c->unsent = grown;
  c->unsent_at = 0;
  c->unsent_len = held;
  for (int i = 0; i < count; i++) {
    size_t n = parts[i].iov_len, from = skip < n ? skip : n;
    skip -= from;
    memcpy(c->unsent + c->unsent_len, (const char *)parts[i].iov_base + from, n - from);
    c->unsent_len += n - from;
  }
  interest_update(c);
  return !c->dead;
}

static ssize_t plain_send_parts(struct conn *c, const struct iovec *parts, int count) {
  const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  if (count == 1) return sys_send(c->io.fd, parts[0].iov_base, parts[0].iov_len, flags);
  char joined[JOINED_MAX];
  size_t len = 0;
  for (int i = 0; i < count; i++) {
    if (parts[i].iov_len > sizeof joined - len) {
      struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
      return sendmsg(c->io.fd, &message, flags);
    }
    memcpy(joined + len, parts[i].iov_base, parts[i].iov_len);
    len += parts[i].iov_len;
  }
  return sys_send(c->io.fd, joined, len, flags);
}

bool conn_write(struct conn *c, const struct iovec *parts, int count) {
  if (c->dead) return false;
  if (c->unsent) return keep(c, parts, count, 0);
  size_t done = 0;
  if (c->tls) {
    for (int i = 0; i < count; i++) {
      size_t at = 0, sent;
      while (at < parts[i].iov_len) {
        enum conn_result r = any_send(c, (const char *)parts[i].iov_base + at, parts[i].iov_len - at, &sent);
        if (r == CONN_ERROR) return c->dead = true, false;
        if (r == CONN_AGAIN || !sent) return keep(c, parts, count, done);
        at += sent;
        done += sent;
      }
    }
    return true;
  }
  ssize_t n = plain_send_parts(c, parts, count);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) return c->dead = true, false;
    n = 0;
  }
  return keep(c, parts, count, (size_t)n);
}

void conn_read_on(struct conn *c, bool on) {
  if (c->want_read == on) return;
  c->want_read = on;
  if (on) c->ended = false;
  interest_update(c);
}

void conn_peer_ended(struct conn *c) {
  c->ended = true;
  c->want_read = false;
  interest_update(c);
}

void conn_wake_writable(struct conn *c) {
  c->wants_out = true;
  interest_update(c);
}
