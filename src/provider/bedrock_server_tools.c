#include "provider/bedrock_server_tools.h"

#include <stdlib.h>

#include "provider/decode.h"

enum { TOOLS_MAX = 256, TEXT_MAX = 16 << 20 };

void bedrock_server_tools_free(struct bedrock_server_tools *tools) {
  for (uint32_t i = 0; i < tools->count; i++) {
    struct bedrock_server_tool *t = &tools->items[i];
    struct buf *bufs[] = {&t->id, &t->name, &t->arguments, &t->result};
    for (size_t k = 0; k < sizeof bufs / sizeof *bufs; k++) buf_free(bufs[k]);
  }
  free(tools->items);
  *tools = (struct bedrock_server_tools){0};
}

struct bedrock_server_tool *bedrock_server_tool_begin(struct bedrock_server_tools *tools, struct str id,
                                                      struct str name) {
  if (tools->count == TOOLS_MAX) return NULL;
  struct bedrock_server_tool *grown = realloc(tools->items, (tools->count + 1) * sizeof *grown);
  if (!grown) return NULL;
  tools->items = grown;
  struct bedrock_server_tool *t = &grown[tools->count++];
  *t = (struct bedrock_server_tool){0};
  struct buf *bufs[] = {&t->id, &t->name, &t->arguments, &t->result};
  for (size_t k = 0; k < sizeof bufs / sizeof *bufs; k++) buf_init(bufs[k], TEXT_MAX);
  buf_str(&t->id, id);
  buf_str(&t->name, name);
  return t;
}

struct bedrock_server_tool *bedrock_server_tool_find(struct bedrock_server_tools *tools, struct str id) {
  for (uint32_t i = tools->count; i-- > 0;)
    if (str_eq(buf_view(&tools->items[i].id), id)) return &tools->items[i];
  return NULL;
}

void bedrock_server_tool_result(struct bedrock_server_tool *tool, const struct json_doc *doc, uint32_t block) {
  static const struct str kept[] = {{"type", 4}, {"status", 6}};
  buf_clear(&tool->result);
  tool->has_content = tool->in_text = false;
  buf_char(&tool->result, '{');
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    uint32_t value = json_get(doc, block, kept[i]);
    if (!json_is(doc, value, JSON_STRING)) continue;
    json_write_key(&tool->result, kept[i]);
    buf_str(&tool->result, json_raw(doc, value));
  }
  json_write_key(&tool->result, STR("content"));
  buf_char(&tool->result, '[');
}

void bedrock_server_tool_pieces(struct bedrock_server_tool *tool, const struct json_doc *doc, uint32_t pieces) {
  struct buf *out = &tool->result;
  if (!json_is(doc, pieces, JSON_ARRAY) || !out->len) return;
  for (uint32_t p = json_first(doc, pieces); p != JSON_NONE; p = json_next(doc, pieces, p)) {
    uint32_t text = json_get(doc, p, STR("text"));
    bool is_text = json_is(doc, text, JSON_STRING);
    if (is_text && tool->in_text) {
      out->len -= out->len > 2 ? 2 : 0;  // the end of the piece before
    } else {
      if (tool->has_content) buf_char(out, ',');
      if (is_text) buf_lit(out, "{\"text\":\"");
    }
    if (is_text) {
      buf_str(out, decode_inside(doc, text));
      buf_lit(out, "\"}");
    } else {
      buf_str(out, json_raw(doc, p));
    }
    tool->has_content = true;
    tool->in_text = is_text && tool->streamed;
  }
}

bool bedrock_server_tool_give(struct bedrock_server_tool *tool, uint32_t block, struct event_sink sink) {
  struct buf text;
  if (tool->given) return true;
  tool->given = true;
  buf_init(&text, 2 * TEXT_MAX);
  if (tool->result.len) {
    buf_lit(&tool->result, "]}");
    json_write_str(&text, buf_view(&tool->result));
  } else {
    buf_lit(&text, "\"\"");
  }
  bool ok = !tool->id.failed && !tool->name.failed && !tool->arguments.failed && !tool->result.failed && !text.failed;
  struct str arguments = tool->arguments.len ? buf_view(&tool->arguments) : STR("{}");
  if (ok)
    decode_give(sink, (struct event){.kind = EVENT_SERVER_TOOL,
                                     .block = block,
                                     .id = buf_view(&tool->id),
                                     .name = buf_view(&tool->name),
                                     .arguments = arguments,
                                     .text = str_from(text.ptr + 1, text.len - 2)});
  buf_free(&text);
  return ok;
}
