#define _GNU_SOURCE
#include "gateway/client.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/request.h"
#include "gateway/response.h"
#include "net/tls.h"

enum { LINGER_MS = 1000, PROBE_MS = 1000 };

static void on_bytes(struct client *c, char *bytes, size_t n);
static void resume_later(struct client *c);

static const struct config *config_of(const struct client *c) {
  return &c->worker->snapshot->snapshot->config;
}

static void phase_set(struct client *c, enum client_phase phase) {
  static const uint8_t allowed[] = {
      [CLIENT_IDLE] = 1 << CLIENT_HEAD | 1 << CLIENT_BODY | 1 << CLIENT_BUSY | 1 << CLIENT_CLOSING,
      [CLIENT_HEAD] = 1 << CLIENT_BODY | 1 << CLIENT_BUSY | 1 << CLIENT_CLOSING,
      [CLIENT_BODY] = 1 << CLIENT_BUSY | 1 << CLIENT_CLOSING | 1 << CLIENT_IDLE,
      [CLIENT_BUSY] = 1 << CLIENT_IDLE | 1 << CLIENT_CLOSING,
      [CLIENT_CLOSING] = 0,
  };
  assert(c->phase == phase || allowed[c->phase] >> phase & 1);
  if (c->phase == phase) return;
  c->phase = (uint8_t)phase;
  c->conn.io.comes_first = phase != CLIENT_IDLE && phase != CLIENT_HEAD;
  struct loop *l = c->worker->loop;
  switch (phase) {
    case CLIENT_IDLE: timer_set(l, &c->timer, config_of(c)->idle_timeout_ms); break;
    case CLIENT_HEAD: timer_set(l, &c->timer, config_of(c)->header_timeout_ms); break;
    case CLIENT_BODY: timer_set(l, &c->timer, config_of(c)->body_timeout_ms); break;
    case CLIENT_BUSY: break;  // the request's own limits count; an earlier setting of the timer is ignored
    case CLIENT_CLOSING: timer_set(l, &c->timer, config_of(c)->write_timeout_ms); break;
  }
}

// --- life ---

static void free_later(struct task *task) {
  free((struct client *)((char *)task - offsetof(struct client, task)));
}

void client_close(struct client *c) {
  if (!conn_is_open(&c->conn)) return;
  struct worker *w = c->worker;
  conn_close(&c->conn);
  timer_clear(&c->timer);
  if (c->next) c->next->prev = c->prev;
  if (c->prev)
    c->prev->next = c->next;
  else
    w->clients = c->next;
  w->client_count--;
  metric_add(&w->metrics, METRIC_connections_open, -1);
  free(c->input);
  c->input = NULL;
  struct request *r = c->request;
  c->request = NULL;
  if (r) request_client_gone(r);
  if (c->resume_queued) return;  // its task runs at the end of the turn and frees then
  c->task.run = free_later;
  loop_defer(w->loop, &c->task);
}

void client_drain(struct client *c) {
  // What it has said and nobody has read yet may be a request: it stands in line.
  if (c->phase != CLIENT_IDLE || c->conn.io.pending) return;
  if (conn_blocked(&c->conn))  // it still reads the last answer
    phase_set(c, CLIENT_CLOSING);
  else
    client_close(c);
}

// Bytes that could not be taken yet are kept.
static bool input_keep(struct client *c, const char *bytes, size_t n) {
  if (c->input_len + n > c->input_cap) {
    size_t cap = c->input_len + n + 1024;
    char *grown = realloc(c->input, cap);
    if (!grown) return false;
    c->input = grown;
    c->input_cap = (uint32_t)cap;
  }
  memcpy(c->input + c->input_len, bytes, n);
  c->input_len += (uint32_t)n;
  return true;
}

// The answer is out, but bytes that nobody will read may still come: closing now would reset the connection, and the
// client could lose the answer. So: end our side, drop what comes, close a little later.
static void linger(struct client *c) {
  conn_end(&c->conn);
  conn_read_on(&c->conn, true);
  timer_set(c->worker->loop, &c->timer, LINGER_MS);
}

