#define _GNU_SOURCE
#include "gateway/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/client.h"

enum { BACKLOG = 4096, ACCEPTS_A_TURN = 64, OUT_OF_FILES_MS = 100, WARN_MS = 60000 };

struct listener {
  struct io io;
  struct listener *next;
  struct worker *worker;
  struct tls_context *tls;
  struct timer timer;  // a pause when descriptors run out
  uint64_t warned_ms;
  uint16_t port;
  char unix_path[108];
};

// Descriptors from this number on are not for clients: the last twentieth is kept for providers' connections, the
// ledger and the store, so that what was accepted can be served. (The kernel gives the lowest free number.)
static int reserved_from(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return INT_MAX;
  int all = (int)limit.rlim_cur, reserve = all / 20 > 8 ? all / 20 : 8;
  return all > 4 * reserve ? all - reserve : all;
}

// Accepts nothing for a while: whoever comes waits in the kernel's queue.
static void pause_accepting(struct listener *l, const char *why) {
  struct loop *loop = l->worker->loop;
  if (!l->warned_ms || loop_now_ms(loop) - l->warned_ms >= WARN_MS) {
    log_warn("connections have to wait: %s; raise the limit of open files (ulimit -n)", why);
    l->warned_ms = loop_now_ms(loop);
  }
  loop_forget(loop, &l->io);
  timer_set(loop, &l->timer, OUT_OF_FILES_MS);
}

static void on_ready(struct io *io, uint32_t events) {
  (void)events;
  struct listener *l = (struct listener *)io;
  int reserved = reserved_from();
  for (int i = 0; i < ACCEPTS_A_TURN; i++) {
    int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      client_start(l->worker, fd, l->tls);
      if (fd < reserved) continue;
      pause_accepting(l, "nearly all descriptors are in use");
      return;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      pause_accepting(l, strerror(errno));
      return;
    } else if (errno != ECONNABORTED && errno != EINTR) {
      return;
    }
  }
}

static void watch_again(struct timer *timer) {
  struct listener *l = (struct listener *)((char *)timer - offsetof(struct listener, timer));
  int next = fcntl(l->io.fd, F_DUPFD_CLOEXEC, 0);  // the number the next client would get
  if (next >= 0) close(next);
  bool room = next >= 0 && next < reserved_from();
  if (!room || !loop_watch(l->worker->loop, &l->io, EPOLLIN)) timer_set(l->worker->loop, timer, OUT_OF_FILES_MS);
}

static int open_unix(struct str path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path.len >= sizeof address.sun_path) return errno = ENAMETOOLONG, -1;
  memcpy(address.sun_path, path.ptr, path.len);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  struct stat st;
  // A socket file that nobody listens on was left by a process that was killed.
  if (stat(address.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
      connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED)
    unlink(address.sun_path);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

static int open_tcp(const struct config_listen *where, uint16_t port) {
  char host[256], service[8];
  snprintf(host, sizeof host, "%.*s", STR_ARGS(where->host));
  snprintf(service, sizeof service, "%u", port);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
  if (getaddrinfo(host[0] ? host : NULL, service, &hints, &found) != 0) return errno = EADDRNOTAVAIL, -1;
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
  bool ok = fd >= 0;
  if (ok) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // accepted sockets inherit it
    ok = bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
  }
  int error = errno;
  freeaddrinfo(found);
  if (ok) return fd;
  if (fd >= 0) close(fd);
  errno = error;
  return -1;
}

// Somebody else's listener on the address would share it silently, because of SO_REUSEPORT: found by binding without
// it.
static bool address_taken(const struct config_listen *where) {
  if (!where->port) return false;
  char host[256], service[8];
  snprintf(host, sizeof host, "%.*s", STR_ARGS(where->host));
  snprintf(service, sizeof service, "%u", where->port);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
  if (getaddrinfo(host[0] ? host : NULL, service, &hints, &found) != 0) return false;
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  bool taken = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) != 0 && errno == EADDRINUSE;
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return taken;
}

static uint16_t port_of(int fd) {
  struct sockaddr_storage a;
  socklen_t len = sizeof a;
  if (getsockname(fd, (struct sockaddr *)&a, &len) != 0) return 0;
  return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port : ((struct sockaddr_in *)&a)->sin_port);
}

// The port that the first loop was given for a listener of port 0.
static uint16_t chosen_port(struct str address) {
  size_t colon = SIZE_MAX;
  for (size_t i = 0; i < address.len; i++)
    if (address.ptr[i] == ':') colon = i;
  uint64_t port = 0;
  if (colon == SIZE_MAX || !str_to_u64(str_skip(address, colon + 1), 65535, &port)) return 0;
  return (uint16_t)port;
}

static struct str where_text(struct arena *arena, const struct config_listen *where, uint16_t port) {
  if (where->unix_path.len) return arena_printf(arena, "unix:%.*s", STR_ARGS(where->unix_path));
  bool six = str_find_char(where->host, ':', 0) != SIZE_MAX;
  return arena_printf(arena, six ? "[%.*s]:%u" : "%.*s:%u", STR_ARGS(where->host), port);
}

bool listener_open_all(struct worker *w, const struct config *config, unsigned worker_number, struct tls_context *tls,
                       struct listener **list, struct str *address, struct arena *arena, struct str *why) {
  for (size_t i = 0; i < config->listen_count; i++) {
    const struct config_listen *where = &config->listen[i];
    if (where->unix_path.len && worker_number) continue;  // a path has one listener
    uint16_t port = where->port;
    if (!port && worker_number) port = chosen_port(*address);
    struct listener *l = calloc(1, sizeof *l);
    if (!l) return *why = STR("out of memory"), false;
    errno = EADDRINUSE;
    bool taken = !where->unix_path.len && !worker_number && address_taken(where);
    l->io.fd = taken ? -1 : where->unix_path.len ? open_unix(where->unix_path) : open_tcp(where, port);
    if (l->io.fd < 0) {
      *why =
          arena_printf(arena, "cannot listen on %.*s: %s", STR_ARGS(where_text(arena, where, port)), strerror(errno));
      free(l);
      return false;
    }
    l->worker = w;
    l->tls = tls;
    l->io.on_ready = on_ready;
    l->io.comes_first = true;  // cheap, and then it stands in line with the others
    l->timer.on_fire = watch_again;
    l->port = where->unix_path.len ? 0 : port_of(l->io.fd);
    snprintf(l->unix_path, sizeof l->unix_path, "%.*s", STR_ARGS(where->unix_path));
    l->next = *list;
    *list = l;
    if (!address->len) *address = where_text(arena, where, l->port);
    if (!loop_watch(w->loop, &l->io, EPOLLIN)) return *why = STR("a listener cannot be watched"), false;
  }
  return true;
}

void listener_close_all(struct listener *list) {
  for (struct listener *l = list, *next; l; l = next) {
    next = l->next;
    timer_clear(&l->timer);
    loop_forget(l->worker->loop, &l->io);
    close(l->io.fd);
    if (l->unix_path[0]) unlink(l->unix_path);
    free(l);
  }
}
