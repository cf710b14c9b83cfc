// What was said so far, as OpenAI's items. An item of reasoning stands in front of what it led to; the result of a call
// stands behind the turn that made it.
#include <string.h>

#include "provider/responses_write.h"

enum { MARKS_MAX = 4 };

static const struct encode_alphabet id_alphabet = {"_-.:", 1, 64};

// --- IDs of calls ---

static size_t hash_of(struct str id) {
  uint64_t sum = 14695981039346656037u;
  for (size_t i = 0; i < id.len; i++) sum = (sum ^ (unsigned char)id.ptr[i]) * 1099511628211u;
  return (size_t)(sum ^ sum >> 32);
}

static bool ids_init(struct responses_writer *w) {
  size_t calls = 0, most = 0;
  for (size_t i = 0; i < w->c->turn_count; i++) {
    size_t here = 0;
    for (size_t p = 0; p < w->c->turns[i].count; p++) here += w->c->turns[i].parts[p].kind == PART_CALL;
    calls += here;
    if (here > most) most = here;
  }
  size_t room = 4;
  while (room < 2 * calls) room *= 2;
  w->ids = arena_zalloc(w->t->arena, room * sizeof *w->ids);
  w->calls = arena_zalloc(w->t->arena, (most + 1) * sizeof *w->calls);
  w->ids_mask = room - 1;
  return w->ids && w->calls;
}

// False: it is there already.
static bool ids_add(struct responses_writer *w, struct str id) {
  size_t at = hash_of(id) & w->ids_mask;
  for (; w->ids[at].ptr; at = (at + 1) & w->ids_mask)
    if (str_eq(w->ids[at], id)) return false;
  w->ids[at] = id;
  return true;
}

// Some services count their calls from 0 in each answer; an ID that comes again gets another, the same each time.
static struct str id_of(struct responses_writer *w, const struct part *call, size_t turn) {
  size_t bar = str_find_char(call->id, '|', 0);  // "call_…|fc_…": some clients keep both
  struct str id = bar != SIZE_MAX && bar ? str_from(call->id.ptr, bar) : call->id;
  id = encode_id(id, id_alphabet, w->t->arena);
  if (id.ptr && !ids_add(w, id)) {
    struct str other = arena_printf(w->t->arena, "%.*s#%zu.%zu", STR_ARGS(id), turn, w->call_count);
    id = other.ptr ? encode_id(other, id_alphabet, w->t->arena) : other;
    if (id.ptr) ids_add(w, id);
  }
  return id;
}

static struct str id_written(const struct responses_writer *w, const struct part *call) {
  for (size_t i = 0; i < w->call_count; i++)
    if (w->calls[i].part == call) return w->calls[i].id;
  return call->id;
}

// --- parts ---

static bool may_be_marked(const struct turn *turn, const struct part *p) {
  bool theirs = turn->role == ROLE_USER || turn->role == ROLE_SYSTEM;
  return theirs && (p->kind == PART_TEXT ? !encode_is_blank(p->text) : p->kind == PART_IMAGE || p->kind == PART_FILE);
}

// Which places are marked for the cache: the last few, the most that are taken.
static void count_marks(struct responses_writer *w) {
  size_t count = 0;
  for (size_t i = 0; i < w->c->turn_count; i++)
    for (size_t p = 0; p < w->c->turns[i].count; p++) {
      const struct part *part = &w->c->turns[i].parts[p];
      if (!may_be_marked(&w->c->turns[i], part)) continue;
      count += part->cache != CACHE_NONE;
      if (w->c->cache) w->marked_last = part;
    }
  if (w->marked_last && !w->marked_last->cache) count++;
  w->marks_to_skip = count > MARKS_MAX ? count - MARKS_MAX : 0;
}

static void mark(struct responses_writer *w, const struct turn *turn, const struct part *p) {
  if (!w->marks || !may_be_marked(turn, p) || (!p->cache && p != w->marked_last)) return;
  if (w->marks_to_skip)
    w->marks_to_skip--;
  else
    encode_json(w->out, STR("prompt_cache_breakpoint"), STR("{\"mode\":\"explicit\"}"));
}

static void text_begin(struct responses_writer *w, const char *type, const char *member) {
  encode_element(w->out);
  encode_plain(w->out, STR("type"), str_from_cstr(type));
  json_write_key(w->out, str_from_cstr(member));
  buf_char(w->out, '"');
}

static void text_part(struct responses_writer *w, const char *type, struct str text) {
  text_begin(w, type, str_eq(str_from_cstr(type), STR("refusal")) ? "refusal" : "text");
  buf_str(w->out, text);
  buf_lit(w->out, "\"}");
}

