// The cases of tests/golden/DIALECT. A case is a folder:
//
//   target                       optional lines, see tests/golden/README.md
//   request.json > upstream.json what a client sends > what the provider gets
//   reply.json   > client.json   what a provider answers > what the client gets
//   stream.sse   > client.sse    the same for a stream (stream.events where the provider sends Amazon's frames)
//   error.txt    > error.json    the body of a provider's HTTP error > what the client gets
#pragma once
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "chat_run.h"
#include "dialect_run.h"

enum { GOLDEN_FILE_MAX = 1 << 20 };

struct golden {
  const char *dialect, *name;  // the two folders
  char target_text[1024];      // what the target's strings point into
  struct target target;
  unsigned status;
  const char *error_type;   // x-amzn-errortype of error.txt
  const char *answer_tool;  // the tool whose calls are the answer
};

static inline void golden_path(const struct golden *g, const char *file, char path[static 1024]) {
  snprintf(path, 1024, "tests/golden/%s/%s/%s", g->dialect, g->name, file);
}

// A file of a case; false when it is not there.
static inline bool golden_read(const struct golden *g, const char *file, struct buf *out) {
  char path[1024];
  golden_path(g, file, path);
  buf_init(out, GOLDEN_FILE_MAX);
  FILE *f = fopen(path, "rb");
  if (!f) return false;
  if (!buf_reserve(out, GOLDEN_FILE_MAX)) abort();
  out->len = fread(out->ptr, 1, GOLDEN_FILE_MAX, f);
  fclose(f);
  return true;
}

// With GOLDEN_WRITE=1 what was got is written as what is expected: read the difference before you commit it.
static inline void golden_compare(const struct golden *g, const char *file, struct str got) {
  struct buf expected;
  char path[1024];
  golden_path(g, file, path);
  if (getenv("GOLDEN_WRITE")) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(got.ptr, 1, got.len, f), got.len);
    fclose(f);
  }
  if (!golden_read(g, file, &expected)) fail_msg("%s is missing", path);
  if (!str_eq(buf_view(&expected), got))
    fail_msg("%s\nexpected %.*s\ngot      %.*s", path, STR_ARGS(buf_view(&expected)), STR_ARGS(got));
  buf_free(&expected);
}

static inline void golden_line(struct golden *g, const char *key, char *value) {
  if (!strcmp(key, "provider")) {
    struct str model = g->target.endpoint.upstream_model;
    dialect_target_init(&g->target, value, "");
    g->target.endpoint.upstream_model = model;
  }
  if (!strcmp(key, "model")) g->target.endpoint.upstream_model = str_from_cstr(value);
  if (!strcmp(key, "status")) g->status = (unsigned)strtoul(value, NULL, 10);
  if (!strcmp(key, "id")) g->target.model.id = str_from_cstr(value);
  if (!strcmp(key, "base_url")) g->target.provider.base_url = str_from_cstr(value);
  if (!strcmp(key, "api_version")) g->target.provider.api_version = str_from_cstr(value);
  if (!strcmp(key, "max")) g->target.endpoint.max_completion_tokens = strtoul(value, NULL, 10);
  if (!strcmp(key, "api")) g->target.endpoint.api = !strcmp(value, "invoke") ? API_INVOKE : API_RESPONSES;
  if (!strcmp(key, "answer")) g->answer_tool = value;
  if (!strcmp(key, "repeated")) g->target.repeated = str_from_cstr(value);
  if (!strcmp(key, "error_type")) g->error_type = value;
}

// `provider` and `model`: what it is when the case does not say.
static inline void golden_load(struct golden *g, const char *dialect, const char *name, const char *provider,
                               const char *model) {
  struct buf text;
  *g = (struct golden){.dialect = dialect, .name = name, .status = 400};
  dialect_target_init(&g->target, provider, model);
  if (golden_read(g, "target", &text)) {
    snprintf(g->target_text, sizeof g->target_text, "%.*s", (int)text.len, text.ptr);
    char *rest = NULL;
    for (char *line = strtok_r(g->target_text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
      char *value = strchr(line, ' ');
      if (!value) continue;
      *value++ = 0;
      golden_line(g, line, value);
    }
  }
  buf_free(&text);
  g->target.endpoint.provider = &g->target.provider;
  g->target.endpoint.model = &g->target.model;
}

static inline int golden_is_case(const struct dirent *entry) {
  return entry->d_name[0] != '.' && entry->d_type == DT_DIR;
}

// Calls `visit` for each case of a dialect, in order of names; returns how many there were.
static inline int golden_each_of(const char *dialect, const char *provider, const char *model,
                                 void (*visit)(struct golden *)) {
  char path[1024];
  struct dirent **entries = NULL;
  snprintf(path, sizeof path, "tests/golden/%s", dialect);
  int n = scandir(path, &entries, golden_is_case, alphasort);
  for (int i = 0; i < n; i++) {
    struct golden g;
    golden_load(&g, dialect, entries[i]->d_name, provider, model);
    visit(&g);
    free(entries[i]);
  }
  free(entries);
  return n;
}

static inline int golden_each(void (*visit)(struct golden *)) {
  return golden_each_of("openai_chat", "openai", "their-model", visit);
}

// The same for all dialects that are translated.
static inline int golden_each_dialect(void (*visit)(struct golden *)) {
  static const char *const rows[][3] = {{"anthropic", "anthropic", "claude-sonnet-4-6"},
                                        {"gemini", "google-ai-studio", "gemini-2.5-flash"},
                                        {"vertex", "google-vertex", "gemini-2.5-flash"},
                                        {"bedrock", "amazon-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
                                        {"cohere", "cohere", "command-a-03-2025"},
                                        {"mistral", "mistral", "mistral-large-latest"},
                                        {"responses", "openai", "gpt-5.2-pro"}};
  int n = 0;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    int found = golden_each_of(rows[i][0], rows[i][1], rows[i][2], visit);
    n += found > 0 ? found : 0;
  }
  return n;
}
