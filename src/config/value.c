// One reader a type of setting. Each takes a scalar (or the few forms its type allows), and leaves the member alone
// when it has to complain. What a secret or a reference brought is never repeated in a message.
#include "config/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "config/address.h"
#include "config/problem.h"
#include "config/reference.h"
#include "provider/table.h"

void value_problem(struct reader *r, const struct setting *setting, const struct yaml_node *node, const char *format,
                   ...) {
  char text[768];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  config_problem_add(r->arena, r->problems, node->line, node->column, "%s: %s",
                     node->line || !setting->env ? setting->path : setting->env, text);
}

void value_no_memory(struct reader *r) {
  config_problem_add(r->arena, r->problems, 0, 0, "out of memory");
}

bool value_text(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str *out) {
  if (node->type != YAML_SCALAR) {
    value_problem(r, setting, node, "expected %s, got %s", setting_type_name(setting->type), yaml_type_name(node));
    return false;
  }
  struct str why = {0};
  if (yaml_is_null(node)) {
    *out = STR("");
  } else if (!node->line) {
    *out = node->text;  // the environment's own variables are taken as they are
  } else if (!reference_expand(r->arena, node->text, out, &why)) {
    value_problem(r, setting, node, "%.*s", STR_ARGS(why));
    return false;
  }
  if (!out->len) {
    value_problem(r, setting, node, "is empty; give a value or leave the line out");
    return false;
  }
  return true;
}

// ", got 'x'" when the value may be shown, else nothing.
static struct str got(struct reader *r, const struct setting *setting, const struct yaml_node *node) {
  if (setting_is_secret(setting->type) || str_find(node->text, STR("${"), 0) != SIZE_MAX) return STR("");
  struct str shown = problem_show(r->arena, node->text);
  struct str text = arena_printf(r->arena, ", got '%.*s'", STR_ARGS(shown));
  return text.ptr ? text : STR("");
}

static void bad(struct reader *r, const struct setting *setting, const struct yaml_node *node, const char *what) {
  value_problem(r, setting, node, "%s%.*s", what, STR_ARGS(got(r, setting, node)));
}

static void read_text(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                      void *at) {
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.ptr[i];
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) {
      value_problem(r, setting, node, "has control characters");
      return;
    }
  }
  *(struct str *)at = text;
}

static bool is_word(struct str text, const char *more) {
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    bool usual = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!usual && (!c || !strchr(more, c))) return false;
  }
  return text.len <= 200;
}

static void read_id(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                    void *at) {
  bool model = setting->type == SETTING_MODEL_ID;
  if (is_word(text, model ? "._-/:@+" : "._-")) {
    *(struct str *)at = text;
  } else {
    bad(r, setting, node,
        model ? "expected letters, digits and . _ - / : @ +" : "expected a word of letters, digits and . _ -");
  }
}

static void read_file(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                      void *at) {
  struct str name = arena_str(r->arena, text);
  if (!name.ptr) {
    value_no_memory(r);
  } else if (access(name.ptr, R_OK)) {
    bad(r, setting, node, "the file cannot be read");
  } else {
    *(struct str *)at = name;
  }
}

static void read_url(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                     void *at) {
  const char *trouble = address_url(text, true, at);
  if (trouble) bad(r, setting, node, trouble);
}

static bool is_secret_text(struct reader *r, const struct setting *setting, const struct yaml_node *node,
                           struct str text) {
  bool visible = true;
  for (size_t i = 0; i < text.len; i++) visible = visible && text.ptr[i] > 0x20 && text.ptr[i] < 0x7F;
  if (visible && text.len <= 8192) return true;
  value_problem(r, setting, node,
                visible ? "is longer than 8,192 bytes" : "has a space, a line break or a letter that no key has");
  return false;
}

static void read_secret(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                        void *at) {
  if (is_secret_text(r, setting, node, text)) *(struct str *)at = text;
}

static void read_switch(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                        void *at) {
  static const char *const words[] = {"off", "on", "false", "true", "no", "yes"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (str_eq_nocase(text, str_from_cstr(words[i]))) {
      *(bool *)at = i % 2;
      return;
    }
  }
  bad(r, setting, node, "expected on or off");
}

struct unit {
  const char *name;
  uint64_t factor;
};

// "10", "10s", "10 s": digits and perhaps a unit.
static bool parse_scaled(struct str text, const struct unit *units, uint64_t *out) {
  size_t digits = 0;
  while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') digits++;
  struct str unit = str_trim(str_skip(text, digits));
  for (; units->name; units++) {
    if (!str_eq_nocase(unit, str_from_cstr(units->name))) continue;
    return str_to_u64(str_from(text.ptr, digits), UINT64_MAX, out) && !__builtin_mul_overflow(*out, units->factor, out);
  }
  return false;
}

