#include "provider/gemini_request.h"

#include "provider/encode.h"
#include "provider/steps.h"

enum { STOPS_MAX = 5 };

static const char format[] = "google-gemini-v1";
// What the service takes in place of a signature that was lost (Google's documentation of thought signatures).
static const char no_signature[] = "skip_thought_signature_validator";

// --- models ---

struct gemini {
  unsigned version;  // 25 for 2.5; a name without one counts as the newest
  bool pro, lite, gemma, image;
};

static struct gemini gemini_model(struct str name) {
  struct gemini g = {.version = 99};
  size_t at = str_find(name, STR("gemini-"), 0);
  g.gemma = str_find(name, STR("gemma"), 0) != SIZE_MAX;
  g.pro = str_find(name, STR("pro"), 0) != SIZE_MAX;
  g.lite = str_find(name, STR("lite"), 0) != SIZE_MAX;
  g.image = str_find(name, STR("image"), 0) != SIZE_MAX;
  if (g.gemma) g.version = 0;
  if (at == SIZE_MAX) return g;
  struct str rest = str_skip(name, at + 7);
  if (!rest.len || rest.ptr[0] < '0' || rest.ptr[0] > '9') return g;
  g.version = (unsigned)(rest.ptr[0] - '0') * 10;
  if (rest.len > 2 && rest.ptr[1] == '.' && rest.ptr[2] >= '0' && rest.ptr[2] <= '9')
    g.version += (unsigned)(rest.ptr[2] - '0');
  return g;
}

void gemini_path(const struct endpoint *e, bool stream, struct buf *out) {
  struct str model = e->upstream_model;
  bool vertex = e->provider->protocol == PROTOCOL_VERTEX;
  bool placed = str_starts(model, STR("publishers/")) || str_starts(model, STR("endpoints/")) ||
                str_starts(model, STR("tunedModels/"));
  if (str_starts(model, STR("models/"))) model = str_skip(model, 7);
  if (placed)
    buf_char(out, '/');
  else if (vertex)
    buf_lit(out, "/publishers/google/models/");
  else
    buf_lit(out, "/models/");
  encode_path(out, model, "@/");
  if (stream)
    buf_lit(out, ":streamGenerateContent?alt=sse");
  else
    buf_lit(out, ":generateContent");
}

// --- parts ---

struct writer {
  const struct conversation *c;
  struct gemini model;
  bool vertex;
  struct translation *t;
  struct buf *out;
  struct steps steps;
  bool failed;  // out of memory
};

static void text_part(struct writer *w, struct str before, struct str text, struct str after) {
  encode_element(w->out);
  buf_lit(w->out, "\"text\":\"");
  buf_str(w->out, before);
  buf_str(w->out, text);
  buf_str(w->out, after);
  buf_lit(w->out, "\"}");
}

static struct str type_by_name(const struct part *p) {
  static const struct {
    struct str end, type;
  } rows[] = {{{".png", 4}, {"image/png", 9}}, {{".webp", 5}, {"image/webp", 10}},
              {{".gif", 4}, {"image/gif", 9}}, {{".pdf", 4}, {"application/pdf", 15}},
              {{".mp4", 4}, {"video/mp4", 9}}, {{".webm", 5}, {"video/webm", 10}}};
  struct str url = p->url;
  size_t query = str_find_char(url, '?', 0);
  if (query != SIZE_MAX) url.len = query;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (url.len > rows[i].end.len && str_eq_nocase(str_skip(url, url.len - rows[i].end.len), rows[i].end))
      return rows[i].type;
  if (p->media_type.len) return p->media_type;
  return p->kind == PART_VIDEO ? STR("video/mp4") : p->kind == PART_FILE ? STR("application/pdf") : STR("image/jpeg");
}

