// HTTP/1.1 heads, read in one pass over lines. Line ends and forbidden bytes come from a bit mask of 64 bytes at a time
// (SSE2, or plain C), so a byte is looked at once on its way to being accepted; names are checked 16 bytes at a time.
// Nothing behind the given bytes is ever read. Every verdict depends on the bytes up to the place of trouble only: a
// head that comes in pieces is refused for the same reason as one that comes whole.
#include "wire/http1.h"

#include <assert.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
  LENGTH_DIGITS = 15,  // of Content-Length: far below what int64_t holds
  BLOCK = 64,
};

enum byte_class { BYTE_TOKEN = 1, BYTE_HOST = 2 };
// RFC 9110 5.6.2 tokens; the bytes of a host name (RFC 3986 without sub-delims, which no host of the web has).
static const uint8_t byte_classes[256] = {
    ['0' ... '9'] = BYTE_TOKEN | BYTE_HOST,
    ['A' ... 'Z'] = BYTE_TOKEN | BYTE_HOST,
    ['a' ... 'z'] = BYTE_TOKEN | BYTE_HOST,
    ['-'] = BYTE_TOKEN | BYTE_HOST,
    ['.'] = BYTE_TOKEN | BYTE_HOST,
    ['_'] = BYTE_TOKEN | BYTE_HOST,
    ['~'] = BYTE_TOKEN | BYTE_HOST,
    ['%'] = BYTE_TOKEN | BYTE_HOST,
    ['!'] = BYTE_TOKEN,
    ['#'] = BYTE_TOKEN,
    ['$'] = BYTE_TOKEN,
    ['&'] = BYTE_TOKEN,
    ['\''] = BYTE_TOKEN,
    ['*'] = BYTE_TOKEN,
    ['+'] = BYTE_TOKEN,
    ['^'] = BYTE_TOKEN,
    ['`'] = BYTE_TOKEN,
    ['|'] = BYTE_TOKEN,
};

static inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// --- Masks and runs -----------------------------------------------------------------------------------------------

// Bit i is set when ptr[i] is a control byte (0x00-0x1f, 0x7f), for 16 bytes.
static inline uint64_t controls_of_16(const char *ptr) {
#ifdef __SSE2__
  __m128i bytes = _mm_loadu_si128((const __m128i *)ptr);
  __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))));
#else
  uint64_t mask = 0;
  for (int i = 0; i < 16; i++) mask |= (uint64_t)((unsigned char)ptr[i] < 0x20 || ptr[i] == 0x7f) << i;
  return mask;
#endif
}

static inline uint64_t controls_of_block(const char *ptr) {
  return controls_of_16(ptr) | controls_of_16(ptr + 16) << 16 | controls_of_16(ptr + 32) << 32 |
         controls_of_16(ptr + 48) << 48;
}

// How many bytes from ptr on are letters, digits or '-'. May stop early near `end`: the caller goes on byte by byte.
static inline size_t common_name_run(const char *ptr, const char *end) {
  size_t run = 0;
#ifdef __SSE2__
  const __m128i a = _mm_set1_epi8('a'), zero = _mm_set1_epi8('0'), dash = _mm_set1_epi8('-');
  while ((size_t)(end - ptr) - run >= 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(ptr + run));
    __m128i letter = _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), a);
    __m128i digit = _mm_sub_epi8(bytes, zero);
    __m128i ok = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
    ok = _mm_or_si128(ok, _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit));
    ok = _mm_or_si128(ok, _mm_cmpeq_epi8(bytes, dash));
    unsigned stop = ~(unsigned)_mm_movemask_epi8(ok) & 0xffff;
    if (stop) return run + (size_t)__builtin_ctz(stop);
    run += 16;
  }
#else
  (void)ptr, (void)end;
#endif
  return run;
}

static inline size_t token_run(struct str s, const char *end) {
  size_t run = common_name_run(s.ptr, end);
  while (run < s.len && byte_classes[(unsigned char)s.ptr[run]] & BYTE_TOKEN) run++;
  return run;
}

