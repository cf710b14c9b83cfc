// The classifier: its order on prompts of our own, its bounds, its time. Its quality is measured by
// tests/bench/choosing.
#include "policy/difficulty.c"
#include "policy/difficulty_features.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
// cmocka wants the three above first
#include <cmocka.h>

#define QUEUE                                                                                                          \
  "Implement a lock-free queue for many producers and consumers in C11 with bounded memory. Explain the memory "       \
  "orderings, prove that no ABA problem can occur, and analyze how it behaves under contention. Then compare it with " \
  "a design that uses a mutex, and propose how to measure both."
#define LIMITER                                                                                                       \
  "Design a rate limiter for an API gateway in five regions. It must be accurate within 1 percent, survive the loss " \
  "of a region, and add less than 2 ms for 99 of 100 requests. Describe the architecture, how it fails, and how to "  \
  "migrate to it from a single database, step by step, without refusing anybody meanwhile."
#define OPTIONS_EASY "The capital of France is\nA. Paris\nB. Rome\nC. Oslo\nD. Bern\nAnswer:"

static double of(const char *text) {
  return difficulty_of(str_from_cstr(text));
}

static void hard_is_above_easy(void **state) {
  (void)state;
  static const struct {
    const char *easier, *harder;
  } pairs[] = {
      {"hi", "What is the capital of France?"},
      {"hi", "thanks, that was very helpful!"},
      {"What is 2+2?",
       "A shop sells 3 kinds of tea. Tom buys twice as many bags of the first as of the second, and "
       "half of the rest is the third. He has 40 bags in all. How many more of the first has he?"},
      {"Write a haiku about autumn.", "Prove that there are infinitely many primes."},
      {"Prove that there are infinitely many primes.",
       "Prove that every finite integral domain is a field, and give a counterexample when it is not finite."},
      {"Write a Python function to reverse a string.", QUEUE},
      {"Summarize the plot of Hamlet in two sentences.", LIMITER},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) assert_true(of(pairs[i].easier) < of(pairs[i].harder));
  assert_true(of("hi") < 0.3);
  assert_true(of("What is the capital of France?") < 0.35);
  assert_true(of(QUEUE) > 0.75);
  assert_true(of(LIMITER) > 0.75);
}

static void longer_is_harder(void **state) {
  (void)state;
  double before = of("");
  for (size_t copies = 1; copies <= 4096; copies *= 4) {
    size_t len = strlen(LIMITER);
    char *text = malloc(len * copies);
    assert_non_null(text);
    for (size_t i = 0; i < copies; i++) memcpy(text + i * len, LIMITER, len);
    double score = difficulty_of(str_from(text, len * copies));
    free(text);
    assert_true(score > before);
    before = score;
  }
  assert_true(before < 1);
}

static void options_are_read(void **state) {
  (void)state;
  struct difficulty_features f;
  difficulty_read(STR(OPTIONS_EASY), &f);
  assert_true(f.values[DIFFICULTY_options] == 4);
  assert_true(f.values[DIFFICULTY_option_longest] == log1pf(9));  // with "\nA. " before it
  assert_true(f.values[DIFFICULTY_capitals] == log1pf(7));
  difficulty_read(STR("It costs $1,200.50, or 3/4 of 20%.\nB. is no option"), &f);
  assert_true(f.values[DIFFICULTY_options] == 0);
  assert_true(f.values[DIFFICULTY_numbers] == log1pf(4));
  assert_true(f.values[DIFFICULTY_decimals] == log1pf(1));
  assert_true(f.values[DIFFICULTY_fractions] == log1pf(1));
  assert_true(f.values[DIFFICULTY_percents] == log1pf(1));
  difficulty_read(STR("Don't stop. Half of TEN"), &f);
  assert_true(f.values[DIFFICULTY_words] == log1pf(5));
  assert_true(f.values[DIFFICULTY_parts] == log1pf(1));
  assert_true(f.values[DIFFICULTY_number] == log1pf(1));
  assert_true(f.values[DIFFICULTY_sentences] == log1pf(1));
}

