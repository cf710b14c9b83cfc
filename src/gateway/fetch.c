#define _GNU_SOURCE
#include "gateway/fetch.h"

#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "net/address.h"

static struct fetch *fetch_of(struct exchange *x) {
  return (struct fetch *)((char *)x - offsetof(struct fetch, exchange));
}

static bool on_build(struct exchange *x, struct buf *out, struct buf_hole *hole) {
  (void)hole;
  buf_str(out, buf_view(&fetch_of(x)->request));
  return !out->failed;
}

static void finish(struct fetch *f) {
  f->over = true;
  f->done(f);
}

static void on_reply(struct exchange *x, const struct http_head *head, char *body, size_t n, bool end) {
  struct fetch *f = fetch_of(x);
  if (head) {
    struct str type = http_field_get(head, STR("content-type"));
    f->status = head->status;
    snprintf(f->content_type, sizeof f->content_type, "%.*s", STR_ARGS(type));
    struct str location = http_field_get(head, STR("location"));
    if (location.len < sizeof f->location) snprintf(f->location, sizeof f->location, "%.*s", STR_ARGS(location));
  }
  buf_append(&f->body, body, n);
  if (f->body.failed) {
    exchange_cancel(x);
    f->status = 0;
    snprintf(f->why, sizeof f->why, "it is larger than %zu bytes", f->body_max);
    finish(f);
    return;
  }
  if (end) finish(f);
}

static void on_fail(struct exchange *x, enum fault fault, struct str why) {
  struct fetch *f = fetch_of(x);
  (void)fault;
  f->status = 0;
  snprintf(f->why, sizeof f->why, "%.*s", (int)(why.len < 150 ? why.len : 150), why.ptr);
  finish(f);
}

bool fetch_start(struct fetch *f, struct str url, struct str fields, struct str body, bool public_only) {
  struct worker *w = f->worker;
  struct origin_spec spec;
  struct str path;
  f->status = 0;
  f->over = false;
  f->location[0] = 0;
  buf_init(&f->request, 1 << 20);
  buf_init(&f->body, f->body_max);
  if (!origin_spec_parse(url, &spec, &path)) {
    snprintf(f->why, sizeof f->why, "it is no http:// or https:// URL");
    return false;
  }
  spec.public_only = public_only;
  if (public_only && address_is_private_host(spec.host)) {
    snprintf(f->why, sizeof f->why, "its address is a private one");
    return false;
  }
  snapshot_origin_complete(w->snapshot->snapshot, &spec);
  if (public_only) upstream_origins_prune(w->pool);
  struct origin *o = spec.tls && !spec.tls_context ? NULL : upstream_origin(w->pool, &spec);
  if (!o) {
    snprintf(f->why, sizeof f->why, "no connection can be made there");
    return false;
  }
  size_t hash = str_find_char(path, '#', 0);
  if (hash != SIZE_MAX) path.len = hash;
  buf_str(&f->request, body.len ? STR("POST ") : STR("GET "));
  buf_str(&f->request, origin_target_prefix(o));
  if (!path.len || path.ptr[0] != '/') buf_char(&f->request, '/');
  for (size_t i = 0; i < path.len; i++) {
    unsigned char c = (unsigned char)path.ptr[i];
    if (c > 0x20 && c < 0x7F)
      buf_char(&f->request, (char)c);
    else
      buf_printf(&f->request, "%%%02X", c);
  }
  buf_lit(&f->request, " HTTP/1.1\r\nHost: ");
  buf_str(&f->request, origin_host(o));
  struct str proxy = origin_proxy_authorization(o);
  if (proxy.len) {
    buf_lit(&f->request, "\r\nProxy-Authorization: ");
    buf_str(&f->request, proxy);
  }
  buf_str(&f->request, fields);
  buf_lit(&f->request, "\r\nAccept: */*\r\nAccept-Encoding: identity\r\nUser-Agent: signalbox/" SIGNALBOX_VERSION);
  if (body.len) buf_printf(&f->request, "\r\nContent-Length: %zu", body.len);
  buf_lit(&f->request, "\r\n\r\n");
  buf_str(&f->request, body);
  if (f->request.failed) {
    snprintf(f->why, sizeof f->why, "out of memory");
    return false;
  }
  f->exchange = (struct exchange){.build = on_build, .on_reply = on_reply, .on_fail = on_fail};
  struct exchange_times times = {f->timeout_ms, f->timeout_ms, f->timeout_ms, f->timeout_ms};
  exchange_start(&f->exchange, o, times);
  return true;
}

void fetch_end(struct fetch *f) {
  if (!f->over) exchange_cancel(&f->exchange);
  f->over = true;
  buf_free(&f->request);
  buf_free(&f->body);
}
