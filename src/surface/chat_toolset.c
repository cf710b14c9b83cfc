// Tools, the choice among them and the answer's format, as a service takes them: tools of other makers, marks and flags
// it does not know are left out of the client's bytes.
#include "surface/chat_splice.h"

static struct str inside_of(const struct json_doc *doc, uint32_t object, struct str name) {
  return chat_inside(doc, json_get(doc, object, name));
}

// "web_search_20250305": Anthropic dates its tools.
static bool is_dated(struct str type) {
  if (type.len < 9 || type.ptr[type.len - 9] != '_') return false;
  for (size_t i = type.len - 8; i < type.len; i++)
    if (type.ptr[i] < '0' || type.ptr[i] > '9') return false;
  return true;
}

// A tool that runs at the provider of another dialect, or at OpenRouter.
static bool is_foreign(const struct splice *s, const struct json_doc *doc, uint32_t tool) {
  struct str type = inside_of(doc, tool, STR("type"));
  if (s->quirks->gateway || s->quirks->marks == MARKS_AS_SENT) return false;  // perhaps they are known there
  if (str_eq(type, STR("function"))) return false;
  if (s->quirks->openai_models) return !str_eq(type, STR("custom"));
  if (!type.len) return json_get(doc, tool, STR("function")) == JSON_NONE;
  return is_dated(type) || str_find_char(type, ':', 0) != SIZE_MAX;
}

// Members of one tool, or of its function, that are not for this service.
static bool is_cut(const struct splice *s, const struct json_doc *doc, uint32_t key) {
  bool marks = s->quirks->marks == MARKS_CUT || s->quirks->marks == MARKS_BREAKPOINT;
  if (marks && json_string_is(doc, key, STR("cache_control"))) return true;
  return s->quirks->no_strict && json_string_is(doc, key, STR("strict"));
}

static void splice_members(struct splice *s, const struct json_doc *doc, size_t base, uint32_t object) {
  struct walk w = {.doc = doc, .base = base, .within = object};
  for (uint32_t key = json_first(doc, object); key != JSON_NONE;) {
    uint32_t value = json_next(doc, object, key), next = json_next(doc, object, value);
    if (is_cut(s, doc, key)) {
      walk_cut(s, &w, value, next);
    } else {
      if (json_string_is(doc, key, STR("function")) && json_is(doc, value, JSON_OBJECT))
        splice_members(s, doc, base, value);
      walk_keep(s, &w, value);
    }
    key = next;
  }
  walk_end(s, &w);
}

// Do the insides of the functions matter? They lie deeper than the request's index goes.
static bool needs_inside(const struct splice *s, struct str raw) {
  bool marks = s->quirks->marks == MARKS_CUT || s->quirks->marks == MARKS_BREAKPOINT;
  return (marks && str_find(raw, STR("cache_control"), 0) != SIZE_MAX) ||
         (s->quirks->no_strict && str_find(raw, STR("\"strict\""), 0) != SIZE_MAX);
}

static void splice_tools(struct splice *s, struct walk *w, bool inside) {
  const struct json_doc *doc = w->doc;
  for (uint32_t tool = json_first(doc, w->within); tool != JSON_NONE;) {
    uint32_t next = json_next(doc, w->within, tool);
    if (is_foreign(s, doc, tool)) {
      walk_cut(s, w, tool, next);
    } else {
      if (inside) splice_members(s, doc, w->base, tool);
      walk_keep(s, w, tool);
    }
    tool = next;
  }
  walk_end(s, w);
}

bool chat_tools_any(struct splice *s, uint32_t tools) {
  const struct json_doc *doc = &s->r->doc;
  bool any = false, cut = false;
  for (uint32_t tool = json_first(doc, tools); tool != JSON_NONE; tool = json_next(doc, tools, tool)) {
    bool foreign = is_foreign(s, doc, tool);
    any |= !foreign;
    cut |= foreign;
  }
  s->foreign_tools = cut;
  if (cut) splice_lost(s, STR("tools"));
  return any || !cut;
}

void chat_tools_splice(struct splice *s, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  struct str raw = json_raw(doc, value);
  struct json_doc inner = {0};
  bool inside = needs_inside(s, raw);
  if (!s->foreign_tools && !inside) return;
  if (!inside)
    splice_tools(s, &(struct walk){.doc = doc, .within = value}, false);
  else if (json_parse(&inner, raw, 3) == JSON_OK)
    splice_tools(s, &(struct walk){.doc = &inner, .base = doc->nodes[value].start}, true);
  else
    s->out->failed = true;
  json_doc_free(&inner);
}

bool chat_choice_is_cut(struct splice *s, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  bool limited = s->quirks->auto_choice || (s->quirks->auto_while_thinks && s->thinks);
  if (!limited || json_type(doc, value) == JSON_NULL || json_string_is(doc, value, STR("auto"))) return false;
  if (!s->quirks->auto_choice && json_string_is(doc, value, STR("none"))) return false;
  splice_lost(s, STR("tool_choice"));
  return true;
}

// --- the format of the answer ---

struct str chat_format_told(const struct splice *s) {
  const struct json_doc *doc = &s->r->doc;
  uint32_t format = chat_member_at(s->r, CHAT_MEMBER_RESPONSE_FORMAT);
  if (!s->quirks->object_format || !json_string_is(doc, json_get(doc, format, STR("type")), STR("json_schema")))
    return (struct str){0};
  uint32_t holder = json_get(doc, format, STR("json_schema")), schema = json_get(doc, holder, STR("schema"));
  return json_raw(doc, schema == JSON_NONE ? holder : schema);
}

void chat_format_splice(struct splice *s, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  size_t from = doc->nodes[value].start, to = doc->nodes[value].end;
  uint32_t type = json_get(doc, value, STR("type"));
  if (s->quirks->object_format && json_string_is(doc, type, STR("json_schema"))) {
    splice_replace(s, from, to, STR("{\"type\":\"json_object\"}"));
    return;
  }
  if (s->quirks->schema_format && json_string_is(doc, type, STR("json_object"))) {
    splice_replace(
        s, from, to,
        STR("{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"schema\":{\"type\":\"object\"}}}"));
    return;
  }
  uint32_t holder = json_get(doc, value, STR("json_schema"));
  if (s->quirks->no_strict && json_is(doc, holder, JSON_OBJECT)) splice_members(s, doc, 0, holder);
}
