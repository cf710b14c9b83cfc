#include "provider/responses_request.h"

#include "provider/efforts.h"
#include "provider/openai_models.h"
#include "provider/responses_write.h"
#include "provider/tool_names.h"

enum { MAX_TOKENS_LEAST = 16, USER_MAX = 64 };

// --- members that the common form has no place for ---

// Some have a counterpart among our own and are looked at where that is written.
static const struct own_member {
  const char *name;
  bool openai;     // only OpenAI's own API knows it
  bool elsewhere;  // written, or refused, elsewhere
} own_members[] = {
    {"text", false, true},
    {"verbosity", true, true},
    {"include", false, true},
    {"store", false, true},
    {"tool_choice", false, true},
    {"background", false, true},
    {"max_output_tokens", false, true},
    {"previous_response_id", false, false},
    {"max_tool_calls", false, false},
    {"truncation", false, false},
    {"conversation", true, false},
    {"prompt", true, false},
    {"context_management", true, false},
    {"moderation", true, false},
    {"prompt_cache_retention", true, false},
    {"prompt_cache_options", true, false},
    {"safety_identifier", true, false},
};

static const struct own_member *own_member(const struct responses_writer *w, struct str name) {
  for (size_t i = 0; i < sizeof own_members / sizeof *own_members; i++)
    if (str_eq(name, str_from_cstr(own_members[i].name)))
      return own_members[i].openai && !responses_is_openai(w->host) ? NULL : &own_members[i];
  return NULL;
}

static void write_extra(struct responses_writer *w) {
  for (size_t i = 0; i < w->c->extra_count; i++) {
    const struct extra *extra = &w->c->extra[i];
    const struct own_member *own = own_member(w, extra->name);
    if (own && !own->elsewhere)
      encode_json(w->out, extra->name, extra->json);
    else if (!own && !extra->idle)
      translation_drop(w->t, extra->name);
  }
}

static bool is_asked(const struct responses_writer *w, const char *name) {
  const struct extra *extra = encode_extra_find(w->c, str_from_cstr(name));
  return extra && !extra->idle && own_member(w, extra->name);
}

// --- the form of the answer ---

static void write_format(struct responses_writer *w) {
  const struct conversation *c = w->c;
  encode_object(w->out, STR("format"));
  if (c->format == FORMAT_JSON) {
    buf_lit(w->out, "\"type\":\"json_object\"}");
    return;
  }
  buf_lit(w->out, "\"type\":\"json_schema\"");
  encode_plain(w->out, STR("name"), c->schema_name.len ? c->schema_name : STR("answer"));
  if (c->schema_description.len) encode_inside(w->out, STR("description"), c->schema_description);
  encode_json(w->out, STR("schema"), c->schema);
  encode_json(w->out, STR("strict"), c->schema_strict ? STR("true") : STR("false"));
  buf_char(w->out, '}');
}

// The client may have sent `text` as it is here: what it says beside chat's own members goes along.
static void write_text(struct responses_writer *w) {
  const struct extra *own = encode_extra_find(w->c, STR("text"));
  bool format = w->c->format != FORMAT_TEXT, verbosity = is_asked(w, "verbosity");
  struct json_doc doc = {0};
  bool given = own && encode_parse(&doc, own->json, 1, w->t) && json_is(&doc, 0, JSON_OBJECT);
  if (own && !given) translation_drop(w->t, STR("text"));
  if (format || verbosity || given) {
    encode_object(w->out, STR("text"));
    if (format) write_format(w);
    if (verbosity) encode_json(w->out, STR("verbosity"), encode_extra_find(w->c, STR("verbosity"))->json);
    if (given) responses_copy(w->out, &doc, 0, format ? "format" : "", verbosity ? "verbosity" : "");
    buf_char(w->out, '}');
  }
  json_doc_free(&doc);
}

// --- reasoning ---

static enum effort effort_wished(const struct conversation *c) {
  if (c->effort || !c->reasoning_tokens) return c->effort;
  return effort_of_budget(c->reasoning_tokens, c->max_tokens);
}

