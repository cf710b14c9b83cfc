// `signalbox explain`: where a request would go, by a configuration. Nothing is sent, and no gateway need run: what it
// has measured of providers is not known here.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/explain_body.h"
#include "admin/explain_json.h"
#include "base/limits.h"
#include "base/rand.h"
#include "cli/cli.h"
#include "cli/load.h"
#include "gateway/presets.h"
#include "policy/plan.h"
#include "policy/preset_set.h"

static const char help[] =
    "usage: signalbox explain [-c FILE] [--json] --model MODEL [--prompt TEXT]\n"
    "       signalbox explain [-c FILE] [--json] [--model MODEL] BODY.json\n\n"
    "Shows which endpoints a request would be sent to, in order, and what keeps the others out. Nothing is sent. What "
    "a\n"
    "running gateway has measured is not known here: POST /api/v1/signalbox/explain there tells with it.\n\n"
    "  BODY.json      a request as it would be sent to /chat/completions; - reads standard input\n"
    "  --model MODEL  instead of the body's\n"
    "  --prompt TEXT  the user's message; else \"Hello\"\n"
    "  --seed N       of the draw among providers; the same number gives the same order\n"
    "  -c FILE        configuration; else $SIGNALBOX_CONFIG, ./signalbox.yaml, /etc/signalbox/signalbox.yaml;\n"
    "                 with none of them: what the environment makes of a start without a file\n"
    "  --json         what POST /api/v1/signalbox/explain answers\n";

struct options {
  const char *file, *model, *prompt, *body, *seed;
  bool json, help;
};

static int failed(struct str why) {
  fprintf(stderr, "signalbox explain: %.*s\n", STR_ARGS(why));
  return 1;
}

static int wrong_usage(const char *what, const char *which) {
  fprintf(stderr, "signalbox explain: %s%s; see --help\n", what, which);
  return 2;
}

// 0, or the exit status of wrong usage.
static int parse(int argc, char **argv, struct options *o) {
  struct {
    const char *name, **to;
  } values[] = {
      {"-c", &o->file}, {"--config", &o->file}, {"--model", &o->model}, {"--prompt", &o->prompt}, {"--seed", &o->seed}};
  for (int i = 1; i < argc; i++) {
    size_t v = 0;
    while (v < sizeof values / sizeof *values && strcmp(argv[i], values[v].name) != 0) v++;
    if (v < sizeof values / sizeof *values) {
      if (!(*values[v].to = cli_option_value(argc, argv, &i))) return 2;
    } else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
      o->help = true;
    } else if (!strcmp(argv[i], "--json")) {
      o->json = true;
    } else if ((argv[i][0] == '-' && argv[i][1]) || o->body) {
      return wrong_usage("unexpected ", argv[i]);
    } else {
      o->body = argv[i];
    }
  }
  if (o->help) return 0;
  if (!o->model && !o->body) return wrong_usage("give --model MODEL or BODY.json", "");
  if (o->prompt && o->body) return wrong_usage("--prompt and BODY.json exclude each other", "");
  return 0;
}

// --- the request ---

static bool read_file(FILE *from, struct buf *out) {
  char piece[16384];
  size_t n;
  while ((n = fread(piece, 1, sizeof piece, from)) > 0) buf_append(out, piece, n);
  return !ferror(from) && !out->failed;
}

static bool read_body(const char *name, struct buf *out) {
  bool standard = !strcmp(name, "-");
  FILE *from = standard ? stdin : fopen(name, "rb");
  bool good = from && read_file(from, out);
  if (from && !standard) fclose(from);
  if (!good) fprintf(stderr, "signalbox explain: %s cannot be read\n", name);
  return good;
}

static void write_body(const struct options *o, struct buf *out) {
  buf_lit(out, "{\"model\":");
  json_write_str(out, str_from_cstr(o->model));
  buf_lit(out, ",\"messages\":[{\"role\":\"user\",\"content\":");
  json_write_str(out, o->prompt ? str_from_cstr(o->prompt) : STR("Hello"));
  buf_lit(out, "}]}");
}

// Presets are in the store; it is only opened for a request that wants one.
static bool merge_preset(const struct config *config, struct chat_request *request, struct arena *arena,
                         struct fault_note *note) {
  struct str slug, why = {0};
  struct preset_use use;
  if (!preset_named(request, (struct str){0}, arena, &slug, note)) return false;
  if (!slug.len && json_get(&request->doc, 0, STR("preset")) == JSON_NONE) return true;
  struct store *store = store_open(arena, config->data_dir, false, &why);
  struct presets *presets = store ? presets_new() : NULL;
  struct presets_view view = {0};
  bool good = presets && presets_refresh(presets, store, true);
  if (good)
    good = preset_request(presets_look(presets, &view), request, arena, &use, note);
  else
    *note = (struct fault_note){FAULT_INTERNAL, why.len ? why : STR("The presets cannot be read."), STR("preset")};
  presets_view_free(&view);
  if (presets) presets_free(presets);
  if (store) store_close(store);
  return good;
}

