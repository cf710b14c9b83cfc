// The only place that asks the hour.
#pragma once
#include <stdint.h>

// Nanoseconds of a clock that never jumps; good for differences only.
uint64_t time_mono_ns(void);
// Microseconds since 1970-01-01 UTC.
uint64_t time_unix_us(void);

// For tests: from here on both tell what stands in `clock`, in all threads. NULL: the real ones again.
struct time_clock {
  uint64_t mono_ns, unix_us;
};
void time_use(const struct time_clock *clock);
