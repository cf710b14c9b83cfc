// What the files of the path (request.c, attempt.c, relay.c, account.c) share with each other and nobody else.
#pragma once
#include "gateway/request.h"

// The handler of POST /chat/completions.
void request_chat(struct request *r);
// Asks the present target.
void path_attempt_start(struct request *r);
// The present attempt is over without an answer: the next endpoint, or the error.
void path_attempt_failed(struct request *r, enum fault fault, struct str message);
// What the present attempt waited for before it could be made is there.
void path_attempt_prepared(struct request *r);
// The provider has paused its turn: can it be asked to go on? The answer so far must have been taken from the events.
bool path_attempt_can_go_on(struct request *r);
// Asks it, for the same answer. What was in the provider's reply is gone; the request may be over when this returns.
void path_attempt_go_on(struct request *r);
// Accounts and answers an error, as JSON or as the last event of a stream; ends the request.
void path_fail(struct request *r, enum fault fault, struct str message);
// Releases everything. The client has been answered or is gone (r->client is NULL); the ledger has its row.
void request_over(struct request *r);
void request_reply_options(struct request *r);
