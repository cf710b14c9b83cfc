// `openrouter_metadata`: how a request was routed, for clients that ask for it with `X-OpenRouter-Metadata: enabled`
// (openrouter/MAP 2.3, 13), and what its provider could not be told.
#pragma once
#include "gateway/request.h"

// Adds it to the last object in `out`, behind whose brace only `tail` stands. Nothing happens when the client did not
// ask, or nothing has been asked of a provider and no kept answer was given. `status`: of the present attempt; 0: it is
// not among the attempts.
void metadata_add(struct request *r, struct buf *out, struct str tail, unsigned status);
// How the endpoint that answers was found: "direct", "fallback", "auto" and so on.
const char *metadata_strategy(const struct inference *in);
