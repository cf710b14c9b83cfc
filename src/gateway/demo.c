#define _GNU_SOURCE
#include "gateway/demo.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "gateway/worker.h"
#include "json/json.h"
#include "net/conn.h"
#include "wire/http1.h"

enum { WORD_MS = 40, INPUT_MAX = LIMIT_REQUEST_BODY + LIMIT_HEAD };

static const char lorem[] =
    "(Simulated answer of the built-in demo provider.) A signal box stands beside the tracks and sees every train that "
    "wants to pass. It does not pull one wagon itself; it sets the points, keeps the lines free, and writes each "
    "passage "
    "down in its book. When one line is closed, it sends the train over another, and the passengers read on without "
    "looking up.";

struct demo {
  struct conn conn;
  struct worker *worker;
  struct demo *next, **pprev;  // of the worker
  struct buf input;
  struct timer timer;
  struct task free_task;
  // a streamed answer under way
  char *text;
  size_t text_len, text_at;
  unsigned prompt_tokens, words;
  bool busy;
};

static void free_later(struct task *task) {
  free((struct demo *)((char *)task - offsetof(struct demo, free_task)));
}

static void demo_close(struct demo *d) {
  if (!conn_is_open(&d->conn)) return;
  *d->pprev = d->next;
  if (d->next) d->next->pprev = d->pprev;
  conn_close(&d->conn);
  timer_clear(&d->timer);
  buf_free(&d->input);
  free(d->text);
  d->text = NULL;
  d->free_task.run = free_later;
  loop_defer(d->worker->loop, &d->free_task);
}

static void send_bytes(struct demo *d, struct str bytes) {
  struct iovec part = {(void *)bytes.ptr, bytes.len};
  if (!conn_write(&d->conn, &part, 1)) demo_close(d);
}

static unsigned words_in(struct str text) {
  unsigned n = 0;
  for (size_t i = 0; i < text.len; i++)
    if (text.ptr[i] != ' ' && (i == 0 || text.ptr[i - 1] == ' ')) n++;
  return n;
}

static void reply_json(struct demo *d, unsigned status, struct str body) {
  struct buf out;
  buf_init(&out, INPUT_MAX);
  buf_printf(&out, "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", status,
             status == 200 ? "OK" : "Error", body.len);
  buf_str(&out, body);
  send_bytes(d, buf_view(&out));
  buf_free(&out);
}

static void begin_json(struct buf *out, const char *object) {
  buf_printf(out, "{\"id\":\"demo-%llu\",\"object\":\"%s\",\"created\":%llu,\"model\":\"demo\",\"choices\":[",
             (unsigned long long)time_mono_ns(), object, (unsigned long long)(time_unix_us() / 1000000));
}

static void usage_json(struct buf *out, unsigned prompt, unsigned completion) {
  buf_printf(out, "\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u}}", prompt, completion,
             prompt + completion);
}

// --- streams ---

static void chunk(struct buf *out, struct str event) {
  buf_printf(out, "%zx\r\n", event.len + 8);
  buf_lit(out, "data: ");
  buf_str(out, event);
  buf_lit(out, "\n\n\r\n");
}

static void stream_delta(struct buf *out, struct str content, bool first, bool last) {
  struct buf event;
  buf_init(&event, INPUT_MAX);
  begin_json(&event, "chat.completion.chunk");
  buf_lit(&event, "{\"index\":0,\"delta\":{");
  if (first) buf_lit(&event, "\"role\":\"assistant\",");
  if (!last) {
    buf_lit(&event, "\"content\":");
    json_write_str(&event, content);
  }
  buf_str(&event, last ? STR("},\"finish_reason\":\"stop\"}]}") : STR("},\"finish_reason\":null}]}"));
  chunk(out, buf_view(&event));
  buf_free(&event);
}

static void stream_end(struct demo *d, struct buf *out) {
  stream_delta(out, (struct str){0}, false, true);
  struct buf event;
  buf_init(&event, 1024);
  begin_json(&event, "chat.completion.chunk");
  buf_lit(&event, "],");
  usage_json(&event, d->prompt_tokens, d->words);
  chunk(out, buf_view(&event));
  chunk(out, STR("[DONE]"));
  buf_lit(out, "0\r\n\r\n");
  buf_free(&event);
  free(d->text);
  d->text = NULL;
  d->busy = false;
}

