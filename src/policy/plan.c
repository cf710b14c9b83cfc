#include "policy/plan.h"

#include "policy/difficulty.h"
#include "surface/auto_wish.h"
#include "surface/chat_asked.h"
#include "surface/chat_members.h"
#include "surface/preferences.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool refuse(struct fault_note *note, enum fault fault, const char *param, struct str message) {
  *note = (struct fault_note){fault, message, str_from_cstr(param)};
  return false;
}

static bool no_memory(struct fault_note *note) {
  return refuse(note, FAULT_INTERNAL, "", STR("Out of memory."));
}

// --- models ---

static const unsigned sorting = VARIANT_NITRO | VARIANT_FLOOR | VARIANT_EXACTO;
static const unsigned letting_in = VARIANT_NITRO | VARIANT_FLOOR | VARIANT_FREE;  // what changes who is asked
static const unsigned of_body = VARIANT_THINKING | VARIANT_ONLINE;

static void add_model(struct plan *p, const struct model *m, const struct model_name *name, unsigned more) {
  unsigned variants = name->variants | more;
  for (unsigned i = 0; i < p->model_count; i++)
    if (p->models[i] == m && !((p->variants[i] ^ variants) & letting_in)) return;
  if (p->model_count == PLAN_MODELS) return;
  if (variants & of_body) p->varies_body = true;
  p->models[p->model_count] = m;
  p->routers[p->model_count] = name->router;
  p->variants[p->model_count++] = (uint8_t)variants;
}

// What the conversation had before, unless the request wants to be looked at anew.
static const struct model *pinned_model(const struct plan_query *q, const struct auto_wish *wish, struct str named) {
  const struct model *m = named.len ? catalogue_find(q->catalogue, named) : NULL;
  if (m) return m;
  if (wish->no_pin) return NULL;
  return q->pinned ? q->pinned : q->sticky ? q->sticky->model : NULL;
}

static bool choose(const struct plan_query *q, const struct model_name *name, struct arena *arena, struct plan *out,
                   struct fault_note *note) {
  struct auto_wish wish = {0};
  struct str why = {0}, named;
  if (q->house_auto) wish = *q->house_auto;
  if (!auto_wish_read(q->request, arena, &wish, &named, note)) return false;
  double difficulty = difficulty_of(chat_asked(q->request, arena));
  const struct model *pinned = pinned_model(q, &wish, named);
  if (!auto_choose(q->catalogue, &wish, &out->facts, out->preferences, difficulty, pinned, arena, &out->choice, &why)) {
    out->availability = AVAILABILITY_NO_ENDPOINTS;
    return refuse(note, FAULT_NO_ENDPOINT, "model",
                  arena_printf(arena, "No model can be chosen for this request: %.*s", STR_ARGS(why)));
  }
  for (unsigned i = 0; i < out->choice.count; i++) add_model(out, out->choice.models[i], name, 0);
  return true;
}

static bool choose_free(const struct plan_query *q, const struct model_name *name, struct plan *out,
                        struct fault_note *note) {
  const struct model *found[PLAN_MODELS];
  unsigned n = auto_free(q->catalogue, &out->facts, q->seed, found, PLAN_MODELS);
  for (unsigned i = 0; i < n; i++) add_model(out, found[i], name, VARIANT_FREE);
  if (n) return true;
  out->availability = AVAILABILITY_NO_ENDPOINTS;
  return refuse(note, FAULT_NO_ENDPOINT, "model",
                STR("No model here that costs nothing can take this request. GET /api/v1/models lists all with their "
                    "prices; signalbox/auto chooses among those that cost something."));
}

// One name of the request; automatic choice becomes the models chosen.
static bool add_name(const struct plan_query *q, const struct model_name *name, struct arena *arena, struct plan *out,
                     struct fault_note *note) {
  switch (name->kind) {
    case MODEL_AUTO: return choose(q, name, arena, out, note);
    case MODEL_FREE: return choose_free(q, name, out, note);
    default: add_model(out, name->model, name, 0); return true;
  }
}

