// Making a preset of a request (chat_merge.h): which members it keeps, and the system's words.
#include "policy/model_name.h"
#include "surface/chat_members.h"
#include "surface/chat_merge.h"
#include "surface/chat_shared.h"
#include "surface/preferences.h"

static bool refuse(struct fault_note *note, const char *param, struct str message) {
  *note = (struct fault_note){message.len ? FAULT_BAD_REQUEST : FAULT_INTERNAL,
                              message.len ? message : STR("Out of memory."), str_from_cstr(param)};
  return false;
}

static bool no_memory(struct fault_note *note) {
  return refuse(note, NULL, (struct str){0});
}

// What one request says of itself rather than of how all like it should be answered.
static bool is_kept(const struct json_doc *doc, uint32_t key) {
  switch (chat_member_find(doc, key)) {
    case CHAT_MEMBER_MESSAGES:
    case CHAT_MEMBER_STREAM:
    case CHAT_MEMBER_STREAM_OPTIONS:
    case CHAT_MEMBER_USER:
    case CHAT_MEMBER_USAGE:
    case CHAT_MEMBER_N:
    case CHAT_MEMBER_PREDICTION:
    case CHAT_MEMBER_METADATA:
    case CHAT_MEMBER_PROMPT_CACHE_KEY:
    case CHAT_MEMBER_PRESET:
    case CHAT_MEMBER_SESSION_ID:
    case CHAT_MEMBER_TRACE:
    case CHAT_MEMBER_DEBUG: return false;
    case CHAT_MEMBER_COUNT:
      return json_string_is(doc, key, STR("cache_enabled")) || json_string_is(doc, key, STR("cache_ttl_seconds")) ||
             json_string_is(doc, key, STR("structured_outputs"));
    default: return true;
  }
}

static bool parse(struct json_doc *doc, struct str body, struct arena *arena, struct fault_note *note) {
  enum json_error error = json_parse(doc, body, 5);  // a part of a message's content is at 4, its text at 5
  if (error == JSON_NO_MEMORY) return no_memory(note);
  if (error != JSON_OK)
    return refuse(note, NULL,
                  arena_printf(arena, "The request body is not valid JSON: %s at byte %u.", json_error_text(error),
                               doc->error_at));
  if (json_is(doc, 0, JSON_OBJECT)) return true;
  return refuse(note, NULL, STR("The request body must be a JSON object."));
}

// --- the system's words ---

static bool add_text(const struct json_doc *doc, uint32_t node, struct arena *arena, struct buf *out,
                     struct fault_note *note) {
  struct str text = {0};
  if (!chat_has_text(doc, node)) return true;
  if (!json_string(doc, node, arena, &text))
    return arena->failed ? no_memory(note)
                         : refuse(note, "messages", STR("The system's message holds half a surrogate pair."));
  if (out->len) buf_lit(out, "\n\n");
  buf_str(out, text);
  return true;
}

static bool add_message(const struct json_doc *doc, uint32_t message, struct arena *arena, struct buf *out,
                        struct fault_note *note) {
  uint32_t role = json_get(doc, message, STR("role")), content = json_get(doc, message, STR("content"));
  if (!json_string_is(doc, role, STR("system")) && !json_string_is(doc, role, STR("developer"))) return true;
  if (!json_is(doc, content, JSON_ARRAY)) return add_text(doc, content, arena, out, note);
  for (uint32_t part = json_first(doc, content); part != JSON_NONE; part = json_next(doc, content, part))
    if (!add_text(doc, json_get(doc, part, STR("text")), arena, out, note)) return false;
  return true;
}

static bool read_prompt(const struct json_doc *doc, struct arena *arena, struct buf *out, struct fault_note *note) {
  uint32_t messages = json_get(doc, 0, STR("messages")), prompt = json_get(doc, 0, STR("system_prompt"));
  if (json_type(doc, messages) != JSON_NULL && !json_is(doc, messages, JSON_ARRAY))
    return refuse(note, "messages", STR("\"messages\" must be an array."));
  if (json_type(doc, prompt) != JSON_NULL && !json_is(doc, prompt, JSON_STRING))
    return refuse(note, "system_prompt", STR("\"system_prompt\" must be a string."));
  for (uint32_t m = json_first(doc, messages); m != JSON_NONE; m = json_next(doc, messages, m))
    if (!add_message(doc, m, arena, out, note)) return false;
  return out->len || add_text(doc, prompt, arena, out, note);
}

