// The short way of a stream against the general one, what counts as output, how much memory a stream takes. Whole
// streams are in tests/golden/openai_chat.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chat_target.h"
#include "chat_watch.h"
#include "surface/chat_stream.c"

static uint64_t random_state = 88172645463325252u;

static unsigned below(unsigned limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (unsigned)(random_state >> 33) % limit;
}

static const char *one_of(const char *const *texts, unsigned count) {
  return texts[below(count)];
}
#define ONE_OF(...) \
  one_of((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void random_chunk(struct buf *out) {
  static const char *const texts[] = {"a", " word", "\\n", "\\u00e9", "\xE4\xB8\x96", "", "\\\"", "x\\\\"};
  buf_printf(out, "{\"id\":\"c\",\"created\":5,\"choices\":[{\"index\":%s,\"delta\":{%s", ONE_OF("0", "0", "0", "1"),
             ONE_OF("", "", "\"role\":\"assistant\",", "\"refusal\":null,"));
  const char *text = texts[below(8)];
  switch (below(7)) {
    case 0: buf_printf(out, "\"reasoning_content\":\"%s\"", text); break;
    case 1: buf_printf(out, "\"reasoning\":\"%s\",\"content\":\"\"", text); break;
    case 2: buf_printf(out, "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"%s\"}}]", text); break;
    case 3: buf_printf(out, "\"tool_calls\":[{\"function\":{\"arguments\":\"%s\"}}]", text); break;
    case 4:
      buf_printf(out, "\"tool_calls\":[{%s\"id\":\"%s\",\"function\":{\"name\":\"f\",\"arguments\":\"%s\"}}]",
                 ONE_OF("", "\"index\":0,", "\"index\":1,"), ONE_OF("a", "b", "c", "d"), text);
      break;
    default: buf_printf(out, "\"content\":\"%s\"", text); break;
  }
  buf_printf(out, "},\"finish_reason\":%s}]", below(40) ? ONE_OF("null", "null", "null", "\"\"") : "\"stop\"");
  if (below(3) == 0) buf_printf(out, ",\"obfuscation\":\"%s\"", texts[below(8)]);
  if (below(20) == 0) buf_lit(out, ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}");
  buf_char(out, '}');
}

// Two streams get the same; one of them has to forget its template before each chunk.
static void test_both_ways_agree(void **state) {
  (void)state;
  struct target t;
  struct buf chunk, fast, slow;
  unsigned short_ways = 0;
  target_init(&t, "chutes");
  buf_init(&chunk, 1 << 16);
  buf_init(&fast, 1 << 20);
  buf_init(&slow, 1 << 20);
  for (int round = 0; round < 400; round++) {
    struct chat_reply replies[2];
    for (int i = 0; i < 2; i++) chat_reply_init(&replies[i], TARGET_ID, &t.endpoint, TARGET_CREATED);
    struct chat_stream *a = chat_stream_new(&replies[0]), *b = chat_stream_new(&replies[1]);
    assert_non_null(a);
    assert_non_null(b);
    for (int n = 0; n < 60; n++) {
      if (n == 0 || below(3) == 0) {
        buf_clear(&chunk);
        random_chunk(&chunk);
      }
      buf_clear(&fast);
      buf_clear(&slow);
      b->template.valid = false;
      struct chat_template before = a->template;
      enum chat_stream_result result = chat_stream_event(a, buf_view(&chunk), &fast);
      assert_int_equal(result, chat_stream_event(b, buf_view(&chunk), &slow));
      if (before.valid && before.wasted && !a->template.wasted) short_ways++;
      // Behind the end an empty text is an echo: the general way swallows it, the short one need not.
      if (!str_eq(buf_view(&fast), buf_view(&slow)) && slow.len)
        fail_msg("%.*s\n%.*s%.*s", STR_ARGS(buf_view(&chunk)), STR_ARGS(buf_view(&fast)), STR_ARGS(buf_view(&slow)));
      assert_int_equal(a->spoke, b->spoke);
      assert_int_equal(a->ended, b->ended);
    }
    chat_stream_drop(a);
    chat_stream_drop(b);
  }
  assert_true(short_ways > 500);
  buf_free(&chunk);
  buf_free(&fast);
  buf_free(&slow);
}

// A chunk that only begins like the template is not taken for one that fits.
static void test_almost_fitting(void **state) {
  (void)state;
#define BEFORE "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\""
#define AFTER "\"}}],\"obfuscation\":\""
#define PLAIN "\"}}]}"
  static const struct {
    const char *learnt, *chunk;
    bool fits, good;
  } table[] = {
      {BEFORE "a" AFTER "y\"}", BEFORE "b" AFTER "zz\"}", true, true},
      {BEFORE "a" AFTER "y\"}", BEFORE "\\\"" AFTER "\"}", true, true},
      {BEFORE "a" AFTER "y\"}", BEFORE "b" AFTER "\"} ", false, true},
      {BEFORE "a" AFTER "y\"}", BEFORE "b" AFTER "\"}x", false, false},
      {BEFORE "a" AFTER "y\"}", BEFORE "b" AFTER "z", false, false},
      {BEFORE "a" AFTER "y\"}", BEFORE "b" AFTER "\xFF\"}", false, false},
      {BEFORE "a" AFTER "y\"}", BEFORE "\xFF" AFTER "z\"}", false, false},
      {BEFORE "a" AFTER "y\"}", BEFORE "\n" AFTER "z\"}", false, false},
      {BEFORE "a" AFTER "y\"}", BEFORE "b" AFTER "z\",\"x\":1}", false, true},
      {BEFORE "a" AFTER "y\"}", BEFORE "b" PLAIN, false, true},
      {BEFORE "a" AFTER "y\"}", BEFORE, false, false},
      {BEFORE "a" AFTER "y\"}", BEFORE "b", false, false},
      {BEFORE "a" PLAIN, BEFORE "b" PLAIN, true, true},
      {BEFORE "a" PLAIN, BEFORE "b" PLAIN " ", false, true},
      {BEFORE "a" PLAIN, BEFORE "b" PLAIN "}", false, false},
      {BEFORE "a" PLAIN, BEFORE "b\"}}", false, false},
      {BEFORE "a" PLAIN, BEFORE "b" AFTER "y\"}", false, true},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    struct target t;
    struct chat_reply reply;
    struct buf out;
    target_init(&t, "openai");
    chat_reply_init(&reply, TARGET_ID, &t.endpoint, TARGET_CREATED);
    buf_init(&out, 4096);
    struct chat_stream *s = chat_stream_new(&reply);
    for (int n = 0; n < 2; n++) assert_int_equal(chat_stream_event(s, str_from_cstr(table[i].learnt), &out), CHAT_MORE);
    assert_true(s->template.valid);
    size_t text, len = strlen(table[i].chunk);
    char *exact = malloc(len);  // reading on would be seen
    assert_non_null(exact);
    memcpy(exact, table[i].chunk, len);
    struct str chunk = str_from(exact, len);
    if (chat_template_apply(&s->template, chunk, &out, &text) != table[i].fits) fail_msg("%s", table[i].chunk);
    if ((chat_stream_event(s, chunk, &out) == CHAT_MORE) != table[i].good) fail_msg("%s", table[i].chunk);
    free(exact);
    chat_stream_drop(s);
    buf_free(&out);
  }
}

static void test_what_counts_as_output(void **state) {
  (void)state;
  static const struct {
    const char *delta;
    bool spoke;
  } table[] = {
      {"{}", false},
      {"null", false},
      {"{\"role\":\"assistant\"}", false},
      {"{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null,\"name\":\"x\"}", false},
      {"{\"content\":null,\"tool_calls\":[]}", false},
      {"{\"content\":\"\",\"reasoning_content\":\"\",\"reasoning_details\":[]}", false},
      {"{\"content\":\"a\"}", true},
      {"{\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}", true},
      {"{\"reasoning\":\"a\"}", true},
      {"{\"reasoning_content\":\"a\"}", true},
      {"{\"reasoning_details\":[{\"type\":\"reasoning.text\"}]}", true},
      {"{\"refusal\":\"no\"}", true},
      {"{\"tool_calls\":[{\"index\":0,\"id\":\"a\"}]}", true},
      {"{\"audio\":{\"id\":\"a\"}}", true},
      {"{\"images\":[{}]}", true},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    struct target t;
    struct chat_reply reply;
    struct buf chunk, out;
    target_init(&t, "openai");
    chat_reply_init(&reply, TARGET_ID, &t.endpoint, TARGET_CREATED);
    buf_init(&chunk, 4096);
    buf_init(&out, 4096);
    struct chat_stream *s = chat_stream_new(&reply);
    buf_printf(&chunk, "{\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":null}]}", table[i].delta);
    assert_int_equal(chat_stream_event(s, buf_view(&chunk), &out), CHAT_MORE);
    if (chat_stream_spoke(s) != table[i].spoke) fail_msg("%s", table[i].delta);
    chat_stream_drop(s);
    buf_free(&chunk);
    buf_free(&out);
  }
}

