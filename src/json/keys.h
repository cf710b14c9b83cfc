// The keys of one object, to find a key that comes twice, however it is spelt. Sixteen are kept inside and compared one
// by one behind a filter of 64 bits; more go to a hash table whose seed differs from process to process, so that nobody
// can prepare keys that all fall into one place.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "json/json.h"

struct key {
  uint32_t start, end;  // the inside of the string; end is never 0, so 0 means a free slot
  uint32_t hash;
  bool escaped;
};

enum { KEYS_INSIDE = 16 };
struct keys {
  uint64_t filter;
  uint32_t count;
  uint32_t slot_count;  // a power of two
  struct key *slots;    // NULL while the keys fit inside
  struct key inside[KEYS_INSIDE];
};

// Leaves inside[] as it is: this runs for every parse.
static inline void keys_init(struct keys *keys) {
  keys->filter = 0;
  keys->count = 0;
  keys->slots = NULL;
}
void keys_free(struct keys *keys);
// Where the filter does not know: a look at every key.
enum json_error keys_add_slowly(struct keys *keys, const char *text, struct key key);

// One bit of 64 from length, first and last byte. An escaped key may equal any other and has all bits.
static inline uint64_t keys_filter_bit(const char *text, const struct key *key) {
  uint32_t len = key->end - key->start;
  if (key->escaped) return UINT64_MAX;
  if (len == 0) return 1;
  // Factors that keep the usual keys of chat requests, replies and chunks apart.
  uint32_t mixed = len + 3 * ((unsigned char)text[key->start] + (unsigned char)text[key->end - 1]);
  return (uint64_t)1 << (mixed & 63);
}

// Adds the key whose inside is text[start, end). JSON_OK, JSON_DUPLICATE_KEY or JSON_NO_MEMORY.
static inline enum json_error keys_add(struct keys *keys, const char *text, uint32_t start, uint32_t end,
                                       bool escaped) {
  struct key key = {.start = start, .end = end, .escaped = escaped};
  uint64_t bit = keys_filter_bit(text, &key);
  bool new = !(keys->filter & bit);
  keys->filter |= bit;
  if (UNLIKELY(!new) || UNLIKELY(keys->count >= KEYS_INSIDE)) return keys_add_slowly(keys, text, key);
  keys->inside[keys->count++] = key;
  return JSON_OK;
}
