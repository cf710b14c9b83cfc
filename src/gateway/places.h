// Room at providers that may only have so many requests at a time (providers[].max_concurrency): each attempt enters
// and leaves, and a request for which only full ones are left waits in the queue (waiting.h) until one has room.
#pragma once
#include "gateway/request.h"

// Counts the attempt in at its provider. False: it is full, or others wait for room there.
bool places_enter(struct attempt *a);
// Counts it out, if it was counted, and hands its place on.
void places_leave(struct attempt *a);
// Nobody else can be asked. True: the request waits for room at those that were full, and goes on or fails by itself.
// False: there are none, or it would be in vain; then the Retry-After of its error is set.
bool places_wait(struct request *r);
// The client has gone. True: a place was handed to the request in this moment; it is given back, and the request
// ended, in a moment.
bool places_gone(struct request *r);
