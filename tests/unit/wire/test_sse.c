// Server-sent events: each stream whole, in pieces of every size and cut at each position gives the same events.
#include "wire/sse.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

// A reader as its callers are: keeps what was not taken, calls again when there is more. Writes what it gets as
// "type|data;" for an event and "#;" for a comment.
struct reader {
  struct sse sse;
  struct buf kept, seen;
};

static void reader_init(struct reader *r) {
  sse_init(&r->sse, 1 << 20);
  buf_init(&r->kept, 1 << 20);
  buf_init(&r->seen, 1 << 20);
}

static void reader_free(struct reader *r) {
  sse_free(&r->sse);
  buf_free(&r->kept);
  buf_free(&r->seen);
}

static void reader_feed(struct reader *r, struct str piece) {
  buf_str(&r->kept, piece);
  // memory of exactly this size, so that a sanitizer sees any read behind it
  char *copy = malloc(r->kept.len ? r->kept.len : 1);
  assert_non_null(copy);
  if (r->kept.len) memcpy(copy, r->kept.ptr, r->kept.len);
  struct str rest = str_from(copy, r->kept.len);
  enum sse_result result;
  do {
    size_t taken = SIZE_MAX;
    struct sse_event event;
    result = sse_next(&r->sse, rest, &taken, &event);
    assert_true(taken <= rest.len);
    rest = str_skip(rest, taken);
    if (result == SSE_COMMENT) buf_lit(&r->seen, "#;");
    if (result != SSE_EVENT) continue;
    buf_str(&r->seen, event.type);
    buf_char(&r->seen, '|');
    buf_str(&r->seen, event.data);
    buf_char(&r->seen, ';');
  } while (result != SSE_MORE);
  assert_true(r->sse.searched <= rest.len);
  buf_consume(&r->kept, r->kept.len - rest.len);
  free(copy);
}

static void expect_seen(struct str text, size_t first, size_t step, struct str expected) {
  struct reader r;
  reader_init(&r);
  size_t at = first < text.len ? first : text.len;
  reader_feed(&r, str_from(text.ptr, at));
  for (; at < text.len; at += step)
    reader_feed(&r, str_from(text.ptr + at, text.len - at < step ? text.len - at : step));
  if (!str_eq(buf_view(&r.seen), expected))
    fail_msg("[%.*s] first %zu step %zu: saw [%.*s], expected [%.*s]", STR_ARGS(text), first, step,
             STR_ARGS(buf_view(&r.seen)), STR_ARGS(expected));
  reader_free(&r);
}

static const struct {
  struct str text, seen;
} rows[] = {
    {STR(""), STR("")},
    {STR("data: {\"a\":1}\n\n"), STR("|{\"a\":1};")},
    {STR("data: a\n\ndata: b\n\ndata: [DONE]\n\n"), STR("|a;|b;|[DONE];")},
    {STR("data: a\r\n\r\ndata: b\r\n\r\n"), STR("|a;|b;")},
    {STR("data: a\r\rdata: b\r\r"), STR("|a;|b;")},
    {STR("data: a\n\r\ndata: b\r\n\ndata: c\n\rdata: d\r\r\n"), STR("|a;|b;|c;|d;")},
    {STR("data: a\n\n\n\r\r\n\ndata: b\n\n"), STR("|a;|b;")},
    // fields
    {STR("data:a\n\ndata:  a\n\ndata: \n\ndata:\n\ndata\n\n"), STR("|a;| a;|;|;|;")},
    {STR("data: a:b: c\n\n"), STR("|a:b: c;")},
    {STR("data: one\ndata: two\ndata:three\n\n"), STR("|one\ntwo\nthree;")},
    {STR("data\ndata\n\ndata:\ndata: x\n\n"), STR("|\n;|\nx;")},
    {STR("event: add\ndata: 1\n\ndata: 2\n\n"), STR("add|1;|2;")},
    {STR("data: 1\nevent: a\nevent:b\n\n"), STR("b|1;")},
    {STR("event: a\nevent\ndata: 1\n\n"), STR("|1;")},
    {STR("id: 1\r\ndata: x\r\nretry: 10\r\nid\r\n\r\n"), STR("|x;")},
    {STR("Data: x\ndatum: y\n data: z\ndata : w\ndat\nfoo: bar\n\n"), STR("#;")},
    {STR("foo\ndata: x\nbar\n\n"), STR("|x;")},
    {STR("event: ping\n\nid: 1\n\nretry: 3\n\ndata: x\n\n"), STR("#;#;#;|x;")},
    // comments
    {STR(": OPENROUTER PROCESSING\n\n"), STR("#;")},
    {STR(":\n:\r:\r\n\ndata: x\n\n"), STR("#;#;#;|x;")},
    {STR(": c\ndata: x\n\n"), STR("#;|x;")},
    {STR("data: x\n: c\ndata: y\n\n: d"), STR("|x\ny;")},
    {STR(": c\r\n\r\ndata: x\r\n\r\n"), STR("#;|x;")},
    // byte order mark
    {STR("\xef\xbb\xbf"
         "data: x\n\n"),
     STR("|x;")},
    {STR("\xef\xbb\xbf\xef\xbb\xbf"
         "data: x\n\n"),
     STR("#;")},
    {STR("\xef\xbb"
         "data: x\n\ndata: y\n\n"),
     STR("#;|y;")},
    {STR("data: x\n\n\xef\xbb\xbf"
         "data: y\n\n"),
     STR("|x;#;")},
    // unfinished
    {STR("data: x"), STR("")},
    {STR("data: x\n"), STR("")},
    {STR("data: x\r"), STR("")},
    {STR("data: x\r\n"), STR("")},
    {STR("data: x\n\ndata: y\nevent: z\n"), STR("|x;")},
    // nothing special inside values
    {STR("data: \0\x7f\xff\t\n\n"), STR("|\0\x7f\xff\t;")},
    {STR("data: 0123456789012345678901234567890123456789\ndata: 0123456789012345678901234567890123456789\n\n"),
     STR("|0123456789012345678901234567890123456789\n0123456789012345678901234567890123456789;")},
};

