#include "provider/bedrock_fields.h"

#include <string.h>

#include "provider/encode.h"
#include "provider/schema.h"

enum { METADATA_MAX = 16, METADATA_LEN = 256, OBJECT_MAX = 1 << 22, MERGE_DEPTH = 8 };

// Members that Bedrock has and the common form has not. `merged`: we write it, too; the client's goes first.
static const struct {
  const char *name, *native;
  bool merged;
} members[] = {{"guardrailConfig", "guardrailConfig", false},
               {"guardrail_config", "guardrailConfig", false},
               {"additionalModelResponseFieldPaths", "additionalModelResponseFieldPaths", false},
               {"additional_model_response_field_paths", "additionalModelResponseFieldPaths", false},
               {"promptVariables", "promptVariables", false},
               {"prompt_variables", "promptVariables", false},
               {"performanceConfig", "performanceConfig", false},
               {"performance_config", "performanceConfig", false},
               {"additionalModelRequestFields", "additionalModelRequestFields", true},
               {"additional_model_request_fields", "additionalModelRequestFields", true},
               {"requestMetadata", "requestMetadata", true},
               {"request_metadata", "requestMetadata", true},
               {"inferenceConfig", "inferenceConfig", true},
               {"outputConfig", "outputConfig", true},
               {"serviceTier", "serviceTier", true}};
enum { MEMBERS = sizeof members / sizeof *members };

// Members of Anthropic's own that Claude also knows here, in additionalModelRequestFields.
static const struct encode_native claude_members[] = {{"anthropic_beta", NULL},
                                                      {"betas", "anthropic_beta"},
                                                      {"thinking", NULL},
                                                      {"output_config", NULL},
                                                      {"context_management", NULL}};
enum { CLAUDE_MEMBERS = sizeof claude_members / sizeof *claude_members };

static struct str extra_of(const struct conversation *c, const char *native) {
  for (size_t i = 0; i < c->extra_count; i++)
    for (size_t k = 0; k < MEMBERS && !c->extra[i].idle; k++)
      if (str_eq(str_from_cstr(members[k].native), str_from_cstr(native)) &&
          str_eq(c->extra[i].name, str_from_cstr(members[k].name)))
        return c->extra[i].json;
  return (struct str){0};
}

// Of two spellings of one member the first counts.
static bool is_said_before(const struct bedrock_fields *f, size_t extra);

static const struct encode_native *claude_member(const struct bedrock_fields *f, struct str name) {
  for (size_t i = 0; f->model->claude.known && i < CLAUDE_MEMBERS; i++)
    if (str_eq(name, str_from_cstr(claude_members[i].name))) return &claude_members[i];
  return NULL;
}

// --- one object from two ---

static bool is_first(const struct buf *out) {
  return out->len && (out->ptr[out->len - 1] == '{' || out->ptr[out->len - 1] == '[');
}

static void write_member(struct buf *out, struct str key, struct str value) {
  if (!is_first(out)) buf_char(out, ',');
  buf_str(out, key);
  buf_char(out, ':');
  buf_str(out, value);
}

static void write_elements(struct buf *out, const struct json_doc *doc) {
  for (uint32_t e = json_first(doc, 0); e != JSON_NONE; e = json_next(doc, 0, e)) {
    if (!is_first(out)) buf_char(out, ',');
    buf_str(out, json_raw(doc, e));
  }
}

