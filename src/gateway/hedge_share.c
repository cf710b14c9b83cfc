#include "gateway/hedge_share.h"

bool hedge_share_take(struct hedge_share *s, int64_t requests, unsigned percent) {
  int64_t made = atomic_load_explicit(&s->made, memory_order_relaxed);
  do {
    if (made * 100 >= requests * (int64_t)percent) return false;
  } while (
      !atomic_compare_exchange_weak_explicit(&s->made, &made, made + 1, memory_order_relaxed, memory_order_relaxed));
  return true;
}

void hedge_share_give(struct hedge_share *s) {
  atomic_fetch_sub_explicit(&s->made, 1, memory_order_relaxed);
}
