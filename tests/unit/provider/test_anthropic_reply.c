// Replies and streams of Anthropic Messages as events: each trap of the protocol as a case of its own, streams that are
// cut or make no sense, and the recorded ones where they are at hand.
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "json/json.h"
#include "provider/anthropic_reply.h"
#include "wire/sse.h"

// --- what was heard, as text ---

struct heard {
  struct buf lines;      // an event a line
  struct buf arguments;  // of the newest call
  unsigned finishes, usages, calls, ended;
};

static void on_event(void *context, const struct event *e) {
  static const char *const finishes[] = {"stop", "length", "tool_calls", "content_filter", "error"};
  struct heard *h = context;
  switch (e->kind) {
    case EVENT_BEGIN: buf_printf(&h->lines, "begin %.*s %.*s\n", STR_ARGS(e->id), STR_ARGS(e->model)); break;
    case EVENT_TEXT: buf_printf(&h->lines, "text %u %.*s\n", e->block, STR_ARGS(e->text)); break;
    case EVENT_REASONING: buf_printf(&h->lines, "reasoning %u %.*s\n", e->block, STR_ARGS(e->text)); break;
    case EVENT_SIGNATURE: buf_printf(&h->lines, "signature %u %.*s\n", e->block, STR_ARGS(e->text)); break;
    case EVENT_ENCRYPTED: buf_printf(&h->lines, "encrypted %u %.*s\n", e->block, STR_ARGS(e->text)); break;
    case EVENT_CALL:
      assert_int_equal(e->call, h->calls++);
      buf_clear(&h->arguments);
      buf_printf(&h->lines, "call %u %.*s %.*s\n", e->call, STR_ARGS(e->id), STR_ARGS(e->name));
      break;
    case EVENT_ARGUMENTS:
      assert_true(e->call < h->calls);
      buf_str(&h->arguments, e->text);
      buf_printf(&h->lines, "arguments %u %.*s\n", e->call, STR_ARGS(e->text));
      break;
    case EVENT_CALL_END:
      h->ended++;
      buf_printf(&h->lines, "call end %u\n", e->call);
      break;
    case EVENT_SERVER_TOOL:
      buf_printf(&h->lines, "server tool %.*s %.*s %.*s %.*s\n", STR_ARGS(e->name), STR_ARGS(e->id),
                 STR_ARGS(e->arguments), STR_ARGS(e->text));
      break;
    case EVENT_LOGPROBS: buf_printf(&h->lines, "logprobs %.*s\n", STR_ARGS(e->json)); break;
    case EVENT_CITATION: buf_printf(&h->lines, "citation %u %.*s\n", e->block, STR_ARGS(e->json)); break;
    case EVENT_IMAGE:
    case EVENT_AUDIO: buf_lit(&h->lines, "image\n"); break;
    case EVENT_PAUSE: buf_printf(&h->lines, "pause %.*s\n", STR_ARGS(e->json)); break;
    case EVENT_PHASE:
    case EVENT_REFUSAL: buf_lit(&h->lines, "refusal\n"); break;
    case EVENT_FINISH:
      h->finishes++;
      buf_printf(&h->lines, "finish %s %.*s\n", finishes[e->finish], STR_ARGS(e->native));
      break;
    case EVENT_USAGE: {
      const struct usage *u = e->usage;
      h->usages++;
      buf_printf(&h->lines, "usage %d prompt %d cached %d written %d hour %d completion %d reasoning %d\n", u->known,
                 (int)u->prompt, (int)u->cached, (int)u->cache_write, (int)u->cache_write_1h, (int)u->completion,
                 (int)u->reasoning);
      assert_int_equal(u->total, u->prompt + u->completion);
      break;
    }
  }
}

static void heard_init(struct heard *h) {
  *h = (struct heard){0};
  buf_init(&h->lines, 1 << 26);
  buf_init(&h->arguments, 1 << 26);
}

static void heard_free(struct heard *h) {
  buf_free(&h->lines);
  buf_free(&h->arguments);
}

