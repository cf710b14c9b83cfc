#define _GNU_SOURCE
#include "gateway/relay.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "gateway/account.h"
#include "gateway/gateway.h"
#include "gateway/metadata.h"
#include "gateway/path.h"
#include "gateway/response.h"
#include "gateway/sidecar.h"
#include "provider/decode.h"

enum {
  ERROR_BODY_MAX = 64 * 1024,
  LINGER_MS = 1000,  // how long the end of a provider's reply is awaited after its last event, to keep the connection
};

// The provider's side of a reply.
static void reply_drop(struct inference *in) {
  buf_free(&in->held);
  sse_free(&in->sse);
  chat_stream_drop(in->stream);
  in->stream = NULL;
  dialect_stream_drop(&in->decoder);
  if (!in->inflate) return;
  inflateEnd(in->inflate);
  free(in->inflate);
  in->inflate = NULL;
}

void relay_reset(struct inference *in) {
  reply_drop(in);
  buf_free(&in->early);
  chat_events_drop(in->events);
  in->events = NULL;
  buf_free(&in->translated);
}

void relay_go_on(struct inference *in) {
  reply_drop(in);
  chat_events_go_on(in->events);
}

void relay_failed(struct request *r, enum fault fault, struct str message) {
  if (r->state == REQUEST_OVER) {  // only the end of the reply was awaited
    request_over(r);
    return;
  }
  path_attempt_failed(r, fault, message);
}

struct str relay_dropped(struct request *r) {
  const struct translation *t = &r->inference->translation;
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
  if (!r->inference || !r->inference->translation.dropped_count) return (struct str){0};
  return arena_printf(&r->arena, "X-Signalbox-Dropped: %.*s\r\n", STR_ARGS(relay_dropped(r)));
}

static struct str provider_says(struct request *r, const char *what) {
  struct inference *in = r->inference;
  return arena_printf(&r->arena, "%.*s %s", STR_ARGS(in->targets[in->target]->provider->name), what);
}

// --- the head ---

static bool is_type(struct str content_type, struct str type) {
  return str_starts_nocase(content_type, type);
}

enum { WAIT_UNCLEAR_S = 60, WAIT_MAX_S = 86400 };

// A moment written as HTTP does: "Mon, 23 Nov 2026 16:02:41 GMT". 0: it is none.
static int64_t moment(struct str date) {
  char text[32];
  struct tm tm = {0};
  snprintf(text, sizeof text, "%.*s", STR_ARGS(date));
  const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
  return !end || *end ? 0 : (int64_t)timegm(&tm);
}

// Seconds until such a moment.
static unsigned seconds_until(struct str date) {
  int64_t then = moment(date), seconds = then - (int64_t)(time_unix_us() / 1000000);
  if (!then) return WAIT_UNCLEAR_S;
  return seconds < 1 ? 1 : seconds > WAIT_MAX_S ? WAIT_MAX_S : (unsigned)seconds;
}

// A number of such units, `unit` of them a second, as seconds: "30", "12.5". One that has begun counts whole.
static bool wait_counted(struct str text, unsigned unit, unsigned *seconds) {
  uint64_t whole = 0;
  bool rest = false, digits = false;
  size_t i = 0;
  for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++, digits = true)
    if (whole <= (uint64_t)WAIT_MAX_S * unit) whole = whole * 10 + (unsigned)(text.ptr[i] - '0');
  if (digits && i < text.len && text.ptr[i] == '.')
    for (i++; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) rest |= text.ptr[i] != '0';
  uint64_t value = (whole + rest + unit - 1) / unit;
  *seconds = value < WAIT_MAX_S ? (unsigned)value : WAIT_MAX_S;
  return digits && i == text.len;
}

// The wait a provider asks for, in seconds; 0: it asks for none.
static unsigned retry_after(const struct http_head *head) {
  unsigned seconds;
  // Azure says 0 here where it says more below.
  if (wait_counted(http_field_get(head, STR("retry-after-ms")), 1000, &seconds) && seconds) return seconds;
  struct str text = http_field_get(head, STR("retry-after"));
  if (!text.len) return 0;
  return wait_counted(text, 1, &seconds) ? seconds : seconds_until(text);
}

