// What the classifier of prompts looks at: counts and lengths of a text, and which words are in it. One implementation
// for the gateway and for the training script (scripts/difficulty), so that both see the same. Pure, no allocation; any
// bytes will do.
#pragma once
#include <stdint.h>

#include "base/str.h"

// Of longer texts the beginning and the end are read, and the whole length counts.
enum { DIFFICULTY_HEAD = 8192, DIFFICULTY_TAIL = 4096 };

// Groups of words; which words, scripts/difficulty says (difficulty_words.inc).
// clang-format off
#define DIFFICULTY_GROUPS(X) \
  X(number) X(one) X(parts) X(what) X(which) X(who) X(how) X(negation) X(times) X(than) X(compare) X(percent) \
  X(each) X(conjunction) X(condition) X(contrast) X(third) X(first) X(time) X(weekday) X(rest) X(total) X(average) \
  X(age) X(unknown) X(other) X(money) X(proof) X(code) X(best) X(following) X(law) X(moral) X(truth) X(math) \
  X(order) X(source) X(greeting) X(patient) X(modal) X(because) X(article) X(task)
// The rest. A multiple-choice question is a stem and options: lines that begin with "A. ", "B. " and so on.
#define DIFFICULTY_COUNTS(X) \
  X(length) X(words) X(stem_length) X(stem_words) X(sentences) X(sentence_words) X(numbers) X(different_numbers) \
  X(digits) X(decimals) X(fractions) X(percents) X(dollars) X(longest_number) X(operators) X(parentheses) \
  X(brackets) X(commas) X(semicolons) X(colons) X(quotes) X(questions) X(apostrophes) X(hyphens) X(underscores) \
  X(newlines) X(bars) X(capitals) X(capital_share) X(names) X(upper_words) X(word_length) X(long_share) \
  X(short_share) X(different_words) X(different_share) X(beyond_ascii) X(past) X(ing) X(options) \
  X(option_longest) X(option_shortest) X(option_mean) X(option_spread) X(option_last) X(option_numbers) \
  X(option_stops) X(option_capitals) X(option_overlap) X(option_overlap_most) X(stem_overlap) \
  X(stem_overlap_spread) X(ends_question) X(ends_stop) X(ends_colon) X(begins_lower) X(fences)
// What a calculation told in words is made of. Significant digits are those without the zeros at either end; a quantity
// is a number, in digits or as a word; sentences are those of the stem.
#define DIFFICULTY_STORY(X) \
  X(different_names) X(repeated_numbers) X(significant_digits) X(significant_most) X(long_numbers) X(round_numbers) \
  X(large_numbers) X(ones) X(sentence_longest) X(sentences_counting) X(sentences_plain) X(sentences_dense) \
  X(last_words) X(last_quantities) X(quantities) X(quantities_ones) X(clauses) X(relations) X(persons) X(operations) \
  X(comparisons) X(quantities_relations)
// clang-format on

enum difficulty_feature {
#define DIFFICULTY_ENUM(name) DIFFICULTY_##name,
  DIFFICULTY_GROUPS(DIFFICULTY_ENUM) DIFFICULTY_GROUP_COUNT,
  DIFFICULTY_RESTART = DIFFICULTY_GROUP_COUNT - 1,
  DIFFICULTY_COUNTS(DIFFICULTY_ENUM) DIFFICULTY_STORY(DIFFICULTY_ENUM)
#undef DIFFICULTY_ENUM
      DIFFICULTY_FEATURES
};

// Lengths and counts as log(1 + n), shares as they are.
struct difficulty_features {
  float values[DIFFICULTY_FEATURES];
};
void difficulty_read(struct str text, struct difficulty_features *out);