static bool resolve(const struct plan_query *q, struct str text, struct arena *arena, struct plan *out,
                    struct model_name *name, struct fault_note *note) {
  if (model_name_resolve(q->catalogue, text, arena, name, note)) {
    // Among models that cost nothing there is no price to choose by: signalbox/auto:free is signalbox/free.
    if (name->kind == MODEL_AUTO && (name->variants & VARIANT_FREE)) name->kind = MODEL_FREE;
    return true;
  }
  if (note->fault == FAULT_UNKNOWN_MODEL) out->availability = AVAILABILITY_MODEL_NOT_FOUND;
  return false;
}

static bool first_name(const struct plan_query *q, struct arena *arena, struct plan *out, struct fault_note *note) {
  const struct chat_request *r = q->request;
  if (!r->model.len && !r->model_count)
    return refuse(note, FAULT_BAD_REQUEST, "model",
                  STR("No model given. Set \"model\"; GET /api/v1/models lists all."));
  return resolve(q, r->model.len ? r->model : r->models[0], arena, out, &out->name, note);
}

static bool other_names(const struct plan_query *q, struct arena *arena, struct plan *out, struct fault_note *note) {
  const struct chat_request *r = q->request;
  for (unsigned i = r->model.len ? 0 : 1; i < r->model_count; i++) {
    struct model_name name;
    if (!resolve(q, r->models[i], arena, out, &name, note)) return false;
    if (!add_name(q, &name, arena, out, note)) return false;
  }
  return true;
}

// --- wishes ---

// "fallback" is what is done anyway; "sort" is sort.partition none.
static bool read_route(const struct chat_request *r, struct preferences *p, struct fault_note *note) {
  uint32_t route = chat_member_at(r, CHAT_MEMBER_ROUTE);
  if (!json_is(&r->doc, route, JSON_STRING) || json_string_is(&r->doc, route, STR("fallback"))) return true;
  if (!json_string_is(&r->doc, route, STR("sort")))
    return refuse(note, FAULT_BAD_REQUEST, "route",
                  STR("\"route\" must be \"fallback\" or \"sort\"; provider.sort says the same and more."));
  p->across_models = true;
  return true;
}

static bool read_wishes(const struct plan_query *q, struct arena *arena, struct plan *out, struct fault_note *note) {
  const struct chat_request *r = q->request;
  out->preferences = &PREFERENCES_NONE;
  if (!(r->index->present & (CHAT_BIT(CHAT_MEMBER_PROVIDER) | CHAT_BIT(CHAT_MEMBER_ROUTE)))) return true;
  struct preferences *p = arena_alloc(arena, sizeof *p);
  if (!p) return no_memory(note);
  if (!preferences_read(r, arena, p, note)) return false;
  out->preferences = p;
  return read_route(r, p, note);
}

static bool wants_tier(const struct chat_request *r, struct str tier) {
  return json_string_is(&r->doc, chat_member_at(r, CHAT_MEMBER_SERVICE_TIER), tier);
}

static const char *strategy_of(const struct plan *p, const struct chat_request *r) {
  switch (p->name.kind) {
    case MODEL_AUTO: return "auto";
    case MODEL_FREE: return "free";
    case MODEL_ALIAS: return "latest";
    case MODEL_PLAIN: break;
  }
  for (unsigned i = 1; i < p->model_count && r->model_count; i++)
    if (p->models[i] != p->models[0]) return "fallback";
  return "direct";
}

// --- nothing is left ---

