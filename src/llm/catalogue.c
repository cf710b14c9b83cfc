// Building a snapshot: configuration over shipped rows over defaults. Done once at start and once a reload, so it is
// kept cheap rather than clever: two arrays (models, endpoints), strings that point into static data or the
// configuration.
//
//   providers   each configured one, completed from its row in provider/table.c; then demo
//   slots       one for each model that may be served: a configured model, a shipped row, or both
//   models      the slots for which at least one endpoint exists, sorted by id
//
// This file reads the provider table, which lies a layer above: the table is static facts, and a row is what a
// configured provider is completed from.
#include "llm/catalogue.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "llm/demo_models.h"
#include "llm/endpoint_facts.h"
#include "llm/names.h"
#include "llm/shipped.h"
#include "provider/table.h"

// Where a slot comes from; of several for one id the first in this order stays.
enum slot_kind { SLOT_CONFIGURED, SLOT_DEMO, SLOT_SHIPPED };

struct slot {
  struct str id;
  enum slot_kind kind;
  const struct config_model *given;      // NULL for SLOT_SHIPPED
  const struct config_model *endpoints;  // what has the endpoints, when they are not those of `shipped`
  const struct shipped_model *shipped;   // NULL: does not ship
};

struct builder {
  struct arena *arena;
  const struct config *config;
  struct config_problems *problems;
  bool failed;       // out of memory
  bool environment;  // no file: what cannot be used is passed over instead of being a problem
  bool *skipped;     // configured providers left out
  struct provider *providers;
  size_t provider_count;
  struct model *models;
  size_t model_count;
  struct endpoint *endpoints;
  size_t endpoint_count, endpoint_cap;
  uint32_t parameters;                               // of all endpoints of the model at hand
  const struct provider *shipped_at[UINT8_MAX + 1];  // by the rows' provider number; NULL: not configured
  struct name_lists lists;
};

static const struct provider_quirks plain_quirks = {0};

static void problem(struct builder *b, unsigned line, struct str text) {
  struct config_problems *p = b->problems;
  if (p->count == p->cap) {
    size_t cap = p->cap ? p->cap * 2 : 8;
    struct config_problem *grown = arena_alloc(b->arena, cap * sizeof *grown);
    if (!grown) {
      b->failed = true;
      return;
    }
    if (p->count) memcpy(grown, p->items, p->count * sizeof *grown);
    p->items = grown;
    p->cap = cap;
  }
  p->items[p->count++] = (struct config_problem){.line = line, .text = text};
}

#define PROBLEM(b, line, ...) problem((b), (line), arena_printf((b)->arena, __VA_ARGS__))

// --- providers ---

static unsigned or_default(unsigned given, unsigned fallback) {
  return given ? given : fallback;
}

static struct str trim_slashes(struct str url) {
  while (url.len && url.ptr[url.len - 1] == '/') url.len--;
  return url;
}

static const struct provider *find_provider(const struct builder *b, struct str id) {
  for (size_t i = 0; i < b->provider_count; i++) {
    if (str_eq(b->providers[i].id, id)) return &b->providers[i];
  }
  return NULL;
}

// False when the provider cannot be used; why has been said.
static bool provider_check(struct builder *b, const struct config_provider *given, const struct provider_row *row,
                           const struct provider *p) {
  if (find_provider(b, p->id)) {
    PROBLEM(b, given->line, "provider %.*s is there twice", STR_ARGS(p->id));
    return false;
  }
  if (!p->base_url.len) {
    if (!b->environment)
      PROBLEM(b, given->line, "provider %.*s needs a base_url%s", STR_ARGS(p->id),
              row ? "" : ", because it is not one whose address is known");
    return false;
  }
  if (row && row->env_keys[0] && !row->local && !given->base_url.len && !p->key_count) {
    PROBLEM(b, given->line, "provider %.*s needs an api_key: api_key: ${%s}", STR_ARGS(p->id), row->env_keys[0]);
    return false;
  }
  return true;
}

