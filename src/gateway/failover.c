// Which endpoint is asked, and what happens when it fails, dawdles or answers: the order comes from policy/routing, the
// health of everybody involved is noted here, and these are the ways on while the client has seen nothing:
//
//   the same endpoint with another key    its key was refused, or is at its rate limit
//   the same endpoint once more           its model wrote what its service refused
//   the next endpoint in the order        any failure that another may not have; one that is benched comes last
//   any that was full (places.c)          there is nobody else: once its provider has room
//   one more beside it (hedging)          it is slower to speak than it usually is; the first to speak answers
//
// An endpoint that failed is not asked again by the same request.
#include "gateway/failover.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/time.h"
#include "gateway/gateway.h"
#include "gateway/hedge_share.h"
#include "gateway/path.h"
#include "gateway/places.h"
#include "gateway/planning.h"
#include "gateway/prepare.h"
#include "gateway/relay.h"
#include "gateway/sticky.h"

// No bench is longer: what a provider asks beyond that is not believed, nor told.
enum { RETRY_AFTER_MOST_S = 600, FLOOR_WINDOW_MS = 10000, HEDGE_LEAST_MS = 50 };

const char *attempt_reason_name(enum attempt_reason reason) {
  static const char *const names[] = {
      [ATTEMPT_FIRST] = "first", [ATTEMPT_FALLBACK] = "fallback", [ATTEMPT_KEY] = "key",
      [ATTEMPT_AGAIN] = "again", [ATTEMPT_HEDGE] = "hedge",       [ATTEMPT_WAITED] = "waited"};
  return names[reason];
}

static void watch(struct attempt *a);

// --- health ---

// Whose health an attempt is about; the demo provider's failures are simulated, and of nobody's concern.
struct records {
  struct health_record *endpoint, *provider, *key;
};

static struct records records_of(const struct request *r, const struct endpoint *e, int key) {
  const struct health_index *index = &r->ws->snapshot->health;
  uint32_t p = e->provider->index;
  struct records out = {0};
  if (!index->endpoints || !request_config(r)->health || e->provider->protocol == PROTOCOL_DEMO) return out;
  out.endpoint = index->endpoints[e->index];
  out.provider = index->providers[p];
  if (key >= 0) out.key = index->keys[p][key];
  return out;
}

static bool is_benched(const struct health_record *record, uint64_t now_ms) {
  if (!record) return false;
  enum health_state state = health_state(record, now_ms);
  return state == HEALTH_BENCHED || state == HEALTH_PROBING;
}

static bool admit(struct health_record *record, uint64_t now_ms, struct health_pass *pass) {
  return !record || health_admit(record, now_ms, pass);
}

// The same endpoint is asked again, with the same key or another, as a new attempt: whatever its passes were, they have
// been used.
static void admit_again(struct attempt *a) {
  struct records records = records_of(a->request, a->endpoint, a->key);
  uint64_t now = loop_now_ms(a->request->worker->loop);
  admit(records.endpoint, now, &a->passes.endpoint);
  admit(records.provider, now, &a->passes.provider);
  admit(records.key, now, &a->passes.key);
}

static void abandon(struct health_record *record, struct health_pass pass) {
  if (record) health_abandon(record, pass);
}

static void abandon_all(struct attempt *a) {
  struct records records = records_of(a->request, a->endpoint, a->key);
  abandon(records.endpoint, a->passes.endpoint);
  abandon(records.provider, a->passes.provider);
  abandon(records.key, a->passes.key);
}

// It has failed by its own fault, or has no verdict.
static void fail(struct attempt *a, struct health_record *record, struct health_pass pass, bool own, enum fault fault) {
  struct worker *w = a->request->worker;
  if (record && own)
    health_failure(record, pass, fault, a->retry_after_s, loop_now_ms(w->loop), rand_next(&w->rand));
  else
    abandon(record, pass);
}

// The one to blame has it noted; the others have no verdict.
static void note_failure(struct attempt *a, enum fault fault) {
  struct records records = records_of(a->request, a->endpoint, a->key);
  enum blame blame = health_blame(fault, a->status);
  bool provider = blame == BLAME_PROVIDER, endpoint = blame == BLAME_ENDPOINT || provider;
  bool key = blame == BLAME_CREDENTIAL;
  if (key && !records.key) provider = true;  // a credential that is fetched, or none at all
  fail(a, records.endpoint, a->passes.endpoint, endpoint, fault);
  fail(a, records.provider, a->passes.provider, provider, fault);
  fail(a, records.key, a->passes.key, key, fault);
}

