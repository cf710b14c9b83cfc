// The messages of a request, as a service takes them. Most services take them as they come, and then nothing here runs
// but a look at what the messages have in them (chat_request.odd). The others get: no member they refuse, the reasoning
// of earlier turns in the form they read it, or none; the cache marks of their kind; a system for a developer, and only
// one; strings for lists of texts; a tool's pictures in a message of the user's; bytes for URLs they would not fetch.
#include "base/limits.h"
#include "provider/openai_models.h"
#include "surface/chat_splice.h"

struct turns {
  struct splice *s;
  const struct json_doc *doc;  // the request's
  struct json_doc inner;       // of the value at hand, which lies deeper than the request's goes
  uint32_t messages;
  struct walk walk;            // over the messages
  uint32_t content, thoughts;  // of the message at hand: what counts of members that may come twice; or JSON_NONE
  struct buf media;            // parts of tools' results that must be said by the user
  struct str schema;           // must be told in words; empty: none
  bool keeps_signatures;       // the service is Google's
  bool breakpoints;            // the model has prompt_cache_breakpoint
};

// Indexes an array of the body, deeper than the request's index goes. It is valid JSON: only memory can be wanting.
static bool open_inner(struct turns *t, uint32_t value, unsigned depth) {
  if (json_parse(&t->inner, json_raw(t->doc, value), depth) == JSON_OK) return true;
  t->s->out->failed = true;
  return false;
}

static uint32_t member(const struct turns *t, uint32_t message, struct str name) {
  return json_get(t->doc, message, name);
}

enum side { SIDE_SYSTEM, SIDE_USER, SIDE_ASSISTANT, SIDE_TOOL };

static enum side side_of(const struct turns *t, uint32_t message) {
  struct str role = chat_inside(t->doc, member(t, message, STR("role")));
  if (str_eq(role, STR("user"))) return SIDE_USER;
  if (str_eq(role, STR("assistant"))) return SIDE_ASSISTANT;
  return str_eq(role, STR("system")) || str_eq(role, STR("developer")) ? SIDE_SYSTEM : SIDE_TOOL;
}

// --- parts of content ---

static bool is_text(const struct json_doc *doc, uint32_t part) {
  struct str type = chat_inside(doc, json_get(doc, part, STR("type")));
  return json_is(doc, part, JSON_OBJECT) && (str_eq(type, STR("text")) || str_eq(type, STR("input_text")));
}

static bool only_texts(const struct json_doc *doc) {
  for (uint32_t p = json_first(doc, 0); p != JSON_NONE; p = json_next(doc, 0, p))
    if (!is_text(doc, p)) return false;
  return true;
}

// The texts of the inner value's parts, as the inside of a string. Some must be said anew: the places are on the tape.
static void write_texts(struct turns *t, struct buf *out) {
  const struct json_doc *doc = &t->inner;
  bool more = false;
  for (uint32_t p = json_first(doc, 0); p != JSON_NONE; p = json_next(doc, 0, p)) {
    struct str text = chat_inside(doc, json_get(doc, p, STR("text")));
    if (!is_text(doc, p) || !text.len) continue;
    if (more) buf_lit(out, "\\n");
    buf_str(out, text);
    more = true;
  }
}

// A content's text, be it a string or parts.
static void write_content_text(struct turns *t, uint32_t content, struct buf *out) {
  buf_str(out, chat_inside(t->doc, content));
  if (json_is(t->doc, content, JSON_ARRAY) && open_inner(t, content, 2)) write_texts(t, out);
}

static const struct chat_file *file_of(const struct turns *t, uint32_t url) {
  for (const struct chat_file *f = t->s->files; f; f = f->next)
    if (json_string_is(&t->inner, url, f->url)) return f;
  return NULL;
}

static void write_data_url(struct buf *out, const struct chat_file *f) {
  buf_lit(out, "\"data:");
  buf_str(out, f->media_type);
  buf_lit(out, ";base64,");
  buf_str(out, f->data);
  buf_char(out, '"');
}

static struct splice *put_in_place(struct turns *t, size_t base, uint32_t value) {
  splice_replace(t->s, base + t->inner.nodes[value].start, base + t->inner.nodes[value].end, (struct str){0});
  return t->s;
}

