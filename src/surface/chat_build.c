// The request side of openai_chat.h, second half: the body for one endpoint. Only what must change does; all other
// bytes are copied as they came, so that key order, number spelling and white space reach the provider untouched.
#include "llm/endpoint_facts.h"
#include "provider/azure.h"
#include "provider/openai_models.h"
#include "provider/quirks.h"
#include "surface/chat_splice.h"

enum { HOLE_MIN = 16 * 1024 };  // below, a copy is cheaper than one more part to send

void splice_copy(struct splice *s, size_t to) {
  if (to <= s->at) return;
  struct str run = str_from(s->r->body.ptr + s->at, to - s->at);
  s->at = (uint32_t)to;
  if (s->hole && !s->hole->bytes.len && run.len >= HOLE_MIN)
    *s->hole = (struct buf_hole){s->out->len, run};
  else
    buf_str(s->out, run);
}

void splice_replace(struct splice *s, size_t from, size_t to, struct str with) {
  splice_copy(s, from);
  buf_str(s->out, with);
  s->at = (uint32_t)to;
}

void splice_lost(struct splice *s, struct str name) {
  if (s->lost) translation_drop(s->lost, name);
}

void walk_keep(struct splice *s, struct walk *w, uint32_t value) {
  (void)s;
  w->kept_end = w->base + w->doc->nodes[value].end;
}

void walk_cut(struct splice *s, struct walk *w, uint32_t value, uint32_t next) {
  const struct json_node *nodes = w->doc->nodes;
  if (w->kept_end) {
    splice_copy(s, w->kept_end);  // it goes with the comma before it
    s->at = (uint32_t)(w->base + nodes[value].end);
  } else {
    splice_copy(s, w->base + nodes[w->within].start + 1);  // it goes with the comma behind it
    s->at = (uint32_t)(w->base + (next == JSON_NONE ? nodes[value].end : nodes[next].start));
  }
}

bool walk_end(struct splice *s, struct walk *w) {
  splice_copy(s, w->kept_end ? w->kept_end : w->base + w->doc->nodes[w->within].start + 1);
  return w->kept_end != 0;
}

// --- which members go ---

static bool listed(const char *const *list, struct str name) {
  for (; list && *list; list++)
    if (str_eq(str_from_cstr(*list), name)) return true;
  return false;
}

static bool key_listed(const struct splice *s, const char *const *list, uint32_t key) {
  for (; list && *list; list++)
    if (json_string_is(&s->r->doc, key, str_from_cstr(*list))) return true;
  return false;
}

bool splice_denies(const struct splice *s, struct str name) {
  return listed(s->quirks->deny, name);
}

// A value that says no more than its absence would. What is then left out is no loss.
static bool is_usual(const struct splice *s, enum chat_member_id id, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  double n;
  enum json_type type = json_type(doc, value);
  if (type == JSON_NULL || type == JSON_FALSE) return true;
  if (type >= JSON_ARRAY) return json_first(doc, value) == JSON_NONE;
  if (json_double(doc, value, &n)) {
    bool one = id == CHAT_MEMBER_N || id == CHAT_MEMBER_REPETITION_PENALTY || id == CHAT_MEMBER_TEMPERATURE ||
               id == CHAT_MEMBER_TOP_P;
    return n == (one ? 1 : 0);
  }
  if (type == JSON_TRUE) return id == CHAT_MEMBER_PARALLEL_TOOL_CALLS;
  if (id == CHAT_MEMBER_VERBOSITY) return json_string_is(doc, value, STR("medium"));
  if (id == CHAT_MEMBER_TOOL_CHOICE) return json_string_is(doc, value, STR("auto"));
  return id == CHAT_MEMBER_SERVICE_TIER &&
         (json_string_is(doc, value, STR("auto")) || json_string_is(doc, value, STR("default")));
}