static bool in_range(struct reader *r, const struct setting *setting, const struct yaml_node *node, uint64_t value) {
  if (value >= setting->min && value <= setting->max) return true;
  value_problem(r, setting, node, "must be between %llu and %llu%s%.*s", (unsigned long long)setting->min,
                (unsigned long long)setting->max, setting->type == SETTING_TIME ? " ms" : "",
                STR_ARGS(got(r, setting, node)));
  return false;
}

static void read_time(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                      void *at) {
  static const struct unit units[] = {{"", 1},        {"ms", 1},      {"s", 1000}, {"m", 60000},
                                      {"min", 60000}, {"h", 3600000}, {0}};
  uint64_t value;
  if (!parse_scaled(text, units, &value)) {
    bad(r, setting, node, "expected milliseconds, or a time like 500ms, 10s, 2m");
  } else if (in_range(r, setting, node, value)) {
    *(unsigned *)at = (unsigned)value;
  }
}

static void read_size(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                      void *at) {
  static const struct unit units[] = {{"", 1},
                                      {"B", 1},
                                      {"kB", 1000},
                                      {"KiB", 1 << 10},
                                      {"MB", 1000000},
                                      {"MiB", 1 << 20},
                                      {"GB", 1000000000ull},
                                      {"GiB", 1 << 30},
                                      {0}};
  uint64_t value;
  if (!parse_scaled(text, units, &value)) {
    bad(r, setting, node, "expected bytes, or a size like 512KiB, 32MiB");
  } else if (in_range(r, setting, node, value)) {
    *(uint64_t *)at = value;
  }
}

static void read_count(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                       void *at) {
  uint64_t value;
  if (!str_to_u64(text, UINT64_MAX, &value)) {
    bad(r, setting, node, "expected a whole number");
  } else if (in_range(r, setting, node, value)) {
    *(uint64_t *)at = value;
  }
}

// An hour of the day as a number: 30 is 00:30.
static void read_clock(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                       void *at) {
  uint64_t value;
  if (str_to_u64(text, setting->max, &value) && value % 100 < 60) {
    *(unsigned *)at = (unsigned)value;
  } else {
    bad(r, setting, node, "expected an hour of the day as HHMM, as in 30 (00:30) or 1630");
  }
}

static void read_workers(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                         void *at) {
  uint64_t value;
  if (str_eq_nocase(text, STR("auto"))) {
    *(unsigned *)at = 0;
  } else if (!str_to_u64(text, UINT64_MAX, &value)) {
    bad(r, setting, node, "expected a number or auto");
  } else if (in_range(r, setting, node, value)) {
    *(unsigned *)at = (unsigned)value;
  }
}

static void read_price(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                       void *at) {
  if (!price_parse(text, at))
    bad(r, setting, node, "expected USD as a decimal number of at most 15 places, not negative, as in \"0.00000015\"");
}

static void read_limit(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                       void *at) {
  if (!money_parse(text, at)) bad(r, setting, node, "expected USD as a decimal number, not negative, as in \"10.00\"");
}

static void read_protocol(struct reader *r, const struct setting *setting, const struct yaml_node *node,
                          struct str text, void *at) {
  if (protocol_parse(text, at)) return;
  struct nearest nearest;
  nearest_init(&nearest, text);
  char names[256] = "";
  size_t len = 0;
  for (int i = 0; i < PROTOCOL_COUNT; i++) {
    const char *name = protocol_name((enum protocol)i);
    nearest_offer(&nearest, str_from_cstr(name));
    int n = snprintf(names + len, sizeof names - len, "%s%s", i ? ", " : "", name);
    if (n > 0 && (size_t)n < sizeof names - len) len += (size_t)n;
  }
  if (nearest.best.ptr) {
    value_problem(r, setting, node, "unknown protocol; did you mean '%.*s'?", STR_ARGS(nearest.best));
  } else {
    value_problem(r, setting, node, "unknown protocol%.*s; there are %s", STR_ARGS(got(r, setting, node)), names);
  }
}

static void read_sort(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                      void *at) {
  if (!sort_by_parse(text, at)) bad(r, setting, node, "expected " SORT_WORDS);
}

static void read_cost_tier(struct reader *r, const struct setting *setting, const struct yaml_node *node,
                           struct str text, void *at) {
  if (!cost_tier_parse(text, at)) bad(r, setting, node, "expected " COST_TIER_WORDS);
}

