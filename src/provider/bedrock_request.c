#include "provider/bedrock_request.h"

#include "provider/bedrock_fields.h"
#include "provider/bedrock_media.h"
#include "provider/encode.h"
#include "provider/schema.h"
#include "provider/steps.h"
#include "provider/tool_names.h"

enum { MARKS_MAX = 4, STRICT_MAX = 20 };

static const char claude_format[] = "anthropic-claude-v1";

static void write_path(const struct endpoint *e, const char *operation, struct buf *out) {
  buf_lit(out, "/model/");
  encode_path(out, e->upstream_model, "");
  buf_str(out, str_from_cstr(operation));
}

void bedrock_path(const struct endpoint *e, bool stream, struct buf *out) {
  write_path(e, stream ? "/converse-stream" : "/converse", out);
}

void bedrock_invoke_path(const struct endpoint *e, bool stream, struct buf *out) {
  write_path(e, stream ? "/invoke-with-response-stream" : "/invoke", out);
}

// --- blocks ---

struct writer {
  const struct conversation *c;
  const struct bedrock_model *model;
  struct translation *t;
  struct buf *out;
  struct steps steps;
  unsigned marks, marks_skipped;  // written, and left out of the first: more than MARKS_MAX are refused
  bool short_mark;                // one of five minutes has come: those of an hour must stand before
  size_t mark_end;                // where the last one ended
  bool after_document;            // the last block is a document or a video: no mark may follow it
  bool instructed;                // the system texts have been written
  bool emulated, ask_schema;      // how the form of the answer is had, where the model has no other way
  struct bedrock_documents documents;
  bool failed;
};

static void text_block(struct writer *w, struct str before, struct str text, struct str after) {
  encode_element(w->out);
  buf_lit(w->out, "\"text\":\"");
  buf_str(w->out, before);
  buf_str(w->out, text);
  buf_str(w->out, after);
  buf_lit(w->out, "\"}");
  w->after_document = false;
}

// A mark stands behind what it marks.
static void write_mark(struct writer *w, enum cache_mark mark) {
  if (!mark || !w->model->caches || w->mark_end == w->out->len) return;
  if (w->marks++ < w->marks_skipped) return;
  if (w->after_document) text_block(w, STR(""), STR("."), STR(""));
  encode_element(w->out);
  buf_lit(w->out, "\"cachePoint\":{\"type\":\"default\"");
  if (mark == CACHE_1H && w->model->caches_hour && !w->short_mark)
    buf_lit(w->out, ",\"ttl\":\"1h\"");
  else
    w->short_mark = true;
  buf_lit(w->out, "}}");
  w->mark_end = w->out->len;
}

static bool media_block(struct writer *w, const struct part *p) {
  unsigned kind = bedrock_media_kind(p);
  if (!kind) return true;
  w->after_document = kind != BEDROCK_IMAGE;
  struct part plain = *p;
  if (p->cited && !w->model->claude.known) translation_drop(w->t, STR("citations"));
  plain.cited &= w->model->claude.known;
  return bedrock_media_block(&plain, &w->documents, w->t, w->out);
}

static bool goes_back(const struct writer *w, const struct part *p) {
  bool signed_ = p->encrypted.len || p->signature.len;
  if (w->model->claude.known) return reasoning_is_of(p, claude_format) && signed_;
  return w->model->reasoning_back && p->text.len && !signed_ &&
         (!p->format.len || reasoning_is_of(p, BEDROCK_FORMAT) || reasoning_is_of(p, "unknown"));
}

static void reasoning_block(struct writer *w, const struct part *p) {
  encode_element(w->out);
  encode_object(w->out, STR("reasoningContent"));
  if (p->encrypted.len) {
    // What came from here is base64 already; what came from Anthropic itself becomes it.
    bool ours = str_eq(p->id, STR("bedrock"));
    struct str blob = ours ? p->encrypted : encode_base64(p->encrypted, w->t->arena);
    encode_inside(w->out, STR("redactedContent"), blob);
  } else {
    encode_object(w->out, STR("reasoningText"));
    encode_inside(w->out, STR("text"), p->text);
    if (p->signature.len) encode_inside(w->out, STR("signature"), p->signature);
    buf_char(w->out, '}');
  }
  buf_lit(w->out, "}}");
}

static struct str tool_id(const struct writer *w, const struct part *call) {
  static const struct encode_alphabet usual = {"_.:-", 1, 64}, mistral = {"", 9, 9};
  return encode_id(steps_call_id(&w->steps, call), w->model->mistral ? mistral : usual, w->t->arena);
}