// The value of image_url, file or input_audio.
static void splice_media(struct turns *t, size_t base, uint32_t key, uint32_t value) {
  const struct json_doc *doc = &t->inner;
  const struct chat_file *f;
  if (t->s->files && json_string_is(doc, key, STR("image_url"))) {
    uint32_t url = json_is(doc, value, JSON_STRING) ? value : json_get(doc, value, STR("url"));
    if ((f = file_of(t, url))) write_data_url(put_in_place(t, base, url)->out, f);
  } else if (t->s->files && json_string_is(doc, key, STR("file"))) {
    uint32_t name = json_get(doc, value, STR("filename"));
    f = file_of(t, json_get(doc, value, STR("file_data")));
    if (!f) f = file_of(t, json_get(doc, value, STR("file_url")));
    if (!f) return;
    struct buf *out = put_in_place(t, base, value)->out;
    buf_lit(out, "{\"filename\":");
    buf_str(out, chat_has_text(doc, name) ? json_raw(doc, name) : STR("\"file.pdf\""));
    buf_lit(out, ",\"file_data\":");
    write_data_url(out, f);
    buf_char(out, '}');
  } else if (t->s->quirks->audio_urls && json_string_is(doc, key, STR("input_audio"))) {
    uint32_t data = json_get(doc, value, STR("data"));
    if (!chat_has_text(doc, data) || str_starts(chat_inside(doc, data), STR("data:"))) return;
    size_t at = base + doc->nodes[data].start + 1;
    splice_replace(t->s, at, at, STR("data:;base64,"));
  }
}

enum mark_fate { MARK_STAYS, MARK_GOES, MARK_CHANGES };

static enum mark_fate mark_fate(const struct turns *t, bool control) {
  switch (t->s->quirks->marks) {
    case MARKS_AS_SENT: return MARK_STAYS;
    case MARKS_CUT: return MARK_GOES;
    case MARKS_CONTROL: return control ? MARK_STAYS : MARK_CHANGES;
    case MARKS_BREAKPOINT: return !t->breakpoints ? MARK_GOES : control ? MARK_CHANGES : MARK_STAYS;
  }
  return MARK_STAYS;
}

static void splice_part(struct turns *t, size_t base, uint32_t part) {
  static const struct str control = {"cache_control", 13}, breakpoint = {"prompt_cache_breakpoint", 23};
  const struct json_doc *doc = &t->inner;
  struct walk w = {.doc = doc, .base = base, .within = part};
  bool both = json_get(doc, part, control) != JSON_NONE && json_get(doc, part, breakpoint) != JSON_NONE;
  for (uint32_t key = json_first(doc, part); key != JSON_NONE;) {
    uint32_t value = json_next(doc, part, key), next = json_next(doc, part, value);
    bool is_control = json_string_is(doc, key, control), mark = is_control || json_string_is(doc, key, breakpoint);
    enum mark_fate fate = mark ? mark_fate(t, is_control) : MARK_STAYS;
    if (fate == MARK_GOES || (fate == MARK_CHANGES && (both || json_type(doc, value) == JSON_NULL))) {
      walk_cut(t->s, &w, value, next);
    } else {
      if (fate == MARK_CHANGES)
        splice_replace(t->s, base + doc->nodes[key].start, base + doc->nodes[value].end,
                       is_control ? STR("\"prompt_cache_breakpoint\":{\"mode\":\"explicit\"}")
                                  : STR("\"cache_control\":{\"type\":\"ephemeral\"}"));
      else if (!mark)
        splice_media(t, base, key, value);
      walk_keep(t->s, &w, value);
    }
    key = next;
  }
  walk_end(t->s, &w);
}

// A tool's result may only be text: the rest is kept for the user's message behind it.
static void splice_result(struct turns *t, uint32_t message, uint32_t content, size_t base) {
  const struct json_doc *doc = &t->inner;
  struct str id = chat_inside(t->doc, member(t, message, STR("tool_call_id")));
  struct buf *out = t->s->out;
  bool any = false;
  splice_replace(t->s, base, t->doc->nodes[content].end, STR("\""));
  size_t empty = out->len;
  write_texts(t, out);
  if (out->len == empty) buf_lit(out, "See what is in the next message.");
  buf_char(out, '"');
  for (uint32_t p = json_first(doc, 0); p != JSON_NONE; p = json_next(doc, 0, p)) {
    if (is_text(doc, p)) continue;
    if (!any) {
      if (t->media.len) buf_char(&t->media, ',');
      buf_lit(&t->media, "{\"type\":\"text\",\"text\":\"Result of the tool call ");
      buf_str(&t->media, id);
      buf_lit(&t->media, ":\"}");
    }
    any = true;
    buf_char(&t->media, ',');
    buf_str(&t->media, json_raw(doc, p));
  }
}

