// What the files that read answers of Anthropic Messages share (anthropic_reply.c, _stream.c, _content.c, _usage.c,
// _error.c).
#pragma once
#include "base/buf.h"
#include "json/json.h"
#include "llm/event.h"

enum { ANTHROPIC_PIECES_MAX = 16 << 20 };  // bytes of one call's input, one text, one result

// --- anthropic_error.c ---

// `error`: {"type":…,"message":…}. `status` 0: it came in a stream.
void anthropic_error_read(const struct json_doc *doc, uint32_t error, unsigned status, struct decode_failure *failure);

// --- anthropic_usage.c ---

// Anthropic counts what came from its cache and what went there beside input_tokens; llm/usage.h counts them inside.
struct anthropic_counts {
  uint64_t input, read, written, written_1h, output, thinking, searches;
  uint64_t beside_input, beside_read, beside_written, beside_output;  // of calls beside
  bool known;
};
// A later object replaces the counts it names; message_delta may correct those of message_start.
void anthropic_counts_read(struct anthropic_counts *c, const struct json_doc *doc, uint32_t usage);
void anthropic_counts_give(const struct anthropic_counts *c, struct event_sink sink);

// --- anthropic_content.c ---

enum anthropic_block {
  BLOCK_OTHER,     // complete from the start, or not known
  BLOCK_TEXT,      // pieces: text; citations
  BLOCK_THINKING,  // pieces: thinking, signature
  BLOCK_CALL,      // pieces: input, of the client's tool
  BLOCK_SERVER,    // pieces: input, of a tool that Anthropic runs
  BLOCK_SUMMARY,   // pieces: content of "compaction"
  BLOCK_RESULT,    // of such a tool, complete
  BLOCK_REDACTED,  // reasoning only Anthropic can read, complete
};
enum anthropic_block anthropic_block_kind(const struct json_doc *doc, uint32_t content);

void anthropic_give_call(const struct json_doc *doc, uint32_t content, uint32_t call, struct event_sink sink);
// `citations`: an array.
void anthropic_give_citations(const struct json_doc *doc, uint32_t citations, uint32_t block, struct event_sink sink);
// A call's input, which is an object here, as the inside of a string; some hosts give a string when it was no JSON.
// Nothing is given for an empty one. False: out of memory. *any: there was some.
bool anthropic_give_input(const struct json_doc *doc, uint32_t input, uint32_t call, bool *any, struct event_sink sink);
void anthropic_give_call_end(uint32_t call, bool has_arguments, struct event_sink sink);

// A tool that Anthropic ran: `use` is its call (its name as an inside: "mcp:SERVER:NAME" for a server's), `result` the
// whole block of its result. Either may be empty: the turn was paused between them. False: out of memory.
struct anthropic_use {
  struct str id, name, arguments;  // insides
};
bool anthropic_give_server_tool(const struct anthropic_use *use, struct str result, struct event_sink sink);
// The name under which a call of such a tool is told. False: out of memory.
bool anthropic_use_name(const struct json_doc *doc, uint32_t content, struct buf *out);
// The same for a block that is told for itself, by its type: a result without its call, a summary.
struct str anthropic_result_name(const struct json_doc *doc, uint32_t content);

// Why it ended. `details`: stop_details, which may say why the model declined.
void anthropic_finish_give(struct str reason, const struct json_doc *doc, uint32_t details, bool called,
                           struct event_sink sink);