// Both, where both are objects or lists; else the client's.
static void merge(struct buf *out, struct str ours, struct str theirs, unsigned depth, struct translation *t) {
  struct json_doc a = {0}, b = {0};
  bool parsed = encode_parse(&a, ours, 1, t) && encode_parse(&b, theirs, 1, t);
  if (parsed && depth && json_is(&a, 0, JSON_OBJECT) && json_is(&b, 0, JSON_OBJECT)) {
    struct str key;
    buf_char(out, '{');
    for (uint32_t k = json_first(&a, 0), v; k != JSON_NONE; k = json_next(&a, 0, v)) {
      v = json_next(&a, 0, k);
      key = json_raw(&a, k);
      uint32_t other = json_get(&b, 0, str_from(key.ptr + 1, key.len - 2));  // our keys have no escapes
      if (other == JSON_NONE) {
        write_member(out, key, json_raw(&a, v));
      } else {
        write_member(out, key, (struct str){0});
        merge(out, json_raw(&a, v), json_raw(&b, other), depth - 1, t);
      }
    }
    for (uint32_t k = json_first(&b, 0), v; k != JSON_NONE; k = json_next(&b, 0, v)) {
      v = json_next(&b, 0, k);
      key = json_raw(&b, k);
      if (json_get(&a, 0, str_from(key.ptr + 1, key.len - 2)) == JSON_NONE) write_member(out, key, json_raw(&b, v));
    }
    buf_char(out, '}');
  } else if (parsed && json_is(&a, 0, JSON_ARRAY) && json_is(&b, 0, JSON_ARRAY)) {
    buf_char(out, '[');
    write_elements(out, &a);
    write_elements(out, &b);
    buf_char(out, ']');
  } else {
    buf_str(out, theirs);
  }
  json_doc_free(&a);
  json_doc_free(&b);
}

// `ours`: an object begun with '{'. Written with the client's own of this name, if either holds anything.
static void write_merged(const struct bedrock_fields *f, const char *name, struct buf *ours, struct buf *out) {
  struct str theirs = extra_of(f->c, name);
  buf_char(ours, '}');
  bool any = ours->len > 2;
  out->failed |= ours->failed;
  if (any || theirs.len) json_write_key(out, str_from_cstr(name));
  if (any && theirs.len)
    merge(out, buf_view(ours), theirs, MERGE_DEPTH, f->t);
  else if (any || theirs.len)
    buf_str(out, any ? buf_view(ours) : theirs);
  buf_free(ours);
}

static struct buf begin_object(void) {
  struct buf ours;
  buf_init(&ours, OBJECT_MAX);
  buf_char(&ours, '{');
  return ours;
}

// --- what the client wants, in words not ours ---

// Does this JSON object ask a Claude model to think?
static bool asks_to_think(const struct bedrock_fields *f, struct str json, bool whole) {
  struct json_doc doc = {0};
  bool asks = false;
  if (json.len && encode_parse(&doc, json, 2, f->t)) {
    uint32_t thinking = whole ? 0 : json_get(&doc, 0, STR("thinking")), type = json_get(&doc, thinking, STR("type"));
    asks = json_is(&doc, type, JSON_STRING) && !json_string_is(&doc, type, STR("disabled"));
  }
  json_doc_free(&doc);
  return asks;
}

bool bedrock_fields_thinks(const struct bedrock_fields *f) {
  return f->client_thinks || f->thinking.mode >= THINK_BUDGET;
}

bool bedrock_fields_read(struct bedrock_fields *f, const struct steps *steps) {
  const struct claude *claude = &f->model->claude;
  if (!claude->known) return true;
  uint64_t most = anthropic_max_tokens(f->c, f->e);
  if (!anthropic_thinking(f->c, claude, steps, most, f->t, &f->thinking)) return false;
  bool asks = asks_to_think(f, extra_of(f->c, "additionalModelRequestFields"), false);
  for (size_t i = 0; i < f->c->extra_count && !asks; i++)
    asks = str_eq(f->c->extra[i].name, STR("thinking")) && asks_to_think(f, f->c->extra[i].json, true);
  // What the client wrote in the model's own words goes before ours.
  f->client_thinks = asks;
  if (asks) f->thinking.mode = THINK_UNSET;
  return true;
}

// --- parameters ---

