// Ids of generations, in OpenRouter's form: "gen-<unix seconds>-<20 alphanumerics>".
// Ours begin their twenty with the moment (four characters, the microsecond) and the loop (two), so that ids grow with
// time and the ledger can keep rows in order; fourteen random ones (83 bits) make them unguessable.
#pragma once
#include <stdint.h>

#include "base/rand.h"
#include "base/str.h"

enum { GENERATION_ID_SIZE = 36 };  // with its NUL
// `unix_us` must grow with every call for one `loop` (below 256).
void generation_id(char out[GENERATION_ID_SIZE], uint64_t unix_us, unsigned loop, struct rand *rand);
// The id's place in the ledger: growing with time. For text of another form: a hash, below zero.
int64_t generation_seq(struct str id);
