// The short way for whole replies writes what the long way would have written, or is not taken.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "golden.h"
#include "surface/chat_shape.h"

static char *bodies[256];
static size_t lengths[256], body_count;

static void collect(struct golden *g) {
  struct buf in;
  if (golden_read(g, "reply.json", &in) && body_count < 256) {
    bodies[body_count] = malloc(in.len);
    memcpy(bodies[body_count], in.ptr, in.len);
    lengths[body_count++] = in.len;
  }
  buf_free(&in);
}

struct result {
  struct chat_reply reply;
  struct buf out;
  bool ok;
};

static struct result run(struct str body, struct chat_shape *shape) {
  static struct target t;
  target_init(&t, "openai");
  struct result r;
  chat_reply_init(&r.reply, TARGET_ID, &t.endpoint, TARGET_CREATED);
  r.reply.request_bytes = 400;
  buf_init(&r.out, GOLDEN_FILE_MAX);
  r.ok = chat_reply_whole(&r.reply, body, shape, &r.out);
  return r;
}

// Runs the body both ways and compares; true when the short way was taken.
static bool both_ways(struct chat_shape *shape, struct str body) {
  // Never unlearnt, and always learning: 1 stays only where nothing was learnt.
  shape->wasted = shape->valid ? 1 : 0;
  struct result plain = run(body, NULL), shaped = run(body, shape);
  bool taken = shape->valid && shape->wasted == 0;
  assert_int_equal(plain.ok, shaped.ok);
  if (!str_eq(buf_view(&plain.out), buf_view(&shaped.out)))
    fail_msg("\nplain  %.*s\nshaped %.*s", STR_ARGS(buf_view(&plain.out)), STR_ARGS(buf_view(&shaped.out)));
  assert_true(replies_equal(&plain.reply, &shaped.reply));
  buf_free(&plain.out);
  buf_free(&shaped.out);
  return taken;
}

static void test_every_pair_of_replies(void **state) {
  (void)state;
  golden_each(collect);
  assert_true(body_count > 10);
  for (size_t i = 0; i < body_count; i++)
    for (size_t k = 0; k < body_count; k++) {
      struct chat_shape shape = {0};
      both_ways(&shape, str_from(bodies[i], lengths[i]));
      both_ways(&shape, str_from(bodies[k], lengths[k]));
      both_ways(&shape, str_from(bodies[i], lengths[i]));
      chat_shape_free(&shape);
    }
}

#define REPLY(id, created, text, usage, tail)                                                        \
  "{\"id\":" id ",\"object\":\"chat.completion\",\"created\":" created                               \
  ",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":" text \
  ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":" usage ",\"service_tier\":\"x\"}" tail
#define USAGE "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}"

static void test_what_may_differ_and_what_not(void **state) {
  (void)state;
  static const struct {
    const char *body;
    bool taken;
  } rows[] = {
      {REPLY("\"b\"", "1753000001", "\"other\"", USAGE, ""), true},
      {REPLY("\"\"", "1", "\"\"", USAGE, ""), true},
      {REPLY("\"\\u00e9\"", "4294967295", "\"\\\"\\n \xC3\xA9 \\ud83d\\ude00\"", USAGE, ""), true},
      {REPLY("\"b\"", "17", "\"t\"",
             "{\"total_tokens\" : 99, \"prompt_tokens\":90,\"x\":{\"y\":[1]},"
             "\"prompt_tokens_details\":{\"cached_tokens\":7}}",
             ""),
       true},
      // The long way:
      {REPLY("\"b\"", "4294967296", "\"t\"", USAGE, ""), false},
      {REPLY("\"b\"", "0", "\"t\"", USAGE, ""), false},
      {REPLY("\"b\"", "1.5", "\"t\"", USAGE, ""), false},
      {REPLY("\"b\"", "17e1", "\"t\"", USAGE, ""), false},
      {REPLY("\"b\"", "12345678901234567890123", "\"t\"", USAGE, ""), false},
      {REPLY("7", "17", "\"t\"", USAGE, ""), false},
      {REPLY("\"b\"", "17", "null", USAGE, ""), false},
      {REPLY("\"b\"", "17", "\"t\"", "null", ""), false},
      {REPLY("\"b\"", "17", "\"t\"", "{}", ""), false},
      {REPLY("\"b\"", "17", "\"t\"", "[1]", ""), false},
      {REPLY("\"b\"", "17", "\"t\"", USAGE, " "), false},
      {REPLY("\"b\"", "17", "\"t\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\"}}]",
             USAGE, ""),
       false},
      // And what no way takes:
      {REPLY("\"b\"", "017", "\"t\"", USAGE, ""), false},
      {REPLY("\"b\"", "-", "\"t\"", USAGE, ""), false},
      {REPLY("\"b\"", "17", "\"a\nb\"", USAGE, ""), false},
      {REPLY("\"b\"", "17", "\"\xC3\"", USAGE, ""), false},
      {REPLY("\"b\"", "17", "\"\\x\"", USAGE, ""), false},
      {REPLY("\"b\"", "17", "\"t\"", "{\"a\":}", ""), false},
      {REPLY("\"b\"", "17", "\"t\"", USAGE, "}"), false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct chat_shape shape = {0};
    both_ways(&shape, STR(REPLY("\"a\"", "1753000000", "\"text\"", USAGE, "")));
    assert_true(shape.valid);
    if (both_ways(&shape, str_from_cstr(rows[i].body)) != rows[i].taken) fail_msg("row %zu", i);
    chat_shape_free(&shape);
  }
}

static void test_every_byte_changed_and_every_cut(void **state) {
  (void)state;
  const struct str good = STR(REPLY("\"a\"", "1753000000", "\"te\\n\xC3\xA9xt\"", USAGE, ""));
  static const char others[] = "\"\\{}[]:,0x \n\x80\xFF-";
  char body[512];
  assert_true(good.len < sizeof body);
  for (size_t at = 0; at < good.len; at++) {
    struct chat_shape shape = {0};
    for (size_t k = 0; k < sizeof others; k++) {
      both_ways(&shape, good);
      memcpy(body, good.ptr, good.len);
      body[at] = others[k];
      both_ways(&shape, str_from(body, good.len));
    }
    both_ways(&shape, good);
    both_ways(&shape, str_from(good.ptr, at));
    chat_shape_free(&shape);
  }
}

static void test_replies_that_all_differ_stop_the_learning(void **state) {
  (void)state;
  struct chat_shape shape = {0};
  char body[600];
  for (int i = 0; i < 100; i++) {
    snprintf(body, sizeof body, REPLY("\"a\"", "1753000000", "\"t\"", USAGE, "%*s"), i + 1, "");
    struct result r = run(str_from_cstr(body), &shape);
    assert_true(r.ok);
    buf_free(&r.out);
  }
  assert_in_range(shape.wasted, 1, 50);
  chat_shape_free(&shape);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_pair_of_replies),
      cmocka_unit_test(test_what_may_differ_and_what_not),
      cmocka_unit_test(test_every_byte_changed_and_every_cut),
      cmocka_unit_test(test_replies_that_all_differ_stop_the_learning),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  for (size_t i = 0; i < body_count; i++) free(bodies[i]);
  return failed;
}
