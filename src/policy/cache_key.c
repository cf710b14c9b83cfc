// The body is indexed once and walked once; what is hashed is written into a small buffer on the way:
//   string  " bytes, escapes decoded, and 0xFF    (no byte of UTF-8, so nothing can run into the next)
//   number  # digits e power, and 0xFF    true, false, null  t f n
//   list    [ elements ]       object  { string value ... } sorted by key; equal keys stay in their order
// The time is linear but for the sorting; the depth is bounded by the parser.
#include "policy/cache_key.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "json/escape.h"
#include "json/json.h"

struct member {
  struct str key;  // decoded
  uint32_t value;
  uint32_t place;  // in its object
};

struct writer {
  const struct json_doc *doc;
  EVP_MD_CTX *sha;
  struct arena keys;  // decoded ones
  struct member *members;
  size_t count, cap;
  bool failed;
  size_t len;
  unsigned char out[2048];
};

static const struct str left_out[] = {{"user", 4},
                                      {"safety_identifier", 17},
                                      {"session_id", 10},
                                      {"trace", 5},
                                      {"metadata", 8},
                                      {"prompt_cache_key", 16},
                                      {"prompt_cache_retention", 22}};

static void flush(struct writer *w) {
  if (w->len && EVP_DigestUpdate(w->sha, w->out, w->len) != 1) w->failed = true;
  w->len = 0;
}

static void put(struct writer *w, struct str bytes) {
  if (bytes.len > sizeof w->out - w->len) {
    flush(w);
    if (bytes.len > sizeof w->out) {
      if (EVP_DigestUpdate(w->sha, bytes.ptr, bytes.len) != 1) w->failed = true;
      return;
    }
  }
  if (bytes.len) memcpy(w->out + w->len, bytes.ptr, bytes.len);
  w->len += bytes.len;
}

static void put_byte(struct writer *w, unsigned char byte) {
  if (w->len == sizeof w->out) flush(w);
  w->out[w->len++] = byte;
}

enum { END = 0xFF };

static bool writer_begin(struct writer *w) {
  w->sha = EVP_MD_CTX_new();
  w->len = w->count = w->cap = 0;
  w->members = NULL;
  w->keys = (struct arena){0};
  w->failed = !w->sha || EVP_DigestInit_ex(w->sha, EVP_sha256(), NULL) != 1;
  return !w->failed;
}

static bool writer_end(struct writer *w, uint8_t key[CACHE_KEY_SIZE]) {
  if (!w->failed) flush(w);
  bool ok = !w->failed && EVP_DigestFinal_ex(w->sha, key, NULL) == 1;
  EVP_MD_CTX_free(w->sha);
  free(w->members);
  arena_free(&w->keys);
  return ok;
}

static struct str inside(const struct json_doc *doc, uint32_t node) {
  struct str raw = json_raw(doc, node);
  return str_from(raw.ptr + 1, raw.len - 2);
}

static void put_string(struct writer *w, uint32_t node) {
  struct str s = inside(w->doc, node);
  put_byte(w, '"');
  if (w->doc->nodes[node].escaped) {
    const char *p = s.ptr, *end = s.ptr + s.len;
    for (const char *escape; (escape = memchr(p, '\\', (size_t)(end - p)));) {
      char decoded[4];
      put(w, str_from(p, (size_t)(escape - p)));
      p = escape;
      put(w, str_from(decoded, escape_decode(&p, end, decoded)));
    }
    s = str_from(p, (size_t)(end - p));
  }
  put(w, s);
  put_byte(w, END);
}

// A key's characters, for the sorting.
static struct str key_text(struct writer *w, uint32_t node) {
  struct str s = inside(w->doc, node);
  if (!w->doc->nodes[node].escaped) return s;
  char *decoded = arena_alloc(&w->keys, s.len), *at = decoded;
  if (!decoded) {
    w->failed = true;
    return (struct str){0};
  }
  struct escape_walk walk = escape_walk(s);
  for (int byte; (byte = escape_walk_next(&walk)) >= 0;) *at++ = (char)byte;
  return str_from(decoded, (size_t)(at - decoded));
}

static int in_order(const void *pa, const void *pb) {
  const struct member *a = pa, *b = pb;
  size_t shorter = a->key.len < b->key.len ? a->key.len : b->key.len;
  int order = shorter ? memcmp(a->key.ptr, b->key.ptr, shorter) : 0;
  if (order) return order;
  if (a->key.len != b->key.len) return a->key.len < b->key.len ? -1 : 1;
  return a->place < b->place ? -1 : 1;
}

// Most objects have a handful of members, and most of them in the order of the last request.
static void sort(struct member *m, size_t count) {
  if (count > 16) {
    qsort(m, count, sizeof *m, in_order);
    return;
  }
  for (size_t i = 1; i < count; i++) {
    struct member moved = m[i];
    size_t at = i;
    for (; at && in_order(&m[at - 1], &moved) > 0; at--) m[at] = m[at - 1];
    m[at] = moved;
  }
}

static struct member *member_add(struct writer *w) {
  if (w->count == w->cap) {
    size_t cap = w->cap ? 2 * w->cap : 64;
    struct member *grown = realloc(w->members, cap * sizeof *grown);
    if (!grown) {
      w->failed = true;
      return NULL;
    }
    w->members = grown;
    w->cap = cap;
  }
  return &w->members[w->count++];
}

static bool changes_nothing(const struct writer *w, struct str key, uint32_t value) {
  if (str_eq(key, STR("stream"))) return !json_is(w->doc, value, JSON_TRUE);
  for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
    if (str_eq(key, left_out[i])) return true;
  return false;
}