static void media_part(struct writer *w, const struct part *p) {
  encode_element(w->out);
  if (p->data.len) {
    struct str type = encode_media_type(p);
    encode_object(w->out, STR("inlineData"));
    encode_plain(w->out, STR("mimeType"), type.len ? type : STR("application/octet-stream"));
    encode_plain(w->out, STR("data"), p->data);
  } else {
    encode_object(w->out, STR("fileData"));
    encode_plain(w->out, STR("mimeType"), type_by_name(p));
    encode_plain(w->out, STR("fileUri"), p->url.len ? p->url : p->id);
  }
  buf_char(w->out, '}');
  if (str_eq(p->detail, STR("low")) || str_eq(p->detail, STR("high")))
    encode_plain(w->out, STR("mediaResolution"),
                 str_eq(p->detail, STR("low")) ? STR("MEDIA_RESOLUTION_LOW") : STR("MEDIA_RESOLUTION_HIGH"));
  buf_char(w->out, '}');
}

// The signature a call came with: on the call itself, or among the reasoning under the call's ID.
static struct str signature_of(const struct turn *turn, const struct part *call) {
  if (call->signature.len) return call->signature;
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (p->kind == PART_REASONING && reasoning_is_of(p, format) && p->encrypted.len && p->id.len &&
        str_eq(p->id, call->id))
      return p->encrypted;
  }
  return (struct str){0};
}

static bool is_first_call(const struct step *s) {
  for (const struct part *p = s->turn->parts; p < s->part; p++)
    if (p->kind == PART_CALL) return false;
  return true;
}

static void call_part(struct writer *w, const struct step *s) {
  struct str signature = signature_of(s->turn, s->part);
  encode_element(w->out);
  encode_object(w->out, STR("functionCall"));
  encode_plain(w->out, STR("name"), s->part->name);
  json_write_key(w->out, STR("args"));
  if (!encode_arguments(w->out, s->part->arguments, w->t->arena)) w->failed = true;
  buf_char(w->out, '}');
  // From version 3 on, the first call of a step must have one.
  if (signature.len)
    encode_inside(w->out, STR("thoughtSignature"), signature);
  else if (w->model.version >= 30 && is_first_call(s))
    encode_inside(w->out, STR("thoughtSignature"), str_from_cstr(no_signature));
  buf_char(w->out, '}');
}

// A signature that belongs to no call comes back where it usually came: behind the text.
static bool ends_text(const struct writer *w, const struct step *s) {
  const struct step *next = s + 1;
  return next == w->steps.items + w->steps.count || next->turn != s->turn || next->part->kind == PART_CALL;
}

static void loose_signatures(struct writer *w, const struct turn *turn) {
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (p->kind != PART_REASONING || !reasoning_is_of(p, format) || !p->encrypted.len || p->id.len) continue;
    encode_element(w->out);
    buf_lit(w->out, "\"text\":\"\"");
    encode_inside(w->out, STR("thoughtSignature"), p->encrypted);
    buf_char(w->out, '}');
  }
}

static bool write_part(struct writer *w, const struct step *s) {
  const struct part *p = s->part;
  switch (p->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
      if (s->kind == STEP_SYSTEM) {
        text_part(w, STR("<system>\\n"), p->text, STR("\\n</system>"));
      } else if (s->begins && s->turn->name.len) {
        text_part(w, arena_printf(w->t->arena, "%.*s: ", STR_ARGS(s->turn->name)), p->text, STR(""));
      } else {
        text_part(w, STR(""), p->text, STR(""));
      }
      if (!s->user && ends_text(w, s)) loose_signatures(w, s->turn);
      return true;
    case PART_IMAGE:
    case PART_FILE:
    case PART_AUDIO:
    case PART_VIDEO: media_part(w, p); return true;
    case PART_CALL: call_part(w, s); return true;
    case PART_REASONING:
    case PART_SERVER_TOOL: return true;
  }
  return true;
}

// --- results ---

// All text of a result in one.
static struct str joined_text(struct writer *w, const struct turn *turn) {
  struct str all = {0};
  size_t at = 0;
  for (const struct part *p; (p = step_text(turn, &at));)
    all = all.len ? arena_printf(w->t->arena, "%.*s\\n%.*s", STR_ARGS(all), STR_ARGS(p->text)) : p->text;
  return all;
}

