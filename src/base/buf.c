#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max) {
  *b = (struct buf){.max = max};
}

void buf_free(struct buf *b) {
  free(b->ptr);
  *b = (struct buf){.max = b->max};
}

bool buf_reserve(struct buf *b, size_t more) {
  if (b->failed) return false;
  if (b->cap - b->len >= more) return true;
  if (more > b->max || b->len > b->max - more) return b->failed = true, false;
  size_t cap = b->cap ? b->cap : 256;
  while (cap < b->len + more) cap *= 2;
  if (cap > b->max) cap = b->max;
  char *grown = realloc(b->ptr, cap);
  if (!grown) return b->failed = true, false;
  b->ptr = grown;
  b->cap = cap;
  return true;
}

void buf_append_slow(struct buf *b, const void *bytes, size_t n) {
  if (!buf_reserve(b, n)) return;
  memcpy(b->ptr + b->len, bytes, n);
  b->len += n;
}

void buf_u64(struct buf *b, uint64_t value) {
  char digits[20];
  size_t at = sizeof digits;
  if (value < 10) {
    buf_char(b, (char)('0' + value));
    return;
  }
  for (; value >= 10; value /= 100) {  // two at a time
    unsigned pair = (unsigned)(value % 100);
    digits[--at] = (char)('0' + pair % 10);
    digits[--at] = (char)('0' + pair / 10);
  }
  if (value) digits[--at] = (char)('0' + value);
  buf_append(b, digits + at, sizeof digits - at);
}

void buf_i64(struct buf *b, int64_t value) {
  if (value < 0) buf_char(b, '-');
  buf_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_printf(struct buf *b, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (len >= 0 && buf_reserve(b, (size_t)len + 1)) {
    vsnprintf(b->ptr + b->len, (size_t)len + 1, format, again);
    b->len += (size_t)len;
  }
  va_end(again);
}

void buf_consume(struct buf *b, size_t n) {
  assert(n <= b->len);
  if (n && n < b->len) memmove(b->ptr, b->ptr + n, b->len - n);
  b->len -= n;
}
