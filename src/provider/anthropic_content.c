// The blocks of Anthropic's answers, as events: what whole answers and streams have in common.
#include "provider/anthropic_reading.h"
#include "provider/decode.h"

// --- why it ended ---

static enum finish finish_of(struct str reason) {
  static const struct {
    const char *reason;
    enum finish finish;
  } rows[] = {{"max_tokens", FINISH_LENGTH},
              {"model_context_window_exceeded", FINISH_LENGTH},
              {"tool_use", FINISH_TOOL_CALLS},
              {"refusal", FINISH_CONTENT_FILTER}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq(reason, str_from_cstr(rows[i].reason))) return rows[i].finish;
  return FINISH_STOP;  // end_turn, stop_sequence, pause_turn, compaction, and whatever may come
}

// A call that was cut off by the limit is no call to be carried out: then `length` stays.
void anthropic_finish_give(struct str reason, const struct json_doc *doc, uint32_t details, bool called,
                           struct event_sink sink) {
  enum finish finish = finish_of(reason);
  if (called && finish == FINISH_STOP) finish = FINISH_TOOL_CALLS;
  if (finish == FINISH_CONTENT_FILTER)
    decode_give_text(sink, EVENT_REFUSAL, 0, decode_member(doc, details, STR("explanation")));
  decode_give(sink, (struct event){.kind = EVENT_FINISH, .finish = finish, .native = reason});
}

// --- blocks ---

enum anthropic_block anthropic_block_kind(const struct json_doc *doc, uint32_t content) {
  struct str type = decode_member(doc, content, STR("type"));
  if (str_eq(type, STR("text"))) return BLOCK_TEXT;
  if (str_eq(type, STR("thinking"))) return BLOCK_THINKING;
  if (str_eq(type, STR("redacted_thinking"))) return BLOCK_REDACTED;
  if (str_eq(type, STR("tool_use"))) return BLOCK_CALL;
  if (str_eq(type, STR("server_tool_use")) || str_eq(type, STR("mcp_tool_use"))) return BLOCK_SERVER;
  if (str_ends(type, STR("_tool_result"))) return BLOCK_RESULT;
  if (str_eq(type, STR("compaction"))) return BLOCK_SUMMARY;
  if (str_eq(type, STR("container_upload")) || str_eq(type, STR("fallback"))) return BLOCK_RESULT;
  return BLOCK_OTHER;
}

void anthropic_give_call(const struct json_doc *doc, uint32_t content, uint32_t call, struct event_sink sink) {
  decode_give(sink, (struct event){.kind = EVENT_CALL,
                                   .call = call,
                                   .id = decode_member(doc, content, STR("id")),
                                   .name = decode_member(doc, content, STR("name"))});
}

// Only what can be looked up is a source to a chat client; places inside a document it sent itself are told as they
// are.
static void give_citation(const struct json_doc *doc, uint32_t citation, uint32_t block, struct event_sink sink) {
  struct event event = {.kind = EVENT_CITATION, .block = block, .json = json_raw(doc, citation)};
  struct str url = decode_member(doc, citation, STR("url"));
  if (!url.len) url = decode_member(doc, citation, STR("source"));
  if (str_starts(url, STR("http://")) || str_starts(url, STR("https://"))) {
    event.url = url;
    event.title = decode_member(doc, citation, STR("title"));
    event.cited = decode_member(doc, citation, STR("cited_text"));
  }
  decode_give(sink, event);
}

void anthropic_give_citations(const struct json_doc *doc, uint32_t citations, uint32_t block, struct event_sink sink) {
  if (!json_is(doc, citations, JSON_ARRAY)) return;
  for (uint32_t c = json_first(doc, citations); c != JSON_NONE; c = json_next(doc, citations, c))
    if (json_is(doc, c, JSON_OBJECT)) give_citation(doc, c, block, sink);
}

bool anthropic_give_input(const struct json_doc *doc, uint32_t input, uint32_t call, bool *any,
                          struct event_sink sink) {
  struct str inside = decode_inside(doc, input);
  *any = json_first(doc, input) != JSON_NONE || inside.len;
  if (inside.len) decode_give_arguments(sink, call, inside);
  if (!*any || inside.len) return true;
  struct buf text;
  buf_init(&text, ANTHROPIC_PIECES_MAX);
  json_write_str(&text, json_raw(doc, input));
  bool ok = !text.failed;
  if (ok) decode_give_arguments(sink, call, str_from(text.ptr + 1, text.len - 2));
  buf_free(&text);
  return ok;
}

void anthropic_give_call_end(uint32_t call, bool has_arguments, struct event_sink sink) {
  if (!has_arguments) decode_give_arguments(sink, call, STR("{}"));
  decode_give(sink, (struct event){.kind = EVENT_CALL_END, .call = call});
}

// --- tools that Anthropic runs ---

bool anthropic_give_server_tool(const struct anthropic_use *use, struct str result, struct event_sink sink) {
  struct buf text;
  struct str inside = {0};
  buf_init(&text, ANTHROPIC_PIECES_MAX);
  if (result.len) json_write_str(&text, result);
  bool ok = !text.failed;
  if (ok && text.len) inside = str_from(text.ptr + 1, text.len - 2);
  if (ok)
    decode_give(
        sink,
        (struct event){
            .kind = EVENT_SERVER_TOOL, .id = use->id, .name = use->name, .arguments = use->arguments, .text = inside});
  buf_free(&text);
  return ok;
}

bool anthropic_use_name(const struct json_doc *doc, uint32_t content, struct buf *out) {
  if (json_string_is(doc, json_get(doc, content, STR("type")), STR("mcp_tool_use"))) {
    buf_lit(out, "mcp:");
    buf_str(out, decode_member(doc, content, STR("server_name")));
    buf_char(out, ':');
  }
  buf_str(out, decode_member(doc, content, STR("name")));
  return !out->failed;
}

struct str anthropic_result_name(const struct json_doc *doc, uint32_t content) {
  struct str type = decode_member(doc, content, STR("type"));
  if (str_ends(type, STR("_tool_result"))) type.len -= sizeof "_tool_result" - 1;
  return type;
}
