// `signalbox keys`: works on the store directly, also beside a running gateway, which notices at once.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/ledger_json.h"
#include "base/rand.h"
#include "base/time.h"
#include "cli/cli.h"
#include "config/config.h"
#include "store/store.h"

static const char help[] =
    "usage: signalbox keys create [NAME] [--limit USD] [--expires YYYY-MM-DD] [--management]\n"
    "       signalbox keys list\n"
    "       signalbox keys disable|enable|delete ID|NAME\n\n"
    "A key's text is shown once, when it is created; only a keyed hash of it is kept. A running gateway takes changes "
    "at\n"
    "once. Keys declared in the configuration (auth.keys) are not listed here.\n\n"
    "  -c FILE          configuration (for its data_dir)\n"
    "  --limit USD      what the key may spend in all, such as 10.00\n"
    "  --expires DATE   valid until the beginning of that day, UTC\n"
    "  --management     a key for the account API instead of inference\n"
    "  --json           output as JSON\n";

struct options {
  const char *config, *verb, *name, *limit, *expires;
  bool management, json;
};

static int usage_error(const char *what, const char *which) {
  fprintf(stderr, "signalbox keys: %s%s%s\n%s", what, which ? " " : "", which ? which : "", help);
  return 2;
}

static int failed(struct str why) {
  fprintf(stderr, "signalbox keys: %.*s\n", STR_ARGS(why));
  return 1;
}

static struct store *open_store(struct arena *arena, const struct options *o, struct config *config) {
  struct config_problems problems = {0};
  struct str path = config_find(arena, o->config), why;
  bool ok = path.len ? config_load(arena, path, config, &problems) : config_from_environment(arena, config, &problems);
  if (!ok) {
    config_problems_print(&problems, path);
    return NULL;
  }
  struct store *s = store_open(arena, config->data_dir, false, &why);
  if (!s) failed(why);
  return s;
}

static bool date_parse(const char *text, uint64_t *unix_s) {
  struct tm tm = {0};
  uint64_t year, month, day;
  struct str t = str_from_cstr(text);
  if (t.len != 10 || t.ptr[4] != '-' || t.ptr[7] != '-' || !str_to_u64(str_from(t.ptr, 4), 9999, &year) ||
      !str_to_u64(str_from(t.ptr + 5, 2), 12, &month) || !str_to_u64(str_from(t.ptr + 8, 2), 31, &day) || !month ||
      !day)
    return false;
  tm.tm_year = (int)year - 1900;
  tm.tm_mon = (int)month - 1;
  tm.tm_mday = (int)day;
  time_t when = timegm(&tm);
  // timegm turns 31 February into March: such a date does not exist.
  if (when <= 0 || tm.tm_mday != (int)day) return false;
  *unix_s = (uint64_t)when;
  return true;
}

static int create(struct arena *arena, struct store *s, const struct config *config, const struct options *o) {
  struct str why, text = store_key_text(arena);
  uint8_t pepper[32];
  char id[20] = "key_";
  struct rand random;
  rand_seed(&random);
  rand_alnum(&random, id + 4, 16);
  struct key_row row = {
      .id = str_from(id, sizeof id),
      .name = str_from_cstr(o->name ? o->name : "key"),
      .prefix = arena_printf(arena, "%.13s\xe2\x80\xa6", text.ptr),
      .management = o->management,
      .created = time_unix_us() / 1000000,
  };
  row.updated = row.created;
  if (o->limit && !(row.has_limit = money_parse(str_from_cstr(o->limit), &row.limit)))
    return usage_error("--limit is not an amount:", o->limit);
  if (o->expires && !date_parse(o->expires, &row.expires)) return usage_error("--expires is not a date:", o->expires);
  if (o->expires && row.expires <= row.created) return usage_error("--expires lies in the past:", o->expires);
  if (!store_pepper(arena, config->data_dir, pepper, &why)) return failed(why);
  store_key_hash(pepper, text, row.hash);
  if (!store_key_insert(s, &row, &why)) return failed(why);
  if (o->json) {
    struct buf out;
    buf_init(&out, 65536);
    buf_lit(&out, "{\"data\":");
    keys_item_json(&out, &row);
    buf_printf(&out, ",\"key\":\"%.*s\"}", STR_ARGS(text));
    printf("%.*s\n", (int)out.len, out.ptr);
    buf_free(&out);
  } else {
    printf("%.*s\n", STR_ARGS(text));
    fprintf(stderr, "Created %.*s (%.*s). The key is shown only now.\n", STR_ARGS(row.id), STR_ARGS(row.name));
  }
  return 0;
}

static void money_text(money_pico amount, char *into, size_t size) {
  struct buf out;
  buf_init(&out, 64);
  money_write(&out, amount);
  snprintf(into, size, "%.*s", (int)out.len, out.ptr);
  buf_free(&out);
}

