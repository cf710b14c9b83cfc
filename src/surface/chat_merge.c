// Merging: the request's members are written one after another, then the preset's that are new. Nothing is ever longer
// than both texts together, so the result is written into one block of the arena.
#include "surface/chat_merge.h"

#include <assert.h>
#include <stdlib.h>

#include "surface/chat_members.h"
#include "surface/chat_merge_names.h"
#include "surface/chat_shared.h"

enum { CACHE_TTL_MAX = 86400, ROOM = 256, ESCAPED = 6 };

static bool trouble(struct fault_note *note, enum fault fault, struct str message) {
  *note = (struct fault_note){fault, message, {0}};
  return false;
}

static bool no_memory(struct fault_note *note) {
  return trouble(note, FAULT_INTERNAL, STR("Out of memory."));
}

// A buffer in the arena that never grows.
static bool room_for(struct buf *out, struct arena *arena, size_t size) {
  *out = (struct buf){.ptr = arena_alloc(arena, size), .cap = size, .max = size};
  return out->ptr != NULL;
}

// A member that is there and not null.
static uint32_t given(const struct json_doc *doc, struct str name) {
  uint32_t value = json_get(doc, 0, name);
  return json_type(doc, value) == JSON_NULL ? JSON_NONE : value;
}

static bool has(const struct json_doc *doc, struct str name) {
  return given(doc, name) != JSON_NONE;
}

static void write_value(struct buf *out, struct str name, struct str json) {
  json_write_key(out, name);
  buf_str(out, json);
}

// The request's body: its messages' own members are looked at.
static bool parse_body(struct json_doc *doc, struct str body, struct arena *arena, struct fault_note *note) {
  enum json_error error = json_parse(doc, body, 3);
  if (error == JSON_NO_MEMORY) return no_memory(note);
  if (error == JSON_TOO_LARGE) return trouble(note, FAULT_TOO_LARGE, STR("The request body is too large."));
  if (error != JSON_OK)
    return trouble(note, FAULT_BAD_REQUEST,
                   arena_printf(arena, "The request body is not valid JSON: %s at byte %u.", json_error_text(error),
                                doc->error_at));
  if (json_is(doc, 0, JSON_OBJECT)) return true;
  return trouble(note, FAULT_BAD_REQUEST, STR("The request body must be a JSON object."));
}

// --- tools ---

struct toolset {
  struct json_doc doc;  // the array
  uint32_t count;
};

static bool toolset_parse(struct toolset *set, struct str json) {
  if (json_parse(&set->doc, json, 3) != JSON_OK) return false;
  for (uint32_t t = json_first(&set->doc, 0); t != JSON_NONE; t = json_next(&set->doc, 0, t)) set->count++;
  return true;
}

// What makes two tools the same: a function's name, else the type, and of an advisor or subagent its name, too.
struct identity {
  struct str kind, name;  // in the text or the arena
};

static bool string_at(const struct json_doc *doc, uint32_t node, struct arena *arena, struct str *out) {
  *out = (struct str){0};
  return json_is(doc, node, JSON_STRING) && json_string(doc, node, arena, out);
}

// False: it has none (no object, no name): nothing is the same as it.
static bool identity_of(const struct json_doc *doc, uint32_t tool, struct arena *arena, struct identity *id) {
  uint32_t function = json_get(doc, tool, STR("function"));
  uint32_t inner = json_get(doc, json_is(doc, function, JSON_OBJECT) ? function : tool, STR("name"));
  bool typed = string_at(doc, json_get(doc, tool, STR("type")), arena, &id->kind);
  if (!typed && json_is(doc, function, JSON_OBJECT)) id->kind = STR("function");
  if (str_eq(id->kind, STR("function"))) return string_at(doc, inner, arena, &id->name);
  id->name = (struct str){0};
  if (str_find(id->kind, STR("advisor"), 0) == SIZE_MAX && str_find(id->kind, STR("subagent"), 0) == SIZE_MAX)
    return typed;
  uint32_t name = json_get(doc, json_get(doc, tool, STR("parameters")), STR("name"));
  if (!string_at(doc, name, arena, &id->name)) string_at(doc, inner, arena, &id->name);
  id->name = str_trim(id->name);
  return typed;
}