static void read_collection(struct reader *r, const struct setting *setting, const struct yaml_node *node,
                            struct str text, void *at) {
  bool deny = str_eq_nocase(text, STR("deny"));
  if (deny || str_eq_nocase(text, STR("allow")))
    *(bool *)at = deny;
  else
    bad(r, setting, node, "expected allow or deny");
}

static void read_store(struct reader *r, const struct setting *setting, const struct yaml_node *node, struct str text,
                       void *at) {
  if (str_eq(text, STR("sqlite"))) {
    *(struct str *)at = text;
  } else if (str_starts(text, STR("postgresql:")) || str_starts(text, STR("postgres:"))) {
    value_problem(r, setting, node, "PostgreSQL is not in this version; write sqlite");
  } else {
    value_problem(r, setting, node, "expected sqlite");
  }
}

static void read_shared_state(struct reader *r, const struct setting *setting, const struct yaml_node *node,
                              struct str text, void *at) {
  if (str_eq(text, STR("none"))) {
    *(struct str *)at = text;
  } else if (str_find(text, STR("://"), 0) != SIZE_MAX) {
    value_problem(r, setting, node, "state shared between nodes is not in this version; write none");
  } else {
    value_problem(r, setting, node, "expected none");
  }
}

static void read_cache_scope(struct reader *r, const struct setting *setting, const struct yaml_node *node,
                             struct str text, void *at) {
  if (str_eq_nocase(text, STR("key")))
    *(bool *)at = false;
  else if (str_eq_nocase(text, STR("shared")))
    *(bool *)at = true;
  else
    bad(r, setting, node, "expected key or shared");
}

typedef void (*scalar_reader)(struct reader *, const struct setting *, const struct yaml_node *, struct str, void *);

static const scalar_reader scalar_readers[SETTING_TYPE_COUNT] = {
    [SETTING_TEXT] = read_text,
    [SETTING_ID] = read_id,
    [SETTING_MODEL_ID] = read_id,
    [SETTING_POLICY] = read_text,
    [SETTING_FILE] = read_file,
    [SETTING_URL] = read_url,
    [SETTING_SECRET] = read_secret,
    [SETTING_SWITCH] = read_switch,
    [SETTING_WORKERS] = read_workers,
    [SETTING_TIME] = read_time,
    [SETTING_SIZE] = read_size,
    [SETTING_COUNT] = read_count,
    [SETTING_CLOCK] = read_clock,
    [SETTING_PRICE] = read_price,
    [SETTING_LIMIT] = read_limit,
    [SETTING_PROTOCOL] = read_protocol,
    [SETTING_SORT] = read_sort,
    [SETTING_COST_TIER] = read_cost_tier,
    [SETTING_COLLECTION] = read_collection,
    [SETTING_STORE] = read_store,
    [SETTING_SHARED_STATE] = read_shared_state,
    [SETTING_CACHE_SCOPE] = read_cache_scope,
};

// A list's items, or the node itself when it stands alone.
static size_t item_count(const struct yaml_node *node) {
  return node->type == YAML_LIST ? node->count : 1;
}
static const struct yaml_node *item_at(const struct yaml_node *node, size_t i) {
  return node->type == YAML_LIST ? node->pairs[i].value : node;
}

static void read_listen(struct reader *r, const struct setting *setting, const struct yaml_node *node, void *base) {
  size_t count = item_count(node), kept = 0;
  struct config_listen *listen = arena_zalloc(r->arena, (count + 1) * sizeof *listen);
  if (!listen) {
    value_no_memory(r);
    return;
  }
  if (!count) value_problem(r, setting, node, "expected at least one address");
  for (size_t i = 0; i < count; i++) {
    const struct yaml_node *item = item_at(node, i);
    struct str text;
    if (!value_text(r, setting, item, &text)) continue;
    const char *trouble = address_listen(text, &listen[kept]);
    for (size_t k = 0; k < kept && !trouble; k++) {
      if (address_listen_eq(&listen[k], &listen[kept])) trouble = "the same address is given twice";
    }
    if (trouble) {
      bad(r, setting, item, trouble);
    } else {
      kept++;
    }
  }
  memcpy((char *)base + setting->at, &listen, sizeof listen);
  memcpy((char *)base + setting->count_at, &kept, sizeof kept);
}

