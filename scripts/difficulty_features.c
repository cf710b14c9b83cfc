// For scripts/difficulty: prompts in, their features out, as the gateway sees them. In: for each the count of its bytes
// in decimal, a newline, the bytes. Out: a line each; first of all the names.
#include <stdio.h>
#include <stdlib.h>

#include "policy/difficulty_features.h"

int main(void) {
#define NAME(name) #name " "
  puts(DIFFICULTY_GROUPS(NAME) DIFFICULTY_COUNTS(NAME) DIFFICULTY_STORY(NAME));
  size_t len;
  while (scanf("%zu", &len) == 1 && getchar() == '\n' && len < (size_t)1 << 30) {
    char *text = malloc(len + 1);
    if (!text || fread(text, 1, len, stdin) != len) return 1;
    struct difficulty_features f;
    difficulty_read(str_from(text, len), &f);
    for (unsigned i = 0; i < DIFFICULTY_FEATURES; i++) printf("%.9g ", (double)f.values[i]);
    putchar('\n');
    free(text);
  }
  return 0;
}
