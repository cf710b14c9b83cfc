// THE PATH. A request's whole life, top to bottom:
//
//   request_begin   route, key (caller.c), size   (the head is there; a refusal is an answer too)
//   request_run     the body is complete: the route's handler; for inference request_chat:
//                     parse > preset > plan (planning.c) > attempt (attempt.c) > relay (relay.c) > account (account.c)
//   attempt_failed  the next endpoint while nothing was sent, else the error (failover.c)
//   request_over    the one exit: the client is answered, the request accounted, everything released
#define _GNU_SOURCE
#include "gateway/request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "gateway/account.h"
#include "gateway/cache_step.h"
#include "gateway/caller.h"
#include "gateway/gateway.h"
#include "gateway/metadata.h"
#include "gateway/path.h"
#include "gateway/places.h"
#include "gateway/planning.h"
#include "gateway/relay.h"
#include "gateway/response.h"
#include "llm/generation_id.h"
#include "policy/plan.h"

enum { SHED_LOG_MS = 10000 };

static void free_now(struct task *task);

const struct config *request_config(const struct request *r) {
  return &r->ws->snapshot->config;
}

const struct catalogue *request_catalogue(const struct request *r) {
  return &r->ws->snapshot->catalogue;
}

// --- memory ---

// Under AddressSanitizer every block is freed, so that a use after the end is found.
#ifdef __SANITIZE_ADDRESS__
static const unsigned spares_max = 0;
#else
static const unsigned spares_max = 64;
#endif

// A zeroed block, from the list when it has one: the size lies beyond malloc's fast path.
static void *block_take(struct spare_blocks *spares, size_t size) {
  void *block = spares->first;
  if (!block) return calloc(1, size);
  memcpy(&spares->first, block, sizeof block);
  spares->count--;
  return memset(block, 0, size);
}

static void block_give(struct spare_blocks *spares, void *block) {
  if (spares->count == spares_max) {
    free(block);
    return;
  }
  memcpy(block, &spares->first, sizeof block);
  spares->first = block;
  spares->count++;
}

void request_free_spares(struct worker *w) {
  struct spare_blocks *lists[] = {&w->spare_requests, &w->spare_inferences};
  for (int i = 0; i < 2; i++) {
    for (void *block = lists[i]->first, *next; block; block = next) {
      memcpy(&next, block, sizeof next);
      free(block);
    }
    *lists[i] = (struct spare_blocks){0};
  }
}

// --- the head ---

static struct str header_copy(struct request *r, const struct http_head *head, struct str name, size_t max) {
  struct str value = http_field_get(head, name);
  if (!value.len) return (struct str){0};
  if (value.len > max) value.len = max;
  return arena_str(&r->arena, value);
}

static bool wants_metadata(const struct http_head *head) {
  struct str value = http_field_get(head, STR("x-openrouter-metadata"));
  if (!value.len) value = http_field_get(head, STR("x-openrouter-experimental-metadata"));
  return str_eq_nocase(value, STR("enabled"));
}

void request_name(struct request *r) {
  struct worker *w = r->worker;
  // Never twice the same moment on one loop: the ledger's order follows from it.
  w->last_id_us = r->arrived_us > w->last_id_us ? r->arrived_us : w->last_id_us + 1;
  generation_id(r->generation_id, w->last_id_us, w->number, &w->rand);
}

// False: out of memory.
static bool find_route(struct request *r, const struct http_head *head, struct route_match *out) {
  struct worker *w = r->worker;
  size_t len = head->path.len, count;
  if (w->last_route.route && w->last_route.method == head->method && w->last_route.path_len == len &&
      memcmp(w->last_route.path, head->path.ptr, len) == 0) {
    *out = (struct route_match){.route = w->last_route.route};
    return true;
  }
  char *folded = arena_alloc(&r->arena, len + 1);
  if (!folded) return false;
  const struct route *routes = gateway_routes(w->gateway, &count);
  struct route_match m = *out = route_find(routes, count, head->method, head->path, folded);
  if (m.route && !m.doubled && !m.args[0].len && len <= sizeof w->last_route.path) {
    w->last_route.route = m.route;
    w->last_route.method = head->method;
    w->last_route.path_len = len;
    memcpy(w->last_route.path, head->path.ptr, len);
  }
  return true;
}

