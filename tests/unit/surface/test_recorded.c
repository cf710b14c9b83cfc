// Recorded traffic of real providers, where the folder with it stands beside the repository (SIGNALBOX_RECORDED names
// another): what clients sent must be accepted, and what they would get must hold what chat_watch.h asks for, with the
// provider's texts and token counts. Skipped where there are no recordings; they are not part of this repository.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include "chat_run.h"
#include "chat_watch.h"
#include "recorded.h"

static const char *const folders[] = {"openai-chat", "openai-compatible", "groq",       "deepseek",
                                      "xai",         "perplexity",        "openrouter", "synthetic"};

static unsigned requests, wholes, streams, errors;
static const char *current;  // the file at hand

// --- one recorded exchange ---

static const char *provider_of(const char *path) {
  static const char *const ids[] = {"groq", "deepseek", "xai", "perplexity", "openrouter"};
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    const char *at = strstr(path, ids[i]);
    if (at && at[strlen(ids[i])] == '/') return ids[i];
  }
  if (strstr(path, "snowflake")) return "snowflake";
  return strstr(path, "openai-chat") ? "openai" : "together";
}

static void check_request(const struct target *t, struct str body) {
  struct arena arena = {0};
  struct chat_request r;
  struct fault_note note;
  struct buf out;
  buf_init(&out, 1 << 26);
  if (!chat_request_parse(&r, body, &arena, &note)) fail_msg("%s: %.*s", current, STR_ARGS(note.message));
  assert_true(chat_request_build(&r, &t->endpoint, &out));
  struct json_doc doc = {0};
  assert_int_equal(json_parse(&doc, buf_view(&out), 2), JSON_OK);
  assert_true(json_string_is(&doc, json_get(&doc, 0, STR("model")), STR("their-model")));
  json_doc_free(&doc);
  buf_free(&out);
  chat_request_free(&r);
  arena_free(&arena);
  requests++;
}

// The provider's token counts: of the last usage object it sent.
static void given_usage(struct str data, uint64_t *prompt, uint64_t *total) {
  struct json_doc doc = {0};
  if (json_parse(&doc, data, 5) == JSON_OK) {
    uint32_t usage = json_get(&doc, 0, STR("usage"));
    uint64_t n;
    if (json_u64(&doc, json_get(&doc, usage, STR("prompt_tokens")), UINT64_MAX, &n)) *prompt = n;
    if (json_u64(&doc, json_get(&doc, usage, STR("total_tokens")), UINT64_MAX, &n)) *total = n;
  }
  json_doc_free(&doc);
}

static void check_stream(const struct target *t, struct str body) {
  struct watch watch = {0};
  struct watch_texts given;
  struct buf out;
  struct sse sse;
  struct sse_event event;
  struct chat_reply reply;
  uint64_t prompt = 0, total = 0;
  size_t taken;
  struct str rest = body;
  buf_init(&out, 1 << 26);
  bool ok = run_stream(t, body, 1000, &out, &reply);
  const char *complaint = watch_stream(&watch, buf_view(&out));
  if (complaint) fail_msg("%s: %s: %.*s", current, complaint, STR_ARGS(buf_view(&out)));
  watch_texts_init(&given);
  sse_init(&sse, 1 << 24);
  for (enum sse_result r; (r = sse_next(&sse, rest, &taken, &event)) != SSE_MORE; rest = str_skip(rest, taken)) {
    if (r != SSE_EVENT) continue;
    watch_provider(&given, event.data);
    given_usage(event.data, &prompt, &total);
  }
  if (!watch_texts_equal(&given, &watch.texts)) fail_msg("%s: another text: %.*s", current, STR_ARGS(buf_view(&out)));
  if (ok && prompt && watch.prompt != prompt) fail_msg("%s: another usage", current);
  if (ok && total && reply.usage.total != total) fail_msg("%s: another total", current);
  sse_free(&sse);
  watch_texts_free(&given);
  watch_texts_free(&watch.texts);
  buf_free(&out);
  streams++;
}

static void check_whole(const struct target *t, struct str body) {
  struct buf out;
  buf_init(&out, 1 << 26);
  if (run_reply(t, body, &out)) {
    struct watch watch = {0};
    uint64_t prompt = 0, total = 0;
    const char *complaint = watch_whole(&watch, buf_view(&out));
    if (complaint) fail_msg("%s: %s: %.*s", current, complaint, STR_ARGS(buf_view(&out)));
    given_usage(body, &prompt, &total);
    if (prompt && watch.prompt != prompt) fail_msg("%s: another usage", current);
    watch_texts_free(&watch.texts);
  } else if (str_starts(body, STR("{")) && str_find(body, STR("\"error\""), 0) == SIZE_MAX) {
    fail_msg("%s: %.*s", current, STR_ARGS(buf_view(&out)));
  }
  buf_free(&out);
  wholes++;
}

static void check_error(unsigned status, struct str body) {
  struct arena arena = {0};
  struct str message = {0};
  enum fault fault = chat_error_read(status, body, &arena, &message);
  assert_int_not_equal(fault, FAULT_NONE);
  if (!message.len) fail_msg("%s: no message", current);
  if (str_starts(message, STR("The provider answered with an error"))) fail_msg("%s: message not found", current);
  if (getenv("RECORDED_SHOW"))
    printf("%s\n  %u %s: %.*s\n", current, status, fault_row(fault)->name, STR_ARGS(message));
  arena_free(&arena);
  errors++;
}

static void check_response(unsigned status, struct str body) {
  struct target t;
  target_init(&t, provider_of(current));
  if (status >= 400)
    check_error(status, body);
  else if (str_starts(body, STR("data:")) || str_starts(body, STR(":")) || str_starts(body, STR("event:")))
    check_stream(&t, body);
  else
    check_whole(&t, body);
}

static void on_exchange(const struct recorded *r) {
  current = r->file;
  bool other = strstr(current, "/synthetic/") && !strstr(current, "openai-chat") && !strstr(current, "vllm") &&
               !strstr(current, "html") && !strstr(current, "openai-4") && !strstr(current, "openai-5") &&
               !strstr(current, "gemini-openai");
  if (other || strstr(current, "responses") || strstr(current, "lmstudio")) return;
  if (r->url && !strstr(r->url, "/chat/completions")) return;
  struct target t;
  target_init(&t, provider_of(current));
  if (r->status == 200 && str_starts(r->request, STR("{"))) check_request(&t, r->request);
  if (r->reply.len) check_response(r->status, r->reply);
}

static void test_recorded(void **state) {
  (void)state;
  if (!recorded_there()) skip();
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", recorded_root(), folders[i]);
    recorded_each(path, on_exchange);
  }
  printf("# %u requests, %u whole replies, %u streams, %u errors\n", requests, wholes, streams, errors);
  assert_true(requests + wholes + streams + errors > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_recorded)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
