#include "policy/routing_filters.h"

#include "llm/names.h"
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

// Members that say the same in other words: an endpoint need know one of them.
static const uint32_t alternatives[] = {
    NAME_BIT(max_tokens) | NAME_BIT(max_completion_tokens),
    NAME_BIT(reasoning) | NAME_BIT(include_reasoning) | NAME_BIT(reasoning_effort),
    NAME_BIT(response_format) | NAME_BIT(structured_outputs),
};

// It names no single offers.
static bool list_is_plain(const struct str_list *list) {
  for (size_t i = 0; i < list->count; i++)
    if (list->items[i].len && memchr(list->items[i].ptr, '/', list->items[i].len)) return false;
  return true;
}

void routing_rules_init(struct routing_rules *rules, const struct routing_query *q, struct standing *standings) {
  static const struct request_facts no_facts;
  *rules = (struct routing_rules){.q = q,
                                  .wish = q->preferences ? q->preferences : &PREFERENCES_NONE,
                                  .house = q->house ? q->house : &PREFERENCES_NONE,
                                  .facts = q->facts ? q->facts : &no_facts,
                                  .standings = standings,
                                  .variant = {q->only_free, q->priority_tier, q->flex_tier, SORT_NONE}};
  const struct preferences *p = rules->wish;
  rules->deny = p->deny_collection || rules->house->deny_collection;
  rules->zdr = p->zdr || rules->house->zdr;
  rules->prices = p->max_prompt != PRICE_UNSET || p->max_completion != PRICE_UNSET || p->max_request != PRICE_UNSET ||
                  p->max_image != PRICE_UNSET || p->max_audio != PRICE_UNSET;
  rules->plain_only = list_is_plain(&p->only);
  rules->plain_house_only = list_is_plain(&rules->house->only);
  if (!p->require_parameters) return;
  rules->parameters = rules->facts->parameters;
  for (unsigned i = 0; i < sizeof alternatives / sizeof *alternatives; i++) {
    if (rules->parameters & alternatives[i]) rules->either[i] = alternatives[i];
    rules->parameters &= ~alternatives[i];
  }
}

void routing_rules_vary(struct routing_rules *rules, unsigned model) {
  const struct routing_query *q = rules->q;
  if (!q->variants) return;
  const struct routing_variant *v = &q->variants[model];
  rules->variant = (struct routing_variant){.only_free = q->only_free || v->only_free,
                                            .priority_tier = q->priority_tier || v->priority_tier,
                                            .flex_tier = q->flex_tier || v->flex_tier};
}

// --- providers ---

// Whether a list names the provider as a whole, and whether it names single offers of it. `plain`: there is none of
// these in it.
static bool list_names(const struct str_list *list, const struct provider *p, bool plain, bool *pins) {
  struct str sub;
  bool named = false;
  if (plain) return provider_slug_listed(list, p);
  for (size_t i = 0; i < list->count; i++) {
    enum slug_match match = provider_slug_match(list->items[i], p, &sub);
    if (match == SLUG_BASE) named = true;
    if (match == SLUG_PINNED) *pins = true;
  }
  return named;
}