static void next_word(struct timer *timer) {
  struct demo *d = (struct demo *)((char *)timer - offsetof(struct demo, timer));
  if (conn_blocked(&d->conn)) {
    timer_set(d->worker->loop, &d->timer, WORD_MS);
    return;
  }
  struct str rest = str_from(d->text + d->text_at, d->text_len - d->text_at);
  size_t space = str_find_char(rest, ' ', 1);
  if (space == SIZE_MAX) space = rest.len;
  struct buf out;
  buf_init(&out, INPUT_MAX);
  stream_delta(&out, str_from(rest.ptr, space), d->text_at == 0, false);
  d->text_at += space;
  if (d->text_at >= d->text_len)
    stream_end(d, &out);
  else
    timer_set(d->worker->loop, &d->timer, WORD_MS);
  send_bytes(d, buf_view(&out));
  buf_free(&out);
}

static void stream_begin(struct demo *d, struct str text, bool paced) {
  d->text = str_dup(text);
  if (!d->text) {
    demo_close(d);
    return;
  }
  d->text_len = text.len;
  d->text_at = 0;
  d->busy = true;
  send_bytes(d, STR("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"));
  if (!conn_is_open(&d->conn)) return;
  if (paced) {
    next_word(&d->timer);
    return;
  }
  struct buf out;
  buf_init(&out, INPUT_MAX);
  stream_delta(&out, text, true, false);
  stream_end(d, &out);
  send_bytes(d, buf_view(&out));
  buf_free(&out);
}

