// `signalbox providers`: those of a configuration, or all that are known by name.
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "json/json.h"
#include "provider/table.h"

static const char help[] =
    "usage: signalbox providers [-c FILE] [--json] [--all | --markdown]\n\n"
    "Lists the providers of a configuration, with how many keys and models each has.\n\n"
    "  -c FILE      configuration; else $SIGNALBOX_CONFIG, ./signalbox.yaml, /etc/signalbox/signalbox.yaml;\n"
    "               with none of them: what the environment makes of a start without a file\n"
    "  --all        every provider that is known by name, configured or not\n"
    "  --json       as JSON\n"
    "  --markdown   the table of docs/providers.md\n";

struct options {
  const char *file;
  bool json, all, markdown, help;
};

// What is said of one provider, configured or only known.
struct line {
  struct str id, name, base_url;
  enum protocol protocol;
  size_t keys, models;
  bool configured;
  const char *const *env_keys;  // the row's; NULL: none known
};

static int parse(int argc, char **argv, struct options *o) {
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
      o->help = true;
    } else if (!strcmp(argv[i], "--json")) {
      o->json = true;
    } else if (!strcmp(argv[i], "--all")) {
      o->all = true;
    } else if (!strcmp(argv[i], "--markdown")) {
      o->markdown = true;
    } else if (!strcmp(argv[i], "-c") || !strcmp(argv[i], "--config")) {
      if (!(o->file = cli_option_value(argc, argv, &i))) return 2;
    } else {
      fprintf(stderr, "signalbox providers: unexpected \"%s\"; see --help\n", argv[i]);
      return 2;
    }
  }
  return 0;
}

static size_t models_of(const struct catalogue *c, const struct provider *p) {
  size_t count = 0;
  for (size_t i = 0; i < c->model_count; i++) {
    bool there = false;
    for (size_t k = 0; k < c->models[i].endpoint_count; k++) there |= c->models[i].endpoints[k].provider == p;
    count += there;
  }
  return count;
}

static struct line line_of_provider(const struct catalogue *c, const struct provider *p) {
  const struct provider_row *row = provider_row_find(p->id);
  return (struct line){p->id,        p->name,         p->base_url, p->protocol,
                       p->key_count, models_of(c, p), true,        row ? row->env_keys : NULL};
}

static struct line line_of_row(const struct provider_row *row) {
  return (struct line){.id = str_from_cstr(row->id),
                       .name = str_from_cstr(row->name),
                       .base_url = str_from_cstr(row->base_url),
                       .protocol = row->protocol,
                       .env_keys = row->env_keys};
}

static void json_line(struct buf *out, const struct line *l) {
  buf_char(out, '{');
  json_write_key(out, STR("id"));
  json_write_str(out, l->id);
  json_write_key(out, STR("name"));
  json_write_str(out, l->name);
  json_write_key(out, STR("protocol"));
  json_write_str(out, str_from_cstr(protocol_name(l->protocol)));
  json_write_key(out, STR("base_url"));
  if (l->base_url.len)
    json_write_str(out, l->base_url);
  else
    buf_lit(out, "null");
  json_write_key(out, STR("env_keys"));
  buf_char(out, '[');
  for (size_t i = 0; l->env_keys && i < 3 && l->env_keys[i]; i++) {
    if (i) buf_char(out, ',');
    json_write_str(out, str_from_cstr(l->env_keys[i]));
  }
  buf_printf(out, "],\"configured\":%s,\"keys\":%zu,\"models\":%zu}", l->configured ? "true" : "false", l->keys,
             l->models);
}

static void text_line(struct buf *out, const struct line *l) {
  buf_printf(out, "%-18.*s %-10s %4zu %6zu  %s", STR_ARGS(l->id), protocol_name(l->protocol), l->keys, l->models,
             l->configured ? "configured" : "-         ");
  if (l->base_url.len)
    buf_printf(out, "  %.*s", STR_ARGS(l->base_url));
  else
    buf_lit(out, "  (base_url must be configured)");
  if (!l->configured && l->env_keys && l->env_keys[0]) buf_printf(out, "  %s", l->env_keys[0]);
  buf_char(out, '\n');
}

struct output {
  struct buf buf;
  bool json;
  size_t lines;
};

static void put(struct output *o, struct line l) {
  if (o->json) {
    if (o->lines) buf_char(&o->buf, ',');
    json_line(&o->buf, &l);
  } else {
    text_line(&o->buf, &l);
  }
  o->lines++;
}

static void put_all(struct output *o, const struct catalogue *c, bool known_too) {
  if (o->json)
    buf_lit(&o->buf, "{\"data\":[");
  else
    buf_printf(&o->buf, "%-18s %-10s %4s %6s  %-10s  %s\n", "PROVIDER", "PROTOCOL", "KEYS", "MODELS", "STATE",
               "ADDRESS");
  for (size_t i = 0; i < c->provider_count; i++) put(o, line_of_provider(c, &c->providers[i]));
  for (size_t i = 0; known_too && i < provider_row_count; i++) {
    if (!catalogue_provider(c, str_from_cstr(provider_rows[i].id))) put(o, line_of_row(&provider_rows[i]));
  }
  if (o->json) buf_lit(&o->buf, "]}\n");
}

int cmd_providers(int argc, char **argv) {
  struct options o = {0};
  int wrong = parse(argc, argv, &o);
  if (wrong) return wrong;
  if (o.help) {
    fputs(help, stdout);
    return 0;
  }
  struct arena arena = {0};
  struct catalogue catalogue = {0};
  struct output out = {.json = o.json};
  buf_init(&out.buf, 4 * 1024 * 1024);
  bool ok = true;
  if (o.markdown)
    provider_table_markdown(&out.buf);
  else if ((ok = cli_load_catalogue(&arena, o.file, &catalogue)))
    put_all(&out, &catalogue, o.all);
  if (ok) ok = !out.buf.failed && fwrite(out.buf.ptr, 1, out.buf.len, stdout) == out.buf.len;
  buf_free(&out.buf);
  arena_free(&arena);
  return ok ? 0 : 1;
}
