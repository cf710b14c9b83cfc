#include "provider/responses_request.h"

#include "provider/encode.h"
#include "provider/openai_models.h"
#include "provider/steps.h"

enum { MAX_TOKENS_LEAST = 16 };

static const struct encode_alphabet id_alphabet = {"_-.:|", 1, 64};
static const char format[] = "openai-responses-v1";

struct writer {
  const struct conversation *c;
  struct translation *t;
  struct buf *out;
  struct steps steps;
};

// --- items ---

static void text_part(struct writer *w, const char *type, struct str before, struct str text, struct str after) {
  encode_element(w->out);
  encode_plain(w->out, STR("type"), str_from_cstr(type));
  buf_lit(w->out, ",\"text\":\"");
  buf_str(w->out, before);
  buf_str(w->out, text);
  buf_str(w->out, after);
  buf_lit(w->out, "\"}");
}

static bool media_part(struct writer *w, const struct part *p) {
  encode_element(w->out);
  switch (p->kind) {
    case PART_IMAGE:
      buf_lit(w->out, "\"type\":\"input_image\"");
      encode_media_url(w->out, STR("image_url"), p, w->t->arena);
      encode_plain(w->out, STR("detail"), p->detail.len ? p->detail : STR("auto"));
      break;
    case PART_FILE:
      buf_lit(w->out, "\"type\":\"input_file\"");
      if (p->url.len)
        encode_plain(w->out, STR("file_url"), p->url);
      else if (p->data.len)
        encode_media_url(w->out, STR("file_data"), p, w->t->arena);
      else
        encode_plain(w->out, STR("file_id"), p->id);
      if (p->data.len) encode_plain(w->out, STR("filename"), p->name.len ? p->name : STR("file.pdf"));
      break;
    default:
      return translation_refuse(w->t, FAULT_UNSUPPORTED,
                                STR("This model takes no audio and no video. Send text, images or files."));
  }
  buf_char(w->out, '}');
  return true;
}

static bool input_part(struct writer *w, const struct step *s) {
  const struct part *p = s->part;
  if (p->kind != PART_TEXT && p->kind != PART_REFUSAL) return media_part(w, p);
  bool named = s->begins && s->turn->name.len && s->kind == STEP_PART;
  text_part(w, "input_text", named ? arena_printf(w->t->arena, "%.*s: ", STR_ARGS(s->turn->name)) : STR(""), p->text,
            STR(""));
  return true;
}

static void message_begin(struct writer *w, const char *role) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"message\"");
  encode_plain(w->out, STR("role"), str_from_cstr(role));
  encode_array(w->out, STR("content"));
}

// A reasoning item: the encrypted part, and in front of it what the client may read. One without the other is worth
// nothing here.
static void reasoning_item(struct writer *w, const struct turn *turn, const struct part *encrypted) {
  struct str summary = {0};
  for (const struct part *p = turn->parts; p < encrypted; p++) {
    if (p->kind == PART_REASONING && p->encrypted.len) summary = (struct str){0};
    if (p->kind == PART_REASONING && p->text.len && reasoning_is_of(p, format)) summary = p->text;
  }
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"reasoning\"");
  if (encrypted->id.len) encode_plain(w->out, STR("id"), encrypted->id);
  encode_array(w->out, STR("summary"));
  if (summary.len) text_part(w, "summary_text", STR(""), summary, STR(""));
  buf_char(w->out, ']');
  encode_inside(w->out, STR("encrypted_content"), encrypted->encrypted);
  buf_char(w->out, '}');
}

static void call_item(struct writer *w, const struct part *p) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"function_call\"");
  encode_plain(w->out, STR("call_id"), encode_id(p->id, id_alphabet, w->t->arena));
  encode_plain(w->out, STR("name"), p->name);
  encode_inside(w->out, STR("arguments"), encode_is_blank(p->arguments) ? STR("{}") : p->arguments);
  buf_char(w->out, '}');
}

static void assistant_items(struct writer *w, const struct turn *turn) {
  bool open = false;
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    bool text = (p->kind == PART_TEXT || p->kind == PART_REFUSAL) && !encode_is_blank(p->text);
    if (open && !text) buf_lit(w->out, "]}");
    if (text && !open) message_begin(w, "assistant");
    if (open || text) open = text;
    if (p->kind == PART_TEXT && text) text_part(w, "output_text", STR(""), p->text, STR(""));
    if (p->kind == PART_REFUSAL && text) {
      encode_element(w->out);
      buf_lit(w->out, "\"type\":\"refusal\"");
      encode_inside(w->out, STR("refusal"), p->text);
      buf_char(w->out, '}');
    }
    if (p->kind == PART_REASONING && p->encrypted.len && reasoning_is_of(p, format)) reasoning_item(w, turn, p);
    if (p->kind == PART_CALL) call_item(w, p);
  }
  if (open) buf_lit(w->out, "]}");
}

