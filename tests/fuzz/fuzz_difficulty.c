// The classifier of prompts: any bytes give a score between 0 and 1, twice the same.
#include <stdlib.h>

#include "policy/difficulty.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  double score = difficulty_of(str_from((const char *)data, size));
  if (!(score > 0 && score < 1) || score != difficulty_of(str_from((const char *)data, size))) abort();
  return 0;
}
