#include "provider/anthropic_request.h"

#include "json/json.h"
#include "provider/anthropic_writer.h"
#include "provider/bedrock_models.h"
#include "provider/encode.h"
#include "provider/schema.h"
#include "provider/tool_names.h"

enum { MARKS_MAX = 4 };

// --- cache marks ---

void anthropic_mark(struct anthropic_writer *w, enum cache_mark mark) {
  if (!mark) return;
  if (w->marks_skipped) {
    w->marks_skipped--;
    return;
  }
  buf_lit(w->out, ",\"cache_control\":{\"type\":\"ephemeral\"");
  if (mark == CACHE_1H && !w->short_mark) buf_lit(w->out, ",\"ttl\":\"1h\"");
  if (mark == CACHE_5M) w->short_mark = true;
  buf_char(w->out, '}');
}

// The end of the whole prompt is marked by a member of its own, or where a host does not know that, on its last block.
static void place_marks(struct anthropic_writer *w) {
  const struct conversation *c = w->c;
  size_t i = w->steps.count;
  if (w->host != ANTHROPIC_DIRECT && c->cache) {
    while (i && w->steps.items[i - 1].kind == STEP_PART && w->steps.items[i - 1].part->kind == PART_REASONING) i--;
    if (i && !w->steps.items[i - 1].cache) w->steps.items[i - 1].cache = c->cache;
  }
  unsigned marks = anthropic_count_tool_marks(w) + anthropic_count_marks(w);
  if (w->host == ANTHROPIC_DIRECT) marks += c->cache != CACHE_NONE;
  w->marks_skipped = marks > MARKS_MAX ? marks - MARKS_MAX : 0;
}

// --- what has to be switched on ---

void anthropic_beta(struct anthropic_writer *w, struct str name) {
  for (unsigned i = 0; i < w->beta_count; i++)
    if (str_eq(w->betas[i], name)) return;
  if (name.len && w->beta_count < ANTHROPIC_BETAS) w->betas[w->beta_count++] = name;
}

// Names that stand in a header field: letters, digits, '-'.
static bool is_beta(struct str name) {
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
      return false;
  }
  return name.len != 0;
}

// Those a client names in the body, as the SDKs do.
static void body_betas(struct anthropic_writer *w, const struct extra *extra) {
  struct json_doc doc = {0};
  if (extra && encode_parse(&doc, extra->json, 1, w->t) && json_is(&doc, 0, JSON_ARRAY))
    for (uint32_t i = json_first(&doc, 0); i != JSON_NONE; i = json_next(&doc, 0, i)) {
      struct str raw = json_raw(&doc, i), name = raw.len > 2 ? str_from(raw.ptr + 1, raw.len - 2) : (struct str){0};
      if (json_is(&doc, i, JSON_STRING) && is_beta(name)) anthropic_beta(w, name);
    }
  json_doc_free(&doc);
}

// Those of its header field. Hosts that are not Anthropic's refuse names they do not know.
static void client_betas(struct anthropic_writer *w) {
  struct str rest = w->c->betas;
  if (!rest.len) return;
  if (w->host != ANTHROPIC_DIRECT) {
    translation_drop(w->t, STR("anthropic-beta"));
    return;
  }
  for (size_t at = 0; at <= rest.len;) {
    size_t comma = str_find_char(rest, ',', at), end = comma == SIZE_MAX ? rest.len : comma;
    struct str name = str_trim(str_from(rest.ptr + at, end - at));
    if (is_beta(name)) anthropic_beta(w, name);
    at = end + 1;
  }
}

// In a header field, or on Bedrock in the body.
static void write_betas(struct anthropic_writer *w) {
  struct buf line;
  if (!w->beta_count) return;
  if (w->host == ANTHROPIC_BEDROCK) {
    encode_array(w->out, STR("anthropic_beta"));
    for (unsigned i = 0; i < w->beta_count; i++) {
      if (i) buf_char(w->out, ',');
      json_write_str(w->out, w->betas[i]);
    }
    buf_char(w->out, ']');
    return;
  }
  buf_init(&line, 4096);
  buf_lit(&line, "\r\nanthropic-beta: ");
  for (unsigned i = 0; i < w->beta_count; i++) {
    if (i) buf_char(&line, ',');
    buf_str(&line, w->betas[i]);
  }
  if (line.failed)
    w->failed = true;
  else
    w->t->fields = arena_str(w->t->arena, buf_view(&line));
  buf_free(&line);
}