static enum fault admit(struct request *r, const struct http_head *head, struct str *why) {
  struct worker *w = r->worker;
  struct route_match m;
  if (!find_route(r, head, &m)) return FAULT_INTERNAL;
  r->route = m.route;
  if (!m.route) {
    if (!m.path_known) {
      *why = STR("No such route. The API lives under /api/v1; docs/api.md lists what is served.");
      return FAULT_NOT_FOUND;
    }
    r->methods = m.methods;
    *why = STR("This route does not take that method; the Allow header has those it does.");
    return FAULT_METHOD;
  }
  memcpy(r->args, m.args, sizeof r->args);
  r->access = m.route->access;
  if (head->query.len) r->query = arena_str(&r->arena, head->query);
  if (m.route->access == ACCESS_INFERENCE) request_name(r);
  enum fault fault = caller_check(r, head, m.route->access, why);
  if (fault != FAULT_NONE) return fault;
  struct str coding = http_field_get(head, STR("content-encoding"));
  if (coding.len && !str_eq_nocase(coding, STR("identity"))) return FAULT_ENCODING;
  uint64_t limit = request_config(r)->max_body_bytes;
  if (head->content_length > 0 && (uint64_t)head->content_length > limit) {
    *why = arena_printf(&r->arena, "The request body is over the limit of %llu bytes (server.max_body_bytes).",
                        (unsigned long long)limit);
    return FAULT_TOO_LARGE;
  }
  if (m.route->access == ACCESS_INFERENCE && !spool_ready(w->spool)) {
    *why = STR("The gateway cannot record requests now: its disk is full. Free space in data_dir.");
    return FAULT_NO_RECORD;
  }
  return FAULT_NONE;
}

// Whether there is time for one more inference request of this key, see policy/shedder.h.
static bool is_shed(struct request *r) {
  struct worker *w = r->worker;
  unsigned target = request_config(r)->overload_lag_ms;
  uint64_t now = loop_now_ms(w->loop), lag_us = target ? loop_lag_us(w->loop) : 0;
  r->weighed = true;
  shedder_look(&w->shedder, lag_us, target, now);
  if (shedder_admit(&w->shedder, (uintptr_t)r->key_spend, now)) return false;
  metric_add(&w->metrics, METRIC_requests_shed_total, 1);
  if (!w->shed_logged_ms || now - w->shed_logged_ms >= SHED_LOG_MS) {
    log_warn("overloaded: requests wait %u ms for this loop (server.overload_lag_ms), and some are refused",
             (unsigned)(lag_us / 1000));
    w->shed_logged_ms = now;
  }
  r->retry_after_s = shedder_retry_after_s(&w->shedder);
  r->generation_id[0] = 0;  // it costs as little as possible: not in the ledger
  return true;
}

enum { UNKNOWN_KEY_BODY = 64 * 1024 };  // nobody unknown is given more memory than this

