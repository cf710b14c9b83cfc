#include "gateway/cache_step.h"

#include <assert.h>

#include "gateway/account.h"
#include "gateway/gateway.h"
#include "gateway/idempotency.h"
#include "gateway/metadata.h"
#include "gateway/path.h"
#include "gateway/relay.h"
#include "gateway/response.h"
#include "gateway/response_cache.h"
#include "policy/plan.h"

// In the request's arena; only requests that want something kept have one.
struct cache_step {
  struct request *request;
  struct cache_wish wish;
  struct cache_ticket ticket;
  struct idempotency_entry *once;  // to be kept or forgotten
  struct buf taken;                // of a stream: what the client has got
  struct cache_facts facts;        // of a kept answer
  uint64_t age_s, left_s;
  bool hit;
  bool waiting;  // the ticket's outcome belongs to the cache
  void (*go_on)(struct request *r);
};

static struct cache_step *step_of(const struct request *r) {
  return r->inference ? r->inference->step : NULL;
}

static struct response_cache *cache_of(const struct request *r) {
  return gateway_response_cache(r->worker->gateway);
}

static struct idempotency *idempotency_of(const struct request *r) {
  return gateway_idempotency(r->worker->gateway);
}

static uint64_t now_ms(const struct request *r) {
  return loop_now_ms(r->worker->loop);
}

void cache_ask_read(const struct http_head *head, struct arena *arena, struct cache_ask *ask) {
  cache_wish_read(head, &ask->wish);
  for (unsigned i = 0; i < head->field_count; i++) {
    const struct http_field *field = &head->fields[i];
    if (!str_eq_nocase(field->name, STR("idempotency-key"))) continue;
    bool twice = ask->idempotency_key.len && !str_eq(ask->idempotency_key, field->value);
    if (twice || !idempotency_key_valid(field->value))
      ask->bad_key = true;
    else
      ask->idempotency_key = arena_str(arena, field->value);
  }
}

// --- answers that are kept ---

// The last the request does.
static void send_kept(struct request *r, unsigned status, bool stream, struct str body, struct str fields) {
  struct inference *in = r->inference;
  struct client *c = r->client;
  struct buf *out = worker_scratch(&r->worker->out);
  if (stream) {
    if (in->head_sent) {  // a wait of some length began with a comment
      metric_add(&r->worker->metrics, METRIC_streams_open, -1);
    } else {
      if (c->http10) c->keep_alive = false;
      response_head(r, out, status, STR("text/event-stream"), -1, fields);
    }
    size_t piece = response_chunk_begin(r, out);
    buf_str(out, body);
    response_chunk_end(r, out, piece);
    response_last_chunk(r, out);
    body = (struct str){0};
  } else {
    response_head(r, out, status, STR("application/json"), (int64_t)body.len, fields);
    if (c->head_only) body = (struct str){0};
  }
  response_finish(r, out, body);
}

static struct str copy(struct request *r, struct str s) {
  return s.len ? arena_str(&r->arena, s) : (struct str){0};
}

// A hit: another generation, that cost nothing.
static void serve(struct request *r) {
  struct cache_step *step = step_of(r);
  struct cache_entry *entry = step->ticket.entry;
  const struct cache_answer *answer = cache_entry_answer(entry);
  uint64_t now = now_ms(r);
  step->ticket.entry = NULL;
  step->ticket.outcome = CACHE_OVER;
  step->hit = true;
  step->age_s = now > answer->stored_ms ? (now - answer->stored_ms) / 1000 : 0;
  step->left_s = answer->until_ms > now ? (answer->until_ms - now + 999) / 1000 : 0;
  const struct cache_facts *f = &answer->facts;
  step->facts =
      (struct cache_facts){copy(r, f->source_id),     copy(r, f->model),         copy(r, f->provider),
                           copy(r, f->provider_name), copy(r, f->finish_reason), copy(r, f->native_finish_reason),
                           copy(r, f->router),        copy(r, f->strategy)};
  struct buf *body = worker_scratch(&r->worker->body);
  chat_replay_write(answer->bytes, answer->holes, answer->hole_count, str_from_cstr(r->generation_id),
                    r->arrived_us / 1000000, body);
  cache_entry_release(entry);
  if (body->failed) {
    path_fail(r, FAULT_INTERNAL, STR("Out of memory."));
    return;
  }
  account(r, FAULT_NONE, (struct str){0});
  bool stream = r->inference->chat.stream;
  metadata_add(r, body, stream ? STR("\n\ndata: [DONE]\n\n") : STR(""), 200);
  cache_step_keep(r, 200, buf_view(body));
  send_kept(r, 200, stream, buf_view(body), cache_step_fields(r, (struct str){0}));
  request_over(r);
}

