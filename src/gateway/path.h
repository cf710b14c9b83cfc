// What the files of the path (request.c, attempt.c, failover.c, relay.c, account.c) share with each other and nobody
// else.
#pragma once
#include "gateway/request.h"

// The handler of POST /chat/completions.
void request_chat(struct request *r);
// What must happen to an attempt's health records and timers, and where the request goes when it fails: failover.c.
// Chooses the first target and asks it.
void path_first_attempt(struct request *r);
// The attempt is the first to say something: it answers, and another that runs beside it is cancelled.
void path_attempt_spoke(struct attempt *a);
// Another attempt runs beside it, or another endpoint may be asked as long as the client has seen nothing.
bool path_has_other(const struct attempt *a);
// The attempt's answer is complete, and accounted.
void path_attempt_done(struct attempt *a);
// All attempts under way end without a verdict: the client has gone, or the request is over.
void path_attempts_cancel(struct request *r);
// How many seconds a client does well to wait before it tries again: the shortest that a provider asked for; else until
// the first of those that were asked has served its bench.
unsigned path_wait_s(struct request *r);
// The request is over: frees what its attempts hold. True: the end of a provider's reply is still awaited.
bool path_attempts_over(struct request *r);
// Accounts and answers an error, as JSON or as the last event of a stream; ends the request.
void path_fail(struct request *r, enum fault fault, struct str message);
// Releases everything. The client has been answered or is gone (r->client is NULL); the ledger has its row.
void request_over(struct request *r);
void request_reply_options(struct request *r);