static void test_streams(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct str text = rows[i].text;
    expect_seen(text, text.len, 1, rows[i].seen);
    for (size_t step = 1; step <= text.len; step++) expect_seen(text, 0, step, rows[i].seen);
    for (size_t cut = 0; cut < text.len; cut++) expect_seen(text, cut, text.len, rows[i].seen);
  }
}

static void test_at_once(void **state) {
  (void)state;
  // the CR of a blank line is enough; its LF may come at any later time
  struct sse s;
  struct sse_event event;
  size_t taken;
  sse_init(&s, 100);
  assert_int_equal(sse_next(&s, STR("data: x\r\n\r"), &taken, &event), SSE_EVENT);
  assert_int_equal(taken, 10);
  assert_int_equal(sse_next(&s, STR("\n"), &taken, &event), SSE_MORE);
  assert_int_equal(taken, 1);
  // a comment is reported with its line, without waiting for the blank one
  assert_int_equal(sse_next(&s, STR(": ping\n"), &taken, &event), SSE_COMMENT);
  assert_int_equal(taken, 7);
  // blocks without data are told like comments
  assert_int_equal(sse_next(&s, STR("event: ping\n\ndat"), &taken, &event), SSE_COMMENT);
  assert_int_equal(taken, 13);
  assert_int_equal(sse_next(&s, STR("dat"), &taken, &event), SSE_MORE);
  assert_int_equal(s.searched, 3);
  sse_free(&s);
}

// The result of the last call when a text comes in pieces of so many bytes.
static enum sse_result last_result(struct str text, size_t event_max, size_t step) {
  struct sse s;
  struct sse_event event;
  size_t at = 0, end = 0;
  enum sse_result result = SSE_MORE;
  sse_init(&s, event_max);
  while (end < text.len && result != SSE_TOO_LONG) {
    end = text.len - end < step ? text.len : end + step;
    do {
      size_t taken;
      result = sse_next(&s, str_from(text.ptr + at, end - at), &taken, &event);
      at += taken;
    } while (result == SSE_EVENT || result == SSE_COMMENT);
  }
  assert_false(s.joined.failed);
  sse_free(&s);
  return result;
}

// What is too long is so in one piece and in many, complete or not; blank lines are no part of anything.
static void test_too_long(void **state) {
  (void)state;
  static const struct {
    struct str text;
    size_t length;
  } cases[] = {
      {STR("data: 3456\n\n"), 10},
      {STR("data: 3456\r\n\r\n"), 10},
      {STR("data: 3456"), 10},
      {STR("\n\n\r\n\ndata: 3456\n\n\n\n"), 10},
      {STR("data: ok\n\ndata: 3456\n\ndata: 9\n\n"), 10},
      {STR("data: 3456\ndata: 3456\n\n"), 21},
      {STR("event: x\nid: 12345\ndata: x\n\n"), 26},
      {STR("id: 3456\nid: 7890\n"), 17},
      {STR(": a comment\n\n"), 11},
      {STR(": a comment"), 11},
      {STR("unknown"), 7},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (size_t step = 1; step <= cases[i].text.len; step++) {
      assert_int_equal(last_result(cases[i].text, cases[i].length, step), SSE_MORE);
      assert_int_equal(last_result(cases[i].text, cases[i].length - 1, step), SSE_TOO_LONG);
    }
  }
}

// A line of 10 MB that grows by one byte a call: were each call to look at all of it, this would take hours.
static void test_long_line_is_linear(void **state) {
  (void)state;
  enum { LINE = 10 << 20 };
  char *line = malloc(LINE + 2);
  assert_non_null(line);
  memset(line, 'x', LINE);
  memcpy(line, "data: ", 6);
  memcpy(line + LINE, "\n\n", 2);
  struct sse s;
  struct sse_event event;
  size_t taken;
  sse_init(&s, 1 << 24);
  for (size_t len = 1; len < LINE + 2; len++) {
    if (sse_next(&s, str_from(line, len), &taken, &event) != SSE_MORE || taken != 0) fail_msg("at %zu", len);
  }
  assert_int_equal(sse_next(&s, str_from(line, LINE + 2), &taken, &event), SSE_EVENT);
  assert_int_equal(event.data.len, LINE - 6);
  sse_free(&s);
  free(line);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_streams),
      cmocka_unit_test(test_at_once),
      cmocka_unit_test(test_too_long),
      cmocka_unit_test(test_long_line_is_linear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
