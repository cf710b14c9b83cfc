// A chat request in the common form (llm/conversation.h), for providers that speak another dialect. Whatever has no
// place there is either refused, with the part at fault, or listed by name.
#include <string.h>

#include "base/limits.h"
#include "provider/encode.h"
#include "surface/chat_members.h"
#include "surface/chat_reading.h"
#include "surface/chat_shared.h"

static bool message_wrong(struct reading *r, const char *what) {
  return reading_refuse(r, STR("messages"), arena_printf(r->arena, "messages[%u]%s", r->message, what));
}

static struct str number(struct reading *r, struct str name) {
  uint32_t value = json_get(r->doc, 0, name);
  return json_is(r->doc, value, JSON_NUMBER) ? json_raw(r->doc, value) : (struct str){0};
}

// --- media ---

// Splits a data URL (RFC 2397); any other is kept as it is. False: it is one, but not in base64.
static bool media_url(struct part *p, struct str url) {
  if (!str_starts_nocase(url, STR("data:"))) {
    p->url = url;
    return true;
  }
  size_t comma = str_find_char(url, ',', 0);
  if (comma == SIZE_MAX) return false;
  struct str head = str_from(url.ptr + 5, comma - 5);
  if (!str_ends(head, STR(";base64"))) return false;
  head.len -= 7;
  size_t end = str_find_char(head, ';', 0);
  p->media_type = end == SIZE_MAX ? head : str_from(head.ptr, end);
  p->data = str_skip(url, comma + 1);
  return p->data.len != 0;
}

static bool read_media(struct reading *r, uint32_t part, struct str member, enum part_kind kind, struct part *p) {
  uint32_t value = json_get(r->doc, part, member);
  struct str url = {0};
  p->kind = kind;
  if (json_is(r->doc, value, JSON_STRING)) {
    if (!reading_plain(r, part, member, &url)) return false;
  } else if (!reading_plain(r, value, STR("url"), &url) || !reading_plain(r, value, STR("detail"), &p->detail)) {
    return false;
  }
  if (!url.len) return message_wrong(r, ": an image or video part needs a url.");
  return media_url(p, url) || message_wrong(r, ": a data URL must be of the form data:TYPE;base64,DATA.");
}

// Mistral's way: a string, base64 or a URL, that does not say its format.
static bool read_bare_audio(struct reading *r, uint32_t part, struct part *p) {
  if (!reading_plain(r, part, STR("input_audio"), &p->data)) return false;
  bool mp3 = str_starts(p->data, STR("SUQz")) || str_starts(p->data, STR("//"));
  if (str_find(p->data, STR("://"), 0) != SIZE_MAX || str_starts_nocase(p->data, STR("data:"))) {
    struct str url = p->data;
    p->data = (struct str){0};
    if (!media_url(p, url)) return message_wrong(r, ": a data URL must be of the form data:TYPE;base64,DATA.");
  }
  if (!p->media_type.len) p->media_type = mp3 ? STR("audio/mp3") : STR("audio/wav");
  return p->data.len || p->url.len || message_wrong(r, ": input_audio is empty.");
}

static bool read_audio(struct reading *r, uint32_t part, struct part *p) {
  uint32_t audio = json_get(r->doc, part, STR("input_audio"));
  struct str format;
  p->kind = PART_AUDIO;
  if (json_is(r->doc, audio, JSON_STRING)) return read_bare_audio(r, part, p);
  if (!reading_plain(r, audio, STR("data"), &p->data) || !reading_plain(r, audio, STR("format"), &format)) return false;
  if (!p->data.len) return message_wrong(r, ": input_audio needs \"data\" (base64) and \"format\".");
  if (str_starts_nocase(p->data, STR("data:")) && !media_url(p, p->data))
    return message_wrong(r, ": a data URL must be of the form data:TYPE;base64,DATA.");
  if (!format.len) format = STR("wav");
  if (!p->media_type.len) p->media_type = arena_printf(r->arena, "audio/%.*s", STR_ARGS(format));
  return p->media_type.ptr || reading_no_memory(r);
}

