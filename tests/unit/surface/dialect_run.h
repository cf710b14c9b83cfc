// Runs bytes through a provider's dialect and the client's side of it the way the gateway does, and writes what the
// other side gets. A shape of target beside chat_target.h's: the provider speaks a dialect of its own.
#pragma once
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "chat_target.h"
#include "provider/dialect_stream.h"

// Makes the target's provider one of this protocol; `api` may be API_RESPONSES.
static inline void dialect_target_init(struct target *t, const char *provider, const char *model) {
  const struct provider_row *row = provider_row_find(str_from_cstr(provider));
  target_init(t, provider);
  if (row) t->provider.protocol = row->protocol;
  t->endpoint.upstream_model = str_from_cstr(model);
}

// --- requests ---

struct dialect_request {
  struct arena arena;
  struct chat_request chat;
  struct conversation conversation;
  struct translation translation;
};

static inline void dialect_request_free(struct dialect_request *r) {
  chat_request_free(&r->chat);
  arena_free(&r->arena);
}

// The body the target's provider gets; false: *note says why it gets none.
static inline bool dialect_run_request(const struct target *t, struct str body, struct dialect_request *r,
                                       struct fault_note *note, struct buf *out) {
  const struct dialect *d = dialect_of(&t->endpoint);
  *r = (struct dialect_request){0};
  *note = (struct fault_note){0};
  r->translation.arena = &r->arena;
  if (!chat_request_parse(&r->chat, body, &r->arena, note)) return false;
  if (!chat_conversation(&r->chat, &r->arena, &r->conversation, note)) return false;
  if (d->encode(&r->conversation, &t->endpoint, &r->translation, out)) return !out->failed;
  *note = (struct fault_note){r->translation.fault, r->translation.message, {0}};
  return false;
}

// --- whole replies and errors ---

static inline struct chat_events_options dialect_options(const struct target *t, bool stream, struct str answer_tool) {
  return (struct chat_events_options){.stream = stream,
                                      .reasoning_format = dialect_of(&t->endpoint)->reasoning_format,
                                      .answer_tool = answer_tool,
                                      .repeated = t->repeated,
                                      .collect = true};
}

// The client's body; false: the error it reads.
static inline bool dialect_run_reply(const struct target *t, struct str answer_tool, struct str body, struct buf *out) {
  struct chat_reply reply;
  struct decode_failure failure = {FAULT_INTERNAL, "Out of memory.", 0};
  chat_reply_init(&reply, TARGET_ID, &t->endpoint, TARGET_CREATED);
  struct chat_events *e = chat_events_new(&reply, dialect_options(t, false, answer_tool));
  bool ok = e && dialect_of(&t->endpoint)->reply(body, chat_events_sink(e), &failure) && chat_events_end(e, 4000, out);
  chat_events_drop(e);
  if (ok && !out->failed) return true;
  buf_clear(out);
  chat_error_write(out, failure.fault, str_from_cstr(failure.message), (struct str){0});
  return false;
}

static inline void dialect_run_error(const struct target *t, unsigned status, struct str type, struct str body,
                                     struct buf *out) {
  struct decode_failure failure = {0};
  dialect_of(&t->endpoint)->error(status, type, body, &failure);
  chat_error_write(out, failure.fault, str_from_cstr(failure.message), (struct str){0});
}

// --- streams ---

struct dialect_run {
  struct chat_reply reply;
  struct chat_events *events;
  struct dialect_stream stream;
  struct buf held;    // bytes of an event that is not complete
  bool over, failed;  // its end has come; it was a bad one
  size_t taken;       // bytes of the whole stream that have been used up
};

static inline bool dialect_run_begin(struct dialect_run *run, const struct target *t, struct str answer_tool,
                                     struct buf *out) {
  *run = (struct dialect_run){0};
  chat_reply_init(&run->reply, TARGET_ID, &t->endpoint, TARGET_CREATED);
  buf_init(&run->held, 1 << 26);
  run->events = chat_events_new(&run->reply, dialect_options(t, true, answer_tool));
  if (!run->events) return false;
  chat_events_into(run->events, out);
  return dialect_stream_begin(&run->stream, dialect_of(&t->endpoint), chat_events_sink(run->events), 1 << 24);
}

static inline void dialect_run_free(struct dialect_run *run) {
  dialect_stream_drop(&run->stream);
  chat_events_drop(run->events);
  buf_free(&run->held);
}

static inline void dialect_run_take(struct dialect_run *run, enum decode_result result,
                                    const struct decode_failure *failure, struct buf *out) {
  struct decode_failure none = {FAULT_INTERNAL, "Out of memory.", 0};
  if (result == DECODE_MORE) return;
  run->over = true;
  if (result == DECODE_DONE && chat_events_end(run->events, 4000, out)) return;
  if (result == DECODE_DONE) failure = &none;
  run->failed = true;
  chat_stream_error(out, &run->reply, failure->fault, str_from_cstr(failure->message));
}