static void story_is_read(void **state) {
  (void)state;
  static const struct {
    const char *text;
    enum difficulty_feature feature;
    float value;  // before the logarithm
  } cases[] = {
      {"Then Tom and Ann met Tom's dog.", DIFFICULTY_names, 3},
      {"Then Tom and Ann met Tom's dog.", DIFFICULTY_different_names, 2},
      {"Tom’s and Tom's, of Tom", DIFFICULTY_different_names, 1},
      {"He had 1,200.50, 007, 30 and 30", DIFFICULTY_significant_digits, 5 + 1 + 1 + 1},
      {"He had 1,200.50, 007, 30 and 30", DIFFICULTY_significant_most, 5},
      {"He had 1,205.50, 007, 30 and 31", DIFFICULTY_long_numbers, 2},
      {"He had 1,200.50, 007, 30 and 30", DIFFICULTY_round_numbers, 3},
      {"He had 1,200.50, 007, 30 and 30", DIFFICULTY_large_numbers, 2},
      {"He had 1,200.50, 007, 30 and 30", DIFFICULTY_repeated_numbers, 1},
      {"0 and 000", DIFFICULTY_significant_digits, 0},
      {"1 of 11 and 1", DIFFICULTY_ones, 2},
      {"She has 3 and five. He has none. One is half! How many?", DIFFICULTY_sentences_counting, 2},
      {"She has 3 and five. He has none. One is half! How many?", DIFFICULTY_sentences_dense, 2},
      {"She has 3 and five. He has none. One is half! How many?", DIFFICULTY_sentences_plain, 2},
      {"She has 3 and five. He has none. One is half! How many?", DIFFICULTY_sentence_longest, 4},
      {"She has 3 and five. He has none. One is half! How many?", DIFFICULTY_last_words, 2},
      {"She has 3 and five. He has none. One is half! How 2?", DIFFICULTY_last_quantities, 1},
      {"No end\nand 2 lines\n\n", DIFFICULTY_sentences_plain, 1},
      {"No end\nand 2 lines\n\n", DIFFICULTY_sentences_counting, 1},
      {"Q one?\nA. 1\nB. Two. Three.", DIFFICULTY_sentences_counting, 1},
      {"two, 2, half and one", DIFFICULTY_quantities, 3},
      {"two, 2, half and one", DIFFICULTY_quantities_ones, 4},
      {"If so, then stop, and wait.", DIFFICULTY_clauses, 2 + 1 + 1 + 1 + 1},
      {"twice as much, 5% more than 1/2", DIFFICULTY_relations, 5},
      {"twice as much, 5% more than 1/2", DIFFICULTY_comparisons, 2},
      {"twice as much, 5% more than 1/2 of the rest each", DIFFICULTY_operations, 8},
      {"she, he, Bo and Bo", DIFFICULTY_persons, 3},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct difficulty_features f;
    difficulty_read(str_from_cstr(cases[i].text), &f);
    if (f.values[cases[i].feature] != log1pf(cases[i].value))
      fail_msg("%zu: %s: %f", i, cases[i].text, expm1((double)f.values[cases[i].feature]));
  }
}

static float open_gain(const struct difficulty_features *f) {
  return sum_terms(open_terms, sizeof open_terms / sizeof *open_terms, f->values) + sum_forest(&open_forest, f->values);
}
// More of anything but decimals never makes a prompt without options easier.
static void more_is_never_easier(void **state) {
  (void)state;
  static const char *const texts[] = {"", "Tom has 5 apples. He eats half of them, then $2.50 each. How many are left?",
                                      QUEUE, LIMITER};
  unsigned rose = 0;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct difficulty_features f;
    difficulty_read(str_from_cstr(texts[i]), &f);
    for (unsigned feature = 0; feature < DIFFICULTY_FEATURES; feature++) {
      float first = f.values[feature], before = open_gain(&f);
      for (unsigned step = 0; step < 20; step++) {
        f.values[feature] += 0.25f;
        float now = open_gain(&f);
        if (feature == DIFFICULTY_decimals ? now > before : now < before - 1e-6f) fail_msg("%zu %u", i, feature);
        rose += now > before;
        before = now;
      }
      f.values[feature] = first;
    }
  }
  assert_true(rose > 200);
}

static double milliseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void any_bytes_will_do(void **state) {
  (void)state;
  static const struct str pieces[] = {{"7", 1},
                                      {"1.", 2},
                                      {"\0", 1},
                                      {"\xff\xfe", 2},
                                      {"\n", 1},
                                      {"A. \nB. \nC. ", 12},
                                      {"a'", 2},
                                      {"$%\\|`", 5},
                                      {"a ", 2},
                                      {"1/", 2},
                                      {"\nA) x\nAnswer:", 13},
                                      {"\xe2\x80\x99s ", 5}};
  enum { LONG = 1 << 20 };
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    for (size_t len = 0; len <= LONG; len = len < 40 ? len + 1 : len < 20000 ? len * 3 / 2 : len * 2) {
      char *text = malloc(len + 1);  // exactly as long: what is read behind it shows
      assert_non_null(text);
      for (size_t at = 0; at < len; at++) text[at] = pieces[i].ptr[at % pieces[i].len];
      char *exact = realloc(text, len ? len : 1);
      double from = milliseconds(), score = difficulty_of(str_from(exact, len));
      assert_true(milliseconds() - from < 20);  // with a sanitizer; tests/bench/choosing measures the real thing
      assert_true(score > 0);
      assert_true(score < 1);
      assert_true(score == difficulty_of(str_from(exact, len)));
      free(exact);
    }
  }
  assert_true(difficulty_of((struct str){0}) < 0.3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hard_is_above_easy), cmocka_unit_test(longer_is_harder),     cmocka_unit_test(options_are_read),
      cmocka_unit_test(story_is_read),      cmocka_unit_test(more_is_never_easier), cmocka_unit_test(any_bytes_will_do),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