static bool inflate_begin(struct inference *in) {
  in->inflate = calloc(1, sizeof *in->inflate);
  return in->inflate && inflateInit2(in->inflate, 15 + 32) == Z_OK;  // gzip or zlib
}

// A status that is neither an answer nor an error. Redirects are not followed: the provider's key goes to the host it
// was made for, and nowhere else.
static void status_refused(struct request *r, unsigned status) {
  bool redirect = status / 100 == 3 && status != 304;
  char what[100];
  if (redirect)
    snprintf(what, sizeof what, "answered with a redirect (status %u), which is not followed: correct its base_url.",
             status);
  else
    snprintf(what, sizeof what, "answered with status %u instead of 200.", status);
  path_attempt_failed(r, FAULT_UPSTREAM_INVALID, provider_says(r, what));
}

// The client's side of a translated answer, and of a stream also the provider's. False: out of memory.
static bool translation_begin(struct request *r, bool stream) {
  struct inference *in = r->inference;
  struct chat_events_options options = {.stream = stream,
                                        .hide_reasoning = in->conversation && in->conversation->reasoning_hidden,
                                        .reasoning_format = in->dialect->reasoning_format,
                                        .collect = in->conversation && in->conversation->tool_count,
                                        .answer_tool = in->translation.answer_tool,
                                        .repeated = in->translation.repeated,
                                        .tool_names = in->translation.tool_names,
                                        .tool_name_count = in->translation.tool_name_count};
  if (!in->events) in->events = chat_events_new(&in->reply, options);
  if (!in->events) return false;
  if (!stream) return true;
  if (!dialect_stream_begin(&in->decoder, in->dialect, chat_events_sink(in->events), LIMIT_SSE_EVENT)) return false;
  if (in->translation.messages_end && in->dialect->stream_keep) in->dialect->stream_keep(in->decoder.decoder);
  return true;
}

// False: the attempt is over.
static bool take_head(struct request *r, const struct http_head *head) {
  struct inference *in = r->inference;
  if (!in->rounds) in->head_ns = time_mono_ns();
  in->upstream_status = (uint16_t)head->status;
  buf_init(&in->held, LIMIT_REPLY_BODY);
  if (!in->rounds) buf_init(&in->early, LIMIT_REPLY_BODY);
  if (head->status != 200 && head->status < 400) {
    status_refused(r, head->status);
    return false;
  }
  struct str coding = http_field_get(head, STR("content-encoding"));
  if (coding.len && !str_eq_nocase(coding, STR("identity"))) {
    bool known = str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip")) ||
                 str_eq_nocase(coding, STR("deflate"));
    if (!known || !inflate_begin(in)) {
      path_attempt_failed(r, FAULT_UPSTREAM_INVALID,
                          provider_says(r, "compressed its answer in a way that was not asked for."));
      return false;
    }
  }
  struct str type = http_field_get(head, STR("content-type"));
  // Bedrock's replies have no ID of their own: its request's is what can be asked about.
  if (in->dialect && in->dialect->frames == FRAMES_AWS)
    decode_keep(in->reply.upstream_id, sizeof in->reply.upstream_id, http_field_get(head, STR("x-amzn-requestid")));
  if (head->status != 200) {
    in->retry_after_s = retry_after(head);
    struct str again = http_field_get(head, STR("x-should-retry"));
    in->may_retry = str_eq_nocase(again, STR("true"));
    in->never_retry = str_eq_nocase(again, STR("false"));
    in->upstream_unix_s = moment(http_field_get(head, STR("date")));
    in->error_type = arena_str(&r->arena, http_field_get(head, STR("x-amzn-errortype")));
    r->state = REQUEST_ERROR;
    in->held.max = ERROR_BODY_MAX;
  } else if (in->chat.stream && !is_type(type, STR("application/json")) && !is_type(type, STR("text/html"))) {
    r->state = REQUEST_STREAMING;
    sse_init(&in->sse, LIMIT_SSE_EVENT);
    in->held.max = LIMIT_SSE_EVENT;
    if (!in->dialect) in->stream = chat_stream_new(&in->reply);
    if (in->dialect ? !translation_begin(r, true) : !in->stream) {
      path_attempt_failed(r, FAULT_INTERNAL, STR("Out of memory."));
      return false;
    }
  } else {
    r->state = REQUEST_WHOLE;
  }
  return true;
}

