// Listening sockets: each loop has its own on the same address (SO_REUSEPORT), so that the kernel spreads connections
// and none is ever handed between threads.
#pragma once
#include "config/config.h"
#include "gateway/worker.h"

struct listener;
// Opens all of the configuration's for one loop. A port of 0 is chosen by the first loop and written into `address`,
// which is also filled for the banner. False with *why.
bool listener_open_all(struct worker *w, const struct config *config, unsigned worker_number, struct tls_context *tls,
                       struct listener **list, struct str *address, struct arena *arena, struct str *why);
void listener_close_all(struct listener *list);