// --- the members ---

static bool check_cache(const struct json_doc *doc, struct fault_note *note) {
  uint32_t enabled = json_get(doc, 0, STR("cache_enabled")), ttl = json_get(doc, 0, STR("cache_ttl_seconds"));
  bool on;
  double seconds;
  if (json_type(doc, enabled) != JSON_NULL && !json_bool(doc, enabled, &on))
    return refuse(note, "cache_enabled", STR("\"cache_enabled\" must be true or false."));
  if (json_type(doc, ttl) != JSON_NULL && (!json_double(doc, ttl, &seconds) || seconds < 1 || seconds > 86400))
    return refuse(note, "cache_ttl_seconds", STR("\"cache_ttl_seconds\" must be a number from 1 to 86400."));
  return true;
}

// A preset that names a preset would have to be looked up again and again.
static bool check_models(const struct chat_request *r, struct fault_note *note) {
  struct str slug = model_name_split(r->model).preset;
  for (unsigned i = 0; i < r->model_count && !slug.len; i++) slug = model_name_split(r->models[i]).preset;
  if (!slug.len) return true;
  return refuse(note, "model", STR("A preset's model must be a model, not another preset."));
}

// The check that a request with these members would meet.
static bool check_members(struct str config, struct arena *arena, struct fault_note *note) {
  struct chat_request r = {0};
  struct buf whole;
  buf_init(&whole, CHAT_PRESET_MAX + 128);
  buf_append(&whole, config.ptr, config.len - 1);
  json_write_key(&whole, STR("messages"));
  buf_lit(&whole, "[{\"role\":\"user\",\"content\":\"\"}]}");
  bool ok = !whole.failed || no_memory(note);
  if (ok) {
    // What it says may point into a buffer that does not last.
    struct preferences preferences;
    ok = chat_request_parse(&r, buf_view(&whole), arena, note) && check_models(&r, note) &&
         preferences_read(&r, arena, &preferences, note);
    note->message = arena_str(arena, note->message);
    note->param = arena_str(arena, note->param);
    chat_request_free(&r);
  }
  buf_free(&whole);
  return ok && (!arena->failed || no_memory(note));
}

static void write_members(const struct json_doc *doc, struct buf *out) {
  buf_char(out, '{');
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE;) {
    uint32_t value = json_next(doc, 0, key);
    if (json_type(doc, value) != JSON_NULL && is_kept(doc, key)) chat_copy_member(doc, key, value, out);
    key = json_next(doc, 0, value);
  }
  buf_char(out, '}');
}

static bool make(const struct json_doc *doc, struct arena *arena, struct buf *config, struct buf *prompt,
                 struct chat_preset *out, struct fault_note *note) {
  if (!check_cache(doc, note) || !read_prompt(doc, arena, prompt, note)) return false;
  write_members(doc, config);
  if (config->len + prompt->len > CHAT_PRESET_MAX)
    return refuse(note, NULL, STR("The preset is too large: its members and system prompt may have 256 KiB in all."));
  if (config->failed || prompt->failed) return no_memory(note);
  if (!check_members(buf_view(config), arena, note)) return false;
  *out = (struct chat_preset){arena_str(arena, buf_view(config)), arena_str(arena, buf_view(prompt))};
  return !arena->failed || no_memory(note);
}

bool chat_preset_read(struct str body, struct arena *arena, struct chat_preset *out, struct fault_note *note) {
  struct json_doc doc = {0};
  struct buf config, prompt;
  *note = (struct fault_note){0};
  buf_init(&config, body.len + 16);
  buf_init(&prompt, 2 * body.len + 16);
  bool ok = parse(&doc, body, arena, note) && make(&doc, arena, &config, &prompt, out, note);
  json_doc_free(&doc);
  buf_free(&config);
  buf_free(&prompt);
  return ok;
}
