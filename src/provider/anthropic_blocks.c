// A request's system text and messages as Anthropic's blocks.
#include "provider/anthropic_writer.h"
#include "provider/encode.h"

static const struct encode_alphabet id_alphabet = {"_-", 1, 64};

// --- blocks ---

static void text_block(struct anthropic_writer *w, struct str before, struct str text, struct str after,
                       enum cache_mark mark) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"text\",\"text\":\"");
  buf_str(w->out, before);
  buf_str(w->out, text);
  buf_str(w->out, after);
  buf_char(w->out, '"');
  anthropic_mark(w, mark);
  buf_char(w->out, '}');
}

static void source_base64(struct anthropic_writer *w, struct str type, struct str data) {
  encode_object(w->out, STR("source"));
  buf_lit(w->out, "\"type\":\"base64\"");
  encode_plain(w->out, STR("media_type"), type);
  encode_plain(w->out, STR("data"), data);
  buf_char(w->out, '}');
}

static void source_url(struct anthropic_writer *w, struct str url) {
  encode_object(w->out, STR("source"));
  buf_lit(w->out, "\"type\":\"url\"");
  encode_plain(w->out, STR("url"), url);
  buf_char(w->out, '}');
}

static void source_file(struct anthropic_writer *w, struct str id) {
  encode_object(w->out, STR("source"));
  buf_lit(w->out, "\"type\":\"file\"");
  encode_plain(w->out, STR("file_id"), id);
  buf_char(w->out, '}');
  anthropic_beta(w, STR("files-api-2025-04-14"));
}

static bool is_picture(struct str type) {
  return str_eq(type, STR("image/png")) || str_eq(type, STR("image/jpeg")) || str_eq(type, STR("image/gif")) ||
         str_eq(type, STR("image/webp"));
}

static bool image_block(struct anthropic_writer *w, const struct part *p, enum cache_mark mark) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"image\"");
  if (p->url.len)
    source_url(w, p->url);
  else if (is_picture(encode_media_type(p)))
    source_base64(w, encode_media_type(p), p->data);
  else
    return translation_refuse(
        w->t, FAULT_UNSUPPORTED,
        STR("This provider takes pictures as image/png, image/jpeg, image/gif or image/webp, and no others."));
  anthropic_mark(w, mark);
  buf_char(w->out, '}');
  return true;
}

// Bytes that are neither a PDF nor a picture are sent as the text they hold.
static bool source_text(struct anthropic_writer *w, const struct part *p) {
  struct str text = encode_text_file(p, w->t->arena);
  if (!text.ptr)
    return translation_refuse(w->t, FAULT_UNSUPPORTED,
                              STR("This provider takes files that are PDF, pictures or UTF-8 text, in base64."));
  encode_object(w->out, STR("source"));
  buf_lit(w->out, "\"type\":\"text\",\"media_type\":\"text/plain\"");
  encode_inside(w->out, STR("data"), text);
  buf_char(w->out, '}');
  return true;
}

static bool document_block(struct anthropic_writer *w, const struct part *p, enum cache_mark mark) {
  struct str type = encode_media_type(p);
  if (p->data.len && is_picture(type)) return image_block(w, p, mark);
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"document\"");
  if (p->url.len)
    source_url(w, p->url);
  else if (p->id.len && !p->data.len)
    source_file(w, p->id);
  else if (str_eq(type, STR("application/pdf")))
    source_base64(w, type, p->data);
  else if (!source_text(w, p))
    return false;
  if (p->name.len) encode_plain(w->out, STR("title"), p->name);
  if (p->context.len) encode_inside(w->out, STR("context"), p->context);
  if (p->cited) buf_lit(w->out, ",\"citations\":{\"enabled\":true}");
  anthropic_mark(w, mark);
  buf_char(w->out, '}');
  return true;
}

// Does a piece of reasoning go back? Only Anthropic's own does, unchanged; an empty signature is that of a stream which
// was cut. Other hosts behind this protocol sign nothing, and want what they said all the same.
static bool is_sent_back(const struct anthropic_writer *w, const struct part *p) {
  if (!reasoning_is_of(p, ANTHROPIC_FORMAT)) return false;
  return p->encrypted.len || p->signature.len || (!w->model->known && p->text.len);
}

