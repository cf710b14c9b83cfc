// The bulk of a long JSON string: 64 bytes a step with escapes and UTF-8 checked on the way, for text where a stop at
// every line end or accent would cost more than the reading. Only an accelerator: it may do nothing at all, and it
// leaves every kind of trouble to the careful code behind it.
#pragma once
#include <stdbool.h>

// From p, at the beginning of a character inside a string, to a character, escape or closing quote at or behind it;
// what lies between is valid. *escaped is set when there was a backslash and otherwise left alone.
const char *bulk_end(const char *p, const char *end, bool *escaped);