static bool provider_add(struct builder *b, const struct config_provider *given) {
  const struct provider_row *row = provider_row_find(given->id);
  const struct config *config = b->config;
  struct provider p = {
      .id = given->id,
      .name = given->name.len ? given->name
              : row           ? str_from_cstr(row->name)
                              : given->id,
      .protocol = given->protocol_given || !row ? given->protocol : row->protocol,
      .base_url = trim_slashes(given->base_url),
      .keys = given->keys,
      .key_count = given->key_count,
      .quirks = &plain_quirks,
      .env_key = row ? str_from_cstr(row->env_keys[0]) : (struct str){0},
      .ca_file = given->ca_file,
      .connect_timeout_ms = or_default(given->connect_timeout_ms, config->upstream_connect_timeout_ms),
      .first_byte_timeout_ms = or_default(given->first_byte_timeout_ms, config->upstream_first_byte_timeout_ms),
      .first_token_timeout_ms = or_default(given->first_token_timeout_ms, config->upstream_first_token_timeout_ms),
      .min_tokens_per_second = (unsigned)(given->min_tokens_per_second ? given->min_tokens_per_second
                                                                       : config->upstream_min_tokens_per_second),
      .max_concurrency = (unsigned)given->max_concurrency,
      .probe_interval_ms = or_default(given->probe_interval_ms, config->probe_interval_ms),
      .idle_timeout_ms = or_default(given->idle_timeout_ms, config->upstream_idle_timeout_ms),
      .total_timeout_ms = or_default(given->total_timeout_ms, config->upstream_total_timeout_ms),
      .region = given->region,
      .aws_access_key_id = given->aws_access_key_id,
      .aws_secret_access_key = given->aws_secret_access_key,
      .aws_session_token = given->aws_session_token,
      .aws_container_url = given->aws_container_url,
      .aws_container_token = given->aws_container_token,
      .aws_container_token_file = given->aws_container_token_file,
      .aws_role = given->aws_role,
      .aws_web_token_file = given->aws_web_token_file,
      .aws_sts_url = given->aws_sts_url,
      .credentials = given->credentials,
      .api_version = given->api_version,
      .data = given->data_policy.len ? data_policy_parse(given->data_policy)
              : row                  ? row->data
                                     : DATA_UNKNOWN,
      .index = (uint32_t)b->provider_count,
  };
  const struct provider_quirks *usual = protocol_quirks(p.protocol);
  if (usual) p.quirks = usual;
  if (row && row->protocol == p.protocol) {
    p.quirks = &row->quirks;
    if (!p.base_url.len) p.base_url = str_from_cstr(row->base_url);
  }
  if (p.protocol == PROTOCOL_DEMO) p.base_url = STR("demo:");
  if (!provider_check(b, given, row, &p)) return false;
  b->providers[b->provider_count++] = p;
  return true;
}

static bool configured_demo(const struct config *config) {
  for (size_t i = 0; i < config->provider_count; i++) {
    if (str_eq(config->providers[i].id, STR("demo"))) return true;
  }
  return false;
}

static bool providers_build(struct builder *b) {
  const struct config *config = b->config;
  b->providers = arena_zalloc(b->arena, (config->provider_count + 1) * sizeof *b->providers);
  b->skipped = arena_zalloc(b->arena, config->provider_count + 1);
  if (!b->providers || !b->skipped) return false;
  for (size_t i = 0; i < config->provider_count; i++) b->skipped[i] = !provider_add(b, &config->providers[i]);
  if (config->demo && !configured_demo(config)) provider_add(b, &(struct config_provider){.id = STR("demo")});
  for (unsigned i = 0; shipped_provider(i).len; i++) b->shipped_at[i] = find_provider(b, shipped_provider(i));
  return true;
}

// A provider that is in the configuration but not in the snapshot: its own problem has been told.
static bool was_skipped(const struct builder *b, struct str id) {
  for (size_t i = 0; i < b->config->provider_count; i++) {
    if (b->skipped[i] && str_eq(b->config->providers[i].id, id)) return true;
  }
  return false;
}

// Whether calls there cost nothing unless somebody says otherwise: a model server of this machine.
static bool is_free(const struct provider *p) {
  const struct provider_row *row = provider_row_find(p->id);
  if (row) return row->local;
  return str_starts(p->base_url, STR("http://127.")) || str_starts(p->base_url, STR("http://localhost")) ||
         str_starts(p->base_url, STR("http://[::1]"));
}

// --- endpoints ---

static void endpoint_push(struct builder *b, const struct endpoint *e, struct model *model, uint32_t parameters) {
  assert(b->endpoint_count < b->endpoint_cap);
  struct endpoint *place = &b->endpoints[b->endpoint_count];
  *place = *e;
  place->model = model;
  place->index = (uint32_t)b->endpoint_count++;
  b->parameters |= parameters;
}

