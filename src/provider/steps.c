#include "provider/steps.h"

#include <string.h>

#include "provider/encode.h"

struct ordering {
  const struct conversation *c;
  const char *server_tools;
  struct steps *out;
  bool *used;  // tool turns that have been placed
};

static void add(struct ordering *o, struct step step) {
  o->out->items[o->out->count++] = step;
}

static bool is_worth(const struct ordering *o, const struct part *p) {
  if (p->kind == PART_TEXT || p->kind == PART_REFUSAL) return !encode_is_blank(p->text);
  if (p->kind == PART_SERVER_TOOL) return o->server_tools && reasoning_is_of(p, o->server_tools);
  return true;
}

static void add_parts(struct ordering *o, size_t number, enum step_kind kind) {
  const struct turn *t = &o->c->turns[number];
  bool begins = true;
  for (size_t i = 0; i < t->count; i++) {
    if (!is_worth(o, &t->parts[i])) continue;
    add(o, (struct step){kind, t->role != ROLE_ASSISTANT, begins, &t->parts[i], t, number});
    begins = false;
  }
}

static const struct part *call_of(const struct turn *calls, struct str id) {
  for (size_t i = 0; i < calls->count; i++)
    if (calls->parts[i].kind == PART_CALL && str_eq(calls->parts[i].id, id)) return &calls->parts[i];
  return NULL;
}

// The tool turn that answers a call of turn `number`, before the model speaks again.
static size_t result_of(struct ordering *o, size_t number, const struct part *call) {
  for (size_t i = number + 1; i < o->c->turn_count && o->c->turns[i].role != ROLE_ASSISTANT; i++) {
    const struct turn *t = &o->c->turns[i];
    if (t->role == ROLE_TOOL && !o->used[i] && str_eq(t->call_id, call->id)) return i;
  }
  return SIZE_MAX;
}

static void add_result(struct ordering *o, const struct part *call, size_t turn) {
  const struct turn *t = turn == SIZE_MAX ? NULL : &o->c->turns[turn];
  if (t) o->used[turn] = true;
  add(o, (struct step){STEP_RESULT, true, true, call, t, turn});
}

static void add_results(struct ordering *o, size_t number, bool call_order) {
  const struct turn *calls = &o->c->turns[number];
  for (size_t i = number + 1; !call_order && i < o->c->turn_count && o->c->turns[i].role != ROLE_ASSISTANT; i++) {
    const struct turn *t = &o->c->turns[i];
    const struct part *call = t->role == ROLE_TOOL ? call_of(calls, t->call_id) : NULL;
    if (call && result_of(o, number, call) == i) add_result(o, call, i);
  }
  size_t placed = o->out->count;
  for (size_t p = 0; p < calls->count; p++) {
    const struct part *call = &calls->parts[p];
    bool answered = call->kind != PART_CALL;
    for (size_t s = placed; !answered && s-- > 0 && o->out->items[s].kind == STEP_RESULT;)
      answered = o->out->items[s].part == call;
    if (!answered) add_result(o, call, result_of(o, number, call));
  }
}

bool steps_make(const struct conversation *c, bool call_order, const char *server_tools, struct arena *arena,
                struct steps *out) {
  size_t room = 1;
  for (size_t i = 0; i < c->turn_count; i++) room += 2 * c->turns[i].count + 1;
  *out = (struct steps){.items = arena_zalloc(arena, room * sizeof *out->items)};
  struct ordering o = {c, server_tools, out, arena_zalloc(arena, c->turn_count + 1)};
  if (!out->items || !o.used) return false;
  size_t i = 0;
  while (i < c->turn_count && c->turns[i].role == ROLE_SYSTEM) i++;
  out->system_count = i;
  for (; i < c->turn_count; i++) {
    switch (c->turns[i].role) {
      case ROLE_SYSTEM: add_parts(&o, i, STEP_SYSTEM); break;
      case ROLE_USER: add_parts(&o, i, STEP_PART); break;
      case ROLE_ASSISTANT:
        add_parts(&o, i, STEP_PART);
        add_results(&o, i, call_order);
        break;
      case ROLE_TOOL:
        if (!o.used[i]) add(&o, (struct step){STEP_ORPHAN, true, true, NULL, &c->turns[i], i});
        break;
    }
  }
  return true;
}

bool steps_is_current(const struct steps *s, const struct step *step) {
  for (const struct step *next = step + 1; next < s->items + s->count; next++)
    if (!next->user && next->turn != step->turn) return false;
  return true;
}

const struct part *step_text(const struct turn *turn, size_t *at) {
  while (turn && *at < turn->count) {
    const struct part *p = &turn->parts[(*at)++];
    if (p->kind == PART_TEXT || p->kind == PART_REFUSAL) return p;
  }
  return NULL;
}
