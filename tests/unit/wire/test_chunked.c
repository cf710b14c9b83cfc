// The chunked decoder: each stream whole, in pieces of every size, and cut at each position.
#include "wire/chunked.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

struct outcome {
  enum http_result result;
  size_t taken;  // in all
};

// Feeds one piece from memory of exactly its size until it is used up or the decoder stops.
static void feed_piece(struct chunked *c, struct str piece, struct outcome *outcome, struct buf *body) {
  char *copy = malloc(piece.len ? piece.len : 1);
  assert_non_null(copy);
  if (piece.len) memcpy(copy, piece.ptr, piece.len);
  struct str rest = str_from(copy, piece.len);
  while (rest.len && outcome->result == HTTP_MORE) {
    size_t taken;
    struct str data;
    outcome->result = chunked_feed(c, rest, &taken, &data);
    assert_true(taken > 0);
    assert_true(taken <= rest.len);
    if (outcome->result != HTTP_MORE) assert_int_equal(data.len, 0);
    buf_str(body, data);
    outcome->taken += taken;
    rest = str_skip(rest, taken);
  }
  free(copy);
}

static struct outcome feed(struct str text, size_t first, size_t step, struct buf *body) {
  struct chunked c = {0};
  struct outcome outcome = {HTTP_MORE, 0};
  buf_clear(body);
  size_t at = first < text.len ? first : text.len;
  feed_piece(&c, str_from(text.ptr, at), &outcome, body);
  while (at < text.len) {
    size_t len = text.len - at < step ? text.len - at : step;
    feed_piece(&c, str_from(text.ptr + at, len), &outcome, body);
    at += len;
  }
  if (outcome.result != HTTP_MORE) {  // it stays so
    size_t taken;
    struct str data;
    assert_int_equal(chunked_feed(&c, STR("0\r\n\r\n"), &taken, &data), outcome.result);
    assert_int_equal(taken, 0);
  }
  return outcome;
}

