// Chunked bodies: whole and in pieces (their sizes come from the first bytes) must give the same body and the same end.
#include <stdlib.h>

#include "base/buf.h"
#include "wire/http1.h"

struct outcome {
  enum http_result result;
  size_t taken;
};

static struct outcome decode(struct str in, size_t step, struct buf *body) {
  struct chunked c = {0};
  struct outcome outcome = {HTTP_MORE, 0};
  while (outcome.taken < in.len && outcome.result == HTTP_MORE) {
    struct str piece = str_skip(in, outcome.taken), data;
    size_t taken;
    if (step && piece.len > step) piece.len = step;
    outcome.result = chunked_feed(&c, piece, &taken, &data);
    if (taken == 0 || taken > piece.len || data.len > taken) abort();
    if (outcome.result != HTTP_MORE && data.len) abort();
    buf_str(body, data);
    outcome.taken += taken;
  }
  return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  struct str in = str_from((const char *)data + 1, size - 1);
  struct buf whole, pieces;
  buf_init(&whole, in.len);
  buf_init(&pieces, in.len);
  struct outcome a = decode(in, 0, &whole), b = decode(in, data[0] % 16 + 1u, &pieces);
  bool same = a.result == b.result && a.taken == b.taken && str_eq(buf_view(&whole), buf_view(&pieces));
  if (!same || whole.failed || pieces.failed) abort();
  buf_free(&whole);
  buf_free(&pieces);
  return 0;
}