static void print_rows(const struct key_row *rows, size_t count, bool json) {
  struct buf out;
  buf_init(&out, (size_t)1 << 28);
  if (json) buf_lit(&out, "{\"data\":[");
  if (!json)
    buf_printf(&out, "%-22s %-20s %-16s %-10s %12s %12s\n", "ID", "NAME", "KEY", "STATE", "SPENT USD", "LIMIT USD");
  for (size_t i = 0, n = 0; i < count; i++) {
    const struct key_row *k = &rows[i];
    if (k->declared) continue;
    if (json) {
      if (n++) buf_char(&out, ',');
      keys_item_json(&out, k);
      continue;
    }
    char spent[40], limit[40] = "-";
    money_text(k->spent, spent, sizeof spent);
    if (k->has_limit) money_text(k->limit, limit, sizeof limit);
    buf_printf(&out, "%-22.*s %-20.*s %-18.*s %-10s %12s %12s\n", STR_ARGS(k->id), STR_ARGS(k->name),
               STR_ARGS(k->prefix),
               k->disabled     ? "disabled"
               : k->management ? "management"
                               : "enabled",
               spent, limit);
  }
  if (json) buf_lit(&out, "]}\n");
  fwrite(out.ptr, 1, out.len, stdout);
  buf_free(&out);
}

static struct key_row *find(struct key_row *rows, size_t count, const char *which, bool *ambiguous) {
  struct key_row *found = NULL;
  struct str name = str_from_cstr(which);
  *ambiguous = false;
  for (size_t i = 0; i < count; i++) {
    if (rows[i].declared) continue;
    if (str_eq(rows[i].id, name)) return *ambiguous = false, &rows[i];
    if (!str_eq(rows[i].name, name)) continue;
    *ambiguous = found != NULL;
    found = &rows[i];
  }
  return found;
}

static int change(struct arena *arena, struct store *s, const struct options *o) {
  struct key_row *rows;
  size_t count;
  struct str why;
  bool ambiguous, gone;
  if (!o->name) return usage_error("name a key by its ID or NAME", NULL);
  if (!store_key_list(s, arena, &rows, &count, &why)) return failed(why);
  struct key_row *row = find(rows, count, o->name, &ambiguous);
  if (ambiguous) return failed(STR("several keys have that name; give the ID"));
  if (!row) return failed(STR("there is no such key; `signalbox keys list` shows all"));
  if (!strcmp(o->verb, "delete")) {
    if (!store_key_delete(s, row->id, &gone, &why)) return failed(why);
  } else {
    row->disabled = !strcmp(o->verb, "disable");
    row->updated = time_unix_us() / 1000000;
    if (!store_key_update(s, row, &why)) return failed(why);
  }
  printf("%sd %.*s\n", o->verb, STR_ARGS(row->id));
  return 0;
}

static int run(struct arena *arena, const struct options *o) {
  struct config config;
  struct store *s = open_store(arena, o, &config);
  if (!s) return 1;
  int status = 0;
  if (!strcmp(o->verb, "create")) {
    status = create(arena, s, &config, o);
  } else if (!strcmp(o->verb, "list")) {
    struct key_row *rows;
    size_t count;
    struct str why;
    if (store_key_list(s, arena, &rows, &count, &why))
      print_rows(rows, count, o->json);
    else
      status = failed(why);
  } else {
    status = change(arena, s, o);
  }
  store_close(s);
  return status;
}

int cmd_keys(int argc, char **argv) {
  static const char *const verbs[] = {"create", "list", "disable", "enable", "delete"};
  struct options o = {0};
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    const char **value = !strcmp(word, "-c") || !strcmp(word, "--config") ? &o.config
                         : !strcmp(word, "--limit")                       ? &o.limit
                         : !strcmp(word, "--expires")                     ? &o.expires
                                                                          : NULL;
    if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
      fputs(help, stdout);
      return 0;
    }
    if (value && i + 1 == argc) return usage_error("a value is missing behind", word);
    if (value)
      *value = argv[++i];
    else if (!strcmp(word, "--json"))
      o.json = true;
    else if (!strcmp(word, "--management"))
      o.management = true;
    else if (word[0] == '-')
      return usage_error("not understood:", word);
    else if (!o.verb)
      o.verb = word;
    else if (!o.name)
      o.name = word;
    else
      return usage_error("one name at a time, not also", word);
  }
  if (!o.verb) return usage_error("what shall be done?", NULL);
  bool known = false;
  for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) known |= !strcmp(o.verb, verbs[i]);
  if (!known) return usage_error("not understood:", o.verb);
  struct arena arena = {0};
  int status = run(&arena, &o);
  arena_free(&arena);
  return status;
}
