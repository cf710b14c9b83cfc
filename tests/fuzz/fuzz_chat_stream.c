// Any bytes as a provider's stream, as its whole reply, and as the body of its error. Whatever comes, the client's side
// keeps what chat_watch.h asks for; pieces of another size give the same bytes.
//
// The first byte chooses the provider; the rest is what it sends.
#include <stdint.h>
#include <stdlib.h>

#include "../unit/surface/chat_run.h"
#include "../unit/surface/chat_watch.h"
#include "surface/chat_shape.h"

static void require(bool condition) {
  if (!condition) abort();
}

static void stream(const struct target *t, struct str bytes) {
  struct buf whole, pieces;
  struct watch watch = {0};
  buf_init(&whole, SIZE_MAX / 2);
  buf_init(&pieces, SIZE_MAX / 2);
  bool ok = run_stream(t, bytes, bytes.len + 1, &whole, NULL);
  require(run_stream(t, bytes, 13, &pieces, NULL) == ok);
  require(str_eq(buf_view(&whole), buf_view(&pieces)));
  require(watch_stream(&watch, buf_view(&whole)) == NULL);
  require(watch.done == ok);
  watch_texts_free(&watch.texts);
  buf_free(&whole);
  buf_free(&pieces);
}

static void whole(const struct target *t, struct str bytes) {
  struct buf out;
  struct watch watch = {0};
  buf_init(&out, SIZE_MAX / 2);
  if (run_reply(t, bytes, &out)) {
    require(watch_whole(&watch, buf_view(&out)) == NULL);
    watch_texts_free(&watch.texts);
  }
  buf_free(&out);
}

// The same reply again, in the shape that the first left behind.
static void shaped(const struct target *t, struct str bytes) {
  struct chat_shape shape = {0};
  struct buf out[2];
  struct chat_reply reply[2];
  bool ok[2];
  for (int i = 0; i < 2; i++) {
    buf_init(&out[i], SIZE_MAX / 2);
    chat_reply_init(&reply[i], TARGET_ID, &t->endpoint, TARGET_CREATED);
    ok[i] = chat_reply_whole(&reply[i], bytes, &shape, &out[i]);
  }
  require(ok[0] == ok[1] && str_eq(buf_view(&out[0]), buf_view(&out[1])));
  require(replies_equal(&reply[0], &reply[1]));
  for (int i = 0; i < 2; i++) buf_free(&out[i]);
  chat_shape_free(&shape);
}

static void error(unsigned status, struct str bytes) {
  struct buf out;
  struct json_doc doc = {0};
  buf_init(&out, SIZE_MAX / 2);
  run_error(status, bytes, &out);
  require(json_parse(&doc, buf_view(&out), 2) == JSON_OK);
  require(json_is(&doc, json_get(&doc, json_get(&doc, 0, STR("error")), STR("code")), JSON_NUMBER));
  json_doc_free(&doc);
  buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const providers[] = {"openai", "deepseek", "groq", "perplexity", "openrouter", "xai"};
  static const unsigned statuses[] = {400, 401, 403, 404, 413, 429, 500, 503};
  struct target t;
  if (!size) return 0;
  target_init(&t, providers[data[0] % (sizeof providers / sizeof *providers)]);
  struct str bytes = str_from((const char *)data + 1, size - 1);
  stream(&t, bytes);
  whole(&t, bytes);
  shaped(&t, bytes);
  error(statuses[data[0] % (sizeof statuses / sizeof *statuses)], bytes);
  return 0;
}
