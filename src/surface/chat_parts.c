// Texts of replies that come in lists: clients read a string as content, and one as reasoning.
#include "surface/chat_shared.h"

enum { LEVELS = 5 };  // list, part, its list, an element, a member

static bool write_text(const struct json_doc *doc, uint32_t text, struct buf *out) {
  buf_str(out, chat_inside(doc, text));
  return chat_has_text(doc, text);
}

// `"thinking":[{"type":"text","text":"…"}]`, `"summary":[{"type":"summary_text","text":"…"}]`, or a plain string.
static bool write_inner(const struct json_doc *doc, uint32_t value, struct buf *out) {
  bool any = write_text(doc, value, out);
  if (!json_is(doc, value, JSON_ARRAY)) return any;
  for (uint32_t item = json_first(doc, value); item != JSON_NONE; item = json_next(doc, value, item))
    any |= write_text(doc, json_get(doc, item, STR("text")), out);
  return any;
}

static bool write_part(const struct json_doc *doc, uint32_t part, bool reasoning, struct buf *out) {
  uint32_t type = json_get(doc, part, STR("type"));
  bool thinks = json_string_is(doc, type, STR("thinking")) || json_string_is(doc, type, STR("reasoning"));
  if (thinks != reasoning) return false;
  if (!thinks) return write_text(doc, json_is(doc, part, JSON_STRING) ? part : json_get(doc, part, STR("text")), out);
  static const struct str names[] = {{"thinking", 8}, {"summary", 7}, {"text", 4}, {"content", 7}};
  for (size_t i = 0; i < CHAT_COUNT(names); i++)
    if (write_inner(doc, json_get(doc, part, names[i]), out)) return true;
  return false;
}

bool chat_parts_text(const struct json_doc *doc, uint32_t content, bool reasoning, struct buf *out) {
  struct json_doc list = {0};
  bool any = false;
  if (json_parse(&list, json_raw(doc, content), LEVELS) != JSON_OK) out->failed = true;  // valid JSON: memory is out
  for (uint32_t part = json_first(&list, 0); part != JSON_NONE; part = json_next(&list, 0, part))
    any |= write_part(&list, part, reasoning, out);
  json_doc_free(&list);
  return any;
}

bool chat_details_text(const struct json_doc *doc, uint32_t details, struct buf *out) {
  bool any = false;
  for (uint32_t d = json_is(doc, details, JSON_ARRAY) ? json_first(doc, details) : JSON_NONE; d != JSON_NONE;
       d = json_next(doc, details, d)) {
    uint32_t text = json_get(doc, d, STR("text"));
    any |= write_text(doc, chat_has_text(doc, text) ? text : json_get(doc, d, STR("summary")), out);
  }
  return any;
}
