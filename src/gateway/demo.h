// The built-in demo provider: an HTTP server for the OpenAI dialect inside the process, reached through a socket pair,
// so that it goes the same path as every other provider. Its answers say that they are simulated.
//   echo        answers at once with the last user message
//   lorem       streams a paragraph at a human pace
//   tools       calls the first tool it is given
//   flaky-down  always 503;  flaky-up  answers: demo/flaky has both, so that fallback can be seen
#pragma once

// origin_spec.dial; the context is the struct worker. A connected, non-blocking descriptor, or -1 with errno.
int demo_dial(void *worker);
// Closes the provider's side of all its connections on this loop.
struct worker;
void demo_close_all(struct worker *w);