static void use_block(struct writer *w, const struct part *p, bool servers) {
  encode_element(w->out);
  encode_object(w->out, STR("toolUse"));
  encode_plain(w->out, STR("toolUseId"), tool_id(w, p));
  encode_plain(w->out, STR("name"), p->name);
  json_write_key(w->out, STR("input"));
  if (!encode_arguments(w->out, p->arguments, w->t->arena)) w->failed = true;
  if (servers) buf_lit(w->out, ",\"type\":\"server_tool_use\"");
  buf_lit(w->out, "}}");
}

// A tool that Bedrock ran itself: its call, and its result as it gave it.
static void server_tool_blocks(struct writer *w, const struct part *p) {
  struct str result;
  use_block(w, p, true);
  if (!encode_is_object(p->text, w->t, &result)) return;
  encode_element(w->out);
  encode_object(w->out, STR("toolResult"));
  encode_plain(w->out, STR("toolUseId"), tool_id(w, p));
  if (result.len > 2) {
    buf_char(w->out, ',');
    buf_str(w->out, str_skip(result, 1));
  } else {
    buf_lit(w->out, ",\"content\":[]}");
  }
  buf_char(w->out, '}');
}

static void words_block(struct writer *w, const struct step *s) {
  bool last = s + 1 == w->steps.items + w->steps.count && !s->user;
  struct str text = last ? encode_trim_end(s->part->text) : s->part->text;
  if (s->kind == STEP_SYSTEM)
    text_block(w, STR("<system>\\n"), text, STR("\\n</system>"));
  else if (s->begins && s->turn->name.len)
    text_block(w, arena_printf(w->t->arena, "%.*s: ", STR_ARGS(s->turn->name)), text, STR(""));
  else
    text_block(w, STR(""), text, STR(""));
}

static bool part_block(struct writer *w, const struct step *s) {
  const struct part *p = s->part;
  switch (p->kind) {
    case PART_TEXT:
    case PART_REFUSAL: words_block(w, s); break;
    case PART_REASONING: reasoning_block(w, p); return true;
    case PART_CALL: use_block(w, p, false); break;
    case PART_SERVER_TOOL: server_tool_blocks(w, p); break;
    default:
      if (!media_block(w, p)) return false;
  }
  write_mark(w, p->cache);
  return true;
}

// --- results ---

static bool is_text(const struct part *p) {
  return p->kind == PART_TEXT || p->kind == PART_REFUSAL;
}

// Media that may not stand inside a result follow it as the user's.
static bool stays_inside(const struct writer *w, const struct part *p) {
  return is_text(p) || (bedrock_media_kind(p) & w->model->inside);
}

// Where a result is JSON, a text that is no object is put into one.
static void json_block(struct writer *w, struct str text) {
  struct str object;
  encode_element(w->out);
  if (encode_is_object(text, w->t, &object)) {
    encode_json(w->out, STR("json"), object);
  } else {
    encode_object(w->out, STR("json"));
    encode_inside(w->out, STR("result"), text);
    buf_char(w->out, '}');
  }
  buf_char(w->out, '}');
}

static void result_text(struct writer *w, struct str text) {
  if (w->model->json_results)
    json_block(w, text);
  else
    text_block(w, STR(""), text, STR(""));
}

static bool result_content(struct writer *w, const struct turn *turn) {
  size_t begin = w->out->len;
  bool moved = false;
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    if (!stays_inside(w, p))
      moved = true;
    else if (is_text(p) && !encode_is_blank(p->text))
      result_text(w, p->text);
    else if (!is_text(p) && !media_block(w, p))
      return false;
  }
  if (w->out->len == begin) result_text(w, moved ? STR("See the file below.") : STR("(no output)"));
  return true;
}

static bool result_block(struct writer *w, const struct step *s) {
  const struct turn *turn = s->turn;
  encode_element(w->out);
  encode_object(w->out, STR("toolResult"));
  encode_plain(w->out, STR("toolUseId"), tool_id(w, s->part));
  encode_array(w->out, STR("content"));
  if (!turn)
    result_text(w, STR("The tool gave no result."));
  else if (!result_content(w, turn))
    return false;
  buf_char(w->out, ']');
  if (!w->model->no_status) buf_printf(w->out, ",\"status\":\"%s\"", turn ? "success" : "error");
  buf_lit(w->out, "}}");
  w->after_document = false;
  if (turn && turn->count) write_mark(w, turn->parts[turn->count - 1].cache);
  return true;
}