// Room for `count` overrides, which become those of `pricing`; NULL without memory, or when there are none.
static struct price_override *overrides_room(struct builder *b, struct pricing *pricing, size_t count) {
  struct price_override *room = count ? arena_zalloc(b->arena, count * sizeof *room) : NULL;
  if (count && !room) b->failed = true;
  pricing->overrides = room;
  pricing->override_count = room ? count : 0;
  return room;
}

static void facts_fill(const struct shipped_model *shipped, const struct config_endpoint *given, struct endpoint *e) {
  e->parameters_shipped = !given || !given->supported_parameters.count;
  if (shipped) e->input_modalities = shipped->input;
  if (shipped) e->output_modalities = shipped->output;
  uint32_t input = given ? names_modality_mask(given->input_modalities) : 0;
  uint32_t output = given ? names_modality_mask(given->output_modalities) : 0;
  if (input) e->input_modalities = input;
  if (output) e->output_modalities = output;
  endpoint_facts_fill(e);
}

static void endpoint_from_shipped(struct builder *b, const struct shipped_endpoint *row,
                                  const struct provider *provider, struct endpoint *out) {
  *out = (struct endpoint){
      .provider = provider,
      .upstream_model = str_from_cstr(row->upstream),
      .context_length = row->context,
      .max_completion_tokens = row->max_output,
      .max_prompt_tokens = row->max_input,
      .supported_parameters = names_list(&b->lists, b->arena, row->parameters),
      .parameters = row->parameters,
  };
  struct price_override overrides[SHIPPED_OVERRIDES_MAX];
  shipped_pricing(row, &out->pricing, overrides);
  struct price_override *kept = overrides_room(b, &out->pricing, out->pricing.override_count);
  if (kept) memcpy(kept, overrides, out->pricing.override_count * sizeof *kept);
}

// A price that the configuration gives holds whatever the prompt's size, unless its own overrides say otherwise.
static void overrides_cut(struct builder *b, struct pricing *pricing, const struct pricing *given) {
  const struct price_override *shipped = pricing->overrides;
  size_t count = pricing->override_count;
  struct price_override *kept = overrides_room(b, pricing, count);
  pricing->override_count = 0;
  for (size_t i = 0; kept && i < count; i++) {
    struct price_override o = shipped[i];
    bool any = false;
    for (const struct price_key *key = price_keys; key->name.len; key++) {
      if (pricing_get(given, key) != PRICE_UNSET) *pricing_at(&o.prices, key) = PRICE_UNSET;
      any = any || pricing_get(&o.prices, key) != PRICE_UNSET;
    }
    if (any) kept[pricing->override_count++] = o;
  }
}

static void overrides_given(struct builder *b, struct pricing *pricing, const struct config_endpoint *given) {
  struct price_override *own = overrides_room(b, pricing, given->override_count);
  for (size_t i = 0; own && i < given->override_count; i++) {
    const struct config_override *o = &given->overrides[i];
    own[i] = (struct price_override){.min_prompt_tokens = o->min_prompt_tokens,
                                     .timed = o->has_start || o->has_end,
                                     .utc_start = (uint16_t)o->utc_start,
                                     .utc_end = (uint16_t)o->utc_end,
                                     .prices = o->prices};
  }
}

// A list that prices question and answer is taken whole; a shorter one changes the catalogue's.
static void pricing_given(struct builder *b, struct pricing *pricing, const struct config_endpoint *given) {
  bool whole = given->pricing.prompt != PRICE_UNSET && given->pricing.completion != PRICE_UNSET;
  if (whole) *pricing = PRICING_UNSET;
  pricing_overlay(pricing, &given->pricing);
  if (given->override_count)
    overrides_given(b, pricing, given);
  else
    overrides_cut(b, pricing, &given->pricing);
  // OpenRouter's older lists say so of every model, also of those whose reasoning costs what the answer does.
  if (!pricing->internal_reasoning) pricing->internal_reasoning = PRICE_UNSET;
}

static const struct shipped_endpoint *shipped_at(const struct shipped_model *model, struct str provider) {
  for (size_t i = 0; model && i < model->endpoint_count; i++) {
    const struct shipped_endpoint *row = &shipped_endpoints_of(model)[i];
    if (str_eq(shipped_provider(row->provider), provider)) return row;
  }
  return NULL;
}

// The provider's own name of a model that neither the configuration nor a shipped row gives: our id without its author.
static struct str upstream_guess(struct str id) {
  size_t slash = str_find_char(id, '/', 0);
  return slash == SIZE_MAX ? id : str_skip(id, slash + 1);
}

