// Every way to find the end of a plain run must say the same as looking at one byte after the other.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/plain.c"

static const char *plain_end_bytes(const char *p, const char *end) {
  while (p < end && *p != '"' && *p != '\\' && (signed char)*p >= 0x20) p++;
  return p;
}

static const char *plain_end_inline(const char *p, const char *end) {
  return plain_end(p, end);
}

typedef const char *(*plain_fn)(const char *p, const char *end);

static size_t all_ways(plain_fn ways[5]) {
  size_t count = 0;
  ways[count++] = plain_end_inline;
  ways[count++] = plain_end_long;
  ways[count++] = plain_end_words;
#ifdef __SSE2__
  ways[count++] = plain_end_sse2;
  if (__builtin_cpu_supports("avx2")) ways[count++] = plain_end_avx2;
#endif
  return count;
}

// The text in memory of exactly its size.
static void check(const char *text, size_t len) {
  plain_fn ways[5];
  size_t count = all_ways(ways);
  char *copy = malloc(len ? len : 1);
  assert_non_null(copy);
  memcpy(copy, text, len);
  size_t wanted = (size_t)(plain_end_bytes(copy, copy + len) - copy);
  for (size_t i = 0; i < count; i++) {
    size_t got = (size_t)(ways[i](copy, copy + len) - copy);
    if (got != wanted) fail_msg("way %zu: %zu instead of %zu of %zu", i, got, wanted, len);
  }
  free(copy);
}

static void test_each_byte_at_each_place(void **state) {
  (void)state;
  char text[96];
  for (unsigned byte = 0; byte < 256; byte++) {
    for (size_t at = 0; at < sizeof text; at++) {
      memset(text, 'a', sizeof text);
      text[at] = (char)byte;
      check(text, sizeof text);
    }
  }
}

static void test_each_length(void **state) {
  (void)state;
  char text[700];
  memset(text, '~', sizeof text);
  for (size_t len = 0; len < sizeof text; len++) check(text, len);
  for (size_t at = 0; at < sizeof text; at++) {
    text[at] = at % 2 ? '"' : (char)0xE4;
    check(text, sizeof text);
    text[at] = '~';
  }
}

// Two special bytes side by side: the first must win, whatever borrows into the second.
static void test_pairs(void **state) {
  (void)state;
  for (unsigned pair = 0; pair < 0x10000; pair++) {
    char text[] = {'a', 'b', (char)(pair >> 8), (char)pair, 'c', 'd', 'e', 'f', 'g'};
    assert_ptr_equal(plain_end_words(text, text + sizeof text), plain_end_bytes(text, text + sizeof text));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_byte_at_each_place),
      cmocka_unit_test(test_each_length),
      cmocka_unit_test(test_pairs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