static bool output_item(struct writer *w, const struct step *s) {
  const struct turn *turn = s->turn;
  bool media = false, any = false;
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"function_call_output\"");
  encode_plain(w->out, STR("call_id"), encode_id(s->part->id, id_alphabet, w->t->arena));
  for (size_t i = 0; turn && i < turn->count; i++)
    media |= turn->parts[i].kind != PART_TEXT && turn->parts[i].kind != PART_REFUSAL;
  if (media) {
    encode_array(w->out, STR("output"));
    for (size_t i = 0; i < turn->count; i++) {
      struct step part = {STEP_PART, true, false, &turn->parts[i], turn, s->turn_number};
      if (!input_part(w, &part)) return false;
    }
    buf_lit(w->out, "]}");
    return true;
  }
  buf_lit(w->out, ",\"output\":\"");
  size_t at = 0;
  for (const struct part *p; (p = step_text(turn, &at)); any = true) {
    if (any) buf_lit(w->out, "\\n");
    buf_str(w->out, p->text);
  }
  if (!turn) buf_lit(w->out, "The tool gave no result.");
  buf_lit(w->out, "\"}");
  return true;
}

static bool user_item(struct writer *w, size_t *at) {
  const struct step *first = &w->steps.items[*at];
  message_begin(w, first->kind == STEP_SYSTEM ? "developer" : "user");
  for (; *at < w->steps.count; (*at)++) {
    const struct step *s = &w->steps.items[*at];
    if (s->turn != first->turn || s->kind != first->kind) break;
    if (!input_part(w, s)) return false;
  }
  buf_lit(w->out, "]}");
  return true;
}

static void orphan_item(struct writer *w, const struct step *s) {
  size_t at = 0;
  message_begin(w, "user");
  for (const struct part *p; (p = step_text(s->turn, &at));)
    text_part(w, "input_text", STR("Tool result: "), p->text, STR(""));
  buf_lit(w->out, "]}");
}

static bool write_input(struct writer *w) {
  encode_array(w->out, STR("input"));
  size_t begin = w->out->len;
  for (size_t i = 0; i < w->steps.count;) {
    const struct step *s = &w->steps.items[i];
    if (s->kind == STEP_PART && !s->user) {
      assistant_items(w, s->turn);
      while (i < w->steps.count && w->steps.items[i].turn == s->turn && !w->steps.items[i].user) i++;
    } else if (s->kind == STEP_RESULT) {
      if (!output_item(w, s)) return false;
      i++;
    } else if (s->kind == STEP_ORPHAN) {
      orphan_item(w, s);
      i++;
    } else if (!user_item(w, &i)) {
      return false;
    }
  }
  if (w->out->len == begin) {  // an empty list is refused, even with instructions
    message_begin(w, "user");
    text_part(w, "input_text", STR(""), STR(""), STR(""));
    buf_lit(w->out, "]}");
  }
  buf_char(w->out, ']');
  return true;
}

static void write_instructions(struct writer *w) {
  bool any = false;
  for (size_t i = 0; i < w->steps.system_count; i++)
    for (size_t p = 0; p < w->c->turns[i].count; p++) {
      const struct part *part = &w->c->turns[i].parts[p];
      if (part->kind != PART_TEXT || encode_is_blank(part->text)) continue;
      if (any)
        buf_lit(w->out, "\\n\\n");
      else
        buf_lit(w->out, ",\"instructions\":\"");
      buf_str(w->out, part->text);
      any = true;
    }
  if (any) buf_char(w->out, '"');
}

// --- the rest ---

static void write_tools(struct writer *w) {
  static const char *const choices[] = {[CHOICE_AUTO] = "auto", [CHOICE_NONE] = "none", [CHOICE_REQUIRED] = "required"};
  const struct conversation *c = w->c;
  if (!c->tool_count) return;
  encode_array(w->out, STR("tools"));
  for (size_t i = 0; i < c->tool_count; i++) {
    const struct tool *tool = &c->tools[i];
    encode_element(w->out);
    buf_lit(w->out, "\"type\":\"function\"");
    encode_plain(w->out, STR("name"), tool->name);
    if (tool->description.len) encode_inside(w->out, STR("description"), tool->description);
    encode_json(w->out, STR("parameters"),
                tool->parameters.len ? tool->parameters : STR("{\"type\":\"object\",\"properties\":{}}"));
    encode_json(w->out, STR("strict"), tool->strict ? STR("true") : STR("false"));  // left out it would mean strict
    buf_char(w->out, '}');
  }
  buf_char(w->out, ']');
  if (c->choice == CHOICE_NAMED) {
    encode_object(w->out, STR("tool_choice"));
    buf_lit(w->out, "\"type\":\"function\"");
    encode_plain(w->out, STR("name"), c->choice_name);
    buf_char(w->out, '}');
  } else if (c->choice) {
    encode_plain(w->out, STR("tool_choice"), str_from_cstr(choices[c->choice]));
  }
  if (c->parallel_calls)
    encode_json(w->out, STR("parallel_tool_calls"), c->parallel_calls == FLAG_YES ? STR("true") : STR("false"));
}