static void check_lines(const struct heard *h, const char *expected) {
  if (!str_eq(buf_view(&h->lines), str_from_cstr(expected)))
    fail_msg("\nexpected\n%s\ngot\n%.*s", expected, STR_ARGS(buf_view(&h->lines)));
}

// --- streams: events separated by line ends ---

static enum decode_result feed(struct heard *h, struct str lines, struct decode_failure *failure) {
  struct anthropic_stream *s = anthropic_stream_new((struct event_sink){on_event, h});
  enum decode_result result = DECODE_MORE;
  struct str line;
  while (result == DECODE_MORE && str_split(&lines, '\n', &line)) {
    // A copy of exactly its size, so that a read behind its end is found.
    char *copy = malloc(line.len + !line.len);
    if (line.len) memcpy(copy, line.ptr, line.len);
    if (line.len) result = anthropic_stream_event(s, str_from(copy, line.len), failure);
    free(copy);
  }
  anthropic_stream_drop(s);
  return result;
}

#define START                                                                                                          \
  "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":" \
  "[],\"model\":\"claude-x\",\"stop_reason\":null,\"usage\":{\"input_tokens\":43,\"cache_read_input_tokens\":64,"      \
  "\"cache_creation_input_tokens\":10,\"cache_creation\":{\"ephemeral_5m_input_tokens\":4,"                            \
  "\"ephemeral_1h_input_tokens\":6},\"output_tokens\":1}}}\n"
#define BLOCK(n, block) "{\"type\":\"content_block_start\",\"index\":" #n ",\"content_block\":" block "}\n"
#define DELTA(n, delta) "{\"type\":\"content_block_delta\",\"index\":" #n ",\"delta\":" delta "}\n"
#define STOP(n) "{\"type\":\"content_block_stop\",\"index\":" #n "}\n"
#define TEXT_BLOCK(n) BLOCK(n, "{\"type\":\"text\",\"text\":\"\"}")
#define CALL_BLOCK(n, id, name) BLOCK(n, "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}}")
#define FINISH(reason)                                               \
  "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" reason \
  "\",\"stop_sequence\":null},"                                      \
  "\"usage\":{\"input_tokens\":61,\"output_tokens\":30,\"output_tokens_details\":{\"thinking_tokens\":12}}}\n"
#define END "{\"type\":\"message_stop\"}"
#define BEGUN "begin msg_1 claude-x\n"
#define USED "usage 1 prompt 135 cached 64 written 10 hour 6 completion 30 reasoning 12\n"