// Is there anything in an array of parts that this service wants otherwise?
static bool parts_concern(const struct turns *t, enum side side, struct str raw) {
  const struct provider_quirks *q = t->s->quirks;
  if (q->plain_text || t->s->files || (q->audio_urls && str_find(raw, STR("input_audio"), 0) != SIZE_MAX)) return true;
  if (side == SIDE_TOOL && q->text_results) return true;
  return q->marks != MARKS_AS_SENT && (str_find(raw, STR("cache_control"), 0) != SIZE_MAX ||
                                       str_find(raw, STR("prompt_cache_breakpoint"), 0) != SIZE_MAX);
}

static void splice_content(struct turns *t, uint32_t message, enum side side, uint32_t content) {
  struct str raw = json_raw(t->doc, content);
  size_t base = t->doc->nodes[content].start;
  if (!json_is(t->doc, content, JSON_ARRAY) || !parts_concern(t, side, raw) || !open_inner(t, content, 3)) return;
  bool texts = only_texts(&t->inner);
  if (texts && t->s->quirks->plain_text) {
    splice_replace(t->s, base, t->doc->nodes[content].end, STR("\""));
    write_texts(t, t->s->out);
    buf_char(t->s->out, '"');
  } else if (!texts && side == SIDE_TOOL && t->s->quirks->text_results) {
    splice_result(t, message, content, base);
  } else {
    for (uint32_t p = json_first(&t->inner, 0); p != JSON_NONE; p = json_next(&t->inner, 0, p))
      if (json_is(&t->inner, p, JSON_OBJECT)) splice_part(t, base, p);
  }
}

// Google's signatures in calls are for Google alone.
static void splice_calls(struct turns *t, uint32_t calls) {
  struct str extra = STR("extra_content");
  if (t->keeps_signatures || str_find(json_raw(t->doc, calls), extra, 0) == SIZE_MAX || !open_inner(t, calls, 2))
    return;
  const struct json_doc *doc = &t->inner;
  for (uint32_t call = json_first(doc, 0); call != JSON_NONE; call = json_next(doc, 0, call)) {
    struct walk w = {.doc = doc, .base = t->doc->nodes[calls].start, .within = call};
    if (!json_is(doc, call, JSON_OBJECT)) continue;
    for (uint32_t key = json_first(doc, call); key != JSON_NONE;) {
      uint32_t value = json_next(doc, call, key), next = json_next(doc, call, value);
      if (json_string_is(doc, key, extra))
        walk_cut(t->s, &w, value, next);
      else
        walk_keep(t->s, &w, value);
      key = next;
    }
    walk_end(t->s, &w);
  }
}

// --- reasoning of earlier turns ---

// The readable reasoning of a message; JSON_NONE: none.
static uint32_t thoughts_of(const struct turns *t, uint32_t message) {
  uint32_t value = member(t, message, STR("reasoning_content"));
  if (!chat_has_text(t->doc, value)) value = member(t, message, STR("reasoning"));
  return chat_has_text(t->doc, value) ? value : JSON_NONE;
}

static struct str thoughts_name(const struct turns *t) {
  switch (t->s->quirks->replay) {
    case REPLAY_CONTENT: return STR("reasoning_content");
    case REPLAY_REASONING: return STR("reasoning");
    default: return (struct str){0};
  }
}

// Pieces of reasoning_details that may go on: none that another's format signed or encrypted.
static bool detail_stays(const struct turns *t, uint32_t detail) {
  const struct provider_quirks *q = t->s->quirks;
  const struct json_doc *doc = &t->inner;
  bool blob =
      chat_has_text(doc, json_get(doc, detail, STR("signature"))) || json_get(doc, detail, STR("data")) != JSON_NONE;
  if (q->replay == REPLAY_AS_SENT) return !blob;
  if (q->replay != REPLAY_ALL) return false;
  return !q->blobs ||
         str_find(chat_inside(doc, json_get(doc, detail, STR("format"))), str_from_cstr(q->blobs), 0) != SIZE_MAX;
}

static bool details_stay(struct turns *t, uint32_t details) {
  if (t->s->quirks->replay == REPLAY_ALL && !t->s->quirks->blobs) return true;
  if (!json_is(t->doc, details, JSON_ARRAY) || !open_inner(t, details, 2)) return false;
  for (uint32_t d = json_first(&t->inner, 0); d != JSON_NONE; d = json_next(&t->inner, 0, d))
    if (detail_stays(t, d)) return true;
  return false;
}

