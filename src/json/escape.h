// What stands behind a backslash in a JSON string: checked by the scanner, decoded by the readers.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

// The value of a hexadecimal digit, 16 or more for other bytes.
extern const uint8_t escape_hex[256];
// 2 for the bytes that may follow a backslash, 6 for 'u', else 0.
extern const uint8_t escape_lengths[256];

// The length of the escape at p (a backslash); 0 when it is wrong or cut off.
static inline unsigned escape_length(const char *p, const char *end) {
  const unsigned char *u = (const unsigned char *)p;
  unsigned len = end - p >= 2 ? escape_lengths[u[1]] : 0;
  if (len == 2) return 2;
  if (len > (size_t)(end - p) || len == 0) return 0;
  return (escape_hex[u[2]] | escape_hex[u[3]] | escape_hex[u[4]] | escape_hex[u[5]]) < 16 ? 6 : 0;
}
// Where escape_length says 0: the byte that should be another, or `end`.
const char *escape_wrong(const char *p, const char *end);

// Decodes the escape at *p of a checked string, a surrogate pair as one, and moves *p behind it. Returns the number of
// bytes in `out`. A lone surrogate is written as if it were a character (escape_is_lone knows it again).
unsigned escape_decode(const char **p, const char *end, char out[4]);
static inline bool escape_is_lone(const char *bytes, unsigned len) {
  return len == 3 && (unsigned char)bytes[0] == 0xED && (unsigned char)bytes[1] >= 0xA0;
}

// The front of a checked string's inside, at most `max` bytes, cut neither in an escape nor in a character.
struct str escape_front(struct str inside, size_t max);

// How many characters a checked string's inside stands for; a surrogate pair is one.
uint64_t escape_characters(struct str inside);

// Walks the decoded bytes of a checked string's inside, without memory.
struct escape_walk {
  const char *p, *end;
  char held[4];
  unsigned at, len;
};
static inline struct escape_walk escape_walk(struct str inside) {
  if (!inside.len) inside = STR("");
  return (struct escape_walk){.p = inside.ptr, .end = inside.ptr + inside.len};
}
// The next byte, -1 at the end.
static inline int escape_walk_next(struct escape_walk *walk) {
  if (walk->at == walk->len) {
    if (walk->p == walk->end) return -1;
    if (*walk->p != '\\') return (unsigned char)*walk->p++;
    walk->len = escape_decode(&walk->p, walk->end, walk->held);
    walk->at = 0;
  }
  return (unsigned char)walk->held[walk->at++];
}
