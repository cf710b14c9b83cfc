// An answer in events, as a chat completion: whole, or a stream of chunks. What the two share is how reasoning
// (chat_details.c) and sources are told; a whole answer collects its pieces, a stream writes each as it comes.
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "json/escape.h"
#include "surface/chat_events.h"

enum { CALLS_MAX = 1024, CARRY_MAX = 1 << 20 };

struct chat_events *chat_events_new(struct chat_reply *reply, struct chat_events_options options) {
  struct chat_events *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  e->reply = reply;
  e->options = options;
  e->repeat = chat_repeat(options.repeated);
  struct buf *bufs[] = {&e->content, &e->refusal,  &e->calls,     &e->images, &e->annotations, &e->reasoning,
                        &e->details, &e->logprobs, &e->citations, &e->audio,  &e->prefix};
  for (size_t i = 0; i < CHAT_COUNT(bufs); i++) buf_init(bufs[i], LIMIT_REPLY_BODY);
  buf_init(&e->pause, LIMIT_REPLY_BODY);
  if (options.stream) e->details.max = CARRY_MAX;
  e->detail = EVENT_BEGIN;
  return e;
}

void chat_events_drop(struct chat_events *e) {
  if (!e) return;
  struct buf *bufs[] = {&e->content, &e->refusal,  &e->calls,     &e->images, &e->annotations, &e->reasoning,
                        &e->details, &e->logprobs, &e->citations, &e->audio,  &e->prefix};
  for (size_t i = 0; i < CHAT_COUNT(bufs); i++) buf_free(bufs[i]);
  buf_free(&e->pause);
  free(e);
}

void chat_events_into(struct chat_events *e, struct buf *out) {
  e->out = out;
}

bool chat_events_spoke(const struct chat_events *e) {
  return e->spoke;
}

// --- chunks ---

void chat_chunk_begin(struct chat_events *e) {
  if (!e->prefix.len) {
    buf_lit(&e->prefix, "data: ");
    chat_begin(e->reply, STR("chat.completion.chunk"), &e->prefix);
    buf_lit(&e->prefix, ",\"choices\":[{\"index\":0,\"delta\":{");
    e->failed |= e->prefix.failed;
  }
  buf_str(e->out, buf_view(&e->prefix));
  if (!e->begun) buf_lit(e->out, "\"role\":\"assistant\",");
}

void chat_chunk_end(struct chat_events *e) {
  buf_lit(e->out, "},\"finish_reason\":null,\"native_finish_reason\":null}]}\n\n");
  e->begun = e->spoke = true;
}

void chat_quoted(struct buf *out, struct str inside) {
  buf_char(out, '"');
  buf_str(out, inside);
  buf_char(out, '"');
}

// --- text ---

static void write_text(struct chat_events *e, uint32_t block, struct str text) {
  if (!text.len) return;
  if (block != e->block) e->block_from = e->characters;
  e->block = block;
  e->characters += escape_characters(text);
  e->reply->text_bytes += text.len;
  if (!e->options.stream) {
    buf_str(&e->content, text);
    return;
  }
  chat_chunk_begin(e);
  if (e->phase[0] && !e->phase_told) {
    buf_lit(e->out, "\"phase\":");
    chat_quoted(e->out, str_from_cstr(e->phase));
    buf_char(e->out, ',');
  }
  e->phase_told = true;
  buf_lit(e->out, "\"content\":");
  chat_quoted(e->out, text);
  chat_chunk_end(e);
}

static void on_text(struct chat_events *e, const struct event *event) {
  struct str held, text = chat_repeat_take(&e->repeat, event->text, &held);
  write_text(e, event->block, held);
  write_text(e, event->block, text);
}

static void on_phase(struct chat_events *e, const struct event *event) {
  if (event->text.len >= sizeof e->phase) return;
  chat_keep(e->phase, sizeof e->phase, event->text);
  e->phase_told = false;
}

static void on_refusal(struct chat_events *e, const struct event *event) {
  e->reply->text_bytes += event->text.len;
  if (!e->options.stream) {
    buf_str(&e->refusal, event->text);
    return;
  }
  chat_chunk_begin(e);
  buf_lit(e->out, "\"refusal\":");
  chat_quoted(e->out, event->text);
  chat_chunk_end(e);
}

