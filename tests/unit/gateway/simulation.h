// The gateway in memory: one loop turned by hand, with a clock that jumps to the next moment at which anything is to
// happen, and a seed. Clients and providers are the test's ends of socket pairs; nothing sleeps, so that five minutes
// of silence cost microseconds and the same seed gives the same run.
//
//   clients  ═ socketpair ═  client.c ▸ the path ▸ upstream.c  ═ socketpair ═  mocks, which play scripts
//
// Providers "one", "two" and "three" serve test/model in this order, at prices 1, 2 and 3. The ledger's rows are taken
// off the spool.
#pragma once
#include "gateway/gateway.c"

#include "../store/fixture.h"
#include "admin/routes.h"
#include "json/json.h"

#include <sys/epoll.h>
#include <sys/socket.h>

enum { SIM_PROVIDERS = 3, SIM_STEPS = 48, SIM_ROWS = 64 };
#define SIM_KEY "sk-sim-0123456789abcdef"
#define SIM_FOREVER UINT64_MAX

enum sim_dial { SIM_CONNECTS, SIM_REFUSES, SIM_BLACK_HOLE };

// What a mock does at the end of its script.
enum sim_end {
  SIM_KEEP,   // waits for the next request
  SIM_CLOSE,  // closes
  SIM_RESET,  // closes so that the gateway is told of a reset
  SIM_HANG,   // says nothing until the gateway closes
};

struct sim_step {
  unsigned wait_ms;  // before each time
  struct str bytes;
  unsigned times;
};

struct sim_script {
  struct arena arena;
  struct sim_step steps[SIM_STEPS];
  unsigned count;
  enum sim_end end;
};

struct sim;
struct sim_mock {  // a connection of the gateway's to a provider
  struct sim *sim;
  struct sim_mock *next;
  unsigned provider;
  unsigned requests;  // that came on it
  int fd;             // -1: closed by either side
  char request[32 * 1024];
  size_t length, whole;  // what has come; of it, what the present request takes (0: its end is not here)
  bool streams;          // it wants a stream
  struct sim_script script;
  unsigned step, times;
  size_t said;  // of the present step's bytes
  uint64_t due_ms;
  bool busy;     // with a request, until the script's end
  bool playing;  // there is more of the script
  bool hung_up;  // by the gateway
  uint64_t hung_up_ms;
};

struct sim_client {
  struct sim *sim;
  struct sim_client *next;
  int fd;  // -1: it left
  struct buf got;
  bool deaf;   // does not read
  bool ended;  // the gateway closed
  uint64_t ended_ms;
  uint64_t first_ms;  // its first byte came
};

struct sim_row {
  enum fault fault;
  unsigned status;
  money_pico cost;
  bool estimated, cancelled, streamed;
  uint64_t prompt, completion;
  unsigned latency_ms, generation_ms;
  char provider[32], finish[32], attempts[4096];
};

struct sim {
  char dir[64];
  struct arena arena;
  struct time_clock clock;
  struct gateway *gateway;
  struct worker *worker;
  struct store *store;
  int epoll_fd;
  struct rand rand;
  struct sim_mock *mocks;
  struct sim_client *clients;
  // the test's
  enum sim_dial (*on_dial)(struct sim *sim, unsigned provider);                           // NULL: all connect
  void (*on_request)(struct sim *sim, struct sim_mock *mock, struct sim_script *script);  // writes the script
  const void *context;
  unsigned dials[SIM_PROVIDERS], asks[SIM_PROVIDERS];  // connections, whole requests
  struct sim_row rows[SIM_ROWS];                       // the newest
  unsigned row_count;                                  // all
};

static struct sim *sim_now;  // dials get a worker only, and the table of sources none at all

// --- scripts ---

static inline void sim_say_str(struct sim_script *s, unsigned wait_ms, struct str bytes, unsigned times) {
  assert_true(s->count < SIM_STEPS);
  s->steps[s->count++] = (struct sim_step){wait_ms, arena_str(&s->arena, bytes), times};
}

