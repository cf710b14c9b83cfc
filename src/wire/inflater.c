// The room for plain bytes is a bucket: it begins with INFLATER_FREE, each compressed byte adds INFLATER_RATIO, each
// plain one takes one, and it holds INFLATER_ROOM at most.
#include "wire/inflater.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

enum { GZIP_FIRST = 0x1f };

struct inflater {
  z_stream z;
  size_t room;
  bool ended;  // a member's end has been seen
};

struct inflater *inflater_new(void) {
  struct inflater *f = calloc(1, sizeof *f);
  if (!f) return NULL;
  f->room = INFLATER_FREE;
  if (inflateInit2(&f->z, 15 + 32) == Z_OK) return f;  // gzip or zlib, as its first bytes say
  free(f);
  return NULL;
}

void inflater_drop(struct inflater *f) {
  if (!f) return;
  inflateEnd(&f->z);
  free(f);
}

void inflater_give(struct inflater *f, struct str piece) {
  assert(f->z.avail_in == 0 || f->ended);
  f->z.next_in = (unsigned char *)(size_t)piece.ptr;
  f->z.avail_in = (unsigned)piece.len;
  size_t more = piece.len < INFLATER_ROOM / INFLATER_RATIO ? piece.len * INFLATER_RATIO : INFLATER_ROOM;
  f->room = f->room + more < INFLATER_ROOM ? f->room + more : INFLATER_ROOM;
}

// Behind the end of a member: is there another one?
static bool next_member(struct inflater *f) {
  if (!f->z.avail_in || f->z.next_in[0] != GZIP_FIRST || inflateReset(&f->z) != Z_OK) return false;
  f->ended = false;
  return true;
}

enum inflater_result inflater_take(struct inflater *f, char *out, size_t max, size_t *got) {
  *got = 0;
  if (f->ended && !next_member(f)) return INFLATER_NEEDS;
  // One byte more than there is room for shows that there is one.
  size_t wanted = f->room < max ? f->room + 1 : max;
  f->z.next_out = (unsigned char *)out;
  f->z.avail_out = (unsigned)wanted;
  int rc = inflate(&f->z, Z_NO_FLUSH);
  *got = wanted - f->z.avail_out;
  if (*got > f->room) return *got = f->room, INFLATER_BOMB;
  f->room -= *got;
  if (rc == Z_STREAM_END) return f->ended = true, f->z.avail_in ? INFLATER_HAS : INFLATER_NEEDS;
  if (rc != Z_OK && rc != Z_BUF_ERROR) return INFLATER_DAMAGED;
  return f->z.avail_out ? INFLATER_NEEDS : INFLATER_HAS;
}