struct request *request_begin(struct client *c, const struct http_head *head, bool *refused) {
  struct worker *w = c->worker;
  struct request *r = block_take(&w->spare_requests, sizeof *r);
  if (!r) return NULL;
  r->worker = w;
  r->client = c;
  r->ws = worker_snapshot_hold(w->snapshot);
  r->arena.chunk_size = 1024;
  r->free_task.run = free_now;
  r->arrived_us = loop_unix_us(w->loop);
  r->begun_ms = loop_now_ms(w->loop);
  metric_add(&w->metrics, METRIC_requests_total, 1);
  struct str origin = http_field_get(head, STR("origin"));
  if (origin.len && request_config(r)->cors_origins.count) r->origin = arena_str(&r->arena, origin);
  bool has_body = head->chunked || head->content_length > 0;
  if (head->method == HTTP_OPTIONS) {
    if (has_body) client_give_up_body(c);
    request_reply_options(r);
    *refused = true;
    return NULL;
  }
  struct str why = {0};
  enum fault fault = admit(r, head, &why);
  bool small = !head->chunked && head->content_length <= UNKNOWN_KEY_BODY;
  if (!small || !gateway_can_look_up_keys(w->gateway)) r->key_unknown = false;
  if (fault == FAULT_UNAUTHENTICATED && r->key_unknown) {
    fault = FAULT_NONE;  // perhaps it was made a moment ago by another process: asked once the body is here
    r->generation_id[0] = 0;
  }
  // A long body is not even read.
  if (fault == FAULT_NONE && r->access == ACCESS_INFERENCE && !small && is_shed(r)) fault = FAULT_OVERLOADED;
  if (fault == FAULT_NONE) {
    r->user_agent = header_copy(r, head, STR("user-agent"), 200);
    r->http_referer = header_copy(r, head, STR("http-referer"), 200);
    r->app_title = header_copy(r, head, STR("x-openrouter-title"), 200);
    if (!r->app_title.len) r->app_title = header_copy(r, head, STR("x-title"), 200);
    r->session_id = header_copy(r, head, STR("x-session-id"), 256);
    r->wants_metadata = wants_metadata(head);
    if (r->access == ACCESS_INFERENCE) cache_ask_read(head, &r->arena, &r->ask);
    r->anthropic_beta = header_copy(r, head, STR("anthropic-beta"), 1024);
    if (!r->anthropic_beta.len) r->anthropic_beta = header_copy(r, head, STR("x-anthropic-beta"), 1024);
    if (head->content_length > 0) r->body_expected = (uint64_t)head->content_length;
    return r;
  }
  *refused = true;
  if (has_body) client_give_up_body(c);
  if (!r->has_key) r->generation_id[0] = 0;  // nobody's request: not in the ledger
  if (r->generation_id[0])
    path_fail(r, fault, why);
  else
    request_reply_fault(r, fault, why);
  return NULL;
}

// --- the body ---

enum { BODY_FIRST = 128 * 1024 };

static bool body_reserve(struct request *r, size_t more) {
  if (r->body_cap - r->body_len >= more) return true;
  size_t cap = r->body_cap ? r->body_cap * 2 : r->body_expected < BODY_FIRST ? (size_t)r->body_expected : BODY_FIRST;
  if (cap < r->body_len + more) cap = r->body_len + more;
  char *grown = realloc(r->body, cap);
  if (!grown) return false;
  r->body = grown;
  r->body_cap = cap;
  return true;
}

bool request_body(struct request *r, const char *bytes, size_t n) {
  uint64_t limit = request_config(r)->max_body_bytes;
  if (r->body_len + n > limit || !body_reserve(r, n)) {
    client_give_up_body(r->client);
    struct str why =
        arena_printf(&r->arena, "The request body is over the limit of %llu bytes (server.max_body_bytes).",
                     (unsigned long long)limit);
    path_fail(r, FAULT_TOO_LARGE, why);
    return false;
  }
  memcpy(r->body + r->body_len, bytes, n);
  r->body_len += n;
  return true;
}

// Below half a buffer, a copy costs less than holding the whole of it.
bool request_body_take(struct request *r, char *bytes, size_t n) {
  struct worker *w = r->worker;
  bool in_buffer = bytes >= w->read_buffer && bytes < w->read_buffer + WORKER_READ_SIZE;
  if (!in_buffer || n < WORKER_READ_SIZE / 2 || r->body_len || n > request_config(r)->max_body_bytes) return false;
  char *block = worker_take_read_buffer(w);
  if (!block) return false;
  r->body_block = block;
  r->body = bytes;
  r->body_len = r->body_cap = n;
  return true;
}

