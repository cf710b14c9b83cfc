// What a request needs of an endpoint: length, members, kinds of input and output.
#include "surface/chat_facts.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
// cmocka wants the first three before it.
#include <cmocka.h>

static struct request_facts facts_of(const char *body) {
  struct arena arena = {0};
  struct chat_request r;
  struct fault_note note = {0};
  struct request_facts out;
  if (!chat_request_parse(&r, str_from_cstr(body), &arena, &note)) fail_msg("%.*s", STR_ARGS(note.message));
  request_facts_of(&r, &out);
  chat_request_free(&r);
  arena_free(&arena);
  return out;
}

#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"

static void test_members(void **state) {
  (void)state;
  struct request_facts f = facts_of("{" MESSAGES "}");
  assert_int_equal(f.parameters, 0);
  assert_int_equal(f.max_tokens, 0);
  assert_int_equal(f.input_modalities | f.output_modalities, 0);
  assert_false(f.tools);
  f = facts_of("{" MESSAGES
               ",\"temperature\":null,\"top_p\":0.5,\"max_tokens\":7,\"tools\":[],\"user\":\"u\",\"verbosity\":\"low\","
               "\"response_format\":{\"type\":\"json_object\"},\"include_reasoning\":true,\"foo\":1}");
  assert_int_equal(f.parameters, NAME_BIT(top_p) | NAME_BIT(max_tokens) | NAME_BIT(verbosity) |
                                     NAME_BIT(response_format) | NAME_BIT(include_reasoning));
  assert_int_equal(f.max_tokens, 7);
  assert_false(f.tools);
  f = facts_of("{" MESSAGES
               ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"max_completion_tokens\":9,"
               "\"modalities\":[\"text\",\"image\",\"smell\"]}");
  assert_int_equal(f.parameters, NAME_BIT(tools) | NAME_BIT(max_completion_tokens));
  assert_int_equal(f.max_tokens, 9);
  assert_true(f.tools);
  assert_int_equal(f.output_modalities, MODALITY_BIT(image));
}

static void test_parts(void **state) {
  (void)state;
  static const struct {
    const char *part;
    uint32_t input;
  } rows[] = {
      {"{\"type\":\"text\",\"text\":\"image_url\"}", 0},
      {"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}", MODALITY_BIT(image)},
      {"{\"image_url\":\"x\",\"type\":\"input_image\"}", MODALITY_BIT(image)},
      {"{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":\"wav\"}}", MODALITY_BIT(audio)},
      {"{\"type\":\"video_url\",\"video_url\":{\"url\":\"https://v.example/\"}}", MODALITY_BIT(video)},
      {"{\"type\":\"file\",\"file\":{\"file_data\":\"data:application/pdf;base64,AAAA\"}}", 0},
      {"{\"type\":\"file\",\"file\":{}},{\"type\":\"input_audio\",\"input_audio\":{}},{\"type\":\"image_url\"}",
       MODALITY_BIT(audio) | MODALITY_BIT(image)},
      {"", 0},
      {"7", 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char body[1024];
    snprintf(body, sizeof body, "{\"messages\":[{\"role\":\"user\",\"content\":[%s]}]}", rows[i].part);
    struct arena arena = {0};
    struct chat_request r;
    struct fault_note note = {0};
    struct request_facts f;
    if (chat_request_parse(&r, str_from_cstr(body), &arena, &note)) {
      request_facts_of(&r, &f);
      if (f.input_modalities != rows[i].input) fail_msg("%s", rows[i].part);
    }
    chat_request_free(&r);
    arena_free(&arena);
  }
}

// A message with `n` times a piece inside `before` and `after`.
static struct request_facts facts_of_many(const char *before, const char *piece, size_t n, const char *after) {
  struct buf body;
  buf_init(&body, 1 << 24);
  buf_printf(&body, "{\"messages\":[{\"role\":\"user\",\"content\":%s", before);
  for (size_t i = 0; i < n; i++) buf_str(&body, str_from_cstr(piece));
  buf_printf(&body, "%s}]}", after);
  buf_append(&body, "", 1);
  struct request_facts f = facts_of(body.ptr);
  buf_free(&body);
  return f;
}

static void test_length(void **state) {
  (void)state;
  struct request_facts f = facts_of_many("\"", "word ", 1000, "\"");
  assert_in_range(f.prompt_tokens, 1250, 1270);
  assert_in_range(f.prompt_tokens_least, 850, 1000);
  f = facts_of_many("[{\"type\":\"text\",\"text\":\"", "word ", 1000, "\"}]");
  assert_in_range(f.prompt_tokens, 1250, 1280);
  // A picture, and one whose slashes are escaped, are no text.
  f = facts_of_many("[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,", "AAAA", 100000,
                    "\"}}]");
  assert_in_range(f.prompt_tokens, 1, 20);
  assert_in_range(f.prompt_tokens_least, 0, 1);
  f = facts_of_many("[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,", "A\\u002f\\u002f", 1000,
                    "\"}},{\"type\":\"text\",\"text\":\"x\"}]");
  assert_in_range(f.prompt_tokens, 1, 30);
  // Six bytes of ASCII for one character of three.
  f = facts_of_many("\"", "\\u4e2d", 1000, "\"");
  assert_in_range(f.prompt_tokens, 750, 770);
  assert_int_equal(f.prompt_tokens_least, 0);        // no words, so nothing is certain
  f = facts_of_many("\"", "\\\\u4e2d", 1000, "\"");  // an escaped backslash
  assert_in_range(f.prompt_tokens, 1750, 1770);
  struct request_facts tools =
      facts_of("{" MESSAGES
               ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
               "\"description\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}}]}");
  assert_in_range(tools.prompt_tokens, 50, 70);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_members),
      cmocka_unit_test(test_parts),
      cmocka_unit_test(test_length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
