#include "provider/mistral_request.h"

#include <string.h>

#include "provider/decode.h"
#include "provider/efforts.h"
#include "provider/encode.h"
#include "provider/steps.h"
#include "provider/tool_names.h"

// Exactly nine of these, or 400.
static const struct encode_alphabet id_alphabet = {"", 9, 9};

struct writer {
  const struct conversation *c;
  struct translation *t;
  struct buf *out;
  struct steps steps;
  bool hybrid, magistral;  // models that think: on demand, always
  bool foreign;            // one of another maker: it shall say for itself what it knows
};

static bool has(struct str name, const char *word) {
  return str_find(name, str_from_cstr(word), 0) != SIZE_MAX;
}

// The month a name ends with, "2506"; 0: none.
static unsigned month_of(struct str name) {
  unsigned month = 0;
  if (name.len < 5 || name.ptr[name.len - 5] != '-') return 0;
  for (size_t i = name.len - 4; i < name.len; i++) {
    if (name.ptr[i] < '0' || name.ptr[i] > '9') return 0;
    month = month * 10 + (unsigned)(name.ptr[i] - '0');
  }
  return month;
}

// Small and medium models think on demand since March 2026.
static bool is_hybrid(struct str name) {
  bool family = has(name, "mistral-small") || has(name, "mistral-medium") || has(name, "mistral-large-4");
  unsigned month = month_of(name);
  return family && (!month || month >= 2603);
}

static void text_part(struct writer *w, struct str before, struct str text, struct str after) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"text\",\"text\":\"");
  buf_str(w->out, before);
  buf_str(w->out, text);
  buf_str(w->out, after);
  buf_lit(w->out, "\"}");
}

static void image_part(struct writer *w, const struct part *p) {
  bool detail = str_eq(p->detail, STR("auto")) || str_eq(p->detail, STR("low")) || str_eq(p->detail, STR("high"));
  buf_lit(w->out, "\"type\":\"image_url\"");
  if (!detail) {
    encode_media_url(w->out, STR("image_url"), p, w->t->arena);
    return;
  }
  encode_object(w->out, STR("image_url"));
  encode_media_url(w->out, STR("url"), p, w->t->arena);
  encode_plain(w->out, STR("detail"), p->detail);
  buf_char(w->out, '}');
}

static bool media_part(struct writer *w, const struct part *p) {
  struct str text = encode_file_as_text(p, w->t->arena);
  if (text.ptr) return text_part(w, STR(""), text, STR("")), true;
  encode_element(w->out);
  switch (p->kind) {
    case PART_IMAGE: image_part(w, p); break;
    case PART_AUDIO:
      buf_lit(w->out, "\"type\":\"input_audio\"");
      encode_plain(w->out, STR("input_audio"), p->data.len ? p->data : p->url);
      break;
    case PART_FILE:
      if (p->id.len && !p->data.len && !p->url.len) {
        buf_lit(w->out, "\"type\":\"file\"");
        encode_plain(w->out, STR("file_id"), p->id);
        break;
      }
      buf_lit(w->out, "\"type\":\"document_url\"");
      encode_media_url(w->out, STR("document_url"), p, w->t->arena);
      if (p->name.len) encode_plain(w->out, STR("document_name"), p->name);
      break;
    default: return translation_refuse(w->t, FAULT_UNSUPPORTED, STR("This provider takes no video."));
  }
  buf_char(w->out, '}');
  return true;
}

static bool content_part(struct writer *w, const struct step *s) {
  const struct part *p = s->part;
  if (p->kind != PART_TEXT && p->kind != PART_REFUSAL) return media_part(w, p);
  if (s->kind == STEP_SYSTEM)
    text_part(w, STR("<system>\\n"), p->text, STR("\\n</system>"));
  else if (s->begins && s->turn->name.len)
    text_part(w, arena_printf(w->t->arena, "%.*s: ", STR_ARGS(s->turn->name)), p->text, STR(""));
  else
    text_part(w, STR(""), p->text, STR(""));
  return true;
}

// --- messages ---

