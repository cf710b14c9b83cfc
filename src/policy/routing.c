// Second half of routing: the order of what the filters left. Every endpoint gets two numbers, and the smallest pair
// goes first:
//
//   rank   benched? | model | band | group     group: place in `order`; drawn or not; measured or not; precision
//   key    price, throughput, latency, or the end of the bench
//
// Only as many as will be tried are put in order; the rest of a thousand is compared with the last of them once.
#include "policy/routing.h"

#include <assert.h>
#include <stdlib.h>

#include "base/rand.h"
#include "policy/routing_filters.h"

struct entry {
  const struct endpoint *endpoint;
  uint64_t rank;
  double key, weight;
  uint16_t listed;  // place in `order`; RANK_NONE: not there
  uint8_t model, band, place, filter;
  bool sticky;
};

struct decision {
  const struct routing_query *q;
  struct routing_rules rules;
  enum sort_by sort;      // of the model at hand, see vary
  bool strict;            // of it, too: the caller's own order or sort: uptime does not change it
  enum sort_by sort_all;  // where the model's name does not say
  bool strict_all;
  bool ordered;  // there is an `order`
  bool across;   // the models are ranked together
  bool varies;   // the sorts of the models' names count
  struct entry *entries;
  unsigned count;  // those that stay, in front
  struct entry *out;
  unsigned out_count;  // explain: those that do not
  struct routing *routing;
};

static void vary(struct decision *d, unsigned model) {
  if (!d->varies) return;
  enum sort_by named = (enum sort_by)d->q->variants[model].sort;
  d->sort = named != SORT_NONE ? named : d->sort_all;
  d->strict = named != SORT_NONE || d->strict_all;
}

static void remove_entry(struct decision *d, const struct entry *e, enum routing_filter filter) {
  if (d->routing->removed[filter] < UINT16_MAX) d->routing->removed[filter]++;
  if (!d->q->explain) return;
  d->out[d->out_count] = *e;
  d->out[d->out_count++].filter = (uint8_t)filter;
}

// --- bands ---

static bool meets_cutoffs(const struct preferences *p, const struct health_record *record, uint64_t now) {
  double have[HEALTH_PERCENTILES];
  if (p->min_throughput.given && health_throughput(record, now, have))
    for (unsigned i = 0; i < CUTOFFS; i++)
      if (p->min_throughput.at[i] > 0 && have[i] < p->min_throughput.at[i]) return false;
  if (p->max_latency.given && health_latency_ms(record, now, have))
    for (unsigned i = 0; i < CUTOFFS; i++)
      if (p->max_latency.at[i] > 0 && have[i] > p->max_latency.at[i] * 1000) return false;
  return true;
}
_Static_assert((int)CUTOFF_P50 == (int)HEALTH_P50 && (int)CUTOFF_P75 == (int)HEALTH_P75, "the same places");
_Static_assert((int)CUTOFF_P90 == (int)HEALTH_P90 && (int)CUTOFF_P99 == (int)HEALTH_P99, "the same places");

static struct health_record *record_of(const struct decision *d, const struct endpoint *e) {
  const struct health_index *h = d->q->health;
  return h && h->endpoints ? h->endpoints[e->index] : NULL;
}

// The band it is in; *until: the end of its bench.
static enum routing_band band_of(struct decision *d, const struct endpoint *e, enum routing_band *fit,
                                 uint64_t *until) {
  const struct preferences *p = d->rules.wish;
  struct health_record *record = record_of(d, e);
  uint64_t now = d->q->now_ms;
  enum health_state state = record ? health_state(record, now) : HEALTH_UP;
  const struct standing *s = routing_standing(&d->rules, e->provider);
  *fit = ROUTING_BAND_GOOD;
  if (record && (p->min_throughput.given || p->max_latency.given) && !meets_cutoffs(p, record, now))
    *fit = ROUTING_BAND_SLOW;
  if (routing_unfit(&d->rules, e)) *fit = ROUTING_BAND_UNFIT;
  *until = 0;
  if (state >= HEALTH_PROBING || s->benched) {
    if (state >= HEALTH_PROBING) *until = health_benched_until(record, now);
    if (s->benched && s->until > *until) *until = s->until;
    return ROUTING_BAND_BENCHED;
  }
  if (state == HEALTH_POOR) return ROUTING_BAND_POOR;
  return state == HEALTH_DEGRADED ? ROUTING_BAND_DEGRADED : *fit;
}

// --- ranks and keys ---

// The higher the precision, the lower; what is not told may be the original.
static unsigned coarseness(enum quantization q) {
  switch (q) {
    case QUANTIZATION_fp16:
    case QUANTIZATION_bf16:
    case QUANTIZATION_fp32: return 1;
    case QUANTIZATION_fp8:
    case QUANTIZATION_mxfp8:
    case QUANTIZATION_int8: return 2;
    case QUANTIZATION_fp6: return 3;
    case QUANTIZATION_fp4:
    case QUANTIZATION_mxfp4:
    case QUANTIZATION_nvfp4:
    case QUANTIZATION_int4: return 4;
    default: return 0;
  }
}

