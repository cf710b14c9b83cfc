// Tools of a request for Gemini: functions of the client's, and Google's own, which older models do not take together.
#include "provider/encode.h"
#include "provider/gemini_schema.h"
#include "provider/gemini_write.h"

// --- Google's own tools ---

static const struct own_tool {
  const char *name;
  bool by_type;  // {"type":"google_search"} is it, too: no other service has a tool of that type
  enum { BOTH, STUDIO, VERTEX } host;
} own_tools[] = {
    {"googleSearch", true, BOTH},
    {"googleSearchRetrieval", true, BOTH},
    {"codeExecution", true, BOTH},
    {"urlContext", true, BOTH},
    {"googleMaps", true, BOTH},
    {"computerUse", false, BOTH},
    {"fileSearch", false, STUDIO},
    {"mcpServers", false, STUDIO},
    {"enterpriseWebSearch", true, VERTEX},
    {"retrieval", false, VERTEX},
    {"parallelAiSearch", false, VERTEX},
    {"functionDeclarations", false, BOTH},
};

// Which of them this is; *settings: its value, JSON_NONE: none was given. NULL: another service's.
static const struct own_tool *find_own(const struct gemini_writer *w, const struct native_tool *n,
                                       const struct json_doc *doc, uint32_t *settings) {
  for (size_t i = 0; i < sizeof own_tools / sizeof *own_tools; i++) {
    const struct own_tool *row = &own_tools[i];
    if (row->host == (w->vertex ? STUDIO : VERTEX)) continue;
    for (uint32_t key = json_first(doc, 0); key != JSON_NONE;) {
      struct str raw = json_raw(doc, key);
      *settings = json_next(doc, 0, key);
      if (gemini_same_name(str_from(raw.ptr + 1, raw.len - 2), row->name)) return row;
      key = json_next(doc, 0, *settings);
    }
    *settings = JSON_NONE;
    if (row->by_type && gemini_same_name(n->type, row->name)) return row;
  }
  return NULL;
}

static bool may_use_own(const struct gemini_writer *w) {
  return w->c->choice != CHOICE_NONE && w->model.version && (!w->c->tool_count || w->model.mixes);
}

static bool wants_search(const struct gemini_writer *w) {
  return w->c->web_search.asked_by.len != 0;
}

bool gemini_has_tools(const struct gemini_writer *w) {
  return w->c->tool_count || (may_use_own(w) && (w->c->native_count || wants_search(w)));
}

// False: it is not Google's.
static bool write_own(struct gemini_writer *w, const struct native_tool *n, bool *searches) {
  struct json_doc doc = {0};
  uint32_t settings = JSON_NONE;
  const struct own_tool *row = encode_parse(&doc, n->json, 2, w->t) ? find_own(w, n, &doc, &settings) : NULL;
  if (row) {
    encode_element(w->out);
    json_write_key(w->out, str_from_cstr(row->name));
    if (settings == JSON_NONE || json_first(&doc, settings) == JSON_NONE) {
      bool list = json_is(&doc, settings, JSON_ARRAY);
      buf_str(w->out, list ? json_raw(&doc, settings) : STR("{}"));
    } else if (str_eq(str_from_cstr(row->name), STR("functionDeclarations"))) {
      buf_str(w->out, json_raw(&doc, settings));
    } else if (!gemini_write_camel(w->out, json_raw(&doc, settings))) {
      w->failed = true;
    }
    buf_char(w->out, '}');
    *searches |= str_starts(str_from_cstr(row->name), STR("googleSearch"));
  }
  json_doc_free(&doc);
  return row != NULL;
}

// A search that was asked for in another service's words. What of it is lost is told.
static void write_search(struct gemini_writer *w) {
  const struct web_search *s = &w->c->web_search;
  bool excludes = w->vertex && s->blocked_domains.len && w->model.version >= 20;
  bool usual = !s->context_size.len || str_eq(s->context_size, STR("medium"));
  encode_element(w->out);
  encode_object(w->out, w->model.version < 20 ? STR("googleSearchRetrieval") : STR("googleSearch"));
  if (excludes) encode_json(w->out, STR("excludeDomains"), s->blocked_domains);
  buf_lit(w->out, "}}");
  if (s->max_uses || s->allowed_domains.len || (s->blocked_domains.len && !excludes) || s->user_location.len || !usual)
    translation_drop(w->t, s->asked_by);
}