// --- a client that ends its side ---

// The bytes every answer begins with.
static const char answer_start[] = "HTTP/1.1 ";
enum { ANSWER_START = sizeof answer_start - 1 };

// Has it left, or does it only have nothing more to say? Both look the same (a FIN) until something is sent: who has
// left answers with a reset. So a byte of the answer is sent ahead, the next one a second later, then after twice the
// time each; in a stream a comment does it.
static void probe(struct client *c) {
  if (conn_blocked(&c->conn)) return;  // what is on its way will tell
  if (c->answering) {
    request_on_quiet(c->request);
    return;
  }
  if (c->probed == ANSWER_START) return;
  struct iovec part = {(void *)(answer_start + c->probed), 1};
  if (!conn_write(&c->conn, &part, 1)) {
    client_close(c);
    return;
  }
  timer_set(c->worker->loop, &c->timer, (uint64_t)PROBE_MS << c->probed++);
}

// Nothing more will be read. What it asked for is answered all the same; half a request is not.
static void on_end(struct client *c) {
  bool asks = (c->phase == CLIENT_BUSY && c->request) || (c->phase != CLIENT_CLOSING && c->input_len);
  bool waits = asks || conn_blocked(&c->conn);
  if (c->conn.gone || c->phase == CLIENT_HEAD || c->phase == CLIENT_BODY || !waits) {
    client_close(c);
    return;
  }
  c->half_closed = true;
  conn_peer_ended(&c->conn);
  if (c->phase == CLIENT_BUSY && c->request) probe(c);
}

// --- reading ---

static void refuse(struct client *c, unsigned status, const char *why) {
  enum fault fault = status == 431   ? FAULT_HEAD_TOO_LARGE
                     : status == 505 ? FAULT_HTTP_VERSION
                     : status == 408 ? FAULT_CLIENT_SLOW
                     : status == 417 ? FAULT_EXPECTATION
                     : status == 501 ? FAULT_NOT_BUILT
                                     : FAULT_BAD_REQUEST;
  struct buf *body = worker_scratch(&c->worker->body), *out = worker_scratch(&c->worker->out);
  chat_error_write(body, fault, str_from_cstr(why), (struct str){0});
  buf_printf(out,
             "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
             fault_row(fault)->status, http_reason(fault_row(fault)->status), body->len);
  buf_str(out, buf_view(body));
  c->keep_alive = false;
  phase_set(c, CLIENT_CLOSING);
  struct iovec part = {out->ptr, out->len};
  if (!conn_write(&c->conn, &part, 1))
    client_close(c);
  else if (!conn_blocked(&c->conn))
    linger(c);
}

// The head at the start of the bytes is complete: begins the request. *used: bytes taken (the head).
// False: the connection was closed or is closing.
static bool begin_request(struct client *c, const struct http_head *head) {
  c->keep_alive = head->keep_alive && !c->worker->draining;
  c->http10 = head->minor == 0;
  c->head_only = head->method == HTTP_HEAD;
  c->chunked_body = head->chunked;
  c->chunked = (struct chunked){0};
  c->body_left = head->content_length > 0 ? (uint64_t)head->content_length : 0;
  phase_set(c, CLIENT_BODY);
  bool refused = false;
  struct request *r = request_begin(c, head, &refused);
  if (refused) return false;
  if (!r) {
    client_close(c);
    return false;
  }
  c->request = r;
  return true;
}