// --- errors ---

static void error_bytes(struct request *r, const char *body, size_t n, bool end) {
  struct inference *in = r->inference;
  size_t room = in->held.max - in->held.len;
  buf_append(&in->held, body, n < room ? n : room);
  if (!end) return;
  struct str message = {0};
  if (in->dialect) {
    struct decode_failure failure = {0};
    in->dialect->error(in->upstream_status, in->error_type, buf_view(&in->held), &failure);
    if (!in->retry_after_s) in->retry_after_s = failure.retry_after_s;
    path_attempt_failed(r, failure.fault, arena_str(&r->arena, str_from_cstr(failure.message)));
    return;
  }
  enum fault fault = chat_error_read(in->upstream_status, buf_view(&in->held), &r->arena, &message);
  // The provider knows better than its status whether another try is worth it.
  if (in->may_retry && !fault_row(fault)->fallback) fault = FAULT_UPSTREAM_ERROR;
  path_attempt_failed(r, fault, message);
}

// --- whole replies ---

static void note_failure(struct inference *in, const struct decode_failure *failure) {
  in->reply.fault = failure->fault;
  memcpy(in->reply.message, failure->message, sizeof failure->message);
}

// What a client may lose of the turn that called tools.
static void keep_reasoning(struct request *r) {
  struct str call_id, details;
  if (chat_events_carry(r->inference->events, &call_id, &details))
    sidecar_put(gateway_sidecar(r->worker->gateway), str_from_cstr(r->key_id), call_id, details,
                loop_now_ms(r->worker->loop));
}

// *paused: the answer is not complete, the provider is to be asked to go on.
static bool translate_whole(struct request *r, struct str body, struct buf *out, bool *paused) {
  struct inference *in = r->inference;
  struct decode_failure failure = {FAULT_INTERNAL, "Out of memory.", 0};
  bool ok = translation_begin(r, false);
  if (ok) chat_events_into(in->events, out);
  ok = ok && in->dialect->reply(body, chat_events_sink(in->events), &failure);
  if (!ok) note_failure(in, &failure);
  *paused = ok && !in->chat.stream && path_attempt_can_go_on(r);
  if (*paused) return true;
  if (ok && !chat_events_end(in->events, r->body_len, out)) out->failed = true;
  if (ok && !out->failed) keep_reasoning(r);
  return ok;
}

static void stream_done(struct request *r, struct buf *events, bool saw_done);

// A whole answer for a client that wants a stream, from a provider that has none or gave none: all of it in one go.
static void whole_as_stream(struct request *r, struct str body) {
  struct inference *in = r->inference;
  struct buf *events = worker_scratch(&r->worker->body);
  struct decode_failure failure = {FAULT_INTERNAL, "Out of memory.", 0};
  r->state = REQUEST_STREAMING;
  bool ok = translation_begin(r, true);
  if (ok) chat_events_into(in->events, events);
  ok = ok && in->dialect->reply(body, chat_events_sink(in->events), &failure);
  if (ok && !events->failed)
    stream_done(r, events, true);
  else
    path_attempt_failed(r, ok ? FAULT_INTERNAL : failure.fault, arena_str(&r->arena, str_from_cstr(failure.message)));
}

