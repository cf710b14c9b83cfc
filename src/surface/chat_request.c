// The request side of openai_chat.h: check what the client sent, and splice it for one endpoint.
#include <math.h>

#include "surface/openai_chat.h"

enum action {
  PASS,       // goes on as it is
  CUT,        // ours alone: providers do not know it
  MODEL,      // becomes the endpoint's name
  MAX_TOKENS, // renamed where a provider knows only the other spelling
  STREAM_OPTIONS,
  REASONING,  // OpenRouter's object; plain providers know reasoning_effort
};

// Types as bits of enum json_type; null is always allowed and means "not given".
#define IS(type) (1u << (type))
#define IS_BOOL (IS(JSON_TRUE) | IS(JSON_FALSE))

// The members OpenRouter documents (MAP 4). What is not here is let through unchecked.
static const struct member {
  struct str name;
  uint8_t action;
  uint8_t types;
  bool integer, ranged;
  double min, max;
} members[] = {
    {{"model", 5}, MODEL, IS(JSON_STRING), false, false, 0, 0},
    {{"messages", 8}, PASS, IS(JSON_ARRAY), false, false, 0, 0},
    {{"stream", 6}, PASS, IS_BOOL, false, false, 0, 0},
    {{"max_tokens", 10}, MAX_TOKENS, IS(JSON_NUMBER), true, true, 1, 1e12},
    {{"max_completion_tokens", 21}, MAX_TOKENS, IS(JSON_NUMBER), true, true, 1, 1e12},
    {{"temperature", 11}, PASS, IS(JSON_NUMBER), false, true, 0, 2},
    {{"top_p", 5}, PASS, IS(JSON_NUMBER), false, true, 0, 1},
    {{"top_k", 5}, PASS, IS(JSON_NUMBER), true, true, 0, 1e9},
    {{"min_p", 5}, PASS, IS(JSON_NUMBER), false, true, 0, 1},
    {{"top_a", 5}, PASS, IS(JSON_NUMBER), false, true, 0, 1},
    {{"frequency_penalty", 17}, PASS, IS(JSON_NUMBER), false, true, -2, 2},
    {{"presence_penalty", 16}, PASS, IS(JSON_NUMBER), false, true, -2, 2},
    {{"repetition_penalty", 18}, PASS, IS(JSON_NUMBER), false, true, 0, 2},
    {{"seed", 4}, PASS, IS(JSON_NUMBER), false, false, 0, 0},
    {{"n", 1}, PASS, IS(JSON_NUMBER), true, true, 1, 128},
    {{"stop", 4}, PASS, IS(JSON_STRING) | IS(JSON_ARRAY), false, false, 0, 0},
    {{"logit_bias", 10}, PASS, IS(JSON_OBJECT), false, false, 0, 0},
    {{"logprobs", 8}, PASS, IS_BOOL | IS(JSON_NUMBER), false, false, 0, 0},
    {{"top_logprobs", 12}, PASS, IS(JSON_NUMBER), true, true, 0, 20},
    {{"tools", 5}, PASS, IS(JSON_ARRAY), false, false, 0, 0},
    {{"tool_choice", 11}, PASS, IS(JSON_STRING) | IS(JSON_OBJECT), false, false, 0, 0},
    {{"parallel_tool_calls", 19}, PASS, IS_BOOL, false, false, 0, 0},
    {{"response_format", 15}, PASS, IS(JSON_OBJECT), false, false, 0, 0},
    {{"reasoning", 9}, REASONING, IS(JSON_OBJECT), false, false, 0, 0},
    {{"reasoning_effort", 16}, PASS, IS(JSON_STRING), false, false, 0, 0},
    {{"verbosity", 9}, PASS, IS(JSON_STRING), false, false, 0, 0},
    {{"modalities", 10}, PASS, IS(JSON_ARRAY), false, false, 0, 0},
    {{"user", 4}, PASS, IS(JSON_STRING), false, false, 0, 0},
    {{"metadata", 8}, PASS, IS(JSON_OBJECT), false, false, 0, 0},
    {{"prompt_cache_key", 16}, PASS, IS(JSON_STRING), false, false, 0, 0},
    {{"service_tier", 12}, PASS, IS(JSON_STRING), false, false, 0, 0},
    {{"stream_options", 14}, STREAM_OPTIONS, IS(JSON_OBJECT), false, false, 0, 0},
    {{"models", 6}, CUT, IS(JSON_ARRAY), false, false, 0, 0},
    {{"provider", 8}, CUT, IS(JSON_OBJECT), false, false, 0, 0},
    {{"route", 5}, CUT, IS(JSON_STRING), false, false, 0, 0},
    {{"plugins", 7}, CUT, IS(JSON_ARRAY), false, false, 0, 0},
    {{"transforms", 10}, CUT, IS(JSON_ARRAY), false, false, 0, 0},
    {{"usage", 5}, CUT, IS(JSON_OBJECT), false, false, 0, 0},
    {{"preset", 6}, CUT, IS(JSON_STRING), false, false, 0, 0},
    {{"session_id", 10}, CUT, IS(JSON_STRING), false, false, 0, 0},
    {{"trace", 5}, CUT, IS(JSON_OBJECT), false, false, 0, 0},
    {{"debug", 5}, CUT, IS(JSON_OBJECT), false, false, 0, 0},
    {{"cache_control", 13}, CUT, IS(JSON_OBJECT), false, false, 0, 0},
    {{"include_reasoning", 17}, CUT, IS_BOOL, false, false, 0, 0},
    {{"image_config", 12}, CUT, IS(JSON_OBJECT), false, false, 0, 0},
    {{"stop_server_tools_when", 22}, CUT, IS(JSON_ARRAY), false, false, 0, 0},
    {{"max_tool_calls", 14}, CUT, IS(JSON_NUMBER), true, true, 0, 1e6},
};

