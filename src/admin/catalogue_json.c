// Every member is written in every object, null where nothing is known: strict clients refuse a missing one.
#include "admin/catalogue_json.h"

#include <stdlib.h>
#include <time.h>

#include "admin/codex_models.h"
#include "admin/models_query.h"
#include "admin/routers.h"
#include "json/json.h"
#include "policy/model_name.h"
#include "provider/table.h"

// --- members ---

static void string_member(struct buf *out, struct str key, struct str value) {
  json_write_key(out, key);
  json_write_str(out, value);
}

static void literal_member(struct buf *out, struct str key, struct str literal) {
  json_write_key(out, key);
  buf_str(out, literal);
}

static void null_member(struct buf *out, struct str key) {
  literal_member(out, key, STR("null"));
}

static void bool_member(struct buf *out, struct str key, bool value) {
  literal_member(out, key, value ? STR("true") : STR("false"));
}

static void number_member(struct buf *out, struct str key, uint64_t value) {
  json_write_key(out, key);
  buf_u64(out, value);
}

static void string_or_null(struct buf *out, struct str key, struct str value) {
  if (value.len)
    string_member(out, key, value);
  else
    null_member(out, key);
}

static void number_or_null(struct buf *out, struct str key, uint64_t value) {
  if (value)
    number_member(out, key, value);
  else
    null_member(out, key);
}

static void list_member(struct buf *out, struct str key, struct str_list list) {
  json_write_key(out, key);
  buf_char(out, '[');
  for (size_t i = 0; i < list.count; i++) {
    if (i) buf_char(out, ',');
    json_write_str(out, list.items[i]);
  }
  buf_char(out, ']');
}

static bool has(struct str_list list, struct str name) {
  for (size_t i = 0; i < list.count; i++) {
    if (str_eq(list.items[i], name)) return true;
  }
  return false;
}

