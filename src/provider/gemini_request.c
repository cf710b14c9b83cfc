#include "provider/gemini_request.h"

#include "json/escape.h"
#include "provider/encode.h"
#include "provider/gemini_write.h"
#include "provider/google_token.h"
#include "provider/tool_names.h"

static const char format[] = "google-gemini-v1";
// What the service takes in place of a signature that was lost (Google's documentation of thought signatures).
static const char no_signature[] = "skip_thought_signature_validator";

void gemini_path(const struct endpoint *e, bool stream, struct buf *out) {
  struct str model = e->upstream_model;
  bool vertex = e->provider->protocol == PROTOCOL_VERTEX;
  bool placed = str_starts(model, STR("publishers/")) || str_starts(model, STR("endpoints/")) ||
                str_starts(model, STR("tunedModels/"));
  if (str_starts(model, STR("models/"))) model = str_skip(model, 7);
  if (placed)
    buf_char(out, '/');
  else if (vertex)
    buf_lit(out, "/publishers/google/models/");
  else
    buf_lit(out, "/models/");
  encode_path(out, model, "@/");
  if (stream)
    buf_lit(out, ":streamGenerateContent?alt=sse");
  else
    buf_lit(out, ":generateContent");
}

void gemini_vertex_fields(const struct conversation *c, const struct endpoint *e, struct buf *out) {
  struct str tier = c ? c->service_tier : (struct str){0};
  if (str_eq(tier, STR("flex")) || str_eq(tier, STR("priority"))) {
    buf_lit(out, "\r\nX-Vertex-AI-LLM-Shared-Request-Type: ");
    buf_str(out, tier);
  }
  google_quota_field(e->provider->credentials, out);
}

// --- parts ---

static void text_begin(struct gemini_writer *w, struct str before, struct str text, struct str after) {
  encode_element(w->out);
  buf_lit(w->out, "\"text\":\"");
  buf_str(w->out, before);
  buf_str(w->out, text);
  buf_str(w->out, after);
  buf_char(w->out, '"');
}

static void text_part(struct gemini_writer *w, struct str before, struct str text, struct str after) {
  text_begin(w, before, text, after);
  buf_char(w->out, '}');
}

static bool is_youtube(struct str url) {
  return str_find(url, STR("youtube.com/"), 0) != SIZE_MAX || str_find(url, STR("youtu.be/"), 0) != SIZE_MAX;
}

// The type of a file that only Google sees; empty: it knows better itself.
static struct str type_by_name(const struct part *p) {
  static const struct {
    struct str end, type;
  } rows[] = {
      {{".png", 4}, {"image/png", 9}},    {{".jpg", 4}, {"image/jpeg", 10}},  {{".jpeg", 5}, {"image/jpeg", 10}},
      {{".webp", 5}, {"image/webp", 10}}, {{".gif", 4}, {"image/gif", 9}},    {{".pdf", 4}, {"application/pdf", 15}},
      {{".mp4", 4}, {"video/mp4", 9}},    {{".webm", 5}, {"video/webm", 10}}, {{".mov", 4}, {"video/mov", 9}},
      {{".mp3", 4}, {"audio/mp3", 9}},    {{".wav", 4}, {"audio/wav", 9}},    {{".txt", 4}, {"text/plain", 10}}};
  struct str url = p->url;
  size_t query = url.len ? str_find_char(url, '?', 0) : SIZE_MAX;
  if (query != SIZE_MAX) url.len = query;
  if (is_youtube(url)) return STR("video/mp4");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (url.len > rows[i].end.len && str_eq_nocase(str_skip(url, url.len - rows[i].end.len), rows[i].end))
      return rows[i].type;
  if (p->media_type.len) return p->media_type;
  if (str_find(url, STR("/files/"), 0) != SIZE_MAX || p->id.len) return (struct str){0};
  return p->kind == PART_VIDEO ? STR("video/mp4") : p->kind == PART_FILE ? STR("application/pdf") : STR("image/jpeg");
}

// AI Studio's name for an uploaded file is "files/…"; what is asked for is its address.
static struct str file_uri(struct gemini_writer *w, const struct part *p) {
  if (p->url.len) return p->url;
  if (w->vertex || !str_starts(p->id, STR("files/"))) return p->id;
  return arena_printf(w->t->arena, "https://generativelanguage.googleapis.com/v1beta/%.*s", STR_ARGS(p->id));
}

