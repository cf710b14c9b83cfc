// The grammar's tests once more, with the code for processors that have neither SSE2 nor AVX2.
#undef __SSE2__
#include "json/bulk.c"
#include "json/plain.c"
#include "test_grammar.c"