static void whole_done(struct request *r, struct str body) {
  struct inference *in = r->inference;
  if (in->chat.stream && in->dialect) {
    whole_as_stream(r, body);
    return;
  }
  struct buf *out = worker_scratch(&r->worker->body);
  struct chat_shape *shape = &r->worker->shapes[in->targets[in->target]->index % WORKER_SHAPES];
  if (in->reply.hides_reasoning || in->reply.wants_json) shape = NULL;  // others' answers have more in them
  bool paused = false;
  bool ok = in->dialect ? translate_whole(r, body, out, &paused) : chat_reply_whole(&in->reply, body, shape, out);
  if (paused) {
    path_attempt_go_on(r);
    return;
  }
  if (ok && out->failed) {
    path_attempt_failed(r, FAULT_INTERNAL, STR("Out of memory."));
    return;
  }
  if (ok && in->chat.stream) {
    path_attempt_failed(r, FAULT_UPSTREAM_INVALID,
                        provider_says(r, "answered a request for a stream with a whole reply."));
    return;
  }
  if (!ok) {
    struct str message = arena_str(&r->arena, str_from_cstr(in->reply.message));
    path_attempt_failed(r, in->reply.fault, message);
    return;
  }
  in->first_ns = time_mono_ns();
  account(r, FAULT_NONE, (struct str){0});
  metadata_add(r, out, STR(""), in->upstream_status);
  request_reply_json(r, 200, buf_view(out));
}

static void whole_bytes(struct request *r, const char *body, size_t n, bool end) {
  struct inference *in = r->inference;
  if (end && !in->held.len) {
    whole_done(r, str_from(body, n));
    return;
  }
  buf_append(&in->held, body, n);
  if (in->held.failed)
    path_attempt_failed(r, FAULT_UPSTREAM_INVALID, provider_says(r, "sent too large an answer."));
  else if (end)
    whole_done(r, buf_view(&in->held));
}

// --- streams ---

static void head_begin(struct request *r, struct buf *out) {
  if (r->client->http10) r->client->keep_alive = false;  // the end of the connection is the end of the body
  response_head(r, out, 200, STR("text/event-stream"), -1, relay_dropped_field(r));
  r->inference->head_sent = true;
  metric_add(&r->worker->metrics, METRIC_streams_open, 1);
}

// What stays of a stream once it flows: nothing is sent again, so the request's bytes and their index can go. Only a
// turn that may be paused is asked for once more, with the body it was asked for at first.
static void forget_request_bytes(struct request *r) {
  struct inference *in = r->inference;
  in->chat.user = arena_str(&r->arena, in->chat.user);
  in->chat.session_id = arena_str(&r->arena, in->chat.session_id);
  for (unsigned i = 0; i < in->translation.dropped_count; i++)
    in->translation.dropped[i] = arena_str(&r->arena, in->translation.dropped[i]);
  in->chat.model = (struct str){0};
  in->chat.model_count = 0;
  struct chat_request facts = in->chat;
  chat_request_free(&in->chat);
  in->conversation = NULL;
  if (!in->translation.messages_end) buf_free(&in->translated);
  in->chat = (struct chat_request){.stream = facts.stream, .user = facts.user, .session_id = facts.session_id};
  request_body_free(r);  // body_len stays, for an estimate
}

// Ends the client's side: the piece in `out` is the last of the stream.
static void stream_close(struct request *r, struct buf *out) {
  struct inference *in = r->inference;
  struct client *c = r->client;
  response_last_chunk(r, out);
  metric_add(&r->worker->metrics, METRIC_streams_open, -1);
  r->client = NULL;
  c->request = NULL;
  struct iovec part = {out->ptr, out->len};
  if (out->failed)
    client_close(c);
  else if (client_send(c, &part, 1))
    client_answered(c);
  if (exchange_is_on(&in->exchange)) exchange_linger(&in->exchange, LINGER_MS);
  request_over(r);
}

