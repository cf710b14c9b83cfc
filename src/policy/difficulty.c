// Two models over the features of the text (difficulty_features.c): questions with options go to boosted trees and a
// linear model, which know thousands of such; all else to a small linear one. Either score is bent into 0 to 1 so that
// its order stays and half of the prompts it was trained on lie above 0.5.
#include "policy/difficulty.h"

#include "policy/difficulty_features.h"

enum { DEPTH = 4, INNER = (1 << DEPTH) - 1, LEAVES = 1 << DEPTH };
struct tree {  // full: the children of node i are 2i+1 (value not above the threshold) and 2i+2
  uint8_t features[INNER];
  float thresholds[INNER];
  int16_t leaves[LEAVES];
};
struct term {
  uint8_t feature;
  float weight, least, most;  // beyond these the value counts as these
};
struct scale {
  float base, middle, soft;  // middle + soft becomes 0.75
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
static float sum_trees(const float *values) {
  int32_t sum = 0;
  for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) {
    const struct tree *t = &trees[i];
    unsigned at = 0;
    while (at < INNER) at = 2 * at + 1 + (values[t->features[at]] > t->thresholds[at]);
    sum += t->leaves[at - INNER];
  }
  return (float)sum * leaf_scale;
}
static double bend(float sum, const struct scale *scale) {
  double x = ((double)sum + scale->base - scale->middle) / scale->soft;
  return 0.5 + 0.5 * x / (1 + (x < 0 ? -x : x));
}

double difficulty_of(struct str prompt) {
  struct difficulty_features f;
  difficulty_read(prompt, &f);
  if (f.values[DIFFICULTY_options] > 1) {
    float sum = sum_terms(option_terms, sizeof option_terms / sizeof *option_terms, f.values);
    return bend(sum + sum_trees(f.values), &option_scale);
  }
  return bend(sum_terms(open_terms, sizeof open_terms / sizeof *open_terms, f.values), &open_scale);
}