// Body bytes. *used: how many belong to it. True: the body is complete. c->request NULL afterwards: it was refused.
static bool take_body(struct client *c, char *bytes, size_t n, size_t *used) {
  *used = 0;
  if (!c->chunked_body) {
    size_t k = n < c->body_left ? n : (size_t)c->body_left;
    *used = k;
    c->body_left -= k;
    if (k && k == n && !c->body_left && request_body_take(c->request, bytes, k)) return true;
    if (k && !request_body(c->request, bytes, k)) return false;
    return c->body_left == 0;
  }
  while (*used < n) {
    size_t taken;
    struct str data;
    enum http_result result = chunked_feed(&c->chunked, str_from(bytes + *used, n - *used), &taken, &data);
    *used += taken;
    if (result == HTTP_FAILED) {
      request_on_bad_body(c->request);
      return false;
    }
    if (data.len && !request_body(c->request, data.ptr, data.len)) return false;
    if (result == HTTP_DONE) return true;
    if (!taken) break;
  }
  return false;
}

// Works through bytes while requests are complete; keeps what must wait.
static void on_bytes(struct client *c, char *bytes, size_t n) {
  size_t at = 0;
  while ((at < n && !(c->phase == CLIENT_IDLE && conn_blocked(&c->conn))) ||
         (c->phase == CLIENT_BODY && !c->chunked_body && !c->body_left)) {
    if (c->phase == CLIENT_IDLE || c->phase == CLIENT_HEAD) {
      while (n - at >= 2 && bytes[at] == '\r' && bytes[at + 1] == '\n') at += 2;  // RFC 9112 2.2: empty lines before it
      if (at == n || (n - at == 1 && bytes[at] == '\r')) break;
    }
    if (c->phase == CLIENT_IDLE || c->phase == CLIENT_HEAD) {
      struct http_head head;
      struct http_refusal refusal;
      enum http_result result = http_request_parse(str_from(bytes + at, n - at), LIMIT_HEAD, &head, &refusal);
      if (result == HTTP_FAILED) {
        refuse(c, refusal.status, refusal.why);
        return;
      }
      if (result == HTTP_MORE) {
        phase_set(c, CLIENT_HEAD);
        break;
      }
      bool begun = begin_request(c, &head);
      at += head.size;
      if (!begun && conn_is_open(&c->conn) && c->phase == CLIENT_IDLE) continue;  // answered; the next may follow
      if (!begun) return;
      if (head.expect_continue && at == n && (c->chunked_body || c->body_left)) {
        struct iovec part = {"HTTP/1.1 100 Continue\r\n\r\n", 25};
        if (!conn_write(&c->conn, &part, 1)) {
          client_close(c);
          return;
        }
      }
    }
    if (c->phase == CLIENT_BODY) {
      size_t used;
      bool complete = take_body(c, bytes + at, n - at, &used);
      at += used;
      if (!conn_is_open(&c->conn) || c->phase == CLIENT_CLOSING) return;
      if (!complete) {
        if (!c->request) return;
        if (at >= n) break;
        continue;
      }
      phase_set(c, CLIENT_BUSY);
      request_run(c->request);
      if (!conn_is_open(&c->conn)) return;
    }
    if (c->phase == CLIENT_BUSY || c->phase == CLIENT_CLOSING) break;
  }
  if (at < n && c->phase != CLIENT_CLOSING && !input_keep(c, bytes + at, n - at)) client_close(c);
}

static void read_ahead(struct client *c, const char *bytes, size_t n) {
  if (!input_keep(c, bytes, n)) {
    client_close(c);
    return;
  }
  if (c->input_len >= LIMIT_PENDING_INPUT) conn_read_on(&c->conn, false);
}

// The body's bytes go straight to where they stay, without a stop in the read buffer.
static bool read_body_directly(struct client *c) {
  size_t room;
  char *into = request_body_room(c->request, c->body_left, &room);
  if (!into) return false;
  size_t got;
  switch (conn_read(&c->conn, into, room, &got)) {
    case CONN_AGAIN: return true;
    case CONN_EOF:
    case CONN_ERROR: client_close(c); return true;
    case CONN_OK: break;
  }
  request_body_filled(c->request, got);
  c->body_left -= got;
  timer_set(c->worker->loop, &c->timer, config_of(c)->body_timeout_ms);
  if (!c->body_left) {
    phase_set(c, CLIENT_BUSY);
    request_run(c->request);
  } else if (request_body_trickles(c->request)) {
    request_on_slow(c->request);
  }
  return true;
}