// "2026-07-02T00:00:00Z"
static void time_member(struct buf *out, struct str key, uint64_t unix_seconds) {
  time_t seconds = (time_t)unix_seconds;
  struct tm utc;
  char text[32] = "1970-01-01T00:00:00Z";
  if (gmtime_r(&seconds, &utc)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  string_member(out, key, str_from_cstr(text));
}

static void price_member(struct buf *out, struct str key, price_femto price) {
  json_write_key(out, key);
  buf_char(out, '"');
  price_write(out, price);
  buf_char(out, '"');
}

static void prices_members(struct buf *out, const struct pricing *p) {
  for (const struct price_key *key = price_keys; key->name.len; key++) {
    price_femto price = pricing_get(p, key);
    if (price != PRICE_UNSET) price_member(out, key->name, price);
  }
}

static void override_object(struct buf *out, const struct price_override *o) {
  buf_char(out, '{');
  if (o->min_prompt_tokens) number_member(out, STR("min_prompt_tokens"), o->min_prompt_tokens);
  if (o->timed) {
    number_member(out, STR("utc_start"), o->utc_start);
    number_member(out, STR("utc_end"), o->utc_end);
  }
  prices_members(out, &o->prices);
  buf_char(out, '}');
}

static void pricing_member(struct buf *out, const struct pricing *p) {
  struct pricing told = *p;
  if (told.prompt == PRICE_UNSET) told.prompt = 0;  // these two are always there
  if (told.completion == PRICE_UNSET) told.completion = 0;
  json_write_key(out, STR("pricing"));
  buf_char(out, '{');
  prices_members(out, &told);
  if (p->override_count) {
    json_write_key(out, STR("overrides"));
    buf_char(out, '[');
    for (size_t i = 0; i < p->override_count; i++) {
      if (i) buf_char(out, ',');
      override_object(out, &p->overrides[i]);
    }
    buf_char(out, ']');
  }
  buf_char(out, '}');
}

// As OpenRouter tells the prices of routers.
static void router_pricing_member(struct buf *out, const struct model *m) {
  literal_member(out, STR("pricing"),
                 router_price_varies(m) ? STR("{\"prompt\":\"-1\",\"completion\":\"-1\"}")
                                        : STR("{\"prompt\":\"0\",\"completion\":\"0\"}"));
}

static void joined(struct buf *out, struct str_list list) {
  for (size_t i = 0; i < list.count; i++) {
    if (i) buf_char(out, '+');
    buf_str(out, list.items[i]);  // names of ours: nothing to escape
  }
}

static void architecture_member(struct buf *out, const struct model *m) {
  json_write_key(out, STR("architecture"));
  buf_char(out, '{');
  json_write_key(out, STR("modality"));
  buf_char(out, '"');
  joined(out, m->input_modalities);
  buf_lit(out, "->");
  joined(out, m->output_modalities);
  buf_char(out, '"');
  list_member(out, STR("input_modalities"), m->input_modalities);
  list_member(out, STR("output_modalities"), m->output_modalities);
  string_member(out, STR("tokenizer"), m->tokenizer);
  null_member(out, STR("instruct_type"));
  buf_char(out, '}');
}

// --- a model ---

static void top_provider_member(struct buf *out, const struct model *m) {
  const struct endpoint *top = &m->endpoints[0];
  json_write_key(out, STR("top_provider"));
  buf_char(out, '{');
  number_or_null(out, STR("context_length"), top->context_length);
  number_or_null(out, STR("max_completion_tokens"), top->max_completion_tokens);
  bool_member(out, STR("is_moderated"), false);
  buf_char(out, '}');
}

static struct str author_of(struct str id) {
  size_t slash = str_find_char(id, '/', 0);
  return slash == SIZE_MAX ? STR("signalbox") : str_from(id.ptr, slash);
}

static void links_member(struct buf *out, struct str id) {
  struct buf path;
  buf_init(&path, 4096);
  buf_lit(&path, "/api/v1/models/");
  buf_str(&path, id);
  buf_lit(&path, "/endpoints");
  json_write_key(out, STR("links"));
  buf_char(out, '{');
  string_member(out, STR("details"), buf_view(&path));
  buf_char(out, '}');
  out->failed |= path.failed;
  buf_free(&path);
}

static void alias_target_member(struct buf *out, const struct model *m) {
  json_write_key(out, STR("alias_target"));
  buf_char(out, '{');
  string_member(out, STR("name"), m->name);
  string_member(out, STR("slug"), m->id);
  buf_char(out, '}');
}

// `alias`: the name by which it was asked for, when that is an alias; else empty.
static void model_object(struct buf *out, const struct model *m, struct str alias) {
  buf_char(out, '{');
  string_member(out, STR("id"), alias.len ? alias : m->id);
  // OpenAI's
  string_member(out, STR("object"), STR("model"));
  number_member(out, STR("created"), m->created);
  string_member(out, STR("owned_by"), author_of(m->id));
  // Anthropic's
  string_member(out, STR("type"), STR("model"));
  string_member(out, STR("display_name"), m->name);
  time_member(out, STR("created_at"), m->created);
  // OpenRouter's
  string_member(out, STR("canonical_slug"), alias.len ? alias : m->canonical_slug);
  string_member(out, STR("name"), m->name);
  string_member(out, STR("description"), m->description);
  string_or_null(out, STR("hugging_face_id"), m->hugging_face_id);
  number_or_null(out, STR("context_length"), m->context_length);
  architecture_member(out, m);
  if (router_is(m))
    router_pricing_member(out, m);
  else
    pricing_member(out, &m->endpoints[0].pricing);
  top_provider_member(out, m);
  null_member(out, STR("per_request_limits"));
  list_member(out, STR("supported_parameters"), m->supported_parameters);
  null_member(out, STR("default_parameters"));
  null_member(out, STR("supported_voices"));
  string_or_null(out, STR("knowledge_cutoff"), m->knowledge_cutoff);
  null_member(out, STR("expiration_date"));
  links_member(out, m->id);
  if (alias.len) alias_target_member(out, m);
  buf_char(out, '}');
}

// The model that a name stands for, and the alias when it is one; NULL: nobody's name. In the arena.
static const struct model *model_of(const struct catalogue *c, struct str id, struct arena *arena, struct str *alias) {
  struct model_name name;
  struct fault_note note = {0};
  *alias = (struct str){0};
  if (!model_name_resolve(c, id, arena, &name, &note)) return NULL;
  if (!name.model) return routers_find(c, id, arena);
  if (name.kind == MODEL_ALIAS) *alias = id;
  return name.model;
}

bool model_json(struct buf *out, const struct catalogue *c, struct str id) {
  struct arena arena = {0};
  struct str alias;
  const struct model *m = model_of(c, id, &arena, &alias);
  if (m) {
    buf_lit(out, "{\"data\":");
    model_object(out, m, alias);
    buf_char(out, '}');
  }
  arena_free(&arena);
  return m != NULL;
}

// --- the list ---

struct page {
  size_t from, to;  // of all that were found
  bool more;        // behind it, in the direction of paging
};

static size_t place_of(const struct model *const *found, size_t count, struct str id) {
  for (size_t i = 0; i < count; i++) {
    if (str_eq(found[i]->id, id)) return i;
  }
  return SIZE_MAX;
}

static size_t at_most(size_t value, size_t limit) {
  return value < limit ? value : limit;
}

static struct page page_of(const struct models_query *q, const struct model *const *found, size_t count) {
  struct page page = {0, count, false};
  size_t before = q->before_id.len ? place_of(found, count, q->before_id) : SIZE_MAX;
  if (before != SIZE_MAX) {
    page.to = before;
    page.from = before > q->limit ? before - (size_t)q->limit : 0;
    page.more = page.from > 0;
    return page;
  }
  size_t after = q->after_id.len ? place_of(found, count, q->after_id) : SIZE_MAX;
  page.from = at_most(after != SIZE_MAX ? after + 1 : (size_t)q->offset, count);
  if (q->paged) page.to = page.from + at_most(count - page.from, (size_t)q->limit);
  page.more = page.to < count;
  return page;
}

// The path of the next page: the same query with another offset.
static void next_link(struct buf *out, struct str query, const struct models_query *q, size_t offset) {
  struct buf path;
  buf_init(&path, 16 * 1024);
  buf_lit(&path, "/api/v1/models?");
  struct str rest = query, pair;
  while (str_split(&rest, '&', &pair)) {
    if (!pair.len || str_starts(pair, STR("offset=")) || str_starts(pair, STR("limit=")) ||
        str_starts(pair, STR("after_id=")) || str_starts(pair, STR("before_id=")))
      continue;
    buf_str(&path, pair);
    buf_char(&path, '&');
  }
  buf_lit(&path, "offset=");
  buf_u64(&path, offset);
  buf_lit(&path, "&limit=");
  buf_u64(&path, q->limit);
  json_write_str(out, buf_view(&path));
  out->failed |= path.failed;
  buf_free(&path);
}

static void list_object(struct buf *out, struct str query, const struct models_query *q,
                        const struct model *const *found, size_t count) {
  struct page page = page_of(q, found, count);
  bool any = page.to > page.from;
  buf_lit(out, "{\"object\":\"list\",\"data\":[");
  for (size_t i = page.from; i < page.to; i++) {
    if (i > page.from) buf_char(out, ',');
    model_object(out, found[i], (struct str){0});
  }
  buf_char(out, ']');
  bool_member(out, STR("has_more"), page.more);
  string_or_null(out, STR("first_id"), any ? found[page.from]->id : (struct str){0});
  string_or_null(out, STR("last_id"), any ? found[page.to - 1]->id : (struct str){0});
  number_member(out, STR("total_count"), count);
  json_write_key(out, STR("links"));
  buf_lit(out, "{\"next\":");
  if (q->paged && page.to < count)
    next_link(out, query, q, page.to);
  else
    buf_lit(out, "null");
  buf_char(out, '}');
  if (q->codex) {
    json_write_key(out, STR("models"));
    codex_models_json(out, &found[page.from], page.to - page.from);
  }
  buf_char(out, '}');
}

void models_json(struct buf *out, const struct catalogue *c, struct str query) {
  struct arena arena = {0};
  struct models_query q;
  struct catalogue all;
  models_query_parse(&arena, query, &q);
  const struct model **found = arena_alloc(&arena, (c->model_count + ROUTERS_MAX) * sizeof *found);
  if (found && routers_join(c, &arena, &all))
    list_object(out, query, &q, found, models_query_run(&q, &all, found));
  else
    out->failed = true;
  arena_free(&arena);
}

void models_count_json(struct buf *out, const struct catalogue *c, struct str query) {
  struct arena arena = {0};
  struct models_query q;
  struct catalogue all;
  models_query_parse(&arena, query, &q);
  const struct model **found = arena_alloc(&arena, (c->model_count + ROUTERS_MAX) * sizeof *found);
  if (found && routers_join(c, &arena, &all)) {
    buf_lit(out, "{\"data\":{\"count\":");
    buf_u64(out, models_query_run(&q, &all, found));
    buf_lit(out, "}}");
  } else {
    out->failed = true;
  }
  arena_free(&arena);
}

// --- endpoints ---

static void name_member(struct buf *out, const struct endpoint *e) {
  struct buf name;
  buf_init(&name, 4096);
  buf_str(&name, e->provider->name);
  buf_lit(&name, " | ");
  buf_str(&name, e->model->id);
  string_member(out, STR("name"), buf_view(&name));
  out->failed |= name.failed;
  buf_free(&name);
}

static void tool_choice_member(struct buf *out, bool tools) {
  json_write_key(out, STR("supports_tool_choice"));
  buf_char(out, '{');
  bool_member(out, STR("auto"), tools);
  bool_member(out, STR("function"), tools);
  bool_member(out, STR("none"), tools);
  bool_member(out, STR("required"), tools);
  buf_char(out, '}');
}

// What names this endpoint alone in a request's `provider` object.
static void tag_member(struct buf *out, const struct endpoint *e) {
  if (!e->tag.len) {
    string_member(out, STR("tag"), e->provider->id);
    return;
  }
  json_write_key(out, STR("tag"));
  buf_char(out, '"');
  buf_str(out, e->provider->id);  // words of letters, digits and . _ - : nothing to escape
  buf_char(out, '/');
  buf_str(out, e->tag);
  buf_char(out, '"');
}

static void endpoint_object(struct buf *out, const struct endpoint *e, const struct health_view *health) {
  buf_char(out, '{');
  name_member(out, e);
  string_member(out, STR("model_id"), e->model->id);
  string_member(out, STR("model_name"), e->model->name);
  string_member(out, STR("provider_name"), e->provider->name);
  tag_member(out, e);
  number_member(out, STR("context_length"), e->context_length);
  number_or_null(out, STR("max_completion_tokens"), e->max_completion_tokens);
  number_or_null(out, STR("max_prompt_tokens"), e->max_prompt_tokens);
  string_or_null(out, STR("quantization"), e->quantization);
  pricing_member(out, &e->pricing);
  list_member(out, STR("supported_parameters"), e->supported_parameters);
  tool_choice_member(out, has(e->supported_parameters, STR("tool_choice")));
  bool_member(out, STR("supports_implicit_caching"), e->pricing.input_cache_read != PRICE_UNSET);
  bool_member(out, STR("supports_voice_cloning"), false);
  endpoint_health_members(out, health, e);
  buf_char(out, '}');
}

static void endpoints_object(struct buf *out, const struct model *m, const struct health_view *health) {
  buf_lit(out, "{\"data\":{");
  string_member(out, STR("id"), m->id);
  string_member(out, STR("name"), m->name);
  number_member(out, STR("created"), m->created);
  string_member(out, STR("description"), m->description);
  architecture_member(out, m);
  json_write_key(out, STR("endpoints"));
  buf_char(out, '[');
  for (size_t i = 0; i < m->endpoint_count && !router_is(m); i++) {
    if (i) buf_char(out, ',');
    endpoint_object(out, &m->endpoints[i], health);
  }
  buf_lit(out, "]}}");
}

bool endpoints_json(struct buf *out, const struct catalogue *c, struct str id, const struct health_view *health) {
  struct arena arena = {0};
  struct str alias;
  const struct model *m = model_of(c, id, &arena, &alias);
  if (m) endpoints_object(out, m, health);
  arena_free(&arena);
  return m != NULL;
}

// --- providers ---

static void provider_object(struct buf *out, const struct provider *p) {
  const struct provider_row *row = provider_row_find(p->id);
  buf_char(out, '{');
  string_member(out, STR("name"), p->name);
  string_member(out, STR("slug"), p->id);
  string_or_null(out, STR("privacy_policy_url"), str_from_cstr(row ? row->privacy_url : NULL));
  string_or_null(out, STR("terms_of_service_url"), str_from_cstr(row ? row->terms_url : NULL));
  string_or_null(out, STR("status_page_url"), str_from_cstr(row ? row->status_url : NULL));
  null_member(out, STR("headquarters"));
  null_member(out, STR("datacenters"));
  buf_char(out, '}');
}

void providers_json(struct buf *out, const struct catalogue *c) {
  buf_lit(out, "{\"data\":[");
  for (size_t i = 0; i < c->provider_count; i++) {
    if (i) buf_char(out, ',');
    provider_object(out, &c->providers[i]);
  }
  buf_lit(out, "]}");
}
