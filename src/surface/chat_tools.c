// The tools of a chat request, in the common form.
#include "surface/chat_reading.h"
#include "surface/chat_shared.h"

// --- functions ---

static bool read_tool(struct reading *r, uint32_t function, uint32_t holder, struct tool *t) {
  uint32_t parameters = json_get(r->doc, function, STR("parameters"));
  if (!reading_plain(r, function, STR("name"), &t->name)) return false;
  if (!t->name.len)
    return reading_refuse(
        r, STR("tools"),
        STR("A function among \"tools\" needs a name: {\"type\":\"function\",\"function\":{\"name\":…}}."));
  if (json_type(r->doc, parameters) != JSON_NULL && !json_is(r->doc, parameters, JSON_OBJECT))
    return reading_refuse(r, STR("tools"),
                          STR("The \"parameters\" of a function among \"tools\" must be a JSON schema: an object."));
  t->description = reading_inside(r, function, STR("description"));
  if (json_is(r->doc, parameters, JSON_OBJECT)) t->parameters = json_raw(r->doc, parameters);
  t->strict = json_type(r->doc, json_get(r->doc, function, STR("strict"))) == JSON_TRUE;
  t->cache = reading_cache_mark(r, holder);
  if (!t->cache) t->cache = reading_cache_mark(r, function);
  return true;
}

// --- tools of the provider's own ---

// Domains and place, as the several ways to ask for a search spell them.
static void read_search(struct reading *r, uint32_t wish, struct str asked_by) {
  const struct json_doc *doc = r->doc;
  struct web_search *s = &r->out->web_search;
  uint32_t filters = json_get(doc, wish, STR("filters"));
  uint32_t place = json_get(doc, wish, STR("user_location")), inner = json_get(doc, place, STR("approximate"));
  static const struct {
    struct str name;
    bool blocked;
  } lists[] = {{{"allowed_domains", 15}, false},
               {{"include_domains", 15}, false},
               {{"blocked_domains", 15}, true},
               {{"exclude_domains", 15}, true},
               {{"excluded_domains", 16}, true}};
  s->asked_by = asked_by;
  s->context_size = reading_inside(r, wish, STR("search_context_size"));
  if (!json_u64(doc, json_get(doc, wish, STR("max_uses")), UINT32_MAX, &s->max_uses)) s->max_uses = 0;
  for (size_t i = 0; i < CHAT_COUNT(lists); i++) {
    uint32_t list = json_get(doc, filters, lists[i].name);
    if (json_first(doc, list) == JSON_NONE) list = json_get(doc, wish, lists[i].name);
    if (!json_is(doc, list, JSON_ARRAY) || json_first(doc, list) == JSON_NONE) continue;
    *(lists[i].blocked ? &s->blocked_domains : &s->allowed_domains) = json_raw(doc, list);
  }
  if (json_is(doc, inner, JSON_OBJECT)) place = inner;
  if (json_is(doc, place, JSON_OBJECT)) s->user_location = json_raw(doc, place);
}

static bool is_search_tool(struct str type) {
  return str_eq(type, STR("web_search")) || str_starts(type, STR("web_search_preview")) ||
         str_eq(type, STR("openrouter:web_search"));
}

static bool read_native_tool(struct reading *r, uint32_t tool) {
  const struct json_doc *doc = r->doc;
  struct conversation *c = r->out;
  struct str type = reading_inside(r, tool, STR("type"));
  if (is_search_tool(type)) {
    uint32_t parameters = json_get(doc, tool, STR("parameters"));
    read_search(r, json_is(doc, parameters, JSON_OBJECT) ? parameters : tool, STR("tools"));
    if (!str_starts(type, STR("openrouter:"))) c->web_search.native = json_raw(doc, tool);
    return true;
  }
  struct native_tool *n = &c->native_tools[c->native_count++];
  n->type = type;
  n->json = json_raw(doc, tool);
  uint32_t custom = json_get(doc, tool, STR("custom"));  // chat nests what a custom tool is
  return reading_plain(r, json_is(doc, custom, JSON_OBJECT) ? custom : tool, STR("name"), &n->name);
}

static bool read_one_tool(struct reading *r, uint32_t tool) {
  struct conversation *c = r->out;
  uint32_t function = json_get(r->doc, tool, STR("function"));
  struct str type = reading_inside(r, tool, STR("type"));
  if (function == JSON_NONE && !str_eq(type, STR("function"))) {
    bool empty = json_first(r->doc, tool) == JSON_NONE;
    if (!empty) return read_native_tool(r, tool);
  }
  // Some clients send a function's members flat.
  return read_tool(r, function == JSON_NONE ? tool : function, tool, &c->tools[c->tool_count++]);
}

static bool is_on(const struct json_doc *doc, uint32_t plugin) {
  return json_type(doc, json_get(doc, plugin, STR("enabled"))) != JSON_FALSE;
}

static bool is_web(const struct json_doc *doc, uint32_t plugin) {
  return json_string_is(doc, json_get(doc, plugin, STR("id")), STR("web"));
}

static void read_plugins(struct reading *r) {
  const struct json_doc *doc = r->doc;
  uint32_t plugins = json_get(doc, 0, STR("plugins"));
  if (!json_is(doc, plugins, JSON_ARRAY)) return;
  for (uint32_t p = json_first(doc, plugins); p != JSON_NONE; p = json_next(doc, plugins, p))
    if (is_on(doc, p) && is_web(doc, p)) read_search(r, p, STR("plugins"));
}

