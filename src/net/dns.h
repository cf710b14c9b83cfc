// Name look-up off the loops: a thread that calls getaddrinfo, and a cache shared by all loops.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/str.h"
#include "net/loop.h"

enum { DNS_ADDRESSES = 8, DNS_TTL_MS = 60 * 1000, DNS_FAILED_TTL_MS = 2 * 1000 };

struct dns_address {
  socklen_t len;
  struct sockaddr_storage addr;
};

struct dns;
struct dns *dns_new(void);
// Stops the thread once its present look-up is over. No query may be under way.
void dns_free(struct dns *d);

// One look-up. The owner keeps it alive until `done`, which runs on `loop`. getaddrinfo's time limit is its own
// (resolv.conf); the owner's timers go on meanwhile.
struct dns_query {
  struct task task;  // first: `done` may cast
  struct loop *loop;
  char host[256];
  uint16_t port;
  void (*done)(struct dns_query *q);
  // answer
  int count;  // 0: failed
  struct dns_address addresses[DNS_ADDRESSES];
  char why[96];
  // private
  struct dns_query *next;
};
// host, port, loop and done are set. A literal address or a fresh cached answer: true at once, and `done` is not
// called.
bool dns_lookup(struct dns *d, struct dns_query *q);
