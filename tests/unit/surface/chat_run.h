// Runs bytes through openai_chat.h the way the gateway does, and writes what the other side gets.
#pragma once
#include <string.h>

#include "chat_target.h"
#include "wire/sse.h"

// The request body for the target, or the error the client reads.
static inline void run_request(const struct target *t, struct str body, struct buf *out) {
  struct chat_request r;
  struct fault_note note;
  struct arena arena = {0};
  if (!chat_request_parse(&r, body, &arena, &note))
    chat_error_write(out, note.fault, note.message, (struct str){0});
  else if (!chat_request_build(&r, &t->endpoint, out))
    out->failed = true;
  chat_request_free(&r);
  arena_free(&arena);
}

// The names of what the provider is not told, one a line.
static inline void run_lost(const struct target *t, struct str body, struct buf *out) {
  struct chat_request r;
  struct fault_note note;
  struct arena arena = {0};
  struct translation translation = {.arena = &arena};
  if (chat_request_parse(&r, body, &arena, &note)) chat_request_lost(&r, &t->endpoint, &translation);
  for (unsigned i = 0; i < translation.dropped_count; i++) {
    buf_str(out, translation.dropped[i]);
    buf_char(out, '\n');
  }
  chat_request_free(&r);
  arena_free(&arena);
}

// The client's body, or the error it reads.
static inline bool run_reply(const struct target *t, struct str body, struct buf *out) {
  struct chat_reply reply;
  chat_reply_init(&reply, TARGET_ID, &t->endpoint, TARGET_CREATED);
  bool ok = chat_reply_whole(&reply, body, NULL, out);
  if (!ok) chat_error_write(out, reply.fault, str_from_cstr(reply.message), (struct str){0});
  return ok;
}

// All that a reply leaves behind, field by field: there is padding between them.
static inline bool replies_equal(const struct chat_reply *a, const struct chat_reply *b) {
  const struct usage *u = &a->usage, *v = &b->usage;
  return u->known == v->known && u->estimated == v->estimated && u->prompt == v->prompt &&
         u->completion == v->completion && u->total == v->total && u->cached == v->cached &&
         u->cache_write == v->cache_write && u->reasoning == v->reasoning && u->audio_prompt == v->audio_prompt &&
         u->audio_completion == v->audio_completion && u->image_completion == v->image_completion &&
         a->cost.total == b->cost.total && a->cost.prompt == b->cost.prompt &&
         a->cost.completion == b->cost.completion && a->created == b->created && a->text_bytes == b->text_bytes &&
         a->fault == b->fault && strcmp(a->message, b->message) == 0 && strcmp(a->upstream_id, b->upstream_id) == 0 &&
         strcmp(a->finish_reason, b->finish_reason) == 0 &&
         strcmp(a->native_finish_reason, b->native_finish_reason) == 0;
}

static inline void run_error(unsigned status, struct str body, struct buf *out) {
  struct arena arena = {0};
  struct str message = {0};
  enum fault fault = chat_error_read(status, body, &arena, &message);
  chat_error_write(out, fault, message, (struct str){0});
  arena_free(&arena);
}

struct run {
  struct chat_reply reply;
  struct chat_stream *stream;
  struct sse sse;
  struct buf held;  // bytes of an event that is not complete
  bool over, failed;
};

static inline bool run_begin(struct run *run, const struct target *t) {
  *run = (struct run){0};
  chat_reply_init(&run->reply, TARGET_ID, &t->endpoint, TARGET_CREATED);
  sse_init(&run->sse, 1 << 24);
  buf_init(&run->held, 1 << 24);
  run->stream = chat_stream_new(&run->reply);
  return run->stream != NULL;
}

static inline void run_end(struct run *run) {
  chat_stream_drop(run->stream);
  sse_free(&run->sse);
  buf_free(&run->held);
}

static inline void run_finish(struct run *run, bool saw_done, struct buf *out) {
  run->over = true;
  if (chat_stream_end(run->stream, saw_done, 4000, out)) return;
  run->failed = true;
  chat_stream_error(out, &run->reply, run->reply.fault, str_from_cstr(run->reply.message));
}

static inline void run_feed(struct run *run, struct str bytes, struct buf *out) {
  buf_str(&run->held, bytes);
  while (!run->over) {
    struct sse_event event;
    size_t taken;
    enum sse_result found = sse_next(&run->sse, buf_view(&run->held), &taken, &event);
    enum chat_stream_result result = CHAT_MORE;
    if (found == SSE_EVENT && event.data.len) result = chat_stream_event(run->stream, event.data, out);
    buf_consume(&run->held, taken);
    if (found == SSE_MORE) return;
    if (result == CHAT_DONE) run_finish(run, true, out);
    if (result == CHAT_BROKEN) {
      run->over = run->failed = true;
      chat_stream_error(out, &run->reply, run->reply.fault, str_from_cstr(run->reply.message));
    }
  }
}

// A provider's stream in pieces of `step` bytes, its end included. *reply: what was found, when wanted. True: it ended
// well.
static inline bool run_stream(const struct target *t, struct str bytes, size_t step, struct buf *out,
                              struct chat_reply *reply) {
  struct run run;
  if (!run_begin(&run, t)) return run_end(&run), false;
  for (size_t at = 0; at < bytes.len && !run.over; at += step)
    run_feed(&run, str_from(bytes.ptr + at, step < bytes.len - at ? step : bytes.len - at), out);
  if (!run.over) run_finish(&run, false, out);
  if (reply) *reply = run.reply;
  run_end(&run);
  return !run.failed;
}
