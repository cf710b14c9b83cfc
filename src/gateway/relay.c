#define _GNU_SOURCE
#include "gateway/relay.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "gateway/account.h"
#include "gateway/cache_step.h"
#include "gateway/gateway.h"
#include "gateway/metadata.h"
#include "gateway/path.h"
#include "gateway/response.h"
#include "gateway/sidecar.h"
#include "provider/decode.h"
#include "wire/retry_after.h"

enum {
  ERROR_BODY_MAX = 64 * 1024,
  LINGER_MS = 1000,  // how long the end of a provider's reply is awaited after its last event, to keep the connection
};

// The provider's side of a reply.
static void reply_drop(struct attempt *a) {
  buf_free(&a->held);
  sse_free(&a->sse);
  chat_stream_drop(a->stream);
  a->stream = NULL;
  dialect_stream_drop(&a->decoder);
  inflater_drop(a->inflater);
  a->inflater = NULL;
}

void relay_reset(struct attempt *a) {
  reply_drop(a);
  buf_free(&a->early);
  chat_events_drop(a->events);
  a->events = NULL;
  buf_free(&a->translated);
}

void relay_go_on(struct attempt *a) {
  reply_drop(a);
  chat_events_go_on(a->events);
}

void relay_failed(struct attempt *a, enum fault fault, struct str message) {
  struct request *r = a->request;
  if (r->state == REQUEST_OVER) {  // only the end of the reply was awaited
    request_over(r);
    return;
  }
  attempt_failed(a, fault, message);
}

struct str relay_dropped(struct attempt *a) {
  struct request *r = a->request;
  const struct translation *t = &a->translation;
  struct buf names;
  buf_init(&names, LIMIT_HEADER_LINE);
  for (unsigned i = 0; i < t->dropped_count; i++) {
    if (i) buf_lit(&names, ", ");
    // A client's own names may hold anything.
    for (size_t k = 0; k < t->dropped[i].len && k < 64; k++) {
      char c = t->dropped[i].ptr[k];
      bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
      buf_char(&names, plain ? c : '?');
    }
  }
  struct str text = arena_str(&r->arena, buf_view(&names));
  buf_free(&names);
  return text;
}

struct str relay_dropped_field(struct request *r) {
  struct attempt *a = r->inference ? r->inference->at : NULL;
  if (!a || !a->translation.dropped_count) return (struct str){0};
  return arena_printf(&r->arena, "X-Signalbox-Dropped: %.*s\r\n", STR_ARGS(relay_dropped(a)));
}

static struct str provider_says(struct attempt *a, const char *what) {
  struct request *r = a->request;
  return arena_printf(&r->arena, "%.*s %s", STR_ARGS(a->endpoint->provider->name), what);
}

// --- the head ---

static bool is_type(struct str content_type, struct str type) {
  return str_starts_nocase(content_type, type);
}

static size_t event_max(const struct attempt *a) {
  return (size_t)request_config(a->request)->upstream_max_event_bytes;
}

// A status that is neither an answer nor an error. Redirects are not followed: the provider's key goes to the host it
// was made for, and nowhere else.
static void status_refused(struct attempt *a, unsigned status) {
  bool redirect = status / 100 == 3 && status != 304;
  char what[100];
  if (redirect)
    snprintf(what, sizeof what, "answered with a redirect (status %u), which is not followed: correct its base_url.",
             status);
  else
    snprintf(what, sizeof what, "answered with status %u instead of 200.", status);
  attempt_failed(a, FAULT_UPSTREAM_INVALID, provider_says(a, what));
}

// The client's side of a translated answer, and of a stream also the provider's. False: out of memory.
static bool translation_begin(struct attempt *a, bool stream) {
  struct inference *in = a->request->inference;
  struct chat_events_options options = {.stream = stream,
                                        .hide_reasoning = in->conversation && in->conversation->reasoning_hidden,
                                        .reasoning_format = a->dialect->reasoning_format,
                                        .collect = in->conversation && in->conversation->tool_count,
                                        .answer_tool = a->translation.answer_tool,
                                        .repeated = a->translation.repeated,
                                        .tool_names = a->translation.tool_names,
                                        .tool_name_count = a->translation.tool_name_count};
  if (!a->events) a->events = chat_events_new(&a->reply, options);
  if (!a->events) return false;
  if (!stream) return true;
  if (!dialect_stream_begin(&a->decoder, a->dialect, chat_events_sink(a->events), event_max(a))) return false;
  if (a->translation.messages_end && a->dialect->stream_keep) a->dialect->stream_keep(a->decoder.decoder);
  return true;
}