// Writes them as elements of "tools"; true: at least one.
static bool write_own_tools(struct gemini_writer *w) {
  const struct conversation *c = w->c;
  size_t before = w->out->len;
  bool searches = false;
  if (!may_use_own(w)) {
    if (c->native_count && c->choice != CHOICE_NONE) translation_drop(w->t, STR("tools"));
    if (wants_search(w) && c->choice != CHOICE_NONE) translation_drop(w->t, c->web_search.asked_by);
    return false;
  }
  for (size_t i = 0; i < c->native_count; i++)
    if (!write_own(w, &c->native_tools[i], &searches)) translation_drop(w->t, STR("tools"));
  if (wants_search(w) && !searches) write_search(w);
  return w->out->len != before;
}

// --- functions ---

// A choice of some of the functions, as OpenAI has it ("allowed_tools").
static void read_allowed(struct gemini_writer *w) {
  const struct extra *choice = encode_extra_find(w->c, STR("tool_choice"));
  struct json_doc doc = {0};
  if (!choice || !encode_parse(&doc, choice->json, 5, w->t)) return;
  uint32_t inner = json_get(&doc, 0, STR("allowed_tools")), any = 0;
  uint32_t list = json_get(&doc, json_is(&doc, inner, JSON_OBJECT) ? inner : 0, STR("tools"));
  bool *allowed = arena_zalloc(w->t->arena, w->c->tool_count + 1);
  for (uint32_t t = json_is(&doc, list, JSON_ARRAY) ? json_first(&doc, list) : JSON_NONE; t != JSON_NONE && allowed;
       t = json_next(&doc, list, t)) {
    uint32_t function = json_get(&doc, t, STR("function"));
    uint32_t name = json_get(&doc, function == JSON_NONE ? t : function, STR("name"));
    for (size_t i = 0; i < w->c->tool_count; i++)
      if (json_string_is(&doc, name, w->given->tools[i].name)) allowed[i] = ++any;
  }
  json_doc_free(&doc);
  w->allowed = any ? allowed : NULL;
  if (!any) translation_drop(w->t, STR("tool_choice"));
}

// Older models are told of no others instead.
static bool is_told(const struct gemini_writer *w, size_t tool) {
  return !w->allowed || w->allowed[tool] || w->model.strict || w->c->choice == CHOICE_REQUIRED;
}

static bool is_empty_schema(struct gemini_writer *w, struct str parameters) {
  struct json_doc doc = {0};
  bool empty = !encode_parse(&doc, parameters, 2, w->t);
  uint32_t properties = empty ? JSON_NONE : json_get(&doc, 0, STR("properties"));
  empty |= json_first(&doc, properties) == JSON_NONE && json_get(&doc, 0, STR("$ref")) == JSON_NONE &&
           json_get(&doc, 0, STR("anyOf")) == JSON_NONE && json_get(&doc, 0, STR("oneOf")) == JSON_NONE &&
           json_get(&doc, 0, STR("allOf")) == JSON_NONE;
  json_doc_free(&doc);
  return empty;
}

static void write_parameters(struct gemini_writer *w, struct str parameters) {
  if (!parameters.len || is_empty_schema(w, parameters)) return;
  if (w->model.json_schema) {
    encode_json(w->out, STR("parametersJsonSchema"), parameters);
    return;
  }
  json_write_key(w->out, STR("parameters"));
  if (!gemini_schema_write(w->out, parameters, w->t)) w->failed = true;
}

static void write_functions(struct gemini_writer *w) {
  const struct conversation *c = w->c;
  if (!c->tool_count) return;
  buf_lit(w->out, "{\"functionDeclarations\":[");
  for (size_t i = 0; i < c->tool_count; i++) {
    const struct tool *tool = &c->tools[i];
    if (!is_told(w, i)) continue;
    encode_element(w->out);
    encode_plain(w->out, STR("name"), tool->name);
    if (tool->description.len) encode_inside(w->out, STR("description"), tool->description);
    write_parameters(w, tool->parameters);
    buf_char(w->out, '}');
  }
  buf_lit(w->out, "]}");
}