static bool goes_back(const struct writer *w, const struct part *p) {
  return (w->hybrid || w->magistral || w->foreign) && p->kind == PART_REASONING && p->text.len && !p->encrypted.len &&
         (!p->format.len || reasoning_is_of(p, "unknown"));
}

static void thinking_part(struct writer *w, const struct part *p) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"thinking\",\"thinking\":[");
  text_part(w, STR(""), p->text, STR(""));
  buf_char(w->out, ']');
  if (p->signature.len) encode_inside(w->out, STR("signature"), p->signature);
  buf_lit(w->out, ",\"closed\":true}");
}

static bool is_said(const struct part *p) {
  return (p->kind == PART_TEXT || p->kind == PART_REFUSAL) && !encode_is_blank(p->text);
}

static void write_calls(struct writer *w, const struct turn *turn) {
  encode_array(w->out, STR("tool_calls"));
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (p->kind != PART_CALL) continue;
    encode_element(w->out);
    encode_plain(w->out, STR("id"), encode_id(steps_call_id(&w->steps, p), id_alphabet, w->t->arena));
    buf_lit(w->out, ",\"type\":\"function\"");
    encode_object(w->out, STR("function"));
    encode_plain(w->out, STR("name"), p->name);
    encode_inside(w->out, STR("arguments"), encode_is_blank(p->arguments) ? STR("{}") : p->arguments);
    buf_lit(w->out, "}}");
  }
  buf_char(w->out, ']');
}

static struct str texts_of(const struct turn *turn, struct arena *arena) {
  size_t len = 0;
  for (size_t i = 0; i < turn->count; i++) len += is_said(&turn->parts[i]) ? turn->parts[i].text.len : 0;
  char *all = arena_alloc(arena, len + 1), *end = all;
  if (!all) return (struct str){0};
  for (size_t i = 0; i < turn->count; i++) {
    if (!is_said(&turn->parts[i])) continue;
    memcpy(end, turn->parts[i].text.ptr, turn->parts[i].text.len);
    end += turn->parts[i].text.len;
  }
  return str_from(all, len);
}

// False: nothing was left of it.
static bool assistant_message(struct writer *w, const struct turn *turn, bool last) {
  unsigned texts = 0, calls = 0, thoughts = 0;
  const struct part *text = NULL;
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (is_said(p)) text = p;
    texts += is_said(p);
    thoughts += goes_back(w, p);
    calls += p->kind == PART_CALL;
    if (encode_is_media(p)) translation_drop(w->t, STR("images"));  // the model's own
  }
  if (!texts && !calls) return false;
  encode_element(w->out);
  buf_lit(w->out, "\"role\":\"assistant\"");
  if (texts <= 1 && !thoughts) {
    encode_inside(w->out, STR("content"), text ? text->text : STR(""));
  } else {
    encode_array(w->out, STR("content"));
    for (size_t i = 0; i < turn->count; i++)
      if (goes_back(w, &turn->parts[i])) thinking_part(w, &turn->parts[i]);
    for (size_t i = 0; i < turn->count; i++) {
      if (is_said(&turn->parts[i])) text_part(w, STR(""), turn->parts[i].text, STR(""));
    }
    buf_char(w->out, ']');
  }
  if (calls) write_calls(w, turn);
  if (last && !calls) {
    buf_lit(w->out, ",\"prefix\":true");
    w->t->repeated = texts_of(turn, w->t->arena);
  }
  buf_char(w->out, '}');
  return true;
}

