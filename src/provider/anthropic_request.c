#include "provider/anthropic_request.h"

#include "json/json.h"
#include "provider/claude.h"
#include "provider/encode.h"
#include "provider/schema.h"
#include "provider/steps.h"

enum { MAX_TOKENS_UNKNOWN = 8192, MAX_TOKENS_OLD = 4096, BUDGET_MIN = 1024, MARKS_MAX = 4 };

static const struct encode_alphabet id_alphabet = {"_-", 1, 64};
static const char format[] = "anthropic-claude-v1";

struct writer {
  const struct conversation *c;
  const struct claude *model;
  struct translation *t;
  struct buf *out;
  struct steps steps;
  unsigned marks_skipped;  // of the first cache marks: more than MARKS_MAX are refused
  bool short_mark;         // one of five minutes has come: those of an hour must stand before
  bool failed;             // out of memory
};

// --- cache marks ---

static unsigned count_marks(const struct conversation *c) {
  unsigned n = 0;
  for (size_t i = 0; i < c->tool_count; i++) n += c->tools[i].cache != CACHE_NONE;
  for (size_t i = 0; i < c->turn_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++) n += c->turns[i].parts[p].cache != CACHE_NONE;
  return n;
}

static void write_mark(struct writer *w, enum cache_mark mark) {
  if (!mark) return;
  if (w->marks_skipped) {
    w->marks_skipped--;
    return;
  }
  buf_lit(w->out, ",\"cache_control\":{\"type\":\"ephemeral\"");
  if (mark == CACHE_1H && !w->short_mark) buf_lit(w->out, ",\"ttl\":\"1h\"");
  if (mark == CACHE_5M) w->short_mark = true;
  buf_char(w->out, '}');
}

// --- blocks ---

static void text_block(struct writer *w, struct str before, struct str text, struct str after, enum cache_mark mark) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"text\",\"text\":\"");
  buf_str(w->out, before);
  buf_str(w->out, text);
  buf_str(w->out, after);
  buf_char(w->out, '"');
  write_mark(w, mark);
  buf_char(w->out, '}');
}

static void source_base64(struct writer *w, struct str type, struct str data) {
  encode_object(w->out, STR("source"));
  buf_lit(w->out, "\"type\":\"base64\"");
  encode_plain(w->out, STR("media_type"), type);
  encode_plain(w->out, STR("data"), data);
  buf_char(w->out, '}');
}

static void source_url(struct writer *w, struct str url) {
  encode_object(w->out, STR("source"));
  buf_lit(w->out, "\"type\":\"url\"");
  encode_plain(w->out, STR("url"), url);
  buf_char(w->out, '}');
}

static bool image_block(struct writer *w, const struct part *p) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"image\"");
  if (p->url.len)
    source_url(w, p->url);
  else if (encode_media_is(p, STR("image/")))
    source_base64(w, encode_media_type(p), p->data);
  else
    return translation_refuse(w->t, FAULT_UNSUPPORTED, STR("An image's data URL must name an image type."));
  write_mark(w, p->cache);
  buf_char(w->out, '}');
  return true;
}

static bool document_block(struct writer *w, const struct part *p) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"document\"");
  if (p->url.len) {
    source_url(w, p->url);
  } else if (p->id.len && !p->data.len) {
    encode_object(w->out, STR("source"));
    buf_lit(w->out, "\"type\":\"file\"");
    encode_plain(w->out, STR("file_id"), p->id);
    buf_char(w->out, '}');
  } else if (encode_media_is(p, STR("text/"))) {
    struct str text = encode_text_file(p, w->t->arena);
    if (!text.ptr)
      return translation_refuse(w->t, FAULT_UNSUPPORTED, STR("A text file's data must be base64 of UTF-8 text."));
    encode_object(w->out, STR("source"));
    buf_lit(w->out, "\"type\":\"text\",\"media_type\":\"text/plain\"");
    encode_inside(w->out, STR("data"), text);
    buf_char(w->out, '}');
  } else {
    source_base64(w, encode_media_type(p), p->data);
  }
  if (p->name.len) encode_plain(w->out, STR("title"), p->name);
  write_mark(w, p->cache);
  buf_char(w->out, '}');
  return true;
}

