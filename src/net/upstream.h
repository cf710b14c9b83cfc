// HTTP/1.1 client on a loop: exchanges (one request, one reply) over pooled keep-alive connections, per origin.
//
//   exchange_start > [name look-up] > [connect > proxy CONNECT > TLS] or a pooled connection > build > send > on_reply
//   ...
//
// One loop's thread owns all of it. A reply's bytes are handed over as they come; chunked coding is undone in place.
// A pooled connection that the server closed before a byte of the reply came is replaced by a fresh one, once.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "llm/fault.h"
#include "net/dns.h"
#include "net/loop.h"
#include "net/tls.h"
#include "wire/http1.h"

struct upstream_pool;  // all origins of a loop
struct origin;         // scheme, host, port, proxy; its idle connections

// `idle_ms`: how long an unused connection is kept. NULL: out of memory.
struct upstream_pool *upstream_pool_new(struct loop *l, struct dns *dns, unsigned idle_ms);
void upstream_pool_free(struct upstream_pool *p);
// Closes idle connections (drain).
void upstream_pool_close_idle(struct upstream_pool *p);

// Ends everything: exchanges under way fail with FAULT_SHUTDOWN. Before upstream_pool_free; deferred tasks of the loop
// must run in between.
void upstream_pool_abort(struct upstream_pool *p);

struct origin_spec {
  bool tls;
  struct str host;
  uint16_t port;
  struct tls_context *tls_context;  // for https; borrowed, lives as long as the pool
  struct str proxy;                 // "http://[user:pass@]host:port" or empty
  bool public_only;                 // private, loopback and link-local addresses are refused
  int (*dial)(void *context);       // instead of connecting: gives a non-blocking descriptor or -1
  void *dial_context;
};
// Splits "https://host:port/path" into a spec and the path; host and path point into `url`. False: not such a URL.
bool origin_spec_parse(struct str url, struct origin_spec *spec, struct str *path);
// Finds or makes the origin; it stays until the pool goes. NULL: out of memory, or a proxy URL that makes no sense.
struct origin *upstream_origin(struct upstream_pool *p, const struct origin_spec *spec);
// Forgets origins with `public_only` that nobody uses at the moment: their names come from clients.
void upstream_origins_prune(struct upstream_pool *p);
// What goes before the path in the request line: "" or, through a plain-HTTP proxy, "http://host:port".
struct str origin_target_prefix(const struct origin *o);
// Proxy-Authorization value for requests sent through a plain-HTTP proxy, or empty.
struct str origin_proxy_authorization(const struct origin *o);
// "host" or "host:port", for the Host field.
struct str origin_host(const struct origin *o);
unsigned origin_idle_count(const struct origin *o);

enum { UPSTREAM_READ = 64 * 1024 };  // the most bytes of a reply that are handed over at once

struct exchange_times {
  unsigned connect_ms, first_byte_ms, idle_ms, total_ms;
};

struct upstream;
struct exchange {
  // Appends head and body of the request; called when a connection is ready, again for each new try. False: give up
  // (FAULT_INTERNAL).
  // *hole (zeroed) may name a long run of bytes that is sent from where it lies.
  bool (*build)(struct exchange *x, struct buf *out, struct buf_hole *hole);
  // Part of the reply. `head` is given once, with the first part; body bytes may be changed in place and are only lent.
  // `end`: the reply is complete, and the exchange is over before this is called.
  void (*on_reply)(struct exchange *x, const struct http_head *head, char *body, size_t n, bool end);
  // The exchange is over without a complete reply. `why`: for people.
  void (*on_fail)(struct exchange *x, enum fault fault, struct str why);
  // private
  struct origin *origin;
  struct upstream *conn;           // NULL: waiting for a name look-up, or over
  struct exchange *next, **pprev;  // waiting list
  struct timer timer;              // of the look-up
  struct exchange_times times;
  uint64_t started_ms;
  uint64_t sent_ns;  // when the request's bytes were handed to the kernel last; 0: not yet
  bool retried;
};

// Callbacks are set. Callbacks may come from within this call.
void exchange_start(struct exchange *x, struct origin *o, struct exchange_times times);
// Ends it without callbacks and closes its connection at once. Safe when over already.
void exchange_cancel(struct exchange *x);
// Back-pressure: stops or resumes reading the reply.
void exchange_pause(struct exchange *x, bool pause);
// The owner has all it needs: the reply's end is awaited for `ms` at most, so that the connection can be kept.
void exchange_linger(struct exchange *x, unsigned ms);
static inline bool exchange_is_on(const struct exchange *x) {
  return x->conn || x->pprev;
}