static bool result_message(struct writer *w, const struct step *s) {
  size_t at = 0;
  bool any = false;
  encode_element(w->out);
  buf_lit(w->out, "\"role\":\"tool\"");
  encode_plain(w->out, STR("tool_call_id"), encode_id(steps_call_id(&w->steps, s->part), id_alphabet, w->t->arena));
  encode_plain(w->out, STR("name"), s->part->name);
  buf_lit(w->out, ",\"content\":");
  bool media = false;
  for (size_t i = 0; s->turn && i < s->turn->count; i++)
    media |= s->turn->parts[i].kind != PART_TEXT && s->turn->parts[i].kind != PART_REFUSAL;
  if (media) {
    buf_char(w->out, '[');
    for (size_t i = 0; i < s->turn->count; i++) {
      struct step part = {STEP_PART, true, false, &s->turn->parts[i], s->turn, s->turn_number, CACHE_NONE};
      if (!content_part(w, &part)) return false;
    }
    buf_lit(w->out, "]}");
    return true;
  }
  buf_char(w->out, '"');
  for (const struct part *p; (p = step_text(s->turn, &at));) {
    if (any) buf_lit(w->out, "\\n");
    buf_str(w->out, p->text);
    any = true;
  }
  if (!s->turn) buf_lit(w->out, "The tool gave no result.");
  buf_lit(w->out, "\"}");
  return true;
}

// A user's side: all steps of one turn in one message.
static bool user_message(struct writer *w, size_t *at) {
  const struct step *first = &w->steps.items[*at];
  size_t end = *at + 1;
  while (end < w->steps.count && w->steps.items[end].turn == first->turn && w->steps.items[end].kind == first->kind)
    end++;
  encode_element(w->out);
  buf_lit(w->out, "\"role\":\"user\"");
  bool plain = end - *at == 1 && first->kind == STEP_PART && first->part->kind == PART_TEXT && !first->turn->name.len;
  if (plain) {
    encode_inside(w->out, STR("content"), first->part->text);
  } else {
    encode_array(w->out, STR("content"));
    for (size_t i = *at; i < end; i++)
      if (!content_part(w, &w->steps.items[i])) return false;
    buf_char(w->out, ']');
  }
  buf_char(w->out, '}');
  *at = end;
  return true;
}

static void orphan_message(struct writer *w, const struct step *s) {
  size_t at = 0;
  encode_element(w->out);
  buf_lit(w->out, "\"role\":\"user\",\"content\":\"Tool result: ");
  for (const struct part *p; (p = step_text(s->turn, &at));) buf_str(w->out, p->text);
  buf_lit(w->out, "\"}");
}

static bool system_messages(struct writer *w) {
  for (size_t i = 0; i < w->steps.system_count; i++) {
    const struct turn *turn = &w->c->turns[i];
    bool asks = !w->steps.count && i + 1 == w->steps.system_count;  // somebody must speak to the model
    for (size_t p = 0; p < turn->count; p++) {
      if (turn->parts[p].kind != PART_TEXT && turn->parts[p].kind != PART_REFUSAL)
        return translation_refuse(
            w->t, FAULT_UNSUPPORTED,
            STR("This provider takes only text from the system. Send pictures and files in a user message."));
      if (!is_said(&turn->parts[p])) continue;
      encode_element(w->out);
      encode_plain(w->out, STR("role"), asks ? STR("user") : STR("system"));
      encode_inside(w->out, STR("content"), turn->parts[p].text);
      buf_char(w->out, '}');
    }
  }
  return true;
}

static bool write_messages(struct writer *w) {
  bool after_tool = false;
  encode_array(w->out, STR("messages"));
  if (!system_messages(w)) return false;
  for (size_t i = 0; i < w->steps.count;) {
    const struct step *s = &w->steps.items[i];
    if (!s->user) {
      size_t end = i + 1;
      while (end < w->steps.count && w->steps.items[end].turn == s->turn && !w->steps.items[end].user) end++;
      if (assistant_message(w, s->turn, end == w->steps.count)) after_tool = false;
      i = end;
      continue;
    }
    if (s->kind == STEP_RESULT) {
      if (!result_message(w, s)) return false;
      after_tool = true;
      i++;
      continue;
    }
    // The user may not speak right after a tool.
    if (after_tool) buf_lit(w->out, ",{\"role\":\"assistant\",\"content\":\".\"}");
    after_tool = false;
    if (s->kind == STEP_ORPHAN) {
      orphan_message(w, s);
      i++;
    } else if (!user_message(w, &i)) {
      return false;
    }
  }
  // Somebody must speak to the model, though all that was said is blank.
  if (!w->out->failed && w->out->ptr[w->out->len - 1] == '[') buf_lit(w->out, "{\"role\":\"user\",\"content\":\".\"}");
  buf_char(w->out, ']');
  return true;
}