static void write_result(struct writer *w, const struct step *s) {
  const struct turn *turn = s->turn;
  struct str object, text = joined_text(w, turn);
  encode_element(w->out);
  encode_object(w->out, STR("functionResponse"));
  encode_plain(w->out, STR("name"), s->part->name);
  json_write_key(w->out, STR("response"));
  if (!turn) {
    buf_lit(w->out, "{\"error\":\"The tool gave no result.\"}");
  } else if (text.len && encode_is_object(text, w->t, &object)) {
    buf_str(w->out, object);
  } else {
    buf_lit(w->out, "{\"output\":\"");
    buf_str(w->out, text);
    buf_lit(w->out, "\"}");
  }
  buf_lit(w->out, "}}");
  for (size_t i = 0; turn && i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (p->kind != PART_TEXT && p->kind != PART_REFUSAL) media_part(w, p);
  }
}

// --- contents ---

static bool is_silent(const struct step *s) {
  size_t at = 0;
  if (s->kind == STEP_ORPHAN) return !step_text(s->turn, &at);
  return s->kind == STEP_PART && s->part->kind == PART_REASONING;
}

static void write_step(struct writer *w, const struct step *s) {
  if (s->kind == STEP_RESULT) {
    write_result(w, s);
  } else if (s->kind == STEP_ORPHAN) {
    size_t at = 0;
    for (const struct part *p; (p = step_text(s->turn, &at));) text_part(w, STR("Tool result: "), p->text, STR(""));
  } else {
    write_part(w, s);
  }
}

static void write_system_texts(struct writer *w) {
  for (size_t i = 0; i < w->steps.system_count; i++)
    for (size_t p = 0; p < w->c->turns[i].count; p++) {
      const struct part *part = &w->c->turns[i].parts[p];
      if (part->kind == PART_TEXT && !encode_is_blank(part->text)) text_part(w, STR(""), part->text, STR(""));
    }
}

static bool has_system(const struct writer *w) {
  for (size_t i = 0; i < w->steps.system_count; i++)
    for (size_t p = 0; p < w->c->turns[i].count; p++)
      if (w->c->turns[i].parts[p].kind == PART_TEXT && !encode_is_blank(w->c->turns[i].parts[p].text)) return true;
  return false;
}

// Results stand in a content of their own: beside text they would count as the model's.
static void write_contents(struct writer *w) {
  enum { NONE, USER, MODEL, RESULTS } open = NONE;
  encode_array(w->out, STR("contents"));
  if (w->model.gemma && has_system(w)) {  // these models have no system instruction
    buf_lit(w->out, "{\"role\":\"user\",\"parts\":[");
    write_system_texts(w);
    open = USER;
  }
  for (size_t i = 0; i < w->steps.count; i++) {
    const struct step *s = &w->steps.items[i];
    if (is_silent(s)) continue;
    int kind = !s->user ? MODEL : s->kind == STEP_RESULT ? RESULTS : USER;
    if (open == NONE && kind == MODEL) buf_lit(w->out, "{\"role\":\"user\",\"parts\":[{\"text\":\".\"}]}");
    if (kind != (int)open) {
      if (open != NONE) buf_lit(w->out, "]}");
      encode_element(w->out);
      if (kind == MODEL)
        buf_lit(w->out, "\"role\":\"model\",\"parts\":[");
      else
        buf_lit(w->out, "\"role\":\"user\",\"parts\":[");
    }
    open = kind;
    write_step(w, s);
  }
  if (open == NONE)
    buf_lit(w->out, "{\"role\":\"user\",\"parts\":[{\"text\":\".\"}]}]");
  else
    buf_lit(w->out, "]}]");
}

// --- tools ---

static bool is_empty_schema(struct writer *w, struct str parameters) {
  struct json_doc doc = {0};
  bool empty = !encode_parse(&doc, parameters, 2, w->t);
  uint32_t properties = empty ? JSON_NONE : json_get(&doc, 0, STR("properties"));
  empty |= json_first(&doc, properties) == JSON_NONE && json_get(&doc, 0, STR("$ref")) == JSON_NONE &&
           json_get(&doc, 0, STR("anyOf")) == JSON_NONE && json_get(&doc, 0, STR("oneOf")) == JSON_NONE;
  json_doc_free(&doc);
  return empty;
}