static void write_tool(struct buf *out, const struct json_doc *doc, uint32_t tool) {
  if (out->ptr[out->len - 1] != '[') buf_char(out, ',');
  buf_str(out, json_raw(doc, tool));
}

struct own_tool {
  struct identity id;
  uint32_t node, place;  // place: among the request's
  bool known, taken;
};

static int compare(struct str a, struct str b) {
  size_t n = a.len < b.len ? a.len : b.len;
  int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
  return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_identity(const void *a, const void *b) {
  const struct own_tool *x = a, *y = b;
  int order = compare(x->id.name, y->id.name);
  if (!order) order = compare(x->id.kind, y->id.kind);
  return order ? order : (x->place > y->place) - (x->place < y->place);
}

static int by_place(const void *a, const void *b) {
  const struct own_tool *x = a, *y = b;
  return (x->place > y->place) - (x->place < y->place);
}

// The first of the request's tools that is the same and has not been taken; NULL: none. Sorted by identity.
static struct own_tool *same_tool(struct own_tool *tools, uint32_t count, const struct identity *id) {
  uint32_t low = 0, high = count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    int order = compare(tools[middle].id.name, id->name);
    if (!order) order = compare(tools[middle].id.kind, id->kind);
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  struct own_tool *t = low < count ? &tools[low] : NULL;
  if (!t || !t->known || !str_eq(t->id.name, id->name) || !str_eq(t->id.kind, id->kind)) return NULL;
  return t;
}

// The preset's in their order, but as the request defines them, then what only the request has. False: out of memory.
static bool unite(struct toolset *theirs, struct toolset *own, struct arena *arena, struct buf *out) {
  struct own_tool *tools = arena_zalloc(arena, (own->count + 1) * sizeof *tools);
  if (!tools) return false;
  uint32_t n = 0;
  for (uint32_t t = json_first(&own->doc, 0); t != JSON_NONE; t = json_next(&own->doc, 0, t), n++) {
    tools[n] = (struct own_tool){.node = t, .place = n};
    tools[n].known = identity_of(&own->doc, t, arena, &tools[n].id);
    if (!tools[n].known) tools[n].id = (struct identity){0};
  }
  qsort(tools, n, sizeof *tools, by_identity);
  buf_char(out, '[');
  for (uint32_t t = json_first(&theirs->doc, 0); t != JSON_NONE; t = json_next(&theirs->doc, 0, t)) {
    struct identity id = {0};
    struct own_tool *same = identity_of(&theirs->doc, t, arena, &id) ? same_tool(tools, n, &id) : NULL;
    if (!same)
      write_tool(out, &theirs->doc, t);
    else if (!same->taken)
      write_tool(out, &own->doc, same->node);
    if (same) same->taken = true;
  }
  qsort(tools, n, sizeof *tools, by_place);
  for (uint32_t i = 0; i < n; i++)
    if (!tools[i].taken) write_tool(out, &own->doc, tools[i].node);
  buf_char(out, ']');
  return !arena->failed;
}

static bool write_tools(struct str theirs, struct str own, struct arena *arena, struct buf *out) {
  struct toolset a = {0}, b = {0};
  bool ok = toolset_parse(&a, theirs) && toolset_parse(&b, own) && unite(&a, &b, arena, out);
  json_doc_free(&a.doc);
  json_doc_free(&b.doc);
  return ok;
}

// --- messages ---

static bool is_of_system(const struct json_doc *doc, uint32_t message) {
  uint32_t role = json_get(doc, message, STR("role"));
  return json_string_is(doc, role, STR("system")) || json_string_is(doc, role, STR("developer"));
}

static bool instructs(const struct json_doc *doc, uint32_t messages) {
  for (uint32_t m = json_first(doc, messages); m != JSON_NONE; m = json_next(doc, messages, m))
    if (is_of_system(doc, m)) return true;
  return false;
}

// No message is added to none: that the request has none is told as ever.
static void write_messages(struct buf *out, const struct json_doc *doc, uint32_t messages, struct str prompt) {
  struct str raw = json_raw(doc, messages);
  bool add = prompt.len && json_is(doc, messages, JSON_ARRAY) && json_first(doc, messages) != JSON_NONE &&
             !instructs(doc, messages);
  if (!add) {
    buf_str(out, raw);
    return;
  }
  buf_lit(out, "[{\"role\":\"system\",\"content\":");
  json_write_str(out, prompt);
  buf_lit(out, "},");
  buf_str(out, str_skip(raw, 1));
}

// --- the merge ---

struct merge {
  struct json_doc own, theirs;
  struct str prompt;
  struct chat_merge_names names;
  bool caps, reasons;  // the request has a member of the group
  bool names_models;   // it has models, but no model
  struct arena *arena;
  struct buf out;
};

// Is the preset's member of no use, since the request says the same otherwise?
static bool is_overruled(const struct merge *m, enum chat_member_id id) {
  switch (id) {
    case CHAT_MEMBER_MAX_TOKENS:
    case CHAT_MEMBER_MAX_COMPLETION_TOKENS: return m->caps;
    case CHAT_MEMBER_REASONING:
    case CHAT_MEMBER_REASONING_EFFORT:
    case CHAT_MEMBER_INCLUDE_REASONING: return m->reasons;
    case CHAT_MEMBER_MODEL: return m->names_models;
    case CHAT_MEMBER_PRESET:
    case CHAT_MEMBER_MESSAGES: return true;
    default: return false;
  }
}

static bool is_for_gateway(const struct json_doc *doc, uint32_t key) {
  return json_string_is(doc, key, STR("cache_enabled")) || json_string_is(doc, key, STR("cache_ttl_seconds"));
}

static void look_at_request(struct merge *m) {
  const struct json_doc *doc = &m->own;
  m->caps = has(doc, STR("max_tokens")) || has(doc, STR("max_completion_tokens"));
  m->reasons = has(doc, STR("reasoning")) || has(doc, STR("reasoning_effort")) || has(doc, STR("include_reasoning"));
  m->names_models = has(doc, STR("models")) && !has(doc, STR("model"));
}

// One member of the request that is not null; a tool list that cannot be united is left to the check behind us.
static bool write_own(struct merge *m, uint32_t key, uint32_t value) {
  const struct json_doc *doc = &m->own;
  uint32_t theirs = JSON_NONE;
  switch (chat_member_find(doc, key)) {
    case CHAT_MEMBER_PRESET: return true;
    case CHAT_MEMBER_MODEL:
      if (!m->names.replaces_model) break;
      if (m->names.model.len) write_value(&m->out, STR("model"), m->names.model);
      return true;
    case CHAT_MEMBER_MODELS:
      if (!m->names.models.len) break;
      write_value(&m->out, STR("models"), m->names.models);
      return true;
    case CHAT_MEMBER_MESSAGES:
      json_write_key(&m->out, STR("messages"));
      write_messages(&m->out, doc, value, m->prompt);
      return true;
    case CHAT_MEMBER_TOOLS:
      theirs = given(&m->theirs, STR("tools"));
      if (!json_is(&m->theirs, theirs, JSON_ARRAY) || !json_is(doc, value, JSON_ARRAY)) break;
      json_write_key(&m->out, STR("tools"));
      return write_tools(json_raw(&m->theirs, theirs), json_raw(doc, value), m->arena, &m->out);
    default: break;
  }
  chat_copy_member(doc, key, value, &m->out);
  return true;
}

// A null goes on where the preset has nothing for its place.
static bool gives_way(const struct merge *m, uint32_t key, uint32_t value) {
  if (json_type(&m->own, value) != JSON_NULL) return false;
  struct str name;
  if (!string_at(&m->own, key, m->arena, &name)) return false;
  return has(&m->theirs, name) && !is_overruled(m, chat_member_find(&m->own, key));
}

static void write_theirs(struct merge *m, uint32_t key, uint32_t value) {
  if (chat_member_find(&m->theirs, key) == CHAT_MEMBER_MODELS && m->names.models.len)
    write_value(&m->out, STR("models"), m->names.models);
  else
    chat_copy_member(&m->theirs, key, value, &m->out);
}

static bool write_all(struct merge *m) {
  buf_char(&m->out, '{');
  for (uint32_t key = json_first(&m->own, 0); key != JSON_NONE;) {
    uint32_t value = json_next(&m->own, 0, key);
    if (!gives_way(m, key, value) && !write_own(m, key, value)) return false;
    key = json_next(&m->own, 0, value);
  }
  for (uint32_t key = json_first(&m->theirs, 0); key != JSON_NONE;) {
    uint32_t value = json_next(&m->theirs, 0, key);
    struct str name;
    if (json_type(&m->theirs, value) != JSON_NULL && string_at(&m->theirs, key, m->arena, &name) &&
        !has(&m->own, name) && !is_overruled(m, chat_member_find(&m->theirs, key)) && !is_for_gateway(&m->theirs, key))
      write_theirs(m, key, value);
    key = json_next(&m->theirs, 0, value);
  }
  buf_char(&m->out, '}');
  return !m->arena->failed;
}

static void read_flags(const struct json_doc *config, struct chat_merge_flags *flags) {
  double seconds;
  flags->has_cache_enabled = json_bool(config, given(config, STR("cache_enabled")), &flags->cache_enabled);
  flags->has_cache_ttl = json_double(config, given(config, STR("cache_ttl_seconds")), &seconds);
  if (!flags->has_cache_ttl) return;
  flags->cache_ttl_seconds = seconds < 1 ? 1 : seconds > CACHE_TTL_MAX ? CACHE_TTL_MAX : (uint64_t)seconds;
}

static bool merge_into(struct merge *m, struct str body, const struct chat_preset *preset, struct str *out,
                       struct chat_merge_flags *flags, struct fault_note *note) {
  if (!parse_body(&m->own, body, m->arena, note)) return false;
  enum json_error error = json_parse(&m->theirs, preset->config, 2);
  if (error == JSON_NO_MEMORY) return no_memory(note);
  if (error != JSON_OK || !json_is(&m->theirs, 0, JSON_OBJECT))
    return trouble(note, FAULT_INTERNAL, STR("The preset is damaged: its configuration is no JSON object."));
  read_flags(&m->theirs, flags);
  look_at_request(m);
  if (!chat_merge_names(&m->own, &m->theirs, m->arena, &m->names)) return no_memory(note);
  if (m->names.none)
    return trouble(note, FAULT_BAD_REQUEST,
                   STR("The preset names no model. Put one before it: \"author/model@preset/slug\"."));
  size_t most = body.len + preset->config.len + m->names.model.len + m->names.models.len +
                ESCAPED * preset->system_prompt.len + ROOM;
  if (!room_for(&m->out, m->arena, most) || !write_all(m)) return no_memory(note);
  assert(!m->out.failed);
  *out = buf_view(&m->out);
  return true;
}

bool chat_merge(struct str body, const struct chat_preset *preset, struct arena *arena, struct str *out,
                struct chat_merge_flags *flags, struct fault_note *note) {
  struct merge m = {.prompt = preset->system_prompt, .arena = arena};
  *note = (struct fault_note){0};
  *flags = (struct chat_merge_flags){0};
  bool ok = merge_into(&m, body, preset, out, flags, note);
  json_doc_free(&m.own);
  json_doc_free(&m.theirs);
  return ok;
}

// --- variants ---

static bool searches_already(const struct json_doc *doc) {
  if (has(doc, STR("web_search_options"))) return true;
  uint32_t plugins = json_get(doc, 0, STR("plugins")), tools = json_get(doc, 0, STR("tools"));
  for (uint32_t p = json_first(doc, plugins); p != JSON_NONE; p = json_next(doc, plugins, p))
    if (json_string_is(doc, json_get(doc, p, STR("id")), STR("web"))) return true;
  for (uint32_t t = json_first(doc, tools); t != JSON_NONE; t = json_next(doc, tools, t)) {
    struct str type = chat_inside(doc, json_get(doc, t, STR("type")));
    if (str_starts(type, STR("openrouter:web_search")) || str_starts(type, STR("web_search"))) return true;
  }
  return false;
}

static bool reasons_already(const struct json_doc *doc) {
  return has(doc, STR("reasoning")) || has(doc, STR("reasoning_effort")) || has(doc, STR("include_reasoning"));
}

static void write_plugins(struct buf *out, struct str before) {
  json_write_key(out, STR("plugins"));
  buf_str(out, before);  // up to the closing bracket
  if (before.ptr[before.len - 1] != '[') buf_char(out, ',');
  buf_lit(out, "{\"id\":\"web\"}]");
}

static void write_variant(const struct json_doc *doc, bool thinking, bool online, struct buf *out) {
  buf_char(out, '{');
  bool plugins = false;
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE;) {
    uint32_t value = json_next(doc, 0, key);
    enum chat_member_id id = chat_member_find(doc, key);
    struct str raw = json_raw(doc, value);
    bool is_null = json_type(doc, value) == JSON_NULL;
    if (id == CHAT_MEMBER_PLUGINS && online && !is_null) {
      write_plugins(out, json_first(doc, value) == JSON_NONE ? STR("[") : str_from(raw.ptr, raw.len - 1));
      plugins = true;
    } else if (!is_null || ((id != CHAT_MEMBER_PLUGINS || !online) && (id != CHAT_MEMBER_REASONING || !thinking))) {
      chat_copy_member(doc, key, value, out);
    }
    key = json_next(doc, 0, value);
  }
  if (thinking) write_value(out, STR("reasoning"), STR("{\"enabled\":true}"));
  if (online && !plugins) write_plugins(out, STR("["));
  buf_char(out, '}');
}

