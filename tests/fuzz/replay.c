// Drives a libFuzzer entry without libFuzzer, so that every test run replays the corpus under the sanitizers.
//
//     fuzz_json CORPUS_FOLDER [MUTATIONS [SEED]]
//
// Each input is run whole, then as so many damaged copies; the copies depend on the seed and the input alone, so
// a failure repeats. A sanitizer's report, or any other death, ends the program: stderr then tells input and round.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20, GROWTH_MAX = 64, CHANGES_MAX = 8 };

static uint64_t state;

static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 0x2545f4914f6cdd1dULL;
}

static size_t below(size_t limit) {
  return limit ? next_random() % limit : 0;
}

// Bytes that mean something to the parsers under test are likelier to open a new path than any other.
static uint8_t telling_byte(void) {
  static const char telling[] = "{}[]\",:\\\r\n \t0-9.eEu/;=\xff\xc3\xed";
  return next_random() % 2 ? (uint8_t)next_random() : (uint8_t)telling[below(sizeof telling)];
}

// One change in place; returns the new length. The buffer has GROWTH_MAX bytes to spare for each change.
static size_t change(uint8_t *data, size_t size) {
  size_t at = below(size), length = 1 + below(GROWTH_MAX);
  if (length > size - at) length = size - at;
  switch (below(6)) {
    case 0:  // one byte becomes another
      if (size) data[at] = telling_byte();
      return size;
    case 1:  // one bit flips
      if (size) data[at] ^= (uint8_t)(1u << below(8));
      return size;
    case 2:  // a byte is put in
      memmove(data + at + 1, data + at, size - at);
      data[at] = telling_byte();
      return size + 1;
    case 3:  // a piece is taken out
      memmove(data + at, data + at + length, size - at - length);
      return size - length;
    case 4:  // a piece comes twice
      memmove(data + at + length, data + at, size - at);
      return size + length;
    default:  // the end is cut off
      return at;
  }
}

// The entry gets an exact copy on the heap, so that AddressSanitizer sees the first byte read past the end.
static void run(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy) abort();
  if (size) memcpy(copy, data, size);
  LLVMFuzzerTestOneInput(copy, size);
  free(copy);
}

static const char *current_input;
static long current_round;

// Called by the sanitizers when they give up.
void __sanitizer_set_death_callback(void (*on_death)(void));

static void on_death(void) {
  fprintf(stderr, "fuzz: died at input %s, round %ld (0 is the input itself)\n", current_input, current_round);
}

static void replay(const char *name, const uint8_t *input, size_t size, long mutations, uint64_t seed) {
  uint8_t *scratch = malloc(size + (GROWTH_MAX + 1) * CHANGES_MAX);
  if (!scratch) abort();
  current_input = name;
  current_round = 0;
  run(input, size);
  state = seed * 0x9e3779b97f4a7c15ULL + size + 1;
  for (current_round = 1; current_round <= mutations; current_round++) {
    size_t length = size;
    if (size) memcpy(scratch, input, size);
    for (size_t n = 1 + below(CHANGES_MAX); n > 0; n--) length = change(scratch, length);
    run(scratch, length);
  }
  free(scratch);
}

static size_t read_input(const char *folder, const char *name, uint8_t *out) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(1);
  }
  size_t size = fread(out, 1, INPUT_MAX, file);
  fclose(file);
  return size;
}

static int is_file(const struct dirent *entry) {
  return entry->d_name[0] != '.' && entry->d_type != DT_DIR;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s CORPUS_FOLDER [MUTATIONS [SEED]]\n", argv[0]);
    return 2;
  }
  long mutations = argc > 2 ? strtol(argv[2], NULL, 10) : 1000;
  uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
  uint8_t *input = malloc(INPUT_MAX);
  if (!input) abort();
  __sanitizer_set_death_callback(on_death);

  struct dirent **entries = NULL;
  int count = scandir(argv[1], &entries, is_file, alphasort);
  for (int i = 0; i < count; i++) {
    replay(entries[i]->d_name, input, read_input(argv[1], entries[i]->d_name, input), mutations, seed);
    free(entries[i]);
  }
  free(entries);
  replay("(empty)", input, 0, mutations, seed);
  free(input);
  printf("ok %d inputs, %ld mutations of each\n", count > 0 ? count : 0, mutations);
  return 0;
}
