#include "gateway/places.h"

#include "base/time.h"
#include "gateway/failover.h"
#include "gateway/gateway.h"
#include "gateway/path.h"
#include "gateway/waiting.h"

struct place_wait {
  struct request *request;
  struct waiter waiter;
  uint8_t targets[WAITING_PLACES];  // parallel to what the waiter wants
  struct timer timer;
  bool waits;
  uint64_t since_ns;
  uint64_t until_ms;  // the loop's clock; one limit for all waits of a request
};
_Static_assert((int)WAITING_PLACES >= (int)REQUEST_TARGETS, "each target may be full");

static struct waiting *queue_of(const struct request *r) {
  return gateway_waiting(r->worker->gateway);
}

// NULL: any number may be under way there.
static struct health_record *record_of(const struct request *r, const struct endpoint *e) {
  const struct health_index *index = &r->ws->snapshot->health;
  return e->provider->max_concurrency && index->providers ? index->providers[e->provider->index] : NULL;
}

bool places_enter(struct attempt *a) {
  const struct request *r = a->request;
  struct health_record *record = record_of(r, a->endpoint);
  struct waiting *queue = queue_of(r);
  if (!record) return true;
  if (queue && waiting_for(queue, record)) return false;
  a->counted = health_enter(record, a->endpoint->provider->max_concurrency);
  return a->counted;
}

static void give_back(const struct request *r, struct health_record *record, uint64_t held_us) {
  struct waiting *queue = queue_of(r);
  health_leave(record);
  if (queue) waiting_serve(queue, record, held_us);
}

void places_leave(struct attempt *a) {
  if (a->counted)
    give_back(a->request, record_of(a->request, a->endpoint), (time_mono_ns() - a->started_ns) / 1000 + 1);
  a->counted = false;
}

// --- waiting ---

static void wait_ended(struct place_wait *wait) {
  struct request *r = wait->request;
  wait->waits = false;
  timer_clear(&wait->timer);
  metric_add(&r->worker->metrics, METRIC_requests_waiting, -1);
  if (!r->sent_ns) r->inference->waited_ns += time_mono_ns() - wait->since_ns;
}

static void on_granted(struct task *task) {
  struct place_wait *wait = (struct place_wait *)((char *)task - offsetof(struct place_wait, waiter.task));
  struct request *r = wait->request;
  wait_ended(wait);
  if (!r->client) {
    give_back(r, wait->waiter.wants[wait->waiter.granted].record, 0);
    request_over(r);
    return;
  }
  unsigned target = wait->targets[wait->waiter.granted];
  r->inference->full &= ~(1u << target);
  failover_go_on(r, target);
}

static void on_deadline(struct timer *timer) {
  struct place_wait *wait = (struct place_wait *)((char *)timer - offsetof(struct place_wait, timer));
  struct request *r = wait->request;
  if (!waiting_withdraw(queue_of(r), &wait->waiter)) return;  // just in time
  wait_ended(wait);
  path_fail(r, FAULT_UPSTREAM_BUSY,
            arena_printf(&r->arena,
                         "No provider of this model had room (max_concurrency) within %u ms "
                         "(routing.queue_timeout_ms). Try again after the time in Retry-After.",
                         request_config(r)->queue_timeout_ms));
}

static void want(struct place_wait *wait, unsigned target) {
  struct waiter *x = &wait->waiter;
  const struct endpoint *e = wait->request->inference->targets[target];
  struct health_record *record = record_of(wait->request, e);
  for (unsigned i = 0; i < x->count; i++)
    if (x->wants[i].record == record) return;  // an endpoint of the same provider, further up in the order
  wait->targets[x->count] = (uint8_t)target;
  x->wants[x->count++] = (struct waiting_place){record, e->provider->max_concurrency};
}

static struct place_wait *wait_of(struct request *r) {
  struct inference *in = r->inference;
  if (in->wait) return in->wait;
  in->wait = arena_zalloc(&r->arena, sizeof *in->wait);
  if (in->wait) in->wait->until_ms = loop_now_ms(r->worker->loop) + request_config(r)->queue_timeout_ms;
  return in->wait;
}

bool places_wait(struct request *r) {
  struct inference *in = r->inference;
  const struct config *config = request_config(r);
  uint64_t now = loop_now_ms(r->worker->loop), expected_ms = 0;
  struct place_wait *wait = in->full && config->queue_timeout_ms && queue_of(r) ? wait_of(r) : NULL;
  if (!wait || wait->until_ms <= now || in->attempt_count >= REQUEST_ATTEMPTS - 1) return false;
  wait->request = r;
  wait->waiter = (struct waiter){.key = r->key_spend, .loop = r->worker->loop, .task.run = on_granted};
  wait->timer = (struct timer){.on_fire = on_deadline};
  wait->since_ns = time_mono_ns();
  for (unsigned i = 0; i < in->target_count; i++)
    if (in->full >> i & 1) want(wait, i);
  if (waiting_join(queue_of(r), &wait->waiter, (unsigned)config->queue_max, wait->until_ms - now, now, &expected_ms)) {
    wait->waits = true;
    metric_add(&r->worker->metrics, METRIC_requests_waited_total, 1);
    metric_add(&r->worker->metrics, METRIC_requests_waiting, 1);
    timer_set(r->worker->loop, &wait->timer, wait->until_ms - now);
    if (in->chat.stream) client_quiet_timer(r->client, config->keepalive_comment_ms);
    return true;
  }
  unsigned seconds = (unsigned)(expected_ms / 1000 + 1);
  if (expected_ms && (!in->retry_after_s || seconds < in->retry_after_s)) in->retry_after_s = seconds;
  return false;
}

bool places_gone(struct request *r) {
  struct place_wait *wait = r->inference->wait;
  if (!wait || !wait->waits) return false;
  if (!waiting_withdraw(queue_of(r), &wait->waiter)) return true;
  wait_ended(wait);
  return false;
}