static const struct {
  const char *field, *advice;
} remedies[ROUTING_FILTER_COUNT] = {
    [ROUTING_FILTER_PROVIDERS] = {"provider.only",
                                  "Add providers to provider.only, or take some out of provider.ignore; "
                                  "GET /api/v1/models/{author}/{slug}/endpoints lists who has the model."},
    [ROUTING_FILTER_TRAINING] = {"provider.data_collection",
                                 "Leave provider.data_collection out, or set data_policy in "
                                 "the configuration of an endpoint that trains on nothing."},
    [ROUTING_FILTER_ZDR] = {"provider.zdr",
                            "Leave provider.zdr out, or set data_policy in the configuration of an "
                            "endpoint that keeps nothing."},
    [ROUTING_FILTER_QUANTIZATION] = {"provider.quantizations", "Add to provider.quantizations, or leave it out."},
    [ROUTING_FILTER_MAX_PRICE] = {"provider.max_price", "Raise provider.max_price (USD per million tokens)."},
    [ROUTING_FILTER_FREE] = {"model", "Leave :free out of the model's name, or name a model that has a free offer."},
    [ROUTING_FILTER_CONTEXT] = {"messages", "Shorten the request, or name a model with a longer context."},
    [ROUTING_FILTER_OUTPUT] = {"max_tokens", "Lower max_tokens."},
    [ROUTING_FILTER_INPUT_MODALITY] = {"messages",
                                       "Name a model that takes them: GET "
                                       "/api/v1/models?input_modalities=image lists those for pictures."},
    [ROUTING_FILTER_OUTPUT_MODALITY] = {"modalities",
                                        "Name a model that gives them: GET "
                                        "/api/v1/models?output_modalities=image lists those for pictures."},
    [ROUTING_FILTER_PARAMETERS] = {"provider.require_parameters",
                                   "Leave provider.require_parameters out, or the members "
                                   "that are not in the model's supported_parameters."},
    [ROUTING_FILTER_ORDER] = {"provider.order",
                              "Add providers to provider.order, or leave provider.allow_fallbacks out."},
    [ROUTING_FILTER_FALLBACKS] = {"provider.allow_fallbacks", "Leave provider.allow_fallbacks out."},
    [ROUTING_FILTER_TIER] = {"service_tier", "Ask for the tier: service_tier, or the provider's own slug for it."},
};

// For what is the lists' doing, the list that did it.
static const char *field_of(const struct plan *p, enum routing_filter f) {
  const struct preferences *wish = p->preferences;
  if (f != ROUTING_FILTER_PROVIDERS) return remedies[f].field ? remedies[f].field : "";
  return wish->only.count ? "provider.only" : wish->ignore.count ? "provider.ignore" : "configuration";
}

static unsigned removed_in_all(const struct routing *r) {
  unsigned n = 0;
  for (unsigned f = 1; f < ROUTING_FILTER_COUNT; f++) n += r->removed[f];
  return n;
}

static bool model_comes_before(const struct plan *p, unsigned m) {
  for (unsigned i = 0; i < m; i++)
    if (p->models[i] == p->models[m]) return true;
  return false;
}

// "openai/gpt-4o and 2 others"
static struct str models_text(const struct plan *p, struct arena *arena) {
  struct str id = p->models[0]->id;
  unsigned others = 0;
  for (unsigned i = 1; i < p->model_count; i++) others += !model_comes_before(p, i);
  if (!others) return id;
  return arena_printf(arena, "%.*s and %u other model%s", STR_ARGS(id), others, others > 1 ? "s" : "");
}

// "all 3 are out, 2 by max_price, 1 by data_policy:zdr; the last by data_policy:zdr"
static void counts_text(const struct routing *r, unsigned all, struct buf *out) {
  buf_printf(out, "all %u are out", all);
  for (unsigned f = 1; f < ROUTING_FILTER_COUNT; f++)
    if (r->removed[f]) buf_printf(out, ", %u by %s", r->removed[f], routing_filter_name((enum routing_filter)f));
  buf_printf(out, "; the last by %s", routing_filter_name(r->last));
}

static struct str why_none(const struct plan *p, struct arena *arena) {
  const struct routing *r = &p->routing;
  struct str models = models_text(p, arena), counts;
  unsigned all = removed_in_all(r);
  const char *name = routing_filter_name(r->last), *reason = routing_filter_reason(r->last);
  const char *advice = remedies[r->last].advice ? remedies[r->last].advice : "";
  struct buf list;
  if (!all) return arena_printf(arena, "No endpoints found for %.*s.", STR_ARGS(models));
  buf_init(&list, 1024);
  if (all == 1)
    buf_printf(&list, "its only one is out by %s", name);
  else if (r->removed[r->last] == all)
    buf_printf(&list, "all %u are out by %s", all, name);
  else
    counts_text(r, all, &list);
  counts = arena_str(arena, buf_view(&list));
  buf_free(&list);
  return arena_printf(arena, "No endpoints found for %.*s that fit this request: %.*s (%s). %s", STR_ARGS(models),
                      STR_ARGS(counts), reason, advice);
}

