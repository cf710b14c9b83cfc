// Hashing API keys: HMAC-SHA256(pepper, text) with the pepper's two blocks hashed once, so that a key costs well under
// a microsecond. One hasher belongs to one thread.
#pragma once
#include <stdint.h>

#include "base/str.h"

struct key_hasher;
// NULL when memory is out or OpenSSL has no SHA-256.
struct key_hasher *key_hasher_new(const uint8_t pepper[32]);
// Wipes what was derived from the pepper. NULL is fine.
void key_hasher_free(struct key_hasher *h);
void key_hasher_hash(struct key_hasher *h, struct str text, uint8_t hash[32]);
