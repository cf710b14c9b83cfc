// Random bytes for keys and ids.
#pragma once
#include <stddef.h>
#include <stdint.h>

// From the kernel; aborts the program when there is none (nothing sensible can go on without).
void rand_bytes(void *out, size_t n);
// A fast, seeded generator for ids and jitter; not for secrets.
struct rand {
  uint64_t state[4];
};
void rand_seed(struct rand *r);
uint64_t rand_next(struct rand *r);
// n characters of [0-9A-Za-z], no terminator.
void rand_alnum(struct rand *r, char *out, size_t n);