// Nova refuses these beside its highest effort.
static bool reasons_highest(const struct bedrock_fields *f) {
  return f->model->reasons == BEDROCK_REASONS_NOVA && f->c->effort >= EFFORT_HIGH && !f->c->max_tokens;
}

static void write_stops(const struct bedrock_fields *f, struct buf *out) {
  const struct conversation *c = f->c;
  bool any = false;
  for (size_t i = 0; i < c->stop_count; i++) {
    bool blank = f->model->claude.known ? encode_is_blank(c->stops[i]) : !c->stops[i].len;
    if (blank || f->model->no_stops) {
      translation_drop(f->t, STR("stop"));
      continue;
    }
    if (!any)
      encode_array(out, STR("stopSequences"));
    else
      buf_char(out, ',');
    any = true;
    buf_char(out, '"');
    buf_str(out, c->stops[i]);
    buf_char(out, '"');
  }
  if (any) buf_char(out, ']');
}

static void write_inference(const struct bedrock_fields *f, struct buf *out) {
  const struct conversation *c = f->c;
  const struct claude *claude = &f->model->claude;
  struct buf ours = begin_object();
  bool sampling =
      claude->known ? claude->sampling && !bedrock_fields_thinks(f) : !f->model->no_sampling && !reasons_highest(f);
  bool both = c->temperature.len && c->top_p.len && claude->known && claude->one_sampling;
  if (c->max_tokens || f->thinking.mode == THINK_BUDGET)
    encode_u64(&ours, STR("maxTokens"), anthropic_max_tokens(c, f->e));
  if (c->max_tokens > anthropic_max_tokens(c, f->e)) translation_drop(f->t, STR("max_tokens"));
  if (sampling)
    encode_number(&ours, STR("temperature"), c->temperature, 0, 1, f->t);
  else if (c->temperature.len && !encode_number_is(c->temperature, 1))
    translation_drop(f->t, STR("temperature"));
  if (sampling && !both)
    encode_number(&ours, STR("topP"), c->top_p, 0, 1, f->t);
  else if (c->top_p.len && !encode_number_is(c->top_p, 1))
    translation_drop(f->t, STR("top_p"));
  write_stops(f, &ours);
  write_merged(f, "inferenceConfig", &ours, out);
}

// --- what only the model knows ---

static void write_claude_thinking(const struct bedrock_fields *f, struct buf *out) {
  const struct anthropic_thinking *thinking = &f->thinking;
  if (thinking->mode == THINK_OFF) encode_json(out, STR("thinking"), STR("{\"type\":\"disabled\"}"));
  if (thinking->mode == THINK_BUDGET) {
    encode_object(out, STR("thinking"));
    buf_printf(out, "\"type\":\"enabled\",\"budget_tokens\":%llu}", (unsigned long long)thinking->budget);
  }
  if (thinking->mode == THINK_ADAPTIVE) {
    encode_object(out, STR("thinking"));
    buf_lit(out, "\"type\":\"adaptive\"");
    if (thinking->summarized) buf_lit(out, ",\"display\":\"summarized\"");
    buf_char(out, '}');
  }
  if (!thinking->effort) return;
  encode_object(out, STR("output_config"));
  encode_plain(out, STR("effort"), str_from_cstr(thinking->effort));
  buf_char(out, '}');
}

static const char *three_steps(enum effort effort) {
  if (effort <= EFFORT_LOW) return "low";
  return effort == EFFORT_MEDIUM ? "medium" : "high";
}

// The highest effort takes no limit of tokens beside it: the limit stays, the effort is the next.
static const char *nova_step(const struct bedrock_fields *f, enum effort effort) {
  if (effort < EFFORT_HIGH || !f->c->max_tokens) return three_steps(effort);
  translation_drop(f->t, STR("reasoning"));
  return "medium";
}