static void inline_data(struct gemini_writer *w, const struct part *p) {
  struct str type = encode_media_type(p);
  encode_object(w->out, STR("inlineData"));
  encode_plain(w->out, STR("mimeType"), type.len ? type : STR("application/octet-stream"));
  encode_plain(w->out, STR("data"), p->data);
  buf_char(w->out, '}');
}

static void media_part(struct gemini_writer *w, const struct part *p) {
  bool low = str_eq(p->detail, STR("low")), high = str_eq(p->detail, STR("high"));
  encode_element(w->out);
  if (p->data.len) {
    inline_data(w, p);
  } else {
    struct str type = type_by_name(p), uri = file_uri(w, p);
    bool google = str_find(uri, STR("://"), 0) != SIZE_MAX;
    if (!google && !w->failed)
      w->failed = !translation_refuse(
          w->t, FAULT_UNSUPPORTED,
          STR("Google does not know this file_id: it must be \"files/…\" or a URI. Send the file as a data URL."));
    encode_object(w->out, STR("fileData"));
    if (type.len) encode_plain(w->out, STR("mimeType"), type);
    encode_plain(w->out, STR("fileUri"), uri);
    buf_char(w->out, '}');
  }
  if ((low || high) && w->model.media_result) {
    encode_object(w->out, STR("mediaResolution"));
    encode_plain(w->out, STR("level"), low ? STR("MEDIA_RESOLUTION_LOW") : STR("MEDIA_RESOLUTION_HIGH"));
    buf_char(w->out, '}');
  }
  buf_char(w->out, '}');
}

// --- signatures ---

// The reply's decoder gives a signature the ID of what it belongs to: of a call, of a tool's run, "text:0-12" for the
// characters of the text that are signed. One without an ID had an empty text of its own (gemini_reply.c).
static struct str signature_for(const struct turn *turn, struct str id) {
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (p->kind == PART_REASONING && reasoning_is_of(p, format) && p->encrypted.len && str_eq(p->id, id))
      return p->encrypted;
  }
  return (struct str){0};
}

static struct str signature_of(const struct turn *turn, const struct part *call) {
  if (call->signature.len) return call->signature;
  return call->id.len ? signature_for(turn, call->id) : (struct str){0};
}

// Is this turn Google's own work?
static bool is_own(const struct turn *turn) {
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (p->kind == PART_CALL ? p->signature.len != 0 : p->kind == PART_REASONING && reasoning_is_of(p, format))
      return true;
  }
  return false;
}

// "call_", 20 letters of our generation's ID, "_", a number: where Google gave none, surface/chat_events.c made it.
// Some of Google's begin with "call_", too.
static bool is_made_up(struct str id) {
  return str_starts(id, STR("call_")) && id.len > 26 && id.ptr[25] == '_';
}

// A call's ID goes back where it came from: AI Studio gives some, Vertex knows none.
static void call_id(struct gemini_writer *w, const struct turn *turn, const struct part *call) {
  if (w->vertex || !w->model.version || !call->id.len || is_made_up(call->id) || !turn || !is_own(turn)) return;
  encode_plain(w->out, STR("id"), call->id);
}

static bool is_first_call(const struct step *s) {
  for (const struct part *p = s->turn->parts; p < s->part; p++)
    if (p->kind == PART_CALL) return false;
  return true;
}

static void call_part(struct gemini_writer *w, const struct step *s) {
  struct str signature = signature_of(s->turn, s->part);
  encode_element(w->out);
  encode_object(w->out, STR("functionCall"));
  call_id(w, s->turn, s->part);
  encode_plain(w->out, STR("name"), s->part->name);
  json_write_key(w->out, STR("args"));
  if (!encode_arguments(w->out, s->part->arguments, w->t->arena)) w->failed = true;
  buf_char(w->out, '}');
  // From version 3 on, the first call of a step must have one.
  if (signature.len)
    encode_inside(w->out, STR("thoughtSignature"), signature);
  else if (w->model.version >= 30 && is_first_call(s))
    encode_inside(w->out, STR("thoughtSignature"), str_from_cstr(no_signature));
  buf_char(w->out, '}');
}

