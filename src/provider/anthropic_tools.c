// A request's tools as Anthropic wants them: the client's functions, Anthropic's own, which of them must be called, and
// what has to be switched on for them.
#include "provider/anthropic_writer.h"
#include "provider/encode.h"
#include "provider/schema.h"

enum { OLD_TOOLS_MAX = 512 };  // names of functions that only the history calls

// --- functions ---

static void write_tool(struct anthropic_writer *w, const struct tool *tool) {
  encode_element(w->out);
  encode_plain(w->out, STR("name"), tool->name);
  if (tool->description.len) encode_inside(w->out, STR("description"), tool->description);
  json_write_key(w->out, STR("input_schema"));
  struct str parameters = encode_parameters(tool->parameters, w->t);
  bool strict = tool->strict && w->model->schema && !schema_is_recursive(parameters, &w->failed);
  if (tool->strict && !strict) translation_drop(w->t, STR("strict"));
  if (!strict)
    buf_str(w->out, parameters);
  else if (!schema_write_strict(w->out, parameters))
    w->failed = true;
  if (strict) buf_lit(w->out, ",\"strict\":true");
  anthropic_mark(w, tool->cache);
  buf_char(w->out, '}');
}

static const struct part *call_at(const struct anthropic_writer *w, size_t i) {
  const struct step *s = &w->steps.items[i];
  return s->kind == STEP_PART && s->part->kind == PART_CALL ? s->part : NULL;
}

// The history may call tools that the request no longer offers: they are named all the same.
static void write_old_tools(struct anthropic_writer *w) {
  struct str names[OLD_TOOLS_MAX];
  unsigned count = 0;
  for (size_t i = 0; i < w->steps.count && count < OLD_TOOLS_MAX; i++) {
    const struct part *call = call_at(w, i);
    unsigned k = 0;
    while (call && k < count && !str_eq(names[k], call->name)) k++;
    if (!call || k < count) continue;
    names[count++] = call->name;
    encode_element(w->out);
    encode_plain(w->out, STR("name"), call->name);
    buf_lit(w->out, ",\"input_schema\":{\"type\":\"object\"}}");
  }
}

// --- tools of Anthropic's own ---

// Its tools are called after the day they came: "web_search_20250305".
static bool has_date(struct str type) {
  if (type.len < 10 || type.ptr[type.len - 9] != '_') return false;
  for (size_t i = type.len - 8; i < type.len; i++)
    if (type.ptr[i] < '0' || type.ptr[i] > '9') return false;
  return true;
}

// A function as Anthropic's own clients describe it.
static bool is_own_function(struct anthropic_writer *w, const struct native_tool *tool) {
  struct json_doc doc = {0};
  if (tool->type.len && !str_eq(tool->type, STR("custom"))) return false;
  bool is =
      encode_parse(&doc, tool->json, 1, w->t) && json_is(&doc, json_get(&doc, 0, STR("input_schema")), JSON_OBJECT);
  json_doc_free(&doc);
  return is;
}

// What runs at Anthropic's is not at Amazon's.
static bool is_elsewhere(const struct anthropic_writer *w, struct str type) {
  static const char *const types[] = {"web_search_", "web_fetch_", "code_execution_", "mcp_toolset", "advisor_"};
  for (size_t i = 0; w->host == ANTHROPIC_BEDROCK && i < sizeof types / sizeof *types; i++)
    if (str_starts(type, str_from_cstr(types[i]))) return true;
  return false;
}

static bool is_own(struct anthropic_writer *w, const struct native_tool *tool) {
  if (is_elsewhere(w, tool->type)) return false;
  return has_date(tool->type) || str_eq(tool->type, STR("mcp_toolset")) || is_own_function(w, tool);
}