static const struct member *member_find(const struct json_doc *doc, uint32_t key) {
  struct str raw = json_raw(doc, key), name = str_from(raw.ptr + 1, raw.len - 2);
  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
    if (str_eq(members[i].name, name)) return &members[i];
  return NULL;
}

// --- checking ---

static bool refuse(struct fault_note *note, struct str param, struct str message) {
  *note = (struct fault_note){FAULT_BAD_REQUEST, message, param};
  return false;
}

static struct str types_text(unsigned types) {
  switch (types) {
    case IS(JSON_STRING): return STR("a string");
    case IS(JSON_ARRAY): return STR("an array");
    case IS(JSON_OBJECT): return STR("an object");
    case IS(JSON_NUMBER): return STR("a number");
    case IS_BOOL: return STR("true or false");
    case IS(JSON_STRING) | IS(JSON_ARRAY): return STR("a string or an array of strings");
    case IS(JSON_STRING) | IS(JSON_OBJECT): return STR("a string or an object");
    default: return STR("of another type");
  }
}

static bool check_member(const struct json_doc *doc, const struct member *m, uint32_t value, struct arena *arena,
                         struct fault_note *note) {
  enum json_type type = json_type(doc, value);
  if (type == JSON_NULL) return true;
  if (!(m->types >> type & 1))
    return refuse(note, m->name, arena_printf(arena, "\"%.*s\" must be %.*s.", STR_ARGS(m->name),
                                              STR_ARGS(types_text(m->types))));
  if (type != JSON_NUMBER || !m->ranged) return true;
  double number;
  bool ok = json_double(doc, value, &number) && number >= m->min && number <= m->max;
  if (ok && m->integer) ok = floor(number) == number;
  if (ok) return true;
  struct str what = m->integer ? STR("a whole number") : STR("a number");
  if (m->max >= 1e6)
    return refuse(note, m->name, arena_printf(arena, "\"%.*s\" must be %.*s of at least %g.", STR_ARGS(m->name),
                                              STR_ARGS(what), m->min));
  return refuse(note, m->name, arena_printf(arena, "\"%.*s\" must be %.*s between %g and %g.", STR_ARGS(m->name),
                                            STR_ARGS(what), m->min, m->max));
}

