// Event streams: whole, byte by byte and in threes must give the same events.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/sse.h"

static void feed(const char *bytes, size_t size, size_t piece, struct buf *events) {
  struct sse s;
  struct buf held;
  sse_init(&s, 1 << 20);
  buf_init(&held, 1 << 20);
  for (size_t fed = 0; fed < size;) {
    size_t n = size - fed < piece ? size - fed : piece, taken;
    buf_append(&held, bytes + fed, n);
    fed += n;
    enum sse_result result;
    do {
      struct sse_event event;
      result = sse_next(&s, buf_view(&held), &taken, &event);
      if (taken > held.len || (!taken && result != SSE_MORE)) abort();
      if (result == SSE_EVENT) {
        buf_str(events, event.type);
        buf_char(events, '|');
        buf_str(events, event.data);
        buf_char(events, '\n');
      }
      buf_consume(&held, taken);
    } while (result != SSE_MORE);
  }
  sse_free(&s);
  buf_free(&held);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct buf events[3];
  const size_t pieces[3] = {size ? size : 1, 1, 3};
  for (int i = 0; i < 3; i++) {
    buf_init(&events[i], 1 << 20);
    feed((const char *)data, size, pieces[i], &events[i]);
    if (!str_eq(buf_view(&events[0]), buf_view(&events[i]))) abort();
  }
  for (int i = 0; i < 3; i++) buf_free(&events[i]);
  return 0;
}
