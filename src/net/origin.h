// What upstream.c (connections, exchanges) and origin.c (where they go) share.
#pragma once
#include "net/conn.h"
#include "net/upstream.h"

struct origin {
  struct origin *next;
  struct upstream_pool *pool;
  bool tls, public_only;
  char host[256];
  char host_field[272];  // with port unless it is the default
  uint16_t port;
  struct tls_context *tls_context;
  struct tls_ticket *ticket;
  bool proxied;
  char proxy_text[300];
  char proxy_authorization[256];  // "Basic …"
  char target_prefix[300];
  int (*dial)(void *);
  void *dial_context;
  // addresses
  struct dns_query query;
  struct dns_address addresses[DNS_ADDRESSES];  // as last found: the query itself may be with the resolver's thread
  int address_count;
  bool looking_up;
  uint64_t looked_up_ms;
  struct exchange *waiting;  // for the look-up
  // pool
  struct upstream *idle;
  unsigned idle_count;
};

// The connections of a pool, for origin.c.
const struct upstream *upstream_next(const struct upstream *u);
bool upstream_is_of(const struct upstream *u, const struct origin *o);

struct upstream_pool {
  struct loop *loop;
  struct dns *dns;
  unsigned idle_ms;
  struct origin *origins;
  struct upstream *all;
  struct buf out;     // a request being sent
  char *read_buffer;  // READ_SIZE
};
