// Reading a parsed text: finding members, and values as C types.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json/escape.h"
#include "json/json.h"

struct str json_raw(const struct json_doc *doc, uint32_t node) {
  if (node >= doc->count) return (struct str){0};
  return str_from(doc->text.ptr + doc->nodes[node].start, doc->nodes[node].end - doc->nodes[node].start);
}

enum json_type json_type(const struct json_doc *doc, uint32_t node) {
  return node < doc->count ? (enum json_type)doc->nodes[node].type : JSON_NULL;
}

bool json_is(const struct json_doc *doc, uint32_t node, enum json_type type) {
  return node < doc->count && doc->nodes[node].type == type;
}

uint32_t json_first(const struct json_doc *doc, uint32_t container) {
  // Only containers have anything between themselves and `next`.
  return container < doc->count && doc->nodes[container].next > container + 1 ? container + 1 : JSON_NONE;
}

uint32_t json_next(const struct json_doc *doc, uint32_t container, uint32_t child) {
  if (container >= doc->count || child >= doc->count) return JSON_NONE;
  uint32_t next = doc->nodes[child].next;
  return next < doc->nodes[container].next ? next : JSON_NONE;
}

uint32_t json_get(const struct json_doc *doc, uint32_t object, struct str key) {
  if (!json_is(doc, object, JSON_OBJECT)) return JSON_NONE;
  uint32_t found = JSON_NONE, end = doc->nodes[object].next, len = (uint32_t)key.len + 2;
  for (uint32_t at = object + 1; at < end; at = doc->nodes[at + 1].next) {
    const struct json_node *n = &doc->nodes[at];
    // Nearly all keys differ in length: looked at first.
    if ((n->end - n->start != len && !n->escaped) || !json_string_is(doc, at, key)) continue;
    found = at + 1;
    if (object == 0) break;  // its keys are unique
  }
  return found;
}

// What is between the quotes of a string node.
static struct str inside(const struct json_doc *doc, uint32_t node) {
  return str_from(doc->text.ptr + doc->nodes[node].start + 1, doc->nodes[node].end - doc->nodes[node].start - 2);
}

bool json_string(const struct json_doc *doc, uint32_t node, struct arena *arena, struct str *out) {
  if (!json_is(doc, node, JSON_STRING)) return false;
  struct str raw = inside(doc, node);
  if (!doc->nodes[node].escaped) return *out = raw, true;
  char *text = arena_alloc(arena, raw.len);  // decoding never makes it longer
  if (!text) return false;
  char *to = text;
  const char *p = raw.ptr, *end = raw.ptr + raw.len;
  while (p < end) {
    const char *backslash = memchr(p, '\\', (size_t)(end - p));
    size_t plain = (size_t)((backslash ? backslash : end) - p);
    memcpy(to, p, plain);
    to += plain;
    p += plain;
    if (p == end) break;
    char bytes[4];
    unsigned len = escape_decode(&p, end, bytes);
    if (escape_is_lone(bytes, len)) return false;
    memcpy(to, bytes, len);
    to += len;
  }
  *out = str_from(text, (size_t)(to - text));
  return true;
}

bool json_escaped_string_is(const struct json_doc *doc, uint32_t node, struct str value) {
  struct str raw = inside(doc, node);
  const char *p = raw.ptr, *end = raw.ptr + raw.len;
  while (p < end) {
    char bytes[4];
    unsigned len = 1;
    if (*p == '\\') {
      len = escape_decode(&p, end, bytes);
      if (escape_is_lone(bytes, len)) return false;
    } else {
      bytes[0] = *p++;
    }
    if (value.len < len || memcmp(value.ptr, bytes, len) != 0) return false;
    value = str_skip(value, len);
  }
  return value.len == 0;
}

// A number taken apart: digits (with the point among them, which is skipped) times a power of ten. Zeros at both ends
// are cut off, so no digits means zero.
struct decimal {
  bool negative;
  struct str digits;
  int64_t exponent;
};

static bool decimal_skip(struct decimal *d, bool at_end) {
  if (!d->digits.len) return false;
  char c = at_end ? d->digits.ptr[d->digits.len - 1] : d->digits.ptr[0];
  return c == '0' || c == '.';
}