// A signature that belongs to no call comes back where it usually came: behind the text.
static bool ends_text(const struct gemini_writer *w, const struct step *s) {
  const struct step *next = s + 1, *end = w->steps.items + w->steps.count;
  while (next < end && next->turn == s->turn && next->part && next->part->kind == PART_REASONING) next++;
  return next == end || next->turn != s->turn || next->kind == STEP_RESULT || next->part->kind == PART_CALL;
}

static void signature_part(struct gemini_writer *w, struct str signature) {
  encode_element(w->out);
  buf_lit(w->out, "\"text\":\"\"");
  encode_inside(w->out, STR("thoughtSignature"), signature);
  buf_char(w->out, '}');
}

// Which characters of the turn's text a signature stands on. False: on none.
static bool signed_range(const struct part *p, uint64_t *from, uint64_t *to) {
  if (p->kind != PART_REASONING || !reasoning_is_of(p, format) || !p->encrypted.len) return false;
  size_t dash = str_find_char(p->id, '-', 0);
  return str_starts(p->id, STR("text:")) && dash != SIZE_MAX &&
         str_to_u64(str_from(p->id.ptr + 5, dash - 5), UINT32_MAX, from) &&
         str_to_u64(str_skip(p->id, dash + 1), UINT32_MAX, to) && *from < *to;
}

// Those that stand on nothing that is there: what had an empty text of its own, or a text that is not the same now.
static void loose_signatures(struct gemini_writer *w, const struct turn *turn) {
  uint64_t from, to;
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (p->kind != PART_REASONING || !reasoning_is_of(p, format) || !p->encrypted.len) continue;
    if (!p->id.len || (signed_range(p, &from, &to) && to > w->characters)) signature_part(w, p->encrypted);
  }
}

// Is the escape or byte at p the rest of a character? (The second half of a surrogate pair is.)
static bool goes_on(const char *p, const char *end) {
  if (*p != '\\') return ((unsigned char)*p & 0xC0) == 0x80;
  return end - p >= 6 && p[1] == 'u' && (p[2] == 'd' || p[2] == 'D') && escape_hex[(unsigned char)p[3]] >= 12;
}

// Takes some characters off the front of a text.
static struct str take_front(struct str *inside, uint64_t characters) {
  const char *p = inside->ptr, *end = p + inside->len;
  while (p < end && (characters || goes_on(p, end))) {
    characters -= !goes_on(p, end);
    p += *p != '\\' ? 1 : p[1] == 'u' ? 6 : 2;
  }
  struct str front = str_from(inside->ptr, (size_t)(p - inside->ptr));
  *inside = str_skip(*inside, front.len);
  return front;
}

static void text_piece(struct gemini_writer *w, struct str text, struct str signature) {
  if (!text.len) return;
  text_begin(w, STR(""), text, STR(""));
  if (signature.len) encode_inside(w->out, STR("thoughtSignature"), signature);
  buf_char(w->out, '}');
}

// The text of the model, cut where its signatures stand, and what stands behind it.
static void model_text(struct gemini_writer *w, const struct step *s) {
  struct str rest = s->part->text;
  uint64_t from, to, end = w->characters + escape_characters(rest);
  for (size_t i = 0; i < s->turn->count; i++) {
    const struct part *p = &s->turn->parts[i];
    if (!signed_range(p, &from, &to) || from < w->characters || to > end) continue;
    text_piece(w, take_front(&rest, from - w->characters), (struct str){0});
    text_piece(w, take_front(&rest, to - from), p->encrypted);
    w->characters = to;
  }
  text_piece(w, rest, (struct str){0});
  w->characters = end;
  if (ends_text(w, s)) loose_signatures(w, s->turn);
}

// --- what the service ran itself ---

static void signed_end(struct gemini_writer *w, const struct step *s, struct str id) {
  struct str signature = id.len ? signature_for(s->turn, id) : (struct str){0};
  buf_char(w->out, '}');
  if (signature.len) encode_inside(w->out, STR("thoughtSignature"), signature);
  buf_char(w->out, '}');
}

