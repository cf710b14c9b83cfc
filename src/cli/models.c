// `signalbox models`: what can be called, where, and for how much.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/catalogue_json.h"
#include "admin/models_query.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "llm/money.h"
#include "llm/shipped.h"

static const char help[] =
    "usage: signalbox models [-c FILE] [--json] [FILTER]\n\n"
    "Lists the models that a configuration offers: context length in tokens, USD for a million tokens in and out at "
    "the\n"
    "first endpoint, and the providers in the order they are tried. FILTER is a part of an id or a name.\n\n"
    "  -c FILE   configuration; else $SIGNALBOX_CONFIG, ./signalbox.yaml, /etc/signalbox/signalbox.yaml;\n"
    "            with none of them: what the environment makes of a start without a file\n"
    "  --json    what GET /api/v1/models?output_modalities=all answers\n";

struct options {
  const char *file, *filter;
  bool json, help;
};

// 0, or the exit status of wrong usage.
static int parse(int argc, char **argv, struct options *o) {
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
      o->help = true;
    } else if (!strcmp(argv[i], "--json")) {
      o->json = true;
    } else if (!strcmp(argv[i], "-c") || !strcmp(argv[i], "--config")) {
      if (!(o->file = cli_option_value(argc, argv, &i))) return 2;
    } else if (argv[i][0] == '-' || o->filter) {
      fprintf(stderr, "signalbox models: unexpected \"%s\"; see --help\n", argv[i]);
      return 2;
    } else {
      o->filter = argv[i];
    }
  }
  return 0;
}

// "q=..." with everything encoded that may mean something in a query.
static void query_write(struct buf *out, const char *filter) {
  buf_lit(out, "output_modalities=all&q=");
  for (const char *p = filter ? filter : ""; *p; p++) buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
}

static int print_json(const struct catalogue *c, struct str query) {
  struct buf out;
  buf_init(&out, 64 * 1024 * 1024);
  models_json(&out, c, query);
  buf_char(&out, '\n');
  bool ok = !out.failed && fwrite(out.ptr, 1, out.len, stdout) == out.len;
  buf_free(&out);
  return ok ? 0 : 1;
}

// USD a million tokens, as short as it can be said exactly; "-" when not known.
static void million_write(struct buf *out, price_femto price) {
  money_pico amount;
  if (price == PRICE_UNSET || __builtin_mul_overflow(price, 1000, &amount))
    buf_char(out, '-');
  else
    money_write(out, amount);
}

static void print_row(const struct model *m, int width) {
  struct buf prompt, completion;
  buf_init(&prompt, 64);
  buf_init(&completion, 64);
  million_write(&prompt, m->endpoints[0].pricing.prompt);
  million_write(&completion, m->endpoints[0].pricing.completion);
  printf("%-*.*s  %9llu  %9.*s  %9.*s  ", width, STR_ARGS(m->id), (unsigned long long)m->context_length,
         STR_ARGS(buf_view(&prompt)), STR_ARGS(buf_view(&completion)));
  for (size_t i = 0; i < m->endpoint_count; i++) {
    struct str id = m->endpoints[i].provider->id;
    if (!i || !str_eq(id, m->endpoints[i - 1].provider->id)) printf("%s%.*s", i ? ", " : "", STR_ARGS(id));
  }
  putchar('\n');
  buf_free(&prompt);
  buf_free(&completion);
}

static int print_table(struct arena *arena, const struct catalogue *c, struct str query) {
  struct models_query q;
  models_query_parse(arena, query, &q);
  const struct model **found = malloc((c->model_count + 1) * sizeof *found);
  if (!found) return 1;
  size_t count = models_query_run(&q, c, found);
  int width = 5;
  for (size_t i = 0; i < count; i++) {
    if ((int)found[i]->id.len > width) width = (int)found[i]->id.len;
  }
  printf("%-*s  %9s  %9s  %9s  %s\n", width, "MODEL", "CONTEXT", "IN $/M", "OUT $/M", "PROVIDERS");
  for (size_t i = 0; i < count; i++) print_row(found[i], width);
  fprintf(stderr, "%zu of %zu models; shipped facts as of %s\n", count, c->model_count, shipped_date);
  free(found);
  return 0;
}

int cmd_models(int argc, char **argv) {
  struct options o = {0};
  int wrong = parse(argc, argv, &o);
  if (wrong) return wrong;
  if (o.help) {
    fputs(help, stdout);
    return 0;
  }
  struct arena arena = {0};
  struct catalogue catalogue;
  struct buf query;
  buf_init(&query, 64 * 1024);
  query_write(&query, o.filter);
  int status = 1;
  if (cli_load_catalogue(&arena, o.file, &catalogue))
    status = o.json ? print_json(&catalogue, buf_view(&query)) : print_table(&arena, &catalogue, buf_view(&query));
  buf_free(&query);
  arena_free(&arena);
  return status;
}