bool chat_merge_variant(struct str body, bool thinking, bool online, struct arena *arena, struct str *out,
                        struct fault_note *note) {
  struct json_doc doc = {0};
  struct buf made;
  *note = (struct fault_note){0};
  *out = body;
  bool ok = parse_body(&doc, body, arena, note);
  if (ok) {
    uint32_t plugins = given(&doc, STR("plugins"));
    thinking = thinking && !reasons_already(&doc);
    online = online && !searches_already(&doc) && (plugins == JSON_NONE || json_is(&doc, plugins, JSON_ARRAY));
  }
  if (ok && (thinking || online)) {
    ok = room_for(&made, arena, body.len + ROOM) || no_memory(note);
    if (ok) {
      write_variant(&doc, thinking, online, &made);
      assert(!made.failed);
      *out = buf_view(&made);
    }
  }
  json_doc_free(&doc);
  return ok;
}

bool chat_request_vary(struct chat_request *r, bool thinking, bool online, struct arena *arena,
                       struct fault_note *note) {
  struct str body = r->body, varied;
  *note = (struct fault_note){0};
  if (!thinking && !online) return true;
  if (!chat_merge_variant(body, thinking, online, arena, &varied, note)) return false;
  if (varied.ptr == body.ptr) return true;
  chat_request_free(r);
  return chat_request_parse(r, varied, arena, note);
}