PRINTF_LIKE(2, 3) static inline void sim_say(struct sim_script *s, const char *format, ...) {
  char text[8192];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  assert_true(n >= 0 && (size_t)n < sizeof text);
  sim_say_str(s, 0, str_from(text, (size_t)n), 1);
}

static inline void sim_wait(struct sim_script *s, unsigned ms) {
  sim_say_str(s, ms, (struct str){"", 0}, 1);
}

static inline void sim_whole(struct sim_script *s, const char *status, const char *fields, const char *body) {
  sim_say(s, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s", status, fields,
          strlen(body), body);
}

static inline void sim_stream_head(struct sim_script *s) {
  sim_say(s, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static inline void sim_chunk(struct sim_script *s, const char *text) {
  sim_say(s, "%zx\r\n%s\r\n", strlen(text), text);
}

static inline void sim_event(struct sim_script *s, const char *delta, const char *finish) {
  char text[1024];
  snprintf(text, sizeof text,
           "data: {\"id\":\"mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m\","
           "\"choices\":[{\"index\":0,\"delta\":{%s},\"finish_reason\":%s}]}\n\n",
           delta, finish);
  sim_chunk(s, text);
}

static inline void sim_role(struct sim_script *s) {
  sim_event(s, "\"role\":\"assistant\",\"content\":\"\"", "null");
}

static inline void sim_token(struct sim_script *s, const char *text) {
  char delta[256];
  snprintf(delta, sizeof delta, "\"content\":\"%s\"", text);
  sim_event(s, delta, "null");
}

static inline void sim_usage(struct sim_script *s, const char *usage) {
  char text[512];
  snprintf(text, sizeof text,
           "data: {\"id\":\"mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m\","
           "\"choices\":[],\"usage\":%s}\n\n",
           usage);
  sim_chunk(s, text);
}

#define SIM_TEXT "Hello from the mock"
#define SIM_USAGE "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}"

// A good answer with the usage as it is written there; NULL: none.
static inline void sim_answer_with(struct sim_script *s, bool stream, const char *usage) {
  if (stream) {
    sim_stream_head(s);
    sim_role(s);
    sim_token(s, "Hello from ");
    sim_token(s, "the mock");
    sim_event(s, "", "\"stop\"");
    if (usage) sim_usage(s, usage);
    sim_chunk(s, "data: [DONE]\n\n");
    sim_say(s, "0\r\n\r\n");
  } else {
    char body[1024];
    snprintf(body, sizeof body,
             "{\"id\":\"mock\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"m\",\"choices\":"
             "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" SIM_TEXT
             "\"},\"finish_reason\":\"stop\"}]%s%s}",
             usage ? ",\"usage\":" : "", usage ? usage : "");
    sim_whole(s, "200 OK", "", body);
  }
}

static inline void sim_good(struct sim_script *s, bool stream) {
  sim_answer_with(s, stream, SIM_USAGE);
}

// --- the clock ---

static inline uint64_t sim_ms(const struct sim *sim) {
  return sim->clock.mono_ns / 1000000;
}

static inline void sim_clock_add(struct sim *sim, uint64_t ms) {
  sim->clock.mono_ns += ms * 1000000;
  sim->clock.unix_us += ms * 1000;
}

// --- the providers' side ---

static int sim_dial_number(void *worker, unsigned provider) {
  struct sim *sim = sim_now;
  (void)worker;
  sim->dials[provider]++;
  enum sim_dial how = sim->on_dial ? sim->on_dial(sim, provider) : SIM_CONNECTS;
  int pair[2];
  if (how == SIM_REFUSES) return errno = ECONNREFUSED, -1;
  struct sim_mock *m = calloc(1, sizeof *m);
  assert_non_null(m);
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  char filler[4096] = {0};
  while (how == SIM_BLACK_HOLE && send(pair[0], filler, sizeof filler, MSG_NOSIGNAL) > 0) {
  }
  m->sim = sim;
  m->provider = provider;
  m->fd = pair[1];
  m->next = sim->mocks;
  sim->mocks = m;
  struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = m};
  if (how == SIM_BLACK_HOLE) ev.events = EPOLLRDHUP | EPOLLET;
  assert_int_equal(epoll_ctl(sim->epoll_fd, EPOLL_CTL_ADD, m->fd, &ev), 0);
  return pair[0];
}

static int sim_dial_one(void *worker) {
  return sim_dial_number(worker, 0);
}
static int sim_dial_two(void *worker) {
  return sim_dial_number(worker, 1);
}
static int sim_dial_three(void *worker) {
  return sim_dial_number(worker, 2);
}

static inline void sim_mock_close(struct sim_mock *m) {
  if (m->fd >= 0) close(m->fd);
  m->fd = -1;
  m->playing = false;
}

// The request's last byte stays in the socket until the script has ended: closing then is a reset.
static void sim_mock_read(struct sim_mock *m) {
  while (!m->busy) {
    ssize_t n = recv(m->fd, m->request + m->length, sizeof m->request - m->length, MSG_PEEK | MSG_DONTWAIT);
    if (n <= 0) break;
    struct http_head head;
    struct http_refusal refusal;
    struct str all = str_from(m->request, m->length + (size_t)n);
    enum http_result r = http_request_parse(all, LIMIT_HEAD, &head, &refusal);
    assert_int_not_equal(r, HTTP_FAILED);
    size_t whole = r == HTTP_DONE ? head.size + (size_t)(head.content_length > 0 ? head.content_length : 0) : 0;
    bool complete = whole && all.len >= whole;
    size_t take = complete ? whole - m->length - 1 : (size_t)n;
    while (take) {
      ssize_t k = recv(m->fd, m->request + m->length, take, MSG_DONTWAIT);
      assert_true(k > 0);
      take -= (size_t)k;
      m->length += (size_t)k;
    }
    if (!complete) continue;
    m->whole = whole;
    m->requests++;
    m->sim->asks[m->provider]++;
    m->streams = str_find(str_from(m->request, whole), STR("\"stream\":true"), 0) != SIZE_MAX;
    arena_free(&m->script.arena);
    m->script = (struct sim_script){0};
    m->step = m->times = 0;
    m->said = 0;
    m->sim->on_request(m->sim, m, &m->script);
    m->busy = m->playing = true;
    m->due_ms = sim_ms(m->sim) + (m->script.count ? m->script.steps[0].wait_ms : 0);
  }
}

static inline void sim_mock_hung_up(struct sim_mock *m) {
  m->hung_up = true;
  m->hung_up_ms = sim_ms(m->sim);
  sim_mock_close(m);
}

static void sim_mock_end(struct sim_mock *m) {
  m->playing = false;
  switch (m->script.end) {
    case SIM_KEEP:
    case SIM_CLOSE:
      if (recv(m->fd, m->request, 1, MSG_DONTWAIT) != 1) return;  // gone: the event will tell
      m->length = m->whole = 0;
      m->busy = false;
      if (m->script.end == SIM_CLOSE)
        sim_mock_close(m);
      else
        sim_mock_read(m);
      return;
    case SIM_RESET: sim_mock_close(m); return;
    case SIM_HANG: return;
  }
}

// Plays what is due. True: something was said or done.
static bool sim_mock_play(struct sim_mock *m) {
  bool moved = false;
  while (m->playing && m->due_ms <= sim_ms(m->sim)) {
    if (m->step == m->script.count) {
      sim_mock_end(m);
      return true;
    }
    const struct sim_step *step = &m->script.steps[m->step];
    struct str rest = str_skip(step->bytes, m->said);
    if (rest.len) {
      ssize_t n = send(m->fd, rest.ptr, rest.len, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n <= 0) return moved;  // full, or gone: an event tells
      moved = true;
      m->said += (size_t)n;
      if ((size_t)n < rest.len) continue;
    }
    m->said = 0;
    if (++m->times >= step->times) {
      m->times = 0;
      m->step++;
    }
    if (m->step < m->script.count) m->due_ms = sim_ms(m->sim) + m->script.steps[m->step].wait_ms;
  }
  return moved;
}

// --- the clients' side ---

static inline struct sim_client *sim_client_new(struct sim *sim) {
  int pair[2];
  struct sim_client *c = calloc(1, sizeof *c);
  assert_non_null(c);
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  c->sim = sim;
  c->fd = pair[0];
  buf_init(&c->got, (size_t)1 << 30);
  c->next = sim->clients;
  sim->clients = c;
  struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = (char *)c + 1};
  assert_int_equal(epoll_ctl(sim->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev), 0);
  client_start(sim->worker, pair[1], NULL);
  return c;
}