// Only Anthropic's own reasoning goes back, unchanged; an empty signature is that of a stream which was cut.
static void reasoning_block(struct writer *w, const struct part *p) {
  if (!reasoning_is_of(p, format)) return;
  if (p->encrypted.len) {
    encode_element(w->out);
    buf_lit(w->out, "\"type\":\"redacted_thinking\"");
    // Bedrock wraps it in base64 once more.
    if (str_eq(p->id, STR("bedrock")))
      encode_plain(w->out, STR("data"), encode_unbase64(p->encrypted, w->t->arena));
    else
      encode_inside(w->out, STR("data"), p->encrypted);
    buf_char(w->out, '}');
  } else if (p->signature.len) {
    encode_element(w->out);
    buf_lit(w->out, "\"type\":\"thinking\"");
    encode_inside(w->out, STR("thinking"), p->text);
    encode_inside(w->out, STR("signature"), p->signature);
    buf_char(w->out, '}');
  }
}

static void call_block(struct writer *w, const struct part *p) {
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"tool_use\"");
  encode_plain(w->out, STR("id"), encode_id(p->id, id_alphabet, w->t->arena));
  encode_plain(w->out, STR("name"), p->name);
  json_write_key(w->out, STR("input"));
  if (!encode_arguments(w->out, p->arguments, w->t->arena)) w->failed = true;
  write_mark(w, p->cache);
  buf_char(w->out, '}');
}

static bool part_block(struct writer *w, const struct step *s) {
  const struct part *p = s->part;
  switch (p->kind) {
    case PART_TEXT:
    case PART_REFUSAL: {
      bool named = s->begins && s->turn->name.len && s->kind == STEP_PART;
      bool last = s + 1 == w->steps.items + w->steps.count && !s->user;
      struct str text = last ? encode_trim_end(p->text) : p->text;
      if (s->kind == STEP_SYSTEM) {
        text_block(w, STR("<system>\\n"), text, STR("\\n</system>"), p->cache);
        return true;
      }
      struct str before = named ? arena_printf(w->t->arena, "%.*s: ", STR_ARGS(s->turn->name)) : STR("");
      text_block(w, before, text, STR(""), p->cache);
      return true;
    }
    case PART_IMAGE: return image_block(w, p);
    case PART_FILE: return document_block(w, p);
    case PART_REASONING: reasoning_block(w, p); return true;
    case PART_CALL: call_block(w, p); return true;
    default:
      return translation_refuse(w->t, FAULT_UNSUPPORTED,
                                STR("This provider takes no audio and no video. Send text, images or PDF files."));
  }
}

static bool result_block(struct writer *w, const struct step *s) {
  const struct turn *turn = s->turn;
  enum cache_mark mark = turn && turn->count ? turn->parts[turn->count - 1].cache : CACHE_NONE;
  encode_element(w->out);
  buf_lit(w->out, "\"type\":\"tool_result\"");
  encode_plain(w->out, STR("tool_use_id"), encode_id(s->part->id, id_alphabet, w->t->arena));
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
      struct part unmarked = turn->parts[i];  // the mark stands on the result
      struct step step = {STEP_PART, true, false, &unmarked, turn, s->turn_number};
      unmarked.cache = CACHE_NONE;
      bool empty = unmarked.kind == PART_TEXT && encode_is_blank(unmarked.text);
      if (!empty && !part_block(w, &step)) return false;
    }
    if (w->out->len == begin) text_block(w, STR(""), STR("(no output)"), STR(""), CACHE_NONE);
    buf_char(w->out, ']');
  }
  write_mark(w, mark);
  buf_char(w->out, '}');
  return true;
}

