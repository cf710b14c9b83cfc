// The list of problems and the art of "did you mean".
#include "config/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_MAX = 60, WORD_MAX = 64 };

// Stands in the list when there was no memory for a real entry; nobody writes to it.
static struct config_problem out_of_memory;

static bool grow(struct arena *arena, struct config_problems *problems) {
  size_t cap = problems->cap ? problems->cap * 2 : 16;
  struct config_problem *items = arena_alloc(arena, cap * sizeof *items);
  if (!items) return false;
  if (problems->count) memcpy(items, problems->items, problems->count * sizeof *items);
  problems->items = items;
  problems->cap = cap;
  return true;
}

static void put(struct arena *arena, struct config_problems *problems, struct config_problem problem) {
  if (problem.text.ptr && (problems->count < problems->cap || grow(arena, problems))) {
    problems->items[problems->count++] = problem;
  } else if (!problems->count) {
    out_of_memory.text = STR("out of memory");
    *problems = (struct config_problems){&out_of_memory, 1, 0};
  }
}

void config_problem_add(struct arena *arena, struct config_problems *problems, unsigned line, unsigned column,
                        const char *format, ...) {
  if (problems->count >= PROBLEMS_MAX) return;
  char text[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
  put(arena, problems, (struct config_problem){line, column, arena_str(arena, str_from(text, len))});
  if (problems->count == PROBLEMS_MAX)
    problems->items[PROBLEMS_MAX - 1].text = STR("too many problems; the rest is not shown");
}

// Insertion from the right: nearly sorted already, as the file is read from top to bottom.
void config_problems_sort(struct config_problems *problems) {
  struct config_problem *items = problems->items;
  for (size_t i = 1; i < problems->count; i++) {
    struct config_problem one = items[i];
    size_t at = i;
    while (at &&
           (items[at - 1].line > one.line || (items[at - 1].line == one.line && items[at - 1].column > one.column))) {
      items[at] = items[at - 1];
      at--;
    }
    items[at] = one;
  }
}

void config_problems_print(const struct config_problems *problems, struct str path) {
  for (size_t i = 0; i < problems->count; i++) {
    const struct config_problem *problem = &problems->items[i];
    fprintf(stderr, "%.*s%s", STR_ARGS(path), path.len ? ":" : "");
    // Who knows only the line means its beginning.
    if (problem->line) fprintf(stderr, "%u:%u:", problem->line, problem->column ? problem->column : 1);
    fprintf(stderr, "%s%.*s\n", path.len || problem->line ? " " : "", STR_ARGS(problem->text));
  }
}

struct str problem_show(struct arena *arena, struct str text) {
  bool cut = text.len > SHOWN_MAX;
  size_t len = cut ? SHOWN_MAX : text.len;
  // Not in the middle of a character.
  while (cut && len && ((unsigned char)text.ptr[len] & 0xC0) == 0x80) len--;
  struct str shown = arena_printf(arena, "%.*s%s", (int)len, text.ptr ? text.ptr : "", cut ? "..." : "");
  for (size_t i = 0; i < shown.len; i++) {
    if ((unsigned char)shown.ptr[i] < 0x20 || shown.ptr[i] == 0x7F) ((char *)shown.ptr)[i] = '?';
  }
  return shown;
}

static unsigned min3(unsigned a, unsigned b, unsigned c) {
  unsigned least = a < b ? a : b;
  return least < c ? least : c;
}

// Levenshtein's distance of two words of at most WORD_MAX bytes, one row of the matrix at a time.
static unsigned distance(struct str a, struct str b) {
  unsigned row[WORD_MAX + 1];
  for (unsigned j = 0; j <= b.len; j++) row[j] = j;
  for (unsigned i = 1; i <= a.len; i++) {
    unsigned diagonal = row[0];
    row[0] = i;
    for (unsigned j = 1; j <= b.len; j++) {
      unsigned above = row[j];
      row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a.ptr[i - 1] != b.ptr[j - 1]));
      diagonal = above;
    }
  }
  return row[b.len];
}

void nearest_init(struct nearest *n, struct str word) {
  *n = (struct nearest){.word = word};
}

void nearest_offer(struct nearest *n, struct str candidate) {
  if (n->word.len > WORD_MAX || candidate.len > WORD_MAX) return;
  // One slip in a short word, one in three letters of a long one.
  size_t bound = n->word.len < 3 ? 1 : n->word.len / 3;
  unsigned d = distance(n->word, candidate);
  if (d > bound || (n->best.ptr && d >= n->distance)) return;
  n->best = candidate;
  n->distance = d;
}
