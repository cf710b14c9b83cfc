// Names of models as clients write them (MAP 9): author/slug[:variant]..., ~author/family-latest, openrouter/auto,
// @preset/slug, model@preset/slug. Pure.
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "llm/model.h"
#include "surface/openai_chat.h"

enum model_variant {
  VARIANT_NITRO = 1,          // sort by throughput; endpoints of the priority tier are eligible
  VARIANT_FLOOR = 1 << 1,     // sort by price; endpoints of the flex tier are eligible
  VARIANT_FREE = 1 << 2,      // only what costs nothing
  VARIANT_EXTENDED = 1 << 3,  // only as an entry of the catalogue
  VARIANT_THINKING = 1 << 4,  // reasoning on unless the request says otherwise
  VARIANT_EXACTO = 1 << 5,    // sort by quality
  VARIANT_ONLINE = 1 << 6,    // with a web search
};
enum model_kind { MODEL_PLAIN, MODEL_ALIAS, MODEL_AUTO, MODEL_FREE };

struct model_name {
  struct str text;  // as the client wrote it
  enum model_kind kind;
  const struct model *model;  // of MODEL_PLAIN and MODEL_ALIAS
  unsigned variants;          // bits of enum model_variant, those that are not part of the entry's own id
  uint8_t router;             // which one chooses the model, see model_name_router; 0: none does
};
// "openrouter/auto", as the client named it, without its variants; empty for 0.
struct str model_name_router(unsigned router);
// "base@preset/slug:suffix" taken apart. The base may be empty, the suffix (":nitro", with its colon) belongs behind
// the base, or behind the name that the preset has in its place. No preset: `preset` is empty, `base` the whole text.
struct model_reference {
  struct str base, preset, suffix;
};
struct model_reference model_name_split(struct str text);
// Resolves a name without preset. False: *note says what is wrong and what to do: an unknown model (and the nearest),
// an unknown variant, one that cannot be done here.
bool model_name_resolve(const struct catalogue *c, struct str text, struct arena *arena, struct model_name *out,
                        struct fault_note *note);
// The newest model of a family: "~anthropic/claude-sonnet-latest". NULL: there is none.
const struct model *model_name_latest(const struct catalogue *c, struct str alias);