static void test_streams(void **state) {
  (void)state;
  static const struct {
    const char *lines, *expected;
  } rows[] = {
      {START TEXT_BLOCK(0) "{\"type\":\"ping\"}\n" DELTA(0, "{\"type\":\"text_delta\",\"text\":\"Hel\\\"lo\"}")
           DELTA(0, "{\"type\":\"text_delta\",\"text\":\" \\u00e9\"}") STOP(0) FINISH("end_turn") END,
       BEGUN "text 0 Hel\\\"lo\ntext 0  \\u00e9\nfinish stop end_turn\n" USED},
      // Thinking, its signature, then two calls, the first without arguments. Calls are counted apart from blocks.
      {START BLOCK(0, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}")
           DELTA(0, "{\"type\":\"thinking_delta\",\"thinking\":\"Hm\",\"estimated_tokens\":1}")
               DELTA(0, "{\"type\":\"signature_delta\",\"signature\":\"c2ln/+==\"}") STOP(0)
                   BLOCK(1, "{\"type\":\"redacted_thinking\",\"data\":\"ZGF0YQ==\"}") STOP(1)
                       CALL_BLOCK(2, "toolu_a", "now") STOP(2) CALL_BLOCK(3, "toolu_b", "get")
                           DELTA(3, "{\"type\":\"input_json_delta\",\"partial_json\":\"\"}")
                               DELTA(3, "{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"city\\\":\\\"Os\"}")
                                   DELTA(3, "{\"type\":\"input_json_delta\",\"partial_json\":\"lo\\\"}\"}") STOP(3)
                                       FINISH("tool_use") END,
       BEGUN
       "reasoning 0 Hm\nsignature 0 c2ln/+==\nencrypted 1 ZGF0YQ==\ncall 0 toolu_a now\narguments 0 {}\ncall end 0\n"
       "call 1 toolu_b get\narguments 1 {\\\"city\\\":\\\"Os\narguments 1 lo\\\"}\ncall end 1\n"
       "finish tool_calls tool_use\n" USED},
      // A call makes the finish, whatever was said of it; but a call that was cut off stays cut off.
      {START CALL_BLOCK(0, "t", "f") STOP(0) FINISH("end_turn") END,
       BEGUN "call 0 t f\narguments 0 {}\ncall end 0\nfinish tool_calls end_turn\n" USED},
      {START CALL_BLOCK(0, "t", "f") DELTA(0, "{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\"}") STOP(0)
           FINISH("max_tokens") END,
       BEGUN "call 0 t f\narguments 0 {\\\"a\ncall end 0\nfinish length max_tokens\n" USED},
      // A server-side tool without its result; kinds not known here, a message_start that comes twice, deltas of no
      // block: passed over.
      {START START BLOCK(0, "{\"type\":\"server_tool_use\",\"id\":\"srv\",\"name\":\"web_search\",\"input\":{\"q\":1}}")
           DELTA(0, "{\"type\":\"input_json_delta\",\"partial_json\":\"\"}") STOP(0) DELTA(
               7, "{\"type\":\"lost_delta\",\"text\":\"lost\"}") "{\"type\":\"strange\",\"index\":{}}\n" TEXT_BLOCK(1)
               DELTA(1, "{\"type\":\"text_delta\",\"text\":\"ok\"}")
                   DELTA(1, "{\"type\":\"citations_delta\",\"citation\":{\"url\":\"https://u\"}}") STOP(1)
                       FINISH("refusal") END,
       BEGUN "text 1 ok\ncitation 1 {\"url\":\"https://u\"}\nserver tool web_search srv {\\\"q\\\":1} "
             "\nfinish content_filter refusal\n" USED},
      // All of the input at once, as some hosts give it; no usage in the end; no reason at all.
      {START BLOCK(0, "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"a\":\"b\"}}") STOP(0) END,
       BEGUN "call 0 t f\narguments 0 {\\\"a\\\":\\\"b\\\"}\ncall end 0\nfinish tool_calls \n"
             "usage 1 prompt 117 cached 64 written 10 hour 6 completion 1 reasoning 0\n"},
      {START FINISH("pause_turn") END, BEGUN "finish stop pause_turn\n" USED},
      {START FINISH("model_context_window_exceeded") END, BEGUN "finish length model_context_window_exceeded\n" USED},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct heard h;
    struct decode_failure failure = {0};
    heard_init(&h);
    assert_int_equal(feed(&h, str_from_cstr(rows[i].lines), &failure), DECODE_DONE);
    check_lines(&h, rows[i].expected);
    heard_free(&h);
  }
}