// The same generation again: it has its row already.
static void replay(struct request *r, struct idempotency_entry *entry) {
  const struct idempotency_outcome *o = idempotency_outcome(entry);
  struct str fields = arena_printf(&r->arena, "%.*sIdempotent-Replayed: true\r\n", STR_ARGS(o->fields));
  memcpy(r->generation_id, o->generation_id, sizeof r->generation_id);
  r->inference->recorded = true;
  send_kept(r, o->status, o->stream, o->body, fields);
  idempotency_release(entry);
  request_over(r);
}

// --- the way in ---

// True: go on.
static bool once_begin(struct request *r, struct cache_step *step, struct str skin) {
  uint8_t name[CACHE_KEY_SIZE], body[CACHE_KEY_SIZE];
  struct str of_name[] = {str_from_cstr(r->key_id), r->ask.idempotency_key};
  struct str of_body[] = {skin, str_from(r->body, r->body_len)};
  struct idempotency_entry *entry = NULL;
  if (!cache_key_plain(of_name, 2, name) || !cache_key_plain(of_body, 2, body)) return true;
  switch (idempotency_begin(idempotency_of(r), name, body, now_ms(r), &entry)) {
    case IDEMPOTENCY_RUN: step->once = entry; return true;
    case IDEMPOTENCY_REPLAY: replay(r, entry); return false;
    case IDEMPOTENCY_BUSY:
      r->inference->retry_after_s = 1;
      path_fail(r, FAULT_CONFLICT, (struct str){0});
      return false;
    case IDEMPOTENCY_OTHER:
      path_fail(
          r, FAULT_UNPROCESSABLE,
          STR("This Idempotency-Key was sent before with another request body. Use a new key for a new request."));
      return false;
    case IDEMPOTENCY_LOST: break;
  }
  return true;
}

static bool has_place(const struct cache_step *step) {
  return !step->waiting && (step->ticket.outcome == CACHE_LEAD || step->ticket.outcome == CACHE_ALONE);
}

// Nothing will be kept: those who wait need not wait for the end.
static void give_up(struct request *r, struct cache_step *step, bool failed) {
  if (has_place(step)) response_cache_abandon(cache_of(r), &step->ticket, failed);
  if (step->once) idempotency_forget(idempotency_of(r), step->once);
  step->once = NULL;
  buf_free(&step->taken);
}

static void on_wait_over(struct task *task) {
  struct cache_step *step = (struct cache_step *)((char *)task - offsetof(struct cache_step, ticket.task));
  struct request *r = step->request;
  step->waiting = false;
  if (!r->client) {
    cache_entry_release(step->ticket.entry);
    step->ticket.entry = NULL;
    give_up(r, step, false);
    request_over(r);
  } else if (step->ticket.outcome == CACHE_HIT) {
    serve(r);
  } else {
    step->go_on(r);
  }
}

