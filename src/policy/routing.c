// Second half of routing: the order of what the filters left. Every endpoint gets two numbers, and the smallest pair
// goes first:
//
//   rank   benched? | model | tier? | band | group     group: place in `order`; drawn or not; measured; precision
//   key    price, throughput, latency, or the end of the bench
//
// Only as many as will be tried are put in order; the rest of a thousand is compared with the last of them once.
#include "policy/routing.h"

#include <assert.h>
#include <stdlib.h>

#include "base/rand.h"
#include "llm/endpoint_facts.h"
#include "policy/routing_filters.h"

struct entry {
  const struct endpoint *endpoint;
  uint64_t rank;
  double key, weight;                   // weight: explain's only
  uint16_t model, band, place, filter;  // no bytes, for a byte that is written may be anything's
};

// A percentile that must be met: enough throughput, or not too much latency.
struct cutoff {
  bool throughput;
  enum health_percentile percentile;
  double limit;
};

struct decision {
  const struct routing_query *q;
  struct routing_rules rules;
  enum sort_by sort;      // of the model at hand, see vary
  bool strict;            // of it, too: the caller's own order or sort: uptime does not change it
  enum sort_by sort_all;  // where the model's name does not say
  bool strict_all;
  bool ordered;      // there is an `order`
  bool listed_only;  // and nothing else will do
  bool across;       // the models are ranked together
  bool varies;       // the sorts of the models' names count
  struct cutoff cutoffs[2 * CUTOFFS];
  unsigned cutoff_count;
  struct health_record *const *records;  // by the endpoints' indices; NULL: all are well
  struct entry *entries;
  unsigned count;        // those that stay, in front
  unsigned short_count;  // those of them that cannot answer with max_tokens
  struct entry *out;
  unsigned out_count;  // explain: those that do not
  unsigned removed[ROUTING_FILTER_COUNT];
  struct routing *routing;
};

// --- what the request wants ---

static void cutoffs_add(struct decision *d, const struct cutoffs *wish, bool throughput, double unit) {
  for (unsigned i = 0; wish->given && i < CUTOFFS; i++)
    if (wish->at[i] > 0)
      d->cutoffs[d->cutoff_count++] = (struct cutoff){throughput, (enum health_percentile)i, wish->at[i] * unit};
}
_Static_assert((int)CUTOFF_P50 == (int)HEALTH_P50 && (int)CUTOFF_P75 == (int)HEALTH_P75, "the same places");
_Static_assert((int)CUTOFF_P90 == (int)HEALTH_P90 && (int)CUTOFF_P99 == (int)HEALTH_P99, "the same places");

// What the first name says that says how to sort.
static enum sort_by named_sort(const struct routing_query *q) {
  for (unsigned i = 0; q->variants && i < q->model_count; i++)
    if (q->variants[i].sort != SORT_NONE) return (enum sort_by)q->variants[i].sort;
  return SORT_NONE;
}

static void wishes(struct decision *d) {
  const struct preferences *wish = d->rules.wish, *house = d->rules.house;
  const struct preferences *sorting = wish->sort == SORT_NONE && !wish->across_models ? house : wish;
  d->ordered = wish->order.count > 0;
  d->listed_only = d->ordered && wish->no_fallbacks;
  d->strict_all = d->ordered || wish->sort != SORT_NONE;
  d->sort_all = d->ordered ? SORT_NONE : sorting->sort;
  d->across = !d->ordered && sorting->across_models;
  enum sort_by named = d->strict_all ? SORT_NONE : named_sort(d->q);
  d->varies = named != SORT_NONE;
  // Ranked together, all are sorted alike: as the first name says that says it. The house's wish is for who has none.
  if (d->varies && sorting == house) d->across = false;
  if (d->varies && d->across) d->sort_all = named, d->strict_all = true, d->varies = false;
  d->sort = d->sort_all;
  d->strict = d->strict_all;
  d->records = d->q->health ? d->q->health->endpoints : NULL;
  cutoffs_add(d, &wish->min_throughput, true, 1);
  cutoffs_add(d, &wish->max_latency, false, 1000);
}