static void note_success(struct attempt *a) {
  struct records records = records_of(a->request, a->endpoint, a->key);
  uint64_t now = time_mono_ns(), spoke = a->spoke_ns ? a->spoke_ns : now;
  struct health_sample sample = {.now_ms = loop_now_ms(a->request->worker->loop),
                                 .latency_ms = (uint32_t)((spoke - a->started_ns) / 1000000),
                                 .total_ms = (uint32_t)((now - a->started_ns) / 1000000),
                                 .tokens = a->reply.usage.completion};
  if (records.endpoint) health_success(records.endpoint, a->passes.endpoint, &sample);
  if (records.provider) health_success(records.provider, a->passes.provider, &sample);
  if (records.key) health_success(records.key, a->passes.key, &sample);
}

// --- keys ---

static bool key_was_tried(const struct inference *in, const struct endpoint *e, int key) {
  for (unsigned i = 0; i < in->attempt_count; i++)
    if (in->attempts[i].endpoint == e && in->attempts[i].key == key) return true;
  return false;
}

// -1: every key has been tried at this endpoint. `well`: only those that are not benched.
static int key_choose(struct attempt *a, bool well) {
  struct request *r = a->request;
  const struct provider *p = a->endpoint->provider;
  uint64_t now = loop_now_ms(r->worker->loop), sum = 0, soonest = UINT64_MAX;
  int chosen = -1;
  for (size_t i = 0; i < p->key_count; i++) {
    struct health_record *record = records_of(r, a->endpoint, (int)i).key;
    if (key_was_tried(r->inference, a->endpoint, (int)i)) continue;
    if (is_benched(record, now)) {
      uint64_t until = health_benched_until(record, now);
      if (!well && !sum && until < soonest) soonest = until, chosen = (int)i;
      continue;
    }
    // One of those seen so far, each by its share: the later takes over with its part of the sum.
    uint64_t weight = p->keys[i].weight ? p->keys[i].weight : 1;
    sum += weight;
    if (sum == weight || rand_next(&r->worker->rand) % sum < weight) chosen = (int)i;
  }
  return chosen;
}

struct str failover_key(struct attempt *a) {
  const struct provider *p = a->endpoint->provider;
  if (!p->key_count) return (struct str){0};
  if (a->key < 0) {
    a->key = p->key_count == 1 ? 0 : key_choose(a, false);
    if (a->key < 0) a->key = 0;
    struct health_record *record = records_of(a->request, a->endpoint, a->key).key;
    admit(record, loop_now_ms(a->request->worker->loop), &a->passes.key);
  }
  return p->keys[a->key].value;
}

// --- targets ---

static bool keys_are_benched(const struct request *r, const struct endpoint *e, uint64_t now_ms) {
  size_t count = e->provider->key_count;
  for (size_t i = 0; i < count; i++)
    if (!is_benched(records_of(r, e, (int)i).key, now_ms)) return false;
  return count > 0;
}

static bool is_well(const struct request *r, const struct endpoint *e, uint64_t now_ms) {
  struct records records = records_of(r, e, -1);
  if (!records.endpoint && !records.provider) return true;
  return !is_benched(records.endpoint, now_ms) && !is_benched(records.provider, now_ms) &&
         !keys_are_benched(r, e, now_ms);
}

// When all of an endpoint, its provider and one of its keys have served their benches.
static uint64_t back_at(const struct request *r, const struct endpoint *e, uint64_t now_ms) {
  struct records records = records_of(r, e, -1);
  uint64_t until = 0, key = UINT64_MAX, end;
  if (!records.endpoint) return 0;
  if (is_benched(records.endpoint, now_ms)) until = health_benched_until(records.endpoint, now_ms);
  if (is_benched(records.provider, now_ms) && (end = health_benched_until(records.provider, now_ms)) > until)
    until = end;
  if (!keys_are_benched(r, e, now_ms)) return until;
  for (size_t i = 0; i < e->provider->key_count; i++)
    if ((end = health_benched_until(records_of(r, e, (int)i).key, now_ms)) < key) key = end;
  return key > until ? key : until;
}

