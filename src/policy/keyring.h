// All API keys, for look-up on the hot path: an immutable table by keyed hash. Made anew when keys change; loops swap
// it. Pure: hashes come in as bytes (store/keyhash.h makes them).
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "llm/fault.h"
#include "llm/money.h"

// What a key has spent since ever, shared by all loops and outliving every table; counts in addition to what was in the
// ledger at start.
struct key_spend {
  _Atomic(int64_t) pico;
};

struct key {
  struct str id, name;
  uint8_t hash[32];
  bool management, disabled;
  bool has_limit;
  money_pico limit;
  uint64_t expires;  // unix seconds, 0: never
  struct key_spend *spend;
};

struct keyring;
// Copies the keys. NULL: out of memory.
struct keyring *keyring_new(const struct key *keys, size_t count);
struct keyring *keyring_hold(struct keyring *ring);
void keyring_drop(struct keyring *ring);
size_t keyring_count(const struct keyring *ring);

// NULL: no such key. The comparison takes the same time wherever hashes differ.
const struct key *keyring_find(const struct keyring *ring, const uint8_t hash[32]);

// What a key may do, and the sentence for the client when it may not.
enum key_use { KEY_FOR_INFERENCE, KEY_FOR_ACCOUNT, KEY_FOR_MANAGEMENT };
enum fault key_check(const struct key *key, enum key_use use, uint64_t now_unix_s, struct str *why);