// One half of a tool's run, as the service said it.
static void tool_half(struct gemini_writer *w, const struct step *s, struct str name, struct str inside,
                      struct str id) {
  struct str json;
  if (!inside.len || !encode_is_object(inside, w->t, &json)) return;
  encode_element(w->out);
  encode_object(w->out, name);
  buf_str(w->out, str_trim(str_from(json.ptr + 1, json.len - 2)));
  signed_end(w, s, id);
}

static void server_tool(struct gemini_writer *w, const struct step *s) {
  const struct part *p = s->part;
  struct str result_id = arena_printf(w->t->arena, "%.*s:result", STR_ARGS(p->id));
  if (str_eq(p->name, STR("code_execution"))) {
    tool_half(w, s, STR("executableCode"), p->arguments, p->id);
    tool_half(w, s, STR("codeExecutionResult"), p->text, p->id.len ? result_id : (struct str){0});
  } else if (str_find(p->arguments, STR("toolType"), 0) != SIZE_MAX ||
             str_find(p->text, STR("toolType"), 0) != SIZE_MAX) {
    tool_half(w, s, STR("toolCall"), p->arguments, p->id);
    tool_half(w, s, STR("toolResponse"), p->text, p->id.len ? result_id : (struct str){0});
  }
  if (ends_text(w, s)) loose_signatures(w, s->turn);
}

// A thought that is signed itself goes back; others need not.
static void thought_part(struct gemini_writer *w, const struct step *s) {
  text_begin(w, STR(""), s->part->text, STR(""));
  encode_json(w->out, STR("thought"), STR("true"));
  encode_inside(w->out, STR("thoughtSignature"), s->part->signature);
  buf_char(w->out, '}');
}

static void write_part(struct gemini_writer *w, const struct step *s) {
  const struct part *p = s->part;
  switch (p->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
      if (s->kind == STEP_SYSTEM) {
        text_part(w, STR("<system>\\n"), p->text, STR("\\n</system>"));
      } else if (!s->user) {
        model_text(w, s);
      } else if (s->begins && s->turn->name.len) {
        text_part(w, arena_printf(w->t->arena, "%.*s: ", STR_ARGS(s->turn->name)), p->text, STR(""));
      } else {
        text_part(w, STR(""), p->text, STR(""));
      }
      return;
    case PART_IMAGE:
    case PART_FILE:
    case PART_AUDIO:
    case PART_VIDEO: media_part(w, p); return;
    case PART_CALL: call_part(w, s); return;
    case PART_SERVER_TOOL: server_tool(w, s); return;
    case PART_REASONING: thought_part(w, s); return;
  }
}

// --- results ---

// All text of a result in one.
static struct str joined_text(struct gemini_writer *w, const struct turn *turn) {
  struct buf all;
  size_t at = 0, count = 0;
  struct str only = {0};
  buf_init(&all, SIZE_MAX / 2);
  for (const struct part *p; (p = step_text(turn, &at)); count++) {
    if (count) buf_lit(&all, "\\n");
    buf_str(&all, p->text);
    only = p->text;
  }
  if (all.failed) w->failed = true;
  struct str text = count > 1 && !all.failed ? arena_str(w->t->arena, buf_view(&all)) : only;
  buf_free(&all);
  return text;
}

// What newer models take inside a function's result.
static bool is_result_media(const struct gemini_writer *w, const struct part *p) {
  static const char *const types[] = {"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"};
  struct str type = encode_media_type(p);
  if (!w->model.media_result || !p->data.len) return false;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (str_eq(type, str_from_cstr(types[i]))) return true;
  return false;
}

static bool is_media(const struct part *p) {
  return p->kind != PART_TEXT && p->kind != PART_REFUSAL;
}

static void result_media(struct gemini_writer *w, const struct turn *turn) {
  bool any = false;
  for (size_t i = 0; turn && i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (!is_media(p) || !is_result_media(w, p)) continue;
    if (!any) encode_array(w->out, STR("parts"));
    any = true;
    encode_element(w->out);
    inline_data(w, p);
    buf_char(w->out, '}');
  }
  if (any) buf_char(w->out, ']');
}