unsigned path_wait_s(struct request *r) {
  struct inference *in = r->inference;
  uint64_t now = loop_now_ms(r->worker->loop), first = UINT64_MAX;
  if (in->retry_after_s) return in->retry_after_s;
  for (unsigned i = 0; i < in->target_count && in->attempt_count; i++) {
    uint64_t back = back_at(r, in->targets[i], now);
    if (back < first) first = back;
  }
  if (first == UINT64_MAX || first <= now) return 1;
  uint64_t seconds = (first - now + 999) / 1000;
  return seconds < RETRY_AFTER_MOST_S ? (unsigned)seconds : RETRY_AFTER_MOST_S;
}

// Of an endpoint that is asked whether it is well or not.
static struct attempt_passes passes_unasked(const struct request *r, const struct endpoint *e) {
  struct records records = records_of(r, e, -1);
  struct attempt_passes passes = {0};
  if (records.endpoint) passes.endpoint = health_pass(records.endpoint);
  if (records.provider) passes.provider = health_pass(records.provider);
  return passes;
}

// The first target not tried that is well and lets itself be asked; else, unless `beside` another, the first not tried
// at all. Beside another only one that gets the same body.
static int target_choose(struct request *r, bool beside, struct attempt_passes *passes) {
  struct inference *in = r->inference;
  uint64_t now = loop_now_ms(r->worker->loop);
  int any = -1;
  for (unsigned i = 0; i < in->target_count; i++) {
    const struct endpoint *e = in->targets[i];
    if (in->tried >> i & 1) continue;
    if (any < 0) any = (int)i;
    if (!is_well(r, e, now) || (beside && planning_variant(in, i) != in->variant)) continue;
    struct records records = records_of(r, e, -1);
    if (!admit(records.endpoint, now, &passes->endpoint)) continue;
    if (admit(records.provider, now, &passes->provider)) return (int)i;
    abandon(records.endpoint, passes->endpoint);
  }
  if (beside || any < 0) return -1;
  *passes = passes_unasked(r, in->targets[any]);
  return any;
}

// All but asking it.
static void aim(struct attempt *a, unsigned target, enum attempt_reason reason, struct attempt_passes passes) {
  struct inference *in = a->request->inference;
  in->tried |= 1u << target;
  a->endpoint = in->targets[target];
  a->reason = (uint8_t)reason;
  a->key = -1;
  a->passes = passes;
  a->asked_again = a->renewed = a->whole = false;
  a->file_count = 0;
  a->counted = false;
}

static void begin(struct attempt *a, unsigned target, enum attempt_reason reason, struct attempt_passes passes) {
  aim(a, target, reason, passes);
  if (places_enter(a)) {
    attempt_start(a);
    return;
  }
  struct request *r = a->request;
  r->inference->full |= 1u << target;
  chat_reply_init(&a->reply, str_from_cstr(r->generation_id), a->endpoint, r->arrived_us / 1000000);
  a->status = 0;
  a->retry_after_s = 0;
  a->started_ns = time_mono_ns();
  attempt_failed(a, FAULT_UPSTREAM_BUSY, (struct str){0});
}

void failover_go_on(struct request *r, unsigned target) {
  struct attempt *a = r->inference->at;
  struct records records = records_of(r, r->inference->targets[target], -1);
  uint64_t now = loop_now_ms(r->worker->loop);
  struct attempt_passes passes = {0};
  admit(records.endpoint, now, &passes.endpoint);
  admit(records.provider, now, &passes.provider);
  aim(a, target, ATTEMPT_WAITED, passes);
  a->counted = true;
  attempt_start(a);
}

void path_first_attempt(struct request *r) {
  struct inference *in = r->inference;
  struct attempt_passes passes = {0};
  in->at = &in->first;
  in->first.request = r;
  bool only = in->target_count == 1;
  if (only) passes = passes_unasked(r, in->targets[0]);
  int target = only ? 0 : target_choose(r, false, &passes);
  begin(in->at, (unsigned)target, ATTEMPT_FIRST, passes);
}

