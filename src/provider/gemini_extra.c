// Members of a chat request that only Google knows: in its own spelling or in snake_case, at the top or where Google's
// OpenAI-like service takes them (extra_body.google).
#include <string.h>

#include "provider/encode.h"
#include "provider/gemini_write.h"

enum { JSON_MAX = 1 << 20 };

static const struct row {
  const char *name;
  enum gemini_place place;
  bool vertex;  // only that host has it
  bool plain;   // the keys inside are not Google's: they stay
} rows[] = {
    {"safetySettings", GEMINI_TOP, false, false},
    {"cachedContent", GEMINI_TOP, false, false},
    {"labels", GEMINI_TOP, true, true},
    {"modelArmorConfig", GEMINI_TOP, true, false},
    {"toolConfig", GEMINI_TOOL_CONFIG, false, false},
    {"responseModalities", GEMINI_CONFIG, false, false},
    {"speechConfig", GEMINI_CONFIG, false, false},
    {"mediaResolution", GEMINI_CONFIG, false, false},
    {"imageConfig", GEMINI_CONFIG, false, false},
    {"thinkingConfig", GEMINI_CONFIG, false, false},
    {"responseMimeType", GEMINI_CONFIG, false, false},
    {"responseSchema", GEMINI_CONFIG, false, true},
    {"responseJsonSchema", GEMINI_CONFIG, false, true},
    {"enableEnhancedCivicAnswers", GEMINI_CONFIG, false, false},
    {"enableAffectiveDialog", GEMINI_CONFIG, false, false},
    {"audioTimestamp", GEMINI_CONFIG, true, false},
    {"routingConfig", GEMINI_CONFIG, true, false},
    {"modelSelectionConfig", GEMINI_CONFIG, true, false},
};

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool gemini_same_name(struct str given, const char *camel) {
  for (size_t i = 0; i < given.len; i++) {
    if (given.ptr[i] == '_') continue;
    if (!*camel || lower(given.ptr[i]) != lower(*camel++)) return false;
  }
  return !*camel && given.len;
}

// --- spelling ---

static void write_key(struct buf *out, struct str raw) {
  bool up = false;
  for (size_t i = 0; i < raw.len; i++) {
    char c = raw.ptr[i];
    if (c == '_' && i > 1 && i + 2 < raw.len) {
      up = true;
      continue;
    }
    buf_char(out, up && c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
    up = false;
  }
  buf_char(out, ':');
}

static void write_value(struct buf *out, const struct json_doc *doc, uint32_t node) {
  bool object = json_is(doc, node, JSON_OBJECT);
  if (!object && !json_is(doc, node, JSON_ARRAY)) {
    buf_str(out, json_raw(doc, node));
    return;
  }
  buf_char(out, object ? '{' : '[');
  for (uint32_t c = json_first(doc, node), n = 0; c != JSON_NONE; c = json_next(doc, node, c), n++) {
    if (n) buf_char(out, ',');
    if (object) {
      write_key(out, json_raw(doc, c));
      c = json_next(doc, node, c);
    }
    write_value(out, doc, c);
  }
  buf_char(out, object ? '}' : ']');
}

bool gemini_write_camel(struct buf *out, struct str json) {
  struct json_doc doc = {0};
  enum json_error error = json_parse(&doc, json, UINT32_MAX);
  if (error == JSON_OK)
    write_value(out, &doc, 0);
  else if (error != JSON_NO_MEMORY)  // a member that comes twice, somewhere inside
    buf_str(out, json);
  json_doc_free(&doc);
  return error != JSON_NO_MEMORY && !out->failed;
}

static struct str in_camel(struct gemini_writer *w, struct str json) {
  struct buf text;
  struct str made = {0};
  buf_init(&text, JSON_MAX);
  if (gemini_write_camel(&text, json)) made = arena_str(w->t->arena, buf_view(&text));
  if (!made.ptr) w->failed = true;
  buf_free(&text);
  return made;
}

// --- finding ---

static void add(struct gemini_writer *w, struct gemini_extra extra) {
  for (size_t i = 0; i < w->extra_count; i++)
    if (str_eq(w->extra[i].name, extra.name)) return;  // told twice: the first counts
  w->extra[w->extra_count++] = extra;
}

static const struct row *find_row(struct str name) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (gemini_same_name(name, rows[i].name)) return &rows[i];
  return NULL;
}

// False: Google does not know it, or not on this host.
static bool take(struct gemini_writer *w, struct str name, struct str json, struct str member) {
  const struct row *row = find_row(name);
  if (!row || (row->vertex && !w->vertex)) return false;
  struct str value = row->plain ? json : in_camel(w, json);
  add(w, (struct gemini_extra){str_from_cstr(row->name), value, member, row->place});
  return true;
}

// The members of an object of Google's. `config`: it is a generationConfig, whose members are all Google's own.
static void take_all(struct gemini_writer *w, const struct json_doc *doc, uint32_t object, bool config,
                     struct str member) {
  for (uint32_t key = json_is(doc, object, JSON_OBJECT) ? json_first(doc, object) : JSON_NONE; key != JSON_NONE;) {
    uint32_t value = json_next(doc, object, key);
    struct str raw = json_raw(doc, key), name = str_from(raw.ptr + 1, raw.len - 2), json = json_raw(doc, value);
    bool count = gemini_same_name(name, "candidateCount");
    if (config && !find_row(name) && !count) {
      struct buf camel;
      buf_init(&camel, 4096);
      write_key(&camel, raw);
      struct str made = arena_str(w->t->arena, str_from(camel.ptr + 1, camel.len ? camel.len - 3 : 0));
      if (camel.failed) w->failed = true;
      add(w, (struct gemini_extra){made, in_camel(w, json), member, GEMINI_CONFIG});
      buf_free(&camel);
    } else if (!take(w, name, json, member)) {
      translation_drop(w->t, member);
    }
    key = json_next(doc, object, value);
  }
}