static void api_given(struct builder *b, const struct slot *slot, const struct config_endpoint *given,
                      struct endpoint *out) {
  static const struct {
    const char *word;
    enum endpoint_api api;
    bool bedrock;
  } rows[] = {{"chat", API_CHAT, false},
              {"responses", API_RESPONSES, false},
              {"converse", API_CONVERSE, true},
              {"invoke", API_INVOKE, true}};
  bool bedrock = out->provider->protocol == PROTOCOL_BEDROCK;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].bedrock == bedrock && str_eq(given->api, str_from_cstr(rows[i].word))) out->api = rows[i].api;
  if (given->api.len && out->api == API_AUTO)
    PROBLEM(b, given->line, "models[].endpoints[].api must be %s, not %.*s",
            bedrock ? "converse or invoke" : "chat or responses", STR_ARGS(given->api));
  bool claude =
      str_find(out->upstream_model, STR("claude"), 0) != SIZE_MAX || str_find(slot->id, STR("claude"), 0) != SIZE_MAX;
  if (out->api == API_INVOKE && !claude)
    PROBLEM(b, given->line, "model %.*s: api: invoke is for Claude; all others are asked by converse",
            STR_ARGS(slot->id));
}

// False when there is no such provider; that has been said.
static bool endpoint_from_config(struct builder *b, struct slot *slot, const struct config_endpoint *given,
                                 struct endpoint *out) {
  const struct provider *provider = find_provider(b, given->provider);
  if (!provider) {
    if (!was_skipped(b, given->provider))
      PROBLEM(b, given->line, "model %.*s: there is no provider %.*s; add it under providers", STR_ARGS(slot->id),
              STR_ARGS(given->provider));
    return false;
  }
  struct str upstream = given->model.len ? given->model : upstream_guess(slot->id);
  const struct shipped_model *shipped = slot->shipped;
  const struct shipped_endpoint *row = shipped_at(shipped, provider->id);
  if (!row && (row = shipped_find_upstream(provider->id, upstream, &shipped)) && !slot->shipped)
    slot->shipped = shipped;
  if (row)
    endpoint_from_shipped(b, row, provider, out);
  else
    *out = (struct endpoint){.provider = provider, .upstream_model = upstream, .pricing = PRICING_UNSET};
  if (given->model.len) out->upstream_model = given->model;
  if (given->context_length) out->context_length = given->context_length;
  if (given->max_completion_tokens) out->max_completion_tokens = given->max_completion_tokens;
  if (given->max_prompt_tokens) out->max_prompt_tokens = given->max_prompt_tokens;
  pricing_given(b, &out->pricing, given);
  api_given(b, slot, given, out);
  out->tag = given->tag;
  out->quantization = given->quantization;
  out->region = given->region;
  out->data_policy = given->data_policy;
  if (given->supported_parameters.count) out->supported_parameters = given->supported_parameters;
  // What follows is only a guess.
  out->parameters = names_parameter_mask(out->supported_parameters);
  if (!out->supported_parameters.count)
    out->supported_parameters = names_list(&b->lists, b->arena, names_common_parameters());
  return true;
}

static void price_check(struct builder *b, const struct slot *slot, const struct config_endpoint *given,
                        struct endpoint *e) {
  if (e->pricing.prompt != PRICE_UNSET || e->pricing.completion != PRICE_UNSET || e->pricing.request != PRICE_UNSET)
    return;
  if (is_free(e->provider)) {
    e->pricing.prompt = e->pricing.completion = 0;
    return;
  }
  PROBLEM(
      b, given->line,
      "model %.*s at %.*s has no known price: give pricing: {prompt: \"...\", completion: \"...\"}, in USD per token",
      STR_ARGS(slot->id), STR_ARGS(e->provider->id));
}

static void endpoints_given(struct builder *b, struct slot *slot, struct model *model) {
  for (size_t i = 0; i < slot->endpoints->endpoint_count; i++) {
    const struct config_endpoint *given = &slot->endpoints->endpoints[i];
    struct endpoint e;
    if (!endpoint_from_config(b, slot, given, &e)) continue;
    price_check(b, slot, given, &e);
    facts_fill(slot->shipped, given, &e);
    endpoint_push(b, &e, model, names_parameter_mask(e.supported_parameters));
  }
}