static bool step_block(struct writer *w, const struct step *s) {
  if (s->kind == STEP_RESULT) return result_block(w, s);
  if (s->kind != STEP_ORPHAN) return part_block(w, s);
  for (size_t i = 0; i < s->turn->count; i++) {
    const struct part *p = &s->turn->parts[i];
    if (is_text(p) && !encode_is_blank(p->text)) text_block(w, STR("Tool result: "), p->text, STR(""));
    if (!is_text(p) && !media_block(w, p)) return false;
  }
  return true;
}

// --- what follows results ---

static const struct part moved_note = {.kind = PART_TEXT, .text = {"The tool's result has this file:", 32}};
static const struct turn moved_turn = {.role = ROLE_USER};

static size_t moved_count(const struct writer *w, const struct step *s) {
  size_t n = 0;
  for (size_t i = 0; s->kind == STEP_RESULT && s->turn && i < s->turn->count; i++)
    n += !stays_inside(w, &s->turn->parts[i]);
  return n;
}

// Adds steps for the media of results that may not hold them, behind the last result of a turn.
static bool move_media(struct writer *w) {
  size_t moved = 0, from = 0;
  struct steps made = w->steps;
  for (size_t i = 0; i < w->steps.count; i++) moved += 2 * moved_count(w, &w->steps.items[i]);
  if (!moved) return true;
  made.items = arena_alloc(w->t->arena, (w->steps.count + moved) * sizeof *made.items);
  made.count = 0;
  if (!made.items) return false;
  for (size_t i = 0; i < w->steps.count; i++) {
    const struct step *s = &w->steps.items[i];
    made.items[made.count++] = *s;
    if (s->kind != STEP_RESULT) from = i + 1;
    if (s->kind != STEP_RESULT || (i + 1 < w->steps.count && s[1].kind == STEP_RESULT)) continue;
    for (const struct step *r = &w->steps.items[from]; r <= s; r++)
      for (size_t p = 0; r->turn && p < r->turn->count; p++) {
        const struct part *part = &r->turn->parts[p];
        if (stays_inside(w, part)) continue;
        made.items[made.count++] =
            (struct step){STEP_PART, true, false, &moved_note, &moved_turn, r->turn_number, CACHE_NONE};
        made.items[made.count++] = (struct step){STEP_PART, true, false, part, &moved_turn, r->turn_number, CACHE_NONE};
      }
    from = i + 1;
  }
  w->steps = made;
  return true;
}

// --- messages ---

static bool is_silent(const struct writer *w, const struct step *s) {
  bool any = s->kind != STEP_ORPHAN;
  for (size_t i = 0; !any && i < s->turn->count; i++)
    any = is_text(&s->turn->parts[i]) ? !encode_is_blank(s->turn->parts[i].text)
                                      : bedrock_media_kind(&s->turn->parts[i]) != 0;
  if (!any) return true;
  return s->kind == STEP_PART && s->part->kind == PART_REASONING && !goes_back(w, s->part);
}

static unsigned kind_of(const struct step *s) {
  unsigned kind = s->kind == STEP_PART && s->part ? bedrock_media_kind(s->part) : 0;
  return kind ? kind : BEDROCK_TEXT;
}

// What may not stand in the message of a tool's result goes into one of its own, with all of the user's that follows:
// the run of steps behind the last result is looked at once.
static bool must_part(const struct writer *w, const struct step *s) {
  const struct step *end = w->steps.items + w->steps.count;
  if (s->kind == STEP_RESULT) return false;
  for (; s < end && s->user && s->kind != STEP_RESULT; s++)
    if (!(kind_of(s) & w->model->beside)) return true;
  return false;
}

static void write_instructions(struct writer *w, bool inside_message);

static void message_open(struct writer *w, bool user) {
  encode_element(w->out);
  if (user)
    buf_lit(w->out, "\"role\":\"user\",\"content\":[");
  else
    buf_lit(w->out, "\"role\":\"assistant\",\"content\":[");
  w->after_document = false;
  if (user && w->model->no_system && !w->instructed) write_instructions(w, true);
}

// The state of the message being written.
struct message {
  bool open, user, results, decided, has_document, has_text;
};

