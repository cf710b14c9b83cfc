// `reasoning_details` of an answer in events: a detail a piece of reasoning, with its signature; encrypted pieces; and
// the tools that the provider ran itself. A whole answer collects them, a stream writes each piece as it comes, under
// the index of its detail.
#include "surface/chat_events.h"

static struct str format_of(const struct chat_events *e) {
  return e->options.reasoning_format ? str_from_cstr(e->options.reasoning_format) : STR("unknown");
}

static void write_detail_begin(struct chat_events *e, struct buf *out, const char *type, uint32_t index) {
  buf_printf(out, "{\"type\":\"%s\",\"format\":", type);
  chat_quoted(out, format_of(e));
  buf_lit(out, ",\"index\":");
  buf_u64(out, index);
}

void chat_details_close(struct chat_events *e) {
  if (e->detail == EVENT_REASONING || e->detail == EVENT_SIGNATURE) buf_lit(&e->details, "\"}");
  e->detail = EVENT_BEGIN;
}

static bool collects(const struct chat_events *e) {
  return !e->options.stream || e->options.collect;
}

// The index of the detail a piece belongs to: pieces of one block, text and then signature, are one.
static uint32_t detail_index(struct chat_events *e, const struct event *event) {
  bool same = e->detail != EVENT_BEGIN && e->detail_block == event->block &&
              !(e->detail == EVENT_SIGNATURE && event->kind == EVENT_REASONING);
  if (same) return e->detail_count - 1;
  chat_details_close(e);
  return e->detail_count++;
}

static void write_id(struct buf *out, const char *key, struct str id) {
  if (!id.len) return;
  buf_printf(out, ",\"%s\":", key);
  chat_quoted(out, id);
}

// What a piece of a detail is called: the detail's type, and the member it goes into.
static const char *detail_type(const struct event *event) {
  return event->summary ? "reasoning.summary" : "reasoning.text";
}

static const char *detail_member(const struct event *event) {
  return event->kind == EVENT_SIGNATURE ? "signature" : event->summary ? "summary" : "text";
}

static void collect_piece(struct chat_events *e, const struct event *event, uint32_t index, bool fresh) {
  if (fresh) {
    if (e->details.len) buf_char(&e->details, ',');
    write_detail_begin(e, &e->details, detail_type(event), index);
    write_id(&e->details, "id", event->id);
  }
  if (fresh || e->detail != event->kind) {
    if (!fresh) buf_char(&e->details, '"');
    buf_printf(&e->details, ",\"%s\":\"", detail_member(event));
  }
  buf_str(&e->details, event->text);
}

void chat_details_reasoning(struct chat_events *e, const struct event *event) {
  uint32_t before = e->detail_count, index = detail_index(e, event);
  bool text = event->kind == EVENT_REASONING;
  if (collects(e)) collect_piece(e, event, index, before != e->detail_count);
  e->detail = event->kind;
  e->detail_block = event->block;
  if (text) e->reply->text_bytes += event->text.len;
  if (!e->options.stream) {
    if (text) buf_str(&e->reasoning, event->text);
    return;
  }
  if (e->options.hide_reasoning) return;
  chat_chunk_begin(e);
  buf_lit(e->out, "\"content\":\"\",");
  if (text) {
    buf_lit(e->out, "\"reasoning\":");
    chat_quoted(e->out, event->text);
    buf_lit(e->out, ",\"reasoning_content\":");
    chat_quoted(e->out, event->text);
    buf_char(e->out, ',');
  }
  buf_lit(e->out, "\"reasoning_details\":[");
  write_detail_begin(e, e->out, detail_type(event), index);
  write_id(e->out, "id", event->id);
  buf_printf(e->out, ",\"%s\":", detail_member(event));
  chat_quoted(e->out, event->text);
  buf_lit(e->out, "}]");
  chat_chunk_end(e);
}

void chat_details_write(struct chat_events *e, struct buf *out, struct str data, struct str id, uint32_t index) {
  write_detail_begin(e, out, "reasoning.encrypted", index);
  write_id(out, "id", id);
  buf_lit(out, ",\"data\":");
  chat_quoted(out, data);
  buf_char(out, '}');
}

void chat_details_collect(struct chat_events *e, struct str data, struct str id, uint32_t index) {
  if (!collects(e)) return;
  if (e->details.len) buf_char(&e->details, ',');
  chat_details_write(e, &e->details, data, id, index);
}

void chat_details_encrypted(struct chat_events *e, const struct event *event) {
  chat_details_close(e);
  uint32_t index = e->detail_count++;
  chat_details_collect(e, event->text, event->id, index);
  if (!e->options.stream || e->options.hide_reasoning) return;
  chat_chunk_begin(e);
  buf_lit(e->out, "\"content\":\"\",\"reasoning_details\":[");
  chat_details_write(e, e->out, event->text, event->id, index);
  buf_char(e->out, ']');
  chat_chunk_end(e);
}

static void write_server_tool(struct chat_events *e, struct buf *out, const struct event *event, uint32_t index) {
  write_detail_begin(e, out, "reasoning.server_tool_call", index);
  write_id(out, "tool_call_id", event->id);
  buf_lit(out, ",\"tool_name\":");
  chat_quoted(out, event->name);
  buf_lit(out, ",\"arguments\":");
  chat_quoted(out, event->arguments);
  buf_lit(out, ",\"result\":");
  chat_quoted(out, event->text);
  buf_char(out, '}');
}

void chat_details_server_tool(struct chat_events *e, const struct event *event) {
  chat_details_close(e);
  uint32_t index = e->detail_count++;
  if (collects(e)) {
    if (e->details.len) buf_char(&e->details, ',');
    write_server_tool(e, &e->details, event, index);
  }
  if (!e->options.stream || e->options.hide_reasoning) return;
  chat_chunk_begin(e);
  buf_lit(e->out, "\"content\":\"\",\"reasoning_details\":[");
  write_server_tool(e, e->out, event, index);
  buf_char(e->out, ']');
  chat_chunk_end(e);
}
