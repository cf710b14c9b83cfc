// Heads, chunked coding and event streams: what is taken, what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// cmocka wants the first three
#include <cmocka.h>

#include "wire/http1.h"
#include "wire/sse.h"

static struct http_head head;
static struct http_refusal refusal;

static enum http_result request(const char *text) {
  return http_request_parse(str_from_cstr(text), LIMIT_HEAD, &head, &refusal);
}

static void test_a_plain_request(void **state) {
  (void)state;
  const char *text =
      "POST /v1/chat?a=b HTTP/1.1\r\nHost: example.com:8787\r\nContent-Length: 5\r\nX-Key:  v a l \t\r\n\r\nhello";
  assert_int_equal(request(text), HTTP_DONE);
  assert_int_equal(head.method, HTTP_POST);
  assert_true(str_eq(head.path, STR("/v1/chat")) && str_eq(head.query, STR("a=b")));
  assert_int_equal(head.content_length, 5);
  assert_true(head.keep_alive && !head.chunked);
  assert_int_equal(head.size, strlen(text) - 5);
  assert_true(str_eq(http_field_get(&head, STR("x-KEY")), STR("v a l")));
  for (size_t n = 0; n < head.size; n++)
    assert_int_equal(http_request_parse(str_from(text, n), LIMIT_HEAD, &head, &refusal), HTTP_MORE);
}

