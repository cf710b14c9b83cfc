#define _GNU_SOURCE
#include "gateway/gateway.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "gateway/client.h"
#include "gateway/credential.h"
#include "gateway/demo.h"
#include "gateway/hedge_share.h"
#include "gateway/idempotency.h"
#include "gateway/listener.h"
#include "gateway/presets.h"
#include "gateway/probe.h"
#include "gateway/request.h"
#include "gateway/response_cache.h"
#include "gateway/sidecar.h"
#include "gateway/sticky.h"
#include "gateway/waiting.h"
#include "gateway/worker.h"
#include "net/tls.h"

enum { WORKERS_MAX = 256, SPOOL_BYTES_MAX = 1024 * 1024 * 1024, DRAIN_LOOK_MS = 50 };

struct spend_row {
  struct spend_row *next;
  char key_id[48];
  struct key_spend spend;
};

struct loop_thread {
  struct worker worker;
  struct gateway *gateway;
  pthread_t thread;
  bool running;
  struct listener *listeners;
  struct timer drain_timer;
  uint64_t drain_until_ms;
};

struct gateway {
  struct arena arena;
  const struct route *routes;
  size_t route_count;
  struct store *store;
  struct dns *dns;
  struct health *health;    // NULL: no memory for one, and all are well
  struct sticky *sticky;    // NULL: no memory for one, and no conversation has a place of its own
  struct waiting *waiting;  // NULL: no memory for one, and nobody waits
  struct hedge_share hedges;
  struct sidecar *sidecar;                // NULL: no memory for one, and reasoning that clients lose stays lost
  struct response_cache *response_cache;  // NULL: no memory for one, and nothing is kept
  struct idempotency *idempotency;        // the same
  struct presets *presets;
  struct tls_context *tls;
  uint8_t pepper[32];
  struct str management_key;
  struct loop_thread *loops;
  unsigned loop_count;
  atomic_bool draining;
  struct str address;
  pthread_mutex_t lock;       // of the three below
  struct snapshot *snapshot;  // the present one, for whoever is not on a loop
  struct spend_row *spends;
  uint64_t keys_version;
};

// --- small things ---

const struct route *gateway_routes(const struct gateway *g, size_t *count) {
  *count = g->route_count;
  return g->routes;
}

struct sidecar *gateway_sidecar(struct gateway *g) {
  return g->sidecar;
}

struct health *gateway_health(struct gateway *g) {
  return g->health;
}

struct response_cache *gateway_response_cache(struct gateway *g) {
  return g->response_cache;
}

struct idempotency *gateway_idempotency(struct gateway *g) {
  return g->idempotency;
}

struct sticky *gateway_sticky(struct gateway *g) {
  return g->sticky;
}

struct waiting *gateway_waiting(struct gateway *g) {
  return g->waiting;
}

struct hedge_share *gateway_hedges(struct gateway *g) {
  return &g->hedges;
}

int64_t gateway_inference_requests(const struct gateway *g) {
  int64_t sum = 0;
  for (unsigned i = 0; i < g->loop_count; i++)
    sum += metric_get(&g->loops[i].worker.metrics, METRIC_inference_requests_total);
  return sum;
}

struct store *gateway_store(struct gateway *g) {
  return g->store;
}

struct str gateway_address(const struct gateway *g) {
  return g->address;
}

unsigned gateway_workers(const struct gateway *g) {
  return g->loop_count;
}

bool gateway_is_draining(const struct gateway *g) {
  return atomic_load_explicit(&g->draining, memory_order_relaxed);
}

bool gateway_can_look_up_keys(struct gateway *g) {
  return !gateway_is_draining(g);
}

