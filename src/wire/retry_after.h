// When to come back, as a response says it.
#pragma once
#include <stdint.h>

#include "wire/http1.h"

// A moment written as HTTP does: "Mon, 23 Nov 2026 16:02:41 GMT", as unix seconds. 0: it is none.
int64_t retry_after_moment(struct str date);
// Retry-After in seconds or as a date (`unix_s` is now), or retry-after-ms, as seconds that have begun, at most a day;
// a minute when it is neither. 0: nothing is said.
unsigned retry_after(const struct http_head *head, int64_t unix_s);
