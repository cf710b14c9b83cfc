#include "surface/chat_members.h"

static const struct chat_member rows[] = {
#define X(id, name, ...) {{name, sizeof name - 1}, __VA_ARGS__},
    CHAT_REQUEST_MEMBERS(X)
#undef X
};

const struct chat_member *chat_member_row(enum chat_member_id id) {
  return &rows[id];
}

enum chat_member_id chat_member_find(const struct json_doc *doc, uint32_t key) {
  const struct json_node *node = &doc->nodes[key];
  const char *name = doc->text.ptr + node->start + 1;
  size_t len = node->end - node->start - 2;
  if (UNLIKELY(node->escaped)) {
    for (size_t i = 0; i < CHAT_MEMBER_COUNT; i++)
      if (json_string_is(doc, key, rows[i].name)) return (enum chat_member_id)i;
    return CHAT_MEMBER_COUNT;
  }
  // Spelt out, so that the compiler makes comparisons of one or two machine words.
#define X(id, text, ...) \
  if (len == sizeof text - 1 && memcmp(name, text, sizeof text - 1) == 0) return CHAT_MEMBER_##id;
  CHAT_REQUEST_MEMBERS(X)
#undef X
  return CHAT_MEMBER_COUNT;
}
