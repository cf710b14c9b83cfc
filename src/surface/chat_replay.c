#include "surface/chat_replay.h"

#include "json/json.h"

struct maker {
  struct str id;
  struct buf *bytes, *holes;
  struct json_doc doc;
  unsigned finished;  // choices with a finish reason
  bool done;          // [DONE] was there
};

static void hole(struct maker *m, enum chat_replay_kind kind) {
  struct chat_replay_hole hole = {(uint32_t)m->bytes->len, kind};
  if (m->bytes->len > UINT32_MAX) m->bytes->failed = true;
  buf_append(m->holes, &hole, sizeof hole);
}

// Whether the choices let the answer be kept. A whole answer's must all have ended.
static bool choices_look(struct maker *m, uint32_t choices, bool stream) {
  if (!json_is(&m->doc, choices, JSON_ARRAY)) return false;
  for (uint32_t c = json_first(&m->doc, choices); c != JSON_NONE; c = json_next(&m->doc, choices, c)) {
    uint32_t reason = json_get(&m->doc, c, STR("finish_reason"));
    if (json_string_is(&m->doc, reason, STR("error"))) return false;
    if (json_type(&m->doc, json_get(&m->doc, c, STR("error"))) != JSON_NULL) return false;
    bool ended = json_is(&m->doc, reason, JSON_STRING) && !json_string_is(&m->doc, reason, STR(""));
    if (!stream && !ended) return false;
    m->finished += ended;
  }
  return true;
}

static bool in_number(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

// A checked value with each of its numbers zero.
static void zeroed(struct str value, struct buf *out) {
  for (size_t at = 0; at < value.len;) {
    size_t from = at;
    char c = value.ptr[at];
    if (c == '"') {
      at = json_string_end(value, at + 1) + 1;
      buf_append(out, value.ptr + from, at - from);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
      while (at < value.len && in_number(value.ptr[at])) at++;
      buf_char(out, '0');
    } else {
      buf_char(out, c);
      at++;
    }
  }
}

// One JSON object of the answer.
static bool object_make(struct maker *m, struct str text, bool stream) {
  if (json_parse(&m->doc, text, 3) != JSON_OK || !json_is(&m->doc, 0, JSON_OBJECT)) return false;
  if (json_type(&m->doc, json_get(&m->doc, 0, STR("error"))) != JSON_NULL) return false;
  if (!choices_look(m, json_get(&m->doc, 0, STR("choices")), stream)) return false;
  size_t at = 0;
  for (uint32_t key = json_first(&m->doc, 0); key != JSON_NONE;) {
    uint32_t value = json_next(&m->doc, 0, key);
    const struct json_node *n = &m->doc.nodes[value];
    if (json_string_is(&m->doc, key, STR("id")) && json_string_is(&m->doc, value, m->id)) {
      buf_append(m->bytes, text.ptr + at, n->start + 1 - at);
      hole(m, CHAT_REPLAY_ID);
      at = n->end - 1;
    } else if (json_string_is(&m->doc, key, STR("created")) && n->type == JSON_NUMBER) {
      buf_append(m->bytes, text.ptr + at, n->start - at);
      hole(m, CHAT_REPLAY_CREATED);
      at = n->end;
    } else if (json_string_is(&m->doc, key, STR("usage"))) {
      buf_append(m->bytes, text.ptr + at, n->start - at);
      zeroed(json_raw(&m->doc, value), m->bytes);
      at = n->end;
    }
    key = json_next(&m->doc, 0, value);
  }
  buf_append(m->bytes, text.ptr + at, text.len - at);
  return true;
}

// A line of a stream, with its end.
static bool line_make(struct maker *m, struct str line) {
  static const struct str data = {"data: ", 6};
  if (!str_starts(line, data)) {
    buf_str(m->bytes, line);
    return true;
  }
  struct str value = str_skip(line, data.len);
  if (str_starts(value, STR("[DONE]"))) {
    m->done = true;
    buf_str(m->bytes, line);
    return true;
  }
  buf_str(m->bytes, data);
  while (value.len && value.ptr[value.len - 1] == '\n') value.len--;
  if (m->done || !object_make(m, value, true)) return false;
  buf_append(m->bytes, value.ptr + value.len, (size_t)(line.ptr + line.len - value.ptr) - value.len);
  return true;
}

bool chat_replay_make(struct str answer, bool stream, struct str id, struct buf *bytes, struct buf *holes) {
  struct maker m = {.id = id, .bytes = bytes, .holes = holes};
  bool ok = true;
  if (!stream) ok = object_make(&m, answer, false);
  while (stream && ok && answer.len) {
    size_t end = str_find_char(answer, '\n', 0);
    size_t len = end == SIZE_MAX ? answer.len : end + 1;
    ok = line_make(&m, str_from(answer.ptr, len));
    answer = str_skip(answer, len);
  }
  json_doc_free(&m.doc);
  return ok && m.finished && (m.done || !stream) && !bytes->failed && !holes->failed;
}

void chat_replay_write(struct str bytes, const struct chat_replay_hole *holes, size_t count, struct str id,
                       uint64_t created, struct buf *out) {
  size_t at = 0;
  if (!buf_reserve(out, bytes.len + count * 40)) return;
  for (size_t i = 0; i < count; i++) {
    buf_append(out, bytes.ptr + at, holes[i].at - at);
    at = holes[i].at;
    if (holes[i].kind == CHAT_REPLAY_ID)
      buf_str(out, id);
    else
      buf_u64(out, created);
  }
  buf_append(out, bytes.ptr + at, bytes.len - at);
}