// --- output ---

static void print_text(const struct buf *text) {
  printf("%.*s", STR_ARGS(buf_view(text)));
}

static void print_head(const struct plan *p) {
  const struct auto_choice *choice = &p->choice;
  printf("%.*s:", STR_ARGS(p->name.text));
  for (unsigned i = 0; i < p->model_count; i++) printf("%s %.*s", i ? "," : "", STR_ARGS(p->models[i]->id));
  printf(" (%s)\n", p->strategy);
  if (choice->count)
    printf("difficulty %.2f, chosen from %u models: %s\n", choice->difficulty, choice->pool, choice->reason);
}

static void print_rows(const struct plan *p, unsigned from, unsigned count, int width) {
  struct buf text;
  buf_init(&text, 65536);
  for (unsigned i = from; i < from + count; i++) {
    const struct routing_candidate *c = &p->routing.candidates[i];
    buf_clear(&text);
    explain_tag(&text, c->endpoint);
    buf_lit(&text, "  ");
    buf_str(&text, c->endpoint->model->id);
    if (c->filter == ROUTING_FILTER_NONE)
      printf("%3u  ", i + 1);
    else
      printf("  -  ");
    printf("%-*.*s  ", width, STR_ARGS(buf_view(&text)));
    buf_clear(&text);
    if (c->filter != ROUTING_FILTER_NONE)
      buf_printf(&text, "%s: ", routing_filter_name((enum routing_filter)c->filter));
    explain_reason(&text, c);
    print_text(&text);
    putchar('\n');
  }
  buf_free(&text);
}

static void print_table(const struct plan *p) {
  const struct routing *r = &p->routing;
  int width = 8;
  for (unsigned i = 0; i < r->count + r->out_count; i++) {
    const struct endpoint *e = r->candidates[i].endpoint;
    size_t len = e->provider->id.len + (e->tag.len ? e->tag.len + 1 : 0) + 2 + e->model->id.len;
    if ((int)len > width && len < 120) width = (int)len;
  }
  print_head(p);
  print_rows(p, 0, r->count, width);
  print_rows(p, r->count, r->out_count, width);
}

static int print_json(const struct explain *e) {
  struct buf out;
  buf_init(&out, LIMIT_REPLY_BODY);
  explain_json(&out, e);
  buf_char(&out, '\n');
  bool good = !out.failed && fwrite(out.ptr, 1, out.len, stdout) == out.len;
  buf_free(&out);
  return good ? 0 : failed(STR("out of memory"));
}

// --- the command ---

static int show(const struct options *o, const struct config *config, const struct catalogue *catalogue,
                struct chat_request *request, struct arena *arena) {
  struct fault_note note = {0};
  struct rand rand;
  uint64_t seed, most = ((uint64_t)1 << 53) - 1;
  rand_seed(&rand);
  seed = rand_next(&rand) & most;
  if (o->seed && !str_to_u64(str_from_cstr(o->seed), most, &seed)) return wrong_usage("--seed wants a number", "");
  if (!merge_preset(config, request, arena, &note)) return failed(note.message);
  if (o->model && o->body) request->model = str_from_cstr(o->model);
  struct auto_wish wish = auto_wish_of(config);
  struct plan_query query = {.house_auto = &wish,
                             .request = request,
                             .catalogue = catalogue,
                             .house = &config->routing,
                             .seed = seed,
                             .max = 16,
                             .explain = true};
  struct plan plan;
  bool good = plan_make(&query, arena, &plan, &note);
  bool answer = good || (plan.availability != AVAILABILITY_FINE && plan.availability != AVAILABILITY_MODEL_NOT_FOUND);
  if (!answer) return failed(note.message);
  if (o->json) {
    int status = print_json(&(struct explain){&plan, &query, good ? NULL : &note});
    return status ? status : !good;
  }
  print_table(&plan);
  if (!good) return failed(note.message);
  fputs("by the configuration alone: what a running gateway has measured is not known here\n", stderr);
  return 0;
}

static int run(const struct options *o, struct arena *arena, struct buf *body) {
  struct config config;
  struct catalogue catalogue;
  struct chat_request request = {0};
  struct fault_note note = {0};
  if (o->body ? !read_body(o->body, body) : (write_body(o, body), body->failed)) return 1;
  if (!cli_load(arena, o->file, &config, &catalogue)) return 1;
  bool parsed = chat_request_parse(&request, explain_body(buf_view(body), arena), arena, &note);
  int status = parsed ? show(o, &config, &catalogue, &request, arena) : failed(note.message);
  chat_request_free(&request);
  return status;
}

int cmd_explain(int argc, char **argv) {
  struct options o = {0};
  int wrong = parse(argc, argv, &o);
  if (wrong) return wrong;
  if (o.help) {
    fputs(help, stdout);
    return 0;
  }
  struct arena arena = {0};
  struct buf body;
  buf_init(&body, LIMIT_REQUEST_BODY);
  int status = run(&o, &arena, &body);
  buf_free(&body);
  arena_free(&arena);
  return status;
}