static void vary(struct decision *d, unsigned model) {
  if (!d->varies) return;
  enum sort_by named = (enum sort_by)d->q->variants[model].sort;
  d->sort = named != SORT_NONE ? named : d->sort_all;
  d->strict = named != SORT_NONE || d->strict_all;
}

static bool is_drawn(const struct decision *d) {
  return d->sort == SORT_NONE && !d->ordered;
}

// --- bands ---

static bool meets_cutoffs(const struct decision *d, const struct health_record *record) {
  for (const struct cutoff *c = d->cutoffs; c < d->cutoffs + d->cutoff_count; c++) {
    double have = c->throughput ? health_throughput(record, c->percentile, d->q->now_ms)
                                : health_latency_ms(record, c->percentile, d->q->now_ms);
    if (have > 0 && (c->throughput ? have < c->limit : have > c->limit)) return false;
  }
  return true;
}

// What is known of it beside its uptime: one of the first three.
static enum routing_band fitness(const struct decision *d, const struct endpoint *e,
                                 const struct health_record *record) {
  if (routing_unfit(&d->rules, e)) return ROUTING_BAND_UNFIT;
  return !d->cutoff_count || !record || meets_cutoffs(d, record) ? ROUTING_BAND_GOOD : ROUTING_BAND_SLOW;
}

// When the bench that it, its provider or all its keys are on ends.
static uint64_t bench_end(const struct decision *d, const struct standing *s, const struct health_record *record) {
  uint64_t own = record ? health_benched_until(record, d->q->now_ms) : 0;
  return s->benched && s->until > own ? s->until : own;
}

// --- ranks and keys ---

// The higher the precision, the lower; what is not told may be the original.
static unsigned coarseness(const struct endpoint *e) {
  static const uint64_t steps[] = {
      TRAIT_OF_QUANTIZATION(fp16) | TRAIT_OF_QUANTIZATION(bf16) | TRAIT_OF_QUANTIZATION(fp32),
      TRAIT_OF_QUANTIZATION(fp8) | TRAIT_OF_QUANTIZATION(mxfp8) | TRAIT_OF_QUANTIZATION(int8),
      TRAIT_OF_QUANTIZATION(fp6),
      TRAIT_OF_QUANTIZATION(fp4) | TRAIT_OF_QUANTIZATION(mxfp4) | TRAIT_OF_QUANTIZATION(nvfp4) |
          TRAIT_OF_QUANTIZATION(int4),
  };
  for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++)
    if (e->facts.traits & steps[i]) return i + 1;
  return 0;
}

// What orders inside a band: the group, and then the key.
struct order {
  unsigned group;
  double key;
  enum routing_place place;
};

static struct order order_listed(const struct decision *d, const struct standing *s, const struct endpoint *e) {
  uint16_t listed = routing_order_place(&d->rules, s, e);
  return (struct order){listed, routing_price(e), listed == RANK_NONE ? ROUTING_BY_PRICE : ROUTING_ORDERED};
}

// By a measured figure; without one in front of those that have it, by price.
static struct order order_measured(const struct endpoint *e, double figure, double key) {
  if (figure > 0) return (struct order){2, key, ROUTING_SORTED};
  return (struct order){1, routing_price(e), ROUTING_UNMEASURED};
}

static struct order order_sorted(const struct decision *d, const struct endpoint *e,
                                 const struct health_record *record) {
  uint64_t now = d->q->now_ms;
  if (d->sort == SORT_PRICE) return (struct order){1, routing_price(e), ROUTING_SORTED};
  if (d->sort == SORT_LATENCY) {
    double latency = record ? health_latency_ms(record, HEALTH_P50, now) : 0;
    return order_measured(e, latency, latency);
  }
  double throughput = record ? health_throughput(record, HEALTH_P50, now) : 0;
  struct order order = order_measured(e, throughput, -throughput);
  if (d->sort == SORT_EXACTO) order.group += 2 * coarseness(e);
  return order;
}

