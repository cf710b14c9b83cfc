// What the scanner leaves on the tape, the depth limit, duplicate keys, and what it does when memory is out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// Allocation number `fail_at` (from 1) fails; 0 means none does.
static unsigned fail_at, allocations;
static void *counted_realloc(void *old, size_t size) {
  return ++allocations == fail_at ? NULL : realloc(old, size);
}
static void *counted_calloc(size_t count, size_t size) {
  return ++allocations == fail_at ? NULL : calloc(count, size);
}
#define realloc counted_realloc
#define calloc counted_calloc
#include "json/json.c"
#include "json/keys.c"
#undef realloc
#undef calloc
#include "parse_exact.h"
#include "random_json.h"
#include "reference.h"

// Key 0 and the last key are equal, in spellings that differ or not; everything between is unique.
static void test_duplicate_among_many(void **state) {
  (void)state;
  static const char *const spellings[] = {"key", "\\u006bey", "ke\\u0079", "k\\u0065y"};
  struct json_doc doc = {0};
  struct buf text;
  buf_init(&text, 1 << 24);
  for (unsigned between = 0; between < 200; between++) {
    for (unsigned spelling = 0; spelling < 16; spelling++) {
      for (unsigned twice = 0; twice < 2; twice++) {
        buf_clear(&text);
        buf_printf(&text, "{\"%s\":1", spellings[spelling / 4]);
        for (unsigned i = 0; i < between; i++) buf_printf(&text, i % 5 ? ",\"key%u\":[]" : ",\"k\\u0065y%u\":{}", i);
        uint32_t last_at = (uint32_t)text.len + 1;
        buf_printf(&text, ",\"%s%s\":2}", spellings[spelling % 4], twice ? "" : "?");
        assert_int_equal(parse(&doc, buf_view(&text), spelling % 3), twice ? JSON_DUPLICATE_KEY : JSON_OK);
        assert_int_equal(doc.error_at, twice ? last_at : 0);
      }
    }
  }
  buf_clear(&text);
  buf_char(&text, '{');
  for (unsigned i = 0; i < 200000; i++) buf_printf(&text, "%s\"%07u\":0", i ? "," : "", i);
  buf_char(&text, '}');
  assert_int_equal(parse(&doc, buf_view(&text), 0), JSON_OK);  // quadratic work would not end
  buf_free(&text);
  json_doc_free(&doc);
}

static void test_depth(void **state) {
  (void)state;
  struct json_doc doc = {0};
  static char text[200000];
  for (unsigned depth = 1; depth <= LIMIT_JSON_DEPTH + 2; depth++) {
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    enum json_error error = parse(&doc, str_from(text, (size_t)depth * 2), UINT32_MAX);
    assert_int_equal(error, depth <= LIMIT_JSON_DEPTH ? JSON_OK : JSON_TOO_DEEP);
    assert_int_equal(doc.count, depth <= LIMIT_JSON_DEPTH ? depth : 0);
    assert_int_equal(parse(&doc, str_from(text, depth), 0), depth <= LIMIT_JSON_DEPTH ? JSON_TRUNCATED : JSON_TOO_DEEP);
  }
  memset(text, '[', 100000);
  assert_int_equal(parse(&doc, str_from(text, 100000), 3), JSON_TOO_DEEP);
  assert_int_equal(doc.error_at, LIMIT_JSON_DEPTH);
  for (size_t i = 0; i < sizeof text / 5; i++) memcpy(text + 5 * i, "{\"a\":", 5);
  assert_int_equal(parse(&doc, str_from(text, sizeof text), 3), JSON_TOO_DEEP);
  json_doc_free(&doc);
}

static void test_too_large(void **state) {
  (void)state;
  struct json_doc doc = {0};
  assert_int_equal(json_parse(&doc, str_from("{}", (size_t)UINT32_MAX + 1), 1), JSON_TOO_LARGE);
  assert_int_equal(json_parse(&doc, (struct str){0}, 1), JSON_TRUNCATED);
  assert_null(doc.nodes);
}

static void test_tape(void **state) {
  (void)state;
  static const char text[] = " {\"a\":[1,\"\\n\"],\"b\":null, \"c\" : { \"d\":{} } } ";
  static const struct json_node wanted[] = {
      {1, 43, 11, JSON_OBJECT, false, 0},  {2, 5, 2, JSON_STRING, false, 1},    {6, 14, 5, JSON_ARRAY, false, 1},
      {7, 8, 4, JSON_NUMBER, false, 2},    {9, 13, 5, JSON_STRING, true, 2},    {15, 18, 6, JSON_STRING, false, 1},
      {19, 23, 7, JSON_NULL, false, 1},    {25, 28, 8, JSON_STRING, false, 1},  {31, 41, 11, JSON_OBJECT, false, 1},
      {33, 36, 10, JSON_STRING, false, 2}, {37, 39, 11, JSON_OBJECT, false, 2},
  };
  struct json_doc doc = {0};
  assert_int_equal(parse(&doc, str_from_cstr(text), 2), JSON_OK);
  assert_int_equal(doc.count, 11);
  for (uint32_t i = 0; i < doc.count; i++) {
    assert_int_equal(doc.nodes[i].start, wanted[i].start);
    assert_int_equal(doc.nodes[i].end, wanted[i].end);
    assert_int_equal(doc.nodes[i].next, wanted[i].next);
    assert_int_equal(doc.nodes[i].type, wanted[i].type);
    assert_int_equal(doc.nodes[i].escaped, wanted[i].escaped);
    assert_int_equal(doc.nodes[i].depth, wanted[i].depth);
  }
  json_doc_free(&doc);
  assert_null(doc.nodes);
}

