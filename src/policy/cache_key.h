// The name of a request in the response cache: SHA-256 over everything that decides its answer. Requests that mean the
// same have the same name, however they are spelt: white space, the order of an object's members and the spelling of
// strings do not count. Numbers count byte by byte, lists by their order.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

enum {
  CACHE_KEY_SIZE = 32,
  CACHE_KEY_INDEXED = 4 << 20,  // a longer body is hashed as it is: its index could be eight times as large
};

// What counts beside the body.
struct cache_scope {
  struct str key_id;  // of the caller's key; empty: shared by all keys
  struct str skin;    // "chat"
  struct str more;    // header fields that reach the provider
};

// `body` is one JSON object. Of its outermost members those that do not change the answer are left out: `user`,
// `safety_identifier`, `session_id`, `trace`, `metadata`, `prompt_cache_key`, `prompt_cache_retention`, and `stream`
// unless it is true. False: no JSON object, or out of memory.
MUST_CHECK bool cache_key_make(struct str body, const struct cache_scope *scope, uint8_t key[CACHE_KEY_SIZE]);

// SHA-256 of the parts, with a mark behind each that no text has. False: out of memory.
MUST_CHECK bool cache_key_plain(const struct str *parts, unsigned count, uint8_t key[CACHE_KEY_SIZE]);
