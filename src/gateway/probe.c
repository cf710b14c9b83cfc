// One timer of the shortest interval looks who is benched; each provider has one probe, and waits for its own interval
// between two.
#define _GNU_SOURCE
#include "gateway/probe.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "policy/health.h"
#include "provider/model_list.h"

enum {
  RUNNING_MAX = 32,  // at a time
  INTERVAL_LEAST_MS = 100,
  ANSWER_MS = 10000,              // for all of an answer
  ANSWER_BYTES = 4 * 1024 * 1024  // of a list; more need not be read to know that it is there
};

struct probe {
  struct prober *prober;
  const struct provider *provider;
  struct exchange exchange;
  uint64_t due_ms;    // not before
  uint64_t asked_ms;  // when it was begun
  size_t received;
  unsigned status;
  bool wanted, running;
};

struct prober {
  struct worker *worker;
  struct timer timer;
  unsigned tick_ms, running;
  size_t count, next;     // next: whose turn it is first
  struct probe probes[];  // parallel to the providers of the worker's snapshot
};

static struct probe *probe_of(struct exchange *x) {
  return (struct probe *)((char *)x - offsetof(struct probe, exchange));
}

// +-10 %: gateways that were started together do not go on asking together.
static uint64_t jittered(struct worker *w, unsigned ms) {
  return ms - ms / 10 + rand_next(&w->rand) % (ms / 5 + 1);
}

// --- the answer ---

// Ends the benches that had begun when it was asked for.
static void on_alive(struct probe *p) {
  struct worker *w = p->prober->worker;
  const struct snapshot *s = w->snapshot->snapshot;
  uint64_t now = loop_now_ms(w->loop);
  bool ended = health_alive(s->health.providers[p->provider->index], p->asked_ms, now);
  for (size_t m = 0; m < s->catalogue.model_count; m++) {
    for (size_t i = 0; i < s->catalogue.models[m].endpoint_count; i++) {
      const struct endpoint *e = &s->catalogue.models[m].endpoints[i];
      if (e->provider == p->provider) ended |= health_alive(s->health.endpoints[e->index], p->asked_ms, now);
    }
  }
  if (ended) log_info("provider %.*s answers again: its bench ends", STR_ARGS(p->provider->id));
}

static void finish(struct probe *p, bool complete) {
  p->running = false;
  p->prober->running--;
  if (!complete || p->status / 100 != 2) return;
  metric_add(&p->prober->worker->metrics, METRIC_health_probes_answered_total, 1);
  on_alive(p);
}

static void on_reply(struct exchange *x, const struct http_head *head, char *body, size_t n, bool end) {
  struct probe *p = probe_of(x);
  (void)body;
  if (head) p->status = head->status;
  p->received += n;
  bool enough = !end && p->received > ANSWER_BYTES;
  if (enough) exchange_cancel(x);
  if (end || enough) finish(p, true);
}

static void on_fail(struct exchange *x, enum fault fault, struct str why) {
  (void)fault;
  (void)why;
  finish(probe_of(x), false);
}

// --- the question ---

// The first key that is not benched, else the first.
static struct str key_of(const struct health_index *health, const struct provider *p, uint64_t now_ms) {
  for (size_t i = 0; i < p->key_count; i++)
    if (health_state(health->keys[p->index][i], now_ms) != HEALTH_BENCHED) return p->keys[i].value;
  return p->key_count ? p->keys[0].value : (struct str){0};
}

static bool on_build(struct exchange *x, struct buf *out, struct buf_hole *hole) {
  struct probe *p = probe_of(x);
  struct worker *w = p->prober->worker;
  const struct snapshot *s = w->snapshot->snapshot;
  struct head_target target = {.prefix = origin_target_prefix(x->origin),
                               .host = origin_host(x->origin),
                               .proxy_authorization = origin_proxy_authorization(x->origin),
                               .key = key_of(&s->health, p->provider, loop_now_ms(w->loop)),
                               .accept = STR("application/json")};
  struct buf path;
  (void)hole;
  bool ok = model_list_target(p->provider, s->origins[p->provider->index].path, &target, &path);
  if (ok) head_write_get(out, p->provider, &target);
  buf_free(&path);
  return ok;
}

