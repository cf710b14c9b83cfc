#include "surface/chat_shape.h"

#include <stdlib.h>
#include <string.h>

#include "surface/chat_shared.h"

enum value { VALUE_ID, VALUE_CREATED, VALUE_CONTENT, VALUE_USAGE };
enum { WASTED_MAX = 16, CREATED_DIGITS = 10 };

// --- learning ---

// Where a value's own bytes begin and end: of a string, what is between the quotes.
static void value_range(const struct json_doc *doc, uint32_t node, size_t *begin, size_t *end) {
  bool string = json_is(doc, node, JSON_STRING);
  *begin = doc->nodes[node].start + string;
  *end = doc->nodes[node].end - string;
}

static bool fits(const struct chat_shape_sample *s) {
  const struct json_doc *doc = s->doc;
  uint64_t created;
  return json_is(doc, s->id, JSON_STRING) && json_u64(doc, s->created, UINT32_MAX, &created) && created &&
         json_is(doc, s->content, JSON_STRING) && json_is(doc, s->usage, JSON_OBJECT);
}

void chat_shape_learn(struct chat_shape *shape, const struct chat_shape_sample *s, const struct chat_reply *reply) {
  const struct json_doc *doc = s->doc;
  if (shape->wasted >= WASTED_MAX || !fits(s)) return;
  uint32_t nodes[CHAT_SHAPE_VALUES] = {s->id, s->created, s->content, s->usage};
  uint8_t order[CHAT_SHAPE_VALUES] = {VALUE_ID, VALUE_CREATED, VALUE_CONTENT, VALUE_USAGE};
  for (int i = 1; i < CHAT_SHAPE_VALUES; i++)  // nodes lie in the order of the text
    for (int k = i; k && nodes[order[k]] < nodes[order[k - 1]]; k--) {
      uint8_t other = order[k];
      order[k] = order[k - 1];
      order[k - 1] = other;
    }
  size_t content, content_end, begin, end;
  value_range(doc, s->content, &content, &content_end);
  size_t text_end = s->content_at + (content_end - content);
  struct str between = str_from(s->out.ptr + s->begun, s->content_at - s->begun);
  struct str behind = str_from(s->out.ptr + text_end, s->usage_at - text_end);
  if (doc->text.len - (content_end - content) + between.len + behind.len > CHAT_SHAPE_MAX) return;
  if (!shape->bytes && !(shape->bytes = malloc(CHAT_SHAPE_MAX))) return;
  char *to = shape->bytes;
  size_t at = 0;
  for (int i = 0; i < CHAT_SHAPE_VALUES; i++) {
    value_range(doc, nodes[order[i]], &begin, &end);
    shape->kinds[i] = order[i];
    shape->before[i] = (uint16_t)(begin - at);
    to = mempcpy(to, doc->text.ptr + at, begin - at);
    at = end;
  }
  shape->tail = (uint16_t)(doc->text.len - at);
  to = mempcpy(to, doc->text.ptr + at, shape->tail);
  shape->out_between = (uint16_t)between.len;
  to = mempcpy(to, between.ptr, between.len);
  shape->out_behind = (uint16_t)behind.len;
  memcpy(to, behind.ptr, behind.len);
  memcpy(shape->finish_reason, reply->finish_reason, sizeof shape->finish_reason);
  memcpy(shape->native_finish_reason, reply->native_finish_reason, sizeof shape->native_finish_reason);
  shape->valid = true;
  shape->wasted++;
}

// --- applying ---

struct found {
  struct str id, content;
  uint64_t created;
  struct json_doc usage;  // the usage object by itself
};

// The value at `at`; returns where it ends, SIZE_MAX when it is none.
static size_t value_end(enum value kind, struct str body, size_t at, struct found *f) {
  size_t end = at;
  switch (kind) {
    case VALUE_ID:
    case VALUE_CONTENT:
      end = json_string_end(body, at);
      if (end != SIZE_MAX) *(kind == VALUE_ID ? &f->id : &f->content) = str_from(body.ptr + at, end - at);
      return end;
    case VALUE_CREATED:
      f->created = 0;
      for (; end < body.len && body.ptr[end] >= '0' && body.ptr[end] <= '9' && end - at <= CREATED_DIGITS; end++)
        f->created = f->created * 10 + (uint64_t)(body.ptr[end] - '0');
      // A number of our own making beside 0, and the same number spelt with zeros in front, are left to the long way.
      return end > at && body.ptr[at] != '0' && f->created <= UINT32_MAX ? end : SIZE_MAX;
    case VALUE_USAGE:
      if (json_parse_front(&f->usage, str_skip(body, at), 6) != JSON_OK) return SIZE_MAX;
      return json_is(&f->usage, 0, JSON_OBJECT) ? at + f->usage.nodes[0].end : SIZE_MAX;
  }
  return SIZE_MAX;
}

// Compares the bytes around the values and finds these.
static bool compare(const struct chat_shape *shape, struct str body, struct found *f) {
  const char *bytes = shape->bytes;
  size_t at = 0;
  for (int i = 0; i < CHAT_SHAPE_VALUES; i++) {
    size_t n = shape->before[i];
    if (body.len - at < n || memcmp(body.ptr + at, bytes, n) != 0) return false;
    bytes += n;
    at = value_end((enum value)shape->kinds[i], body, at + n, f);
    if (at == SIZE_MAX) return false;
  }
  return body.len - at == shape->tail && memcmp(body.ptr + at, bytes, shape->tail) == 0;
}

static void write(const struct chat_shape *shape, struct chat_reply *reply, const struct found *f, struct buf *out) {
  const char *between = shape->bytes + shape->tail;
  for (int i = 0; i < CHAT_SHAPE_VALUES; i++) between += shape->before[i];
  chat_begin(reply, STR("chat.completion"), out);
  buf_append(out, between, shape->out_between);
  buf_str(out, f->content);
  buf_append(out, between + shape->out_between, shape->out_behind);
  buf_char(out, ',');
  chat_usage_write(reply, &f->usage, 0, out);
  buf_char(out, '}');
}

bool chat_shape_apply(struct chat_shape *shape, struct chat_reply *reply, struct str body, struct buf *out) {
  struct found f = {0};
  struct usage usage;
  bool ok = shape->valid && compare(shape, body, &f) &&
            chat_usage_read(&f.usage, 0, reply->endpoint->provider->quirks, &usage);
  if (ok) {
    shape->wasted = 0;
    if (!reply->upstream_id[0]) chat_keep(reply->upstream_id, sizeof reply->upstream_id, f.id);
    reply->created = f.created;
    reply->text_bytes += f.content.len;
    memcpy(reply->finish_reason, shape->finish_reason, sizeof reply->finish_reason);
    memcpy(reply->native_finish_reason, shape->native_finish_reason, sizeof reply->native_finish_reason);
    reply->usage = usage;
    chat_usage_check(reply);
    chat_usage_price(reply);
    write(shape, reply, &f, out);
  }
  json_doc_free(&f.usage);
  return ok;
}

void chat_shape_free(struct chat_shape *shape) {
  free(shape->bytes);
  *shape = (struct chat_shape){0};
}
