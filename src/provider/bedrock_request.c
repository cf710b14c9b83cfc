#include "provider/bedrock_request.h"

#include <string.h>

#include "provider/anthropic_request.h"
#include "provider/claude.h"
#include "provider/encode.h"
#include "provider/schema.h"
#include "provider/steps.h"

enum { MARKS_MAX = 4, STRICT_MAX = 20, NAME_MAX_LEN = 180, METADATA_MAX = 16 };

static const char format[] = "anthropic-claude-v1";

// --- families of models ---

struct family {
  struct claude claude;
  bool is_claude, nova, nova2, llama, mistral, qwen, deepseek, gpt_oss, writer;
  bool choice;  // takes any and tool
  bool schema;  // takes outputConfig.textFormat
};

static bool has(struct str name, const char *word) {
  return str_find(name, str_from_cstr(word), 0) != SIZE_MAX;
}

static struct family family_of(struct str name) {
  struct family f = {.claude = claude_model(name)};
  f.is_claude = f.claude.known;
  f.nova = has(name, "nova");
  f.nova2 = has(name, "nova-2");
  f.llama = has(name, "llama");
  f.mistral = has(name, "mistral") || has(name, "mixtral") || has(name, "pixtral");
  f.qwen = has(name, "qwen");
  f.deepseek = has(name, "deepseek");
  f.gpt_oss = has(name, "gpt-oss");
  f.writer = has(name, "writer.");
  f.choice = f.is_claude ? f.claude.forced : f.nova || has(name, "mistral-large");
  f.schema = f.is_claude ? f.claude.schema && f.claude.budget && !has(name, "opus-4-1")
                         : f.qwen || has(name, "gemma") || has(name, "minimax") || has(name, "nvidia");
  return f;
}

void bedrock_path(const struct endpoint *e, bool stream, struct buf *out) {
  buf_lit(out, "/model/");
  encode_path(out, e->upstream_model, "");
  if (stream)
    buf_lit(out, "/converse-stream");
  else
    buf_lit(out, "/converse");
}

// --- blocks ---

struct writer {
  const struct conversation *c;
  const struct family *family;
  struct translation *t;
  struct buf *out;
  struct steps steps;
  unsigned marks_skipped;
  unsigned documents;
  bool failed;
};

static void text_block(struct writer *w, struct str before, struct str text, struct str after) {
  encode_element(w->out);
  buf_lit(w->out, "\"text\":\"");
  buf_str(w->out, before);
  buf_str(w->out, text);
  buf_str(w->out, after);
  buf_lit(w->out, "\"}");
}

// A mark stands behind what it marks.
static void write_mark(struct writer *w, enum cache_mark mark) {
  if (!mark || !(w->family->is_claude || w->family->nova)) return;
  if (w->marks_skipped) {
    w->marks_skipped--;
    return;
  }
  encode_element(w->out);
  buf_lit(w->out, "\"cachePoint\":{\"type\":\"default\"");
  if (mark == CACHE_1H && w->family->is_claude) buf_lit(w->out, ",\"ttl\":\"1h\"");
  buf_lit(w->out, "}}");
}

static void write_source(struct writer *w, const struct part *p) {
  encode_object(w->out, STR("source"));
  encode_plain(w->out, STR("bytes"), p->data);
  buf_char(w->out, '}');
}

// "image/png" gives "png".
static struct str subtype(const struct part *p) {
  struct str type = encode_media_type(p);
  size_t slash = str_find_char(type, '/', 0);
  return slash == SIZE_MAX ? type : str_skip(type, slash + 1);
}