static bool step_block(struct writer *w, const struct step *s) {
  if (s->kind == STEP_RESULT) return result_block(w, s);
  if (s->kind != STEP_ORPHAN) return part_block(w, s);
  size_t at = 0;
  for (const struct part *p; (p = step_text(s->turn, &at));)
    if (!encode_is_blank(p->text)) text_block(w, STR("Tool result: "), p->text, STR(""), p->cache);
  return true;
}

// Does a step write anything?
static bool is_silent(const struct step *s) {
  size_t at = 0;
  if (s->kind == STEP_ORPHAN) return !step_text(s->turn, &at);
  const struct part *p = s->part;
  return s->kind == STEP_PART && p->kind == PART_REASONING &&
         (!reasoning_is_of(p, format) || (!p->encrypted.len && !p->signature.len));
}

static bool write_messages(struct writer *w) {
  bool open = false, user = false;
  encode_array(w->out, STR("messages"));
  for (size_t i = 0; i < w->steps.count; i++) {
    const struct step *s = &w->steps.items[i];
    if (is_silent(s)) continue;
    if (!open && !s->user)  // hosts refuse an answer to nothing
      buf_lit(w->out, "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\".\"}]}");
    if (!open || s->user != user) {
      if (open) buf_lit(w->out, "]}");
      encode_element(w->out);
      if (s->user)
        buf_lit(w->out, "\"role\":\"user\",\"content\":[");
      else
        buf_lit(w->out, "\"role\":\"assistant\",\"content\":[");
    }
    open = true;
    user = s->user;
    if (!step_block(w, s)) return false;
  }
  if (open)
    buf_lit(w->out, "]}]");
  else
    buf_lit(w->out, "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\".\"}]}]");
  return true;
}

static void write_system(struct writer *w) {
  const struct conversation *c = w->c;
  bool any = c->format == FORMAT_JSON;
  for (size_t i = 0; i < w->steps.system_count; i++) any |= c->turns[i].count != 0;
  if (!any) return;
  encode_array(w->out, STR("system"));
  for (size_t i = 0; i < w->steps.system_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++) {
      const struct part *part = &c->turns[i].parts[p];
      if (part->kind == PART_TEXT && !encode_is_blank(part->text))
        text_block(w, STR(""), part->text, STR(""), part->cache);
    }
  if (c->format == FORMAT_JSON)
    text_block(w, STR(""), STR("Answer with one JSON object and nothing else."), STR(""), CACHE_NONE);
  buf_char(w->out, ']');
}

// --- tools ---

static bool emulates_format(const struct writer *w) {
  return w->c->format == FORMAT_SCHEMA && !w->model->schema;
}

static void write_tool(struct writer *w, const struct tool *tool) {
  encode_element(w->out);
  encode_plain(w->out, STR("name"), tool->name);
  if (tool->description.len) encode_inside(w->out, STR("description"), tool->description);
  json_write_key(w->out, STR("input_schema"));
  bool strict = tool->strict && w->model->schema;
  if (!tool->parameters.len)
    buf_lit(w->out, "{\"type\":\"object\",\"properties\":{}}");
  else if (!strict)
    buf_str(w->out, tool->parameters);
  else if (!schema_write_strict(w->out, tool->parameters))
    w->failed = true;
  if (strict) buf_lit(w->out, ",\"strict\":true");
  write_mark(w, tool->cache);
  buf_char(w->out, '}');
}

// The history may call tools that the request no longer offers: they are named all the same.
static void write_old_tools(struct writer *w) {
  for (size_t i = 0; i < w->steps.count; i++) {
    const struct step *s = &w->steps.items[i];
    if (s->kind != STEP_PART || s->part->kind != PART_CALL) continue;
    bool seen = false;
    for (size_t k = 0; k < i && !seen; k++) {
      const struct step *b = &w->steps.items[k];
      seen = b->kind == STEP_PART && b->part->kind == PART_CALL && str_eq(b->part->name, s->part->name);
    }
    if (seen) continue;
    encode_element(w->out);
    encode_plain(w->out, STR("name"), s->part->name);
    buf_lit(w->out, ",\"input_schema\":{\"type\":\"object\"}}");
  }
}

