// What a client wants of reasoning, in the words of a service. Clients say `reasoning_effort`, or OpenRouter's
// `reasoning` object; services have an effort of their own range, an object, a switch, a budget, or nothing.
#include <stdio.h>

#include "base/limits.h"
#include "provider/efforts.h"
#include "surface/chat_splice.h"

struct want {
  enum effort effort;  // EFFORT_UNSET: not given
  struct str word;     // the effort as it was given, also one that is not known here
  uint64_t budget;     // tokens; 0: not given
  bool on;             // "enabled": true
};

static struct want want_read(const struct chat_request *r) {
  const struct json_doc *doc = &r->doc;
  uint32_t reasoning = chat_member_at(r, CHAT_MEMBER_REASONING);
  uint32_t enabled = json_get(doc, reasoning, STR("enabled"));
  struct want w = {.word = chat_inside(doc, chat_member_at(r, CHAT_MEMBER_REASONING_EFFORT))};
  if (!w.word.len) w.word = chat_inside(doc, json_get(doc, reasoning, STR("effort")));
  w.effort = effort_of_word(w.word);
  if (!json_u64(doc, json_get(doc, reasoning, STR("max_tokens")), UINT64_MAX, &w.budget)) w.budget = 0;
  w.on = json_type(doc, enabled) == JSON_TRUE;
  if (json_type(doc, enabled) == JSON_FALSE && !w.word.len) {
    w.effort = EFFORT_NONE;
    w.word = STR("none");
  }
  return w;
}

// Is a member of this name among what the client sends?
static bool given(const struct splice *s, const char *name) {
  return json_type(&s->r->doc, json_get(&s->r->doc, 0, str_from_cstr(name))) != JSON_NULL;
}

static void comma(struct splice *s) {
  if (s->wish.len) buf_char(&s->wish, ',');
}

static void write_effort(struct splice *s, const struct want *w) {
  struct efforts can = efforts_of(s->e);
  enum effort effort = w->effort;
  struct str word = w->word;
  if (!effort && !word.len && w->budget) effort = effort_of_budget(w->budget, s->r->max_tokens);
  if (!effort && !word.len && w->on) effort = EFFORT_MEDIUM;
  if (effort && can.known) {
    enum effort nearest = efforts_nearest(can.set, effort);
    if (can.fallback_any && effort != EFFORT_NONE) {
      word = STR("default");
    } else {
      // "On" alone is true of a model that reasons anyhow; and a switch says most of a level that has no place beside
      // it.
      bool told = can.set || s->quirks->wish == WISH_EFFORT;
      if (nearest != effort && w->word.len && told) splice_lost(s, STR("reasoning_effort"));
      word = str_from_cstr(effort_word(nearest));
    }
    if (nearest == EFFORT_NONE && effort != EFFORT_NONE && !can.fallback_any) return;  // it reasons or not, as it likes
  } else if (effort && !word.len) {
    word = str_from_cstr(effort_word(effort));
  }
  if (!word.len || splice_denies(s, STR("reasoning_effort"))) return;
  comma(s);
  buf_lit(&s->wish, "\"reasoning_effort\":\"");
  buf_str(&s->wish, word);
  buf_char(&s->wish, '"');
}

static void write_thinking(struct splice *s, const struct want *w) {
  bool off = w->effort == EFFORT_NONE;
  if (!given(s, "thinking")) {
    comma(s);
    buf_str(&s->wish, off ? STR("\"thinking\":{\"type\":\"disabled\"}") : STR("\"thinking\":{\"type\":\"enabled\"}"));
  }
  if (!off) write_effort(s, w);
}

static void write_budget(struct splice *s, const struct want *w) {
  bool off = w->effort == EFFORT_NONE;
  uint64_t budget = w->budget ? w->budget : s->r->max_tokens ? effort_budget(w->effort, s->r->max_tokens) : 0;
  if (!budget && w->effort > EFFORT_NONE) budget = effort_budget(w->effort, 32768);
  if (!given(s, "enable_thinking")) {
    comma(s);
    buf_str(&s->wish, off ? STR("\"enable_thinking\":false") : STR("\"enable_thinking\":true"));
  }
  if (off || !budget || given(s, "thinking_budget")) return;
  comma(s);
  buf_lit(&s->wish, "\"thinking_budget\":");
  buf_u64(&s->wish, budget);
}

static void write_template(struct splice *s, const struct want *w) {
  bool off = w->effort == EFFORT_NONE;
  if (!given(s, "chat_template_kwargs")) {
    comma(s);
    buf_str(&s->wish, off ? STR("\"chat_template_kwargs\":{\"enable_thinking\":false}")
                          : STR("\"chat_template_kwargs\":{\"enable_thinking\":true}"));
  }
  if (!off) write_effort(s, w);
}

// OpenRouter's own form goes on as it came.
static void write_object(struct splice *s) {
  const struct json_doc *doc = &s->r->doc;
  uint32_t reasoning = chat_member_at(s->r, CHAT_MEMBER_REASONING);
  uint32_t effort = chat_member_at(s->r, CHAT_MEMBER_REASONING_EFFORT);
  if (reasoning != JSON_NONE) {
    comma(s);
    buf_lit(&s->wish, "\"reasoning\":");
    buf_str(&s->wish, json_raw(doc, reasoning));
  }
  if (!json_is(doc, effort, JSON_STRING)) return;
  comma(s);
  buf_lit(&s->wish, "\"reasoning_effort\":");
  buf_str(&s->wish, json_raw(doc, effort));
}

// What the client says in the service's own words.
static void read_native(struct splice *s) {
  const struct json_doc *doc = &s->r->doc;
  uint32_t type = json_get(doc, json_get(doc, 0, STR("thinking")), STR("type"));
  uint32_t enable = json_get(doc, 0, STR("enable_thinking"));
  if (json_is(doc, type, JSON_STRING)) s->thinks = !json_string_is(doc, type, STR("disabled"));
  if (json_type(doc, enable) == JSON_TRUE) s->thinks = true;
  if (json_type(doc, enable) == JSON_FALSE) s->thinks = false;
}

bool chat_wish_make(struct splice *s) {
  uint32_t reasoning = chat_member_at(s->r, CHAT_MEMBER_REASONING);
  uint32_t effort = chat_member_at(s->r, CHAT_MEMBER_REASONING_EFFORT);
  buf_init(&s->wish, LIMIT_REQUEST_BODY);
  if (s->quirks->auto_while_thinks) read_native(s);
  if (reasoning == JSON_NONE && effort == JSON_NONE) return true;
  struct want w = want_read(s->r);
  if (s->quirks->wish == WISH_OBJECT) {
    write_object(s);
  } else if (w.word.len || w.budget || w.on) {
    switch (s->quirks->wish) {
      case WISH_THINKING: write_thinking(s, &w); break;
      case WISH_BUDGET: write_budget(s, &w); break;
      case WISH_TEMPLATE: write_template(s, &w); break;
      default: write_effort(s, &w); break;
    }
  }
  struct str sent = chat_inside(&s->r->doc, effort);
  s->wish_as_sent = reasoning == JSON_NONE && s->quirks->wish == WISH_EFFORT && s->wish.len == sent.len + 21 &&
                    str_eq(str_from(s->wish.ptr + 20, sent.len), sent);
  if (w.effort == EFFORT_NONE) s->thinks = false;
  if (w.effort > EFFORT_NONE || w.on || w.budget) s->thinks = true;
  return !s->wish.failed;
}
