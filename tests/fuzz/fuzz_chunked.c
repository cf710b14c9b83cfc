// Chunked coding: whole and byte by byte must give the same body, the same verdict and the same end.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/http1.h"

static enum http_result feed(const char *bytes, size_t size, size_t piece, struct buf *body, size_t *used) {
  struct chunked c = {0};
  enum http_result result = HTTP_MORE;
  for (*used = 0; *used < size && result == HTTP_MORE;) {
    size_t n = size - *used < piece ? size - *used : piece, taken;
    struct str data;
    result = chunked_feed(&c, str_from(bytes + *used, n), &taken, &data);
    if (taken > n || (!taken && result == HTTP_MORE)) abort();
    buf_str(body, data);
    *used += taken;
  }
  return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct buf whole, pieces;
  buf_init(&whole, 1 << 20);
  buf_init(&pieces, 1 << 20);
  size_t used, used_too;
  enum http_result a = feed((const char *)data, size, SIZE_MAX, &whole, &used);
  enum http_result b = feed((const char *)data, size, 1, &pieces, &used_too);
  if (a != b || (a == HTTP_DONE && used != used_too)) abort();
  if (!str_eq(buf_view(&whole), buf_view(&pieces))) abort();
  buf_free(&whole);
  buf_free(&pieces);
  return 0;
}
