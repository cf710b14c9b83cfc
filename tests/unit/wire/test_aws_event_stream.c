// Amazon's event stream: frames made here, whole, cut at each place, and damaged at each byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "base/buf.h"
#include "wire/aws_event_stream.h"

static void u32(struct buf *out, uint32_t n) {
  for (int shift = 24; shift >= 0; shift -= 8) buf_char(out, (char)(n >> shift));
}

static void text_header(struct buf *out, struct str name, struct str value) {
  buf_char(out, (char)name.len);
  buf_str(out, name);
  buf_char(out, 7);
  buf_char(out, (char)(value.len >> 8));
  buf_char(out, (char)value.len);
  buf_str(out, value);
}

static uint32_t crc(struct buf *b, size_t from, size_t n) {
  return (uint32_t)crc32(0, (const unsigned char *)b->ptr + from, (unsigned)n);
}

static void frame(struct buf *out, struct str headers, struct str payload) {
  size_t begin = out->len;
  u32(out, (uint32_t)(16 + headers.len + payload.len));
  u32(out, (uint32_t)headers.len);
  u32(out, crc(out, begin, 8));
  buf_str(out, headers);
  buf_str(out, payload);
  u32(out, crc(out, begin, out->len - begin));
}

// Two events, the first with a header of every type.
static void two_frames(struct buf *out, size_t *first) {
  struct buf headers;
  buf_init(&headers, 4096);
  buf_init(out, 1 << 16);
  static const char others[] =
      "\1a\0\1b\1\1c\2x\1d\3xx\1e\4xxxx\1f\5xxxxxxxx\1g\6\0\3abc\1h\10xxxxxxxx\1i\11xxxxxxxxxxxxxxxx";
  buf_append(&headers, others, sizeof others - 1);
  text_header(&headers, STR(":event-type"), STR("contentBlockDelta"));
  text_header(&headers, STR(":message-type"), STR("event"));
  frame(out, buf_view(&headers), STR("{\"a\":1}"));
  *first = out->len;
  buf_clear(&headers);
  text_header(&headers, STR(":message-type"), STR("error"));
  text_header(&headers, STR(":error-code"), STR("500"));
  text_header(&headers, STR(":error-message"), STR("no"));
  frame(out, buf_view(&headers), (struct str){"", 0});
  assert_false(out->failed || headers.failed);
  buf_free(&headers);
}

static void test_whole_and_cut(void **state) {
  (void)state;
  struct buf b;
  struct aws_event event;
  size_t first, taken;
  two_frames(&b, &first);
  for (size_t n = 0; n <= b.len; n++) {
    enum aws_event_result result = aws_event_next(str_from(b.ptr, n), &taken, &event);
    assert_int_equal(result, n < first ? AWS_EVENT_MORE : AWS_EVENT_FOUND);
    assert_int_equal(taken, n < first ? 0 : first);
  }
  assert_true(str_eq(event.type, STR("contentBlockDelta")));
  assert_true(str_eq(event.message_type, STR("event")));
  assert_true(str_eq(event.payload, STR("{\"a\":1}")));
  assert_int_equal(aws_event_next(str_from(b.ptr + first, b.len - first), &taken, &event), AWS_EVENT_FOUND);
  assert_true(str_eq(event.type, STR("500")));
  assert_true(str_eq(event.error_message, STR("no")));
  assert_int_equal(event.payload.len, 0);
  buf_free(&b);
}

static void test_every_damage_is_seen(void **state) {
  (void)state;
  struct buf b;
  struct aws_event event;
  size_t first, taken;
  two_frames(&b, &first);
  for (size_t at = 0; at < first; at++)
    for (int bit = 0; bit < 8; bit++) {
      b.ptr[at] ^= (char)(1 << bit);
      assert_int_equal(aws_event_next(str_from(b.ptr, b.len), &taken, &event), AWS_EVENT_BROKEN);
      b.ptr[at] ^= (char)(1 << bit);
    }
  buf_free(&b);
}

// Checksums that are right over lengths and headers that are not.
static void test_senseless_frames(void **state) {
  (void)state;
  static const struct str headers[] = {{"\0", 1}, {"\5ab", 3}, {"\1a\7\xff\xff", 5}, {"\1a\12", 3}, {"\1a", 2}};
  struct aws_event event;
  size_t taken;
  struct buf b;
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    buf_init(&b, 4096);
    frame(&b, headers[i], STR("{}"));
    assert_int_equal(aws_event_next(buf_view(&b), &taken, &event), AWS_EVENT_BROKEN);
    buf_free(&b);
  }
  static const uint32_t lengths[][2] = {{15, 0}, {16, 1}, {UINT32_MAX, 0}, {100, 200 * 1024}};
  for (size_t i = 0; i < 4; i++) {
    buf_init(&b, 4096);
    u32(&b, lengths[i][0]);
    u32(&b, lengths[i][1]);
    u32(&b, crc(&b, 0, 8));
    u32(&b, 0);
    assert_int_equal(aws_event_next(buf_view(&b), &taken, &event), AWS_EVENT_BROKEN);
    buf_free(&b);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole_and_cut), cmocka_unit_test(test_every_damage_is_seen),
                                     cmocka_unit_test(test_senseless_frames)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
