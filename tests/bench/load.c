// A load generator for chat endpoints on this machine: epoll, one thread, nothing but libc.
//
//   load closed  PORT CONNECTIONS SECONDS BODY_BYTES [SPEC]   as fast as it goes; SPEC asks for streams "c=100,b=10"
//   load open    PORT RATE SECONDS                            a constant rate; latency counts from the moment a request
//   was due load streams PORT COUNT SPEC                              COUNT streams at once
//
// Only 127.0.0.1, at most 60 s. The key is sent as $BENCH_KEY. Prints one line of JSON.
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

enum { SECONDS_MAX = 60, SAMPLES_MAX = 4 * 1000 * 1000, TAIL = 32 };

struct conn {
  int fd;
  bool busy, head_seen;
  uint64_t due_us, sent_us;
  int64_t left;     // of a fixed body; -1: chunked
  char tail[TAIL];  // the last bytes, to find the end across reads
  size_t tail_len;
  bool done_seen;
};

static int poll_fd, port;
static char *request, buffer[256 * 1024];
static size_t request_len;
static uint64_t done, failed, events, complete;
static float *samples, *transits;
static size_t sample_count, transit_count;

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void request_make(size_t body_bytes, const char *spec) {
  const char *key = getenv("BENCH_KEY");
  char *body = malloc(body_bytes + 1024);
  size_t n = (size_t)sprintf(
      body, "{\"model\":\"gpt-4o-mini\",%s\"temperature\":0.7,\"messages\":[{\"role\":\"user\",\"content\":\"",
      spec ? "\"stream\":true," : "");
  if (spec) n += (size_t)sprintf(body + n, "[mock %s] ", spec);
  for (size_t word = 0; n + 4 < body_bytes; n++, word++) body[n] = word % 8 == 7 ? ' ' : 'a' + (char)(word % 23);
  n += (size_t)sprintf(body + n, "\"}]}");
  request = malloc(n + 1024);
  request_len = (size_t)sprintf(
      request,
      "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
      "Content-Type: application/json\r\nUser-Agent: bench\r\nAccept: */*\r\nContent-Length: %zu\r\n\r\n",
      port, key ? key : "none", n);
  memcpy(request + request_len, body, n);
  request_len += n;
  free(body);
}

static bool conn_open(struct conn *c) {
  struct sockaddr_in at = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int one = 1;
  *c = (struct conn){.fd = socket(AF_INET, SOCK_STREAM, 0)};
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at)) return false;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &(struct epoll_event){EPOLLIN, {.ptr = c}}) == 0;
}

static void conn_send(struct conn *c, uint64_t due_us) {
  c->busy = true;
  c->head_seen = c->done_seen = false;
  c->tail_len = 0;
  c->due_us = due_us;
  c->sent_us = now_us();
  for (size_t at = 0; at < request_len;) {
    ssize_t k = send(c->fd, request + at, request_len - at, MSG_NOSIGNAL);
    if (k <= 0) {
      failed++;
      return;
    }
    at += (size_t)k;
  }
}

// How long each chunk of a stream was under way: its text is the moment it was sent.
static void transits_take(const char *bytes, size_t n) {
  static const char mark[] = "\"content\":\"";
  uint64_t now = now_us();
  for (const char *p = bytes, *end = bytes + n; (p = memmem(p, (size_t)(end - p), mark, sizeof mark - 1)) != NULL;) {
    p += sizeof mark - 1;
    events++;
    if (end - p < 16 || *p < '0' || *p > '9' || transit_count == SAMPLES_MAX) continue;
    uint64_t sent = strtoull(p, NULL, 10);
    if (sent && now >= sent && now - sent < 60000000) transits[transit_count++] = (float)(now - sent);
  }
}

// Reads what there is. True: the answer is complete.
static bool conn_read(struct conn *c) {
  ssize_t n = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return false;
  if (n <= 0) {
    if (c->busy) failed++;
    c->busy = false;
    close(c->fd);
    c->fd = -1;
    return false;
  }
  size_t body = (size_t)n;
  char *at = buffer;
  if (!c->head_seen) {
    char *end = memmem(buffer, (size_t)n, "\r\n\r\n", 4);
    if (!end) return false;  // a head in two reads does not happen on loopback
    if (memcmp(buffer, "HTTP/1.1 200", 12) != 0) failed++;
    *end = 0;
    char *length = strcasestr(buffer, "\r\ncontent-length:");
    c->left = length ? strtoll(length + 17, NULL, 10) : -1;
    c->head_seen = true;
    at = end + 4;
    body = (size_t)(buffer + n - at);
  }
  if (c->left >= 0) return (c->left -= (int64_t)body) <= 0;
  transits_take(at, body);
  char end[2 * TAIL];
  size_t kept = c->tail_len, take = body < TAIL ? body : TAIL;
  memcpy(end, c->tail, kept);
  memcpy(end + kept, at + body - take, take);
  if (memmem(at, body, "data: [DONE]", 12) || memmem(end, kept + take, "data: [DONE]", 12)) c->done_seen = true;
  bool over = kept + take >= 5 && memcmp(end + kept + take - 5, "0\r\n\r\n", 5) == 0;
  c->tail_len = take < TAIL / 2 ? take : TAIL / 2;
  memcpy(c->tail, at + body - c->tail_len, c->tail_len);
  if (over && c->done_seen) complete++;
  return over;
}

