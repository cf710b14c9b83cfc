#include "llm/conversation.h"

void translation_drop(struct translation *t, struct str name) {
  for (unsigned i = 0; i < t->dropped_count; i++)
    if (str_eq(t->dropped[i], name)) return;
  if (t->dropped_count < TRANSLATION_DROPS) t->dropped[t->dropped_count++] = name;
}

bool translation_refuse(struct translation *t, enum fault fault, struct str message) {
  t->fault = fault;
  t->message = message;
  return false;
}

bool reasoning_is_of(const struct part *part, const char *format) {
  return str_eq(part->format, str_from_cstr(format));
}

struct str conversation_call_name(const struct conversation *c, size_t turn, struct str call_id) {
  for (size_t i = turn; i-- > 0;) {
    const struct turn *t = &c->turns[i];
    for (size_t p = 0; t->role == ROLE_ASSISTANT && p < t->count; p++)
      if (t->parts[p].kind == PART_CALL && str_eq(t->parts[p].id, call_id)) return t->parts[p].name;
  }
  return (struct str){0};
}

// In percent of max_tokens.
static const unsigned shares[] = {[EFFORT_MINIMAL] = 10, [EFFORT_LOW] = 20,   [EFFORT_MEDIUM] = 50,
                                  [EFFORT_HIGH] = 80,    [EFFORT_XHIGH] = 95, [EFFORT_MAX] = 95};
enum { BUDGET_MIN = 1024, BUDGET_MAX = 128000 };

uint64_t effort_budget(enum effort effort, uint64_t max_tokens) {
  if (effort <= EFFORT_NONE) return 0;
  uint64_t budget = max_tokens / 100 * shares[effort] + max_tokens % 100 * shares[effort] / 100;
  if (budget > BUDGET_MAX) budget = BUDGET_MAX;
  return budget < BUDGET_MIN ? BUDGET_MIN : budget;
}

enum effort effort_of_budget(uint64_t budget, uint64_t max_tokens) {
  if (!max_tokens) max_tokens = 32768;
  // The shares' midpoints.
  if (budget < max_tokens / 100 * 15) return EFFORT_MINIMAL;
  if (budget < max_tokens / 100 * 35) return EFFORT_LOW;
  if (budget < max_tokens / 100 * 65) return EFFORT_MEDIUM;
  return budget < max_tokens / 100 * 88 ? EFFORT_HIGH : EFFORT_XHIGH;
}
