// What one event loop owns: its clients, its connections to providers, its spool, its counters. Nothing here is shared
// with other loops; what comes from outside arrives as tasks.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rand.h"
#include "gateway/metrics.h"
#include "gateway/presets.h"
#include "gateway/snapshot.h"
#include "net/dns.h"
#include "net/loop.h"
#include "net/upstream.h"
#include "policy/keyring.h"
#include "policy/shedder.h"
#include "store/keyhash.h"
#include "store/spool.h"
#include "surface/chat_shape.h"

struct client;
struct demo;
struct prober;
struct stored_credential;
struct gateway;

// A snapshot as this loop uses it: with the loop's own origins. Requests count themselves in.
struct worker_snapshot {
  struct snapshot *snapshot;
  struct origin **origins;  // parallel to the catalogue's providers
  unsigned uses;            // requests under way, and one while it is the present one
};

enum { WORKER_SHAPES = 16, WORKER_SPARE_BUFFERS = 16 };

struct worker {
  struct gateway *gateway;
  unsigned number;
  struct loop *loop;
  struct upstream_pool *pool;
  struct spool *spool;
  struct worker_snapshot *snapshot;  // the present one
  struct keyring *keyring;
  struct presets_view presets;  // looked at by gateway_presets
  struct key_hasher *hasher;
  struct rand rand;
  uint64_t last_id_us;     // of the newest generation id
  struct client *clients;  // all open ones
  unsigned client_count;
  struct stored_credential *credentials;
  int64_t aws_clock_s;    // how far AWS's clock is ahead of ours, once it refused a signature for its time
  struct prober *prober;  // of the first loop; see probe.h
  struct demo *demos;     // the demo provider's connections
  bool draining;
  // blocks of requests that are over, to be used again; see request.c
  struct spare_blocks {
    void *first;
    unsigned count;
  } spare_requests, spare_inferences;
  // used anew in each callback, never kept across a turn
  char *read_buffer;
  char *spare_buffers[WORKER_SPARE_BUFFERS];
  unsigned spare_buffer_count;
  struct buf out, body;
  // what the last whole replies looked like, by endpoint; two that share a place only make each other slower
  struct chat_shape shapes[WORKER_SHAPES];
  // the route asked for last: nearly always the next request's, too
  struct {
    const struct route *route;  // NULL: none; never one with stars
    enum http_method method;
    size_t path_len;
    char path[48];
  } last_route;
  struct shedder shedder;
  uint64_t shed_logged_ms;
  uint64_t log_second;  // of failed attempts, see failover.c
  unsigned log_lines;
  // the Date field, made once a second
  uint64_t date_second;
  char date[32];
  struct metrics metrics;
};

enum { WORKER_READ_SIZE = 128 * 1024, WORKER_SCRATCH_KEEP = 512 * 1024 };

struct worker_snapshot *worker_snapshot_hold(struct worker_snapshot *ws);
void worker_snapshot_release(struct worker_snapshot *ws);
// Makes `snapshot` (takes over one reference) the present one. False: out of memory; the old one stays.
bool worker_use_snapshot(struct worker *w, struct snapshot *snapshot);
// The read buffer with what is in it, for the caller; the worker goes on with another. NULL: out of memory.
char *worker_take_read_buffer(struct worker *w);
void worker_give_read_buffer(struct worker *w, char *buffer);
void worker_free_read_buffers(struct worker *w);
// "Mon, 23 Nov 2026 12:00:00 GMT"
struct str worker_date(struct worker *w);
// An empty scratch buffer; memory it grew beyond WORKER_SCRATCH_KEEP is given back first.
struct buf *worker_scratch(struct buf *b);
