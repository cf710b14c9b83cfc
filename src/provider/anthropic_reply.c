#include "provider/anthropic_reply.h"

#include "provider/anthropic_reading.h"
#include "provider/decode.h"
#include "provider/encode.h"

enum { USES_MAX = 64 };  // calls of Anthropic's tools that wait for their results at once

struct reading {
  const struct json_doc *doc;
  struct event_sink sink;
  uint32_t uses[USES_MAX];  // blocks
  unsigned use_count;
  uint32_t calls;
};

// --- tools that Anthropic ran ---

// `use`: the block of a call; `result`: of its result. Either may be JSON_NONE.
static bool give_server_tool(struct reading *r, uint32_t use, uint32_t result) {
  const struct json_doc *doc = r->doc;
  struct buf name, arguments;
  buf_init(&name, 4096);
  buf_init(&arguments, ANTHROPIC_PIECES_MAX);
  struct anthropic_use told = {.id = decode_member(doc, use, STR("id"))};
  if (use != JSON_NONE) {
    anthropic_use_name(doc, use, &name);
    uint32_t input = json_get(doc, use, STR("input"));
    json_write_str(&arguments, input == JSON_NONE ? STR("{}") : json_raw(doc, input));
    told.name = buf_view(&name);
    told.arguments = arguments.failed ? (struct str){0} : str_from(arguments.ptr + 1, arguments.len - 2);
  } else {
    told.id = decode_member(doc, result, STR("tool_use_id"));
    told.name = anthropic_result_name(doc, result);
  }
  bool ok = !name.failed && !arguments.failed && anthropic_give_server_tool(&told, json_raw(doc, result), r->sink);
  buf_free(&name);
  buf_free(&arguments);
  return ok;
}

static bool take_use(struct reading *r, uint32_t block) {
  if (r->use_count == USES_MAX) return give_server_tool(r, block, JSON_NONE);
  r->uses[r->use_count++] = block;
  return true;
}

static bool take_result(struct reading *r, uint32_t block) {
  struct str id = decode_member(r->doc, block, STR("tool_use_id"));
  for (unsigned i = 0; id.len && i < r->use_count; i++) {
    uint32_t use = r->uses[i];
    if (!str_eq(id, decode_member(r->doc, use, STR("id")))) continue;
    for (r->use_count--; i < r->use_count; i++) r->uses[i] = r->uses[i + 1];
    return give_server_tool(r, use, block);
  }
  return give_server_tool(r, JSON_NONE, block);
}

// --- content ---

static bool take_call(struct reading *r, uint32_t block) {
  bool any;
  anthropic_give_call(r->doc, block, r->calls, r->sink);
  if (!anthropic_give_input(r->doc, json_get(r->doc, block, STR("input")), r->calls, &any, r->sink)) return false;
  anthropic_give_call_end(r->calls++, any, r->sink);
  return true;
}

static bool take_block(struct reading *r, uint32_t block, uint32_t number) {
  const struct json_doc *doc = r->doc;
  switch (anthropic_block_kind(doc, block)) {
    case BLOCK_TEXT:
      decode_give_text(r->sink, EVENT_TEXT, number, decode_member(doc, block, STR("text")));
      anthropic_give_citations(doc, json_get(doc, block, STR("citations")), number, r->sink);
      return true;
    case BLOCK_THINKING:
      decode_give_text(r->sink, EVENT_REASONING, number, decode_member(doc, block, STR("thinking")));
      decode_give_text(r->sink, EVENT_SIGNATURE, number, decode_member(doc, block, STR("signature")));
      return true;
    case BLOCK_REDACTED:
      decode_give_text(r->sink, EVENT_ENCRYPTED, number, decode_member(doc, block, STR("data")));
      return true;
    case BLOCK_CALL: return take_call(r, block);
    case BLOCK_SERVER: return take_use(r, block);
    case BLOCK_RESULT:
    case BLOCK_SUMMARY: return take_result(r, block);
    case BLOCK_OTHER: return true;
  }
  return true;
}

static bool take_content(struct reading *r, uint32_t content) {
  uint32_t number = 0;
  for (uint32_t b = json_first(r->doc, content); b != JSON_NONE; b = json_next(r->doc, content, b))
    if (!take_block(r, b, number++)) return false;
  for (unsigned i = 0; i < r->use_count; i++)
    if (!give_server_tool(r, r->uses[i], JSON_NONE)) return false;
  return true;
}

// The blocks as they came, to be sent back; a text that is blank would be refused.
static bool give_pause(struct reading *r, uint32_t content) {
  struct buf blocks;
  buf_init(&blocks, ANTHROPIC_PIECES_MAX);
  for (uint32_t b = json_first(r->doc, content); b != JSON_NONE; b = json_next(r->doc, content, b)) {
    bool text = anthropic_block_kind(r->doc, b) == BLOCK_TEXT;
    if (text && encode_is_blank(decode_member(r->doc, b, STR("text")))) continue;
    if (blocks.len) buf_char(&blocks, ',');
    buf_str(&blocks, json_raw(r->doc, b));
  }
  bool ok = !blocks.failed;
  if (ok) decode_give(r->sink, (struct event){.kind = EVENT_PAUSE, .json = buf_view(&blocks)});
  buf_free(&blocks);
  return ok;
}

static bool whole(const struct json_doc *doc, struct event_sink sink, struct decode_failure *failure) {
  uint32_t error = json_get(doc, 0, STR("error")), content = json_get(doc, 0, STR("content"));
  if (json_is(doc, error, JSON_OBJECT)) return anthropic_error_read(doc, error, 0, failure), false;
  if (!json_is(doc, content, JSON_ARRAY))
    return decode_fail(failure, FAULT_UPSTREAM_INVALID, STR("The provider's answer is JSON, but no message.")), false;
  struct reading r = {.doc = doc, .sink = sink};
  struct anthropic_counts counts = {0};
  struct str reason = decode_member(doc, 0, STR("stop_reason"));
  decode_give(sink, (struct event){.kind = EVENT_BEGIN,
                                   .id = decode_member(doc, 0, STR("id")),
                                   .model = decode_member(doc, 0, STR("model"))});
  if (!take_content(&r, content)) return decode_no_memory(failure), false;
  if (str_eq(reason, STR("pause_turn")) && !r.calls && !give_pause(&r, content))
    return decode_no_memory(failure), false;
  anthropic_finish_give(reason, doc, json_get(doc, 0, STR("stop_details")), r.calls != 0, sink);
  anthropic_counts_read(&counts, doc, json_get(doc, 0, STR("usage")));
  anthropic_counts_give(&counts, sink);
  return true;
}

bool anthropic_reply(struct str body, struct event_sink sink, struct decode_failure *failure) {
  struct json_doc doc = {0};
  bool ok = decode_parse(&doc, body, 5, failure) && whole(&doc, sink, failure);
  json_doc_free(&doc);
  return ok;
}
