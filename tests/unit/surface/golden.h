// The cases of tests/golden/openai_chat. A case is a folder:
//
//   target                       optional lines `provider ID`, `model NAME`, `status NUMBER`
//   request.json > upstream.json what a client sends > what the provider gets
//   reply.json   > client.json   what a provider answers > what the client gets
//   stream.sse   > client.sse    the same for a stream
//   error.txt    > error.json    the body of a provider's HTTP error > what the client gets
#pragma once
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "chat_run.h"

static const char golden_root[] = "tests/golden/openai_chat";
enum { GOLDEN_FILE_MAX = 1 << 20 };

struct golden {
  const char *name;
  char target_text[1024];  // what the target's strings point into
  struct target target;
  unsigned status;
};

// A file of a case; false when it is not there.
static inline bool golden_read(const char *name, const char *file, struct buf *out) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s/%s", golden_root, name, file);
  buf_init(out, GOLDEN_FILE_MAX);
  FILE *f = fopen(path, "rb");
  if (!f) return false;
  if (!buf_reserve(out, GOLDEN_FILE_MAX)) abort();
  out->len = fread(out->ptr, 1, GOLDEN_FILE_MAX, f);
  fclose(f);
  return true;
}

static inline void golden_load(struct golden *g, const char *name) {
  struct buf text;
  *g = (struct golden){.name = name, .status = 400};
  target_init(&g->target, "openai");
  if (golden_read(name, "target", &text)) {
    snprintf(g->target_text, sizeof g->target_text, "%.*s", (int)text.len, text.ptr);
    char *rest = NULL;
    for (char *line = strtok_r(g->target_text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
      char *value = strchr(line, ' ');
      if (!value) continue;
      *value++ = 0;
      if (!strcmp(line, "provider")) target_init(&g->target, value);
      if (!strcmp(line, "model")) g->target.endpoint.upstream_model = str_from_cstr(value);
      if (!strcmp(line, "status")) g->status = (unsigned)strtoul(value, NULL, 10);
    }
  }
  buf_free(&text);
  g->target.endpoint.provider = &g->target.provider;
  g->target.endpoint.model = &g->target.model;
}

static inline int golden_is_case(const struct dirent *entry) {
  return entry->d_name[0] != '.' && entry->d_type == DT_DIR;
}

// Calls `visit` for each case, in order of names; returns how many there were.
static inline int golden_each(void (*visit)(struct golden *)) {
  struct dirent **entries = NULL;
  int n = scandir(golden_root, &entries, golden_is_case, alphasort);
  for (int i = 0; i < n; i++) {
    struct golden g;
    golden_load(&g, entries[i]->d_name);
    visit(&g);
    free(entries[i]);
  }
  free(entries);
  return n;
}
