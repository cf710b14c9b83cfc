#include "policy/preset_set.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "policy/model_name.h"
#include "surface/chat_members.h"

struct preset_set {
  struct arena arena;
  atomic_uint refs;
  size_t count;
  struct preset *presets;  // by slug, in lower case
};

// --- words ---

static const char *const statuses[PRESET_STATUSES] = {"active", "disabled", "archived"};

struct str preset_status_name(enum preset_status status) {
  assert(status < PRESET_STATUSES);
  return str_from_cstr(statuses[status]);
}

bool preset_status_parse(struct str name, enum preset_status *out) {
  for (int i = 0; i < PRESET_STATUSES; i++)
    if (str_eq(name, str_from_cstr(statuses[i]))) return *out = (enum preset_status)i, true;
  return false;
}

static unsigned char lower(char c) {
  return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 32 : c);
}

bool preset_slug_valid(struct str slug) {
  if (!slug.len || slug.len > PRESET_SLUG_MAX) return false;
  for (size_t i = 0; i < slug.len; i++) {
    unsigned char c = lower(slug.ptr[i]);
    bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!word && (i == 0 || (c != '-' && c != '_' && c != '.'))) return false;
  }
  return true;
}

// --- the set ---

static int compare(struct str a, struct str b) {
  size_t n = a.len < b.len ? a.len : b.len;
  for (size_t i = 0; i < n; i++)
    if (lower(a.ptr[i]) != lower(b.ptr[i])) return lower(a.ptr[i]) < lower(b.ptr[i]) ? -1 : 1;
  return (a.len > b.len) - (a.len < b.len);
}

static int by_slug(const void *a, const void *b) {
  return compare(((const struct preset *)a)->slug, ((const struct preset *)b)->slug);
}

struct preset_set *preset_set_new(const struct preset *presets, size_t count) {
  struct preset_set *set = calloc(1, sizeof *set);
  if (!set) return NULL;
  atomic_init(&set->refs, 1);
  set->count = count;
  set->presets = arena_zalloc(&set->arena, (count + 1) * sizeof *set->presets);
  for (size_t i = 0; i < count && set->presets; i++) {
    struct preset *p = &set->presets[i];
    *p = presets[i];
    p->id = arena_str(&set->arena, p->id);
    p->slug = arena_str(&set->arena, p->slug);
    p->content.config = arena_str(&set->arena, p->content.config);
    p->content.system_prompt = arena_str(&set->arena, p->content.system_prompt);
  }
  if (set->arena.failed) return preset_set_drop(set), NULL;
  qsort(set->presets, count, sizeof *set->presets, by_slug);
  return set;
}

struct preset_set *preset_set_hold(struct preset_set *set) {
  atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
  return set;
}

void preset_set_drop(struct preset_set *set) {
  if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1) return;
  arena_free(&set->arena);
  free(set);
}

size_t preset_set_count(const struct preset_set *set) {
  return set->count;
}

const struct preset *preset_set_find(const struct preset_set *set, struct str slug) {
  size_t low = 0, high = set->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare(set->presets[middle].slug, slug);
    if (!order) return &set->presets[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

// --- names that are nearly right ---

enum { NEAR_SHOWN = 3, NEAR_MOST = 2, NEAR_LOOKED_AT = 1000 };

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

// How many letters must change, come or go to make one of the other.
static size_t distance(struct str a, struct str b) {
  size_t row[PRESET_SLUG_MAX + 1];
  if (a.len > PRESET_SLUG_MAX || b.len > PRESET_SLUG_MAX) return SIZE_MAX;
  for (size_t j = 0; j <= b.len; j++) row[j] = j;
  for (size_t i = 1; i <= a.len; i++) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.len; j++) {
      size_t changed = corner + (lower(a.ptr[i - 1]) != lower(b.ptr[j - 1]));
      corner = row[j];
      row[j] = least(changed, least(row[j], row[j - 1]) + 1);
    }
  }
  return row[b.len];
}

static bool is_near(struct str name, struct str wanted) {
  if (wanted.len >= 3 && (str_find(name, wanted, 0) != SIZE_MAX || str_find(wanted, name, 0) != SIZE_MAX)) return true;
  return distance(name, wanted) <= NEAR_MOST;
}

static struct str shown(struct str slug) {
  return slug.len <= PRESET_SLUG_MAX ? slug : str_from(slug.ptr, PRESET_SLUG_MAX);
}

