#include "surface/chat_words.h"

enum { LONGEST = 25 };

// The candidates are few once the length is known; what they are compared with is spelt out, so that the compiler makes
// a comparison of one or two machine words of each.
static enum chat_word plain_word(const char *name, size_t len) {
#define IS(id, text) \
  if (len == sizeof text - 1 && memcmp(name, text, sizeof text - 1) == 0) return CHAT_WORD_##id;
#define X(id, text) IS(id, text)
  CHAT_WORDS(X)
#undef X
#undef IS
  return CHAT_WORD_OTHER;
}

static enum chat_word escaped_word(const struct json_doc *doc, uint32_t key) {
#define X(id, text) \
  if (json_string_is(doc, key, STR(text))) return CHAT_WORD_##id;
  CHAT_WORDS(X)
#undef X
  return CHAT_WORD_OTHER;
}

enum chat_word chat_word_of(const struct json_doc *doc, uint32_t key) {
  const struct json_node *node = &doc->nodes[key];
  if (UNLIKELY(node->escaped)) return escaped_word(doc, key);
  size_t len = node->end - node->start - 2;
  return len <= LONGEST ? plain_word(doc->text.ptr + node->start + 1, len) : CHAT_WORD_OTHER;
}

void chat_members_read(struct chat_members *members, const struct json_doc *doc, uint32_t object) {
  memset(members, 0xff, sizeof *members);  // JSON_NONE
  if (!json_is(doc, object, JSON_OBJECT)) return;
  uint32_t end = doc->nodes[object].next;
  for (uint32_t key = object + 1; key < end; key = doc->nodes[key + 1].next)
    members->at[chat_word_of(doc, key)] = key + 1;
}
