// Tools that Bedrock runs itself (Nova's code interpreter and its grounding in the web): a call and its result stand in
// the answer as two blocks, and become one event.
#pragma once
#include "base/buf.h"
#include "json/json.h"
#include "llm/event.h"

struct bedrock_server_tool {
  struct buf id, name, arguments;  // insides
  struct buf result;               // JSON: the result's block without its ID; empty: it has not come
  bool given;
  bool streamed;              // texts come in pieces: each goes on where the one before stopped
  bool has_content, in_text;  // of the result so far
};
struct bedrock_server_tools {
  struct bedrock_server_tool *items;
  uint32_t count;
};

void bedrock_server_tools_free(struct bedrock_server_tools *tools);
// A call begins. NULL: no memory, or more than any answer has.
struct bedrock_server_tool *bedrock_server_tool_begin(struct bedrock_server_tools *tools, struct str id,
                                                      struct str name);
// The call of this ID; NULL: none.
struct bedrock_server_tool *bedrock_server_tool_find(struct bedrock_server_tools *tools, struct str id);
// Its result begins, with the members of `block`; then what it holds, piece by piece.
void bedrock_server_tool_result(struct bedrock_server_tool *tool, const struct json_doc *doc, uint32_t block);
void bedrock_server_tool_pieces(struct bedrock_server_tool *tool, const struct json_doc *doc, uint32_t pieces);
// Gives the event, once. False: out of memory.
bool bedrock_server_tool_give(struct bedrock_server_tool *tool, uint32_t block, struct event_sink sink);
