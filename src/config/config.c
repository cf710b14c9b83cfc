// The configuration's life: found, read, completed, checked as a whole.
//
//   bytes > yaml.c: tree > read.c + table.c + value.c: struct > vendor.c: what is known anyway > rules below
#include "config/config.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "config/problem.h"
#include "config/read.h"
#include "config/reference.h"
#include "config/vendor.h"
#include "config/yaml.h"

enum { SUGGESTIONS_MAX = 1000 };  // ids that "did you mean" looks at

// Where an id (or a key) stands in its list.
struct named {
  struct str name;
  unsigned line, column;
};

static int compare_named(const void *left, const void *right) {
  const struct named *a = left, *b = right;
  size_t shorter = a->name.len < b->name.len ? a->name.len : b->name.len;
  int order = shorter ? memcmp(a->name.ptr, b->name.ptr, shorter) : 0;
  if (order) return order;
  if (a->name.len != b->name.len) return a->name.len < b->name.len ? -1 : 1;
  if (a->line != b->line) return a->line < b->line ? -1 : 1;
  return a->column < b->column ? -1 : a->column > b->column;
}

// Sorted, equal names are neighbours.
static void check_twice(struct reader *r, const char *what, struct named *list, size_t count) {
  if (!list) {
    value_no_memory(r);
    return;
  }
  if (count) qsort(list, count, sizeof *list, compare_named);
  size_t first = 0;
  for (size_t i = 1; i < count; i++) {
    if (!str_eq(list[first].name, list[i].name)) {
      first = i;
    } else if (list[i].name.len) {
      config_problem_add(r->arena, r->problems, list[i].line, list[i].column,
                         "%s: '%.*s' is used twice; the first is at line %u", what,
                         STR_ARGS(problem_show(r->arena, list[i].name)), list[first].line);
    }
  }
}

static struct named *named_list(struct reader *r, size_t count) {
  return arena_zalloc(r->arena, (count + 1) * sizeof(struct named));
}

static void check_ids(struct reader *r) {
  const struct config *c = r->config;
  struct named *providers = named_list(r, c->provider_count);
  for (size_t i = 0; providers && i < c->provider_count; i++)
    providers[i] = (struct named){c->providers[i].id, c->providers[i].line, c->providers[i].column};
  check_twice(r, "providers[].id", providers, c->provider_count);

  struct named *models = named_list(r, c->model_count);
  for (size_t i = 0; models && i < c->model_count; i++)
    models[i] = (struct named){c->models[i].id, c->models[i].line, c->models[i].column};
  check_twice(r, "models[].id", models, c->model_count);

  struct named *keys = named_list(r, c->key_count);
  for (size_t i = 0; keys && i < c->key_count; i++)
    keys[i] = (struct named){c->keys[i].name, c->keys[i].line, c->keys[i].column};
  check_twice(r, "auth.keys[].name", keys, c->key_count);
}

// The same secret under two names would make one of them unreachable.
static void check_secrets(struct reader *r) {
  const struct config *c = r->config;
  struct named *keys = named_list(r, c->key_count);
  if (!keys) {
    value_no_memory(r);
    return;
  }
  for (size_t i = 0; i < c->key_count; i++) {
    keys[i] = (struct named){c->keys[i].key, c->keys[i].line, c->keys[i].column};
    if (c->keys[i].key.len && str_eq(c->keys[i].key, c->management_key))
      config_problem_add(r->arena, r->problems, keys[i].line, keys[i].column,
                         "auth.keys[].key: is the management key; they must differ");
  }
  if (c->key_count) qsort(keys, c->key_count, sizeof *keys, compare_named);
  for (size_t i = 1; i < c->key_count; i++) {
    if (keys[i].name.len && str_eq(keys[i - 1].name, keys[i].name))
      config_problem_add(r->arena, r->problems, keys[i].line, keys[i].column,
                         "auth.keys[].key: is the same as that of line %u", keys[i - 1].line);
  }
}

static int compare_ids(const void *left, const void *right) {
  const struct str *a = left, *b = right;
  if (a->len != b->len) return a->len < b->len ? -1 : 1;
  return a->len ? memcmp(a->ptr, b->ptr, a->len) : 0;
}

struct id_set {
  struct str *ids;  // sorted
  size_t count;
};

static void check_endpoint(struct reader *r, const struct id_set *known, const struct config_endpoint *endpoint) {
  if (!endpoint->provider.len) return;
  if (bsearch(&endpoint->provider, known->ids, known->count, sizeof *known->ids, compare_ids)) return;
  struct nearest nearest;
  nearest_init(&nearest, endpoint->provider);
  for (size_t i = 0; i < known->count && i < SUGGESTIONS_MAX; i++) {
    if (known->ids[i].len) nearest_offer(&nearest, known->ids[i]);
  }
  struct str shown = problem_show(r->arena, endpoint->provider);
  if (nearest.best.ptr) {
    config_problem_add(r->arena, r->problems, endpoint->line, endpoint->column,
                       "models[].endpoints[].provider: there is no provider '%.*s'; did you mean '%.*s'?",
                       STR_ARGS(shown), STR_ARGS(nearest.best));
  } else {
    config_problem_add(r->arena, r->problems, endpoint->line, endpoint->column,
                       "models[].endpoints[].provider: there is no provider '%.*s'; add it under providers",
                       STR_ARGS(shown));
  }
}

#define OVERRIDES "models[].endpoints[].pricing.overrides[]"

