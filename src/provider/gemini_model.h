// What Google's models take, by their names. A name without a version counts as the newest.
#pragma once
#include <stdbool.h>

#include "base/str.h"

enum gemini_thinking {
  GEMINI_THINKS_NOT,     // it takes no thinkingConfig
  GEMINI_THINKS_BUDGET,  // so many tokens
  GEMINI_THINKS_LEVEL,   // low, medium, high; perhaps minimal
};

struct gemini_model {
  unsigned version;  // 25 for 2.5
  enum gemini_thinking thinking;
  unsigned budget_min, budget_max;
  bool pro;                      // it cannot be kept from thinking
  bool minimal;                  // it has that level
  bool system;                   // it takes a system instruction
  bool json_schema;              // JSON Schema is taken as it is; else Google's older form is written
  bool mixes;                    // functions stand beside Google's own tools and beside a format of the answer
  bool media_result;             // media stand inside a function's result; and each part has its own resolution
  bool strict;                   // calls can be held to their schemas (VALIDATED)
  bool only_audio, needs_image;  // what must be asked for, or it refuses
};

struct gemini_model gemini_model(struct str name);