static struct str type_of_name(struct str name) {
  static const struct {
    struct str end, type;
  } rows[] = {{{".pdf", 4}, {"application/pdf", 15}},
              {{".txt", 4}, {"text/plain", 10}},
              {{".md", 3}, {"text/markdown", 13}},
              {{".csv", 4}, {"text/csv", 8}},
              {{".html", 5}, {"text/html", 9}}};
  for (size_t i = 0; i < CHAT_COUNT(rows); i++)
    if (name.len >= rows[i].end.len && str_eq_nocase(str_skip(name, name.len - rows[i].end.len), rows[i].end))
      return rows[i].type;
  return STR("application/pdf");
}

static bool read_file(struct reading *r, uint32_t part, struct part *p) {
  uint32_t file = json_get(r->doc, part, STR("file"));
  struct str data;
  uint32_t cited = json_get(r->doc, json_get(r->doc, part, STR("citations")), STR("enabled"));
  p->kind = PART_FILE;
  p->cited = json_type(r->doc, cited) == JSON_TRUE;
  p->context = reading_inside(r, part, STR("context"));
  if (!reading_plain(r, file, STR("filename"), &p->name) || !reading_plain(r, file, STR("file_id"), &p->id) ||
      !reading_plain(r, file, STR("file_data"), &data))
    return false;
  if (!data.len && !reading_plain(r, file, STR("file_url"), &data)) return false;
  if (!data.len && !p->id.len && !reading_plain(r, part, STR("file_id"), &p->id)) return false;  // Mistral's way
  if (!data.len && !p->id.len) return message_wrong(r, ": a file part needs \"file_data\" (a data URL or a URL).");
  if (!data.len) return true;
  bool url = str_starts_nocase(data, STR("http://")) || str_starts_nocase(data, STR("https://"));
  if (url || str_starts_nocase(data, STR("data:"))) {
    if (!media_url(p, data)) return message_wrong(r, ": a data URL must be of the form data:TYPE;base64,DATA.");
  } else {
    p->data = data;
  }
  if (!p->media_type.len) p->media_type = type_of_name(p->name);
  return true;
}

// Mistral's way of a file.
static bool read_document_url(struct reading *r, uint32_t part, struct part *p) {
  struct str url;
  p->kind = PART_FILE;
  if (!reading_plain(r, part, STR("document_url"), &url) || !reading_plain(r, part, STR("document_name"), &p->name))
    return false;
  if (!url.len || !media_url(p, url))
    return message_wrong(r, ": document_url must be a URL, or data:TYPE;base64,DATA.");
  if (!p->media_type.len) p->media_type = type_of_name(p->name);
  return true;
}

// Cohere's documents: for all others the text that their data is.
static bool read_document(struct reading *r, uint32_t part, uint32_t data, struct part *p) {
  struct buf text;
  p->kind = PART_TEXT;
  p->native = json_raw(r->doc, part);
  if (json_is(r->doc, data, JSON_STRING)) return p->text = chat_inside(r->doc, data), true;
  buf_init(&text, LIMIT_REPLY_BODY);
  json_write_str(&text, json_raw(r->doc, data));
  if (!text.failed) p->text = arena_str(r->arena, str_from(text.ptr + 1, text.len - 2));
  buf_free(&text);
  return p->text.ptr || reading_no_memory(r);
}

static bool read_part(struct reading *r, uint32_t part, struct part *p) {
  struct str type = reading_inside(r, part, STR("type"));
  p->cache = reading_cache_mark(r, part);
  if (str_eq(type, STR("text")) || str_eq(type, STR("input_text")) || str_eq(type, STR("output_text"))) {
    uint32_t text = json_get(r->doc, part, STR("text"));
    p->kind = PART_TEXT;
    p->text = chat_inside(r->doc, text);
    return json_is(r->doc, text, JSON_STRING) || json_type(r->doc, text) == JSON_NULL ||
           message_wrong(r, ": the \"text\" of a part must be a string.");
  }
  if (str_eq(type, STR("image_url"))) return read_media(r, part, type, PART_IMAGE, p);
  if (str_eq(type, STR("video_url")) || str_eq(type, STR("input_video")))
    return read_media(r, part, type, PART_VIDEO, p);
  if (str_eq(type, STR("input_audio"))) return read_audio(r, part, p);
  if (str_eq(type, STR("file"))) return read_file(r, part, p);
  if (str_eq(type, STR("document_url"))) return read_document_url(r, part, p);
  uint32_t data = json_get(r->doc, json_get(r->doc, part, STR("document")), STR("data"));
  if (str_eq(type, STR("document")) && data != JSON_NONE) return read_document(r, part, data, p);
  if (str_eq(type, STR("refusal"))) {
    p->kind = PART_REFUSAL;
    p->text = reading_inside(r, part, STR("refusal"));
    return true;
  }
  return message_wrong(r, arena_printf(r->arena,
                                       " has a part of type \"%.*s\", which is not known: it must be text, image_url, "
                                       "input_audio, video_url or file.",
                                       (int)(type.len < 40 ? type.len : 40), type.ptr)
                              .ptr);
}

