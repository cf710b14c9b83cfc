// One try of one endpoint: what it is asked (spliced, or translated into its dialect), and what that needs first
// (prepare.c). Where the path goes when it fails is in failover.c.
#define _GNU_SOURCE
#include "base/log.h"
#include "base/time.h"
#include "gateway/credential.h"
#include "gateway/failover.h"
#include "gateway/gateway.h"
#include "gateway/path.h"
#include "gateway/planning.h"
#include "gateway/prepare.h"
#include "gateway/relay.h"
#include "gateway/sidecar.h"
#include "provider/aws_sign.h"
#include "provider/azure.h"
#include "provider/head.h"

static void attempt_send(struct attempt *a);

static struct attempt *attempt_of(struct exchange *x) {
  return (struct attempt *)((char *)x - offsetof(struct attempt, exchange));
}

// What AWS's clock says: a signature is good for five minutes only.
static uint64_t aws_unix_s(const struct worker *w) {
  return (uint64_t)((int64_t)(time_unix_us() / 1000000) + w->aws_clock_s);
}

static void sign(struct attempt *a, const struct head_target *target, struct str path, struct buf *fields) {
  struct request *r = a->request;
  const struct provider *p = a->endpoint->provider;
  struct aws_credentials credentials = {p->aws_access_key_id, p->aws_secret_access_key, p->aws_session_token};
  struct credential fetched;
  if (credential_now(r, p, &fetched)) credentials = fetched.aws;
  struct str whole = arena_printf(&r->arena, "%.*s%.*s", STR_ARGS(target->base), STR_ARGS(path));
  struct aws_call call = {.host = target->host,
                          .path = whole,
                          .region = p->region,
                          .service = STR("bedrock"),
                          .body = buf_view(&a->translated),
                          .unix_s = aws_unix_s(r->worker)};
  aws_sign(&call, &credentials, &r->arena, fields);
}

// The request of a translated attempt: its body has been made, the head says where it goes.
static bool build_translated(struct attempt *a, struct head_target *target, struct buf *out, struct buf_hole *hole) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  const struct endpoint *e = a->endpoint;
  struct buf path, fields;
  size_t length_at;
  bool stream = in->chat.stream && !a->whole;
  buf_init(&path, LIMIT_HEADER_LINE);
  buf_init(&fields, LIMIT_HEADER_LINE);
  a->dialect->path(e, stream, &path);
  if (a->dialect->fields) a->dialect->fields(in->conversation, e, &fields);
  buf_str(&fields, a->translation.fields);
  if (e->provider->protocol == PROTOCOL_AZURE) {
    buf_clear(&path);
    azure_path(e, target->base, STR("/responses"), &path);
    target->base = (struct str){0};
  }
  struct credential fetched;
  if (e->provider->protocol == PROTOCOL_VERTEX && !target->key.len && credential_now(r, e->provider, &fetched))
    target->key = fetched.token;
  if (e->provider->protocol == PROTOCOL_BEDROCK && !target->key.len) sign(a, target, buf_view(&path), &fields);
  target->path = buf_view(&path);
  target->fields = buf_view(&fields);
  if (a->dialect->frames == FRAMES_AWS)
    target->accept = stream ? STR("application/vnd.amazon.eventstream") : STR("application/json");
  head_write(out, e->provider, target, &length_at);
  head_length(out, length_at, a->translated.len);
  *hole = (struct buf_hole){out->len, buf_view(&a->translated)};
  bool ok = !path.failed && !fields.failed;
  buf_free(&path);
  buf_free(&fields);
  if (!r->sent_ns) r->sent_ns = time_mono_ns();
  return ok;
}

// The files that were fetched for this request, for a target whose request is spliced.
static const struct chat_file *fetched_files(struct request *r) {
  const struct conversation *c = r->inference->conversation;
  struct chat_file *files = NULL;
  for (size_t i = 0; c && i < c->turn_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++) {
      const struct part *part = &c->turns[i].parts[p];
      const struct chat_file *known = files;
      if (!part->url.len || !part->data.len) continue;
      while (known && !str_eq(known->url, part->url)) known = known->next;
      if (known) continue;
      struct chat_file *file = arena_alloc(&r->arena, sizeof *file);
      if (!file) return files;
      *file = (struct chat_file){files, part->url, part->media_type, part->data};
      files = file;
    }
  return files;
}

