// Heads of requests and responses: never a read outside the bytes; what is accepted keeps its promises; and a head that
// comes cut at any place gets the verdict it gets whole.
#include <stdlib.h>

#include "wire/http1.h"

static void require(bool holds) {
  if (!holds) abort();
}

static void require_inside(struct str part, struct str whole) {
  require(!part.ptr || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

static void check_head(struct str in, const struct http_head *head) {
  struct str bytes = str_from(in.ptr, head->size);
  require(head->size <= in.len && head->field_count <= LIMIT_HEADERS);
  require(str_ends(bytes, STR("\r\n\r\n")));
  require(memchr(in.ptr, 0, head->size) == NULL);
  require(!head->chunked || head->content_length < 0);
  require_inside(head->path, bytes), require_inside(head->query, bytes), require_inside(head->host, bytes);
  unsigned lengths = 0, codings = 0;
  for (unsigned i = 0; i < head->field_count; i++) {
    struct str name = head->fields[i].name, value = head->fields[i].value;
    require_inside(name, bytes), require_inside(value, bytes);
    require(name.len > 0 && name.ptr[name.len] == ':' && (name.ptr[-1] == '\n'));
    require(str_find_char(value, '\r', 0) == SIZE_MAX && str_find_char(value, '\n', 0) == SIZE_MAX);
    lengths += str_eq_nocase(name, STR("content-length"));
    codings += str_eq_nocase(name, STR("transfer-encoding"));
  }
  require(lengths == (head->content_length >= 0) && codings == head->chunked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  bool is_request = data[0] & 1;
  enum http_result (*parse)(struct str, size_t, struct http_head *, struct http_refusal *) =
      is_request ? http_request_parse : http_response_parse;
  struct str in = str_from((const char *)data + 2, size - 2);
  struct http_head head, early;
  struct http_refusal refusal = {0}, early_refusal = {0};
  enum http_result result = parse(in, LIMIT_HEAD, &head, &refusal);
  if (result == HTTP_DONE) check_head(in, &head);
  require((result == HTTP_FAILED) == (refusal.status != 0));
  struct str cut = str_from(in.ptr, in.len * data[1] / 256);
  enum http_result verdict = parse(cut, LIMIT_HEAD, &early, &early_refusal);
  if (verdict == HTTP_DONE) require(result == HTTP_DONE && early.size == head.size);
  if (verdict == HTTP_FAILED) require(result == HTTP_FAILED && refusal.why == early_refusal.why);
  if (verdict == HTTP_MORE && result == HTTP_DONE) require(cut.len < head.size);
  return 0;
}