static inline void dialect_run_feed(struct dialect_run *run, struct str bytes, struct buf *out) {
  struct decode_failure failure = {0};
  size_t taken = 0;
  if (run->over) return;
  buf_str(&run->held, bytes);
  if (run->held.failed) {
    run->over = run->failed = true;
    return;
  }
  enum decode_result result = dialect_stream_feed(&run->stream, buf_view(&run->held), &taken, &failure);
  buf_consume(&run->held, taken);
  run->taken += taken;
  dialect_run_take(run, result, &failure, out);
}

static inline void dialect_run_finish(struct dialect_run *run, struct buf *out) {
  struct decode_failure failure = {0};
  if (run->over) return;
  dialect_run_take(run, dialect_stream_finish(&run->stream, buf_view(&run->held), &failure), &failure, out);
}

// A provider's stream in pieces of `step` bytes, its end included. *taken: bytes up to its own end, when wanted. True:
// it ended well.
static inline bool dialect_run_stream(const struct target *t, struct str answer_tool, struct str bytes, size_t step,
                                      struct buf *out, size_t *taken) {
  struct dialect_run run;
  bool ok = dialect_run_begin(&run, t, answer_tool, out);
  for (size_t at = 0; ok && at < bytes.len && !run.over; at += step)
    dialect_run_feed(&run, str_from(bytes.ptr + at, step < bytes.len - at ? step : bytes.len - at), out);
  if (ok) dialect_run_finish(&run, out);
  if (taken) *taken = run.taken;
  ok = ok && !run.failed && !out->failed;
  dialect_run_free(&run);
  return ok;
}

// --- Amazon's frames ---

static inline void frame_u32(struct buf *out, uint32_t n) {
  char bytes[] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
  buf_append(out, bytes, 4);
}

static inline void frame_header(struct buf *out, const char *name, struct str value) {
  char length[] = {7, (char)(value.len >> 8), (char)value.len};  // 7: a string
  buf_char(out, (char)strlen(name));
  buf_append(out, name, strlen(name));
  buf_append(out, length, 3);
  buf_str(out, value);
}

// One message with good checksums. `kind`: event, exception or error.
static inline void frame_write(struct buf *out, const char *kind, struct str type, struct str payload) {
  struct buf headers;
  size_t begin = out->len;
  buf_init(&headers, 1 << 16);
  frame_header(&headers, ":message-type", str_from_cstr(kind));
  frame_header(&headers,
               *kind == 'e' && kind[1] == 'v' ? ":event-type"
               : kind[1] == 'x'               ? ":exception-type"
                                              : ":error-code",
               type);
  frame_header(&headers, ":content-type", STR("application/json"));
  frame_u32(out, (uint32_t)(16 + headers.len + payload.len));
  frame_u32(out, (uint32_t)headers.len);
  frame_u32(out, (uint32_t)crc32(0, (const Bytef *)out->ptr + begin, 8));
  buf_str(out, buf_view(&headers));
  buf_str(out, payload);
  frame_u32(out, (uint32_t)crc32(0, (const Bytef *)out->ptr + begin, (unsigned)(out->len - begin)));
  buf_free(&headers);
}

// An error that no model knows: a code and a message among the headers, and no payload.
static inline void frame_error(struct buf *out, struct str code, struct str message) {
  struct buf headers;
  size_t begin = out->len;
  buf_init(&headers, 1 << 16);
  frame_header(&headers, ":error-code", code);
  frame_header(&headers, ":error-message", message);
  frame_header(&headers, ":message-type", STR("error"));
  frame_u32(out, (uint32_t)(16 + headers.len));
  frame_u32(out, (uint32_t)headers.len);
  frame_u32(out, (uint32_t)crc32(0, (const Bytef *)out->ptr + begin, 8));
  buf_str(out, buf_view(&headers));
  frame_u32(out, (uint32_t)crc32(0, (const Bytef *)out->ptr + begin, (unsigned)(out->len - begin)));
  buf_free(&headers);
}

// Lines "event-type<TAB>json" as frames; "!type<TAB>json" is an exception, "?code<TAB>message" an error no model knows.
static inline void frames_of_lines(struct str lines, struct buf *out) {
  struct str line;
  while (str_split(&lines, '\n', &line)) {
    size_t tab = str_find_char(line, '\t', 0);
    if (tab == SIZE_MAX) continue;
    struct str type = str_from(line.ptr, tab);
    bool exception = str_starts(type, STR("!"));
    if (str_starts(type, STR("?"))) {
      frame_error(out, str_skip(type, 1), str_skip(line, tab + 1));
      continue;
    }
    frame_write(out, exception ? "exception" : "event", exception ? str_skip(type, 1) : type, str_skip(line, tab + 1));
  }
}