static inline void sim_send(struct sim_client *c, struct str bytes) {
  assert_int_equal(send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT), bytes.len);
}

static inline void sim_leave(struct sim_client *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
}

// Reads what is there, at most `most` bytes.
static inline void sim_client_read(struct sim_client *c, size_t most) {
  while (most && c->fd >= 0) {
    char bytes[16 * 1024];
    ssize_t n = recv(c->fd, bytes, most < sizeof bytes ? most : sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      if (!c->ended) c->ended_ms = sim_ms(c->sim);
      c->ended = true;
      return;
    }
    if (!c->first_ms) c->first_ms = sim_ms(c->sim);
    buf_append(&c->got, bytes, (size_t)n);
    most -= (size_t)n;
  }
}

// POST /chat/completions with the members given; `fields`: more lines of the head.
static inline struct str sim_post(struct arena *arena, const char *fields, const char *body) {
  return arena_printf(arena,
                      "POST /api/v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer " SIM_KEY
                      "\r\n%sContent-Length: %zu\r\n\r\n%s",
                      fields, strlen(body), body);
}

#define SIM_BODY(stream)                                                                      \
  "{\"model\":\"test/model\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}]," \
  "\"provider\":{\"order\":[\"one\",\"two\",\"three\"]},\"stream\":" stream "}"