static void sample(const struct conn *c) {
  done++;
  if (sample_count < SAMPLES_MAX) samples[sample_count++] = (float)(now_us() - c->due_us);
}

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static double quantile(float *list, size_t n, double q) {
  if (!n) return 0;
  qsort(list, n, sizeof *list, by_size);
  size_t at = (size_t)(q * (double)n);
  return list[at < n ? at : n - 1];
}

// --- modes ---

static void run_closed(struct conn *conns, int count, double seconds) {
  uint64_t stop = now_us() + (uint64_t)(seconds * 1e6);
  struct epoll_event ready[256];
  for (int i = 0; i < count; i++) conn_send(&conns[i], now_us());
  while (now_us() < stop) {
    int n = epoll_wait(poll_fd, ready, 256, 100);
    for (int i = 0; i < n; i++) {
      struct conn *c = ready[i].data.ptr;
      if (c->fd < 0 || !conn_read(c)) continue;
      sample(c);
      conn_send(c, now_us());
    }
  }
}

static void run_open(struct conn *conns, int count, double rate, double seconds) {
  uint64_t begin = now_us(), sent = 0, total = (uint64_t)(rate * seconds);
  struct epoll_event ready[256];
  int cursor = 0;
  while (done + failed < total && now_us() < begin + (uint64_t)(seconds * 1e6) + 2000000) {
    uint64_t now = now_us();
    while (sent < total && begin + (uint64_t)((double)sent * 1e6 / rate) <= now) {
      int tried = 0;
      while (tried < count && (conns[cursor].busy || conns[cursor].fd < 0)) cursor = (cursor + 1) % count, tried++;
      if (tried == count) break;  // all are busy: it stays due
      conn_send(&conns[cursor], begin + (uint64_t)((double)sent * 1e6 / rate));
      cursor = (cursor + 1) % count;
      sent++;
    }
    uint64_t next = begin + (uint64_t)((double)sent * 1e6 / rate);
    now = now_us();
    struct timespec wait = {0, next > now ? (long)((next - now) * 1000) % 1000000000 : 0};
    int n = epoll_pwait2(poll_fd, ready, 256, &wait, NULL);
    for (int i = 0; i < n; i++) {
      struct conn *c = ready[i].data.ptr;
      if (c->fd < 0 || !conn_read(c)) continue;
      c->busy = false;
      sample(c);
    }
  }
}

static void run_streams(struct conn *conns, int count) {
  struct epoll_event ready[256];
  uint64_t stop = now_us() + (uint64_t)SECONDS_MAX * 1000000, begin = now_us();
  int opened = 0;
  while (now_us() < stop && (int)(done + failed) < count) {
    // 4,000 new ones a second: a ramp, not a wall.
    while (opened < count && (uint64_t)opened * 250 <= now_us() - begin) {
      if (conn_open(&conns[opened]))
        conn_send(&conns[opened], now_us());
      else
        failed++;
      opened++;
    }
    int n = epoll_wait(poll_fd, ready, 256, opened < count ? 1 : 100);
    for (int i = 0; i < n; i++) {
      struct conn *c = ready[i].data.ptr;
      if (c->fd < 0 || !conn_read(c)) continue;
      c->busy = false;
      done++;
      close(c->fd);
      c->fd = -1;
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 5) return fprintf(stderr, "usage: see the top of load.c\n"), 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  bool open_mode = !strcmp(argv[1], "open"), streams = !strcmp(argv[1], "streams");
  port = atoi(argv[2]);
  int count = open_mode ? 256 : atoi(argv[3]);
  double seconds = streams ? SECONDS_MAX : atof(argv[4]);
  if (seconds > SECONDS_MAX) seconds = SECONDS_MAX;
  samples = malloc(SAMPLES_MAX * sizeof *samples);
  transits = malloc(SAMPLES_MAX * sizeof *transits);
  struct conn *conns = calloc((size_t)count, sizeof *conns);
  poll_fd = epoll_create1(0);
  request_make(streams || open_mode ? 1024 : (size_t)atol(argv[5]), streams                  ? argv[4]
                                                                    : !open_mode && argc > 6 ? argv[6]
                                                                                             : NULL);
  for (int i = 0; i < count && !streams; i++)
    if (!conn_open(&conns[i])) return perror("connect"), 1;
  uint64_t begin = now_us();
  if (streams)
    run_streams(conns, count);
  else if (open_mode)
    run_open(conns, count, atof(argv[3]), seconds);
  else
    run_closed(conns, count, seconds);
  double took = (double)(now_us() - begin) / 1e6;
  double p50 = quantile(samples, sample_count, 0.5), p99 = quantile(samples, sample_count, 0.99);
  double t50 = quantile(transits, transit_count, 0.5), t99 = quantile(transits, transit_count, 0.99);
  printf(
      "{\"seconds\":%.3f,\"done\":%llu,\"failed\":%llu,\"complete\":%llu,\"events\":%llu,\"p50\":%.0f,\"p99\":%.0f,"
      "\"transit_p50\":%.0f,\"transit_p99\":%.0f}\n",
      took, (unsigned long long)done, (unsigned long long)failed, (unsigned long long)complete,
      (unsigned long long)events, p50, p99, t50, t99);
  return 0;
}