// A document wants a text beside it.
static void message_close(struct writer *w, const struct message *m) {
  if (m->has_document && !m->has_text) text_block(w, STR(""), STR("."), STR(""));
  buf_lit(w->out, "]}");
}

// A message of the user's without words of its own.
static void empty_message(struct writer *w) {
  message_open(w, true);
  if (w->out->ptr && w->out->ptr[w->out->len - 1] == '[') text_block(w, STR(""), STR("."), STR(""));
  buf_lit(w->out, "]}");
}

static void message_next(struct writer *w, struct message *m, const struct step *s) {
  bool beside = m->open && m->user && s->user && m->results && s->kind != STEP_RESULT;
  bool parted = beside && !m->decided && must_part(w, s);
  m->decided |= beside;
  if (!m->open && !s->user && !w->model->first_assistant) empty_message(w);
  if (m->open && s->user == m->user && !parted) return;
  if (m->open) message_close(w, m);
  if (parted) buf_lit(w->out, ",{\"role\":\"assistant\",\"content\":[{\"text\":\".\"}]}");
  message_open(w, s->user);
  *m = (struct message){.open = true, .user = s->user};
}

static bool write_messages(struct writer *w) {
  struct message m = {0};
  encode_array(w->out, STR("messages"));
  for (size_t i = 0; i < w->steps.count; i++) {
    const struct step *s = &w->steps.items[i];
    if (is_silent(w, s)) continue;
    message_next(w, &m, s);
    m.results |= s->kind == STEP_RESULT;
    m.has_text |= s->kind != STEP_RESULT && (!s->part || is_text(s->part));
    m.has_document |= s->kind == STEP_PART && s->part->kind == PART_FILE;
    if (!step_block(w, s)) return false;
  }
  if (m.open && m.user) write_mark(w, w->c->cache);
  if (m.open)
    message_close(w, &m);
  else
    empty_message(w);
  buf_char(w->out, ']');
  return true;
}

// --- system ---

static void ask_for_json(struct writer *w) {
  text_block(w, STR(""), STR("Answer with one JSON object and nothing else."), STR(""));
  if (!w->ask_schema) return;
  encode_element(w->out);
  json_write_key(w->out, STR("text"));
  json_write_str(w->out,
                 arena_printf(w->t->arena, "The object follows this JSON schema: %.*s", STR_ARGS(w->c->schema)));
  buf_char(w->out, '}');
}

static bool has_calls(const struct writer *w);

// The system's texts, where the model has a place for them or, between tags, as the user's first words.
static void write_instructions(struct writer *w, bool inside_message) {
  const struct conversation *c = w->c;
  struct str before = inside_message ? STR("<system>\\n") : STR(""),
             after = inside_message ? STR("\\n</system>") : STR("");
  w->instructed = true;
  for (size_t i = 0; i < w->steps.system_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++) {
      const struct part *part = &c->turns[i].parts[p];
      if (part->kind != PART_TEXT || encode_is_blank(part->text)) continue;
      text_block(w, before, part->text, after);
      write_mark(w, part->cache);
    }
  if (c->format == FORMAT_JSON || w->ask_schema) ask_for_json(w);
  if (c->choice == CHOICE_NONE && !w->emulated && has_calls(w))
    text_block(w, STR(""), STR("Do not call any tool: answer with text."), STR(""));
}

static void write_system(struct writer *w) {
  size_t before = w->out->len;
  if (w->model->no_system) return;
  encode_array(w->out, STR("system"));
  size_t begin = w->out->len;
  write_instructions(w, false);
  if (w->out->len == begin)
    w->out->len = before;
  else
    buf_char(w->out, ']');
}

// --- tools ---

static void write_tool(struct writer *w, struct str name, struct str description, struct str parameters, bool strict) {
  encode_element(w->out);
  encode_object(w->out, STR("toolSpec"));
  encode_plain(w->out, STR("name"), name);
  if (!encode_is_blank(description)) encode_inside(w->out, STR("description"), description);
  buf_lit(w->out, ",\"inputSchema\":{\"json\":");
  parameters = encode_parameters(parameters, w->t);
  if (!strict)
    buf_str(w->out, parameters);
  else if (!schema_write_strict(w->out, parameters))
    w->failed = true;
  buf_char(w->out, '}');
  if (strict) buf_lit(w->out, ",\"strict\":true");
  buf_lit(w->out, "}}");
}

static bool is_call(const struct step *s) {
  return s->kind == STEP_PART && s->part->kind == PART_CALL;
}

