#include "admin/explain_body.h"

#include "base/limits.h"
#include "json/json.h"

static void write_message(const struct json_doc *doc, uint32_t role, uint32_t content, struct buf *out) {
  if (out->ptr[out->len - 1] != '[') buf_char(out, ',');
  buf_lit(out, "{\"role\":");
  buf_str(out, role == JSON_NONE ? STR("\"user\"") : json_raw(doc, role));
  buf_lit(out, ",\"content\":");
  buf_str(out, content == JSON_NONE ? STR("\"\"") : json_raw(doc, content));
  buf_char(out, '}');
}

static bool is_content(const struct json_doc *doc, uint32_t node) {
  return json_is(doc, node, JSON_STRING) || json_is(doc, node, JSON_ARRAY);
}

// A text, texts, or messages with a role; what else there is (calls and their results, numbers of tokens) says nothing
// to routing.
static void write_messages(const struct json_doc *doc, uint32_t said, struct buf *out) {
  buf_lit(out, "\"messages\":[");
  if (json_is(doc, said, JSON_STRING)) write_message(doc, JSON_NONE, said, out);
  for (uint32_t item = json_is(doc, said, JSON_ARRAY) ? json_first(doc, said) : JSON_NONE; item != JSON_NONE;
       item = json_next(doc, said, item)) {
    uint32_t role = json_get(doc, item, STR("role")), content = json_get(doc, item, STR("content"));
    if (json_is(doc, item, JSON_STRING)) write_message(doc, JSON_NONE, item, out);
    if (json_is(doc, role, JSON_STRING) && is_content(doc, content)) write_message(doc, role, content, out);
  }
  if (out->len && out->ptr[out->len - 1] == '[') write_message(doc, JSON_NONE, JSON_NONE, out);
  buf_char(out, ']');
}

static void rewrite(const struct json_doc *doc, uint32_t said, struct buf *out) {
  buf_char(out, '{');
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE;) {
    uint32_t value = json_next(doc, 0, key);
    bool renamed = json_string_is(doc, key, STR("max_output_tokens"));
    if (value != said && !json_string_is(doc, key, STR("messages"))) {
      buf_str(out, renamed ? STR("\"max_completion_tokens\"") : json_raw(doc, key));
      buf_char(out, ':');
      buf_str(out, json_raw(doc, value));
      buf_char(out, ',');
    }
    key = json_next(doc, 0, value);
  }
  write_messages(doc, said, out);
  buf_char(out, '}');
}

struct str explain_body(struct str body, struct arena *arena) {
  struct json_doc doc = {0};
  struct str made = {0};
  if (json_parse(&doc, body, 3) == JSON_OK && json_type(&doc, json_get(&doc, 0, STR("messages"))) == JSON_NULL) {
    uint32_t said = json_get(&doc, 0, STR("input"));
    if (said == JSON_NONE) said = json_get(&doc, 0, STR("prompt"));
    struct buf out;
    buf_init(&out, 2 * body.len + 256);  // each item of a list grows by what stands around a message
    if (said != JSON_NONE) rewrite(&doc, said, &out);
    if (said != JSON_NONE && !out.failed) made = arena_str(arena, buf_view(&out));
    buf_free(&out);
  }
  json_doc_free(&doc);
  return made.ptr ? made : body;
}