struct str anthropic_tool_beta(struct str type) {
  static const struct {
    const char *type, *beta;
  } rows[] = {{"computer_20241022", "computer-use-2024-10-22"},
              {"text_editor_20241022", "computer-use-2024-10-22"},
              {"bash_20241022", "computer-use-2024-10-22"},
              {"computer_20250124", "computer-use-2025-01-24"},
              {"text_editor_20250124", "computer-use-2025-01-24"},
              {"computer_20251124", "computer-use-2025-11-24"},
              {"code_execution_20250522", "code-execution-2025-05-22"},
              {"code_execution_20250825", "code-execution-2025-08-25"},
              {"web_fetch_20250910", "web-fetch-2025-09-10"},
              {"web_fetch_20260209", "code-execution-web-tools-2026-02-09"},
              {"web_search_20260209", "code-execution-web-tools-2026-02-09"},
              {"memory_20250818", "context-management-2025-06-27"},
              {"tool_search_tool_regex_20251119", "advanced-tool-use-2025-11-20"},
              {"tool_search_tool_bm25_20251119", "advanced-tool-use-2025-11-20"},
              {"advisor_20260301", "advisor-tool-2026-03-01"},
              {"mcp_toolset", "mcp-client-2025-11-20"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq(type, str_from_cstr(rows[i].type))) return str_from_cstr(rows[i].beta);
  return (struct str){0};
}

static void tool_betas(struct anthropic_writer *w, struct str type) {
  anthropic_beta(w, anthropic_tool_beta(type));
  if (w->host == ANTHROPIC_VERTEX && str_starts(type, STR("web_search_")))
    anthropic_beta(w, STR("web-search-2025-03-05"));
}

static bool only_named(const struct anthropic_writer *w, struct str name) {
  return w->c->choice != CHOICE_NAMED || w->model->forced || str_eq(name, w->c->choice_name);
}

static void write_native_tools(struct anthropic_writer *w) {
  for (size_t i = 0; i < w->c->native_count; i++) {
    const struct native_tool *tool = &w->c->native_tools[i];
    if (!is_own(w, tool)) {
      translation_drop(w->t, STR("tools"));
      continue;
    }
    if (!only_named(w, tool->name)) continue;
    if (w->out->len && w->out->ptr[w->out->len - 1] != '[') buf_char(w->out, ',');
    buf_str(w->out, tool->json);
    tool_betas(w, tool->type);
    w->may_pause |= !is_own_function(w, tool);
  }
}

static void write_place(struct anthropic_writer *w, struct str place) {
  static const struct str names[] = {{"city", 4}, {"region", 6}, {"country", 7}, {"timezone", 8}};
  struct json_doc doc = {0};
  if (place.len && encode_parse(&doc, place, 1, w->t)) {
    encode_object(w->out, STR("user_location"));
    buf_lit(w->out, "\"type\":\"approximate\"");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
      uint32_t value = json_get(&doc, 0, names[i]);
      if (json_is(&doc, value, JSON_STRING)) encode_json(w->out, names[i], json_raw(&doc, value));
    }
    buf_char(w->out, '}');
  }
  json_doc_free(&doc);
}

// Two tools of one name are refused.
static bool is_taken(const struct anthropic_writer *w, struct str name) {
  const struct conversation *c = w->c;
  bool taken = false;
  for (size_t i = 0; i < c->tool_count; i++) taken |= str_eq(c->tools[i].name, name);
  for (size_t i = 0; i < c->native_count; i++) taken |= str_eq(c->native_tools[i].name, name);
  return taken;
}

static bool searches(const struct anthropic_writer *w) {
  return w->c->web_search.asked_by.len && w->model->known && w->host != ANTHROPIC_BEDROCK &&
         only_named(w, STR("web_search")) && !is_taken(w, STR("web_search"));
}

