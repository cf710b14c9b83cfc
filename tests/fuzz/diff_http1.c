// Our reading of a request against llhttp's (Node's parser): what we accept, it must accept with the same method,
// target, fields, body and end. We may refuse more. Not part of the build: it needs llhttp's sources (Debian:
// node-llhttp), and
//   clang -g -O1 -fsanitize=fuzzer,address -Isrc -I/usr/include/llhttp ... tests/fuzz/diff_http1.c src/wire/*.c
//     src/base/*.c /usr/share/llhttp/*.c
// Without llhttp.h (the lint) there is nothing here.
#if __has_include("llhttp.h")
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

// The methods have the same names in both headers.
#define HTTP_GET LLHTTP_GET
#define HTTP_HEAD LLHTTP_HEAD
#define HTTP_POST LLHTTP_POST
#define HTTP_PUT LLHTTP_PUT
#define HTTP_PATCH LLHTTP_PATCH
#define HTTP_DELETE LLHTTP_DELETE
#define HTTP_OPTIONS LLHTTP_OPTIONS
#include "llhttp.h"
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST
#undef HTTP_PUT
#undef HTTP_PATCH
#undef HTTP_DELETE
#undef HTTP_OPTIONS

#include "wire/http1.h"

// What both write down: "target|name:value|...|" and then the body.
struct seen {
  struct buf text;
  bool complete;
};

static struct seen theirs;

static int on_text(llhttp_t *parser, const char *at, size_t len) {
  (void)parser;
  buf_append(&theirs.text, at, len);
  return 0;
}

static int on_part_end(llhttp_t *parser) {
  (void)parser;
  buf_char(&theirs.text, '|');
  return 0;
}

static int on_name_end(llhttp_t *parser) {
  (void)parser;
  buf_char(&theirs.text, ':');
  return 0;
}

static int on_end(llhttp_t *parser) {
  (void)parser;
  theirs.complete = true;
  return HPE_PAUSED;
}

// Like llhttp's values: it keeps blanks at the end.
static struct str value_until_line_end(struct str value, struct str in) {
  size_t end = str_find_char(in, '\r', (size_t)(value.ptr - in.ptr));
  return str_from(value.ptr, end - (size_t)(value.ptr - in.ptr));
}

// False: we refuse it, or it is not whole. *taken: bytes of the message.
static bool read_ours(struct str in, struct buf *text, size_t *taken) {
  struct http_head head;
  struct http_refusal refusal;
  if (http_request_parse(in, LIMIT_HEAD, &head, &refusal) != HTTP_DONE) return false;
  if (head.method == HTTP_OTHER) return false;  // llhttp gives some of them a meaning of their own
  buf_str(text, head.target);
  buf_char(text, '|');
  for (unsigned i = 0; i < head.field_count; i++) {
    buf_str(text, head.fields[i].name);
    buf_char(text, ':');
    buf_str(text, value_until_line_end(head.fields[i].value, in));
    buf_char(text, '|');
  }
  *taken = head.size;
  if (!head.chunked) {
    size_t length = head.content_length > 0 ? (size_t)head.content_length : 0;
    if (in.len - head.size < length) return false;
    buf_append(text, in.ptr + head.size, length);
    *taken += length;
    return true;
  }
  struct chunked decoder = {0};
  enum http_result result = HTTP_MORE;
  for (size_t step; result == HTTP_MORE && *taken < in.len; *taken += step) {
    struct str data;
    result = chunked_feed(&decoder, str_skip(in, *taken), &step, &data);
    buf_str(text, data);
  }
  return result == HTTP_DONE && decoder.trailer == 2;  // trailers are dropped here and told there
}

// Where llhttp refuses more than RFC 9110 and 9112 ask: methods it does not know, bytes above 0x7f in an extension,
// HTABs behind a length.
static bool is_known(enum llhttp_errno error, const char *reason) {
  return error == HPE_INVALID_CHUNK_SIZE || strstr(reason, "chunk extensions");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct str in = str_from((const char *)data, size);
  struct buf ours;
  size_t taken;
  buf_init(&ours, 1 << 20);
  buf_init(&theirs.text, 1 << 20);
  theirs.complete = false;
  if (read_ours(in, &ours, &taken)) {
    llhttp_settings_t settings;
    llhttp_t parser;
    llhttp_settings_init(&settings);
    settings.on_url = settings.on_header_field = settings.on_header_value = settings.on_body = on_text;
    settings.on_url_complete = settings.on_header_value_complete = on_part_end;
    settings.on_header_field_complete = on_name_end;
    settings.on_message_complete = on_end;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    enum llhttp_errno error = llhttp_execute(&parser, in.ptr, taken);
    const char *reason = parser.reason ? parser.reason : "";
    bool same = theirs.complete && str_eq(buf_view(&ours), buf_view(&theirs.text));
    if (!same && !is_known(error, reason)) {
      fprintf(stderr, "llhttp: %s (%s)\nours:   %.*s\ntheirs: %.*s\n", llhttp_errno_name(error), reason,
              STR_ARGS(buf_view(&ours)), STR_ARGS(buf_view(&theirs.text)));
      abort();
    }
  }
  buf_free(&ours);
  buf_free(&theirs.text);
  return 0;
}
#endif