static bool unknown(const struct preset_set *set, struct str slug, struct arena *arena, struct fault_note *note) {
  struct str list = STR("");
  unsigned near = 0;
  for (size_t i = 0; i < set->count && i < NEAR_LOOKED_AT && near < NEAR_SHOWN; i++) {
    const struct preset *p = &set->presets[i];
    if (p->status != PRESET_ACTIVE || !is_near(p->slug, slug)) continue;
    list = arena_printf(arena, "%.*s%s%.*s", STR_ARGS(list), near++ ? ", " : "", STR_ARGS(p->slug));
  }
  *note = (struct fault_note){.fault = FAULT_NOT_FOUND, .param = STR("preset")};
  note->message =
      near ? arena_printf(arena, "There is no preset \"%.*s\". Did you mean %.*s? GET /api/v1/presets lists all.",
                          STR_ARGS(shown(slug)), STR_ARGS(list))
           : arena_printf(arena, "There is no preset \"%.*s\". GET /api/v1/presets lists all.", STR_ARGS(shown(slug)));
  return false;
}

// --- in a request ---

// One more slug, or an empty one.
static bool is_same(struct str slug, struct str *first, struct arena *arena, struct fault_note *note) {
  if (!slug.len || (first->len && !compare(*first, slug))) return true;
  if (!first->len) return *first = slug, true;
  *note = (struct fault_note){.fault = FAULT_BAD_REQUEST, .param = STR("preset")};
  note->message = arena_printf(arena,
                               "The request names different presets, \"%.*s\" and \"%.*s\". What a preset says counts "
                               "for all of a request's models: name one.",
                               STR_ARGS(shown(*first)), STR_ARGS(shown(slug)));
  return false;
}

bool preset_named(const struct chat_request *r, struct str member, struct arena *arena, struct str *slug,
                  struct fault_note *note) {
  struct str prefix = STR("@preset/");
  *note = (struct fault_note){0};
  *slug = model_name_split(r->model).preset;
  for (unsigned i = 0; i < r->model_count; i++)
    if (!is_same(model_name_split(r->models[i]).preset, slug, arena, note)) return false;
  if (str_starts_nocase(member, prefix)) member = str_skip(member, prefix.len);
  return is_same(member, slug, arena, note);
}

bool preset_apply(const struct preset_set *set, struct str slug, struct str body, struct arena *arena,
                  struct str *merged, struct preset_use *use, struct fault_note *note) {
  const struct preset *p = preset_set_find(set, slug);
  if (!p) return unknown(set, slug, arena, note);
  *use = (struct preset_use){arena_str(arena, p->id), arena_str(arena, p->slug), p->version, {0}};
  if (p->status == PRESET_ACTIVE) return chat_merge(body, &p->content, arena, merged, &use->flags, note);
  struct str status = preset_status_name(p->status);
  *note = (struct fault_note){.fault = p->status == PRESET_ARCHIVED ? FAULT_NOT_FOUND : FAULT_BAD_REQUEST,
                              .param = STR("preset")};
  note->message = arena_printf(arena,
                               "The preset \"%.*s\" is %.*s. Make it active again with PATCH /api/v1/presets/%.*s and "
                               "{\"status\":\"active\"}, or use another.",
                               STR_ARGS(p->slug), STR_ARGS(status), STR_ARGS(p->slug));
  return false;
}

bool preset_request(const struct preset_set *set, struct chat_request *r, struct arena *arena, struct preset_use *use,
                    struct fault_note *note) {
  struct str member = {0}, slug, merged, body = r->body;
  uint32_t value = chat_member_at(r, CHAT_MEMBER_PRESET);
  *use = (struct preset_use){0};
  *note = (struct fault_note){.fault = FAULT_BAD_REQUEST, .param = STR("preset")};
  note->message = STR("\"preset\" must be a preset's slug.");
  if (json_is(&r->doc, value, JSON_STRING) && (!json_string(&r->doc, value, arena, &member) || !member.len))
    return false;
  if (!preset_named(r, member, arena, &slug, note)) return false;
  if (!slug.len) return true;
  if (!preset_apply(set, slug, body, arena, &merged, use, note)) return false;
  chat_request_free(r);
  return chat_request_parse(r, merged, arena, note);
}
