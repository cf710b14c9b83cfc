#include "provider/cohere_request.h"

#include "provider/encode.h"
#include "provider/steps.h"
#include "provider/tool_names.h"

enum { STOPS_MAX = 5 };

struct abilities {
  bool vision, thinks;
  bool chooses;         // knows tool_choice
  uint64_t budget_max;  // tokens of thinking; 0: no bound of its own
};

struct writer {
  const struct conversation *c;
  struct translation *t;
  struct buf *out;
  struct steps steps;
  struct abilities model;
  bool cites;  // documents are given: where the answer comes from is part of it
};

static bool has(struct str name, const char *word) {
  return str_find(name, str_from_cstr(word), 0) != SIZE_MAX;
}

static bool has_any(struct str name, const char *const *words) {
  for (; *words; words++)
    if (has(name, *words)) return true;
  return false;
}

// What is known to be blind, known not to think, known not to choose; of others the service shall say.
static struct abilities abilities_of(struct str name) {
  static const char *const sees[] = {"vision", "command-a-plus", NULL}, *const blind[] = {"command", "aya-expanse",
                                                                                          NULL};
  static const char *const thoughtless[] = {"command-r", "command-a-03",  "vision",  "aya",
                                            "translate", "command-light", "nightly", NULL};
  static const char *const first[] = {"command-r-", "command-light", "nightly", NULL};
  bool oldest = str_ends(name, STR("command-r")) || str_ends(name, STR("command"));
  return (struct abilities){.vision = has_any(name, sees) || !has_any(name, blind),
                            .thinks = !has_any(name, thoughtless) && !oldest,
                            .chooses = !has_any(name, first) && !oldest,
                            .budget_max = has(name, "command-a-reasoning") ? 31000 : 0};
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
  if (!w->model.vision)
    return translation_refuse(w->t, FAULT_UNSUPPORTED, STR("This model takes no images; choose one that sees."));
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"image_url\"");
  encode_object(w->out, STR("image_url"));
  encode_media_url(w->out, STR("url"), p, w->t->arena);
  bool known = str_eq(p->detail, STR("auto")) || str_eq(p->detail, STR("low")) || str_eq(p->detail, STR("high"));
  if (known) encode_plain(w->out, STR("detail"), p->detail);
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
      text = encode_file_as_text(p, w->t->arena);
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

static bool is_said(const struct part *p) {
  return (p->kind == PART_TEXT || p->kind == PART_REFUSAL) && !encode_is_blank(p->text);
}

static void write_content(struct writer *w, const struct turn *turn) {
  encode_array(w->out, STR("content"));
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (is_said(p)) text_part(w, STR(""), p->text, STR(""));
    if (!goes_back(p) || !w->model.thinks) continue;
    encode_element(w->out);
    buf_lit(w->out, "\"type\":\"thinking\"");
    encode_inside(w->out, STR("thinking"), p->text);
    buf_char(w->out, '}');
  }
  buf_char(w->out, ']');
}

// What a model that does not think said before it called its tools.
static void write_plan(struct writer *w, const struct turn *turn) {
  bool any = false;
  for (size_t i = 0; i < turn->count; i++) {
    if (!goes_back(&turn->parts[i])) continue;
    if (!any) buf_lit(w->out, ",\"tool_plan\":\"");
    buf_str(w->out, turn->parts[i].text);
    any = true;
  }
  if (any) buf_char(w->out, '"');
}

static void write_calls(struct writer *w, const struct turn *turn) {
  encode_array(w->out, STR("tool_calls"));
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (p->kind != PART_CALL) continue;
    encode_element(w->out);
    encode_plain(w->out, STR("id"), steps_call_id(&w->steps, p));
    buf_lit(w->out, ",\"type\":\"function\"");
    encode_object(w->out, STR("function"));
    encode_plain(w->out, STR("name"), p->name);
    encode_inside(w->out, STR("arguments"), encode_is_blank(p->arguments) ? STR("{}") : p->arguments);
    buf_lit(w->out, "}}");
  }
  buf_char(w->out, ']');
}

