// How a Claude model is asked to think, and how much it may say; also for Bedrock (bedrock_request.c).
#include "provider/anthropic_writer.h"

enum { MAX_TOKENS_UNKNOWN = 8192, MAX_TOKENS_OLD = 4096, BUDGET_MIN = 1024 };

bool anthropic_emulates_format(const struct conversation *c, const struct claude *model) {
  return c->format == FORMAT_SCHEMA && !model->schema;
}

uint64_t anthropic_max_tokens(const struct conversation *c, const struct endpoint *e) {
  uint64_t most = e->max_completion_tokens ? e->max_completion_tokens : e->model->max_completion_tokens;
  if (c->max_tokens) return most && c->max_tokens > most ? most : c->max_tokens;
  if (most) return most;
  return str_find(e->upstream_model, STR("claude-3-"), 0) != SIZE_MAX ? MAX_TOKENS_OLD : MAX_TOKENS_UNKNOWN;
}

static bool is_thinking(const struct part *p) {
  return p->kind == PART_REASONING && reasoning_is_of(p, ANTHROPIC_FORMAT) && (p->signature.len || p->encrypted.len);
}

bool anthropic_thinking_fits(const struct steps *steps) {
  size_t i = steps->count;
  if (!i || !steps->items[i - 1].user) return !i;  // an answer begun by the client cannot be thought about
  while (i && steps->items[i - 1].user) i--;
  const struct turn *turn = i ? steps->items[i - 1].turn : NULL;
  bool calls = false, thought = false;
  for (size_t p = 0; turn && p < turn->count; p++) {
    calls |= turn->parts[p].kind == PART_CALL;
    thought |= is_thinking(&turn->parts[p]);
  }
  return !calls || thought;
}

const char *anthropic_effort(enum effort effort, const struct claude *model) {
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
    bool forced = c->choice == CHOICE_REQUIRED || c->choice == CHOICE_NAMED || anthropic_emulates_format(c, model);
    // A budget the client named may be cut to fit; where nothing fits there is no thinking.
    if (c->reasoning_tokens && budget >= max_tokens && max_tokens > BUDGET_MIN) budget = max_tokens - 1;
    if (budget >= max_tokens || (forced && !model->forced_thinking) ||
        (model->known && !anthropic_thinking_fits(steps))) {
      translation_drop(t, STR("reasoning"));
      if (model->adaptive) out->mode = THINK_OFF;
      return true;
    }
    out->mode = THINK_BUDGET;
    out->budget = budget;
    if (model->effort && model->known) out->effort = anthropic_effort(effort, model);
    return true;
  }
  if (!effort) effort = effort_of_budget(c->reasoning_tokens, max_tokens);
  out->mode = THINK_ADAPTIVE;
  out->effort = anthropic_effort(effort, model);
  out->summarized = !model->budget && !c->reasoning_hidden;
  return true;
}