static void on_readable(struct conn *conn) {
  struct client *c = (struct client *)conn;
  do {
    if (c->phase == CLIENT_BODY && !c->chunked_body && c->body_left && read_body_directly(c)) {
      if (!conn_is_open(&c->conn)) return;
      continue;
    }
    size_t got;
    switch (conn_read(&c->conn, c->worker->read_buffer, WORKER_READ_SIZE, &got)) {
      case CONN_AGAIN: return;
      case CONN_EOF: on_end(c); return;
      case CONN_ERROR: client_close(c); return;
      case CONN_OK: break;
    }
    if (c->phase == CLIENT_BUSY || c->resume_queued) {
      read_ahead(c, c->worker->read_buffer, got);
    } else if (c->phase == CLIENT_CLOSING) {
      continue;  // nobody will answer it
    } else if (c->input_len) {
      if (!input_keep(c, c->worker->read_buffer, got)) {
        client_close(c);
        return;
      }
      char *bytes = c->input;
      size_t n = c->input_len;
      c->input = NULL;
      c->input_len = c->input_cap = 0;
      on_bytes(c, bytes, n);
      free(bytes);
    } else {
      if (c->phase == CLIENT_BODY) timer_set(c->worker->loop, &c->timer, config_of(c)->body_timeout_ms);
      on_bytes(c, c->worker->read_buffer, got);
      if (conn_is_open(&c->conn) && c->phase == CLIENT_BODY && request_body_trickles(c->request))
        request_on_slow(c->request);
    }
  } while (conn_is_open(&c->conn) && c->conn.want_read && conn_has_buffered(&c->conn));
}

// Turns reading on; TLS may hold bytes that no event will announce.
static void read_again(struct client *c) {
  if (c->conn.want_read) return;
  conn_read_on(&c->conn, true);
  if (conn_has_buffered(&c->conn)) on_readable(&c->conn);
}

static void on_hangup(struct conn *conn) {
  on_end((struct client *)conn);
}

static void on_drained(struct conn *conn) {
  struct client *c = (struct client *)conn;
  if (c->phase == CLIENT_CLOSING) {
    linger(c);
  } else if (c->phase == CLIENT_BUSY && c->request) {
    request_on_drained(c->request);
  } else if (c->phase == CLIENT_IDLE) {
    timer_set(c->worker->loop, &c->timer, config_of(c)->idle_timeout_ms);
    if (c->input_len)
      resume_later(c);
    else
      read_again(c);
  }
}

static void on_timer(struct timer *timer) {
  struct client *c = (struct client *)((char *)timer - offsetof(struct client, timer));
  if (conn_blocked(&c->conn) && c->conn.unsent_at != c->unsent_at) {
    c->unsent_at = c->conn.unsent_at;  // slow, but alive
    timer_set(c->worker->loop, &c->timer, config_of(c)->write_timeout_ms);
    return;
  }
  switch ((enum client_phase)c->phase) {
    case CLIENT_IDLE:
    case CLIENT_CLOSING: client_close(c); return;
    case CLIENT_HEAD: refuse(c, 408, "The request head did not arrive in time."); return;
    case CLIENT_BODY: request_on_slow(c->request); return;
    case CLIENT_BUSY:
      if (conn_blocked(&c->conn)) {
        client_close(c);  // it stopped reading
      } else if (c->half_closed && c->request && !c->answering && c->probed < ANSWER_START) {
        probe(c);
      } else if (c->request) {
        request_on_quiet(c->request);
      }
      return;
  }
}