static void assistant_message(struct writer *w, const struct turn *turn) {
  bool content = false, calls = false;
  for (size_t i = 0; i < turn->count; i++) {
    content |= is_said(&turn->parts[i]) || (goes_back(&turn->parts[i]) && w->model.thinks);
    calls |= turn->parts[i].kind == PART_CALL;
    if (encode_is_media(&turn->parts[i])) translation_drop(w->t, STR("images"));  // the model's own
  }
  if (!content && !calls) return;
  encode_element(w->out);
  buf_lit(w->out, "\"role\":\"assistant\"");
  if (content) write_content(w, turn);
  if (calls && !w->model.thinks) write_plan(w, turn);
  if (calls) write_calls(w, turn);
  buf_char(w->out, '}');
}

static bool holds_documents(const struct turn *turn) {
  for (size_t i = 0; turn && i < turn->count; i++)
    if (turn->parts[i].native.len) return true;
  return false;
}

static void write_documents(struct writer *w, const struct turn *turn) {
  size_t at = 0;
  bool any = false;
  buf_char(w->out, '[');
  for (const struct part *p; (p = step_text(turn, &at));) {
    if (p->native.len) {
      if (any) buf_char(w->out, ',');
      buf_str(w->out, p->native);
      any = true;
    } else if (!encode_is_blank(p->text)) {
      text_part(w, STR(""), p->text, STR(""));
      any = true;
    }
  }
  buf_char(w->out, ']');
}

static void write_result(struct writer *w, const struct turn *turn) {
  size_t at = 0;
  bool any = false;
  buf_char(w->out, '"');
  for (const struct part *p; (p = step_text(turn, &at));) {
    if (encode_is_blank(p->text)) continue;
    if (any) buf_lit(w->out, "\\n");
    buf_str(w->out, p->text);
    any = true;
  }
  if (!turn) buf_lit(w->out, "The tool gave no result.");
  if (turn && !any) buf_lit(w->out, "(empty)");  // an empty one is refused
  buf_char(w->out, '"');
}

static bool result_message(struct writer *w, const struct step *s) {
  for (size_t i = 0; s->turn && i < s->turn->count; i++)
    if (s->turn->parts[i].kind != PART_TEXT && s->turn->parts[i].kind != PART_REFUSAL)
      return translation_refuse(
          w->t, FAULT_UNSUPPORTED,
          STR("This provider takes only text as a tool's result. Send images in a user message."));
  encode_element(w->out);
  buf_lit(w->out, "\"role\":\"tool\"");
  encode_plain(w->out, STR("tool_call_id"), steps_call_id(&w->steps, s->part));
  buf_lit(w->out, ",\"content\":");
  if (holds_documents(s->turn))
    write_documents(w, s->turn);
  else
    write_result(w, s->turn);
  buf_char(w->out, '}');
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

static bool system_text(struct writer *w, const char *role, const struct part *p) {
  if (p->kind != PART_TEXT && p->kind != PART_REFUSAL)
    return translation_refuse(w->t, FAULT_UNSUPPORTED,
                              STR("This provider takes only text from the system. Send pictures in a user message."));
  if (is_said(p)) text_message(w, role, STR(""), p->text);
  return true;
}

static bool write_messages(struct writer *w) {
  const struct conversation *c = w->c;
  encode_array(w->out, STR("messages"));
  for (size_t i = 0; i < w->steps.system_count; i++) {
    bool asks = !w->steps.count && i + 1 == w->steps.system_count;  // somebody must speak to the model
    for (size_t p = 0; p < c->turns[i].count; p++)
      if (!system_text(w, asks ? "user" : "system", &c->turns[i].parts[p])) return false;
  }
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
      if (!system_text(w, "system", s->part)) return false;
    } else {
      size_t at = 0;
      for (const struct part *p; (p = step_text(s->turn, &at));)
        if (!encode_is_blank(p->text)) text_message(w, "user", STR("Tool result: "), p->text);
    }
  }
  // Somebody must speak to the model, though all that was said is blank.
  if (!w->out->failed && w->out->ptr[w->out->len - 1] == '[') buf_lit(w->out, "{\"role\":\"user\",\"content\":\".\"}");
  buf_char(w->out, ']');
  return true;
}

// Structured calls need a parameter that must be there in every tool.
static bool has_required(struct writer *w, const struct tool *tool) {
  struct json_doc doc = {0};
  bool found = tool->parameters.len && encode_parse(&doc, tool->parameters, 2, w->t) &&
               json_is(&doc, json_get(&doc, 0, STR("required")), JSON_ARRAY) &&
               json_first(&doc, json_get(&doc, 0, STR("required"))) != JSON_NONE;
  json_doc_free(&doc);
  return found;
}