// One less: the one that will be drawn.
static struct order order_by_draw(const struct endpoint *e) {
  return (struct order){2, routing_price(e), ROUTING_BY_PRICE};
}

enum { GROUP_BITS = 32, BAND_AT = GROUP_BITS, TIER_AT = BAND_AT + 7, MODEL_AT, BENCHED_AT = 63 };

static void rank_endpoint(const struct decision *d, const struct standing *s, const struct endpoint *endpoint,
                          unsigned model, struct entry *out) {
  const struct health_record *record = d->records ? d->records[endpoint->index] : NULL;
  enum health_state state = record ? health_state(record, d->q->now_ms) : HEALTH_UP;
  struct order order = d->sort != SORT_NONE ? order_sorted(d, endpoint, record)
                       : d->ordered         ? order_listed(d, s, endpoint)
                                            : order_by_draw(endpoint);
  uint64_t rank;
  enum routing_band fit = fitness(d, endpoint, record), band;
  // What the caller would like does not change the order that the caller gives.
  if (fit == ROUTING_BAND_SLOW && order.place == ROUTING_ORDERED) fit = ROUTING_BAND_GOOD;
  band = fit;
  if (UNLIKELY(state != HEALTH_UP)) band = state == HEALTH_DEGRADED ? ROUTING_BAND_DEGRADED : ROUTING_BAND_POOR;
  if (UNLIKELY(state >= HEALTH_PROBING || s->benched)) {
    // The first to come back is the first to be asked; the group of one to be drawn is not theirs.
    band = ROUTING_BAND_BENCHED;
    rank = (uint64_t)1 << BENCHED_AT;
    order.key = (double)bench_end(d, s, record);
  } else {
    enum routing_band asked_in = d->strict ? fit : band;
    if (UNLIKELY(endpoint == d->q->sticky) && !d->ordered && asked_in <= ROUTING_BAND_SLOW) {
      order.place = ROUTING_STICKY;
      order.group = 0;
      asked_in = ROUTING_BAND_GOOD;
    }
    rank = (uint64_t)(d->across ? 0 : model) << MODEL_AT | (uint64_t)asked_in << BAND_AT | order.group;
    if (UNLIKELY(d->q->priority_first) && !d->ordered && !(endpoint->facts.traits & TRAIT(PRIORITY)))
      rank |= (uint64_t)1 << TIER_AT;
  }
  *out = (struct entry){.endpoint = endpoint,
                        .rank = rank,
                        .key = order.key,
                        .model = (uint16_t)model,
                        .band = (uint16_t)band,
                        .place = (uint16_t)order.place};
}

static bool tie_before(const struct entry *a, const struct entry *b) {
  if (a->model != b->model) return a->model < b->model;
  double left = routing_price(a->endpoint), right = routing_price(b->endpoint);
  if (left < right) return true;
  if (left > right) return false;
  return a->endpoint->index < b->endpoint->index;
}

static inline bool before(const struct entry *a, const struct entry *b) {
  if (a->rank != b->rank) return a->rank < b->rank;
  if (a->key < b->key) return true;
  if (a->key > b->key) return false;
  return tie_before(a, b);
}

// --- the draw ---

static uint64_t splitmix64(uint64_t x) {
  return rand_mix(x + 0x9e3779b97f4a7c15u);
}

// From 0 to below 1.
static double fraction(uint64_t seed, unsigned model) {
  return (double)(splitmix64(seed + splitmix64(model)) >> 11) * 0x1p-53;
}

// Entries of one model, or of all where they are ranked together.
struct run {
  struct entry *from, *to;
};

