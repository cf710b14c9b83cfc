// Connections to providers and the exchanges on them: pool, send, read, end; how they come about: connecting.c. One
// connection has one state, and each event of it comes through on_readable, on_hangup or on_timeout; every end of an
// exchange goes through exchange_detach.
#define _GNU_SOURCE
#include "net/upstream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "net/connecting.h"
#include "net/origin.h"

enum {
  IDLE_MAX = 1024,           // pooled connections of one origin
  STALE_RETRY_MS = 1000,     // how soon after sending a close counts as "was closed already"
  KEEP_SCRATCH = 256 * 1024  // the send buffer is given back when a request needed more
};

static void begin(struct exchange *x);

// --- the pool ---

struct upstream_pool *upstream_pool_new(struct loop *l, struct dns *dns, unsigned idle_ms) {
  struct upstream_pool *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  *p = (struct upstream_pool){.loop = l, .dns = dns, .idle_ms = idle_ms, .read_buffer = malloc(UPSTREAM_READ)};
  buf_init(&p->out, (size_t)1 << 30);
  if (!p->read_buffer) {
    free(p);
    return NULL;
  }
  return p;
}

static void all_remove(struct upstream *u) {
  *u->all_pprev = u->all_next;
  if (u->all_next) u->all_next->all_pprev = u->all_pprev;
}

static void free_later(struct task *task) {
  struct upstream *u = (struct upstream *)((char *)task - offsetof(struct upstream, free_task));
  free(u);
}

static void idle_remove(struct upstream *u) {
  struct origin *o = u->origin;
  if (u->prev)
    u->prev->next = u->next;
  else
    o->idle = u->next;
  if (u->next) u->next->prev = u->prev;
  u->next = u->prev = NULL;
  o->idle_count--;
}

// Closes the connection for good; an exchange on it must have been detached.
static void upstream_close(struct upstream *u) {
  assert(!u->x);
  if (u->state == UP_IDLE) idle_remove(u);
  all_remove(u);
  timer_clear(&u->timer);
  struct loop *loop = u->origin->pool->loop;
  conn_close(&u->conn);
  free(u->carry);
  u->carry = NULL;
  u->free_task.run = free_later;
  loop_defer(loop, &u->free_task);
}

void upstream_pool_close_idle(struct upstream_pool *p) {
  for (struct origin *o = p->origins; o; o = o->next)
    while (o->idle) upstream_close(o->idle);
}

void upstream_pool_abort(struct upstream_pool *p) {
  upstream_pool_close_idle(p);
  while (p->all) upstream_fail(p->all, FAULT_SHUTDOWN, "was left because the gateway stops");
}

void upstream_pool_free(struct upstream_pool *p) {
  if (!p) return;
  assert(!p->all);
  for (struct origin *o = p->origins, *next; o; o = next) {
    next = o->next;
    tls_ticket_drop(o->ticket);
    free(o);
  }
  buf_free(&p->out);
  free(p->read_buffer);
  free(p);
}

// --- endings ---

void exchange_detach(struct exchange *x) {
  timer_clear(&x->timer);
  if (x->pprev) {
    *x->pprev = x->next;
    if (x->next) x->next->pprev = x->pprev;
    x->next = NULL;
    x->pprev = NULL;
  }
  if (x->conn) {
    x->conn->x = NULL;
    x->conn = NULL;
  }
}

// The connection is lost to the exchange: try once more on a fresh one, or tell the owner.
void upstream_fail(struct upstream *u, enum fault fault, const char *why) {
  struct exchange *x = u->x;
  char text[400];  // `why` may live in what is about to be freed
  snprintf(text, sizeof text, "%s", why);
  bool broken = fault == FAULT_UPSTREAM_CUT || fault == FAULT_CONNECT;
  bool stale = broken && x && u->reused && !u->got_bytes && !x->retried &&
               loop_now_ns(u->origin->pool->loop) - x->sent_ns < (uint64_t)STALE_RETRY_MS * 1000000;
  if (x) exchange_detach(x);
  upstream_close(u);
  if (!x) return;
  if (stale) {
    x->retried = true;
    begin(x);
    return;
  }
  x->on_fail(x, fault, str_from_cstr(text));
}

static void to_pool(struct upstream *u) {
  struct origin *o = u->origin;
  assert(!u->x);
  if (o->idle_count >= IDLE_MAX || conn_blocked(&u->conn)) {
    upstream_close(u);
    return;
  }
  u->state = UP_IDLE;
  u->reused = true;
  u->prev = NULL;
  u->next = o->idle;
  if (o->idle) o->idle->prev = u;
  o->idle = u;
  o->idle_count++;
  timer_set(o->pool->loop, &u->timer, o->pool->idle_ms);
}

