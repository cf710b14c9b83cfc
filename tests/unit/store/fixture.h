// A data_dir of a test's own, removed behind it.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka.h wants the headers above first
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

struct fixture {
  char dir[64];
  struct arena arena;
  struct str why;
};

static inline int fixture_setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  if (!f) return -1;
  snprintf(f->dir, sizeof f->dir, "/tmp/signalbox-test-XXXXXX");
  *state = f;
  return mkdtemp(f->dir) ? 0 : -1;
}

static inline void remove_tree(const char *path) {
  DIR *dir = opendir(path);
  for (struct dirent *e; dir && (e = readdir(dir));) {
    char below[512];
    if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.')) continue;
    snprintf(below, sizeof below, "%.250s/%.250s", path, e->d_name);
    if (unlink(below) != 0) remove_tree(below);
  }
  if (dir) closedir(dir);
  rmdir(path);
}

static inline int fixture_teardown(void **state) {
  struct fixture *f = *state;
  remove_tree(f->dir);
  arena_free(&f->arena);
  free(f);
  return 0;
}

static inline struct str fixture_dir(const struct fixture *f) {
  return str_from_cstr(f->dir);
}

static inline struct str fixture_path(struct fixture *f, const char *name) {
  return arena_printf(&f->arena, "%s/%s", f->dir, name);
}

static inline size_t count_files(const char *path, const char *suffix) {
  size_t count = 0;
  DIR *dir = opendir(path);
  for (struct dirent *e; dir && (e = readdir(dir));) count += str_ends(str_from_cstr(e->d_name), str_from_cstr(suffix));
  if (dir) closedir(dir);
  return count;
}

// In CLOCK_MONOTONIC-free tests waiting is done by looking again: false after about ten seconds.
#define WAIT_UNTIL(condition)                                                 \
  for (int wait_turn = 0;; wait_turn++) {                                     \
    if (condition) break;                                                     \
    if (wait_turn == 10000) fail_msg("still not after 10 s: %s", #condition); \
    usleep(1000);                                                             \
  }

#define assert_str(got, want)                                                                           \
  do {                                                                                                  \
    struct str got_ = (got), want_ = (want);                                                            \
    if (!str_eq(got_, want_)) fail_msg("got \"%.*s\", want \"%.*s\"", STR_ARGS(got_), STR_ARGS(want_)); \
  } while (0)

#define assert_contains(text, part)                                        \
  do {                                                                     \
    struct str text_ = (text);                                             \
    if (str_find(text_, str_from_cstr(part), 0) == SIZE_MAX)               \
      fail_msg("\"%.*s\" does not contain \"%s\"", STR_ARGS(text_), part); \
  } while (0)
