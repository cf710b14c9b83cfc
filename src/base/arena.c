#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_chunk {
  struct arena_chunk *next;
  size_t size;
  _Alignas(16) char bytes[];
};

enum { CHUNK_SIZE_DEFAULT = 4096 };

static bool grow(struct arena *a, size_t need) {
  size_t size = a->chunk_size ? a->chunk_size : CHUNK_SIZE_DEFAULT;
  if (size < need + sizeof(struct arena_chunk)) size = need + sizeof(struct arena_chunk);
  if (a->max && (size > a->max || a->held > a->max - size)) return false;
  struct arena_chunk *chunk = malloc(size);
  if (!chunk) return false;
  chunk->next = a->chunks;
  chunk->size = size;
  a->chunks = chunk;
  a->held += size;
  a->at = chunk->bytes;
  a->end = (char *)chunk + size;
  return true;
}

void *arena_alloc(struct arena *a, size_t size) {
  bool fits = size <= SIZE_MAX / 2;
  size = (size + 15) & ~(size_t)15;
  if (!fits || ((size_t)(a->end - a->at) < size && !grow(a, size))) {
    a->failed = true;
    return NULL;
  }
  void *p = a->at;
  a->at += size;
  return p;
}

void *arena_zalloc(struct arena *a, size_t size) {
  void *p = arena_alloc(a, size);
  return p ? memset(p, 0, size) : NULL;
}

struct str arena_str(struct arena *a, struct str s) {
  char *p = arena_alloc(a, s.len + 1);
  if (!p) return (struct str){0};
  if (s.len) memcpy(p, s.ptr, s.len);
  p[s.len] = 0;
  return str_from(p, s.len);
}

struct str arena_printf(struct arena *a, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *p = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
  if (p) vsnprintf(p, (size_t)len + 1, format, again);
  va_end(again);
  return p ? str_from(p, (size_t)len) : (struct str){0};
}

void arena_free(struct arena *a) {
  for (struct arena_chunk *c = a->chunks, *next; c; c = next) {
    next = c->next;
    free(c);
  }
  *a = (struct arena){.max = a->max, .chunk_size = a->chunk_size};
}
