// Memory that dies all at once: a request's, a configuration's. Allocation is a pointer bump; there is no single free.
// All-zero is a valid empty arena with no ceiling; nothing is held until the first allocation.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct arena_chunk;
struct arena {
  struct arena_chunk *chunks;  // newest first
  char *at, *end;              // free part of the newest chunk
  size_t held;                 // bytes taken from malloc
  size_t max;                  // ceiling of `held`; 0 means none
  size_t chunk_size;           // of the next chunk; 0 means 4 KiB
  bool failed;                 // an allocation was refused: whoever asks once at the end sees it here
};

// 16-byte aligned, not cleared. NULL when out of memory or over the ceiling.
void *arena_alloc(struct arena *a, size_t size);
// Cleared.
void *arena_zalloc(struct arena *a, size_t size);
// A copy in the arena, NUL-terminated behind its end; {NULL, 0} when out of memory.
struct str arena_str(struct arena *a, struct str s);
// Like asprintf into the arena; {NULL, 0} when out of memory.
PRINTF_LIKE(2, 3) struct str arena_printf(struct arena *a, const char *format, ...);
// Frees everything; the arena is empty and usable again.
void arena_free(struct arena *a);
