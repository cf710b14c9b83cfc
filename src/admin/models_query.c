// Query strings, filters and orders.
#include "admin/models_query.h"

#include <assert.h>
#include <stdlib.h>

#include "admin/routers.h"

// --- reading ---

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// %XX and '+' as forms encode them; what is no such code stays as it is. Empty when out of memory.
static struct str form_decode(struct arena *arena, struct str text) {
  char *out = text.len ? arena_alloc(arena, text.len) : NULL;
  if (!out) return (struct str){0};
  size_t len = 0;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if (c == '%' && text.len - i > 2 && hex(text.ptr[i + 1]) >= 0 && hex(text.ptr[i + 2]) >= 0) {
      c = (char)(hex(text.ptr[i + 1]) * 16 + hex(text.ptr[i + 2]));
      i += 2;
    } else if (c == '+') {
      c = ' ';
    }
    out[len++] = c;
  }
  return str_from(out, len);
}

static enum models_sort sort_of(struct str name) {
  static const struct {
    const char *name;
    enum models_sort sort;
  } known[] = {
      {"newest", MODELS_NEWEST},
      {"pricing-low-to-high", MODELS_CHEAPEST},
      {"pricing-high-to-low", MODELS_DEAREST},
      {"context-high-to-low", MODELS_LONGEST_CONTEXT},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (str_eq(name, str_from_cstr(known[i].name))) return known[i].sort;
  }
  return MODELS_BY_ID;
}

static void take_number(struct models_query *q, struct str name, struct str value) {
  uint64_t number;
  if (!str_to_u64(value, UINT32_MAX, &number)) return;
  if (str_eq(name, STR("context"))) {
    q->context = number;
  } else if (str_eq(name, STR("offset"))) {
    q->offset = number;
    q->paged = true;
  } else if (number) {
    q->limit = number < MODELS_LIMIT_MAX ? number : MODELS_LIMIT_MAX;
    q->paged = true;
  }
}

static void take(struct models_query *q, struct str name, struct str value) {
  const struct {
    struct str name;
    struct str *to;
  } texts[] = {
      {STR("q"), &q->q},
      {STR("supported_parameters"), &q->supported_parameters},
      {STR("input_modalities"), &q->input_modalities},
      {STR("output_modalities"), &q->output_modalities},
      {STR("model_authors"), &q->model_authors},
      {STR("providers"), &q->providers},
      {STR("after_id"), &q->after_id},
      {STR("before_id"), &q->before_id},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (str_eq(name, texts[i].name)) *texts[i].to = value;
  }
  if (str_eq(name, STR("context")) || str_eq(name, STR("offset")) || str_eq(name, STR("limit")))
    take_number(q, name, value);
  if (str_eq(name, STR("sort"))) q->sort = sort_of(value);
  if (str_eq(name, STR("client_version"))) q->codex = true;
}

void models_query_parse(struct arena *arena, struct str query, struct models_query *out) {
  *out = (struct models_query){.limit = MODELS_LIMIT_DEFAULT};
  struct str rest = query, pair;
  while (str_split(&rest, '&', &pair)) {
    size_t equals = str_find_char(pair, '=', 0);
    struct str name = equals == SIZE_MAX ? pair : str_from(pair.ptr, equals);
    struct str value = equals == SIZE_MAX ? (struct str){0} : str_skip(pair, equals + 1);
    take(out, form_decode(arena, name), str_trim(form_decode(arena, value)));
  }
}

// --- filters ---

static bool contains(struct str text, struct str part) {
  for (size_t i = 0; i + part.len <= text.len; i++) {
    if (str_starts_nocase(str_skip(text, i), part)) return true;
  }
  return false;
}

static bool list_has(struct str_list list, struct str name) {
  for (size_t i = 0; i < list.count; i++) {
    if (str_eq_nocase(list.items[i], name)) return true;
  }
  return false;
}

// Whether every name of the comma-separated `wanted` is in the list.
static bool has_all(struct str_list list, struct str wanted) {
  struct str piece;
  while (str_split(&wanted, ',', &piece)) {
    piece = str_trim(piece);
    if (piece.len && !list_has(list, piece)) return false;
  }
  return true;
}

