// Small things all files of openai_chat.h need: names, texts, the members of our own.
#include "surface/chat_shared.h"

#include <string.h>

void chat_reply_init(struct chat_reply *reply, struct str generation_id, const struct endpoint *endpoint,
                     uint64_t created) {
  memset(reply, 0, sizeof *reply);
  reply->generation_id = generation_id;
  reply->endpoint = endpoint;
  reply->created = reply->asked_at = created;
}

void chat_keep(char *into, size_t size, struct str text) {
  size_t n = text.len < size - 1 ? text.len : size - 1;
  while (n && n < text.len && ((unsigned char)text.ptr[n] & 0xC0) == 0x80) n--;
  if (n) memcpy(into, text.ptr, n);
  into[n] = 0;
}

void chat_fail(struct chat_reply *reply, enum fault fault, struct str message) {
  reply->fault = fault;
  chat_keep(reply->message, sizeof reply->message, message);
}

void chat_top_read(struct chat_top *top, const struct json_doc *doc) {
  struct chat_members m;
  chat_members_read(&m, doc, 0);
  top->id = m.at[CHAT_WORD_ID];
  top->created = m.at[CHAT_WORD_CREATED];
  top->choices = m.at[CHAT_WORD_CHOICES];
  top->usage = m.at[CHAT_WORD_USAGE];
  top->error = m.at[CHAT_WORD_ERROR];
  top->x_groq = m.at[CHAT_WORD_X_GROQ];
  top->obfuscation = m.at[CHAT_WORD_OBFUSCATION];
  top->system_fingerprint = m.at[CHAT_WORD_SYSTEM_FINGERPRINT];
  top->first = json_first(doc, top->choices);
  chat_members_read(&top->choice, doc, top->first);
}

bool chat_has_text(const struct json_doc *doc, uint32_t node) {
  return json_is(doc, node, JSON_STRING) && json_raw(doc, node).len > 2;
}

struct str chat_inside(const struct json_doc *doc, uint32_t node) {
  if (!chat_has_text(doc, node)) return (struct str){0};
  struct str raw = json_raw(doc, node);
  return str_from(raw.ptr + 1, raw.len - 2);
}

bool chat_null_refused(const struct json_doc *doc, enum chat_word word, uint32_t value) {
  static const chat_word_set refused =
      CHAT_SET(SYSTEM_FINGERPRINT) | CHAT_SET(USAGE) | CHAT_SET(TOOL_CALLS) | CHAT_SET(REASONING_DETAILS) |
      CHAT_SET(AUDIO) | CHAT_SET(FUNCTION_CALL) | CHAT_SET(IMAGES) | CHAT_SET(ANNOTATIONS) | CHAT_SET(ERROR) |
      CHAT_SET(MODERATION) | CHAT_SET(METADATA) | CHAT_SET(NAME) | CHAT_SET(MODEL) | CHAT_SET(OPENROUTER_METADATA);
  return chat_word_in(word, refused) && json_type(doc, value) == JSON_NULL;
}

void chat_copy_member(const struct json_doc *doc, uint32_t key, uint32_t value, struct buf *out) {
  if (out->len && out->ptr[out->len - 1] != '{') buf_char(out, ',');
  // The colon and what white space is around it go along.
  buf_append(out, doc->text.ptr + doc->nodes[key].start, doc->nodes[value].end - doc->nodes[key].start);
}

void chat_copy_others(const struct json_doc *doc, uint32_t object, chat_word_set ours, struct buf *out) {
  if (!json_is(doc, object, JSON_OBJECT)) return;
  uint32_t end = doc->nodes[object].next;
  for (uint32_t key = object + 1, value; key < end; key = doc->nodes[value].next) {
    value = key + 1;
    enum chat_word word = chat_word_of(doc, key);
    if (!chat_word_in(word, ours) && !chat_null_refused(doc, word, value)) chat_copy_member(doc, key, value, out);
  }
}

void chat_begin(const struct chat_reply *reply, struct str object, struct buf *out) {
  buf_lit(out, "{\"id\":");
  json_write_str(out, reply->generation_id);
  buf_lit(out, ",\"provider\":");
  json_write_str(out, reply->endpoint->provider->name);
  buf_lit(out, ",\"model\":");
  json_write_str(out, reply->endpoint->model->id);
  buf_lit(out, ",\"object\":\"");
  buf_str(out, object);
  buf_lit(out, "\",\"created\":");
  buf_u64(out, reply->created);
}

void chat_note_origin(struct chat_reply *reply, const struct json_doc *doc, const struct chat_top *top, bool first) {
  if (!reply->upstream_id[0]) chat_keep(reply->upstream_id, sizeof reply->upstream_id, chat_inside(doc, top->id));
  // Some clients read it as 32 bits.
  uint64_t created;
  if (first && json_u64(doc, top->created, UINT32_MAX, &created) && created) reply->created = created;
}