// By a measured figure; without one in front of those that have it, by price.
static unsigned measured(struct entry *e, double figure, double key) {
  e->place = figure > 0 ? ROUTING_SORTED : ROUTING_UNMEASURED;
  e->key = figure > 0 ? key : routing_price(e->endpoint);
  return figure > 0;
}

// Sets place and key; the result orders before the key.
static unsigned group_of(const struct decision *d, struct entry *e) {
  struct health_record *record = record_of(d, e->endpoint);
  uint64_t now = d->q->now_ms;
  double figure = 0;
  e->key = routing_price(e->endpoint);
  e->place = ROUTING_BY_PRICE;
  if (d->ordered) {
    if (e->listed != RANK_NONE) e->place = ROUTING_ORDERED;
    return e->listed;
  }
  switch (d->sort) {
    case SORT_NONE: return 1;  // 0: the one that will be drawn
    case SORT_PRICE: e->place = ROUTING_SORTED; return 0;
    case SORT_LATENCY:
      if (record) figure = health_latency_p50(record, now);
      return measured(e, figure, figure);
    case SORT_EXACTO:
    case SORT_THROUGHPUT:
      if (record) figure = health_throughput_p50(record, now);
      return measured(e, figure, -figure) +
             (d->sort == SORT_EXACTO ? 2 * coarseness((enum quantization)e->endpoint->facts.quantization) : 0);
  }
  return 0;
}

enum { GROUP_BITS = 32, BAND_AT = GROUP_BITS, MODEL_AT = BAND_AT + 8, BENCHED_AT = 63 };