static struct decimal decimal_of(struct str number) {
  struct decimal d = {.negative = number.ptr[0] == '-'};
  number = str_skip(number, d.negative);
  size_t e = 0;
  while (e < number.len && (number.ptr[e] | 0x20) != 'e') e++;
  d.digits = str_from(number.ptr, e);
  struct str power = str_skip(number, e + 1);
  bool power_negative = power.len && power.ptr[0] == '-';
  if (power.len && (power.ptr[0] == '-' || power.ptr[0] == '+')) power = str_skip(power, 1);
  // Far more than the digits of any text can make up for.
  for (size_t i = 0; i < power.len && d.exponent < INT64_C(1000000000000); i++)
    d.exponent = d.exponent * 10 + (power.ptr[i] - '0');
  if (power_negative) d.exponent = -d.exponent;
  size_t point = str_find_char(d.digits, '.', 0);
  if (point != SIZE_MAX) d.exponent -= (int64_t)(d.digits.len - point - 1);
  while (decimal_skip(&d, true)) d.exponent += d.digits.ptr[--d.digits.len] == '0';
  while (decimal_skip(&d, false)) d.digits = str_skip(d.digits, 1);
  return d;
}

// The first 19 digits, which always fit; *dropped counts the others.
static uint64_t decimal_head(const struct decimal *d, size_t *dropped) {
  uint64_t value = 0;
  size_t taken = 0;
  *dropped = 0;
  for (size_t i = 0; i < d->digits.len; i++) {
    if (d->digits.ptr[i] == '.') continue;
    if (taken++ < 19) {
      value = value * 10 + (uint64_t)(d->digits.ptr[i] - '0');
    } else {
      (*dropped)++;
    }
  }
  return value;
}

bool json_u64(const struct json_doc *doc, uint32_t node, uint64_t max, uint64_t *out) {
  if (!json_is(doc, node, JSON_NUMBER)) return false;
  struct str raw = json_raw(doc, node);
  if (str_to_u64(raw, max, out)) return true;
  struct decimal d = decimal_of(raw);
  if (d.negative) return false;
  if (!d.digits.len) return *out = 0, true;
  if (d.exponent < 0) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < d.digits.len; i++) {
    if (d.digits.ptr[i] == '.') continue;
    if (__builtin_mul_overflow(value, 10, &value)) return false;
    if (__builtin_add_overflow(value, (uint64_t)(d.digits.ptr[i] - '0'), &value)) return false;
  }
  for (int64_t i = 0; i < d.exponent; i++)
    if (__builtin_mul_overflow(value, 10, &value)) return false;
  if (value > max) return false;
  *out = value;
  return true;
}

// The common short ones: up to 15 digits with at most 6 behind the point are exact as a quotient of two exact doubles.
static bool short_double(struct str raw, double *out) {
  static const double powers[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6};
  uint64_t digits = 0;
  unsigned behind = 0;
  bool point = false;
  if (raw.len > 15) return false;
  for (size_t i = 0; i < raw.len; i++) {
    char c = raw.ptr[i];
    if (c == '.') {
      point = true;
    } else if (c >= '0' && c <= '9') {
      digits = digits * 10 + (unsigned)(c - '0');
      behind += point;
    } else {
      return false;  // a sign or an exponent
    }
  }
  if (behind > 6) return false;
  *out = (double)digits / powers[behind];
  return true;
}

bool json_double(const struct json_doc *doc, uint32_t node, double *out) {
  if (!json_is(doc, node, JSON_NUMBER)) return false;
  if (short_double(json_raw(doc, node), out)) return true;
  struct decimal d = decimal_of(json_raw(doc, node));
  size_t dropped;
  uint64_t head = decimal_head(&d, &dropped);
  // Without a decimal point strtod does not care about the locale.
  char text[48];
  snprintf(text, sizeof text, "%s%llue%lld", d.negative ? "-" : "", (unsigned long long)head,
           (long long)d.exponent + (long long)dropped);
  double value = strtod(text, NULL);
  if (!isfinite(value)) return false;
  *out = value;
  return true;
}

bool json_bool(const struct json_doc *doc, uint32_t node, bool *out) {
  if (!json_is(doc, node, JSON_TRUE) && !json_is(doc, node, JSON_FALSE)) return false;
  *out = json_is(doc, node, JSON_TRUE);
  return true;
}