static struct str file_name(const struct part *p) {
  struct str type = encode_media_type(p);
  if (p->name.len) return p->name;
  if (str_eq(type, STR("text/markdown"))) return STR("file.md");
  if (str_eq(type, STR("text/csv"))) return STR("file.csv");
  if (str_eq(type, STR("text/html"))) return STR("file.html");
  return str_starts(type, STR("text/")) ? STR("file.txt") : STR("file.pdf");
}

static bool media_members(struct responses_writer *w, const struct part *p) {
  bool picture = p->kind == PART_FILE && p->data.len && str_starts(p->media_type, STR("image/"));
  switch (picture ? PART_IMAGE : p->kind) {
    case PART_IMAGE:
      buf_lit(w->out, "\"type\":\"input_image\"");
      encode_media_url(w->out, STR("image_url"), p, w->t->arena);
      encode_plain(w->out, STR("detail"), p->detail.len ? p->detail : STR("auto"));
      return true;
    case PART_FILE:
      buf_lit(w->out, "\"type\":\"input_file\"");
      if (p->url.len)
        encode_plain(w->out, STR("file_url"), p->url);
      else if (p->data.len)
        encode_media_url(w->out, STR("file_data"), p, w->t->arena);
      else
        encode_plain(w->out, STR("file_id"), p->id);
      if (p->data.len) encode_plain(w->out, STR("filename"), file_name(p));
      return true;
    default:
      return translation_refuse(w->t, FAULT_UNSUPPORTED,
                                STR("This model takes no audio and no video. Send text, images or files."));
  }
}

// A part of the user's, the system's, or a tool's.
static bool input_part(struct responses_writer *w, const struct turn *turn, const struct part *p, bool begins) {
  bool text = p->kind == PART_TEXT || p->kind == PART_REFUSAL, named = begins && turn->name.len;
  if (named || text) text_begin(w, "input_text", "text");
  if (named) {
    buf_str(w->out, turn->name);
    buf_lit(w->out, ": ");
  }
  if (named && !text) buf_lit(w->out, "\"}");
  if (text) {
    buf_str(w->out, p->text);
    buf_char(w->out, '"');
  } else {
    encode_element(w->out);
    if (!media_members(w, p)) return false;
  }
  mark(w, turn, p);
  buf_char(w->out, '}');
  return true;
}

static void message_begin(struct responses_writer *w, struct str role, struct str phase) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"message\"");
  encode_plain(w->out, STR("role"), role);
  if (phase.len) encode_inside(w->out, STR("phase"), phase);
  encode_array(w->out, STR("content"));
}

// --- the model's turns ---

static void reasoning_texts(struct responses_writer *w, const struct part *from, const struct part *to,
                            const char *type) {
  for (const struct part *p = from; p < to; p++) {
    struct str text = p->text, pause = STR("\\n\\n");
    if (!text.len) continue;
    // The pause to the next part was added on the way out.
    if (p + 1 < to && p[1].text.len && str_ends(text, pause)) text.len -= pause.len;
    text_part(w, type, text);
  }
}

// One item of reasoning, `from` and `to`: readable parts, and the encrypted one behind them, whose summary they are.
static void reasoning_item(struct responses_writer *w, const struct part *from, const struct part *to) {
  const struct part *encrypted = to[-1].encrypted.len ? &to[-1] : NULL;
  struct str id = encrypted && encrypted->id.len ? encrypted->id : from->id;
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"reasoning\"");
  if (id.len) encode_plain(w->out, STR("id"), id);
  encode_array(w->out, STR("summary"));
  if (encrypted) {
    reasoning_texts(w, from, to, "summary_text");
    buf_char(w->out, ']');
    encode_inside(w->out, STR("encrypted_content"), encrypted->encrypted);
  } else {
    buf_char(w->out, ']');
    encode_array(w->out, STR("content"));
    reasoning_texts(w, from, to, "reasoning_text");
    buf_char(w->out, ']');
  }
  buf_char(w->out, '}');
}

// The end of the item of reasoning that begins at a part; the part itself: nothing of it can be sent. Without an
// encrypted part OpenAI cannot use it; others want to have back what they wrote.
static const struct part *reasoning_end(const struct responses_writer *w, const struct part *p,
                                        const struct part *end) {
  const struct part *from = p;
  const char *format = responses_format(w->host);
  while (p < end && p->kind == PART_REASONING && reasoning_is_of(p, format) && !p->encrypted.len) p++;
  if (p < end && p->kind == PART_REASONING && reasoning_is_of(p, format)) return p + 1;
  if (w->e->provider->quirks->openai_models || w->host == RESPONSES_XAI) return from;
  for (p = from; p < end && p->kind == PART_REASONING && reasoning_is_of(p, format) && !p->summary && p->text.len &&
                 str_eq(p->id, from->id);)
    p++;
  return p;
}