// The client may give the limit under both names; the provider gets it under the one it knows.
static enum chat_action max_tokens_action(const struct splice *s, uint32_t key, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  if (!s->quirks->max_tokens_field) return CHAT_PASS;
  struct str field = str_from_cstr(s->quirks->max_tokens_field);
  bool given = json_is(doc, value, JSON_NUMBER);
  if (json_string_is(doc, key, field)) return given ? CHAT_PASS : CHAT_CUT;
  return given && !json_is(doc, json_get(doc, 0, field), JSON_NUMBER) && !splice_denies(s, field) ? CHAT_MAX_TOKENS
                                                                                                  : CHAT_CUT;
}

static bool is_sampling(enum chat_member_id id) {
  switch (id) {
    case CHAT_MEMBER_TEMPERATURE:
    case CHAT_MEMBER_TOP_P:
    case CHAT_MEMBER_FREQUENCY_PENALTY:
    case CHAT_MEMBER_PRESENCE_PENALTY:
    case CHAT_MEMBER_LOGIT_BIAS:
    case CHAT_MEMBER_LOGPROBS:
    case CHAT_MEMBER_TOP_LOGPROBS: return true;
    default: return false;
  }
}

static struct str effort_of(const struct chat_request *r) {
  const struct json_doc *doc = &r->doc;
  struct str effort = chat_inside(doc, chat_member_at(r, CHAT_MEMBER_REASONING_EFFORT));
  uint32_t reasoning = chat_member_at(r, CHAT_MEMBER_REASONING);
  if (!effort.len) effort = chat_inside(doc, json_get(doc, reasoning, STR("effort")));
  if (!effort.len && json_type(doc, json_get(doc, reasoning, STR("enabled"))) == JSON_FALSE) effort = STR("none");
  bool on = json_type(doc, json_get(doc, reasoning, STR("enabled"))) == JSON_TRUE ||
            json_is(doc, json_get(doc, reasoning, STR("max_tokens")), JSON_NUMBER);
  return !effort.len && on ? STR("medium") : effort;
}

// Models that reason take no samplings of the client's, but for the usual temperature, and some no stops.
static bool is_refused(const struct splice *s, enum chat_member_id id, uint32_t value) {
  if (!s->reasons) return false;
  if (id == CHAT_MEMBER_STOP) return s->refuses_stop;
  return is_sampling(id) && !(id == CHAT_MEMBER_TEMPERATURE && is_usual(s, id, value));
}

// Members that only say where the prompt may be kept: without them it costs more, and nothing else changes.
static bool is_about_cache(const struct splice *s, enum chat_member_id id) {
  if (s->quirks->gateway || s->quirks->marks == MARKS_AS_SENT) return false;
  if (id == CHAT_MEMBER_PROMPT_CACHE_OPTIONS)
    return s->quirks->marks != MARKS_BREAKPOINT || !openai_model_has_breakpoints(openai_model_name(s->e));
  return id == CHAT_MEMBER_PROMPT_CACHE_KEY && s->quirks->strict && !s->quirks->openai_models;
}

static bool too_hot(const struct splice *s, enum chat_member_id id, uint32_t value) {
  double n;
  return id == CHAT_MEMBER_TEMPERATURE && s->quirks->temperature_max && json_double(&s->r->doc, value, &n) &&
         n > s->quirks->temperature_max;
}

// A tier's endpoint is told its tier; one of the usual tier is told of none where the model has others for them.
static enum chat_action tier_action(const struct splice *s, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  if (s->tier.len) return json_string_is(doc, value, s->tier) ? CHAT_PASS : CHAT_REWRITE;
  bool asked = json_string_is(doc, value, STR("priority")) || json_string_is(doc, value, STR("fast")) ||
               json_string_is(doc, value, STR("flex"));
  return s->tier_elsewhere && asked ? CHAT_CUT : CHAT_PASS;
}

static enum chat_action logprobs_action(const struct splice *s, enum chat_member_id id, uint32_t value) {
  if (id == CHAT_MEMBER_TOP_LOGPROBS) return CHAT_CUT;  // it has become the other's number
  return json_type(&s->r->doc, value) == JSON_TRUE ? CHAT_REWRITE : CHAT_CUT;
}