// --- the rest ---

static void write_tools(struct writer *w) {
  const struct conversation *c = w->c;
  if (!c->tool_count || c->choice == CHOICE_NONE) return;  // with none and tools the replies are garbled
  encode_array(w->out, STR("tools"));
  for (size_t i = 0; i < c->tool_count; i++) {
    const struct tool *tool = &c->tools[i];
    encode_element(w->out);
    buf_lit(w->out, "\"type\":\"function\"");
    encode_object(w->out, STR("function"));
    encode_plain(w->out, STR("name"), tool->name);
    if (tool->description.len) encode_inside(w->out, STR("description"), tool->description);
    encode_json(w->out, STR("parameters"),
                tool->parameters.len ? tool->parameters : STR("{\"type\":\"object\",\"properties\":{}}"));
    if (tool->strict) buf_lit(w->out, ",\"strict\":true");
    buf_lit(w->out, "}}");
  }
  buf_char(w->out, ']');
  if (c->choice == CHOICE_AUTO) buf_lit(w->out, ",\"tool_choice\":\"auto\"");
  if (c->choice == CHOICE_REQUIRED) buf_lit(w->out, ",\"tool_choice\":\"any\"");
  if (c->choice == CHOICE_NAMED && !encode_names_function(c)) translation_drop(w->t, STR("tool_choice"));
  if (encode_names_function(c)) {
    buf_lit(w->out, ",\"tool_choice\":{\"type\":\"function\",\"function\":{");
    encode_plain(w->out, STR("name"), c->choice_name);
    buf_lit(w->out, "}}");
  }
  if (c->parallel_calls == FLAG_NO) buf_lit(w->out, ",\"parallel_tool_calls\":false");
}