// A stream keeps its own state, one template and one usage object; what is too long for these is not kept.
static void test_memory(void **state) {
  (void)state;
  struct target t;
  struct chat_reply reply;
  struct buf chunk, out;
  target_init(&t, "openai");
  chat_reply_init(&reply, TARGET_ID, &t.endpoint, TARGET_CREATED);
  buf_init(&chunk, 1 << 20);
  buf_init(&out, 1 << 20);
  struct chat_stream *s = chat_stream_new(&reply);
  assert_true(sizeof *s <= 300);
  for (unsigned i = 0; i < 3; i++) {
    buf_clear(&chunk);
    buf_printf(&chunk, "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"padding\":\"%*s\"}", 2000, "x");
    assert_int_equal(chat_stream_event(s, buf_view(&chunk), &out), CHAT_MORE);
  }
  assert_null(s->template.bytes);
  buf_clear(&chunk);
  buf_printf(&chunk, "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6,\"x\":\"%*s\"}}", 5000,
             "x");
  assert_int_equal(chat_stream_event(s, buf_view(&chunk), &out), CHAT_MORE);
  assert_null(s->usage);
  assert_int_equal(reply.usage.prompt, 5);
  assert_int_equal(reply.usage.total, 11);
  chat_stream_drop(s);
  buf_free(&chunk);
  buf_free(&out);
}

