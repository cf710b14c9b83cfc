// A struct record as flat bytes and back: what the spool's files hold. Numbers first, then the lengths of the strings,
// then the strings; in this machine's byte order, as the files never leave it.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "llm/record.h"

enum {
  RECORD_STRING_MAX = 512,     // longer strings are cut between two characters
  RECORD_ATTEMPTS_MAX = 4096,  // attempts_json longer than this is left out, as half of it would not be JSON
  RECORD_WIRE_MAX = 14 * 1024  // an encoded record is never longer
};

// Writes at most RECORD_WIRE_MAX bytes to `out` and returns how many.
size_t record_encode(char *out, const struct record *record);
// Strings of *out point into `bytes`; bytes behind the record are ignored. False when it is not a whole record.
bool record_decode(struct str bytes, struct record *out);