static void endpoints_shipped(struct builder *b, const struct slot *slot, struct model *model) {
  for (size_t i = 0; slot->shipped && i < slot->shipped->endpoint_count; i++) {
    const struct shipped_endpoint *row = &shipped_endpoints_of(slot->shipped)[i];
    const struct provider *provider = b->shipped_at[row->provider];
    if (!provider) continue;
    struct endpoint e;
    endpoint_from_shipped(b, row, provider, &e);
    facts_fill(slot->shipped, NULL, &e);
    endpoint_push(b, &e, model, row->parameters);
  }
}

// --- models ---

static uint32_t modalities_of(const struct slot *slot, bool input) {
  uint32_t mask = 0;
  for (size_t i = 0; slot->endpoints && i < slot->endpoints->endpoint_count; i++) {
    const struct config_endpoint *given = &slot->endpoints->endpoints[i];
    mask |= names_modality_mask(input ? given->input_modalities : given->output_modalities);
  }
  if (!mask && slot->shipped) mask = input ? slot->shipped->input : slot->shipped->output;
  if (!mask) mask = names_modality_mask((struct str_list){&STR("text"), 1});
  return NAMES_MODALITIES | mask;
}

// What its endpoints can do together.
static void model_sum(struct builder *b, struct model *m) {
  for (size_t i = 0; i < m->endpoint_count; i++) {
    const struct endpoint *e = &m->endpoints[i];
    if (e->context_length > m->context_length) m->context_length = e->context_length;
    if (e->max_completion_tokens > m->max_completion_tokens) m->max_completion_tokens = e->max_completion_tokens;
  }
  m->supported_parameters = names_list(&b->lists, b->arena, b->parameters);
}

static void model_fill(struct builder *b, const struct slot *slot, struct model *m) {
  const struct shipped_model *shipped = slot->shipped;
  m->id = m->canonical_slug = m->name = slot->id;
  m->tokenizer = STR("Other");
  if (shipped) {
    m->name = str_from_cstr(shipped->name);
    m->created = shipped->created;
    m->hugging_face_id = str_from_cstr(shipped->hugging_face_id);
    m->knowledge_cutoff = str_from_cstr(shipped->knowledge);
    m->tokenizer = shipped_tokenizer(shipped);
    if (shipped->canonical_slug) m->canonical_slug = str_from_cstr(shipped->canonical_slug);
  }
  if (slot->given && slot->given->name.len) m->name = slot->given->name;
  if (slot->given) m->description = slot->given->description;
  m->input_modalities = names_list(&b->lists, b->arena, modalities_of(slot, true));
  m->output_modalities = names_list(&b->lists, b->arena, modalities_of(slot, false));
  model_sum(b, m);
}

static void no_endpoint(struct builder *b, const struct slot *slot) {
  const struct config_model *given = slot->given;
  if (slot->endpoints) return;  // what is wrong with them has been said
  if (!slot->shipped) {
    PROBLEM(b, given->line, "model %.*s is not a known one: give its endpoints", STR_ARGS(slot->id));
    return;
  }
  struct buf known;
  buf_init(&known, 1024);
  for (size_t i = 0; i < slot->shipped->endpoint_count; i++) {
    if (i) buf_lit(&known, ", ");
    buf_str(&known, shipped_provider(shipped_endpoints_of(slot->shipped)[i].provider));
  }
  PROBLEM(b, given->line, "model %.*s has no endpoint: configure one of the providers %.*s, or give its endpoints",
          STR_ARGS(slot->id), STR_ARGS(buf_view(&known)));
  buf_free(&known);
}

static void model_add(struct builder *b, struct slot *slot) {
  struct model *m = &b->models[b->model_count];
  const struct endpoint *first = &b->endpoints[b->endpoint_count];
  b->parameters = 0;
  if (slot->endpoints)
    endpoints_given(b, slot, m);
  else
    endpoints_shipped(b, slot, m);
  m->endpoints = first;
  m->endpoint_count = (size_t)(&b->endpoints[b->endpoint_count] - first);
  if (!m->endpoint_count) {
    no_endpoint(b, slot);
    return;
  }
  model_fill(b, slot, m);
  b->model_count++;
}

// --- slots ---

static int slot_order(const void *a, const void *b) {
  const struct slot *x = a, *y = b;
  size_t shorter = x->id.len < y->id.len ? x->id.len : y->id.len;
  int by_bytes = shorter ? memcmp(x->id.ptr, y->id.ptr, shorter) : 0;
  if (by_bytes) return by_bytes;
  if (x->id.len != y->id.len) return x->id.len < y->id.len ? -1 : 1;
  return (int)x->kind - (int)y->kind;
}

