#define _GNU_SOURCE
#include "net/dns.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

enum { CACHE_SIZE = 128 };

struct cached {
  char host[256];
  uint64_t until_ms;
  int count;
  struct dns_address addresses[DNS_ADDRESSES];
  char why[96];
};

struct dns {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  bool stopping;
  struct dns_query *first, **last;
  struct cached *cache[CACHE_SIZE];  // direct-mapped
};

static void set_port(struct dns_address *a, uint16_t port) {
  if (a->addr.ss_family == AF_INET6)
    ((struct sockaddr_in6 *)&a->addr)->sin6_port = htons(port);
  else
    ((struct sockaddr_in *)&a->addr)->sin_port = htons(port);
}

static struct cached **cache_slot(struct dns *d, const char *host) {
  uint32_t h = 2166136261u;
  for (const char *p = host; *p; p++) h = (h ^ (unsigned char)*p) * 16777619u;
  return &d->cache[h % CACHE_SIZE];
}

static void answer_from(struct dns_query *q, const struct cached *c) {
  q->count = c->count;
  memcpy(q->addresses, c->addresses, sizeof q->addresses);
  memcpy(q->why, c->why, sizeof q->why);
  for (int i = 0; i < q->count; i++) set_port(&q->addresses[i], q->port);
}

static bool literal(struct dns_query *q) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(q->port)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(q->port)};
  if (inet_pton(AF_INET, q->host, &v4.sin_addr) == 1) {
    memcpy(&q->addresses[0].addr, &v4, sizeof v4);
    q->addresses[0].len = sizeof v4;
  } else if (inet_pton(AF_INET6, q->host, &v6.sin6_addr) == 1) {
    memcpy(&q->addresses[0].addr, &v6, sizeof v6);
    q->addresses[0].len = sizeof v6;
  } else {
    return false;
  }
  q->count = 1;
  return true;
}

static void resolve(const char *host, struct cached *out) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
  int rc = getaddrinfo(host, NULL, &hints, &list);
  if (rc == EAI_NONAME) {  // AI_ADDRCONFIG hides loopback names on a machine without a network
    hints.ai_flags = 0;
    rc = getaddrinfo(host, NULL, &hints, &list);
  }
  *out = (struct cached){.until_ms = time_mono_ns() / 1000000 + (rc ? DNS_FAILED_TTL_MS : DNS_TTL_MS)};
  snprintf(out->host, sizeof out->host, "%s", host);
  if (rc) {
    snprintf(out->why, sizeof out->why, "%s", gai_strerror(rc));
    return;
  }
  for (struct addrinfo *a = list; a && out->count < DNS_ADDRESSES; a = a->ai_next) {
    if (a->ai_addrlen > sizeof out->addresses[0].addr) continue;
    memcpy(&out->addresses[out->count].addr, a->ai_addr, a->ai_addrlen);
    out->addresses[out->count++].len = a->ai_addrlen;
  }
  freeaddrinfo(list);
}

static void *thread_main(void *context) {
  struct dns *d = context;
  pthread_mutex_lock(&d->lock);
  while (!d->stopping) {
    struct dns_query *q = d->first;
    if (!q) {
      pthread_cond_wait(&d->wake, &d->lock);
      continue;
    }
    d->first = q->next;
    if (!d->first) d->last = &d->first;
    struct cached **slot = cache_slot(d, q->host);
    bool fresh = *slot && strcmp((*slot)->host, q->host) == 0 && (*slot)->until_ms > time_mono_ns() / 1000000;
    if (!fresh) {
      pthread_mutex_unlock(&d->lock);
      struct cached found;
      resolve(q->host, &found);
      pthread_mutex_lock(&d->lock);
      if (!*slot) *slot = malloc(sizeof **slot);
      if (*slot) **slot = found;
      answer_from(q, &found);
    } else {
      answer_from(q, *slot);
    }
    loop_post(q->loop, &q->task);
  }
  pthread_mutex_unlock(&d->lock);
  return NULL;
}

struct dns *dns_new(void) {
  struct dns *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->last = &d->first;
  pthread_mutex_init(&d->lock, NULL);
  pthread_cond_init(&d->wake, NULL);
  if (pthread_create(&d->thread, NULL, thread_main, d) != 0) {
    free(d);
    return NULL;
  }
  return d;
}

void dns_free(struct dns *d) {
  if (!d) return;
  pthread_mutex_lock(&d->lock);
  d->stopping = true;
  pthread_cond_signal(&d->wake);
  pthread_mutex_unlock(&d->lock);
  pthread_join(d->thread, NULL);
  for (int i = 0; i < CACHE_SIZE; i++) free(d->cache[i]);
  pthread_mutex_destroy(&d->lock);
  pthread_cond_destroy(&d->wake);
  free(d);
}

static void run_done(struct task *task) {
  struct dns_query *q = (struct dns_query *)task;
  q->done(q);
}

bool dns_lookup(struct dns *d, struct dns_query *q) {
  q->count = 0;
  q->why[0] = 0;
  if (literal(q)) return true;
  pthread_mutex_lock(&d->lock);
  struct cached *c = *cache_slot(d, q->host);
  bool fresh = c && strcmp(c->host, q->host) == 0 && c->until_ms > time_mono_ns() / 1000000;
  if (fresh) {
    answer_from(q, c);
  } else {
    q->task.run = run_done;
    q->next = NULL;
    *d->last = q;
    d->last = &q->next;
    pthread_cond_signal(&d->wake);
  }
  pthread_mutex_unlock(&d->lock);
  return fresh;
}