static struct run run_from(const struct decision *d, struct entry *from) {
  struct run run = {from, d->entries + d->count};
  if (d->across || d->q->model_count == 1) return run;
  const struct entry *end = run.to;
  for (run.to = from; run.to < end && run.to->model == from->model;) run.to++;
  return run;
}

static double weight(const struct entry *e, bool free_ones) {
  return free_ones ? e->key <= 0 : 1 / (e->key * e->key);
}

// The first whose weight, and all before it, sum up to more than a random share of the total.
static struct entry *drawn_of(const struct decision *d, struct run run, uint64_t band, bool free_ones, double total,
                              double left) {
  double share = 1 / total;
  struct entry *drawn = NULL;
  for (struct entry *e = run.from; e < run.to && (left >= 0 || d->q->explain); e++) {
    double w = e->rank >> GROUP_BITS == band ? weight(e, free_ones) * share : 0;
    if (w <= 0) continue;
    if (left >= 0) drawn = e;  // rounding may leave the last with a little
    left -= w;
    e->weight = w;
  }
  assert(drawn);
  return drawn;
}

// The draw is among those of the best band that anybody is in. Free ones come before all that cost.
static void draw(const struct decision *d, struct run run, unsigned model) {
  uint64_t best = UINT64_MAX;
  unsigned free_count = 0;
  double total = 0;
  for (struct entry *e = run.from; e < run.to; e++) {
    if (e->place == ROUTING_STICKY) return;
    uint64_t band = e->rank >> GROUP_BITS;
    if (band > best) continue;
    if (band < best) free_count = 0, total = 0;
    best = band;
    free_count += e->key <= 0;
    total += weight(e, false);
  }
  if (best >> (BENCHED_AT - GROUP_BITS)) return;
  if (free_count) total = free_count;
  struct entry *drawn = drawn_of(d, run, best, free_count > 0, total, fraction(d->q->seed, model));
  drawn->place = ROUTING_DRAWN;
  drawn->rank--;
}

static void draw_all(struct decision *d) {
  struct entry *end = d->entries + d->count;
  for (struct run run = {d->entries, d->entries}; run.to < end;) {
    run = run_from(d, run.to);
    vary(d, run.from->model);
    if (is_drawn(d)) draw(d, run, run.from->model);
  }
}

// --- what falls out ---

static void keep_out(struct decision *d, const struct entry *e, enum routing_filter filter) {
  d->out[d->out_count] = *e;
  d->out[d->out_count++].filter = (uint16_t)filter;
}

static inline void remove_entry(struct decision *d, const struct entry *e, enum routing_filter filter) {
  d->removed[filter]++;
  if (UNLIKELY(d->q->explain)) keep_out(d, e, filter);
}

static inline void remove_endpoint(struct decision *d, const struct endpoint *e, unsigned model,
                                   enum routing_filter filter) {
  remove_entry(d, &(struct entry){.endpoint = e, .model = (uint16_t)model}, filter);
}

// Where all are too short for max_tokens the provider may say so itself, or cut the answer.
static void filter_output(struct decision *d) {
  unsigned kept = 0;
  if (!d->short_count || d->short_count == d->count) return;
  for (unsigned i = 0; i < d->count; i++) {
    const struct entry *e = &d->entries[i];
    if (routing_answers_short(&d->rules, e->endpoint))
      remove_endpoint(d, e->endpoint, e->model, ROUTING_FILTER_OUTPUT);
    else
      d->entries[kept++] = *e;
  }
  d->count = kept;
}

// The first choice of each model, in place.
static void first_choices(struct decision *d) {
  unsigned models = 0;
  for (unsigned i = 0; i < d->count; i++) {
    struct entry e = d->entries[i];
    struct entry *first = models && d->entries[models - 1].model == e.model ? &d->entries[models - 1] : NULL;
    if (!first) {
      d->entries[models++] = e;
    } else if (before(&e, first)) {
      remove_entry(d, first, ROUTING_FILTER_FALLBACKS);
      *first = e;
    } else {
      remove_entry(d, &e, ROUTING_FILTER_FALLBACKS);
    }
  }
  d->count = models;
}