// --- the parts of a turn ---

static bool join(struct reading *r, struct str *to, struct str more) {
  if (!more.len) return true;
  if (!to->len) return *to = more, true;
  char *both = arena_alloc(r->arena, to->len + more.len);
  if (!both) return reading_no_memory(r);
  memcpy(both, to->ptr, to->len);
  memcpy(both + to->len, more.ptr, more.len);
  *to = str_from(both, to->len + more.len);
  return true;
}

// Reasoning among the content, a string (Cohere) or a list of texts (Mistral).
static bool read_thinking(struct reading *r, uint32_t part, struct turn *t) {
  uint32_t thinking = json_get(r->doc, part, STR("thinking"));
  struct part *p = &t->parts[t->count];
  *p = (struct part){.kind = PART_REASONING, .text = chat_inside(r->doc, thinking)};
  p->signature = reading_inside(r, part, STR("signature"));
  for (uint32_t c = json_is(r->doc, thinking, JSON_ARRAY) ? json_first(r->doc, thinking) : JSON_NONE; c != JSON_NONE;
       c = json_next(r->doc, thinking, c))
    if (!join(r, &p->text, reading_inside(r, c, STR("text")))) return false;
  if (p->text.len || p->signature.len) t->count++;
  return true;
}

static bool read_content(struct reading *r, uint32_t message, struct turn *t) {
  uint32_t content = json_get(r->doc, message, STR("content"));
  bool told = t->count != 0;  // the reasoning, in members of its own
  if (json_is(r->doc, content, JSON_STRING)) {
    if (chat_has_text(r->doc, content))
      t->parts[t->count++] = (struct part){.kind = PART_TEXT, .text = chat_inside(r->doc, content)};
    return true;
  }
  if (!json_is(r->doc, content, JSON_ARRAY)) return true;
  for (uint32_t c = json_first(r->doc, content); c != JSON_NONE; c = json_next(r->doc, content, c)) {
    struct part *p = &t->parts[t->count];
    if (!json_is(r->doc, c, JSON_OBJECT)) return message_wrong(r, ".content must hold objects.");
    if (t->role == ROLE_ASSISTANT && json_string_is(r->doc, json_get(r->doc, c, STR("type")), STR("thinking"))) {
      if (!told && !read_thinking(r, c, t)) return false;
      continue;
    }
    if (!read_part(r, c, p)) return false;
    bool text = p->kind == PART_TEXT || p->kind == PART_REFUSAL;
    if (text && p->cache && t->count && encode_is_blank(p->text)) {
      p[-1].cache = p->cache;  // nobody is sent a blank text; its mark stays
      p->cache = CACHE_NONE;
    }
    if (text && !p->text.len)
      *p = (struct part){0};
    else
      t->count++;
  }
  return true;
}

// Clients that collect a stream may hand back its pieces one by one: those of one index are one again. A signature ends
// its piece.
static struct part *piece_to_go_on_with(struct reading *r, struct turn *t, uint32_t detail, uint64_t *index,
                                        bool summary) {
  uint64_t given;
  bool indexed = json_u64(r->doc, json_get(r->doc, detail, STR("index")), UINT32_MAX, &given);
  struct part *last = t->count ? &t->parts[t->count - 1] : NULL;
  bool same = last && last->kind == PART_REASONING && last->summary == summary && !last->encrypted.len &&
              !last->signature.len && (!indexed || *index == UINT64_MAX || given == *index);
  if (indexed) *index = given;
  return same ? last : NULL;
}

static bool read_server_tool(struct reading *r, uint32_t detail, struct str format, struct part *p) {
  *p = (struct part){.kind = PART_SERVER_TOOL, .format = format};
  p->arguments = reading_inside(r, detail, STR("arguments"));
  p->text = reading_inside(r, detail, STR("result"));
  return reading_plain(r, detail, STR("tool_name"), &p->name) && reading_plain(r, detail, STR("tool_call_id"), &p->id);
}

