#include "policy/auto.h"

#include <stdlib.h>

#include "llm/names.h"
#include "policy/routing_filters.h"

// A year of age counts as so many percentiles of price, up to the most; a fallback of the same author as so many.
#define AGE_POINTS 4.0
#define AGE_POINTS_MAX 20.0
#define SAME_AUTHOR_POINTS 5.0
// Without a tier: where in the pool the easiest and the hardest prompt go.
#define EASY_PERCENTILE 20.0
#define HARD_PERCENTILE 90.0

// --- patterns ---

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

bool auto_pattern_matches(struct str pattern, struct str name) {
  size_t p = 0, n = 0, star = SIZE_MAX, from = 0;
  while (n < name.len) {
    if (p < pattern.len && pattern.ptr[p] == '*') {
      star = ++p;
      from = n;
    } else if (p < pattern.len && lower(pattern.ptr[p]) == lower(name.ptr[n])) {
      p++;
      n++;
    } else if (star != SIZE_MAX) {  // the last star takes one more
      p = star;
      n = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.len && pattern.ptr[p] == '*') p++;
  return p == pattern.len;
}
static bool any_matches(struct str_list patterns, struct str name) {
  for (size_t i = 0; i < patterns.count; i++)
    if (auto_pattern_matches(patterns.items[i], name)) return true;
  return false;
}

// --- the pool ---

// In the order in which they are asked: how far the best model came says what emptied the pool.
enum rule { RULE_KIND, RULE_REQUEST, RULE_ALLOWED, RULE_EXCLUDED, RULE_NONE };

struct entry {
  const struct model *model;
  double price;       // of its cheapest endpoint that fits
  double percentile;  // of its place in the order of price
  double age;         // points
};
struct pool {
  struct routing_rules rules;
  struct entry *entries;
  unsigned count;
  bool demo;                   // only the demo provider's models are left to choose from
  enum rule furthest;          // of the models that are out
  enum routing_filter filter;  // of one that is out by RULE_REQUEST
};

static bool is_demo(const struct model *m) {
  return m->endpoints[0].provider->protocol == PROTOCOL_DEMO;
}
// Does it write text, and nothing beside it that was not asked for?
static bool is_chat(const struct model *m, const struct request_facts *facts) {
  uint32_t out = m->endpoints[0].output_modalities;
  if (!out && m->output_modalities.count) out = names_modality_mask(m->output_modalities);
  return !out || ((out & MODALITY_BIT(text)) && !(out & ~(MODALITY_BIT(text) | facts->output_modalities)));
}
// Why the endpoint will not do. A choice is free: what routing only puts last is left out here.
static enum routing_filter filter_of(struct routing_rules *rules, const struct endpoint *e) {
  enum routing_filter filter = routing_filter_of(rules, routing_standing(rules, e->provider), e);
  if (filter != ROUTING_FILTER_NONE) return filter;
  if (routing_answers_short(rules, e)) return ROUTING_FILTER_OUTPUT;
  if (routing_lacks_tools(rules, e)) return ROUTING_FILTER_PARAMETERS;
  return routing_unfit(rules, e) ? ROUTING_FILTER_CONTEXT : ROUTING_FILTER_NONE;
}
static bool find_price(struct pool *pool, const struct model *m, double *price) {
  bool any = false;
  for (size_t i = 0; i < m->endpoint_count; i++) {
    const struct endpoint *e = &m->endpoints[i];
    enum routing_filter filter = filter_of(&pool->rules, e);
    if (filter != ROUTING_FILTER_NONE)
      pool->filter = filter;
    else if (!any || e->facts.price < *price)
      *price = e->facts.price;
    any |= filter == ROUTING_FILTER_NONE;
  }
  return any;
}
static enum rule rule_of(struct pool *pool, const struct auto_wish *wish, const struct model *m, double *price) {
  if (is_demo(m) != pool->demo || !is_chat(m, pool->rules.facts)) return RULE_KIND;
  if (!find_price(pool, m, price)) return RULE_REQUEST;
  if (wish->allowed.count && !any_matches(wish->allowed, m->id)) return RULE_ALLOWED;
  // Offers that cost nothing are short of places: only for those who ask for them.
  if (!wish->allowed.count && !pool->rules.q->only_free && str_ends(m->id, STR(":free"))) return RULE_ALLOWED;
  return any_matches(wish->excluded, m->id) ? RULE_EXCLUDED : RULE_NONE;
}
// A newcomer without a provider sees the demo; else it takes part only when it is named.
static bool only_demo(const struct catalogue *c, const struct auto_wish *wish) {
  size_t named = 0;
  for (size_t i = 0; i < wish->allowed.count; i++) named += str_starts_nocase(wish->allowed.items[i], STR("demo/"));
  if (named) return named == wish->allowed.count;
  static const struct request_facts nothing;
  for (size_t i = 0; i < c->model_count; i++)
    if (!is_demo(&c->models[i]) && is_chat(&c->models[i], &nothing)) return false;
  return true;
}
// False: out of memory.
static bool fill_pool(struct pool *pool, const struct routing_query *q, const struct auto_wish *wish,
                      struct arena *arena) {
  const struct catalogue *c = q->catalogue;
  struct standing *standings = arena_zalloc(arena, (c->provider_count + 1) * sizeof *standings);
  pool->entries = arena_alloc(arena, (c->model_count + 1) * sizeof *pool->entries);
  if (!standings || !pool->entries) return false;
  routing_rules_init(&pool->rules, q, standings);
  pool->demo = only_demo(c, wish);
  for (size_t i = 0; i < c->model_count; i++) {
    double price = 0;
    enum rule rule = rule_of(pool, wish, &c->models[i], &price);
    if (rule == RULE_NONE)
      pool->entries[pool->count++] = (struct entry){.model = &c->models[i], .price = price};
    else if (rule > pool->furthest)
      pool->furthest = rule;
  }
  return true;
}
static struct str emptied_by(const struct pool *pool, struct arena *arena) {
  switch (pool->furthest) {
    case RULE_EXCLUDED: return STR("excluded_models leaves out every one that fits.");
    case RULE_ALLOWED: return STR("none of those that fit matches allowed_models. GET /api/v1/models lists all.");
    case RULE_REQUEST:
      return arena_printf(arena, "none fits it. Of the last one looked at: %s.", routing_filter_reason(pool->filter));
    default: return STR("no provider that is configured has one for chats.");
  }
}

struct auto_wish auto_wish_of(const struct config *c) {
  return (struct auto_wish){
      .allowed = c->auto_allowed, .excluded = c->auto_excluded, .tier = c->auto_tier, .house = &c->routing};
}

// --- the place ---

static int by_price(const void *left, const void *right) {
  const struct entry *a = left, *b = right;
  if (a->price != b->price) return a->price < b->price ? -1 : 1;
  if (a->model->created != b->model->created) return a->model->created < b->model->created ? -1 : 1;
  return a->model < b->model ? -1 : a->model > b->model;
}
static void rank_pool(struct pool *pool) {
  uint64_t newest = 0;
  qsort(pool->entries, pool->count, sizeof *pool->entries, by_price);
  for (unsigned i = 0; i < pool->count; i++)
    if (pool->entries[i].model->created > newest) newest = pool->entries[i].model->created;
  for (unsigned i = 0; i < pool->count; i++) {
    struct entry *e = &pool->entries[i];
    e->percentile = (i + 0.5) * 100 / pool->count;
    // When it was made may be unknown: no guess then.
    double years = e->model->created ? (double)(newest - e->model->created) / (365.25 * 86400) : 0;
    e->age = years * AGE_POINTS < AGE_POINTS_MAX ? years * AGE_POINTS : AGE_POINTS_MAX;
  }
}

struct band {
  double from, to;           // percentiles it may be in: from <= x < to
  double cheapest, dearest;  // where difficulty 0 and 1 point
};
static struct band band_of(const struct auto_wish *wish) {
  if (wish->tier != TIER_ANY) {
    double from = 20.0 * (wish->tier - TIER_LOW);
    return (struct band){from, from + 20, from, from + 20};
  }
  if (!wish->ceiling) return (struct band){0, 100, EASY_PERCENTILE, HARD_PERCENTILE};
  return (struct band){0, wish->ceiling, wish->ceiling * EASY_PERCENTILE / HARD_PERCENTILE, wish->ceiling};
}

static double distance(const struct entry *e, double target) {
  return e->percentile < target ? target - e->percentile : e->percentile - target;
}
// The nearest to the target, a year of age counting as some distance: then a harder prompt never gets a cheaper model.
static unsigned nearest(const struct pool *pool, unsigned from, unsigned to, double target,
                        const struct model *beside) {
  unsigned best = from;
  double least = 1e9;
  for (unsigned i = from; i < to; i++) {
    const struct entry *e = &pool->entries[i];
    double d = distance(e, target) + e->age;
    if (beside) {
      size_t author = str_find_char(beside->id, '/', 0);
      bool same = author != SIZE_MAX && str_starts(e->model->id, str_from(beside->id.ptr, author + 1));
      d += same ? SAME_AUTHOR_POINTS : 0;
    }
    if (d < least) {
      least = d;
      best = i;
    }
  }
  return best;
}
static unsigned place_in(const struct pool *pool, const struct band *band, double target) {
  unsigned from = 0;
  while (from < pool->count && pool->entries[from].percentile < band->from) from++;
  unsigned to = from;
  while (to < pool->count && (pool->entries[to].percentile < band->to || band->to >= 100)) to++;
  if (to > from) return nearest(pool, from, to, target, NULL);
  // Nothing is in the band: what is nearest to it, the cheaper of two.
  double middle = (band->from + band->to) / 2;
  if (from == pool->count) return pool->count - 1;
  return from > 0 && distance(&pool->entries[from - 1], middle) <= distance(&pool->entries[from], middle) ? from - 1
                                                                                                          : from;
}

// The next dearer, the next cheaper, and so on, best of another author and not old. None above the ceiling, if any.
static void add_fallbacks(const struct pool *pool, unsigned at, const struct auto_wish *wish, struct auto_choice *out) {
  const struct model *first = pool->entries[at].model;
  unsigned low = at, high = at + 1, end = pool->count;  // [low, high) is used up
  if (wish->tier == TIER_ANY && wish->ceiling)
    while (end > high && pool->entries[end - 1].percentile >= wish->ceiling) end--;
  for (bool dearer = true; out->count < AUTO_MODELS && (low > 0 || high < end); dearer = !dearer) {
    unsigned next;
    if ((dearer && high < end) || low == 0) {
      next = nearest(pool, high, end, pool->entries[at].percentile, first);
      high = next + 1;
    } else {
      next = nearest(pool, 0, low, pool->entries[at].percentile, first);
      low = next;
    }
    const struct model *m = pool->entries[next].model;
    bool there = false;
    for (unsigned i = 0; i < out->count; i++) there |= out->models[i] == m;
    if (!there) out->models[out->count++] = m;
  }
}

static const char *tier_name(enum cost_tier tier) {
  static const char *const names[] = {"any", "low", "medium", "high", "xhigh", "max"};
  return names[tier];
}
static struct str reason(const struct pool *pool, const struct auto_wish *wish, const struct auto_choice *out,
                         double at, bool pinned, struct arena *arena) {
  if (pinned)
    return arena_printf(arena, "difficulty %.2f; the session keeps its model, one of a pool of %u", out->difficulty,
                        pool->count);
  if (wish->tier != TIER_ANY)
    return arena_printf(arena, "difficulty %.2f of a pool of %u, cost tier %s: price percentile %.0f", out->difficulty,
                        pool->count, tier_name(wish->tier), at);
  if (wish->ceiling)
    return arena_printf(arena, "difficulty %.2f of a pool of %u, at most price percentile %u: price percentile %.0f",
                        out->difficulty, pool->count, wish->ceiling, at);
  return arena_printf(arena, "difficulty %.2f of a pool of %u: price percentile %.0f", out->difficulty, pool->count,
                      at);
}

bool auto_choose(const struct catalogue *c, const struct auto_wish *wish, const struct request_facts *facts,
                 const struct preferences *preferences, double difficulty, const struct model *pinned,
                 struct arena *arena, struct auto_choice *out, struct str *why) {
  struct pool pool = {0};
  struct routing_query q = {.catalogue = c, .preferences = preferences, .house = wish->house, .facts = facts};
  *out = (struct auto_choice){.difficulty = difficulty < 0 ? 0 : difficulty > 1 ? 1 : difficulty, .reason = ""};
  *why = STR("out of memory");
  if (!fill_pool(&pool, &q, wish, arena)) return false;
  out->pool = pool.count;
  if (!pool.count) {
    *why = emptied_by(&pool, arena);
    return false;
  }
  rank_pool(&pool);
  struct band band = band_of(wish);
  unsigned at = place_in(&pool, &band, band.cheapest + out->difficulty * (band.dearest - band.cheapest));
  bool kept = false;
  for (unsigned i = 0; i < pool.count && pinned && !kept; i++) {
    kept = pool.entries[i].model == pinned;
    if (kept) at = i;
  }
  out->models[out->count++] = pool.entries[at].model;
  add_fallbacks(&pool, at, wish, out);
  struct str sentence = reason(&pool, wish, out, pool.entries[at].percentile, kept, arena);
  if (!sentence.ptr) return false;
  out->reason = sentence.ptr;
  *why = STR("");
  return true;
}

// --- signalbox/free ---

static uint64_t next_random(uint64_t *state) {  // splitmix64
  uint64_t x = *state += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

static unsigned shuffle(struct pool *pool, uint64_t seed, const struct model **models, unsigned max) {
  unsigned count = 0;
  for (; count < max && count < pool->count; count++) {  // Fisher and Yates
    unsigned other = count + (unsigned)(next_random(&seed) % (pool->count - count));
    models[count] = pool->entries[other].model;
    pool->entries[other] = pool->entries[count];
  }
  return count;
}

unsigned auto_free(const struct catalogue *c, const struct request_facts *facts, uint64_t seed,
                   const struct model **models, unsigned max) {
  static const struct auto_wish any;
  struct arena arena = {0};
  struct pool pool = {0};
  struct routing_query q = {.catalogue = c, .facts = facts, .only_free = true};
  unsigned count = fill_pool(&pool, &q, &any, &arena) ? shuffle(&pool, seed, models, max) : 0;
  arena_free(&arena);
  return count;
}
