#include "wire/http1.h"

#include <stddef.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

// What RFC 9110 5.6.2 calls a token, and what may stand in a field value (5.5: HTAB, visible, obs-text).
static const uint8_t char_class[256] = {
#define T 1  // token
#define V 2  // field value
#define U 4  // request target
    ['\t'] = V,          [' '] = V,         ['!'] = T | V | U,  ['"'] = V | U,     ['#'] = T | V,     ['$'] = T | V | U,
    ['%'] = T | V | U,   ['&'] = T | V | U, ['\''] = T | V | U, ['('] = V | U,     [')'] = V | U,     ['*'] = T | V | U,
    ['+'] = T | V | U,   [','] = V | U,     ['-'] = T | V | U,  ['.'] = T | V | U, ['/'] = V | U,     ['0'] = T | V | U,
    ['1'] = T | V | U,   ['2'] = T | V | U, ['3'] = T | V | U,  ['4'] = T | V | U, ['5'] = T | V | U, ['6'] = T | V | U,
    ['7'] = T | V | U,   ['8'] = T | V | U, ['9'] = T | V | U,  [':'] = V | U,     [';'] = V | U,     ['<'] = V | U,
    ['='] = V | U,       ['>'] = V | U,     ['?'] = V | U,      ['@'] = V | U,     ['['] = V | U,     ['\\'] = V | U,
    [']'] = V | U,       ['^'] = T | V | U, ['_'] = T | V | U,  ['`'] = T | V | U, ['{'] = V | U,     ['|'] = T | V | U,
    ['}'] = V | U,       ['~'] = T | V | U, ['A'] = T | V | U,  ['B'] = T | V | U, ['C'] = T | V | U, ['D'] = T | V | U,
    ['E'] = T | V | U,   ['F'] = T | V | U, ['G'] = T | V | U,  ['H'] = T | V | U, ['I'] = T | V | U, ['J'] = T | V | U,
    ['K'] = T | V | U,   ['L'] = T | V | U, ['M'] = T | V | U,  ['N'] = T | V | U, ['O'] = T | V | U, ['P'] = T | V | U,
    ['Q'] = T | V | U,   ['R'] = T | V | U, ['S'] = T | V | U,  ['T'] = T | V | U, ['U'] = T | V | U, ['V'] = T | V | U,
    ['W'] = T | V | U,   ['X'] = T | V | U, ['Y'] = T | V | U,  ['Z'] = T | V | U, ['a'] = T | V | U, ['b'] = T | V | U,
    ['c'] = T | V | U,   ['d'] = T | V | U, ['e'] = T | V | U,  ['f'] = T | V | U, ['g'] = T | V | U, ['h'] = T | V | U,
    ['i'] = T | V | U,   ['j'] = T | V | U, ['k'] = T | V | U,  ['l'] = T | V | U, ['m'] = T | V | U, ['n'] = T | V | U,
    ['o'] = T | V | U,   ['p'] = T | V | U, ['q'] = T | V | U,  ['r'] = T | V | U, ['s'] = T | V | U, ['t'] = T | V | U,
    ['u'] = T | V | U,   ['v'] = T | V | U, ['w'] = T | V | U,  ['x'] = T | V | U, ['y'] = T | V | U, ['z'] = T | V | U,
    [0x80 ... 0xff] = V,
};

static inline bool is(char c, uint8_t class) {
  return char_class[(uint8_t)c] & class;
}

static enum http_result refuse(struct http_refusal *refusal, unsigned status, const char *why) {
  *refusal = (struct http_refusal){status, why};
  return HTTP_FAILED;
}

size_t http_head_end(struct str bytes, size_t from) {
  size_t at = str_find(bytes, STR("\r\n\r\n"), from > 3 ? from - 3 : 0);
  return at == SIZE_MAX ? SIZE_MAX : at + 4;
}

// --- one line ---