static void ask(struct probe *p) {
  struct worker *w = p->prober->worker;
  const struct provider *provider = p->provider;
  p->asked_ms = loop_now_ms(w->loop);
  unsigned interval = provider->probe_interval_ms, tick = p->prober->tick_ms;
  p->due_ms = p->asked_ms + (interval > tick / 2 ? interval - tick / 2 : 0);  // at the tick that is nearest
  p->status = 0;
  p->received = 0;
  p->running = true;
  p->prober->running++;
  metric_add(&w->metrics, METRIC_health_probes_total, 1);
  p->exchange = (struct exchange){.build = on_build, .on_reply = on_reply, .on_fail = on_fail};
  struct exchange_times times = {provider->connect_timeout_ms, ANSWER_MS, ANSWER_MS, ANSWER_MS};
  exchange_start(&p->exchange, w->snapshot->origins[provider->index], times);
}

// --- who is asked ---

static void want(struct probe *p, struct health_record *record, uint64_t now_ms) {
  if (p->provider && !p->running && !p->wanted && now_ms >= p->due_ms) p->wanted = health_wants_probe(record, now_ms);
}

static void look(struct prober *prober) {
  const struct snapshot *s = prober->worker->snapshot->snapshot;
  uint64_t now = loop_now_ms(prober->worker->loop);
  for (size_t i = 0; i < prober->count; i++) {
    prober->probes[i].wanted = false;
    want(&prober->probes[i], s->health.providers[i], now);
  }
  for (size_t m = 0; m < s->catalogue.model_count; m++) {
    for (size_t i = 0; i < s->catalogue.models[m].endpoint_count; i++) {
      const struct endpoint *e = &s->catalogue.models[m].endpoints[i];
      want(&prober->probes[e->provider->index], s->health.endpoints[e->index], now);
    }
  }
}

static void on_tick(struct timer *timer) {
  struct prober *prober = (struct prober *)((char *)timer - offsetof(struct prober, timer));
  struct worker *w = prober->worker;
  if (w->draining) return;
  look(prober);
  size_t first = prober->next;
  for (size_t i = 0; i < prober->count; i++) {
    struct probe *p = &prober->probes[(first + i) % prober->count];
    if (!p->wanted) continue;
    if (prober->running == RUNNING_MAX) {  // the others come first the next time
      prober->next = (first + i) % prober->count;
      break;
    }
    ask(p);
  }
  timer_set(w->loop, timer, jittered(w, prober->tick_ms));
}

// --- for the worker ---

static bool can_be_probed(const struct snapshot *s, const struct provider *p) {
  struct head_target target;
  struct buf path;
  bool can = p->probe_interval_ms && model_list_target(p, s->origins[p->index].path, &target, &path);
  if (p->probe_interval_ms) buf_free(&path);
  return can;
}

void prober_use(struct worker *w) {
  const struct snapshot *s = w->snapshot->snapshot;
  size_t count = s->catalogue.provider_count;
  unsigned tick = 0;
  assert(!w->prober);
  if (w->number || !s->config.health || !s->health.endpoints) return;
  for (size_t i = 0; i < count; i++) {
    const struct provider *p = &s->catalogue.providers[i];
    if (can_be_probed(s, p) && (!tick || p->probe_interval_ms < tick)) tick = p->probe_interval_ms;
  }
  if (!tick) return;
  struct prober *prober = calloc(1, sizeof *prober + count * sizeof(struct probe));
  if (!prober) return;
  prober->worker = w;
  prober->timer.on_fire = on_tick;
  prober->tick_ms = tick < INTERVAL_LEAST_MS ? INTERVAL_LEAST_MS : tick;
  prober->count = count;
  for (size_t i = 0; i < count; i++) {
    const struct provider *p = &s->catalogue.providers[i];
    prober->probes[i].prober = prober;
    if (can_be_probed(s, p)) prober->probes[i].provider = p;
  }
  w->prober = prober;
  timer_set(w->loop, &prober->timer, jittered(w, prober->tick_ms));
}

void prober_stop(struct worker *w) {
  struct prober *prober = w->prober;
  if (!prober) return;
  timer_clear(&prober->timer);
  for (size_t i = 0; i < prober->count; i++)
    if (prober->probes[i].running) exchange_cancel(&prober->probes[i].exchange);
  free(prober);
  w->prober = NULL;
}
