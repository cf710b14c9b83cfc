// Recorded traffic of real providers, where the folder with it stands beside the repository (SIGNALBOX_RECORDED names
// another): what clients sent must be accepted, and what they would get must hold what chat_watch.h asks for, with the
// provider's texts and token counts. Skipped where there are no recordings; they are not part of this repository.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <libfyaml.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat_run.h"
#include "chat_watch.h"

// libfyaml itself loses a little when it looks up a path.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);
const char *__lsan_default_suppressions(void) {
  return "leak:libfyaml.so\n";
}
const char *__lsan_default_options(void) {
  return "print_suppressions=0";
}

static const char *const folders[] = {"openai-chat", "openai-compatible", "groq",       "deepseek",
                                      "xai",         "perplexity",        "openrouter", "synthetic"};

static unsigned requests, wholes, streams, errors;
static const char *current;  // the file at hand

static const char *root(void) {
  const char *named = getenv("SIGNALBOX_RECORDED");
  return named ? named : "../shared/fixtures";
}

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
  if (str_starts(body, STR("H4sI"))) return;  // gzip in base64; the gateway never asks for it
  if (status >= 400)
    check_error(status, body);
  else if (str_starts(body, STR("data:")) || str_starts(body, STR(":")) || str_starts(body, STR("event:")))
    check_stream(&t, body);
  else
    check_whole(&t, body);
}

// --- files ---

static struct str file_read(const char *path) {
  struct buf text;
  buf_init(&text, 1 << 26);
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  for (size_t n = 1; n;) {
    assert_true(buf_reserve(&text, 1 << 16));
    n = fread(text.ptr + text.len, 1, 1 << 16, f);
    text.len += n;
  }
  fclose(f);
  return buf_view(&text);
}

static char *scalar(struct fy_node *node, const char *path, size_t *len) {
  struct fy_node *found = node ? fy_node_by_path(node, path, FY_NT, FYNWF_DONT_FOLLOW) : NULL;
  const char *text = found && fy_node_is_scalar(found) ? fy_node_get_scalar(found, len) : NULL;
  return text ? str_dup(str_from(text, *len)) : NULL;
}

// A body: text as it was, base64 of it, or JSON that was taken apart and is put together again.
static char *body_of(struct fy_node *message, size_t *len) {
  static const char *const texts[] = {"/body/string", "/body"};
  struct fy_node *parsed = fy_node_by_path(message, "/parsed_body", FY_NT, FYNWF_DONT_FOLLOW);
  if (parsed) {
    char *json = fy_emit_node_to_string(parsed, FYECF_MODE_JSON_ONELINE | FYECF_WIDTH_INF);
    *len = json ? strlen(json) : 0;
    return json;
  }
  char *packed = scalar(message, "/body/base64_string", len);
  if (packed) {
    for (size_t i = *len, to = *len = 0; to < i; to++)
      if ((unsigned char)packed[to] > ' ') packed[(*len)++] = packed[to];
    unsigned char *plain = malloc(*len + 4);
    int n = EVP_DecodeBlock(plain, (unsigned char *)packed, (int)*len);
    while (n > 0 && *len && packed[*len - 1] == '=') n--, --*len;
    free(packed);
    *len = n > 0 ? (size_t)n : 0;
    return (char *)plain;
  }
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char *text = scalar(message, texts[i], len);
    if (text) return text;
  }
  return NULL;
}

