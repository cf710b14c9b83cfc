#include "provider/steps.h"

#include <string.h>

#include "provider/encode.h"

struct ordering {
  const struct conversation *c;
  const char *server_tools;
  struct arena *arena;
  struct steps *out;
  bool *used;               // tool turns that have been placed
  enum cache_mark pending;  // of a part that is gone: the next one of its turn takes it
};

// --- parts, and the cache marks of those that are left out ---

static bool takes_mark(const struct step *s) {
  return s->kind != STEP_PART || s->part->kind != PART_REASONING;
}

static void add(struct ordering *o, struct step step) {
  if (o->pending && takes_mark(&step)) {
    if (!step.cache) step.cache = o->pending;
    o->pending = CACHE_NONE;
  }
  o->out->items[o->out->count++] = step;
}

// The mark of a part that is not there, or bears none: the part before takes it, from `first` on; else the next one.
static void move_mark(struct ordering *o, enum cache_mark mark, size_t first) {
  if (!mark) return;
  for (size_t i = o->out->count; i-- > first;) {
    if (!takes_mark(&o->out->items[i])) continue;
    o->out->items[i].cache = mark;
    return;
  }
  o->pending = mark;
}

static bool is_worth(const struct ordering *o, const struct part *p) {
  if (p->kind == PART_TEXT || p->kind == PART_REFUSAL) return !encode_is_blank(p->text);
  if (p->kind == PART_SERVER_TOOL) return o->server_tools && reasoning_is_of(p, o->server_tools);
  return true;
}

static void add_parts(struct ordering *o, size_t number, enum step_kind kind) {
  const struct turn *t = &o->c->turns[number];
  size_t first = o->out->count;
  bool begins = true;
  for (size_t i = 0; i < t->count; i++) {
    const struct part *p = &t->parts[i];
    struct step step = {kind, t->role != ROLE_ASSISTANT, begins, p, t, number, p->cache};
    bool worth = is_worth(o, p), bears = worth && takes_mark(&step);
    if (!bears) step.cache = CACHE_NONE;
    if (worth) add(o, step);
    if (!bears) move_mark(o, p->cache, first);
    begins &= !worth;
  }
  // Nothing of the turn is left to bear it.
  enum cache_mark left = o->pending;
  o->pending = CACHE_NONE;
  move_mark(o, left, 0);
  o->pending = CACHE_NONE;
}

// --- calls and their results ---

// The calls of one turn by their IDs. Those of one ID (no provider makes them, but clients may) are a list, answered in
// turn.
struct calls {
  const struct turn *turn;
  uint32_t *slots;         // part + 1 of the first call of an ID; 0: free
  size_t mask;             // their number less one: a power of two
  uint32_t *first, *next;  // part + 1: of an ID's list, by its slot's part; behind a part
  size_t *results;         // by part: the tool turn that answers it; SIZE_MAX: none
};

static size_t hash_of(const void *bytes, size_t len) {
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < len; i++) h = (h ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
  return (size_t)(h ^ h >> 32);
}

static uint32_t *slot_of(const struct calls *calls, struct str id) {
  for (size_t at = hash_of(id.ptr, id.len) & calls->mask;; at = (at + 1) & calls->mask) {
    uint32_t part = calls->slots[at];
    if (!part || str_eq(calls->turn->parts[part - 1].id, id)) return &calls->slots[at];
  }
}

static bool calls_make(const struct turn *turn, struct arena *arena, struct calls *calls) {
  size_t n = turn->count, room = 2;
  while (room < 2 * n) room *= 2;
  *calls = (struct calls){.turn = turn, .mask = room - 1};
  calls->slots = arena_zalloc(arena, (room + 2 * n) * sizeof *calls->slots);
  calls->results = arena_alloc(arena, n * sizeof *calls->results + 1);
  if (!calls->slots || !calls->results) return false;
  calls->first = calls->slots + room;
  calls->next = calls->first + n;
  for (size_t p = n; p-- > 0;) {
    calls->results[p] = SIZE_MAX;
    if (turn->parts[p].kind != PART_CALL) continue;
    uint32_t *slot = slot_of(calls, turn->parts[p].id);
    if (!*slot) *slot = (uint32_t)p + 1;
    calls->next[p] = calls->first[*slot - 1];
    calls->first[*slot - 1] = (uint32_t)p + 1;
  }
  return true;
}

// Notes that tool turn `number` answers a call of this ID; the call's part, SIZE_MAX: there is none left.
static size_t calls_answer(struct calls *calls, struct str id, size_t number) {
  uint32_t *slot = slot_of(calls, id), *head = *slot ? &calls->first[*slot - 1] : NULL;
  if (!head || !*head) return SIZE_MAX;
  size_t part = *head - 1;
  *head = calls->next[part];
  calls->results[part] = number;
  return part;
}

static void add_result(struct ordering *o, const struct part *call, size_t turn) {
  const struct turn *t = turn == SIZE_MAX ? NULL : &o->c->turns[turn];
  enum cache_mark mark = CACHE_NONE;
  for (size_t i = 0; t && i < t->count; i++)
    if (t->parts[i].cache) mark = t->parts[i].cache;
  add(o, (struct step){STEP_RESULT, true, true, call, t, turn, mark});
}

// Some clients keep the calls of one answer as so many messages, and their results behind the last.
enum { CALLS_APART_MAX = 64 };