static bool has_calls(const struct writer *w) {
  for (size_t i = 0; i < w->steps.count; i++)
    if (w->steps.items[i].kind == STEP_PART && w->steps.items[i].part->kind == PART_CALL) return true;
  return false;
}

static void write_tools(struct writer *w) {
  const struct conversation *c = w->c;
  bool only_named = c->choice == CHOICE_NAMED && !w->model->forced;
  if (!c->tool_count && !emulates_format(w) && !has_calls(w)) return;
  encode_array(w->out, STR("tools"));
  for (size_t i = 0; i < c->tool_count; i++)
    if (!only_named || str_eq(c->tools[i].name, c->choice_name)) write_tool(w, &c->tools[i]);
  if (!c->tool_count) write_old_tools(w);
  if (emulates_format(w)) {
    struct tool answer = {.name = STR(ANTHROPIC_ANSWER_TOOL),
                          .description = STR("Gives the answer. Call it exactly once."),
                          .parameters = c->schema};
    write_tool(w, &answer);
    w->t->answer_tool = answer.name;
  }
  buf_char(w->out, ']');
}

static void write_choice(struct writer *w, const struct anthropic_thinking *thinking) {
  const struct conversation *c = w->c;
  bool emulated = emulates_format(w);
  const char *type = NULL;
  struct str name = c->choice_name;
  if (!c->tool_count && !emulated) {
    if (has_calls(w)) buf_lit(w->out, ",\"tool_choice\":{\"type\":\"none\"}");
    return;
  }
  if (c->choice == CHOICE_AUTO) type = "auto";
  if (c->choice == CHOICE_NONE) type = "none";
  if (c->choice == CHOICE_REQUIRED) type = "any";
  if (c->choice == CHOICE_NAMED) type = "tool";
  if (emulated && (!c->tool_count || c->choice == CHOICE_NONE)) {
    type = "tool";
    name = STR(ANTHROPIC_ANSWER_TOOL);
  } else if (emulated) {
    type = "any";
  }
  bool forcing = type && (type[0] == 't' || (type[0] == 'a' && type[1] == 'n'));
  bool cannot = !w->model->forced || (thinking->mode >= THINK_BUDGET && !w->model->forced_thinking);
  if (forcing && cannot) {
    type = "auto";
    translation_drop(w->t, emulated ? STR("response_format") : STR("tool_choice"));
  }
  if (!type && c->parallel_calls != FLAG_NO) return;
  if (!type) type = "auto";
  encode_object(w->out, STR("tool_choice"));
  encode_plain(w->out, STR("type"), str_from_cstr(type));
  if (type[0] == 't') encode_plain(w->out, STR("name"), name);
  if (c->parallel_calls == FLAG_NO && type[0] != 'n') buf_lit(w->out, ",\"disable_parallel_tool_use\":true");
  buf_char(w->out, '}');
}

// --- thinking ---

uint64_t anthropic_max_tokens(const struct conversation *c, const struct endpoint *e) {
  uint64_t most = e->max_completion_tokens ? e->max_completion_tokens : e->model->max_completion_tokens;
  if (c->max_tokens) return most && c->max_tokens > most ? most : c->max_tokens;
  if (most) return most;
  return str_find(e->upstream_model, STR("claude-3-"), 0) != SIZE_MAX ? MAX_TOKENS_OLD : MAX_TOKENS_UNKNOWN;
}

// With a budget, a turn that calls tools must begin with the thinking it came from until its loop is over. Clients may
// have lost it.
static bool thinking_is_lost(const struct steps *steps) {
  const struct turn *turn = NULL;
  for (size_t i = steps->count; i-- > 0;) {
    const struct step *s = &steps->items[i];
    if (s->kind == STEP_RESULT && steps_is_current(steps, s)) continue;
    if (s->kind != STEP_PART || s->user) return false;
    if (s->part->kind == PART_CALL) turn = s->turn;
    break;
  }
  for (size_t p = 0; turn && p < turn->count; p++) {
    const struct part *part = &turn->parts[p];
    bool whole = part->signature.len || part->encrypted.len;
    if (part->kind == PART_REASONING && reasoning_is_of(part, format) && whole) return false;
  }
  return turn != NULL;
}

