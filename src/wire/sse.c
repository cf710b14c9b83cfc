// Finds server-sent events. An event is looked for as a block of lines up to a blank one and taken apart only when it
// is all there; the usual block, one data line, is recognised while its end is found. Between blocks every CR and LF is
// a blank line of no meaning, which is why an event may be handed over at a CR whose LF has not come yet.
#include "wire/sse.h"

#include <assert.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

void sse_init(struct sse *s, size_t event_max) {
  *s = (struct sse){0};
  buf_init(&s->joined, event_max);
}

void sse_free(struct sse *s) {
  buf_free(&s->joined);
}

static inline bool is_line_end(char c) {
  return c == '\n' || c == '\r';
}

// The offset of the first CR or LF at or after `at`; the length when there is none.
static inline size_t line_end_find(struct str in, size_t at) {
#ifdef __SSE2__
  const __m128i lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
  for (; in.len - at >= 32; at += 32) {
    __m128i low = _mm_loadu_si128((const __m128i *)(in.ptr + at));
    __m128i high = _mm_loadu_si128((const __m128i *)(in.ptr + at + 16));
    low = _mm_or_si128(_mm_cmpeq_epi8(low, lf), _mm_cmpeq_epi8(low, cr));
    high = _mm_or_si128(_mm_cmpeq_epi8(high, lf), _mm_cmpeq_epi8(high, cr));
    uint32_t hits = (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
    if (hits) return at + (size_t)__builtin_ctz(hits);
  }
#endif
  while (at < in.len && !is_line_end(in.ptr[at])) at++;
  return at;
}

// The offset behind the line end at `at`.
static inline size_t line_end_skip(struct str in, size_t at) {
  return at + (in.ptr[at] == '\r' && at + 1 < in.len && in.ptr[at + 1] == '\n' ? 2 : 1);
}

// From the line end at `at`: where the block ends, behind its blank line. SIZE_MAX: not there yet. *last is the end of
// the last line there is (or the length), to be looked at again.
static size_t block_end_find(struct str in, size_t at, size_t *last) {
  size_t end = SIZE_MAX;
  while (at < in.len) {
    size_t next = line_end_skip(in, at);
    if (next == in.len) break;
    if (is_line_end(in.ptr[next])) {
      end = line_end_skip(in, next);
      break;
    }
    at = line_end_find(in, next);
  }
  *last = at;
  return end;
}

static bool field_is(struct str line, struct str name, struct str *value) {
  if (!str_starts(line, name)) return false;
  if (line.len == name.len) {
    *value = (struct str){line.ptr + line.len, 0};
    return true;
  }
  if (line.ptr[name.len] != ':') return false;
  *value = str_skip(line, name.len + 1);
  if (value->len && value->ptr[0] == ' ') *value = str_skip(*value, 1);
  return true;
}

static void data_add(struct sse *s, unsigned lines_before, struct str line, struct sse_event *event) {
  if (lines_before == 0) {
    event->data = line;
    return;
  }
  if (lines_before == 1) {
    buf_clear(&s->joined);
    buf_str(&s->joined, event->data);
  }
  buf_char(&s->joined, '\n');
  buf_str(&s->joined, line);
  event->data = buf_view(&s->joined);
}

// True when the block has data: *event is filled.
static bool block_parse(struct sse *s, struct str block, struct sse_event *event) {
  struct str value;
  unsigned data_lines = 0;
  *event = (struct sse_event){0};
  for (size_t at = 0; at < block.len;) {
    size_t end = line_end_find(block, at);
    struct str line = str_from(block.ptr + at, end - at);
    if (field_is(line, STR("data"), &value)) data_add(s, data_lines++, value, event);
    if (field_is(line, STR("event"), &value)) event->type = value;
    at = end < block.len ? line_end_skip(block, end) : end;
  }
  return data_lines > 0;
}

// Skips a byte order mark at the very start; false while it cannot be told.
static bool bom_skip(struct sse *s, struct str in, size_t *at) {
  static const char bom[3] = "\xef\xbb\xbf";
  size_t len = in.len < sizeof bom ? in.len : sizeof bom;
  bool alike = memcmp(in.ptr, bom, len) == 0;
  if (alike && len < sizeof bom) return false;
  s->started = true;
  if (alike) *at = sizeof bom;
  return true;
}

static inline bool is_too_long(const struct sse *s, size_t length) {
  return UNLIKELY(length > s->joined.max);
}

static enum sse_result more(struct sse *s, size_t *taken, size_t at, size_t searched) {
  *taken = at;
  s->searched = searched - at;
  return is_too_long(s, searched - at) ? SSE_TOO_LONG : SSE_MORE;
}

static inline enum sse_result found(struct sse *s, size_t *taken, size_t end, enum sse_result result) {
  *taken = end;
  s->searched = 0;
  return result;
}

enum sse_result sse_next(struct sse *s, struct str in, size_t *taken, struct sse_event *event) {
  size_t at = 0, from = s->searched;
  assert(from <= in.len);
  if (UNLIKELY(!s->started) && (in.len == 0 || !bom_skip(s, in, &at))) return more(s, taken, 0, 0);
  while (at < in.len && is_line_end(in.ptr[at])) at++;
  if (from < at) from = at;
  size_t line_end = line_end_find(in, from);
  if (line_end == in.len || is_too_long(s, line_end - at)) return more(s, taken, at, line_end);
  if (in.ptr[at] == ':') return found(s, taken, line_end_skip(in, line_end), SSE_COMMENT);
  bool is_first_line = from == at;
  if (LIKELY(is_first_line && in.ptr[line_end] == '\n' && in.len - line_end >= 2 && in.ptr[line_end + 1] == '\n')) {
    struct str line = str_from(in.ptr + at, line_end - at);
    if (LIKELY(field_is(line, STR("data"), &event->data))) {
      event->type = (struct str){0};
      return found(s, taken, line_end + 2, SSE_EVENT);
    }
  }
  size_t last;
  size_t end = block_end_find(in, line_end, &last);
  if (end == SIZE_MAX || is_too_long(s, last - at)) return more(s, taken, at, last);
  bool has_data = block_parse(s, str_from(in.ptr + at, end - at), event);
  return found(s, taken, end, has_data ? SSE_EVENT : SSE_COMMENT);
}