// How many bytes at the start of `s` are visible ASCII (0x21-0x7e).
static inline size_t visible_run(struct str s) {
  size_t run = 0;
#ifdef __SSE2__
  for (; s.len - run >= 16; run += 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(s.ptr + run));
    __m128i ok = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x20));  // signed: 0x80-0xff are below
    unsigned stop = ~(unsigned)_mm_movemask_epi8(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)), ok));
    if (stop & 0xffff) return run + (size_t)__builtin_ctz(stop);
  }
#endif
  while (run < s.len && s.ptr[run] > 0x20 && s.ptr[run] < 0x7f) run++;
  return run;
}

// Equal to a literal of lower-case letters and '-', in any case. `name` holds no control bytes: setting the bit 0x20
// then maps nothing but the two cases of a letter onto it.
static inline bool name_is(const char *name, const char *lower, size_t len) {
  const uint64_t case_bits = 0x2020202020202020;
  uint64_t a, b;
  assert(len >= 4);
  if (len < 8) {
    uint32_t a4, b4, differ;
    memcpy(&a4, name, 4), memcpy(&b4, lower, 4);
    differ = (a4 | (uint32_t)case_bits) ^ b4;
    memcpy(&a4, name + len - 4, 4), memcpy(&b4, lower + len - 4, 4);
    return (differ | ((a4 | (uint32_t)case_bits) ^ b4)) == 0;
  }
  for (size_t i = 0; i + 8 <= len; i += 8) {
    memcpy(&a, name + i, 8), memcpy(&b, lower + i, 8);
    if ((a | case_bits) != b) return false;
  }
  memcpy(&a, name + len - 8, 8), memcpy(&b, lower + len - 8, 8);
  return (a | case_bits) == b;
}
#define NAME_IS(name, literal) name_is((name).ptr, literal, sizeof(literal) - 1)

// --- Lines --------------------------------------------------------------------------------------------------------

struct parser {
  struct str bytes;   // no more than the limit
  size_t block;       // offset of the block that `controls` belongs to
  uint64_t controls;  // control bytes of the block that were not looked at yet
  size_t line;        // offset of the present line
  bool is_request;
  bool has_host, has_coding, has_authorization, target_has_host;
  bool says_close, says_keep_alive;
  struct http_head *head;
  struct http_refusal *refusal;
};

__attribute__((cold, noinline)) static enum http_result refuse(struct parser *p, unsigned status, const char *why) {
  *p->refusal = (struct http_refusal){p->is_request ? status : 502, why};
  return HTTP_FAILED;
}

static uint64_t controls_at(struct str bytes, size_t block) {
  size_t left = bytes.len - block;
  if (LIKELY(left >= BLOCK)) return controls_of_block(bytes.ptr + block);
  if (bytes.len >= BLOCK) return controls_of_block(bytes.ptr + bytes.len - BLOCK) >> (BLOCK - left);
  char padded[BLOCK];
  memset(padded, 'x', sizeof padded);
  if (left) memcpy(padded, bytes.ptr + block, left);
  return controls_of_block(padded);
}

// Goes on to the next block that has a control byte; false: there is none.
static inline bool next_block(struct parser *p) {
  do {
    if (p->bytes.len - p->block <= BLOCK) return false;
    p->block += BLOCK;
    bool is_whole = p->bytes.len - p->block >= BLOCK;
    p->controls = LIKELY(is_whole) ? controls_of_block(p->bytes.ptr + p->block) : controls_at(p->bytes, p->block);
  } while (!p->controls);
  return true;
}

// The offset of the next control byte; the length of the bytes when there is none.
static inline size_t next_control(struct parser *p) {
  if (!p->controls && !next_block(p)) return p->bytes.len;
  size_t at = p->block + (size_t)__builtin_ctzll(p->controls);
  p->controls &= p->controls - 1;
  return at;
}

