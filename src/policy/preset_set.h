// All presets with their newest versions, for look-up on the hot path: immutable, by slug. Made anew when presets
// change; whoever uses one holds the set. Pure.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "surface/chat_merge.h"
#include "surface/openai_chat.h"

enum preset_status { PRESET_ACTIVE, PRESET_DISABLED, PRESET_ARCHIVED, PRESET_STATUSES };
// "active", "disabled", "archived".
struct str preset_status_name(enum preset_status status);
bool preset_status_parse(struct str name, enum preset_status *out);

enum { PRESET_SLUG_MAX = 100 };
// 1 to 100 letters, digits, '-', '_' and '.', beginning with a letter or a digit.
bool preset_slug_valid(struct str slug);

struct preset {
  struct str id, slug;
  enum preset_status status;
  uint64_t version;
  struct chat_preset content;
};

struct preset_set;
// Copies the presets; their slugs differ (in more than case). NULL: out of memory.
struct preset_set *preset_set_new(const struct preset *presets, size_t count);
struct preset_set *preset_set_hold(struct preset_set *set);
void preset_set_drop(struct preset_set *set);
size_t preset_set_count(const struct preset_set *set);
// The case of letters does not matter. NULL: there is none.
const struct preset *preset_set_find(const struct preset_set *set, struct str slug);

// --- in a request ---

// Which preset a request asks for: in a model's place ("@preset/slug:nitro", "model@preset/slug"; the first of `models`
// or another), or by its member `preset` (`member`: a slug, or "@preset/slug"). *slug is empty when it asks for none.
// False: *note says that it names several.
bool preset_named(const struct chat_request *r, struct str member, struct arena *arena, struct str *slug,
                  struct fault_note *note);

// What a request got of a preset. In its arena, so that the set is not needed any more.
struct preset_use {
  struct str id, slug;  // empty: it asked for none
  uint64_t version;
  struct chat_merge_flags flags;
};
// *merged: the request's text with the preset of that slug merged in (chat_merge.h), in the arena. False: *note says
// why: there is no such preset (and which are called nearly so), it is disabled or archived, or chat_merge's reason.
bool preset_apply(const struct preset_set *set, struct str slug, struct str body, struct arena *arena,
                  struct str *merged, struct preset_use *use, struct fault_note *note);
// All of it for a request that has been parsed: where it asks for a preset, it is parsed anew with that merged in, and
// its model is a model's name. False: *note says why; the request must still be freed.
bool preset_request(const struct preset_set *set, struct chat_request *r, struct arena *arena, struct preset_use *use,
                    struct fault_note *note);
