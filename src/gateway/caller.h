// Who asks, and whether they may: the key of a request is looked for in the loop's keyring, then in the store.
#pragma once
#include "gateway/request.h"

// FAULT_NONE: the key, if there is one, is noted on the request. Else *why. r->key_unknown: the store has not been
// asked yet.
enum fault caller_check(struct request *r, const struct http_head *head, enum route_access access, struct str *why);
// The key was unknown; another process may have made it a moment ago. Asks the store, then runs the request, or refuses
// it where a key is needed.
void caller_look_up(struct request *r);