bool chat_tools_other_plugins(const struct json_doc *doc, uint32_t plugins) {
  if (!json_is(doc, plugins, JSON_ARRAY)) return false;
  for (uint32_t p = json_first(doc, plugins); p != JSON_NONE; p = json_next(doc, plugins, p))
    if (is_on(doc, p) && !is_web(doc, p)) return true;
  return false;
}

// --- all tools ---

static bool read_tools(struct reading *r) {
  const struct json_doc *doc = r->doc;
  struct conversation *c = r->out;
  uint32_t tools = json_get(doc, 0, STR("tools")), functions = json_get(doc, 0, STR("functions"));
  uint32_t search = json_get(doc, 0, STR("web_search_options"));
  if (json_type(doc, functions) != JSON_NULL && !json_is(doc, functions, JSON_ARRAY))
    return reading_refuse(r, STR("functions"), STR("\"functions\" must be an array."));
  unsigned room = reading_children(doc, tools) + reading_children(doc, functions);
  read_plugins(r);
  if (json_is(doc, search, JSON_OBJECT)) read_search(r, search, STR("web_search_options"));
  if (!room) return true;
  c->tools = arena_zalloc(r->arena, room * sizeof *c->tools);
  c->native_tools = arena_zalloc(r->arena, room * sizeof *c->native_tools);
  if (!c->tools || !c->native_tools) return reading_no_memory(r);
  for (uint32_t t = json_first(doc, tools); t != JSON_NONE; t = json_next(doc, tools, t))
    if (!read_one_tool(r, t)) return false;
  if (c->tool_count) return true;
  for (uint32_t f = json_first(doc, functions); f != JSON_NONE; f = json_next(doc, functions, f))
    if (!read_tool(r, f, f, &c->tools[c->tool_count++])) return false;
  return true;
}

// --- which of them must be called ---

// Cohere spells it in capitals, Anthropic says "any".
static enum tool_choice choice_of(struct str word) {
  static const struct str words[] = {
      [CHOICE_AUTO] = {"auto", 4}, [CHOICE_NONE] = {"none", 4}, [CHOICE_REQUIRED] = {"required", 8}};
  for (int i = CHOICE_AUTO; i <= CHOICE_REQUIRED; i++)
    if (str_eq_nocase(word, words[i])) return (enum tool_choice)i;
  return str_eq_nocase(word, STR("any")) ? CHOICE_REQUIRED : CHOICE_UNSET;
}

bool chat_tools_own_choice(const struct json_doc *doc, uint32_t choice) {
  uint32_t type = json_get(doc, choice, STR("type"));
  if (!json_is(doc, type, JSON_STRING) || json_string_is(doc, type, STR("function"))) return false;
  if (choice_of(chat_inside(doc, type))) return false;
  if (json_string_is(doc, type, STR("allowed_tools"))) return true;
  return !json_is(doc, json_get(doc, choice, STR("function")), JSON_OBJECT) &&
         !json_is(doc, json_get(doc, choice, STR("custom")), JSON_OBJECT) &&
         json_get(doc, choice, STR("name")) == JSON_NONE;
}

// Where it is not known, the model may or must call any of the tools.
static bool read_own_choice(struct reading *r, uint32_t choice) {
  uint32_t allowed = json_get(r->doc, choice, STR("allowed_tools"));
  if (!json_is(r->doc, allowed, JSON_OBJECT)) allowed = choice;
  bool required = json_string_is(r->doc, json_get(r->doc, allowed, STR("mode")), STR("required"));
  r->out->choice = required ? CHOICE_REQUIRED : CHOICE_AUTO;
  return true;
}

static bool read_choice(struct reading *r) {
  const struct json_doc *doc = r->doc;
  uint32_t choice = json_get(doc, 0, STR("tool_choice"));
  if (json_type(doc, choice) == JSON_NULL) choice = json_get(doc, 0, STR("function_call"));
  if (json_type(doc, choice) == JSON_NULL) return true;
  r->out->choice = choice_of(chat_inside(doc, choice));
  if (!r->out->choice) r->out->choice = choice_of(reading_inside(r, choice, STR("type")));
  if (r->out->choice) return true;
  if (chat_tools_own_choice(doc, choice)) return read_own_choice(r, choice);
  uint32_t function = json_get(doc, choice, STR("function"));
  if (function == JSON_NONE) function = json_get(doc, choice, STR("custom"));
  r->out->choice = CHOICE_NAMED;
  if (!reading_plain(r, function == JSON_NONE ? choice : function, STR("name"), &r->out->choice_name)) return false;
  if (!r->out->choice_name.len)
    return reading_refuse(
        r, STR("tool_choice"),
        STR("\"tool_choice\" must be auto, none, required or {\"type\":\"function\",\"function\":{\"name\":…}}."));
  for (size_t i = 0; i < r->out->tool_count; i++)
    if (str_eq(r->out->tools[i].name, r->out->choice_name)) return true;
  for (size_t i = 0; i < r->out->native_count; i++)
    if (str_eq(r->out->native_tools[i].name, r->out->choice_name)) return true;
  return reading_refuse(r, STR("tool_choice"), STR("\"tool_choice\" names a tool that is not among \"tools\"."));
}

bool chat_tools_read(struct reading *r) {
  return read_tools(r) && read_choice(r);
}
