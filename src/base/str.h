// A string from outside: a pointer and a length, passed by value, never NUL-terminated.
// It owns nothing; whoever made the bytes says how long they live.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

struct str {
  const char *ptr;
  size_t len;
};

// A struct str of a string literal.
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
// The two arguments of printf's "%.*s".
#define STR_ARGS(s) (int)(s).len, (s).ptr

static inline struct str str_from(const char *ptr, size_t len) {
  return (struct str){ptr, len};
}
// NULL gives the empty string.
static inline struct str str_from_cstr(const char *cstr) {
  return (struct str){cstr, cstr ? strlen(cstr) : 0};
}
static inline bool str_eq(struct str a, struct str b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool str_starts(struct str s, struct str prefix) {
  return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}
static inline bool str_ends(struct str s, struct str suffix) {
  return s.len >= suffix.len && (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}
// The part from `from` on; empty when `from` lies behind the end.
static inline struct str str_skip(struct str s, size_t from) {
  return from < s.len ? (struct str){s.ptr + from, s.len - from} : (struct str){s.ptr + s.len, 0};
}
// ASCII only.
bool str_eq_nocase(struct str a, struct str b);
bool str_starts_nocase(struct str s, struct str prefix);
// The offset of the first match at or after `from`; SIZE_MAX when there is none.
size_t str_find(struct str s, struct str needle, size_t from);
size_t str_find_char(struct str s, char c, size_t from);
// Without spaces and tabs at both ends.
struct str str_trim(struct str s);
// Cuts the next piece off *rest at `separator` and leaves the remainder; false when *rest is used up (ptr NULL).
bool str_split(struct str *rest, char separator, struct str *piece);
// Decimal digits only, no sign, no blanks, at most `max`.
MUST_CHECK bool str_to_u64(struct str s, uint64_t max, uint64_t *out);
// A malloc'd NUL-terminated copy, or NULL. The caller frees it.
char *str_dup(struct str s);