static enum availability availability_of(enum routing_filter last) {
  switch (last) {
    case ROUTING_FILTER_NONE: return AVAILABILITY_NO_ENDPOINTS;
    case ROUTING_FILTER_TRAINING:
    case ROUTING_FILTER_ZDR: return AVAILABILITY_PRIVACY_RESTRICTED;
    case ROUTING_FILTER_FREE: return AVAILABILITY_FREE_VARIANT_ENDED;
    default: return AVAILABILITY_CONSTRAINT_FILTERED;
  }
}

static bool nothing_left(struct plan *p, struct arena *arena, struct fault_note *note) {
  const struct routing *r = &p->routing;
  p->availability = availability_of(r->last);
  // Clients know what to do about a context that is too short: they shorten and try again. Endpoints that were not
  // asked for are no way out.
  unsigned asked = removed_in_all(r) - r->removed[ROUTING_FILTER_PROVIDERS] - r->removed[ROUTING_FILTER_ORDER] -
                   r->removed[ROUTING_FILTER_TIER];
  bool too_long = asked && r->removed[ROUTING_FILTER_CONTEXT] == asked;
  return refuse(note, too_long ? FAULT_CONTEXT : FAULT_NO_ENDPOINT, field_of(p, r->last), why_none(p, arena));
}

// --- the plan ---

// NULL in *out: no name has any.
static bool read_variants(const struct plan *p, struct arena *arena, const struct routing_variant **out) {
  unsigned any = 0;
  *out = NULL;
  for (unsigned i = 0; i < p->model_count; i++) any |= p->variants[i];
  if (!(any & (sorting | letting_in))) return true;
  struct routing_variant *list = arena_zalloc(arena, p->model_count * sizeof *list);
  if (!list) return false;
  for (unsigned i = 0; i < p->model_count; i++) {
    unsigned bits = p->variants[i];
    list[i].only_free = bits & VARIANT_FREE;
    list[i].priority_tier = bits & VARIANT_NITRO;
    list[i].flex_tier = bits & VARIANT_FLOOR;
    if (bits & VARIANT_NITRO) list[i].sort = SORT_THROUGHPUT;
    if (bits & VARIANT_FLOOR) list[i].sort = SORT_PRICE;
    if (bits & VARIANT_EXACTO) list[i].sort = SORT_EXACTO;
  }
  *out = list;
  return true;
}

static bool route(const struct plan_query *q, struct arena *arena, struct plan *out, struct fault_note *note) {
  const struct routing_variant *variants;
  if (!read_variants(out, arena, &variants)) return no_memory(note);
  bool tier = q->request->index->present & CHAT_BIT(CHAT_MEMBER_SERVICE_TIER);
  bool priority = tier && (wants_tier(q->request, STR("priority")) || wants_tier(q->request, STR("fast")));
  bool flex = tier && wants_tier(q->request, STR("flex"));
  struct routing_query rq = {
      .catalogue = q->catalogue,
      .models = out->models,
      .model_count = out->model_count,
      .variants = variants,
      .priority_tier = priority,
      .flex_tier = flex,
      .priority_first = priority,
      .flex_only = flex,
      .preferences = out->preferences,
      .house = q->house,
      .facts = &out->facts,
      .health = q->health,
      .sticky = q->sticky,
      .now_ms = q->now_ms,
      .seed = q->seed,
      .max = q->max,
      .explain = q->explain,
  };
  if (!routing_decide(&rq, arena, &out->routing)) return no_memory(note);
  return out->routing.count || nothing_left(out, arena, note);
}

bool plan_make(const struct plan_query *q, struct arena *arena, struct plan *out, struct fault_note *note) {
  *out = (struct plan){.request = q->request, .preferences = &PREFERENCES_NONE, .strategy = "direct"};
  *note = (struct fault_note){0};
  if (!first_name(q, arena, out, note)) return false;
  out->strategy = strategy_of(out, q->request);
  if (!read_wishes(q, arena, out, note)) return false;
  request_facts_of(q->request, &out->facts);
  if (!add_name(q, &out->name, arena, out, note)) return false;
  if (q->request->model_count && !other_names(q, arena, out, note)) return false;
  out->strategy = strategy_of(out, q->request);
  return route(q, arena, out, note);
}

unsigned plan_body(const struct plan *p, unsigned candidate) {
  return p->variants[p->routing.candidates[candidate].model] & of_body;
}