static void write_reasoning(const struct bedrock_fields *f, struct buf *out) {
  const struct conversation *c = f->c;
  enum effort effort = c->effort;
  if (!effort && c->reasoning_tokens) effort = effort_of_budget(c->reasoning_tokens, c->max_tokens);
  if (!effort) return;
  switch (f->model->reasons) {
    case BEDROCK_REASONS_EFFORT:
      if (effort == EFFORT_NONE) translation_drop(f->t, STR("reasoning"));  // it always does
      encode_plain(out, STR("reasoning_effort"), str_from_cstr(three_steps(effort)));
      return;
    case BEDROCK_REASONS_CONFIG:
      if (effort != EFFORT_NONE)
        encode_plain(out, STR("reasoning_config"), effort <= EFFORT_LOW ? STR("low") : STR("high"));
      return;
    case BEDROCK_REASONS_NOVA:
      encode_object(out, STR("reasoningConfig"));
      encode_plain(out, STR("type"), effort == EFFORT_NONE ? STR("disabled") : STR("enabled"));
      if (effort != EFFORT_NONE) encode_plain(out, STR("maxReasoningEffort"), str_from_cstr(nova_step(f, effort)));
      buf_char(out, '}');
      return;
    default:
      if (effort != EFFORT_NONE) translation_drop(f->t, STR("reasoning"));
  }
}

bool bedrock_fields_takes_tool(const struct bedrock_model *model, const struct native_tool *tool) {
  static const char *const types[] = {"computer_", "bash_", "text_editor_", "memory_", "tool_search_tool_"};
  for (size_t i = 0; model->claude.known && i < sizeof types / sizeof *types; i++)
    if (str_starts(tool->type, str_from_cstr(types[i]))) return true;
  return false;
}

static void write_native_tools(const struct bedrock_fields *f, struct buf *out) {
  bool any = false;
  for (size_t i = 0; i < f->c->native_count; i++) {
    if (!bedrock_fields_takes_tool(f->model, &f->c->native_tools[i])) continue;
    if (!any)
      encode_array(out, STR("tools"));
    else
      buf_char(out, ',');
    any = true;
    buf_str(out, f->c->native_tools[i].json);
  }
  if (any) buf_char(out, ']');
}

static bool names_beta(const struct bedrock_fields *f, struct str beta) {
  for (size_t i = 0; i < f->c->extra_count; i++)
    if (str_find(f->c->extra[i].json, beta, 0) != SIZE_MAX) return true;
  return false;
}

// What those tools need to be switched on, unless the client says it itself.
static void write_tool_betas(const struct bedrock_fields *f, struct buf *out) {
  enum { MOST = 16 };  // more than there are
  struct str seen[MOST];
  unsigned count = 0;
  bool any = false;
  for (size_t i = 0; i < f->c->native_count && count < MOST; i++) {
    const struct native_tool *tool = &f->c->native_tools[i];
    struct str beta = bedrock_fields_takes_tool(f->model, tool) ? anthropic_tool_beta(tool->type) : (struct str){0};
    unsigned k = 0;
    while (k < count && !str_eq(seen[k], beta)) k++;
    if (!beta.len || k < count) continue;
    seen[count++] = beta;
    if (names_beta(f, beta)) continue;
    if (any)
      buf_char(out, ',');
    else
      encode_array(out, STR("anthropic_beta"));
    any = true;
    json_write_str(out, beta);
  }
  if (any) buf_char(out, ']');
}

// A header of Anthropic's is a list here; "a,b" is one, too.
static void write_betas(struct str json, struct buf *out) {
  encode_array(out, STR("anthropic_beta"));
  if (json.ptr[0] == '[' || json.ptr[0] == '{') {
    out->len--;
    buf_str(out, json);
    return;
  }
  struct str rest = str_from(json.ptr + 1, json.len - 2), piece;
  while (json.ptr[0] == '"' && str_split(&rest, ',', &piece)) {
    piece = str_trim(piece);
    if (!piece.len) continue;
    if (!is_first(out)) buf_char(out, ',');
    buf_char(out, '"');
    buf_str(out, piece);
    buf_char(out, '"');
  }
  buf_char(out, ']');
}