// False: the attempt is over.
static bool take_head(struct attempt *a, const struct http_head *head) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  if (!a->rounds) a->head_ns = time_mono_ns();
  a->status = (uint16_t)head->status;
  buf_init(&a->held, LIMIT_REPLY_BODY);
  if (!a->rounds) buf_init(&a->early, LIMIT_REPLY_BODY);
  if (head->status != 200 && head->status < 400) {
    status_refused(a, head->status);
    return false;
  }
  struct str coding = http_field_get(head, STR("content-encoding"));
  if (coding.len && !str_eq_nocase(coding, STR("identity"))) {
    bool known = str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip")) ||
                 str_eq_nocase(coding, STR("deflate"));
    if (!known) {
      attempt_failed(a, FAULT_UPSTREAM_INVALID,
                     provider_says(a, "compressed its answer in a way that was not asked for."));
      return false;
    }
    a->inflater = inflater_new();
    if (!a->inflater) {
      attempt_failed(a, FAULT_INTERNAL, STR("Out of memory."));
      return false;
    }
  }
  struct str type = http_field_get(head, STR("content-type"));
  // Bedrock's replies have no ID of their own: its request's is what can be asked about.
  if (a->dialect && a->dialect->frames == FRAMES_AWS)
    decode_keep(a->reply.upstream_id, sizeof a->reply.upstream_id, http_field_get(head, STR("x-amzn-requestid")));
  if (head->status != 200) {
    a->retry_after_s = retry_after(head, (int64_t)(time_unix_us() / 1000000));
    struct str again = http_field_get(head, STR("x-should-retry"));
    a->may_retry = str_eq_nocase(again, STR("true"));
    a->never_retry = str_eq_nocase(again, STR("false"));
    a->provider_unix_s = retry_after_moment(http_field_get(head, STR("date")));
    a->error_type = arena_str(&r->arena, http_field_get(head, STR("x-amzn-errortype")));
    a->state = ATTEMPT_ERROR;
    a->held.max = ERROR_BODY_MAX;
  } else if (in->chat.stream && !is_type(type, STR("application/json")) && !is_type(type, STR("text/html"))) {
    a->state = ATTEMPT_STREAMING;
    sse_init(&a->sse, event_max(a));
    a->held.max = event_max(a) + UPSTREAM_READ;  // what is left of an event, and more of the stream
    if (!a->dialect) a->stream = chat_stream_new(&a->reply);
    if (a->dialect ? !translation_begin(a, true) : !a->stream) {
      attempt_failed(a, FAULT_INTERNAL, STR("Out of memory."));
      return false;
    }
  } else {
    a->state = ATTEMPT_WHOLE;
  }
  return true;
}

// --- errors ---

static void error_bytes(struct attempt *a, const char *body, size_t n, bool end) {
  struct request *r = a->request;
  size_t room = a->held.max - a->held.len;
  buf_append(&a->held, body, n < room ? n : room);
  if (!end && n <= room) return;  // an error without end is read as far as it is kept
  struct str message = {0};
  if (a->dialect) {
    struct decode_failure failure = {0};
    a->dialect->error(a->status, a->error_type, buf_view(&a->held), &failure);
    if (!a->retry_after_s) a->retry_after_s = failure.retry_after_s;
    attempt_failed(a, failure.fault, arena_str(&r->arena, str_from_cstr(failure.message)));
    return;
  }
  enum fault fault = chat_error_read(a->status, buf_view(&a->held), &r->arena, &message);
  // The provider knows better than its status whether another try is worth it.
  if (a->may_retry && !fault_row(fault)->fallback) fault = FAULT_UPSTREAM_ERROR;
  attempt_failed(a, fault, message);
}

// --- whole replies ---

static void note_failure(struct attempt *a, const struct decode_failure *failure) {
  a->reply.fault = failure->fault;
  memcpy(a->reply.message, failure->message, sizeof failure->message);
}

