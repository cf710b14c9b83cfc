#include "wire/sse.h"

void sse_init(struct sse *s, size_t event_max) {
  *s = (struct sse){0};
  buf_init(&s->joined, event_max);
}

void sse_free(struct sse *s) {
  buf_free(&s->joined);
}

// The line at `at`: its end, and where the next begins. False: it is not complete. A CR that is the last byte may be
// half a CRLF: it ends the line only when more has come, unless it is the blank line of an event (see sse_next).
static bool line_at(struct str in, size_t at, size_t *end, size_t *next) {
  const char *p = in.ptr + at, *stop = in.ptr + in.len;
  const char *nl = memchr(p, '\n', (size_t)(stop - p));
  const char *cr = memchr(p, '\r', (size_t)((nl ? nl : stop) - p));
  if (cr) {
    *end = (size_t)(cr - in.ptr);
    if (cr + 1 == stop) {
      *next = *end + 1;
      return *end == at;  // an empty line: the event can go out, a LF that follows is an empty line of its own
    }
    *next = *end + (cr[1] == '\n' ? 2 : 1);
    return true;
  }
  if (!nl) return false;
  *end = (size_t)(nl - in.ptr);
  *next = *end + 1;
  return true;
}

// The value of "name:value" with one leading blank cut; false: another field.
static bool field(struct str line, struct str name, struct str *value) {
  if (!str_starts(line, name)) return false;
  struct str rest = str_skip(line, name.len);
  if (!rest.len) return *value = rest, true;
  if (rest.ptr[0] != ':') return false;
  rest = str_skip(rest, 1);
  *value = rest.len && rest.ptr[0] == ' ' ? str_skip(rest, 1) : rest;
  return true;
}

// Fills the event from the lines in [from, to). False: they hold nothing to deliver.
static bool collect(struct sse *s, struct str in, size_t from, size_t to, struct sse_event *event) {
  unsigned count = 0;
  *event = (struct sse_event){0};
  for (size_t at = from, end, next; at < to && line_at(in, at, &end, &next); at = next) {
    struct str line = str_from(in.ptr + at, end - at), value;
    if (field(line, STR("data"), &value)) {
      if (count == 1) {
        buf_clear(&s->joined);
        buf_str(&s->joined, event->data);
      }
      if (count++) {
        buf_char(&s->joined, '\n');
        buf_str(&s->joined, value);
        event->data = buf_view(&s->joined);
      } else {
        event->data = value;
      }
    } else if (field(line, STR("event"), &value)) {
      event->type = value;
    }
  }
  return count > 0;
}

enum sse_result sse_next(struct sse *s, struct str in, size_t *taken, struct sse_event *event) {
  *taken = 0;
  if (!s->started) {
    static const char bom[] = "\xEF\xBB\xBF";
    if (in.len < 3 && in.len && memcmp(in.ptr, bom, in.len) == 0) return SSE_MORE;
    s->started = in.len != 0;
    if (in.len >= 3 && memcmp(in.ptr, bom, 3) == 0) *taken = 3;
  }
  size_t begin = *taken, at = s->searched > begin ? s->searched : begin, end, next;
  // `at` is always the start of a line: `searched` only covers whole lines, or the searched part of one long line.
  size_t line = s->line > begin ? s->line : begin;
  if (at > line && at < in.len) {  // inside a long line: look only at what is new
    struct str tail = str_skip(in, at);
    if (str_find_char(tail, '\n', 0) == SIZE_MAX && str_find_char(tail, '\r', 0) == SIZE_MAX) {
      s->searched = in.len;
      return SSE_MORE;
    }
  }
  at = line;
  while (at < in.len && line_at(in, at, &end, &next)) {
    if (end != at) {
      at = next;
      continue;
    }
    bool deliver = collect(s, in, begin, at, event);
    *taken = next;
    s->searched = s->line = 0;
    if (deliver) return SSE_EVENT;
    if (at != begin) return SSE_COMMENT;
    begin = at = next;  // an empty line between events
  }
  s->line = at - begin;
  s->searched = in.len - begin;
  // A final CR is looked at again with what follows it.
  if (in.len && in.ptr[in.len - 1] == '\r' && s->searched) s->searched--;
  return SSE_MORE;
}
