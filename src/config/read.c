// Walks the tree along the table. The table bounds the depth, the tree's limits bound the work.
#include "config/read.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/problem.h"

static bool is_container(const struct setting *setting) {
  return setting->type == SETTING_SECTION || setting->type == SETTING_SECTIONS;
}

static void read_default(struct reader *r, const struct setting *setting, void *base) {
  const char *given = setting->env ? getenv(setting->env) : NULL;
  bool from_env = given && *given;
  if (from_env || setting->default_text) {
    struct str text = arena_str(r->arena, str_from_cstr(from_env ? given : setting->default_text));
    struct yaml_node node = {.type = YAML_SCALAR, .text = text, .size = 1};
    if (text.ptr) {
      value_read(r, setting, &node, base);
    } else {
      value_no_memory(r);
    }
  } else if (setting->type == SETTING_PRICE) {
    *(price_femto *)((char *)base + setting->at) = PRICE_UNSET;
  }
}

void read_defaults(struct reader *r, const char *section, void *base) {
  for (size_t i = 0; i < setting_count; i++) {
    const struct setting *setting = &settings[i];
    if (!setting_in(setting, section)) continue;
    if (setting->type == SETTING_SECTION) {
      read_defaults(r, setting->path, base);
    } else if (setting->type != SETTING_SECTIONS) {
      read_default(r, setting, base);
    }
  }
}

// All settings of a section: "listen, tls, workers".
static void list_keys(char *out, size_t size, const char *section) {
  size_t len = 0;
  for (size_t i = 0; i < setting_count && len < size; i++) {
    if (!setting_in(&settings[i], section)) continue;
    int n = snprintf(out + len, size - len, "%s%.*s", len ? ", " : "", STR_ARGS(setting_key(&settings[i])));
    if (n < 0) return;
    len += (size_t)n;
  }
}

// The place of a setting that was written in the wrong section, if only one place has a setting of that name.
static const char *elsewhere(struct str key) {
  const char *path = NULL;
  for (size_t i = 0; i < setting_count; i++) {
    if (!str_eq(setting_key(&settings[i]), key)) continue;
    if (path) return NULL;
    path = settings[i].path;
  }
  return path;
}

static void unknown_key(struct reader *r, const char *section, const struct yaml_node *key) {
  struct str shown = problem_show(r->arena, key->text);
  struct nearest nearest;
  nearest_init(&nearest, key->text);
  for (size_t i = 0; i < setting_count; i++) {
    if (setting_in(&settings[i], section)) nearest_offer(&nearest, setting_key(&settings[i]));
  }
  const char *dot = *section ? "." : "", *other = elsewhere(key->text);
  if (nearest.best.ptr) {
    config_problem_add(r->arena, r->problems, key->line, key->column, "%s%s%.*s: unknown setting; did you mean '%.*s'?",
                       section, dot, STR_ARGS(shown), STR_ARGS(nearest.best));
  } else if (other) {
    config_problem_add(r->arena, r->problems, key->line, key->column, "%s%s%.*s: unknown setting; did you mean %s?",
                       section, dot, STR_ARGS(shown), other);
  } else {
    char keys[512];
    list_keys(keys, sizeof keys, section);
    config_problem_add(r->arena, r->problems, key->line, key->column, "%s%s%.*s: unknown setting; there are %s",
                       section, dot, STR_ARGS(shown), keys);
  }
}

static void set_place(const struct setting *list, const struct yaml_node *item, void *element) {
  unsigned place[2] = {item->line, item->column};
  memcpy((char *)element + list->place_at, place, sizeof place);
}

// An item that is a single value stands for the mapping {shorthand: value}.
static void read_item(struct reader *r, const struct setting *list, const struct yaml_node *item, void *element) {
  read_defaults(r, list->path, element);
  set_place(list, item, element);
  if (list->shorthand && item->type == YAML_SCALAR && !yaml_is_null(item)) {
    value_read(r, setting_find(list->path, str_from_cstr(list->shorthand)), item, element);
  } else if (item->type == YAML_MAP) {
    read_section(r, list->path, item, element);
  } else {
    value_problem(r, list, item, "expected a mapping of settings, got %s", yaml_type_name(item));
  }
}

// Every item gets its element, also a broken one, so that places and indexes agree.
static void read_list(struct reader *r, const struct setting *setting, const struct yaml_node *node, void *base) {
  if (node->type != YAML_LIST) {
    value_problem(r, setting, node, "expected a list (lines that begin with -), got %s", yaml_type_name(node));
    return;
  }
  char *elements = arena_zalloc(r->arena, (node->count + 1) * setting->size);
  if (!elements) {
    value_no_memory(r);
    return;
  }
  memcpy((char *)base + setting->at, &elements, sizeof elements);
  memcpy((char *)base + setting->count_at, &node->count, sizeof node->count);
  for (size_t i = 0; i < node->count; i++) read_item(r, setting, node->pairs[i].value, elements + i * setting->size);
}

static void read_setting(struct reader *r, const struct setting *setting, const struct yaml_node *node, void *base) {
  if (yaml_is_null(node)) return;  // as if it were not there
  if (setting->type == SETTING_SECTIONS) {
    read_list(r, setting, node, base);
  } else if (setting->type != SETTING_SECTION) {
    value_read(r, setting, node, base);
  } else if (node->type == YAML_MAP) {
    read_section(r, setting->path, node, base);
  } else {
    value_problem(r, setting, node, "expected %s, got %s", setting_type_name(setting->type), yaml_type_name(node));
  }
}

static void check_required(struct reader *r, const char *section, const struct yaml_node *map) {
  for (size_t i = 0; i < setting_count; i++) {
    const struct setting *setting = &settings[i];
    if (!setting->required || is_container(setting) || !setting_in(setting, section)) continue;
    const struct yaml_node *value = yaml_get(map, setting_key(setting));
    if (!value || yaml_is_null(value)) value_problem(r, setting, map, "is missing: %s", setting->help);
  }
}

void read_section(struct reader *r, const char *section, const struct yaml_node *map, void *base) {
  for (size_t i = 0; i < map->count; i++) {
    const struct yaml_pair *pair = &map->pairs[i];
    const struct setting *setting = setting_find(section, pair->key->text);
    if (setting) {
      read_setting(r, setting, pair->value, base);
    } else {
      unknown_key(r, section, pair->key);
    }
  }
  check_required(r, section, map);
}