static bool read_reasoning(struct reading *r, uint32_t message, struct turn *t) {
  uint32_t details = json_get(r->doc, message, STR("reasoning_details"));
  uint64_t index = UINT64_MAX;
  size_t before = t->count;
  for (uint32_t d = json_is(r->doc, details, JSON_ARRAY) ? json_first(r->doc, details) : JSON_NONE; d != JSON_NONE;
       d = json_next(r->doc, details, d)) {
    struct str type = reading_inside(r, d, STR("type")), format, id;
    bool encrypted = str_eq(type, STR("reasoning.encrypted")), summary = str_eq(type, STR("reasoning.summary"));
    struct str text = reading_inside(r, d, summary ? STR("summary") : STR("text"));
    if (!reading_plain(r, d, STR("format"), &format) || !reading_plain(r, d, STR("id"), &id)) return false;
    if (str_eq(type, STR("reasoning.server_tool_call"))) {
      if (!read_server_tool(r, d, format, &t->parts[t->count++])) return false;
      continue;
    }
    if (!encrypted && !summary && !str_eq(type, STR("reasoning.text"))) continue;
    struct part *p = encrypted ? NULL : piece_to_go_on_with(r, t, d, &index, summary);
    if (!p) {
      p = &t->parts[t->count++];
      *p = (struct part){.kind = PART_REASONING, .id = id, .format = format, .summary = summary};
    }
    if (!p->format.len) p->format = format;
    if (!p->id.len) p->id = id;
    if (encrypted)
      p->encrypted = reading_inside(r, d, STR("data"));
    else if (!join(r, &p->text, text) || !join(r, &p->signature, reading_inside(r, d, STR("signature"))))
      return false;
  }
  if (t->count != before) return true;
  struct str text = reading_inside(r, message, STR("reasoning"));
  if (!text.len) text = reading_inside(r, message, STR("reasoning_content"));
  if (!text.len) text = reading_inside(r, message, STR("tool_plan"));
  if (text.len) t->parts[t->count++] = (struct part){.kind = PART_REASONING, .text = text};
  return true;
}

// Google's OpenAI-like service has the signature of a text beside it.
static void read_google_signature(struct reading *r, uint32_t message, struct turn *t) {
  uint32_t google = json_get(r->doc, json_get(r->doc, message, STR("extra_content")), STR("google"));
  struct str signature = reading_inside(r, google, STR("thought_signature"));
  for (size_t i = 0; i < t->count && signature.len; i++)
    if (str_eq(t->parts[i].encrypted, signature)) return;
  if (signature.len)
    t->parts[t->count++] =
        (struct part){.kind = PART_REASONING, .encrypted = signature, .format = STR("google-gemini-v1")};
}

// A function's arguments as the inside of a string; an object, which some clients send, becomes its text.
static bool read_arguments(struct reading *r, uint32_t function, struct str *out) {
  uint32_t value = json_get(r->doc, function, STR("arguments"));
  *out = chat_inside(r->doc, value);
  if (json_type(r->doc, value) != JSON_NULL && !json_is(r->doc, value, JSON_STRING) &&
      !json_is(r->doc, value, JSON_OBJECT))
    return message_wrong(r, ".tool_calls: a function's \"arguments\" must be a string.");
  if (!json_is(r->doc, value, JSON_OBJECT)) return true;
  struct buf text;
  buf_init(&text, LIMIT_REPLY_BODY);
  json_write_str(&text, json_raw(r->doc, value));
  if (!text.failed) *out = arena_str(r->arena, str_from(text.ptr + 1, text.len - 2));
  buf_free(&text);
  return out->ptr || reading_no_memory(r);
}

