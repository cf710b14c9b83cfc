// What a request cost: counts split into disjoint kinds of token, each at its price.
#include "llm/usage.h"

const struct pricing PRICING_UNSET = {
#define UNSET(key) .key = PRICE_UNSET,
    PRICE_KEYS(UNSET)
#undef UNSET
};

const struct price_key price_keys[] = {
#define KEY(key) {{#key, sizeof #key - 1}, offsetof(struct pricing, key)},
    PRICE_KEYS(KEY)
#undef KEY
        {{0}, 0},
};

// No real request counts this many tokens; the bound keeps the exact sums far from their 128 bits whatever a provider
// says.
static const uint64_t COUNT_MAX = (uint64_t)1 << 48;

// Beyond this a count is senseless: ten times the longest context there is.
static const uint64_t COUNT_SENSIBLE = 100000000;

static uint64_t at_most(uint64_t count, uint64_t limit) {
  return count < limit ? count : limit;
}

static uint64_t bounded(uint64_t count) {
  return at_most(count, COUNT_MAX);
}

// --- the normal form ---

// Some count reasoning beside the completion instead of inside. The total tells which, where it is given.
static bool reasoning_is_outside(const struct usage *u, unsigned outside) {
  if (!u->reasoning || u->total == u->prompt + u->completion) return false;
  return outside & USAGE_REASONING_OUTSIDE || u->reasoning > u->completion ||
         u->total == u->prompt + u->completion + u->reasoning;
}

// The same of what was cached; where no total tells, more cached than asked gives it away.
static bool cached_is_outside(const struct usage *u, unsigned outside) {
  if (!u->cached) return false;
  return u->total == u->prompt + u->completion + u->cached || (outside & USAGE_CACHED_OUTSIDE && u->cached > u->prompt);
}

// The kinds of a whole do not overlap: together they are no more than it.
static void fit(uint64_t whole, uint64_t *a, uint64_t *b, uint64_t *c) {
  *a = at_most(*a, whole);
  *b = at_most(*b, whole - *a);
  *c = at_most(*c, whole - *a - *b);
}

void usage_settle(struct usage *u, unsigned outside) {
  if (u->prompt > COUNT_SENSIBLE || u->completion > COUNT_SENSIBLE) u->known = false;
  u->prompt = bounded(u->prompt);
  u->completion = bounded(u->completion);
  u->cached = bounded(u->cached);
  u->reasoning = bounded(u->reasoning);
  if (reasoning_is_outside(u, outside)) u->completion = bounded(u->completion + u->reasoning);
  if (cached_is_outside(u, outside)) u->prompt = bounded(u->prompt + u->cached);
  u->cached = at_most(u->cached, u->prompt);
  u->cache_write = at_most(u->cache_write, u->prompt - u->cached);
  u->cache_write_1h = at_most(u->cache_write_1h, u->cache_write);
  u->reasoning = at_most(u->reasoning, u->completion);
  fit(u->prompt, &u->audio_prompt, &u->image_prompt, &u->video_prompt);
  fit(u->completion, &u->audio_completion, &u->image_completion, &u->video_completion);
  fit(u->cached, &u->audio_cached, &u->image_cached, &u->video_cached);
  u->audio_cached = at_most(u->audio_cached, u->audio_prompt);
  u->image_cached = at_most(u->image_cached, u->image_prompt);
  u->video_cached = at_most(u->video_cached, u->video_prompt);
  if (u->total < u->prompt + u->completion) u->total = u->prompt + u->completion;
}

// --- which prices ---

void pricing_overlay(struct pricing *base, const struct pricing *over) {
  for (const struct price_key *key = price_keys; key->name.len; key++) {
    price_femto price = pricing_get(over, key);
    if (price != PRICE_UNSET) *pricing_at(base, key) = price;
  }
}

bool pricing_has_images(const struct pricing *pricing) {
  bool any = pricing->image > 0;
  for (size_t i = 0; i < pricing->override_count; i++) any = any || pricing->overrides[i].prices.image > 0;
  return any;
}

static bool applies(const struct price_override *o, uint64_t prompt_tokens, uint64_t unix_seconds) {
  if (o->min_prompt_tokens && prompt_tokens <= o->min_prompt_tokens) return false;
  if (!o->timed) return true;
  unsigned clock = (unsigned)(unix_seconds / 3600 % 24 * 100 + unix_seconds / 60 % 60);
  if (o->utc_start <= o->utc_end) return clock >= o->utc_start && clock < o->utc_end;
  return clock >= o->utc_start || clock < o->utc_end;
}

// `pricing`, or what becomes of it in *room.
static const struct pricing *pricing_now(const struct pricing *pricing, uint64_t prompt_tokens, uint64_t unix_seconds,
                                         struct pricing *room) {
  bool changed = false;
  for (size_t i = 0; i < pricing->override_count; i++) {
    const struct price_override *o = &pricing->overrides[i];
    if (!applies(o, prompt_tokens, unix_seconds)) continue;
    if (!changed) *room = *pricing;
    changed = true;
    pricing_overlay(room, &o->prices);
  }
  return changed ? room : pricing;
}

static price_femto price_or(price_femto price, price_femto fallback) {
  return price == PRICE_UNSET ? fallback : price;
}

// --- the sum ---

