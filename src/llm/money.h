// Exact money. No floating point anywhere.
//   price: USD per unit (token, image, request) in 1e-15 USD ("femto"), so that catalogue decimals fit exactly
//   money: USD in 1e-12 ("pico"); a sum of products is rounded once, half up
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

typedef int64_t money_pico;   // an amount
typedef int64_t price_femto;  // a price of one unit

// Decimal text, also with exponent ("1.5e-07"): false when it is not one, negative, does not fit, or has digits below
// 1e-15 that are not zero.
MUST_CHECK bool price_parse(struct str text, price_femto *out);
MUST_CHECK bool money_parse(struct str text, money_pico *out);
// Plain decimals, no exponent, no needless zeros: "0.00000015", "0", "12.5".
void price_write(struct buf *out, price_femto price);
void money_write(struct buf *out, money_pico amount);

// An exact running sum of count * price. All-zero is empty.
struct money_sum {
  __int128 femto;
};
static inline void money_sum_add(struct money_sum *sum, uint64_t count, price_femto price) {
  sum->femto += (__int128)count * price;
}
// Rounded half up to pico; saturates at INT64_MAX.
money_pico money_sum_total(const struct money_sum *sum);
