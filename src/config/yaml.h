// YAML (and JSON) text into a small tree whose every node knows its place. Aliases share nodes, "<<" merges are done,
// keys are unique. Only the first document is taken.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"
#include "config/config.h"

enum {
  YAML_NODES_MAX = 100000,  // counting a shared node once for every place where it stands
  YAML_DEPTH_MAX = 64,
  YAML_ANCHORS_MAX = 1000,
};

enum yaml_type { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node;
struct yaml_pair {
  struct yaml_node *key, *value;  // key: NULL in lists, else a scalar
  bool merged;                    // came by "<<"
};

struct yaml_node {
  enum yaml_type type;
  bool plain;             // a scalar without quotes
  bool open;              // while parsing: its end has not been seen
  unsigned line, column;  // from 1
  size_t size;            // nodes in its subtree, itself included
  struct str text;        // of a scalar
  struct yaml_pair *pairs;
  size_t count, cap;
};

// "", ~, null, Null, NULL without quotes.
bool yaml_is_null(const struct yaml_node *node);
// The value of a key; NULL when absent or not a map.
const struct yaml_node *yaml_get(const struct yaml_node *map, struct str key);
const char *yaml_type_name(const struct yaml_node *node);
// NULL when the text is no YAML within the limits: then there is at least one problem more. A text without content is a
// null scalar. Duplicate keys and the like are problems too, but give a tree. `text` may go away afterwards.
struct yaml_node *yaml_parse(struct arena *arena, struct str text, struct config_problems *problems);
