#include "admin/routers.h"

#include "llm/names.h"
#include "policy/model_name.h"

enum { AUTO, FREE, ROUTERS = ROUTERS_MAX };

static const struct provider here = {.id = {"signalbox", 9}, .name = {"Signalbox", 9}};
static const struct endpoint nowhere[ROUTERS] = {
    [AUTO] = {.provider = &here, .pricing = {.prompt = PRICE_UNSET, .completion = PRICE_UNSET}},
    [FREE] = {.provider = &here},
};
static const struct model rows[ROUTERS] = {
    [AUTO] = {.id = {"signalbox/auto", 14},
              .name = {"Automatic choice", 16},
              .description = {"Chooses a model for each prompt by how hard it is, what it needs and what may be spent.",
                              87}},
    [FREE] = {.id = {"signalbox/free", 14},
              .name = {"Any free model", 14},
              .description = {"A model that costs nothing and can take the request, at random.", 63}},
};

bool router_is(const struct model *m) {
  return m->endpoints == &nowhere[AUTO] || m->endpoints == &nowhere[FREE];
}

bool router_price_varies(const struct model *m) {
  return m->endpoints == &nowhere[AUTO];
}

static bool costs_nothing(const struct endpoint *e) {
  return e->pricing.prompt == 0 && e->pricing.completion == 0;
}

static bool takes_part(const struct model *m, int router) {
  bool text = !m->output_modalities.count;
  for (size_t i = 0; i < m->output_modalities.count; i++) text |= str_eq(m->output_modalities.items[i], STR("text"));
  if (!text) return false;
  for (size_t i = 0; i < m->endpoint_count; i++) {
    const struct endpoint *e = &m->endpoints[i];
    if (e->provider->protocol != PROTOCOL_DEMO && (router == AUTO || costs_nothing(e))) return true;
  }
  return false;
}

// False: there is nothing for it to choose from.
static bool router_make(const struct catalogue *c, int router, struct arena *arena, struct name_lists *lists,
                        struct model *out) {
  uint32_t parameters = 0, input = 0, output = 0;
  bool any = false;
  *out = rows[router];
  out->canonical_slug = out->id;
  out->tokenizer = STR("Router");
  out->endpoints = &nowhere[router];
  out->endpoint_count = 1;
  for (size_t i = 0; i < c->model_count; i++) {
    const struct model *m = &c->models[i];
    if (!takes_part(m, router)) continue;
    any = true;
    if (m->context_length > out->context_length) out->context_length = m->context_length;
    if (m->created > out->created) out->created = m->created;
    for (size_t k = 0; k < m->endpoint_count; k++) {
      parameters |= m->endpoints[k].parameters;
      input |= m->endpoints[k].input_modalities;
      output |= m->endpoints[k].output_modalities;
    }
  }
  uint32_t text = names_modality_mask((struct str_list){&(struct str){"text", 4}, 1});
  out->supported_parameters = names_list(lists, arena, parameters);
  out->input_modalities = names_list(lists, arena, input | text | NAMES_MODALITIES);
  out->output_modalities = names_list(lists, arena, output | text | NAMES_MODALITIES);
  return any;
}

static int order(struct str a, struct str b) {
  int by_bytes = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
  return by_bytes ? by_bytes : (a.len > b.len) - (a.len < b.len);
}

// `models` has room for one more and stays sorted.
static void insert(struct model *models, size_t *count, const struct model *m) {
  size_t at = *count;
  for (; at > 0 && order(m->id, models[at - 1].id) < 0; at--) models[at] = models[at - 1];
  models[at] = *m;
  (*count)++;
}

bool routers_join(const struct catalogue *c, struct arena *arena, struct catalogue *out) {
  struct model *joined = arena_alloc(arena, (c->model_count + ROUTERS) * sizeof *joined), made;
  struct name_lists *lists = arena_zalloc(arena, sizeof *lists);
  *out = *c;
  if (!joined || !lists) return false;
  if (c->model_count) memcpy(joined, c->models, c->model_count * sizeof *joined);
  out->models = joined;
  for (int router = AUTO; router < ROUTERS; router++) {
    if (!catalogue_find(c, rows[router].id) && router_make(c, router, arena, lists, &made))
      insert(joined, &out->model_count, &made);
  }
  return !lists->failed;
}

const struct model *routers_find(const struct catalogue *c, struct str id, struct arena *arena) {
  struct model_name name;
  struct fault_note note = {0};
  if (!model_name_resolve(c, id, arena, &name, &note) || name.model) return NULL;
  struct model *made = arena_alloc(arena, sizeof *made);
  struct name_lists *lists = arena_zalloc(arena, sizeof *lists);
  if (!made || !lists) return NULL;
  router_make(c, name.kind == MODEL_FREE ? FREE : AUTO, arena, lists, made);
  return made;
}
