// `signalbox check`: reads a configuration as `serve` would, and tells everything that is wrong with it.
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "config/config.h"
#include "config/problem.h"
#include "json/json.h"
#include "llm/catalogue.h"

static const char help[] =
    "usage: signalbox check [-c FILE] [--json]\n\n"
    "Validates a configuration and prints every problem as FILE:LINE:COLUMN: TEXT on standard error.\n"
    "Exit status: 0 fine, 1 there are problems, 2 wrong usage.\n\n"
    "  -c FILE      configuration; else $SIGNALBOX_CONFIG, ./signalbox.yaml, /etc/signalbox/signalbox.yaml;\n"
    "               with none of them: what the environment makes of a start without a file\n"
    "  --json       the result as JSON on standard output\n"
    "  --settings   print all settings as a Markdown table\n";

struct result {
  struct str file;  // empty: the environment
  struct config config;
  struct catalogue catalogue;
  struct config_problems problems;
};

static bool has_line(const struct config_problems *problems, unsigned line) {
  for (size_t i = 0; i < problems->count; i++) {
    if (line && problems->items[i].line == line) return true;
  }
  return false;
}

// The catalogue is tried with a faulty configuration too, so that its problems are seen in the same run; what it says
// about lines that are known to be wrong only follows from that.
static void check(struct arena *arena, struct result *result) {
  if (result->file.len) {
    config_load(arena, result->file, &result->config, &result->problems);
  } else {
    config_from_environment(arena, &result->config, &result->problems);
  }
  struct config_problems more = {0}, *all = &result->problems;
  size_t known = all->count;
  if (catalogue_build(arena, &result->config, &result->catalogue, &more)) return;
  for (size_t i = 0; i < more.count; i++) {
    struct config_problems before = {all->items, known, all->cap};
    const struct config_problem *one = &more.items[i];
    if (has_line(&before, one->line)) continue;
    unsigned column = one->line && !one->column ? 1 : one->column;
    config_problem_add(arena, all, one->line, column, "%.*s", STR_ARGS(one->text));
  }
  config_problems_sort(all);
}

static void write_json(const struct result *result) {
  struct buf out;
  buf_init(&out, 16 * 1024 * 1024);
  buf_lit(&out, "{\"file\":");
  if (result->file.len) {
    json_write_str(&out, result->file);
  } else {
    buf_lit(&out, "null");
  }
  buf_printf(&out, ",\"ok\":%s,\"providers\":%zu,\"models\":%zu,\"problems\":[",
             result->problems.count ? "false" : "true", result->catalogue.provider_count,
             result->catalogue.model_count);
  for (size_t i = 0; i < result->problems.count; i++) {
    const struct config_problem *problem = &result->problems.items[i];
    buf_printf(&out, "%s{\"line\":%u,\"column\":%u,\"text\":", i ? "," : "", problem->line, problem->column);
    json_write_str(&out, problem->text);
    buf_lit(&out, "}");
  }
  buf_lit(&out, "]}\n");
  fwrite(out.ptr, 1, out.len, stdout);
  buf_free(&out);
}

static void write_text(const struct result *result) {
  struct str name = result->file.len ? result->file : STR("environment");
  if (result->problems.count) {
    config_problems_print(&result->problems, name);
  } else {
    printf("%.*s: ok (%zu providers, %zu models)\n", STR_ARGS(name), result->catalogue.provider_count,
           result->catalogue.model_count);
  }
}

static int print_settings(void) {
  struct buf out;
  buf_init(&out, 1024 * 1024);
  config_help(&out);
  fwrite(out.ptr, 1, out.len, stdout);
  buf_free(&out);
  return 0;
}

int cmd_check(int argc, char **argv) {
  const char *file = NULL;
  bool json = false;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
      fputs(help, stdout);
      return 0;
    }
    if (!strcmp(argv[i], "--settings")) return print_settings();
    if (!strcmp(argv[i], "--json")) {
      json = true;
    } else if ((!strcmp(argv[i], "-c") || !strcmp(argv[i], "--config")) && i + 1 < argc) {
      file = argv[++i];
    } else {
      fprintf(stderr, "signalbox check: \"%s\" is not understood\n%s", argv[i], help);
      return 2;
    }
  }
  struct arena arena = {.chunk_size = 64 * 1024};
  struct result result = {.file = config_find(&arena, file)};
  check(&arena, &result);
  if (json) {
    write_json(&result);
  } else {
    write_text(&result);
  }
  arena_free(&arena);
  return result.problems.count ? 1 : 0;
}