static bool check_messages(const struct json_doc *doc, uint32_t messages, struct arena *arena,
                           struct fault_note *note) {
  struct str param = STR("messages");
  if (!json_is(doc, messages, JSON_ARRAY)) {
    if (json_get(doc, 0, STR("input")) != JSON_NONE)
      return refuse(note, param, STR("This is a Responses body (\"input\"); /chat/completions takes \"messages\"."));
    if (json_get(doc, 0, STR("prompt")) != JSON_NONE) {
      *note = (struct fault_note){FAULT_NOT_BUILT, STR("Text mode (\"prompt\") is not in this version; send \"messages\"."),
                                  STR("prompt")};
      return false;
    }
    return refuse(note, param, STR("\"messages\" is missing: an array of at least one message."));
  }
  unsigned n = 0;
  for (uint32_t m = json_first(doc, messages); m != JSON_NONE; m = json_next(doc, messages, m), n++) {
    if (!json_is(doc, m, JSON_OBJECT))
      return refuse(note, param, arena_printf(arena, "messages[%u] must be an object.", n));
    if (!json_is(doc, json_get(doc, m, STR("role")), JSON_STRING))
      return refuse(note, param, arena_printf(arena, "messages[%u] needs a \"role\": system, user, assistant or tool.", n));
  }
  return n ? true : refuse(note, param, STR("\"messages\" is empty: at least one message is needed."));
}

static bool check_stop(const struct json_doc *doc, uint32_t stop, struct fault_note *note) {
  unsigned n = 0;
  for (uint32_t s = json_first(doc, stop); s != JSON_NONE; s = json_next(doc, stop, s), n++)
    if (!json_is(doc, s, JSON_STRING) || n >= 4)
      return refuse(note, STR("stop"), STR("\"stop\" must be a string or up to four strings."));
  return true;
}

static bool take_models(struct chat_request *r, uint32_t models, struct arena *arena, struct fault_note *note) {
  const unsigned max = sizeof r->models / sizeof r->models[0];
  for (uint32_t m = json_first(&r->doc, models); m != JSON_NONE; m = json_next(&r->doc, models, m)) {
    if (r->model_count == max) return refuse(note, STR("models"), STR("\"models\" takes at most 16 models."));
    struct str *id = &r->models[r->model_count];
    if (!json_string(&r->doc, m, arena, id) || !id->len)
      return refuse(note, STR("models"), STR("\"models\" must be an array of model IDs."));
    r->model_count++;
  }
  return true;
}

static bool optional_string(const struct json_doc *doc, struct str name, size_t max, struct arena *arena,
                            struct str *out, struct fault_note *note) {
  uint32_t value = json_get(doc, 0, name);
  if (!json_is(doc, value, JSON_STRING)) return true;
  if (!json_string(doc, value, arena, out))
    return refuse(note, name, arena_printf(arena, "\"%.*s\" has an invalid escape.", STR_ARGS(name)));
  if (out->len > max)
    return refuse(note, name, arena_printf(arena, "\"%.*s\" is longer than %zu bytes.", STR_ARGS(name), max));
  return true;
}