static void write_claude_members(const struct bedrock_fields *f, struct buf *out) {
  for (size_t i = 0; i < f->c->extra_count; i++) {
    const struct extra *extra = &f->c->extra[i];
    const struct encode_native *row = claude_member(f, extra->name);
    if (!row || extra->idle || is_said_before(f, i)) continue;
    struct str name = str_from_cstr(row->native ? row->native : row->name);
    if (str_eq(name, STR("anthropic_beta")))
      write_betas(extra->json, out);
    else
      encode_json(out, name, extra->json);
  }
}

static void write_additional(const struct bedrock_fields *f, struct buf *out) {
  const struct conversation *c = f->c;
  const struct claude *claude = &f->model->claude;
  struct buf ours = begin_object();
  bool top_k = c->top_k.len && !encode_number_is(c->top_k, 0);
  if (top_k && claude->known && claude->sampling && !bedrock_fields_thinks(f)) {
    encode_json(&ours, STR("top_k"), c->top_k);
  } else if (top_k && f->model->nova && !reasons_highest(f)) {
    encode_object(&ours, STR("inferenceConfig"));
    encode_json(&ours, STR("topK"), c->top_k);
    buf_char(&ours, '}');
  } else if (top_k) {
    translation_drop(f->t, STR("top_k"));
  }
  if (claude->known)
    write_claude_thinking(f, &ours);
  else
    write_reasoning(f, &ours);
  write_native_tools(f, &ours);
  write_tool_betas(f, &ours);
  struct buf natives = begin_object();
  write_claude_members(f, &natives);
  buf_char(&natives, '}');
  if (natives.len > 2) {
    struct buf both;
    buf_init(&both, OBJECT_MAX);
    buf_char(&ours, '}');
    merge(&both, buf_view(&ours), buf_view(&natives), MERGE_DEPTH, f->t);
    out->failed |= ours.failed;
    buf_free(&ours);
    ours = both;
    if (ours.len) ours.len--;  // goes on
  }
  out->failed |= natives.failed;
  buf_free(&natives);
  write_merged(f, "additionalModelRequestFields", &ours, out);
}

// --- the form of the answer ---

static void write_output(const struct bedrock_fields *f, struct buf *out) {
  const struct conversation *c = f->c;
  struct buf ours = begin_object();
  if (c->format == FORMAT_SCHEMA && f->model->schema) {
    struct buf text;
    buf_init(&text, OBJECT_MAX);
    if (!schema_write_strict(&text, c->schema)) ours.failed = true;
    buf_lit(&ours, "\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{");
    encode_plain(&ours, STR("schema"), buf_view(&text));
    if (c->schema_name.len) encode_plain(&ours, STR("name"), c->schema_name);
    if (c->schema_description.len) encode_inside(&ours, STR("description"), c->schema_description);
    buf_lit(&ours, "}}}");
    ours.failed |= text.failed;
    buf_free(&text);
  }
  write_merged(f, "outputConfig", &ours, out);
}

// --- metadata ---

static bool is_metadata(struct str text, bool key) {
  if (text.len > METADATA_LEN || (key && !text.len)) return false;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain && (!c || !strchr(" \t:_@$#=/+,-.", c))) return false;
  }
  return true;
}

// A pair, when the service takes it.
static bool write_pair(struct buf *out, struct str key, struct str value, unsigned *count) {
  if (*count == METADATA_MAX || !is_metadata(key, true) || !is_metadata(value, false)) return false;
  encode_plain(out, key, value);
  ++*count;
  return true;
}