static bool read_call(struct reading *r, uint32_t call, struct part *p) {
  uint32_t function = json_get(r->doc, call, STR("function")), custom = json_get(r->doc, call, STR("custom"));
  uint32_t google = json_get(r->doc, json_get(r->doc, call, STR("extra_content")), STR("google"));
  bool is_custom = json_is(r->doc, custom, JSON_OBJECT) && !json_is(r->doc, function, JSON_OBJECT);
  if (is_custom) function = custom;
  uint32_t id = json_get(r->doc, call, STR("id"));
  if (json_type(r->doc, id) != JSON_NULL && !json_is(r->doc, id, JSON_STRING))
    return message_wrong(r, ".tool_calls: a call's \"id\" must be a string.");
  p->kind = PART_CALL;
  if (!reading_plain(r, call, STR("id"), &p->id) || !reading_plain(r, function, STR("name"), &p->name)) return false;
  if (!p->name.len) return message_wrong(r, ".tool_calls: every call needs a function with a name.");
  p->signature = reading_inside(r, google, STR("thought_signature"));
  if (!is_custom) return read_arguments(r, function, &p->arguments);
  p->arguments = reading_inside(r, custom, STR("input"));  // free text
  return true;
}

static bool read_calls(struct reading *r, uint32_t message, struct turn *t) {
  uint32_t calls = json_get(r->doc, message, STR("tool_calls"));
  uint32_t function = json_get(r->doc, message, STR("function_call"));
  if (json_type(r->doc, calls) != JSON_NULL && !json_is(r->doc, calls, JSON_ARRAY))
    return message_wrong(r, ".tool_calls must be an array.");
  for (uint32_t c = json_is(r->doc, calls, JSON_ARRAY) ? json_first(r->doc, calls) : JSON_NONE; c != JSON_NONE;
       c = json_next(r->doc, calls, c))
    if (!read_call(r, c, &t->parts[t->count++])) return false;
  if (!json_is(r->doc, function, JSON_OBJECT)) return true;
  // The deprecated form has no ID: the name is the link.
  struct part *p = &t->parts[t->count++];
  p->kind = PART_CALL;
  if (!reading_plain(r, function, STR("name"), &p->name)) return false;
  p->id = arena_printf(r->arena, "call_%.*s", STR_ARGS(p->name));
  return p->id.ptr ? read_arguments(r, function, &p->arguments) : reading_no_memory(r);
}

static bool read_role(struct reading *r, uint32_t message, struct turn *t) {
  struct str role = reading_inside(r, message, STR("role"));
  if (str_eq(role, STR("user"))) return t->role = ROLE_USER, true;
  if (str_eq(role, STR("assistant"))) return t->role = ROLE_ASSISTANT, true;
  if (str_eq(role, STR("system")) || str_eq(role, STR("developer"))) return t->role = ROLE_SYSTEM, true;
  t->role = ROLE_TOOL;
  if (str_eq(role, STR("tool"))) {
    if (!reading_plain(r, message, STR("tool_call_id"), &t->call_id)) return false;
    return t->call_id.len || message_wrong(r, " of role tool needs the \"tool_call_id\" it answers.");
  }
  if (!str_eq(role, STR("function")))
    return message_wrong(r, ".role must be system, developer, user, assistant or tool.");
  struct str name;
  if (!reading_plain(r, message, STR("name"), &name)) return false;
  t->call_id = arena_printf(r->arena, "call_%.*s", STR_ARGS(name));
  return t->call_id.ptr || reading_no_memory(r);
}

static bool read_turn(struct reading *r, uint32_t message, struct turn *t) {
  const struct json_doc *doc = r->doc;
  enum { SINGLE = 5 };  // reasoning, Google's signature, a text, a refusal, a function_call
  unsigned room = SINGLE + reading_children(doc, json_get(doc, message, STR("content"))) +
                  reading_children(doc, json_get(doc, message, STR("reasoning_details"))) +
                  reading_children(doc, json_get(doc, message, STR("tool_calls")));
  t->parts = arena_zalloc(r->arena, room * sizeof *t->parts);
  if (!t->parts) return reading_no_memory(r);
  if (!read_role(r, message, t)) return false;
  if (t->role != ROLE_TOOL) t->name = reading_inside(r, message, STR("name"));
  if (t->role == ROLE_ASSISTANT) t->phase = reading_inside(r, message, STR("phase"));
  if (t->role == ROLE_ASSISTANT && !read_reasoning(r, message, t)) return false;
  if (t->role == ROLE_ASSISTANT) read_google_signature(r, message, t);
  if (!read_content(r, message, t)) return false;
  struct str refusal = t->role == ROLE_ASSISTANT ? reading_inside(r, message, STR("refusal")) : (struct str){0};
  if (refusal.len) t->parts[t->count++] = (struct part){.kind = PART_REFUSAL, .text = refusal};
  if (t->role == ROLE_ASSISTANT && !read_calls(r, message, t)) return false;
  enum cache_mark mark = reading_cache_mark(r, message);
  if (mark && t->count) t->parts[t->count - 1].cache = mark;
  return true;
}

