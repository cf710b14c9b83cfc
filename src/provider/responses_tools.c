// Tools, as OpenAI's Responses have them: functions, those of the provider's own, and how their calls and results go
// back.
#include "provider/quirks.h"
#include "provider/responses_write.h"

// Between the elements of an array.
static void comma(struct responses_writer *w) {
  if (w->out->len && w->out->ptr[w->out->len - 1] != '[') buf_char(w->out, ',');
}

// --- tools ---

// Those that the API knows; xAI's behind them.
static bool is_known(const struct responses_writer *w, struct str type) {
  static const char *const names[] = {"file_search", "code_interpreter",     "image_generation", "mcp",
                                      "computer",    "computer_use_preview", "local_shell",      "shell",
                                      "apply_patch", "tool_search",          "custom",           "namespace"};
  static const char *const xai[] = {"x_search", "code_execution", "collections_search", "view_image", "view_x_video"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (str_eq(type, str_from_cstr(names[i]))) return true;
  bool other = !responses_is_openai(w->host);
  for (size_t i = 0; other && i < sizeof xai / sizeof *xai; i++)
    if (str_eq(type, str_from_cstr(xai[i]))) return true;
  return false;
}

static void function_tool(struct responses_writer *w, const struct tool *tool) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"function\"");
  encode_plain(w->out, STR("name"), tool->name);
  if (tool->description.len) encode_inside(w->out, STR("description"), tool->description);
  encode_json(w->out, STR("parameters"),
              tool->parameters.len ? tool->parameters : STR("{\"type\":\"object\",\"properties\":{}}"));
  encode_json(w->out, STR("strict"), tool->strict ? STR("true") : STR("false"));  // left out it would mean strict
  buf_char(w->out, '}');
}

void responses_copy(struct buf *out, const struct json_doc *doc, uint32_t object, const char *except,
                    const char *or_this) {
  for (uint32_t key = json_is(doc, object, JSON_OBJECT) ? json_first(doc, object) : JSON_NONE; key != JSON_NONE;) {
    uint32_t value = json_next(doc, object, key);
    if (!json_string_is(doc, key, str_from_cstr(except)) && !json_string_is(doc, key, str_from_cstr(or_this))) {
      if (out->len && out->ptr[out->len - 1] != '{') buf_char(out, ',');
      buf_str(out, json_raw(doc, key));
      buf_char(out, ':');
      buf_str(out, json_raw(doc, value));
    }
    key = json_next(doc, object, value);
  }
}

// Chat nests what is flat here: {"custom":{"name":…,"format":{"type":"grammar","grammar":{…}}}}. False: it is flat.
static bool custom_tool(struct responses_writer *w, struct str json) {
  struct json_doc doc = {0};
  bool nested = encode_parse(&doc, json, 4, w->t) && json_is(&doc, json_get(&doc, 0, STR("custom")), JSON_OBJECT);
  uint32_t custom = json_get(&doc, 0, STR("custom")), format = json_get(&doc, custom, STR("format"));
  uint32_t grammar = json_get(&doc, format, STR("grammar"));
  if (nested) {
    encode_element(w->out);
    buf_lit(w->out, "\"type\":\"custom\"");
    responses_copy(w->out, &doc, custom, "type", json_is(&doc, grammar, JSON_OBJECT) ? "format" : "");
    if (json_is(&doc, grammar, JSON_OBJECT)) {
      encode_object(w->out, STR("format"));
      buf_lit(w->out, "\"type\":\"grammar\"");
      responses_copy(w->out, &doc, grammar, "type", "");
      buf_char(w->out, '}');
    }
    buf_char(w->out, '}');
  }
  json_doc_free(&doc);
  return nested;
}

static void native_tool(struct responses_writer *w, const struct native_tool *tool) {
  if (!is_known(w, tool->type)) {
    translation_drop(w->t, STR("tools"));
    return;
  }
  if (str_eq(tool->type, STR("custom")) && custom_tool(w, tool->json)) return;
  comma(w);
  buf_str(w->out, tool->json);
}

// Members of the place that the client left out are left out here.
static void search_place(struct responses_writer *w, struct str json) {
  struct json_doc doc = {0};
  if (encode_parse(&doc, json, 1, w->t)) {
    encode_object(w->out, STR("user_location"));
    buf_lit(w->out, "\"type\":\"approximate\"");
    responses_copy(w->out, &doc, 0, "type", "");
    buf_char(w->out, '}');
  }
  json_doc_free(&doc);
}

static void search_tool(struct responses_writer *w) {
  const struct web_search *s = &w->c->web_search;
  bool openai = responses_is_openai(w->host);
  if (s->native.len) {
    comma(w);
    buf_str(w->out, s->native);
    return;
  }
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"web_search\"");
  if (s->allowed_domains.len || (s->blocked_domains.len && !openai)) {
    encode_object(w->out, STR("filters"));
    if (s->allowed_domains.len) encode_json(w->out, STR("allowed_domains"), s->allowed_domains);
    if (s->blocked_domains.len && !openai) encode_json(w->out, STR("excluded_domains"), s->blocked_domains);
    buf_char(w->out, '}');
  }
  if (s->blocked_domains.len && openai) translation_drop(w->t, s->asked_by);
  if (s->context_size.len && openai) encode_inside(w->out, STR("search_context_size"), s->context_size);
  if (s->user_location.len && openai) search_place(w, s->user_location);
  buf_char(w->out, '}');
}