enum { DIGITS_MAX = 64, POWER_MAX = 1000000000 };

// A number's digits without zeros at either end, and the power of ten of the last one. No digit is lost, so that large
// numbers stay apart.
struct decimal {
  char digits[DIGITS_MAX];
  size_t count, zeros;  // zeros: seen behind them
  int64_t power;
};

static bool add_digit(struct decimal *d, char digit, bool fraction) {
  if (fraction) d->power--;
  if (digit == '0') {
    if (d->count) d->zeros++;
    return true;
  }
  if (d->count + d->zeros >= DIGITS_MAX) return false;
  memset(d->digits + d->count, '0', d->zeros);
  d->count += d->zeros;
  d->zeros = 0;
  d->digits[d->count++] = digit;
  return true;
}

// False: it has too many digits, or is beyond all measure.
static bool decimal_read(struct str text, struct decimal *d) {
  bool fraction = false, negative = false;
  int64_t exponent = 0;
  size_t i = 0;
  for (; i < text.len && (text.ptr[i] | 0x20) != 'e'; i++) {
    if (text.ptr[i] == '.') fraction = true;
    if (text.ptr[i] >= '0' && text.ptr[i] <= '9' && !add_digit(d, text.ptr[i], fraction)) return false;
  }
  for (; i < text.len; i++) {
    if (text.ptr[i] == '-') negative = true;
    if (text.ptr[i] >= '0' && text.ptr[i] <= '9') exponent = exponent * 10 + (text.ptr[i] - '0');
    if (exponent > POWER_MAX) return false;
  }
  d->power += (int64_t)d->zeros + (negative ? -exponent : exponent);
  return true;
}

// 0.5, 0.50 and 5e-1 are one number.
static void put_number(struct writer *w, struct str text) {
  struct decimal d = {.count = 0};
  char power[32];
  if (!decimal_read(text, &d)) {
    put(w, text);
    return;
  }
  if (d.count && text.ptr[0] == '-') put_byte(w, '-');
  put(w, str_from(d.digits, d.count));
  int n = snprintf(power, sizeof power, "e%lld", d.count ? (long long)d.power : 0);
  put(w, str_from(power, (size_t)n));
}

static void put_value(struct writer *w, uint32_t node);

// The members lie on a stack that all objects on the way down share; it may move while the values are written.
static void put_object(struct writer *w, uint32_t object) {
  size_t base = w->count;
  uint32_t place = 0;
  for (uint32_t key = json_first(w->doc, object); key != JSON_NONE && !w->failed;) {
    uint32_t value = json_next(w->doc, object, key);
    struct str text = key_text(w, key);
    if (object || !changes_nothing(w, text, value)) {
      struct member *m = member_add(w);
      if (!m) return;
      *m = (struct member){text, value, place++};
    }
    key = json_next(w->doc, object, value);
  }
  size_t end = w->count;
  if (end - base > 1) sort(w->members + base, end - base);
  put_byte(w, '{');
  for (size_t i = base; i < end && !w->failed; i++) {
    put_byte(w, '"');
    put(w, w->members[i].key);
    put_byte(w, END);
    put_value(w, w->members[i].value);
  }
  put_byte(w, '}');
  w->count = base;
}

static void put_value(struct writer *w, uint32_t node) {
  switch (json_type(w->doc, node)) {
    case JSON_NULL: put_byte(w, 'n'); return;
    case JSON_FALSE: put_byte(w, 'f'); return;
    case JSON_TRUE: put_byte(w, 't'); return;
    case JSON_NUMBER:
      put_byte(w, '#');
      put_number(w, json_raw(w->doc, node));
      put_byte(w, END);
      return;
    case JSON_STRING: put_string(w, node); return;
    case JSON_ARRAY:
      put_byte(w, '[');
      for (uint32_t i = json_first(w->doc, node); i != JSON_NONE && !w->failed; i = json_next(w->doc, node, i))
        put_value(w, i);
      put_byte(w, ']');
      return;
    case JSON_OBJECT: put_object(w, node); return;
  }
}

static void put_scope(struct writer *w, const struct cache_scope *scope) {
  const struct str parts[] = {scope->key_id, scope->skin, scope->more};
  for (unsigned i = 0; i < 3; i++) {
    put(w, parts[i]);
    put_byte(w, END);
  }
}

bool cache_key_make(struct str body, const struct cache_scope *scope, uint8_t key[CACHE_KEY_SIZE]) {
  struct json_doc doc = {0};
  struct writer w;
  bool indexed = body.len <= CACHE_KEY_INDEXED;
  if (indexed && (json_parse(&doc, body, LIMIT_JSON_DEPTH) != JSON_OK || !json_is(&doc, 0, JSON_OBJECT))) {
    json_doc_free(&doc);
    return false;
  }
  w.doc = &doc;
  if (writer_begin(&w)) {
    put_scope(&w, scope);
    if (indexed) {
      put_value(&w, 0);
    } else {
      put_byte(&w, END);  // no indexed body begins so
      put(&w, body);
    }
  }
  assert(w.failed || !w.count);
  bool ok = writer_end(&w, key);
  json_doc_free(&doc);
  return ok;
}

bool cache_key_plain(const struct str *parts, unsigned count, uint8_t key[CACHE_KEY_SIZE]) {
  struct writer w;
  if (writer_begin(&w)) {
    for (unsigned i = 0; i < count; i++) {
      put(&w, parts[i]);
      put_byte(&w, END);
    }
  }
  return writer_end(&w, key);
}
