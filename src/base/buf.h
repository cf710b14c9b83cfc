// A growing byte buffer, born with its ceiling. Builders append freely and ask once at the end: after a failed append
// (out of memory, over the ceiling) `failed` is set and everything later is ignored.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf {
  char *ptr;
  size_t len, cap;
  size_t max;  // ceiling of len
  bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);
// Empty again, memory kept, failure forgotten.
static inline void buf_clear(struct buf *b) {
  b->len = 0;
  b->failed = false;
}
// Room for `more` bytes behind len, or false (and failed).
bool buf_reserve(struct buf *b, size_t more);
void buf_append_slow(struct buf *b, const void *bytes, size_t n);
static inline void buf_append(struct buf *b, const void *bytes, size_t n) {
  if (!b->failed && b->cap - b->len >= n && n) {
    memcpy(b->ptr + b->len, bytes, n);
    b->len += n;
  } else if (n) {
    buf_append_slow(b, bytes, n);
  }
}
static inline void buf_str(struct buf *b, struct str s) {
  buf_append(b, s.ptr, s.len);
}
// A string literal.
#define buf_lit(b, literal) buf_append((b), "" literal, sizeof(literal) - 1)
static inline void buf_char(struct buf *b, char c) {
  buf_append(b, &c, 1);
}
void buf_u64(struct buf *b, uint64_t value);
void buf_i64(struct buf *b, int64_t value);
PRINTF_LIKE(2, 3) void buf_printf(struct buf *b, const char *format, ...);
static inline struct str buf_view(const struct buf *b) {
  return str_from(b->ptr, b->len);
}
// Removes the first n bytes.
void buf_consume(struct buf *b, size_t n);

// A long run of bytes that belongs at offset `at` of a buffer but is not copied into it: whoever writes the buffer out
// writes it there. Borrowed.
struct buf_hole {
  size_t at;
  struct str bytes;
};