// Whether the list has one of them. Nothing wanted is always there, and so is "all".
static bool has_any(struct str_list list, struct str wanted) {
  bool asked = false;
  struct str piece;
  while (str_split(&wanted, ',', &piece)) {
    piece = str_trim(piece);
    if (!piece.len) continue;
    if (str_eq(piece, STR("all")) || list_has(list, piece)) return true;
    asked = true;
  }
  return !asked;
}

static bool author_fits(const struct model *m, struct str wanted) {
  size_t slash = str_find_char(m->id, '/', 0);
  struct str author = str_from(m->id.ptr, slash == SIZE_MAX ? 0 : slash);
  return has_any((struct str_list){&author, 1}, wanted);
}

static bool provider_fits(const struct model *m, struct str wanted) {
  if (!wanted.len) return true;
  for (size_t i = 0; i < m->endpoint_count; i++) {
    const struct provider *p = m->endpoints[i].provider;
    struct str names[] = {p->id, p->name};
    if (has_any((struct str_list){names, 2}, wanted)) return true;
  }
  return false;
}

static bool fits(const struct models_query *q, const struct model *m) {
  // As OpenRouter does: without a word about the output, models that write text.
  struct str output = q->output_modalities.len ? q->output_modalities : STR("text");
  return (contains(m->id, q->q) || contains(m->name, q->q)) && has_any(m->output_modalities, output) &&
         has_all(m->input_modalities, q->input_modalities) &&
         has_all(m->supported_parameters, q->supported_parameters) && author_fits(m, q->model_authors) &&
         provider_fits(m, q->providers) && m->context_length >= q->context;
}

// --- order ---

// A router's is not known: the highest, so that it is the last of the cheapest.
static uint64_t price_of(const struct model *m) {
  if (router_price_varies(m)) return UINT64_MAX;
  const struct pricing *p = &m->endpoints[0].pricing;
  uint64_t prompt = p->prompt == PRICE_UNSET ? 0 : (uint64_t)p->prompt;
  return prompt + (p->completion == PRICE_UNSET ? 0 : (uint64_t)p->completion);
}

static int by_id(const struct model *a, const struct model *b) {
  size_t shorter = a->id.len < b->id.len ? a->id.len : b->id.len;
  int by_bytes = memcmp(a->id.ptr, b->id.ptr, shorter);
  return by_bytes ? by_bytes : (a->id.len > b->id.len) - (a->id.len < b->id.len);
}

// Smaller key first, then by id, so that pages never overlap.
static int by_key(const struct model *a, const struct model *b, uint64_t key_a, uint64_t key_b) {
  return key_a != key_b ? (key_a < key_b ? -1 : 1) : by_id(a, b);
}

#define MODEL(pointer) (*(const struct model *const *)(pointer))
static int newest(const void *a, const void *b) {
  return by_key(MODEL(a), MODEL(b), MODEL(b)->created, MODEL(a)->created);
}
static int cheapest(const void *a, const void *b) {
  return by_key(MODEL(a), MODEL(b), price_of(MODEL(a)), price_of(MODEL(b)));
}
static int dearest(const void *a, const void *b) {
  // One more, so that what is not known becomes 0 and is the last here, too.
  return by_key(MODEL(a), MODEL(b), price_of(MODEL(b)) + 1, price_of(MODEL(a)) + 1);
}
static int longest_context(const void *a, const void *b) {
  return by_key(MODEL(a), MODEL(b), MODEL(b)->context_length, MODEL(a)->context_length);
}

size_t models_query_run(const struct models_query *query, const struct catalogue *c, const struct model **found) {
  size_t count = 0;
  for (size_t i = 0; i < c->model_count; i++) {
    if (fits(query, &c->models[i])) found[count++] = &c->models[i];
  }
  static int (*const orders[])(const void *, const void *) = {
      [MODELS_BY_ID] = NULL,  // the catalogue's own
      [MODELS_NEWEST] = newest,   [MODELS_CHEAPEST] = cheapest,
      [MODELS_DEAREST] = dearest, [MODELS_LONGEST_CONTEXT] = longest_context,
  };
  assert(query->sort < sizeof orders / sizeof *orders);
  if (orders[query->sort]) qsort(found, count, sizeof *found, orders[query->sort]);
  return count;
}
