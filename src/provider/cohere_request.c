#include "provider/cohere_request.h"

#include "provider/encode.h"
#include "provider/steps.h"

enum { STOPS_MAX = 5 };

struct writer {
  const struct conversation *c;
  struct translation *t;
  struct buf *out;
  struct steps steps;
  bool vision, thinks;
};

static bool has(struct str name, const char *word) {
  return str_find(name, str_from_cstr(word), 0) != SIZE_MAX;
}

static void text_part(struct writer *w, struct str before, struct str text, struct str after) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"text\",\"text\":\"");
  buf_str(w->out, before);
  buf_str(w->out, text);
  buf_str(w->out, after);
  buf_lit(w->out, "\"}");
}

static bool image_part(struct writer *w, const struct part *p) {
  if (!w->vision)
    return translation_refuse(w->t, FAULT_UNSUPPORTED, STR("This model takes no images; choose one that sees."));
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"image_url\"");
  encode_object(w->out, STR("image_url"));
  encode_media_url(w->out, STR("url"), p, w->t->arena);
  if (p->detail.len) encode_plain(w->out, STR("detail"), p->detail);
  buf_lit(w->out, "}}");
  return true;
}

static bool user_part(struct writer *w, const struct step *s) {
  const struct part *p = s->part;
  bool named = s->begins && s->turn->name.len && s->kind == STEP_PART;
  struct str text;
  switch (p->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
      text_part(w, named ? arena_printf(w->t->arena, "%.*s: ", STR_ARGS(s->turn->name)) : STR(""), p->text, STR(""));
      return true;
    case PART_IMAGE: return image_part(w, p);
    case PART_FILE:
      text = p->data.len && encode_media_is(p, STR("text/")) ? encode_text_file(p, w->t->arena) : (struct str){0};
      if (text.ptr) {
        text_part(w, STR(""), text, STR(""));
        return true;
      }
      break;
    default: break;
  }
  return translation_refuse(w->t, FAULT_UNSUPPORTED,
                            STR("This provider takes text and images only, and files only when they are text."));
}

// Reasoning without a signature is Cohere's way; another provider's stays where it is.
static bool goes_back(const struct part *p) {
  return p->kind == PART_REASONING && p->text.len && !p->signature.len &&
         (!p->format.len || reasoning_is_of(p, "unknown"));
}

static void assistant_message(struct writer *w, const struct turn *turn) {
  bool content = false, calls = false;
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    bool text = (p->kind == PART_TEXT || p->kind == PART_REFUSAL) && !encode_is_blank(p->text);
    content |= text || (goes_back(p) && w->thinks);
    calls |= p->kind == PART_CALL;
  }
  if (!content && !calls) return;
  encode_element(w->out);
  buf_lit(w->out, "\"role\":\"assistant\"");
  if (content) {
    encode_array(w->out, STR("content"));
    for (size_t i = 0; i < turn->count; i++) {
      const struct part *p = &turn->parts[i];
      if ((p->kind == PART_TEXT || p->kind == PART_REFUSAL) && !encode_is_blank(p->text))
        text_part(w, STR(""), p->text, STR(""));
      if (!goes_back(p) || !w->thinks) continue;
      encode_element(w->out);
      buf_lit(w->out, "\"type\":\"thinking\"");
      encode_inside(w->out, STR("thinking"), p->text);
      buf_char(w->out, '}');
    }
    buf_char(w->out, ']');
  }
  if (calls) {
    encode_array(w->out, STR("tool_calls"));
    for (size_t i = 0; i < turn->count; i++) {
      const struct part *p = &turn->parts[i];
      if (p->kind != PART_CALL) continue;
      encode_element(w->out);
      encode_plain(w->out, STR("id"), p->id);
      buf_lit(w->out, ",\"type\":\"function\"");
      encode_object(w->out, STR("function"));
      encode_plain(w->out, STR("name"), p->name);
      encode_inside(w->out, STR("arguments"), encode_is_blank(p->arguments) ? STR("{}") : p->arguments);
      buf_lit(w->out, "}}");
    }
    buf_char(w->out, ']');
  }
  buf_char(w->out, '}');
}

