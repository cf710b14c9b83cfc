// What the Claude models take and refuse, by their names, wherever they are served.
// Source: https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking and .../adaptive-thinking; the
// refusals as Anthropic's API gives them.
#pragma once
#include <stdbool.h>

#include "base/str.h"

struct claude {
  bool known;            // the name is one of Claude's
  bool budget;           // thinking {"type":"enabled","budget_tokens":…}
  bool adaptive;         // thinking {"type":"adaptive"}
  bool always_thinks;    // thinking cannot be switched off
  bool effort;           // output_config.effort
  bool xhigh;            // with the step "xhigh"
  bool sampling;         // temperature, top_p, top_k
  bool one_sampling;     // not temperature and top_p together
  bool forced;           // tool_choice any and tool
  bool forced_thinking;  // these also while it thinks
  bool schema;           // output_config.format
  bool system_inside;    // messages of the system between others
};
// `name` as any host spells it: claude-sonnet-4-5-20250929, us.anthropic.claude-opus-4-1-20250805-v1:0,
// claude-opus-4@20250514. A name that is not Claude's gets what hosts of other models behind this protocol take; an
// unknown one of Claude's what the newest take.
struct claude claude_model(struct str name);
