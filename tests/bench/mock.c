// A provider of the OpenAI dialect, and at a path that ends in /messages of Anthropic's, for benchmarks: as cheap as it
// can be, one thread, epoll.
//
//   mock PORT
//
// POST anything: a whole reply of about 1 KB, or, when the body says "stream":true, a stream. "[mock c=50,i=200,b=10]"
// in the body: 50 chunks, 200 ms apart, 10 to a write (default: 20, 0, 1). Each chunk's text is the moment it was sent
// (CLOCK_MONOTONIC, microseconds, 16 digits), so that the load generator can tell how long it was under way.
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, CHUNK_MAX = 400, BATCH_MAX = 64 };

struct conn {
  int fd;
  char *in;  // a request that came in pieces
  size_t in_len, in_cap;
  // a stream under way
  unsigned chunks_left, batch;
  uint64_t interval_us, due_us;
  struct conn *next;  // in the queue of streams; all intervals of a run are alike, so it is in order of time
  bool queued, closed;
  bool anthropic;
};

static int poll_fd;
static char buffer[READ_SIZE];
static struct conn *queue, **queue_tail = &queue;

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void conn_close(struct conn *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
  c->closed = true;
  free(c->in);
  c->in = NULL;
  if (!c->queued) free(c);
}

static bool send_all(struct conn *c, const char *bytes, size_t n) {
  while (n) {
    ssize_t k = send(c->fd, bytes, n, MSG_NOSIGNAL);
    if (k <= 0) return false;
    bytes += k;
    n -= (size_t)k;
  }
  return true;
}

// --- replies ---

static char whole[2048], whole_anthropic[2048];
static size_t whole_len, whole_anthropic_len;

static void whole_make(void) {
  char body[1600], text[760];
  memset(text, 'a', sizeof text);
  for (size_t i = 6; i < sizeof text; i += 7) text[i] = ' ';
  int n = snprintf(
      body, sizeof body,
      "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"mock\",\"choices\":"
      "[{"
      "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%.*s\",\"refusal\":null},\"logprobs\":null,"
      "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":25,\"completion_tokens\":100,\"total_tokens\":125}}",
      (int)sizeof text, text);
  whole_len =
      (size_t)snprintf(whole, sizeof whole,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n, body);
  n = snprintf(
      body, sizeof body,
      "{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"mock\",\"content\":[{\"type\":"
      "\"text\",\"text\":\"%.*s\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":25,"
      "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":100}}",
      (int)sizeof text, text);
  whole_anthropic_len =
      (size_t)snprintf(whole_anthropic, sizeof whole_anthropic,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n, body);
}

static size_t http_chunk(char *out, const char *event) {
  return (size_t)sprintf(out, "%zx\r\n%s\r\n", strlen(event), event);
}

// --- the same in Anthropic's dialect ---

static size_t anthropic_begin(char *out) {
  size_t n =
      http_chunk(out,
                 "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench\",\"type\":"
                 "\"message\",\"role\":\"assistant\",\"model\":\"mock\",\"content\":[],\"stop_reason\":null,\"usage\":{"
                 "\"input_tokens\":25,\"output_tokens\":1}}}\n\n");
  return n + http_chunk(
                 out + n,
                 "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{"
                 "\"type\":\"text\",\"text\":\"\"}}\n\n");
}

static size_t anthropic_delta(char *out) {
  char event[CHUNK_MAX];
  snprintf(event, sizeof event,
           "event: content_block_delta\ndata: "
           "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
           "\"text\":\"%016llu \"}}\n\n",
           (unsigned long long)now_us());
  return http_chunk(out, event);
}

