// Heads: what is read, what is refused and why; each head whole, at every length, and with and without bytes behind it.
#include "wire/http1.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

typedef enum http_result parse_fn(struct str, size_t, struct http_head *, struct http_refusal *);

// Parses from memory of exactly this size, so that a sanitizer sees any read behind it. The copy is kept in *copy.
static enum http_result parse_exact(parse_fn *parse, struct str text, size_t limit, char **copy, struct http_head *head,
                                    struct http_refusal *refusal) {
  *copy = malloc(text.len ? text.len : 1);
  assert_non_null(*copy);
  if (text.len) memcpy(*copy, text.ptr, text.len);
  return parse(str_from(*copy, text.len), limit, head, refusal);
}

// The verdict at every shorter length must be "more" or the final one, and once given must stay.
static enum http_result parse_cut(parse_fn *parse, struct str text, size_t limit, struct http_head *head,
                                  struct http_refusal *refusal, char **copy) {
  enum http_result result = parse_exact(parse, text, limit, copy, head, refusal);
  for (size_t len = 0; len < text.len; len++) {
    struct http_head short_head;
    struct http_refusal short_refusal = {0};
    char *short_copy;
    enum http_result early =
        parse_exact(parse, str_from(text.ptr, len), limit, &short_copy, &short_head, &short_refusal);
    if (early == HTTP_DONE) assert_true(result == HTTP_DONE && short_head.size == head->size && len >= head->size);
    if (result == HTTP_DONE && early == HTTP_MORE) assert_true(len < head->size);
    if (early == HTTP_FAILED) {
      assert_int_equal(result, HTTP_FAILED);
      assert_string_equal(short_refusal.why, refusal->why);
      assert_int_equal(short_refusal.status, refusal->status);
    }
    free(short_copy);
  }
  return result;
}

#define GET "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define END "\r\n"

