// What is wrong with a configuration, said so that it can be mended: helpers for texts that never show a secret.
#pragma once
#include "config/config.h"

enum { PROBLEMS_MAX = 1000 };

// By place; problems without one come first. Keeps the order of those with the same place.
void config_problems_sort(struct config_problems *problems);
// `text` fit for a problem line: control characters become '?', the end of a long one "...".
struct str problem_show(struct arena *arena, struct str text);

// Looks for the spelling nearest to a word: offer candidates one by one, then read `best` ({NULL, 0}: none is near).
struct nearest {
  struct str word, best;
  unsigned distance;
};
void nearest_init(struct nearest *n, struct str word);
void nearest_offer(struct nearest *n, struct str candidate);
