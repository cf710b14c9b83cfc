// Any bytes as what a provider sends, in each dialect: a stream as it comes (server-sent events or frames), one of an
// event a line, a whole reply, the body of an error. What comes out for the client must be JSON and the same however
// the bytes are divided, and a stream that is done must have an end.
//
// First byte: the dialect, unless SIGNALBOX_FUZZ_DIALECT names one by its number. Second: the HTTP status of the error,
// above 400. Without a dialect of one's own, tests/fuzz/recorded_corpus makes inputs of recorded traffic.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"
#include "provider/dialect_stream.h"
#include "provider/table.h"
#include "surface/openai_chat.h"

static void require(bool condition) {
  if (!condition) abort();
}

static const struct provider_quirks quirks;
static struct provider provider = {.id = {"p", 1}, .name = {"P", 1}, .quirks = &quirks};
static struct model model = {.id = {"a/b", 3}};
static struct endpoint endpoint = {.provider = &provider, .model = &model, .api = API_RESPONSES};

static void pick(uint8_t which) {
  static const struct {
    enum protocol protocol;
    struct str name;
  } rows[] = {{PROTOCOL_ANTHROPIC, {"claude-x", 8}}, {PROTOCOL_GEMINI, {"gemini-3", 8}},
              {PROTOCOL_VERTEX, {"claude-y", 8}},    {PROTOCOL_BEDROCK, {"nova", 4}},
              {PROTOCOL_BEDROCK, {"claude-z", 8}},   {PROTOCOL_COHERE, {"command", 7}},
              {PROTOCOL_MISTRAL, {"mistral", 7}},    {PROTOCOL_OPENAI, {"gpt", 3}}};
  provider.protocol = rows[which % 8].protocol;
  endpoint.upstream_model = rows[which % 8].name;
}

static void check_json(struct str text) {
  struct json_doc doc = {0};
  require(json_parse(&doc, text, 1) == JSON_OK);
  json_doc_free(&doc);
}

static void check_events(struct str out) {
  while (out.len) {
    size_t end = str_find(out, STR("\n\n"), 0);
    require(end != SIZE_MAX && str_starts(out, STR("data: ")));
    struct str data = str_from(out.ptr + 6, end - 6);
    if (!str_eq(data, STR("[DONE]"))) check_json(data);
    out = str_skip(out, end + 2);
  }
}

static enum decode_result lines(const struct dialect *d, void *state, struct str bytes,
                                struct decode_failure *failure) {
  enum decode_result result = DECODE_MORE;
  struct str line;
  while (result == DECODE_MORE && str_split(&bytes, '\n', &line)) {
    size_t tab = str_find_char(line, '\t', 0);
    struct str type = tab == SIZE_MAX ? (struct str){"", 0} : str_from(line.ptr, tab);
    result = d->stream_event(state, type, tab == SIZE_MAX ? line : str_skip(line, tab + 1), failure);
  }
  return result;
}

// The bytes in two pieces, divided at `at`.
static enum decode_result feed(const struct dialect *d, struct event_sink sink, struct str bytes, size_t at,
                               struct decode_failure *failure) {
  struct dialect_stream stream;
  size_t taken = 0;
  enum decode_result result = DECODE_MORE;
  require(dialect_stream_begin(&stream, d, sink, 1 << 24));
  if (at) result = dialect_stream_feed(&stream, str_from(bytes.ptr, at), &taken, failure);
  bytes = str_skip(bytes, taken);
  if (result == DECODE_MORE) result = dialect_stream_feed(&stream, bytes, &taken, failure);
  if (result == DECODE_MORE) result = dialect_stream_finish(&stream, str_skip(bytes, taken), failure);
  require(result != DECODE_MORE);
  dialect_stream_drop(&stream);
  return result;
}

static enum decode_result feed_lines(const struct dialect *d, struct event_sink sink, struct str bytes,
                                     struct decode_failure *failure) {
  void *state = d->stream_new(sink);
  enum decode_result result = lines(d, state, bytes, failure);
  if (result == DECODE_MORE && d->stream_end) result = d->stream_end(state, failure);
  d->stream_drop(state);
  return result;
}

// `at`: SIZE_MAX: an event a line.
static void stream(const struct dialect *d, struct str bytes, size_t at, struct buf *out) {
  struct chat_reply reply;
  struct decode_failure failure = {0};
  chat_reply_init(&reply, STR("gen-1"), &endpoint, 1);
  buf_init(out, SIZE_MAX / 2);
  struct chat_events *e = chat_events_new(&reply, (struct chat_events_options){.stream = true,
                                                                               .reasoning_format = d->reasoning_format,
                                                                               .answer_tool = STR("answer"),
                                                                               .repeated = STR("H\\u0069 "),
                                                                               .collect = true});
  chat_events_into(e, out);
  enum decode_result result = at == SIZE_MAX ? feed_lines(d, chat_events_sink(e), bytes, &failure)
                                             : feed(d, chat_events_sink(e), bytes, at, &failure);
  require((result == DECODE_FAILED) == (failure.fault != FAULT_NONE));
  if (result == DECODE_DONE) {
    require(chat_events_end(e, 10, out));
    require(reply.finish_reason[0]);
    require(reply.usage.cached + reply.usage.cache_write <= reply.usage.prompt);
  }
  check_events(buf_view(out));
  chat_events_drop(e);
}

static void streams(const struct dialect *d, struct str bytes) {
  struct buf out[3];
  stream(d, bytes, SIZE_MAX, &out[0]);
  stream(d, bytes, 0, &out[1]);
  stream(d, bytes, bytes.len / 3, &out[2]);
  require(str_eq(buf_view(&out[1]), buf_view(&out[2])));
  for (int i = 0; i < 3; i++) buf_free(&out[i]);
}

static void whole(const struct dialect *d, struct str bytes) {
  struct chat_reply reply;
  struct buf out;
  struct decode_failure failure = {0};
  chat_reply_init(&reply, STR("gen-1"), &endpoint, 1);
  buf_init(&out, SIZE_MAX / 2);
  struct chat_events *e =
      chat_events_new(&reply, (struct chat_events_options){.reasoning_format = d->reasoning_format});
  bool ok = d->reply(bytes, chat_events_sink(e), &failure);
  require(ok == (failure.fault == FAULT_NONE));
  if (ok) {
    require(chat_events_end(e, 10, &out));
    check_json(buf_view(&out));
  }
  chat_events_drop(e);
  buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  struct str bytes = str_from((const char *)data + 2, size - 2);
  struct decode_failure failure = {0};
  const char *only = getenv("SIGNALBOX_FUZZ_DIALECT");
  pick(only ? (uint8_t)atoi(only) : data[0]);
  const struct dialect *d = dialect_of(&endpoint);
  streams(d, bytes);
  whole(d, bytes);
  d->error(400 + data[1], (struct str){"", 0}, bytes, &failure);
  require(failure.fault != FAULT_NONE && failure.message[0]);
  return 0;
}