static bool result_message(struct writer *w, const struct step *s) {
  size_t at = 0;
  bool any = false;
  encode_element(w->out);
  buf_lit(w->out, "\"role\":\"tool\"");
  encode_plain(w->out, STR("tool_call_id"), s->part->id);
  buf_lit(w->out, ",\"content\":\"");
  for (const struct part *p; (p = step_text(s->turn, &at));) {
    if (encode_is_blank(p->text)) continue;
    if (any) buf_lit(w->out, "\\n");
    buf_str(w->out, p->text);
    any = true;
  }
  if (!s->turn) buf_lit(w->out, "The tool gave no result.");
  if (s->turn && !any) buf_lit(w->out, "(empty)");
  buf_lit(w->out, "\"}");
  for (size_t i = 0; s->turn && i < s->turn->count; i++)
    if (s->turn->parts[i].kind != PART_TEXT && s->turn->parts[i].kind != PART_REFUSAL)
      return translation_refuse(
          w->t, FAULT_UNSUPPORTED,
          STR("This provider takes only text as a tool's result. Send images in a user message."));
  return true;
}

static bool user_message(struct writer *w, size_t *at) {
  const struct turn *turn = w->steps.items[*at].turn;
  size_t end = *at;
  while (end < w->steps.count && w->steps.items[end].turn == turn && w->steps.items[end].kind == STEP_PART) end++;
  encode_element(w->out);
  buf_lit(w->out, "\"role\":\"user\"");
  const struct part *first = w->steps.items[*at].part;
  if (end - *at == 1 && first->kind == PART_TEXT && !turn->name.len) {
    encode_inside(w->out, STR("content"), first->text);
  } else {
    encode_array(w->out, STR("content"));
    for (size_t i = *at; i < end; i++)
      if (!user_part(w, &w->steps.items[i])) return false;
    buf_char(w->out, ']');
  }
  buf_char(w->out, '}');
  *at = end;
  return true;
}

static void text_message(struct writer *w, const char *role, struct str before, struct str text) {
  encode_element(w->out);
  encode_plain(w->out, STR("role"), str_from_cstr(role));
  buf_lit(w->out, ",\"content\":\"");
  buf_str(w->out, before);
  buf_str(w->out, text);
  buf_lit(w->out, "\"}");
}

static bool write_messages(struct writer *w) {
  const struct conversation *c = w->c;
  encode_array(w->out, STR("messages"));
  for (size_t i = 0; i < w->steps.system_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++)
      if (c->turns[i].parts[p].kind == PART_TEXT && !encode_is_blank(c->turns[i].parts[p].text))
        text_message(w, "system", STR(""), c->turns[i].parts[p].text);
  for (size_t i = 0; i < w->steps.count;) {
    const struct step *s = &w->steps.items[i];
    if (s->kind == STEP_PART && s->user) {
      if (!user_message(w, &i)) return false;
      continue;
    }
    i++;
    if (s->kind == STEP_PART) {
      if (s->begins) assistant_message(w, s->turn);
    } else if (s->kind == STEP_RESULT) {
      if (!result_message(w, s)) return false;
    } else if (s->kind == STEP_SYSTEM) {
      text_message(w, "system", STR(""), s->part->text);
    } else {
      size_t at = 0;
      for (const struct part *p; (p = step_text(s->turn, &at));)
        if (!encode_is_blank(p->text)) text_message(w, "user", STR("Tool result: "), p->text);
    }
  }
  buf_char(w->out, ']');
  return true;
}

static void write_tools(struct writer *w) {
  const struct conversation *c = w->c;
  bool strict = false;
  if (!c->tool_count) return;
  encode_array(w->out, STR("tools"));
  for (size_t i = 0; i < c->tool_count; i++) {
    const struct tool *tool = &c->tools[i];
    if (c->choice == CHOICE_NAMED && !str_eq(tool->name, c->choice_name)) continue;
    strict |= tool->strict;
    encode_element(w->out);
    buf_lit(w->out, "\"type\":\"function\"");
    encode_object(w->out, STR("function"));
    encode_plain(w->out, STR("name"), tool->name);
    if (tool->description.len) encode_inside(w->out, STR("description"), tool->description);
    encode_json(w->out, STR("parameters"),
                tool->parameters.len ? tool->parameters : STR("{\"type\":\"object\",\"properties\":{}}"));
    buf_lit(w->out, "}}");
  }
  buf_char(w->out, ']');
  if (strict) buf_lit(w->out, ",\"strict_tools\":true");
  if (c->choice == CHOICE_NONE) buf_lit(w->out, ",\"tool_choice\":\"NONE\"");
  if (c->choice == CHOICE_REQUIRED || c->choice == CHOICE_NAMED) buf_lit(w->out, ",\"tool_choice\":\"REQUIRED\"");
}