// Moves up to `want` tokens out of *rest and charges them. What a provider counts beyond the total it named is not
// charged twice.
static void charge_part(struct money_sum *sum, uint64_t *rest, uint64_t want, price_femto price) {
  uint64_t count = at_most(want, *rest);
  *rest -= count;
  money_sum_add(sum, count, price);
}

static uint64_t without(uint64_t whole, uint64_t part) {
  return whole > part ? whole - part : 0;
}

static void charge_prompt(struct money_sum *sum, const struct usage *u, const struct pricing *p) {
  price_femto plain = price_or(p->prompt, 0), audio = price_or(p->audio, plain);
  price_femto image = price_or(p->image_token, plain), video = price_or(p->video, plain);
  uint64_t rest = bounded(u->prompt), cached = at_most(u->cached, rest);
  rest -= cached;
  // Where it is not told which tokens were cached, they are taken for text.
  charge_part(sum, &cached, u->audio_cached, price_or(p->input_audio_cache, price_or(p->input_cache_read, audio)));
  charge_part(sum, &cached, u->image_cached, price_or(p->input_cache_read, image));
  charge_part(sum, &cached, u->video_cached, price_or(p->input_cache_read, video));
  money_sum_add(sum, cached, price_or(p->input_cache_read, plain));

  price_femto write = price_or(p->input_cache_write, plain);
  uint64_t hour = at_most(u->cache_write_1h, u->cache_write);
  charge_part(sum, &rest, hour, price_or(p->input_cache_write_1h, write));
  charge_part(sum, &rest, u->cache_write - hour, write);
  charge_part(sum, &rest, without(u->audio_prompt, u->audio_cached), audio);
  charge_part(sum, &rest, without(u->image_prompt, u->image_cached), image);
  charge_part(sum, &rest, without(u->video_prompt, u->video_cached), video);
  money_sum_add(sum, rest, plain);
}

static void charge_completion(struct money_sum *sum, const struct usage *u, const struct pricing *p) {
  price_femto plain = price_or(p->completion, 0);
  uint64_t rest = bounded(u->completion);
  charge_part(sum, &rest, u->reasoning, price_or(p->internal_reasoning, plain));
  charge_part(sum, &rest, u->audio_completion, price_or(p->audio_output, plain));
  charge_part(sum, &rest, u->image_completion, price_or(p->image_output, plain));
  charge_part(sum, &rest, u->video_completion, price_or(p->video_output, plain));
  money_sum_add(sum, rest, plain);
}

void usage_add(struct usage *sum, const struct usage *more) {
  sum->known |= more->known;
  sum->estimated |= more->estimated;
  sum->prompt += more->prompt;
  sum->completion += more->completion;
  sum->total += more->total;
  sum->cached += more->cached;
  sum->cache_write += more->cache_write;
  sum->cache_write_1h += more->cache_write_1h;
  sum->reasoning += more->reasoning;
  sum->audio_prompt += more->audio_prompt;
  sum->audio_completion += more->audio_completion;
  sum->image_prompt += more->image_prompt;
  sum->image_completion += more->image_completion;
  sum->video_prompt += more->video_prompt;
  sum->video_completion += more->video_completion;
  sum->audio_cached += more->audio_cached;
  sum->image_cached += more->image_cached;
  sum->video_cached += more->video_cached;
  sum->images += more->images;
  sum->web_searches += more->web_searches;
  sum->beside.prompt += more->beside.prompt;
  sum->beside.completion += more->beside.completion;
  sum->beside.cached += more->beside.cached;
  sum->beside.cache_write += more->beside.cache_write;
  sum->billed |= more->billed;
  sum->billed_prompt += more->billed_prompt;
  sum->billed_completion += more->billed_completion;
}

struct cost usage_cost(const struct usage *usage, const struct pricing *pricing, uint64_t unix_seconds) {
  struct pricing room;
  if (UNLIKELY(pricing->override_count)) pricing = pricing_now(pricing, usage->prompt, unix_seconds, &room);
  struct money_sum prompt = {0}, completion = {0};
  if (usage->billed) {
    money_sum_add(&prompt, bounded(usage->billed_prompt), price_or(pricing->prompt, 0));
    money_sum_add(&completion, bounded(usage->billed_completion), price_or(pricing->completion, 0));
  } else {
    charge_prompt(&prompt, usage, pricing);
    charge_completion(&completion, usage, pricing);
  }
  money_sum_add(&prompt, bounded(usage->images), price_or(pricing->image, 0));

  struct money_sum total = {.femto = prompt.femto + completion.femto};
  if (UNLIKELY(usage->beside.prompt || usage->beside.completion)) {
    struct usage beside = {.prompt = usage->beside.prompt,
                           .completion = usage->beside.completion,
                           .cached = usage->beside.cached,
                           .cache_write = usage->beside.cache_write};
    charge_prompt(&total, &beside, pricing);
    charge_completion(&total, &beside, pricing);
  }
  money_sum_add(&total, 1, price_or(pricing->request, 0));
  money_sum_add(&total, bounded(usage->web_searches), price_or(pricing->web_search, 0));
  return (struct cost){
      .total = money_sum_total(&total),
      .prompt = money_sum_total(&prompt),
      .completion = money_sum_total(&completion),
  };
}