// --- all of it ---

static bool is_repeated(const struct routing_query *q, unsigned model) {
  for (unsigned i = 0; i < model; i++)
    if (q->models[i] == q->models[model]) return true;
  return false;
}

static bool has_entry(const struct decision *d, const struct endpoint *e) {
  for (unsigned i = 0; i < d->count; i++)
    if (d->entries[i].endpoint == e) return true;
  return false;
}

static bool has_flex(const struct model *m) {
  for (size_t i = 0; i < m->endpoint_count; i++)
    if (m->endpoints[i].facts.traits & TRAIT(FLEX)) return true;
  return false;
}

// Of a model that was there before, only what was out then and is not now.
static void rank_model(struct decision *d, unsigned model) {
  const struct model *m = d->q->models[model];
  bool flex = d->q->flex_only && has_flex(m), repeated = is_repeated(d->q, model);
  if (repeated && !d->q->variants) return;
  routing_rules_vary(&d->rules, model);
  vary(d, model);
  const struct endpoint *end = m->endpoints + m->endpoint_count;
  struct entry *next = d->entries + d->count;
  for (const struct endpoint *e = m->endpoints; e < end; e++) {
    const struct standing *s = routing_standing(&d->rules, e->provider);
    enum routing_filter filter = routing_filter_of(&d->rules, s, e);
    if (UNLIKELY(d->listed_only) && !filter && routing_order_place(&d->rules, s, e) == RANK_NONE)
      filter = ROUTING_FILTER_ORDER;
    if (UNLIKELY(flex) && !filter && !(e->facts.traits & TRAIT(FLEX))) filter = ROUTING_FILTER_TIER;
    if (UNLIKELY(repeated) && (filter != ROUTING_FILTER_NONE || has_entry(d, e))) continue;
    if (filter != ROUTING_FILTER_NONE) {
      remove_endpoint(d, e, model, filter);
      continue;
    }
    d->short_count += routing_answers_short(&d->rules, e);
    rank_endpoint(d, s, e, model, next++);
  }
  d->count = (unsigned)(next - d->entries);
}

// The filter that the last endpoints fell to, in the order in which they are asked. A tier that nobody asked for is
// only the reason when there is no other.
static enum routing_filter last_filter(const struct routing *r) {
  static const uint8_t order[] = {ROUTING_FILTER_FALLBACKS,
                                  ROUTING_FILTER_ORDER,
                                  ROUTING_FILTER_PARAMETERS,
                                  ROUTING_FILTER_OUTPUT_MODALITY,
                                  ROUTING_FILTER_INPUT_MODALITY,
                                  ROUTING_FILTER_CONTEXT,
                                  ROUTING_FILTER_FREE,
                                  ROUTING_FILTER_MAX_PRICE,
                                  ROUTING_FILTER_QUANTIZATION,
                                  ROUTING_FILTER_ZDR,
                                  ROUTING_FILTER_TRAINING,
                                  ROUTING_FILTER_PROVIDERS,
                                  ROUTING_FILTER_TIER};
  for (unsigned i = 0; i < sizeof order; i++)
    if (r->removed[order[i]]) return (enum routing_filter)order[i];
  return ROUTING_FILTER_NONE;
}

// --- the result ---

static int compare(const void *a, const void *b) {
  return before(a, b) ? -1 : before(b, a);
}

enum { INSERTED_MAX = 64 };  // more are sorted

static void insert(struct entry **top, unsigned at, struct entry *e) {
  for (; at && before(e, top[at - 1]); at--) top[at] = top[at - 1];
  top[at] = e;
}

// The first `keep`, in order. Nearly all of the others are behind the last of these at a glance.
static void insert_first(const struct decision *d, struct entry **top, unsigned keep) {
  struct entry *e = d->entries, *end = e + d->count;
  for (unsigned i = 0; i < keep; i++) insert(top, i, e++);
  for (const struct entry *last = top[keep - 1]; e < end; e++) {
    if (e->rank > last->rank || (e->rank == last->rank && e->key > last->key) || !before(e, last)) continue;
    insert(top, keep - 1, e);
    last = top[keep - 1];
  }
}

