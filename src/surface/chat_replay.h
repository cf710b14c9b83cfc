// An answer kept to be given again: the bytes the client got, with holes where the next client gets something else (the
// generation's id and `created`) and every number of `usage` zero. Pure.
#pragma once
#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum chat_replay_kind { CHAT_REPLAY_ID, CHAT_REPLAY_CREATED };

struct chat_replay_hole {
  uint32_t at;    // in the kept bytes, growing
  uint32_t kind;  // enum chat_replay_kind
};

// `answer` is a whole JSON body or all events of a stream with its [DONE]; `id` the generation's. Appends the bytes to
// keep, and the holes (struct chat_replay_hole) to `holes`. False: it is not to be kept, for it is not complete, has an
// error in it or a choice that ended with one, or has no finish reason; or a buffer is full.
MUST_CHECK bool chat_replay_make(struct str answer, bool stream, struct str id, struct buf *bytes, struct buf *holes);
// The answer for generation `id`.
void chat_replay_write(struct str bytes, const struct chat_replay_hole *holes, size_t count, struct str id,
                       uint64_t created, struct buf *out);