static bool on_build(struct exchange *x, struct buf *out, struct buf_hole *hole) {
  struct attempt *a = attempt_of(x);
  struct request *r = a->request;
  struct inference *in = r->inference;
  const struct endpoint *e = a->endpoint;
  const struct provider_origin *po = &r->ws->snapshot->origins[e->provider->index];
  struct head_target target = {
      .prefix = origin_target_prefix(x->origin),
      .base = po->path,
      .path = STR("/chat/completions"),
      .host = origin_host(x->origin),
      .proxy_authorization = origin_proxy_authorization(x->origin),
      .key = failover_key(a),
      .accept = in->chat.stream ? STR("text/event-stream") : STR("application/json"),
  };
  size_t length_at, body_at;
  if (x->retried) metric_add(&r->worker->metrics, METRIC_upstream_retries_total, 1);
  if (a->dialect) return build_translated(a, &target, out, hole);
  struct buf azure;
  buf_init(&azure, LIMIT_HEADER_LINE);
  if (e->provider->protocol == PROTOCOL_AZURE) {
    azure_path(e, target.base, STR("/chat/completions"), &azure);
    target.base = buf_view(&azure);
    target.path = (struct str){0};
  }
  // Models that are not OpenAI's know members of their own.
  if (e->provider->protocol == PROTOCOL_AZURE && azure_serves_others(e->provider))
    target.fields = STR("\r\nextra-parameters: pass-through");
  head_write(out, e->provider, &target, &length_at);
  buf_free(&azure);
  body_at = out->len;
  if (!chat_request_build_around(&in->chat, e, a->inlines ? fetched_files(r) : NULL, out, hole)) return false;
  head_length(out, length_at, out->len - body_at + hole->bytes.len);
  if (!r->sent_ns) r->sent_ns = time_mono_ns();
  return true;
}

static void on_reply(struct exchange *x, const struct http_head *head, char *body, size_t n, bool end) {
  relay_reply(attempt_of(x), head, body, n, end);
}

static void on_fail(struct exchange *x, enum fault fault, struct str why) {
  struct attempt *a = attempt_of(x);
  const struct provider *p = a->endpoint->provider;
  if (str_ends(why, STR("."))) why.len--;
  relay_failed(a, fault, arena_printf(&a->request->arena, "%.*s %.*s.", STR_ARGS(p->name), STR_ARGS(why)));
}

// A turn that called tools and has nothing left of the reasoning it came from: perhaps it was kept.
static void restore_reasoning(struct request *r, struct turn *turn) {
  struct str call_id = {0};
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (p->kind == PART_REASONING && (p->signature.len || p->encrypted.len)) return;
    if (p->kind != PART_CALL) continue;
    if (p->signature.len) return;
    if (!call_id.len) call_id = p->id;
  }
  struct str details = sidecar_get(gateway_sidecar(r->worker->gateway), str_from_cstr(r->key_id), call_id, &r->arena,
                                   loop_now_ms(r->worker->loop));
  if (details.len) chat_conversation_restore(turn, details, &r->arena);
}

// The request in the common form, made once. False: *note says why it cannot be.
static bool make_conversation(struct request *r, struct fault_note *note) {
  struct inference *in = r->inference;
  *note = (struct fault_note){FAULT_INTERNAL, STR("Out of memory."), {0}};
  if (in->conversation) return true;
  struct conversation *c = arena_alloc(&r->arena, sizeof *c);
  if (!c || !chat_conversation(&in->chat, &r->arena, c, note)) return false;
  c->betas = r->anthropic_beta;
  in->conversation = c;
  for (size_t i = 0; i < c->turn_count; i++)
    if (c->turns[i].role == ROLE_ASSISTANT) restore_reasoning(r, &c->turns[i]);
  return true;
}

