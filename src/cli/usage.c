// `signalbox usage`: the newest requests, and what they cost.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/ledger_json.h"
#include "cli/cli.h"
#include "config/config.h"
#include "store/store.h"

static const char help[] =
    "usage: signalbox usage [-n COUNT] [--json] [-c FILE]\n\n"
    "The newest requests (20 unless -n says otherwise), newest first, and the sums of all. A running gateway writes "
    "its\n"
    "records a few times a second.\n\n"
    "  -c FILE     configuration (for its data_dir)\n"
    "  --json      output as JSON: {\"data\": [...], \"totals\": {...}}\n";

struct listing {
  bool json;
  size_t count;
};

static void print_buf(struct buf *out) {
  fwrite(out->ptr, 1, out->len, stdout);
  buf_free(out);
}

static void print_row(void *context, const struct record *r) {
  struct listing *l = context;
  struct buf out;
  buf_init(&out, 1 << 20);
  if (l->json) {
    if (l->count) buf_char(&out, ',');
    generation_item_json(&out, r);
  } else {
    char when[32];
    time_t seconds = (time_t)(r->created_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    buf_printf(&out, "%s  %3u  %-32.*s %8llu %8llu  ", when, r->status, STR_ARGS(r->model),
               (unsigned long long)r->usage.prompt, (unsigned long long)r->usage.completion);
    size_t start = out.len;
    money_write(&out, r->cost.total);
    const char *fault = r->fault ? fault_row((enum fault)r->fault)->name : "";
    if (*fault) buf_printf(&out, "%*s  %s", (int)(start + 14 > out.len ? start + 14 - out.len : 0), "", fault);
    buf_char(&out, '\n');
  }
  print_buf(&out);
  l->count++;
}

static void print_totals(const struct store_totals *t, bool json) {
  struct buf out;
  buf_init(&out, 4096);
  buf_printf(&out,
             json ? "],\"totals\":{\"requests\":%llu,\"tokens_prompt\":%llu,\"tokens_completion\":%llu,\"usage\":"
                  : "In all: %llu requests, %llu prompt and %llu completion tokens, ",
             (unsigned long long)t->requests, (unsigned long long)t->prompt, (unsigned long long)t->completion);
  money_write(&out, t->cost);
  buf_str(&out, json ? STR("}}\n") : STR(" USD\n"));
  print_buf(&out);
}

static bool print_all(struct store *s, struct arena *arena, uint64_t most, bool json, struct str *why) {
  struct listing l = {.json = json};
  struct store_totals totals;
  if (!store_totals(s, arena, &totals, why)) return false;
  if (json)
    printf("{\"data\":[");
  else
    printf("%-19s  %3s  %-32s %8s %8s  %s\n", "TIME (UTC)", "", "MODEL", "PROMPT", "ANSWER", "USD");
  if (!store_recent(s, arena, most, print_row, &l, why)) return false;
  print_totals(&totals, json);
  return true;
}

static int run(struct arena *arena, const char *file, uint64_t most, bool json) {
  struct config config;
  struct config_problems problems = {0};
  struct str path = config_find(arena, file), why;
  bool ok =
      path.len ? config_load(arena, path, &config, &problems) : config_from_environment(arena, &config, &problems);
  if (!ok) {
    config_problems_print(&problems, path);
    return 1;
  }
  struct store *s = store_open(arena, config.data_dir, false, &why);
  ok = s && print_all(s, arena, most, json, &why);
  if (!ok) fprintf(stderr, "signalbox usage: %.*s\n", STR_ARGS(why));
  store_close(s);
  return ok ? 0 : 1;
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
    } else if ((!strcmp(argv[i], "-c") || !strcmp(argv[i], "--config")) && i + 1 < argc) {
      file = argv[++i];
    } else if (!strcmp(argv[i], "-n") && i + 1 < argc && str_to_u64(str_from_cstr(argv[i + 1]), 1000000, &most)) {
      i++;
    } else {
      fprintf(stderr, "signalbox usage: not understood: %s\n%s", argv[i], help);
      return 2;
    }
  }
  struct arena arena = {0};
  int status = run(&arena, file, most, json);
  arena_free(&arena);
  return status;
}