static void test_requests_refused(void **state) {
  (void)state;
  static const struct {
    const char *text;
    unsigned status;
  } cases[] = {
#define H "POST / HTTP/1.1\r\nHost: x\r\n"
      {H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
      {H "Content-Length: 1, 1\r\n\r\n", 400},
      {H "Content-Length: +4\r\n\r\n", 400},
      {H "Content-Length: -1\r\n\r\n", 400},
      {H "Content-Length: 0x10\r\n\r\n", 400},
      {H "Content-Length:\r\n\r\n", 400},
      {H "Content-Length: 1234567890123456\r\n\r\n", 400},
      {H "Transfer-Encoding: xchunked\r\n\r\n", 400},
      {H "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
      {H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {H "A : b\r\n\r\n", 400},
      {H " folded\r\n\r\n", 400},
      {H "A: b\r\n c\r\n\r\n", 400},
      {H "A: b\n\r\n", 400},
      {H "A: b\rc\r\n\r\n", 400},
      {H "A: b\001\r\n\r\n", 400},
      {H ": b\r\n\r\n", 400},
      {H "A(: b\r\n\r\n", 400},
      {H "Host: y\r\n\r\n", 400},
      {H "Expect: magic\r\n\r\n", 417},
      {"POST / HTTP/1.1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"POST / HTTP/1.2\r\nHost: x\r\n\r\n", 505},
      {"POST / HTTP/1.1 \r\nHost: x\r\n\r\n", 400},
      {"POST  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"POST x HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"P(ST / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"POST /\t HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"garbage\r\n", 400},
      {"GET / HTTP/1.1\nHost: x\n\n", 400},
#undef H
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    if (request(cases[i].text) != HTTP_FAILED || refusal.status != cases[i].status)
      fail_msg("not refused with %u: %s", cases[i].status, cases[i].text);
}

static void test_limits(void **state) {
  (void)state;
  static char text[40000];
  size_t n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\n");
  for (int i = 0; i < LIMIT_HEADERS - 1; i++) n += (size_t)snprintf(text + n, sizeof text - n, "A: b\r\n");
  memcpy(text + n, "\r\n", 3);
  assert_int_equal(request(text), HTTP_DONE);
  memcpy(text + n, "A: b\r\n\r\n", 9);
  assert_int_equal(request(text), HTTP_FAILED);
  assert_int_equal(refusal.status, 431);
  n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
  memset(text + n, 'a', LIMIT_HEADER_LINE + 10);
  text[n + LIMIT_HEADER_LINE + 10] = 0;
  assert_int_equal(request(text), HTTP_FAILED);
  assert_int_equal(refusal.status, 431);
}

static void test_values_at_every_length(void **state) {
  (void)state;
  // The check runs sixteen bytes at a time: a bad byte at each place must be seen.
  for (int len = 1; len < 50; len++)
    for (int bad = 0; bad < len; bad++) {
      char text[200], value[51] = {0};
      memset(value, 'v', (size_t)len);
      value[bad] = bad % 2 ? 0x7f : 0x1f;
      snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\nA: .%s.\r\n\r\n", value);
      assert_int_equal(request(text), HTTP_FAILED);
      value[bad] = bad % 2 ? '\t' : (char)0xff;
      snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\nA: .%s.\r\n\r\n", value);
      assert_int_equal(request(text), HTTP_DONE);
    }
}

static void test_responses(void **state) {
  (void)state;
  static const struct {
    const char *text;
    enum http_result want;
    unsigned status;
  } cases[] = {
      {"HTTP/1.1 200 OK\r\n\r\n", HTTP_DONE, 200},
      {"HTTP/1.0 404\r\n\r\n", HTTP_DONE, 404},
      {"HTTP/1.1 200 \r\n\r\n", HTTP_DONE, 200},
      {"HTTP/1.1 099 x\r\n\r\n", HTTP_FAILED, 0},
      {"HTTP/1.1 600 x\r\n\r\n", HTTP_FAILED, 0},
      {"HTTP/1.1 20 OK\r\n\r\n", HTTP_FAILED, 0},
      {"HTTP/1.1 2000 OK\r\n\r\n", HTTP_FAILED, 0},
      {"SSH-2.0-OpenSSH\r\n", HTTP_FAILED, 0},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_FAILED, 0},
      {"HTTP/1.1 200 O", HTTP_MORE, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    enum http_result got = http_response_parse(str_from_cstr(cases[i].text), LIMIT_UPSTREAM_HEAD, &head, &refusal);
    if (got != cases[i].want || (got == HTTP_DONE && head.status != cases[i].status)) fail_msg("%s", cases[i].text);
  }
}

static void test_chunked(void **state) {
  (void)state;
  static const struct {
    const char *text;
    enum http_result want;
    const char *body;
  } cases[] = {
      {"5\r\nhello\r\n0\r\n\r\n", HTTP_DONE, "hello"},
      {"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n", HTTP_DONE, "hello!"},
      {"a\r\n0123456789\r\n0\r\n\r\nrest", HTTP_DONE, "0123456789"},
      {"5\r\nhel", HTTP_MORE, "hel"},
      {"5\nhello\r\n", HTTP_FAILED, ""},
      {"5\r\nhelloX\r\n", HTTP_FAILED, "hello"},
      {"g\r\n", HTTP_FAILED, ""},
      {"\r\n", HTTP_FAILED, ""},
      {"-1\r\n", HTTP_FAILED, ""},
      {"1234567890abcdef\r\n", HTTP_FAILED, ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (size_t piece = 1; piece < 40; piece++) {
      struct chunked c = {0};
      char body[64];
      size_t body_len = 0, size = strlen(cases[i].text);
      enum http_result result = HTTP_MORE;
      for (size_t at = 0; at < size && result == HTTP_MORE;) {
        size_t n = size - at < piece ? size - at : piece, taken;
        struct str data;
        result = chunked_feed(&c, str_from(cases[i].text + at, n), &taken, &data);
        memcpy(body + body_len, data.ptr, data.len);
        body_len += data.len;
        at += taken;
      }
      if (result != cases[i].want || !str_eq(str_from(body, body_len), str_from_cstr(cases[i].body)))
        fail_msg("in pieces of %zu: %s", piece, cases[i].text);
    }
}

static void test_events_in_any_pieces(void **state) {
  (void)state;
  static const struct {
    const char *stream, *events;  // "type|data;" each
  } cases[] = {
      {"data: a\n\n", "|a;"},
      {"\xef\xbb\xbf"
       "data:a\n\ndata: b\n\n",
       "|a;|b;"},
      {"data: a\r\n\r\ndata: b\r\r", "|a;|b;"},
      {"data: a\ndata: b\n\n", "|a\nb;"},
      {"data\ndata\n\n", "|\n;"},
      {"event: e\ndata: a\nid: 1\nretry: 2\n\n", "e|a;"},
      {": comment\n\ndata: a\n\n: x\n", "|a;"},
      {"data:  two blanks\n\n", "| two blanks;"},
      {"\n\n\ndata: a\n\n\n\n", "|a;"},
      {"event: nothing\n\ndata: a\n\n", "|a;"},
      {"dataset: no\ndata: a\n\n", "|a;"},
      {"data: unfinished\n", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct str all = str_from_cstr(cases[i].stream);
    for (size_t piece = 1; piece <= all.len; piece++) {
      struct sse s;
      struct buf held, got;
      sse_init(&s, 1000);
      buf_init(&held, 1000);
      buf_init(&got, 1000);
      for (size_t at = 0; at < all.len; at += piece) {
        struct str rest = str_skip(all, at);
        buf_append(&held, rest.ptr, rest.len < piece ? rest.len : piece);
        struct sse_event event;
        size_t taken;
        enum sse_result result;
        while ((result = sse_next(&s, buf_view(&held), &taken, &event)) != SSE_MORE) {
          if (result == SSE_EVENT) buf_printf(&got, "%.*s|%.*s;", STR_ARGS(event.type), STR_ARGS(event.data));
          buf_consume(&held, taken);
        }
        buf_consume(&held, taken);
      }
      if (!str_eq(buf_view(&got), str_from_cstr(cases[i].events)))
        fail_msg("case %zu in pieces of %zu: %.*s", i, piece, STR_ARGS(buf_view(&got)));
      sse_free(&s);
      buf_free(&held);
      buf_free(&got);
    }
  }
}

static void test_a_long_line_costs_linear_time(void **state) {
  (void)state;
  // A megabyte in pieces of 16 bytes: quadratic work would take minutes here.
  struct sse s;
  struct buf held;
  sse_init(&s, 4 << 20);
  buf_init(&held, 4 << 20);
  buf_str(&held, STR("data: "));
  struct sse_event event;
  size_t taken;
  for (int i = 0; i < 65536; i++) {
    buf_str(&held, STR("0123456789abcdef"));
    assert_int_equal(sse_next(&s, buf_view(&held), &taken, &event), SSE_MORE);
    assert_int_equal(taken, 0);
  }
  buf_str(&held, STR("\n\n"));
  assert_int_equal(sse_next(&s, buf_view(&held), &taken, &event), SSE_EVENT);
  assert_int_equal(event.data.len, 65536 * 16);
  sse_free(&s);
  buf_free(&held);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_plain_request),
      cmocka_unit_test(test_requests_refused),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_values_at_every_length),
      cmocka_unit_test(test_responses),
      cmocka_unit_test(test_chunked),
      cmocka_unit_test(test_events_in_any_pieces),
      cmocka_unit_test(test_a_long_line_costs_linear_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
