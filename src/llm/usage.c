// What a request cost: counts split into disjoint kinds of token, each at its price.
#include "llm/usage.h"

const struct pricing PRICING_UNSET = {
    .prompt = PRICE_UNSET,
    .completion = PRICE_UNSET,
    .request = PRICE_UNSET,
    .image = PRICE_UNSET,
    .image_token = PRICE_UNSET,
    .image_output = PRICE_UNSET,
    .audio = PRICE_UNSET,
    .audio_output = PRICE_UNSET,
    .web_search = PRICE_UNSET,
    .internal_reasoning = PRICE_UNSET,
    .input_cache_read = PRICE_UNSET,
    .input_cache_write = PRICE_UNSET,
    .input_cache_write_1h = PRICE_UNSET,
};

// No real request counts this many tokens; the bound keeps the exact sums far from their 128 bits whatever a provider
// says.
static const uint64_t COUNT_MAX = (uint64_t)1 << 48;

static price_femto price_or(price_femto price, price_femto fallback) {
  return price == PRICE_UNSET ? fallback : price;
}

// Moves up to `want` tokens out of *rest and charges them. What a provider counts beyond the total it named is not
// charged twice.
static void charge_part(struct money_sum *sum, uint64_t *rest, uint64_t want, price_femto price) {
  uint64_t count = want < *rest ? want : *rest;
  *rest -= count;
  money_sum_add(sum, count, price);
}

static uint64_t bounded(uint64_t count) {
  return count < COUNT_MAX ? count : COUNT_MAX;
}

struct cost usage_cost(const struct usage *usage, const struct pricing *pricing) {
  price_femto prompt_price = price_or(pricing->prompt, 0);
  struct money_sum prompt = {0};
  uint64_t rest = bounded(usage->billed ? usage->billed_prompt : usage->prompt);
  charge_part(&prompt, &rest, usage->cached, price_or(pricing->input_cache_read, prompt_price));
  price_femto write_price = price_or(pricing->input_cache_write, prompt_price);
  uint64_t hour = usage->cache_write_1h < usage->cache_write ? usage->cache_write_1h : usage->cache_write;
  charge_part(&prompt, &rest, hour, price_or(pricing->input_cache_write_1h, write_price));
  charge_part(&prompt, &rest, usage->cache_write - hour, write_price);
  charge_part(&prompt, &rest, usage->audio_prompt, price_or(pricing->audio, prompt_price));
  money_sum_add(&prompt, rest, prompt_price);

  price_femto completion_price = price_or(pricing->completion, 0);
  struct money_sum completion = {0};
  rest = bounded(usage->billed ? usage->billed_completion : usage->completion);
  charge_part(&completion, &rest, usage->reasoning, price_or(pricing->internal_reasoning, completion_price));
  charge_part(&completion, &rest, usage->audio_completion, price_or(pricing->audio_output, completion_price));
  charge_part(&completion, &rest, usage->image_completion, price_or(pricing->image_output, completion_price));
  money_sum_add(&completion, rest, completion_price);

  struct money_sum total = {.femto = prompt.femto + completion.femto};
  money_sum_add(&total, 1, price_or(pricing->request, 0));
  money_sum_add(&total, bounded(usage->web_searches), price_or(pricing->web_search, 0));
  return (struct cost){
      .total = money_sum_total(&total),
      .prompt = money_sum_total(&prompt),
      .completion = money_sum_total(&completion),
  };
}