static const char *effort_word(enum effort effort, const struct claude *model) {
  switch (effort) {
    case EFFORT_MINIMAL:
    case EFFORT_LOW: return "low";
    case EFFORT_MEDIUM: return "medium";
    case EFFORT_HIGH: return "high";
    case EFFORT_XHIGH: return model->xhigh ? "xhigh" : model->adaptive ? "max" : "high";
    case EFFORT_MAX: return model->adaptive ? "max" : "high";
    default: return NULL;
  }
}

bool anthropic_thinking(const struct conversation *c, const struct claude *model, const struct steps *steps,
                        uint64_t max_tokens, struct translation *t, struct anthropic_thinking *out) {
  enum effort effort = c->effort;
  *out = (struct anthropic_thinking){0};
  if (effort == EFFORT_NONE) {
    if (model->always_thinks)
      return translation_refuse(t, FAULT_UNSUPPORTED,
                                STR("This model always reasons: leave the effort \"none\" out, or choose another."));
    if (model->adaptive) out->mode = THINK_OFF;
    return true;
  }
  if (!effort && !c->reasoning_tokens) return true;
  bool by_budget = model->budget && (!model->adaptive || (c->reasoning_tokens && !effort));
  if (by_budget) {
    uint64_t budget = c->reasoning_tokens ? c->reasoning_tokens : effort_budget(effort, max_tokens);
    if (budget < BUDGET_MIN) budget = BUDGET_MIN;
    bool forced = c->choice == CHOICE_REQUIRED || c->choice == CHOICE_NAMED;
    // A budget the client named may be cut to fit; where nothing fits there is no thinking.
    if (c->reasoning_tokens && budget >= max_tokens && max_tokens > BUDGET_MIN) budget = max_tokens - 1;
    if (budget >= max_tokens || (forced && !model->forced_thinking) || thinking_is_lost(steps)) {
      translation_drop(t, STR("reasoning"));
      if (model->adaptive) out->mode = THINK_OFF;
      return true;
    }
    out->mode = THINK_BUDGET;
    out->budget = budget;
    if (model->effort && model->known) out->effort = effort_word(effort, model);
    return true;
  }
  if (!effort) effort = effort_of_budget(c->reasoning_tokens, max_tokens);
  out->mode = THINK_ADAPTIVE;
  out->effort = effort_word(effort, model);
  out->summarized = !model->budget && !c->reasoning_hidden;
  return true;
}

static void write_thinking(struct writer *w, const struct anthropic_thinking *thinking) {
  switch (thinking->mode) {
    case THINK_UNSET: return;
    case THINK_OFF: buf_lit(w->out, ",\"thinking\":{\"type\":\"disabled\"}"); return;
    case THINK_BUDGET:
      buf_printf(w->out, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":%llu}",
                 (unsigned long long)thinking->budget);
      return;
    case THINK_ADAPTIVE:
      buf_lit(w->out, ",\"thinking\":{\"type\":\"adaptive\"");
      if (thinking->summarized) buf_lit(w->out, ",\"display\":\"summarized\"");
      buf_char(w->out, '}');
      return;
  }
}

// --- the rest ---

static void write_output(struct writer *w, const struct anthropic_thinking *thinking) {
  bool schema = w->c->format == FORMAT_SCHEMA && w->model->schema;
  if (!schema && !thinking->effort) return;
  encode_object(w->out, STR("output_config"));
  if (thinking->effort) encode_plain(w->out, STR("effort"), str_from_cstr(thinking->effort));
  if (schema) {
    encode_object(w->out, STR("format"));
    buf_lit(w->out, "\"type\":\"json_schema\",\"schema\":");
    if (!schema_write_strict(w->out, w->c->schema)) w->failed = true;
    buf_char(w->out, '}');
  }
  buf_char(w->out, '}');
}

