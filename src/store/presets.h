// Presets in the database: each with all its versions, the newest in use. What is in a version is not looked at here.
// Synchronous calls, like those of keys in store.h: from the CLI, from start-up, or inside a job. Every one returns
// false with *why when the database cannot do it.
#pragma once
#include "store/store.h"

enum { PRESETS_MAX = 1000 };

struct preset_version_row {
  struct str id, preset_id;
  uint64_t version;  // from 1
  struct str config, system_prompt, creator;
  uint64_t created_us;
};
struct preset_row {
  struct str id, slug, name, description, creator;  // creator: the id of the key
  unsigned status;                                  // as the layer above counts them; 0 when made
  uint64_t created_us, updated_us, status_updated_us;
  uint64_t version;       // the newest
  struct str version_id;  // its id
};

// A new version of the preset of that slug, which is made when there is none (with its slug as name, and the status 0).
// *preset is the row as it then is, *version the new one, with ids; of `version`, config, system_prompt, creator and
// created_us are read. *full: there are PRESETS_MAX already.
bool store_preset_put(struct store *s, struct arena *arena, struct str slug, struct preset_row *preset,
                      struct preset_version_row *version, bool *full, struct str *why);
// Case does not matter in slugs. *found false: there is none.
bool store_preset_find(struct store *s, struct arena *arena, struct str slug, struct preset_row *out, bool *found,
                       struct str *why);
// Those from `offset` on, at most `most`, the ones changed last first; *total: how many there are.
bool store_preset_list(struct store *s, struct arena *arena, uint64_t offset, uint64_t most, struct preset_row **rows,
                       size_t *count, uint64_t *total, struct str *why);
// One version.
bool store_preset_version(struct store *s, struct arena *arena, struct str preset_id, uint64_t version,
                          struct preset_version_row *out, bool *found, struct str *why);
// Those from `offset` on, oldest first.
bool store_preset_versions(struct store *s, struct arena *arena, struct str preset_id, uint64_t offset, uint64_t most,
                           struct preset_version_row **rows, size_t *count, uint64_t *total, struct str *why);
// Writes name, description, status and the times of change.
bool store_preset_update(struct store *s, const struct preset_row *row, struct str *why);
// With all its versions.
bool store_preset_delete(struct store *s, struct str id, bool *found, struct str *why);
// Changes whenever another connection (the CLI) changed anything, or this one a preset.
uint64_t store_presets_version(struct store *s);
