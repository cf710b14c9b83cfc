// The request side of openai_chat.h, second half: the body for one endpoint. Only what must change does; all other
// bytes are copied as they came, so that key order, number spelling and white space reach the provider untouched.
#include "provider/openai_models.h"
#include "surface/chat_members.h"
#include "surface/chat_shared.h"

struct splice {
  const struct chat_request *r;
  const struct endpoint *e;
  const struct provider_quirks *quirks;
  bool reasons;     // one of OpenAI's models that will reason: it refuses to be steered by sampling
  bool openrouter;  // the provider is OpenRouter and knows its own extras
  struct buf *out;
  struct buf_hole *hole;  // NULL: everything is copied
  uint32_t at;            // bytes of the body copied or skipped
};

enum { HOLE_MIN = 16 * 1024 };  // below, a copy is cheaper than one more part to send

static void copy_to(struct splice *s, uint32_t to) {
  if (to <= s->at) return;
  struct str run = str_from(s->r->body.ptr + s->at, to - s->at);
  s->at = to;
  if (s->hole && !s->hole->bytes.len && run.len >= HOLE_MIN)
    *s->hole = (struct buf_hole){s->out->len, run};
  else
    buf_str(s->out, run);
}

static bool denied(const struct splice *s, struct str name) {
  if (!s->quirks->deny) return false;
  for (const char *const *row = s->quirks->deny; *row; row++)
    if (str_eq(str_from_cstr(*row), name)) return true;
  return false;
}

static bool key_denied(const struct splice *s, uint32_t key) {
  if (!s->quirks->deny) return false;
  for (const char *const *row = s->quirks->deny; *row; row++)
    if (json_string_is(&s->r->doc, key, str_from_cstr(*row))) return true;
  return false;
}

// The client may give the limit under both names; the provider gets it under the one it knows.
static enum chat_action max_tokens_action(const struct splice *s, uint32_t key, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  if (!s->quirks->max_tokens_field) return CHAT_PASS;
  struct str field = str_from_cstr(s->quirks->max_tokens_field);
  bool given = json_is(doc, value, JSON_NUMBER);
  if (json_string_is(doc, key, field)) return given ? CHAT_PASS : CHAT_CUT;
  return given && !json_is(doc, json_get(doc, 0, field), JSON_NUMBER) && !denied(s, field) ? CHAT_MAX_TOKENS : CHAT_CUT;
}

static enum chat_action reasoning_action(const struct splice *s, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  if (s->openrouter) return CHAT_PASS;
  bool effort = chat_has_text(doc, json_get(doc, value, STR("effort")));
  bool beside = json_is(doc, chat_member_at(s->r, CHAT_MEMBER_REASONING_EFFORT), JSON_STRING);
  return effort && !beside && !denied(s, STR("reasoning_effort")) ? CHAT_REASONING : CHAT_CUT;
}

static bool is_sampling(enum chat_member_id id) {
  switch (id) {
    case CHAT_MEMBER_TEMPERATURE:
    case CHAT_MEMBER_TOP_P:
    case CHAT_MEMBER_FREQUENCY_PENALTY:
    case CHAT_MEMBER_PRESENCE_PENALTY:
    case CHAT_MEMBER_LOGIT_BIAS:
    case CHAT_MEMBER_LOGPROBS:
    case CHAT_MEMBER_TOP_LOGPROBS:
    case CHAT_MEMBER_STOP: return true;
    default: return false;
  }
}

static bool will_reason(const struct chat_request *r, const struct endpoint *e) {
  const struct json_doc *doc = &r->doc;
  if (!e->provider->quirks->openai_models) return false;
  struct str effort = chat_inside(doc, chat_member_at(r, CHAT_MEMBER_REASONING_EFFORT));
  if (!effort.len) effort = chat_inside(doc, json_get(doc, chat_member_at(r, CHAT_MEMBER_REASONING), STR("effort")));
  return openai_model_reasons(e->upstream_model, effort);
}

// What happens to one member at this endpoint.
static enum chat_action action_of(const struct splice *s, enum chat_member_id id, uint32_t key, uint32_t value) {
  if (key_denied(s, key)) return CHAT_CUT;
  if (id == CHAT_MEMBER_COUNT) return CHAT_PASS;
  if (s->reasons && is_sampling(id)) return CHAT_CUT;
  enum chat_action action = (enum chat_action)chat_member_row(id)->action;
  switch (action) {
    case CHAT_CUT_PASS: return s->openrouter ? CHAT_PASS : CHAT_CUT;
    case CHAT_STREAM_OPTIONS: return s->r->stream && !s->quirks->no_stream_options ? CHAT_STREAM_OPTIONS : CHAT_CUT;
    case CHAT_MAX_TOKENS: return max_tokens_action(s, key, value);
    case CHAT_REASONING: return reasoning_action(s, value);
    default: break;
  }
  // A null beside the effort we write would be the same key twice.
  if (id == CHAT_MEMBER_REASONING_EFFORT && json_type(&s->r->doc, value) == JSON_NULL) return CHAT_CUT;
  return action;
}