static bool read_turns(struct reading *r) {
  uint32_t messages = json_get(r->doc, 0, STR("messages"));
  struct conversation *c = r->out;
  c->turns = arena_zalloc(r->arena, (reading_children(r->doc, messages) + 1) * sizeof *c->turns);
  if (!c->turns) return reading_no_memory(r);
  for (uint32_t m = json_first(r->doc, messages); m != JSON_NONE; m = json_next(r->doc, messages, m), r->message++)
    if (!read_turn(r, m, &c->turns[c->turn_count++])) return false;
  return true;
}

// --- the rest ---

static bool read_format(struct reading *r) {
  const struct json_doc *doc = r->doc;
  struct conversation *c = r->out;
  uint32_t format = json_get(doc, 0, STR("response_format")), schema = json_get(doc, format, STR("json_schema"));
  uint32_t type = json_get(doc, format, STR("type"));
  if (json_string_is(doc, type, STR("json_object"))) {
    // Cohere's way: the schema itself.
    bool given = json_is(doc, schema, JSON_OBJECT);
    c->format = given ? FORMAT_SCHEMA : FORMAT_JSON;
    if (given) c->schema = json_raw(doc, schema);
  }
  if (json_type(doc, type) != JSON_NULL && !json_string_is(doc, type, STR("text")) && !c->format &&
      !json_string_is(doc, type, STR("json_schema")))
    return reading_refuse(r, STR("response_format"),
                          STR("\"response_format.type\" must be text, json_object or json_schema."));
  if (!json_string_is(doc, type, STR("json_schema"))) return true;
  c->format = FORMAT_SCHEMA;
  c->schema_description = reading_inside(r, schema, STR("description"));
  c->schema_strict = json_type(doc, json_get(doc, schema, STR("strict"))) == JSON_TRUE;
  if (!reading_plain(r, schema, STR("name"), &c->schema_name)) return false;
  uint32_t inner = json_get(doc, schema, STR("schema"));
  if (!json_is(doc, inner, JSON_OBJECT))
    return reading_refuse(r, STR("response_format"),
                          STR("\"response_format.json_schema.schema\" must be a JSON schema."));
  c->schema = json_raw(doc, inner);
  return true;
}

static bool read_effort(struct reading *r, struct str word) {
  static const char *const words[] = {
      [EFFORT_NONE] = "none", [EFFORT_MINIMAL] = "minimal", [EFFORT_LOW] = "low", [EFFORT_MEDIUM] = "medium",
      [EFFORT_HIGH] = "high", [EFFORT_XHIGH] = "xhigh",     [EFFORT_MAX] = "max"};
  if (!word.len) return true;
  for (int i = EFFORT_NONE; i <= EFFORT_MAX; i++)
    if (str_eq(word, str_from_cstr(words[i]))) return r->out->effort = (enum effort)i, true;
  return reading_refuse(r, STR("reasoning_effort"),
                        STR("The reasoning effort must be none, minimal, low, medium, high, xhigh or max."));
}

static bool read_reasoning_wish(struct reading *r) {
  const struct json_doc *doc = r->doc;
  struct conversation *c = r->out;
  uint32_t wish = json_get(doc, 0, STR("reasoning"));
  uint32_t enabled = json_get(doc, wish, STR("enabled"));
  struct str effort = reading_inside(r, wish, STR("effort"));
  if (!effort.len) effort = reading_inside(r, 0, STR("reasoning_effort"));
  if (!read_effort(r, effort)) return false;
  if (!json_u64(doc, json_get(doc, wish, STR("max_tokens")), UINT32_MAX, &c->reasoning_tokens)) c->reasoning_tokens = 0;
  c->reasoning_hidden = json_type(doc, json_get(doc, wish, STR("exclude"))) == JSON_TRUE ||
                        json_type(doc, json_get(doc, 0, STR("include_reasoning"))) == JSON_FALSE;
  if (json_is(doc, wish, JSON_OBJECT)) c->reasoning_own = json_raw(doc, wish);
  if (json_type(doc, enabled) == JSON_FALSE) c->effort = EFFORT_NONE;
  if (json_type(doc, enabled) == JSON_TRUE && !c->effort && !c->reasoning_tokens) c->effort = EFFORT_MEDIUM;
  return true;
}

