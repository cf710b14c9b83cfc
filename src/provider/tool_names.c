#include "provider/tool_names.h"

#include <string.h>

enum { HASH = 8 };

static bool fits(struct str name, struct encode_alphabet alphabet) {
  bool good = name.len && name.len <= alphabet.max;
  for (size_t i = 0; i < name.len && good; i++) {
    char c = name.ptr[i];
    good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr(alphabet.more, c) != NULL);
  }
  return good;
}

// "files.read file" gives "files_read_file_k3ZbQ01x": to be read by the model, and not to be confused with another.
static struct str fitted(struct str name, struct encode_alphabet alphabet, struct arena *arena) {
  if (fits(name, alphabet)) return name;
  size_t front = alphabet.max - HASH - 1;
  if (name.len < front) front = name.len;
  char *made = arena_alloc(arena, front + 1 + HASH);
  // Of another length, a name that fits is hashed, too.
  struct str hash =
      encode_id(arena_printf(arena, "%.*s.", STR_ARGS(name)), (struct encode_alphabet){"", HASH, HASH}, arena);
  if (!made || hash.len != HASH) return (struct str){0};
  for (size_t i = 0; i < front; i++) made[i] = fits(str_from(name.ptr + i, 1), alphabet) ? name.ptr[i] : '_';
  made[front] = '_';
  memcpy(made + front + 1, hash.ptr, HASH);
  return str_from(made, front + 1 + HASH);
}

static bool is_odd(const struct part *p, struct encode_alphabet alphabet) {
  return p->kind == PART_CALL && !fits(p->name, alphabet);
}

static bool all_fit(const struct conversation *c, struct encode_alphabet alphabet) {
  for (size_t i = 0; i < c->tool_count; i++)
    if (!fits(c->tools[i].name, alphabet)) return false;
  for (size_t i = 0; i < c->turn_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++)
      if (is_odd(&c->turns[i].parts[p], alphabet)) return false;
  return true;
}

static void *copy(struct arena *arena, const void *items, size_t size) {
  void *made = arena_alloc(arena, size + 1);
  if (made && size) memcpy(made, items, size);
  return made;
}

static bool fit_tools(struct conversation *c, struct encode_alphabet alphabet, struct translation *t) {
  c->tools = copy(t->arena, c->tools, c->tool_count * sizeof *c->tools);
  t->tool_names = arena_alloc(t->arena, (c->tool_count + 1) * sizeof *t->tool_names);
  t->tool_name_count = 0;
  if (!c->tools || !t->tool_names) return false;
  for (size_t i = 0; i < c->tool_count; i++) {
    struct str name = c->tools[i].name;
    if (fits(name, alphabet)) continue;
    c->tools[i].name = fitted(name, alphabet, t->arena);
    // The request's bytes are gone when the calls come.
    t->tool_names[t->tool_name_count++] =
        (struct tool_name){.told = c->tools[i].name, .own = encode_escape(name, t->arena)};
  }
  if (c->choice == CHOICE_NAMED && !fits(c->choice_name, alphabet))
    c->choice_name = fitted(c->choice_name, alphabet, t->arena);
  return true;
}

static bool fit_turn(struct turn *turn, struct encode_alphabet alphabet, struct arena *arena) {
  struct part *parts = NULL;
  for (size_t p = 0; p < turn->count; p++) {
    if (!is_odd(&turn->parts[p], alphabet)) continue;
    if (!parts) parts = copy(arena, turn->parts, turn->count * sizeof *parts);
    if (!parts) return false;
    parts[p].name = fitted(parts[p].name, alphabet, arena);
  }
  if (parts) turn->parts = parts;
  return true;
}

const struct conversation *tool_names_fit(const struct conversation *c, struct encode_alphabet alphabet,
                                          struct translation *t) {
  if (all_fit(c, alphabet)) return c;
  struct conversation *made = copy(t->arena, c, sizeof *c);
  if (!made || !fit_tools(made, alphabet, t)) return NULL;
  made->turns = copy(t->arena, c->turns, c->turn_count * sizeof *c->turns);
  if (!made->turns) return NULL;
  for (size_t i = 0; i < made->turn_count; i++)
    if (!fit_turn(&made->turns[i], alphabet, t->arena)) return NULL;
  return t->arena->failed ? NULL : made;
}
