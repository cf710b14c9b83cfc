// What the provider table and the environment add to a configuration, and the configuration they make without a file.
#include "config/vendor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "config/aws.h"
#include "config/google.h"
#include "config/local_models.h"
#include "config/problem.h"
#include "config/read.h"
#include "provider/table.h"

enum { PROBE_MAX = 32, PROBE_MS = 50, MODELS_MS = 500 };

// A variable that is set and not empty, without white space around it.
static struct str env(const char *name) {
  struct str value = str_trim(str_from_cstr(name ? getenv(name) : NULL));
  while (value.len && (value.ptr[value.len - 1] == '\n' || value.ptr[value.len - 1] == '\r')) value.len--;
  return value;
}

// The name of the first of the vendor's variables that is set, or NULL.
static const char *env_key_name(const struct provider_row *row) {
  for (size_t i = 0; i < sizeof row->env_keys / sizeof *row->env_keys && row->env_keys[i]; i++) {
    if (env(row->env_keys[i]).len) return row->env_keys[i];
  }
  return NULL;
}

// Gives the provider the vendor's key from the environment, if there is one.
static void take_env_key(struct reader *r, const struct provider_row *row, struct config_provider *provider) {
  const char *name = env_key_name(row);
  if (!name) return;
  struct str value = env(name);
  for (size_t i = 0; i < value.len; i++) {
    if (value.ptr[i] > 0x20 && value.ptr[i] < 0x7F) continue;
    config_problem_add(r->arena, r->problems, provider->line, provider->column,
                       "the environment variable %s has a space, a line break or a letter that no key has", name);
    return;
  }
  struct api_key_secret *key = arena_alloc(r->arena, sizeof *key);
  struct str copy = arena_str(r->arena, value);
  if (!key || !copy.ptr) {
    value_no_memory(r);
    return;
  }
  *key = (struct api_key_secret){copy, 1};
  provider->keys = key;
  provider->key_count = 1;
}

void vendor_fill(struct reader *r) {
  for (size_t i = 0; i < r->config->provider_count; i++) {
    struct config_provider *provider = &r->config->providers[i];
    const struct provider_row *row = provider_row_find(provider->id);
    if (!provider->protocol_given) provider->protocol = row ? row->protocol : PROTOCOL_OPENAI;
    if (provider->protocol == PROTOCOL_BEDROCK) aws_fill(r, provider);
    if (provider->protocol == PROTOCOL_VERTEX) google_fill(r, provider);
    bool demo = provider->protocol == PROTOCOL_DEMO;
    bool hosted = provider->base_url.len || (row && row->base_url);
    if (provider->id.len && !demo && !hosted)
      config_problem_add(r->arena, r->problems, provider->line, provider->column,
                         "providers[].base_url: is missing; '%.*s' is no vendor whose address is known",
                         STR_ARGS(provider->id));
    if (row && row->base_url && !provider->base_url.len && !provider->key_count && provider->protocol == row->protocol)
      take_env_key(r, row, provider);
  }
}

// Only plain HTTP proxies are spoken. A proxy that cannot be used is refused rather than passed by.
static void read_proxy(struct reader *r, const char *const *names, struct str *out) {
  for (; *names; names++) {
    struct str value = env(*names);
    if (!value.len) continue;
    if (str_find(value, STR("://"), 0) != SIZE_MAX && !str_starts_nocase(value, STR("http://"))) {
      config_problem_add(r->arena, r->problems, 0, 0,
                         "the environment variable %s names a proxy that is not http://host:port; unset it", *names);
      return;
    }
    *out = arena_str(r->arena, value);
    if (!out->ptr) value_no_memory(r);
    return;
  }
}

void vendor_proxies(struct reader *r) {
  static const char *const http[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", NULL};
  static const char *const https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
  read_proxy(r, http, &r->config->http_proxy);
  read_proxy(r, https, &r->config->https_proxy);
  struct str none = env("no_proxy");
  if (!none.len) none = env("NO_PROXY");
  if (none.len) r->config->no_proxy = arena_str(r->arena, none);
}

// A connection begun to 127.0.0.1:port, or -1.
static int dial(unsigned port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS) return fd;
  close(fd);
  return -1;
}