void gateway_metrics(struct gateway *g, struct buf *out) {
  const struct metrics *all[WORKERS_MAX];
  for (unsigned i = 0; i < g->loop_count; i++) all[i] = &g->loops[i].worker.metrics;
  metrics_write(out, all, g->loop_count);
  struct store_stats stats = store_stats(g->store);
  const struct {
    const char *name, *type, *help;
    uint64_t value;
  } rows[] = {
      {"store_rows_total", "counter", "Records written to the store", stats.rows},
      {"store_batches_total", "counter", "Transactions of the store", stats.batches},
      {"store_failures_total", "counter", "Transactions that failed and are tried again", stats.failures},
      {"benches_total", "counter", "Times an endpoint, provider or key was benched",
       g->health ? health_benches(g->health) : 0},
      {"store_backlog", "gauge", "Records that wait in the spools", stats.backlog},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    buf_printf(out, "# HELP signalbox_%s %s\n# TYPE signalbox_%s %s\nsignalbox_%s %llu\n", rows[i].name, rows[i].help,
               rows[i].name, rows[i].type, rows[i].name, (unsigned long long)rows[i].value);
}

// --- keys ---

// The counter of a key; made with what the ledger says when it is new. Under the lock.
static struct key_spend *spend_of(struct gateway *g, struct str key_id, money_pico spent) {
  for (struct spend_row *s = g->spends; s; s = s->next)
    if (str_eq(str_from_cstr(s->key_id), key_id)) return &s->spend;
  struct spend_row *s = calloc(1, sizeof *s);
  if (!s || key_id.len >= sizeof s->key_id) return free(s), NULL;
  memcpy(s->key_id, key_id.ptr, key_id.len);
  atomic_init(&s->spend.pico, spent);
  s->next = g->spends;
  g->spends = s;
  return &s->spend;
}

money_pico gateway_key_spent(struct gateway *g, struct str key_id) {
  pthread_mutex_lock(&g->lock);
  struct key_spend *spend = spend_of(g, key_id, 0);
  money_pico pico = spend ? atomic_load_explicit(&spend->pico, memory_order_relaxed) : 0;
  pthread_mutex_unlock(&g->lock);
  return pico;
}

static money_pico spent_in_store(const struct key_row *rows, size_t count, struct str id) {
  for (size_t i = 0; i < count; i++)
    if (str_eq(rows[i].id, id)) return rows[i].spent;
  return 0;
}

// The keys of the store, of the configuration, and the management key. Under the lock.
static struct keyring *keyring_build(struct gateway *g, struct store *s, struct arena *arena) {
  struct key_row *rows = NULL;
  size_t row_count = 0, count = 0;
  struct str why;
  if (!store_key_list(s, arena, &rows, &row_count, &why)) {
    log_error("keys: %.*s", STR_ARGS(why));
    return NULL;
  }
  const struct config *config = &g->snapshot->config;
  struct key *keys = arena_zalloc(arena, (row_count + config->key_count + 1) * sizeof *keys);
  if (!keys) return NULL;
  keys[count++] = (struct key){.id = STR("management"), .name = STR("management key"), .management = true};
  store_key_hash(g->pepper, g->management_key, keys[0].hash);
  for (size_t i = 0; i < config->key_count; i++) {
    const struct config_key *c = &config->keys[i];
    struct key *k = &keys[count++];
    *k = (struct key){.id = arena_printf(arena, "config:%.*s", STR_ARGS(c->name)),
                      .name = c->name,
                      .has_limit = c->has_limit,
                      .limit = c->limit};
    store_key_hash(g->pepper, c->key, k->hash);
  }
  for (size_t i = 0; i < row_count; i++) {
    const struct key_row *row = &rows[i];
    if (row->declared) continue;
    struct key *k = &keys[count++];
    *k = (struct key){.id = row->id,
                      .name = row->name,
                      .management = row->management,
                      .disabled = row->disabled,
                      .has_limit = row->has_limit,
                      .limit = row->limit,
                      .expires = row->expires};
    memcpy(k->hash, row->hash, sizeof k->hash);
  }
  for (size_t i = 0; i < count; i++) {
    keys[i].spend = spend_of(g, keys[i].id, spent_in_store(rows, row_count, keys[i].id));
    if (!keys[i].spend) return NULL;
  }
  return keyring_new(keys, count);
}

struct keyring_task {
  struct task task;
  struct worker *worker;
  struct keyring *keyring;
};

static void keyring_swap(struct task *task) {
  struct keyring_task *t = (struct keyring_task *)task;
  keyring_drop(t->worker->keyring);
  t->worker->keyring = t->keyring;
  free(t);
}

void gateway_keys_refresh(struct gateway *g, struct store *s, bool force) {
  struct arena arena = {0};
  pthread_mutex_lock(&g->lock);
  uint64_t version = store_keys_version(s);
  if (force || version != g->keys_version) {
    struct keyring *ring = keyring_build(g, s, &arena);
    if (ring) g->keys_version = version;
    for (unsigned i = 0; ring && i < g->loop_count; i++) {
      struct keyring_task *t = calloc(1, sizeof *t);
      if (!t) break;
      *t = (struct keyring_task){{.run = keyring_swap}, &g->loops[i].worker, keyring_hold(ring)};
      loop_post(g->loops[i].worker.loop, &t->task);
    }
    keyring_drop(ring);
  }
  pthread_mutex_unlock(&g->lock);
  arena_free(&arena);
}

static void on_keys_changed(void *context) {
  struct gateway *g = context;
  gateway_keys_refresh(g, g->store, false);
  presets_refresh(g->presets, g->store, false);
}

// --- presets ---

const struct preset_set *gateway_presets(struct worker *w) {
  return presets_look(w->gateway->presets, &w->presets);
}

void gateway_presets_refresh(struct gateway *g, struct store *s) {
  presets_refresh(g->presets, s, true);
}

// --- reload ---

struct snapshot_task {
  struct task task;
  struct worker *worker;
  struct snapshot *snapshot;
};

static void snapshot_swap(struct task *task) {
  struct snapshot_task *t = (struct snapshot_task *)task;
  if (!worker_use_snapshot(t->worker, t->snapshot)) log_error("reload: out of memory, the old configuration stays");
  free(t);
}

struct refresh_job {
  struct store_job job;
  struct gateway *gateway;
};

static void refresh_run(struct store *s, struct store_job *job) {
  gateway_keys_refresh(((struct refresh_job *)job)->gateway, s, true);
}

static void refresh_done(struct store_job *job) {
  free(job);
}

bool gateway_reload(struct gateway *g, struct snapshot *snapshot) {
  if (g->health) snapshot_bind_health(snapshot, g->health);
  pthread_mutex_lock(&g->lock);
  struct snapshot *old = g->snapshot;
  g->snapshot = snapshot;
  pthread_mutex_unlock(&g->lock);
  bool ok = true;
  for (unsigned i = 0; i < g->loop_count; i++) {
    struct snapshot_task *t = calloc(1, sizeof *t);
    if (!t) {
      ok = false;
      continue;
    }
    *t = (struct snapshot_task){{.run = snapshot_swap}, &g->loops[i].worker, snapshot_hold(snapshot)};
    loop_post(g->loops[i].worker.loop, &t->task);
  }
  snapshot_drop(old);
  struct refresh_job *job = calloc(1, sizeof *job);
  if (!job) return false;
  *job = (struct refresh_job){{.run = refresh_run, .done = refresh_done}, g};
  if (!store_submit(g->store, &job->job)) free(job);
  return ok;
}

// --- loops ---

static void *loop_main(void *context) {
  struct loop_thread *t = context;
  loop_run(t->worker.loop);
  return NULL;
}

static void drain_look(struct timer *timer) {
  struct loop_thread *t = (struct loop_thread *)((char *)timer - offsetof(struct loop_thread, drain_timer));
  struct worker *w = &t->worker;
  bool late = loop_now_ms(w->loop) >= t->drain_until_ms;
  for (struct client *c = w->clients, *next; c; c = next) {
    next = c->next;
    if (late)
      client_close(c);
    else
      client_drain(c);
  }
  if (w->clients) {
    timer_set(w->loop, timer, DRAIN_LOOK_MS);
  } else {
    upstream_pool_close_idle(w->pool);
    loop_stop(w->loop);
  }
}

struct drain_task {
  struct task task;
  struct loop_thread *thread;
};

static void drain_begin(struct task *task) {
  struct loop_thread *t = ((struct drain_task *)task)->thread;
  free(task);
  struct worker *w = &t->worker;
  w->draining = true;
  listener_close_all(t->listeners);
  t->listeners = NULL;
  t->drain_until_ms = loop_now_ms(w->loop) + w->snapshot->snapshot->config.drain_timeout_ms;
  t->drain_timer.on_fire = drain_look;
  drain_look(&t->drain_timer);
}

static bool worker_make(struct gateway *g, unsigned number, struct arena *arena, struct str *why) {
  struct loop_thread *t = &g->loops[number];
  struct worker *w = &t->worker;
  const struct config *config = &g->snapshot->config;
  t->gateway = g;
  w->gateway = g;
  w->number = number;
  rand_seed(&w->rand);
  buf_init(&w->out, (size_t)1 << 30);
  buf_init(&w->body, (size_t)1 << 30);
  w->loop = loop_new();
  w->read_buffer = malloc(WORKER_READ_SIZE);
  w->hasher = key_hasher_new(g->pepper);
  *why = STR("out of memory or descriptors");
  if (!w->loop || !w->read_buffer || !w->hasher) return false;
  w->pool = upstream_pool_new(w->loop, g->dns, config->upstream_pool_idle_ms);
  if (!w->pool || !worker_use_snapshot(w, snapshot_hold(g->snapshot))) return false;
  w->spool = spool_open(arena, arena_printf(&g->arena, "%.*s/spool", STR_ARGS(config->data_dir)), number,
                        SPOOL_BYTES_MAX, why);
  if (!w->spool) return false;
  store_attach(g->store, w->spool);
  return listener_open_all(w, config, number, g->tls, &t->listeners, &g->address, arena, why);
}

static unsigned cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int n = CPU_COUNT(&set);
  return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

// All of it but the threads.
static bool make(struct gateway *g, struct arena *arena, struct str *why) {
  const struct config *config = &g->snapshot->config;
  if (!store_pepper(arena, config->data_dir, g->pepper, why)) return false;
  *why = STR("out of memory");
  g->dns = dns_new();
  g->response_cache = response_cache_new();
  g->idempotency = idempotency_new();
  g->waiting = waiting_new();
  g->sidecar = sidecar_new();
  g->sticky = sticky_new();
  g->health = health_new();
  if (g->health) snapshot_bind_health(g->snapshot, g->health);
  g->presets = presets_new();
  g->loop_count = config->workers ? config->workers : cores();
  g->loops = calloc(g->loop_count, sizeof *g->loops);
  if (!g->dns || !g->presets || !g->loops) return false;
  if (config->tls_cert.len) {
    char text[300];
    g->tls = tls_server_context(arena_str(arena, config->tls_cert).ptr, arena_str(arena, config->tls_key).ptr, text,
                                sizeof text);
    *why = arena_str(arena, str_from_cstr(text));
    if (!g->tls) return false;
  }
  for (unsigned i = 0; i < g->loop_count; i++)
    if (!worker_make(g, i, arena, why)) return false;
  struct keyring *ring = keyring_build(g, g->store, arena);
  g->keys_version = store_keys_version(g->store);
  *why = STR("the keys cannot be read");
  if (!ring) return false;
  for (unsigned i = 0; i < g->loop_count; i++) g->loops[i].worker.keyring = keyring_hold(ring);
  keyring_drop(ring);
  *why = STR("the presets cannot be read");
  if (!presets_refresh(g->presets, g->store, true)) return false;
  return true;
}

static bool run(struct gateway *g, struct str *why) {
  *why = STR("a thread cannot be started");
  if (!store_start(g->store, on_keys_changed, g)) return false;
  for (unsigned i = 0; i < g->loop_count; i++) {
    if (pthread_create(&g->loops[i].thread, NULL, loop_main, &g->loops[i]) != 0) return false;
    g->loops[i].running = true;
  }
  return true;
}

static struct gateway *gateway_new(const struct gateway_options *options) {
  struct gateway *g = calloc(1, sizeof *g);
  if (!g) return NULL;
  pthread_mutex_init(&g->lock, NULL);
  g->snapshot = options->snapshot;
  g->store = options->store;
  g->routes = options->routes;
  g->route_count = options->route_count;
  g->management_key = arena_str(&g->arena, options->management_key);
  return g;
}

struct gateway *gateway_start(struct arena *arena, const struct gateway_options *options, struct str *why) {
  struct gateway *g = gateway_new(options);
  *why = STR("out of memory");
  if (!g) return NULL;
  if (make(g, arena, why) && run(g, why)) return g;
  gateway_stop(g);
  return NULL;
}

// --- the end ---

static void worker_free(struct loop_thread *t) {
  struct worker *w = &t->worker;
  listener_close_all(t->listeners);
  prober_stop(w);
  // Jobs that came back from the store, replies whose end was still awaited.
  if (w->loop) loop_finish(w->loop);
  if (w->pool) upstream_pool_abort(w->pool);
  demo_close_all(w);
  if (w->loop) loop_finish(w->loop);
  worker_snapshot_release(w->snapshot);
  credential_free_all(w);
  upstream_pool_free(w->pool);
  keyring_drop(w->keyring);
  presets_view_free(&w->presets);
  key_hasher_free(w->hasher);
  for (int i = 0; i < WORKER_SHAPES; i++) chat_shape_free(&w->shapes[i]);
  spool_close(w->spool);
  buf_free(&w->out);
  buf_free(&w->body);
  request_free_spares(w);
  worker_free_read_buffers(w);
  loop_free(w->loop);
}

void gateway_stop(struct gateway *g) {
  atomic_store(&g->draining, true);
  for (unsigned i = 0; i < g->loop_count && g->loops; i++) {
    struct drain_task *task = g->loops[i].running ? calloc(1, sizeof *task) : NULL;
    if (!task) continue;
    *task = (struct drain_task){{.run = drain_begin}, &g->loops[i]};
    loop_post(g->loops[i].worker.loop, &task->task);
  }
  for (unsigned i = 0; i < g->loop_count && g->loops; i++)
    if (g->loops[i].running) pthread_join(g->loops[i].thread, NULL);
  store_stop(g->store);
  dns_free(g->dns);
  sidecar_free(g->sidecar);
  sticky_free(g->sticky);
  for (unsigned i = 0; i < g->loop_count && g->loops; i++) worker_free(&g->loops[i]);
  response_cache_free(g->response_cache);  // the loops' last tasks may have given something back
  idempotency_free(g->idempotency);
  waiting_free(g->waiting);
  health_free(g->health);
  free(g->loops);
  presets_free(g->presets);
  tls_context_drop(g->tls);
  for (struct spend_row *s = g->spends, *next; s; s = next) {
    next = s->next;
    free(s);
  }
  snapshot_drop(g->snapshot);
  pthread_mutex_destroy(&g->lock);
  arena_free(&g->arena);
  free(g);
}
