// First half of routing: which endpoints stay, and what keeps the others out. What a request wants of providers is
// worked out once for each provider that comes up, what it wants of endpoints once as masks and limits beside their
// facts: of a thousand endpoints most need a few comparisons.
#pragma once
#include "base/attr.h"
#include "policy/routing.h"

// What the lists say of one provider, and how it does.
enum { RANK_NONE = UINT16_MAX };
struct standing {
  bool known;                            // the rest has been filled in
  bool open;                             // the lists leave in all its endpoints but those of tiers
  bool in_only, in_house_only, ignored;  // by base slug
  bool benched;                          // it, or all its keys
  uint16_t rank;                         // its place in `order` by base slug; RANK_NONE: it is not there
  // Where the first slug for a single offer of it is in a list; RANK_NONE: there is none.
  uint16_t order_pin, only_pin, ignore_pin, house_only_pin, house_ignore_pin;
  uint64_t until;  // when the bench ends
};

struct routing_rules {
  const struct routing_query *q;
  const struct preferences *wish, *house;  // never NULL
  const struct request_facts *facts;
  struct standing *standings;  // by provider index
  uint64_t refused;            // traits for which an endpoint is out
  uint64_t refused_by[ROUTING_FILTER_COUNT];
  uint32_t needed;  // parameters that an endpoint must take, see parameters_needed
  uint32_t tools;   // the same of tools
  uint32_t liked;   // and of what it comes later without: tools, a format, verbosity
  uint32_t prompt_tokens_least, prompt_tokens, completion_tokens;  // the request's, UINT32_MAX where there are more
  price_femto prompt_price_max, completion_price_max;
  double price_max;                   // 0: only free ones
  bool plain_only, plain_house_only;  // these lists name no single offers
};

// `standings`: zeroed, one for each provider of the catalogue.
void routing_rules_init(struct routing_rules *rules, const struct routing_query *q, struct standing *standings);
// The endpoints of another of the query's models are next.
void routing_rules_vary(struct routing_rules *rules, unsigned model);
const struct standing *routing_standing_find(struct routing_rules *rules, const struct provider *provider);
static inline const struct standing *routing_standing(struct routing_rules *rules, const struct provider *provider) {
  const struct standing *s = &rules->standings[provider->index];
  return LIKELY(s->known) ? s : routing_standing_find(rules, provider);
}
// Its place in `order`, by its provider's slug or its own; RANK_NONE: it is not there.
uint16_t routing_order_place(const struct routing_rules *rules, const struct standing *s, const struct endpoint *e);

// The filter that keeps out an endpoint that is not plainly good; NONE: it stays.
enum routing_filter routing_filter_find(const struct routing_rules *rules, const struct standing *s,
                                        const struct endpoint *e);
// NONE: it stays. Does not know OUTPUT, FALLBACKS and PLACES, which hang on the others.
static inline enum routing_filter routing_filter_of(const struct routing_rules *rules, const struct standing *s,
                                                    const struct endpoint *e) {
  const struct endpoint_facts *f = &e->facts;
  bool good = s->open && !((f->traits & rules->refused) | (f->lacks & rules->needed)) &&
              f->prompt_price <= rules->prompt_price_max && f->completion_price <= rules->completion_price_max &&
              f->price <= rules->price_max && f->prompt_tokens_max >= rules->prompt_tokens_least;
  return good ? ROUTING_FILTER_NONE : routing_filter_find(rules, s, e);
}
// It cannot answer with as many tokens as the request allows.
static inline bool routing_answers_short(const struct routing_rules *rules, const struct endpoint *e) {
  return rules->completion_tokens > e->facts.completion_tokens_max;
}
static inline bool routing_lacks_tools(const struct routing_rules *rules, const struct endpoint *e) {
  return rules->tools & (e->facts.lacks | e->facts.may_lack);
}
// It is not known to have what it should have, or room for what is probably the prompt.
static inline bool routing_unfit(const struct routing_rules *rules, const struct endpoint *e) {
  return (rules->liked & (e->facts.lacks | e->facts.may_lack)) || (e->facts.may_lack & rules->needed) ||
         rules->prompt_tokens > e->facts.prompt_tokens_max;
}
