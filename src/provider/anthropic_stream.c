// Streams of Anthropic Messages as events.
#include <stdlib.h>
#include <string.h>

#include "provider/anthropic_reading.h"
#include "provider/anthropic_reply.h"
#include "provider/decode.h"
#include "provider/encode.h"

enum { BLOCKS_MAX = 4096 };  // content blocks of one answer; far more than any model makes

// What has come of a block, where it is needed once the block is complete: citations, whose range ends with the text;
// calls of Anthropic's tools, which are told with their results; everything, when the turn may be paused.
struct kept {
  struct buf start;  // its members but those that come in pieces: "type":"text"; all of a block that comes at once
  struct buf text;   // inside: pieces of its text, thinking, input or content
  struct buf more;   // citations, with commas between them; or the signature
};

struct block {
  uint8_t kind;  // enum anthropic_block
  bool open, has_arguments;
  bool waits;  // a call of a tool of Anthropic's, whose result has not come
  uint32_t call;
  struct kept *kept;
};

struct anthropic_stream {
  struct event_sink sink;
  struct json_doc doc;  // its memory is used again for each event
  struct anthropic_counts counts;
  struct block *blocks;
  uint32_t block_count, calls;
  bool begun, finished, paused;
  bool keeps;       // the turn may be paused
  struct buf turn;  // then: its complete blocks, with commas between them
  char id[64];      // of message_start: another one means that two answers were mixed
};

struct anthropic_stream *anthropic_stream_new(struct event_sink sink) {
  struct anthropic_stream *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->sink = sink;
  buf_init(&s->turn, ANTHROPIC_PIECES_MAX);
  return s;
}

static void kept_drop(struct block *b) {
  if (!b->kept) return;
  buf_free(&b->kept->start);
  buf_free(&b->kept->text);
  buf_free(&b->kept->more);
  free(b->kept);
  b->kept = NULL;
}

void anthropic_stream_drop(struct anthropic_stream *s) {
  if (!s) return;
  for (uint32_t i = 0; i < s->block_count; i++) kept_drop(&s->blocks[i]);
  json_doc_free(&s->doc);
  buf_free(&s->turn);
  free(s->blocks);
  free(s);
}

void anthropic_stream_keep(struct anthropic_stream *s) {
  s->keeps = true;
}

// --- what is kept of a block ---