// Is it right to ask a provider that cannot be told everything?
static bool may_be_asked(struct attempt *a, struct fault_note *note) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  const struct provider *p = a->endpoint->provider;
  if (!a->translation.dropped_count || !in->chat.require_parameters) return true;
  struct str names = relay_dropped(a);
  *note = (struct fault_note){
      FAULT_UNSUPPORTED,
      arena_printf(&r->arena, "%.*s cannot be asked for %.*s, and provider.require_parameters is true.",
                   STR_ARGS(p->name), STR_ARGS(names)),
      {0}};
  return false;
}

// Writes the request for the present target in its own dialect. False: *note says why it cannot be.
static bool translate(struct attempt *a, struct fault_note *note) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  const struct endpoint *e = a->endpoint;
  *note = (struct fault_note){FAULT_INTERNAL, STR("Out of memory."), {0}};
  a->translation = (struct translation){.arena = &r->arena};
  buf_init(&a->translated, LIMIT_REPLY_BODY);
  if (!a->dialect->encode(in->conversation, e, &a->translation, &a->translated)) {
    if (a->translation.fault) *note = (struct fault_note){a->translation.fault, a->translation.message, {0}};
    return false;
  }
  return may_be_asked(a, note);
}

void attempt_start(struct attempt *a) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  struct fault_note note;
  const struct endpoint *e = a->endpoint;
  bool ready = planning_body(r, e, &note);
  a->started_ns = a->reason == ATTEMPT_FIRST ? r->ready_ns : time_mono_ns();
  a->head_ns = 0;
  a->rounds = 0;
  a->status = 0;
  a->provider_unix_s = 0;
  a->spoke_ns = 0;
  a->retry_after_s = 0;
  a->may_retry = a->never_retry = false;
  chat_reply_init(&a->reply, str_from_cstr(r->generation_id), e, r->arrived_us / 1000000);
  a->reply.request_bytes = r->body_len;
  a->reply.hides_reasoning = in->chat.hides_reasoning;
  a->reply.wants_json = in->chat.wants_json;
  if (pricing_has_images(&e->pricing)) a->reply.images = chat_request_images(&in->chat);
  a->state = ATTEMPT_WAITING;
  metric_add(&r->worker->metrics, METRIC_upstream_attempts_total, 1);
  if (in->chat.stream) client_quiet_timer(r->client, request_config(r)->keepalive_comment_ms);
  failover_watch(a);
  if (!ready) {
    attempt_failed(a, note.fault, note.message);
    return;
  }
  a->dialect = dialect_of(e);
  if (!a->dialect && chat_request_wants_responses(&in->chat, e)) a->dialect = dialect_responses(e);
  a->inlines = !a->dialect && chat_request_names_files(&in->chat, e);
  if (!a->dialect) {
    a->translation = (struct translation){.arena = &r->arena};
    chat_request_lost(&in->chat, e, &a->translation);
    // A request that cannot be read in the common form goes as it is.
    if (a->inlines && !make_conversation(r, &note)) a->inlines = false;
    if (!may_be_asked(a, &note))
      attempt_failed(a, note.fault, note.message);
    else if (a->inlines)
      attempt_prepared(a);
    else
      attempt_send(a);
  } else if (make_conversation(r, &note)) {
    attempt_prepared(a);
  } else {
    attempt_failed(a, note.fault, note.message);
  }
}

void attempt_prepared(struct attempt *a) {
  struct fault_note note;
  enum prepare_result result = prepare(a, &note);
  if (result == PREPARE_WAITING) return;
  if (result == PREPARE_READY && (!a->dialect || translate(a, &note)))
    attempt_send(a);
  else
    attempt_failed(a, note.fault, note.message);
}

static void attempt_send(struct attempt *a) {
  struct request *r = a->request;
  const struct provider *p = a->endpoint->provider;
  a->exchange = (struct exchange){.build = on_build, .on_reply = on_reply, .on_fail = on_fail};
  struct exchange_times times = {p->connect_timeout_ms, p->first_byte_timeout_ms, p->idle_timeout_ms,
                                 p->total_timeout_ms};
  exchange_start(&a->exchange, r->ws->origins[p->index], times);
  // The exchange may have failed already, and the request with it: nothing is touched here.
}