static const struct {
  struct str text;
  unsigned status;
  const char *why;  // part of it
} refused[] = {
    // request lines
    {STR("\r\n"), 400, "request line is invalid"},
    {STR("GET\r\n"), 400, "request line is invalid"},
    {STR("GET \r\n"), 400, "request line is invalid"},
    {STR("GET /\r\n"), 400, "request line is invalid"},
    {STR("GET  / HTTP/1.1\r\n"), 400, "request line is invalid"},
    {STR("GET /  HTTP/1.1\r\n"), 400, "request line is invalid"},
    {STR("GET / HTTP/1.1 \r\n"), 400, "request line is invalid"},
    {STR(" GET / HTTP/1.1\r\n"), 400, "request line is invalid"},
    {STR("GET\t/ HTTP/1.1\r\n"), 400, "request line is invalid"},
    {STR("GET /\ta HTTP/1.1\r\n"), 400, "request line is invalid"},
    {STR("GET  HTTP/1.1\r\n"), 400, "request line is invalid"},
    {STR("GET /a b HTTP/1.1\r\n"), 400, "request line is invalid"},
    {STR("GET /\xc3\xa9 HTTP/1.1\r\n"), 400, "request line is invalid"},
    {STR("GET /\x7f HTTP/1.1\r\n"), 400, "control character"},
    {STR("GET /\0 HTTP/1.1\r\n"), 400, "control character"},
    {STR("GE(T / HTTP/1.1\r\n"), 400, "request line is invalid"},
    {STR("G\xc3\xa9T / HTTP/1.1\r\n"), 400, "request line is invalid"},
    {STR("GET / http/1.1\r\n"), 400, "request line is invalid"},
    {STR("GET / HTTP/1\r\n"), 400, "request line is invalid"},
    {STR("GET / HTTP/1.11\r\n"), 400, "request line is invalid"},
    {STR("GET / HTTP/1,1\r\n"), 400, "request line is invalid"},
    {STR("GET / HTTP/+.1\r\n"), 400, "request line is invalid"},
    {STR("GET / HTTQ/1.1\r\n"), 400, "request line is invalid"},
    {STR("\x16\x03\x01\x02"), 400, "control character"},
    {STR("GET / HTTP/1.1\n"), 400, "LF without CR"},
    {STR("GET / HTTP/1.1\rHost: a\r\n"), 400, "CR without LF"},
    {STR("GET / HTTP/1.1\r\r\n"), 400, "CR without LF"},
    // versions
    {STR("GET / HTTP/0.9\r\n"), 505, "are spoken here"},
    {STR("GET / HTTP/1.2\r\n"), 505, "are spoken here"},
    {STR("GET / HTTP/2.0\r\n"), 505, "are spoken here"},
    {STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, "are spoken here"},
    // targets
    {STR("GET * HTTP/1.1\r\n"), 400, "neither a path"},
    {STR("OPTIONS ** HTTP/1.1\r\n"), 400, "neither a path"},
    {STR("CONNECT h:443 HTTP/1.1\r\n"), 400, "neither a path"},
    {STR("GET h/p HTTP/1.1\r\n"), 400, "neither a path"},
    {STR("GET ftp://h/p HTTP/1.1\r\n"), 400, "neither a path"},
    {STR("GET ?a HTTP/1.1\r\n"), 400, "neither a path"},
    {STR("GET http:/h/p HTTP/1.1\r\n"), 400, "neither a path"},
    {STR("GET http:///p HTTP/1.1\r\n"), 400, "target's host"},
    {STR("GET http://u@h/p HTTP/1.1\r\n"), 400, "target's host"},
    {STR("GET http://h:8x/p HTTP/1.1\r\n"), 400, "target's host"},
    {STR("GET /a#b HTTP/1.1\r\n"), 400, "fragment"},
    {STR("GET http://h/a#b HTTP/1.1\r\n"), 400, "fragment"},
    // hosts
    {STR(GET END), 400, "Host field is missing"},
    {STR("GET http://h/p HTTP/1.1\r\n\r\n"), 400, "Host field is missing"},
    {STR(GET HOST HOST), 400, "more than one Host"},
    {STR(GET HOST "hOST: b\r\n"), 400, "more than one Host"},
    {STR("GET / HTTP/1.0\r\n" HOST HOST), 400, "more than one Host"},
    {STR(GET HOST "Authorization: Bearer a\r\nauthorization: Bearer b\r\n"), 400, "more than one Authorization"},
    {STR(GET "Host:\r\n"), 400, "Host field is invalid"},
    {STR(GET "Host: a b\r\n"), 400, "Host field is invalid"},
    {STR(GET "Host: a,b\r\n"), 400, "Host field is invalid"},
    {STR(GET "Host: a/b\r\n"), 400, "Host field is invalid"},
    {STR(GET "Host: a@b\r\n"), 400, "Host field is invalid"},
    {STR(GET "Host: a:b\r\n"), 400, "Host field is invalid"},
    {STR(GET "Host: a:123456\r\n"), 400, "Host field is invalid"},
    {STR(GET "Host: :80\r\n"), 400, "Host field is invalid"},
    {STR(GET "Host: []\r\n"), 400, "Host field is invalid"},
    {STR(GET "Host: [::1\r\n"), 400, "Host field is invalid"},
    {STR(GET "Host: [::1]x\r\n"), 400, "Host field is invalid"},
    {STR(GET "Host: \xc3\xa9\r\n"), 400, "Host field is invalid"},
    // fields
    {STR(GET HOST " folded\r\n"), 400, "folded"},
    {STR(GET HOST "\tfolded\r\n"), 400, "folded"},
    {STR(GET " Host: a\r\n"), 400, "folded"},
    {STR(GET "Host : a\r\n"), 400, "has a blank"},
    {STR(GET "Host\t: a\r\n"), 400, "has a blank"},
    {STR(GET "Ho st: a\r\n"), 400, "has a blank"},
    {STR(GET ": a\r\n"), 400, "has no name"},
    {STR(GET "Host\r\n"), 400, "has no colon"},
    {STR(GET "X(Y: a\r\n"), 400, "invalid character"},
    {STR(GET "X\xc3\xa9: a\r\n"), 400, "invalid character"},
    {STR(GET "X\"Y\": a\r\n"), 400, "invalid character"},
    {STR(GET "X\x01: a\r\n"), 400, "control character"},
    {STR(GET "X\0: a\r\n"), 400, "control character"},
    {STR(GET "X: a\0b\r\n"), 400, "control character"},
    {STR(GET "X: a\x1f\r\n"), 400, "control character"},
    {STR(GET "X: a\x7f\r\n"), 400, "control character"},
    {STR(GET "X: a\x0b\r\n"), 400, "control character"},
    {STR(GET "X: a\n"), 400, "LF without CR"},
    {STR(GET "X: a\nTransfer-Encoding: chunked\r\n"), 400, "LF without CR"},
    {STR(GET "X: a\rb\r\n"), 400, "CR without LF"},
    {STR(GET "X: a\r\r\n"), 400, "CR without LF"},
    {STR(GET HOST "\n"), 400, "LF without CR"},
    {STR(GET HOST "\rX"), 400, "CR without LF"},
    // framing
    {STR(GET "Content-Length: 4\r\nContent-Length: 4\r\n"), 400, "more than one Content-Length"},
    {STR(GET "Content-Length: 4\r\ncontent-length: 5\r\n"), 400, "more than one Content-Length"},
    {STR(GET "Content-Length: 4, 4\r\n"), 400, "not a plain number"},
    {STR(GET "Content-Length: 4,\r\n"), 400, "not a plain number"},
    {STR(GET "Content-Length: +4\r\n"), 400, "not a plain number"},
    {STR(GET "Content-Length: -4\r\n"), 400, "not a plain number"},
    {STR(GET "Content-Length: 0x4\r\n"), 400, "not a plain number"},
    {STR(GET "Content-Length: 4 4\r\n"), 400, "not a plain number"},
    {STR(GET "Content-Length: 4.0\r\n"), 400, "not a plain number"},
    {STR(GET "Content-Length:\t4\r\n"), 400, "not a plain number"},
    {STR(GET "Content-Length: 4 \t \r\n"), 400, "not a plain number"},
    {STR(GET "Transfer-Encoding:\tchunked\r\n"), 400, "only transfer coding"},
    {STR(GET "Transfer-Encoding: chunked\t\r\n"), 400, "only transfer coding"},
    {STR(GET "Content-Length:\r\n"), 400, "not a plain number"},
    {STR(GET "Content-Length: 1000000000000000\r\n"), 400, "not a plain number"},
    {STR(GET "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"), 400, "stands beside Content-Length"},
    {STR(GET "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"), 400, "stands beside Transfer-Encoding"},
    {STR(GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400, "more than one Transfer"},
    {STR(GET "Transfer-Encoding: gzip, chunked\r\n"), 400, "only transfer coding"},
    {STR(GET "Transfer-Encoding: chunked, chunked\r\n"), 400, "only transfer coding"},
    {STR(GET "Transfer-Encoding: identity\r\n"), 400, "only transfer coding"},
    {STR(GET "Transfer-Encoding: xchunked\r\n"), 400, "only transfer coding"},
    {STR(GET "Transfer-Encoding: \"chunked\"\r\n"), 400, "only transfer coding"},
    {STR(GET "Transfer-Encoding: chunked;q=1\r\n"), 400, "only transfer coding"},
    {STR(GET "Transfer-Encoding: \x0b"
             "chunked\r\n"),
     400, "control character"},
    {STR(GET "Transfer-Encoding:\r\n"), 400, "only transfer coding"},
    {STR("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"), 400, "HTTP/1.0 has no"},
    {STR(GET "Expect: 200-ok\r\n"), 417, "can be met"},
    {STR(GET "Expect: 100-continue, 100-continue\r\n"), 417, "can be met"},
};

static void test_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    struct http_head head;
    struct http_refusal refusal = {0};
    char *copy;
    enum http_result result = parse_cut(http_request_parse, refused[i].text, LIMIT_HEAD, &head, &refusal, &copy);
    if (result != HTTP_FAILED || refusal.status != refused[i].status || !strstr(refusal.why, refused[i].why))
      fail_msg("row %zu (%.*s): result %d, %u %s", i, STR_ARGS(refused[i].text), (int)result, refusal.status,
               refusal.why ? refusal.why : "");
    free(copy);
  }
}