static bool comes_in_pieces(const struct json_doc *doc, uint32_t key, uint8_t kind) {
  static const struct str names[] = {{"text", 4}, {"citations", 9}, {"thinking", 8}, {"signature", 9}, {"input", 5}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (json_string_is(doc, key, names[i])) return true;
  return kind == BLOCK_SUMMARY && json_string_is(doc, key, STR("content"));
}

static void copy_members(const struct json_doc *doc, uint32_t content, uint8_t kind, struct buf *out) {
  for (uint32_t key = json_first(doc, content); key != JSON_NONE;) {
    uint32_t value = json_next(doc, content, key);
    if (!comes_in_pieces(doc, key, kind)) {
      if (out->len) buf_char(out, ',');
      buf_str(out, json_raw(doc, key));
      buf_char(out, ':');
      buf_str(out, json_raw(doc, value));
    }
    key = json_next(doc, content, value);
  }
}

static bool is_whole(uint8_t kind) {
  return kind == BLOCK_OTHER || kind == BLOCK_RESULT || kind == BLOCK_REDACTED;
}

static void keep_citations(struct kept *k, const struct json_doc *doc, uint32_t citations) {
  if (!json_is(doc, citations, JSON_ARRAY)) return;
  for (uint32_t c = json_first(doc, citations); c != JSON_NONE; c = json_next(doc, citations, c)) {
    if (k->more.len) buf_char(&k->more, ',');
    buf_str(&k->more, json_raw(doc, c));
  }
}

static void keep_input(struct kept *k, struct str json) {
  struct buf text;
  buf_init(&text, ANTHROPIC_PIECES_MAX);
  json_write_str(&text, json);
  if (text.failed)
    k->text.failed = true;
  else
    buf_append(&k->text, text.ptr + 1, text.len - 2);
  buf_free(&text);
}

// What of it is there from the start; most hosts begin with nothing. False: out of memory.
static bool kept_begin(struct anthropic_stream *s, struct block *b, uint32_t content) {
  const struct json_doc *doc = &s->doc;
  struct kept *k = b->kept = calloc(1, sizeof *k);
  if (!k) return false;
  struct buf *bufs[] = {&k->start, &k->text, &k->more};
  for (size_t i = 0; i < 3; i++) buf_init(bufs[i], ANTHROPIC_PIECES_MAX);
  if (is_whole(b->kind)) {
    buf_str(&k->start, json_raw(doc, content));
  } else {
    uint32_t input = json_get(doc, content, STR("input"));
    if (b->kind != BLOCK_TEXT || s->keeps) copy_members(doc, content, b->kind, &k->start);
    if (s->keeps) buf_str(&k->text, decode_member(doc, content, STR("text")));
    buf_str(&k->text, decode_member(doc, content, STR("thinking")));
    if (b->kind == BLOCK_SUMMARY) buf_str(&k->text, decode_member(doc, content, STR("content")));
    buf_str(&k->more, decode_member(doc, content, STR("signature")));
    keep_citations(k, doc, json_get(doc, content, STR("citations")));
    if (json_first(doc, input) != JSON_NONE) keep_input(k, json_raw(doc, input));
  }
  return !k->start.failed && !k->text.failed && !k->more.failed;
}

// The block as it would have come at once; nothing for a text that is blank, which would be refused. False: out of
// memory.
static bool kept_write(const struct block *b, struct buf *out) {
  const struct kept *k = b->kept;
  struct str text = buf_view(&k->text), more = buf_view(&k->more);
  if (b->kind == BLOCK_TEXT && encode_is_blank(text)) return true;
  if (out->len) buf_char(out, ',');
  if (is_whole(b->kind)) {
    buf_str(out, buf_view(&k->start));
    return !out->failed;
  }
  buf_char(out, '{');
  buf_str(out, buf_view(&k->start));
  if (b->kind == BLOCK_TEXT) {
    encode_inside(out, STR("text"), text);
    if (more.len) {
      encode_array(out, STR("citations"));
      buf_str(out, more);
      buf_char(out, ']');
    }
  } else if (b->kind == BLOCK_THINKING) {
    encode_inside(out, STR("thinking"), text);
    encode_inside(out, STR("signature"), more);
  } else if (b->kind == BLOCK_SUMMARY) {
    encode_inside(out, STR("content"), text);
  } else {
    struct arena arena = {0};
    json_write_key(out, STR("input"));
    if (!encode_arguments(out, text, &arena) || arena.failed) out->failed = true;
    arena_free(&arena);
  }
  buf_char(out, '}');
  return !out->failed;
}

// --- tools that Anthropic runs ---

// `b`: the call. `result`: a block in the present event; empty: none.
static bool give_server_tool(struct anthropic_stream *s, struct block *b, struct str result) {
  struct json_doc doc = {0};
  struct buf name, start;
  buf_init(&name, 4096);
  buf_init(&start, ANTHROPIC_PIECES_MAX);
  buf_char(&start, '{');
  buf_str(&start, buf_view(&b->kept->start));
  buf_char(&start, '}');
  bool ok = !start.failed && json_parse(&doc, buf_view(&start), 1) == JSON_OK && anthropic_use_name(&doc, 0, &name);
  struct str arguments = buf_view(&b->kept->text);
  struct anthropic_use use = {.id = decode_member(&doc, 0, STR("id")),
                              .name = buf_view(&name),
                              .arguments = arguments.len ? arguments : STR("{}")};
  ok = ok && anthropic_give_server_tool(&use, result, s->sink);
  b->waits = false;
  json_doc_free(&doc);
  buf_free(&name);
  buf_free(&start);
  return ok;
}

static bool is_use_of(const struct block *b, struct str id) {
  struct str start = buf_view(&b->kept->start), name = STR("\"id\":\"");  // as copy_members writes it
  size_t at = str_find(start, name, 0);
  if (at == SIZE_MAX) return false;
  struct str value = str_skip(start, at + name.len);
  return str_starts(value, id) && value.len > id.len && value.ptr[id.len] == '"';
}

static bool take_result(struct anthropic_stream *s, uint32_t content) {
  struct str id = decode_member(&s->doc, content, STR("tool_use_id"));
  for (uint32_t i = 0; id.len && i < s->block_count; i++)
    if (s->blocks[i].waits && is_use_of(&s->blocks[i], id))
      return give_server_tool(s, &s->blocks[i], json_raw(&s->doc, content));
  struct anthropic_use use = {.id = id, .name = anthropic_result_name(&s->doc, content)};
  return anthropic_give_server_tool(&use, json_raw(&s->doc, content), s->sink);
}

static bool give_waiting(struct anthropic_stream *s) {
  for (uint32_t i = 0; i < s->block_count; i++)
    if (s->blocks[i].waits && !give_server_tool(s, &s->blocks[i], (struct str){0})) return false;
  return true;
}

// --- the message ---

static bool blocks_end(struct anthropic_stream *s);

static enum decode_result on_message_start(struct anthropic_stream *s, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t message = json_get(doc, 0, STR("message"));
  struct str id = decode_member(doc, message, STR("id"));
  size_t n = id.len < sizeof s->id - 1 ? id.len : sizeof s->id - 1;
  if (s->begun) {
    if (str_eq(str_from_cstr(s->id), str_from(id.ptr, n))) return DECODE_MORE;  // the same once more
    return decode_refuse(failure, "The provider mixed two answers into one stream.");
  }
  s->begun = true;
  if (n) memcpy(s->id, id.ptr, n);
  anthropic_counts_read(&s->counts, doc, json_get(doc, message, STR("usage")));
  decode_give(s->sink,
              (struct event){.kind = EVENT_BEGIN, .id = id, .model = decode_member(doc, message, STR("model"))});
  return DECODE_MORE;
}

static enum decode_result on_message_delta(struct anthropic_stream *s, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint32_t delta = json_get(doc, 0, STR("delta"));
  struct str reason = decode_member(doc, delta, STR("stop_reason"));
  anthropic_counts_read(&s->counts, doc, json_get(doc, 0, STR("usage")));
  if (!reason.len || s->finished) return DECODE_MORE;
  if (!blocks_end(s) || !give_waiting(s)) return decode_no_memory(failure);
  s->finished = true;
  s->paused = str_eq(reason, STR("pause_turn")) && !s->calls;
  anthropic_finish_give(reason, doc, json_get(doc, delta, STR("stop_details")), s->calls != 0, s->sink);
  return DECODE_MORE;
}

static enum decode_result on_message_stop(struct anthropic_stream *s, struct decode_failure *failure) {
  if (!s->begun) return decode_refuse(failure, "The provider ended an answer that it had not begun.");
  if (!blocks_end(s) || !give_waiting(s) || s->turn.failed) return decode_no_memory(failure);
  if (s->paused && s->keeps) decode_give(s->sink, (struct event){.kind = EVENT_PAUSE, .json = buf_view(&s->turn)});
  if (!s->finished) anthropic_finish_give((struct str){0}, &s->doc, JSON_NONE, s->calls != 0, s->sink);
  anthropic_counts_give(&s->counts, s->sink);
  return DECODE_DONE;
}

// --- its blocks ---

// The block an event is about; NULL: it names none that is open.
static struct block *block_of(struct anthropic_stream *s, uint64_t *number) {
  if (!json_u64(&s->doc, json_get(&s->doc, 0, STR("index")), BLOCKS_MAX, number)) return NULL;
  return *number < s->block_count && s->blocks[*number].open ? &s->blocks[*number] : NULL;
}

static bool blocks_reserve(struct anthropic_stream *s, uint64_t number) {
  if (number < s->block_count) return true;
  uint32_t count = (uint32_t)number + 8;
  struct block *grown = realloc(s->blocks, count * sizeof *grown);
  if (!grown) return false;
  memset(grown + s->block_count, 0, (count - s->block_count) * sizeof *grown);
  s->blocks = grown;
  s->block_count = count;
  return true;
}

// What a block holds from the start: mostly nothing, or all of it.
static bool block_begin(struct anthropic_stream *s, struct block *b, uint32_t content, uint32_t number) {
  const struct json_doc *doc = &s->doc;
  switch ((enum anthropic_block)b->kind) {
    case BLOCK_TEXT: decode_give_text(s->sink, EVENT_TEXT, number, decode_member(doc, content, STR("text"))); break;
    case BLOCK_THINKING:
      decode_give_text(s->sink, EVENT_REASONING, number, decode_member(doc, content, STR("thinking")));
      decode_give_text(s->sink, EVENT_SIGNATURE, number, decode_member(doc, content, STR("signature")));
      break;
    case BLOCK_REDACTED:
      decode_give_text(s->sink, EVENT_ENCRYPTED, number, decode_member(doc, content, STR("data")));
      break;
    case BLOCK_CALL:
      b->call = s->calls++;
      anthropic_give_call(doc, content, b->call, s->sink);
      // A stream's input comes in pieces; some hosts give all of it here.
      if (!anthropic_give_input(doc, json_get(doc, content, STR("input")), b->call, &b->has_arguments, s->sink))
        return false;
      break;
    case BLOCK_RESULT:
      if (!take_result(s, content)) return false;
      break;
    case BLOCK_SERVER:
    case BLOCK_SUMMARY:
    case BLOCK_OTHER: break;
  }
  bool needed = s->keeps || b->kind == BLOCK_TEXT || b->kind == BLOCK_SERVER || b->kind == BLOCK_SUMMARY;
  return !needed || kept_begin(s, b, content);
}

static enum decode_result on_block_start(struct anthropic_stream *s, struct decode_failure *failure) {
  uint64_t number;
  if (block_of(s, &number)) return decode_refuse(failure, "The provider began a part of its answer twice.");
  if (!json_u64(&s->doc, json_get(&s->doc, 0, STR("index")), BLOCKS_MAX, &number))
    return decode_refuse(failure, "The provider's answer has a part without a number.");
  if (!blocks_reserve(s, number)) return decode_no_memory(failure);
  uint32_t content = json_get(&s->doc, 0, STR("content_block"));
  struct block *b = &s->blocks[number];
  kept_drop(b);
  *b = (struct block){.open = true, .kind = (uint8_t)anthropic_block_kind(&s->doc, content)};
  return block_begin(s, b, content, (uint32_t)number) ? DECODE_MORE : decode_no_memory(failure);
}

static void keep_citation(struct block *b, const struct json_doc *doc, uint32_t citation) {
  if (!json_is(doc, citation, JSON_OBJECT)) return;
  if (b->kept->more.len) buf_char(&b->kept->more, ',');
  buf_str(&b->kept->more, json_raw(doc, citation));
}

static void keep_pieces(struct block *b, struct str text, struct str more) {
  if (!b->kept) return;
  buf_str(&b->kept->text, text);
  buf_str(&b->kept->more, more);
}

// Some hosts begin a text with its first piece. `*made` stays NULL for a piece of anything else. False: out of memory.
static bool block_of_piece(struct anthropic_stream *s, uint32_t delta, uint64_t *number, struct block **made) {
  struct str type = decode_member(&s->doc, delta, STR("type"));
  bool text = str_eq(type, STR("text_delta"));
  if (!text && !str_eq(type, STR("thinking_delta")) && !str_eq(type, STR("signature_delta"))) return true;
  if (!json_u64(&s->doc, json_get(&s->doc, 0, STR("index")), BLOCKS_MAX, number)) return true;
  if (!blocks_reserve(s, *number)) return false;
  struct block *b = *made = &s->blocks[*number];
  kept_drop(b);
  *b = (struct block){.open = true, .kind = text ? BLOCK_TEXT : BLOCK_THINKING};
  if (!block_begin(s, b, JSON_NONE, (uint32_t)*number)) return false;
  if (s->keeps) buf_str(&b->kept->start, text ? STR("\"type\":\"text\"") : STR("\"type\":\"thinking\""));
  return !b->kept || !b->kept->start.failed;
}

static enum decode_result on_block_delta(struct anthropic_stream *s, struct decode_failure *failure) {
  const struct json_doc *doc = &s->doc;
  uint64_t number;
  struct block *b = block_of(s, &number);
  uint32_t delta = json_get(doc, 0, STR("delta"));
  if (!b && !block_of_piece(s, delta, &number, &b)) return decode_no_memory(failure);
  if (!b) return DECODE_MORE;
  if (b->kind == BLOCK_TEXT) {
    struct str text = decode_member(doc, delta, STR("text"));
    decode_give_text(s->sink, EVENT_TEXT, (uint32_t)number, text);
    if (s->keeps) keep_pieces(b, text, (struct str){0});
    keep_citation(b, doc, json_get(doc, delta, STR("citation")));
  } else if (b->kind == BLOCK_THINKING) {
    struct str thinking = decode_member(doc, delta, STR("thinking")),
               proof = decode_member(doc, delta, STR("signature"));
    decode_give_text(s->sink, EVENT_REASONING, (uint32_t)number, thinking);
    decode_give_text(s->sink, EVENT_SIGNATURE, (uint32_t)number, proof);
    keep_pieces(b, thinking, proof);
  } else if (b->kind == BLOCK_CALL) {
    struct str piece = decode_member(doc, delta, STR("partial_json"));
    b->has_arguments |= piece.len != 0;
    decode_give_arguments(s->sink, b->call, piece);
    keep_pieces(b, piece, (struct str){0});
  } else if (b->kind == BLOCK_SERVER) {
    keep_pieces(b, decode_member(doc, delta, STR("partial_json")), (struct str){0});
  } else if (b->kind == BLOCK_SUMMARY) {
    keep_pieces(b, decode_member(doc, delta, STR("content")), (struct str){0});
  }
  bool failed = b->kept && (b->kept->text.failed || b->kept->more.failed);
  return failed ? decode_no_memory(failure) : DECODE_MORE;
}

// The sources of a text, once all of it is there.
static bool give_citations(struct anthropic_stream *s, const struct block *b, uint32_t number) {
  struct json_doc doc = {0};
  struct buf list;
  if (!b->kept->more.len) return true;
  buf_init(&list, ANTHROPIC_PIECES_MAX);
  buf_char(&list, '[');
  buf_str(&list, buf_view(&b->kept->more));
  buf_char(&list, ']');
  bool ok = !list.failed && json_parse(&doc, buf_view(&list), 2) == JSON_OK;
  if (ok) anthropic_give_citations(&doc, 0, number, s->sink);
  json_doc_free(&doc);
  buf_free(&list);
  return ok;
}

static bool give_summary(struct anthropic_stream *s, const struct block *b) {
  struct buf whole;
  buf_init(&whole, ANTHROPIC_PIECES_MAX);
  struct anthropic_use use = {.name = STR("compaction")};
  bool ok = kept_write(b, &whole) && anthropic_give_server_tool(&use, buf_view(&whole), s->sink);
  buf_free(&whole);
  return ok;
}

static bool block_end(struct anthropic_stream *s, struct block *b, uint32_t number) {
  b->open = false;
  bool ok = true;
  if (b->kind == BLOCK_CALL) anthropic_give_call_end(b->call, b->has_arguments, s->sink);
  if (b->kind == BLOCK_TEXT) ok = give_citations(s, b, number);
  if (b->kind == BLOCK_SUMMARY) ok = give_summary(s, b);
  if (s->keeps && b->kept) ok = ok && kept_write(b, &s->turn);
  b->waits = b->kind == BLOCK_SERVER;
  if (!b->waits) kept_drop(b);
  return ok;
}

// Those the provider has not ended, although it ends the answer.
static bool blocks_end(struct anthropic_stream *s) {
  bool ok = true;
  for (uint32_t i = 0; ok && i < s->block_count; i++)
    if (s->blocks[i].open) ok = block_end(s, &s->blocks[i], i);
  return ok;
}

static enum decode_result on_block_stop(struct anthropic_stream *s, struct decode_failure *failure) {
  uint64_t number;
  struct block *b = block_of(s, &number);
  if (!b) return DECODE_MORE;
  return block_end(s, b, (uint32_t)number) ? DECODE_MORE : decode_no_memory(failure);
}

enum decode_result anthropic_stream_event(struct anthropic_stream *s, struct str data, struct decode_failure *failure) {
  struct json_doc *doc = &s->doc;
  enum json_error error = json_parse(doc, data, 5);
  if (error == JSON_NO_MEMORY) return decode_no_memory(failure);
  if (error != JSON_OK || !json_is(doc, 0, JSON_OBJECT))
    return decode_refuse(failure, "The provider's stream has an event that is no JSON object.");
  struct str type = decode_member(doc, 0, STR("type"));
  if (str_eq(type, STR("content_block_delta"))) return on_block_delta(s, failure);
  if (str_eq(type, STR("content_block_start"))) return on_block_start(s, failure);
  if (str_eq(type, STR("content_block_stop"))) return on_block_stop(s, failure);
  if (str_eq(type, STR("message_start"))) return on_message_start(s, failure);
  if (str_eq(type, STR("message_delta"))) return on_message_delta(s, failure);
  if (str_eq(type, STR("message_stop"))) return on_message_stop(s, failure);
  // Vertex tells trouble of its own without a type.
  uint32_t trouble = json_get(doc, 0, STR("error"));
  if (str_eq(type, STR("error")) || (!type.len && json_is(doc, trouble, JSON_OBJECT))) {
    anthropic_error_read(doc, trouble, 0, failure);
    return DECODE_FAILED;
  }
  return DECODE_MORE;  // ping, and kinds that may come
}
