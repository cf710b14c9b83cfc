#include "gateway/route.h"

static struct str fold(struct str path, char *out) {
  size_t n = 0;
  for (size_t i = 0; i < path.len; i++)
    if (path.ptr[i] != '/' || n == 0 || out[n - 1] != '/') out[n++] = path.ptr[i];
  if (n > 1 && out[n - 1] == '/') n--;
  return str_from(out, n);
}

static bool cut_prefix(struct str *path, struct str prefix) {
  if (!str_starts(*path, prefix)) return false;
  if (path->len > prefix.len && path->ptr[prefix.len] != '/') return false;
  *path = str_skip(*path, prefix.len);
  return true;
}

static bool match(struct str pattern, struct str path, struct str args[ROUTE_ARGS]) {
  struct str want, have;
  int arg = 0;
  struct str p = pattern, q = path;
  for (;;) {
    bool more = str_split(&p, '/', &want);
    if (more != str_split(&q, '/', &have)) return false;
    if (!more) return true;
    if (str_eq(want, STR("*"))) {
      if (!have.len || arg == ROUTE_ARGS) return false;
      args[arg++] = have;
    } else if (!str_eq(want, have)) {
      return false;
    }
  }
}

struct route_match route_find(const struct route *routes, size_t count, enum http_method method, struct str path,
                              char *folded) {
  struct route_match m = {0};
  path = fold(path, folded);
  struct str api = path;
  bool prefixed = cut_prefix(&api, STR("/api/v1")) || cut_prefix(&api, STR("/v1"));
  if (prefixed) m.doubled = cut_prefix(&api, STR("/v1"));
  for (size_t i = 0; i < count; i++) {
    const struct route *r = &routes[i];
    if (!r->bare && !prefixed) continue;
    struct str args[ROUTE_ARGS] = {0};
    if (!match(str_from_cstr(r->path), r->bare ? path : api, args)) continue;
    m.path_known = true;
    m.methods |= 1u << r->method;
    if (r->method != method && !(method == HTTP_HEAD && r->method == HTTP_GET)) continue;
    m.route = r;
    memcpy(m.args, args, sizeof args);
    return m;
  }
  return m;
}