static inline struct sim_client *sim_ask(struct sim *sim, bool stream) {
  struct sim_client *c = sim_client_new(sim);
  sim_send(c, sim_post(&sim->arena, "", stream ? SIM_BODY("true") : SIM_BODY("false")));
  return c;
}

// --- time goes on ---

static bool sim_pump(struct sim *sim) {
  struct epoll_event events[64];
  bool moved = false;
  int n;
  while ((n = epoll_wait(sim->epoll_fd, events, 64, 0)) > 0) {
    moved = true;
    for (int i = 0; i < n; i++) {
      if ((uintptr_t)events[i].data.ptr & 1) {
        struct sim_client *c = (struct sim_client *)((char *)events[i].data.ptr - 1);
        if (!c->deaf) sim_client_read(c, SIZE_MAX);
        continue;
      }
      struct sim_mock *m = events[i].data.ptr;
      if (m->fd < 0) continue;
      if (events[i].events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR))
        sim_mock_hung_up(m);
      else if (events[i].events & EPOLLIN)
        sim_mock_read(m);
    }
  }
  for (struct sim_mock *m = sim->mocks; m; m = m->next)
    if (m->playing) moved |= sim_mock_play(m);
  return moved;
}

// Until nothing more happens at this moment.
static void sim_settle(struct sim *sim) {
  for (int quiet = 0; quiet < 2;) {
    bool events = loop_turn(sim->worker->loop, 0) > 0;
    bool moved = sim_pump(sim);
    quiet = events || moved ? 0 : quiet + 1;
  }
}

static inline uint64_t sim_next_ms(const struct sim *sim) {
  int wait = loop_wait_ms(sim->worker->loop);
  uint64_t next = wait < 0 ? SIM_FOREVER : sim_ms(sim) + (unsigned)wait;
  for (const struct sim_mock *m = sim->mocks; m; m = m->next)
    if (m->playing && m->due_ms > sim_ms(sim) && m->due_ms < next) next = m->due_ms;
  return next;
}