void vendor_probe(const unsigned *ports, bool *answers, size_t count, unsigned limit_ms) {
  struct pollfd waiting[PROBE_MAX];
  if (count > PROBE_MAX) count = PROBE_MAX;
  for (size_t i = 0; i < count; i++) {
    answers[i] = false;
    waiting[i] = (struct pollfd){.fd = dial(ports[i]), .events = POLLOUT};
  }
  uint64_t end = time_mono_ns() + limit_ms * 1000000ull;
  for (;;) {
    size_t open = 0;
    for (size_t i = 0; i < count; i++) open += waiting[i].fd >= 0;
    uint64_t now = time_mono_ns();
    if (!open || now >= end || poll(waiting, count, (int)((end - now + 999999) / 1000000)) < 0) break;
    for (size_t i = 0; i < count; i++) {
      if (waiting[i].fd < 0 || !waiting[i].revents) continue;
      int error = 0;
      socklen_t len = sizeof error;
      answers[i] = getsockopt(waiting[i].fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && !error;
      close(waiting[i].fd);
      waiting[i].fd = -1;
    }
  }
  for (size_t i = 0; i < count; i++) {
    if (waiting[i].fd >= 0) close(waiting[i].fd);
  }
}

static void add_provider(struct reader *r, const struct provider_row *row) {
  struct config_provider *provider = &r->config->providers[r->config->provider_count++];
  *provider = (struct config_provider){.id = str_from_cstr(row->id), .protocol = row->protocol};
  if (!row->local) take_env_key(r, row, provider);
}

// Vendors with a key in the environment.
static void add_keyed(struct reader *r) {
  for (size_t i = 0; i < provider_row_count; i++) {
    const struct provider_row *row = &provider_rows[i];
    const char *name = row->local ? NULL : env_key_name(row);
    if (!name) continue;
    bool aws = row->protocol == PROTOCOL_BEDROCK && (env("AWS_REGION").len || env("AWS_DEFAULT_REGION").len) &&
               (env("AWS_BEARER_TOKEN_BEDROCK").len || env("AWS_SECRET_ACCESS_KEY").len);
    if (aws) {
      struct config_provider *provider = &r->config->providers[r->config->provider_count++];
      *provider = (struct config_provider){.id = str_from_cstr(row->id), .protocol = row->protocol};
      aws_fill(r, provider);
    } else if (row->protocol == PROTOCOL_VERTEX) {
      struct config_provider *provider = &r->config->providers[r->config->provider_count++];
      *provider = (struct config_provider){.id = str_from_cstr(row->id), .protocol = row->protocol};
      google_fill(r, provider);
    } else if (!row->base_url) {
      log_info("%s is set, but %s's base_url must be configured", name, row->name);
    } else {
      add_provider(r, row);
    }
  }
}

// Model servers on this machine.
static void add_local(struct reader *r) {
  const struct provider_row *rows[PROBE_MAX];
  unsigned ports[PROBE_MAX] = {0};
  bool answers[PROBE_MAX];
  size_t count = 0;
  for (size_t i = 0; i < provider_row_count && count < PROBE_MAX; i++) {
    const struct provider_row *row = &provider_rows[i];
    if (!row->local || !row->local_port || !row->base_url) continue;
    rows[count] = row;
    ports[count++] = row->local_port;
  }
  vendor_probe(ports, answers, count, PROBE_MS);
  for (size_t i = 0; i < count; i++) {
    if (!answers[i]) continue;
    add_provider(r, rows[i]);
    local_models_add(r, rows[i], MODELS_MS);
  }
}

bool config_from_environment(struct arena *arena, struct config *out, struct config_problems *problems) {
  size_t before = problems->count;
  struct reader r = {arena, problems, out};
  *out = (struct config){.routing = PREFERENCES_NONE};
  read_defaults(&r, "", out);
  vendor_proxies(&r);
  out->providers = arena_zalloc(arena, provider_row_count * sizeof *out->providers);
  if (out->providers) {
    add_keyed(&r);
    add_local(&r);
  } else {
    value_no_memory(&r);
  }
  config_problems_sort(problems);
  return problems->count == before;
}