static bool can_search(const struct responses_writer *w) {
  return w->c->web_search.native.len || w->host != RESPONSES_OTHER;
}

// --- which must be called ---

static void named_choice(struct responses_writer *w) {
  const struct conversation *c = w->c;
  const char *type = "function";
  for (size_t i = 0; i < c->native_count; i++)
    if (str_eq(c->native_tools[i].name, c->choice_name) && str_eq(c->native_tools[i].type, STR("custom")))
      type = "custom";
  encode_object(w->out, STR("tool_choice"));
  encode_plain(w->out, STR("type"), str_from_cstr(type));
  encode_plain(w->out, STR("name"), c->choice_name);
  buf_char(w->out, '}');
}

// One of {"type":"function","function":{"name":…}} or flat, as it is here.
static void allowed_tool(struct responses_writer *w, const struct json_doc *doc, uint32_t tool) {
  uint32_t inner = json_get(doc, tool, STR("function"));
  if (inner == JSON_NONE) inner = json_get(doc, tool, STR("custom"));
  encode_element(w->out);
  responses_copy(w->out, doc, tool, "function", "custom");
  responses_copy(w->out, doc, inner, "type", "");
  buf_char(w->out, '}');
}

// A choice that only OpenAI has: some of the tools, or one that is no function.
static void native_choice(struct responses_writer *w, struct str json) {
  struct json_doc doc = {0};
  bool readable = encode_parse(&doc, json, 5, w->t);
  uint32_t allowed = json_get(&doc, 0, STR("allowed_tools"));
  if (!json_is(&doc, allowed, JSON_OBJECT)) allowed = 0;
  uint32_t tools = json_get(&doc, allowed, STR("tools")), mode = json_get(&doc, allowed, STR("mode"));
  if (readable && !json_is(&doc, tools, JSON_ARRAY)) {
    encode_json(w->out, STR("tool_choice"), json);
  } else if (readable) {
    encode_object(w->out, STR("tool_choice"));
    buf_lit(w->out, "\"type\":\"allowed_tools\"");
    encode_json(w->out, STR("mode"), json_is(&doc, mode, JSON_STRING) ? json_raw(&doc, mode) : STR("\"auto\""));
    encode_array(w->out, STR("tools"));
    for (uint32_t t = json_first(&doc, tools); t != JSON_NONE; t = json_next(&doc, tools, t)) allowed_tool(w, &doc, t);
    buf_lit(w->out, "]}");
  } else {
    translation_drop(w->t, STR("tool_choice"));
  }
  json_doc_free(&doc);
}

// Some services let no call be demanded, or not of a model that thinks.
static bool may_demand(struct responses_writer *w) {
  struct provider_quirks room;
  const struct provider_quirks *quirks = quirks_of(w->e, &room);
  bool thinks = w->c->effort > EFFORT_NONE || w->c->reasoning_tokens || (!w->c->effort && quirks_model_thinks(w->e));
  return !quirks->auto_choice && !(quirks->auto_while_thinks && thinks);
}

static void write_choice(struct responses_writer *w) {
  static const char *const choices[] = {[CHOICE_AUTO] = "auto", [CHOICE_NONE] = "none", [CHOICE_REQUIRED] = "required"};
  const struct conversation *c = w->c;
  const struct extra *native = encode_extra_find(c, STR("tool_choice"));
  bool demanded = c->choice == CHOICE_REQUIRED || c->choice == CHOICE_NAMED;
  if (demanded && !may_demand(w)) {
    encode_plain(w->out, STR("tool_choice"), STR("auto"));
    translation_drop(w->t, STR("tool_choice"));
  } else if (native) {
    native_choice(w, native->json);
  } else if (c->choice == CHOICE_NAMED) {
    named_choice(w);
  } else if (c->choice) {
    encode_plain(w->out, STR("tool_choice"), str_from_cstr(choices[c->choice]));
  }
}

void responses_tools(struct responses_writer *w) {
  const struct conversation *c = w->c;
  size_t before = w->out->len;
  bool searches = c->web_search.asked_by.len && can_search(w);
  if (c->web_search.asked_by.len && !searches) translation_drop(w->t, c->web_search.asked_by);
  encode_array(w->out, STR("tools"));
  size_t begin = w->out->len;
  for (size_t i = 0; i < c->tool_count; i++) function_tool(w, &c->tools[i]);
  for (size_t i = 0; i < c->native_count; i++) native_tool(w, &c->native_tools[i]);
  if (searches) search_tool(w);
  if (w->out->failed) return;
  if (w->out->len == begin) {
    w->out->len = before;
    return;
  }
  buf_char(w->out, ']');
  write_choice(w);
  if (c->parallel_calls)
    encode_json(w->out, STR("parallel_tool_calls"), c->parallel_calls == FLAG_YES ? STR("true") : STR("false"));
}