static struct attempt *other_of(const struct attempt *a) {
  struct inference *in = a->request->inference;
  struct attempt *other = a == &in->first ? in->hedge : &in->first;
  return other && other->state != ATTEMPT_NONE ? other : NULL;
}

bool path_has_other(const struct attempt *a) {
  const struct inference *in = a->request->inference;
  uint32_t all = (1u << in->target_count) - 1;
  return other_of(a) || (in->attempt_count < REQUEST_ATTEMPTS - 1 && (all & ~in->tried));
}

// --- rows ---

static void row_add(struct attempt *a, enum fault fault) {
  struct inference *in = a->request->inference;
  uint64_t now = time_mono_ns(), ready = a->request->ready_ns;
  if (in->attempt_count == REQUEST_ATTEMPTS) return;
  in->attempts[in->attempt_count++] = (struct attempt_row){.endpoint = a->endpoint,
                                                           .fault = (uint8_t)fault,
                                                           .reason = a->reason,
                                                           .status = a->status,
                                                           .key = (int16_t)a->key,
                                                           .started_ms = (uint32_t)((a->started_ns - ready) / 1000000),
                                                           .latency_ms = (uint32_t)((now - a->started_ns) / 1000000)};
}

// At most ten lines a second: a provider that is down must not fill the log.
static void log_failure(struct attempt *a, enum fault fault) {
  struct request *r = a->request;
  struct worker *w = r->worker;
  uint64_t second = loop_now_ms(w->loop) / 1000;
  if (second != w->log_second) {
    if (w->log_lines > 10) log_info("%u more failed attempts were not logged", w->log_lines - 10);
    w->log_second = second;
    w->log_lines = 0;
  }
  if (++w->log_lines > 10) return;
  log_info("%s: attempt %u (%s) at %.*s for %.*s: %s, status %u, %u ms", r->generation_id, r->inference->attempt_count,
           attempt_reason_name(a->reason), STR_ARGS(a->endpoint->provider->id), STR_ARGS(a->endpoint->model->id),
           fault_row(fault)->name, a->status, (unsigned)((time_mono_ns() - a->started_ns) / 1000000));
}

// --- an attempt's end ---

static void stop(struct attempt *a) {
  exchange_cancel(&a->exchange);
  prepare_cancel(a);
  timer_clear(&a->timer);
}

// The same endpoint with another key. False: there is none.
static bool with_another_key(struct attempt *a, enum fault fault) {
  struct inference *in = a->request->inference;
  const struct provider *p = a->endpoint->provider;
  if (p->key_count < 2 || health_blame(fault, a->status) != BLAME_CREDENTIAL || in->spoken) return false;
  int key = key_choose(a, true);
  if (key < 0) return false;
  a->key = key;
  a->reason = ATTEMPT_KEY;
  admit_again(a);
  attempt_start(a);
  return true;
}

static bool once_more(struct attempt *a, enum fault fault) {
  struct inference *in = a->request->inference;
  if (fault != FAULT_UPSTREAM_ANSWER || a->asked_again || in->spoken) return false;
  a->asked_again = true;
  a->reason = ATTEMPT_AGAIN;
  admit_again(a);
  metric_add(&a->request->worker->metrics, METRIC_upstream_retries_total, 1);
  attempt_start(a);
  return true;
}

void attempt_failed(struct attempt *a, enum fault fault, struct str message) {
  struct request *r = a->request;
  struct inference *in = r->inference;
  stop(a);
  if (attempt_mend(a, fault, message)) return;
  note_failure(a, fault);
  row_add(a, fault);
  if (fault != FAULT_UPSTREAM_BUSY) log_failure(a, fault);
  if (a->retry_after_s > RETRY_AFTER_MOST_S) a->retry_after_s = RETRY_AFTER_MOST_S;
  if (a->retry_after_s && (!in->retry_after_s || a->retry_after_s < in->retry_after_s))
    in->retry_after_s = a->retry_after_s;
  relay_reset(a);
  a->state = ATTEMPT_NONE;
  struct attempt *other = other_of(a);
  if (other) {  // it goes on alone
    places_leave(a);
    in->at = other;
    return;
  }
  in->at = a;
  if (once_more(a, fault) || with_another_key(a, fault)) return;
  places_leave(a);
  if (!in->spoken && fault_row(fault)->fallback && in->attempt_count < REQUEST_ATTEMPTS - 1) {
    struct attempt_passes passes = {0};
    int target = target_choose(r, false, &passes);
    if (target >= 0) {
      metric_add(&r->worker->metrics, METRIC_fallbacks_total, 1);
      begin(a, (unsigned)target, ATTEMPT_FALLBACK, passes);
      return;
    }
  }
  if (in->spoken || !places_wait(r)) path_fail(r, fault, message);
}