// --- members that only Anthropic knows ---

const struct extra *anthropic_extra(const struct anthropic_writer *w, const char *name) {
  for (size_t i = 0; i < w->c->extra_count; i++)
    if (str_eq(w->c->extra[i].name, str_from_cstr(name))) return &w->c->extra[i];
  return NULL;
}

static const struct {
  struct str name;
  const char *beta;  // NULL: it is always there
  bool elsewhere;    // it is written where it belongs, by who knows more of it
} own_members[] = {{{"thinking", 8}, NULL, true},
                   {{"output_config", 13}, NULL, true},
                   {{"stop_sequences", 14}, NULL, true},
                   {{"system", 6}, NULL, true},
                   {{"safety_identifier", 17}, NULL, true},
                   {{"betas", 5}, NULL, true},
                   {{"anthropic_beta", 14}, NULL, true},
                   {{"container", 9}, NULL, false},
                   {{"inference_geo", 13}, NULL, false},
                   {{"context_management", 18}, "context-management-2025-06-27", false},
                   {{"mcp_servers", 11}, "mcp-client-2025-11-20", false},
                   {{"speed", 5}, "fast-mode-2026-02-01", false},
                   {{"fallbacks", 9}, "server-side-fallback-2026-07-01", false},
                   {{"fallback_credit_token", 21}, "fallback-credit-2026-07-01", false},
                   {{"diagnostics", 11}, "cache-diagnosis-2026-04-07", false}};

static int own_member(struct str name) {
  for (size_t i = 0; i < sizeof own_members / sizeof *own_members; i++)
    if (str_eq(name, own_members[i].name)) return (int)i;
  return -1;
}

static void write_own_members(struct anthropic_writer *w) {
  for (size_t i = 0; i < w->c->extra_count; i++) {
    const struct extra *extra = &w->c->extra[i];
    int row = own_member(extra->name);
    if (row < 0 || own_members[row].elsewhere) continue;
    encode_json(w->out, extra->name, extra->json);
    if (own_members[row].beta && !extra->idle) anthropic_beta(w, str_from_cstr(own_members[row].beta));
    if (str_find(extra->json, STR("\"compact_20260112\""), 0) != SIZE_MAX) anthropic_beta(w, STR("compact-2026-01-12"));
    if (str_find(extra->json, STR("\"skills\""), 0) != SIZE_MAX) anthropic_beta(w, STR("skills-2025-10-02"));
  }
}

// --- thinking ---

// The client may say it in Anthropic's own words; then they stand, but for a budget that this conversation cannot take.
// False: refused.
static bool decide_thinking(struct anthropic_writer *w, uint64_t max_tokens) {
  const struct extra *own = anthropic_extra(w, "thinking");
  struct json_doc doc = {0};
  if (!own) {
    if (!anthropic_thinking(w->c, w->model, &w->steps, max_tokens, w->t, &w->thinking)) return false;
    w->thinks = w->thinking.mode >= THINK_BUDGET;
    return true;
  }
  uint32_t type = encode_parse(&doc, own->json, 1, w->t) ? json_get(&doc, 0, STR("type")) : JSON_NONE;
  bool budget = json_string_is(&doc, type, STR("enabled"));
  w->thinks = budget || json_string_is(&doc, type, STR("adaptive"));
  json_doc_free(&doc);
  w->thinking = (struct anthropic_thinking){.mode = THINK_OWN};
  if (budget && !anthropic_thinking_fits(&w->steps)) {
    translation_drop(w->t, STR("thinking"));
    w->thinking.mode = THINK_UNSET;
    w->thinks = false;
  }
  // An effort beside it says something else.
  if (w->model->effort && w->model->known) w->thinking.effort = anthropic_effort(w->c->effort, w->model);
  return true;
}

