#include "surface/chat_repeat.h"

static struct str repeated(const struct chat_repeat *r) {
  return str_from(r->text.ptr, (size_t)(r->walk.p - r->text.ptr));
}

struct str chat_repeat_take(struct chat_repeat *r, struct str piece, struct str *held) {
  struct escape_walk walk = escape_walk(piece), expected = r->walk;
  *held = (struct str){0};
  while (!r->over) {
    struct escape_walk before = expected;
    int want = escape_walk_next(&expected), got = want < 0 ? -1 : escape_walk_next(&walk);
    if (want < 0) {
      r->over = true;
      piece = str_skip(piece, (size_t)(walk.p - piece.ptr));
    } else if (got < 0) {
      r->walk = before;
      return (struct str){0};
    } else if (got != want) {
      // All of this piece is new after all, and what the pieces before it held.
      r->over = true;
      *held = repeated(r);
    }
  }
  return piece;
}

struct str chat_repeat_end(struct chat_repeat *r) {
  if (r->over) return (struct str){0};
  r->over = true;
  struct str held = repeated(r);
  return held.len == r->text.len ? (struct str){0} : held;
}
