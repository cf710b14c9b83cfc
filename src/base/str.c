#define _GNU_SOURCE
#include "base/str.h"

#include <stdlib.h>

static inline char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool str_eq_nocase(struct str a, struct str b) {
  return a.len == b.len && str_starts_nocase(a, b);
}

bool str_starts_nocase(struct str s, struct str prefix) {
  if (s.len < prefix.len) return false;
  for (size_t i = 0; i < prefix.len; i++)
    if (lower(s.ptr[i]) != lower(prefix.ptr[i])) return false;
  return true;
}

size_t str_find(struct str s, struct str needle, size_t from) {
  if (from > s.len || s.len - from < needle.len) return SIZE_MAX;
  if (needle.len == 0) return from;
  const char *hit = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
  return hit ? (size_t)(hit - s.ptr) : SIZE_MAX;
}

size_t str_find_char(struct str s, char c, size_t from) {
  if (from >= s.len) return SIZE_MAX;
  const char *hit = memchr(s.ptr + from, c, s.len - from);
  return hit ? (size_t)(hit - s.ptr) : SIZE_MAX;
}

struct str str_trim(struct str s) {
  while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) s.ptr++, s.len--;
  while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) s.len--;
  return s;
}

bool str_split(struct str *rest, char separator, struct str *piece) {
  if (!rest->ptr) return false;
  size_t at = str_find_char(*rest, separator, 0);
  if (at == SIZE_MAX) {
    *piece = *rest;
    *rest = (struct str){0};
  } else {
    *piece = str_from(rest->ptr, at);
    *rest = str_skip(*rest, at + 1);
  }
  return true;
}

bool str_to_u64(struct str s, uint64_t max, uint64_t *out) {
  if (s.len == 0 || s.len > 20) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < s.len; i++) {
    if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
    if (__builtin_mul_overflow(value, 10, &value)) return false;
    if (__builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value)) return false;
  }
  if (value > max) return false;
  *out = value;
  return true;
}

char *str_dup(struct str s) {
  char *copy = malloc(s.len + 1);
  if (!copy) return NULL;
  if (s.len) memcpy(copy, s.ptr, s.len);
  copy[s.len] = 0;
  return copy;
}