// HTTP_DONE: *line is the next line without its CRLF.
static inline enum http_result next_line(struct parser *p, size_t longest, struct str *line) {
  const char *ptr = p->bytes.ptr;
  size_t at = next_control(p);
  while (UNLIKELY(at < p->bytes.len && ptr[at] == '\t')) at = next_control(p);
  if (UNLIKELY(at - p->line > longest)) return refuse(p, 431, "A header field is too long.");
  if (at == p->bytes.len) return HTTP_MORE;
  if (UNLIKELY(ptr[at] == '\n')) return refuse(p, 400, "A line ends in LF without CR.");
  if (UNLIKELY(ptr[at] != '\r')) return refuse(p, 400, "The head has a control character.");
  if (at + 1 == p->bytes.len) return HTTP_MORE;
  if (UNLIKELY(ptr[at + 1] != '\n')) return refuse(p, 400, "The head has a CR without LF.");
  next_control(p);
  *line = str_from(ptr + p->line, at - p->line);
  p->line = at + 2;
  return HTTP_DONE;
}

// --- Fields -------------------------------------------------------------------------------------------------------

static bool port_valid(struct str port) {
  for (size_t i = 0; i < port.len; i++)
    if (!is_digit(port.ptr[i])) return false;
  return port.len <= 5;
}

// "name", "name:port", "[v6]", "[v6]:port".
static bool host_valid(struct str host) {
  size_t at = 0;
  if (host.len && host.ptr[0] == '[') {
    for (at = 1; at < host.len && host.ptr[at] != ']'; at++)
      if (!(byte_classes[(unsigned char)host.ptr[at]] & BYTE_HOST) && host.ptr[at] != ':') return false;
    if (at == host.len || at == 1) return false;
    at++;
  } else {
    while (at < host.len && byte_classes[(unsigned char)host.ptr[at]] & BYTE_HOST) at++;
    if (at == 0) return false;
  }
  if (at == host.len) return true;
  return host.ptr[at] == ':' && port_valid(str_skip(host, at + 1));
}

static enum http_result on_host(struct parser *p, struct str value) {
  if (p->has_host) return refuse(p, 400, "There is more than one Host field.");
  if (!host_valid(value)) return refuse(p, 400, "The Host field is invalid.");
  p->has_host = true;
  if (!p->target_has_host) p->head->host = value;
  return HTTP_DONE;
}

// A HTAB around the value is legal, but some readers do not see "chunked" or the number then.
static bool has_tab(const struct parser *p, struct str value) {
  const char *line_end = p->bytes.ptr + p->line;
  return value.ptr[-1] == '\t' || memchr(value.ptr, '\t', (size_t)(line_end - value.ptr));
}

static enum http_result on_content_length(struct parser *p, struct str value) {
  if (p->head->content_length >= 0) return refuse(p, 400, "There is more than one Content-Length.");
  if (p->has_coding) return refuse(p, 400, "Content-Length stands beside Transfer-Encoding.");
  if (value.len == 0 || value.len > LENGTH_DIGITS || has_tab(p, value))
    return refuse(p, 400, "Content-Length is not a plain number.");
  int64_t length = 0;
  for (size_t i = 0; i < value.len; i++) {
    if (!is_digit(value.ptr[i])) return refuse(p, 400, "Content-Length is not a plain number.");
    length = length * 10 + (value.ptr[i] - '0');
  }
  p->head->content_length = length;
  return HTTP_DONE;
}

static enum http_result on_transfer_encoding(struct parser *p, struct str value) {
  if (p->head->content_length >= 0) return refuse(p, 400, "Transfer-Encoding stands beside Content-Length.");
  if (p->has_coding) return refuse(p, 400, "There is more than one Transfer-Encoding.");
  if (p->head->minor == 0) return refuse(p, 400, "HTTP/1.0 has no Transfer-Encoding.");
  if (!str_eq_nocase(value, STR("chunked")) || has_tab(p, value))
    return refuse(p, 400, "The only transfer coding understood is \"chunked\".");
  p->has_coding = true;
  p->head->chunked = true;
  return HTTP_DONE;
}