static void write_tool(struct writer *w, const struct tool *tool) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"function\"");
  encode_object(w->out, STR("function"));
  encode_plain(w->out, STR("name"), tool->name);
  if (tool->description.len) encode_inside(w->out, STR("description"), tool->description);
  encode_json(w->out, STR("parameters"), encode_parameters(tool->parameters, w->t));
  buf_lit(w->out, "}}");
}

static void write_choice(struct writer *w) {
  enum tool_choice choice = w->c->choice;
  bool named = encode_names_function(w->c), must = choice == CHOICE_REQUIRED || named;
  if ((must && !w->model.chooses) || (choice == CHOICE_NAMED && !named))
    translation_drop(w->t, STR("tool_choice"));
  else if (must)
    buf_lit(w->out, ",\"tool_choice\":\"REQUIRED\"");
  else if (choice == CHOICE_NONE)
    buf_lit(w->out, ",\"tool_choice\":\"NONE\"");
}

// A tool that must be called is the only one that is told of.
static bool is_told(const struct conversation *c, bool named, const struct tool *tool) {
  return !named || str_eq(tool->name, c->choice_name);
}

static void write_tools(struct writer *w) {
  const struct conversation *c = w->c;
  bool strict = false, able = true, named = encode_names_function(c);
  for (size_t i = 0; i < c->tool_count; i++) strict |= c->tools[i].strict && is_told(c, named, &c->tools[i]);
  if (!c->tool_count || (c->choice == CHOICE_NONE && !w->model.chooses)) return;
  encode_array(w->out, STR("tools"));
  for (size_t i = 0; i < c->tool_count; i++) {
    if (!is_told(c, named, &c->tools[i])) continue;
    if (strict) able &= has_required(w, &c->tools[i]);
    write_tool(w, &c->tools[i]);
  }
  buf_char(w->out, ']');
  if (strict && !encode_extra_find(c, STR("strict_tools"))) {
    if (able)
      buf_lit(w->out, ",\"strict_tools\":true");
    else
      translation_drop(w->t, STR("tools.function.strict"));
  }
  write_choice(w);
}

// The client's own budget, or one for its effort: thinking counts as output, and something must be left for the answer.
static uint64_t budget_of(const struct conversation *c, const struct abilities *model) {
  static const unsigned budgets[] = {[EFFORT_MINIMAL] = 1024, [EFFORT_LOW] = 2048,    [EFFORT_MEDIUM] = 8192,
                                     [EFFORT_HIGH] = 16384,   [EFFORT_XHIGH] = 32768, [EFFORT_MAX] = 32768};
  if (!c->effort) return c->reasoning_tokens;
  uint64_t budget = budgets[c->effort];
  if (model->budget_max && budget > model->budget_max) budget = model->budget_max;
  return c->max_tokens && budget >= c->max_tokens ? c->max_tokens - c->max_tokens / 5 : budget;
}

static void write_thinking(struct writer *w) {
  const struct conversation *c = w->c;
  if ((!c->effort && !c->reasoning_tokens) || encode_extra_find(c, STR("thinking"))) return;
  if (!w->model.thinks) {
    if (c->effort != EFFORT_NONE) translation_drop(w->t, STR("reasoning"));
    return;
  }
  if (c->effort == EFFORT_NONE) {
    buf_lit(w->out, ",\"thinking\":{\"type\":\"disabled\"}");
    return;
  }
  buf_lit(w->out, ",\"thinking\":{\"type\":\"enabled\"");
  encode_u64(w->out, STR("token_budget"), budget_of(c, &w->model));
  buf_char(w->out, '}');
}

static void write_stops(struct writer *w) {
  const struct conversation *c = w->c;
  if (c->stop_count > STOPS_MAX) translation_drop(w->t, STR("stop"));
  if (!c->stop_count) return;
  encode_array(w->out, STR("stop_sequences"));
  for (size_t i = 0; i < c->stop_count && i < STOPS_MAX; i++) {
    if (i) buf_char(w->out, ',');
    buf_char(w->out, '"');
    buf_str(w->out, c->stops[i]);
    buf_char(w->out, '"');
  }
  buf_char(w->out, ']');
}