static void write_search(struct anthropic_writer *w) {
  const struct web_search *s = &w->c->web_search;
  bool medium = !s->context_size.len || str_eq(s->context_size, STR("medium"));
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"web_search_20250305\",\"name\":\"web_search\"");
  if (s->max_uses) encode_u64(w->out, STR("max_uses"), s->max_uses);
  // Only one of the two lists is taken.
  if (s->allowed_domains.len)
    encode_json(w->out, STR("allowed_domains"), s->allowed_domains);
  else if (s->blocked_domains.len)
    encode_json(w->out, STR("blocked_domains"), s->blocked_domains);
  if (s->allowed_domains.len && s->blocked_domains.len) translation_drop(w->t, STR("blocked_domains"));
  if (!medium) translation_drop(w->t, STR("search_context_size"));
  write_place(w, s->user_location);
  buf_char(w->out, '}');
  tool_betas(w, STR("web_search_20250305"));
  w->may_pause = true;
}

// --- all of them ---

static void write_answer_tool(struct anthropic_writer *w) {
  struct tool answer = {.name = STR(ANTHROPIC_ANSWER_TOOL),
                        .description = STR("Gives the answer. Call it exactly once."),
                        .parameters = w->c->schema};
  write_tool(w, &answer);
  w->t->answer_tool = answer.name;
}

void anthropic_tools(struct anthropic_writer *w) {
  const struct conversation *c = w->c;
  size_t begin = w->out->len;
  encode_array(w->out, STR("tools"));
  size_t empty = w->out->len;
  for (size_t i = 0; i < c->tool_count; i++)
    if (only_named(w, c->tools[i].name)) write_tool(w, &c->tools[i]);
  write_native_tools(w);
  if (searches(w))
    write_search(w);
  else
    encode_note_web_search(c, w->t);
  w->offers_tools = w->out->len > empty;
  if (!c->tool_count) write_old_tools(w);
  if (w->emulates_format) write_answer_tool(w);
  w->has_tools = w->out->len > empty;
  if (w->has_tools)
    buf_char(w->out, ']');
  else if (!w->out->failed)
    w->out->len = begin;  // an empty list is refused
}

unsigned anthropic_count_tool_marks(const struct anthropic_writer *w) {
  const struct conversation *c = w->c;
  unsigned n = 0;
  for (size_t i = 0; i < c->native_count; i++)  // they go along as they are, marks and all
    n += str_find(c->native_tools[i].json, STR("\"cache_control\""), 0) != SIZE_MAX;
  for (size_t i = 0; i < c->tool_count; i++) n += c->tools[i].cache != CACHE_NONE;
  return n;
}

// --- which must be called ---

void anthropic_choice(struct anthropic_writer *w) {
  static const char *const words[] = {
      [CHOICE_AUTO] = "auto", [CHOICE_NONE] = "none", [CHOICE_REQUIRED] = "any", [CHOICE_NAMED] = "tool"};
  const struct conversation *c = w->c;
  enum tool_choice choice = c->choice;
  struct str name = c->choice_name;
  if (!w->offers_tools && !w->emulates_format) {
    if (w->has_tools) buf_lit(w->out, ",\"tool_choice\":{\"type\":\"none\"}");
    return;
  }
  if (w->emulates_format) {
    bool only = !w->offers_tools || choice == CHOICE_NONE;
    choice = only ? CHOICE_NAMED : CHOICE_REQUIRED;
    if (only) name = STR(ANTHROPIC_ANSWER_TOOL);
  }
  bool cannot = !w->model->forced || (w->thinks && !w->model->forced_thinking);
  if (choice >= CHOICE_REQUIRED && cannot) {
    choice = CHOICE_AUTO;
    translation_drop(w->t, w->emulates_format ? STR("response_format") : STR("tool_choice"));
  }
  if (choice == CHOICE_UNSET && c->parallel_calls == FLAG_NO) choice = CHOICE_AUTO;
  if (choice == CHOICE_UNSET) return;
  encode_object(w->out, STR("tool_choice"));
  encode_plain(w->out, STR("type"), str_from_cstr(words[choice]));
  if (choice == CHOICE_NAMED) encode_plain(w->out, STR("name"), name);
  if (c->parallel_calls == FLAG_NO && choice != CHOICE_NONE) buf_lit(w->out, ",\"disable_parallel_tool_use\":true");
  buf_char(w->out, '}');
}