static void write_result(struct gemini_writer *w, const struct step *s) {
  const struct turn *turn = s->turn;
  struct str object, text = joined_text(w, turn);
  encode_element(w->out);
  encode_object(w->out, STR("functionResponse"));
  call_id(w, w->model_turn, s->part);
  encode_plain(w->out, STR("name"), s->part->name);
  json_write_key(w->out, STR("response"));
  if (!turn) {
    buf_lit(w->out, "{\"error\":\"The tool gave no result.\"}");
  } else if (text.len && encode_is_object(text, w->t, &object)) {
    buf_str(w->out, object);
  } else {
    buf_lit(w->out, "{\"output\":\"");
    buf_str(w->out, text);
    buf_lit(w->out, "\"}");
  }
  result_media(w, turn);
  buf_lit(w->out, "}}");
  for (size_t i = 0; turn && i < turn->count; i++)
    if (is_media(&turn->parts[i]) && !is_result_media(w, &turn->parts[i])) media_part(w, &turn->parts[i]);
}

// --- contents ---

static bool is_silent(const struct step *s) {
  size_t at = 0;
  if (s->kind == STEP_ORPHAN) return !step_text(s->turn, &at);
  if (s->kind != STEP_PART) return false;
  if (s->part->kind == PART_SERVER_TOOL)  // searches are no part of what was said
    return str_eq(s->part->name, STR("google_search")) || str_eq(s->part->name, STR("url_context"));
  return s->part->kind == PART_REASONING &&
         (!s->part->text.len || !s->part->signature.len || !reasoning_is_of(s->part, format));
}

static bool is_only_calls(const struct turn *turn) {
  for (size_t i = 0; i < turn->count; i++)
    if (turn->parts[i].kind != PART_CALL && turn->parts[i].kind != PART_REASONING) return false;
  return true;
}

static void write_step(struct gemini_writer *w, const struct step *s) {
  if (s->kind == STEP_RESULT) {
    write_result(w, s);
    return;
  }
  if (s->kind == STEP_ORPHAN) {
    size_t at = 0;
    for (const struct part *p; (p = step_text(s->turn, &at));) text_part(w, STR("Tool result: "), p->text, STR(""));
    return;
  }
  if (!s->user && w->model_turn != s->turn) {
    w->model_turn = s->turn;
    w->characters = 0;
  }
  if (!s->user && s->part->kind == PART_CALL && is_first_call(s) && is_only_calls(s->turn))
    loose_signatures(w, s->turn);
  write_part(w, s);
}

static void write_system_texts(struct gemini_writer *w) {
  for (size_t i = 0; i < w->steps.system_count; i++)
    for (size_t p = 0; p < w->c->turns[i].count; p++) {
      const struct part *part = &w->c->turns[i].parts[p];
      if (part->kind == PART_TEXT && !encode_is_blank(part->text)) text_part(w, STR(""), part->text, STR(""));
    }
}

static bool has_system(const struct gemini_writer *w) {
  for (size_t i = 0; i < w->steps.system_count; i++)
    for (size_t p = 0; p < w->c->turns[i].count; p++)
      if (w->c->turns[i].parts[p].kind == PART_TEXT && !encode_is_blank(w->c->turns[i].parts[p].text)) return true;
  return false;
}

// Results stand in a content of their own: beside text they would count as the model's.
static void write_contents(struct gemini_writer *w, bool system) {
  enum { NONE, USER, MODEL, RESULTS } open = NONE;
  encode_array(w->out, STR("contents"));
  if (system && !w->model.system) {
    buf_lit(w->out, "{\"role\":\"user\",\"parts\":[");
    write_system_texts(w);
    open = USER;
  }
  for (size_t i = 0; i < w->steps.count; i++) {
    const struct step *s = &w->steps.items[i];
    if (is_silent(s)) continue;
    int kind = !s->user ? MODEL : s->kind == STEP_RESULT ? RESULTS : USER;
    if (open == NONE && kind == MODEL) buf_lit(w->out, "{\"role\":\"user\",\"parts\":[{\"text\":\".\"}]}");
    if (kind != (int)open) {
      if (open != NONE) buf_lit(w->out, "]}");
      encode_element(w->out);
      if (kind == MODEL)
        buf_lit(w->out, "\"role\":\"model\",\"parts\":[");
      else
        buf_lit(w->out, "\"role\":\"user\",\"parts\":[");
    }
    open = kind;
    write_step(w, s);
  }
  if (open == NONE)
    buf_lit(w->out, "{\"role\":\"user\",\"parts\":[{\"text\":\".\"}]}]");
  else
    buf_lit(w->out, "]}]");
}