static void check_interaction(struct fy_node *node) {
  static const char *const codes[] = {"/response/status/code", "/response/code"};
  size_t len = 0;
  char *uri = scalar(node, "/request/uri", &len);
  if (!uri) uri = scalar(node, "/request/url", &len);
  bool ours = uri && strstr(uri, "/chat/completions");
  free(uri);
  if (!ours) return;
  unsigned status = 200;
  for (int i = 0; i < 2; i++) {
    char *code = scalar(node, codes[i], &len);
    if (code) status = (unsigned)strtoul(code, NULL, 10);
    free(code);
  }
  struct fy_node *request = fy_node_by_path(node, "/request", FY_NT, FYNWF_DONT_FOLLOW);
  char *body = body_of(request, &len);
  struct target t;
  target_init(&t, provider_of(current));
  if (body && status == 200 && len && body[0] == '{') check_request(&t, str_from(body, len));
  free(body);
  body = body_of(fy_node_by_path(node, "/response", FY_NT, FYNWF_DONT_FOLLOW), &len);
  if (body) check_response(status, str_from(body, len));
  free(body);
}

static void check_yaml(void) {
  struct fy_document *doc = fy_document_build_from_file(NULL, current);
  if (!doc) fail_msg("%s cannot be read", current);
  struct fy_node *list = fy_node_by_path(fy_document_root(doc), "/interactions", FY_NT, FYNWF_DONT_FOLLOW);
  if (!list) list = fy_node_by_path(fy_document_root(doc), "/http_interactions", FY_NT, FYNWF_DONT_FOLLOW);
  for (int i = 0; list && i < fy_node_sequence_item_count(list); i++)
    check_interaction(fy_node_sequence_get_by_index(list, i));
  fy_document_destroy(doc);
}

// One payload a line.
static void check_lines(struct str text) {
  struct buf events;
  struct str line;
  buf_init(&events, 1 << 26);
  while (str_split(&text, '\n', &line)) {
    if (!line.len) continue;
    buf_lit(&events, "data: ");
    buf_str(&events, line);
    buf_lit(&events, "\n\n");
  }
  buf_lit(&events, "data: [DONE]\n\n");
  check_response(200, buf_view(&events));
  buf_free(&events);
}

// A status line, fields, a blank line, the body.
static void check_http(struct str text) {
  size_t line = str_find_char(text, ' ', 0), body = str_find(text, STR("\n\n"), 0);
  if (body == SIZE_MAX) body = str_find(text, STR("\r\n\r\n"), 0) + 2;
  check_response((unsigned)strtoul(text.ptr + line, NULL, 10), str_skip(text, body + 2));
}

static void check_file(void) {
  struct str name = str_from_cstr(current);
  bool other = strstr(current, "/synthetic/") && !strstr(current, "openai-chat") && !strstr(current, "vllm") &&
               !strstr(current, "html") && !strstr(current, "openai-4") && !strstr(current, "openai-5") &&
               !strstr(current, "gemini-openai");
  if (other || strstr(current, "responses") || strstr(current, "lmstudio")) return;
  if (str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml"))) {
    check_yaml();
    return;
  }
  struct str text = file_read(current);
  if (str_ends(name, STR(".chunks.txt"))) check_lines(text);
  if (str_ends(name, STR(".sse"))) check_response(200, text);
  if (str_ends(name, STR(".http"))) check_http(text);
  if (str_ends(name, STR(".json"))) check_response(str_ends(name, STR("error.json")) ? 400 : 200, text);
  free((char *)text.ptr);
}

static void check_folder(const char *path) {
  struct dirent **entries = NULL;
  int n = scandir(path, &entries, NULL, alphasort);
  for (int i = 0; i < n; i++) {
    char inner[4096];
    snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
    if (entries[i]->d_name[0] == '.') {
    } else if (entries[i]->d_type == DT_DIR) {
      check_folder(inner);
    } else {
      current = inner;
      check_file();
    }
    free(entries[i]);
  }
  free(entries);
}

static void test_recorded(void **state) {
  (void)state;
  DIR *there = opendir(root());
  if (!there) {
    printf("# no recordings at %s\n", root());
    skip();
  }
  closedir(there);
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", root(), folders[i]);
    check_folder(path);
  }
  printf("# %u requests, %u whole replies, %u streams, %u errors\n", requests, wholes, streams, errors);
  assert_true(requests + wholes + streams + errors > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_recorded)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