static bool caching_begin(struct request *r, struct cache_step *step, struct str skin, struct str body) {
  struct cache_scope scope = {request_config(r)->cache_shared ? (struct str){0} : str_from_cstr(r->key_id), skin,
                              r->anthropic_beta};
  step->ticket.loop = r->worker->loop;
  step->ticket.task.run = on_wait_over;
  if (!cache_key_make(body, &scope, step->ticket.key)) {
    step->wish.on = false;
    return true;
  }
  switch (response_cache_begin(cache_of(r), &step->ticket, step->wish.clear, now_ms(r))) {
    case CACHE_HIT: serve(r); return false;
    case CACHE_WAIT:
      step->waiting = true;
      r->state = REQUEST_RUNNING;
      if (r->inference->chat.stream) client_quiet_timer(r->client, request_config(r)->keepalive_comment_ms);
      return false;
    default: return true;
  }
}

bool cache_step_begin(struct request *r, struct str body, enum cache_say preset, unsigned preset_ttl_s,
                      void (*go_on)(struct request *r)) {
  static const struct str skin = {"chat", 4};
  struct cache_wish wish = r->ask.wish;
  cache_wish_settle(&wish, preset, preset_ttl_s, request_config(r)->cache_enabled);
  if (r->ask.bad_key) {
    path_fail(r, FAULT_BAD_REQUEST,
              STR("Idempotency-Key must be 1 to 255 visible ASCII characters, and be sent once."));
    return false;
  }
  if (!wish.on && !r->ask.idempotency_key.len) return true;
  struct cache_step *step = arena_zalloc(&r->arena, sizeof *step);
  if (!step) {
    path_fail(r, FAULT_INTERNAL, STR("Out of memory."));
    return false;
  }
  *step = (struct cache_step){.request = r, .wish = wish, .go_on = go_on};
  const struct config *config = request_config(r);
  uint64_t once_max = config->idempotency_max_bytes / 4;
  buf_init(&step->taken, r->ask.idempotency_key.len && once_max > config->cache_max_entry_bytes
                             ? once_max
                             : config->cache_max_entry_bytes);
  r->inference->step = step;
  if (r->ask.idempotency_key.len && !once_begin(r, step, skin)) return false;
  return !wish.on || caching_begin(r, step, skin, body);
}

struct str cache_step_fields(struct request *r, struct str others) {
  struct cache_step *step = step_of(r);
  if (!step || !step->wish.on || step->waiting) return others;
  if (!step->hit)
    return arena_printf(&r->arena, "%.*sX-OpenRouter-Cache-Status: MISS\r\nX-OpenRouter-Cache-TTL: %u\r\n",
                        STR_ARGS(others), step->wish.ttl_s);
  return arena_printf(&r->arena,
                      "%.*sX-OpenRouter-Cache-Status: HIT\r\nX-OpenRouter-Cache-Age: %llu\r\n"
                      "X-OpenRouter-Cache-TTL: %llu\r\nX-OpenRouter-Cache-Source-Id: %.*s\r\n",
                      STR_ARGS(others), (unsigned long long)step->age_s, (unsigned long long)step->left_s,
                      STR_ARGS(step->facts.source_id));
}

// --- the way back ---

void cache_step_take(struct request *r, struct str piece) {
  struct cache_step *step = step_of(r);
  if (!step || !piece.len || (!has_place(step) && !step->once)) return;
  buf_str(&step->taken, piece);
  if (has_place(step) && step->taken.len > request_config(r)->cache_max_entry_bytes)
    response_cache_abandon(cache_of(r), &step->ticket, true);
  if (step->taken.failed) give_up(r, step, true);
}

// The bytes taken and the rest; `joined` is used when there are both.
static struct str all_of(struct cache_step *step, struct str rest, struct buf *joined) {
  if (!step->taken.len) return rest;
  buf_init(joined, step->taken.len + rest.len);
  buf_str(joined, buf_view(&step->taken));
  buf_str(joined, rest);
  return joined->failed ? (struct str){0} : buf_view(joined);
}

// An answer without a word is not worth having again.
static bool says_nothing(const struct chat_reply *reply) {
  return !reply->text_bytes && !reply->usage.completion;
}

