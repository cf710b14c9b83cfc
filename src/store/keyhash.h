// HMAC-SHA256 of API keys (RFC 2104), fast: the pepper's two blocks are hashed once. One hasher for each thread.
#pragma once
#include <stdint.h>

#include "base/str.h"

struct key_hasher;
struct key_hasher *key_hasher_new(const uint8_t pepper[32]);  // NULL: out of memory
void key_hasher_free(struct key_hasher *h);
void key_hasher_hash(struct key_hasher *h, struct str text, uint8_t hash[32]);
