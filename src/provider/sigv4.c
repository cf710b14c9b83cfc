#include "provider/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HASH = 32, HEADERS_MAX = 64, SEGMENTS_MAX = 256 };

void sigv4_time(uint64_t unix_s, char out[17]) {
  time_t seconds = (time_t)unix_s;
  struct tm tm;
  gmtime_r(&seconds, &tm);
  strftime(out, 17, "%Y%m%dT%H%M%SZ", &tm);
}

// --- hashes ---

static void hex(struct buf *out, const unsigned char *bytes, size_t n) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < n; i++) {
    buf_char(out, digits[bytes[i] >> 4]);
    buf_char(out, digits[bytes[i] & 15]);
  }
}

static void hash_hex(struct buf *out, struct str bytes) {
  unsigned char digest[HASH];
  if (EVP_Digest(bytes.ptr ? bytes.ptr : "", bytes.len, digest, NULL, EVP_sha256(), NULL))
    hex(out, digest, HASH);
  else
    out->failed = true;
}

static void hmac(const unsigned char *key, size_t key_len, struct str text, unsigned char out[HASH]) {
  if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text.ptr, text.len, out, NULL))
    memset(out, 0, HASH);
}

// --- the canonical request ---

static bool is_unreserved(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

static void encode(struct buf *out, struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.ptr[i];
    if (is_unreserved(c))
      buf_char(out, (char)c);
    else
      buf_printf(out, "%%%02X", c);
  }
}

// Each segment is encoded once more, as it is sent; dot segments and empty ones go.
static void write_path(const struct sigv4_request *r, struct buf *out) {
  struct str segments[SEGMENTS_MAX], rest = r->path, piece;
  size_t n = 0;
  bool slash_end = rest.len > 1 && rest.ptr[rest.len - 1] == '/';
  if (r->path_as_it_is) {
    buf_str(out, rest.len ? rest : STR("/"));
    return;
  }
  if (rest.len && rest.ptr[0] == '/') rest = str_skip(rest, 1);
  bool stays = r->keep_dot_segments;
  while (str_split(&rest, '/', &piece)) {
    if (!stays && (!piece.len || str_eq(piece, STR(".")))) continue;
    if (!stays && str_eq(piece, STR(".."))) {
      if (n) n--;
      continue;
    }
    if (n < SEGMENTS_MAX) segments[n++] = piece;
  }
  if (!n) buf_char(out, '/');
  for (size_t i = 0; i < n; i++) {
    buf_char(out, '/');
    encode(out, segments[i]);
  }
  if (slash_end && n && !stays) buf_char(out, '/');
}

static int by_text(const void *a, const void *b) {
  const struct str *x = a, *y = b;
  size_t n = x->len < y->len ? x->len : y->len;
  int order = n ? memcmp(x->ptr, y->ptr, n) : 0;
  return order ? order : (x->len > y->len) - (x->len < y->len);
}

static unsigned nibble(char c) {
  return c >= '0' && c <= '9'                                     ? (unsigned)(c - '0')
         : ((unsigned)c | 32) >= 'a' && ((unsigned)c | 32) <= 'f' ? ((unsigned)c | 32) - 'a' + 10
                                                                  : 16;
}

// A part of the query, decoded and encoded in the one way that counts.
static void write_query_part(struct buf *out, struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if (c == '%' && i + 2 < text.len && nibble(text.ptr[i + 1]) < 16 && nibble(text.ptr[i + 2]) < 16) {
      c = (char)(nibble(text.ptr[i + 1]) << 4 | nibble(text.ptr[i + 2]));
      i += 2;
    }
    encode(out, str_from(&c, 1));
  }
}

static bool write_query(const struct sigv4_request *r, struct arena *arena, struct buf *out) {
  struct str pairs[SEGMENTS_MAX], rest = r->query, piece;
  size_t n = 0;
  if (!rest.len) return true;
  while (str_split(&rest, '&', &piece) && n < SEGMENTS_MAX) {
    struct buf pair;
    if (!piece.len) continue;
    size_t equals = str_find_char(piece, '=', 0);
    buf_init(&pair, 64 * 1024);
    write_query_part(&pair, equals == SIZE_MAX ? piece : str_from(piece.ptr, equals));
    buf_char(&pair, '=');
    if (equals != SIZE_MAX) write_query_part(&pair, str_skip(piece, equals + 1));
    bool ok = !pair.failed;
    pairs[n++] = arena_str(arena, buf_view(&pair));
    buf_free(&pair);
    if (!ok) return false;
  }
  qsort(pairs, n, sizeof *pairs, by_text);
  for (size_t i = 0; i < n; i++) {
    if (i) buf_char(out, '&');
    buf_str(out, pairs[i]);
  }
  return true;
}

