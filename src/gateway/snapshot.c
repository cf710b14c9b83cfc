#define _GNU_SOURCE
#include "gateway/snapshot.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/rand.h"
#include "gateway/demo.h"
#include "llm/catalogue.h"
#include "net/tls.h"

// Trust contexts live as long as the process: connections of old snapshots use them, and there is one for each CA file.
struct trust {
  struct trust *next;
  struct str ca_file;
  struct tls_context *context;
};
static struct trust *trusts;  // only touched by the thread that loads configurations

static struct tls_context *trust_for(struct str ca_file, char *why, size_t why_size) {
  for (struct trust *t = trusts; t; t = t->next)
    if (str_eq(t->ca_file, ca_file)) return t->context;
  char *path = str_dup(ca_file);
  struct trust *t = calloc(1, sizeof *t);
  struct tls_context *context = path && t ? tls_client_context(path, why, why_size) : NULL;
  if (!context) {
    free(path);
    free(t);
    return NULL;
  }
  *t = (struct trust){trusts, str_from_cstr(path), context};
  trusts = t;
  return context;
}

static void problem_add(struct arena *arena, struct config_problems *problems, struct str text) {
  if (problems->count == problems->cap) {
    size_t cap = problems->cap ? problems->cap * 2 : 8;
    struct config_problem *grown = arena_alloc(arena, cap * sizeof *grown);
    if (!grown) return;
    if (problems->count) memcpy(grown, problems->items, problems->count * sizeof *grown);
    problems->items = grown;
    problems->cap = cap;
  }
  problems->items[problems->count++] = (struct config_problem){.text = text};
}

static bool no_proxy_for(struct str no_proxy, struct str host) {
  struct str rest = no_proxy, piece;
  while (str_split(&rest, ',', &piece)) {
    piece = str_trim(piece);
    if (!piece.len) continue;
    if (str_eq(piece, STR("*")) || str_eq_nocase(piece, host)) return true;
    struct str suffix = piece.ptr[0] == '.' ? str_skip(piece, 1) : piece;
    if (host.len > suffix.len && str_eq_nocase(str_skip(host, host.len - suffix.len), suffix) &&
        host.ptr[host.len - suffix.len - 1] == '.')
      return true;
  }
  return false;
}

static bool is_loopback(struct str host) {
  return str_eq_nocase(host, STR("localhost")) || str_starts(host, STR("127.")) || str_eq(host, STR("::1"));
}

static bool origin_make(struct snapshot *s, const struct provider *p, struct provider_origin *out,
                        struct arena *scratch, struct config_problems *problems) {
  if (p->protocol == PROTOCOL_DEMO) {
    out->spec = (struct origin_spec){.host = STR("demo"), .port = 80, .dial = demo_dial};
    return true;
  }
  if (!origin_spec_parse(p->base_url, &out->spec, &out->path)) {
    problem_add(scratch, problems,
                arena_printf(scratch, "provider %.*s: base_url is not an http:// or https:// URL", STR_ARGS(p->id)));
    return false;
  }
  while (out->path.len && out->path.ptr[out->path.len - 1] == '/') out->path.len--;
  const struct config *c = &s->config;
  if (!is_loopback(out->spec.host) && !no_proxy_for(c->no_proxy, out->spec.host))
    out->spec.proxy = out->spec.tls ? c->https_proxy : c->http_proxy;
  if (!out->spec.tls) return true;
  char why[200] = "out of memory";
  out->spec.tls_context = trust_for(p->ca_file, why, sizeof why);
  if (out->spec.tls_context) return true;
  problem_add(scratch, problems, arena_printf(scratch, "provider %.*s: %s", STR_ARGS(p->id), why));
  return false;
}

void snapshot_origin_complete(const struct snapshot *s, struct origin_spec *spec) {
  if (spec->tls) spec->tls_context = s->tls;
  if (!is_loopback(spec->host) && !str_starts(spec->host, STR("169.254.")) &&
      !no_proxy_for(s->config.no_proxy, spec->host))
    spec->proxy = spec->tls ? s->config.https_proxy : s->config.http_proxy;
}

// Tokens of Google's, and pictures for providers that fetch none themselves.
static bool wants_fetches(const struct provider *p) {
  return p->protocol == PROTOCOL_VERTEX || p->protocol == PROTOCOL_GEMINI || p->protocol == PROTOCOL_BEDROCK;
}

// What an endpoint is called, whatever its place in the catalogue.
static struct str endpoint_identity(struct arena *arena, const struct endpoint *e) {
  return arena_printf(arena, "%.*s\n%.*s\n%.*s\n%.*s", STR_ARGS(e->provider->id), STR_ARGS(e->model->id),
                      STR_ARGS(e->upstream_model), STR_ARGS(e->tag));
}

static uint64_t hash_of(struct str text) {
  uint64_t h = 14695981039346656037u;  // FNV-1a
  for (size_t i = 0; i < text.len; i++) h = (h ^ (unsigned char)text.ptr[i]) * 1099511628211u;
  return rand_mix(h);
}