// Until `done` says so, `limit_ms` from now at the latest. True: it said so.
static bool sim_until(struct sim *sim, bool (*done)(struct sim *sim, void *context), void *context, uint64_t limit_ms) {
  uint64_t end = sim_ms(sim) + limit_ms;
  for (;;) {
    sim_settle(sim);
    if (done && done(sim, context)) return true;
    uint64_t now = sim_ms(sim), next = sim_next_ms(sim);
    if (now >= end) return false;
    if (next > end) next = end;
    sim_clock_add(sim, next > now ? next - now : 1);
  }
}

static inline void sim_advance(struct sim *sim, uint64_t ms) {
  sim_until(sim, NULL, NULL, ms);
}

// --- the ledger ---

static void sim_copy(char *to, size_t size, struct str from) {
  snprintf(to, size, "%.*s", STR_ARGS(from));
}

static bool sim_take_row(void *context, const struct record *r) {
  struct sim *sim = context;
  struct sim_row *row = &sim->rows[sim->row_count++ % SIM_ROWS];
  *row = (struct sim_row){.fault = (enum fault)r->fault,
                          .status = r->status,
                          .cost = r->cost.total,
                          .estimated = r->usage.estimated,
                          .cancelled = r->cancelled,
                          .streamed = r->streamed,
                          .prompt = r->usage.prompt,
                          .completion = r->usage.completion,
                          .latency_ms = r->latency_ms,
                          .generation_ms = r->generation_ms};
  sim_copy(row->provider, sizeof row->provider, r->provider);
  sim_copy(row->finish, sizeof row->finish, r->finish_reason);
  sim_copy(row->attempts, sizeof row->attempts, r->attempts_json);
  return true;
}

static inline unsigned sim_take_rows(struct sim *sim) {
  size_t n;
  while ((n = spool_read(sim->worker->spool, 1000, sim_take_row, sim)) > 0) spool_release(sim->worker->spool, n);
  return sim->row_count;
}

// The failed tries of a row: "one:connect two:timeout".
static inline struct str sim_failures(struct sim *sim, const struct sim_row *row) {
  struct json_doc doc = {0};
  struct str all = STR("");
  struct str text = str_from_cstr(row->attempts);
  if (!text.len) return all;
  assert_int_equal(json_parse(&doc, text, 4), JSON_OK);
  for (uint32_t i = json_first(&doc, 0); i != JSON_NONE; i = json_next(&doc, 0, i)) {
    struct str provider = {0}, fault = {0};
    assert_true(json_string(&doc, json_get(&doc, i, STR("provider")), &sim->arena, &provider));
    if (!json_string(&doc, json_get(&doc, i, STR("fault")), &sim->arena, &fault) || str_eq(fault, STR("none")))
      continue;
    all = arena_printf(&sim->arena, "%.*s%s%.*s:%.*s", STR_ARGS(all), all.len ? " " : "", STR_ARGS(provider),
                       STR_ARGS(fault));
  }
  json_doc_free(&doc);
  return all;
}

// --- the beginning and the end ---

static void sim_write_config(struct sim *sim, struct str path, const char *more) {
  static const char *const names[] = {"one", "two", "three"};
  FILE *f = fopen(path.ptr, "w");
  assert_non_null(f);
  fprintf(f,
          "data_dir: %s/data\nserver:\n  workers: 1\ndemo: off\n%sauth:\n  management_key: sk-management-0123456789\n",
          sim->dir, more);
  fprintf(f, "  keys:\n    - {name: sim, key: " SIM_KEY "}\nproviders:\n");
  for (int i = 0; i < SIM_PROVIDERS; i++)
    fprintf(f, "  - {id: %s, name: %s, protocol: openai, base_url: 'http://%s.test/v1', api_key: sk-upstream-%d}\n",
            names[i], names[i], names[i], i);
  fprintf(f, "models:\n  - id: test/model\n    endpoints:\n");
  for (int i = 0; i < SIM_PROVIDERS; i++)
    fprintf(f,
            "      - {provider: %s, model: main, context_length: 100000, max_completion_tokens: 10000, "
            "pricing: {prompt: '%d.0e-6', completion: '%d.0e-6'}}\n",
            names[i], i + 1, i + 1);
  fclose(f);
}