// Trimmed, runs of blanks as one.
static void write_value(struct buf *out, struct str value) {
  bool blank = false, begun = false;
  for (size_t i = 0; i < value.len; i++) {
    char c = value.ptr[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      blank = begun;
      continue;
    }
    if (blank) buf_char(out, ' ');
    buf_char(out, c);
    begun = true;
    blank = false;
  }
}

struct header {
  struct str name;  // lower case
  size_t order;     // as it was given: values of one name keep it
  struct str value;
};

static int by_name(const void *a, const void *b) {
  const struct header *x = a, *y = b;
  int order = by_text(&x->name, &y->name);
  return order ? order : (x->order > y->order) - (x->order < y->order);
}

static size_t sorted_headers(const struct sigv4_request *r, struct arena *arena, struct header sorted[HEADERS_MAX]) {
  size_t n = r->header_count < HEADERS_MAX ? r->header_count : HEADERS_MAX;
  for (size_t i = 0; i < n; i++) {
    char *lower = arena_alloc(arena, r->headers[i].name.len + 1);
    if (!lower) return 0;
    for (size_t k = 0; k < r->headers[i].name.len; k++) {
      char c = r->headers[i].name.ptr[k];
      lower[k] = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
    }
    sorted[i] = (struct header){str_from(lower, r->headers[i].name.len), i, r->headers[i].value};
  }
  qsort(sorted, n, sizeof *sorted, by_name);
  return n;
}

static void write_signed_names(const struct header *sorted, size_t n, struct buf *out) {
  for (size_t i = 0; i < n; i++) {
    if (i && str_eq(sorted[i].name, sorted[i - 1].name)) continue;
    if (i) buf_char(out, ';');
    buf_str(out, sorted[i].name);
  }
}

bool sigv4_canonical(const struct sigv4_request *r, struct arena *arena, struct buf *out) {
  struct header sorted[HEADERS_MAX];
  size_t n = sorted_headers(r, arena, sorted);
  if (!n) return false;
  buf_str(out, r->method);
  buf_char(out, '\n');
  write_path(r, out);
  buf_char(out, '\n');
  if (!write_query(r, arena, out)) return false;
  buf_char(out, '\n');
  for (size_t i = 0; i < n; i++) {
    bool more = i && str_eq(sorted[i].name, sorted[i - 1].name);
    if (more) {
      buf_char(out, ',');
    } else {
      if (i) buf_char(out, '\n');
      buf_str(out, sorted[i].name);
      buf_char(out, ':');
    }
    write_value(out, sorted[i].value);
  }
  buf_lit(out, "\n\n");
  write_signed_names(sorted, n, out);
  buf_char(out, '\n');
  hash_hex(out, r->body);
  return !out->failed;
}

static void write_scope(const struct sigv4_request *r, struct buf *out) {
  buf_append(out, r->time, 8);
  buf_char(out, '/');
  buf_str(out, r->region);
  buf_char(out, '/');
  buf_str(out, r->service);
  buf_lit(out, "/aws4_request");
}

void sigv4_string_to_sign(const struct sigv4_request *r, struct str canonical, struct buf *out) {
  buf_lit(out, "AWS4-HMAC-SHA256\n");
  buf_append(out, r->time, 16);
  buf_char(out, '\n');
  write_scope(r, out);
  buf_char(out, '\n');
  hash_hex(out, canonical);
}

bool sigv4_authorization(const struct sigv4_request *r, struct arena *arena, struct buf *out) {
  struct header sorted[HEADERS_MAX];
  struct buf text, secret;
  unsigned char key[HASH], signature[HASH];
  size_t n = sorted_headers(r, arena, sorted);
  buf_init(&text, 1 << 20);
  buf_init(&secret, 4096);
  bool ok = n && sigv4_canonical(r, arena, &text);
  struct str canonical = arena_str(arena, buf_view(&text));
  buf_clear(&text);
  sigv4_string_to_sign(r, canonical, &text);
  buf_lit(&secret, "AWS4");
  buf_str(&secret, r->secret_access_key);
  ok = ok && canonical.ptr && !text.failed && !secret.failed;
  if (ok) {
    hmac((unsigned char *)secret.ptr, secret.len, str_from(r->time, 8), key);
    hmac(key, HASH, r->region, key);
    hmac(key, HASH, r->service, key);
    hmac(key, HASH, STR("aws4_request"), key);
    hmac(key, HASH, buf_view(&text), signature);
    buf_lit(out, "AWS4-HMAC-SHA256 Credential=");
    buf_str(out, r->access_key_id);
    buf_char(out, '/');
    write_scope(r, out);
    buf_lit(out, ", SignedHeaders=");
    write_signed_names(sorted, n, out);
    buf_lit(out, ", Signature=");
    hex(out, signature, HASH);
  }
  if (secret.ptr) OPENSSL_cleanse(secret.ptr, secret.len);
  OPENSSL_cleanse(key, sizeof key);
  buf_free(&secret);
  buf_free(&text);
  return ok && !out->failed;
}