static bool shipped_is_served(const struct builder *b, const struct shipped_model *model) {
  for (size_t i = 0; i < model->endpoint_count; i++) {
    if (b->shipped_at[shipped_endpoints_of(model)[i].provider]) return true;
  }
  return false;
}

// Everything that may become a model, in any order; `slots` has room for all.
static size_t slots_collect(struct builder *b, const struct config_model *demo, struct slot *slots) {
  const struct config *config = b->config;
  size_t count = 0;
  for (size_t i = 0; i < config->model_count; i++) {
    const struct config_model *given = &config->models[i];
    slots[count++] = (struct slot){.id = given->id,
                                   .kind = SLOT_CONFIGURED,
                                   .given = given,
                                   .endpoints = given->endpoint_count ? given : NULL,
                                   .shipped = shipped_find(given->id)};
  }
  for (size_t i = 0; demo && i < DEMO_MODELS; i++)
    slots[count++] = (struct slot){.id = demo[i].id, .kind = SLOT_DEMO, .given = &demo[i], .endpoints = &demo[i]};
  // Models found on a server of this machine do not hide those of the providers whose keys were found.
  if (config->model_count && !b->environment) return count;
  for (size_t i = 0; i < shipped_model_count; i++) {
    const struct shipped_model *model = &shipped_models[i];
    if (!shipped_is_served(b, model)) continue;
    slots[count++] = (struct slot){.id = str_from_cstr(model->id), .kind = SLOT_SHIPPED, .shipped = model};
  }
  return count;
}

// Sorted, each id once.
static size_t slots_unique(struct builder *b, struct slot *slots, size_t count) {
  qsort(slots, count, sizeof *slots, slot_order);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (!kept || !str_eq(slots[kept - 1].id, slots[i].id)) {
      slots[kept++] = slots[i];
    } else if (slots[i].kind == SLOT_CONFIGURED) {
      PROBLEM(b, slots[i].given->line, "model %.*s is there twice", STR_ARGS(slots[i].id));
    } else if (slots[i].kind == SLOT_DEMO && !slots[kept - 1].endpoints) {
      slots[kept - 1].endpoints = slots[i].endpoints;  // a demo model that the configuration only names
    }
  }
  return kept;
}

static size_t endpoints_at_most(const struct slot *slot) {
  if (slot->endpoints) return slot->endpoints->endpoint_count;
  return slot->shipped ? slot->shipped->endpoint_count : 0;
}

// Each begins with a line of the cache: see struct endpoint.
static struct endpoint *endpoints_room(struct arena *arena, size_t count) {
  const size_t line = _Alignof(struct endpoint);
  char *room = arena_alloc(arena, count * sizeof(struct endpoint) + line);
  return room ? (void *)(room + (line - (uintptr_t)room % line)) : NULL;
}

static bool models_build(struct builder *b, struct slot *slots, const struct config_model *demo) {
  size_t count = slots_unique(b, slots, slots_collect(b, demo, slots));
  for (size_t i = 0; i < count; i++) b->endpoint_cap += endpoints_at_most(&slots[i]);
  b->models = arena_zalloc(b->arena, (count + 1) * sizeof *b->models);
  b->endpoints = endpoints_room(b->arena, b->endpoint_cap + 1);
  if (!b->models || !b->endpoints) return false;
  for (size_t i = 0; i < count; i++) model_add(b, &slots[i]);
  return true;
}

static bool build(struct builder *b) {
  if (!providers_build(b)) return false;
  const struct config_model *demo = NULL;
  if (b->config->demo && find_provider(b, STR("demo")) && !(demo = demo_models(b->arena))) return false;
  struct slot *slots = malloc((b->config->model_count + DEMO_MODELS + shipped_model_count) * sizeof *slots);
  if (!slots) return false;
  bool ok = models_build(b, slots, demo);
  free(slots);
  return ok;
}

bool catalogue_build(struct arena *arena, const struct config *config, struct catalogue *out,
                     struct config_problems *problems) {
  struct builder b = {.arena = arena, .config = config, .problems = problems, .environment = config->path.len == 0};
  size_t problems_before = problems->count;
  bool ok = build(&b) && !b.failed && !b.lists.failed;
  if (!ok) PROBLEM(&b, 0, "out of memory while building the catalogue");
  *out = (struct catalogue){.models = b.models,
                            .model_count = b.model_count,
                            .providers = b.providers,
                            .provider_count = b.provider_count,
                            .endpoint_count = b.endpoint_count};
  return ok && problems->count == problems_before;
}