static void test_streams_that_fail(void **state) {
  (void)state;
#define ERROR(type, message) "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" message "\"}}"
  static const struct {
    const char *lines;
    enum fault fault;
    const char *message;
  } rows[] = {
      {ERROR("overloaded_error", "Overloaded"), FAULT_UPSTREAM_OVERLOAD, "Overloaded"},
      {START TEXT_BLOCK(0) ERROR("rate_limit_error", "slow \\\"down\\\""), FAULT_UPSTREAM_RATE, "slow \"down\""},
      {START ERROR("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), FAULT_CONTEXT, NULL},
      {START ERROR("new_error", "what"), FAULT_UPSTREAM_ERROR, "what"},
      {START "{\"type\":\"error\"}", FAULT_UPSTREAM_ERROR, NULL},
      {START "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_2\"}}", FAULT_UPSTREAM_INVALID, NULL},
      {START TEXT_BLOCK(0) TEXT_BLOCK(0), FAULT_UPSTREAM_INVALID, NULL},
      {START BLOCK(99999999, "{\"type\":\"text\"}"), FAULT_UPSTREAM_INVALID, NULL},
      {START BLOCK(-1, "{\"type\":\"text\"}"), FAULT_UPSTREAM_INVALID, NULL},
      {END, FAULT_UPSTREAM_INVALID, NULL},
      {"no json", FAULT_UPSTREAM_INVALID, NULL},
      {"[]", FAULT_UPSTREAM_INVALID, NULL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct heard h;
    struct decode_failure failure = {0};
    heard_init(&h);
    assert_int_equal(feed(&h, str_from_cstr(rows[i].lines), &failure), DECODE_FAILED);
    if (failure.fault != rows[i].fault) fail_msg("row %zu: %d: %s", i, (int)failure.fault, failure.message);
    assert_true(failure.message[0]);
    if (rows[i].message) assert_string_equal(failure.message, rows[i].message);
    assert_int_equal(h.finishes, 0);
    heard_free(&h);
  }
}

static void test_every_cut_is_no_end(void **state) {
  (void)state;
  static const char lines[] =
      START TEXT_BLOCK(0) DELTA(0, "{\"type\":\"text_delta\",\"text\":\"Hi\"}") STOP(0) CALL_BLOCK(1, "t", "f")
          DELTA(1, "{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}") STOP(1) FINISH("tool_use") END;
  for (size_t at = 0; at < sizeof lines - 1; at++) {
    struct heard h;
    struct decode_failure failure = {0};
    heard_init(&h);
    assert_int_not_equal(feed(&h, str_from(lines, at), &failure), DECODE_DONE);
    heard_free(&h);
  }
}

// --- whole replies ---

static void test_whole_replies(void **state) {
  (void)state;
  static const struct {
    const char *body, *expected;
  } rows[] = {
      {"{\"id\":\"msg_1\",\"type\":\"message\",\"model\":\"claude-x\",\"content\":[{\"type\":\"thinking\",\"thinking\":"
       "\"Hm\","
       "\"signature\":\"c2ln\"},{\"type\":\"text\",\"text\":\"Hi\",\"citations\":[{\"url\":\"https://"
       "a\"},{\"b\":2}]},{\"type\":"
       "\"tool_use\","
       "\"id\":\"t1\",\"name\":\"f\",\"input\":{\"b\": 1.0, "
       "\"a\":\"\\u00e9\"}},{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":"
       "\"g\",\"input\":{}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":5,\"output_tokens\":7}}",
       "begin msg_1 claude-x\nreasoning 0 Hm\nsignature 0 c2ln\ntext 1 Hi\ncitation 1 {\"url\":\"https://a\"}\n"
       "citation 1 {\"b\":2}\ncall 0 t1 f\narguments 0 {\\\"b\\\": 1.0, \\\"a\\\":\\\"\\\\u00e9\\\"}\ncall end 0\ncall "
       "1 t2 g\narguments 1 "
       "{}\n"
       "call end 1\nfinish tool_calls tool_use\nusage 1 prompt 5 cached 0 written 0 hour 0 completion 7 reasoning 0\n"},
      {"{\"content\":[],\"stop_reason\":\"refusal\"}", "begin  \nfinish content_filter refusal\n"},
      {"{\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":\"no json\"},7,{\"type\":9}],"
       "\"stop_reason\":null,\"usage\":{\"input_tokens\":-1}}",
       "begin  \ncall 0 t f\narguments 0 no json\ncall end 0\nfinish tool_calls \n"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct heard h;
    struct decode_failure failure = {0};
    heard_init(&h);
    if (!anthropic_reply(str_from_cstr(rows[i].body), (struct event_sink){on_event, &h}, &failure))
      fail_msg("row %zu: %s", i, failure.message);
    check_lines(&h, rows[i].expected);
    heard_free(&h);
  }
}

static void test_no_replies(void **state) {
  (void)state;
  static const struct {
    const char *body;
    enum fault fault;
  } rows[] = {
      {"", FAULT_UPSTREAM_INVALID},
      {"<html>", FAULT_UPSTREAM_INVALID},
      {"{}", FAULT_UPSTREAM_INVALID},
      {"{\"content\":\"text\"}", FAULT_UPSTREAM_INVALID},
      {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}", FAULT_UPSTREAM_OVERLOAD}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct heard h;
    struct decode_failure failure = {0};
    heard_init(&h);
    assert_false(anthropic_reply(str_from_cstr(rows[i].body), (struct event_sink){on_event, &h}, &failure));
    assert_int_equal(failure.fault, rows[i].fault);
    assert_true(failure.message[0]);
    heard_free(&h);
  }
}

static void test_http_errors(void **state) {
  (void)state;
#define BODY(type, message) \
  "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" message "\"},\"request_id\":\"req_1\"}"
  static const struct {
    unsigned status;
    const char *body;
    enum fault fault;
  } rows[] = {{400, BODY("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), FAULT_CONTEXT},
              {400, BODY("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"),
               FAULT_CONTEXT},
              {400, BODY("invalid_request_error", "Your credit balance is too low"), FAULT_UPSTREAM_BILLING},
              {400, BODY("invalid_request_error", "temperature: must be <= 1"), FAULT_BAD_REQUEST},
              {401, BODY("authentication_error", "invalid x-api-key"), FAULT_UPSTREAM_AUTH},
              {402, BODY("billing_error", "pay"), FAULT_UPSTREAM_BILLING},
              {404, BODY("not_found_error", "model: x"), FAULT_UPSTREAM_MODEL},
              {413, BODY("request_too_large", "32 MB"), FAULT_TOO_LARGE},
              {429, BODY("rate_limit_error", "slow"), FAULT_UPSTREAM_RATE},
              {500, BODY("api_error", "oh"), FAULT_UPSTREAM_ERROR},
              {504, BODY("timeout_error", "late"), FAULT_TIMEOUT},
              {529, BODY("overloaded_error", "Overloaded"), FAULT_UPSTREAM_OVERLOAD},
              {529, "", FAULT_UPSTREAM_OVERLOAD},
              {502, "<html>Bad Gateway 429</html>", FAULT_UPSTREAM_ERROR}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct decode_failure failure = {0};
    anthropic_error(rows[i].status, str_from_cstr(rows[i].body), &failure);
    if (failure.fault != rows[i].fault) fail_msg("row %zu: %d %s", i, (int)failure.fault, failure.message);
    assert_true(failure.message[0]);
  }
}

// --- recorded streams, where they are at hand ---

static unsigned recorded;

static void check_recorded(const char *path) {
  struct buf text;
  buf_init(&text, 1 << 24);
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  assert_true(buf_reserve(&text, 1 << 24));
  text.len = fread(text.ptr, 1, 1 << 24, f);
  fclose(f);
  struct heard h;
  struct decode_failure failure = {0};
  heard_init(&h);
  enum decode_result result = feed(&h, buf_view(&text), &failure);
  assert_true(result == DECODE_DONE || result == DECODE_FAILED || !strstr(path, ".chunks.txt"));
  if (result == DECODE_DONE) {
    assert_int_equal(h.finishes, 1);
    assert_int_equal(h.usages, 1);
    assert_int_equal(h.calls, h.ended);
  }
  recorded++;
  heard_free(&h);
  buf_free(&text);
}

static void test_recorded_streams(void **state) {
  (void)state;
  const char *named = getenv("SIGNALBOX_RECORDED");
  char folder[1024], path[2048];
  snprintf(folder, sizeof folder, "%s/anthropic/vercel-ai", named ? named : "../shared/fixtures");
  DIR *dir = opendir(folder);
  if (!dir) skip();
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (!strstr(entry->d_name, ".chunks.txt")) continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    check_recorded(path);
  }
  closedir(dir);
  assert_true(recorded > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_streams),
      cmocka_unit_test(test_streams_that_fail),
      cmocka_unit_test(test_every_cut_is_no_end),
      cmocka_unit_test(test_whole_replies),
      cmocka_unit_test(test_no_replies),
      cmocka_unit_test(test_http_errors),
      cmocka_unit_test(test_recorded_streams),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
