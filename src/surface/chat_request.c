// The request side of openai_chat.h, first half: checks what the client sent and takes what the gateway needs to know.
// OpenRouter is strict about the types and ranges of members it knows and lets pass what it does not know; so are we.
// Every refusal names the member and says what it should be.
#include <math.h>
#include <string.h>

#include "surface/chat_members.h"
#include "surface/chat_shared.h"

enum { MODEL_MAX = 256, USER_MAX = 1024, SESSION_MAX = 256, METADATA_KEY_MAX = 64, METADATA_VALUE_MAX = 512 };

static bool refuse(struct fault_note *note, struct str param, struct str message) {
  *note = (struct fault_note){FAULT_BAD_REQUEST, message, param};
  return false;
}

// --- one member against its row ---

static const char *types_text(unsigned types) {
  switch (types) {
    case CHAT_STRING: return "a string";
    case CHAT_ARRAY: return "an array";
    case CHAT_OBJECT: return "an object";
    case CHAT_NUMBER: return "a number";
    case CHAT_BOOL: return "true or false";
    case CHAT_STRING | CHAT_ARRAY: return "a string or an array of strings";
    default: return "a string or an object";
  }
}

// Short plain decimals, as nearly all requests have, without the detour over text and locale.
static bool number_of(const struct json_doc *doc, uint32_t value, double *out) {
  static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
  struct str raw = json_raw(doc, value);
  uint32_t digits = 0;
  size_t fraction = 0;
  bool negative = raw.ptr[0] == '-', point = false;
  if (raw.len > 9) return json_double(doc, value, out);
  for (size_t i = negative; i < raw.len; i++) {
    char c = raw.ptr[i];
    if (c == '.') {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') return json_double(doc, value, out);
    digits = digits * 10 + (uint32_t)(c - '0');
    fraction += point;
  }
  *out = digits / powers[fraction];
  if (negative) *out = -*out;
  return true;
}

static bool check_number(const struct json_doc *doc, const struct chat_member *m, uint32_t value, struct arena *arena,
                         struct fault_note *note) {
  double n;
  bool good = number_of(doc, value, &n);
  if (good && m->whole) good = floor(n) == n;
  if (good && m->range == CHAT_BETWEEN) good = n >= m->min && n <= m->max;
  if (good && m->range == CHAT_ABOVE) good = n > m->min && n <= m->max;
  if (good && m->range == CHAT_AT_LEAST) good = n >= m->min;
  if (good) return true;
  const char *what = m->whole ? "a whole number" : "a number";
  struct str text;
  switch ((enum chat_range)m->range) {
    case CHAT_BETWEEN: text = arena_printf(arena, "from %g to %g", m->min, m->max); break;
    case CHAT_ABOVE: text = arena_printf(arena, "above %g and up to %g", m->min, m->max); break;
    case CHAT_AT_LEAST: text = arena_printf(arena, "of at least %g", m->min); break;
    default: return refuse(note, m->name, arena_printf(arena, "\"%.*s\" must be %s.", STR_ARGS(m->name), what));
  }
  return refuse(note, m->name,
                arena_printf(arena, "\"%.*s\" must be %s %.*s.", STR_ARGS(m->name), what, STR_ARGS(text)));
}

// The elements of an array, or the values of an object.
static bool check_items(const struct json_doc *doc, const struct chat_member *m, uint32_t value, struct arena *arena,
                        struct fault_note *note) {
  bool object = json_is(doc, value, JSON_OBJECT);
  unsigned n = 0;
  for (uint32_t item = json_first(doc, value); item != JSON_NONE; item = json_next(doc, value, item), n++) {
    if (object) item = json_next(doc, value, item);
    if (m->items >> json_type(doc, item) & 1) continue;
    return refuse(note, m->name,
                  arena_printf(arena, "Every %s of \"%.*s\" must be %s; number %u is not.",
                               object ? "value" : "element", STR_ARGS(m->name), types_text(m->items), n + 1));
  }
  if (!m->items_max || n <= m->items_max) return true;
  return refuse(note, m->name,
                arena_printf(arena, "\"%.*s\" takes at most %u %s.", STR_ARGS(m->name), m->items_max,
                             object ? "pairs" : "elements"));
}

static bool check_member(const struct json_doc *doc, const struct chat_member *m, uint32_t value, struct arena *arena,
                         struct fault_note *note) {
  enum json_type type = json_type(doc, value);
  if (type == JSON_NULL) return true;  // "not given"
  if (!(m->types >> type & 1))
    return refuse(note, m->name, arena_printf(arena, "\"%.*s\" must be %s.", STR_ARGS(m->name), types_text(m->types)));
  if (type == JSON_NUMBER) return check_number(doc, m, value, arena, note);
  return type < JSON_ARRAY || !m->items || check_items(doc, m, value, arena, note);
}

// --- members with rules of their own ---

static bool check_no_messages(const struct json_doc *doc, struct fault_note *note) {
  if (json_get(doc, 0, STR("input")) != JSON_NONE)
    return refuse(
        note, STR("messages"),
        STR("This body has \"input\" and no \"messages\": it is made for the Responses API. Send \"messages\" "
            "here, or send it to /responses."));
  if (json_get(doc, 0, STR("prompt")) == JSON_NONE)
    return refuse(note, STR("messages"), STR("\"messages\" is missing: it must be an array of at least one message."));
  *note = (struct fault_note){FAULT_NOT_BUILT, STR("Text mode (\"prompt\") is not in this version. Send \"messages\"."),
                              STR("prompt")};
  return false;
}

// The members of a message that matter here, and what is unusual about it.
struct seen {
  uint32_t role, content;
  unsigned odd;
};

static struct seen look_at(const struct json_doc *doc, uint32_t message) {
  struct seen seen = {JSON_NONE, JSON_NONE, 0};
  for (uint32_t key = json_first(doc, message); key != JSON_NONE;) {
    uint32_t value = json_next(doc, message, key);
    if (json_string_is(doc, key, STR("role")))
      seen.role = value;
    else if (json_string_is(doc, key, STR("content")))
      seen.content = value;
    else if (json_string_is(doc, key, STR("name")))
      seen.odd |= CHAT_ODD_NAME;
    else if (json_string_is(doc, key, STR("tool_calls")))
      seen.odd |= CHAT_ODD_CALLS;
    else if (!json_string_is(doc, key, STR("tool_call_id")))
      seen.odd |= CHAT_ODD_OTHER;
    key = json_next(doc, message, value);
  }
  return seen;
}

// `before`: the role of the message before, or JSON_NONE.
static unsigned oddities(const struct json_doc *doc, const struct seen *seen, uint32_t before) {
  unsigned odd = seen->odd;
  bool parts = json_is(doc, seen->content, JSON_ARRAY);
  struct str role = chat_inside(doc, seen->role);
  if (parts) odd |= CHAT_ODD_PARTS;
  if (str_eq(role, STR("user")) || str_eq(role, STR("assistant"))) {
    if (str_eq(chat_inside(doc, before), role)) odd |= CHAT_ODD_REPEAT;
  } else if (str_eq(role, STR("tool"))) {
    if (parts) odd |= CHAT_ODD_RESULT;
  } else {
    if (before != JSON_NONE) odd |= CHAT_ODD_SYSTEM;
    if (str_eq(role, STR("developer"))) odd |= CHAT_ODD_DEVELOPER;
  }
  return odd;
}

static bool check_messages(struct chat_request *r, uint32_t messages, struct arena *arena, struct fault_note *note) {
  const struct json_doc *doc = &r->doc;
  struct str param = STR("messages");
  uint32_t before = JSON_NONE;
  if (json_type(doc, messages) == JSON_NULL) return check_no_messages(doc, note);
  unsigned n = 0;
  for (uint32_t m = json_first(doc, messages); m != JSON_NONE; m = json_next(doc, messages, m), n++) {
    struct seen seen = look_at(doc, m);
    if (!chat_has_text(doc, seen.role))
      return refuse(
          note, param,
          arena_printf(arena, "messages[%u] needs a \"role\": system, developer, user, assistant or tool.", n));
    enum json_type content = json_type(doc, seen.content);
    if (content != JSON_NULL && content != JSON_STRING && content != JSON_ARRAY)
      return refuse(note, param,
                    arena_printf(arena, "messages[%u].content must be a string, an array of parts or null.", n));
    r->odd |= (uint8_t)oddities(doc, &seen, before);
    before = seen.role;
  }
  return n ? true : refuse(note, param, STR("\"messages\" is empty: at least one message is needed."));
}

static bool check_logit_bias(const struct chat_request *r, struct fault_note *note) {
  const struct json_doc *doc = &r->doc;
  uint32_t bias = chat_member_at(r, CHAT_MEMBER_LOGIT_BIAS);
  for (uint32_t key = json_first(doc, bias); key != JSON_NONE;) {
    uint32_t value = json_next(doc, bias, key);
    double n;
    if (!json_double(doc, value, &n) || n < -100 || n > 100)
      return refuse(note, STR("logit_bias"), STR("Every value of \"logit_bias\" must be a number from -100 to 100."));
    key = json_next(doc, bias, value);
  }
  return true;
}

static bool check_metadata(const struct chat_request *r, struct fault_note *note) {
  const struct json_doc *doc = &r->doc;
  uint32_t metadata = chat_member_at(r, CHAT_MEMBER_METADATA);
  for (uint32_t key = json_first(doc, metadata); key != JSON_NONE;) {
    uint32_t value = json_next(doc, metadata, key);
    if (chat_inside(doc, key).len > METADATA_KEY_MAX || chat_inside(doc, value).len > METADATA_VALUE_MAX)
      return refuse(note, STR("metadata"),
                    STR("A key of \"metadata\" may have 64 characters, a value 512; one is longer."));
    key = json_next(doc, metadata, value);
  }
  return true;
}

static bool check_reasoning(const struct chat_request *r, struct fault_note *note) {
  const struct json_doc *doc = &r->doc;
  uint32_t reasoning = chat_member_at(r, CHAT_MEMBER_REASONING);
  if (reasoning == JSON_NONE) return true;
  uint32_t effort = json_get(doc, reasoning, STR("effort")), cap = json_get(doc, reasoning, STR("max_tokens"));
  struct str param = STR("reasoning");
  if (json_type(doc, effort) != JSON_NULL && !json_is(doc, effort, JSON_STRING))
    return refuse(note, param, STR("\"reasoning.effort\" must be a string."));
  if (json_type(doc, cap) != JSON_NULL && !json_is(doc, cap, JSON_NUMBER))
    return refuse(note, param, STR("\"reasoning.max_tokens\" must be a number."));
  struct str beside = chat_inside(doc, chat_member_at(r, CHAT_MEMBER_REASONING_EFFORT)),
             within = chat_inside(doc, effort);
  if (beside.len && within.len && !str_eq(beside, within))
    return refuse(note, param, STR("\"reasoning.effort\" and \"reasoning_effort\" differ: give one of them."));
  return true;
}

// --- what the gateway needs to know ---

static size_t characters(struct str s) {
  size_t n = 0;
  for (size_t i = 0; i < s.len; i++) n += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
  return n;
}

static bool take_string(struct chat_request *r, enum chat_member_id id, size_t max, struct arena *arena,
                        struct str *out, struct fault_note *note) {
  uint32_t value = chat_member_at(r, id);
  if (!json_is(&r->doc, value, JSON_STRING)) return true;
  struct str name = chat_member_row(id)->name;
  if (!json_string(&r->doc, value, arena, out))
    return refuse(note, name, arena_printf(arena, "\"%.*s\" holds half a surrogate pair.", STR_ARGS(name)));
  if (out->len > max && characters(*out) > max)
    return refuse(note, name, arena_printf(arena, "\"%.*s\" is longer than %zu characters.", STR_ARGS(name), max));
  return true;
}

static bool take_models(struct chat_request *r, struct arena *arena, struct fault_note *note) {
  uint32_t models = chat_member_at(r, CHAT_MEMBER_MODELS);
  for (uint32_t m = json_first(&r->doc, models); m != JSON_NONE; m = json_next(&r->doc, models, m)) {
    struct str *id = &r->models[r->model_count];
    if (!json_string(&r->doc, m, arena, id) || !id->len)
      return refuse(note, STR("models"), STR("\"models\" must hold IDs of models; one is empty or malformed."));
    r->model_count++;
  }
  return true;
}

static bool take_facts(struct chat_request *r, struct arena *arena, struct fault_note *note) {
  const struct json_doc *doc = &r->doc;
  if (!take_string(r, CHAT_MEMBER_MODEL, MODEL_MAX, arena, &r->model, note)) return false;
  if (!r->model.len && json_is(doc, chat_member_at(r, CHAT_MEMBER_MODEL), JSON_STRING))
    return refuse(note, STR("model"), STR("\"model\" is empty. GET /api/v1/models lists all models."));
  if (!take_string(r, CHAT_MEMBER_USER, USER_MAX, arena, &r->user, note)) return false;
  if (!take_string(r, CHAT_MEMBER_SESSION_ID, SESSION_MAX, arena, &r->session_id, note)) return false;
  if (!take_models(r, arena, note)) return false;
  r->stream = json_type(doc, chat_member_at(r, CHAT_MEMBER_STREAM)) == JSON_TRUE;
  r->require_parameters =
      json_type(doc, json_get(doc, chat_member_at(r, CHAT_MEMBER_PROVIDER), STR("require_parameters"))) == JSON_TRUE;
  uint32_t reasoning = chat_member_at(r, CHAT_MEMBER_REASONING);
  r->hides_reasoning =
      json_type(doc, json_get(doc, reasoning, STR("exclude"))) == JSON_TRUE ||
      (reasoning == JSON_NONE && json_type(doc, chat_member_at(r, CHAT_MEMBER_INCLUDE_REASONING)) == JSON_FALSE);
  struct str format = chat_inside(doc, json_get(doc, chat_member_at(r, CHAT_MEMBER_RESPONSE_FORMAT), STR("type")));
  r->wants_json = str_starts(format, STR("json_"));
  r->has_tools = json_first(doc, chat_member_at(r, CHAT_MEMBER_TOOLS)) != JSON_NONE;
  uint32_t cap = chat_member_at(r, CHAT_MEMBER_MAX_COMPLETION_TOKENS);
  if (!json_is(doc, cap, JSON_NUMBER)) cap = chat_member_at(r, CHAT_MEMBER_MAX_TOKENS);
  // One that has been checked and is no such number is beyond all of them.
  if (!json_u64(doc, cap, UINT64_MAX, &r->max_tokens)) r->max_tokens = json_is(doc, cap, JSON_NUMBER) ? UINT32_MAX : 0;
  return true;
}

// Pictures among the parts of one message; the request's doc does not reach into them.
static uint64_t images_in(struct json_doc *parts, struct str content) {
  uint64_t n = 0;
  if (json_parse(parts, content, 2) != JSON_OK) return 0;
  for (uint32_t part = json_first(parts, 0); part != JSON_NONE; part = json_next(parts, 0, part)) {
    uint32_t type = json_get(parts, part, STR("type"));
    n += json_string_is(parts, type, STR("image_url")) || json_string_is(parts, type, STR("input_image"));
  }
  return n;
}

uint64_t chat_request_images(const struct chat_request *r) {
  const struct json_doc *doc = &r->doc;
  uint32_t messages = chat_member_at(r, CHAT_MEMBER_MESSAGES);
  struct json_doc parts = {0};
  uint64_t n = 0;
  for (uint32_t m = json_first(doc, messages); m != JSON_NONE; m = json_next(doc, messages, m)) {
    uint32_t content = json_get(doc, m, STR("content"));
    if (json_is(doc, content, JSON_ARRAY)) n += images_in(&parts, json_raw(doc, content));
  }
  json_doc_free(&parts);
  return n;
}

// --- the whole body ---

// The key that came twice begins at error_at.
static struct str duplicate_text(struct str body, uint32_t at, struct arena *arena) {
  struct str rest = str_skip(body, at + 1);
  size_t end = json_string_end(rest, 0);
  struct str key = str_from(rest.ptr, end < 64 ? end : 0);
  return arena_printf(arena, "\"%.*s\" comes twice in the request body, the second time at byte %u. Send it once.",
                      STR_ARGS(key), at);
}

static bool parse(struct chat_request *r, struct arena *arena, struct fault_note *note) {
  // Messages' own members are looked at: the object is 0, "messages" 1, a message 2, its members 3.
  enum json_error error = json_parse(&r->doc, r->body, 3);
  struct str nothing = {0};
  switch (error) {
    case JSON_OK:
      if (json_is(&r->doc, 0, JSON_OBJECT)) return true;
      return refuse(note, nothing, STR("The request body must be a JSON object."));
    case JSON_NO_MEMORY: *note = (struct fault_note){FAULT_INTERNAL, STR("Out of memory."), nothing}; return false;
    case JSON_TOO_LARGE:
      *note = (struct fault_note){FAULT_TOO_LARGE, STR("The request body is too large."), nothing};
      return false;
    case JSON_DUPLICATE_KEY: return refuse(note, nothing, duplicate_text(r->body, r->doc.error_at, arena));
    default: break;
  }
  if (!r->body.len) return refuse(note, nothing, STR("The request body is empty: it must be a JSON object."));
  return refuse(note, nothing,
                arena_printf(arena, "The request body is not valid JSON: %s at byte %u.", json_error_text(error),
                             r->doc.error_at));
}

// Files every member in the index and checks it against its row.
static bool check_members(struct chat_request *r, struct arena *arena, struct fault_note *note) {
  const struct json_doc *doc = &r->doc;
  struct chat_index *index = arena_alloc(arena, sizeof *index);
  if (!index) return *note = (struct fault_note){FAULT_INTERNAL, STR("Out of memory."), {0}}, false;
  memset(index->at, 0xff, sizeof index->at);  // JSON_NONE
  index->present = 0;
  r->index = index;
  size_t n = 0;
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE; n++) {
    uint32_t value = json_next(doc, 0, key);
    enum chat_member_id id = chat_member_find(doc, key);
    if (n < sizeof index->ids) index->ids[n] = (uint8_t)id;
    index->present |= CHAT_BIT(id);
    if (id != CHAT_MEMBER_COUNT) {
      index->at[id] = value;
      if (!check_member(doc, chat_member_row(id), value, arena, note)) return false;
    }
    key = json_next(doc, 0, value);
  }
  return true;
}

bool chat_request_parse(struct chat_request *r, struct str body, struct arena *arena, struct fault_note *note) {
  *r = (struct chat_request){.body = body};
  *note = (struct fault_note){0};
  return parse(r, arena, note) && check_members(r, arena, note) &&
         check_messages(r, chat_member_at(r, CHAT_MEMBER_MESSAGES), arena, note) && check_logit_bias(r, note) &&
         check_metadata(r, note) && check_reasoning(r, note) && take_facts(r, arena, note);
}

void chat_request_free(struct chat_request *r) {
  json_doc_free(&r->doc);
}