static bool is_said(const struct part *p) {
  return (p->kind == PART_TEXT || p->kind == PART_REFUSAL) && !encode_is_blank(p->text);
}

static bool is_media(const struct part *p) {
  return p->kind == PART_IMAGE || p->kind == PART_FILE || p->kind == PART_AUDIO || p->kind == PART_VIDEO;
}

// Texts that follow one another are one message. Returns the part behind them.
static const struct part *said_message(struct responses_writer *w, const struct turn *turn, const struct part *p) {
  message_begin(w, STR("assistant"), turn->phase);
  for (; p < turn->parts + turn->count && (is_said(p) || p->kind == PART_TEXT); p++)
    if (is_said(p)) text_part(w, p->kind == PART_TEXT ? "output_text" : "refusal", p->text);
  buf_lit(w->out, "]}");
  return p;
}

static bool assistant_items(struct responses_writer *w, const struct turn *turn, size_t number) {
  const struct part *end = turn->parts + turn->count, *p = turn->parts, *last = NULL;
  for (const struct part *at = p; at < end; at++)
    if (is_said(at) || at->kind == PART_CALL || at->kind == PART_SERVER_TOOL) last = at;
  w->call_count = 0;
  while (p < end) {
    if (is_said(p)) {
      p = said_message(w, turn, p);
    } else if (p->kind == PART_REASONING) {
      const struct part *behind = reasoning_end(w, p, end);
      // Without what it led to it is refused.
      if (behind != p && w->keeps_reasoning && !w->kept_there && last && behind <= last) reasoning_item(w, p, behind);
      p = behind == p ? p + 1 : behind;
    } else if (p->kind == PART_CALL) {
      struct str id = id_of(w, p, number);
      w->calls[w->call_count++] = (struct responses_call){p, id};
      responses_call_item(w, p++, id);
    } else if (is_media(p)) {  // the model's own messages hold none
      message_begin(w, STR("user"), (struct str){0});
      if (!input_part(w, turn, p++, false)) return false;
      buf_lit(w->out, "]}");
    } else {
      if (p->kind == PART_SERVER_TOOL && reasoning_is_of(p, responses_format(w->host)) && !w->kept_there)
        responses_served_item(w, p);
      p++;
    }
  }
  return true;
}

// --- results ---

static bool has_media(const struct turn *turn) {
  for (size_t i = 0; turn && i < turn->count; i++)
    if (is_media(&turn->parts[i])) return true;
  return false;
}

static void result_text(struct responses_writer *w, const struct turn *turn) {
  bool any = false;
  size_t at = 0;
  buf_char(w->out, '"');
  for (const struct part *p; (p = step_text(turn, &at)); any = true) {
    if (any) buf_lit(w->out, "\\n");
    buf_str(w->out, p->text);
  }
  if (!turn) buf_lit(w->out, "The tool gave no result.");
  buf_char(w->out, '"');
}

static bool picture(struct responses_writer *w, const struct turn *turn) {
  const struct part *image = NULL;
  for (size_t i = 0; turn && i < turn->count; i++)
    if (turn->parts[i].kind == PART_IMAGE) image = &turn->parts[i];
  if (!image) return false;
  buf_lit(w->out, "{\"type\":\"computer_screenshot\"");
  encode_media_url(w->out, STR("image_url"), image, w->t->arena);
  buf_char(w->out, '}');
  return true;
}

static bool result_item(struct responses_writer *w, const struct step *s) {
  const struct turn *turn = s->turn;
  enum responses_output form = responses_output_begin(w, s->part, id_written(w, s->part));
  if (form == OUTPUT_PICTURE && picture(w, turn)) {
    buf_char(w->out, '}');
    return true;
  }
  if (form == OUTPUT_SHELL) {
    buf_lit(w->out, "[{\"stdout\":");
    result_text(w, turn);
    buf_lit(w->out, ",\"stderr\":\"\",\"outcome\":{\"type\":\"exit\",\"exit_code\":0}}]}");
    return true;
  }
  if (!has_media(turn)) {
    result_text(w, turn);
    buf_char(w->out, '}');
    return true;
  }
  buf_char(w->out, '[');
  for (size_t i = 0; i < turn->count; i++)
    if (!input_part(w, turn, &turn->parts[i], false)) return false;
  buf_lit(w->out, "]}");
  return true;
}