static void write_format(struct writer *w) {
  const struct conversation *c = w->c;
  if (c->format == FORMAT_TEXT) return;
  encode_object(w->out, STR("text"));
  encode_object(w->out, STR("format"));
  if (c->format == FORMAT_JSON) {
    buf_lit(w->out, "\"type\":\"json_object\"}}");
    return;
  }
  buf_lit(w->out, "\"type\":\"json_schema\"");
  encode_plain(w->out, STR("name"), c->schema_name.len ? c->schema_name : STR("answer"));
  if (c->schema_description.len) encode_inside(w->out, STR("description"), c->schema_description);
  encode_json(w->out, STR("schema"), c->schema);
  encode_json(w->out, STR("strict"), c->schema_strict ? STR("true") : STR("false"));
  buf_lit(w->out, "}}");
}

static void write_reasoning(struct writer *w, bool reasons) {
  static const char *const words[] = {
      [EFFORT_NONE] = "none", [EFFORT_MINIMAL] = "minimal", [EFFORT_LOW] = "low", [EFFORT_MEDIUM] = "medium",
      [EFFORT_HIGH] = "high", [EFFORT_XHIGH] = "xhigh",     [EFFORT_MAX] = "max"};
  const struct conversation *c = w->c;
  enum effort effort = c->effort;
  if (!effort && c->reasoning_tokens) effort = effort_of_budget(c->reasoning_tokens, c->max_tokens);
  if (!effort && !reasons) return;
  if (effort != EFFORT_NONE) buf_lit(w->out, ",\"include\":[\"reasoning.encrypted_content\"]");
  if (!effort) return;
  encode_object(w->out, STR("reasoning"));
  encode_plain(w->out, STR("effort"), str_from_cstr(words[effort]));
  if (effort != EFFORT_NONE && !c->reasoning_hidden) buf_lit(w->out, ",\"summary\":\"auto\"");
  buf_char(w->out, '}');
}

static void write_parameters(struct writer *w, bool reasons) {
  const struct conversation *c = w->c;
  if (c->max_tokens)
    encode_u64(w->out, STR("max_output_tokens"), c->max_tokens < MAX_TOKENS_LEAST ? MAX_TOKENS_LEAST : c->max_tokens);
  if (!reasons) {
    encode_number(w->out, STR("temperature"), c->temperature, 0, 2, w->t);
    encode_number(w->out, STR("top_p"), c->top_p, 0, 1, w->t);
  } else {
    if (c->temperature.len && !encode_number_is(c->temperature, 1)) translation_drop(w->t, STR("temperature"));
    if (c->top_p.len && !encode_number_is(c->top_p, 1)) translation_drop(w->t, STR("top_p"));
  }
  if (c->metadata.len) encode_json(w->out, STR("metadata"), c->metadata);
  if (c->user.len) encode_plain(w->out, STR("safety_identifier"), c->user);
  if (c->prompt_cache_key.len) encode_plain(w->out, STR("prompt_cache_key"), c->prompt_cache_key);
  if (c->service_tier.len) encode_plain(w->out, STR("service_tier"), c->service_tier);
}

static void note_lost(struct writer *w) {
  const struct conversation *c = w->c;
  encode_note_extra(c, w->t);
  encode_note_native_tools(c, w->t);
  encode_note_web_search(c, w->t);
  encode_note_logprobs(c, w->t);
  if (c->stop_count) translation_drop(w->t, STR("stop"));
  if (c->seed.len) translation_drop(w->t, STR("seed"));
  if (c->top_k.len && !encode_number_is(c->top_k, 0)) translation_drop(w->t, STR("top_k"));
  if (c->frequency_penalty.len && !encode_number_is(c->frequency_penalty, 0))
    translation_drop(w->t, STR("frequency_penalty"));
  if (c->presence_penalty.len && !encode_number_is(c->presence_penalty, 0))
    translation_drop(w->t, STR("presence_penalty"));
}

bool responses_request(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out) {
  struct writer w = {.c = c, .t = t, .out = out};
  struct str effort = c->effort == EFFORT_NONE ? STR("none") : c->effort ? STR("low") : (struct str){0};
  bool reasons = openai_model_reasons(e->upstream_model, effort);
  if (!steps_make(c, false, NULL, t->arena, &w.steps)) return false;
  note_lost(&w);
  buf_char(out, '{');
  encode_plain(out, STR("model"), e->upstream_model);
  if (c->stream) buf_lit(out, ",\"stream\":true");
  buf_lit(out, ",\"store\":false");
  write_instructions(&w);
  if (!write_input(&w)) return false;
  write_tools(&w);
  write_format(&w);
  write_parameters(&w, reasons);
  write_reasoning(&w, reasons);
  buf_char(out, '}');
  return encode_done(t, out);
}
