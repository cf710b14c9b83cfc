#define _GNU_SOURCE
#include "gateway/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/time.h"
#include "gateway/probe.h"

struct worker_snapshot *worker_snapshot_hold(struct worker_snapshot *ws) {
  ws->uses++;
  return ws;
}

void worker_snapshot_release(struct worker_snapshot *ws) {
  if (!ws || --ws->uses) return;
  snapshot_drop(ws->snapshot);
  free(ws->origins);
  free(ws);
}

bool worker_use_snapshot(struct worker *w, struct snapshot *snapshot) {
  size_t count = snapshot->catalogue.provider_count;
  struct worker_snapshot *ws = calloc(1, sizeof *ws);
  struct origin **origins = calloc(count + 1, sizeof(struct origin *));
  bool ok = ws && origins;
  for (size_t i = 0; ok && i < count; i++) {
    struct origin_spec spec = snapshot->origins[i].spec;
    if (spec.dial) spec.dial_context = w;  // the built-in demo provider lives on this loop
    origins[i] = upstream_origin(w->pool, &spec);
    ok = origins[i] != NULL;
  }
  if (!ok) {
    free(ws);
    free(origins);
    snapshot_drop(snapshot);
    return false;
  }
  *ws = (struct worker_snapshot){snapshot, origins, 1};
  prober_stop(w);  // it asks by the one before
  worker_snapshot_release(w->snapshot);
  w->snapshot = ws;
  prober_use(w);
  return true;
}

char *worker_take_read_buffer(struct worker *w) {
  char *other = w->spare_buffer_count ? w->spare_buffers[--w->spare_buffer_count] : malloc(WORKER_READ_SIZE);
  if (!other) return NULL;
  char *taken = w->read_buffer;
  w->read_buffer = other;
  return taken;
}

// Under AddressSanitizer every buffer is freed, so that a use after the end is found.
#ifdef __SANITIZE_ADDRESS__
static const unsigned spares_max = 0;
#else
static const unsigned spares_max = WORKER_SPARE_BUFFERS;
#endif

void worker_give_read_buffer(struct worker *w, char *buffer) {
  if (w->spare_buffer_count < spares_max)
    w->spare_buffers[w->spare_buffer_count++] = buffer;
  else
    free(buffer);
}

void worker_free_read_buffers(struct worker *w) {
  free(w->read_buffer);
  while (w->spare_buffer_count) free(w->spare_buffers[--w->spare_buffer_count]);
}

struct str worker_date(struct worker *w) {
  uint64_t second = loop_now_ms(w->loop) / 1000;
  if (second != w->date_second) {
    w->date_second = second;
    time_t now = (time_t)(time_unix_us() / 1000000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(w->date, sizeof w->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
  }
  return str_from_cstr(w->date);
}

struct buf *worker_scratch(struct buf *b) {
  if (b->cap > WORKER_SCRATCH_KEEP) {
    size_t max = b->max;
    buf_free(b);
    buf_init(b, max);
  }
  buf_clear(b);
  return b;
}