// ["text","image"] as ["TEXT","IMAGE"]
static void take_modalities(struct gemini_writer *w, const struct extra *extra) {
  char *upper = arena_alloc(w->t->arena, extra->json.len + 1);
  if (!upper) {
    w->failed = true;
    return;
  }
  for (size_t i = 0; i < extra->json.len; i++) {
    char c = extra->json.ptr[i];
    upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
  }
  add(w,
      (struct gemini_extra){STR("responseModalities"), str_from(upper, extra->json.len), extra->name, GEMINI_CONFIG});
}

// {"voice":"Kore","format":"pcm16"}: there is one format.
static void take_audio(struct gemini_writer *w, const struct extra *extra, const struct json_doc *doc) {
  uint32_t voice = json_get(doc, 0, STR("voice")), format = json_get(doc, 0, STR("format"));
  if (format != JSON_NONE && !json_string_is(doc, format, STR("pcm16"))) translation_drop(w->t, extra->name);
  if (!json_is(doc, voice, JSON_STRING)) return;
  struct str json = arena_printf(w->t->arena, "{\"voiceConfig\":{\"prebuiltVoiceConfig\":{\"voiceName\":%.*s}}}",
                                 STR_ARGS(json_raw(doc, voice)));
  add(w, (struct gemini_extra){STR("speechConfig"), json, extra->name, GEMINI_CONFIG});
}

static bool take_special(struct gemini_writer *w, const struct extra *extra, const struct json_doc *doc) {
  struct str name = extra->name;
  if (!json_is(doc, 0, JSON_OBJECT)) {
    if (!json_is(doc, 0, JSON_ARRAY) || !str_eq(name, STR("modalities"))) return false;
    take_modalities(w, extra);
    return true;
  }
  if (str_eq(name, STR("audio"))) {
    take_audio(w, extra, doc);
  } else if (str_eq(name, STR("google"))) {
    take_all(w, doc, 0, false, name);
  } else if (gemini_same_name(name, "generationConfig")) {
    take_all(w, doc, 0, true, name);
  } else if (str_eq(name, STR("extra_body"))) {
    take_all(w, doc, json_get(doc, 0, STR("google")), false, name);
    for (uint32_t key = json_first(doc, 0); key != JSON_NONE; key = json_next(doc, 0, json_next(doc, 0, key)))
      if (!json_string_is(doc, key, STR("google"))) translation_drop(w->t, name);
  } else {
    return false;
  }
  return true;
}

static size_t count_room(const struct conversation *c) {
  size_t room = 1;
  for (size_t i = 0; i < c->extra_count; i++)  // every member has a colon
    for (size_t k = 0; k < c->extra[i].json.len; k++) room += c->extra[i].json.ptr[k] == ':';
  return room + c->extra_count;
}

void gemini_extra_read(struct gemini_writer *w) {
  const struct conversation *c = w->c;
  if (!c->extra_count) return;
  w->extra = arena_alloc(w->t->arena, count_room(c) * sizeof *w->extra);
  if (!w->extra) {
    w->failed = true;
    return;
  }
  for (size_t i = 0; i < c->extra_count; i++) {
    const struct extra *extra = &c->extra[i];
    struct json_doc doc = {0};
    if (extra->idle) continue;
    if (str_eq(extra->name, STR("tool_choice"))) continue;  // gemini_tools.c
    bool known = encode_parse(&doc, extra->json, 3, w->t) && take_special(w, extra, &doc);
    if (!known && !take(w, extra->name, extra->json, extra->name)) translation_drop(w->t, extra->name);
    json_doc_free(&doc);
  }
}

// --- writing ---

struct str gemini_extra_find(const struct gemini_writer *w, const char *name) {
  for (size_t i = 0; i < w->extra_count; i++)
    if (str_eq(w->extra[i].name, str_from_cstr(name))) return w->extra[i].json;
  return (struct str){0};
}

// Does chat have a member for it, and was that given?
static bool is_given(const struct gemini_writer *w, struct str name) {
  const struct conversation *c = w->c;
  const struct {
    const char *name;
    bool given;
  } ours[] = {{"maxOutputTokens", c->max_tokens != 0},
              {"temperature", c->temperature.len != 0},
              {"topP", c->top_p.len != 0},
              {"topK", c->top_k.len != 0},
              {"seed", c->seed.len != 0},
              {"stopSequences", c->stop_count != 0},
              {"presencePenalty", c->presence_penalty.len != 0},
              {"frequencyPenalty", c->frequency_penalty.len != 0},
              {"responseMimeType", c->format != FORMAT_TEXT},
              {"responseSchema", c->format == FORMAT_SCHEMA},
              {"responseJsonSchema", c->format == FORMAT_SCHEMA},
              {"responseLogprobs", c->logprobs},
              {"logprobs", c->top_logprobs != 0}};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
    if (str_eq(name, str_from_cstr(ours[i].name))) return ours[i].given;
  return false;
}

void gemini_extra_write(struct gemini_writer *w, enum gemini_place place) {
  for (size_t i = 0; i < w->extra_count; i++) {
    const struct gemini_extra *extra = &w->extra[i];
    if (extra->place != place) continue;
    if (place == GEMINI_CONFIG && is_given(w, extra->name))
      translation_drop(w->t, extra->member);
    else
      encode_json(w->out, extra->name, extra->json);
  }
}