static void write_thinking(struct writer *w) {
  static const unsigned budgets[] = {[EFFORT_MINIMAL] = 1024, [EFFORT_LOW] = 2048,    [EFFORT_MEDIUM] = 8192,
                                     [EFFORT_HIGH] = 16384,   [EFFORT_XHIGH] = 32768, [EFFORT_MAX] = 32768};
  const struct conversation *c = w->c;
  if (!c->effort && !c->reasoning_tokens) return;
  if (!w->thinks) {
    if (c->effort != EFFORT_NONE) translation_drop(w->t, STR("reasoning"));
    return;
  }
  if (c->effort == EFFORT_NONE) {
    buf_lit(w->out, ",\"thinking\":{\"type\":\"disabled\"}");
    return;
  }
  uint64_t budget = c->effort ? budgets[c->effort] : c->reasoning_tokens;
  buf_printf(w->out, ",\"thinking\":{\"type\":\"enabled\",\"token_budget\":%llu}", (unsigned long long)budget);
}

static void write_parameters(struct writer *w) {
  const struct conversation *c = w->c;
  if (c->max_tokens) encode_u64(w->out, STR("max_tokens"), c->max_tokens);
  encode_number(w->out, STR("temperature"), c->temperature, 0, 1, w->t);
  if (c->stop_count > STOPS_MAX) translation_drop(w->t, STR("stop"));
  if (c->stop_count) {
    encode_array(w->out, STR("stop_sequences"));
    for (size_t i = 0; i < c->stop_count && i < STOPS_MAX; i++) {
      if (i) buf_char(w->out, ',');
      buf_char(w->out, '"');
      buf_str(w->out, c->stops[i]);
      buf_char(w->out, '"');
    }
    buf_char(w->out, ']');
  }
  if (c->top_p.len && !encode_number_is(c->top_p, 1)) encode_number(w->out, STR("p"), c->top_p, 0.01, 0.99, w->t);
  if (encode_number_is(c->top_p, 1)) buf_lit(w->out, ",\"p\":0.99");
  encode_number(w->out, STR("k"), c->top_k, 0, 500, w->t);
  encode_number(w->out, STR("frequency_penalty"), c->frequency_penalty, 0, 1, w->t);
  encode_number(w->out, STR("presence_penalty"), c->presence_penalty, 0, 1, w->t);
  if (c->seed.len) encode_json(w->out, STR("seed"), c->seed);
}

static void note_lost(struct writer *w) {
  const struct conversation *c = w->c;
  encode_note_extra(c, w->t);
  encode_note_native_tools(c, w->t);
  encode_note_web_search(c, w->t);
  encode_note_logprobs(c, w->t);
  if (c->parallel_calls == FLAG_NO && c->tool_count) translation_drop(w->t, STR("parallel_tool_calls"));
  if (c->user.len) translation_drop(w->t, STR("user"));
  if (c->metadata.len) translation_drop(w->t, STR("metadata"));
  bool usual = !c->service_tier.len || str_eq(c->service_tier, STR("auto")) || str_eq(c->service_tier, STR("default"));
  if (!usual) translation_drop(w->t, STR("service_tier"));
}

bool cohere_request(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out) {
  struct str model = e->upstream_model;
  struct writer w = {.c = c, .t = t, .out = out};
  // What is known to be blind, and known not to think; of others the service shall say.
  w.vision = !has(model, "command") || has(model, "vision") || has(model, "plus-0");
  w.thinks = !has(model, "command-r") && !has(model, "command-a-03") && !has(model, "vision") && !has(model, "aya");
  if (!steps_make(c, false, NULL, t->arena, &w.steps)) return false;
  note_lost(&w);
  if (c->format != FORMAT_TEXT && c->tool_count)
    return translation_refuse(t, FAULT_UNSUPPORTED,
                              STR("This provider takes either tools or a response_format, not both in one request."));
  buf_char(out, '{');
  encode_plain(out, STR("model"), model);
  if (c->stream) buf_lit(out, ",\"stream\":true");
  if (!write_messages(&w)) return false;
  write_tools(&w);
  if (c->format != FORMAT_TEXT) {
    buf_lit(out, ",\"response_format\":{\"type\":\"json_object\"");
    if (c->format == FORMAT_SCHEMA) encode_json(out, STR("json_schema"), c->schema);
    buf_char(out, '}');
  }
  write_parameters(&w);
  write_thinking(&w);
  // Places in documents mean nothing to a chat client, and looking for them delays the text.
  buf_lit(out, ",\"citation_options\":{\"mode\":\"disabled\"}}");
  return encode_done(t, out);
}