struct str plan_router(const struct plan *p, const struct endpoint *e) {
  if (!e) return model_name_router(p->name.router);
  for (unsigned i = 0; i < p->routing.count; i++)
    if (p->routing.candidates[i].endpoint == e) return model_name_router(p->routers[p->routing.candidates[i].model]);
  return (struct str){0};
}

// --- availability ---

static const char *const codes[] = {
    [AVAILABILITY_FINE] = "",
    [AVAILABILITY_MODEL_NOT_FOUND] = "model_not_found",
    [AVAILABILITY_NO_ENDPOINTS] = "no_endpoints",
    [AVAILABILITY_CONSTRAINT_FILTERED] = "constraint_filtered",
    [AVAILABILITY_PRIVACY_RESTRICTED] = "privacy_restricted",
    [AVAILABILITY_FREE_VARIANT_ENDED] = "free_variant_ended",
};

static void comma(struct buf *out, bool *first) {
  if (!*first) buf_char(out, ',');
  *first = false;
}

static void write_requested(struct buf *out, const struct plan *p) {
  const struct chat_request *r = p->request;
  bool first = true;
  json_write_key(out, STR("requested_models"));
  buf_char(out, '[');
  if (r->model.len) {
    comma(out, &first);
    json_write_str(out, r->model);
  }
  for (unsigned i = 0; i < r->model_count; i++) {
    comma(out, &first);
    json_write_str(out, r->models[i]);
  }
  buf_char(out, ']');
}

static bool is_repeated(const struct plan *p, unsigned m, size_t e) {
  const struct provider *provider = p->models[m]->endpoints[e].provider;
  for (unsigned i = 0; i <= m; i++)
    for (size_t k = 0; k < (i < m ? p->models[i]->endpoint_count : e); k++)
      if (p->models[i]->endpoints[k].provider == provider) return true;
  return false;
}

enum { AFFECTED_MAX = 50 };

static void write_affected(struct buf *out, const struct plan *p) {
  unsigned n = 0;
  json_write_key(out, STR("affected_providers"));
  buf_char(out, '[');
  for (unsigned m = 0; m < p->model_count; m++) {
    for (size_t e = 0; e < p->models[m]->endpoint_count && n < AFFECTED_MAX; e++) {
      if (is_repeated(p, m, e)) continue;
      if (n++) buf_char(out, ',');
      json_write_str(out, p->models[m]->endpoints[e].provider->id);
    }
  }
  buf_char(out, ']');
}

static bool name_comes_before(const struct routing *r, unsigned filter) {
  struct str name = str_from_cstr(routing_filter_name((enum routing_filter)filter));
  for (unsigned f = 1; f < filter; f++)
    if (r->removed[f] && str_eq(name, str_from_cstr(routing_filter_name((enum routing_filter)f)))) return true;
  return false;
}

static void write_excluded_by(struct buf *out, const struct plan *p) {
  bool first = true;
  json_write_key(out, STR("excluded_by"));
  buf_char(out, '[');
  for (unsigned f = 1; f < ROUTING_FILTER_COUNT; f++) {
    if (!p->routing.removed[f] || name_comes_before(&p->routing, f)) continue;
    if (f == ROUTING_FILTER_TIER && p->routing.last != ROUTING_FILTER_TIER) continue;
    comma(out, &first);
    json_write_str(out, str_from_cstr(routing_filter_name((enum routing_filter)f)));
  }
  buf_char(out, ']');
}

void availability_write(struct buf *out, const struct plan *p) {
  enum routing_filter last = p->routing.last;
  if (p->availability == AVAILABILITY_FINE) return;
  buf_printf(out, "\"availability\":{\"code\":\"%s\",\"retryable\":false", codes[p->availability]);
  write_requested(out, p);
  write_affected(out, p);
  write_excluded_by(out, p);
  if (last != ROUTING_FILTER_NONE) {
    json_write_key(out, STR("constraint"));
    buf_lit(out, "{\"field\":");
    json_write_str(out, str_from_cstr(field_of(p, last)));
    buf_lit(out, ",\"detail\":");
    json_write_str(out, str_from_cstr(routing_filter_reason(last)));
    buf_char(out, '}');
  }
  buf_char(out, '}');
}