// What an endpoint is not told when its supported_parameters leave it out: nothing that changes what is asked for.
enum {
  SHED = NAME_BIT(temperature) | NAME_BIT(top_p) | NAME_BIT(top_k) | NAME_BIT(min_p) | NAME_BIT(top_a) |
         NAME_BIT(frequency_penalty) | NAME_BIT(presence_penalty) | NAME_BIT(repetition_penalty) |
         NAME_BIT(logit_bias) | NAME_BIT(logprobs) | NAME_BIT(top_logprobs) | NAME_BIT(prediction) | NAME_BIT(seed) |
         NAME_BIT(stop) | NAME_BIT(parallel_tool_calls) | NAME_BIT(verbosity) | NAME_BIT(web_search_options)
};

// A member the service refuses. That it is not told is noted, unless it says what is usual.
static bool is_cut_out(struct splice *s, enum chat_member_id id, uint32_t key, uint32_t value) {
  bool foreign = s->quirks->strict && id == CHAT_MEMBER_COUNT && provider_is_foreign(chat_inside(&s->r->doc, key)) &&
                 !key_listed(s, s->quirks->know, key);
  bool lacking = s->lacks & chat_member_parameter(id);
  if (!foreign && !lacking && !key_listed(s, s->quirks->deny, key) && !is_refused(s, id, value)) return false;
  bool usual = is_usual(s, id, value);
  if (usual && id == CHAT_MEMBER_N && json_is(&s->r->doc, value, JSON_NUMBER)) return false;  // one answer is all have
  if (!usual) splice_lost(s, chat_inside(&s->r->doc, key));
  return true;
}

// What happens to one member at this endpoint. What is lost by it is noted.
static enum chat_action action_of(struct splice *s, enum chat_member_id id, uint32_t key, uint32_t value) {
  if (UNLIKELY(s->picky) && is_cut_out(s, id, key, value)) return CHAT_CUT;
  if (id == CHAT_MEMBER_COUNT) return CHAT_PASS;
  enum chat_action action = (enum chat_action)chat_member_row(id)->action;
  switch (id) {
    case CHAT_MEMBER_MESSAGES: return CHAT_REWRITE;
    case CHAT_MEMBER_REASONING:
    case CHAT_MEMBER_REASONING_EFFORT: return s->wish_as_sent ? CHAT_PASS : s->wish.len ? CHAT_REWRITE : CHAT_CUT;
    case CHAT_MEMBER_TOOLS: return s->no_tools ? CHAT_CUT : CHAT_REWRITE;
    case CHAT_MEMBER_TOOL_CHOICE: return s->no_tools || chat_choice_is_cut(s, value) ? CHAT_CUT : CHAT_PASS;
    case CHAT_MEMBER_PARALLEL_TOOL_CALLS: return s->no_tools ? CHAT_CUT : CHAT_PASS;
    case CHAT_MEMBER_RESPONSE_FORMAT: return CHAT_REWRITE;
    case CHAT_MEMBER_SERVICE_TIER: return tier_action(s, value);
    case CHAT_MEMBER_LOGPROBS:
    case CHAT_MEMBER_TOP_LOGPROBS:
      if (s->quirks->counted_logprobs) return logprobs_action(s, id, value);
      break;
    case CHAT_MEMBER_PROMPT_CACHE_KEY:
    case CHAT_MEMBER_PROMPT_CACHE_OPTIONS: return is_about_cache(s, id) ? CHAT_CUT : CHAT_PASS;
    case CHAT_MEMBER_TEMPERATURE:
      if (!too_hot(s, id, value)) break;
      splice_lost(s, STR("temperature"));
      return CHAT_REWRITE;
    default: break;
  }
  switch (action) {
    case CHAT_CUT_PASS: return s->openrouter || key_listed(s, s->quirks->know, key) ? CHAT_PASS : CHAT_CUT;
    case CHAT_STREAM_OPTIONS: return s->r->stream && !s->quirks->no_stream_options ? CHAT_STREAM_OPTIONS : CHAT_CUT;
    case CHAT_MAX_TOKENS: return max_tokens_action(s, key, value);
    default: return action;
  }
}

static size_t start_of(const struct splice *s, uint32_t node) {
  return s->r->doc.nodes[node].start;
}