static void write_metadata(const struct bedrock_fields *f, struct buf *out) {
  const struct conversation *c = f->c;
  struct json_doc doc = {0};
  struct buf ours = begin_object();
  unsigned n = 0;
  bool user = false;
  if (c->metadata.len && encode_parse(&doc, c->metadata, 1, f->t))
    for (uint32_t key = json_first(&doc, 0); key != JSON_NONE;) {
      uint32_t value = json_next(&doc, 0, key);
      struct str name, text;
      bool good = json_string(&doc, key, f->t->arena, &name) && json_string(&doc, value, f->t->arena, &text) &&
                  write_pair(&ours, name, text, &n);
      if (!good) translation_drop(f->t, STR("metadata"));
      user |= good && str_eq(name, STR("user"));
      key = json_next(&doc, 0, value);
    }
  json_doc_free(&doc);
  if (c->user.len && (user || !write_pair(&ours, STR("user"), c->user, &n))) translation_drop(f->t, STR("user"));
  write_merged(f, "requestMetadata", &ours, out);
}

static void write_tier(const struct bedrock_fields *f, struct buf *out) {
  static const char *const tiers[] = {"default", "flex", "priority", "reserved"};
  struct str tier = f->c->service_tier;
  struct buf ours = begin_object();
  bool known = !tier.len || str_eq(tier, STR("auto"));
  for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
    if (!str_eq(tier, str_from_cstr(tiers[i]))) continue;
    encode_plain(&ours, STR("type"), tier);
    known = true;
  }
  if (!known) translation_drop(f->t, STR("service_tier"));
  write_merged(f, "serviceTier", &ours, out);
}

// --- all ---

static size_t row_of(struct str name) {
  size_t row = 0;
  while (row < MEMBERS && !str_eq(name, str_from_cstr(members[row].name))) row++;
  return row;
}

// What a member of the client's becomes; empty: nothing.
static struct str native_of(const struct bedrock_fields *f, struct str name) {
  size_t row = row_of(name);
  if (row < MEMBERS) return str_from_cstr(members[row].native);
  const struct encode_native *claude = claude_member(f, name);
  return claude ? str_from_cstr(claude->native ? claude->native : claude->name) : (struct str){0};
}

static bool is_said_before(const struct bedrock_fields *f, size_t extra) {
  struct str native = native_of(f, f->c->extra[extra].name);
  for (size_t i = 0; native.len && i < extra; i++)
    if (!f->c->extra[i].idle && str_eq(native_of(f, f->c->extra[i].name), native)) return true;
  return false;
}

static void write_extra(const struct bedrock_fields *f, struct buf *out) {
  for (size_t i = 0; i < f->c->extra_count; i++) {
    const struct extra *extra = &f->c->extra[i];
    size_t row = row_of(extra->name);
    bool known = native_of(f, extra->name).len != 0;
    if ((!known && !extra->idle) || is_said_before(f, i))
      translation_drop(f->t, extra->name);
    else if (row < MEMBERS && !members[row].merged)
      encode_json(out, str_from_cstr(members[row].native), extra->json);
  }
}

static void note_lost(const struct bedrock_fields *f) {
  const struct conversation *c = f->c;
  encode_note_logprobs(c, f->t);
  if (c->betas.len && f->model->claude.known) translation_drop(f->t, STR("anthropic-beta"));
  if (c->seed.len) translation_drop(f->t, STR("seed"));
  if (c->frequency_penalty.len && !encode_number_is(c->frequency_penalty, 0))
    translation_drop(f->t, STR("frequency_penalty"));
  if (c->presence_penalty.len && !encode_number_is(c->presence_penalty, 0))
    translation_drop(f->t, STR("presence_penalty"));
  if (c->parallel_calls == FLAG_NO && c->tool_count) translation_drop(f->t, STR("parallel_tool_calls"));
}

bool bedrock_fields_write(const struct bedrock_fields *f, struct buf *out) {
  write_inference(f, out);
  write_additional(f, out);
  write_output(f, out);
  write_metadata(f, out);
  write_tier(f, out);
  write_extra(f, out);
  note_lost(f);
  return !out->failed;
}
