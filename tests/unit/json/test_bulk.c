// The accelerator for long strings: what it passes over must be valid, it must not stop without a reason, and a text
// around it must get the verdict that the plain reference gives.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/bulk.c"
#include "json/json.h"
#include "random_json.h"
#include "reference.h"

// A string's inside, quotes around it, in memory of exactly its size. True when the verdicts agree; *good is theirs.
static bool agree(const char *inside, size_t len, bool *good) {
  char *text = malloc(len + 2);
  assert_non_null(text);
  text[0] = text[len + 1] = '"';
  memcpy(text + 1, inside, len);
  struct json_doc doc = {0};
  struct str whole = str_from(text, len + 2);
  *good = reference_valid(whole);
  bool same = (json_parse(&doc, whole, 0) == JSON_OK) == *good;
  if (same && *good) same = doc.nodes[0].escaped == (memchr(inside, '\\', len) != NULL);
  json_doc_free(&doc);
  free(text);
  return same;
}

// Beginnings of all kinds with tails at the edges of every range, at changing places of a long string that holds an
// accent, so that all of it goes through the vectors.
static void test_utf8_sequences(void **state) {
  (void)state;
  static const unsigned char tails[] = {0x22, 0x7F, 0x80, 0x8F, 0x90, 0xA0, 0xBF, 0xC0};
  char inside[200];
  unsigned place = 0, good_count = 0;
  bool good;
  for (unsigned lead = 0x7F; lead < 0x100; lead++) {
    for (unsigned second = 0x7E; second < 0x100; second++) {
      for (unsigned i = 0; i < 64; i++) {
        memset(inside, 'a', sizeof inside);
        memcpy(inside, "\xC3\xA9", 2);
        place = (place + 1) % 130;
        char sequence[] = {(char)lead, (char)second, (char)tails[i / 8], (char)tails[i % 8]};
        memcpy(inside + 2 + place, sequence, sizeof sequence);
        if (!agree(inside, sizeof inside, &good))
          fail_msg("%02x %02x %02x %02x at %u", lead, second, tails[i / 8], tails[i % 8], place);
        good_count += good;
      }
    }
  }
  assert_in_range(good_count, 1000, 100000);
}

static void test_pieces_at_every_place(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool good;
  } pieces[] = {
      {"\\n", true},
      {"\\\\", true},
      {"\\\"", true},
      {"\\u12aF", true},
      {"\\ud800", true},
      {"\\\\\\\\\\\\\\\\\\n", true},
      {"\\u0000\\u0000\\u0000", true},
      {"\xC3\xA9", true},
      {"\xE4\xB8\xAD", true},
      {"\xF0\x9F\x98\x80", true},
      {"\xF0\x9F\x98\x80\\n\xE4\xB8\xAD", true},
      {"\\u00e9\xC3\xA9\\\\", true},
      {"\\x", false},
      {"\\u12g4", false},
      {"\\u123z", false},
      {"\x1F", false},
      {"\"", false},
      {"\xC3", false},
      {"\xE4\xB8\\n", false},
      {"\xF0\x9F\x98\"", false},
      {"\\\xC3\xA9", false},
      {"\\u\xC3\xA9zz", false},
  };
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    size_t len = strlen(pieces[i].text);
    for (int wide = 0; wide < 2; wide++) {
      for (size_t before = 0; before < 140; before++) {
        char inside[300];
        size_t total = before + len + 100;
        memset(inside, 'a', sizeof inside);
        if (wide && before >= 2) memcpy(inside + before % 2, "\xC3\xA9", 2);
        memcpy(inside + before, pieces[i].text, len);
        bool good;
        if (!agree(inside, total, &good)) fail_msg("piece %zu at %zu", i, before);
        assert_int_equal(good, pieces[i].good);
      }
    }
  }
}

static void test_promise(void **state) {
  (void)state;
  struct buf text;
  buf_init(&text, 1 << 20);
  struct random_json r = {99, &text};
  for (int round = 0; round < 3000; round++) {
    buf_clear(&text);
    while (text.len < 64u + random_below(&r, 400)) random_inside(&r);
    bool escaped = false;
    const char *end = text.ptr + text.len, *stop = bulk_end(text.ptr, end, &escaped);
    assert_true(stop >= text.ptr && stop <= end);
    bool good;
    assert_true(agree(text.ptr, (size_t)(stop - text.ptr), &good));
    assert_true(good);
    assert_int_equal(escaped, memchr(text.ptr, '\\', (size_t)(stop - text.ptr)) != NULL);
#ifdef __SSE2__
    if (__builtin_cpu_supports("avx2")) assert_true(end - stop < 64);  // there was no reason to stop before
#endif
  }
  buf_free(&text);
}

static void test_random_damage(void **state) {
  (void)state;
  struct buf text;
  buf_init(&text, 1 << 20);
  struct random_json r = {4, &text};
  unsigned good_count = 0;
  for (int round = 0; round < 20000; round++) {
    if (round % 20 == 0) {
      buf_clear(&text);
      while (text.len < 100u + random_below(&r, 200)) random_inside(&r);
    }
    size_t at = random_below(&r, (uint32_t)text.len);
    char old = text.ptr[at];
    text.ptr[at] = (char)random_below(&r, 256);
    bool good;
    if (!agree(text.ptr, text.len, &good)) fail_msg("round %d: %.*s", round, (int)text.len, text.ptr);
    if (!good) text.ptr[at] = old;
    good_count += good;
  }
  assert_in_range(good_count, 2000, 18000);
  buf_free(&text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_utf8_sequences),
      cmocka_unit_test(test_pieces_at_every_place),
      cmocka_unit_test(test_promise),
      cmocka_unit_test(test_random_damage),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
