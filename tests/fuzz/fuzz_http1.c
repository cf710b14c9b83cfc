// Heads of any bytes: every range lies inside, and no proper prefix of a whole head is whole.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/http1.h"

static void inside(struct str whole, struct str part) {
  if (part.len && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct http_head head, shorter;
  struct http_refusal refusal;
  char *copy = malloc(size + 1);  // of exactly this size, for AddressSanitizer
  if (!copy) return 0;
  memcpy(copy, data, size);
  struct str in = str_from(copy, size);
  if (http_request_parse(in, LIMIT_HEAD, &head, &refusal) == HTTP_DONE) {
    if (head.size > size) abort();
    inside(in, head.path);
    inside(in, head.query);
    for (unsigned i = 0; i < head.field_count; i++) {
      inside(in, head.fields[i].name);
      inside(in, head.fields[i].value);
    }
    for (size_t n = 0; n < head.size && n < 300; n++)
      if (http_request_parse(str_from(copy, n), LIMIT_HEAD, &shorter, &refusal) == HTTP_DONE) abort();
  }
  if (http_response_parse(in, LIMIT_UPSTREAM_HEAD, &head, &refusal) == HTTP_DONE && head.size > size) abort();
  free(copy);
  return 0;
}
