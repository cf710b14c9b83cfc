// What is refused of a client's request, and in which words; what the gateway takes from it. The splice is tested by
// tests/golden/openai_chat.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "chat_target.h"

#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"
#define WITH(member) "{" MESSAGES "," member "}"

// Words that must be in the message; NULL: the request is fine.
static const struct {
  const char *body, *words, *param;
} rows[] = {
    {"{" MESSAGES "}", NULL, ""},
    {" \n{" MESSAGES "}\t\n", NULL, ""},
    {"", "empty", ""},
    {"   ", "ends too early", ""},
    {"[]", "JSON object", ""},
    {"\"text\"", "JSON object", ""},
    {"{" MESSAGES "} x", "syntax at byte 45", ""},
    {"{" MESSAGES, "ends too early", ""},
    {"{\"messages\":[{\"role\":\"user\",\"content\":\"\xFF\"}]}", "UTF-8 at byte 39", ""},
    {"{\"messages\":[],\"messages\":[]}", "\"messages\" comes twice", ""},
    {"{\"a\":1,\"\\u0061\":2," MESSAGES "}", "\"\\u0061\" comes twice", ""},
    // messages
    {"{}", "\"messages\" is missing", "messages"},
    {"{\"messages\":null}", "\"messages\" is missing", "messages"},
    {"{\"messages\":{}}", "\"messages\" must be an array", "messages"},
    {"{\"messages\":\"hi\"}", "\"messages\" must be an array", "messages"},
    {"{\"messages\":[]}", "\"messages\" is empty", "messages"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},\"b\"]}", "number 2 is not", "messages"},
    {"{\"messages\":[{\"content\":\"a\"}]}", "messages[0] needs a \"role\"", "messages"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":7}]}", "messages[1] needs a \"role\"", "messages"},
    {"{\"messages\":[{\"role\":\"\"}]}", "messages[0] needs a \"role\"", "messages"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":7}]}", "messages[0].content must be", "messages"},
    {"{\"messages\":[{\"role\":\"assistant\",\"content\":null},{\"role\":\"user\",\"content\":[]}]}", NULL, ""},
    {"{\"model\":\"m\",\"input\":\"x\"}", "Responses", "messages"},
    {"{\"model\":\"m\",\"prompt\":\"x\"}", "Text mode", "prompt"},
    // types
    {WITH("\"model\":7"), "\"model\" must be a string", "model"},
    {WITH("\"model\":\"\""), "\"model\" is empty", "model"},
    {WITH("\"model\":null"), NULL, ""},
    {WITH("\"model\":\"\\ud800\""), "surrogate", "model"},
    {WITH("\"stream\":\"true\""), "\"stream\" must be true or false", "stream"},
    {WITH("\"stream\":1"), "\"stream\" must be true or false", "stream"},
    {WITH("\"stream_options\":true"), "\"stream_options\" must be an object", "stream_options"},
    {WITH("\"tools\":{}"), "\"tools\" must be an array", "tools"},
    {WITH("\"tools\":[7]"), "Every element of \"tools\" must be an object; number 1", "tools"},
    {WITH("\"tool_choice\":7"), "\"tool_choice\" must be a string or an object", "tool_choice"},
    {WITH("\"response_format\":\"json\""), "\"response_format\" must be an object", "response_format"},
    {WITH("\"user\":7"), "\"user\" must be a string", "user"},
    {WITH("\"provider\":\"openai\""), "\"provider\" must be an object", "provider"},
    {WITH("\"plugins\":{}"), "\"plugins\" must be an array", "plugins"},
    {WITH("\"logprobs\":2"), "\"logprobs\" must be true or false", "logprobs"},
    {WITH("\"modalities\":[\"text\",1]"), "\"modalities\" must be a string; number 2", "modalities"},
    {WITH("\"reasoning\":\"high\""), "\"reasoning\" must be an object", "reasoning"},
    {WITH("\"reasoning\":{\"effort\":3}"), "\"reasoning.effort\" must be a string", "reasoning"},
    {WITH("\"reasoning\":{\"max_tokens\":\"9\"}"), "\"reasoning.max_tokens\" must be a number", "reasoning"},
    {WITH("\"reasoning\":{\"effort\":\"low\"},\"reasoning_effort\":\"high\""), "differ", "reasoning"},
    {WITH("\"reasoning\":{\"effort\":\"low\"},\"reasoning_effort\":\"low\""), NULL, ""},
    // ranges
    {WITH("\"temperature\":\"hot\""), "\"temperature\" must be a number", "temperature"},
    {WITH("\"temperature\":2.01"), "\"temperature\" must be a number from 0 to 2", "temperature"},
    {WITH("\"temperature\":-0.1"), "from 0 to 2", "temperature"},
    {WITH("\"temperature\":2"), NULL, ""},
    {WITH("\"temperature\":0"), NULL, ""},
    {WITH("\"temperature\":null"), NULL, ""},
    {WITH("\"top_p\":0"), "\"top_p\" must be a number above 0 and up to 1", "top_p"},
    {WITH("\"top_p\":1.0"), NULL, ""},
    {WITH("\"top_k\":0"), NULL, ""},
    {WITH("\"top_k\":1.5"), "whole number", "top_k"},
    {WITH("\"min_p\":1.1"), "from 0 to 1", "min_p"},
    {WITH("\"frequency_penalty\":-2"), NULL, ""},
    {WITH("\"frequency_penalty\":-2.5"), "from -2 to 2", "frequency_penalty"},
    {WITH("\"repetition_penalty\":0"), "above 0 and up to 2", "repetition_penalty"},
    {WITH("\"max_tokens\":0"), "\"max_tokens\" must be a whole number of at least 1", "max_tokens"},
    {WITH("\"max_tokens\":-5"), "at least 1", "max_tokens"},
    {WITH("\"max_tokens\":10.5"), "whole number", "max_tokens"},
    {WITH("\"max_tokens\":\"10\""), "\"max_tokens\" must be a number", "max_tokens"},
    {WITH("\"max_completion_tokens\":1e3"), NULL, ""},
    {WITH("\"n\":0"), "from 1 to 128", "n"},
    {WITH("\"n\":2"), NULL, ""},
    {WITH("\"seed\":-9223372036854775808"), NULL, ""},
    {WITH("\"seed\":1.5"), "\"seed\" must be a whole number.", "seed"},
    {WITH("\"top_logprobs\":21"), "from 0 to 20", "top_logprobs"},
    {WITH("\"stop\":[\"a\",\"b\",\"c\",\"d\"]"), NULL, ""},
    {WITH("\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]"), "\"stop\" takes at most 4 elements", "stop"},
    {WITH("\"stop\":[1]"), "Every element of \"stop\" must be a string", "stop"},
    {WITH("\"stop\":7"), "\"stop\" must be a string or an array of strings", "stop"},
    {WITH("\"logit_bias\":{\"1\":100,\"2\":-100}"), NULL, ""},
    {WITH("\"logit_bias\":{\"1\":101}"), "from -100 to 100", "logit_bias"},
    {WITH("\"logit_bias\":{\"1\":\"9\"}"), "\"logit_bias\" must be a number; number 1", "logit_bias"},
    {WITH("\"metadata\":{\"a\":\"b\"}"), NULL, ""},
    {WITH("\"metadata\":{\"a\":1}"), "Every value of \"metadata\" must be a string", "metadata"},
    {WITH("\"models\":[\"a\",7]"), "\"models\" must be a string; number 2", "models"},
    {WITH("\"models\":[\"a\",\"\"]"), "one is empty", "models"},
    {WITH("\"models\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"), "number 1 is not", "models"},
    {WITH("\"models\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]"),
     "\"models\" takes at most 16 elements", "models"},
    // the key may be spelt with escapes
    {WITH("\"temp\\u0065rature\":3"), "\"temperature\" must be a number from 0 to 2", "temperature"},
    // unknown members pass
    {WITH("\"whatever\":{\"a\":[1,2,3]},\"top_x\":\"y\""), NULL, ""},
};

