// `signalbox usage`: the newest requests, and what they cost.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/ledger_json.h"
#include "cli/cli.h"
#include "config/config.h"
#include "store/store.h"

static const char help[] =
    "usage: signalbox usage [-n COUNT] [--json] [-c FILE]\n\n"
    "The newest requests (20 unless -n says otherwise), newest first, and the sum of what is shown. A running gateway writes\n"
    "its records a few times a second.\n";

struct listing {
  bool json;
  size_t count;
  money_pico cost;
  uint64_t prompt, completion;
};

static void print_row(void *context, const struct record *r) {
  struct listing *l = context;
  struct buf out;
  buf_init(&out, 65536);
  if (l->json) {
    generation_json(&out, r);
    printf("%s%.*s", l->count ? "," : "", (int)out.len, out.ptr);
  } else {
    char when[32];
    time_t seconds = (time_t)(r->created_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    money_write(&out, r->cost.total);
    printf("%s  %3u  %-32.*s %8llu %8llu  %14.*s  %s\n", when, r->status, STR_ARGS(r->model),
           (unsigned long long)r->usage.prompt, (unsigned long long)r->usage.completion, (int)out.len, out.ptr,
           r->fault ? fault_row((enum fault)r->fault)->name : "");
  }
  buf_free(&out);
  l->count++;
  l->cost += r->cost.total;
  l->prompt += r->usage.prompt;
  l->completion += r->usage.completion;
}

static int run(struct arena *arena, const char *file, uint64_t most, bool json) {
  struct config config;
  struct config_problems problems = {0};
  struct str path = config_find(arena, file), why;
  bool ok = path.len ? config_load(arena, path, &config, &problems) : config_from_environment(arena, &config, &problems);
  if (!ok) {
    config_problems_print(&problems, path);
    return 1;
  }
  struct store *s = store_open(arena, config.data_dir, false, &why);
  struct listing l = {.json = json};
  if (json) printf("[");
  if (!json) printf("%-19s  %3s  %-32s %8s %8s  %14s\n", "TIME (UTC)", "", "MODEL", "PROMPT", "ANSWER", "USD");
  if (!s || !store_recent(s, arena, most, print_row, &l, &why)) {
    fprintf(stderr, "signalbox usage: %.*s\n", STR_ARGS(why));
    store_close(s);
    return 1;
  }
  store_close(s);
  if (json) {
    printf("]\n");
    return 0;
  }
  struct buf out;
  buf_init(&out, 64);
  money_write(&out, l.cost);
  printf("%zu requests, %llu prompt and %llu completion tokens, %.*s USD\n", l.count, (unsigned long long)l.prompt,
         (unsigned long long)l.completion, (int)out.len, out.ptr);
  buf_free(&out);
  return 0;
}

int cmd_usage(int argc, char **argv) {
  const char *file = NULL;
  uint64_t most = 20;
  bool json = false;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
      fputs(help, stdout);
      return 0;
    }
    if (!strcmp(argv[i], "--json")) {
      json = true;
    } else if (!strcmp(argv[i], "-c") && i + 1 < argc) {
      file = argv[++i];
    } else if (!strcmp(argv[i], "-n") && i + 1 < argc && str_to_u64(str_from_cstr(argv[i + 1]), 1000000, &most)) {
      i++;
    } else {
      fprintf(stderr, "signalbox usage: \"%s\" is not understood\n%s", argv[i], help);
      return 2;
    }
  }
  struct arena arena = {0};
  int status = run(&arena, file, most, json);
  arena_free(&arena);
  return status;
}