static void write_reasoning(struct responses_writer *w, enum effort effort) {
  const struct conversation *c = w->c;
  enum effort wished = effort_wished(c);
  if (wished != effort && (effort || wished != EFFORT_NONE)) translation_drop(w->t, STR("reasoning_effort"));
  bool summary = effort > EFFORT_NONE && !c->reasoning_hidden;
  if (!effort && !summary && !c->reasoning_own.len) return;
  if (openai_model_never_reasons(w->model)) return;
  struct json_doc doc = {0};
  bool own = c->reasoning_own.len && encode_parse(&doc, c->reasoning_own, 1, w->t);
  encode_object(w->out, STR("reasoning"));
  if (effort) encode_plain(w->out, STR("effort"), str_from_cstr(effort_word(effort)));
  bool told = own && json_get(&doc, 0, STR("summary")) != JSON_NONE;
  if (summary && !told) encode_plain(w->out, STR("summary"), STR("auto"));
  for (int i = 0; own && i < 3; i++) {
    static const char *const names[] = {"summary", "mode", "context"};
    uint32_t value = json_get(&doc, 0, str_from_cstr(names[i]));
    if (json_type(&doc, value) != JSON_NULL) encode_json(w->out, str_from_cstr(names[i]), json_raw(&doc, value));
  }
  buf_char(w->out, '}');
  json_doc_free(&doc);
}

// Reasoning that can be sent back is asked for wherever the model may reason: some refuse to be asked otherwise.
static bool wants_encrypted(const struct responses_writer *w, enum effort effort) {
  struct str model = w->model;
  if (effort == EFFORT_NONE || openai_model_never_reasons(model)) return false;
  if (w->host == RESPONSES_XAI || w->host == RESPONSES_BEDROCK_XAI)
    return str_find(model, STR("non-reasoning"), 0) == SIZE_MAX;
  return effort || openai_model_reasons(model, STR("low"));
}

static void include(struct responses_writer *w, bool *any, struct str json) {
  if (!*any)
    encode_array(w->out, STR("include"));
  else
    buf_char(w->out, ',');
  *any = true;
  buf_str(w->out, json);
}

static void write_include(struct responses_writer *w, bool encrypted, bool logprobs) {
  static const struct str reasoning = {"\"reasoning.encrypted_content\"", 29},
                          tokens = {"\"message.output_text.logprobs\"", 30};
  const struct extra *own = encode_extra_find(w->c, STR("include"));
  struct json_doc doc = {0};
  bool any = false, given = own && encode_parse(&doc, own->json, 1, w->t) && json_is(&doc, 0, JSON_ARRAY);
  if (own && !given) translation_drop(w->t, STR("include"));
  if (encrypted) include(w, &any, reasoning);
  if (logprobs) include(w, &any, tokens);
  for (uint32_t i = given ? json_first(&doc, 0) : JSON_NONE; i != JSON_NONE; i = json_next(&doc, 0, i)) {
    struct str json = json_raw(&doc, i);
    if ((encrypted && str_eq(json, reasoning)) || (logprobs && str_eq(json, tokens))) continue;
    include(w, &any, json);
  }
  if (any) buf_char(w->out, ']');
  json_doc_free(&doc);
}

// --- the rest ---

static void write_limit(struct responses_writer *w) {
  const struct extra *own = encode_extra_find(w->c, STR("max_output_tokens"));
  uint64_t most = w->c->max_tokens;
  if (most && most < MAX_TOKENS_LEAST) {
    most = MAX_TOKENS_LEAST;
    translation_drop(w->t, STR("max_tokens"));
  }
  if (most)
    encode_u64(w->out, STR("max_output_tokens"), most);
  else if (own)
    encode_json(w->out, STR("max_output_tokens"), own->json);
}

static void write_sampling(struct responses_writer *w, bool reasons) {
  const struct conversation *c = w->c;
  if (!reasons) {
    encode_number(w->out, STR("temperature"), c->temperature, 0, 2, w->t);
    encode_number(w->out, STR("top_p"), c->top_p, 0, 1, w->t);
    if (c->logprobs && c->top_logprobs) encode_u64(w->out, STR("top_logprobs"), c->top_logprobs);
    return;
  }
  if (c->temperature.len && !encode_number_is(c->temperature, 1)) translation_drop(w->t, STR("temperature"));
  if (c->top_p.len && !encode_number_is(c->top_p, 1)) translation_drop(w->t, STR("top_p"));
  encode_note_logprobs(c, w->t);
}

