// The members of a record that are shown but hardly ever searched, as one JSON object: half as many columns make a row
// markedly cheaper to write, and SQLite's -> operators still reach every one. What is empty, zero or the usual is left
// out.
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "llm/record.h"

void detail_write(struct buf *out, const struct record *record);
// Sets the members that detail_write kept, strings in `arena`. Text that is no JSON object changes nothing. The doc's
// memory is not kept. False when memory is out.
bool detail_read(struct str text, struct arena *arena, struct record *record);