static void rank_entry(struct decision *d, struct entry *e) {
  enum routing_band fit;
  uint64_t until;
  enum routing_band band = band_of(d, e->endpoint, &fit, &until);
  uint64_t group = group_of(d, e);
  e->band = (uint8_t)band;
  if (band == ROUTING_BAND_BENCHED) {
    // The first to come back is the first to be asked; the group of one to be drawn is not theirs.
    e->rank = (uint64_t)1 << BENCHED_AT;
    e->key = (double)until;
    return;
  }
  if (d->strict) band = fit;
  e->sticky = e->endpoint == d->q->sticky && !d->ordered && band <= ROUTING_BAND_SLOW;
  if (e->sticky) {
    e->place = ROUTING_STICKY;
    band = ROUTING_BAND_GOOD;
    group = 0;
  } else if (!d->ordered) {
    group++;
  }
  e->rank = (uint64_t)(d->across ? 0 : e->model) << MODEL_AT | (uint64_t)band << BAND_AT | group;
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

// The draw is among those of the best band that anybody is in. Free ones come before all that cost.
static void draw(const struct decision *d, struct run run, unsigned model) {
  uint64_t best = UINT64_MAX;
  bool any_free = false;
  double total = 0;
  for (struct entry *e = run.from; e < run.to; e++) {
    if (e->sticky) return;
    if (e->rank >> GROUP_BITS < best) best = e->rank >> GROUP_BITS;
  }
  if (best >> (BENCHED_AT - GROUP_BITS)) return;
  for (struct entry *e = run.from; e < run.to; e++)
    any_free = any_free || (e->rank >> GROUP_BITS == best && e->key <= 0);
  for (struct entry *e = run.from; e < run.to; e++) {
    if (e->rank >> GROUP_BITS != best) continue;
    e->weight = any_free ? e->key <= 0 : 1 / (e->key * e->key);
    total += e->weight;
  }
  double left = fraction(d->q->seed, model), share = 1 / total;
  struct entry *drawn = NULL;
  for (struct entry *e = run.from; e < run.to; e++) {
    if (e->weight <= 0) continue;
    e->weight *= share;
    if (left >= 0) drawn = e;  // rounding may leave the last with a little
    left -= e->weight;
  }
  assert(drawn);
  drawn->place = ROUTING_DRAWN;
  drawn->rank--;
}

static struct run run_next(const struct decision *d, struct entry *from) {
  struct run run = {from, from};
  const struct entry *end = d->entries + d->count;
  while (run.to < end && (d->across || run.to->model == from->model)) run.to++;
  return run;
}

static void draw_all(struct decision *d) {
  struct entry *end = d->entries + d->count;
  for (struct run run = {d->entries, d->entries}; run.to < end;) {
    run = run_next(d, run.to);
    vary(d, run.from->model);
    if (d->sort == SORT_NONE) draw(d, run, run.from->model);
  }
}

// --- what hangs on the others ---

// Where all are too short for max_tokens the provider may say so itself, or cut the answer.
static void filter_output(struct decision *d) {
  unsigned good = 0, kept = 0;
  if (!d->rules.facts->max_tokens) return;
  for (unsigned i = 0; i < d->count; i++) good += !routing_answers_short(&d->rules, d->entries[i].endpoint);
  if (!good || good == d->count) return;
  for (unsigned i = 0; i < d->count; i++) {
    struct entry e = d->entries[i];
    if (routing_answers_short(&d->rules, e.endpoint))
      remove_entry(d, &e, ROUTING_FILTER_OUTPUT);
    else
      d->entries[kept++] = e;
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

// Of a model that was there before, only what was out then and is not now.
static void filter_model(struct decision *d, unsigned model) {
  const struct model *m = d->q->models[model];
  bool repeated = is_repeated(d->q, model);
  if (repeated && !d->q->variants) return;
  routing_rules_vary(&d->rules, model);
  for (size_t i = 0; i < m->endpoint_count; i++) {
    struct entry *e = &d->entries[d->count];
    *e = (struct entry){.endpoint = &m->endpoints[i], .model = (uint8_t)model};
    enum routing_filter filter = routing_filter_of(&d->rules, e->endpoint, &e->listed);
    if (filter == ROUTING_FILTER_NONE && d->ordered && d->rules.wish->no_fallbacks && e->listed == RANK_NONE)
      filter = ROUTING_FILTER_FALLBACKS;
    if (repeated && (filter != ROUTING_FILTER_NONE || has_entry(d, e->endpoint))) continue;
    if (filter == ROUTING_FILTER_NONE)
      d->count++;
    else
      remove_entry(d, e, filter);
  }
}

// The filter that the last endpoints fell to, in the order in which they are asked. A tier that nobody asked for is
// only the reason when there is no other.
static enum routing_filter last_filter(const struct routing *r) {
  static const uint8_t order[] = {
      ROUTING_FILTER_FALLBACKS,      ROUTING_FILTER_PARAMETERS,   ROUTING_FILTER_OUTPUT_MODALITY,
      ROUTING_FILTER_INPUT_MODALITY, ROUTING_FILTER_CONTEXT,      ROUTING_FILTER_FREE,
      ROUTING_FILTER_MAX_PRICE,      ROUTING_FILTER_QUANTIZATION, ROUTING_FILTER_ZDR,
      ROUTING_FILTER_TRAINING,       ROUTING_FILTER_PROVIDERS,    ROUTING_FILTER_TIER};
  for (unsigned i = 0; i < sizeof order; i++)
    if (r->removed[order[i]]) return (enum routing_filter)order[i];
  return ROUTING_FILTER_NONE;
}

// --- the result ---

static int compare(const void *a, const void *b) {
  return before(a, b) ? -1 : before(b, a);
}

enum { INSERTED_MAX = 64 };  // more are sorted

// The first `keep`, in order.
static void insert_first(const struct decision *d, struct entry **top, unsigned keep) {
  unsigned have = 0;
  for (struct entry *e = d->entries; e < d->entries + d->count; e++) {
    if (have == keep && !before(e, top[have - 1])) continue;
    unsigned at = have < keep ? have++ : have - 1;
    for (; at && before(e, top[at - 1]); at--) top[at] = top[at - 1];
    top[at] = e;
  }
  assert(have == keep);
}

static void put(struct decision *d, unsigned at, const struct entry *e, enum routing_filter filter) {
  vary(d, e->model);
  d->routing->candidates[at] = (struct routing_candidate){.endpoint = e->endpoint,
                                                          .filter = (uint8_t)filter,
                                                          .band = e->band,
                                                          .place = e->place,
                                                          .model = e->model,
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
  out->removed[ROUTING_FILTER_PLACES] = (uint16_t)(d->count - keep > UINT16_MAX ? UINT16_MAX : d->count - keep);
  if (!d->q->explain) return;
  for (unsigned i = keep; i < d->count; i++) put(d, i, &d->entries[i], ROUTING_FILTER_PLACES);
  for (unsigned i = 0; i < d->out_count; i++) put(d, d->count + i, &d->out[i], (enum routing_filter)d->out[i].filter);
  out->out_count = d->count - keep + d->out_count;
}

// One block for all that is only needed here.
static bool scratch(struct decision *d, struct arena *arena) {
  size_t endpoints = 0, providers = d->q->catalogue->provider_count;
  for (unsigned i = 0; i < d->q->model_count; i++) endpoints += d->q->models[i]->endpoint_count;
  size_t entries = endpoints * (d->q->explain ? 2 : 1) + 1;  // one more: where the endpoint at hand is looked at
  char *block = arena_alloc(arena, entries * sizeof(struct entry) + providers * sizeof(struct standing));
  if (!block) return false;
  struct standing *standings = (void *)(block + entries * sizeof(struct entry));
  memset(standings, 0, providers * sizeof *standings);
  d->entries = (void *)block;
  d->out = d->entries + endpoints + 1;
  routing_rules_init(&d->rules, d->q, standings);
  return true;
}

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
}

static void decide(struct decision *d) {
  for (unsigned i = 0; i < d->q->model_count; i++) filter_model(d, i);
  filter_output(d);
  for (unsigned i = 0; i < d->count; i++) {
    vary(d, d->entries[i].model);
    rank_entry(d, &d->entries[i]);
  }
  if (!d->ordered && (d->varies || d->sort == SORT_NONE)) draw_all(d);
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