static void splice_details(struct turns *t, uint32_t details) {
  if (t->s->quirks->replay == REPLAY_ALL && !t->s->quirks->blobs) return;
  if (!open_inner(t, details, 2)) return;
  struct walk w = {.doc = &t->inner, .base = t->doc->nodes[details].start};
  for (uint32_t d = json_first(&t->inner, 0); d != JSON_NONE;) {
    uint32_t next = json_next(&t->inner, 0, d);
    if (detail_stays(t, d))
      walk_keep(t->s, &w, d);
    else
      walk_cut(t->s, &w, d, next);
    d = next;
  }
  walk_end(t->s, &w);
}

static bool is_thought(const struct turns *t, uint32_t key) {
  return json_string_is(t->doc, key, STR("reasoning")) || json_string_is(t->doc, key, STR("reasoning_content")) ||
         json_string_is(t->doc, key, STR("reasoning_details"));
}

// Does this member with reasoning stay? Under what name is another question.
static bool thought_stays(struct turns *t, uint32_t key, uint32_t value) {
  enum replay_form replay = t->s->quirks->replay;
  if (json_string_is(t->doc, key, STR("reasoning_details"))) return details_stay(t, value);
  if (replay == REPLAY_ALL || replay == REPLAY_AS_SENT) return true;
  return thoughts_name(t).len && value == t->thoughts;
}

// GLM models read their reasoning again between tags at the beginning of the content.
static void write_tagged(struct turns *t, uint32_t content) {
  uint32_t thoughts = t->s->quirks->replay == REPLAY_TAGS && content == t->content ? t->thoughts : JSON_NONE;
  if (thoughts == JSON_NONE) return;
  bool string = json_is(t->doc, content, JSON_STRING), null = json_type(t->doc, content) == JSON_NULL;
  if (!string && !null) return;
  splice_replace(t->s, t->doc->nodes[content].start, t->doc->nodes[content].end, STR("\"<think>\\n"));
  buf_str(t->s->out, chat_inside(t->doc, thoughts));
  buf_lit(t->s->out, "\\n</think>");
  t->s->tagged = true;
  if (chat_has_text(t->doc, content)) buf_lit(t->s->out, "\\n");
  buf_str(t->s->out, chat_inside(t->doc, content));
  buf_char(t->s->out, '"');
}

// --- members of a message ---

// Members of messages that strict services refuse: those of other dialects; and, unless they are OpenAI, some that only
// OpenAI takes back.
static bool is_foreign(const struct turns *t, uint32_t key) {
  static const char *const openai[] = {"refusal", "audio", "annotations", "function_call", NULL};
  for (const char *const *name = provider_foreign_in_messages; *name; name++)
    if (json_string_is(t->doc, key, str_from_cstr(*name))) return true;
  for (const char *const *name = openai; !t->s->quirks->openai_models && *name; name++)
    if (json_string_is(t->doc, key, str_from_cstr(*name))) return true;
  return false;
}

static bool member_stays(struct turns *t, uint32_t key, uint32_t value) {
  const struct provider_quirks *q = t->s->quirks;
  if (is_thought(t, key)) return thought_stays(t, key, value);
  if (q->no_names && json_string_is(t->doc, key, STR("name"))) return false;
  if (q->gateway) return true;
  if (json_string_is(t->doc, key, STR("cache_control"))) return mark_fate(t, true) == MARK_STAYS;
  if (q->strict && is_foreign(t, key)) return false;
  return !json_string_is(t->doc, key, STR("images")) || q->replay == REPLAY_AS_SENT;
}

static void splice_member(struct turns *t, uint32_t message, enum side side, uint32_t key, uint32_t value) {
  size_t from = t->doc->nodes[key].start, to = t->doc->nodes[key].end;
  if (json_string_is(t->doc, key, STR("role"))) {
    if (t->s->quirks->no_developer && json_string_is(t->doc, value, STR("developer")))
      splice_replace(t->s, t->doc->nodes[value].start, t->doc->nodes[value].end, STR("\"system\""));
  } else if (json_string_is(t->doc, key, STR("content"))) {
    write_tagged(t, value);
    splice_content(t, message, side, value);
  } else if (json_string_is(t->doc, key, STR("tool_calls"))) {
    if (json_is(t->doc, value, JSON_ARRAY)) splice_calls(t, value);
  } else if (json_string_is(t->doc, key, STR("reasoning_details"))) {
    splice_details(t, value);
  } else if (is_thought(t, key) && thoughts_name(t).len && !json_string_is(t->doc, key, thoughts_name(t))) {
    splice_replace(t->s, from, to, STR("\""));
    buf_str(t->s->out, thoughts_name(t));
    buf_char(t->s->out, '"');
  }
}