static void write_tools(struct writer *w) {
  static const char *const modes[] = {[CHOICE_UNSET] = "AUTO",
                                      [CHOICE_AUTO] = "AUTO",
                                      [CHOICE_NONE] = "NONE",
                                      [CHOICE_REQUIRED] = "ANY",
                                      [CHOICE_NAMED] = "ANY"};
  const struct conversation *c = w->c;
  bool strict = false;
  if (!c->tool_count) return;
  encode_array(w->out, STR("tools"));
  buf_lit(w->out, "{\"functionDeclarations\":[");
  for (size_t i = 0; i < c->tool_count; i++) {
    const struct tool *tool = &c->tools[i];
    strict |= tool->strict;
    encode_element(w->out);
    encode_plain(w->out, STR("name"), tool->name);
    if (tool->description.len) encode_inside(w->out, STR("description"), tool->description);
    if (tool->parameters.len && !is_empty_schema(w, tool->parameters))
      encode_json(w->out, STR("parametersJsonSchema"), tool->parameters);
    buf_char(w->out, '}');
  }
  buf_lit(w->out, "]}]");
  if (c->choice == CHOICE_UNSET && !strict) return;
  const char *mode = modes[c->choice];
  if (strict && c->choice <= CHOICE_AUTO && w->model.version >= 25) mode = "VALIDATED";
  buf_printf(w->out, ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"%s\"", mode);
  if (c->choice == CHOICE_NAMED) {
    buf_lit(w->out, ",\"allowedFunctionNames\":[");
    json_write_str(w->out, c->choice_name);
    buf_char(w->out, ']');
  }
  buf_lit(w->out, "}}");
}

// --- generationConfig ---

static uint64_t clamp(uint64_t n, uint64_t min, uint64_t max) {
  return n < min ? min : n > max ? max : n;
}

// Budgets of the 2.5 models (https://ai.google.dev/gemini-api/docs/thinking).
static uint64_t budget(const struct writer *w) {
  static const uint32_t budgets[] = {[EFFORT_MINIMAL] = 512, [EFFORT_LOW] = 1024,    [EFFORT_MEDIUM] = 8192,
                                     [EFFORT_HIGH] = 24576,  [EFFORT_XHIGH] = 24576, [EFFORT_MAX] = 24576};
  const struct conversation *c = w->c;
  uint64_t most = w->model.pro ? 32768 : 24576, least = w->model.pro ? 128 : w->model.lite ? 512 : 0;
  if (c->effort == EFFORT_NONE) {
    if (w->model.pro) translation_drop(w->t, STR("reasoning"));
    return w->model.pro ? least : 0;
  }
  uint64_t wanted = c->effort ? budgets[c->effort] : c->reasoning_tokens;
  if (w->model.pro && c->effort >= EFFORT_HIGH) wanted = most;
  return clamp(wanted, least, most);
}

static const char *level(const struct writer *w) {
  enum effort effort = w->c->effort;
  if (!effort) effort = effort_of_budget(w->c->reasoning_tokens, w->c->max_tokens);
  switch (effort) {
    case EFFORT_NONE:
      if (w->model.pro) translation_drop(w->t, STR("reasoning"));
      return w->model.pro ? "LOW" : "MINIMAL";
    case EFFORT_MINIMAL: return w->model.pro ? "LOW" : "MINIMAL";
    case EFFORT_LOW: return "LOW";
    case EFFORT_MEDIUM: return "MEDIUM";
    default: return "HIGH";
  }
}

static void write_thinking(struct writer *w) {
  const struct conversation *c = w->c;
  if (!c->effort && !c->reasoning_tokens) return;
  if (w->model.version < 25 || w->model.image) {
    if (c->effort != EFFORT_NONE) translation_drop(w->t, STR("reasoning"));
    return;
  }
  bool off = c->effort == EFFORT_NONE;
  encode_object(w->out, STR("thinkingConfig"));
  if (w->model.version < 30)
    encode_u64(w->out, STR("thinkingBudget"), budget(w));
  else
    encode_plain(w->out, STR("thinkingLevel"), str_from_cstr(level(w)));
  if (!off && !c->reasoning_hidden) buf_lit(w->out, ",\"includeThoughts\":true");
  buf_char(w->out, '}');
}