// --- calls and results ---

// Tools that the client runs, but that are no functions: to the client a call has its item for arguments.
static const struct own_tool {
  const char *name, *types[2], *item;
  enum responses_output output;
} own_tools[] = {
    {"computer", {"computer", "computer_use_preview"}, "computer_call", OUTPUT_PICTURE},
    {"local_shell", {"local_shell", NULL}, "local_shell_call", OUTPUT_ANY},
    {"shell", {"shell", NULL}, "shell_call", OUTPUT_SHELL},
    {"apply_patch", {"apply_patch", NULL}, "apply_patch_call", OUTPUT_ANY},
};

static bool is_declared(const struct conversation *c, struct str type, struct str name) {
  for (size_t i = 0; i < c->native_count; i++)
    if (str_eq(c->native_tools[i].type, type) && (!name.len || str_eq(c->native_tools[i].name, name))) return true;
  return false;
}

static bool is_custom(const struct responses_writer *w, const struct part *call) {
  return is_declared(w->c, STR("custom"), call->name);
}

// NULL: it is a function, or free text.
static const struct own_tool *own_tool(const struct responses_writer *w, const struct part *call, struct str *item) {
  for (size_t i = 0; i < sizeof own_tools / sizeof *own_tools; i++) {
    const struct own_tool *row = &own_tools[i];
    bool declared = false;
    struct json_doc doc = {0};
    for (size_t t = 0; t < 2 && row->types[t]; t++)
      declared |= is_declared(w->c, str_from_cstr(row->types[t]), (struct str){0});
    if (!declared || !str_eq(call->name, str_from_cstr(row->name))) continue;
    bool is = encode_is_object(call->arguments, w->t, item) && encode_parse(&doc, *item, 1, w->t) &&
              json_string_is(&doc, json_get(&doc, 0, STR("type")), str_from_cstr(row->item));
    json_doc_free(&doc);
    return is ? row : NULL;
  }
  return NULL;
}

void responses_call_item(struct responses_writer *w, const struct part *call, struct str id) {
  struct str item;
  if (own_tool(w, call, &item)) {
    comma(w);
    buf_str(w->out, item);
    return;
  }
  bool custom = is_custom(w, call);
  encode_element(w->out);
  encode_plain(w->out, STR("type"), custom ? STR("custom_tool_call") : STR("function_call"));
  encode_plain(w->out, STR("call_id"), id);
  encode_plain(w->out, STR("name"), call->name);
  if (custom)
    encode_inside(w->out, STR("input"), call->arguments);
  else
    encode_inside(w->out, STR("arguments"), encode_is_blank(call->arguments) ? STR("{}") : call->arguments);
  buf_char(w->out, '}');
}

enum responses_output responses_output_begin(struct responses_writer *w, const struct part *call, struct str id) {
  struct str item;
  const struct own_tool *own = own_tool(w, call, &item);
  encode_element(w->out);
  json_write_key(w->out, STR("type"));
  buf_char(w->out, '"');
  buf_str(w->out, own ? str_from_cstr(own->item) : is_custom(w, call) ? STR("custom_tool_call") : STR("function_call"));
  buf_lit(w->out, "_output\"");
  encode_plain(w->out, STR("call_id"), own ? call->id : id);
  if (own && str_eq(STR("apply_patch"), str_from_cstr(own->name)))
    encode_plain(w->out, STR("status"), STR("completed"));
  json_write_key(w->out, STR("output"));
  return own ? own->output : OUTPUT_ANY;
}

// What may not come back: OpenAI gives it, and does not take it.
static void served_action(struct responses_writer *w, const struct json_doc *doc, uint32_t action) {
  encode_object(w->out, STR("action"));
  responses_copy(w->out, doc, action, "sources", "");
  buf_char(w->out, '}');
}

bool responses_served_item(struct responses_writer *w, const struct part *p) {
  struct json_doc doc = {0};
  struct str item;
  bool is = encode_is_object(p->text, w->t, &item) && encode_parse(&doc, item, 2, w->t);
  uint32_t action = json_get(&doc, 0, STR("action")), type = json_get(&doc, 0, STR("type"));
  bool search = json_string_is(&doc, type, STR("web_search_call"));
  is = is && json_is(&doc, type, JSON_STRING);
  if (is && search && json_is(&doc, action, JSON_OBJECT)) {
    encode_element(w->out);
    responses_copy(w->out, &doc, 0, "action", "");
    served_action(w, &doc, action);
    buf_char(w->out, '}');
  } else if (is) {
    comma(w);
    buf_str(w->out, item);
  }
  json_doc_free(&doc);
  return is;
}