// Cuts the line at `at`, without its CRLF. HTTP_MORE: it is not complete. A bare CR or LF is refused here.
static enum http_result line_cut(struct str bytes, size_t at, struct str *line, struct http_refusal *refusal) {
  const char *nl = memchr(bytes.ptr + at, '\n', bytes.len - at);
  if (!nl) return HTTP_MORE;
  size_t end = (size_t)(nl - bytes.ptr);
  if (end == at || bytes.ptr[end - 1] != '\r') return refuse(refusal, 400, "A line ends in a bare LF.");
  *line = str_from(bytes.ptr + at, end - 1 - at);
  return HTTP_DONE;
}

// Has the value a byte that RFC 9110 5.5 does not allow: a control character other than HTAB, or DEL?
static bool value_is_bad(struct str value) {
  size_t i = 0;
#ifdef __SSE2__
  const __m128i space = _mm_set1_epi8(0x20), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
  for (; i + 16 <= value.len; i += 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(value.ptr + i));
    // Unsigned "below 0x20" as "the smaller of the two is not 0x20".
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, space), space);  // 0xff where it is fine
    __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_or_si128(control, _mm_cmpeq_epi8(bytes, tab)), _mm_set1_epi8(-1)),
                               _mm_cmpeq_epi8(bytes, del));
    if (_mm_movemask_epi8(bad)) return true;
  }
#endif
  for (; i < value.len; i++)
    if (!is(value.ptr[i], V)) return true;
  return false;
}

static enum http_result field_cut(struct str line, struct http_field *field, struct http_refusal *refusal) {
  size_t n = 0;
  while (n < line.len && is(line.ptr[n], T)) n++;
  if (n == 0) {
    bool folded = line.ptr[0] == ' ' || line.ptr[0] == '\t';
    return refuse(refusal, 400, folded ? "A header line is folded (obs-fold)." : "A header field has no valid name.");
  }
  if (n == line.len || line.ptr[n] != ':')
    return refuse(refusal, 400, "A header field's name has an invalid character or a blank before the colon.");
  struct str value = str_trim(str_skip(line, n + 1));
  if (value_is_bad(value)) return refuse(refusal, 400, "A header field's value has a control character.");
  *field = (struct http_field){str_from(line.ptr, n), value};
  return HTTP_DONE;
}

// --- what frames the message ---

static enum http_result content_length(struct http_head *h, struct str value, struct http_refusal *refusal) {
  uint64_t n;
  if (h->content_length >= 0) return refuse(refusal, 400, "There is more than one Content-Length.");
  if (value.len > 15 || !str_to_u64(value, INT64_MAX, &n))
    return refuse(refusal, 400, "Content-Length is not a plain number.");
  h->content_length = (int64_t)n;
  return HTTP_DONE;
}

static void connection_options(struct http_head *h, struct str value) {
  struct str rest = value, piece;
  while (str_split(&rest, ',', &piece)) {
    piece = str_trim(piece);
    if (str_eq_nocase(piece, STR("close")))
      h->keep_alive = false;
    else if (str_eq_nocase(piece, STR("keep-alive")) && h->minor == 0)
      h->keep_alive = true;
  }
}

struct framing {
  unsigned hosts;
  bool transfer_encoding, close;
};

// Looks at the few fields that matter here; everything else is only noted.
static enum http_result field_take(struct http_head *h, const struct http_field *f, bool request, struct framing *fr,
                                   struct http_refusal *refusal) {
  switch (f->name.len) {
    case 4:
      if (request && str_eq_nocase(f->name, STR("host"))) {
        if (fr->hosts++) return refuse(refusal, 400, "There is more than one Host field.");
        for (size_t i = 0; i < f->value.len; i++)
          if (!is(f->value.ptr[i], U) || memchr("/?#@\\\"<>^`{|}", f->value.ptr[i], 13))
            return refuse(refusal, 400, "The Host field is invalid.");
        if (!h->host.len) h->host = f->value;
      }
      break;
    case 6:
      if (request && str_eq_nocase(f->name, STR("expect"))) {
        if (!str_eq_nocase(f->value, STR("100-continue")))
          return refuse(refusal, 417, "Only \"Expect: 100-continue\" can be met.");
        h->expect_continue = h->minor == 1;
      }
      break;
    case 10:
      if (str_eq_nocase(f->name, STR("connection"))) connection_options(h, f->value);
      break;
    case 14:
      if (str_eq_nocase(f->name, STR("content-length"))) return content_length(h, f->value, refusal);
      break;
    case 17:
      if (str_eq_nocase(f->name, STR("transfer-encoding"))) {
        if (fr->transfer_encoding || !str_eq_nocase(f->value, STR("chunked")))
          return refuse(refusal, 400, "The only transfer coding understood is \"chunked\".");
        fr->transfer_encoding = true;
        h->chunked = true;
      }
      break;
    default: break;
  }
  return HTTP_DONE;
}

