// Small things all files of openai_chat.h need: names, texts, the members of our own.
#include "surface/chat_shared.h"

#include <string.h>

void chat_reply_init(struct chat_reply *reply, struct str generation_id, const struct endpoint *endpoint,
                     uint64_t created) {
  memset(reply, 0, sizeof *reply);
  reply->generation_id = generation_id;
  reply->endpoint = endpoint;
  reply->created = created;
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

// Is this key, whose bytes are `raw`, the name?
static inline bool is_key(const struct json_doc *doc, uint32_t key, struct str raw, struct str name) {
  if (UNLIKELY(doc->nodes[key].escaped)) return json_string_is(doc, key, name);
  return name.len == raw.len - 2 && memcmp(name.ptr, raw.ptr + 1, name.len) == 0;
}

bool chat_is_one_of(const struct json_doc *doc, uint32_t node, const struct str *names, size_t count) {
  struct str raw = json_raw(doc, node);
  for (size_t i = 0; i < count; i++)
    if (is_key(doc, node, raw, names[i])) return true;
  return false;
}

void chat_members(const struct json_doc *doc, uint32_t object, const struct str *names, uint32_t *values,
                  size_t count) {
  for (size_t i = 0; i < count; i++) values[i] = JSON_NONE;
  if (!json_is(doc, object, JSON_OBJECT)) return;
  uint32_t end = doc->nodes[object].next;
  for (uint32_t key = object + 1; key < end; key = doc->nodes[key + 1].next) {
    struct str raw = json_raw(doc, key);
    for (size_t i = 0; i < count; i++)
      if (is_key(doc, key, raw, names[i])) values[i] = key + 1;
  }
}

struct chat_top chat_top_read(const struct json_doc *doc) {
  static const struct str names[] = {{"id", 2},    {"created", 7}, {"choices", 7},     {"usage", 5},
                                     {"error", 5}, {"x_groq", 6},  {"obfuscation", 11}};
  uint32_t v[CHAT_COUNT(names)];
  chat_members(doc, 0, names, v, CHAT_COUNT(names));
  return (struct chat_top){v[0], v[1], v[2], v[3], v[4], v[5], v[6], json_first(doc, v[2])};
}

bool chat_has_text(const struct json_doc *doc, uint32_t node) {
  return json_is(doc, node, JSON_STRING) && json_raw(doc, node).len > 2;
}

struct str chat_inside(const struct json_doc *doc, uint32_t node) {
  if (!chat_has_text(doc, node)) return (struct str){0};
  struct str raw = json_raw(doc, node);
  return str_from(raw.ptr + 1, raw.len - 2);
}

bool chat_null_refused(const struct json_doc *doc, uint32_t key, uint32_t value) {
  static const struct str names[] = {{"system_fingerprint", 18},
                                     {"usage", 5},
                                     {"tool_calls", 10},
                                     {"reasoning_details", 17},
                                     {"audio", 5},
                                     {"function_call", 13},
                                     {"images", 6},
                                     {"annotations", 11},
                                     {"error", 5},
                                     {"moderation", 10},
                                     {"metadata", 8},
                                     {"name", 4},
                                     {"model", 5},
                                     {"openrouter_metadata", 19}};
  return json_type(doc, value) == JSON_NULL && chat_is_one_of(doc, key, names, CHAT_COUNT(names));
}

void chat_copy_member(const struct json_doc *doc, uint32_t key, uint32_t value, struct buf *out) {
  if (out->len && out->ptr[out->len - 1] != '{') buf_char(out, ',');
  // The colon and what white space is around it go along.
  buf_append(out, doc->text.ptr + doc->nodes[key].start, doc->nodes[value].end - doc->nodes[key].start);
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
