// Undoes gzip and zlib ("deflate") of a body that comes in pieces, and refuses bombs: plain bytes may be a hundred
// times as many as the compressed ones that brought them, beyond a first quarter of a megabyte. What an even stream
// leaves of that is not saved up without end, so that no single piece can bring more than INFLATER_PIECE_MAX.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum {
  INFLATER_RATIO = 100,
  INFLATER_FREE = 256 * 1024,                                    // plain bytes that are never too many
  INFLATER_ROOM = INFLATER_FREE + INFLATER_RATIO * (64 * 1024),  // the most that is saved up
};

enum inflater_result {
  INFLATER_NEEDS,    // all that was given is used: more must be given, if there is more
  INFLATER_HAS,      // there may be more of what was given
  INFLATER_DAMAGED,  // no such bytes
  INFLATER_BOMB,     // too many plain bytes for so few
};

struct inflater;
struct inflater *inflater_new(void);  // NULL: out of memory
void inflater_drop(struct inflater *f);

// The next bytes of the body; they must live until they are used.
void inflater_give(struct inflater *f, struct str piece);
// Writes up to `max` plain bytes; *got of them are good with every result. Several gzip members are one text, other
// bytes behind the end are ignored. After INFLATER_DAMAGED and INFLATER_BOMB nothing may be asked for.
enum inflater_result inflater_take(struct inflater *f, char *out, size_t max, size_t *got);