// The results of turn `number`'s calls: the tool turns that answer them before the model speaks again.
static bool add_results(struct ordering *o, size_t number, bool call_order) {
  const struct turn *turn = &o->c->turns[number];
  struct calls calls;
  bool any = false;
  for (size_t p = 0; p < turn->count; p++) any |= turn->parts[p].kind == PART_CALL;
  if (!any) return true;
  if (!calls_make(turn, o->arena, &calls)) return false;
  bool others_spoke = false;
  for (size_t i = number + 1; i < o->c->turn_count; i++) {
    if (o->c->turns[i].role == ROLE_ASSISTANT) {
      if (others_spoke || i - number > CALLS_APART_MAX) break;
      continue;
    }
    others_spoke = true;
    if (o->c->turns[i].role != ROLE_TOOL || o->used[i]) continue;
    size_t part = calls_answer(&calls, o->c->turns[i].call_id, i);
    if (part == SIZE_MAX) continue;
    o->used[i] = true;
    if (!call_order) add_result(o, &turn->parts[part], i);
  }
  for (size_t p = 0; p < turn->count; p++)
    if (turn->parts[p].kind == PART_CALL && (call_order || calls.results[p] == SIZE_MAX))
      add_result(o, &turn->parts[p], calls.results[p]);
  return true;
}

static void add_orphan(struct ordering *o, size_t number) {
  const struct turn *t = &o->c->turns[number];
  enum cache_mark mark = CACHE_NONE;
  for (size_t i = 0; i < t->count; i++)
    if (t->parts[i].cache) mark = t->parts[i].cache;
  add(o, (struct step){STEP_ORPHAN, true, true, NULL, t, number, mark});
}

// --- IDs that come twice ---

// False: it is there already.
static bool ids_add(struct str *ids, size_t mask, struct str id) {
  size_t at = hash_of(id.ptr, id.len) & mask;
  for (; ids[at].ptr; at = (at + 1) & mask)
    if (str_eq(ids[at], id)) return false;
  ids[at] = id;
  return true;
}

static struct renamed_call *renamed_slot(const struct steps *steps, const struct part *call) {
  size_t at = hash_of(&call, sizeof call) & steps->renamed_mask;
  while (steps->renamed[at].call && steps->renamed[at].call != call) at = (at + 1) & steps->renamed_mask;
  return &steps->renamed[at];
}

// `number`: of the call in the conversation, which stays as it is when the conversation grows.
static bool rename_call(struct ordering *o, struct str *ids, size_t mask, const struct part *call, size_t number) {
  struct steps *steps = o->out;
  struct str id;
  if (!steps->renamed) steps->renamed = arena_zalloc(o->arena, (mask + 1) * sizeof *steps->renamed);
  if (!steps->renamed) return false;
  steps->renamed_mask = mask;
  for (size_t again = 0;; again++) {
    id = again ? arena_printf(o->arena, "%.*s_%zu_%zu", STR_ARGS(call->id), number, again)
               : arena_printf(o->arena, "%.*s_%zu", STR_ARGS(call->id), number);
    if (!id.ptr) return false;
    if (ids_add(ids, mask, id)) break;
  }
  *renamed_slot(steps, call) = (struct renamed_call){call, id};
  return true;
}

static bool rename_calls(struct ordering *o) {
  const struct conversation *c = o->c;
  size_t calls = 0, room = 4, number = 0;
  for (size_t i = 0; i < c->turn_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++) calls += c->turns[i].parts[p].kind == PART_CALL;
  if (calls < 2) return true;
  while (room < 2 * calls) room *= 2;
  struct str *ids = arena_zalloc(o->arena, room * sizeof *ids);
  if (!ids) return false;
  for (size_t i = 0; i < c->turn_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++) {
      const struct part *call = &c->turns[i].parts[p];
      if (call->kind != PART_CALL) continue;
      struct str id = call->id.ptr ? call->id : STR("");
      if (!ids_add(ids, room - 1, id) && !rename_call(o, ids, room - 1, call, number)) return false;
      number++;
    }
  return true;
}

struct str steps_call_id(const struct steps *steps, const struct part *call) {
  if (!steps->renamed) return call->id;
  const struct renamed_call *renamed = renamed_slot(steps, call);
  return renamed->call ? renamed->id : call->id;
}

// --- all of it ---

bool steps_make(const struct conversation *c, bool call_order, const char *server_tools, struct arena *arena,
                struct steps *out) {
  size_t room = 1;
  for (size_t i = 0; i < c->turn_count; i++) room += 2 * c->turns[i].count + 1;
  *out = (struct steps){.items = arena_zalloc(arena, room * sizeof *out->items)};
  struct ordering o = {c, server_tools, arena, out, arena_zalloc(arena, c->turn_count + 1), CACHE_NONE};
  if (!out->items || !o.used || !rename_calls(&o)) return false;
  size_t i = 0;
  while (i < c->turn_count && c->turns[i].role == ROLE_SYSTEM) i++;
  out->system_count = i;
  for (; i < c->turn_count; i++) {
    switch (c->turns[i].role) {
      case ROLE_SYSTEM: add_parts(&o, i, STEP_SYSTEM); break;
      case ROLE_USER: add_parts(&o, i, STEP_PART); break;
      case ROLE_ASSISTANT:
        add_parts(&o, i, STEP_PART);
        if (!add_results(&o, i, call_order)) return false;
        break;
      case ROLE_TOOL:
        if (!o.used[i]) add_orphan(&o, i);
        break;
    }
  }
  return true;
}

const struct part *step_text(const struct turn *turn, size_t *at) {
  while (turn && *at < turn->count) {
    const struct part *p = &turn->parts[(*at)++];
    if (p->kind == PART_TEXT || p->kind == PART_REFUSAL) return p;
  }
  return NULL;
}