static void put(struct decision *d, unsigned at, const struct entry *e, enum routing_filter filter) {
  vary(d, e->model);
  d->routing->candidates[at] = (struct routing_candidate){.endpoint = e->endpoint,
                                                          .filter = (uint8_t)filter,
                                                          .band = (uint8_t)e->band,
                                                          .place = (uint8_t)e->place,
                                                          .model = (uint8_t)e->model,
                                                          .sort = (uint8_t)d->sort,
                                                          .weight = e->weight};
}

static void put_all(struct decision *d, unsigned keep) {
  struct routing *out = d->routing;
  struct entry *top[INSERTED_MAX];
  if (d->q->explain || keep > INSERTED_MAX) {
    qsort(d->entries, d->count, sizeof *d->entries, compare);
    for (unsigned i = 0; i < keep; i++) put(d, i, &d->entries[i], ROUTING_FILTER_NONE);
  } else if (keep) {
    insert_first(d, top, keep);
    for (unsigned i = 0; i < keep; i++) put(d, i, top[i], ROUTING_FILTER_NONE);
  }
  out->count = keep;
  d->removed[ROUTING_FILTER_PLACES] = d->count - keep;
  for (unsigned i = 0; i < ROUTING_FILTER_COUNT; i++)
    out->removed[i] = (uint16_t)(d->removed[i] < UINT16_MAX ? d->removed[i] : UINT16_MAX);
  if (!d->q->explain) return;
  for (unsigned i = keep; i < d->count; i++) put(d, i, &d->entries[i], ROUTING_FILTER_PLACES);
  for (unsigned i = 0; i < d->out_count; i++) put(d, d->count + i, &d->out[i], (enum routing_filter)d->out[i].filter);
  out->out_count = d->count - keep + d->out_count;
}

// One block for all that is only needed here.
static bool scratch(struct decision *d, struct arena *arena) {
  size_t endpoints = 0, providers = d->q->catalogue->provider_count;
  for (unsigned i = 0; i < d->q->model_count; i++) endpoints += d->q->models[i]->endpoint_count;
  size_t entries = endpoints * (d->q->explain ? 2 : 1) + 1;  // never nothing
  char *block = arena_alloc(arena, entries * sizeof(struct entry) + providers * sizeof(struct standing));
  if (!block) return false;
  struct standing *standings = (void *)(block + entries * sizeof(struct entry));
  memset(standings, 0, providers * sizeof *standings);
  d->entries = (void *)block;
  d->out = d->entries + endpoints;
  routing_rules_init(&d->rules, d->q, standings);
  return true;
}

static void decide(struct decision *d) {
  for (unsigned i = 0; i < d->q->model_count; i++) rank_model(d, i);
  filter_output(d);
  if (d->varies || is_drawn(d)) draw_all(d);
  if (!d->ordered && d->rules.wish->no_fallbacks) first_choices(d);
}

bool routing_decide(const struct routing_query *q, struct arena *arena, struct routing *out) {
  struct decision d = {.q = q, .routing = out};
  assert(q->model_count <= UINT8_MAX);
  *out = (struct routing){0};
  if (!scratch(&d, arena)) return false;
  wishes(&d);
  decide(&d);
  unsigned keep = q->max && q->max < d.count ? q->max : d.count;
  size_t places = (size_t)(q->explain ? d.count : keep) + d.out_count;
  out->candidates = arena_alloc(arena, (places + 1) * sizeof *out->candidates);
  if (!out->candidates) return false;
  put_all(&d, keep);
  if (!out->count) out->last = last_filter(out);
  return true;
}

double routing_price(const struct endpoint *e) {
  return e->facts.price;
}
