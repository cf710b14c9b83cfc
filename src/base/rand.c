#define _GNU_SOURCE
#include "base/rand.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void rand_bytes(void *out, size_t n) {
  char *p = out;
  while (n) {
    ssize_t got = getrandom(p, n, 0);
    if (got < 0) {
      perror("getrandom");
      abort();
    }
    p += got;
    n -= (size_t)got;
  }
}

void rand_seed(struct rand *r) {
  rand_bytes(r->state, sizeof r->state);
  r->state[0] |= 1;  // never all zero
}

static inline uint64_t rotl(uint64_t x, int k) {
  return (x << k) | (x >> (64 - k));
}

// xoshiro256++ (Blackman, Vigna: https://prng.di.unimi.it/).
uint64_t rand_next(struct rand *r) {
  uint64_t *s = r->state, result = rotl(s[0] + s[3], 23) + s[0], t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotl(s[3], 45);
  return result;
}

void rand_alnum(struct rand *r, char *out, size_t n) {
  static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (size_t i = 0; i < n;) {
    uint64_t bits = rand_next(r);
    for (int k = 0; k < 10 && i < n; k++, bits >>= 6) {
      if ((bits & 63) < 62) out[i++] = letters[bits & 63];
    }
  }
}