static size_t anthropic_end(char *out) {
  size_t n = http_chunk(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
  n += http_chunk(out + n,
                  "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
                  "\"stop_sequence\":null},\"usage\":{\"output_tokens\":50}}\n\n");
  n += http_chunk(out + n, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
  return n + (size_t)sprintf(out + n, "0\r\n\r\n");
}

static size_t delta(char *out, const char *extra) {
  char event[CHUNK_MAX];
  snprintf(
      event, sizeof event,
      "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\","
      "\"system_fingerprint\":\"fp_mock\",\"choices\":[{\"index\":0,\"delta\":{%s\"content\":\"%016llu \"},"
      "\"logprobs\":null,\"finish_reason\":null}]}\n\n",
      extra, (unsigned long long)now_us());
  return http_chunk(out, event);
}

static size_t stream_end(char *out) {
  size_t n = http_chunk(
      out,
      "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
      "\"model\":\"mock\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n");
  n += http_chunk(out + n,
                  "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                  "\"model\":\"mock\",\"choices\":[],\"usage\":{\"prompt_tokens\":25,\"completion_tokens\":50,\"total_"
                  "tokens\":75}}\n\n");
  n += http_chunk(out + n, "data: [DONE]\n\n");
  return n + (size_t)sprintf(out + n, "0\r\n\r\n");
}

// The next write of a stream. False: it is over, or the peer has gone.
static bool stream_step(struct conn *c) {
  static char out[BATCH_MAX * CHUNK_MAX + 2048];
  size_t n = 0;
  for (unsigned i = 0; i < c->batch && c->chunks_left; i++, c->chunks_left--)
    n += c->anthropic ? anthropic_delta(out + n) : delta(out + n, "");
  bool last = !c->chunks_left;
  if (last) n += c->anthropic ? anthropic_end(out + n) : stream_end(out + n);
  return send_all(c, out, n) && !last;
}

static unsigned spec_number(const char *spec, const char *name, unsigned otherwise) {
  const char *at = spec ? strstr(spec, name) : NULL;
  return at ? (unsigned)strtoul(at + strlen(name), NULL, 10) : otherwise;
}

static void answer(struct conn *c, const char *body, size_t n) {
  if (!memmem(body, n, "\"stream\":true", 13)) {
    if (!send_all(c, c->anthropic ? whole_anthropic : whole, c->anthropic ? whole_anthropic_len : whole_len))
      shutdown(c->fd, SHUT_RDWR);
    return;
  }
  char spec[64] = "";
  const char *mark = memmem(body, n < 4096 ? n : 4096, "[mock ", 6);
  if (mark) snprintf(spec, sizeof spec, "%.*s", 60, mark);
  c->chunks_left = spec_number(spec, "c=", 20);
  c->interval_us = (uint64_t)spec_number(spec, "i=", 0) * 1000;
  c->batch = spec_number(spec, "b=", 1);
  if (c->batch > BATCH_MAX) c->batch = BATCH_MAX;
  char head[1400];
  size_t len =
      (size_t)sprintf(head, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  len += c->anthropic ? anthropic_begin(head + len) : delta(head + len, "\"role\":\"assistant\",");
  if (!send_all(c, head, len)) {
    shutdown(c->fd, SHUT_RDWR);
    return;
  }
  if (!c->interval_us) {
    while (stream_step(c)) {
    }
    return;
  }
  c->due_us = now_us() + c->interval_us;
  c->next = NULL;
  c->queued = true;
  *queue_tail = c;
  queue_tail = &c->next;
}

// --- requests ---

// Takes one whole request from the bytes; how many it had, or 0.
static size_t request_take(struct conn *c, char *bytes, size_t n) {
  char *end = memmem(bytes, n, "\r\n\r\n", 4);
  if (!end) return 0;
  size_t head = (size_t)(end - bytes) + 4, length = 0;
  for (char *line = memchr(bytes, '\n', head); line && line < end;
       line = memchr(line, '\n', (size_t)(bytes + head - line))) {
    line++;
    if (!strncasecmp(line, "content-length:", 15)) length = strtoul(line + 15, NULL, 10);
  }
  if (n < head + length) return 0;
  char *line_end = memchr(bytes, '\r', head);
  c->anthropic = line_end && memmem(bytes, (size_t)(line_end - bytes), "/messages ", 10);
  answer(c, bytes + head, length);
  return head + length;
}

static void on_readable(struct conn *c) {
  ssize_t n = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    conn_close(c);
    return;
  }
  char *bytes = buffer;
  size_t len = (size_t)n;
  if (c->in) {
    if (c->in_len + len > c->in_cap) c->in = realloc(c->in, c->in_cap = (c->in_len + len) * 2);
    memcpy(c->in + c->in_len, buffer, len);
    bytes = c->in;
    len = c->in_len += len;
  }
  size_t used = request_take(c, bytes, len);
  if (used && used == len) {
    free(c->in);
    c->in = NULL;
    c->in_len = c->in_cap = 0;
  } else if (!c->in) {
    c->in = malloc(c->in_cap = len * 2);
    memcpy(c->in, bytes + used, c->in_len = len - used);
  }
}

static void queue_run(void) {
  uint64_t now = now_us();
  while (queue && queue->due_us <= now) {
    struct conn *c = queue;
    queue = c->next;
    if (!queue) queue_tail = &queue;
    c->queued = false;
    if (c->closed) {
      free(c);
    } else if (stream_step(c)) {
      c->due_us += c->interval_us;
      c->next = NULL;
      c->queued = true;
      *queue_tail = c;
      queue_tail = &c->next;
    }
  }
}

int main(int argc, char **argv) {
  int one = 1;
  struct rlimit files;
  if (argc != 2) return fprintf(stderr, "usage: mock PORT\n"), 2;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  whole_make();
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in at = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) return perror("mock"), 1;
  poll_fd = epoll_create1(0);
  epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &(struct epoll_event){EPOLLIN, {.ptr = NULL}});
  for (;;) {
    struct epoll_event events[256];
    uint64_t now = now_us();
    int wait = !queue ? -1 : queue->due_us <= now ? 0 : (int)((queue->due_us - now + 999) / 1000);
    int n = epoll_wait(poll_fd, events, 256, wait);
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      if (c) {
        on_readable(c);
        continue;
      }
      for (int fd; (fd = accept4(listener, NULL, NULL, 0)) >= 0;) {
        c = calloc(1, sizeof *c);
        c->fd = fd;
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &(struct epoll_event){EPOLLIN, {.ptr = c}});
      }
    }
    queue_run();
  }
}