void request_body_free(struct request *r) {
  if (r->body_block)
    worker_give_read_buffer(r->worker, r->body_block);
  else
    free(r->body);
  r->body = r->body_block = NULL;
}

char *request_body_room(struct request *r, uint64_t left, size_t *room) {
  size_t want = left < BODY_FIRST ? (size_t)left : BODY_FIRST;
  if (!body_reserve(r, want)) return NULL;
  *room = r->body_cap - r->body_len < left ? r->body_cap - r->body_len : (size_t)left;
  return r->body + r->body_len;
}

void request_body_filled(struct request *r, size_t n) {
  assert(n <= r->body_cap - r->body_len);
  r->body_len += n;
}

bool request_body_trickles(const struct request *r) {
  // Ten times the silence allowed, and a millisecond for each byte.
  uint64_t allowed = (uint64_t)10 * request_config(r)->body_timeout_ms + r->body_len;
  return loop_now_ms(r->worker->loop) - r->begun_ms > allowed;
}

void request_on_slow(struct request *r) {
  client_give_up_body(r->client);
  path_fail(r, FAULT_CLIENT_SLOW, STR("The request body did not arrive in time."));
}

void request_on_bad_body(struct request *r) {
  client_give_up_body(r->client);
  path_fail(r, FAULT_BAD_REQUEST, STR("The request body's chunked coding is invalid."));
}

// --- the path ---

void request_run(struct request *r) {
  r->ready_ns = time_mono_ns();
  if (r->key_unknown)
    caller_look_up(r);
  else if (r->access == ACCESS_INFERENCE && !r->weighed && is_shed(r))
    request_reply_fault(r, FAULT_OVERLOADED, (struct str){0});
  else
    r->route->handle(r);
}

// The request is known, and has to be answered by a provider.
static void ask_providers(struct request *r) {
  struct fault_note note = {0};
  if (!planning_targets(r, &note)) {
    path_fail(r, note.fault, note.message);
    return;
  }
  r->state = REQUEST_RUNNING;
  path_first_attempt(r);
}

void request_chat(struct request *r) {
  metric_add(&r->worker->metrics, METRIC_inference_requests_total, 1);
  struct inference *in = r->inference = block_take(&r->worker->spare_inferences, sizeof *in);
  if (!in) {
    path_fail(r, FAULT_INTERNAL, STR("Out of memory."));
    return;
  }
  struct fault_note note = {0};
  in->chat_parsed = true;
  if (!chat_request_parse(&in->chat, str_from(r->body, r->body_len), &r->arena, &note) || !planning_preset(r, &note)) {
    path_fail(r, note.fault, note.message);
    return;
  }
  const struct chat_merge_flags *flags = &in->preset.flags;
  enum cache_say preset = !flags->has_cache_enabled ? CACHE_UNSAID : flags->cache_enabled ? CACHE_YES : CACHE_NO;
  if (cache_step_begin(r, in->chat.body, preset, (unsigned)flags->cache_ttl_seconds, ask_providers)) ask_providers(r);
}

// --- endings ---

static void reply_send(struct request *r, unsigned status, struct str type, struct str body, struct str extra) {
  struct buf *out = worker_scratch(&r->worker->out);
  response_head(r, out, status, type, (int64_t)body.len, extra);
  response_finish(r, out, r->client->head_only ? (struct str){0} : body);
  request_over(r);
}

void request_reply_text(struct request *r, unsigned status, struct str content_type, struct str text) {
  reply_send(r, status, content_type, text, (struct str){0});
}

void request_reply_json(struct request *r, unsigned status, struct str json) {
  reply_send(r, status, STR("application/json"), json, cache_step_fields(r, relay_dropped_field(r)));
}