static void write_parameters(struct writer *w) {
  const struct conversation *c = w->c;
  if (c->max_tokens) encode_u64(w->out, STR("max_tokens"), c->max_tokens);
  encode_number(w->out, STR("temperature"), c->temperature, 0, 1, w->t);
  write_stops(w);
  if (encode_number_is(c->top_p, 1))
    buf_lit(w->out, ",\"p\":0.99");  // the most there is
  else
    encode_number(w->out, STR("p"), c->top_p, 0.01, 0.99, w->t);
  encode_number(w->out, STR("k"), c->top_k, 0, 500, w->t);
  encode_number(w->out, STR("frequency_penalty"), c->frequency_penalty, 0, 1, w->t);
  encode_number(w->out, STR("presence_penalty"), c->presence_penalty, 0, 1, w->t);
  encode_number(w->out, STR("seed"), c->seed, 0, 18446744073709551615.0, w->t);
  if (c->logprobs) buf_lit(w->out, ",\"logprobs\":true");
}

static void write_format(struct writer *w) {
  const struct conversation *c = w->c;
  if (c->format == FORMAT_TEXT) return;
  buf_lit(w->out, ",\"response_format\":{\"type\":\"json_object\"");
  if (c->format == FORMAT_SCHEMA) encode_json(w->out, STR("json_schema"), c->schema);
  buf_char(w->out, '}');
}

// Members that clients of Cohere know, its own names for some of ours among them. A safety mode is refused beside tools
// and documents.
static void write_extra(struct writer *w) {
  const struct conversation *c = w->c;
  struct encode_native known[9] = {
      {"documents", NULL}, {"citation_options", NULL}, {"strict_tools", NULL}, {"thinking", NULL}, {"priority", NULL}};
  size_t count = 5;
  if (!c->tool_count && !w->cites) known[count++].name = "safety_mode";
  if (!c->top_p.len) known[count++].name = "p";
  if (!c->top_k.len) known[count++].name = "k";
  if (!c->stop_count) known[count++].name = "stop_sequences";
  encode_extra(w->out, c, w->t, known, count);
}

static void note_lost(struct writer *w) {
  const struct conversation *c = w->c;
  encode_note_native_tools(c, w->t);
  encode_note_web_search(c, w->t);
  if (c->top_logprobs) translation_drop(w->t, STR("top_logprobs"));
  if (c->parallel_calls == FLAG_NO && c->tool_count) translation_drop(w->t, STR("parallel_tool_calls"));
  if (c->user.len) translation_drop(w->t, STR("user"));
  if (c->metadata.len) translation_drop(w->t, STR("metadata"));
  bool usual = !c->service_tier.len || str_eq(c->service_tier, STR("auto")) || str_eq(c->service_tier, STR("default"));
  if (!usual) translation_drop(w->t, STR("service_tier"));
}

static bool has_documents(const struct conversation *c) {
  const struct extra *documents = encode_extra_find(c, STR("documents"));
  return documents && !documents->idle;
}

static bool refuse_format(const struct writer *w) {
  if (w->c->format == FORMAT_TEXT) return true;
  if (w->c->tool_count)
    return translation_refuse(w->t, FAULT_UNSUPPORTED,
                              STR("This provider takes either tools or a response_format, not both in one request."));
  if (has_documents(w->c))
    return translation_refuse(
        w->t, FAULT_UNSUPPORTED,
        STR("This provider takes either documents or a response_format, not both in one request."));
  return true;
}

bool cohere_request(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out) {
  c = tool_names_fit(c, (struct encode_alphabet){"_-", 1, 64}, t);
  if (!c) return false;
  struct writer w = {.c = c, .t = t, .out = out, .model = abilities_of(e->upstream_model)};
  if (!steps_make(c, false, NULL, t->arena, &w.steps)) return false;
  w.cites = has_documents(c);
  for (size_t i = 0; i < c->turn_count; i++) w.cites |= c->turns[i].role == ROLE_TOOL && holds_documents(&c->turns[i]);
  note_lost(&w);
  if (!refuse_format(&w)) return false;
  buf_char(out, '{');
  encode_plain(out, STR("model"), e->upstream_model);
  if (c->stream) buf_lit(out, ",\"stream\":true");
  if (!write_messages(&w)) return false;
  write_tools(&w);
  write_format(&w);
  write_parameters(&w);
  write_thinking(&w);
  write_extra(&w);
  // Places in what tools said mean little to a chat client, and looking for them delays the text.
  if (!w.cites && !encode_extra_find(c, STR("citation_options")))
    buf_lit(out, ",\"citation_options\":{\"mode\":\"disabled\"}");
  buf_char(out, '}');
  return encode_done(t, out);
}