// What could not be read has been told, and must not be missed a second time.
static bool overrides_are_read(const struct reader *r) {
  for (size_t i = 0; i < r->problems->count; i++) {
    if (str_starts(r->problems->items[i].text, STR(OVERRIDES))) return false;
  }
  return true;
}

// An entry that always applies, never applies or changes nothing is a slip of the pen.
static void check_override(struct reader *r, const struct config_override *o) {
  const struct price_key *key = price_keys;
  while (key->name.len && pricing_get(&o->prices, key) == PRICE_UNSET) key++;
  const char *trouble = NULL;
  if (!key->name.len) trouble = "gives no price; add the prices that hold under its conditions";
  if (!o->min_prompt_tokens && !o->has_start && !o->has_end)
    trouble = "has no condition; add min_prompt_tokens, or utc_start and utc_end";
  if (o->has_start != o->has_end) trouble = "utc_start and utc_end go together; give both";
  if (o->has_start && o->has_end && o->utc_start == o->utc_end) trouble = "utc_start and utc_end are the same hour";
  if (trouble) config_problem_add(r->arena, r->problems, o->line, o->column, OVERRIDES ": %s", trouble);
}

// Every endpoint stands at a provider of this file, or at the built-in one.
static void check_endpoints(struct reader *r) {
  const struct config *c = r->config;
  struct id_set known = {arena_alloc(r->arena, (c->provider_count + 1) * sizeof(struct str)), 0};
  if (!known.ids) {
    value_no_memory(r);
    return;
  }
  bool overrides_read = overrides_are_read(r);
  for (size_t i = 0; i < c->provider_count; i++) known.ids[known.count++] = c->providers[i].id;
  if (c->demo) known.ids[known.count++] = STR("demo");
  if (known.count) qsort(known.ids, known.count, sizeof *known.ids, compare_ids);
  for (size_t i = 0; i < c->model_count; i++) {
    const struct config_model *model = &c->models[i];
    for (size_t k = 0; k < model->endpoint_count; k++) check_endpoint(r, &known, &model->endpoints[k]);
    for (size_t k = 0; overrides_read && k < model->endpoint_count; k++) {
      const struct config_endpoint *endpoint = &model->endpoints[k];
      for (size_t o = 0; o < endpoint->override_count; o++) check_override(r, &endpoint->overrides[o]);
    }
  }
}

static void check_demo(struct reader *r) {
  const struct config *c = r->config;
  for (size_t i = 0; i < c->provider_count; i++) {
    const struct config_provider *provider = &c->providers[i];
    if (c->demo && str_eq(provider->id, STR("demo")) && provider->protocol != PROTOCOL_DEMO)
      config_problem_add(r->arena, r->problems, provider->line, provider->column,
                         "providers[].id: 'demo' is the built-in provider; take another id, or write demo: off");
  }
}

static void check_whole(struct reader *r) {
  check_ids(r);
  check_secrets(r);
  check_demo(r);
  check_endpoints(r);
}

bool config_parse(struct arena *arena, struct str path, struct str text, struct config *out,
                  struct config_problems *problems) {
  size_t before = problems->count;
  struct reader r = {arena, problems, out};
  *out = (struct config){.path = arena_str(arena, path), .routing = PREFERENCES_NONE};
  read_defaults(&r, "", out);
  vendor_proxies(&r);
  struct yaml_node *root = NULL;
  if (text.len > LIMIT_CONFIG) {
    config_problem_add(arena, problems, 0, 0, "the file is larger than 1 MiB");
  } else {
    root = yaml_parse(arena, text, problems);
  }
  if (root && root->type == YAML_MAP) {
    read_section(&r, "", root, out);
    vendor_fill(&r);
    check_whole(&r);
  } else if (root && !yaml_is_null(root)) {
    config_problem_add(arena, problems, root->line, root->column,
                       "expected settings (lines like 'server:' or 'providers:'), got %s", yaml_type_name(root));
  } else if (text.len <= LIMIT_CONFIG && problems->count == before) {
    // A file that is being written: taken at its word, a reload would drop every provider and key.
    config_problem_add(arena, problems, 1, 1, "the file holds no settings; write at least 'demo: on'");
  }
  for (size_t i = 0; i < out->listen_count; i++) {
    out->listen[i].tls = out->tls_cert.len && !out->listen[i].unix_path.len;
  }
  config_problems_sort(problems);
  return problems->count == before;
}

bool config_load(struct arena *arena, struct str path, struct config *out, struct config_problems *problems) {
  struct str text, why;
  *out = (struct config){.routing = PREFERENCES_NONE};
  if (!reference_read_file(arena, path, LIMIT_CONFIG, false, &text, &why)) {
    config_problem_add(arena, problems, 0, 0, "%.*s", STR_ARGS(why));
    return false;
  }
  bool ok = config_parse(arena, path, text, out, problems);
  // Only copies are needed from here on.
  explicit_bzero((char *)text.ptr, text.len);
  return ok;
}

struct str config_find(struct arena *arena, const char *given) {
  static const char *const usual[] = {"./signalbox.yaml", "/etc/signalbox/signalbox.yaml"};
  if (!given) given = getenv("SIGNALBOX_CONFIG");
  // One that was asked for is returned even if it does not exist: config_load then says so.
  if (given && *given) return arena_str(arena, str_from_cstr(given));
  for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
    if (access(usual[i], F_OK) == 0) return arena_str(arena, str_from_cstr(usual[i]));
  }
  return (struct str){0};
}
