// The framing of translated streams: how long an event may be, and that what came before one that is too long is given.
#include "provider/dialect_stream.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { EVENT_MAX = 1000 };

static void *count_new(struct event_sink sink) {
  (void)sink;
  return calloc(1, sizeof(unsigned));
}

static enum decode_result count_event(void *decoder, struct str type, struct str data, struct decode_failure *failure) {
  (void)type, (void)data, (void)failure;
  ++*(unsigned *)decoder;
  return DECODE_MORE;
}

static const struct dialect counting = {.stream_new = count_new, .stream_event = count_event, .stream_drop = free};

static void test_event_max(void **state) {
  (void)state;
  static const struct {
    size_t size;  // of the second event's line
    enum decode_result result;
  } cases[] = {{EVENT_MAX, DECODE_MORE}, {EVENT_MAX + 1, DECODE_FAILED}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int ended = 0; ended < 2; ended++) {
      struct dialect_stream s;
      struct decode_failure failure = {0};
      struct buf text;
      size_t taken;
      buf_init(&text, 1 << 20);
      buf_lit(&text, "data: {}\n\ndata: ");
      while (text.len < 10 + cases[i].size) buf_char(&text, 'x');
      if (ended) buf_lit(&text, "\n\n");
      assert_true(dialect_stream_begin(&s, &counting, (struct event_sink){0}, EVENT_MAX));
      enum decode_result result = dialect_stream_feed(&s, buf_view(&text), &taken, &failure);
      assert_int_equal(result, cases[i].result);
      assert_int_equal(*(unsigned *)s.decoder, result == DECODE_MORE && ended ? 2 : 1);
      if (result == DECODE_FAILED) {
        assert_int_equal(failure.fault, FAULT_UPSTREAM_INVALID);
        assert_string_equal(failure.message, "The provider sent too large an event.");
      }
      dialect_stream_drop(&s);
      buf_free(&text);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_event_max)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
