// One try of one endpoint: what it is asked (spliced, or translated into its dialect), what that needs first
// (prepare.c), and where the path goes when it fails.
#define _GNU_SOURCE
#include "base/log.h"
#include "base/time.h"
#include "gateway/credential.h"
#include "gateway/gateway.h"
#include "gateway/path.h"
#include "gateway/prepare.h"
#include "gateway/relay.h"
#include "gateway/sidecar.h"
#include "provider/aws_sign.h"
#include "provider/azure.h"
#include "provider/head.h"

static void attempt_send(struct request *r);

static struct str key_pick(struct request *r, const struct provider *p) {
  if (!p->key_count) return (struct str){0};
  if (p->key_count == 1) return p->keys[0].value;
  uint64_t sum = 0;
  for (size_t i = 0; i < p->key_count; i++) sum += p->keys[i].weight ? p->keys[i].weight : 1;
  uint64_t at = rand_next(&r->worker->rand) % sum;
  for (size_t i = 0; i < p->key_count; i++) {
    uint64_t weight = p->keys[i].weight ? p->keys[i].weight : 1;
    if (at < weight) return p->keys[i].value;
    at -= weight;
  }
  return p->keys[0].value;
}

static struct request *request_of(struct exchange *x) {
  struct inference *in = (struct inference *)((char *)x - offsetof(struct inference, exchange));
  return in->request;
}

// What AWS's clock says: a signature is good for five minutes only.
static uint64_t aws_unix_s(const struct worker *w) {
  return (uint64_t)((int64_t)(time_unix_us() / 1000000) + w->aws_clock_s);
}

static void sign(struct request *r, const struct head_target *target, struct str path, struct buf *fields) {
  struct inference *in = r->inference;
  const struct provider *p = in->targets[in->target]->provider;
  struct aws_credentials credentials = {p->aws_access_key_id, p->aws_secret_access_key, p->aws_session_token};
  struct credential fetched;
  if (credential_now(r, p, &fetched)) credentials = fetched.aws;
  struct str whole = arena_printf(&r->arena, "%.*s%.*s", STR_ARGS(target->base), STR_ARGS(path));
  struct aws_call call = {.host = target->host,
                          .path = whole,
                          .region = p->region,
                          .service = STR("bedrock"),
                          .body = buf_view(&in->translated),
                          .unix_s = aws_unix_s(r->worker)};
  aws_sign(&call, &credentials, &r->arena, fields);
}

// The request of a translated attempt: its body has been made, the head says where it goes.
static bool build_translated(struct request *r, struct head_target *target, struct buf *out, struct buf_hole *hole) {
  struct inference *in = r->inference;
  const struct endpoint *e = in->targets[in->target];
  struct buf path, fields;
  size_t length_at;
  bool stream = in->chat.stream && !in->whole;
  buf_init(&path, LIMIT_HEADER_LINE);
  buf_init(&fields, LIMIT_HEADER_LINE);
  in->dialect->path(e, stream, &path);
  if (in->dialect->fields) in->dialect->fields(in->conversation, e, &fields);
  buf_str(&fields, in->translation.fields);
  if (e->provider->protocol == PROTOCOL_AZURE) {
    buf_clear(&path);
    azure_path(e, target->base, STR("/responses"), &path);
    target->base = (struct str){0};
  }
  struct credential fetched;
  if (e->provider->protocol == PROTOCOL_VERTEX && !target->key.len && credential_now(r, e->provider, &fetched))
    target->key = fetched.token;
  if (e->provider->protocol == PROTOCOL_BEDROCK && !target->key.len) sign(r, target, buf_view(&path), &fields);
  target->path = buf_view(&path);
  target->fields = buf_view(&fields);
  if (in->dialect->frames == FRAMES_AWS)
    target->accept = stream ? STR("application/vnd.amazon.eventstream") : STR("application/json");
  head_write(out, e->provider, target, &length_at);
  head_length(out, length_at, in->translated.len);
  *hole = (struct buf_hole){out->len, buf_view(&in->translated)};
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
  struct request *r = request_of(x);
  struct inference *in = r->inference;
  const struct endpoint *e = in->targets[in->target];
  const struct provider_origin *po = &r->ws->snapshot->origins[e->provider->index];
  struct head_target target = {
      .prefix = origin_target_prefix(x->origin),
      .base = po->path,
      .path = STR("/chat/completions"),
      .host = origin_host(x->origin),
      .proxy_authorization = origin_proxy_authorization(x->origin),
      .key = key_pick(r, e->provider),
      .accept = in->chat.stream ? STR("text/event-stream") : STR("application/json"),
  };
  size_t length_at, body_at;
  if (x->retried) metric_add(&r->worker->metrics, METRIC_upstream_retries_total, 1);
  if (in->dialect) return build_translated(r, &target, out, hole);
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
  if (!chat_request_build_around(&in->chat, e, in->inlines ? fetched_files(r) : NULL, out, hole)) return false;
  head_length(out, length_at, out->len - body_at + hole->bytes.len);
  if (!r->sent_ns) r->sent_ns = time_mono_ns();
  return true;
}

