// `signalbox presets`: works on the store directly, also beside a running gateway, which notices at once.
#include <stdio.h>
#include <string.h>

#include "admin/preset_json.h"
#include "cli/cli.h"
#include "config/config.h"
#include "policy/preset_set.h"
#include "store/presets.h"

static const char help[] =
    "usage: signalbox presets list\n"
    "       signalbox presets show SLUG\n"
    "       signalbox presets delete SLUG\n\n"
    "Presets are made by POST /api/v1/presets/SLUG/chat/completions. A running gateway takes changes at once. "
    "`delete`\n"
    "takes a preset away with all its versions.\n\n"
    "  -c FILE   configuration (for its data_dir)\n"
    "  --json    output as JSON\n";

struct options {
  const char *config, *verb, *slug;
  bool json;
};

static int usage_error(const char *what, const char *which) {
  fprintf(stderr, "signalbox presets: %s%s%s\n%s", what, which ? " " : "", which ? which : "", help);
  return 2;
}

static int failed(struct str why) {
  fprintf(stderr, "signalbox presets: %.*s\n", STR_ARGS(why));
  return 1;
}

static struct store *open_store(struct arena *arena, const struct options *o) {
  struct config config;
  struct config_problems problems = {0};
  struct str path = config_find(arena, o->config), why;
  bool ok =
      path.len ? config_load(arena, path, &config, &problems) : config_from_environment(arena, &config, &problems);
  if (!ok) {
    config_problems_print(&problems, path);
    return NULL;
  }
  struct store *s = store_open(arena, config.data_dir, false, &why);
  if (!s) failed(why);
  return s;
}

static int print(struct buf *out) {
  bool ok = !out->failed && fwrite(out->ptr, 1, out->len, stdout) == out->len;
  buf_free(out);
  return ok ? 0 : failed(STR("out of memory"));
}

static int list(struct arena *arena, struct store *s, const struct options *o) {
  struct preset_row *rows;
  size_t count;
  uint64_t total;
  struct str why;
  struct buf out;
  if (!store_preset_list(s, arena, 0, PRESETS_MAX, &rows, &count, &total, &why)) return failed(why);
  buf_init(&out, (size_t)1 << 28);
  if (o->json)
    buf_lit(&out, "{\"data\":[");
  else
    buf_printf(&out, "%-30s %-10s %8s  %s\n", "SLUG", "STATUS", "VERSION", "NAME");
  for (size_t i = 0; i < count; i++) {
    if (o->json) {
      if (i) buf_char(&out, ',');
      preset_json(&out, &rows[i], NULL);
      continue;
    }
    struct str status = preset_status_name(rows[i].status < PRESET_STATUSES ? rows[i].status : PRESET_DISABLED);
    buf_printf(&out, "%-30.*s %-10.*s %8llu  %.*s\n", STR_ARGS(rows[i].slug), STR_ARGS(status),
               (unsigned long long)rows[i].version, STR_ARGS(rows[i].name));
  }
  if (o->json) buf_printf(&out, "],\"total_count\":%llu}\n", (unsigned long long)total);
  return print(&out);
}

static int show(struct arena *arena, struct store *s, const struct options *o, const struct preset_row *row) {
  struct preset_version_row version;
  struct str why;
  struct buf out;
  bool found;
  if (!store_preset_version(s, arena, row->id, row->version, &version, &found, &why)) return failed(why);
  if (!found) return failed(STR("the preset has lost its version; the database was changed by hand?"));
  buf_init(&out, (size_t)1 << 28);
  if (o->json) {
    buf_lit(&out, "{\"data\":");
    preset_json(&out, row, &version);
    buf_lit(&out, "}\n");
    return print(&out);
  }
  struct str status = preset_status_name(row->status < PRESET_STATUSES ? row->status : PRESET_DISABLED);
  buf_printf(&out, "%.*s, version %llu, %.*s\n", STR_ARGS(row->slug), (unsigned long long)row->version,
             STR_ARGS(status));
  if (row->description.len) buf_printf(&out, "%.*s\n", STR_ARGS(row->description));
  buf_printf(&out, "\n%.*s\n", STR_ARGS(version.config));
  if (version.system_prompt.len) buf_printf(&out, "\n%.*s\n", STR_ARGS(version.system_prompt));
  return print(&out);
}

static int with_one(struct arena *arena, struct store *s, const struct options *o) {
  struct preset_row row;
  struct str why;
  bool found;
  if (!store_preset_find(s, arena, str_from_cstr(o->slug), &row, &found, &why)) return failed(why);
  if (!found) return failed(STR("there is no such preset; `signalbox presets list` shows all"));
  if (!strcmp(o->verb, "show")) return show(arena, s, o, &row);
  if (!store_preset_delete(s, row.id, &found, &why)) return failed(why);
  if (o->json)
    printf("{\"deleted\":true}\n");
  else
    printf("deleted %.*s\n", STR_ARGS(row.slug));
  return 0;
}

int cmd_presets(int argc, char **argv) {
  struct options o = {0};
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    bool config = !strcmp(word, "-c") || !strcmp(word, "--config");
    if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
      fputs(help, stdout);
      return 0;
    }
    if (config && i + 1 == argc) return usage_error("a value is missing behind", word);
    if (config)
      o.config = argv[++i];
    else if (!strcmp(word, "--json"))
      o.json = true;
    else if (word[0] == '-')
      return usage_error("not understood:", word);
    else if (!o.verb)
      o.verb = word;
    else if (!o.slug)
      o.slug = word;
    else
      return usage_error("one preset at a time, not also", word);
  }
  if (!o.verb) return usage_error("what shall be done?", NULL);
  bool lists = !strcmp(o.verb, "list");
  if (!lists && strcmp(o.verb, "show") != 0 && strcmp(o.verb, "delete") != 0)
    return usage_error("not understood:", o.verb);
  if (lists && o.slug) return usage_error("not understood:", o.slug);
  if (!lists && !o.slug) return usage_error("name a preset by its SLUG", NULL);
  struct arena arena = {0};
  struct store *s = open_store(&arena, &o);
  int status = 1;
  if (s) status = lists ? list(&arena, s, &o) : with_one(&arena, s, &o);
  store_close(s);
  arena_free(&arena);
  return status;
}