// `more`: lines of the configuration.
static struct sim *sim_new(uint64_t seed, const char *more) {
  static int (*const dials[])(void *) = {sim_dial_one, sim_dial_two, sim_dial_three};
  struct sim *sim = calloc(1, sizeof *sim);
  assert_non_null(sim);
  sim_now = sim;
  snprintf(sim->dir, sizeof sim->dir, "/tmp/signalbox-sim-XXXXXX");
  assert_non_null(mkdtemp(sim->dir));
  for (int i = 0; i < 4; i++) sim->rand.state[i] = (seed + 1) * 0x9E3779B97F4A7C15ull * (unsigned)(i + 1);
  sim->clock = (struct time_clock){.mono_ns = 1000ull * 1000000000, .unix_us = 1790000000ull * 1000000};
  time_use(&sim->clock);
  log_set_level(LOG_ERROR);
  sim->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct str path = arena_printf(&sim->arena, "%s/signalbox.yaml", sim->dir), why = {0};
  sim_write_config(sim, path, more ? more : "");
  struct config_problems problems = {0};
  struct snapshot *s = snapshot_load(path, &sim->arena, &problems);
  if (!s) config_problems_print(&problems, path);
  assert_non_null(s);
  s->config.listen_count = 0;
  for (size_t i = 0; i < s->catalogue.provider_count; i++)
    for (int k = 0; k < SIM_PROVIDERS; k++)
      if (str_eq(s->catalogue.providers[i].id, (struct str[]){STR("one"), STR("two"), STR("three")}[k]))
        s->origins[i].spec.dial = dials[k];
  sim->store = store_open(&sim->arena, s->config.data_dir, false, &why);
  if (!sim->store) fail_msg("%.*s", STR_ARGS(why));
  struct gateway_options options = {s, sim->store, s->config.management_key, admin_routes, admin_route_count};
  sim->gateway = gateway_new(&options);
  assert_non_null(sim->gateway);
  if (!make(sim->gateway, &sim->arena, &why)) fail_msg("%.*s", STR_ARGS(why));
  sim->worker = &sim->gateway->loops[0].worker;
  for (int i = 0; i < 4; i++) sim->worker->rand.state[i] = rand_next(&sim->rand);
  return sim;
}

static inline void sim_client_drop(struct sim_client *c) {
  sim_leave(c);
  for (struct sim_client **at = &c->sim->clients; *at; at = &(*at)->next)
    if (*at == c) {
      *at = c->next;
      break;
    }
  buf_free(&c->got);
  free(c);
}

// Forgets connections to providers that are closed.
static inline void sim_forget_closed(struct sim *sim) {
  for (struct sim_mock **at = &sim->mocks; *at;) {
    struct sim_mock *m = *at;
    if (m->fd >= 0) {
      at = &m->next;
      continue;
    }
    *at = m->next;
    arena_free(&m->script.arena);
    free(m);
  }
}

static void sim_end(struct sim *sim) {
  while (sim->clients) sim_client_drop(sim->clients);
  sim_settle(sim);
  assert_int_equal(sim->worker->client_count, 0);
  assert_int_equal(atomic_load(&sim->worker->metrics.values[METRIC_streams_open]), 0);
  for (struct sim_mock *m = sim->mocks; m; m = m->next) sim_mock_close(m);
  sim_settle(sim);
  sim_forget_closed(sim);
  gateway_stop(sim->gateway);
  store_close(sim->store);
  close(sim->epoll_fd);
  time_use(NULL);
  remove_tree(sim->dir);
  arena_free(&sim->arena);
  free(sim);
  sim_now = NULL;
}