static void splice_message(struct turns *t, uint32_t message, enum side side) {
  const struct json_doc *doc = t->doc;
  struct walk w = {.doc = doc, .within = message};
  t->content = member(t, message, STR("content"));
  t->thoughts = side == SIDE_ASSISTANT ? thoughts_of(t, message) : JSON_NONE;
  for (uint32_t key = json_first(doc, message); key != JSON_NONE;) {
    uint32_t value = json_next(doc, message, key), next = json_next(doc, message, value);
    if (member_stays(t, key, value)) {
      splice_member(t, message, side, key, value);
      walk_keep(t->s, &w, value);
    } else {
      walk_cut(t->s, &w, value, next);
    }
    key = next;
  }
  walk_end(t->s, &w);
  bool called = json_first(doc, member(t, message, STR("tool_calls"))) != JSON_NONE ||
                json_is(doc, member(t, message, STR("tool_calls")), JSON_ARRAY);
  if (side == SIDE_ASSISTANT && called && t->s->quirks->fills_replay && t->thoughts == JSON_NONE)
    buf_lit(t->s->out, ",\"reasoning_content\":\"\"");
}

// --- messages among each other ---

// How many messages from here on must be one. A call stands alone.
static unsigned run_of(const struct turns *t, uint32_t message, enum side side, bool leading) {
  const struct provider_quirks *q = t->s->quirks;
  unsigned n = 1;
  bool joins = (side == SIDE_SYSTEM && leading && q->one_system) || (q->alternates && side != SIDE_TOOL);
  if (!joins || member(t, message, STR("tool_calls")) != JSON_NONE) return 1;
  for (uint32_t m = json_next(t->doc, t->messages, message); m != JSON_NONE; m = json_next(t->doc, t->messages, m)) {
    enum side other = side_of(t, m);
    // A later system's message becomes the user's.
    if (other == SIDE_SYSTEM && q->one_system && side != SIDE_SYSTEM) other = SIDE_USER;
    if (other != side || member(t, m, STR("tool_calls")) != JSON_NONE) return n;
    n++;
  }
  return n;
}

static bool holds_media(struct turns *t, uint32_t message) {
  uint32_t content = member(t, message, STR("content"));
  return json_is(t->doc, content, JSON_ARRAY) && open_inner(t, content, 2) && !only_texts(&t->inner);
}

static void write_as_part(struct turns *t, uint32_t content, bool wrapped, bool first) {
  struct buf *out = t->s->out;
  struct str raw = json_raw(t->doc, content);
  if (!first) buf_char(out, ',');
  if (json_is(t->doc, content, JSON_ARRAY) && !wrapped) {
    buf_str(out, str_from(raw.ptr + 1, raw.len - 2));
    return;
  }
  buf_lit(out, "{\"type\":\"text\",\"text\":\"");
  if (wrapped) buf_lit(out, "<system>\\n");
  write_content_text(t, content, out);
  if (wrapped) buf_lit(out, "\\n</system>");
  buf_lit(out, "\"}");
}

// One message of `count`, or of a system's that comes late.
static void write_joined(struct turns *t, uint32_t message, unsigned count, enum side side, bool leading) {
  static const char *const roles[] = {"system", "user", "assistant", "tool"};
  struct buf *out = t->s->out;
  bool late = side == SIDE_SYSTEM && !leading, parts = false;
  uint32_t m = message;
  for (unsigned i = 0; i < count; i++, m = json_next(t->doc, t->messages, m)) parts |= holds_media(t, m);
  buf_lit(out, "{\"role\":\"");
  buf_str(out, str_from_cstr(roles[late ? SIDE_USER : side]));
  buf_str(out, parts ? STR("\",\"content\":[") : STR("\",\"content\":\""));
  m = message;
  for (unsigned i = 0; i < count; i++, m = json_next(t->doc, t->messages, m)) {
    uint32_t content = member(t, m, STR("content"));
    bool wrapped = side_of(t, m) == SIDE_SYSTEM && !leading;
    if (parts) {
      write_as_part(t, content, wrapped, i == 0);
      continue;
    }
    if (i) buf_lit(out, "\\n\\n");
    if (wrapped) buf_lit(out, "<system>\\n");
    write_content_text(t, content, out);
    if (wrapped) buf_lit(out, "\\n</system>");
  }
  buf_str(out, parts ? STR("]}") : STR("\"}"));
}