static enum http_result framing_check(const struct http_head *h, bool request, const struct framing *fr,
                                      struct http_refusal *refusal) {
  if (h->chunked && h->content_length >= 0)
    return refuse(refusal, 400, "Content-Length and Transfer-Encoding stand together.");
  if (h->chunked && h->minor == 0) return refuse(refusal, 400, "HTTP/1.0 has no Transfer-Encoding.");
  if (request && h->minor == 1 && !fr->hosts) return refuse(refusal, 400, "The Host field is missing.");
  return HTTP_DONE;
}

// --- first lines ---

static enum http_method method_of(struct str name) {
  static const struct {
    struct str name;
    enum http_method method;
  } known[] = {{{"POST", 4}, HTTP_POST},      {{"GET", 3}, HTTP_GET},     {{"HEAD", 4}, HTTP_HEAD},
               {{"DELETE", 6}, HTTP_DELETE},  {{"PATCH", 5}, HTTP_PATCH}, {{"PUT", 3}, HTTP_PUT},
               {{"OPTIONS", 7}, HTTP_OPTIONS}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (str_eq(name, known[i].name)) return known[i].method;
  return HTTP_OTHER;
}

// "HTTP/1.x" with one digit.
static enum http_result version_of(struct str text, unsigned *minor, struct http_refusal *refusal) {
  if (text.len != 8 || !str_starts(text, STR("HTTP/")) || text.ptr[6] != '.' || text.ptr[5] < '0' ||
      text.ptr[5] > '9' || text.ptr[7] < '0' || text.ptr[7] > '9')
    return refuse(refusal, 400, "The first line is no HTTP.");
  if (text.ptr[5] != '1' || text.ptr[7] > '1')
    return refuse(refusal, 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.");
  *minor = (unsigned)(text.ptr[7] - '0');
  return HTTP_DONE;
}

static enum http_result target_split(struct http_head *h, struct http_refusal *refusal) {
  struct str t = h->target;
  if (t.ptr[0] != '/') {
    if (t.len == 1 && t.ptr[0] == '*' && h->method == HTTP_OPTIONS) {
      h->path = t;
      return HTTP_DONE;
    }
    size_t scheme = str_starts_nocase(t, STR("http://")) ? 7 : str_starts_nocase(t, STR("https://")) ? 8 : 0;
    if (!scheme) return refuse(refusal, 400, "The request target is neither a path nor an http URL.");
    t = str_skip(t, scheme);
    size_t end = 0;
    while (end < t.len && t.ptr[end] != '/' && t.ptr[end] != '?') end++;
    if (!end || str_find_char(str_from(t.ptr, end), '@', 0) != SIZE_MAX)
      return refuse(refusal, 400, "The request target's host is invalid.");
    h->host = str_from(t.ptr, end);
    t = str_skip(t, end);
    if (!t.len) t = STR("/");
  }
  size_t question = str_find_char(t, '?', 0);
  h->path = question == SIZE_MAX ? t : str_from(t.ptr, question);
  h->query = question == SIZE_MAX ? (struct str){0} : str_skip(t, question + 1);
  return HTTP_DONE;
}

static enum http_result request_line(struct http_head *h, struct str line, struct http_refusal *refusal) {
  size_t n = 0;
  while (n < line.len && is(line.ptr[n], T)) n++;
  if (!n || n == line.len || line.ptr[n] != ' ') return refuse(refusal, 400, "The request line is invalid.");
  h->method_name = str_from(line.ptr, n);
  size_t target = n + 1, end = target;
  while (end < line.len && is(line.ptr[end], U)) end++;
  if (end == target || end == line.len || line.ptr[end] != ' ')
    return refuse(refusal, 400, "The request line is invalid.");
  h->target = str_from(line.ptr + target, end - target);
  h->method = method_of(h->method_name);
  enum http_result r = version_of(str_skip(line, end + 1), &h->minor, refusal);
  return r == HTTP_DONE ? target_split(h, refusal) : r;
}

static enum http_result status_line(struct http_head *h, struct str line, struct http_refusal *refusal) {
  if (line.len < 12 || line.ptr[8] != ' ') return refuse(refusal, 400, "the status line is invalid");
  enum http_result r = version_of(str_from(line.ptr, 8), &h->minor, refusal);
  uint64_t status;
  if (r != HTTP_DONE) return r;
  if (!str_to_u64(str_from(line.ptr + 9, 3), 599, &status) || status < 100 || (line.len > 12 && line.ptr[12] != ' '))
    return refuse(refusal, 400, "the status line is invalid");
  h->status = (unsigned)status;
  h->reason = str_skip(line, 13);
  for (size_t i = 0; i < h->reason.len; i++)
    if (!is(h->reason.ptr[i], V)) return refuse(refusal, 400, "the reason phrase has a control character");
  return HTTP_DONE;
}

// --- heads ---

static enum http_result parse(struct str bytes, size_t limit, bool request, struct http_head *h,
                              struct http_refusal *refusal) {
  struct framing fr = {0};
  struct str line;
  bool capped = bytes.len > limit;
  if (capped) bytes.len = limit;
  size_t fields_at = offsetof(struct http_head, fields);
  memset(h, 0, fields_at);
  h->content_length = -1;
  enum http_result r = line_cut(bytes, 0, &line, refusal);
  if (r == HTTP_DONE) r = request ? request_line(h, line, refusal) : status_line(h, line, refusal);
  size_t at = line.len + 2;
  if (r == HTTP_DONE) h->keep_alive = h->minor == 1;
  while (r == HTTP_DONE) {
    r = line_cut(bytes, at, &line, refusal);
    if (r != HTTP_DONE) {
      if (r == HTTP_MORE && bytes.len - at > LIMIT_HEADER_LINE)
        return refuse(refusal, 431, "A header field is too long.");
      break;
    }
    at += line.len + 2;
    if (!line.len) {
      h->size = at;
      return framing_check(h, request, &fr, refusal);
    }
    if (line.len > LIMIT_HEADER_LINE) return refuse(refusal, 431, "A header field is too long.");
    if (h->field_count == LIMIT_HEADERS) return refuse(refusal, 431, "There are too many header fields.");
    struct http_field *f = &h->fields[h->field_count];
    r = field_cut(line, f, refusal);
    if (r == HTTP_DONE) r = field_take(h, f, request, &fr, refusal);
    h->field_count++;
  }
  if (r == HTTP_MORE && (capped || bytes.len >= limit)) return refuse(refusal, 431, "The head is too large.");
  return r;
}

enum http_result http_request_parse(struct str bytes, size_t limit, struct http_head *head,
                                    struct http_refusal *refusal) {
  return parse(bytes, limit, true, head, refusal);
}

enum http_result http_response_parse(struct str bytes, size_t limit, struct http_head *head,
                                     struct http_refusal *refusal) {
  return parse(bytes, limit, false, head, refusal);
}

struct str http_field_get(const struct http_head *head, struct str name) {
  for (unsigned i = 0; i < head->field_count; i++)
    if (str_eq_nocase(head->fields[i].name, name)) return head->fields[i].value;
  return (struct str){0};
}