static void write_thinking(struct anthropic_writer *w) {
  switch (w->thinking.mode) {
    case THINK_UNSET: return;
    case THINK_OFF: buf_lit(w->out, ",\"thinking\":{\"type\":\"disabled\"}"); return;
    case THINK_OWN: encode_json(w->out, STR("thinking"), anthropic_extra(w, "thinking")->json); return;
    case THINK_BUDGET:
      buf_printf(w->out, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":%llu}",
                 (unsigned long long)w->thinking.budget);
      return;
    case THINK_ADAPTIVE:
      buf_lit(w->out, ",\"thinking\":{\"type\":\"adaptive\"");
      if (w->thinking.summarized) buf_lit(w->out, ",\"display\":\"summarized\"");
      buf_char(w->out, '}');
      return;
  }
}

// --- the rest ---

// What the client wrote into output_config itself stands before what its other wishes would become.
static void write_output(struct anthropic_writer *w) {
  const struct extra *own = anthropic_extra(w, "output_config");
  struct json_doc doc = {0};
  bool has_own = own && encode_parse(&doc, own->json, 1, w->t) && json_is(&doc, 0, JSON_OBJECT);
  bool effort = w->thinking.effort && json_get(&doc, 0, STR("effort")) == JSON_NONE;
  bool schema = w->c->format == FORMAT_SCHEMA && !w->emulates_format && json_get(&doc, 0, STR("format")) == JSON_NONE;
  if (!schema && !effort && !has_own) {
    json_doc_free(&doc);
    return;
  }
  encode_object(w->out, STR("output_config"));
  if (effort) encode_plain(w->out, STR("effort"), str_from_cstr(w->thinking.effort));
  if (schema) {
    encode_object(w->out, STR("format"));
    buf_lit(w->out, "\"type\":\"json_schema\",\"schema\":");
    if (!schema_write_strict(w->out, w->c->schema)) w->failed = true;
    buf_char(w->out, '}');
  }
  struct str inside = has_own ? str_trim(str_from(own->json.ptr + 1, own->json.len - 2)) : (struct str){0};
  if (inside.len && (effort || schema)) buf_char(w->out, ',');
  buf_str(w->out, inside);
  buf_char(w->out, '}');
  if (json_get(&doc, 0, STR("task_budget")) != JSON_NONE) anthropic_beta(w, STR("task-budgets-2026-03-13"));
  json_doc_free(&doc);
}

static void write_sampling(struct anthropic_writer *w) {
  const struct conversation *c = w->c;
  bool allowed = w->model->sampling && !w->thinks;
  bool both = c->temperature.len && c->top_p.len && w->model->one_sampling;
  if (allowed)
    encode_number(w->out, STR("temperature"), c->temperature, 0, 1, w->t);
  else if (c->temperature.len && !encode_number_is(c->temperature, 1))
    translation_drop(w->t, STR("temperature"));
  if (allowed && !both)
    encode_number(w->out, STR("top_p"), c->top_p, 0, 1, w->t);
  else if (c->top_p.len && !encode_number_is(c->top_p, 1))
    translation_drop(w->t, STR("top_p"));
  bool top_k = c->top_k.len && !encode_number_is(c->top_k, 0);
  if (allowed && top_k)
    encode_json(w->out, STR("top_k"), c->top_k);
  else if (top_k)
    translation_drop(w->t, STR("top_k"));
}

static void write_stops(struct anthropic_writer *w) {
  const struct extra *own = anthropic_extra(w, "stop_sequences");
  bool any = false;
  for (size_t i = 0; i < w->c->stop_count; i++) {
    if (encode_is_blank(w->c->stops[i])) {
      translation_drop(w->t, STR("stop"));
      continue;
    }
    if (!any) encode_array(w->out, STR("stop_sequences"));
    if (any) buf_char(w->out, ',');
    any = true;
    buf_char(w->out, '"');
    buf_str(w->out, w->c->stops[i]);
    buf_char(w->out, '"');
  }
  if (any) buf_char(w->out, ']');
  if (own && !any) encode_json(w->out, own->name, own->json);
  if (own && any && !own->idle) translation_drop(w->t, own->name);
}

static void note_lost(struct anthropic_writer *w) {
  const struct conversation *c = w->c;
  for (size_t i = 0; i < c->extra_count; i++)
    if (own_member(c->extra[i].name) < 0 && !c->extra[i].idle) translation_drop(w->t, c->extra[i].name);
  encode_note_logprobs(c, w->t);
  if (c->seed.len) translation_drop(w->t, STR("seed"));
  if (c->frequency_penalty.len && !encode_number_is(c->frequency_penalty, 0))
    translation_drop(w->t, STR("frequency_penalty"));
  if (c->presence_penalty.len && !encode_number_is(c->presence_penalty, 0))
    translation_drop(w->t, STR("presence_penalty"));
}