// What a client may lose of the turn that called tools.
static void keep_reasoning(struct attempt *a) {
  struct request *r = a->request;
  struct str call_id, details;
  if (chat_events_carry(a->events, &call_id, &details))
    sidecar_put(gateway_sidecar(r->worker->gateway), str_from_cstr(r->key_id), call_id, details,
                loop_now_ms(r->worker->loop));
}

// *paused: the answer is not complete, the provider is to be asked to go on.
static bool translate_whole(struct attempt *a, struct str body, struct buf *out, bool *paused) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  struct decode_failure failure = {FAULT_INTERNAL, "Out of memory.", 0};
  bool ok = translation_begin(a, false);
  if (ok) chat_events_into(a->events, out);
  ok = ok && a->dialect->reply(body, chat_events_sink(a->events), &failure);
  if (!ok) note_failure(a, &failure);
  *paused = ok && !in->chat.stream && attempt_can_go_on(a);
  if (*paused) return true;
  if (ok && !chat_events_end(a->events, r->body_len, out)) out->failed = true;
  if (ok && !out->failed) keep_reasoning(a);
  return ok;
}

static void stream_done(struct attempt *a, struct buf *events, bool saw_done);

// A whole answer for a client that wants a stream, from a provider that has none or gave none: all of it in one go.
static void whole_as_stream(struct attempt *a, struct str body) {
  struct request *r = a->request;
  struct buf *events = worker_scratch(&r->worker->body);
  struct decode_failure failure = {FAULT_INTERNAL, "Out of memory.", 0};
  a->state = ATTEMPT_STREAMING;
  bool ok = translation_begin(a, true);
  if (ok) chat_events_into(a->events, events);
  ok = ok && a->dialect->reply(body, chat_events_sink(a->events), &failure);
  if (ok && !events->failed)
    stream_done(a, events, true);
  else
    attempt_failed(a, ok ? FAULT_INTERNAL : failure.fault, arena_str(&r->arena, str_from_cstr(failure.message)));
}

// Nothing but a filter's verdict, and another provider may think otherwise.
static bool is_filtered(const struct attempt *a) {
  return !a->request->inference->spoken && !a->reply.text_bytes &&
         strcmp(a->reply.finish_reason, "content_filter") == 0 && path_has_other(a);
}

static void filtered(struct attempt *a) {
  attempt_failed(a, FAULT_CONTENT, provider_says(a, "answered with a content filter's verdict alone."));
}

static void whole_done(struct attempt *a, struct str body) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  if (in->chat.stream && a->dialect) {
    whole_as_stream(a, body);
    return;
  }
  struct buf *out = worker_scratch(&r->worker->body);
  struct chat_shape *shape = &r->worker->shapes[a->endpoint->index % WORKER_SHAPES];
  if (a->reply.hides_reasoning || a->reply.wants_json) shape = NULL;  // others' answers have more in them
  bool paused = false;
  bool ok = a->dialect ? translate_whole(a, body, out, &paused) : chat_reply_whole(&a->reply, body, shape, out);
  if (paused) {
    attempt_go_on(a);
    return;
  }
  if (ok && out->failed) {
    attempt_failed(a, FAULT_INTERNAL, STR("Out of memory."));
    return;
  }
  if (ok && in->chat.stream) {
    attempt_failed(a, FAULT_UPSTREAM_INVALID, provider_says(a, "answered a request for a stream with a whole reply."));
    return;
  }
  if (!ok) {
    struct str message = arena_str(&r->arena, str_from_cstr(a->reply.message));
    attempt_failed(a, a->reply.fault, message);
    return;
  }
  if (!a->reply.text_bytes && !a->reply.usage.completion && !a->reply.native_finish_reason[0]) {
    attempt_failed(a, FAULT_UPSTREAM_INVALID, provider_says(a, "gave an empty answer, without a reason."));
    return;
  }
  if (is_filtered(a)) {
    filtered(a);
    return;
  }
  path_attempt_spoke(a);
  in->first_ns = time_mono_ns();
  account(r, FAULT_NONE, (struct str){0});
  path_attempt_done(a);
  cache_step_finish(r, buf_view(out));
  metadata_add(r, out, STR(""), a->status);
  cache_step_keep(r, 200, buf_view(out));
  request_reply_json(r, 200, buf_view(out));
}