static const struct {
  struct str text;
  enum http_method method;
  struct str path, query, host;
  unsigned minor;
  bool keep_alive, chunked, expect_continue;
  int64_t content_length;
  unsigned fields;
} taken[] = {
    {STR(GET HOST END), HTTP_GET, STR("/"), STR(""), STR("a"), 1, true, false, false, -1, 1},
    {STR("GET / HTTP/1.0\r\n\r\n"), HTTP_GET, STR("/"), STR(""), STR(""), 0, false, false, false, -1, 0},
    {STR("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), HTTP_GET, STR("/"), STR(""), STR(""), 0, true, false,
     false, -1, 1},
    {STR("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), HTTP_GET, STR("/"), STR(""), STR(""), 0, false, false,
     false, -1, 1},
    {STR("POST /v1/x?a=b?c HTTP/1.1\r\nhOsT:\t[::1]:80 \t\r\nCONTENT-LENGTH:0004\r\n\r\nbody"), HTTP_POST, STR("/v1/x"),
     STR("a=b?c"), STR("[::1]:80"), 1, true, false, false, 4, 2},
    {STR("PUT /? HTTP/1.1\r\nHost: a.b:\r\nTransfer-Encoding: ChunKed\r\nExpect: 100-Continue\r\n\r\n"), HTTP_PUT,
     STR("/"), STR(""), STR("a.b:"), 1, true, true, true, -1, 3},
    {STR("HEAD HTTP://h:80/p?q HTTP/1.1\r\nHost: other\r\n\r\n"), HTTP_HEAD, STR("/p"), STR("q"), STR("h:80"), 1, true,
     false, false, -1, 1},
    {STR("PATCH https://h HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_PATCH, STR("/"), STR(""), STR("h"), 1, true, false, false,
     -1, 1},
    {STR("DELETE http://h?q=/ HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP_DELETE, STR("/"), STR("q=/"), STR("h"), 1, true,
     false, false, -1, 1},
    {STR("OPTIONS * HTTP/1.1\r\n" HOST END), HTTP_OPTIONS, STR("*"), STR(""), STR("a"), 1, true, false, false, -1, 1},
    {STR("get / HTTP/1.1\r\n" HOST END), HTTP_OTHER, STR("/"), STR(""), STR("a"), 1, true, false, false, -1, 1},
    {STR("M-SEARCH! /"
         " HTTP/1.1\r\n" HOST END),
     HTTP_OTHER, STR("/"), STR(""), STR("a"), 1, true, false, false, -1, 1},
    {STR(GET HOST "Connection: TE, Close\r\n" END), HTTP_GET, STR("/"), STR(""), STR("a"), 1, false, false, false, -1,
     2},
    {STR(GET HOST "Connection: ,close,\r\nConnection: keep-alive\r\n" END), HTTP_GET, STR("/"), STR(""), STR("a"), 1,
     false, false, false, -1, 3},
    {STR(GET HOST "Connection: closed, not-close\r\n" END), HTTP_GET, STR("/"), STR(""), STR("a"), 1, true, false,
     false, -1, 2},
    {STR(GET HOST
         "X:\r\nY: \t \r\nZ!#$%&'*+-.^_`|~9: \x80\xff\t \"x\r\nA-very-long-name-of-more-than-16-bytes_x:v\r\n" END),
     HTTP_GET, STR("/"), STR(""), STR("a"), 1, true, false, false, -1, 5},
    {STR(GET HOST "Content-Length: 999999999999999\r\n" END), HTTP_GET, STR("/"), STR(""), STR("a"), 1, true, false,
     false, 999999999999999, 2},
    {STR(GET HOST "Hoss: b\r\nContent-lengtg: x\r\nTransfer-Encodinf: x\r\nExpecu: x\r\nConnectioo: close\r\n" END),
     HTTP_GET, STR("/"), STR(""), STR("a"), 1, true, false, false, -1, 6},
};

static void test_taken(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
    struct http_head head;
    struct http_refusal refusal = {0};
    char *copy;
    enum http_result result = parse_cut(http_request_parse, taken[i].text, LIMIT_HEAD, &head, &refusal, &copy);
    if (result != HTTP_DONE) fail_msg("row %zu: %s", i, refusal.why ? refusal.why : "more");
    assert_int_equal(head.method, taken[i].method);
    assert_true(str_eq(head.path, taken[i].path));
    assert_true(str_eq(head.query, taken[i].query));
    assert_true(str_eq(head.host, taken[i].host));
    assert_int_equal(head.minor, taken[i].minor);
    assert_int_equal(head.keep_alive, taken[i].keep_alive);
    assert_int_equal(head.chunked, taken[i].chunked);
    assert_int_equal(head.expect_continue, taken[i].expect_continue);
    assert_true(head.content_length == taken[i].content_length);
    assert_int_equal(head.field_count, taken[i].fields);
    free(copy);
  }
}

static void test_field_values(void **state) {
  (void)state;
  struct http_head head;
  struct http_refusal refusal;
  struct str text = STR(GET HOST "X: one\r\nEmpty: \t\r\nx:two\r\nBlank: \ta \tb\t \r\n" END "X: not a field");
  assert_int_equal(http_request_parse(text, LIMIT_HEAD, &head, &refusal), HTTP_DONE);
  assert_true(str_eq(http_field_get(&head, STR("x")), STR("one")));
  assert_true(str_eq(http_field_get(&head, STR("BLANK")), STR("a \tb")));
  assert_true(http_field_get(&head, STR("empty")).ptr != NULL);
  assert_int_equal(http_field_get(&head, STR("empty")).len, 0);
  assert_null(http_field_get(&head, STR("none")).ptr);
  assert_true(str_eq(head.method_name, STR("GET")));
  assert_true(str_eq(head.target, STR("/")));
}

static const struct {
  struct str text;
  unsigned status;  // 0: refused
  struct str reason;
  bool keep_alive, chunked;
  int64_t content_length;
} responses[] = {
    {STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), 200, STR("OK"), true, false, 5},
    {STR("HTTP/1.1 200\r\n\r\n"), 200, STR(""), true, false, -1},
    {STR("HTTP/1.1 200 \r\n\r\n"), 200, STR(""), true, false, -1},
    {STR("HTTP/1.1 100 Continue\r\n\r\n"), 100, STR("Continue"), true, false, -1},
    {STR("HTTP/1.0 599 a\tb \xe9\r\nConnection: keep-alive\r\n\r\n"), 599, STR("a\tb \xe9"), true, false, -1},
    {STR("HTTP/1.0 404 Not Found\r\n\r\n"), 404, STR("Not Found"), false, false, -1},
    {STR("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"), 200, STR("OK"), false, true,
     -1},
    // what only concerns requests is no matter here
    {STR("HTTP/1.1 200 OK\r\nHost: a b\r\nHost: c\r\nExpect: x\r\n\r\n"), 200, STR("OK"), true, false, -1},
    {STR("HTTP/1.1 099 OK\r\n"), 0, STR("status code is invalid"), false, false, 0},
    {STR("HTTP/1.1 600 OK\r\n"), 0, STR("status code is invalid"), false, false, 0},
    {STR("HTTP/1.1 20 OK\r\n"), 0, STR("status code is invalid"), false, false, 0},
    {STR("HTTP/1.1 +20 OK\r\n"), 0, STR("status code is invalid"), false, false, 0},
    {STR("HTTP/1.1 2000 OK\r\n"), 0, STR("status line is invalid"), false, false, 0},
    {STR("HTTP/1.1 200OK\r\n"), 0, STR("status line is invalid"), false, false, 0},
    {STR("HTTP/1.1  200 OK\r\n"), 0, STR("status code is invalid"), false, false, 0},
    {STR("HTTP/1.1\t200 OK\r\n"), 0, STR("status line is invalid"), false, false, 0},
    {STR("HTTP/1.1\r\n"), 0, STR("status line is invalid"), false, false, 0},
    {STR("ICY 200 OK OK OK\r\n"), 0, STR("status line is invalid"), false, false, 0},
    {STR("<html>\r\n"), 0, STR("status line is invalid"), false, false, 0},
    {STR("HTTP/2.0 200 OK\r\n"), 0, STR("are spoken here"), false, false, 0},
    {STR("HTTP/1.1 200 OK\n"), 0, STR("LF without CR"), false, false, 0},
    {STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n"), 0, STR("more than one"), false, false, 0},
    {STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 0, STR("stands beside"), false,
     false, 0},
    {STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n"), 0, STR("only transfer coding"), false, false, 0},
    {STR("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"), 0, STR("HTTP/1.0"), false, false, 0},
    {STR("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n"), 0, STR("folded"), false, false, 0},
};

static void test_responses(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof responses / sizeof *responses; i++) {
    struct http_head head;
    struct http_refusal refusal = {0};
    char *copy;
    enum http_result result = parse_cut(http_response_parse, responses[i].text, LIMIT_HEAD, &head, &refusal, &copy);
    if (responses[i].status == 0) {
      if (result != HTTP_FAILED || refusal.status != 502 || !strstr(refusal.why, responses[i].reason.ptr))
        fail_msg("row %zu: result %d, %s", i, (int)result, refusal.why ? refusal.why : "");
    } else {
      if (result != HTTP_DONE) fail_msg("row %zu: %s", i, refusal.why ? refusal.why : "more");
      assert_int_equal(head.status, responses[i].status);
      assert_true(str_eq(head.reason, responses[i].reason));
      assert_int_equal(head.keep_alive, responses[i].keep_alive);
      assert_int_equal(head.chunked, responses[i].chunked);
      assert_true(head.content_length == responses[i].content_length);
    }
    free(copy);
  }
}

// A head with `fields` fields "Xnn: v" after the Host field.
static void many_fields(struct buf *out, unsigned fields) {
  buf_clear(out);
  buf_lit(out, GET HOST);
  for (unsigned i = 0; i < fields; i++) buf_printf(out, "X%u: v\r\n", i);
  buf_lit(out, END);
}

static void test_limits(void **state) {
  (void)state;
  struct buf text;
  struct http_head head;
  struct http_refusal refusal;
  buf_init(&text, 1 << 20);
  many_fields(&text, LIMIT_HEADERS - 1);
  assert_int_equal(http_request_parse(buf_view(&text), LIMIT_HEAD, &head, &refusal), HTTP_DONE);
  assert_int_equal(head.field_count, LIMIT_HEADERS);
  // exactly as long as the limit is fine, one more is not, whether the end has come or not
  size_t size = text.len;
  assert_int_equal(http_request_parse(buf_view(&text), size, &head, &refusal), HTTP_DONE);
  assert_int_equal(http_request_parse(buf_view(&text), size - 1, &head, &refusal), HTTP_FAILED);
  assert_int_equal(refusal.status, 431);
  assert_int_equal(http_request_parse(str_from(text.ptr, size - 1), size, &head, &refusal), HTTP_MORE);
  assert_int_equal(http_request_parse(str_from(text.ptr, size - 1), size - 1, &head, &refusal), HTTP_FAILED);
  assert_int_equal(refusal.status, 431);
  many_fields(&text, LIMIT_HEADERS);
  assert_int_equal(http_request_parse(buf_view(&text), LIMIT_HEAD, &head, &refusal), HTTP_FAILED);
  assert_int_equal(refusal.status, 431);
  // one field: the name, colon and value count
  for (int over = 0; over <= 1; over++) {
    buf_clear(&text);
    buf_lit(&text, GET HOST "X:");
    for (int i = 0; i < LIMIT_HEADER_LINE - 2 + over; i++) buf_char(&text, 'v');
    struct str open = buf_view(&text);
    enum http_result expected = over ? HTTP_FAILED : HTTP_MORE;
    assert_int_equal(http_request_parse(open, LIMIT_HEAD, &head, &refusal), expected);
    buf_lit(&text, "\r\n" END);
    expected = over ? HTTP_FAILED : HTTP_DONE;
    assert_int_equal(http_request_parse(buf_view(&text), LIMIT_HEAD, &head, &refusal), expected);
    if (over) assert_int_equal(refusal.status, 431);
  }
  // an endless request line
  buf_clear(&text);
  buf_lit(&text, "GET /");
  while (text.len < LIMIT_HEAD) buf_char(&text, 'a');
  assert_int_equal(http_request_parse(buf_view(&text), LIMIT_HEAD, &head, &refusal), HTTP_FAILED);
  assert_int_equal(refusal.status, 431);
  buf_free(&text);
}

// A field of a response may be as long as its head.
static void test_response_limits(void **state) {
  (void)state;
  struct buf text;
  struct http_head head;
  struct http_refusal refusal;
  buf_init(&text, 1 << 20);
  buf_lit(&text, "HTTP/1.1 200 OK\r\nX: ");
  while (text.len < LIMIT_UPSTREAM_HEAD - 30) buf_char(&text, 'v');
  buf_lit(&text, "\r\nContent-Length: 7\r\n\r\n");
  assert_int_equal(http_response_parse(buf_view(&text), LIMIT_UPSTREAM_HEAD, &head, &refusal), HTTP_DONE);
  assert_int_equal(head.content_length, 7);
  assert_true(str_eq(http_field_get(&head, STR("content-length")), STR("7")));
  assert_int_equal(http_response_parse(buf_view(&text), text.len - 1, &head, &refusal), HTTP_FAILED);
  assert_string_equal(refusal.why, "The head is too large.");
  buf_free(&text);
}

// Any single byte anywhere in a good head: never accepted with other framing, never a crash, and the same verdict cut.
static void test_every_byte_everywhere(void **state) {
  (void)state;
  static const char good[] = "POST /v1/a?b HTTP/1.1\r\nHost: a.b:80\r\nX-Y: z\r\nContent-Length: 12\r\n\r\nbody";
  char text[sizeof good - 1];
  for (size_t at = 0; at < sizeof text; at++) {
    for (int byte = 0; byte < 256; byte++) {
      memcpy(text, good, sizeof text);
      text[at] = (char)byte;
      struct http_head head;
      struct http_refusal refusal;
      char *copy;
      enum http_result result =
          parse_exact(http_request_parse, str_from(text, sizeof text), LIMIT_HEAD, &copy, &head, &refusal);
      bool is_control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
      bool is_in_head = at < sizeof text - 4;
      if (is_control && is_in_head && byte != good[at]) assert_int_equal(result, HTTP_FAILED);
      if (result == HTTP_DONE) assert_int_equal(head.size, sizeof text - 4);
      if (!is_in_head) assert_int_equal(result, HTTP_DONE);
      free(copy);
    }
  }
}

// Values are checked 64 bytes at a time: a bad byte at each place of each length must be seen, and only a bad one.
static void test_values_of_every_length(void **state) {
  (void)state;
  static const char before[] = GET HOST "A:x";
  for (size_t len = 1; len < 140; len++) {
    for (size_t at = 0; at < len; at++) {
      char text[256];
      struct http_head head;
      struct http_refusal refusal;
      struct str in = str_from(text, (size_t)snprintf(text, sizeof text, "%s%*s\r\n" END, before, (int)len, "x"));
      char *byte = text + sizeof before - 1 + at;
      *byte = at % 2 ? 0x7f : 0x1f;
      assert_int_equal(http_request_parse(in, LIMIT_HEAD, &head, &refusal), HTTP_FAILED);
      *byte = at % 2 ? '\t' : (char)0xff;
      assert_int_equal(http_request_parse(in, LIMIT_HEAD, &head, &refusal), HTTP_DONE);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refused),
      cmocka_unit_test(test_taken),
      cmocka_unit_test(test_field_values),
      cmocka_unit_test(test_responses),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_response_limits),
      cmocka_unit_test(test_every_byte_everywhere),
      cmocka_unit_test(test_values_of_every_length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