void request_reply_options(struct request *r) {
  reply_send(
      r, 204, (struct str){0}, (struct str){0},
      STR("Access-Control-Allow-Methods: GET, POST, PATCH, DELETE, OPTIONS\r\n"
          "Access-Control-Allow-Headers: authorization, content-type, http-referer, x-title, x-openrouter-title, "
          "x-openrouter-metadata, x-openrouter-cache, x-openrouter-cache-ttl, x-openrouter-cache-clear, "
          "idempotency-key, "
          "x-openrouter-categories, x-session-id, x-api-key, x-stainless-lang, "
          "x-stainless-package-version, x-stainless-os, x-stainless-arch, x-stainless-runtime, "
          "x-stainless-runtime-version, x-stainless-retry-count, x-stainless-timeout\r\n"
          "Access-Control-Max-Age: 600\r\n"));
}

static struct str allow_fields(struct request *r) {
  static const char *const names[] = {[HTTP_GET] = "GET, HEAD",
                                      [HTTP_POST] = "POST",
                                      [HTTP_PUT] = "PUT",
                                      [HTTP_PATCH] = "PATCH",
                                      [HTTP_DELETE] = "DELETE"};
  struct str list = STR("OPTIONS");
  for (unsigned m = 0; m < sizeof names / sizeof names[0]; m++)
    if (r->methods >> m & 1 && names[m]) list = arena_printf(&r->arena, "%.*s, %s", STR_ARGS(list), names[m]);
  return arena_printf(&r->arena, "Allow: %.*s\r\nx-should-retry: false\r\n", STR_ARGS(list));
}

// What tells SDKs whether trying again makes sense, and what to try instead.
static struct str fault_fields(struct request *r, enum fault fault) {
  unsigned status = fault_row(fault)->status;
  if (fault == FAULT_METHOD) return allow_fields(r);
  if (status == 401) return STR("WWW-Authenticate: Bearer\r\nx-should-retry: false\r\n");
  if (r->inference && r->inference->at && r->inference->at->never_retry && status >= 429)
    return STR("x-should-retry: false\r\n");
  if (status == 429 || status == 503 || fault == FAULT_CONFLICT) {
    unsigned seconds = r->inference ? path_wait_s(r) : r->retry_after_s ? r->retry_after_s : 1;
    return arena_printf(&r->arena, "Retry-After: %u\r\nretry-after-ms: %u\r\nx-should-retry: true\r\n", seconds,
                        seconds * 1000);
  }
  return status < 500 ? STR("x-should-retry: false\r\n") : (struct str){0};
}

// The attempts before the last one.
static void previous_errors(const struct inference *in, struct buf *out) {
  if (in->attempt_count < 2) return;
  buf_lit(out, ",\"previous_errors\":[");
  for (unsigned i = 0; i + 1 < in->attempt_count; i++) {
    const struct attempt_row *a = &in->attempts[i];
    if (i) buf_char(out, ',');
    buf_lit(out, "{\"provider\":");
    json_write_str(out, a->endpoint->provider->name);
    buf_printf(out, ",\"code\":\"%s\",\"status\":%u}", fault_row(a->fault)->name, a->status);
  }
  buf_char(out, ']');
}

void request_reply_fault(struct request *r, enum fault fault, struct str message) {
  struct buf *body = worker_scratch(&r->worker->body);
  struct buf metadata;
  buf_init(&metadata, 16384);
  struct inference *in = r->inference;
  if (in && in->attempt_count) {
    const struct attempt_row *last = &in->attempts[in->attempt_count - 1];
    buf_lit(&metadata, "\"provider_name\":");
    json_write_str(&metadata, last->endpoint->provider->name);
    if (last->status) buf_printf(&metadata, ",\"provider_code\":%u", last->status);
    previous_errors(in, &metadata);
  }
  if (!message.len) message = str_from_cstr(fault_row(fault)->message);
  struct buf availability;
  buf_init(&availability, 16384);
  if (in && in->plan && !in->attempt_count) availability_write(&availability, in->plan);
  chat_error_write_with(body, fault, message, buf_view(&metadata), buf_view(&availability));
  buf_free(&availability);
  metadata_add(r, body, STR(""), 0);
  cache_step_keep(r, fault_row(fault)->status, buf_view(body));
  buf_free(&metadata);
  reply_send(r, fault_row(fault)->status, STR("application/json"), buf_view(body), fault_fields(r, fault));
}