static void on_timeout(struct timer *timer) {
  struct upstream *u = (struct upstream *)((char *)timer - offsetof(struct upstream, timer));
  struct exchange *x = u->x;
  if (!x) {
    upstream_close(u);
    return;
  }
  char why[128];
  uint64_t age = loop_now_ms(u->origin->pool->loop) - x->started_ms;
  if (age >= x->times.total_ms)
    snprintf(why, sizeof why, "no complete answer within %u ms", x->times.total_ms);
  else if (u->state == UP_BODY)
    snprintf(why, sizeof why, "silent for %u ms in the middle of its answer", x->times.idle_ms);
  else if (u->state == UP_WAITING)
    snprintf(why, sizeof why, "no answer within %u ms", x->times.first_byte_ms);
  else
    snprintf(why, sizeof why, "no connection within %u ms", x->times.connect_ms);
  upstream_fail(u, FAULT_TIMEOUT, why);
}

// Arms the timer for a phase, never beyond the exchange's whole time.
static void phase_timer(struct upstream *u, unsigned phase_ms) {
  struct loop *l = u->origin->pool->loop;
  uint64_t age = loop_now_ms(l) - u->x->started_ms;
  uint64_t rest = age < u->x->times.total_ms ? u->x->times.total_ms - age : 0;
  timer_set(l, &u->timer, phase_ms < rest ? phase_ms : rest);
}

// --- the reply ---

static bool has_body(unsigned status) {
  return status >= 200 && status != 204 && status != 304;
}

// Undoes chunked coding in place: *n becomes the body's bytes, those before the fault when it is senseless (false).
// *end: complete; *rest: bytes behind.
static bool dechunk(struct upstream *u, char *bytes, size_t *n, bool *end, size_t *rest) {
  size_t at = 0, kept = 0;
  bool sound = true;
  while (at < *n) {
    size_t taken;
    struct str data;
    enum http_result r = chunked_feed(&u->chunked, str_from(bytes + at, *n - at), &taken, &data);
    if (r == HTTP_FAILED) {
      sound = false;
      break;
    }
    if (data.len) {
      if (bytes + kept != data.ptr) memmove(bytes + kept, data.ptr, data.len);
      kept += data.len;
    }
    at += taken;
    if (r == HTTP_DONE) {
      *end = true;
      *rest = *n - at;
      break;
    }
    if (!taken) break;
  }
  *n = kept;
  return sound;
}

// Hands body bytes over; `head` when it has just been read. Returns with the upstream possibly gone.
static void deliver(struct upstream *u, const struct http_head *head, char *bytes, size_t n) {
  struct exchange *x = u->x;
  bool end = false;
  size_t rest = 0;
  if (u->is_chunked) {
    if (!dechunk(u, bytes, &n, &end, &rest)) {
      // What came before it counts, and may be all that was wanted.
      if (n || head) x->on_reply(x, head, bytes, n, false);
      if (u->x == x) upstream_fail(u, FAULT_UPSTREAM_INVALID, "sent invalid chunked coding");
      return;
    }
  } else if (!u->until_close) {
    if ((uint64_t)n >= (uint64_t)u->left) {
      rest = n - (size_t)u->left;
      n = (size_t)u->left;
      end = true;
    }
    u->left -= (int64_t)n;
  }
  if (!end) {
    phase_timer(u, x->times.idle_ms);
    if (n || head) x->on_reply(x, head, bytes, n, false);
    return;
  }
  exchange_detach(x);
  // Bytes behind a reply that nobody asked for: such a connection is not to be trusted.
  if (u->keep && !rest)
    to_pool(u);
  else
    upstream_close(u);
  x->on_reply(x, head, bytes, n, true);
}

// Parses heads at the start of the bytes until a final one is there. Returns false when more is needed or all is over.
static bool read_head(struct upstream *u, struct str *in, struct http_head *head) {
  for (;;) {
    struct http_refusal refusal;
    switch (http_response_parse(*in, LIMIT_UPSTREAM_HEAD, head, &refusal)) {
      case HTTP_MORE: return false;
      case HTTP_FAILED: {
        char why[160];
        snprintf(why, sizeof why, "sent no valid HTTP response: %s", refusal.why);
        upstream_fail(u, FAULT_UPSTREAM_INVALID, why);
        return false;
      }
      case HTTP_DONE: break;
    }
    if (head->status >= 200) return true;
    if (head->status == 101) {
      upstream_fail(u, FAULT_UPSTREAM_INVALID, "switched protocols without being asked");
      return false;
    }
    *in = str_skip(*in, head->size);  // 1xx: the real one follows
  }
}