static void on_reply(struct exchange *x, const struct http_head *head, char *body, size_t n, bool end) {
  relay_reply(request_of(x), head, body, n, end);
}

static void on_fail(struct exchange *x, enum fault fault, struct str why) {
  struct request *r = request_of(x);
  const struct provider *p = r->inference->targets[r->inference->target]->provider;
  relay_failed(r, fault, arena_printf(&r->arena, "%.*s %.*s.", STR_ARGS(p->name), STR_ARGS(why)));
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
static bool may_be_asked(struct request *r, struct fault_note *note) {
  struct inference *in = r->inference;
  const struct provider *p = in->targets[in->target]->provider;
  if (!in->translation.dropped_count || !in->chat.require_parameters) return true;
  struct str names = relay_dropped(r);
  *note = (struct fault_note){
      FAULT_UNSUPPORTED,
      arena_printf(&r->arena, "%.*s cannot be asked for %.*s, and provider.require_parameters is true.",
                   STR_ARGS(p->name), STR_ARGS(names)),
      {0}};
  return false;
}

// Writes the request for the present target in its own dialect. False: *note says why it cannot be.
static bool translate(struct request *r, struct fault_note *note) {
  struct inference *in = r->inference;
  const struct endpoint *e = in->targets[in->target];
  *note = (struct fault_note){FAULT_INTERNAL, STR("Out of memory."), {0}};
  in->translation = (struct translation){.arena = &r->arena};
  buf_init(&in->translated, LIMIT_REPLY_BODY);
  if (!in->dialect->encode(in->conversation, e, &in->translation, &in->translated)) {
    if (in->translation.fault) *note = (struct fault_note){in->translation.fault, in->translation.message, {0}};
    return false;
  }
  return may_be_asked(r, note);
}

void path_attempt_start(struct request *r) {
  struct inference *in = r->inference;
  struct fault_note note;
  const struct endpoint *e = in->targets[in->target];
  in->request = r;
  in->attempt_ns = in->attempt_count ? time_mono_ns() : r->ready_ns;
  in->head_ns = 0;
  in->rounds = 0;
  in->upstream_status = 0;
  in->upstream_unix_s = 0;
  in->may_retry = in->never_retry = false;
  chat_reply_init(&in->reply, str_from_cstr(r->generation_id), e, r->arrived_us / 1000000);
  in->reply.request_bytes = r->body_len;
  in->reply.hides_reasoning = in->chat.hides_reasoning;
  in->reply.wants_json = in->chat.wants_json;
  if (pricing_has_images(&e->pricing)) in->reply.images = chat_request_images(&in->chat);
  r->state = REQUEST_WAITING;
  metric_add(&r->worker->metrics, METRIC_upstream_attempts_total, 1);
  if (in->chat.stream) client_quiet_timer(r->client, request_config(r)->keepalive_comment_ms);
  in->dialect = dialect_of(e);
  if (!in->dialect && chat_request_wants_responses(&in->chat, e)) in->dialect = dialect_responses(e);
  in->inlines = !in->dialect && chat_request_names_files(&in->chat, e);
  if (!in->dialect) {
    in->translation = (struct translation){.arena = &r->arena};
    chat_request_lost(&in->chat, e, &in->translation);
    // A request that cannot be read in the common form goes as it is.
    if (in->inlines && !make_conversation(r, &note)) in->inlines = false;
    if (!may_be_asked(r, &note))
      path_attempt_failed(r, note.fault, note.message);
    else if (in->inlines)
      path_attempt_prepared(r);
    else
      attempt_send(r);
  } else if (make_conversation(r, &note)) {
    path_attempt_prepared(r);
  } else {
    path_attempt_failed(r, note.fault, note.message);
  }
}

void path_attempt_prepared(struct request *r) {
  const struct inference *in = r->inference;
  struct fault_note note;
  enum prepare_result result = prepare(r, &note);
  if (result == PREPARE_WAITING) return;
  if (result == PREPARE_READY && (!in->dialect || translate(r, &note)))
    attempt_send(r);
  else
    path_attempt_failed(r, note.fault, note.message);
}

static void attempt_send(struct request *r) {
  struct inference *in = r->inference;
  const struct provider *p = in->targets[in->target]->provider;
  in->exchange = (struct exchange){.build = on_build, .on_reply = on_reply, .on_fail = on_fail};
  struct exchange_times times = {p->connect_timeout_ms, p->first_byte_timeout_ms, p->idle_timeout_ms,
                                 p->total_timeout_ms};
  exchange_start(&in->exchange, r->ws->origins[p->index], times);
  // The exchange may have failed already, and the request with it: nothing is touched here.
}

// A signature was refused, and the clock of the one who refused it is far from the one it was made by: that clock is
// believed from now on, and the same target is asked once more.
static bool correct_clock(struct request *r, struct str message) {
  static const char *const types[] = {"InvalidSignature", "SignatureDoesNotMatch", "RequestExpired",
                                      "RequestTimeTooSkewed"};
  enum { APART_S = 240 };
  struct inference *in = r->inference;
  const struct provider *p = in->targets[in->target]->provider;
  bool refused = in->upstream_status == 403 && !in->error_type.len && str_find(message, STR("ignature"), 0) != SIZE_MAX;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    refused |= in->upstream_status / 100 == 4 && str_starts_nocase(in->error_type, str_from_cstr(types[i]));
  if (p->protocol != PROTOCOL_BEDROCK || p->key_count || !refused || !in->upstream_unix_s || in->spoken) return false;
  int64_t apart = in->upstream_unix_s - (int64_t)aws_unix_s(r->worker);
  if (in->renewed || (apart > -APART_S && apart < APART_S)) return false;
  log_warn("provider %.*s: its clock is %lld s apart from ours: its time is signed", STR_ARGS(p->id), (long long)apart);
  r->worker->aws_clock_s += apart;
  in->renewed = true;
  return true;
}

// --- a turn that was paused ---

enum { ROUNDS_MAX = 8 };

bool path_attempt_can_go_on(struct request *r) {
  struct inference *in = r->inference;
  struct str blocks;
  return in->events && r->client && in->translation.messages_end && in->rounds < ROUNDS_MAX &&
         chat_events_paused(in->events, &blocks);
}

// The body with what the provider said behind its messages, as the beginning of its turn or as more of it.
static bool add_to_turn(struct inference *in, struct str blocks) {
  struct buf longer;
  struct str body = buf_view(&in->translated);
  size_t at = in->translation.messages_end;
  buf_init(&longer, LIMIT_REPLY_BODY);
  buf_append(&longer, body.ptr, at);
  if (in->rounds)
    buf_char(&longer, ',');
  else
    buf_lit(&longer, ",{\"role\":\"assistant\",\"content\":[");
  buf_str(&longer, blocks);
  in->translation.messages_end = longer.len;
  if (!in->rounds) buf_lit(&longer, "]}");
  buf_append(&longer, body.ptr + at, body.len - at);
  buf_free(&in->translated);
  in->translated = longer;
  return !longer.failed;
}

void path_attempt_go_on(struct request *r) {
  struct inference *in = r->inference;
  struct str blocks;
  chat_events_paused(in->events, &blocks);
  bool ok = add_to_turn(in, blocks);
  in->rounds++;
  exchange_cancel(&in->exchange);
  relay_go_on(in);
  r->state = REQUEST_WAITING;
  if (ok)
    attempt_send(r);
  else
    path_attempt_failed(r, FAULT_INTERNAL, STR("Out of memory."));
}

// --- when it fails ---

// A fetched credential was refused: perhaps it ran out early. The same target is asked once more, with a new one.
static bool renew_credential(struct request *r) {
  struct inference *in = r->inference;
  const struct provider *p = in->targets[in->target]->provider;
  // AWS says 403 of a token that has run out.
  bool refused = in->upstream_status == 401 || (in->upstream_status == 403 && p->protocol == PROTOCOL_BEDROCK);
  if (!refused || !credential_refused(r->worker, p) || in->renewed || in->spoken) return false;
  in->renewed = true;
  return true;
}

// Some of Bedrock's models call tools, but not in a stream, and say so: then the whole answer is asked for, and told as
// a stream.
static bool ask_for_whole(struct request *r, enum fault fault, struct str message) {
  struct inference *in = r->inference;
  const struct provider *p = in->targets[in->target]->provider;
  bool refused = in->upstream_status == 400 && fault == FAULT_BAD_REQUEST && p->protocol == PROTOCOL_BEDROCK;
  if (!refused || !in->chat.stream || in->whole || in->spoken) return false;
  in->whole = str_find(message, STR("streaming"), 0) != SIZE_MAX && str_find(message, STR("support"), 0) != SIZE_MAX;
  return in->whole;
}

void path_attempt_failed(struct request *r, enum fault fault, struct str message) {
  struct inference *in = r->inference;
  exchange_cancel(&in->exchange);
  prepare_cancel(r);
  if (correct_clock(r, message) || renew_credential(r) || ask_for_whole(r, fault, message)) {
    relay_reset(in);
    path_attempt_start(r);
    return;
  }
  in->attempts[in->attempt_count++] = (struct attempt){
      .endpoint = in->targets[in->target],
      .fault = fault,
      .status = in->upstream_status,
      .latency_ms = (uint32_t)((time_mono_ns() - in->attempt_ns) / 1000000),
  };
  relay_reset(in);
  if (fault == FAULT_UPSTREAM_ANSWER && !in->asked_again && !in->spoken) {
    in->asked_again = true;
    metric_add(&r->worker->metrics, METRIC_upstream_retries_total, 1);
    path_attempt_start(r);
    return;
  }
  in->asked_again = false;
  if (!in->spoken && fault_row(fault)->fallback && in->target + 1 < in->target_count) {
    in->target++;
    in->whole = false;
    metric_add(&r->worker->metrics, METRIC_fallbacks_total, 1);
    path_attempt_start(r);
    return;
  }
  path_fail(r, fault, message);
}
