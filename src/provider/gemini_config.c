// generationConfig of a request for Gemini: sampling, the answer's form, thinking.
#include "provider/encode.h"
#include "provider/gemini_schema.h"
#include "provider/gemini_write.h"

enum { STOPS_MAX = 5, LOGPROBS_MAX = 20 };

// --- thinking ---

static uint64_t clamp(uint64_t n, uint64_t min, uint64_t max) {
  return n < min ? min : n > max ? max : n;
}

// Budgets of the 2.5 models (https://ai.google.dev/gemini-api/docs/thinking).
static uint64_t budget(const struct gemini_writer *w) {
  static const uint32_t budgets[] = {[EFFORT_MINIMAL] = 512, [EFFORT_LOW] = 1024,    [EFFORT_MEDIUM] = 8192,
                                     [EFFORT_HIGH] = 24576,  [EFFORT_XHIGH] = 24576, [EFFORT_MAX] = 24576};
  const struct conversation *c = w->c;
  uint64_t least = w->model.budget_min, most = w->model.budget_max;
  if (c->effort == EFFORT_NONE) {
    if (w->model.pro) translation_drop(w->t, STR("reasoning"));
    return w->model.pro ? least : 0;
  }
  if (!c->effort) {
    uint64_t held = clamp(c->reasoning_tokens, least, most);
    if (held != c->reasoning_tokens) translation_drop(w->t, STR("reasoning"));
    return held;
  }
  return clamp(w->model.pro && c->effort >= EFFORT_HIGH ? most : budgets[c->effort], least, most);
}

static const char *level(const struct gemini_writer *w) {
  enum effort effort = w->c->effort;
  if (!effort) effort = effort_of_budget(w->c->reasoning_tokens, w->c->max_tokens);
  switch (effort) {
    case EFFORT_NONE:
      if (!w->model.minimal) translation_drop(w->t, STR("reasoning"));
      return w->model.minimal ? "MINIMAL" : "LOW";
    case EFFORT_MINIMAL: return w->model.minimal ? "MINIMAL" : "LOW";
    case EFFORT_LOW: return "LOW";
    case EFFORT_MEDIUM: return "MEDIUM";
    default: return "HIGH";
  }
}

static void write_thinking(struct gemini_writer *w) {
  const struct conversation *c = w->c;
  if (!c->effort && !c->reasoning_tokens) return;
  if (gemini_extra_find(w, "thinkingConfig").len) return;  // the client knows better
  if (w->model.thinking == GEMINI_THINKS_NOT) {
    if (c->effort != EFFORT_NONE) translation_drop(w->t, STR("reasoning"));
    return;
  }
  bool off = c->effort == EFFORT_NONE;
  encode_object(w->out, STR("thinkingConfig"));
  if (w->model.thinking == GEMINI_THINKS_BUDGET)
    encode_u64(w->out, STR("thinkingBudget"), budget(w));
  else
    encode_plain(w->out, STR("thinkingLevel"), str_from_cstr(level(w)));
  if (!off && !c->reasoning_hidden) buf_lit(w->out, ",\"includeThoughts\":true");
  buf_char(w->out, '}');
}

// --- the answer ---

static void write_stops(struct gemini_writer *w) {
  const struct conversation *c = w->c;
  if (!c->stop_count) return;
  if (c->stop_count > STOPS_MAX) translation_drop(w->t, STR("stop"));
  encode_array(w->out, STR("stopSequences"));
  for (size_t i = 0; i < c->stop_count && i < STOPS_MAX; i++) {
    if (i) buf_char(w->out, ',');
    buf_char(w->out, '"');
    buf_str(w->out, c->stops[i]);
    buf_char(w->out, '"');
  }
  buf_char(w->out, ']');
}

static void write_format(struct gemini_writer *w) {
  const struct conversation *c = w->c;
  if (c->format == FORMAT_TEXT) return;
  if (!w->model.version || (gemini_has_tools(w) && !w->model.mixes)) {  // refused, or refused together
    translation_drop(w->t, STR("response_format"));
    return;
  }
  encode_plain(w->out, STR("responseMimeType"), STR("application/json"));
  if (c->format != FORMAT_SCHEMA) return;
  if (w->model.json_schema) {
    encode_json(w->out, STR("responseJsonSchema"), c->schema);
    return;
  }
  json_write_key(w->out, STR("responseSchema"));
  if (!gemini_schema_write(w->out, c->schema, w->t)) w->failed = true;
}

static void write_logprobs(struct gemini_writer *w) {
  uint64_t count = w->c->top_logprobs;
  if (!w->c->logprobs) return;
  encode_json(w->out, STR("responseLogprobs"), STR("true"));
  if (count) encode_u64(w->out, STR("logprobs"), count < LOGPROBS_MAX ? count : LOGPROBS_MAX);
}

// Models that only make pictures or speech refuse to be asked for text, which is what nobody has to ask for.
static void write_modalities(struct gemini_writer *w) {
  if (gemini_extra_find(w, "responseModalities").len) return;
  if (w->model.only_audio) encode_json(w->out, STR("responseModalities"), STR("[\"AUDIO\"]"));
  if (w->model.needs_image) encode_json(w->out, STR("responseModalities"), STR("[\"TEXT\",\"IMAGE\"]"));
}

// How closely pictures are looked at. Newer models are told with each; older ones for all together.
static void write_resolution(struct gemini_writer *w) {
  bool low = false, high = false;
  if (w->model.media_result || gemini_extra_find(w, "mediaResolution").len) return;
  for (size_t i = 0; i < w->c->turn_count; i++)
    for (size_t p = 0; p < w->c->turns[i].count; p++) {
      low |= str_eq(w->c->turns[i].parts[p].detail, STR("low"));
      high |= str_eq(w->c->turns[i].parts[p].detail, STR("high"));
    }
  if (high)
    encode_plain(w->out, STR("mediaResolution"), STR("MEDIA_RESOLUTION_HIGH"));
  else if (low)
    encode_plain(w->out, STR("mediaResolution"), STR("MEDIA_RESOLUTION_LOW"));
}

void gemini_write_config(struct gemini_writer *w) {
  const struct conversation *c = w->c;
  struct buf *out = w->out;
  size_t before = out->len;
  encode_object(out, STR("generationConfig"));
  size_t begin = out->len;
  if (c->max_tokens) encode_u64(out, STR("maxOutputTokens"), c->max_tokens);
  encode_number(out, STR("temperature"), c->temperature, 0, 2, w->t);
  encode_number(out, STR("topP"), c->top_p, 0, 1, w->t);
  if (c->top_k.len && !encode_number_is(c->top_k, 0)) encode_json(out, STR("topK"), c->top_k);
  write_stops(w);
  encode_number(out, STR("seed"), c->seed, -2147483648.0, 2147483647.0, w->t);
  encode_number(out, STR("presencePenalty"), c->presence_penalty, -2, 1.99, w->t);
  encode_number(out, STR("frequencyPenalty"), c->frequency_penalty, -2, 1.99, w->t);
  write_logprobs(w);
  write_format(w);
  write_modalities(w);
  write_resolution(w);
  write_thinking(w);
  gemini_extra_write(w, GEMINI_CONFIG);
  if (out->len == begin)
    out->len = before;
  else
    buf_char(out, '}');
}
