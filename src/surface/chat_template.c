#include "surface/chat_template.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

enum { BYTES_MAX = 1200, WASTED_MAX = 16 };

void chat_template_free(struct chat_template *t) {
  free(t->bytes);
  *t = (struct chat_template){0};
}

// Copies [from, to) of a text behind what is there already and tells its length.
static uint16_t put(char **at, struct str text, size_t from, size_t to) {
  assert(from <= to);
  assert(to <= text.len);
  memcpy(*at, text.ptr + from, to - from);
  *at += to - from;
  return (uint16_t)(to - from);
}

void chat_template_learn(struct chat_template *t, const struct chat_sample *s) {
  size_t text = s->text_end - s->text;
  t->valid = false;
  if (t->wasted >= WASTED_MAX) return;
  size_t sum = s->in.len - text - (s->padding_end - s->padding) + s->out.len - text * (s->text_out_next ? 2 : 1);
  if (sum > BYTES_MAX) return;
  char *bytes = realloc(t->bytes, sum);
  if (!bytes) return;
  char *at = bytes;
  uint8_t wasted = t->wasted + 1;
  *t = (struct chat_template){.bytes = bytes, .valid = true, .wasted = wasted};
  t->in_before = put(&at, s->in, 0, s->text);
  t->in_middle = put(&at, s->in, s->text_end, s->padding ? s->padding : s->in.len);
  if (s->padding) t->in_tail = put(&at, s->in, s->padding_end, s->in.len);
  t->out_before = put(&at, s->out, 0, s->text_out);
  if (s->text_out_next) t->out_between = put(&at, s->out, s->text_out + text, s->text_out_next);
  t->out_after = put(&at, s->out, (s->text_out_next ? s->text_out_next : s->text_out) + text, s->out.len);
  assert(at == bytes + sum);
}

// Is everything behind the text as it was?
static bool rest_fits(const struct chat_template *t, struct str in, size_t end) {
  const char *middle = t->bytes + t->in_before;
  if (in.len - end < t->in_middle || memcmp(in.ptr + end, middle, t->in_middle) != 0) return false;
  end += t->in_middle;
  if (!t->in_tail) return end == in.len;
  end = json_string_end(in, end);
  return end != SIZE_MAX && in.len - end == t->in_tail && memcmp(in.ptr + end, middle + t->in_middle, t->in_tail) == 0;
}

bool chat_template_apply(struct chat_template *t, struct str in, struct buf *out, size_t *text) {
  if (!t->valid || in.len < t->in_before || memcmp(in.ptr, t->bytes, t->in_before) != 0) return false;
  size_t end = json_string_end(in, t->in_before);
  if (end == SIZE_MAX || !rest_fits(t, in, end)) return false;
  *text = end - t->in_before;
  t->wasted = 0;
  const char *from = t->bytes + t->in_before + t->in_middle + t->in_tail, *value = in.ptr + t->in_before;
  if (!buf_reserve(out, *text * 2 + t->out_before + t->out_between + t->out_after)) return true;
  char *at = out->ptr + out->len;
  memcpy(at, from, t->out_before);
  at += t->out_before;
  memcpy(at, value, *text);
  at += *text;
  if (t->out_between) {
    memcpy(at, from + t->out_before, t->out_between);
    at += t->out_between;
    memcpy(at, value, *text);
    at += *text;
  }
  memcpy(at, from + t->out_before + t->out_between, t->out_after);
  out->len = (size_t)(at + t->out_after - out->ptr);
  return true;
}