// A signature was refused, and the clock of the one who refused it is far from the one it was made by: that clock is
// believed from now on, and the same target is asked once more.
static bool correct_clock(struct attempt *a, struct str message) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  static const char *const types[] = {"InvalidSignature", "SignatureDoesNotMatch", "RequestExpired",
                                      "RequestTimeTooSkewed"};
  enum { APART_S = 240 };
  const struct provider *p = a->endpoint->provider;
  bool refused = a->status == 403 && !a->error_type.len && str_find(message, STR("ignature"), 0) != SIZE_MAX;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    refused |= a->status / 100 == 4 && str_starts_nocase(a->error_type, str_from_cstr(types[i]));
  if (p->protocol != PROTOCOL_BEDROCK || p->key_count || !refused || !a->provider_unix_s || in->spoken) return false;
  int64_t apart = a->provider_unix_s - (int64_t)aws_unix_s(r->worker);
  if (a->renewed || (apart > -APART_S && apart < APART_S)) return false;
  log_warn("provider %.*s: its clock is %lld s apart from ours: its time is signed", STR_ARGS(p->id), (long long)apart);
  r->worker->aws_clock_s += apart;
  a->renewed = true;
  return true;
}

// --- a turn that was paused ---

enum { ROUNDS_MAX = 8 };

bool attempt_can_go_on(struct attempt *a) {
  struct request *r = a->request;
  struct str blocks;
  return a->events && r->client && a->translation.messages_end && a->rounds < ROUNDS_MAX &&
         chat_events_paused(a->events, &blocks);
}

// The body with what the provider said behind its messages, as the beginning of its turn or as more of it.
static bool add_to_turn(struct attempt *a, struct str blocks) {
  struct buf longer;
  struct str body = buf_view(&a->translated);
  size_t at = a->translation.messages_end;
  buf_init(&longer, LIMIT_REPLY_BODY);
  buf_append(&longer, body.ptr, at);
  if (a->rounds)
    buf_char(&longer, ',');
  else
    buf_lit(&longer, ",{\"role\":\"assistant\",\"content\":[");
  buf_str(&longer, blocks);
  a->translation.messages_end = longer.len;
  if (!a->rounds) buf_lit(&longer, "]}");
  buf_append(&longer, body.ptr + at, body.len - at);
  buf_free(&a->translated);
  a->translated = longer;
  return !longer.failed;
}

void attempt_go_on(struct attempt *a) {
  struct str blocks;
  chat_events_paused(a->events, &blocks);
  bool ok = add_to_turn(a, blocks);
  a->rounds++;
  exchange_cancel(&a->exchange);
  relay_go_on(a);
  a->state = ATTEMPT_WAITING;
  if (ok)
    attempt_send(a);
  else
    attempt_failed(a, FAULT_INTERNAL, STR("Out of memory."));
}

// --- what is mended ---

// A fetched credential was refused: perhaps it ran out early. The same target is asked once more, with a new one.
static bool renew_credential(struct attempt *a) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  const struct provider *p = a->endpoint->provider;
  // AWS says 403 of a token that has run out.
  bool refused = a->status == 401 || (a->status == 403 && p->protocol == PROTOCOL_BEDROCK);
  if (!refused || !credential_refused(r->worker, p) || a->renewed || in->spoken) return false;
  a->renewed = true;
  return true;
}

// Some of Bedrock's models call tools, but not in a stream, and say so: then the whole answer is asked for, and told as
// a stream.
static bool ask_for_whole(struct attempt *a, enum fault fault, struct str message) {
  struct inference *in = a->request->inference;
  const struct provider *p = a->endpoint->provider;
  bool refused = a->status == 400 && fault == FAULT_BAD_REQUEST && p->protocol == PROTOCOL_BEDROCK;
  if (!refused || !in->chat.stream || a->whole || in->spoken) return false;
  a->whole = str_find(message, STR("streaming"), 0) != SIZE_MAX && str_find(message, STR("support"), 0) != SIZE_MAX;
  return a->whole;
}

bool attempt_mend(struct attempt *a, enum fault fault, struct str message) {
  if (!correct_clock(a, message) && !renew_credential(a) && !ask_for_whole(a, fault, message)) return false;
  relay_reset(a);
  attempt_start(a);
  return true;
}