static void reasoning_block(struct anthropic_writer *w, const struct part *p) {
  encode_element(w->out);
  if (p->encrypted.len) {
    buf_lit(w->out, "\"type\":\"redacted_thinking\"");
    // Bedrock wraps it in base64 once more.
    if (str_eq(p->id, STR("bedrock")))
      encode_plain(w->out, STR("data"), encode_unbase64(p->encrypted, w->t->arena));
    else
      encode_inside(w->out, STR("data"), p->encrypted);
  } else {
    buf_lit(w->out, "\"type\":\"thinking\"");
    encode_inside(w->out, STR("thinking"), p->text);
    encode_inside(w->out, STR("signature"), p->signature);
  }
  buf_char(w->out, '}');
}

static void call_block(struct anthropic_writer *w, const struct part *p, enum cache_mark mark) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"tool_use\"");
  encode_plain(w->out, STR("id"), encode_id(steps_call_id(&w->steps, p), id_alphabet, w->t->arena));
  encode_plain(w->out, STR("name"), p->name);
  json_write_key(w->out, STR("input"));
  if (!encode_arguments(w->out, p->arguments, w->t->arena)) w->failed = true;
  anthropic_mark(w, mark);
  buf_char(w->out, '}');
}

// A tool that Anthropic ran, as it was told (anthropic_reply.c): the call, and the block of its result. Either may be
// alone: the turn was paused between them.
static void server_tool_blocks(struct anthropic_writer *w, const struct part *p) {
  struct str result;
  bool has_result = p->text.len && encode_is_object(p->text, w->t, &result);
  if (p->arguments.len) {
    struct str name = p->name;
    size_t colon = str_starts(name, STR("mcp:")) ? str_find_char(name, ':', 4) : SIZE_MAX;
    encode_element(w->out);
    if (colon != SIZE_MAX) {
      buf_lit(w->out, "\"type\":\"mcp_tool_use\"");
      encode_plain(w->out, STR("server_name"), str_from(name.ptr + 4, colon - 4));
      name = str_skip(name, colon + 1);
    } else {
      buf_lit(w->out, "\"type\":\"server_tool_use\"");
    }
    encode_plain(w->out, STR("id"), p->id);
    encode_plain(w->out, STR("name"), name);
    json_write_key(w->out, STR("input"));
    if (!encode_arguments(w->out, p->arguments, w->t->arena)) w->failed = true;
    buf_char(w->out, '}');
  }
  if (!has_result) return;
  if (w->out->len && w->out->ptr[w->out->len - 1] != '[') buf_char(w->out, ',');
  buf_str(w->out, result);
}

static bool part_block(struct anthropic_writer *w, const struct step *s) {
  const struct part *p = s->part;
  switch (p->kind) {
    case PART_TEXT:
    case PART_REFUSAL: {
      bool named = s->begins && s->turn->name.len && s->kind == STEP_PART;
      bool last = s + 1 == w->steps.items + w->steps.count && !s->user;
      struct str text = last ? encode_trim_end(p->text) : p->text;
      if (s->kind == STEP_SYSTEM) {
        text_block(w, STR("<system>\\n"), text, STR("\\n</system>"), s->cache);
        return true;
      }
      struct str before = named ? arena_printf(w->t->arena, "%.*s: ", STR_ARGS(s->turn->name)) : STR("");
      text_block(w, before, text, STR(""), s->cache);
      return true;
    }
    case PART_IMAGE: return image_block(w, p, s->cache);
    case PART_FILE: return document_block(w, p, s->cache);
    case PART_REASONING: reasoning_block(w, p); return true;
    case PART_CALL: call_block(w, p, s->cache); return true;
    case PART_SERVER_TOOL: server_tool_blocks(w, p); return true;
    default:
      return translation_refuse(w->t, FAULT_UNSUPPORTED,
                                STR("This provider takes no audio and no video. Send text, images or PDF files."));
  }
}