// The shallow tape is the deep one with the deeper nodes left out.
static void check_shallow(const struct json_doc *deep, struct str text, unsigned depth_max) {
  struct json_doc shallow = {0};
  assert_int_equal(parse(&shallow, text, depth_max), JSON_OK);
  uint32_t at = 0;
  for (uint32_t i = 0; i < deep->count; i++) {
    if (deep->nodes[i].depth > depth_max) continue;
    assert_in_range(at, 0, shallow.count - 1);
    assert_int_equal(shallow.nodes[at].start, deep->nodes[i].start);
    assert_int_equal(shallow.nodes[at].end, deep->nodes[i].end);
    assert_int_equal(shallow.nodes[at].type, deep->nodes[i].type);
    at++;
  }
  assert_int_equal(at, shallow.count);
  json_doc_free(&shallow);
}

// What the header promises about `next` and depth, and that every node is a valid text of its own type.
static void check_tape(const struct json_doc *doc) {
  struct json_doc alone = {0};
  for (uint32_t i = 0; i < doc->count; i++) {
    const struct json_node *node = &doc->nodes[i];
    uint32_t next = i + 1;
    while (next < doc->count && doc->nodes[next].depth > node->depth) next++;
    assert_int_equal(node->next, next);
    struct str raw = str_from(doc->text.ptr + node->start, node->end - node->start);
    assert_int_equal(parse(&alone, raw, 0), JSON_OK);
    assert_int_equal(alone.nodes[0].type, node->type);
    assert_int_equal(alone.nodes[0].escaped, node->escaped);
    assert_int_equal(node->escaped, node->type == JSON_STRING && memchr(raw.ptr, '\\', raw.len) != NULL);
  }
  json_doc_free(&alone);
}

static void test_random_texts(void **state) {
  (void)state;
  struct json_doc doc = {0};
  struct buf text;
  buf_init(&text, 1 << 24);
  for (uint64_t seed = 1; seed <= 300; seed++) {
    buf_clear(&text);
    random_object(&text, seed);
    if (!reference_valid(buf_view(&text))) fail_msg("seed %llu is no JSON", (unsigned long long)seed);
    enum json_error error = parse(&doc, buf_view(&text), UINT32_MAX);
    if (error) fail_msg("seed %llu: %s at %u", (unsigned long long)seed, json_error_text(error), doc.error_at);
    if (text.len > 20000) continue;
    check_tape(&doc);
    for (unsigned depth_max = 0; depth_max < 4; depth_max++) check_shallow(&doc, buf_view(&text), depth_max);
  }
  buf_free(&text);
  json_doc_free(&doc);
}

static void test_allocation_failures(void **state) {
  (void)state;
  struct buf text;
  buf_init(&text, 1 << 20);
  buf_char(&text, '{');
  for (unsigned i = 0; i < 300; i++) buf_printf(&text, "%s\"k%u\":[%u]", i ? "," : "", i, i);
  buf_char(&text, '}');
  bool done = false;
  for (fail_at = 1; !done; fail_at++) {
    struct json_doc doc = {0};
    allocations = 0;
    enum json_error error = json_parse(&doc, buf_view(&text), 4);
    done = allocations < fail_at;
    assert_int_equal(error, done ? JSON_OK : JSON_NO_MEMORY);
    assert_int_equal(doc.count, done ? 1 + 3 * 300 : 0);
    assert_int_equal(json_parse(&doc, STR("[]"), 4), JSON_OK);  // the doc is usable after a failure
    json_doc_free(&doc);
  }
  assert_in_range(fail_at, 5, 40);
  fail_at = 0;
  buf_free(&text);
}

static void test_memory_is_used_again(void **state) {
  (void)state;
  struct json_doc doc = {0};
  assert_int_equal(json_parse(&doc, STR("{\"a\":[1,2,3]}"), 2), JSON_OK);
  struct json_node *nodes = doc.nodes;
  allocations = 0;
  assert_int_equal(json_parse(&doc, STR("[{\"b\":1}]"), 5), JSON_OK);
  assert_int_equal(json_parse(&doc, STR("[{\"b\":1"), 5), JSON_TRUNCATED);
  assert_ptr_equal(doc.nodes, nodes);
  assert_int_equal(allocations, 0);
  json_doc_free(&doc);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_duplicate_among_many),
      cmocka_unit_test(test_depth),
      cmocka_unit_test(test_too_large),
      cmocka_unit_test(test_tape),
      cmocka_unit_test(test_random_texts),
      cmocka_unit_test(test_allocation_failures),
      cmocka_unit_test(test_memory_is_used_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
