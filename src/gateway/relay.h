// The way back: a provider's reply, as it comes, to the client. Whole replies are collected and rewritten; streams are
// rewritten event by event in constant memory, with back-pressure; errors are read and given to the path.
#pragma once
#include "gateway/request.h"

// Part of the provider's reply, see struct exchange.
void relay_reply(struct attempt *a, const struct http_head *head, char *body, size_t n, bool end);
// The exchange failed (also in the middle of a reply).
void relay_failed(struct attempt *a, enum fault fault, struct str message);
// A keep-alive comment; the first commits the client to a stream.
void relay_comment(struct request *r);
// Ends a stream that has begun with an error event.
void relay_error_end(struct request *r, enum fault fault, struct str message);
// The names of the request's members that the endpoint could not be told, as "seed, logit_bias"; empty: none.
struct str relay_dropped(struct attempt *a);
// The same of the attempt that answers, as a header field with its end; empty: none.
struct str relay_dropped_field(struct request *r);
// Frees what the attempt holds of the reply.
void relay_reset(struct attempt *a);
// The same, but the client's side stays: the provider is asked to go on with the same answer.
void relay_go_on(struct attempt *a);