// What the cancelled attempt will probably have cost: its prompt, and what it had said.
static void note_extra(const struct attempt *a) {
  struct usage usage = {.prompt = a->request->body_len / 4, .completion = (a->reply.text_bytes + 3) / 4};
  struct cost cost = usage_cost(&usage, &a->endpoint->pricing, a->request->arrived_us / 1000000);
  metric_add(&a->request->worker->metrics, METRIC_hedge_extra_picodollars_total, cost.total);
}

void path_attempt_spoke(struct attempt *a) {
  struct request *r = a->request;
  struct inference *in = r->inference;
  if (in->spoken || a->spoke_ns) return;
  a->spoke_ns = in->first_ns = time_mono_ns();
  struct attempt *other = other_of(a);
  in->at = a;
  if (other) {
    if (a->reason == ATTEMPT_HEDGE) metric_add(&r->worker->metrics, METRIC_hedges_won_total, 1);
    note_extra(other);
    stop(other);
    abandon_all(other);
    row_add(other, FAULT_NONE);
    relay_reset(other);
    places_leave(other);
    other->state = ATTEMPT_NONE;
  }
  if (in->chat.stream)
    watch(a);
  else
    timer_clear(&a->timer);
}

void path_attempt_done(struct attempt *a) {
  timer_clear(&a->timer);
  places_leave(a);
  note_success(a);
  sticky_note(a);
}

void path_attempts_cancel(struct request *r) {
  struct inference *in = r->inference;
  struct attempt *both[] = {&in->first, in->hedge};
  for (unsigned i = 0; i < 2; i++) {
    if (!both[i] || both[i]->state == ATTEMPT_NONE) continue;
    stop(both[i]);
    abandon_all(both[i]);
    row_add(both[i], FAULT_CLIENT_GONE);
    places_leave(both[i]);
    both[i]->state = ATTEMPT_NONE;
  }
}

bool path_attempts_over(struct request *r) {
  struct inference *in = r->inference;
  struct attempt *both[] = {&in->first, in->hedge};
  bool awaited = false;
  for (unsigned i = 0; i < 2; i++) {
    if (!both[i] || !both[i]->request) continue;
    timer_clear(&both[i]->timer);
    places_leave(both[i]);
    relay_reset(both[i]);
    awaited |= exchange_is_on(&both[i]->exchange);
  }
  if (awaited) return true;
  free(in->hedge);
  in->hedge = NULL;
  return false;
}

// --- time ---

static void hedge(struct attempt *a) {
  struct request *r = a->request;
  struct inference *in = r->inference;
  struct gateway *g = r->worker->gateway;
  if (in->spoken || other_of(a) || in->attempt_count >= REQUEST_ATTEMPTS - 2) return;
  if (!hedge_share_take(gateway_hedges(g), gateway_inference_requests(g), request_config(r)->hedge_max_percent)) {
    metric_add(&r->worker->metrics, METRIC_hedges_denied_total, 1);
    return;
  }
  if (!in->hedge) in->hedge = calloc(1, sizeof *in->hedge);
  struct attempt *second = a == &in->first ? in->hedge : &in->first;
  struct attempt_passes passes = {0};
  int target = second ? target_choose(r, true, &passes) : -1;
  if (target < 0) {
    hedge_share_give(gateway_hedges(g));
    return;
  }
  second->request = r;
  aim(second, (unsigned)target, ATTEMPT_HEDGE, passes);
  if (!places_enter(second)) {  // full: later perhaps, should the first one fail
    abandon_all(second);
    in->tried &= ~(1u << target);
    hedge_share_give(gateway_hedges(g));
    return;
  }
  metric_add(&r->worker->metrics, METRIC_hedges_total, 1);
  attempt_start(second);
}

