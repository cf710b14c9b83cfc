// How many requests may be hedged: so many of a hundred, over all time and all loops of the process.
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hedge_share {
  _Atomic(int64_t) made;
};

// One more, when the share of `requests` (of all loops, this one among them) is not used up; the first is always
// allowed.
bool hedge_share_take(struct hedge_share *s, int64_t requests, unsigned percent);
// It was not made after all.
void hedge_share_give(struct hedge_share *s);
