// The classifier of prompts by itself. Prompts come on standard input, each as the count of its bytes in decimal, a
// newline, the bytes; a line with its difficulty goes out for each, then nanoseconds: the mean, and the slowest
// prompt's (the best of several runs). Without input: the time for a few texts of its own. By hand:
//   cc -std=gnu17 -D_GNU_SOURCE= -O2 -Isrc tests/bench/micro_difficulty.c src/policy/difficulty*.c -lm -o
//   micro_difficulty
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "policy/difficulty.h"

static double nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
static double time_of(struct str text, double *score) {
  double best = 1e18;
  for (int run = 0; run < 5; run++) {
    double from = nanoseconds();
    *score = difficulty_of(text);
    double took = nanoseconds() - from;
    if (took < best) best = took;
  }
  return best;
}

static void own_texts(void) {
  enum { LONG = 1 << 20 };
  char *text = malloc(LONG);
  if (!text) abort();
  static const struct {
    const char *name, *piece;
  } kinds[] = {{"words", "the quick brown fox "},
               {"digits", "7"},
               {"points", "1."},
               {"bytes", "\xff"},
               {"lines", "\n"},
               {"short words", "a "}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    size_t len = strlen(kinds[i].piece);
    for (size_t at = 0; at < LONG; at++) text[at] = kinds[i].piece[at % len];
    double score, took = time_of(str_from(text, LONG), &score);
    printf("%-12s 1 MiB %8.0f ns, difficulty %.3f\n", kinds[i].name, took, score);
  }
  free(text);
}

int main(void) {
  size_t len, count = 0;
  double sum = 0, slowest = 0;
  while (scanf("%zu", &len) == 1 && getchar() == '\n' && len < (size_t)1 << 30) {
    char *text = malloc(len + 1);
    if (!text || fread(text, 1, len, stdin) != len) return 1;
    double score, took = time_of(str_from(text, len), &score);
    printf("%.9f\n", score);
    sum += took;
    count++;
    if (took > slowest) slowest = took;
    free(text);
  }
  if (count == 0) own_texts();
  if (count > 0) printf("%.0f %.0f\n", sum / (double)count, slowest);
  return 0;
}