// --- all of it ---

static bool is_label(struct str inside, bool key) {
  if (inside.len > 63 || (key && (!inside.len || inside.ptr[0] < 'a' || inside.ptr[0] > 'z'))) return false;
  for (size_t i = 0; i < inside.len; i++) {
    char c = inside.ptr[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) return false;
  }
  return true;
}

// Vertex has labels, of lower-case letters; what is none would be refused.
static void write_labels(struct gemini_writer *w) {
  struct json_doc doc = {0};
  size_t before = w->out->len;
  bool any = false;
  if (!w->c->metadata.len || gemini_extra_find(w, "labels").len) return;
  if (!w->vertex) {
    translation_drop(w->t, STR("metadata"));
    return;
  }
  encode_object(w->out, STR("labels"));
  if (encode_parse(&doc, w->c->metadata, 1, w->t))
    for (uint32_t key = json_first(&doc, 0); key != JSON_NONE;) {
      uint32_t value = json_next(&doc, 0, key);
      struct str k = json_raw(&doc, key), v = json_raw(&doc, value);
      bool good = json_is(&doc, value, JSON_STRING) && is_label(str_from(k.ptr + 1, k.len - 2), true) &&
                  is_label(str_from(v.ptr + 1, v.len - 2), false);
      if (good) encode_json(w->out, str_from(k.ptr + 1, k.len - 2), v);
      if (!good) translation_drop(w->t, STR("metadata"));
      any |= good;
      key = json_next(&doc, 0, value);
    }
  json_doc_free(&doc);
  if (any)
    buf_char(w->out, '}');
  else
    w->out->len = before;
}

static void write_tier(struct gemini_writer *w) {
  struct str tier = w->c->service_tier;
  bool usual = !tier.len || str_eq(tier, STR("auto")) || str_eq(tier, STR("default"));
  bool known = str_eq(tier, STR("flex")) || str_eq(tier, STR("priority")) || str_eq(tier, STR("standard"));
  if (known && !w->vertex)
    encode_plain(w->out, STR("serviceTier"), tier);
  else if (!usual && !known)
    translation_drop(w->t, STR("service_tier"));
}

// What is in the cache must not be said again beside it.
static void note_cached(struct gemini_writer *w, bool system) {
  if (system) translation_drop(w->t, STR("system"));
  if (w->c->tool_count || w->c->native_count) translation_drop(w->t, STR("tools"));
  if (w->c->web_search.asked_by.len) translation_drop(w->t, w->c->web_search.asked_by);
  if (w->c->choice > CHOICE_AUTO) translation_drop(w->t, STR("tool_choice"));
}

bool gemini_request(const struct conversation *c, const struct endpoint *e, bool vertex, struct translation *t,
                    struct buf *out) {
  const struct conversation *given = c;
  c = tool_names_fit(c, (struct encode_alphabet){"_-.:", 1, 64}, t);
  if (!c) return false;
  struct gemini_writer w = {
      .c = c, .given = given, .e = e, .model = gemini_model(e->upstream_model), .vertex = vertex, .t = t, .out = out};
  if (!encode_system_is_text(c, t)) return false;
  if (!steps_make(c, true, format, t->arena, &w.steps)) return false;
  gemini_extra_read(&w);
  bool system = has_system(&w), cached = gemini_extra_find(&w, "cachedContent").len != 0;
  if (c->parallel_calls == FLAG_NO && c->tool_count) translation_drop(t, STR("parallel_tool_calls"));
  if (c->user.len) translation_drop(t, STR("user"));
  buf_char(out, '{');
  if (system && w.model.system && !cached) {
    encode_object(out, STR("systemInstruction"));
    encode_array(out, STR("parts"));
    write_system_texts(&w);
    buf_lit(out, "]}");
  }
  write_contents(&w, system && !cached);
  if (cached)
    note_cached(&w, system);
  else
    gemini_write_tools(&w);
  gemini_write_config(&w);
  gemini_extra_write(&w, GEMINI_TOP);
  write_labels(&w);
  write_tier(&w);
  buf_char(out, '}');
  return !w.failed && encode_done(t, out);
}
