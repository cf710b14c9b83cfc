// How hard a prompt is: a small trained classifier (linear over hashed features; weights in difficulty_data.inc, made
// by scripts/difficulty). Pure, no allocation, below 200 microseconds for any prompt: of long ones a bounded part is
// read.
#pragma once
#include "base/str.h"

// 0 (any model answers it) to 1 (the strong one is needed). `prompt`: plain UTF-8 text of the last user message.
double difficulty_of(struct str prompt);