static bool take_facts(struct chat_request *r, struct arena *arena, struct fault_note *note) {
  const struct json_doc *doc = &r->doc;
  uint32_t model = json_get(doc, 0, STR("model"));
  if (!optional_string(doc, STR("model"), 256, arena, &r->model, note)) return false;
  if (json_is(doc, model, JSON_STRING) && !r->model.len)
    return refuse(note, STR("model"), STR("\"model\" is empty. GET /api/v1/models lists all."));
  if (!optional_string(doc, STR("user"), 1024, arena, &r->user, note)) return false;
  if (!optional_string(doc, STR("session_id"), 256, arena, &r->session_id, note)) return false;
  if (!take_models(r, json_get(doc, 0, STR("models")), arena, note)) return false;
  r->stream = json_type(doc, json_get(doc, 0, STR("stream"))) == JSON_TRUE;
  r->has_tools = json_first(doc, json_get(doc, 0, STR("tools"))) != JSON_NONE;
  uint32_t cap = json_get(doc, 0, STR("max_completion_tokens"));
  if (!json_is(doc, cap, JSON_NUMBER)) cap = json_get(doc, 0, STR("max_tokens"));
  if (!json_u64(doc, cap, UINT64_MAX, &r->max_tokens)) r->max_tokens = 0;
  return true;
}

bool chat_request_parse(struct chat_request *r, struct str body, struct arena *arena, struct fault_note *note) {
  *r = (struct chat_request){.body = body};
  *note = (struct fault_note){0};
  enum json_error error = json_parse(&r->doc, body, 3);
  if (error == JSON_NO_MEMORY) {
    *note = (struct fault_note){FAULT_INTERNAL, STR("Out of memory."), {0}};
    return false;
  }
  if (error != JSON_OK)
    return refuse(note, (struct str){0},
                  arena_printf(arena, "The request body is not valid JSON: %s at byte %u.", json_error_text(error),
                               r->doc.error_at));
  if (!json_is(&r->doc, 0, JSON_OBJECT))
    return refuse(note, (struct str){0}, STR("The request body must be a JSON object."));
  for (uint32_t key = json_first(&r->doc, 0); key != JSON_NONE;) {
    uint32_t value = json_next(&r->doc, 0, key);
    const struct member *m = member_find(&r->doc, key);
    if (m && !check_member(&r->doc, m, value, arena, note)) return false;
    key = json_next(&r->doc, 0, value);
  }
  return check_messages(&r->doc, json_get(&r->doc, 0, STR("messages")), arena, note) &&
         check_stop(&r->doc, json_get(&r->doc, 0, STR("stop")), note) && take_facts(r, arena, note);
}

void chat_request_free(struct chat_request *r) {
  json_doc_free(&r->doc);
}

// --- splicing ---

struct splice {
  const struct chat_request *r;
  const struct endpoint *e;
  const struct provider_quirks *quirks;
  bool openrouter;  // the provider speaks OpenRouter's own extras
  struct buf *out;
  uint32_t at;  // bytes of the body copied or skipped
};

static void copy_to(struct splice *s, uint32_t to) {
  buf_append(s->out, s->r->body.ptr + s->at, to - s->at);
  s->at = to;
}

static bool denied(const struct provider_quirks *q, const struct json_doc *doc, uint32_t key) {
  if (!q->deny) return false;
  for (const char *const *name = q->deny; *name; name++)
    if (json_string_is(doc, key, str_from_cstr(*name))) return true;
  return false;
}

// What happens to one member at this endpoint.
static enum action action_of(const struct splice *s, uint32_t key, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  const struct member *m = member_find(doc, key);
  if (denied(s->quirks, doc, key)) return CUT;
  if (!m) return PASS;
  switch ((enum action)m->action) {
    case CUT:
      if (s->openrouter && !str_eq(m->name, STR("models")) && !str_eq(m->name, STR("provider"))) return PASS;
      return CUT;
    case STREAM_OPTIONS: return s->r->stream && !s->quirks->no_stream_options ? STREAM_OPTIONS : CUT;
    case REASONING:
      if (s->openrouter) return PASS;
      if (json_is(doc, json_get(doc, value, STR("effort")), JSON_STRING) &&
          !json_is(doc, json_get(doc, 0, STR("reasoning_effort")), JSON_STRING))
        return REASONING;
      return CUT;
    case MAX_TOKENS:
      if (!s->quirks->max_tokens_field || json_string_is(doc, key, str_from_cstr(s->quirks->max_tokens_field)))
        return PASS;
      // Both spellings given: the one the provider knows stands.
      if (json_get(doc, 0, str_from_cstr(s->quirks->max_tokens_field)) != JSON_NONE) return CUT;
      return MAX_TOKENS;
    default: return (enum action)m->action;
  }
}