static bool result_block(struct anthropic_writer *w, const struct step *s) {
  const struct turn *turn = s->turn;
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"tool_result\"");
  encode_plain(w->out, STR("tool_use_id"), encode_id(steps_call_id(&w->steps, s->part), id_alphabet, w->t->arena));
  if (!turn) {
    buf_lit(w->out, ",\"content\":\"The tool gave no result.\",\"is_error\":true}");
    return true;
  }
  bool plain = turn->count == 1 && turn->parts[0].kind == PART_TEXT && !encode_is_blank(turn->parts[0].text);
  if (plain) {
    encode_inside(w->out, STR("content"), turn->parts[0].text);
  } else {
    encode_array(w->out, STR("content"));
    size_t begin = w->out->len;
    for (size_t i = 0; i < turn->count; i++) {
      // The mark stands on the result.
      struct step step = {STEP_PART, true, false, &turn->parts[i], turn, s->turn_number, CACHE_NONE};
      bool empty = step.part->kind == PART_TEXT && encode_is_blank(step.part->text);
      if (!empty && !part_block(w, &step)) return false;
    }
    if (w->out->len == begin) text_block(w, STR(""), STR("(no output)"), STR(""), CACHE_NONE);
    buf_char(w->out, ']');
  }
  anthropic_mark(w, s->cache);
  buf_char(w->out, '}');
  return true;
}

static void orphan_blocks(struct anthropic_writer *w, const struct step *s) {
  size_t at = 0;
  const struct part *last = NULL;
  for (const struct part *p; (p = step_text(s->turn, &at));)
    if (!encode_is_blank(p->text)) last = p;
  at = 0;
  for (const struct part *p; (p = step_text(s->turn, &at));)
    if (!encode_is_blank(p->text))
      text_block(w, STR("Tool result: "), p->text, STR(""), p == last ? s->cache : CACHE_NONE);
}

static bool step_block(struct anthropic_writer *w, const struct step *s) {
  if (s->kind == STEP_RESULT) return result_block(w, s);
  if (s->kind != STEP_ORPHAN) return part_block(w, s);
  orphan_blocks(w, s);
  return true;
}

// Does a step write anything?
static bool is_silent(const struct anthropic_writer *w, const struct step *s) {
  size_t at = 0;
  if (s->kind == STEP_ORPHAN) {
    for (const struct part *p; (p = step_text(s->turn, &at));)
      if (!encode_is_blank(p->text)) return false;
    return true;
  }
  if (s->kind != STEP_PART) return false;
  if (s->part->kind == PART_SERVER_TOOL) {
    struct str result;
    return !s->part->arguments.len && !(s->part->text.len && encode_is_object(s->part->text, w->t, &result));
  }
  return s->part->kind == PART_REASONING && !is_sent_back(w, s->part);
}

// --- messages ---

static bool is_system_text(const struct step *s) {
  return s->kind == STEP_SYSTEM && (s->part->kind == PART_TEXT || s->part->kind == PART_REFUSAL);
}

// What a client put between two turns, from step `i` on; *end is the first step behind it. May the system say it as
// itself: before a turn of the model's, or at the end? Otherwise the user says it between tags.
static bool system_fits(const struct anthropic_writer *w, size_t i, size_t *end) {
  while (i < w->steps.count && (is_system_text(&w->steps.items[i]) || is_silent(w, &w->steps.items[i]))) i++;
  *end = i;
  return w->model->system_inside && (i == w->steps.count || !w->steps.items[i].user);
}

static void system_message(struct anthropic_writer *w, size_t from, size_t end) {
  encode_element(w->out);
  buf_lit(w->out, "\"role\":\"system\",\"content\":[");
  for (size_t i = from; i < end; i++) {
    const struct step *s = &w->steps.items[i];
    if (is_system_text(s)) text_block(w, STR(""), s->part->text, STR(""), s->cache);
  }
  buf_lit(w->out, "]}");
}

