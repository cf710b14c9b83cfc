// How hard a prompt is: a small trained classifier (boosted trees and linear models over what difficulty_features.c
// counts; weights in difficulty_data.inc, made by scripts/difficulty). Pure, no allocation, a few microseconds and
// below 200 for any prompt: of long ones a bounded part is read.
#pragma once
#include "base/str.h"

// 0 (any model answers it) to 1 (the strong one is needed). `prompt`: plain UTF-8 text of the last user message.
double difficulty_of(struct str prompt);