static void write_image(struct buf *out, const struct event *event) {
  buf_lit(out, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:");
  buf_str(out, event->name);
  buf_lit(out, ";base64,");
  buf_str(out, event->text);
  buf_lit(out, "\"}}");
}

static void on_image(struct chat_events *e, const struct event *event) {
  if (!e->options.stream) {
    if (e->images.len) buf_char(&e->images, ',');
    write_image(&e->images, event);
    return;
  }
  chat_chunk_begin(e);
  buf_lit(e->out, "\"content\":\"\",\"images\":[");
  write_image(e->out, event);
  buf_char(e->out, ']');
  chat_chunk_end(e);
}

// A provider's own JSON, on one line.
static void own_json(struct buf *out, struct str json) {
  for (size_t i = 0; i < json.len; i++) buf_char(out, json.ptr[i] == '\n' || json.ptr[i] == '\r' ? ' ' : json.ptr[i]);
}

// Speech, as OpenAI tells it: one object that a stream's chunks add data to. The client named its format, or knows it.
static void audio_begin(struct chat_events *e, struct buf *out) {
  buf_lit(out, "\"audio\":{\"id\":\"audio_");
  buf_str(out, e->reply->generation_id);
  buf_lit(out, "\",\"data\":\"");
}

static void audio_end(struct chat_events *e, struct buf *out) {
  buf_lit(out, "\",\"expires_at\":");
  buf_u64(out, e->reply->created);  // it is kept nowhere
  buf_lit(out, ",\"transcript\":\"\"}");
}

static void on_audio(struct chat_events *e, const struct event *event) {
  if (!e->options.stream) {
    buf_str(&e->audio, event->text);
    return;
  }
  chat_chunk_begin(e);
  buf_lit(e->out, "\"content\":\"\",");
  audio_begin(e, e->out);
  buf_str(e->out, event->text);
  audio_end(e, e->out);
  chat_chunk_end(e);
}

static void on_logprobs(struct chat_events *e, const struct event *event) {
  if (!e->options.stream) {
    if (e->logprobs.len) buf_char(&e->logprobs, ',');
    buf_str(&e->logprobs, event->json);
    return;
  }
  chat_chunk_begin(e);
  buf_lit(e->out, "\"content\":\"\"},\"logprobs\":{\"content\":[");
  own_json(e->out, event->json);
  buf_lit(e->out, "],\"refusal\":null");
  chat_chunk_end(e);
}

// A source that cannot be looked up: told as the provider tells it.
static void on_own_citation(struct chat_events *e, struct str json) {
  struct buf *out = e->options.stream ? e->out : &e->citations;
  if (e->options.stream) {
    chat_chunk_begin(e);
    buf_lit(out, "\"content\":\"\",\"citations\":[");
  } else if (out->len) {
    buf_char(out, ',');
  }
  own_json(out, json);
  if (!e->options.stream) return;
  buf_char(out, ']');
  chat_chunk_end(e);
}

static void on_citation(struct chat_events *e, const struct event *event) {
  if (!event->url.len) {
    if (event->json.len) on_own_citation(e, event->json);
    return;
  }
  uint64_t from = event->block == e->block ? e->block_from : e->characters, to = e->characters;
  if (event->has_range) from = event->from, to = event->to;
  struct buf *out = e->options.stream ? e->out : &e->annotations;
  if (e->options.stream) {
    chat_chunk_begin(e);
    buf_lit(out, "\"content\":\"\",\"annotations\":[");
  } else if (out->len) {
    buf_char(out, ',');
  }
  buf_lit(out, "{\"type\":\"url_citation\",\"url_citation\":{\"url\":");
  chat_quoted(out, event->url);
  buf_lit(out, ",\"title\":");
  chat_quoted(out, event->title);
  if (event->cited.len) {
    buf_lit(out, ",\"content\":");
    chat_quoted(out, event->cited);
  }
  buf_lit(out, ",\"start_index\":");
  buf_u64(out, from);
  buf_lit(out, ",\"end_index\":");
  buf_u64(out, to);
  buf_lit(out, "}}");
  if (!e->options.stream) return;
  buf_char(out, ']');
  chat_chunk_end(e);
}

// --- tool calls ---

// An ID of our own where the provider gives none.
static struct str call_id(struct chat_events *e, const struct event *event, char made[64]) {
  if (event->id.len) return event->id;
  struct str tail = e->reply->generation_id;
  if (tail.len > 20) tail = str_skip(tail, tail.len - 20);
  struct buf text;
  buf_init(&text, 64);
  buf_lit(&text, "call_");
  buf_str(&text, tail);
  buf_char(&text, '_');
  buf_u64(&text, event->call - e->first_call);
  size_t n = text.len;
  if (n) memcpy(made, text.ptr, n);
  e->failed |= text.failed;
  buf_free(&text);
  return str_from(made, n);
}

static void write_call(struct buf *out, struct str id, const struct event *event) {
  buf_lit(out, "\"id\":");
  chat_quoted(out, id);
  buf_lit(out, ",\"type\":\"function\",");
  if (event->text.len) {
    buf_lit(out, "\"extra_content\":{\"google\":{\"thought_signature\":");
    chat_quoted(out, event->text);
    buf_lit(out, "}},");
  }
  buf_lit(out, "\"function\":{\"name\":");
  chat_quoted(out, event->name);
  buf_lit(out, ",\"arguments\":\"");
}

static void on_call_end(struct chat_events *e) {
  if (e->call_open) buf_lit(&e->calls, "\"}}");
  e->call_open = false;
}

// A tool's name as the client spells it.
static struct str own_name(const struct chat_events *e, struct str name) {
  for (size_t i = 0; i < e->options.tool_name_count; i++)
    if (str_eq(e->options.tool_names[i].told, name)) return e->options.tool_names[i].own;
  return name;
}

static void on_call(struct chat_events *e, const struct event *event) {
  char made[64];
  struct event named = *event;
  if (e->options.answer_tool.len && str_eq(event->name, e->options.answer_tool) && !e->answer_call) {
    e->answer_call = event->call + 1;
    if (!e->call_count) e->first_call = event->call + 1;
    return;
  }
  named.name = own_name(e, event->name);
  event = &named;
  struct str id = call_id(e, event, made);
  if (!e->call_count++ && id.len < sizeof e->first_id) chat_keep(e->first_id, sizeof e->first_id, id);
  chat_details_close(e);
  uint32_t index = e->detail_count;
  if (event->text.len) {
    e->detail_count++;
    chat_details_collect(e, event->text, id, index);
  }
  if (!e->options.stream) {
    on_call_end(e);
    if (e->calls.len) buf_char(&e->calls, ',');
    buf_char(&e->calls, '{');
    write_call(&e->calls, id, event);
    e->call_open = true;
    return;
  }
  chat_chunk_begin(e);
  buf_lit(e->out, "\"content\":null,\"tool_calls\":[{\"index\":");
  buf_u64(e->out, event->call - e->first_call);
  buf_char(e->out, ',');
  write_call(e->out, id, event);
  buf_lit(e->out, "\"}}]");
  if (event->text.len && !e->options.hide_reasoning) {
    buf_lit(e->out, ",\"reasoning_details\":[");
    chat_details_write(e, e->out, event->text, id, index);
    buf_char(e->out, ']');
  }
  chat_chunk_end(e);
}

static void on_arguments(struct chat_events *e, const struct event *event) {
  e->reply->text_bytes += event->text.len;
  if (e->answer_call == event->call + 1) {
    // The answer is JSON in a string here as there.
    on_text(e, &(struct event){.kind = EVENT_TEXT, .block = e->block, .text = event->text});
    return;
  }
  if (!e->options.stream) {
    buf_str(&e->calls, event->text);
    return;
  }
  chat_chunk_begin(e);
  buf_lit(e->out, "\"tool_calls\":[{\"index\":");
  buf_u64(e->out, event->call - e->first_call);
  buf_lit(e->out, ",\"function\":{\"arguments\":");
  chat_quoted(e->out, event->text);
  buf_lit(e->out, "}}]");
  chat_chunk_end(e);
}

// --- all events ---

static void on_finish(struct chat_events *e, const struct event *event) {
  e->finish = event->finish;
  if (e->finish == FINISH_TOOL_CALLS && !e->call_count) e->finish = FINISH_STOP;  // the answer was a call of ours
  e->finished = true;
  // It is written as it is kept: an inside must stay one.
  struct str native = escape_front(event->native, sizeof e->reply->native_finish_reason - 1);
  chat_keep(e->reply->native_finish_reason, sizeof e->reply->native_finish_reason, native);
}

static void on_pause(struct chat_events *e, const struct event *event) {
  buf_clear(&e->pause);
  buf_str(&e->pause, event->json);
  e->failed |= e->pause.failed;
}

// A turn that was paused is one answer: its parts and its costs go on where they were.
static void on_usage(struct chat_events *e, const struct event *event) {
  e->reply->usage = *event->usage;
  usage_settle(&e->reply->usage, 0);
  if (e->before.known) usage_add(&e->reply->usage, &e->before);
}

static void on_event(void *context, const struct event *event) {
  struct chat_events *e = context;
  struct event moved;
  bool other = event->kind == EVENT_CALL || event->kind == EVENT_REFUSAL || event->kind == EVENT_FINISH;
  if (other) write_text(e, e->block, chat_repeat_end(&e->repeat));
  if (UNLIKELY(e->block_base)) {
    moved = *event;
    moved.block += e->block_base;
    event = &moved;
  }
  if (event->block >= e->block_top) e->block_top = event->block + 1;
  switch (event->kind) {
    case EVENT_BEGIN:
      if (!e->reply->upstream_id[0]) chat_keep(e->reply->upstream_id, sizeof e->reply->upstream_id, event->id);
      return;
    case EVENT_TEXT: on_text(e, event); return;
    case EVENT_PHASE: on_phase(e, event); return;
    case EVENT_REFUSAL: on_refusal(e, event); return;
    case EVENT_REASONING:
    case EVENT_SIGNATURE: chat_details_reasoning(e, event); return;
    case EVENT_ENCRYPTED: chat_details_encrypted(e, event); return;
    case EVENT_CALL: on_call(e, event); return;
    case EVENT_ARGUMENTS: on_arguments(e, event); return;
    case EVENT_CALL_END: on_call_end(e); return;
    case EVENT_SERVER_TOOL: chat_details_server_tool(e, event); return;
    case EVENT_LOGPROBS: on_logprobs(e, event); return;
    case EVENT_CITATION: on_citation(e, event); return;
    case EVENT_IMAGE: on_image(e, event); return;
    case EVENT_AUDIO: on_audio(e, event); return;
    case EVENT_PAUSE: on_pause(e, event); return;
    case EVENT_FINISH: on_finish(e, event); return;
    case EVENT_USAGE: on_usage(e, event); return;
  }
}

bool chat_events_paused(const struct chat_events *e, struct str *blocks) {
  *blocks = buf_view(&e->pause);
  return blocks->len && !e->failed;
}

void chat_events_go_on(struct chat_events *e) {
  chat_details_close(e);
  buf_free(&e->pause);
  buf_init(&e->pause, LIMIT_REPLY_BODY);
  e->before = e->reply->usage;
  e->block_base = e->block_top;
  e->finished = false;
}

struct event_sink chat_events_sink(struct chat_events *e) {
  return (struct event_sink){on_event, e};
}

// --- the end ---

static const struct str finish_words[] = {[FINISH_STOP] = {"stop", 4},
                                          [FINISH_LENGTH] = {"length", 6},
                                          [FINISH_TOOL_CALLS] = {"tool_calls", 10},
                                          [FINISH_CONTENT_FILTER] = {"content_filter", 14},
                                          [FINISH_ERROR] = {"error", 5}};

static void write_finish(struct chat_events *e, struct buf *out) {
  const char *native = e->reply->native_finish_reason;
  struct str word = finish_words[e->finish];
  chat_keep(e->reply->finish_reason, sizeof e->reply->finish_reason, word);
  buf_lit(out, "\"finish_reason\":\"");
  buf_str(out, word);
  buf_lit(out, "\",\"native_finish_reason\":");
  if (native[0])
    chat_quoted(out, str_from_cstr(native));
  else
    buf_lit(out, "null");
}

static void settle_usage(struct chat_events *e, uint64_t request_bytes) {
  if (!e->reply->usage.known) chat_usage_estimate(e->reply, request_bytes);
  chat_usage_price(e->reply);
}

static void write_list(struct buf *out, struct str name, const struct buf *list) {
  if (!list->len) return;
  json_write_key(out, name);
  buf_char(out, '[');
  buf_str(out, buf_view(list));
  buf_char(out, ']');
}

static void write_whole(struct chat_events *e, struct buf *out) {
  bool said = e->content.len != 0 || (!e->calls.len && !e->refusal.len && !e->images.len && !e->audio.len);
  chat_begin(e->reply, STR("chat.completion"), out);
  buf_lit(out, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
  if (said)
    chat_quoted(out, buf_view(&e->content));
  else
    buf_lit(out, "null");
  if (e->phase[0]) {
    buf_lit(out, ",\"phase\":");
    chat_quoted(out, str_from_cstr(e->phase));
  }
  buf_lit(out, ",\"refusal\":");
  if (e->refusal.len)
    chat_quoted(out, buf_view(&e->refusal));
  else
    buf_lit(out, "null");
  if (e->reasoning.len && !e->options.hide_reasoning) {
    buf_lit(out, ",\"reasoning\":");
    chat_quoted(out, buf_view(&e->reasoning));
    buf_lit(out, ",\"reasoning_content\":");
    chat_quoted(out, buf_view(&e->reasoning));
  }
  if (!e->options.hide_reasoning) write_list(out, STR("reasoning_details"), &e->details);
  write_list(out, STR("tool_calls"), &e->calls);
  write_list(out, STR("images"), &e->images);
  if (e->audio.len) {
    buf_char(out, ',');
    audio_begin(e, out);
    buf_str(out, buf_view(&e->audio));
    audio_end(e, out);
  }
  write_list(out, STR("annotations"), &e->annotations);
  write_list(out, STR("citations"), &e->citations);
  if (e->logprobs.len) {
    buf_lit(out, "},\"logprobs\":{\"content\":[");
    buf_str(out, buf_view(&e->logprobs));
    buf_lit(out, "],\"refusal\":null},");
  } else {
    buf_lit(out, "},\"logprobs\":null,");
  }
  write_finish(e, out);
  buf_lit(out, "}],\"system_fingerprint\":null,");
  chat_usage_write(e->reply, NULL, JSON_NONE, out);
  buf_char(out, '}');
}

bool chat_events_end(struct chat_events *e, uint64_t request_bytes, struct buf *out) {
  chat_details_close(e);
  settle_usage(e, request_bytes);
  e->out = out;
  if (!e->options.stream) {
    on_call_end(e);
    write_whole(e, out);
  } else {
    chat_chunk_begin(e);
    if (!e->begun) buf_lit(out, "\"content\":\"\"");  // behind the role
    buf_lit(out, "},");
    write_finish(e, out);
    buf_lit(out, "}]}\n\ndata: ");
    chat_begin(e->reply, STR("chat.completion.chunk"), out);
    buf_lit(out, ",\"choices\":[],");
    chat_usage_write(e->reply, NULL, JSON_NONE, out);
    buf_lit(out, "}\n\ndata: [DONE]\n\n");
    e->begun = e->spoke = true;
  }
  if (!e->options.stream) e->failed |= e->details.failed;
  const struct buf *bufs[] = {&e->content,   &e->refusal,  &e->calls,     &e->images, &e->annotations,
                              &e->reasoning, &e->logprobs, &e->citations, &e->audio,  &e->prefix};
  for (size_t i = 0; i < CHAT_COUNT(bufs); i++) e->failed |= bufs[i]->failed;
  return !e->failed && !out->failed;
}

// "call_0": some providers count anew in each answer, and what was kept of one would be found for another.
static bool is_counted(struct str id) {
  if (!str_starts(id, STR("call_"))) return false;
  for (size_t i = 5; i < id.len; i++)
    if (id.ptr[i] < '0' || id.ptr[i] > '9') return false;
  return id.len <= 5 + 6;
}

bool chat_events_carry(const struct chat_events *e, struct str *call_id, struct str *details) {
  *call_id = str_from_cstr(e->first_id);
  *details = buf_view(&e->details);
  return call_id->len && !is_counted(*call_id) && details->len && !e->details.failed && e->options.reasoning_format;
}