static void write_sampling(struct writer *w, const struct anthropic_thinking *thinking) {
  const struct conversation *c = w->c;
  bool thinks = thinking->mode >= THINK_BUDGET, allowed = w->model->sampling && !thinks;
  bool both = c->temperature.len && c->top_p.len && w->model->one_sampling;
  if (allowed)
    encode_number(w->out, STR("temperature"), c->temperature, 0, 1, w->t);
  else if (c->temperature.len && !encode_number_is(c->temperature, 1))
    translation_drop(w->t, STR("temperature"));
  if (allowed && !both)
    encode_number(w->out, STR("top_p"), c->top_p, 0, 1, w->t);
  else if (c->top_p.len && !encode_number_is(c->top_p, 1))
    translation_drop(w->t, STR("top_p"));
  bool top_k = c->top_k.len && !encode_number_is(c->top_k, 0);
  if (allowed && top_k)
    encode_json(w->out, STR("top_k"), c->top_k);
  else if (top_k)
    translation_drop(w->t, STR("top_k"));
}

static void write_stops(struct writer *w) {
  bool any = false;
  for (size_t i = 0; i < w->c->stop_count; i++) {
    if (encode_is_blank(w->c->stops[i])) {
      translation_drop(w->t, STR("stop"));
      continue;
    }
    if (!any) encode_array(w->out, STR("stop_sequences"));
    if (any) buf_char(w->out, ',');
    any = true;
    buf_char(w->out, '"');
    buf_str(w->out, w->c->stops[i]);
    buf_char(w->out, '"');
  }
  if (any) buf_char(w->out, ']');
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
  if (c->metadata.len) translation_drop(w->t, STR("metadata"));
}

static void write_tier(struct writer *w) {
  struct str tier = w->c->service_tier;
  if (str_eq(tier, STR("auto")))
    encode_plain(w->out, STR("service_tier"), tier);
  else if (str_eq(tier, STR("default")))
    encode_plain(w->out, STR("service_tier"), STR("standard_only"));
  else if (tier.len)
    translation_drop(w->t, STR("service_tier"));
}

bool anthropic_request(const struct conversation *c, const struct endpoint *e, enum anthropic_host host,
                       struct translation *t, struct buf *out) {
  struct claude model = claude_model(e->upstream_model);
  struct writer w = {.c = c, .model = &model, .t = t, .out = out};
  struct anthropic_thinking thinking;
  uint64_t max_tokens = anthropic_max_tokens(c, e);
  if (!steps_make(c, false, NULL, t->arena, &w.steps)) return false;
  if (!anthropic_thinking(c, &model, &w.steps, max_tokens, t, &thinking)) return false;
  unsigned marks = count_marks(c) + (c->cache != CACHE_NONE);
  w.marks_skipped = marks > MARKS_MAX ? marks - MARKS_MAX : 0;
  note_lost(&w);
  buf_char(out, '{');
  if (host == ANTHROPIC_DIRECT)
    encode_plain(out, STR("model"), e->upstream_model);
  else if (host == ANTHROPIC_VERTEX)
    buf_lit(out, "\"anthropic_version\":\"vertex-2023-10-16\"");
  else
    buf_lit(out, "\"anthropic_version\":\"bedrock-2023-05-31\"");
  encode_u64(out, STR("max_tokens"), max_tokens);
  if (c->stream && host != ANTHROPIC_BEDROCK) buf_lit(out, ",\"stream\":true");
  write_tools(&w);
  write_choice(&w, &thinking);
  write_system(&w);
  if (!write_messages(&w)) return false;
  write_stops(&w);
  write_sampling(&w, &thinking);
  write_thinking(&w, &thinking);
  write_output(&w, &thinking);
  if (c->user.len) {
    encode_object(out, STR("metadata"));
    encode_plain(out, STR("user_id"), c->user);
    buf_char(out, '}');
  }
  write_tier(&w);
  if (host == ANTHROPIC_DIRECT) write_mark(&w, c->cache);
  buf_char(out, '}');
  return !w.failed && encode_done(t, out);
}