static void replace(struct splice *s, uint32_t from, uint32_t to, struct str with) {
  copy_to(s, s->r->doc.nodes[from].start);
  buf_str(s->out, with);
  s->at = s->r->doc.nodes[to].end;
}

static void write_stream_options(struct splice *s, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  uint32_t include = json_get(doc, value, STR("include_usage"));
  if (!json_is(doc, value, JSON_OBJECT)) {
    replace(s, value, value, STR("{\"include_usage\":true}"));
  } else if (include != JSON_NONE) {
    replace(s, include, include, STR("true"));
  } else {
    copy_to(s, doc->nodes[value].start + 1);
    buf_lit(s->out, "\"include_usage\":true");
    if (json_first(doc, value) != JSON_NONE) buf_char(s->out, ',');
  }
}

static void apply(struct splice *s, enum chat_action action, uint32_t key, uint32_t value) {
  const struct json_doc *doc = &s->r->doc;
  switch (action) {
    case CHAT_MODEL:
      replace(s, value, value, (struct str){0});
      json_write_str(s->out, s->e->upstream_model);
      return;
    case CHAT_MAX_TOKENS:
      replace(s, key, key, (struct str){0});
      json_write_str(s->out, str_from_cstr(s->quirks->max_tokens_field));
      return;
    case CHAT_STREAM_OPTIONS: write_stream_options(s, value); return;
    case CHAT_REASONING:
      replace(s, key, value, STR("\"reasoning_effort\":"));
      buf_str(s->out, json_raw(doc, json_get(doc, value, STR("effort"))));
      return;
    default: return;
  }
}

// Behind the last member: what the client did not send and the provider needs.
static void write_added(struct splice *s, bool more) {
  if (chat_member_at(s->r, CHAT_MEMBER_MODEL) == JSON_NONE) {
    if (more) buf_char(s->out, ',');
    buf_lit(s->out, "\"model\":");
    json_write_str(s->out, s->e->upstream_model);
    more = true;
  }
  if (s->r->stream && !s->quirks->no_stream_options && chat_member_at(s->r, CHAT_MEMBER_STREAM_OPTIONS) == JSON_NONE) {
    if (more) buf_char(s->out, ',');
    buf_lit(s->out, "\"stream_options\":{\"include_usage\":true}");
  }
}

bool chat_request_build(const struct chat_request *r, const struct endpoint *endpoint, struct buf *out) {
  return chat_request_build_around(r, endpoint, out, NULL);
}

bool chat_request_build_around(const struct chat_request *r, const struct endpoint *endpoint, struct buf *out,
                               struct buf_hole *hole) {
  const struct json_doc *doc = &r->doc;
  struct splice s = {.r = r, .e = endpoint, .quirks = endpoint->provider->quirks, .out = out, .hole = hole};
  s.reasons = will_reason(r, endpoint);
  s.openrouter = str_eq(endpoint->provider->id, STR("openrouter"));
  uint32_t kept_end = 0;  // where the last member that stays ends; 0: none so far
  size_t n = 0;
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE; n++) {
    uint32_t value = json_next(doc, 0, key), next = json_next(doc, 0, value);
    enum chat_action action = action_of(&s, chat_member_nth(r, n, key), key, value);
    if (action != CHAT_CUT) {
      apply(&s, action, key, value);
      kept_end = doc->nodes[value].end;
    } else if (kept_end) {
      copy_to(&s, kept_end);  // it goes with the comma before it
      s.at = doc->nodes[value].end;
    } else {
      copy_to(&s, doc->nodes[0].start + 1);  // it goes with the comma behind it
      s.at = next == JSON_NONE ? doc->nodes[value].end : doc->nodes[next].start;
    }
    key = next;
  }
  copy_to(&s, kept_end ? kept_end : doc->nodes[0].start + 1);
  write_added(&s, kept_end != 0);
  copy_to(&s, (uint32_t)r->body.len);
  return !out->failed;
}

unsigned chat_request_dropped(const struct chat_request *r, const struct endpoint *endpoint, struct str *names,
                              unsigned max) {
  const struct json_doc *doc = &r->doc;
  struct splice s = {.r = r, .e = endpoint, .quirks = endpoint->provider->quirks, .reasons = will_reason(r, endpoint)};
  unsigned found = 0;
  size_t n = 0;
  if (!s.quirks->deny && !s.reasons) return 0;
  for (uint32_t key = json_first(doc, 0); key != JSON_NONE && found < max; n++) {
    uint32_t value = json_next(doc, 0, key);
    bool refused = key_denied(&s, key) || (s.reasons && is_sampling(chat_member_nth(r, n, key)));
    if (refused && json_type(doc, value) != JSON_NULL) names[found++] = chat_inside(doc, key);
    key = json_next(doc, 0, value);
  }
  return found;
}