// --- toolConfig ---

static bool is_function(const struct conversation *c, struct str name) {
  for (size_t i = 0; i < c->tool_count; i++)
    if (str_eq(c->tools[i].name, name)) return true;
  return false;
}

static void write_calling(struct gemini_writer *w) {
  static const char *const modes[] = {[CHOICE_UNSET] = "AUTO",
                                      [CHOICE_AUTO] = "AUTO",
                                      [CHOICE_NONE] = "NONE",
                                      [CHOICE_REQUIRED] = "ANY",
                                      [CHOICE_NAMED] = "ANY"};
  const struct conversation *c = w->c;
  bool strict = false, forced = c->choice == CHOICE_REQUIRED || c->choice == CHOICE_NAMED;
  for (size_t i = 0; i < c->tool_count; i++) strict |= c->tools[i].strict;
  // Google's own tools cannot be forced.
  if (forced && (!c->tool_count || (c->choice == CHOICE_NAMED && !is_function(c, c->choice_name)))) {
    translation_drop(w->t, STR("tool_choice"));
    return;
  }
  if (!c->tool_count || (c->choice == CHOICE_UNSET && !strict)) return;
  const char *mode = modes[c->choice];
  if ((strict || w->allowed) && c->choice <= CHOICE_AUTO && w->model.strict) mode = "VALIDATED";
  encode_object(w->out, STR("functionCallingConfig"));
  encode_plain(w->out, STR("mode"), str_from_cstr(mode));
  if (c->choice == CHOICE_NAMED) {
    encode_array(w->out, STR("allowedFunctionNames"));
    json_write_str(w->out, c->choice_name);
    buf_char(w->out, ']');
  } else if (w->allowed && (w->model.strict || forced)) {
    bool any = false;
    encode_array(w->out, STR("allowedFunctionNames"));
    for (size_t i = 0; i < c->tool_count; i++) {
      if (!w->allowed[i]) continue;
      if (any) buf_char(w->out, ',');
      json_write_str(w->out, c->tools[i].name);
      any = true;
    }
    buf_char(w->out, ']');
  }
  buf_char(w->out, '}');
}

// The client's own toolConfig, without what is written already.
static void write_given(struct gemini_writer *w, bool calling, bool server_side) {
  struct str given = gemini_extra_find(w, "toolConfig");
  struct json_doc doc = {0};
  if (!given.len) return;
  if (encode_parse(&doc, given, 1, w->t))
    for (uint32_t key = json_is(&doc, 0, JSON_OBJECT) ? json_first(&doc, 0) : JSON_NONE; key != JSON_NONE;) {
      uint32_t value = json_next(&doc, 0, key);
      struct str raw = json_raw(&doc, key);
      bool ours = (calling && json_string_is(&doc, key, STR("functionCallingConfig"))) ||
                  (server_side && json_string_is(&doc, key, STR("includeServerSideToolInvocations")));
      if (!ours) encode_json(w->out, str_from(raw.ptr + 1, raw.len - 2), json_raw(&doc, value));
      key = json_next(&doc, 0, value);
    }
  json_doc_free(&doc);
}

static void write_tool_config(struct gemini_writer *w, bool own) {
  size_t before = w->out->len;
  encode_object(w->out, STR("toolConfig"));
  size_t begin = w->out->len;
  write_calling(w);
  bool calling = w->out->len != begin, server_side = own && w->c->tool_count && !w->vertex;
  if (server_side) encode_json(w->out, STR("includeServerSideToolInvocations"), STR("true"));
  write_given(w, calling, server_side);
  if (w->out->len == begin)
    w->out->len = before;
  else
    buf_char(w->out, '}');
}

void gemini_write_tools(struct gemini_writer *w) {
  size_t before = w->out->len;
  read_allowed(w);
  encode_array(w->out, STR("tools"));
  write_functions(w);
  bool own = write_own_tools(w);
  if (own || w->c->tool_count)
    buf_char(w->out, ']');
  else
    w->out->len = before;
  write_tool_config(w, own);
}
