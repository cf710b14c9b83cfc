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
// Scatters the bits of a number, always alike (the last step of SplitMix64).
static inline uint64_t rand_mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}
