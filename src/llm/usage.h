// Token usage in one normal form, prices, and the cost that follows.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"
#include "llm/money.h"

// Inclusive counts, as OpenAI gives them: cached and cache-write tokens are part of prompt, reasoning of completion,
// and so are the tokens of sound, pictures and moving pictures.
struct usage {
  bool known;      // the provider gave it; else it is an estimate or nothing
  bool estimated;  // counted by us
  uint64_t prompt, completion, total;
  uint64_t cached;          // prompt tokens read from the provider's cache
  uint64_t cache_write;     // prompt tokens written to it
  uint64_t cache_write_1h;  // those of them that are kept for an hour
  uint64_t reasoning;       // completion tokens not shown
  uint64_t audio_prompt, audio_completion;
  uint64_t image_prompt, image_completion;
  uint64_t video_prompt, video_completion;
  uint64_t audio_cached, image_cached, video_cached;  // those of `cached` that are of this kind; 0: not told
  uint64_t images;                                    // pictures in the question, by number
  uint64_t web_searches;                              // made by the provider
  // Calls the provider made beside, perhaps to another model of its own: not in the counts above, but billed. Their
  // price is taken to be the same.
  struct {
    uint64_t prompt, completion;   // prompt with the two that follow
    uint64_t cached, cache_write;  // as above
  } beside;
  bool billed;  // the provider bills other counts than those it used (Cohere): the cost is of these
  uint64_t billed_prompt, billed_completion;
};

// What a provider is known to count beside the counts that should hold it.
enum usage_outside { USAGE_CACHED_OUTSIDE = 1, USAGE_REASONING_OUTSIDE = 2 };
// Brings a provider's counts, read as it names them, into the normal form: what stands outside is added, parts are no
// larger than their whole, the total no smaller than its parts. Counts that no model can reach are not known any more,
// so that an estimate takes their place. `outside`: bits of enum usage_outside.
void usage_settle(struct usage *usage, unsigned outside);

// What two calls for one answer used, together.
void usage_add(struct usage *sum, const struct usage *more);

// OpenRouter's pricing keys (MAP 16.4), and two of ours for moving pictures.
#define PRICE_KEYS(X)   \
  X(prompt)             \
  X(completion)         \
  X(request)            \
  X(image)              \
  X(image_token)        \
  X(image_output)       \
  X(audio)              \
  X(audio_output)       \
  X(input_audio_cache)  \
  X(video)              \
  X(video_output)       \
  X(web_search)         \
  X(internal_reasoning) \
  X(input_cache_read)   \
  X(input_cache_write)  \
  X(input_cache_write_1h)

// A price not given is PRICE_UNSET and falls back as usage_cost says.
#define PRICE_UNSET INT64_MIN
struct price_override;
struct pricing {
#define PRICE_MEMBER(key) price_femto key;
  PRICE_KEYS(PRICE_MEMBER)
#undef PRICE_MEMBER
  const struct price_override *overrides;  // none: NULL
  size_t override_count;
};
extern const struct pricing PRICING_UNSET;  // all prices PRICE_UNSET, no overrides

// Prices that hold instead under conditions: all that are given must be met. Of several entries that apply, the later
// one wins, key by key; what it leaves unset is as it was.
struct price_override {
  uint64_t min_prompt_tokens;   // the whole prompt has more tokens than this; 0: no condition
  bool timed;                   // the hour is one of these:
  uint16_t utc_start, utc_end;  // HHMM, from start to before end, every day; past midnight when start > end
  struct pricing prices;        // without overrides of its own
};

// The names and places of the prices, in the order above; name.len is 0 behind the last.
struct price_key {
  struct str name;
  size_t at;  // in struct pricing
};
extern const struct price_key price_keys[];
static inline price_femto *pricing_at(struct pricing *pricing, const struct price_key *key) {
  return (price_femto *)(void *)((char *)pricing + key->at);
}
static inline price_femto pricing_get(const struct pricing *pricing, const struct price_key *key) {
  return *(const price_femto *)(const void *)((const char *)pricing + key->at);
}
// The prices that `over` sets replace those of `base`; overrides stay as they are.
void pricing_overlay(struct pricing *base, const struct pricing *over);
// Do pictures have a price by number, so that they must be counted?
bool pricing_has_images(const struct pricing *pricing);

struct cost {
  money_pico total, prompt,
      completion;  // total = both + request + web searches + calls beside, each rounded from the exact sum
};
// Each token at one price, the first that is set of:
//   cached             input_cache_read (of sound: input_audio_cache before it), else as if it were not cached
//   cache_write        input_cache_write; of it cache_write_1h: input_cache_write_1h before it; else prompt
//   sound, pictures, moving pictures    audio, image_token, video; audio_output, image_output, video_output
//   reasoning          internal_reasoning
//   the rest           prompt, completion; unset, they are zero
// and `image` for each picture of the question, which counts to the prompt. An override that applies (by the prompt's
// tokens and the hour in which the request came) prices the whole request.
struct cost usage_cost(const struct usage *usage, const struct pricing *pricing, uint64_t unix_seconds);
