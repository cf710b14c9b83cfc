// The same tests with the code for processors without SSE2.
#undef __SSE2__
#include "test_sse.c"