static bool orphan_item(struct responses_writer *w, const struct step *s) {
  bool any = false;
  message_begin(w, STR("user"), (struct str){0});
  for (size_t i = 0; i < s->turn->count; i++) {
    const struct part *p = &s->turn->parts[i];
    any = true;
    if (is_media(p)) {
      if (!input_part(w, s->turn, p, false)) return false;
      continue;
    }
    text_begin(w, "input_text", "text");
    buf_lit(w->out, "Tool result: ");
    buf_str(w->out, p->text);
    buf_lit(w->out, "\"}");
  }
  if (!any) text_part(w, "input_text", STR("Tool result: none"));
  buf_lit(w->out, "]}");
  return true;
}

// --- all of it ---

static struct str system_role(const struct responses_writer *w) {
  return responses_is_openai(w->host) ? STR("developer") : STR("system");
}

static bool user_item(struct responses_writer *w, size_t *at) {
  const struct step *first = &w->steps.items[*at];
  message_begin(w, first->kind == STEP_SYSTEM ? system_role(w) : STR("user"), (struct str){0});
  for (; *at < w->steps.count; (*at)++) {
    const struct step *s = &w->steps.items[*at];
    if (s->turn != first->turn || s->kind != first->kind) break;
    if (!input_part(w, s->turn, s->part, s->begins && s->kind == STEP_PART)) return false;
  }
  buf_lit(w->out, "]}");
  return true;
}

static bool step_items(struct responses_writer *w, size_t *at) {
  const struct step *s = &w->steps.items[*at];
  if (s->kind == STEP_RESULT || s->kind == STEP_ORPHAN) {
    ++*at;
    return s->kind == STEP_RESULT ? result_item(w, s) : orphan_item(w, s);
  }
  if (s->kind == STEP_SYSTEM || s->user) return user_item(w, at);
  while (*at < w->steps.count && w->steps.items[*at].turn == s->turn && !w->steps.items[*at].user) ++*at;
  return assistant_items(w, s->turn, s->turn_number);
}

static bool system_items(struct responses_writer *w) {
  for (size_t i = 0; i < w->steps.system_count; i++) {
    const struct turn *turn = &w->c->turns[i];
    bool any = false;
    for (size_t p = 0; p < turn->count; p++) {
      if (!is_said(&turn->parts[p]) && !is_media(&turn->parts[p])) continue;
      if (!any) message_begin(w, system_role(w), (struct str){0});
      any = true;
      if (!input_part(w, turn, &turn->parts[p], false)) return false;
    }
    if (any) buf_lit(w->out, "]}");
  }
  return true;
}

static void instructions(struct responses_writer *w) {
  bool any = false;
  for (size_t i = 0; i < w->steps.system_count; i++)
    for (size_t p = 0; p < w->c->turns[i].count; p++) {
      const struct part *part = &w->c->turns[i].parts[p];
      if (!is_said(part)) continue;
      if (any)
        buf_lit(w->out, "\\n\\n");
      else
        buf_lit(w->out, ",\"instructions\":\"");
      buf_str(w->out, part->text);
      any = true;
    }
  if (any) buf_char(w->out, '"');
}

// Instructions are one text: they hold no picture and no mark, and the word "json", which must be said for an answer in
// JSON, does not count there. xAI has none.
static bool wants_messages(const struct responses_writer *w) {
  if (w->c->format == FORMAT_JSON || w->host == RESPONSES_XAI || w->host == RESPONSES_BEDROCK_XAI) return true;
  for (size_t i = 0; i < w->steps.system_count; i++)
    for (size_t p = 0; p < w->c->turns[i].count; p++) {
      const struct part *part = &w->c->turns[i].parts[p];
      if (is_media(part) || (w->marks && part->cache)) return true;
    }
  return false;
}

bool responses_input(struct responses_writer *w) {
  if (!ids_init(w)) return false;
  w->as_messages = wants_messages(w);
  count_marks(w);
  if (!w->as_messages) instructions(w);
  encode_array(w->out, STR("input"));
  size_t begin = w->out->len;
  if (w->as_messages && !system_items(w)) return false;
  for (size_t i = 0; i < w->steps.count;)
    if (!step_items(w, &i)) return false;
  if (w->out->len == begin) {  // an empty list is refused, even with instructions
    message_begin(w, STR("user"), (struct str){0});
    text_part(w, "input_text", STR(""));
    buf_lit(w->out, "]}");
  }
  buf_char(w->out, ']');
  return true;
}
