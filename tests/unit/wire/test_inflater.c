// Compressed bodies: in pieces of every size they give the same text, damage and bombs are found, and what was good
// before them is given.
#include "wire/inflater.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/rand.h"

enum { GZIP = 15 + 16, ZLIB = 15 };

static void compress_to(struct buf *out, struct str plain, int format) {
  z_stream z = {0};
  assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, format, 9, Z_DEFAULT_STRATEGY), Z_OK);
  assert_true(buf_reserve(out, deflateBound(&z, plain.len)));
  z.next_in = (unsigned char *)(size_t)plain.ptr;
  z.avail_in = (unsigned)plain.len;
  z.next_out = (unsigned char *)out->ptr + out->len;
  z.avail_out = (unsigned)(out->cap - out->len);
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  out->len = out->cap - z.avail_out;
  deflateEnd(&z);
}

// Gives the body in pieces of `step` bytes, takes `max` at a time. Returns the last result.
static enum inflater_result run(struct str body, size_t step, size_t max, struct buf *plain) {
  static char out[64 * 1024];
  struct inflater *f = inflater_new();
  assert_non_null(f);
  enum inflater_result result = INFLATER_NEEDS;
  for (size_t at = 0; at < body.len && result == INFLATER_NEEDS; at += step) {
    inflater_give(f, str_from(body.ptr + at, body.len - at < step ? body.len - at : step));
    do {
      size_t got;
      result = inflater_take(f, out, max, &got);
      assert_true(got <= max);
      buf_append(plain, out, got);
    } while (result == INFLATER_HAS);
  }
  inflater_drop(f);
  assert_false(plain->failed);
  return result;
}

static struct str text_of(char *into, size_t n) {
  struct rand rand = {.state = {7}};
  for (size_t i = 0; i < n; i++) into[i] = "abcdefgh"[rand_next(&rand) >> 61];
  return str_from(into, n);
}

static void test_pieces(void **state) {
  (void)state;
  static char bytes[20000];
  struct str text = text_of(bytes, sizeof bytes);
  for (int format = ZLIB; format <= GZIP; format += GZIP - ZLIB) {
    struct buf body;
    buf_init(&body, 1 << 20);
    compress_to(&body, text, format);
    for (size_t step = 1; step <= body.len; step += 1 + step * step / 100) {
      for (size_t max = 1; max <= sizeof bytes; max = max * 7 + 1) {
        struct buf plain;
        buf_init(&plain, 1 << 20);
        assert_int_equal(run(buf_view(&body), step, max, &plain), INFLATER_NEEDS);
        assert_true(str_eq(buf_view(&plain), text));
        buf_free(&plain);
      }
    }
    buf_free(&body);
  }
}

static void test_members(void **state) {
  (void)state;
  struct buf body, plain;
  buf_init(&body, 1 << 20);
  compress_to(&body, STR("one, "), GZIP);
  compress_to(&body, STR(""), GZIP);
  compress_to(&body, STR("two"), GZIP);
  buf_lit(&body, "what else there is");
  for (size_t step = 1; step <= body.len; step++) {
    buf_init(&plain, 1 << 20);
    assert_int_equal(run(buf_view(&body), step, 100, &plain), INFLATER_NEEDS);
    assert_true(str_eq(buf_view(&plain), STR("one, two")));
    buf_free(&plain);
  }
  buf_free(&body);
}

static void test_damaged(void **state) {
  (void)state;
  static char bytes[20000];
  struct str text = text_of(bytes, sizeof bytes);
  struct buf body, plain;
  buf_init(&body, 1 << 20);
  compress_to(&body, text, GZIP);
  body.ptr[body.len - 8] ^= 1;  // the checksum
  for (size_t step = 1; step <= body.len; step += 1 + step * step / 100) {
    buf_init(&plain, 1 << 20);
    assert_int_equal(run(buf_view(&body), step, 1000, &plain), INFLATER_DAMAGED);
    assert_true(str_eq(buf_view(&plain), text));
    buf_free(&plain);
  }
  buf_init(&plain, 1 << 20);
  assert_int_equal(run(STR("not compressed at all"), 100, 100, &plain), INFLATER_DAMAGED);
  assert_int_equal(plain.len, 0);
  buf_free(&body);
}

// Blanks, a thousand of them a byte.
static void test_bomb(void **state) {
  (void)state;
  enum { BLANKS = 64 << 20 };
  char *blanks = malloc(BLANKS);
  assert_non_null(blanks);
  memset(blanks, ' ', BLANKS);
  struct buf body, plain;
  buf_init(&body, 1 << 27);
  compress_to(&body, str_from(blanks, BLANKS), GZIP);
  assert_true(body.len < BLANKS / 900);
  for (size_t step = 1; step <= 64 * 1024; step *= 16) {
    buf_init(&plain, BLANKS);
    assert_int_equal(run(buf_view(&body), step, 16 * 1024, &plain), INFLATER_BOMB);
    assert_true(plain.len >= INFLATER_FREE);
    assert_true(plain.len <= INFLATER_ROOM);
    if (step == 1) assert_true(plain.len < 2 * INFLATER_FREE);
    buf_free(&plain);
  }
  buf_free(&body);
  // A blank costs a thousandth: a tenth more than is free is what a hundred times allows.
  static const struct {
    size_t blanks;
    enum inflater_result result;
  } cases[] = {{INFLATER_FREE, INFLATER_NEEDS},
               {INFLATER_FREE + INFLATER_FREE / 20, INFLATER_NEEDS},
               {INFLATER_FREE + INFLATER_FREE / 5, INFLATER_BOMB}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    buf_init(&plain, BLANKS);
    compress_to(&body, str_from(blanks, cases[i].blanks), GZIP);
    assert_int_equal(run(buf_view(&body), body.len, 1000, &plain), cases[i].result);
    if (cases[i].result == INFLATER_NEEDS) assert_int_equal(plain.len, cases[i].blanks);
    buf_free(&plain);
    buf_free(&body);
  }
  free(blanks);
}

// A long text that is well-behaved saves up no room for a bomb of more than a piece.
static void test_room_is_not_saved_up(void **state) {
  (void)state;
  enum { TEXT = 8 << 20, BLANKS = 64 << 20 };
  char *bytes = malloc((size_t)TEXT + BLANKS);
  assert_non_null(bytes);
  text_of(bytes, TEXT);
  memset(bytes + TEXT, ' ', BLANKS);
  struct buf body, plain;
  buf_init(&body, 1 << 27);
  buf_init(&plain, 1 << 27);
  compress_to(&body, str_from(bytes, (size_t)TEXT + BLANKS), GZIP);
  assert_int_equal(run(buf_view(&body), 64 * 1024, 16 * 1024, &plain), INFLATER_BOMB);
  assert_true(plain.len >= TEXT);
  assert_true(plain.len <= TEXT + INFLATER_ROOM);
  assert_memory_equal(plain.ptr, bytes, TEXT);
  free(bytes);
  buf_free(&plain);
  buf_free(&body);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pieces),
      cmocka_unit_test(test_members),
      cmocka_unit_test(test_damaged),
      cmocka_unit_test(test_bomb),
      cmocka_unit_test(test_room_is_not_saved_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