static size_t end_of(const struct splice *s, uint32_t node) {
  return s->r->doc.nodes[node].end;
}

static void write_stream_options(struct splice *s, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  uint32_t include = json_get(doc, value, STR("include_usage"));
  if (!json_is(doc, value, JSON_OBJECT)) {
    splice_replace(s, start_of(s, value), end_of(s, value), STR("{\"include_usage\":true}"));
  } else if (include != JSON_NONE) {
    splice_replace(s, start_of(s, include), end_of(s, include), STR("true"));
  } else {
    splice_copy(s, start_of(s, value) + 1);
    buf_lit(s->out, "\"include_usage\":true");
    if (json_first(doc, value) != JSON_NONE) buf_char(s->out, ',');
  }
}

// A member that becomes another one, or whose inside changes. False: it is left out after all.
static bool rewrite(struct splice *s, enum chat_member_id id, uint32_t key, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  uint64_t n;
  switch (id) {
    case CHAT_MEMBER_MESSAGES: chat_turns_splice(s); return true;
    case CHAT_MEMBER_TOOLS: return !json_is(doc, value, JSON_ARRAY) || (chat_tools_splice(s, value), true);
    case CHAT_MEMBER_RESPONSE_FORMAT: chat_format_splice(s, value); return true;
    case CHAT_MEMBER_TEMPERATURE:
      splice_replace(s, start_of(s, value), end_of(s, value), (struct str){0});
      buf_u64(s->out, s->quirks->temperature_max);
      return true;
    case CHAT_MEMBER_SERVICE_TIER:
      splice_replace(s, start_of(s, value), end_of(s, value), (struct str){0});
      json_write_str(s->out, s->tier);
      return true;
    case CHAT_MEMBER_LOGPROBS:
      if (!json_u64(doc, chat_member_at(s->r, CHAT_MEMBER_TOP_LOGPROBS), 20, &n) || !n) n = 1;
      splice_replace(s, start_of(s, value), end_of(s, value), (struct str){0});
      buf_u64(s->out, n);
      return true;
    default: break;
  }
  // The first of the members that ask for reasoning stands for all.
  if (s->wish_written) return false;
  s->wish_written = true;
  splice_replace(s, start_of(s, key), end_of(s, value), buf_view(&s->wish));
  return true;
}

// False: it is left out.
static bool apply(struct splice *s, enum chat_action action, enum chat_member_id id, uint32_t key, uint32_t value) {
  switch (action) {
    case CHAT_CUT: return false;
    case CHAT_MODEL:
      splice_replace(s, start_of(s, value), end_of(s, value), (struct str){0});
      json_write_str(s->out, s->e->upstream_model);
      return true;
    case CHAT_MAX_TOKENS:
      splice_replace(s, start_of(s, key), end_of(s, key), (struct str){0});
      json_write_str(s->out, str_from_cstr(s->quirks->max_tokens_field));
      return true;
    case CHAT_STREAM_OPTIONS: write_stream_options(s, value); return true;
    case CHAT_REWRITE: return rewrite(s, id, key, value);
    default: return true;
  }
}

// Behind the last member: what the client did not send and the provider needs.
static void write_added(struct splice *s, bool more) {
  if (chat_member_at(s->r, CHAT_MEMBER_MODEL) == JSON_NONE) {
    if (more) buf_char(s->out, ',');
    buf_lit(s->out, "\"model\":");
    json_write_str(s->out, s->e->upstream_model);
    more = true;
  }
  if (s->r->stream && !s->quirks->no_stream_options && chat_member_at(s->r, CHAT_MEMBER_STREAM_OPTIONS) == JSON_NONE) {
    if (more) buf_char(s->out, ',');
    buf_lit(s->out, "\"stream_options\":{\"include_usage\":true}");
    more = true;
  }
  if (s->tier.len && chat_member_at(s->r, CHAT_MEMBER_SERVICE_TIER) == JSON_NONE) {
    if (more) buf_char(s->out, ',');
    buf_lit(s->out, "\"service_tier\":");
    json_write_str(s->out, s->tier);
    more = true;
  }
  // GLM models forget what is between tags unless they are told not to.
  if (s->tagged && json_get(&s->r->doc, 0, STR("clear_thinking")) == JSON_NONE) {
    if (more) buf_char(s->out, ',');
    buf_lit(s->out, "\"clear_thinking\":false");
  }
}