static struct str document_format(const struct part *p) {
  static const struct {
    struct str type, format;
  } rows[] = {{{"application/pdf", 15}, {"pdf", 3}},
              {{"text/csv", 8}, {"csv", 3}},
              {{"text/html", 9}, {"html", 4}},
              {{"text/markdown", 13}, {"md", 2}},
              {{"application/msword", 18}, {"doc", 3}},
              {{"application/vnd.ms-excel", 24}, {"xls", 3}},
              {{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", 71}, {"docx", 4}},
              {{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", 65}, {"xlsx", 4}}};
  struct str type = encode_media_type(p);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq(type, rows[i].type)) return rows[i].format;
  return STR("txt");
}

// A document's name: letters, digits, single spaces, hyphens, parentheses and brackets, without its ending, and no two
// alike.
static void write_document_name(struct writer *w, const struct part *p) {
  struct str name = p->name;
  size_t len = name.len;
  bool blank = false, any = false;
  while (len && name.ptr[len - 1] != '.') len--;
  if (len > 1) name.len = len - 1;
  json_write_key(w->out, STR("name"));
  buf_char(w->out, '"');
  for (size_t i = 0; i < name.len && i < NAME_MAX_LEN; i++) {
    char c = name.ptr[i];
    bool good =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("-()[]", c) != NULL);
    if (!good) {
      blank = any;
      continue;
    }
    if (blank) buf_char(w->out, ' ');
    blank = false;
    any = true;
    buf_char(w->out, c);
  }
  if (!any) buf_lit(w->out, "document");
  if (++w->documents > 1) buf_printf(w->out, " %u", w->documents);
  buf_char(w->out, '"');
}

static bool media_block(struct writer *w, const struct part *p) {
  if (!p->data.len)
    return translation_refuse(w->t, FAULT_UNSUPPORTED,
                              STR("Bedrock takes images and files only as data URLs: it fetches nothing itself."));
  encode_element(w->out);
  switch (p->kind) {
    case PART_IMAGE: encode_object(w->out, STR("image")); break;
    case PART_VIDEO: encode_object(w->out, STR("video")); break;
    case PART_AUDIO: encode_object(w->out, STR("audio")); break;
    default: encode_object(w->out, STR("document")); break;
  }
  if (p->kind == PART_FILE) {
    encode_plain(w->out, STR("format"), document_format(p));
    write_document_name(w, p);
  } else {
    encode_plain(w->out, STR("format"), subtype(p));
  }
  write_source(w, p);
  buf_lit(w->out, "}}");
  return true;
}

static bool goes_back(const struct writer *w, const struct part *p) {
  if (p->kind != PART_REASONING) return false;
  if (w->family->is_claude) return reasoning_is_of(p, format) && (p->encrypted.len || p->signature.len);
  return w->family->deepseek && p->text.len && !p->signature.len &&
         (!p->format.len || reasoning_is_of(p, "amazon-bedrock-v1"));
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

static struct str tool_id(const struct writer *w, struct str id) {
  static const struct encode_alphabet usual = {"_.:-", 1, 64}, mistral = {"", 9, 9};
  return encode_id(id, w->family->mistral ? mistral : usual, w->t->arena);
}

static void call_block(struct writer *w, const struct part *p) {
  encode_element(w->out);
  encode_object(w->out, STR("toolUse"));
  encode_plain(w->out, STR("toolUseId"), tool_id(w, p->id));
  encode_plain(w->out, STR("name"), p->name);
  json_write_key(w->out, STR("input"));
  if (!encode_arguments(w->out, p->arguments, w->t->arena)) w->failed = true;
  buf_lit(w->out, "}}");
}

static bool part_block(struct writer *w, const struct step *s) {
  const struct part *p = s->part;
  switch (p->kind) {
    case PART_TEXT:
    case PART_REFUSAL: {
      bool last = s + 1 == w->steps.items + w->steps.count && !s->user;
      struct str text = last ? encode_trim_end(p->text) : p->text;
      if (s->kind == STEP_SYSTEM)
        text_block(w, STR("<system>\\n"), text, STR("\\n</system>"));
      else if (s->begins && s->turn->name.len)
        text_block(w, arena_printf(w->t->arena, "%.*s: ", STR_ARGS(s->turn->name)), text, STR(""));
      else
        text_block(w, STR(""), text, STR(""));
      break;
    }
    case PART_REASONING: reasoning_block(w, p); return true;
    case PART_CALL: call_block(w, p); break;
    default:
      if (!media_block(w, p)) return false;
  }
  write_mark(w, p->cache);
  return true;
}

// --- results ---

static bool result_content(struct writer *w, const struct turn *turn) {
  struct str object;
  size_t begin = w->out->len;
  for (size_t i = 0; i < turn->count; i++) {
    const struct part *p = &turn->parts[i];
    bool text = p->kind == PART_TEXT || p->kind == PART_REFUSAL;
    if (text && encode_is_blank(p->text)) continue;
    if (text && w->family->mistral && encode_is_object(p->text, w->t, &object)) {
      encode_element(w->out);
      encode_json(w->out, STR("json"), object);
      buf_char(w->out, '}');
    } else if (text) {
      text_block(w, STR(""), p->text, STR(""));
    } else if (w->family->qwen || (w->family->mistral && p->kind == PART_IMAGE)) {
      return translation_refuse(w->t, FAULT_UNSUPPORTED,
                                STR("This model takes no images in a tool's result. Send them in a user message."));
    } else if (!media_block(w, p)) {
      return false;
    }
  }
  if (w->out->len == begin) text_block(w, STR(""), STR("(no output)"), STR(""));
  return true;
}

static bool result_block(struct writer *w, const struct step *s) {
  const struct turn *turn = s->turn;
  encode_element(w->out);
  encode_object(w->out, STR("toolResult"));
  encode_plain(w->out, STR("toolUseId"), tool_id(w, s->part->id));
  encode_array(w->out, STR("content"));
  if (!turn)
    text_block(w, STR(""), STR("The tool gave no result."), STR(""));
  else if (!result_content(w, turn))
    return false;
  buf_char(w->out, ']');
  if (!w->family->writer) buf_printf(w->out, ",\"status\":\"%s\"", turn ? "success" : "error");
  buf_lit(w->out, "}}");
  if (turn && turn->count) write_mark(w, turn->parts[turn->count - 1].cache);
  return true;
}

static bool step_block(struct writer *w, const struct step *s) {
  if (s->kind == STEP_RESULT) return result_block(w, s);
  if (s->kind != STEP_ORPHAN) return part_block(w, s);
  size_t at = 0;
  for (const struct part *p; (p = step_text(s->turn, &at));)
    if (!encode_is_blank(p->text)) text_block(w, STR("Tool result: "), p->text, STR(""));
  return true;
}

// --- messages ---

static bool is_silent(const struct writer *w, const struct step *s) {
  size_t at = 0;
  if (s->kind == STEP_ORPHAN) return !step_text(s->turn, &at);
  return s->kind == STEP_PART && s->part->kind == PART_REASONING && !goes_back(w, s->part);
}

// What may not stand in the message of a tool's result goes into one of its own.
static bool must_part(const struct writer *w, const struct step *s) {
  if (s->kind == STEP_RESULT) return false;
  if (w->family->llama || w->family->mistral) return true;
  return w->family->is_claude && s->part && (s->part->kind == PART_FILE || s->part->kind == PART_VIDEO);
}

static void message_open(struct writer *w, bool user) {
  encode_element(w->out);
  if (user)
    buf_lit(w->out, "\"role\":\"user\",\"content\":[");
  else
    buf_lit(w->out, "\"role\":\"assistant\",\"content\":[");
}

// A document wants a text beside it.
static void message_close(struct writer *w, bool has_document, bool has_text) {
  if (has_document && !has_text) text_block(w, STR(""), STR("."), STR(""));
  buf_lit(w->out, "]}");
}

static bool write_messages(struct writer *w) {
  bool open = false, user = false, results = false, has_document = false, has_text = false;
  encode_array(w->out, STR("messages"));
  for (size_t i = 0; i < w->steps.count; i++) {
    const struct step *s = &w->steps.items[i];
    if (is_silent(w, s)) continue;
    bool parted = open && user && s->user && results && must_part(w, s);
    if (!open && !s->user) buf_lit(w->out, "{\"role\":\"user\",\"content\":[{\"text\":\".\"}]}");
    if (open && (s->user != user || parted)) message_close(w, has_document, has_text);
    if (parted) buf_lit(w->out, ",{\"role\":\"assistant\",\"content\":[{\"text\":\".\"}]}");
    if (!open || s->user != user || parted) {
      message_open(w, s->user);
      results = has_document = has_text = false;
    }
    open = true;
    user = s->user;
    results |= s->kind == STEP_RESULT;
    has_text |= s->kind != STEP_RESULT && (!s->part || s->part->kind == PART_TEXT || s->part->kind == PART_REFUSAL);
    has_document |= s->kind == STEP_PART && s->part->kind == PART_FILE;
    if (!step_block(w, s)) return false;
  }
  if (open)
    message_close(w, has_document, has_text);
  else
    buf_lit(w->out, "{\"role\":\"user\",\"content\":[{\"text\":\".\"}]}");
  buf_char(w->out, ']');
  return true;
}

static void write_system(struct writer *w, bool ask_schema) {
  const struct conversation *c = w->c;
  size_t before = w->out->len;
  encode_array(w->out, STR("system"));
  size_t begin = w->out->len;
  for (size_t i = 0; i < w->steps.system_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++) {
      const struct part *part = &c->turns[i].parts[p];
      if (part->kind != PART_TEXT || encode_is_blank(part->text)) continue;
      text_block(w, STR(""), part->text, STR(""));
      write_mark(w, part->cache);
    }
  if (c->format == FORMAT_JSON || ask_schema)
    text_block(w, STR(""), STR("Answer with one JSON object and nothing else."), STR(""));
  if (ask_schema) {
    encode_element(w->out);
    json_write_key(w->out, STR("text"));
    json_write_str(w->out, arena_printf(w->t->arena, "The object follows this JSON schema: %.*s", STR_ARGS(c->schema)));
    buf_char(w->out, '}');
  }
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
  if (description.len) encode_inside(w->out, STR("description"), description);
  buf_lit(w->out, ",\"inputSchema\":{\"json\":");
  if (!parameters.len)
    buf_lit(w->out, "{\"type\":\"object\",\"properties\":{}}");
  else if (!strict)
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

// Tools that only the history knows.
static void write_old_tools(struct writer *w) {
  for (size_t i = 0; i < w->steps.count; i++) {
    const struct step *s = &w->steps.items[i];
    bool seen = !is_call(s);
    for (size_t k = 0; k < i && !seen; k++)
      seen = is_call(&w->steps.items[k]) && str_eq(w->steps.items[k].part->name, s->part->name);
    if (!seen) write_tool(w, s->part->name, (struct str){0}, STR("{\"type\":\"object\"}"), false);
  }
}

static bool has_calls(const struct writer *w) {
  for (size_t i = 0; i < w->steps.count; i++)
    if (is_call(&w->steps.items[i])) return true;
  return false;
}

static void write_choice(struct writer *w, bool emulated, bool thinks) {
  const struct conversation *c = w->c;
  enum tool_choice choice = c->choice;
  struct str name = c->choice_name;
  if (emulated) {
    bool alone = !c->tool_count || choice == CHOICE_NONE;
    choice = alone ? CHOICE_NAMED : CHOICE_REQUIRED;
    name = STR(ANTHROPIC_ANSWER_TOOL);
  }
  bool forcing = choice == CHOICE_REQUIRED || choice == CHOICE_NAMED;
  if (forcing && (!w->family->choice || (thinks && w->family->is_claude && !w->family->claude.forced_thinking))) {
    translation_drop(w->t, emulated ? STR("response_format") : STR("tool_choice"));
    return;
  }
  if (choice == CHOICE_NONE) translation_drop(w->t, STR("tool_choice"));  // the history needs the tools
  if (choice == CHOICE_AUTO) buf_lit(w->out, ",\"toolChoice\":{\"auto\":{}}");
  if (choice == CHOICE_REQUIRED) buf_lit(w->out, ",\"toolChoice\":{\"any\":{}}");
  if (choice != CHOICE_NAMED) return;
  buf_lit(w->out, ",\"toolChoice\":{\"tool\":{");
  encode_plain(w->out, STR("name"), name);
  buf_lit(w->out, "}}");
}

static void write_tools(struct writer *w, bool emulated, bool thinks) {
  const struct conversation *c = w->c;
  bool calls = has_calls(w), tools = c->tool_count && (c->choice != CHOICE_NONE || calls);
  unsigned strict_left = STRICT_MAX;
  if (!tools && !emulated && !calls) return;
  encode_object(w->out, STR("toolConfig"));
  encode_array(w->out, STR("tools"));
  for (size_t i = 0; tools && i < c->tool_count; i++) {
    const struct tool *tool = &c->tools[i];
    bool strict = tool->strict && w->family->is_claude && w->family->schema && strict_left;
    if (strict) strict_left--;
    write_tool(w, tool->name, tool->description, tool->parameters, strict);
    if (w->family->is_claude) write_mark(w, tool->cache);
  }
  if (!tools && calls) write_old_tools(w);
  if (emulated) {
    write_tool(w, STR(ANTHROPIC_ANSWER_TOOL), STR("Gives the answer. Call it exactly once."), c->schema, false);
    w->t->answer_tool = STR(ANTHROPIC_ANSWER_TOOL);
  }
  buf_char(w->out, ']');
  if (tools || emulated) write_choice(w, emulated, thinks);
  buf_char(w->out, '}');
}

// --- parameters ---

static void write_inference(struct writer *w, const struct endpoint *e, const struct anthropic_thinking *thinking) {
  const struct conversation *c = w->c;
  const struct family *f = w->family;
  bool thinks = thinking->mode >= THINK_BUDGET;
  bool sampling = !f->is_claude || (f->claude.sampling && !thinks);
  bool both = c->temperature.len && c->top_p.len && f->is_claude && f->claude.one_sampling;
  size_t before = w->out->len;
  encode_object(w->out, STR("inferenceConfig"));
  size_t begin = w->out->len;
  if (c->max_tokens || thinking->mode == THINK_BUDGET) encode_u64(w->out, STR("maxTokens"), anthropic_max_tokens(c, e));
  if (sampling)
    encode_number(w->out, STR("temperature"), c->temperature, 0, 1, w->t);
  else if (c->temperature.len && !encode_number_is(c->temperature, 1))
    translation_drop(w->t, STR("temperature"));
  if (sampling && !both)
    encode_number(w->out, STR("topP"), c->top_p, 0, 1, w->t);
  else if (c->top_p.len && !encode_number_is(c->top_p, 1))
    translation_drop(w->t, STR("top_p"));
  bool any = false;
  for (size_t i = 0; i < c->stop_count; i++) {
    if (encode_is_blank(c->stops[i])) {
      translation_drop(w->t, STR("stop"));
      continue;
    }
    if (!any)
      encode_array(w->out, STR("stopSequences"));
    else
      buf_char(w->out, ',');
    any = true;
    buf_char(w->out, '"');
    buf_str(w->out, c->stops[i]);
    buf_char(w->out, '"');
  }
  if (any) buf_char(w->out, ']');
  if (w->out->len == begin)
    w->out->len = before;
  else
    buf_char(w->out, '}');
}

static const char *three_steps(enum effort effort) {
  if (effort <= EFFORT_LOW) return "low";
  return effort == EFFORT_MEDIUM ? "medium" : "high";
}

static void write_reasoning(struct writer *w, const struct anthropic_thinking *thinking) {
  const struct conversation *c = w->c;
  const struct family *f = w->family;
  enum effort effort = c->effort;
  if (f->is_claude) {
    if (thinking->mode == THINK_OFF) encode_json(w->out, STR("thinking"), STR("{\"type\":\"disabled\"}"));
    if (thinking->mode == THINK_BUDGET) {
      encode_object(w->out, STR("thinking"));
      buf_printf(w->out, "\"type\":\"enabled\",\"budget_tokens\":%llu}", (unsigned long long)thinking->budget);
    }
    if (thinking->mode == THINK_ADAPTIVE) {
      encode_object(w->out, STR("thinking"));
      buf_lit(w->out, "\"type\":\"adaptive\"");
      if (thinking->summarized) buf_lit(w->out, ",\"display\":\"summarized\"");
      buf_char(w->out, '}');
    }
    if (thinking->effort) {
      encode_object(w->out, STR("output_config"));
      encode_plain(w->out, STR("effort"), str_from_cstr(thinking->effort));
      buf_char(w->out, '}');
    }
    return;
  }
  if (!effort && c->reasoning_tokens) effort = effort_of_budget(c->reasoning_tokens, c->max_tokens);
  if (!effort) return;
  const char *step = three_steps(effort);
  if (f->gpt_oss) {
    encode_plain(w->out, STR("reasoning_effort"), str_from_cstr(step));
  } else if (f->qwen && effort != EFFORT_NONE) {
    encode_plain(w->out, STR("reasoning_config"), effort <= EFFORT_LOW ? STR("low") : STR("high"));
  } else if (f->nova2) {
    encode_object(w->out, STR("reasoningConfig"));
    encode_plain(w->out, STR("type"), effort == EFFORT_NONE ? STR("disabled") : STR("enabled"));
    if (effort != EFFORT_NONE) encode_plain(w->out, STR("maxReasoningEffort"), str_from_cstr(step));
    buf_char(w->out, '}');
  } else if (effort != EFFORT_NONE) {
    translation_drop(w->t, STR("reasoning"));
  }
}

static void write_additional(struct writer *w, const struct anthropic_thinking *thinking) {
  const struct conversation *c = w->c;
  size_t before = w->out->len;
  bool top_k = c->top_k.len && !encode_number_is(c->top_k, 0);
  encode_object(w->out, STR("additionalModelRequestFields"));
  size_t begin = w->out->len;
  if (top_k && w->family->is_claude && w->family->claude.sampling && thinking->mode < THINK_BUDGET) {
    encode_json(w->out, STR("top_k"), c->top_k);
  } else if (top_k && w->family->nova) {
    encode_object(w->out, STR("inferenceConfig"));
    encode_json(w->out, STR("topK"), c->top_k);
    buf_char(w->out, '}');
  } else if (top_k) {
    translation_drop(w->t, STR("top_k"));
  }
  write_reasoning(w, thinking);
  if (w->out->len == begin)
    w->out->len = before;
  else
    buf_char(w->out, '}');
}

static void write_schema(struct writer *w) {
  const struct conversation *c = w->c;
  struct buf text;
  buf_init(&text, 1 << 20);
  if (!schema_write_strict(&text, c->schema)) w->failed = true;
  buf_lit(w->out, ",\"outputConfig\":{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{");
  encode_plain(w->out, STR("schema"), buf_view(&text));
  if (c->schema_name.len) encode_plain(w->out, STR("name"), c->schema_name);
  if (c->schema_description.len) encode_inside(w->out, STR("description"), c->schema_description);
  buf_lit(w->out, "}}}}");
  w->failed |= text.failed;
  buf_free(&text);
}

static void write_metadata(struct writer *w) {
  const struct conversation *c = w->c;
  struct json_doc doc = {0};
  unsigned n = 0;
  if (!c->metadata.len && !c->user.len) return;
  encode_object(w->out, STR("requestMetadata"));
  if (c->metadata.len && encode_parse(&doc, c->metadata, 1, w->t))
    for (uint32_t key = json_first(&doc, 0); key != JSON_NONE && n + 1 < METADATA_MAX; n++) {
      uint32_t value = json_next(&doc, 0, key);
      if (n) buf_char(w->out, ',');
      buf_str(w->out, json_raw(&doc, key));
      buf_char(w->out, ':');
      buf_str(w->out, json_raw(&doc, value));
      key = json_next(&doc, 0, value);
    }
  json_doc_free(&doc);
  if (c->user.len) encode_plain(w->out, STR("user"), c->user);
  buf_char(w->out, '}');
}

static void note_lost(struct writer *w) {
  const struct conversation *c = w->c;
  encode_note_extra(c, w->t);
  encode_note_native_tools(c, w->t);
  encode_note_web_search(c, w->t);
  encode_note_logprobs(c, w->t);
  if (c->seed.len) translation_drop(w->t, STR("seed"));
  if (c->frequency_penalty.len && !encode_number_is(c->frequency_penalty, 0))
    translation_drop(w->t, STR("frequency_penalty"));
  if (c->presence_penalty.len && !encode_number_is(c->presence_penalty, 0))
    translation_drop(w->t, STR("presence_penalty"));
  if (c->parallel_calls == FLAG_NO && c->tool_count) translation_drop(w->t, STR("parallel_tool_calls"));
}

static void write_tier(struct writer *w) {
  struct str tier = w->c->service_tier;
  if (!tier.len || str_eq(tier, STR("auto"))) return;
  if (!str_eq(tier, STR("default")) && !str_eq(tier, STR("flex")) && !str_eq(tier, STR("priority"))) {
    translation_drop(w->t, STR("service_tier"));
    return;
  }
  encode_object(w->out, STR("serviceTier"));
  encode_plain(w->out, STR("type"), tier);
  buf_char(w->out, '}');
}

static unsigned count_marks(const struct conversation *c) {
  unsigned n = 0;
  for (size_t i = 0; i < c->tool_count; i++) n += c->tools[i].cache != CACHE_NONE;
  for (size_t i = 0; i < c->turn_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++) n += c->turns[i].parts[p].cache != CACHE_NONE;
  return n;
}

bool bedrock_request(const struct conversation *c, const struct endpoint *e, struct translation *t, struct buf *out) {
  struct family family = family_of(e->upstream_model);
  struct writer w = {.c = c, .family = &family, .t = t, .out = out};
  struct anthropic_thinking thinking = {0};
  if (!steps_make(c, false, NULL, t->arena, &w.steps)) return false;
  if (family.is_claude && !anthropic_thinking(c, &family.claude, &w.steps, anthropic_max_tokens(c, e), t, &thinking))
    return false;
  bool schema = c->format == FORMAT_SCHEMA, emulated = schema && !family.schema && family.choice;
  bool ask_schema = schema && !family.schema && !emulated;
  unsigned marks = count_marks(c);
  w.marks_skipped = marks > MARKS_MAX ? marks - MARKS_MAX : 0;
  note_lost(&w);
  if (ask_schema) translation_drop(t, STR("response_format"));
  buf_char(out, '{');
  write_tools(&w, emulated, thinking.mode >= THINK_BUDGET);
  write_system(&w, ask_schema);
  if (!write_messages(&w)) return false;
  write_inference(&w, e, &thinking);
  write_additional(&w, &thinking);
  if (schema && family.schema) write_schema(&w);
  write_metadata(&w);
  write_tier(&w);
  buf_char(out, '}');
  return !w.failed && encode_done(t, out);
}
