// Looking up models and providers, and guessing what was meant by an id nobody knows.
#include "llm/model.h"

#include <assert.h>

// Longer ids are not guessed at: the work grows with the length, and the id comes from outside.
enum { GUESS_MAX = 96 };

static int order(struct str a, struct str b) {
  size_t shorter = a.len < b.len ? a.len : b.len;
  int by_bytes = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
  if (by_bytes) return by_bytes;
  return (a.len > b.len) - (a.len < b.len);
}

const struct model *catalogue_find(const struct catalogue *c, struct str id) {
  size_t low = 0, high = c->model_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int way = order(id, c->models[middle].id);
    if (!way) return &c->models[middle];
    if (way < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

const struct provider *catalogue_provider(const struct catalogue *c, struct str id) {
  for (size_t i = 0; i < c->provider_count; i++) {
    if (str_eq(c->providers[i].id, id)) return &c->providers[i];
  }
  return NULL;
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned least(unsigned a, unsigned b, unsigned c) {
  unsigned ab = a < b ? a : b;
  return ab < c ? ab : c;
}

// How many characters must be put in, taken out or changed to make b of a, without regard to case; anything above
// `most` is only known to be above it.
static unsigned distance(struct str a, struct str b, unsigned most) {
  size_t gap = a.len > b.len ? a.len - b.len : b.len - a.len;
  if (gap > most || b.len > GUESS_MAX) return most + 1;
  unsigned row[GUESS_MAX + 1];
  for (size_t i = 0; i <= b.len; i++) row[i] = (unsigned)i;
  for (size_t i = 0; i < a.len; i++) {
    unsigned diagonal = row[0], best = row[0] = (unsigned)i + 1;
    for (size_t k = 0; k < b.len; k++) {
      unsigned changed = diagonal + (lower(a.ptr[i]) != lower(b.ptr[k]));
      diagonal = row[k + 1];
      row[k + 1] = least(changed, row[k] + 1, diagonal + 1);
      if (row[k + 1] < best) best = row[k + 1];
    }
    if (best > most) return most + 1;
  }
  return row[b.len];
}

static struct str behind_author(struct str id) {
  size_t slash = str_find_char(id, '/', 0);
  return slash == SIZE_MAX ? id : str_skip(id, slash + 1);
}

// The id without a variant (":free"), because models rather than variants are listed.
static struct str without_variant(struct str id) {
  size_t colon = str_find_char(id, ':', 0);
  return colon == SIZE_MAX || colon == 0 ? id : str_from(id.ptr, colon);
}

struct str catalogue_nearest(const struct catalogue *c, struct str id) {
  if (!id.len || id.len > GUESS_MAX) return (struct str){0};
  id = without_variant(id);
  struct str slug = behind_author(id);
  // About one slip in five characters; a wrong or missing author counts as one.
  unsigned bound = 1 + (unsigned)slug.len / 5, best = bound + 1;
  struct str nearest = {0};
  for (size_t i = 0; i < c->model_count && best > 0; i++) {
    struct str candidate = c->models[i].id;
    unsigned whole = distance(id, candidate, best - 1);
    unsigned part = best > 1 ? 1 + distance(slug, behind_author(candidate), best - 2) : best;
    unsigned d = whole < part ? whole : part;
    if (d >= best) continue;
    best = d;
    nearest = candidate;
  }
  return nearest;
}