static void test_checks(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct arena arena = {0};
    struct chat_request r;
    struct fault_note note;
    // Exactly as long as the text, so that reading on would be seen.
    struct str body = str_from_cstr(rows[i].body);
    char *copy = malloc(body.len + !body.len);
    assert_non_null(copy);
    memcpy(copy, body.ptr, body.len);
    bool ok = chat_request_parse(&r, str_from(copy, body.len), &arena, &note);
    if (ok != !rows[i].words) fail_msg("%s: %.*s", rows[i].body, STR_ARGS(note.message));
    if (!ok && str_find(note.message, str_from_cstr(rows[i].words), 0) == SIZE_MAX)
      fail_msg("%s: %.*s", rows[i].body, STR_ARGS(note.message));
    if (!str_eq(note.param, str_from_cstr(rows[i].param))) fail_msg("%s: %.*s", rows[i].body, STR_ARGS(note.param));
    bool text_mode = str_eq(note.param, STR("prompt"));
    assert_int_equal(note.fault, ok ? FAULT_NONE : text_mode ? FAULT_NOT_BUILT : FAULT_BAD_REQUEST);
    chat_request_free(&r);
    arena_free(&arena);
    free(copy);
  }
}

static void test_nesting(void **state) {
  (void)state;
  struct buf body;
  struct arena arena = {0};
  struct chat_request r;
  struct fault_note note;
  buf_init(&body, 1 << 20);
  buf_lit(&body, "{\"messages\":");
  for (int i = 0; i < 100000; i++) buf_char(&body, '[');
  assert_false(chat_request_parse(&r, buf_view(&body), &arena, &note));
  assert_int_equal(note.fault, FAULT_BAD_REQUEST);
  assert_true(str_find(note.message, STR("too many nested"), 0) != SIZE_MAX);
  chat_request_free(&r);
  arena_free(&arena);
  buf_free(&body);
}