void cache_step_finish(struct request *r, struct str rest) {
  struct cache_step *step = step_of(r);
  struct inference *in = r->inference;
  if (!step || !has_place(step)) return;
  uint64_t max = request_config(r)->cache_max_entry_bytes;
  struct buf joined = {0}, bytes, holes;
  struct str answer = all_of(step, rest, &joined), id = str_from_cstr(r->generation_id);
  buf_init(&bytes, max);
  buf_init(&holes, max);
  if (answer.len <= max && !says_nothing(&in->at->reply) &&
      chat_replay_make(answer, in->chat.stream, id, &bytes, &holes)) {
    const struct endpoint *e = in->at->endpoint;
    uint64_t now = now_ms(r);
    struct cache_answer kept = {
        .bytes = buf_view(&bytes),
        .holes = (const struct chat_replay_hole *)holes.ptr,
        .hole_count = holes.len / sizeof(struct chat_replay_hole),
        .facts = {id, e->model->id, e->provider->id, e->provider->name, str_from_cstr(in->at->reply.finish_reason),
                  str_from_cstr(in->at->reply.native_finish_reason), in->plan ? plan_router(in->plan, e) : STR(""),
                  str_from_cstr(metadata_strategy(in))},
        .stored_ms = now,
        .until_ms = now + step->wish.ttl_s * 1000ull,
    };
    response_cache_finish(cache_of(r), &step->ticket, &kept, request_config(r)->cache_max_bytes, now);
  } else {
    response_cache_abandon(cache_of(r), &step->ticket, true);
  }
  buf_free(&joined);
  buf_free(&bytes);
  buf_free(&holes);
}

void cache_step_keep(struct request *r, unsigned status, struct str rest) {
  struct cache_step *step = step_of(r);
  if (!step || !step->once || !idempotency_keeps(status)) return;
  struct buf joined = {0};
  struct str others = r->inference->at ? relay_dropped_field(r) : (struct str){0};
  struct idempotency_outcome outcome = {
      .status = (uint16_t)status,
      .stream = status == 200 && r->inference->chat.stream,
      .fields = status == 200 ? cache_step_fields(r, others) : STR("x-should-retry: false\r\n"),
      .body = all_of(step, rest, &joined),
  };
  memcpy(outcome.generation_id, r->generation_id, sizeof outcome.generation_id);
  uint64_t max = request_config(r)->idempotency_max_bytes;
  if (outcome.body.len && outcome.body.len <= max / 4) {
    idempotency_keep(idempotency_of(r), step->once, &outcome, max, now_ms(r));
    step->once = NULL;
  }
  buf_free(&joined);
}

bool cache_step_row(const struct request *r, struct record *row) {
  const struct cache_step *step = step_of(r);
  if (!step || !step->hit) return false;
  row->model = step->facts.model;
  row->provider = step->facts.provider;
  row->provider_name = step->facts.provider_name;
  row->finish_reason = step->facts.finish_reason;
  row->native_finish_reason = step->facts.native_finish_reason;
  row->upstream_id = step->facts.source_id;
  row->router = step->facts.router;
  row->from_cache = true;
  return true;
}

const struct cache_facts *cache_step_hit(const struct request *r, uint64_t *age_s, uint64_t *left_s) {
  const struct cache_step *step = step_of(r);
  if (!step || !step->hit) return NULL;
  *age_s = step->age_s;
  *left_s = step->left_s;
  return &step->facts;
}

bool cache_step_waits(const struct request *r) {
  const struct cache_step *step = step_of(r);
  return step && step->waiting;
}

bool cache_step_gone(struct request *r) {
  struct cache_step *step = step_of(r);
  if (!step) return false;
  if (step->waiting && !response_cache_withdraw(cache_of(r), &step->ticket)) return true;
  step->waiting = false;
  give_up(r, step, false);
  return false;
}

void cache_step_over(struct request *r) {
  struct cache_step *step = step_of(r);
  if (!step) return;
  assert(!step->waiting);
  r->inference->step = NULL;
  cache_entry_release(step->ticket.entry);
  step->ticket.entry = NULL;
  give_up(r, step, true);
}
