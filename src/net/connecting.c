// How a connection to a provider comes about: its name, its addresses one after the other, a proxy's tunnel, TLS.
#define _GNU_SOURCE
#include "net/connecting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/address.h"
#include "net/tls.h"

// --- TLS, and a proxy before it ---

static void tls_step(struct upstream *u) {
  switch (tls_handshake(u->conn.tls)) {
    case TLS_OK: upstream_send(u); return;
    case TLS_WANT_READ: return;
    case TLS_WANT_WRITE: conn_wake_writable(&u->conn); return;
    case TLS_EOF:
    case TLS_FAILED: break;
  }
  struct str why = tls_why(u->conn.tls);
  char text[200];
  snprintf(text, sizeof text, "TLS failed: %.*s", STR_ARGS(why));
  upstream_fail(u, FAULT_CONNECT, text);
}

static void tls_begin(struct upstream *u) {
  struct origin *o = u->origin;
  u->state = UP_TLS;
  struct tls_session *tls = tls_connect(o->tls_context, u->conn.io.fd, str_from_cstr(o->host), &o->ticket);
  if (!tls) {
    upstream_fail(u, FAULT_CONNECT, "TLS failed: out of memory or a host name that cannot be verified");
    return;
  }
  conn_secure(&u->conn, tls);
  tls_step(u);
}

static void proxy_begin(struct upstream *u) {
  struct origin *o = u->origin;
  char text[900];
  int len = snprintf(text, sizeof text, "CONNECT %s%s HTTP/1.1\r\nHost: %s%s\r\n%s%s%s\r\n", o->host_field,
                     o->port == 443 ? ":443" : "", o->host_field, o->port == 443 ? ":443" : "",
                     o->proxy_authorization[0] ? "Proxy-Authorization: " : "", o->proxy_authorization,
                     o->proxy_authorization[0] ? "\r\n" : "");
  u->state = UP_PROXY;
  struct iovec part = {text, (size_t)len};
  if (!conn_write(&u->conn, &part, 1)) upstream_fail(u, FAULT_CONNECT, "the proxy closed the connection");
}

static void on_proxy_bytes(struct upstream *u) {
  char bytes[4096];
  size_t got;
  enum conn_result r = conn_read(&u->conn, bytes, sizeof bytes, &got);
  if (r == CONN_AGAIN) return;
  if (r != CONN_OK || !upstream_carry(u, str_from(bytes, got))) {
    upstream_fail(u, FAULT_CONNECT, "the proxy closed the connection");
    return;
  }
  struct http_head head;
  struct http_refusal refusal;
  enum http_result parsed = http_response_parse(str_from(u->carry, u->carry_len), LIMIT_UPSTREAM_HEAD, &head, &refusal);
  if (parsed == HTTP_MORE) return;
  if (parsed == HTTP_FAILED || head.status / 100 != 2) {
    char why[100];
    snprintf(why, sizeof why, "the proxy refused the tunnel with status %u", parsed == HTTP_FAILED ? 0 : head.status);
    upstream_fail(u, FAULT_CONNECT, why);
    return;
  }
  u->carry_len = 0;
  tls_begin(u);
}

static void on_connected(struct upstream *u) {
  if (u->origin->proxied && u->origin->tls)
    proxy_begin(u);
  else if (u->origin->tls)
    tls_begin(u);
  else
    upstream_send(u);
}

// --- TCP ---

// The TCP connect has ended, one way or the other.
static void connect_finish(struct upstream *u) {
  int error = 0;
  socklen_t len = sizeof error;
  getsockopt(u->conn.io.fd, SOL_SOCKET, SO_ERROR, &error, &len);
  if (!error) {
    on_connected(u);
    return;
  }
  conn_close(&u->conn);
  u->address++;
  errno = error;
  connecting_next(u);
}

void connecting_next(struct upstream *u) {
  struct origin *o = u->origin;
  int error = errno;
  while (u->address < o->address_count || (o->dial && u->address == 0)) {
    int fd = o->dial ? o->dial(o->dial_context) : address_dial(&o->addresses[u->address]);
    if (fd >= 0) {
      if (!upstream_attach(u, fd)) {
        error = errno;
        close(fd);
        break;
      }
      u->state = UP_CONNECTING;
      conn_wake_writable(&u->conn);
      return;
    }
    error = errno;
    u->address++;
  }
  o->looked_up_ms = 0;  // perhaps it has moved
  char why[400];
  snprintf(why, sizeof why, "cannot connect to %s%s: %s", o->proxied ? "the proxy for " : "", o->host_field,
           strerror(error));
  upstream_fail(u, FAULT_CONNECT, why);
}

void connecting_go_on(struct upstream *u) {
  if (u->state == UP_CONNECTING)
    connect_finish(u);
  else if (u->state == UP_PROXY)
    on_proxy_bytes(u);
  else
    tls_step(u);
}

// --- names ---

static void keep_public(struct dns_query *q) {
  int n = 0;
  for (int i = 0; i < q->count; i++)
    if (address_is_public(&q->addresses[i])) q->addresses[n++] = q->addresses[i];
  if (q->count && !n) snprintf(q->why, sizeof q->why, "its address is a private one");
  q->count = n;
}

static void on_looked_up(struct dns_query *q) {
  struct origin *o = (struct origin *)((char *)q - offsetof(struct origin, query));
  o->looking_up = false;
  if (o->public_only && !o->proxied) keep_public(q);
  bool found = q->count > 0;
  char why[400] = "";
  if (found) {
    o->looked_up_ms = loop_now_ms(o->pool->loop);
    o->address_count = q->count;
    memcpy(o->addresses, q->addresses, sizeof o->addresses);
  } else {
    snprintf(why, sizeof why, "cannot resolve %s: %s", q->host, q->why);
  }
  // A failure may bring an exchange back here, for its next endpoint, and begin another look-up: only those that have
  // waited until now get this answer.
  struct exchange *waited = o->waiting;
  o->waiting = NULL;
  if (waited) waited->pprev = &waited;
  while (waited) {
    struct exchange *x = waited;
    exchange_detach(x);
    if (found)
      upstream_open(x);
    else
      x->on_fail(x, FAULT_RESOLVE, str_from_cstr(why));
  }
}

static void on_lookup_timeout(struct timer *timer) {
  struct exchange *x = (struct exchange *)((char *)timer - offsetof(struct exchange, timer));
  exchange_detach(x);
  x->on_fail(x, FAULT_TIMEOUT, STR("its name could not be resolved in time"));
}

void connecting_look_up(struct exchange *x) {
  struct origin *o = x->origin;
  x->timer.on_fire = on_lookup_timeout;
  timer_set(o->pool->loop, &x->timer, x->times.connect_ms);
  x->next = o->waiting;
  if (x->next) x->next->pprev = &x->next;
  x->pprev = &o->waiting;
  o->waiting = x;
  if (o->looking_up) return;
  o->looking_up = true;
  o->query.done = on_looked_up;
  if (dns_lookup(o->pool->dns, &o->query)) on_looked_up(&o->query);
}
