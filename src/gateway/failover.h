// What attempt.c asks of failover.c.
#pragma once
#include "gateway/request.h"

// The provider's key for this attempt: the one chosen before, else one that is not benched and was not tried at this
// endpoint, at random by weight. Empty: the provider has none.
struct str failover_key(struct attempt *a);
// A place has been taken for the request at the provider of this target, for which it waited: asks it.
void failover_go_on(struct request *r, unsigned target);
// The attempt begins: sets the timer of its deadlines.
void failover_watch(struct attempt *a);
