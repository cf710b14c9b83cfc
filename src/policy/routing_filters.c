#include "policy/routing_filters.h"

#include <math.h>  // INFINITY

#include "llm/endpoint_facts.h"
#include "policy/provider_slug.h"

static const struct {
  const char *name, *reason;
} filters[ROUTING_FILTER_COUNT] = {
#define FILTER_ROW(id, name, reason) {name, reason},
    ROUTING_FILTERS(FILTER_ROW)
#undef FILTER_ROW
};

const char *routing_filter_name(enum routing_filter f) {
  return filters[f].name;
}

const char *routing_filter_reason(enum routing_filter f) {
  return filters[f].reason;
}

// --- rules ---

// It names no single offers.
static bool list_is_plain(const struct str_list *list) {
  for (size_t i = 0; i < list->count; i++)
    if (list->items[i].len && memchr(list->items[i].ptr, '/', list->items[i].len)) return false;
  return true;
}

// What the traits of an endpoint must not be.
static void refuse_traits(struct routing_rules *rules) {
  const struct preferences *wish = rules->wish, *house = rules->house;
  uint64_t *by = rules->refused_by;
  if (wish->deny_collection || house->deny_collection) by[ROUTING_FILTER_TRAINING] = TRAIT(MAY_TRAIN);
  if (wish->zdr || house->zdr) by[ROUTING_FILTER_ZDR] = TRAIT(MAY_KEEP);
  if (wish->quantizations) by[ROUTING_FILTER_QUANTIZATION] = TRAITS(QUANTIZATION, (uint16_t)~wish->quantizations);
  by[ROUTING_FILTER_INPUT_MODALITY] = TRAITS(LACKS_INPUT, rules->facts->input_modalities);
  by[ROUTING_FILTER_OUTPUT_MODALITY] = TRAITS(LACKS_OUTPUT, rules->facts->output_modalities);
  for (unsigned i = 0; i < ROUTING_FILTER_COUNT; i++) rules->refused |= by[i];
  if (wish->max_request != PRICE_UNSET || wish->max_image != PRICE_UNSET || wish->max_audio != PRICE_UNSET)
    rules->refused |= TRAIT(RARE_PRICES);  // they are looked at
}

// What the variants of a model's name change.
static void apply_variant(struct routing_rules *rules, bool only_free, bool priority_tier, bool flex_tier) {
  uint64_t tiers = (priority_tier ? 0 : TRAIT(PRIORITY)) | (flex_tier ? 0 : TRAIT(FLEX));
  rules->refused = (rules->refused & ~(TRAIT(PRIORITY) | TRAIT(FLEX))) | tiers;
  rules->refused_by[ROUTING_FILTER_TIER] = tiers;
  rules->price_max = only_free ? 0 : INFINITY;
}

void routing_rules_vary(struct routing_rules *rules, unsigned model) {
  const struct routing_query *q = rules->q;
  if (!q->variants) return;
  const struct routing_variant *v = &q->variants[model];
  apply_variant(rules, q->only_free || v->only_free, q->priority_tier || v->priority_tier,
                q->flex_tier || v->flex_tier);
}

static price_femto price_max(price_femto wish) {
  return wish == PRICE_UNSET ? INT64_MAX : wish;  // a price not given, PRICE_UNSET, is below all
}