static void on_connection(struct parser *p, struct str value) {
  struct str option;
  while (str_split(&value, ',', &option)) {
    option = str_trim(option);
    if (str_eq_nocase(option, STR("close"))) p->says_close = true;
    if (str_eq_nocase(option, STR("keep-alive"))) p->says_keep_alive = true;
  }
}

static enum http_result on_expect(struct parser *p, struct str value) {
  if (!str_eq_nocase(value, STR("100-continue"))) return refuse(p, 417, "Only \"Expect: 100-continue\" can be met.");
  p->head->expect_continue = p->head->minor >= 1;
  return HTTP_DONE;
}

// Which of two credentials counts is not for us to guess.
static enum http_result on_authorization(struct parser *p) {
  if (p->has_authorization) return refuse(p, 400, "There is more than one Authorization field.");
  p->has_authorization = true;
  return HTTP_DONE;
}

// What the fields that frame the message mean. The length of the name picks the only candidate.
static inline enum http_result on_field(struct parser *p, struct str name, struct str value) {
  switch (name.len) {
    case 4: return p->is_request && NAME_IS(name, "host") ? on_host(p, value) : HTTP_DONE;
    case 6: return p->is_request && NAME_IS(name, "expect") ? on_expect(p, value) : HTTP_DONE;
    case 10:
      if (NAME_IS(name, "connection")) on_connection(p, value);
      return HTTP_DONE;
    case 13: return p->is_request && NAME_IS(name, "authorization") ? on_authorization(p) : HTTP_DONE;
    case 14: return NAME_IS(name, "content-length") ? on_content_length(p, value) : HTTP_DONE;
    case 17: return NAME_IS(name, "transfer-encoding") ? on_transfer_encoding(p, value) : HTTP_DONE;
    default: return HTTP_DONE;
  }
}

__attribute__((cold, noinline)) static enum http_result refuse_name(struct parser *p, struct str line,
                                                                    size_t name_len) {
  if (line.ptr[0] == ' ' || line.ptr[0] == '\t') return refuse(p, 400, "A header line is folded (obs-fold).");
  if (line.ptr[0] == ':') return refuse(p, 400, "A header field has no name.");
  if (name_len == line.len) return refuse(p, 400, "A header field has no colon.");
  if (line.ptr[name_len] == ' ' || line.ptr[name_len] == '\t')
    return refuse(p, 400, "A header field's name has a blank in it or behind it.");
  return refuse(p, 400, "A header field's name has an invalid character.");
}

static inline enum http_result field_parse(struct parser *p, struct str line) {
  struct http_head *head = p->head;
  size_t name_len = token_run(line, p->bytes.ptr + p->bytes.len);
  if (UNLIKELY(name_len == 0 || name_len >= line.len || line.ptr[name_len] != ':'))
    return refuse_name(p, line, name_len);
  if (UNLIKELY(head->field_count == LIMIT_HEADERS)) return refuse(p, 431, "There are too many header fields.");
  const char *at = line.ptr + name_len + 1, *end = line.ptr + line.len;
  while (at < end && (*at == ' ' || *at == '\t')) at++;
  while (at < end && (end[-1] == ' ' || end[-1] == '\t')) end--;
  struct http_field *field = &head->fields[head->field_count++];
  field->name = str_from(line.ptr, name_len);
  field->value = str_from(at, (size_t)(end - at));
  return on_field(p, field->name, field->value);
}

// --- First lines --------------------------------------------------------------------------------------------------

static enum http_method method_of(struct str name) {
#define IS(literal) (memcmp(name.ptr, literal, sizeof(literal) - 1) == 0)
  switch (name.len) {
    case 3: return IS("GET") ? HTTP_GET : IS("PUT") ? HTTP_PUT : HTTP_OTHER;
    case 4: return IS("POST") ? HTTP_POST : IS("HEAD") ? HTTP_HEAD : HTTP_OTHER;
    case 5: return IS("PATCH") ? HTTP_PATCH : HTTP_OTHER;
    case 6: return IS("DELETE") ? HTTP_DELETE : HTTP_OTHER;
    case 7: return IS("OPTIONS") ? HTTP_OPTIONS : HTTP_OTHER;
    default: return HTTP_OTHER;
  }
#undef IS
}

