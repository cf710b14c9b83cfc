// Readers of single settings: from a node of the file to a member of the configuration, or a problem with its place.
#pragma once
#include "config/config.h"
#include "config/table.h"
#include "config/yaml.h"

struct reader {
  struct arena *arena;
  struct config_problems *problems;
  struct config *config;
};

// A problem of a setting: its name and what is wrong, at the node's place. A node without place is an environment
// variable's; then that is named.
PRINTF_LIKE(4, 5)
void value_problem(struct reader *r, const struct setting *setting, const struct yaml_node *node, const char *format,
                   ...);
void value_no_memory(struct reader *r);
// Reads a setting that is no section into the struct at `base`.
void value_read(struct reader *r, const struct setting *setting, const struct yaml_node *node, void *base);
// The text of a scalar with its references filled in. False: a problem was added.
MUST_CHECK bool value_text(struct reader *r, const struct setting *setting, const struct yaml_node *node,
                           struct str *out);