static void write_tier(struct anthropic_writer *w) {
  struct str tier = w->c->service_tier;
  if (str_eq(tier, STR("auto")) || str_eq(tier, STR("standard_only")))
    encode_plain(w->out, STR("service_tier"), tier);
  else if (str_eq(tier, STR("default")))
    encode_plain(w->out, STR("service_tier"), STR("standard_only"));
  else if (tier.len)
    translation_drop(w->t, STR("service_tier"));
}

// Whose question it is: the only thing Anthropic takes beside the question itself.
static void write_user(struct anthropic_writer *w) {
  const struct conversation *c = w->c;
  const struct extra *safety = anthropic_extra(w, "safety_identifier");
  struct json_doc doc = {0};
  struct str id = {0};
  uint32_t given = JSON_NONE;
  if (c->metadata.len && encode_parse(&doc, c->metadata, 1, w->t)) given = json_get(&doc, 0, STR("user_id"));
  if (json_is(&doc, given, JSON_STRING))
    id = json_raw(&doc, given);
  else if (safety && safety->json.len > 2 && safety->json.ptr[0] == '"')
    id = safety->json;
  if (c->user.len || id.len) encode_object(w->out, STR("metadata"));
  if (c->user.len)
    encode_plain(w->out, STR("user_id"), c->user);
  else if (id.len)
    encode_json(w->out, STR("user_id"), id);
  if (c->user.len || id.len) buf_char(w->out, '}');
  bool only_user = json_is(&doc, given, JSON_STRING) && !c->user.len && doc.count == 3;
  if (c->metadata.len && !only_user) translation_drop(w->t, STR("metadata"));
  json_doc_free(&doc);
}

bool anthropic_request(const struct conversation *c, const struct endpoint *e, enum anthropic_host host,
                       struct translation *t, struct buf *out) {
  c = tool_names_fit(c, (struct encode_alphabet){"_-", 1, 128}, t);
  if (!c) return false;
  struct claude model = host == ANTHROPIC_BEDROCK ? bedrock_model_of(e).claude : claude_model(e->upstream_model);
  struct anthropic_writer w = {.c = c, .model = &model, .host = host, .t = t, .out = out};
  uint64_t max_tokens = anthropic_max_tokens(c, e);
  if (!encode_system_is_text(c, t)) return false;
  if (!steps_make(c, false, ANTHROPIC_FORMAT, t->arena, &w.steps)) return false;
  w.emulates_format =
      anthropic_emulates_format(c, &model) || (c->format == FORMAT_SCHEMA && schema_is_recursive(c->schema, &w.failed));
  if (!decide_thinking(&w, max_tokens)) return false;
  place_marks(&w);
  note_lost(&w);
  if (c->max_tokens > max_tokens) translation_drop(t, STR("max_tokens"));
  client_betas(&w);
  body_betas(&w, anthropic_extra(&w, "betas"));
  body_betas(&w, anthropic_extra(&w, "anthropic_beta"));
  buf_char(out, '{');
  if (host == ANTHROPIC_DIRECT)
    encode_plain(out, STR("model"), e->upstream_model);
  else if (host == ANTHROPIC_VERTEX)
    buf_lit(out, "\"anthropic_version\":\"vertex-2023-10-16\"");
  else
    buf_lit(out, "\"anthropic_version\":\"bedrock-2023-05-31\"");
  encode_u64(out, STR("max_tokens"), max_tokens);
  if (c->stream && host != ANTHROPIC_BEDROCK) buf_lit(out, ",\"stream\":true");
  anthropic_tools(&w);
  anthropic_choice(&w);
  anthropic_system(&w);
  if (!anthropic_messages(&w)) return false;
  write_stops(&w);
  write_sampling(&w);
  write_thinking(&w);
  write_output(&w);
  write_user(&w);
  write_tier(&w);
  write_own_members(&w);
  if (host == ANTHROPIC_DIRECT) anthropic_mark(&w, c->cache);
  write_betas(&w);
  buf_char(out, '}');
  return !w.failed && encode_done(t, out);
}