static bool read_stops(struct reading *r) {
  const struct json_doc *doc = r->doc;
  uint32_t stop = json_get(doc, 0, STR("stop"));
  unsigned room = json_is(doc, stop, JSON_STRING) ? 1 : reading_children(doc, stop);
  if (!room) return true;
  r->out->stops = arena_alloc(r->arena, room * sizeof *r->out->stops);
  if (!r->out->stops) return reading_no_memory(r);
  if (json_is(doc, stop, JSON_STRING)) {
    if (chat_has_text(doc, stop)) r->out->stops[r->out->stop_count++] = chat_inside(doc, stop);
    return true;
  }
  for (uint32_t s = json_first(doc, stop); s != JSON_NONE; s = json_next(doc, stop, s))
    if (chat_has_text(doc, s)) r->out->stops[r->out->stop_count++] = chat_inside(doc, s);
  return true;
}

// Members that mean nothing more than their absence would.
static bool is_default(const struct json_doc *doc, enum chat_member_id id, uint32_t value) {
  double n;
  if (json_type(doc, value) == JSON_NULL || json_type(doc, value) == JSON_FALSE) return true;
  if (json_type(doc, value) >= JSON_ARRAY && json_first(doc, value) == JSON_NONE) return true;
  if (!json_double(doc, value, &n)) return id == CHAT_MEMBER_VERBOSITY && json_string_is(doc, value, STR("medium"));
  return n == (id == CHAT_MEMBER_N || id == CHAT_MEMBER_REPETITION_PENALTY);
}

static bool is_carried(enum chat_member_id id, const struct json_doc *doc, uint32_t key) {
  static const struct str unlisted[] = {{"functions", 9}, {"function_call", 13}};
  switch (id) {
    case CHAT_MEMBER_MODEL:
    case CHAT_MEMBER_MESSAGES:
    case CHAT_MEMBER_STREAM:
    case CHAT_MEMBER_STREAM_OPTIONS:
    case CHAT_MEMBER_MAX_TOKENS:
    case CHAT_MEMBER_MAX_COMPLETION_TOKENS:
    case CHAT_MEMBER_TEMPERATURE:
    case CHAT_MEMBER_TOOLS:
    case CHAT_MEMBER_TOOL_CHOICE:
    case CHAT_MEMBER_RESPONSE_FORMAT:
    case CHAT_MEMBER_USER:
    case CHAT_MEMBER_REASONING:
    case CHAT_MEMBER_REASONING_EFFORT:
    case CHAT_MEMBER_TOP_P:
    case CHAT_MEMBER_TOP_K:
    case CHAT_MEMBER_FREQUENCY_PENALTY:
    case CHAT_MEMBER_PRESENCE_PENALTY:
    case CHAT_MEMBER_SEED:
    case CHAT_MEMBER_STOP:
    case CHAT_MEMBER_PARALLEL_TOOL_CALLS:
    case CHAT_MEMBER_METADATA:
    case CHAT_MEMBER_PROMPT_CACHE_KEY:
    case CHAT_MEMBER_SERVICE_TIER:
    case CHAT_MEMBER_LOGPROBS:
    case CHAT_MEMBER_TOP_LOGPROBS:
    case CHAT_MEMBER_WEB_SEARCH_OPTIONS:
    case CHAT_MEMBER_CACHE_CONTROL:
    case CHAT_MEMBER_INCLUDE_REASONING:
    // The gateway's own.
    case CHAT_MEMBER_PROVIDER:
    case CHAT_MEMBER_MODELS:
    case CHAT_MEMBER_ROUTE:
    case CHAT_MEMBER_USAGE:
    case CHAT_MEMBER_SESSION_ID:
    case CHAT_MEMBER_TRACE:
    case CHAT_MEMBER_DEBUG: return true;
    case CHAT_MEMBER_COUNT:
      for (size_t i = 0; i < CHAT_COUNT(unlisted); i++)
        if (json_string_is(doc, key, unlisted[i])) return true;
      return false;
    default: return false;
  }
}

