#include "gateway/planning.h"

#include "gateway/gateway.h"
#include "gateway/sticky.h"
#include "policy/plan.h"
#include "surface/chat_merge.h"

bool planning_preset(struct request *r, struct fault_note *note) {
  struct inference *in = r->inference;
  const struct chat_request *chat = &in->chat;
  // As the client wrote it: "@preset/slug", too.
  struct str requested = chat->model.len || !chat->model_count ? chat->model : chat->models[0];
  if (r->wants_metadata) in->requested = arena_str(&r->arena, requested);
  return preset_request(gateway_presets(r->worker), &in->chat, &r->arena, &in->preset, note);
}

struct plan_query planning_query(struct request *r, const struct chat_request *chat) {
  const struct config *config = request_config(r);
  return (struct plan_query){.request = chat,
                             .catalogue = request_catalogue(r),
                             .house = &config->routing,
                             .house_auto = &r->ws->snapshot->auto_wish,
                             .health = config->health ? &r->ws->snapshot->health : NULL,
                             .now_ms = loop_now_ms(r->worker->loop),
                             .seed = rand_next(&r->worker->rand),
                             .max = REQUEST_TARGETS};
}

// Nothing to decide: one endpoint of one model. Then nobody asks what conversation it is.
static bool has_choice(const struct request *r) {
  const struct chat_request *chat = &r->inference->chat;
  const struct model *m = chat->model_count ? NULL : catalogue_find(request_catalogue(r), chat->model);
  return !m || m->endpoint_count > 1;
}

bool planning_targets(struct request *r, struct fault_note *note) {
  struct inference *in = r->inference;
  struct plan_query query = planning_query(r, &in->chat);
  struct plan *plan = arena_zalloc(&r->arena, sizeof *plan);
  *note = (struct fault_note){FAULT_INTERNAL, STR("Out of memory."), {0}};
  if (!plan) return false;
  in->plan = plan;
  if (has_choice(r)) query.sticky = sticky_find(r);
  if (!plan_make(&query, &r->arena, plan, note)) return false;
  for (unsigned i = 0; i < plan->routing.count && i < REQUEST_TARGETS; i++)
    in->targets[in->target_count++] = plan->routing.candidates[i].endpoint;
  if (r->wants_metadata && !in->requested.len)
    in->requested = arena_str(&r->arena, plan->name.text.len ? plan->name.text : in->targets[0]->model->id);
  return true;
}

unsigned planning_variant(const struct inference *in, unsigned target) {
  return in->plan && in->plan->varies_body ? plan_body(in->plan, target) : 0;
}

bool planning_body(struct request *r, const struct endpoint *target, struct fault_note *note) {
  struct inference *in = r->inference;
  unsigned variant = in->variant;
  if (LIKELY(!in->plan || !in->plan->varies_body)) return true;
  for (unsigned i = 0; i < in->target_count; i++)
    if (in->targets[i] == target) variant = planning_variant(in, i);
  if (variant == in->variant) return true;
  if (!in->variant) in->plain_body = in->chat.body;
  in->conversation = NULL;
  if (in->variant) {
    chat_request_free(&in->chat);
    if (!chat_request_parse(&in->chat, in->plain_body, &r->arena, note)) return false;
  }
  in->variant = (uint8_t)variant;
  return chat_request_vary(&in->chat, variant & VARIANT_THINKING, variant & VARIANT_ONLINE, &r->arena, note);
}