void path_fail(struct request *r, enum fault fault, struct str message) {
  if (!r->client) {
    request_over(r);
    return;
  }
  if (r->generation_id[0]) account(r, fault, message);
  if (r->inference && r->inference->head_sent)
    relay_error_end(r, fault, message);
  else
    request_reply_fault(r, fault, message);
}

void request_client_gone(struct request *r) {
  r->client = NULL;
  if (r->state == REQUEST_STORE) return;  // the job still points here
  struct inference *in = r->inference;
  if (in) {
    path_attempts_cancel(r);
    if (in->head_sent && !in->recorded) metric_add(&r->worker->metrics, METRIC_streams_open, -1);
    if (!in->recorded) account(r, FAULT_CLIENT_GONE, (struct str){0});
    bool awaited = places_gone(r);
    if (cache_step_gone(r) || awaited) return;  // its wait is over in a moment, and then it is
  } else if (r->generation_id[0]) {
    account(r, FAULT_CLIENT_GONE, (struct str){0});  // in the middle of its body
  }
  request_over(r);
}

void request_on_drained(struct request *r) {
  struct attempt *a = r->inference ? r->inference->at : NULL;
  if (r->state != REQUEST_RUNNING || !a || a->state != ATTEMPT_STREAMING) return;
  client_quiet_timer(r->client, request_config(r)->keepalive_comment_ms);
  exchange_pause(&a->exchange, false);
}

void request_on_quiet(struct request *r) {
  if (!request_config(r)->keepalive_comment_ms) return;
  if (r->inference && r->inference->chat.stream && r->state == REQUEST_RUNNING) relay_comment(r);
}

static void free_now(struct task *task) {
  struct request *r = (struct request *)((char *)task - offsetof(struct request, free_task));
  worker_snapshot_release(r->ws);
  arena_free(&r->arena);
  block_give(&r->worker->spare_requests, r);
}

void request_over(struct request *r) {
  assert(!r->client);
  struct inference *in = r->inference;
  // Once: a request whose provider's end is awaited comes here again.
  if (r->state != REQUEST_OVER && r->weighed && r->generation_id[0]) shedder_done(&r->worker->shedder);
  r->state = REQUEST_OVER;
  if (in) {
    assert(in->recorded || !r->generation_id[0]);
    cache_step_over(r);
    if (in->chat_parsed) chat_request_free(&in->chat);
    in->chat_parsed = false;
    if (path_attempts_over(r)) return;  // the end of the provider's reply is still awaited, see relay.c
    block_give(&r->worker->spare_inferences, in);
    r->inference = NULL;
  }
  request_body_free(r);
  loop_defer(r->worker->loop, &r->free_task);
}

// --- jobs on the store's thread ---

static void on_job_back(struct task *task) {
  struct request *r = (struct request *)((char *)task - offsetof(struct request, job_done));
  r->state = REQUEST_READING;
  if (r->client)
    r->on_job_done(r);
  else
    request_over(r);
}

static void on_job_finished(struct store_job *job) {
  struct request *r = request_of_job(job);
  r->job_done.run = on_job_back;
  loop_post(r->worker->loop, &r->job_done);
}

bool request_try_store_job(struct request *r, void (*run)(struct store *s, struct store_job *job),
                           void (*done)(struct request *r)) {
  r->job = (struct store_job){.run = run, .done = on_job_finished};
  r->on_job_done = done;
  r->state = REQUEST_STORE;
  if (store_submit(gateway_store(r->worker->gateway), &r->job)) return true;
  r->state = REQUEST_READING;
  return false;
}

void request_store_job(struct request *r, void (*run)(struct store *s, struct store_job *job),
                       void (*done)(struct request *r)) {
  if (!request_try_store_job(r, run, done))
    request_reply_fault(r, FAULT_NO_RECORD, STR("The store is busy; try again."));
}