static void standing_ranks(const struct str_list *order, const struct provider *p, struct standing *s) {
  struct str sub;
  for (size_t i = 0; i < order->count && i < RANK_NONE; i++) {
    enum slug_match match = provider_slug_match(order->items[i], p, &sub);
    if (match == SLUG_PINNED) s->order_pins = true;
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
  *s = (struct standing){.known = true, .rank = RANK_NONE};
  s->in_only = !wish->only.count || list_names(&wish->only, p, rules->plain_only, &s->only_pins);
  s->in_house_only = !house->only.count || list_names(&house->only, p, rules->plain_house_only, &s->house_only_pins);
  s->ignored = list_names(&wish->ignore, p, false, &s->ignore_pins);
  if (list_names(&house->ignore, p, false, &s->ignore_pins)) s->ignored = true;
  standing_ranks(&wish->order, p, s);
  if (rules->q->health) standing_health(rules->q, p, s);
  return s;
}

// --- lists ---

// The first place in the list where exactly this endpoint is named; RANK_NONE: it is not.
static uint16_t pinned_at(const struct str_list *list, const struct endpoint *e) {
  struct str sub;
  for (size_t i = 0; i < list->count && i < RANK_NONE; i++) {
    if (provider_slug_match(list->items[i], e->provider, &sub) == SLUG_PINNED && provider_slug_is(sub, e))
      return (uint16_t)i;
  }
  return RANK_NONE;
}

static bool pinned(bool any, const struct str_list *list, const struct endpoint *e) {
  return any && pinned_at(list, e) != RANK_NONE;
}

// A tier's endpoint counts as one of its provider's when the request asks for the tier; else only its full slug names
// it.
static bool tier_asked(const struct routing_variant *v, const struct endpoint *e) {
  switch ((enum service_tier)e->facts.tier) {
    case TIER_PRIORITY: return v->priority_tier;
    case TIER_FLEX: return v->flex_tier;
    default: return true;
  }
}

static enum routing_filter lists_filter(struct routing_rules *rules, const struct endpoint *e, uint16_t *rank) {
  const struct preferences *wish = rules->wish, *house = rules->house;
  const struct standing *s = routing_standing(rules, e->provider);
  bool plain = tier_asked(&rules->variant, e);
  *rank = plain ? s->rank : RANK_NONE;
  if (s->order_pins) {
    uint16_t at = pinned_at(&wish->order, e);
    if (at < *rank) *rank = at;
  }
  bool only = pinned(s->only_pins, &wish->only, e);
  bool house_only = pinned(s->house_only_pins, &house->only, e);
  if (!plain && !only && !house_only && *rank == RANK_NONE) return ROUTING_FILTER_TIER;
  // From here on a tier's endpoint that was named stands for itself.
  if (!only && !s->in_only) return ROUTING_FILTER_PROVIDERS;
  if (!house_only && !s->in_house_only) return ROUTING_FILTER_PROVIDERS;
  if (s->ignored && plain) return ROUTING_FILTER_PROVIDERS;
  if (pinned(s->ignore_pins, &wish->ignore, e) || pinned(s->ignore_pins, &house->ignore, e))
    return ROUTING_FILTER_PROVIDERS;
  return ROUTING_FILTER_NONE;
}

// --- the rest ---

static bool above(price_femto price, price_femto max) {
  return max != PRICE_UNSET && price > max;  // a price not given, PRICE_UNSET, is below all
}

static bool too_dear(const struct preferences *p, const struct pricing *at) {
  return above(at->prompt, p->max_prompt) || above(at->completion, p->max_completion) ||
         above(at->request, p->max_request) || above(at->image, p->max_image) || above(at->audio, p->max_audio);
}

static bool too_long(uint64_t tokens, const struct endpoint *e) {
  return (e->context_length && tokens > e->context_length) || (e->max_prompt_tokens && tokens > e->max_prompt_tokens);
}

static bool lacks(uint32_t needed, uint32_t known) {
  return known && (needed & ~known);
}

static bool knows_members(const struct routing_rules *rules, uint32_t known) {
  if (!known) return true;
  for (unsigned i = 0; i < sizeof rules->either / sizeof *rules->either; i++)
    if (rules->either[i] && !(rules->either[i] & known)) return false;
  return !(rules->parameters & ~known);
}

enum routing_filter routing_filter_of(struct routing_rules *rules, const struct endpoint *e, uint16_t *rank) {
  const struct endpoint_facts *f = &e->facts;
  const struct request_facts *r = rules->facts;
  enum routing_filter by_lists = lists_filter(rules, e, rank);
  if (by_lists != ROUTING_FILTER_NONE) return by_lists;
  if (rules->deny && (f->data == DATA_TRAINS || f->data == DATA_UNKNOWN)) return ROUTING_FILTER_TRAINING;
  if (rules->zdr && f->data != DATA_NOTHING) return ROUTING_FILTER_ZDR;
  if (rules->wish->quantizations && !(rules->wish->quantizations >> f->quantization & 1))
    return ROUTING_FILTER_QUANTIZATION;
  if (rules->prices && too_dear(rules->wish, &e->pricing)) return ROUTING_FILTER_MAX_PRICE;
  if (rules->variant.only_free && f->price > 0) return ROUTING_FILTER_FREE;
  if (too_long(r->prompt_tokens_least, e)) return ROUTING_FILTER_CONTEXT;
  if (lacks(r->input_modalities, f->input_modalities)) return ROUTING_FILTER_INPUT_MODALITY;
  if (lacks(r->output_modalities, f->output_modalities)) return ROUTING_FILTER_OUTPUT_MODALITY;
  if (!f->parameters_shipped && !knows_members(rules, f->parameters)) return ROUTING_FILTER_PARAMETERS;
  return ROUTING_FILTER_NONE;
}

bool routing_unfit(const struct routing_rules *rules, const struct endpoint *e) {
  return (rules->facts->tools && lacks(NAME_BIT(tools), e->facts.parameters)) ||
         (e->facts.parameters_shipped && !knows_members(rules, e->facts.parameters)) ||
         too_long(rules->facts->prompt_tokens, e);
}
