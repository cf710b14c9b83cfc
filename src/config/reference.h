// ${NAME}, ${NAME:-otherwise} and ${file:/path} inside a value.
#pragma once
#include "base/arena.h"
#include "base/str.h"

// Fills all references in. "$${" stands for "${". On failure false, and *why says what to do, without any value.
MUST_CHECK bool reference_expand(struct arena *arena, struct str text, struct str *out, struct str *why);
// Reads a whole file of at most `max` bytes into the arena. `regular`: nothing but a plain file (no pipe to wait for).
// On failure false and *why.
MUST_CHECK bool reference_read_file(struct arena *arena, struct str path, size_t max, bool regular, struct str *out,
                                    struct str *why);