static void find_tier(struct splice *s) {
  static const uint64_t tiers = TRAIT(FLEX) | TRAIT(PRIORITY);
  const struct model *m = s->e->model;
  if (s->e->facts.traits & tiers) {
    if (splice_denies(s, STR("service_tier"))) return;
    s->tier = s->e->facts.traits & TRAIT(FLEX) ? STR("flex") : STR("priority");
    return;
  }
  if (!(s->r->index->present & CHAT_BIT(CHAT_MEMBER_SERVICE_TIER))) return;
  for (size_t i = 0; m && i < m->endpoint_count; i++)
    if (m->endpoints[i].facts.traits & tiers) s->tier_elsewhere = true;
}

// False: out of memory.
static bool splice_begin(struct splice *s, const struct chat_request *r, const struct endpoint *e,
                         struct provider_quirks *room) {
  const struct json_doc *doc = &r->doc;
  s->r = r;
  s->e = e;
  s->quirks = quirks_of(e, room);
  s->openrouter = str_eq(e->provider->id, STR("openrouter"));
  if (s->quirks->openai_models) {
    struct str model = openai_model_name(e), effort = effort_of(r);
    s->reasons = openai_model_reasons(model, effort);
    s->refuses_stop = openai_model_refuses_stop(model, effort);
  }
  s->lacks = e->facts.lacks & SHED;
  s->picky = s->reasons || s->quirks->strict || s->quirks->deny || s->lacks;
  find_tier(s);
  if (s->quirks->auto_while_thinks) s->thinks = quirks_model_thinks(e);
  // Who may not be told to leave the tools alone is not told of them; and a choice among none is refused.
  uint32_t tools = chat_member_at(r, CHAT_MEMBER_TOOLS);
  s->no_tools =
      (tools != JSON_NONE && !chat_tools_any(s, tools)) ||
      (s->quirks->auto_choice && json_string_is(doc, chat_member_at(r, CHAT_MEMBER_TOOL_CHOICE), STR("none")));
  return chat_wish_make(s);
}

bool chat_request_build(const struct chat_request *r, const struct endpoint *endpoint, struct buf *out) {
  return chat_request_build_around(r, endpoint, NULL, out, NULL);
}

bool chat_request_build_around(const struct chat_request *r, const struct endpoint *endpoint,
                               const struct chat_file *files, struct buf *out, struct buf_hole *hole) {
  const struct json_doc *doc = &r->doc;
  struct provider_quirks room;
  struct splice s = {.out = out, .hole = hole, .files = files};
  struct walk w = {.doc = doc};
  bool ok = splice_begin(&s, r, endpoint, &room);
  size_t n = 0;
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE; n++) {
    uint32_t value = json_next(doc, 0, key), next = json_next(doc, 0, value);
    enum chat_member_id id = chat_member_nth(r, n, key);
    if (apply(&s, action_of(&s, id, key, value), id, key, value))
      walk_keep(&s, &w, value);
    else
      walk_cut(&s, &w, value, next);
    key = next;
  }
  write_added(&s, walk_end(&s, &w));
  splice_copy(&s, r->body.len);
  buf_free(&s.wish);
  return ok && !out->failed;
}