// What the results could not hold, behind the last of them.
static void flush_media(struct turns *t) {
  t->s->out->failed |= t->media.failed;
  if (!t->media.len) return;
  splice_copy(t->s, t->walk.kept_end);
  buf_lit(t->s->out, ",{\"role\":\"user\",\"content\":[");
  buf_str(t->s->out, buf_view(&t->media));
  buf_lit(t->s->out, "]}");
  buf_clear(&t->media);
}

static void write_schema(struct turns *t) {
  if (!t->schema.len) return;
  splice_copy(t->s, (size_t)t->doc->nodes[t->messages].start + 1);
  buf_lit(t->s->out, "{\"role\":\"system\",\"content\":");
  struct buf text;
  buf_init(&text, LIMIT_REQUEST_BODY);
  buf_lit(&text, "Answer with one JSON object that fits this JSON schema, and nothing else:\n");
  buf_str(&text, t->schema);
  json_write_str(t->s->out, buf_view(&text));
  t->s->out->failed |= text.failed;
  buf_free(&text);
  buf_lit(t->s->out, "},");
}

static void splice_messages(struct turns *t) {
  const struct json_doc *doc = t->doc;
  bool leading = true;
  write_schema(t);
  for (uint32_t m = json_first(doc, t->messages); m != JSON_NONE;) {
    enum side side = side_of(t, m);
    leading &= side == SIDE_SYSTEM;
    unsigned run = run_of(t, m, leading ? SIDE_SYSTEM : side == SIDE_SYSTEM ? SIDE_USER : side, leading);
    bool late = side == SIDE_SYSTEM && !leading && t->s->quirks->one_system;
    if (side != SIDE_TOOL) flush_media(t);
    if (run == 1 && !late) {
      splice_message(t, m, side);
      walk_keep(t->s, &t->walk, m);
      m = json_next(doc, t->messages, m);
      continue;
    }
    splice_replace(t->s, doc->nodes[m].start, doc->nodes[m].end, (struct str){0});
    write_joined(t, m, run, side, leading);
    walk_keep(t->s, &t->walk, m);
    for (m = json_next(doc, t->messages, m); --run; m = json_next(doc, t->messages, m))
      walk_cut(t->s, &t->walk, m, json_next(doc, t->messages, m));
  }
  flush_media(t);
  walk_end(t->s, &t->walk);
}

// Which of the oddities matter to this service.
static unsigned concerns(const struct splice *s) {
  const struct provider_quirks *q = s->quirks;
  unsigned odd = 0;
  if (q->no_developer) odd |= CHAT_ODD_DEVELOPER;
  if (q->one_system) odd |= CHAT_ODD_SYSTEM;
  if (q->alternates) odd |= CHAT_ODD_REPEAT;
  if (q->no_names) odd |= CHAT_ODD_NAME;
  if (q->text_results) odd |= CHAT_ODD_RESULT;
  if (q->plain_text || q->audio_urls || q->marks != MARKS_AS_SENT || s->files) odd |= CHAT_ODD_PARTS;
  odd |= CHAT_ODD_CALLS;
  if (!q->gateway) odd |= CHAT_ODD_OTHER;
  return odd;
}

void chat_turns_splice(struct splice *s) {
  struct turns t = {.s = s, .doc = &s->r->doc, .messages = chat_member_at(s->r, CHAT_MEMBER_MESSAGES)};
  t.schema = chat_format_told(s);
  if (!t.schema.len && !(s->r->odd & concerns(s))) return;
  t.walk = (struct walk){.doc = t.doc, .within = t.messages};
  t.keeps_signatures = str_find(s->e->provider->base_url, STR("googleapis.com"), 0) != SIZE_MAX;
  t.breakpoints = s->quirks->marks == MARKS_BREAKPOINT && openai_model_has_breakpoints(openai_model_name(s->e));
  buf_init(&t.media, LIMIT_REQUEST_BODY);
  splice_messages(&t);
  buf_free(&t.media);
  json_doc_free(&t.inner);
}