static void reply_text(struct demo *d, struct str text, bool stream, bool paced) {
  d->words = words_in(text);
  if (stream) {
    stream_begin(d, text, paced);
    return;
  }
  struct buf out;
  buf_init(&out, INPUT_MAX);
  begin_json(&out, "chat.completion");
  buf_lit(&out, "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
  json_write_str(&out, text);
  buf_lit(&out, "},\"finish_reason\":\"stop\"}],");
  usage_json(&out, d->prompt_tokens, d->words);
  reply_json(d, 200, buf_view(&out));
  buf_free(&out);
}

// --- tools ---

static void reply_tool_call(struct demo *d, struct str name, bool stream) {
  struct buf out, call;
  buf_init(&out, INPUT_MAX);
  buf_init(&call, INPUT_MAX);
  d->words = 1;
  buf_printf(&call, "\"tool_calls\":[{%s\"id\":\"call_demo%08llx\",\"type\":\"function\",\"function\":{\"name\":",
             stream ? "\"index\":0," : "", (unsigned long long)(rand_next(&d->worker->rand) >> 32));
  json_write_str(&call, name);
  buf_lit(&call, ",\"arguments\":\"{}\"}}]");
  begin_json(&out, stream ? "chat.completion.chunk" : "chat.completion");
  buf_printf(&out, "{\"index\":0,\"%s\":{\"role\":\"assistant\",\"content\":null,", stream ? "delta" : "message");
  buf_str(&out, buf_view(&call));
  buf_lit(&out, "},\"finish_reason\":\"tool_calls\"}],");
  usage_json(&out, d->prompt_tokens, 1);
  if (stream) {
    struct buf all;
    buf_init(&all, INPUT_MAX);
    buf_lit(&all, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunk(&all, buf_view(&out));
    chunk(&all, STR("[DONE]"));
    buf_lit(&all, "0\r\n\r\n");
    send_bytes(d, buf_view(&all));
    buf_free(&all);
  } else {
    reply_json(d, 200, buf_view(&out));
  }
  buf_free(&call);
  buf_free(&out);
}

// --- requests ---

// The text of the last user message; parts of type text are joined.
static struct str last_user_text(const struct json_doc *doc, struct arena *arena) {
  uint32_t messages = json_get(doc, 0, STR("messages")), content = JSON_NONE;
  for (uint32_t m = json_first(doc, messages); m != JSON_NONE; m = json_next(doc, messages, m))
    if (json_string_is(doc, json_get(doc, m, STR("role")), STR("user"))) content = json_get(doc, m, STR("content"));
  struct str text = {0};
  if (json_is(doc, content, JSON_STRING)) return json_string(doc, content, arena, &text) ? text : (struct str){0};
  for (uint32_t p = json_first(doc, content); p != JSON_NONE; p = json_next(doc, content, p)) {
    struct str piece;
    if (json_string(doc, json_get(doc, p, STR("text")), arena, &piece))
      text = arena_printf(arena, "%.*s%.*s", STR_ARGS(text), STR_ARGS(piece));
  }
  return text;
}

static void answer(struct demo *d, struct str body) {
  struct json_doc doc = {0};
  struct arena arena = {0};
  if (json_parse(&doc, body, 6) != JSON_OK) {
    reply_json(d, 400, STR("{\"error\":{\"message\":\"the demo provider got no valid JSON\"}}"));
    goto out;
  }
  bool stream = false;
  struct str model = {0}, text = last_user_text(&doc, &arena), tool;
  if (!json_bool(&doc, json_get(&doc, 0, STR("stream")), &stream)) stream = false;
  if (!json_string(&doc, json_get(&doc, 0, STR("model")), &arena, &model)) model = STR("");
  d->prompt_tokens = words_in(text) + 3;
  uint32_t tools = json_get(&doc, 0, STR("tools"));
  uint32_t function = json_get(&doc, json_first(&doc, tools), STR("function"));
  if (str_eq(model, STR("flaky-down"))) {
    reply_json(d, 503, STR("{\"error\":{\"message\":\"simulated outage of the demo provider\",\"code\":503}}"));
  } else if (str_eq(model, STR("lorem"))) {
    reply_text(d, str_from(lorem, sizeof lorem - 1), stream, true);
  } else if (str_eq(model, STR("tools")) && json_string(&doc, json_get(&doc, function, STR("name")), &arena, &tool)) {
    reply_tool_call(d, tool, stream);
  } else if (str_eq(model, STR("tools"))) {
    reply_text(d, STR("(Simulated.) Give me a tool in \"tools\", and I call the first one."), stream, false);
  } else {
    struct str echo = arena_printf(&arena, "(Simulated by the demo provider.) You said: %.*s", STR_ARGS(text));
    reply_text(d, echo.ptr ? echo : STR("(Simulated.)"), stream, false);
  }
out:
  json_doc_free(&doc);
  arena_free(&arena);
}

static void on_readable(struct conn *conn) {
  struct demo *d = (struct demo *)conn;
  size_t got;
  if (!buf_reserve(&d->input, 4096)) {
    demo_close(d);
    return;
  }
  switch (conn_read(conn, d->input.ptr + d->input.len, d->input.cap - d->input.len, &got)) {
    case CONN_AGAIN: return;
    case CONN_EOF:
    case CONN_ERROR: demo_close(d); return;
    case CONN_OK: d->input.len += got;
  }
  struct http_head head;
  struct http_refusal refusal;
  enum http_result result = http_request_parse(buf_view(&d->input), LIMIT_HEAD, &head, &refusal);
  if (result == HTTP_FAILED || d->busy) {
    demo_close(d);
    return;
  }
  if (result == HTTP_MORE || d->input.len < head.size + (size_t)head.content_length) return;
  answer(d, str_from(d->input.ptr + head.size, (size_t)head.content_length));
  buf_free(&d->input);
}

static void on_drained(struct conn *conn) {
  (void)conn;
}

static void on_hangup(struct conn *conn) {
  demo_close((struct demo *)conn);
}

int demo_dial(void *worker) {
  struct worker *w = worker;
  int pair[2];
  struct demo *d = calloc(1, sizeof *d);
  if (!d || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
    free(d);
    return -1;
  }
  d->worker = w;
  buf_init(&d->input, INPUT_MAX);
  d->timer.on_fire = next_word;
  d->conn.on_readable = on_readable;
  d->conn.on_drained = on_drained;
  d->conn.on_hangup = on_hangup;
  d->conn.brings_answers = true;
  if (!conn_start(&d->conn, w->loop, pair[1])) {
    close(pair[0]);
    close(pair[1]);
    free(d);
    return -1;
  }
  d->next = w->demos;
  if (d->next) d->next->pprev = &d->next;
  d->pprev = &w->demos;
  w->demos = d;
  return pair[0];
}

void demo_close_all(struct worker *w) {
  while (w->demos) demo_close(w->demos);
}