static bool is_extra(struct reading *r, enum chat_member_id id, uint32_t key, uint32_t value) {
  if (json_type(r->doc, value) == JSON_NULL) return false;
  if (id == CHAT_MEMBER_PLUGINS) return chat_tools_other_plugins(r->doc, value);
  if (id == CHAT_MEMBER_TOOL_CHOICE) return chat_tools_own_choice(r->doc, value);
  return !is_carried(id, r->doc, key);
}

static bool list_extra(struct reading *r) {
  const struct json_doc *doc = r->doc;
  struct extra *extra = arena_alloc(r->arena, (reading_children(doc, 0) / 2 + 1) * sizeof *extra);
  if (!extra) return reading_no_memory(r);
  r->out->extra = extra;
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE;) {
    uint32_t value = json_next(doc, 0, key);
    enum chat_member_id id = chat_member_find(doc, key);
    if (is_extra(r, id, key, value))
      extra[r->out->extra_count++] =
          (struct extra){chat_inside(doc, key), json_raw(doc, value), is_default(doc, id, value)};
    key = json_next(doc, 0, value);
  }
  return true;
}

static bool read_rest(struct reading *r, const struct chat_request *request) {
  const struct json_doc *doc = r->doc;
  struct conversation *c = r->out;
  uint32_t parallel = json_get(doc, 0, STR("parallel_tool_calls")), metadata = json_get(doc, 0, STR("metadata"));
  c->stream = request->stream;
  c->max_tokens = request->max_tokens;
  c->temperature = number(r, STR("temperature"));
  c->top_p = number(r, STR("top_p"));
  c->top_k = number(r, STR("top_k"));
  c->seed = number(r, STR("seed"));
  c->frequency_penalty = number(r, STR("frequency_penalty"));
  c->presence_penalty = number(r, STR("presence_penalty"));
  c->user = request->user;
  c->cache = reading_cache_mark(r, 0);
  c->logprobs = json_type(doc, json_get(doc, 0, STR("logprobs"))) == JSON_TRUE;
  if (!json_u64(doc, json_get(doc, 0, STR("top_logprobs")), 20, &c->top_logprobs)) c->top_logprobs = 0;
  if (json_type(doc, parallel) == JSON_TRUE) c->parallel_calls = FLAG_YES;
  if (json_type(doc, parallel) == JSON_FALSE) c->parallel_calls = FLAG_NO;
  if (json_first(doc, metadata) != JSON_NONE) c->metadata = json_raw(doc, metadata);
  return reading_plain(r, 0, STR("service_tier"), &c->service_tier) &&
         reading_plain(r, 0, STR("prompt_cache_key"), &c->prompt_cache_key);
}

bool chat_conversation(const struct chat_request *request, struct arena *arena, struct conversation *out,
                       struct fault_note *note) {
  struct json_doc doc = {0};
  *out = (struct conversation){0};
  *note = (struct fault_note){0};
  struct reading r = {.doc = &doc, .arena = arena, .out = out, .note = note};
  // The request's own index ends at the messages' members; a part's image is three levels below them.
  bool ok = json_parse(&doc, request->body, 7) == JSON_OK ? true : reading_no_memory(&r);
  ok = ok && read_turns(&r) && chat_tools_read(&r) && read_format(&r) && read_reasoning_wish(&r) && read_stops(&r) &&
       read_rest(&r, request) && list_extra(&r);
  json_doc_free(&doc);
  return ok;
}

bool chat_conversation_restore(struct turn *turn, struct str details, struct arena *arena) {
  struct json_doc doc = {0};
  struct fault_note note;
  struct turn made = *turn;
  struct str json = arena_printf(arena, "{\"reasoning_details\":[%.*s]}", STR_ARGS(details));
  struct reading r = {.doc = &doc, .arena = arena, .note = &note};
  bool ok = json.ptr && json_parse(&doc, json, 4) == JSON_OK;
  size_t room = ok ? reading_children(&doc, json_get(&doc, 0, STR("reasoning_details"))) + turn->count : 0;
  made.parts = room ? arena_zalloc(arena, room * sizeof *made.parts) : NULL;
  made.count = 0;
  ok = made.parts && read_reasoning(&r, 0, &made) && made.count;
  for (size_t i = 0; ok && i < turn->count; i++)
    if (turn->parts[i].kind != PART_REASONING) made.parts[made.count++] = turn->parts[i];
  if (ok) *turn = made;
  json_doc_free(&doc);
  return ok;
}