static bool identify(struct snapshot *s) {
  const struct catalogue *c = &s->catalogue;
  struct arena scratch = {0};
  s->identities = arena_alloc(&s->arena, (c->endpoint_count + 1) * sizeof *s->identities);
  for (size_t m = 0; s->identities && m < c->model_count; m++)
    for (size_t i = 0; i < c->models[m].endpoint_count; i++) {
      const struct endpoint *e = &c->models[m].endpoints[i];
      s->identities[e->index] = hash_of(endpoint_identity(&scratch, e));
    }
  bool ok = s->identities && !scratch.failed;
  arena_free(&scratch);
  return ok;
}

struct snapshot *snapshot_load(struct str path, struct arena *scratch, struct config_problems *problems) {
  struct snapshot *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->arena.chunk_size = 16 * 1024;
  static atomic_uint_fast64_t serials;
  atomic_init(&s->refs, 1);
  s->serial = atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed) + 1;
  bool ok = path.len ? config_load(&s->arena, path, &s->config, problems)
                     : config_from_environment(&s->arena, &s->config, problems);
  if (ok) ok = catalogue_build(&s->arena, &s->config, &s->catalogue, problems) && identify(s);
  if (ok) {
    s->origins = arena_zalloc(&s->arena, (s->catalogue.provider_count + 1) * sizeof *s->origins);
    ok = s->origins != NULL;
    for (size_t i = 0; ok && i < s->catalogue.provider_count; i++)
      if (!origin_make(s, &s->catalogue.providers[i], &s->origins[i], scratch, problems)) ok = false;
    char why[200];
    for (size_t i = 0; ok && i < s->catalogue.provider_count && !s->tls; i++)
      if (wants_fetches(&s->catalogue.providers[i])) s->tls = trust_for((struct str){"", 0}, why, sizeof why);
  }
  s->auto_wish = auto_wish_of(&s->config);
  if (ok && !problems->count) return s;
  // The problems' texts may lie in the snapshot's arena: copy them before it goes.
  for (size_t i = 0; i < problems->count; i++) problems->items[i].text = arena_str(scratch, problems->items[i].text);
  struct config_problem *items = arena_alloc(scratch, (problems->count + 1) * sizeof *items);
  if (items && problems->count) memcpy(items, problems->items, problems->count * sizeof *items);
  problems->items = items;
  if (!items) problems->count = 0;
  snapshot_drop(s);
  return NULL;
}

// --- health ---

// Not the key's text: records are shown to people.
static struct str key_identity(struct arena *arena, const struct provider *p, struct str key) {
  uint8_t digest[32];
  if (!EVP_Digest(key.ptr, key.len, digest, NULL, EVP_sha256(), NULL)) return (struct str){0};
  return arena_printf(arena, "%.*s\n%02x%02x%02x%02x%02x%02x%02x%02x", STR_ARGS(p->id), digest[0], digest[1], digest[2],
                      digest[3], digest[4], digest[5], digest[6], digest[7]);
}

static struct health_record *record_of(struct health *h, enum health_kind kind, struct str identity, bool *ok) {
  struct health_record *record = identity.ptr ? health_record(h, kind, identity) : NULL;
  if (!record) *ok = false;
  return record;
}

bool snapshot_bind_health(struct snapshot *s, struct health *h) {
  const struct catalogue *c = &s->catalogue;
  struct health_index index = {
      .endpoints = arena_zalloc(&s->arena, (c->endpoint_count + 1) * sizeof *index.endpoints),
      .providers = arena_zalloc(&s->arena, (c->provider_count + 1) * sizeof *index.providers),
      .keys = arena_zalloc(&s->arena, (c->provider_count + 1) * sizeof *index.keys),
  };
  bool ok = h && index.endpoints && index.providers && index.keys;
  struct arena scratch = {0};
  for (size_t m = 0; ok && m < c->model_count; m++)
    for (size_t i = 0; i < c->models[m].endpoint_count; i++) {
      const struct endpoint *e = &c->models[m].endpoints[i];
      index.endpoints[e->index] = record_of(h, HEALTH_ENDPOINT, endpoint_identity(&scratch, e), &ok);
    }
  for (size_t i = 0; ok && i < c->provider_count; i++) {
    const struct provider *p = &c->providers[i];
    index.providers[i] = record_of(h, HEALTH_PROVIDER, p->id, &ok);
    index.keys[i] = arena_zalloc(&s->arena, (p->key_count + 1) * sizeof **index.keys);
    if (!index.keys[i]) ok = false;
    for (size_t k = 0; ok && k < p->key_count; k++)
      index.keys[i][k] = record_of(h, HEALTH_KEY, key_identity(&scratch, p, p->keys[k].value), &ok);
  }
  arena_free(&scratch);
  if (ok) s->health = index;
  return ok;
}

struct snapshot *snapshot_hold(struct snapshot *s) {
  atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

void snapshot_drop(struct snapshot *s) {
  if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  arena_free(&s->arena);
  free(s);
}
