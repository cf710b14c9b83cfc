// Response heads.
#pragma once
#include "base/buf.h"
#include "gateway/request.h"

// "Not Found"; "Unknown" for a status without a name.
const char *http_reason(unsigned status);
// Appends a whole head for `r`. `length` < 0: chunked coding (close-delimited for HTTP/1.0). Inference replies get
// X-Generation-Id and Server-Timing. `extra`: complete field lines, or empty.
void response_head(struct request *r, struct buf *out, unsigned status, struct str content_type, int64_t length,
                   struct str extra);
// One piece of a chunked body: room for the size line is left by begin, filled by end. Nothing is written for an empty
// piece. On HTTP/1.0 both do nothing.
size_t response_chunk_begin(const struct request *r, struct buf *out);
void response_chunk_end(const struct request *r, struct buf *out, size_t begun_at);
// The end of a chunked body.
void response_last_chunk(const struct request *r, struct buf *out);
// Hands the last bytes of an answer to the client (`out`, then `body`, which may be empty; both are only lent) and
// parts the request from it: r->client is NULL when this returns.
void response_finish(struct request *r, const struct buf *out, struct str body);