static bool has_calls(const struct writer *w) {
  for (size_t i = 0; i < w->steps.count; i++)
    if (is_call(&w->steps.items[i])) return true;
  return false;
}

static uint32_t hash_of(struct str name) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < name.len; i++) h = (h ^ (unsigned char)name.ptr[i]) * 16777619u;
  return h;
}

static bool is_native(const struct writer *w, struct str name) {
  for (size_t i = 0; i < w->c->native_count; i++)
    if (str_eq(w->c->native_tools[i].name, name)) return true;
  return false;
}

// Tools that only the history knows, each once.
static void write_old_tools(struct writer *w) {
  size_t calls = 0, size = 8;
  for (size_t i = 0; i < w->steps.count; i++) calls += is_call(&w->steps.items[i]);
  while (size < 2 * calls) size *= 2;
  struct str *seen = arena_zalloc(w->t->arena, size * sizeof *seen);
  for (size_t i = 0; seen && i < w->steps.count; i++) {
    if (!is_call(&w->steps.items[i])) continue;
    struct str name = w->steps.items[i].part->name;
    size_t at = hash_of(name) & (size - 1);
    while (seen[at].ptr && !str_eq(seen[at], name)) at = (at + 1) & (size - 1);
    if (seen[at].ptr) continue;
    seen[at] = name;
    if (!is_native(w, name)) write_tool(w, name, (struct str){0}, STR("{\"type\":\"object\"}"), false);
  }
}

// {"systemTool":{"name":…}}. False: the tool is none.
static bool system_tool(struct writer *w, const struct native_tool *tool, bool *grounding) {
  struct json_doc doc = {0};
  uint32_t inner = encode_parse(&doc, tool->json, 2, w->t) ? json_get(&doc, 0, STR("systemTool")) : JSON_NONE;
  bool is = w->model->grounding && json_is(&doc, inner, JSON_OBJECT);
  if (is) {
    encode_element(w->out);
    encode_json(w->out, STR("systemTool"), json_raw(&doc, inner));
    buf_char(w->out, '}');
    *grounding |= json_string_is(&doc, json_get(&doc, inner, STR("name")), STR("nova_grounding"));
  }
  json_doc_free(&doc);
  return is;
}

// Tools that are no functions: Bedrock's own, and the web where the model can be given it.
static void write_native_tools(struct writer *w) {
  const struct conversation *c = w->c;
  const struct web_search *search = &c->web_search;
  bool grounded = false;
  for (size_t i = 0; i < c->native_count; i++) {
    const struct native_tool *tool = &c->native_tools[i];
    if (!system_tool(w, tool, &grounded) && !bedrock_fields_takes_tool(w->model, tool))
      translation_drop(w->t, STR("tools"));
  }
  if (!search->asked_by.len) return;
  bool narrow =
      search->allowed_domains.len || search->blocked_domains.len || search->user_location.len || search->max_uses;
  if (!w->model->grounding || narrow) translation_drop(w->t, search->asked_by);
  if (!w->model->grounding || grounded) return;
  encode_element(w->out);
  buf_lit(w->out, "\"systemTool\":{\"name\":\"nova_grounding\"}}");
}

struct choice {
  enum tool_choice kind;
  struct str name;  // of CHOICE_NAMED
};

// Which tool must be called, as far as the model can be told.
static struct choice choice_of(struct writer *w, bool thinks) {
  const struct conversation *c = w->c;
  struct choice choice = {c->choice, c->choice_name};
  if (w->emulated) {
    bool alone = !c->tool_count || c->choice == CHOICE_NONE;
    choice = (struct choice){alone ? CHOICE_NAMED : CHOICE_REQUIRED, STR(ANTHROPIC_ANSWER_TOOL)};
  }
  bool forcing = choice.kind == CHOICE_REQUIRED || choice.kind == CHOICE_NAMED;
  bool forbidden = thinks && w->model->claude.known && !w->model->claude.forced_thinking;
  if (forcing && (!w->model->choice_any || forbidden)) {
    translation_drop(w->t, w->emulated ? STR("response_format") : STR("tool_choice"));
    choice.kind = CHOICE_UNSET;
  }
  if (choice.kind == CHOICE_NONE) {
    translation_drop(w->t, STR("tool_choice"));  // the history needs the tools
    choice.kind = CHOICE_UNSET;
  }
  // Where one cannot be named it is the only one that is offered.
  if (choice.kind == CHOICE_NAMED && !w->model->choice) choice.kind = CHOICE_REQUIRED;
  if (choice.kind == CHOICE_AUTO && !w->model->choice_any && !w->model->claude.known) choice.kind = CHOICE_UNSET;
  return choice;
}

