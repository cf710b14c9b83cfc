#include "surface/chat_asked.h"

#include "surface/chat_members.h"

// The texts of an array of parts, a line each; the request's doc does not reach into them.
static struct str parts_text(struct str content, struct arena *arena) {
  struct json_doc parts = {0};
  struct str joined = {0};
  char *at = arena_alloc(arena, content.len + 1);  // what is decoded is never longer
  if (at && json_parse(&parts, content, 2) == JSON_OK) {
    joined.ptr = at;
    for (uint32_t part = json_first(&parts, 0); part != JSON_NONE; part = json_next(&parts, 0, part)) {
      struct str text;
      uint32_t node = json_get(&parts, part, STR("text"));
      if (!json_is(&parts, node, JSON_STRING) || !json_string(&parts, node, arena, &text) || !text.len) continue;
      if (joined.len) at[joined.len++] = '\n';
      memcpy(at + joined.len, text.ptr, text.len);
      joined.len += text.len;
    }
  }
  json_doc_free(&parts);
  return joined;
}

struct str chat_asked(const struct chat_request *r, struct arena *arena) {
  const struct json_doc *doc = &r->doc;
  uint32_t messages = chat_member_at(r, CHAT_MEMBER_MESSAGES), content = JSON_NONE;
  for (uint32_t m = json_first(doc, messages); m != JSON_NONE; m = json_next(doc, messages, m))
    if (json_string_is(doc, json_get(doc, m, STR("role")), STR("user"))) content = json_get(doc, m, STR("content"));
  struct str text = {0};
  if (json_is(doc, content, JSON_ARRAY)) return parts_text(json_raw(doc, content), arena);
  if (!json_is(doc, content, JSON_STRING) || !json_string(doc, content, arena, &text)) return (struct str){0};
  return text;
}
