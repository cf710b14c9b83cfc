#include "config/local_models.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/time.h"
#include "json/json.h"

enum { REPLY_MAX = 1024 * 1024 };

size_t local_models_read(struct arena *arena, struct str reply, struct str *names) {
  struct json_doc doc = {0};
  size_t count = 0, begin = str_find_char(reply, '{', 0), end = reply.len;
  while (end && reply.ptr[end - 1] != '}') end--;
  if (begin == SIZE_MAX || end <= begin) return 0;
  if (json_parse(&doc, str_from(reply.ptr + begin, end - begin), 4) == JSON_OK) {
    uint32_t list = json_get(&doc, 0, STR("data"));
    for (uint32_t m = json_first(&doc, list); m != JSON_NONE && count < LOCAL_MODELS_MAX;
         m = json_next(&doc, list, m)) {
      struct str name;
      if (!json_string(&doc, json_get(&doc, m, STR("id")), arena, &name) || !name.len || name.len > 200) continue;
      names[count++] = arena_str(arena, name);
    }
  }
  json_doc_free(&doc);
  return count;
}

// The whole reply of a GET, or as much as came in time.
static void get(unsigned port, unsigned limit_ms, struct buf *out) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct timeval limit = {limit_ms / 1000, (suseconds_t)(limit_ms % 1000) * 1000};
  static const char request[] = "GET /v1/models HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n";
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  uint64_t end = time_mono_ns() + limit_ms * 1000000ull;
  if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
      send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1)
    while (time_mono_ns() < end && buf_reserve(out, 4096)) {
      ssize_t n = recv(fd, out->ptr + out->len, out->cap - out->len, 0);
      if (n <= 0) break;
      out->len += (size_t)n;
    }
  close(fd);
}

void local_models_add(struct reader *r, const struct provider_row *row, unsigned limit_ms) {
  struct str names[LOCAL_MODELS_MAX];
  struct buf reply;
  buf_init(&reply, REPLY_MAX);
  get(row->local_port, limit_ms, &reply);
  bool ok = str_starts(buf_view(&reply), STR("HTTP/1.")) && str_starts(str_skip(buf_view(&reply), 8), STR(" 200"));
  size_t at = str_find(buf_view(&reply), STR("\r\n\r\n"), 0);
  size_t count = ok && at != SIZE_MAX ? local_models_read(r->arena, str_skip(buf_view(&reply), at), names) : 0;
  buf_free(&reply);
  log_info("%s answers on port %u and serves %zu models", row->name, row->local_port, count);
  struct config *c = r->config;
  struct config_model *models = arena_zalloc(r->arena, (c->model_count + count + 1) * sizeof *models);
  struct config_endpoint *endpoints = arena_zalloc(r->arena, (count + 1) * sizeof *endpoints);
  if (!models || !endpoints) {
    value_no_memory(r);
    return;
  }
  if (c->model_count) memcpy(models, c->models, c->model_count * sizeof *models);
  for (size_t i = 0; i < count; i++) {
    endpoints[i] =
        (struct config_endpoint){.provider = str_from_cstr(row->id), .model = names[i], .pricing = PRICING_UNSET};
    models[c->model_count + i] =
        (struct config_model){.id = arena_printf(r->arena, "%s/%.*s", row->id, STR_ARGS(names[i])),
                              .endpoints = &endpoints[i],
                              .endpoint_count = 1};
  }
  c->models = models;
  c->model_count += count;
}