bool anthropic_messages(struct anthropic_writer *w) {
  enum { NOBODY, USER, MODEL } speaker = NOBODY;
  bool open = false, any = false;
  size_t looked = 0;  // system texts before this step are the user's
  encode_array(w->out, STR("messages"));
  for (size_t i = 0; i < w->steps.count; i++) {
    const struct step *s = &w->steps.items[i];
    if (is_silent(w, s)) continue;
    if (speaker == USER && i >= looked && is_system_text(s) && system_fits(w, i, &looked)) {
      if (open) buf_lit(w->out, "]}");
      system_message(w, i, looked);
      open = false;
      i = looked - 1;
      continue;
    }
    if (!any && !s->user)  // hosts refuse an answer to nothing
      buf_lit(w->out, "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\".\"}]}");
    if (!open || (speaker == USER) != s->user) {
      if (open) buf_lit(w->out, "]}");
      encode_element(w->out);
      if (s->user)
        buf_lit(w->out, "\"role\":\"user\",\"content\":[");
      else
        buf_lit(w->out, "\"role\":\"assistant\",\"content\":[");
    }
    open = any = true;
    speaker = s->user ? USER : MODEL;
    if (!step_block(w, s)) return false;
  }
  if (open) buf_lit(w->out, "]}");
  if (!any) buf_lit(w->out, "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\".\"}]}");
  if (w->may_pause || anthropic_extra(w, "mcp_servers")) w->t->messages_end = w->out->len;
  buf_char(w->out, ']');
  return true;
}

// --- the system's text ---

// The next text of the system's turns, with its mark, or that of a part behind it that holds nothing.
struct system_text {
  const struct part *part;
  enum cache_mark mark;
};
static bool next_system(const struct anthropic_writer *w, size_t *turn, size_t *at, struct system_text *out) {
  const struct conversation *c = w->c;
  *out = (struct system_text){0};
  for (; *turn < w->steps.system_count; (*turn)++, *at = 0)
    for (; *at < c->turns[*turn].count; (*at)++) {
      const struct part *p = &c->turns[*turn].parts[*at];
      bool text = p->kind == PART_TEXT && !encode_is_blank(p->text);
      if (text && out->part) return true;
      if (text) out->part = p;
      if (p->cache) out->mark = p->cache;
    }
  return out->part != NULL;
}

// Anthropic's own member, which some clients use beside the messages: a text, or blocks. Empty: it is not there.
static struct str own_system(const struct anthropic_writer *w) {
  const struct extra *extra = anthropic_extra(w, "system");
  struct str json = extra ? extra->json : (struct str){0};
  return json.len > 2 && (json.ptr[0] == '"' || json.ptr[0] == '[') && !extra->idle ? json : (struct str){0};
}

void anthropic_system(struct anthropic_writer *w) {
  size_t turn = 0, at = 0;
  struct system_text text;
  struct str own = own_system(w), inside = own.len ? str_from(own.ptr + 1, own.len - 2) : own;
  bool any = next_system(w, &turn, &at, &text), json = w->c->format == FORMAT_JSON;
  if (!any && !json && !own.len) return;
  encode_array(w->out, STR("system"));
  if (own.len && own.ptr[0] == '"')
    text_block(w, STR(""), inside, STR(""), CACHE_NONE);
  else if (own.len)
    buf_str(w->out, str_trim(inside));
  for (; any; any = next_system(w, &turn, &at, &text)) text_block(w, STR(""), text.part->text, STR(""), text.mark);
  if (json) text_block(w, STR(""), STR("Answer with one JSON object and nothing else."), STR(""), CACHE_NONE);
  buf_char(w->out, ']');
}

unsigned anthropic_count_marks(const struct anthropic_writer *w) {
  unsigned n = 0;
  size_t turn = 0, at = 0;
  for (struct system_text text; next_system(w, &turn, &at, &text);) n += text.mark != CACHE_NONE;
  for (size_t i = 0; i < w->steps.count; i++) n += w->steps.items[i].cache && !is_silent(w, &w->steps.items[i]);
  return n;
}