static const struct {
  struct str text, body;
  enum http_result result;
  size_t rest;  // bytes behind the end (of streams that are done)
} rows[] = {
    {STR("0\r\n\r\n"), STR(""), HTTP_DONE, 0},
    {STR("5\r\nhello\r\n0\r\n\r\n"), STR("hello"), HTTP_DONE, 0},
    {STR("5\r\nhello\r\n0\r\n\r\nGET /"), STR("hello"), HTTP_DONE, 5},
    {STR("5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"), STR("hello, world"), HTTP_DONE, 0},
    {STR("a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n"), STR("01234567890123456789"), HTTP_DONE, 0},
    {STR("000000000000005\r\n\r\n\r\n0\r\n0\r\n\r\n"), STR("\r\n\r\n0"), HTTP_DONE, 0},
    {STR("1;a=\"b\";c\t \xff\r\nx\r\n0;last\r\nTrail-er!: v\t\xff\r\nEmpty:\r\n\r\n"), STR("x"), HTTP_DONE, 0},
    {STR("5\r\nhel"), STR("hel"), HTTP_MORE, 0},
    {STR("0\r\n"), STR(""), HTTP_MORE, 0},
    {STR("0\r\n\r"), STR(""), HTTP_MORE, 0},
    // sizes
    {STR("\r\n"), STR(""), HTTP_FAILED, 0},
    {STR(";a\r\n"), STR(""), HTTP_FAILED, 0},
    {STR(" 5\r\nhello\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("5 \r\nhello\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("5 ;a\r\nhello\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("+5\r\nhello\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("-5\r\nhello\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("0x5\r\nhello\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("g\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("5_0\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("0000000000000005\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("fffffffffffffffff\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("5,5\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("5\0\r\n"), STR(""), HTTP_FAILED, 0},
    // line ends
    {STR("5\nhello\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("5\rhello\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("5\r\nhello\n0\r\n"), STR("hello"), HTTP_FAILED, 0},
    {STR("5\r\nhello\r0\r\n"), STR("hello"), HTTP_FAILED, 0},
    {STR("5\r\nhello0\r\n"), STR("hello"), HTTP_FAILED, 0},
    {STR("5\r\nhello!\r\n"), STR("hello"), HTTP_FAILED, 0},
    {STR("0\n\n"), STR(""), HTTP_FAILED, 0},
    {STR("0\r\n\n"), STR(""), HTTP_FAILED, 0},
    {STR("0\r\n\rX"), STR(""), HTTP_FAILED, 0},
    // extensions
    {STR("5;a\nb\r\nhello\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("5;a\rb\r\nhello\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("5;a\x01\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("5;a\0\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("5;a\x7f\r\n"), STR(""), HTTP_FAILED, 0},
    // trailers
    {STR("0\r\nA\r\n\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("0\r\n: a\r\n\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("0\r\nA : a\r\n\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("0\r\n A: a\r\n\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("0\r\nA: a\r\n b\r\n\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("0\r\nA: a\n\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("0\r\nA: a\rb\r\n\r\n"), STR(""), HTTP_FAILED, 0},
    {STR("0\r\nA: \0\r\n\r\n"), STR(""), HTTP_FAILED, 0},
};

static void check(size_t row, struct outcome got, const struct buf *body, const struct outcome *whole) {
  bool fine = got.result == rows[row].result && str_eq(buf_view(body), rows[row].body) && got.taken == whole->taken;
  if (!fine) fail_msg("row %zu (%.*s): result %d", row, STR_ARGS(rows[row].text), (int)got.result);
}

static void test_streams(void **state) {
  (void)state;
  struct buf body;
  buf_init(&body, 1 << 16);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct str text = rows[i].text;
    struct outcome whole = feed(text, text.len, 1, &body);
    check(i, whole, &body, &whole);
    if (whole.result == HTTP_DONE) assert_int_equal(text.len - whole.taken, rows[i].rest);
    for (size_t step = 1; step < text.len; step++) check(i, feed(text, 0, step, &body), &body, &whole);
    for (size_t cut = 0; cut < text.len; cut++) check(i, feed(text, cut, text.len, &body), &body, &whole);
  }
  buf_free(&body);
}

static void test_limits(void **state) {
  (void)state;
  struct buf text, body;
  buf_init(&text, 1 << 16);
  buf_init(&body, 1 << 16);
  for (int over = 0; over <= 1; over++) {
    // the extension counts from its semicolon, anew in each chunk
    buf_clear(&text);
    for (int chunk = 0; chunk < 2; chunk++) {
      buf_lit(&text, "1;");
      for (int i = 1; i < EXTENSION_MAX + (chunk ? over : 0); i++) buf_char(&text, 'e');
      buf_lit(&text, "\r\nx\r\n");
    }
    buf_lit(&text, "0\r\n\r\n");
    enum http_result expected = over ? HTTP_FAILED : HTTP_DONE;
    assert_int_equal(feed(buf_view(&text), text.len, 1, &body).result, expected);
    // the trailers count with their line ends and the last, empty line
    buf_clear(&text);
    buf_lit(&text, "0\r\nA:");
    for (int i = 0; i < TRAILER_MAX - 6 + over; i++) buf_char(&text, 'v');
    buf_lit(&text, "\r\n\r\n");
    assert_int_equal(feed(buf_view(&text), text.len, 1, &body).result, expected);
    assert_int_equal(feed(buf_view(&text), 0, 1, &body).result, expected);
  }
  buf_free(&text);
  buf_free(&body);
}

static void test_one_call_a_chunk(void **state) {
  (void)state;
  struct chunked c = {0};
  struct str in = STR("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"), data;
  size_t taken;
  assert_int_equal(chunked_feed(&c, in, &taken, &data), HTTP_MORE);
  assert_int_equal(taken, 10);
  assert_true(str_eq(data, STR("hello")));
  // a body of any length: the largest size is taken as it is
  c = (struct chunked){0};
  assert_int_equal(chunked_feed(&c, STR("fffffffffffffff\r\nxy"), &taken, &data), HTTP_MORE);
  assert_true(str_eq(data, STR("xy")));
  assert_true(c.left == 0xfffffffffffffff - 2);
  assert_int_equal(chunked_feed(&c, STR(""), &taken, &data), HTTP_MORE);
  assert_int_equal(taken, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_streams),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_one_call_a_chunk),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
