// Any bytes as an Anthropic stream (an event a line), as a whole reply, and as the body of an error. The first byte is
// the HTTP status of the error.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"
#include "provider/anthropic_reply.h"

static void require(bool condition) {
  if (!condition) abort();
}

struct heard {
  uint32_t calls;
  unsigned finishes;
};

// Every text must be the inside of a JSON string.
static void check_text(struct str text) {
  struct buf copy;
  struct json_doc doc = {0};
  buf_init(&copy, SIZE_MAX / 2);
  buf_char(&copy, '"');
  buf_str(&copy, text);
  buf_char(&copy, '"');
  require(json_parse(&doc, buf_view(&copy), 1) == JSON_OK);
  json_doc_free(&doc);
  buf_free(&copy);
}

static void on_event(void *context, const struct event *e) {
  struct heard *h = context;
  check_text(e->text);
  check_text(e->id);
  check_text(e->name);
  check_text(e->model);
  check_text(e->native);
  if (e->kind == EVENT_CALL) require(e->call == h->calls++);
  if (e->kind == EVENT_ARGUMENTS || e->kind == EVENT_CALL_END) require(e->call < h->calls);
  if (e->kind == EVENT_FINISH) require(h->finishes++ == 0);
  if (e->kind == EVENT_USAGE) require(e->usage->cached + e->usage->cache_write <= e->usage->prompt);
}

static void stream(struct str lines) {
  struct heard h = {0};
  struct decode_failure failure = {0};
  struct anthropic_stream *s = anthropic_stream_new((struct event_sink){on_event, &h});
  enum decode_result result = DECODE_MORE;
  struct str line;
  while (result == DECODE_MORE && str_split(&lines, '\n', &line)) result = anthropic_stream_event(s, line, &failure);
  require((result == DECODE_FAILED) == (failure.fault != FAULT_NONE));
  require(result != DECODE_DONE || h.finishes == 1);
  anthropic_stream_drop(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return 0;
  struct str bytes = str_from((const char *)data + 1, size - 1);
  struct heard h = {0};
  struct decode_failure failure = {0};
  stream(bytes);
  require(anthropic_reply(bytes, (struct event_sink){on_event, &h}, &failure) == (failure.fault == FAULT_NONE));
  failure = (struct decode_failure){0};
  anthropic_error(400 + data[0], bytes, &failure);
  require(failure.fault != FAULT_NONE && failure.message[0]);
  return 0;
}
