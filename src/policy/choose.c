#include "policy/choose.h"

static bool unknown(const struct catalogue *c, struct str id, struct arena *arena, struct fault_note *note) {
  struct str nearest = catalogue_nearest(c, id);
  if (id.len > 200) id.len = 200;
  note->fault = FAULT_UNKNOWN_MODEL;
  note->param = STR("model");
  if (nearest.len)
    note->message =
        arena_printf(arena, "%.*s is not a valid model ID. Did you mean %.*s? GET /api/v1/models lists all.",
                     STR_ARGS(id), STR_ARGS(nearest));
  else
    note->message = arena_printf(arena, "%.*s is not a valid model ID. GET /api/v1/models lists all.", STR_ARGS(id));
  return false;
}

static bool add_model(const struct catalogue *c, struct str id, struct arena *arena, const struct endpoint **targets,
                      unsigned max, unsigned *count, struct fault_note *note) {
  const struct model *m = catalogue_find(c, id);
  if (!m) return unknown(c, id, arena, note);
  for (size_t i = 0; i < m->endpoint_count && *count < max; i++) targets[(*count)++] = &m->endpoints[i];
  return true;
}

unsigned choose_targets(const struct catalogue *c, const struct chat_request *r, struct arena *arena,
                        const struct endpoint **targets, unsigned max, struct fault_note *note) {
  unsigned count = 0;
  *note = (struct fault_note){0};
  if (!r->model.len && !r->model_count) {
    note->fault = FAULT_BAD_REQUEST;
    note->param = STR("model");
    note->message = STR("No model given. Set \"model\"; GET /api/v1/models lists all.");
    return 0;
  }
  if (r->model.len && !add_model(c, r->model, arena, targets, max, &count, note)) return 0;
  for (unsigned i = 0; i < r->model_count; i++)
    if (!str_eq(r->models[i], r->model) && !add_model(c, r->models[i], arena, targets, max, &count, note)) return 0;
  return count;
}