static uint32_t tokens(uint64_t count) {
  return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

void routing_rules_init(struct routing_rules *rules, const struct routing_query *q, struct standing *standings) {
  static const struct request_facts no_facts;
  const struct preferences *wish = q->preferences ? q->preferences : &PREFERENCES_NONE;
  const struct preferences *house = q->house ? q->house : &PREFERENCES_NONE;
  const struct request_facts *facts = q->facts ? q->facts : &no_facts;
  *rules = (struct routing_rules){
      .q = q,
      .wish = wish,
      .house = house,
      .facts = facts,
      .standings = standings,
      .needed = wish->require_parameters ? parameters_needed(facts->parameters) : 0,
      .tools = facts->tools ? NAME_BIT(tools) : 0,
      .prompt_tokens_least = tokens(facts->prompt_tokens_least),
      .prompt_tokens = tokens(facts->prompt_tokens),
      .completion_tokens = tokens(facts->max_tokens),
      .prompt_price_max = price_max(wish->max_prompt),
      .completion_price_max = price_max(wish->max_completion),
      .plain_only = list_is_plain(&wish->only),
      .plain_house_only = list_is_plain(&house->only),
  };
  rules->liked =
      parameters_needed(rules->tools | (facts->parameters & (NAME_BIT(response_format) | NAME_BIT(verbosity))));
  refuse_traits(rules);
  apply_variant(rules, q->only_free, q->priority_tier, q->flex_tier);
}

// --- providers ---

// Whether a list names the provider as a whole, and where it first names a single offer of it. `plain`: there is none
// of these in it.
static bool list_names(const struct str_list *list, const struct provider *p, bool plain, uint16_t *pin) {
  struct str sub;
  bool named = false;
  *pin = RANK_NONE;
  if (plain) return provider_slug_listed(list, p);
  for (size_t i = 0; i < list->count; i++) {
    enum slug_match match = provider_slug_match(list->items[i], p, &sub);
    if (match == SLUG_BASE) named = true;
    if (match == SLUG_PINNED && i < *pin) *pin = (uint16_t)i;
  }
  return named;
}

static void standing_ranks(const struct str_list *order, const struct provider *p, struct standing *s) {
  struct str sub;
  s->rank = s->order_pin = RANK_NONE;
  for (size_t i = 0; i < order->count && i < RANK_NONE; i++) {
    enum slug_match match = provider_slug_match(order->items[i], p, &sub);
    if (match == SLUG_PINNED && s->order_pin == RANK_NONE) s->order_pin = (uint16_t)i;
    if (match == SLUG_BASE && s->rank == RANK_NONE) s->rank = (uint16_t)i;
  }
}

// The first of the keys to come back, when all are benched.
static bool keys_benched(struct health_record *const *keys, size_t count, uint64_t now, uint64_t *until) {
  *until = UINT64_MAX;
  for (size_t i = 0; i < count; i++) {
    if (!keys[i] || health_state(keys[i], now) < HEALTH_PROBING) return false;
    uint64_t end = health_benched_until(keys[i], now);
    if (end < *until) *until = end;
  }
  return count > 0;
}

static void standing_health(const struct routing_query *q, const struct provider *p, struct standing *s) {
  const struct health_index *h = q->health;
  struct health_record *record = h->providers ? h->providers[p->index] : NULL;
  if (record && health_state(record, q->now_ms) >= HEALTH_PROBING) {
    s->benched = true;
    s->until = health_benched_until(record, q->now_ms);
  }
  uint64_t until;
  struct health_record *const *keys = h->keys ? h->keys[p->index] : NULL;
  if (keys && keys_benched(keys, p->key_count, q->now_ms, &until)) {
    s->benched = true;
    if (until > s->until) s->until = until;
  }
}

const struct standing *routing_standing_find(struct routing_rules *rules, const struct provider *p) {
  struct standing *s = &rules->standings[p->index];
  const struct preferences *wish = rules->wish, *house = rules->house;
  *s = (struct standing){.known = true};
  s->in_only = list_names(&wish->only, p, rules->plain_only, &s->only_pin) || !wish->only.count;
  s->in_house_only = list_names(&house->only, p, rules->plain_house_only, &s->house_only_pin) || !house->only.count;
  s->ignored = list_names(&wish->ignore, p, false, &s->ignore_pin);
  if (list_names(&house->ignore, p, false, &s->house_ignore_pin)) s->ignored = true;
  standing_ranks(&wish->order, p, s);
  s->open = s->in_only && s->in_house_only && !s->ignored && (s->ignore_pin & s->house_ignore_pin) == RANK_NONE;
  if (rules->q->health) standing_health(rules->q, p, s);
  return s;
}

// --- lists ---

// The first place in the list, none of them before `from`, where exactly this endpoint is named; RANK_NONE: it is not.
static uint16_t pinned_at(const struct str_list *list, uint16_t from, const struct endpoint *e) {
  struct str sub;
  for (size_t i = from; i < list->count && i < RANK_NONE; i++) {
    if (provider_slug_match(list->items[i], e->provider, &sub) == SLUG_PINNED && provider_slug_is(sub, e))
      return (uint16_t)i;
  }
  return RANK_NONE;
}

static bool pinned(const struct str_list *list, uint16_t from, const struct endpoint *e) {
  return from != RANK_NONE && pinned_at(list, from, e) != RANK_NONE;
}

// A tier's endpoint counts as one of its provider's when the request asks for the tier; else only its full slug names
// it.
static bool is_plain(const struct routing_rules *rules, const struct endpoint *e) {
  return !(e->facts.traits & rules->refused_by[ROUTING_FILTER_TIER]);
}

uint16_t routing_order_place(const struct routing_rules *rules, const struct standing *s, const struct endpoint *e) {
  uint16_t place = is_plain(rules, e) ? s->rank : RANK_NONE;
  if (s->order_pin >= place) return place;
  uint16_t own = pinned_at(&rules->wish->order, s->order_pin, e);
  return own < place ? own : place;
}

static enum routing_filter lists_filter(const struct routing_rules *rules, const struct standing *s,
                                        const struct endpoint *e) {
  const struct preferences *wish = rules->wish, *house = rules->house;
  bool plain = is_plain(rules, e);
  if (s->open && plain) return ROUTING_FILTER_NONE;
  bool only = pinned(&wish->only, s->only_pin, e), house_only = pinned(&house->only, s->house_only_pin, e);
  if (!plain && !only && !house_only && routing_order_place(rules, s, e) == RANK_NONE) return ROUTING_FILTER_TIER;
  // From here on a tier's endpoint that was named stands for itself.
  if (!only && !s->in_only) return ROUTING_FILTER_PROVIDERS;
  if (!house_only && !s->in_house_only) return ROUTING_FILTER_PROVIDERS;
  if (s->ignored && plain) return ROUTING_FILTER_PROVIDERS;
  if (pinned(&wish->ignore, s->ignore_pin, e) || pinned(&house->ignore, s->house_ignore_pin, e))
    return ROUTING_FILTER_PROVIDERS;
  return ROUTING_FILTER_NONE;
}

// --- the rest ---

static bool too_dear(const struct preferences *wish, const struct pricing *at) {
  return at->prompt > price_max(wish->max_prompt) || at->completion > price_max(wish->max_completion) ||
         at->request > price_max(wish->max_request) || at->image > price_max(wish->max_image) ||
         at->audio > price_max(wish->max_audio);
}

enum routing_filter routing_filter_find(const struct routing_rules *rules, const struct standing *s,
                                        const struct endpoint *e) {
  const struct endpoint_facts *f = &e->facts;
  const uint64_t *by = rules->refused_by;
  enum routing_filter by_lists = lists_filter(rules, s, e);
  if (by_lists != ROUTING_FILTER_NONE) return by_lists;
  if (f->traits & by[ROUTING_FILTER_TRAINING]) return ROUTING_FILTER_TRAINING;
  if (f->traits & by[ROUTING_FILTER_ZDR]) return ROUTING_FILTER_ZDR;
  if (f->traits & by[ROUTING_FILTER_QUANTIZATION]) return ROUTING_FILTER_QUANTIZATION;
  if (too_dear(rules->wish, &e->pricing)) return ROUTING_FILTER_MAX_PRICE;
  if (f->price > rules->price_max) return ROUTING_FILTER_FREE;
  if (rules->prompt_tokens_least > f->prompt_tokens_max) return ROUTING_FILTER_CONTEXT;
  if (f->traits & by[ROUTING_FILTER_INPUT_MODALITY]) return ROUTING_FILTER_INPUT_MODALITY;
  if (f->traits & by[ROUTING_FILTER_OUTPUT_MODALITY]) return ROUTING_FILTER_OUTPUT_MODALITY;
  return f->lacks & rules->needed ? ROUTING_FILTER_PARAMETERS : ROUTING_FILTER_NONE;
}
