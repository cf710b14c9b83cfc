// Names of requests in the cache: equal for what means the same, different for what does not.
#include "policy/cache_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
// cmocka wants the ones above first
#include <cmocka.h>

#include "../json/random_json.h"
#include "base/limits.h"
#include "json/json.h"

static const struct cache_scope one = {{"k1", 2}, {"chat", 4}, {0}};

static void key_of(struct str body, uint8_t key[CACHE_KEY_SIZE]) {
  if (!cache_key_make(body, &one, key)) fail_msg("no key: %.*s", STR_ARGS(body));
}

static bool equal(const char *a, const char *b) {
  uint8_t ka[CACHE_KEY_SIZE], kb[CACHE_KEY_SIZE];
  key_of(str_from_cstr(a), ka);
  key_of(str_from_cstr(b), kb);
  return memcmp(ka, kb, sizeof ka) == 0;
}

static void test_the_same(void **state) {
  (void)state;
  static const char *const pairs[][2] = {
      {"{\"model\":\"m\",\"x\":1}", " { \"x\" : 1 ,\n\t\"model\" : \"m\" } "},
      {"{\"a\":{\"b\":1,\"c\":[{\"d\":2,\"e\":3}]}}", "{\"a\":{\"c\":[{\"e\":3,\"d\":2}],\"b\":1}}"},
      {"{\"a\":\"\\u00e9\\n\\/\\ud83d\\ude00\"}", "{\"a\":\"\xC3\xA9\\u000a/\xF0\x9F\x98\x80\"}"},
      {"{\"\\u0062\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
      {"{\"a\":1}", "{\"user\":\"u\",\"a\":1,\"session_id\":\"s\",\"trace\":{\"id\":1},\"metadata\":{\"k\":\"v\"}}"},
      {"{\"a\":1}",
       "{\"a\":1,\"safety_identifier\":\"x\",\"prompt_cache_key\":\"y\",\"prompt_cache_retention\":\"24h\"}"},
      {"{\"a\":1}", "{\"a\":1,\"stream\":false}"},
      {"{\"a\":1,\"stream\":null}", "{\"a\":1,\"stream\":false}"},
      {"{\"\\u0075ser\":1}", "{}"},
      {"{\"a\":1}", "{\"a\":1.0}"},
      {"{\"a\":0.5}", "{\"a\":0.50}"},
      {"{\"a\":0.5}", "{\"a\":5e-1}"},
      {"{\"a\":100}", "{\"a\":1E+2}"},
      {"{\"a\":-0.010}", "{\"a\":-1e-2}"},
      {"{\"a\":0}", "{\"a\":-0.0e7}"},
      {"{\"a\":[120,340]}", "{\"a\":[1.2e2,3.40e+02]}"},
      {"{\"a\":\"\\ud800\"}", "{\"a\":\"\\uD800\"}"},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    if (!equal(pairs[i][0], pairs[i][1])) fail_msg("%s\n%s", pairs[i][0], pairs[i][1]);
}

static void test_different(void **state) {
  (void)state;
  static const char *const texts[] = {
      "{}",
      "{\"a\":1}",
      "{\"a\":\"1\"}",
      "{\"a\":[1]}",
      "{\"a\":[[1]]}",
      "{\"a\":[1,2]}",
      "{\"a\":[2,1]}",
      "{\"a\":[12]}",
      "{\"a\":{\"b\":1}}",
      "{\"a\":{\"b\":1,\"b\":2}}",  // the last counts with most readers, so their order does
      "{\"a\":{\"b\":2,\"b\":1}}",
      "{\"a\":null}",
      "{\"a\":true}",
      "{\"a\":false}",
      "{\"a\":\"\"}",
      "{\"a\":\"null\"}",
      "{\"a\":\"x\",\"b\":\"y\"}",
      "{\"a\":\"x\\\",\\\"b\\\":\\\"y\"}",
      "{\"a\":\"y\",\"b\":\"x\"}",
      "{\"a\":1,\"stream\":true}",
      "{\"a\":{\"user\":1}}",  // only the outermost are left out
      "{\"a\":{\"stream\":false}}",
      "{\"a\":\"\\u0000\"}",
      "{\"a\":\"\\\\u0000\"}",
      "{\"A\":1}",
      "{\"a\":-1}",
      "{\"a\":10}",
      "{\"a\":0.1}",
      "{\"a\":101}",
      "{\"a\":1e101}",
      "{\"a\":9007199254740992}",
      "{\"a\":9007199254740993}",
      "{\"a\":1e9999999999}",
      "{\"a\":1e9999999998}",
      "{\"a\":1111111111111111111111111111111111111111111111111111111111111111111111111}",
      "{\"a\":1111111111111111111111111111111111111111111111111111111111111111111111112}",
      "{\"stream_options\":{\"include_usage\":true}}",
  };
  enum { N = sizeof texts / sizeof *texts };
  for (size_t i = 0; i < N; i++)
    for (size_t j = 0; j < i; j++)
      if (equal(texts[i], texts[j])) fail_msg("%s = %s", texts[i], texts[j]);
}

static void test_scope(void **state) {
  (void)state;
  static const struct cache_scope scopes[] = {
      {{"k1", 2}, {"chat", 4}, {0}},     {{"k2", 2}, {"chat", 4}, {0}},         {{0}, {"chat", 4}, {0}},
      {{"k1", 2}, {"messages", 8}, {0}}, {{"k1", 2}, {"chat", 4}, {"beta", 4}}, {{"k1chat", 6}, {0}, {0}},
      {{"k1", 2}, {"chatbeta", 8}, {0}},
  };
  enum { N = sizeof scopes / sizeof *scopes };
  uint8_t keys[N][CACHE_KEY_SIZE];
  for (size_t i = 0; i < N; i++) {
    assert_true(cache_key_make(STR("{\"a\":1}"), &scopes[i], keys[i]));
    for (size_t j = 0; j < i; j++) assert_memory_not_equal(keys[i], keys[j], CACHE_KEY_SIZE);
  }
}

static void test_refused(void **state) {
  (void)state;
  static const char *const texts[] = {"", "{", "[]", "1", "{\"a\":1,\"a\":2}", "{\"a\":\"\xFF\"}", "{} x"};
  uint8_t key[CACHE_KEY_SIZE];
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    assert_false(cache_key_make(str_from_cstr(texts[i]), &one, key));
}

// --- documents made from a seed: shuffled, spelt otherwise; then one thing changed ---

static void respell_string(struct random_json *r, struct str inside, struct buf *out) {
  for (size_t i = 0; i < inside.len; i++) {
    unsigned char c = (unsigned char)inside.ptr[i];
    if (c == '\\') {
      size_t n = inside.ptr[i + 1] == 'u' ? 6 : 2;
      buf_append(out, inside.ptr + i, n);
      i += n - 1;
    } else if (c >= ' ' && c < 0x7F && random_below(r, 3) == 0) {
      buf_printf(out, "\\u%04X", c);
    } else {
      buf_char(out, (char)c);
    }
  }
}

static void respell(struct random_json *r, const struct json_doc *doc, uint32_t node, struct buf *out) {
  static const char *const spaces[] = {"", " ", "\n", "\t "};
#define SPACE() buf_str(out, str_from_cstr(spaces[random_below(r, 4)]))
  struct str raw = json_raw(doc, node);
  if (json_is(doc, node, JSON_STRING)) {
    buf_char(out, '"');
    respell_string(r, str_from(raw.ptr + 1, raw.len - 2), out);
    buf_char(out, '"');
  } else if (json_is(doc, node, JSON_ARRAY)) {
    buf_char(out, '[');
    for (uint32_t i = json_first(doc, node); i != JSON_NONE; i = json_next(doc, node, i)) {
      if (i != json_first(doc, node)) buf_char(out, ',');
      SPACE();
      respell(r, doc, i, out);
      SPACE();
    }
    buf_char(out, ']');
  } else if (json_is(doc, node, JSON_OBJECT)) {
    uint32_t keys[256], count = 0;
    for (uint32_t k = json_first(doc, node); k != JSON_NONE; k = json_next(doc, node, json_next(doc, node, k)))
      if (count < 256) keys[count++] = k;
    for (uint32_t i = count; i > 1; i--) {
      uint32_t other = random_below(r, i), held = keys[i - 1];
      keys[i - 1] = keys[other];
      keys[other] = held;
    }
    buf_char(out, '{');
    for (uint32_t i = 0; i < count; i++) {
      if (i) buf_char(out, ',');
      SPACE();
      respell(r, doc, keys[i], out);
      SPACE();
      buf_char(out, ':');
      SPACE();
      respell(r, doc, json_next(doc, node, keys[i]), out);
      SPACE();
    }
    buf_char(out, '}');
  } else {
    buf_str(out, raw);
  }
}

static void test_property(void **state) {
  (void)state;
  struct buf text, other;
  buf_init(&text, 1 << 20);
  buf_init(&other, 1 << 22);
  struct json_doc doc = {0};
  unsigned changed = 0;
  for (uint64_t seed = 1; seed <= 3000; seed++) {
    struct random_json r = {seed * 0x9E3779B97F4A7C15u, &text};
    buf_clear(&text);
    buf_clear(&other);
    buf_lit(&text, "{\"first\":");
    random_value(&r, 1);
    buf_lit(&text, ",\"second\":");
    random_value(&r, 1);
    buf_lit(&text, ",\"number\":12345}");
    assert_int_equal(json_parse(&doc, buf_view(&text), LIMIT_JSON_DEPTH), JSON_OK);
    respell(&r, &doc, 0, &other);
    uint8_t a[CACHE_KEY_SIZE], b[CACHE_KEY_SIZE];
    key_of(buf_view(&text), a);
    key_of(buf_view(&other), b);
    if (memcmp(a, b, sizeof a) != 0)
      fail_msg("seed %d:\n%.*s\n%.*s", (int)seed, STR_ARGS(buf_view(&text)), STR_ARGS(buf_view(&other)));
    // Any digit or letter of a value made another is another request.
    for (int tries = 0; tries < 4; tries++) {
      size_t at = random_below(&r, (uint32_t)text.len);
      char was = text.ptr[at], is = was >= '1' && was <= '8' ? (char)(was + 1) : was >= 'g' && was <= 'm' ? 'q' : 0;
      if (!is || (at && text.ptr[at - 1] == '\\')) continue;
      text.ptr[at] = is;
      if (cache_key_make(buf_view(&text), &one, b)) {
        changed++;
        if (memcmp(a, b, sizeof a) == 0)
          fail_msg("seed %d, byte %d: %.*s", (int)seed, (int)at, STR_ARGS(buf_view(&text)));
      }
      text.ptr[at] = was;
    }
  }
  assert_true(changed > 1000);
  json_doc_free(&doc);
  buf_free(&text);
  buf_free(&other);
}

// --- what somebody sends to hurt ---

static void fill(struct buf *out, size_t size, void (*piece)(struct buf *out, unsigned i)) {
  buf_clear(out);
  buf_lit(out, "{\"a\":{");
  for (unsigned i = 0; out->len < size; i++) {
    if (i) buf_char(out, ',');
    piece(out, i);
  }
  buf_lit(out, "}}");
}

static void equal_keys(struct buf *out, unsigned i) {
  buf_printf(out, "\"k\":%u", i);
}
static void falling_keys(struct buf *out, unsigned i) {
  buf_printf(out, "\"%08u\":0", 99999999 - i);
}
static void long_escaped_keys(struct buf *out, unsigned i) {
  buf_char(out, '"');
  for (int k = 0; k < 200; k++) buf_lit(out, "\\u0061");
  buf_printf(out, "%u\":0", 99999999 - i);
}
static void numbers(struct buf *out, unsigned i) {
  buf_printf(out, "\"%u\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]", i);
}

static void test_hostile(void **state) {
  (void)state;
  void (*const pieces[])(struct buf *, unsigned) = {equal_keys, falling_keys, long_escaped_keys, numbers};
  struct buf text;
  buf_init(&text, 64 << 20);
  uint8_t key[CACHE_KEY_SIZE], again[CACHE_KEY_SIZE];
  for (unsigned i = 0; i < 4; i++) {
    fill(&text, CACHE_KEY_INDEXED - 4096, pieces[i]);
    key_of(buf_view(&text), key);
    key_of(buf_view(&text), again);
    assert_memory_equal(key, again, sizeof key);
  }
  // Too long to be indexed: as it is.
  fill(&text, CACHE_KEY_INDEXED + 1, numbers);
  key_of(buf_view(&text), key);
  buf_char(&text, ' ');
  key_of(buf_view(&text), again);
  assert_memory_not_equal(key, again, sizeof key);
  // As deep as the parser goes.
  buf_clear(&text);
  for (int i = 0; i < LIMIT_JSON_DEPTH; i++) buf_lit(&text, "{\"a\":");
  buf_char(&text, '1');
  for (int i = 0; i < LIMIT_JSON_DEPTH; i++) buf_char(&text, '}');
  key_of(buf_view(&text), key);
  buf_free(&text);
}

static void test_plain(void **state) {
  (void)state;
  struct str a[] = {STR("ab"), STR("c")}, b[] = {STR("a"), STR("bc")};
  uint8_t ka[CACHE_KEY_SIZE], kb[CACHE_KEY_SIZE];
  assert_true(cache_key_plain(a, 2, ka));
  assert_true(cache_key_plain(b, 2, kb));
  assert_memory_not_equal(ka, kb, sizeof ka);
  assert_true(cache_key_plain(a, 2, kb));
  assert_memory_equal(ka, kb, sizeof ka);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_same), cmocka_unit_test(test_different), cmocka_unit_test(test_scope),
      cmocka_unit_test(test_refused),  cmocka_unit_test(test_property),  cmocka_unit_test(test_hostile),
      cmocka_unit_test(test_plain),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