static void write_format(struct writer *w) {
  const struct conversation *c = w->c;
  if (c->format == FORMAT_JSON) buf_lit(w->out, ",\"response_format\":{\"type\":\"json_object\"}");
  if (c->format != FORMAT_SCHEMA) return;
  buf_lit(w->out, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{");
  encode_plain(w->out, STR("name"), c->schema_name.len ? c->schema_name : STR("answer"));
  if (c->schema_description.len) encode_inside(w->out, STR("description"), c->schema_description);
  encode_json(w->out, STR("schema"), c->schema);
  if (c->schema_strict) buf_lit(w->out, ",\"strict\":true");
  buf_lit(w->out, "}}");
}

static void write_reasoning(struct writer *w) {
  const struct conversation *c = w->c;
  enum effort effort = c->effort;
  if (!effort && c->reasoning_tokens) effort = effort_of_budget(c->reasoning_tokens, c->max_tokens);
  if (!effort) return;
  if (w->hybrid) {
    // Only none and high are known.
    bool high = effort >= EFFORT_MEDIUM;
    encode_plain(w->out, STR("reasoning_effort"), high ? STR("high") : STR("none"));
    if (effort != EFFORT_NONE && effort != EFFORT_HIGH) translation_drop(w->t, STR("reasoning"));
  } else if (w->magistral) {
    // Its prompt makes it think, or is left out.
    if (!encode_extra_find(c, STR("prompt_mode")))
      encode_json(w->out, STR("prompt_mode"), effort == EFFORT_NONE ? STR("null") : STR("\"reasoning\""));
  } else if (w->foreign) {
    encode_plain(w->out, STR("reasoning_effort"), str_from_cstr(effort_word(effort)));
  } else if (effort != EFFORT_NONE) {
    translation_drop(w->t, STR("reasoning"));
  }
}

static void write_parameters(struct writer *w) {
  const struct conversation *c = w->c;
  if (c->max_tokens) encode_u64(w->out, STR("max_tokens"), c->max_tokens);
  encode_number(w->out, STR("temperature"), c->temperature, 0, 1.5, w->t);
  bool greedy = encode_number_is(c->temperature, 0);
  if (greedy && c->top_p.len && !encode_number_is(c->top_p, 1))
    translation_drop(w->t, STR("top_p"));
  else
    encode_number(w->out, STR("top_p"), c->top_p, 0, 1, w->t);
  if (c->stop_count) {
    encode_array(w->out, STR("stop"));
    for (size_t i = 0; i < c->stop_count; i++) {
      if (i) buf_char(w->out, ',');
      buf_char(w->out, '"');
      buf_str(w->out, c->stops[i]);
      buf_char(w->out, '"');
    }
    buf_char(w->out, ']');
  }
  encode_number(w->out, STR("random_seed"), c->seed, 0, 9007199254740991.0, w->t);
  encode_number(w->out, STR("presence_penalty"), c->presence_penalty, -2, 2, w->t);
  encode_number(w->out, STR("frequency_penalty"), c->frequency_penalty, -2, 2, w->t);
  if (c->metadata.len) encode_json(w->out, STR("metadata"), c->metadata);
  if (c->prompt_cache_key.len) encode_plain(w->out, STR("prompt_cache_key"), c->prompt_cache_key);
}

// What the client expects to be said: a string, of which some clients make parts.
static void write_prediction(struct writer *w) {
  const struct extra *prediction = encode_extra_find(w->c, STR("prediction"));
  struct json_doc doc = {0};
  if (!prediction || prediction->idle || !encode_parse(&doc, prediction->json, 3, w->t)) return;
  uint32_t content = json_get(&doc, 0, STR("content"));
  buf_lit(w->out, ",\"prediction\":{\"type\":\"content\",\"content\":\"");
  if (json_is(&doc, content, JSON_STRING)) buf_str(w->out, decode_inside(&doc, content));
  for (uint32_t c = json_is(&doc, content, JSON_ARRAY) ? json_first(&doc, content) : JSON_NONE; c != JSON_NONE;
       c = json_next(&doc, content, c))
    buf_str(w->out, decode_inside(&doc, json_get(&doc, c, STR("text"))));
  buf_lit(w->out, "\"}");
  json_doc_free(&doc);
}

static void write_extra(struct writer *w) {
  static const struct encode_native known[] = {
      {"safe_prompt", NULL},         {"prompt_mode", NULL}, {"guardrails", NULL}, {"document_image_limit", NULL},
      {"document_page_limit", NULL}, {"prediction", ""},    {"random_seed", NULL}};
  size_t count = sizeof known / sizeof *known;
  write_prediction(w);
  encode_extra(w->out, w->c, w->t, known, w->c->seed.len ? count - 1 : count);
}

static void note_lost(struct writer *w) {
  const struct conversation *c = w->c;
  encode_note_native_tools(c, w->t);
  encode_note_web_search(c, w->t);
  encode_note_logprobs(c, w->t);
  if (c->top_k.len && !encode_number_is(c->top_k, 0)) translation_drop(w->t, STR("top_k"));
  if (c->user.len) translation_drop(w->t, STR("user"));
  bool usual = !c->service_tier.len || str_eq(c->service_tier, STR("auto")) || str_eq(c->service_tier, STR("default"));
  if (!usual) translation_drop(w->t, STR("service_tier"));
}

bool mistral_request(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out) {
  c = tool_names_fit(c, (struct encode_alphabet){"_-", 1, 64}, t);
  if (!c) return false;
  struct writer w = {.c = c, .t = t, .out = out};
  w.hybrid = is_hybrid(e->upstream_model);
  w.magistral = has(e->upstream_model, "magistral");
  w.foreign = !has(e->upstream_model, "tral");
  if (!steps_make(c, false, NULL, t->arena, &w.steps)) return false;
  note_lost(&w);
  buf_char(out, '{');
  encode_plain(out, STR("model"), e->upstream_model);
  if (c->stream) buf_lit(out, ",\"stream\":true");
  if (!write_messages(&w)) return false;
  write_tools(&w);
  write_format(&w);
  write_parameters(&w);
  write_reasoning(&w);
  write_extra(&w);
  buf_char(out, '}');
  return encode_done(t, out);
}