static void write_user(struct responses_writer *w) {
  const struct conversation *c = w->c;
  if (!c->user.len) return;
  if (!responses_is_openai(w->host) || encode_extra_find(c, STR("safety_identifier")))
    encode_plain(w->out, STR("user"), c->user);
  else if (c->user.len <= USER_MAX)
    encode_plain(w->out, STR("safety_identifier"), c->user);
  else
    translation_drop(w->t, STR("user"));
}

static void write_others(struct responses_writer *w) {
  const struct conversation *c = w->c;
  if (c->metadata.len) encode_json(w->out, STR("metadata"), c->metadata);
  write_user(w);
  if (c->prompt_cache_key.len) encode_plain(w->out, STR("prompt_cache_key"), c->prompt_cache_key);
  if (c->service_tier.len) encode_plain(w->out, STR("service_tier"), c->service_tier);
}

static void note_lost(struct responses_writer *w) {
  const struct conversation *c = w->c;
  if (c->stop_count) translation_drop(w->t, STR("stop"));
  if (c->seed.len) translation_drop(w->t, STR("seed"));
  if (c->top_k.len && !encode_number_is(c->top_k, 0)) translation_drop(w->t, STR("top_k"));
  if (c->frequency_penalty.len && !encode_number_is(c->frequency_penalty, 0))
    translation_drop(w->t, STR("frequency_penalty"));
  if (c->presence_penalty.len && !encode_number_is(c->presence_penalty, 0))
    translation_drop(w->t, STR("presence_penalty"));
}

static bool writer_init(struct responses_writer *w) {
  const struct conversation *c = w->c;
  unsigned efforts;
  w->host = responses_host(w->e);
  w->model = openai_model_name(w->e);
  bool ours = w->e->provider->quirks->openai_models || openai_model_efforts(w->model, &efforts);
  w->marks = ours && responses_is_openai(w->host) && openai_model_has_breakpoints(w->model);
  w->keeps_reasoning = !openai_model_never_reasons(w->model);
  w->kept_there = encode_extra_find(c, STR("previous_response_id")) || encode_extra_find(c, STR("conversation"));
  return steps_make(c, false, responses_format(w->host), w->t->arena, &w->steps);
}

// A deployment's name may not tell what it is; who asks it to reason knows.
static bool will_reason(const struct responses_writer *w, enum effort effort) {
  unsigned efforts;
  if (w->host == RESPONSES_AZURE && !openai_model_efforts(w->model, &efforts)) return effort > EFFORT_NONE;
  return openai_model_reasons(w->model, str_from_cstr(effort_word(effort)));
}

bool responses_request(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out) {
  c = tool_names_fit(c, (struct encode_alphabet){"_-", 1, 64}, t);
  if (!c) return false;
  struct responses_writer w = {.c = c, .e = e, .t = t, .out = out};
  if (!writer_init(&w)) return false;
  if (is_asked(&w, "background"))
    return translation_refuse(t, FAULT_UNSUPPORTED, STR("\"background\" is not possible here: leave it out."));
  enum effort effort = responses_effort(e, effort_wished(c));
  bool reasons = will_reason(&w, effort);
  note_lost(&w);
  buf_char(out, '{');
  encode_plain(out, STR("model"), e->upstream_model);
  if (c->stream) buf_lit(out, ",\"stream\":true");
  encode_json(out, STR("store"), is_asked(&w, "store") ? STR("true") : STR("false"));
  write_include(&w, wants_encrypted(&w, effort), c->logprobs && !reasons);
  if (!responses_input(&w)) return false;
  responses_tools(&w);
  write_text(&w);
  write_limit(&w);
  write_sampling(&w, reasons);
  write_reasoning(&w, effort);
  write_others(&w);
  write_extra(&w);
  buf_char(out, '}');
  return encode_done(t, out);
}