void client_start(struct worker *w, int fd, struct tls_context *tls) {
  struct client *c = calloc(1, sizeof *c);
  if (!c) {
    close(fd);
    return;
  }
  c->worker = w;
  c->conn.on_readable = on_readable;
  c->conn.on_drained = on_drained;
  c->conn.on_hangup = on_hangup;
  c->timer.on_fire = on_timer;
  if (!conn_start(&c->conn, w->loop, fd)) {
    close(fd);
    free(c);
    return;
  }
  if (tls) {
    struct tls_session *session = tls_accept(tls, fd);
    if (!session) {
      conn_close(&c->conn);
      free(c);
      return;
    }
    conn_secure(&c->conn, session);
  }
  c->next = w->clients;
  if (c->next) c->next->prev = c;
  w->clients = c;
  w->client_count++;
  metric_add(&w->metrics, METRIC_connections_total, 1);
  metric_add(&w->metrics, METRIC_connections_open, 1);
  // A connection that never says anything is given the time of a head.
  timer_set(w->loop, &c->timer, config_of(c)->header_timeout_ms);
}

// --- answering ---

// Without what was sent ahead of it.
static bool write_start(struct client *c, const struct iovec *parts, int count) {
  struct iovec rest[4];
  assert(count <= 4);
  assert(parts[0].iov_len >= ANSWER_START);
  memcpy(rest, parts, (size_t)count * sizeof *rest);
  rest[0].iov_base = (char *)rest[0].iov_base + c->probed;
  rest[0].iov_len -= c->probed;
  return conn_write(&c->conn, rest, count);
}

bool client_send(struct client *c, const struct iovec *parts, int count) {
  bool ahead = c->probed && !c->answering;
  c->answering = true;
  if (!(ahead ? write_start(c, parts, count) : conn_write(&c->conn, parts, count))) {
    client_close(c);
    return false;
  }
  if (conn_blocked(&c->conn)) {
    c->unsent_at = c->conn.unsent_at;
    timer_set(c->worker->loop, &c->timer, config_of(c)->write_timeout_ms);
  }
  return true;
}

static void resume(struct task *task) {
  struct client *c = (struct client *)((char *)task - offsetof(struct client, task));
  c->resume_queued = false;
  if (!conn_is_open(&c->conn)) {
    free(c);
    return;
  }
  char *bytes = c->input;
  size_t n = c->input_len;
  c->input = NULL;
  c->input_len = c->input_cap = 0;
  if (n) on_bytes(c, bytes, n);
  free(bytes);
  // An answer that is still being read holds the next request back, see client_answered.
  bool held_back = c->phase == CLIENT_IDLE && conn_blocked(&c->conn);
  if (conn_is_open(&c->conn) && !held_back && c->input_len < LIMIT_PENDING_INPUT) read_again(c);
}

void client_answered(struct client *c) {
  c->request = NULL;
  c->answering = false;
  c->probed = 0;
  if (!c->keep_alive || c->worker->draining || (c->half_closed && !c->input_len)) {
    phase_set(c, CLIENT_CLOSING);
    if (!conn_blocked(&c->conn)) linger(c);
    return;
  }
  phase_set(c, CLIENT_IDLE);
  if (conn_blocked(&c->conn)) {  // the next request waits until this answer has been read
    conn_read_on(&c->conn, false);
    timer_set(c->worker->loop, &c->timer, config_of(c)->write_timeout_ms);
    return;
  }
  resume_later(c);
}

// Goes on with bytes that wait, at the end of the turn.
static void resume_later(struct client *c) {
  if (c->input_len && !c->resume_queued) {
    c->resume_queued = true;
    c->task.run = resume;
    loop_defer(c->worker->loop, &c->task);
  }
}

void client_give_up_body(struct client *c) {
  c->keep_alive = false;
}

void client_quiet_timer(struct client *c, unsigned ms) {
  if (!conn_blocked(&c->conn)) timer_set(c->worker->loop, &c->timer, ms ? ms : config_of(c)->idle_timeout_ms);
}