static void write_choice(struct writer *w, struct choice choice) {
  if (choice.kind == CHOICE_AUTO) buf_lit(w->out, ",\"toolChoice\":{\"auto\":{}}");
  if (choice.kind == CHOICE_REQUIRED) buf_lit(w->out, ",\"toolChoice\":{\"any\":{}}");
  if (choice.kind != CHOICE_NAMED) return;
  buf_lit(w->out, ",\"toolChoice\":{\"tool\":{");
  encode_plain(w->out, STR("name"), choice.name);
  buf_lit(w->out, "}}");
}

static void write_functions(struct writer *w) {
  const struct conversation *c = w->c;
  unsigned strict_left = STRICT_MAX;
  bool one = c->choice == CHOICE_NAMED && !w->model->choice, known = false;
  for (size_t i = 0; one && i < c->tool_count; i++) known |= str_eq(c->tools[i].name, c->choice_name);
  for (size_t i = 0; i < c->tool_count; i++) {
    const struct tool *tool = &c->tools[i];
    if (one && known && !str_eq(tool->name, c->choice_name)) continue;
    bool strict = tool->strict && w->model->strict && strict_left;
    if (strict) strict_left--;
    if (tool->strict && !strict) translation_drop(w->t, STR("strict"));
    write_tool(w, tool->name, tool->description, tool->parameters, strict);
    if (w->model->caches_tools) write_mark(w, tool->cache);
  }
}

static void write_tools(struct writer *w, bool thinks) {
  const struct conversation *c = w->c;
  bool calls = has_calls(w), functions = c->tool_count && (c->choice != CHOICE_NONE || calls);
  size_t before = w->out->len;
  encode_object(w->out, STR("toolConfig"));
  encode_array(w->out, STR("tools"));
  size_t begin = w->out->len;
  if (functions) write_functions(w);
  if (c->choice != CHOICE_NONE) write_native_tools(w);
  if (!functions && calls) write_old_tools(w);
  if (w->emulated) {
    write_tool(w, STR(ANTHROPIC_ANSWER_TOOL), STR("Gives the answer. Call it exactly once."), c->schema, false);
    w->t->answer_tool = STR(ANTHROPIC_ANSWER_TOOL);
  }
  if (w->out->len == begin) {
    w->out->len = before;
    return;
  }
  buf_char(w->out, ']');
  if (functions || w->emulated) write_choice(w, choice_of(w, thinks));
  buf_char(w->out, '}');
}

// --- the whole ---

static bool write_body(struct writer *w, bool thinks) {
  w->marks = w->documents.count = 0;
  w->mark_end = SIZE_MAX;
  w->short_mark = w->instructed = false;
  buf_char(w->out, '{');
  write_tools(w, thinks);
  write_system(w);
  return write_messages(w);
}

bool bedrock_request(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out) {
  c = tool_names_fit(c, (struct encode_alphabet){"_-", 1, 64}, t);
  if (!c) return false;
  struct bedrock_model model = bedrock_model_of(e);
  struct writer w = {.c = c, .model = &model, .t = t, .out = out};
  struct bedrock_fields fields = {.c = c, .e = e, .model = &model, .t = t};
  const char *format = model.claude.known ? claude_format : BEDROCK_FORMAT;
  size_t begin = out->len;
  if (!encode_system_is_text(c, t)) return false;
  if (!steps_make(c, false, model.claude.known ? NULL : format, t->arena, &w.steps)) return false;
  if (!bedrock_fields_read(&fields, &w.steps) || !move_media(&w)) return false;
  bool schema = c->format == FORMAT_SCHEMA && !model.schema, thinks = bedrock_fields_thinks(&fields);
  w.emulated = schema && model.choice_any;
  w.ask_schema = schema && !w.emulated;
  if (w.ask_schema) translation_drop(t, STR("response_format"));
  if (!write_body(&w, thinks)) return false;
  if (w.marks > MARKS_MAX) {
    // The last marks are worth most; how many there are is only known now.
    w.marks_skipped = w.marks - MARKS_MAX;
    out->len = begin;
    if (!write_body(&w, thinks)) return false;
  }
  bedrock_fields_write(&fields, out);
  buf_char(out, '}');
  return !w.failed && encode_done(t, out);
}
