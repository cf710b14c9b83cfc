#include "policy/keyring.h"

#include <stdlib.h>

struct keyring {
  struct arena arena;
  atomic_uint refs;
  size_t count, mask;
  struct key *slots;  // open addressing; an empty slot has id.ptr NULL
};

static uint64_t slot_of(const uint8_t hash[32]) {
  uint64_t h;
  memcpy(&h, hash, sizeof h);  // an HMAC: any eight bytes are evenly spread
  return h;
}

static bool hash_equal(const uint8_t a[32], const uint8_t b[32]) {
  uint8_t differs = 0;
  for (int i = 0; i < 32; i++) differs |= a[i] ^ b[i];
  return differs == 0;
}

struct keyring *keyring_new(const struct key *keys, size_t count) {
  size_t size = 16;
  while (size < count * 2) size *= 2;
  struct keyring *ring = calloc(1, sizeof *ring);
  if (!ring) return NULL;
  atomic_init(&ring->refs, 1);
  ring->mask = size - 1;
  ring->count = count;
  ring->slots = arena_zalloc(&ring->arena, size * sizeof *ring->slots);
  if (!ring->slots) return keyring_drop(ring), NULL;
  for (size_t i = 0; i < count; i++) {
    uint64_t at = slot_of(keys[i].hash);
    while (ring->slots[at & ring->mask].id.ptr) at++;
    struct key *k = &ring->slots[at & ring->mask];
    *k = keys[i];
    k->id = arena_str(&ring->arena, keys[i].id);
    k->name = arena_str(&ring->arena, keys[i].name);
    if (!k->id.ptr || !k->name.ptr) return keyring_drop(ring), NULL;
  }
  return ring;
}

struct keyring *keyring_hold(struct keyring *ring) {
  atomic_fetch_add_explicit(&ring->refs, 1, memory_order_relaxed);
  return ring;
}

void keyring_drop(struct keyring *ring) {
  if (!ring || atomic_fetch_sub_explicit(&ring->refs, 1, memory_order_acq_rel) != 1) return;
  arena_free(&ring->arena);
  free(ring);
}

size_t keyring_count(const struct keyring *ring) {
  return ring->count;
}

const struct key *keyring_find(const struct keyring *ring, const uint8_t hash[32]) {
  for (uint64_t at = slot_of(hash);; at++) {
    const struct key *k = &ring->slots[at & ring->mask];
    if (!k->id.ptr) return NULL;
    if (hash_equal(k->hash, hash)) return k;
  }
}

enum fault key_check(const struct key *key, enum key_use use, uint64_t now_unix_s, struct str *why) {
  if (key->disabled) {
    *why = STR("This API key is disabled. Enable it with `signalbox keys enable`, or use another one.");
    return FAULT_UNAUTHENTICATED;
  }
  if (key->expires && key->expires <= now_unix_s) {
    *why = STR("This API key has expired. Create a new one with `signalbox keys create`.");
    return FAULT_UNAUTHENTICATED;
  }
  if (use == KEY_FOR_MANAGEMENT && !key->management) {
    *why = STR("This needs the management key; an inference key cannot do it.");
    return FAULT_FORBIDDEN;
  }
  if (use == KEY_FOR_INFERENCE && key->management) {
    *why = STR("The management key cannot be used for inference. Create an API key with `signalbox keys create`.");
    return FAULT_FORBIDDEN;
  }
  if (use == KEY_FOR_INFERENCE && key->has_limit &&
      atomic_load_explicit(&key->spend->pico, memory_order_relaxed) >= key->limit) {
    *why = STR("This API key has used up its limit. Raise the limit or use another key.");
    return FAULT_PAYMENT;
  }
  return FAULT_NONE;
}