// More calls than the table holds, indexes and choices beyond all bounds: passed on, never lost track of memory.
static void test_many_calls(void **state) {
  (void)state;
  struct target t;
  struct chat_reply reply;
  struct buf chunk, out;
  target_init(&t, "openai");
  chat_reply_init(&reply, TARGET_ID, &t.endpoint, TARGET_CREATED);
  buf_init(&chunk, 1 << 16);
  buf_init(&out, 1 << 20);
  struct chat_stream *s = chat_stream_new(&reply);
  for (unsigned i = 0; i < 40; i++) {
    buf_clear(&chunk);
    buf_printf(
        &chunk,
        "{\"choices\":[{\"index\":%u,\"delta\":{\"tool_calls\":[{\"index\":%u,\"id\":\"c%u\",\"type\":\"function\","
        "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}",
        i < 30 ? 0 : i * 1000000, i < 20 ? i : i * 999999, i);
    assert_int_equal(chat_stream_event(s, buf_view(&chunk), &out), CHAT_MORE);
    buf_printf(&chunk, "%s", "");
  }
  assert_int_equal(s->calls.count, CHAT_CALLS_MAX);
  assert_true(str_find(buf_view(&out), STR("\"tool_calls\":[{\"index\":15,\"id\":\"c15\""), 0) != SIZE_MAX);
  assert_true(str_find(buf_view(&out), STR("\"tool_calls\":[{\"index\":19,\"id\":\"c19\""), 0) != SIZE_MAX);
  chat_stream_drop(s);
  buf_free(&chunk);
  buf_free(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_both_ways_agree),
      cmocka_unit_test(test_almost_fitting),
      cmocka_unit_test(test_what_counts_as_output),
      cmocka_unit_test(test_memory),
      cmocka_unit_test(test_many_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