static void whole_bytes(struct attempt *a, const char *body, size_t n, bool end) {
  if (end && !a->held.len) {
    whole_done(a, str_from(body, n));
    return;
  }
  buf_append(&a->held, body, n);
  if (a->held.failed)
    attempt_failed(a, FAULT_UPSTREAM_INVALID, provider_says(a, "sent too large an answer."));
  else if (end)
    whole_done(a, buf_view(&a->held));
}

// --- streams ---

static void head_begin(struct request *r, struct buf *out) {
  if (r->client->http10) r->client->keep_alive = false;  // the end of the connection is the end of the body
  response_head(r, out, 200, STR("text/event-stream"), -1, cache_step_fields(r, relay_dropped_field(r)));
  r->inference->head_sent = true;
  metric_add(&r->worker->metrics, METRIC_streams_open, 1);
}

// What stays of a stream once it flows: nothing is sent again, so the request's bytes and their index can go. Only a
// turn that may be paused is asked for once more, with the body it was asked for at first.
static void forget_request_bytes(struct attempt *a) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  in->chat.user = arena_str(&r->arena, in->chat.user);
  in->chat.session_id = arena_str(&r->arena, in->chat.session_id);
  for (unsigned i = 0; i < a->translation.dropped_count; i++)
    a->translation.dropped[i] = arena_str(&r->arena, a->translation.dropped[i]);
  in->chat.model = (struct str){0};
  in->chat.model_count = 0;
  struct chat_request facts = in->chat;
  chat_request_free(&in->chat);
  in->conversation = NULL;
  if (!a->translation.messages_end) buf_free(&a->translated);
  in->chat = (struct chat_request){.stream = facts.stream, .user = facts.user, .session_id = facts.session_id};
  request_body_free(r);  // body_len stays, for an estimate
}

// Ends the client's side: the piece in `out` is the last of the stream.
static void stream_close(struct request *r, struct buf *out) {
  struct inference *in = r->inference;
  response_last_chunk(r, out);
  metric_add(&r->worker->metrics, METRIC_streams_open, -1);
  response_finish(r, out, (struct str){0});
  if (in->at && exchange_is_on(&in->at->exchange)) exchange_linger(&in->at->exchange, LINGER_MS);
  request_over(r);
}

void relay_error_end(struct request *r, enum fault fault, struct str message) {
  struct buf *out = worker_scratch(&r->worker->out);
  size_t piece = response_chunk_begin(r, out);
  if (!message.len) message = str_from_cstr(fault_row(fault)->message);
  if (r->inference->at) {
    chat_stream_error(out, &r->inference->at->reply, fault, message);
  } else {  // a comment went out while another's answer was awaited
    buf_lit(out, "data: ");
    chat_error_write(out, fault, message, (struct str){0});
    buf_lit(out, "\n\n");
  }
  metadata_add(r, out, STR("\n\n"), 0);
  response_chunk_end(r, out, piece);
  if (r->inference->at) exchange_cancel(&r->inference->at->exchange);
  stream_close(r, out);
}

void relay_comment(struct request *r) {
  struct buf *out = worker_scratch(&r->worker->out);
  if (!r->inference->head_sent) head_begin(r, out);
  size_t piece = response_chunk_begin(r, out);
  buf_lit(out, ": OPENROUTER PROCESSING\n\n");
  response_chunk_end(r, out, piece);
  struct iovec part = {out->ptr, out->len};
  if (client_send(r->client, &part, 1)) client_quiet_timer(r->client, request_config(r)->keepalive_comment_ms);
}

// Sends the events that `out` holds behind offset `piece` (a chunk begun). `out` begins with nothing.
static void stream_flush(struct attempt *a, struct buf *events) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  struct buf *out = worker_scratch(&r->worker->out);
  path_attempt_spoke(a);
  if (!in->head_sent) head_begin(r, out);
  size_t piece = response_chunk_begin(r, out);
  if (a->early.len) {
    cache_step_take(r, buf_view(&a->early));
    buf_str(out, buf_view(&a->early));
    buf_free(&a->early);
  }
  cache_step_take(r, buf_view(events));
  buf_str(out, buf_view(events));
  response_chunk_end(r, out, piece);
  bool first = !in->spoken;
  in->spoken = true;
  struct client *c = r->client;
  struct iovec part = {out->ptr, out->len};
  if (out->failed) {
    client_close(c);
    return;
  }
  if (!client_send(c, &part, 1)) return;
  if (first) forget_request_bytes(a);
  if (conn_blocked(&c->conn))
    exchange_pause(&a->exchange, true);
  else
    client_quiet_timer(c, request_config(r)->keepalive_comment_ms);
}

