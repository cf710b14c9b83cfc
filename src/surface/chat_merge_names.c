// A preset's own model stands in its place; where it has none, its `models` do. A suffix goes behind each of them.
#include "surface/chat_merge_names.h"

#include "policy/model_name.h"

enum { NAMES_MAX = 64 << 20 };

struct names {
  const struct json_doc *own, *theirs;
  struct arena *arena;
  uint32_t their_model, their_models;
  bool bare;  // "@preset/slug", without a model before it, came up
};

// A member that is there and not null.
static uint32_t given(const struct json_doc *doc, struct str name) {
  uint32_t value = json_get(doc, 0, name);
  return json_type(doc, value) == JSON_NULL ? JSON_NONE : value;
}

static bool string_at(const struct json_doc *doc, uint32_t node, struct arena *arena, struct str *out) {
  return json_is(doc, node, JSON_STRING) && json_string(doc, node, arena, out);
}

// There may be zero bytes in either.
static struct str joined(struct arena *arena, struct str a, struct str b) {
  char *ptr = arena_alloc(arena, a.len + b.len + 1);
  if (!ptr) return (struct str){0};
  if (a.len) memcpy(ptr, a.ptr, a.len);
  if (b.len) memcpy(ptr + a.len, b.ptr, b.len);
  return str_from(ptr, a.len + b.len);
}

static void comma(struct buf *out) {
  if (out->len && out->ptr[out->len - 1] != '[') buf_char(out, ',');
}

// What is no name is left to the check behind us.
static void write_theirs(struct names *n, uint32_t node, struct str suffix, struct buf *out) {
  struct str name;
  comma(out);
  if (suffix.len && string_at(n->theirs, node, n->arena, &name))
    json_write_str(out, joined(n->arena, name, suffix));
  else
    buf_str(out, json_raw(n->theirs, node));
}

static void write_their_models(struct names *n, struct str suffix, struct buf *out) {
  for (uint32_t m = json_first(n->theirs, n->their_models); m != JSON_NONE;
       m = json_next(n->theirs, n->their_models, m))
    write_theirs(n, m, suffix, out);
}

// One of the request's `models`.
static void write_own(struct names *n, uint32_t node, struct buf *out) {
  struct str text;
  struct model_reference r = {0};
  if (string_at(n->own, node, n->arena, &text)) r = model_name_split(text);
  if (r.preset.len && !r.base.len) {
    n->bare = true;
    if (n->their_model != JSON_NONE)
      write_theirs(n, n->their_model, r.suffix, out);
    else
      write_their_models(n, r.suffix, out);
    return;
  }
  comma(out);
  if (r.preset.len)
    json_write_str(out, joined(n->arena, r.base, r.suffix));
  else
    buf_str(out, json_raw(n->own, node));
}

static struct str finish(struct names *n, struct buf *out) {
  struct str text = out->failed ? (struct str){0} : arena_str(n->arena, buf_view(out));
  if (out->failed) n->arena->failed = true;
  buf_free(out);
  return text;
}

static struct str model_of(struct names *n, const struct model_reference *r) {
  struct buf out;
  buf_init(&out, NAMES_MAX);
  if (r->base.len)
    json_write_str(&out, joined(n->arena, r->base, r->suffix));
  else if (n->their_model != JSON_NONE)
    write_theirs(n, n->their_model, r->suffix, &out);
  return finish(n, &out);
}

static bool any_asks(struct names *n, uint32_t models) {
  struct str text;
  for (uint32_t m = json_first(n->own, models); m != JSON_NONE; m = json_next(n->own, models, m))
    if (string_at(n->own, m, n->arena, &text) && model_name_split(text).preset.len) return true;
  return false;
}

// `before`: the request's model is the preset's, which has none but models.
static struct str models_of(struct names *n, uint32_t own, bool before, struct str suffix) {
  struct buf out;
  buf_init(&out, NAMES_MAX);
  buf_char(&out, '[');
  if (before) write_their_models(n, suffix, &out);
  for (uint32_t m = json_first(n->own, own); m != JSON_NONE; m = json_next(n->own, own, m)) write_own(n, m, &out);
  buf_char(&out, ']');
  return finish(n, &out);
}

static bool is_named(const struct names *n, const struct chat_merge_names *out, uint32_t models) {
  if (out->replaces_model ? out->model.len > 0 : given(n->own, STR("model")) != JSON_NONE) return true;
  if (out->models.len) return out->models.len > sizeof "[]" - 1;
  return models != JSON_NONE || n->their_models != JSON_NONE;
}

bool chat_merge_names(const struct json_doc *own, const struct json_doc *theirs, struct arena *arena,
                      struct chat_merge_names *out) {
  struct names n = {own, theirs, arena, given(theirs, STR("model")), given(theirs, STR("models")), false};
  uint32_t model = given(own, STR("model")), models = given(own, STR("models"));
  struct model_reference r = {0};
  struct str text;
  *out = (struct chat_merge_names){0};
  if (string_at(own, model, arena, &text)) r = model_name_split(text);
  bool bare = r.preset.len && !r.base.len;
  out->replaces_model = r.preset.len > 0;
  if (r.preset.len) out->model = model_of(&n, &r);
  // The preset's list comes into the request's when that has to begin with it, and gets the suffix when it is alone.
  bool before = bare && (models == JSON_NONE ? r.suffix.len > 0 : n.their_model == JSON_NONE);
  if (!json_is(n.theirs, n.their_models, JSON_ARRAY)) before = false;
  if (models != JSON_NONE && !json_is(own, models, JSON_ARRAY)) return !arena->failed;
  if (before || any_asks(&n, models)) out->models = models_of(&n, models, before, r.suffix);
  out->none = (bare || n.bare) && !is_named(&n, out, models);
  return !arena->failed;
}