static void read_texts(struct reader *r, const struct setting *setting, const struct yaml_node *node, void *base) {
  size_t count = item_count(node), kept = 0;
  struct str *texts = arena_zalloc(r->arena, (count + 1) * sizeof *texts);
  if (!texts) {
    value_no_memory(r);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    const struct yaml_node *item = item_at(node, i);
    struct str text;
    if (!value_text(r, setting, item, &text)) continue;
    bool word = setting->type == SETTING_TEXTS;
    const char *trouble = NULL;
    if (setting->type == SETTING_SLUGS)
      trouble = is_word(text, "._-/ ") ? NULL : "expected providers, as in openai or deepinfra/fp8";
    else if (setting->type == SETTING_PATTERNS)
      trouble = is_word(text, "._-/:@+*") ? NULL : "expected model ids that may hold *, as in anthropic/*";
    else if (word)
      trouble = is_word(text, "._-") ? NULL : "expected words of letters, digits and . _ -";
    else if (!str_eq(text, STR("*")))
      trouble = address_url(text, false, &text);
    if (trouble) {
      bad(r, setting, item, trouble);
    } else {
      texts[kept++] = text;
    }
  }
  *(struct str_list *)((char *)base + setting->at) = (struct str_list){texts, kept};
}

// "{key, weight}"; what else it holds is not shown, it may be a key in the wrong place.
static void read_weighted(struct reader *r, const struct setting *setting, const struct yaml_node *node,
                          struct api_key_secret *out) {
  const struct yaml_node *key = yaml_get(node, STR("key")), *weight = yaml_get(node, STR("weight"));
  size_t known = (key != NULL) + (weight != NULL);
  uint64_t value = 1;
  struct str text;
  if (!key || known < node->count) value_problem(r, setting, node, "expected a key or {key: ..., weight: 1}");
  if (key && value_text(r, setting, key, &text) && is_secret_text(r, setting, key, text)) out->value = text;
  if (!weight || !value_text(r, setting, weight, &text)) return;
  if (!str_to_u64(text, setting->max, &value) || value < setting->min) {
    value_problem(r, setting, weight, "weight must be a number between %llu and %llu", (unsigned long long)setting->min,
                  (unsigned long long)setting->max);
    return;
  }
  out->weight = (unsigned)value;
}

static void read_secrets(struct reader *r, const struct setting *setting, const struct yaml_node *node, void *base) {
  size_t count = item_count(node), kept = 0;
  struct api_key_secret *keys = arena_zalloc(r->arena, (count + 1) * sizeof *keys);
  if (!keys) {
    value_no_memory(r);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    const struct yaml_node *item = item_at(node, i);
    struct api_key_secret key = {.weight = 1};
    if (item->type == YAML_MAP) {
      read_weighted(r, setting, item, &key);
    } else if (!value_text(r, setting, item, &key.value) || !is_secret_text(r, setting, item, key.value)) {
      continue;
    }
    if (key.value.len) keys[kept++] = key;
  }
  memcpy((char *)base + setting->at, &keys, sizeof keys);
  memcpy((char *)base + setting->count_at, &kept, sizeof kept);
}

// "{training: off, retention: off}" as the word that says so. What is left out is not known.
static void read_policy(struct reader *r, const struct setting *setting, const struct yaml_node *node, void *base) {
  const struct yaml_node *training = yaml_get(node, STR("training")), *retention = yaml_get(node, STR("retention"));
  bool trains = true, keeps = true;
  size_t known = (training != NULL) + (retention != NULL);
  struct str text, *out = (struct str *)((char *)base + setting->at);
  if (!known || known < node->count) {
    value_problem(r, setting, node, "expected a word, or {training: off, retention: off}");
    return;
  }
  if (training && value_text(r, setting, training, &text)) read_switch(r, setting, training, text, &trains);
  if (retention && value_text(r, setting, retention, &text)) read_switch(r, setting, retention, text, &keeps);
  if (training && trains)
    *out = STR("training");
  else if (retention && !keeps)
    *out = STR("zdr");
  else
    *out = training ? STR("no-training") : STR("unknown");
}

void value_read(struct reader *r, const struct setting *setting, const struct yaml_node *node, void *base) {
  struct str text;
  switch (setting->type) {
    case SETTING_LISTEN: read_listen(r, setting, node, base); return;
    case SETTING_TEXTS:
    case SETTING_SLUGS:
    case SETTING_PATTERNS:
    case SETTING_ORIGINS: read_texts(r, setting, node, base); return;
    case SETTING_SECRETS: read_secrets(r, setting, node, base); return;
    case SETTING_POLICY:
      if (node->type != YAML_MAP) break;
      read_policy(r, setting, node, base);
      return;
    default: break;
  }
  if (!value_text(r, setting, node, &text)) return;
  scalar_readers[setting->type](r, setting, node, text, (char *)base + setting->at);
  // "given" beside the value.
  if (setting->type == SETTING_LIMIT || setting->type == SETTING_PROTOCOL || setting->type == SETTING_CLOCK)
    *((bool *)base + setting->count_at) = true;
}