static bool has_spoken(const struct attempt *a) {
  return a->dialect ? chat_events_spoke(a->events) : chat_stream_spoke(a->stream);
}

// The attempt is lost. What had come before the trouble is still shown to a client that has seen some of the answer.
static void stream_lost(struct attempt *a, struct buf *events, enum fault fault, struct str message) {
  struct request *r = a->request;
  if (has_spoken(a) && !is_filtered(a) && events->len && !events->failed) {
    stream_flush(a, events);
    if (!r->client) return;
  }
  attempt_failed(a, fault, message);
}

// Writes the end of the client's stream. False: the provider's was cut.
static bool stream_complete(struct attempt *a, bool saw_done, uint64_t request_bytes, struct buf *events) {
  if (!a->dialect) return chat_stream_end(a->stream, saw_done, request_bytes, events);
  return chat_events_end(a->events, request_bytes, events);
}

// The provider's stream is over as far as its dialect says: the usage chunk, the row, [DONE].
static void stream_done(struct attempt *a, struct buf *events, bool saw_done) {
  struct request *r = a->request;
  struct inference *in = a->request->inference;
  if (!stream_complete(a, saw_done, r->body_len, events)) {
    stream_lost(a, events, FAULT_UPSTREAM_CUT, provider_says(a, "ended its stream before the answer was complete."));
    return;
  }
  if (is_filtered(a)) {
    filtered(a);
    return;
  }
  if (a->dialect) keep_reasoning(a);
  path_attempt_spoke(a);
  account(r, FAULT_NONE, (struct str){0});
  path_attempt_done(a);
  cache_step_take(r, buf_view(&a->early));
  cache_step_finish(r, buf_view(events));
  metadata_add(r, events, STR("\n\ndata: [DONE]\n\n"), a->status);
  cache_step_keep(r, 200, buf_view(events));
  struct buf *out = worker_scratch(&r->worker->out);
  if (!in->head_sent) head_begin(r, out);
  size_t piece = response_chunk_begin(r, out);
  buf_str(out, buf_view(&a->early));
  buf_str(out, buf_view(events));
  response_chunk_end(r, out, piece);
  stream_close(r, out);
}

// The provider's stream is over, but not its turn: the client gets what came, and the provider is asked to go on.
static void stream_go_on(struct attempt *a, struct buf *events) {
  struct request *r = a->request;
  if (events->len && !has_spoken(a)) buf_str(&a->early, buf_view(events));
  if (events->len && has_spoken(a)) stream_flush(a, events);
  if (r->client) attempt_go_on(a);
}

// How a step of a translated stream looks to the path.
static enum chat_stream_result translated(struct attempt *a, enum decode_result result,
                                          const struct decode_failure *failure) {
  if (result == DECODE_MORE) return CHAT_MORE;
  if (result == DECODE_DONE) return CHAT_DONE;
  note_failure(a, failure);
  return CHAT_BROKEN;
}

static enum chat_stream_result event_too_large(struct attempt *a) {
  struct decode_failure failure = {0};
  decode_fail(&failure, FAULT_UPSTREAM_INVALID, provider_says(a, "sent too large an event."));
  note_failure(a, &failure);
  return CHAT_BROKEN;
}

static enum chat_stream_result translate_events(struct attempt *a, struct str bytes, size_t *taken,
                                                struct buf *events) {
  struct decode_failure failure = {0};
  chat_events_into(a->events, events);
  return translated(a, dialect_stream_feed(&a->decoder, bytes, taken, &failure), &failure);
}

// The provider's body has ended in order, with `rest` not taken.
static enum chat_stream_result translate_end(struct attempt *a, struct str rest, struct buf *events) {
  struct decode_failure failure = {0};
  chat_events_into(a->events, events);
  return translated(a, dialect_stream_finish(&a->decoder, rest, &failure), &failure);
}