// Most requests hold only what every service takes.
static bool loses_nothing(const struct chat_request *r, const struct endpoint *e) {
  static const uint64_t plain = CHAT_BIT(CHAT_MEMBER_MODEL) | CHAT_BIT(CHAT_MEMBER_MESSAGES) |
                                CHAT_BIT(CHAT_MEMBER_STREAM) | CHAT_BIT(CHAT_MEMBER_STREAM_OPTIONS) |
                                CHAT_BIT(CHAT_MEMBER_MAX_TOKENS) | CHAT_BIT(CHAT_MEMBER_MAX_COMPLETION_TOKENS) |
                                CHAT_BIT(CHAT_MEMBER_USER) | CHAT_BIT(CHAT_MEMBER_PROVIDER) |
                                CHAT_BIT(CHAT_MEMBER_MODELS) | CHAT_BIT(CHAT_MEMBER_USAGE);
  static const uint64_t sampling = CHAT_BIT(CHAT_MEMBER_TEMPERATURE) | CHAT_BIT(CHAT_MEMBER_TOP_P) |
                                   CHAT_BIT(CHAT_MEMBER_SEED) | CHAT_BIT(CHAT_MEMBER_STOP) |
                                   CHAT_BIT(CHAT_MEMBER_FREQUENCY_PENALTY) | CHAT_BIT(CHAT_MEMBER_PRESENCE_PENALTY);
  const struct provider_quirks *q = e->provider->quirks;
  if (e->provider->protocol == PROTOCOL_AZURE || q->by_model || q->deny || (e->facts.lacks & SHED)) return false;
  bool steered = !q->openai_models && !q->temperature_max;
  return !(r->index->present & ~(steered ? plain | sampling : plain));
}

// A plugin that was to change the answer; automatic choice has been made by now.
static bool asks_for_plugins(const struct json_doc *doc, uint32_t plugins) {
  for (uint32_t p = json_first(doc, plugins); p != JSON_NONE; p = json_next(doc, plugins, p)) {
    uint32_t id = json_get(doc, p, STR("id"));
    bool off = json_type(doc, json_get(doc, p, STR("enabled"))) == JSON_FALSE;
    if (!off && !json_string_is(doc, id, STR("auto-router")) && !json_string_is(doc, id, STR("auto-beta-router")))
      return true;
  }
  return false;
}

void chat_request_lost(const struct chat_request *r, const struct endpoint *endpoint, struct translation *t) {
  if (loses_nothing(r, endpoint)) return;
  const struct json_doc *doc = &r->doc;
  struct provider_quirks room;
  struct splice s = {.lost = t};
  size_t n = 0;
  if (!splice_begin(&s, r, endpoint, &room)) t->no_memory = true;
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE; n++) {
    uint32_t value = json_next(doc, 0, key);
    enum chat_member_id id = chat_member_nth(r, n, key);
    action_of(&s, id, key, value);
    if (id == CHAT_MEMBER_PLUGINS && !endpoint->provider->quirks->gateway && asks_for_plugins(doc, value))
      translation_drop(t, STR("plugins"));
    key = json_next(doc, 0, value);
  }
  buf_free(&s.wish);
}

// --- what the gateway must know before ---

static bool messages_hold(const struct chat_request *r, struct str text) {
  return str_find(json_raw(&r->doc, chat_member_at(r, CHAT_MEMBER_MESSAGES)), text, 0) != SIZE_MAX;
}

bool chat_request_wants_responses(const struct chat_request *r, const struct endpoint *endpoint) {
  struct str version = endpoint->provider->api_version;
  if (endpoint->provider->protocol != PROTOCOL_AZURE || endpoint->api != API_AUTO) return false;
  struct provider_quirks room;
  if (azure_is_before(version, "2025-03-01") || !quirks_of(endpoint, &room)->openai_models) return false;
  bool newest = r->has_tools && str_find(openai_model_name(endpoint), STR("gpt-5.6"), 0) != SIZE_MAX;
  if (newest && !str_eq(effort_of(r), STR("none"))) return true;
  return (r->odd & CHAT_ODD_PARTS) && messages_hold(r, STR("\"file\"")) && messages_hold(r, STR("\"file_"));
}

bool chat_request_names_files(const struct chat_request *r, const struct endpoint *endpoint) {
  const struct provider_quirks *quirks = endpoint->provider->quirks;
  if (!(r->odd & CHAT_ODD_PARTS) || !(quirks->inlines_images || quirks->inlines_files)) return false;
  return (quirks->inlines_images && messages_hold(r, STR("\"image_url\""))) ||
         (quirks->inlines_files && messages_hold(r, STR("\"file_")));
}
