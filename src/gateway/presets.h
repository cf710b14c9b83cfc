// The presets as all loops see them. A set is made anew when presets change; a loop notices by a number that it
// compares when a request uses a preset, and takes the new one: what a preset's author was told is done is seen by
// every request that comes after.
#pragma once
#include "policy/preset_set.h"
#include "store/store.h"

struct presets;
struct presets *presets_new(void);  // without any; NULL: out of memory
void presets_free(struct presets *p);

// Makes the set anew from the store, when presets have changed since the last time (`force`: in any case). From one
// thread at a time: at start, then the store's. False: the old set stays, and the log says why.
bool presets_refresh(struct presets *p, struct store *s, bool force);

// A loop's own hold on the set; all-zero at first.
struct presets_view {
  struct preset_set *set;
  uint64_t number;
};
// The present set: valid until the view is looked at again; preset_set_hold it to use it for longer.
const struct preset_set *presets_look(struct presets *p, struct presets_view *view);
void presets_view_free(struct presets_view *view);