// Rewrites all whole events in `in`; *taken: bytes done with. CHAT_MORE: go on when more comes.
static enum chat_stream_result rewrite_events(struct attempt *a, struct str bytes, size_t *taken, struct buf *events) {
  *taken = 0;
  if (a->dialect) return translate_events(a, bytes, taken, events);
  for (;;) {
    size_t used;
    struct sse_event event;
    enum sse_result found = sse_next(&a->sse, str_skip(bytes, *taken), &used, &event);
    *taken += used;
    if (found == SSE_MORE) return CHAT_MORE;
    if (found == SSE_TOO_LONG) return event_too_large(a);
    if (found == SSE_COMMENT || !event.data.len) continue;
    enum chat_stream_result result = chat_stream_event(a->stream, event.data, events);
    if (result != CHAT_MORE) return result;
  }
}

static void stream_bytes(struct attempt *a, const char *body, size_t n, bool end) {
  struct request *r = a->request;
  struct buf *events = worker_scratch(&r->worker->body);
  struct str bytes = str_from(body, n);
  if (a->held.len) {
    buf_append(&a->held, body, n);
    bytes = buf_view(&a->held);
  }
  size_t taken = 0;
  enum chat_stream_result result = rewrite_events(a, bytes, &taken, events);
  if (result == CHAT_MORE && end && a->dialect) result = translate_end(a, str_skip(bytes, taken), events);
  if (result == CHAT_BROKEN) {
    stream_lost(a, events, a->reply.fault, arena_str(&r->arena, str_from_cstr(a->reply.message)));
    return;
  }
  if (result == CHAT_DONE && a->dialect && attempt_can_go_on(a)) {
    stream_go_on(a, events);
    return;
  }
  if (result == CHAT_DONE || end) {
    stream_done(a, events, result == CHAT_DONE);
    return;
  }
  if (!a->held.len)
    buf_append(&a->held, body + taken, n - taken);
  else
    buf_consume(&a->held, taken);
  if (!a->held.len) buf_free(&a->held);
  if (a->held.failed || events->failed || a->sse.joined.failed || dialect_stream_overflowed(&a->decoder)) {
    stream_lost(a, events, FAULT_INTERNAL, STR("Out of memory."));
    return;
  }
  if (a->held.len > event_max(a)) {  // of a framing that does not count itself
    stream_lost(a, events, FAULT_UPSTREAM_INVALID, provider_says(a, "sent too large an event."));
    return;
  }
  if (!events->len) return;
  if (has_spoken(a) && !is_filtered(a))
    stream_flush(a, events);
  else
    buf_str(&a->early, buf_view(events));
}

// --- all of it ---

static void plain_bytes(struct attempt *a, const char *body, size_t n, bool end) {
  switch ((enum attempt_state)a->state) {
    case ATTEMPT_ERROR: error_bytes(a, body, n, end); return;
    case ATTEMPT_WHOLE: whole_bytes(a, body, n, end); return;
    case ATTEMPT_STREAMING: stream_bytes(a, body, n, end); return;
    default: assert(!"no reply is expected in this state");
  }
}

// Undoes a compression nobody asked for, piece by piece. What was good before it broke counts.
static void compressed_bytes(struct attempt *a, char *body, size_t n, bool end) {
  struct request *r = a->request;
  struct inflater *inflater = a->inflater;
  uint8_t state = a->state;
  char plain[16 * 1024];
  inflater_give(inflater, str_from(body, n));
  for (;;) {
    size_t got;
    enum inflater_result result = inflater_take(inflater, plain, sizeof plain, &got);
    bool last = result == INFLATER_NEEDS;
    if (got || (last && end)) plain_bytes(a, plain, got, last && end);
    // The request may have ended, failed, or begun another attempt.
    if (last || r->state == REQUEST_OVER || a->state != state || a->inflater != inflater) return;
    if (result == INFLATER_HAS) continue;
    const char *what = result == INFLATER_BOMB ? "sent a compressed answer that grows to more than 100 times its size."
                                               : "sent a damaged compressed answer.";
    attempt_failed(a, FAULT_UPSTREAM_INVALID, provider_says(a, what));
    return;
  }
}

void relay_reply(struct attempt *a, const struct http_head *head, char *body, size_t n, bool end) {
  struct request *r = a->request;
  if (r->state == REQUEST_OVER) {  // the answer was complete; only the connection's end was awaited
    if (end) request_over(r);
    return;
  }
  if (head && !take_head(a, head)) return;
  if (a->inflater)
    compressed_bytes(a, body, n, end);
  else if (n || end)
    plain_bytes(a, body, n, end);
}