void relay_error_end(struct request *r, enum fault fault, struct str message) {
  struct buf *out = worker_scratch(&r->worker->out);
  size_t piece = response_chunk_begin(r, out);
  if (!message.len) message = str_from_cstr(fault_row(fault)->message);
  chat_stream_error(out, &r->inference->reply, fault, message);
  metadata_add(r, out, STR("\n\n"), 0);
  response_chunk_end(r, out, piece);
  exchange_cancel(&r->inference->exchange);
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
static void stream_flush(struct request *r, struct buf *events) {
  struct inference *in = r->inference;
  struct buf *out = worker_scratch(&r->worker->out);
  if (!in->head_sent) head_begin(r, out);
  size_t piece = response_chunk_begin(r, out);
  if (in->early.len) {
    buf_str(out, buf_view(&in->early));
    buf_free(&in->early);
  }
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
  if (first) forget_request_bytes(r);
  if (conn_blocked(&c->conn))
    exchange_pause(&in->exchange, true);
  else
    client_quiet_timer(c, request_config(r)->keepalive_comment_ms);
}

static bool has_spoken(const struct inference *in) {
  return in->dialect ? chat_events_spoke(in->events) : chat_stream_spoke(in->stream);
}

// The attempt is lost. What had come before the trouble is still shown to a client that has seen some of the answer.
static void stream_lost(struct request *r, struct buf *events, enum fault fault, struct str message) {
  if (has_spoken(r->inference) && events->len) {
    stream_flush(r, events);
    if (!r->client) return;
  }
  path_attempt_failed(r, fault, message);
}

// Writes the end of the client's stream. False: the provider's was cut.
static bool stream_complete(struct inference *in, bool saw_done, uint64_t request_bytes, struct buf *events) {
  if (!in->dialect) return chat_stream_end(in->stream, saw_done, request_bytes, events);
  return chat_events_end(in->events, request_bytes, events);
}

// The provider's stream is over as far as its dialect says: the usage chunk, the row, [DONE].
static void stream_done(struct request *r, struct buf *events, bool saw_done) {
  struct inference *in = r->inference;
  if (!stream_complete(in, saw_done, r->body_len, events)) {
    stream_lost(r, events, FAULT_UPSTREAM_CUT, provider_says(r, "ended its stream before the answer was complete."));
    return;
  }
  if (in->dialect) keep_reasoning(r);
  account(r, FAULT_NONE, (struct str){0});
  metadata_add(r, events, STR("\n\ndata: [DONE]\n\n"), in->upstream_status);
  struct buf *out = worker_scratch(&r->worker->out);
  if (!in->head_sent) head_begin(r, out);
  size_t piece = response_chunk_begin(r, out);
  buf_str(out, buf_view(&in->early));
  buf_str(out, buf_view(events));
  response_chunk_end(r, out, piece);
  stream_close(r, out);
}

// The provider's stream is over, but not its turn: the client gets what came, and the provider is asked to go on.
static void stream_go_on(struct request *r, struct buf *events) {
  struct inference *in = r->inference;
  if (events->len && !has_spoken(in)) buf_str(&in->early, buf_view(events));
  if (events->len && has_spoken(in)) stream_flush(r, events);
  if (r->client) path_attempt_go_on(r);
}

// How a step of a translated stream looks to the path.
static enum chat_stream_result translated(struct inference *in, enum decode_result result,
                                          const struct decode_failure *failure) {
  if (result == DECODE_MORE) return CHAT_MORE;
  if (result == DECODE_DONE) return CHAT_DONE;
  note_failure(in, failure);
  return CHAT_BROKEN;
}

static enum chat_stream_result translate_events(struct inference *in, struct str bytes, size_t *taken,
                                                struct buf *events) {
  struct decode_failure failure = {0};
  chat_events_into(in->events, events);
  return translated(in, dialect_stream_feed(&in->decoder, bytes, taken, &failure), &failure);
}

// The provider's body has ended in order, with `rest` not taken.
static enum chat_stream_result translate_end(struct inference *in, struct str rest, struct buf *events) {
  struct decode_failure failure = {0};
  chat_events_into(in->events, events);
  return translated(in, dialect_stream_finish(&in->decoder, rest, &failure), &failure);
}

// Rewrites all whole events in `in`; *taken: bytes done with. CHAT_MORE: go on when more comes.
static enum chat_stream_result rewrite_events(struct inference *in, struct str bytes, size_t *taken,
                                              struct buf *events) {
  *taken = 0;
  if (in->dialect) return translate_events(in, bytes, taken, events);
  for (;;) {
    size_t used;
    struct sse_event event;
    enum sse_result found = sse_next(&in->sse, str_skip(bytes, *taken), &used, &event);
    *taken += used;
    if (found == SSE_MORE) return CHAT_MORE;
    if (found == SSE_COMMENT || !event.data.len) continue;
    enum chat_stream_result result = chat_stream_event(in->stream, event.data, events);
    if (result != CHAT_MORE) return result;
  }
}

static void stream_bytes(struct request *r, const char *body, size_t n, bool end) {
  struct inference *in = r->inference;
  struct buf *events = worker_scratch(&r->worker->body);
  struct str bytes = str_from(body, n);
  if (in->held.len) {
    buf_append(&in->held, body, n);
    bytes = buf_view(&in->held);
  }
  size_t taken = 0;
  enum chat_stream_result result = rewrite_events(in, bytes, &taken, events);
  if (result == CHAT_MORE && end && in->dialect) result = translate_end(in, str_skip(bytes, taken), events);
  if (result == CHAT_BROKEN) {
    stream_lost(r, events, in->reply.fault, arena_str(&r->arena, str_from_cstr(in->reply.message)));
    return;
  }
  if (result == CHAT_DONE && in->dialect && path_attempt_can_go_on(r)) {
    stream_go_on(r, events);
    return;
  }
  if (result == CHAT_DONE || end) {
    stream_done(r, events, result == CHAT_DONE);
    return;
  }
  if (!in->held.len)
    buf_append(&in->held, body + taken, n - taken);
  else
    buf_consume(&in->held, taken);
  if (!in->held.len) buf_free(&in->held);
  if (in->held.failed || events->failed || in->sse.joined.failed || dialect_stream_overflowed(&in->decoder)) {
    path_attempt_failed(r, FAULT_UPSTREAM_INVALID, provider_says(r, "sent too large an event."));
    return;
  }
  if (!events->len) return;
  if (has_spoken(in))
    stream_flush(r, events);
  else
    buf_str(&in->early, buf_view(events));
}

// --- all of it ---

static void plain_bytes(struct request *r, const char *body, size_t n, bool end) {
  switch ((enum request_state)r->state) {
    case REQUEST_ERROR: error_bytes(r, body, n, end); return;
    case REQUEST_WHOLE: whole_bytes(r, body, n, end); return;
    case REQUEST_STREAMING: stream_bytes(r, body, n, end); return;
    default: assert(!"no reply is expected in this state");
  }
}

// Undoes a compression nobody asked for, piece by piece.
static void compressed_bytes(struct request *r, char *body, size_t n, bool end) {
  struct inference *in = r->inference;
  uint8_t state = r->state;
  char plain[16 * 1024];
  in->inflate->next_in = (unsigned char *)body;
  in->inflate->avail_in = (unsigned)n;
  for (;;) {
    in->inflate->next_out = (unsigned char *)plain;
    in->inflate->avail_out = sizeof plain;
    int rc = inflate(in->inflate, Z_NO_FLUSH);
    size_t got = sizeof plain - in->inflate->avail_out;
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
      path_attempt_failed(r, FAULT_UPSTREAM_INVALID, provider_says(r, "sent a damaged compressed answer."));
      return;
    }
    bool last = rc == Z_STREAM_END || in->inflate->avail_out != 0;
    if (got || (last && end)) plain_bytes(r, plain, got, last && end);
    // The request may have ended, failed, or begun another attempt.
    if (last || r->state != state || r->inference != in || !in->inflate) return;
  }
}

void relay_reply(struct request *r, const struct http_head *head, char *body, size_t n, bool end) {
  struct inference *in = r->inference;
  if (r->state == REQUEST_OVER) {  // the answer was complete; only the connection's end was awaited
    if (end) request_over(r);
    return;
  }
  if (head && !take_head(r, head)) return;
  if (in->inflate)
    compressed_bytes(r, body, n, end);
  else if (n || end)
    plain_bytes(r, body, n, end);
}
