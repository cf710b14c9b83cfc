// JSON made from a seed: every kind of value, spelling and white space, never the same key twice in one object.
#pragma once
#include <stdint.h>

#include "base/buf.h"

struct random_json {
  uint64_t state;
  struct buf *out;
};

static inline uint32_t random_below(struct random_json *r, uint32_t n) {
  r->state ^= r->state << 13;
  r->state ^= r->state >> 7;
  r->state ^= r->state << 17;
  return (uint32_t)(r->state >> 20) % n;
}

static inline void random_space(struct random_json *r) {
  static const char *const spaces[] = {" ", "\n", "\t", "\r\n", "\n        ", "  "};
  if (random_below(r, 4) == 0) buf_str(r->out, str_from_cstr(spaces[random_below(r, 6)]));
}

static inline void random_inside(struct random_json *r) {
  static const char *const pieces[] = {
      "a",
      "plain text that is longer than one vector of thirty-two bytes",
      "\\n",
      "\\\"",
      "\\\\",
      "\\/",
      "\\u00e9",
      "\\ud83d\\ude00",
      "\\ud800",
      "\\u0000",
      "\xC3\xA9",
      "\xE4\xB8\xAD\xE6\x96\x87",
      "\xF0\x9F\x98\x80",
      "\xEF\xBF\xBD",
      "\x7F",
      "{[,:]}",
  };
  for (uint32_t n = random_below(r, 8); n; n--) buf_str(r->out, str_from_cstr(pieces[random_below(r, 16)]));
}

static inline void random_number(struct random_json *r) {
  static const char *const numbers[] = {"0",
                                        "-0",
                                        "7",
                                        "-12.50",
                                        "1e9",
                                        "1E-7",
                                        "0.000000000123456789e+30",
                                        "65536",
                                        "0.0e0",
                                        "1e9999",
                                        "-1.5",
                                        "10.0",
                                        "123456789012345678901234567890"};
  buf_str(r->out, str_from_cstr(numbers[random_below(r, 13)]));
}

static inline void random_value(struct random_json *r, unsigned depth);

static inline void random_container(struct random_json *r, unsigned depth, bool object) {
  buf_char(r->out, object ? '{' : '[');
  random_space(r);
  uint32_t count = random_below(r, depth ? 5 : 40);
  for (uint32_t i = 0; i < count; i++) {
    if (i) buf_char(r->out, ',');
    random_space(r);
    if (object) {
      buf_char(r->out, '"');
      random_inside(r);
      buf_printf(r->out, "#%u\"", i);
      random_space(r);
      buf_char(r->out, ':');
      random_space(r);
    }
    random_value(r, depth + 1);
    random_space(r);
  }
  buf_char(r->out, object ? '}' : ']');
}

static inline void random_value(struct random_json *r, unsigned depth) {
  switch (random_below(r, depth < 5 ? 7 : 5)) {
    case 0: buf_lit(r->out, "true"); break;
    case 1: buf_lit(r->out, "false"); break;
    case 2: buf_lit(r->out, "null"); break;
    case 3: random_number(r); break;
    case 4:
      buf_char(r->out, '"');
      random_inside(r);
      buf_char(r->out, '"');
      break;
    case 5: random_container(r, depth, false); break;
    default: random_container(r, depth, true); break;
  }
}

// One object text.
static inline void random_object(struct buf *out, uint64_t seed) {
  struct random_json r = {seed * 0x9E3779B97F4A7C15u + 1, out};
  for (int i = 0; i < 8; i++) random_below(&r, 2);
  random_container(&r, 0, true);
}