bool upstream_carry(struct upstream *u, struct str in) {
  if (!in.len) return true;
  if (u->carry_len + in.len > LIMIT_UPSTREAM_HEAD + UPSTREAM_READ) return false;
  if (u->carry_len + in.len > u->carry_cap) {
    size_t cap = (u->carry_len + in.len) * 2;
    char *grown = realloc(u->carry, cap);
    if (!grown) return false;
    u->carry = grown;
    u->carry_cap = (uint32_t)cap;
  }
  memcpy(u->carry + u->carry_len, in.ptr, in.len);
  u->carry_len += (uint32_t)in.len;
  return true;
}

// Bytes while the reply's head is not complete.
static void on_head_bytes(struct upstream *u, char *bytes, size_t n) {
  struct str in = str_from(bytes, n);
  if (u->carry_len) {
    if (!upstream_carry(u, in)) {
      upstream_fail(u, FAULT_UPSTREAM_INVALID, "sent too large a response head");
      return;
    }
    in = str_from(u->carry, u->carry_len);
  }
  struct http_head head;
  struct str before = in;
  if (!read_head(u, &in, &head)) {
    if (!u->x) return;  // failed
    if (u->carry_len) {
      u->carry_len = (uint32_t)in.len;
      if (in.ptr != before.ptr) memmove(u->carry, in.ptr, in.len);
    } else if (!upstream_carry(u, in)) {
      upstream_fail(u, FAULT_INTERNAL, "out of memory");
    }
    return;
  }
  u->state = UP_BODY;
  u->keep = head.keep_alive;
  u->is_chunked = has_body(head.status) && head.chunked;
  u->chunked = (struct chunked){0};
  u->left = has_body(head.status) && head.content_length > 0 ? head.content_length : 0;
  u->until_close = has_body(head.status) && !head.chunked && head.content_length < 0;
  if (u->until_close) u->keep = false;
  // A carried head's strings must stay while the owner looks at them: the memory is freed afterwards.
  char *carried = u->carry;
  u->carry = NULL;
  u->carry_len = u->carry_cap = 0;
  deliver(u, &head, (char *)in.ptr + head.size, in.len - head.size);
  free(carried);
}

static void on_eof(struct upstream *u) {
  struct exchange *x = u->x;
  if (u->state == UP_BODY && u->until_close) {
    exchange_detach(x);
    upstream_close(u);
    x->on_reply(x, NULL, NULL, 0, true);
    return;
  }
  upstream_fail(u, FAULT_UPSTREAM_CUT,
                u->state == UP_BODY ? "closed the connection in the middle of its answer"
                : u->got_bytes      ? "closed the connection in the middle of the response head"
                                    : "closed the connection without an answer");
}

static void read_reply(struct upstream *u) {
  struct upstream_pool *p = u->origin->pool;
  do {
    size_t got;
    switch (conn_read(&u->conn, p->read_buffer, UPSTREAM_READ, &got)) {
      case CONN_AGAIN: return;
      case CONN_EOF: on_eof(u); return;
      case CONN_ERROR:
        upstream_fail(u, FAULT_UPSTREAM_CUT,
                      u->got_bytes ? "reset the connection in the middle of its answer"
                                   : "reset the connection without an answer");
        return;
      case CONN_OK: break;
    }
    u->got_bytes = true;
    if (u->state == UP_WAITING)
      on_head_bytes(u, p->read_buffer, got);
    else
      deliver(u, NULL, p->read_buffer, got);
    // The callback may have ended or paused it. (A closed upstream's memory lives until the end of the turn.)
  } while (conn_is_open(&u->conn) && u->x && !u->paused && conn_has_buffered(&u->conn));
}

// --- sending ---

void upstream_send(struct upstream *u) {
  struct exchange *x = u->x;
  struct upstream_pool *p = u->origin->pool;
  u->state = UP_WAITING;
  u->got_bytes = false;
  phase_timer(u, x->times.first_byte_ms);
  buf_clear(&p->out);
  struct buf_hole hole = {0};
  if (!x->build(x, &p->out, &hole) || p->out.failed) {
    upstream_fail(u, FAULT_INTERNAL, "out of memory while building the request");
    return;
  }
  struct iovec parts[3] = {{p->out.ptr, hole.bytes.len ? hole.at : p->out.len},
                           {(void *)hole.bytes.ptr, hole.bytes.len},
                           {p->out.ptr + hole.at, p->out.len - hole.at}};
  bool sent = conn_write(&u->conn, parts, hole.bytes.len ? 3 : 1);
  if (p->out.cap > KEEP_SCRATCH) buf_free(&p->out);
  x->sent_ns = loop_now_ns(p->loop);
  if (!sent) upstream_fail(u, FAULT_UPSTREAM_CUT, "closed the connection while the request was sent");
}

