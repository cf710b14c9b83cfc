// First half of routing: which endpoints stay, and what keeps the others out. What preferences say of providers is
// worked out once for each provider that comes up, so that a thousand endpoints need no look at names.
#pragma once
#include "policy/routing.h"

// What the lists say of one provider, and how it does.
enum { RANK_NONE = UINT16_MAX };
struct standing {
  bool known;                                                // the rest has been filled in
  bool in_only, in_house_only, ignored;                      // by base slug
  bool only_pins, house_only_pins, ignore_pins, order_pins;  // there are slugs for single offers
  uint16_t rank;   // its place in `order` by base slug; RANK_NONE: it is not there
  bool benched;    // it, or all its keys
  uint64_t until;  // when that ends
};

struct routing_rules {
  const struct routing_query *q;
  const struct preferences *wish, *house;  // never NULL
  const struct request_facts *facts;
  struct standing *standings;         // by provider index
  uint32_t parameters;                // that an endpoint must know; alternatives are in `either`
  uint32_t either[3];                 // one bit of each set is enough; 0: none needed
  bool deny, zdr, prices;             // prices: there is a max_price
  struct routing_variant variant;     // what holds for the model at hand; routing_rules_vary
  bool plain_only, plain_house_only;  // these lists name no single offers
};

// `standings`: zeroed, one for each provider of the catalogue.
void routing_rules_init(struct routing_rules *rules, const struct routing_query *q, struct standing *standings);
// The endpoints of another of the query's models are next.
void routing_rules_vary(struct routing_rules *rules, unsigned model);
const struct standing *routing_standing_find(struct routing_rules *rules, const struct provider *provider);
static inline const struct standing *routing_standing(struct routing_rules *rules, const struct provider *provider) {
  const struct standing *s = &rules->standings[provider->index];
  return s->known ? s : routing_standing_find(rules, provider);
}
// NONE: it stays. *rank: its place in `order`. Does not know OUTPUT, FALLBACKS and PLACES, which hang on the others.
enum routing_filter routing_filter_of(struct routing_rules *rules, const struct endpoint *e, uint16_t *rank);
// It cannot answer with as many tokens as the request allows.
static inline bool routing_answers_short(const struct routing_rules *rules, const struct endpoint *e) {
  return e->max_completion_tokens && rules->facts->max_tokens > e->max_completion_tokens;
}
// It is not known to have tools, or room for what is probably the prompt.
bool routing_unfit(const struct routing_rules *rules, const struct endpoint *e);