// "HTTP/d.d", nothing else.
static enum http_result version_parse(struct parser *p, struct str version) {
  if (version.len != 8 || memcmp(version.ptr, "HTTP/", 5) != 0 || !is_digit(version.ptr[5]) || version.ptr[6] != '.' ||
      !is_digit(version.ptr[7]))
    return refuse(p, 400, p->is_request ? "The request line is invalid." : "The status line is invalid.");
  if (version.ptr[5] != '1' || version.ptr[7] > '1')
    return refuse(p, 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.");
  p->head->minor = (unsigned)(version.ptr[7] - '0');
  return HTTP_DONE;
}

// "http://host/path?query". An empty path is "/", for which the scheme's own slash serves.
static enum http_result absolute_parse(struct parser *p, struct str target, size_t scheme_len) {
  struct http_head *head = p->head;
  struct str rest = str_skip(target, scheme_len);
  size_t len = 0;
  while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?') len++;
  head->host = str_from(rest.ptr, len);
  if (!host_valid(head->host)) return refuse(p, 400, "The request target's host is invalid.");
  p->target_has_host = true;
  head->path = len < rest.len && rest.ptr[len] == '/' ? str_skip(rest, len) : str_from(rest.ptr - 1, 1);
  if (len < rest.len && rest.ptr[len] == '?') head->query = str_skip(rest, len + 1);
  return HTTP_DONE;
}

static enum http_result target_parse(struct parser *p) {
  struct http_head *head = p->head;
  struct str target = head->target;
  if (memchr(target.ptr, '#', target.len)) return refuse(p, 400, "The request target has a fragment.");
  if (LIKELY(target.ptr[0] == '/')) {
    head->path = target;
  } else if (str_starts_nocase(target, STR("http://")) || str_starts_nocase(target, STR("https://"))) {
    size_t scheme_len = target.ptr[4] == ':' ? sizeof "http://" - 1 : sizeof "https://" - 1;
    if (absolute_parse(p, target, scheme_len) != HTTP_DONE) return HTTP_FAILED;
  } else if (target.len == 1 && target.ptr[0] == '*' && head->method == HTTP_OPTIONS) {
    head->path = target;
  } else {
    return refuse(p, 400, "The request target is neither a path nor an http URL.");
  }
  const char *mark = memchr(head->path.ptr, '?', head->path.len);
  if (mark) {
    size_t path_len = (size_t)(mark - head->path.ptr);
    head->query = str_skip(head->path, path_len + 1);
    head->path.len = path_len;
  }
  return HTTP_DONE;
}

static enum http_result request_line_parse(struct parser *p, struct str line) {
  struct http_head *head = p->head;
  size_t method_len = 0;
  while (method_len < line.len && byte_classes[(unsigned char)line.ptr[method_len]] & BYTE_TOKEN) method_len++;
  if (method_len == 0 || method_len == line.len || line.ptr[method_len] != ' ')
    return refuse(p, 400, "The request line is invalid.");
  head->method_name = str_from(line.ptr, method_len);
  head->method = method_of(head->method_name);
  struct str rest = str_skip(line, method_len + 1);
  size_t target_len = visible_run(rest);
  if (target_len == 0 || target_len == rest.len || rest.ptr[target_len] != ' ')
    return refuse(p, 400, "The request line is invalid.");
  head->target = str_from(rest.ptr, target_len);
  if (version_parse(p, str_skip(rest, target_len + 1)) != HTTP_DONE) return HTTP_FAILED;
  return target_parse(p);
}

// "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 OK".
static enum http_result status_line_parse(struct parser *p, struct str line) {
  enum { VERSION_LEN = 8, STATUS_LEN = 12 };
  if (line.len < STATUS_LEN || line.ptr[VERSION_LEN] != ' ') return refuse(p, 400, "The status line is invalid.");
  if (version_parse(p, str_from(line.ptr, VERSION_LEN)) != HTTP_DONE) return HTTP_FAILED;
  unsigned status = 0;
  for (size_t i = VERSION_LEN + 1; i < STATUS_LEN; i++) {
    if (!is_digit(line.ptr[i])) return refuse(p, 400, "The status code is invalid.");
    status = status * 10 + (unsigned)(line.ptr[i] - '0');
  }
  if (status < 100 || status > 599) return refuse(p, 400, "The status code is invalid.");
  if (line.len > STATUS_LEN && line.ptr[STATUS_LEN] != ' ') return refuse(p, 400, "The status line is invalid.");
  p->head->status = status;
  p->head->reason = str_skip(line, STATUS_LEN + 1);
  return HTTP_DONE;
}

// --- Heads --------------------------------------------------------------------------------------------------------

static enum http_result head_finish(struct parser *p) {
  struct http_head *head = p->head;
  if (p->is_request && head->minor == 1 && !p->has_host) return refuse(p, 400, "The Host field is missing.");
  head->keep_alive = !p->says_close && (head->minor == 1 || p->says_keep_alive);
  head->size = p->line;
  return HTTP_DONE;
}

static inline enum http_result lines_parse(struct parser *p) {
  struct str line;
  enum http_result result = next_line(p, SIZE_MAX, &line);
  if (result != HTTP_DONE) return result;
  result = p->is_request ? request_line_parse(p, line) : status_line_parse(p, line);
  while (result == HTTP_DONE) {
    result = next_line(p, p->is_request ? LIMIT_HEADER_LINE : SIZE_MAX, &line);
    if (result != HTTP_DONE) return result;
    if (line.len == 0) return head_finish(p);
    result = field_parse(p, line);
  }
  return result;
}

// All but the fields, which are filled in order. (As one memset, gcc makes it a slow string instruction.)
static inline void head_clear(struct http_head *head) {
  const struct str empty = {0};
  head->method = HTTP_GET;
  head->method_name = head->target = head->path = head->query = head->host = head->reason = empty;
  head->expect_continue = head->keep_alive = head->chunked = false;
  head->status = head->minor = head->field_count = 0;
  head->content_length = -1;
  head->size = 0;
}

static inline enum http_result head_parse(struct str bytes, size_t limit, bool is_request, struct http_head *head,
                                          struct http_refusal *refusal) {
  struct parser p = {.bytes = bytes, .is_request = is_request, .head = head, .refusal = refusal};
  if (p.bytes.len > limit) p.bytes.len = limit;
  head_clear(head);
  p.controls = controls_at(p.bytes, 0);
  enum http_result result = lines_parse(&p);
  if (result == HTTP_MORE && bytes.len >= limit) return refuse(&p, 431, "The head is too large.");
  return result;
}

enum http_result http_request_parse(struct str bytes, size_t limit, struct http_head *head,
                                    struct http_refusal *refusal) {
  return head_parse(bytes, limit, true, head, refusal);
}

enum http_result http_response_parse(struct str bytes, size_t limit, struct http_head *head,
                                     struct http_refusal *refusal) {
  return head_parse(bytes, limit, false, head, refusal);
}

// The names asked for hold letters, digits and '-': setting the bit 0x20 makes the two cases of a letter one, and
// nothing else that may stand in a field's name equal to any of them.
static bool name_equal(const char *a, const char *b, size_t len) {
  const uint64_t case_bits = 0x2020202020202020;
  uint64_t x, y;
  if (len < 8) return str_eq_nocase(str_from(a, len), str_from(b, len));
  for (size_t i = 0;; i += 8) {
    if (i + 8 > len) i = len - 8;
    memcpy(&x, a + i, 8), memcpy(&y, b + i, 8);
    if ((x | case_bits) != (y | case_bits)) return false;
    if (i + 8 == len) return true;
  }
}

struct str http_field_get(const struct http_head *head, struct str name) {
  const struct http_field *field = head->fields, *end = field + head->field_count;
  for (; field < end; field++)
    if (field->name.len == name.len && name_equal(field->name.ptr, name.ptr, name.len)) return field->value;
  return (struct str){0};
}
