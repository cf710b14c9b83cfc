// Origins of upstream.h: where connections go, directly or through a proxy, and how a request must name the place.
#define _GNU_SOURCE
#include "net/origin.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool origin_spec_parse(struct str url, struct origin_spec *spec, struct str *path) {
  *spec = (struct origin_spec){0};
  if (str_starts_nocase(url, STR("https://"))) {
    spec->tls = true;
    url = str_skip(url, 8);
  } else if (str_starts_nocase(url, STR("http://"))) {
    url = str_skip(url, 7);
  } else {
    return false;
  }
  size_t slash = str_find_char(url, '/', 0);
  struct str authority = slash == SIZE_MAX ? url : str_from(url.ptr, slash);
  *path = slash == SIZE_MAX ? (struct str){"", 0} : str_skip(url, slash);
  struct str port = {0};
  if (authority.len && authority.ptr[0] == '[') {
    size_t end = str_find_char(authority, ']', 0);
    if (end == SIZE_MAX) return false;
    spec->host = str_from(authority.ptr + 1, end - 1);
    struct str rest = str_skip(authority, end + 1);
    if (rest.len && rest.ptr[0] != ':') return false;
    port = str_skip(rest, 1);
  } else {
    size_t colon = str_find_char(authority, ':', 0);
    spec->host = colon == SIZE_MAX ? authority : str_from(authority.ptr, colon);
    if (colon != SIZE_MAX) port = str_skip(authority, colon + 1);
  }
  uint64_t number = spec->tls ? 443 : 80;
  if (port.len && (!str_to_u64(port, 65535, &number) || !number)) return false;
  spec->port = (uint16_t)number;
  return spec->host.len > 0 && spec->host.len < 250;
}

// Undoes percent-encoding: credentials in a URL must write "@" and ":" so. Returns the length; `out` holds text.len.
static size_t credentials_decode(struct str text, char *out) {
  size_t n = 0;
  for (size_t i = 0; i < text.len; i++) {
    int high = -1, low = -1;
    if (text.ptr[i] == '%' && i + 2 < text.len) {
      high = OPENSSL_hexchar2int((unsigned char)text.ptr[i + 1]);
      low = OPENSSL_hexchar2int((unsigned char)text.ptr[i + 2]);
    }
    bool coded = high >= 0 && low >= 0;
    out[n++] = coded ? (char)(high * 16 + low) : text.ptr[i];
    if (coded) i += 2;
  }
  return n;
}

// "http://user:pass@host:port" into where to connect and what to say. False: not understood.
static bool proxy_set(struct origin *o, struct str proxy) {
  if (proxy.len >= sizeof o->proxy_text) return false;
  if (str_find(proxy, STR("://"), 0) == SIZE_MAX) {
    snprintf(o->proxy_text, sizeof o->proxy_text, "http://%.*s", STR_ARGS(proxy));
  } else {
    snprintf(o->proxy_text, sizeof o->proxy_text, "%.*s", STR_ARGS(proxy));
  }
  struct str text = str_from_cstr(o->proxy_text);
  if (!str_starts_nocase(text, STR("http://"))) return false;  // TLS to the proxy itself is not supported
  struct str rest = str_skip(text, 7);
  size_t at = str_find_char(rest, '@', 0);
  char url[320];
  if (at != SIZE_MAX) {
    if (at > 150) return false;
    char plain[150], coded[256];
    size_t len = credentials_decode(str_from(rest.ptr, at), plain);
    EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)plain, (int)len);
    snprintf(o->proxy_authorization, sizeof o->proxy_authorization, "Basic %.200s", coded);
    rest = str_skip(rest, at + 1);
  }
  snprintf(url, sizeof url, "http://%.*s", STR_ARGS(rest));
  struct origin_spec spec;
  struct str path;
  if (!origin_spec_parse(str_from_cstr(url), &spec, &path)) return false;
  snprintf(o->query.host, sizeof o->query.host, "%.*s", STR_ARGS(spec.host));
  o->query.port = spec.port;
  o->proxied = true;
  if (!o->tls) snprintf(o->target_prefix, sizeof o->target_prefix, "http://%s", o->host_field);
  return true;
}

struct origin *upstream_origin(struct upstream_pool *p, const struct origin_spec *spec) {
  for (struct origin *o = p->origins; o; o = o->next)
    if (o->tls == spec->tls && o->public_only == spec->public_only && o->port == spec->port && o->dial == spec->dial &&
        o->tls_context == spec->tls_context && str_eq(str_from_cstr(o->host), spec->host) &&
        str_eq(str_from_cstr(o->proxy_text), spec->proxy))
      return o;
  struct origin *o = calloc(1, sizeof *o);
  if (!o) return NULL;
  o->pool = p;
  o->tls = spec->tls;
  o->public_only = spec->public_only;
  o->port = spec->port;
  o->dial = spec->dial;
  o->dial_context = spec->dial_context;
  o->tls_context = spec->tls_context;
  snprintf(o->host, sizeof o->host, "%.*s", STR_ARGS(spec->host));
  bool six = str_find_char(spec->host, ':', 0) != SIZE_MAX;
  snprintf(o->host_field, sizeof o->host_field, six ? "[%s]" : "%s", o->host);
  if (spec->port != (spec->tls ? 443 : 80)) {
    size_t len = strlen(o->host_field);
    snprintf(o->host_field + len, sizeof o->host_field - len, ":%u", spec->port);
  }
  o->query.loop = p->loop;
  if (spec->proxy.len) {
    if (!proxy_set(o, spec->proxy)) {
      free(o);
      return NULL;
    }
  } else {
    snprintf(o->query.host, sizeof o->query.host, "%s", o->host);
    o->query.port = spec->port;
  }
  o->next = p->origins;
  p->origins = o;
  return o;
}

static bool is_used(const struct upstream_pool *p, const struct origin *o) {
  if (o->waiting || o->looking_up) return true;
  for (const struct upstream *u = p->all; u; u = upstream_next(u))
    if (upstream_is_of(u, o)) return true;
  return false;
}

void upstream_origins_prune(struct upstream_pool *p) {
  for (struct origin **at = &p->origins; *at;) {
    struct origin *o = *at;
    if (!o->public_only || is_used(p, o)) {
      at = &o->next;
      continue;
    }
    *at = o->next;
    tls_ticket_drop(o->ticket);
    free(o);
  }
}

struct str origin_target_prefix(const struct origin *o) {
  return str_from_cstr(o->target_prefix);
}

struct str origin_proxy_authorization(const struct origin *o) {
  return o->tls ? (struct str){0} : str_from_cstr(o->proxy_authorization);
}

struct str origin_host(const struct origin *o) {
  return str_from_cstr(o->host_field);
}

unsigned origin_idle_count(const struct origin *o) {
  return o->idle_count;
}
