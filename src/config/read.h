// From the tree to the struct, driven by the table of settings.
#pragma once
#include "config/value.h"

// Gives every setting of a section (and of the sections in it) its default, or what its environment variable says.
void read_defaults(struct reader *r, const char *section, void *base);
// Reads a mapping into the struct at `base`. Unknown, missing and malformed settings become problems.
void read_section(struct reader *r, const char *section, const struct yaml_node *map, void *base);