static void write_stream_options(struct splice *s, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  uint32_t include = json_get(doc, value, STR("include_usage"));
  if (!json_is(doc, value, JSON_OBJECT)) {
    copy_to(s, doc->nodes[value].start);
    buf_lit(s->out, "{\"include_usage\":true}");
    s->at = doc->nodes[value].end;
  } else if (include != JSON_NONE) {
    copy_to(s, doc->nodes[include].start);
    buf_lit(s->out, "true");
    s->at = doc->nodes[include].end;
  } else {
    copy_to(s, doc->nodes[value].start + 1);
    buf_lit(s->out, "\"include_usage\":true");
    if (json_first(doc, value) != JSON_NONE) buf_char(s->out, ',');
  }
}

static void apply(struct splice *s, enum action action, uint32_t key, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  switch (action) {
    case MODEL:
      copy_to(s, doc->nodes[value].start);
      json_write_str(s->out, s->e->upstream_model);
      s->at = doc->nodes[value].end;
      return;
    case MAX_TOKENS:
      copy_to(s, doc->nodes[key].start);
      json_write_str(s->out, str_from_cstr(s->quirks->max_tokens_field));
      s->at = doc->nodes[key].end;
      return;
    case STREAM_OPTIONS: write_stream_options(s, value); return;
    case REASONING:
      copy_to(s, doc->nodes[key].start);
      buf_lit(s->out, "\"reasoning_effort\":");
      buf_str(s->out, json_raw(doc, json_get(doc, value, STR("effort"))));
      s->at = doc->nodes[value].end;
      return;
    case PASS:
    case CUT: return;
  }
}

bool chat_request_build(const struct chat_request *r, const struct endpoint *endpoint, struct buf *out) {
  const struct json_doc *doc = &r->doc;
  struct splice s = {.r = r, .e = endpoint, .quirks = endpoint->provider->quirks, .out = out};
  s.openrouter = str_eq(endpoint->provider->id, STR("openrouter"));
  uint32_t last_kept = JSON_NONE;  // value of the last member that stays
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE;) {
    uint32_t value = json_next(doc, 0, key);
    if (action_of(&s, key, value) != CUT) last_kept = value;
    key = json_next(doc, 0, value);
  }
  copy_to(&s, doc->nodes[0].start + 1);
  if (json_get(doc, 0, STR("model")) == JSON_NONE) {
    buf_lit(out, "\"model\":");
    json_write_str(out, endpoint->upstream_model);
    if (last_kept != JSON_NONE) buf_char(out, ',');
  }
  if (r->stream && !s.quirks->no_stream_options && json_get(doc, 0, STR("stream_options")) == JSON_NONE)
    buf_lit(out, "\"stream_options\":{\"include_usage\":true},");
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE;) {
    uint32_t value = json_next(doc, 0, key), next = json_next(doc, 0, value);
    enum action action = action_of(&s, key, value);
    if (action != CUT) {
      apply(&s, action, key, value);
    } else if (last_kept != JSON_NONE && value < last_kept) {
      copy_to(&s, doc->nodes[key].start);  // with the comma behind it
      s.at = doc->nodes[next].start;
    } else {
      // Only members that go follow: the comma before the first of them goes too.
      copy_to(&s, last_kept == JSON_NONE ? doc->nodes[0].start + 1 : doc->nodes[last_kept].end);
      s.at = doc->nodes[0].end - 1;
      break;
    }
    key = next;
  }
  copy_to(&s, (uint32_t)r->body.len);
  return !out->failed;
}