// --- events ---

static void on_readable(struct conn *c) {
  struct upstream *u = (struct upstream *)((char *)c - offsetof(struct upstream, conn));
  switch ((enum upstream_state)u->state) {
    case UP_CONNECTING:
    case UP_PROXY:
    case UP_TLS: connecting_go_on(u); return;
    case UP_WAITING:
    case UP_BODY: read_reply(u); return;
    case UP_IDLE:  // closed by the server, or it speaks unasked; a TLS ticket is neither
      if (u->conn.tls) {
        char byte;
        size_t got;
        if (conn_read(&u->conn, &byte, 1, &got) == CONN_AGAIN) return;
      }
      upstream_close(u);
      return;
  }
}

static void on_drained(struct conn *c) {
  (void)c;
}

static void on_hangup(struct conn *c) {
  struct upstream *u = (struct upstream *)((char *)c - offsetof(struct upstream, conn));
  if (u->paused) {  // what was sent before the hang-up can still be read, later
    loop_forget(c->loop, &c->io);
    return;
  }
  on_readable(c);
}

bool upstream_attach(struct upstream *u, int fd) {
  u->conn.on_readable = on_readable;
  u->conn.on_drained = on_drained;
  u->conn.on_hangup = on_hangup;
  u->conn.brings_answers = true;
  return conn_start(&u->conn, u->origin->pool->loop, fd);
}

void upstream_open(struct exchange *x) {
  struct origin *o = x->origin;
  struct upstream *u = calloc(1, sizeof *u);
  if (!u) {
    x->on_fail(x, FAULT_INTERNAL, STR("out of memory"));
    return;
  }
  u->origin = o;
  u->conn.io.fd = -1;
  u->timer.on_fire = on_timeout;
  u->x = x;
  x->conn = u;
  u->all_next = o->pool->all;
  u->all_pprev = &o->pool->all;
  if (u->all_next) u->all_next->all_pprev = &u->all_next;
  o->pool->all = u;
  phase_timer(u, x->times.connect_ms);
  connecting_next(u);
}

const struct upstream *upstream_next(const struct upstream *u) {
  return u->all_next;
}

bool upstream_is_of(const struct upstream *u, const struct origin *o) {
  return u->origin == o;
}

static void begin(struct exchange *x) {
  struct origin *o = x->origin;
  struct upstream *u = o->idle;
  if (u && !x->retried) {
    idle_remove(u);
    u->x = x;
    x->conn = u;
    upstream_send(u);
  } else if (o->dial ||
             (o->looked_up_ms && !o->looking_up && loop_now_ms(o->pool->loop) - o->looked_up_ms < DNS_TTL_MS)) {
    upstream_open(x);
  } else {
    connecting_look_up(x);
  }
}

// --- for the owner ---

void exchange_start(struct exchange *x, struct origin *o, struct exchange_times times) {
  assert(!exchange_is_on(x));
  x->origin = o;
  x->times = times;
  x->retried = false;
  x->sent_ns = 0;
  x->started_ms = loop_now_ms(o->pool->loop);
  begin(x);
}

void exchange_cancel(struct exchange *x) {
  struct upstream *u = x->conn;
  exchange_detach(x);
  if (u) upstream_close(u);
}

void exchange_pause(struct exchange *x, bool pause) {
  struct upstream *u = x->conn;
  if (!u || u->paused == pause) return;
  u->paused = pause;
  conn_read_on(&u->conn, !pause);
  // The provider is not to blame for a slow client: only the whole time counts meanwhile.
  phase_timer(u, pause ? x->times.total_ms : x->times.idle_ms);
  // TLS may hold bytes that no event will announce: the next read is made by hand, at the end of the turn.
  if (!pause && conn_has_buffered(&u->conn)) read_reply(u);
}

void exchange_linger(struct exchange *x, unsigned ms) {
  if (x->conn && x->conn->paused) exchange_pause(x, false);
  if (!x->conn) return;
  // Its whole time ends then, however much more it has to say.
  x->times.idle_ms = ms;
  x->times.total_ms = (unsigned)(loop_now_ms(x->origin->pool->loop) - x->started_ms) + ms;
  phase_timer(x->conn, ms);
}
