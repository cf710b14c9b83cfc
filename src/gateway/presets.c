#include "gateway/presets.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "store/presets.h"

struct presets {
  pthread_mutex_t lock;  // of `set`, held while a pointer is copied
  struct preset_set *set;
  _Atomic(uint64_t) number;  // of the present set, from 1
  uint64_t version;          // of the store, when it was read
};

struct presets *presets_new(void) {
  struct presets *p = calloc(1, sizeof *p);
  struct preset_set *set = p ? preset_set_new(NULL, 0) : NULL;
  if (!set) return free(p), NULL;
  pthread_mutex_init(&p->lock, NULL);
  p->set = set;
  atomic_init(&p->number, 1);
  return p;
}

void presets_free(struct presets *p) {
  if (!p) return;
  preset_set_drop(p->set);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

// NULL with *why.
static struct preset_set *read_set(struct store *s, struct arena *arena, struct str *why) {
  struct preset_row *rows;
  size_t count;
  uint64_t total;
  if (!store_preset_list(s, arena, 0, PRESETS_MAX, &rows, &count, &total, why)) return NULL;
  struct preset *presets = arena_zalloc(arena, (count + 1) * sizeof *presets);
  size_t n = 0;
  *why = STR("out of memory");
  for (size_t i = 0; presets && i < count; i++) {
    struct preset_version_row version;
    bool found;
    if (!store_preset_version(s, arena, rows[i].id, rows[i].version, &version, &found, why)) return NULL;
    if (!found) continue;
    enum preset_status status = rows[i].status < PRESET_STATUSES ? (enum preset_status)rows[i].status : PRESET_DISABLED;
    presets[n++] =
        (struct preset){rows[i].id, rows[i].slug, status, version.version, {version.config, version.system_prompt}};
  }
  return presets ? preset_set_new(presets, n) : NULL;
}

bool presets_refresh(struct presets *p, struct store *s, bool force) {
  uint64_t version = store_presets_version(s);
  if (!force && version == p->version) return true;
  struct arena arena = {0};
  struct str why;
  struct preset_set *set = read_set(s, &arena, &why), *old = set;
  if (set) {
    p->version = version;
    pthread_mutex_lock(&p->lock);
    old = p->set;
    p->set = set;
    atomic_fetch_add_explicit(&p->number, 1, memory_order_release);
    pthread_mutex_unlock(&p->lock);
  } else {
    log_error("presets: %.*s", STR_ARGS(why));
  }
  preset_set_drop(old);
  arena_free(&arena);
  return set != NULL;
}

const struct preset_set *presets_look(struct presets *p, struct presets_view *view) {
  if (LIKELY(view->number == atomic_load_explicit(&p->number, memory_order_acquire))) return view->set;
  preset_set_drop(view->set);
  pthread_mutex_lock(&p->lock);
  view->set = preset_set_hold(p->set);
  view->number = atomic_load_explicit(&p->number, memory_order_relaxed);
  pthread_mutex_unlock(&p->lock);
  return view->set;
}

void presets_view_free(struct presets_view *view) {
  preset_set_drop(view->set);
  *view = (struct presets_view){0};
}
