#include "json/keys.h"

#include <stdlib.h>
#include <sys/auxv.h>

#include "json/escape.h"

void keys_free(struct keys *keys) {
  free(keys->slots);
  keys->slots = NULL;
}

static struct str key_text(const char *text, const struct key *key) {
  return str_from(text + key->start, key->end - key->start);
}

static bool same_key(const char *text, const struct key *a, const struct key *b) {
  if (!a->escaped && !b->escaped) return str_eq(key_text(text, a), key_text(text, b));
  struct escape_walk walk_a = escape_walk(key_text(text, a)), walk_b = escape_walk(key_text(text, b));
  for (;;) {
    int byte = escape_walk_next(&walk_a);
    if (byte != escape_walk_next(&walk_b)) return false;
    if (byte < 0) return true;
  }
}

// The kernel gives every process 16 random bytes.
static uint64_t seed(int half) {
  const char *bytes = (const char *)(uintptr_t)getauxval(AT_RANDOM);
  uint64_t value = 0x9E3779B97F4A7C15u;
  if (bytes) memcpy(&value, bytes + 8 * half, 8);
  return value;
}

static uint64_t mix(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t key_hash(const char *text, const struct key *key) {
  uint64_t state = seed(0), factor = seed(1) | 1;
  struct escape_walk walk = escape_walk(key_text(text, key));
  for (int byte; (byte = escape_walk_next(&walk)) >= 0;) state = mix(state + (uint64_t)byte + 1, factor);
  return (uint32_t)mix(state ^ factor, 0x9E3779B97F4A7C15u);
}

// The slot of an equal key, or the free one where it belongs.
static struct key *find_slot(const struct keys *keys, const char *text, const struct key *key) {
  for (uint32_t at = key->hash;; at++) {
    struct key *slot = &keys->slots[at & (keys->slot_count - 1)];
    if (!slot->end || (slot->hash == key->hash && same_key(text, slot, key))) return slot;
  }
}

// Room for one more at a load of at most one half.
static bool make_room(struct keys *keys, const char *text) {
  if (keys->slots && keys->count < keys->slot_count / 2) return true;
  struct keys bigger = {.slot_count = keys->slots ? keys->slot_count * 2 : 4 * KEYS_INSIDE};
  bigger.slots = calloc(bigger.slot_count, sizeof *bigger.slots);
  if (!bigger.slots) return false;
  struct key *from = keys->slots ? keys->slots : keys->inside;
  uint32_t from_count = keys->slots ? keys->slot_count : keys->count;
  for (uint32_t i = 0; i < from_count; i++) {
    if (!from[i].end) continue;
    if (!keys->slots) from[i].hash = key_hash(text, &from[i]);
    *find_slot(&bigger, text, &from[i]) = from[i];
  }
  free(keys->slots);
  keys->slots = bigger.slots;
  keys->slot_count = bigger.slot_count;
  return true;
}

static enum json_error add_hashed(struct keys *keys, const char *text, struct key key) {
  if (!make_room(keys, text)) return JSON_NO_MEMORY;
  key.hash = key_hash(text, &key);
  struct key *slot = find_slot(keys, text, &key);
  if (slot->end) return JSON_DUPLICATE_KEY;
  *slot = key;
  keys->count++;
  return JSON_OK;
}

enum json_error keys_add_slowly(struct keys *keys, const char *text, struct key key) {
  if (keys->count >= KEYS_INSIDE) return add_hashed(keys, text, key);
  for (uint32_t i = 0; i < keys->count; i++)
    if (same_key(text, &keys->inside[i], &key)) return JSON_DUPLICATE_KEY;
  keys->inside[keys->count++] = key;
  return JSON_OK;
}
