// Event streams: whole and in pieces (their size comes from the first byte) must give the same events and comments.
#include <stdlib.h>

#include "base/buf.h"
#include "wire/sse.h"

// Everything seen, each part with its length before it.
static void read_all(struct str in, size_t step, struct buf *seen) {
  struct sse s;
  sse_init(&s, in.len + 1);
  size_t begin = 0, end = step && step < in.len ? step : in.len;
  for (;;) {
    size_t taken;
    struct sse_event event;
    struct str bytes = str_from(in.ptr + begin, end - begin);
    enum sse_result result = sse_next(&s, bytes, &taken, &event);
    if (taken > bytes.len || s.searched > bytes.len - taken || s.joined.failed) abort();
    begin += taken;
    if (result == SSE_COMMENT) buf_lit(seen, "#");
    if (result == SSE_EVENT) {
      buf_printf(seen, "%zu,%zu:", event.type.len, event.data.len);
      buf_str(seen, event.type);
      buf_str(seen, event.data);
    }
    if (result == SSE_MORE && end == in.len) break;
    if (result == SSE_MORE)
      end = in.len - end < step ? in.len : end + step;
    else if (taken == 0)
      abort();
  }
  sse_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  struct str in = str_from((const char *)data + 1, size - 1);
  struct buf whole, pieces;
  buf_init(&whole, 64 * size);
  buf_init(&pieces, 64 * size);
  read_all(in, 0, &whole);
  read_all(in, data[0] % 16 + 1u, &pieces);
  if (whole.failed || !str_eq(buf_view(&whole), buf_view(&pieces))) abort();
  buf_free(&whole);
  buf_free(&pieces);
  return 0;
}