static void test_lengths(void **state) {
  (void)state;
  static const struct {
    const char *name, *character;
    size_t max;
  } limits[] = {{"model", "a", 256}, {"user", "a", 1024}, {"session_id", "a", 256}, {"session_id", "\xC3\xA9", 256}};
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    for (size_t extra = 0; extra <= 1; extra++) {
      struct buf body;
      struct arena arena = {0};
      struct chat_request r;
      struct fault_note note;
      buf_init(&body, 1 << 20);
      buf_printf(&body, "{" MESSAGES ",\"%s\":\"", limits[i].name);
      for (size_t n = 0; n < limits[i].max + extra; n++) buf_str(&body, str_from_cstr(limits[i].character));
      buf_lit(&body, "\"}");
      assert_int_equal(chat_request_parse(&r, buf_view(&body), &arena, &note), !extra);
      chat_request_free(&r);
      arena_free(&arena);
      buf_free(&body);
    }
  }
}

static void test_facts(void **state) {
  (void)state;
  struct arena arena = {0};
  struct chat_request r;
  struct fault_note note;
  struct str body =
      STR(WITH("\"model\":\"a\\u002fb\",\"models\":[\"c\\/d\",\"e\"],\"stream\":true,\"tools\":[{}],\"max_tokens\":7,"
               "\"max_completion_tokens\":9,\"user\":\"u\\n\",\"session_id\":\"s\""));
  assert_true(chat_request_parse(&r, body, &arena, &note));
  assert_true(str_eq(r.model, STR("a/b")));
  assert_int_equal(r.model_count, 2);
  assert_true(str_eq(r.models[0], STR("c/d")));
  assert_true(str_eq(r.models[1], STR("e")));
  assert_true(r.stream);
  assert_true(r.has_tools);
  assert_int_equal(r.max_tokens, 9);
  assert_true(str_eq(r.user, STR("u\n")));
  assert_true(str_eq(r.session_id, STR("s")));
  chat_request_free(&r);
  assert_true(chat_request_parse(&r, STR(WITH("\"tools\":[],\"stream\":null,\"max_tokens\":1e1")), &arena, &note));
  assert_false(r.stream);
  assert_false(r.has_tools);
  assert_int_equal(r.model.len, 0);
  assert_int_equal(r.max_tokens, 10);
  chat_request_free(&r);
  arena_free(&arena);
}

// What a provider gets is JSON again whatever members go, wherever they stand.
static void test_every_order(void **state) {
  (void)state;
  static const char *const members[] = {MESSAGES,       "\"model\":\"m\"", "\"provider\":{}",
                                        "\"usage\":{}", "\"x\":1",         "\"stream\":true"};
  enum { N = sizeof members / sizeof *members };
  struct target t;
  struct buf body, out;
  buf_init(&body, 4096);
  buf_init(&out, 4096);
  target_init(&t, "openai");
  unsigned tried = 0;
  for (unsigned code = 0; code < 6 * 6 * 6 * 6 * 6 * 6; code++) {
    unsigned rest = code, used = 0, place;
    buf_clear(&body);
    buf_clear(&out);
    buf_char(&body, '{');
    for (place = 0; place < N && !(used >> (rest % N) & 1); place++, rest /= N) {
      used |= 1u << (rest % N);
      if (place) buf_char(&body, ',');
      buf_str(&body, str_from_cstr(members[rest % N]));
      if (rest % N == 0 && code % 5 == 0) break;
    }
    if (!(used & 1)) continue;  // no messages
    buf_char(&body, '}');
    struct arena arena = {0};
    struct chat_request r;
    struct fault_note note;
    struct json_doc doc = {0};
    assert_true(chat_request_parse(&r, buf_view(&body), &arena, &note));
    assert_true(chat_request_build(&r, &t.endpoint, &out));
    if (json_parse(&doc, buf_view(&out), 1) != JSON_OK)
      fail_msg("%.*s: %.*s", STR_ARGS(buf_view(&body)), STR_ARGS(buf_view(&out)));
    assert_true(json_string_is(&doc, json_get(&doc, 0, STR("model")), STR("their-model")));
    assert_int_equal(json_get(&doc, 0, STR("provider")), JSON_NONE);
    assert_int_equal(json_get(&doc, 0, STR("usage")), JSON_NONE);
    assert_int_equal(json_get(&doc, 0, STR("x")) != JSON_NONE, used >> 4 & 1);
    assert_int_equal(json_get(&doc, 0, STR("stream_options")) != JSON_NONE, used >> 5 & 1);
    json_doc_free(&doc);
    chat_request_free(&r);
    arena_free(&arena);
    tried++;
  }
  assert_true(tried > 1000);
  buf_free(&body);
  buf_free(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_checks), cmocka_unit_test(test_nesting),     cmocka_unit_test(test_lengths),
      cmocka_unit_test(test_facts),  cmocka_unit_test(test_every_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