static void too_slow(struct attempt *a, struct str what) {
  struct request *r = a->request;
  const struct provider *p = a->endpoint->provider;
  attempt_failed(a, FAULT_TIMEOUT, arena_printf(&r->arena, "%.*s %.*s", STR_ARGS(p->name), STR_ARGS(what)));
}

// The rate of the window that has just ended. A client that reads slowly is not the provider's fault.
static bool below_floor(struct attempt *a, uint64_t now_ns) {
  const struct provider *p = a->endpoint->provider;
  uint64_t came = a->reply.text_bytes - a->floor_bytes;
  bool slow = came / 4 * 1000 < (uint64_t)p->min_tokens_per_second * FLOOR_WINDOW_MS;
  a->floor_ns = now_ns;
  a->floor_bytes = a->reply.text_bytes;
  return slow && a->request->client && !conn_blocked(&a->request->client->conn);
}

static void on_time(struct timer *timer) {
  struct attempt *a = (struct attempt *)((char *)timer - offsetof(struct attempt, timer));
  struct request *r = a->request;
  const struct provider *p = a->endpoint->provider;
  uint64_t now = time_mono_ns();
  if (a->state == ATTEMPT_NONE || r->state != REQUEST_RUNNING) return;
  if (!a->spoke_ns && r->inference->chat.stream && p->first_token_timeout_ms &&
      now - a->started_ns >= (uint64_t)p->first_token_timeout_ms * 1000000) {
    too_slow(a, arena_printf(&r->arena, "gave no token within %u ms (first_token_timeout_ms), attempt %u.",
                             p->first_token_timeout_ms, r->inference->attempt_count + 1));
    return;
  }
  if (a->spoke_ns && a->floor_ns && now - a->floor_ns >= (uint64_t)FLOOR_WINDOW_MS * 1000000 && below_floor(a, now)) {
    too_slow(a, arena_printf(&r->arena, "gave fewer than %u tokens a second (min_tokens_per_second), attempt %u.",
                             p->min_tokens_per_second, r->inference->attempt_count + 1));
    return;
  }
  bool slow = a->hedge_ns && now >= a->hedge_ns;
  if (slow) a->hedge_ns = 0;
  watch(a);
  if (slow) hedge(a);
}

// When another is asked beside it: after the time within which it usually speaks. 0: never.
static uint64_t hedge_moment(const struct attempt *a) {
  struct request *r = a->request;
  struct health_record *record = records_of(r, a->endpoint, -1).endpoint;
  if (!request_config(r)->hedge || r->inference->target_count < 2 || a->reason == ATTEMPT_HEDGE || !record) return 0;
  double ms = health_latency_ms(record, HEALTH_P95, loop_now_ms(r->worker->loop));
  if (ms <= 0) return 0;
  if (ms < HEDGE_LEAST_MS) ms = HEDGE_LEAST_MS;
  return a->started_ns + (uint64_t)(ms * 1e6);
}

static void watch(struct attempt *a) {
  struct request *r = a->request;
  const struct provider *p = a->endpoint->provider;
  uint64_t now = time_mono_ns(), due = UINT64_MAX;
  bool stream = r->inference->chat.stream;
  if (!a->spoke_ns) {
    if (stream && p->first_token_timeout_ms) due = a->started_ns + (uint64_t)p->first_token_timeout_ms * 1000000;
  } else if (stream && p->min_tokens_per_second) {
    if (!a->floor_ns) {
      a->floor_ns = now;
      a->floor_bytes = a->reply.text_bytes;
    }
    due = a->floor_ns + (uint64_t)FLOOR_WINDOW_MS * 1000000;
  }
  if (!a->spoke_ns && a->hedge_ns && a->hedge_ns < due) due = a->hedge_ns;
  a->timer.on_fire = on_time;
  if (due == UINT64_MAX)
    timer_clear(&a->timer);
  else
    timer_set(r->worker->loop, &a->timer, due > now ? (due - now) / 1000000 + 1 : 1);
}

void failover_watch(struct attempt *a) {
  a->floor_ns = 0;
  a->hedge_ns = hedge_moment(a);
  watch(a);
}