static void write_stops(struct writer *w) {
  const struct conversation *c = w->c;
  if (!c->stop_count) return;
  if (c->stop_count > STOPS_MAX) translation_drop(w->t, STR("stop"));
  encode_array(w->out, STR("stopSequences"));
  for (size_t i = 0; i < c->stop_count && i < STOPS_MAX; i++) {
    if (i) buf_char(w->out, ',');
    buf_char(w->out, '"');
    buf_str(w->out, c->stops[i]);
    buf_char(w->out, '"');
  }
  buf_char(w->out, ']');
}

static void write_format(struct writer *w) {
  const struct conversation *c = w->c;
  if (c->format == FORMAT_TEXT) return;
  if (c->tool_count && w->model.version < 30) {  // refused together
    translation_drop(w->t, STR("response_format"));
    return;
  }
  encode_plain(w->out, STR("responseMimeType"), STR("application/json"));
  if (c->format == FORMAT_SCHEMA) encode_json(w->out, STR("responseJsonSchema"), c->schema);
}

static void write_config(struct writer *w) {
  const struct conversation *c = w->c;
  size_t before = w->out->len;
  encode_object(w->out, STR("generationConfig"));
  size_t begin = w->out->len;
  if (c->max_tokens) encode_u64(w->out, STR("maxOutputTokens"), c->max_tokens);
  encode_number(w->out, STR("temperature"), c->temperature, 0, 2, w->t);
  encode_number(w->out, STR("topP"), c->top_p, 0, 1, w->t);
  if (c->top_k.len && !encode_number_is(c->top_k, 0)) encode_json(w->out, STR("topK"), c->top_k);
  write_stops(w);
  encode_number(w->out, STR("seed"), c->seed, -2147483648.0, 2147483647.0, w->t);
  encode_number(w->out, STR("presencePenalty"), c->presence_penalty, -2, 1.99, w->t);
  encode_number(w->out, STR("frequencyPenalty"), c->frequency_penalty, -2, 1.99, w->t);
  write_format(w);
  write_thinking(w);
  if (w->out->len == begin)
    w->out->len = before;
  else
    buf_char(w->out, '}');
}

static void note_lost(struct writer *w) {
  const struct conversation *c = w->c;
  encode_note_extra(c, w->t);
  encode_note_native_tools(c, w->t);
  encode_note_web_search(c, w->t);
  encode_note_logprobs(c, w->t);
  if (c->parallel_calls == FLAG_NO && c->tool_count) translation_drop(w->t, STR("parallel_tool_calls"));
  if (c->user.len) translation_drop(w->t, STR("user"));
  if (c->metadata.len && !w->vertex) translation_drop(w->t, STR("metadata"));
  bool tier = str_eq(c->service_tier, STR("flex")) || str_eq(c->service_tier, STR("priority"));
  bool usual = !c->service_tier.len || str_eq(c->service_tier, STR("auto")) || str_eq(c->service_tier, STR("default"));
  if (!usual && (!tier || w->vertex)) translation_drop(w->t, STR("service_tier"));
}

bool gemini_request(const struct conversation *c, const struct endpoint *e, bool vertex, struct translation *t,
                    struct buf *out) {
  struct writer w = {.c = c, .model = gemini_model(e->upstream_model), .vertex = vertex, .t = t, .out = out};
  if (!steps_make(c, true, NULL, t->arena, &w.steps)) return false;
  note_lost(&w);
  buf_char(out, '{');
  if (!w.model.gemma && has_system(&w)) {
    encode_object(out, STR("systemInstruction"));
    encode_array(out, STR("parts"));
    write_system_texts(&w);
    buf_lit(out, "]}");
  }
  write_contents(&w);
  write_tools(&w);
  write_config(&w);
  if (vertex && c->metadata.len) encode_json(out, STR("labels"), c->metadata);
  if (!vertex && (str_eq(c->service_tier, STR("flex")) || str_eq(c->service_tier, STR("priority"))))
    encode_plain(out, STR("serviceTier"), c->service_tier);
  buf_char(out, '}');
  return !w.failed && encode_done(t, out);
}
