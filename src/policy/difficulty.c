// Two models over the features of the text (difficulty_features.c): one for questions with options, one for all else.
// Each is the sum of boosted trees and a linear model, and both say the same: what is gained by asking the strong
// model. That is bent into 0 to 1 so that its order stays.
#include "policy/difficulty.h"

#include "policy/difficulty_features.h"

struct split {
  float threshold;
  uint8_t feature;
};
// Full trees of one depth, one behind the other: the children of split i of a tree are 2i+1 (value not above the
// threshold) and 2i+2; behind the splits come the leaves.
struct forest {
  const struct split *splits;
  const int16_t *leaves;
  unsigned trees, depth;
  float scale;  // of a leaf
};
struct term {
  uint8_t feature;
  float weight, least, most;  // beyond these the value counts as these
};
#include "policy/difficulty_data.inc"

static float sum_terms(const struct term *terms, size_t count, const float *values) {
  float sum = 0;
  for (size_t i = 0; i < count; i++) {
    float v = values[terms[i].feature];
    v = v < terms[i].least ? terms[i].least : v > terms[i].most ? terms[i].most : v;
    sum += terms[i].weight * v;
  }
  return sum;
}
static float sum_forest(const struct forest *f, const float *values) {
  unsigned leaves = 1u << f->depth, inner = leaves - 1;
  int32_t sum = 0;
  for (unsigned i = 0; i < f->trees; i++) {
    const struct split *tree = f->splits + (size_t)i * inner;
    unsigned at = 0;
    while (at < inner) at = 2 * at + 1 + (values[tree[at].feature] > tree[at].threshold);
    sum += f->leaves[(size_t)i * leaves + at - inner];
  }
  return (float)sum * f->scale;
}
// `middle` becomes 0.5, `middle` + `soft` 0.75.
static double bend(float gain) {
  double x = ((double)gain - middle) / soft;
  return 0.5 + 0.5 * x / (1 + (x < 0 ? -x : x));
}

double difficulty_of(struct str prompt) {
  struct difficulty_features f;
  difficulty_read(prompt, &f);
  if (f.values[DIFFICULTY_options] > 1) {
    float sum = sum_terms(option_terms, sizeof option_terms / sizeof *option_terms, f.values);
    return bend(sum + sum_forest(&option_forest, f.values) + option_base);
  }
  float sum = sum_terms(open_terms, sizeof open_terms / sizeof *open_terms, f.values);
  return bend(sum + sum_forest(&open_forest, f.values) + open_base);
}
