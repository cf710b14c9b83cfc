// Names of models. An id of the catalogue is always itself, whatever it looks like: one that holds a variant, a colon
// of another kind ("llama3:8b"), or a router's name. Only what is no id is taken apart, from the end:
//
//   openai/gpt-4o:free:nitro > known? no > takes off ":nitro" > "openai/gpt-4o:free" known? no > takes off ":free" > …
//
// What is left may be an id in other letters or of an older spelling, a router, or an alias.
#include "policy/model_name.h"

#include <assert.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define KNOWN_VARIANTS ":nitro, :floor, :free, :extended, :thinking, :exacto, :online"

enum { SHOWN_MAX = 200, ID_MAX = 256 };

static const struct {
  struct str name;
  enum model_variant bit;
} variants[] = {
    {{"nitro", 5}, VARIANT_NITRO},       {{"floor", 5}, VARIANT_FLOOR},       {{"free", 4}, VARIANT_FREE},
    {{"extended", 8}, VARIANT_EXTENDED}, {{"thinking", 8}, VARIANT_THINKING}, {{"exacto", 6}, VARIANT_EXACTO},
    {{"online", 6}, VARIANT_ONLINE},
};
static const unsigned sorting = VARIANT_NITRO | VARIANT_FLOOR | VARIANT_EXACTO;

static const struct {
  const char *name;
  enum model_kind kind;  // MODEL_PLAIN: a router that is not in this version
} routers[] = {
    {"openrouter/auto", MODEL_AUTO},         {"signalbox/auto", MODEL_AUTO},
    {"openrouter/auto-beta", MODEL_AUTO},    {"signalbox/auto-beta", MODEL_AUTO},
    {"openrouter/free", MODEL_FREE},         {"signalbox/free", MODEL_FREE},
    {"openrouter/pareto-code", MODEL_PLAIN}, {"openrouter/bodybuilder", MODEL_PLAIN},
    {"openrouter/fusion", MODEL_PLAIN},      {"openrouter/fusion-flash", MODEL_PLAIN},
    {"typesafe/jev-router", MODEL_PLAIN},    {"nvidia/switchyard", MODEL_PLAIN},
};

struct str model_name_router(unsigned router) {
  assert(router <= COUNT(routers));
  return router ? str_from_cstr(routers[router - 1].name) : (struct str){0};
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// For messages only: names come from outside and may be long.
static struct str shown(struct str text) {
  if (text.len > SHOWN_MAX) text.len = SHOWN_MAX;
  return text;
}

struct model_reference model_name_split(struct str text) {
  static const struct str mark = {"@preset/", 8};
  for (size_t at = str_find_char(text, '@', 0); at != SIZE_MAX; at = str_find_char(text, '@', at + 1)) {
    struct str rest = str_skip(text, at);
    if (!str_starts_nocase(rest, mark)) continue;
    rest = str_skip(rest, mark.len);
    size_t colon = str_find_char(rest, ':', 0), len = colon == SIZE_MAX ? rest.len : colon;
    if (len) return (struct model_reference){str_from(text.ptr, at), str_from(rest.ptr, len), str_skip(rest, len)};
  }
  return (struct model_reference){.base = text};
}

// --- ids in other letters, and older spellings ---

// "anthropic/claude-4.5-sonnet" of "anthropic/claude-4.5-sonnet-20250929".
static bool is_undated(struct str text, struct str slug) {
  if (slug.len < text.len + 5 || slug.ptr[text.len] != '-') return false;
  if (!str_eq_nocase(text, str_from(slug.ptr, text.len))) return false;
  for (size_t i = text.len + 1; i < slug.len; i++)
    if (!is_digit(slug.ptr[i]) && slug.ptr[i] != '-') return false;
  return true;
}

static const struct model *find_loosely(const struct catalogue *c, struct str text) {
  const struct model *canonical = NULL, *undated = NULL;
  if (!text.len || text.len > ID_MAX) return NULL;
  for (size_t i = 0; i < c->model_count; i++) {
    const struct model *m = &c->models[i];
    if (str_eq_nocase(m->id, text)) return m;
    if (!canonical && str_eq_nocase(m->canonical_slug, text)) canonical = m;
    if (!undated && is_undated(text, m->canonical_slug)) undated = m;
  }
  return canonical ? canonical : undated;
}

static const struct model *find(const struct catalogue *c, struct str text) {
  const struct model *m = catalogue_find(c, text);
  return m ? m : find_loosely(c, text);
}

// --- aliases ---

static bool next_word(struct str *rest, struct str *word) {
  while (rest->len && (rest->ptr[0] == '-' || rest->ptr[0] == '.' || rest->ptr[0] == '_')) *rest = str_skip(*rest, 1);
  size_t n = 0;
  while (n < rest->len && rest->ptr[n] != '-' && rest->ptr[n] != '.' && rest->ptr[n] != '_') n++;
  *word = str_from(rest->ptr, n);
  *rest = str_skip(*rest, n);
  return n > 0;
}

static bool has_word(struct str text, struct str wanted) {
  struct str word;
  while (next_word(&text, &word))
    if (str_eq_nocase(word, wanted)) return true;
  return false;
}

static bool has_words(struct str text, struct str wanted) {
  struct str word;
  bool any = false;
  for (; next_word(&wanted, &word); any = true)
    if (!has_word(text, word)) return false;
  return any;
}

// Words that tell of a kind of its own: no versions, sizes or dates (they have digits), no stages.
static bool tells_kind(struct str word) {
  static const struct str stages[] = {{"preview", 7}, {"beta", 4}, {"exp", 3}, {"experimental", 12}, {"latest", 6}};
  for (size_t i = 0; i < word.len; i++)
    if (is_digit(word.ptr[i])) return false;
  for (size_t i = 0; i < COUNT(stages); i++)
    if (str_eq_nocase(word, stages[i])) return false;
  return true;
}

static unsigned other_words(struct str slug, struct str family) {
  unsigned n = 0;
  struct str word;
  while (next_word(&slug, &word))
    if (tells_kind(word) && !has_word(family, word)) n++;
  return n;
}

static bool answers_text(const struct model *m) {
  for (size_t i = 0; i < m->output_modalities.count; i++)
    if (str_eq(m->output_modalities.items[i], STR("text"))) return true;
  return !m->output_modalities.count;
}

// Numbers by their value: "x-10" is behind "x-9".
static int natural_order(struct str a, struct str b) {
  size_t i = 0, k = 0;
  while (i < a.len && k < b.len) {
    if (is_digit(a.ptr[i]) && is_digit(b.ptr[k])) {
      uint64_t x = 0, y = 0;
      for (; i < a.len && is_digit(a.ptr[i]); i++) x = x * 10 + (uint64_t)(a.ptr[i] - '0');
      for (; k < b.len && is_digit(b.ptr[k]); k++) y = y * 10 + (uint64_t)(b.ptr[k] - '0');
      if (x != y) return x < y ? -1 : 1;
    } else if (a.ptr[i] != b.ptr[k]) {
      return (unsigned char)a.ptr[i] < (unsigned char)b.ptr[k] ? -1 : 1;
    } else {
      i++;
      k++;
    }
  }
  return (a.len - i > b.len - k) - (a.len - i < b.len - k);
}

static bool is_newer(const struct model *a, const struct model *b) {
  if (a->created != b->created) return a->created > b->created;
  return natural_order(a->id, b->id) > 0;
}

// Author and family of "~author/family-latest"; false when it is none.
static bool alias_parts(struct str alias, struct str *author, struct str *family) {
  static const struct str latest = {"-latest", 7};
  size_t slash = str_find_char(alias, '/', 0);
  if (!alias.len || alias.ptr[0] != '~' || slash == SIZE_MAX || slash < 2 || alias.len > ID_MAX) return false;
  *author = str_from(alias.ptr + 1, slash - 1);
  *family = str_skip(alias, slash + 1);
  if (family->len <= latest.len) return false;
  family->len -= latest.len;
  return str_eq_nocase(str_skip(alias, alias.len - latest.len), latest);
}

const struct model *model_name_latest(const struct catalogue *c, struct str alias) {
  struct str author, family;
  const struct model *best = NULL;
  unsigned best_others = 0;
  if (!alias_parts(alias, &author, &family)) return NULL;
  for (size_t i = 0; i < c->model_count; i++) {
    const struct model *m = &c->models[i];
    if (m->id.len <= author.len || m->id.ptr[author.len] != '/' || !str_starts_nocase(m->id, author)) continue;
    struct str slug = str_skip(m->id, author.len + 1);
    if (str_find_char(slug, ':', 0) != SIZE_MAX || !has_words(slug, family)) continue;
    unsigned others = other_words(slug, family) + (answers_text(m) ? 0 : 100);
    if (best && (others > best_others || (others == best_others && !is_newer(m, best)))) continue;
    best = m;
    best_others = others;
  }
  return best;
}

// --- what is refused ---

static bool refuse(struct fault_note *note, enum fault fault, struct str message) {
  *note = (struct fault_note){fault, message, STR("model")};
  return false;
}

static bool unknown(const struct catalogue *c, struct str text, struct arena *arena, struct fault_note *note) {
  struct str nearest = catalogue_nearest(c, text);
  struct str id = shown(text);
  if (nearest.len)
    return refuse(note, FAULT_UNKNOWN_MODEL,
                  arena_printf(arena, "%.*s is not a valid model ID. Did you mean %.*s? GET /api/v1/models lists all.",
                               STR_ARGS(id), STR_ARGS(nearest)));
  return refuse(note, FAULT_UNKNOWN_MODEL,
                arena_printf(arena, "%.*s is not a valid model ID. GET /api/v1/models lists all.", STR_ARGS(id)));
}

static bool unknown_alias(struct str text, struct arena *arena, struct fault_note *note) {
  struct str author, family, id = shown(text);
  if (!alias_parts(text, &author, &family))
    return refuse(note, FAULT_UNKNOWN_MODEL,
                  arena_printf(arena,
                               "%.*s is not a valid model ID. An alias is written ~author/family-latest, as "
                               "~openai/gpt-latest.",
                               STR_ARGS(id)));
  return refuse(note, FAULT_UNKNOWN_MODEL,
                arena_printf(arena,
                             "%.*s stands for no model here: %.*s has none whose name has all words of \"%.*s\". "
                             "GET /api/v1/models lists all.",
                             STR_ARGS(id), STR_ARGS(shown(author)), STR_ARGS(shown(family))));
}

static bool unknown_variant(struct str text, struct str suffix, struct str base, struct arena *arena,
                            struct fault_note *note) {
  struct str name = shown(suffix), id = shown(text);
  if (str_eq_nocase(suffix, STR("batch")))
    return refuse(note, FAULT_BAD_REQUEST,
                  arena_printf(arena,
                               "%.*s: batches are not in this version of Signalbox, so :batch cannot be used. Send the "
                               "request to %.*s.",
                               STR_ARGS(id), STR_ARGS(shown(base))));
  return refuse(
      note, FAULT_BAD_REQUEST,
      arena_printf(arena,
                   "%.*s is not a valid model ID: there is no variant :%.*s. The variants are " KNOWN_VARIANTS ".",
                   STR_ARGS(id), STR_ARGS(name)));
}

static bool absent_router(struct str base, struct arena *arena, struct fault_note *note) {
  return refuse(note, FAULT_BAD_REQUEST,
                arena_printf(arena,
                             "The router %.*s is not in this version of Signalbox. Routers that are: signalbox/auto "
                             "and signalbox/free (also as openrouter/auto and openrouter/free).",
                             STR_ARGS(base)));
}

// --- resolving ---

// MODEL_PLAIN with NULL is a name that is nobody's; *absent: a router that is not in this version.
static bool known_base(const struct catalogue *c, struct str base, struct model_name *out, bool *absent) {
  *absent = false;
  out->kind = MODEL_PLAIN;
  out->model = find(c, base);
  if (out->model) return true;
  if (base.len && base.ptr[0] == '~') {
    out->kind = MODEL_ALIAS;
    out->model = model_name_latest(c, base);
    return out->model != NULL;
  }
  for (size_t i = 0; i < COUNT(routers); i++) {
    if (!str_eq_nocase(base, str_from_cstr(routers[i].name))) continue;
    out->kind = routers[i].kind;
    out->router = (uint8_t)(i + 1);
    *absent = out->kind == MODEL_PLAIN;
    return true;
  }
  return false;
}

// A variant that the catalogue has as an entry of its own is that entry, in whatever order they were written.
static void take_entries(const struct catalogue *c, struct model_name *out) {
  char id[ID_MAX + 16];
  for (size_t i = 0; i < COUNT(variants) && out->model; i++) {
    struct str base = out->model->id;
    if (!(out->variants & variants[i].bit) || base.len > ID_MAX) continue;
    memcpy(id, base.ptr, base.len);
    id[base.len] = ':';
    memcpy(id + base.len + 1, variants[i].name.ptr, variants[i].name.len);
    const struct model *entry = catalogue_find(c, str_from(id, base.len + 1 + variants[i].name.len));
    if (!entry) continue;
    out->model = entry;
    out->variants &= ~(unsigned)variants[i].bit;
  }
}

static bool finish(const struct catalogue *c, struct arena *arena, struct model_name *out, struct fault_note *note) {
  if (!out->variants) return true;
  take_entries(c, out);
  if (!(out->variants & VARIANT_EXTENDED)) return true;
  struct str id = out->model ? out->model->id : shown(out->text);
  return refuse(note, FAULT_BAD_REQUEST,
                arena_printf(arena,
                             "There is no entry %.*s:extended in the catalogue, and :extended cannot be added to other "
                             "models. Leave the suffix out.",
                             STR_ARGS(id)));
}

// Takes the last ":variant" off *base; false: there is none that is known, *suffix is what stands there.
static bool take_variant(struct str *base, unsigned *bits, struct str *suffix) {
  size_t colon = base->len;
  while (colon > 0 && base->ptr[colon - 1] != ':') colon--;
  *suffix = (struct str){0};
  if (colon < 2) return false;
  *suffix = str_skip(*base, colon);
  base->len = colon - 1;
  for (size_t i = 0; i < COUNT(variants); i++) {
    if (!str_eq_nocase(*suffix, variants[i].name)) continue;
    unsigned bit = variants[i].bit;
    // Each of these says how to sort: the last one written wins, and it is met first.
    if (!(bit & sorting) || !(*bits & sorting)) *bits |= bit;
    return true;
  }
  return false;
}

// Would it be a known name without this and all suffixes before it? Then the suffix is what is wrong.
static bool is_known_without(const struct catalogue *c, struct str base) {
  struct model_name ignored = {0};
  struct str suffix;
  bool absent;
  while (!known_base(c, base, &ignored, &absent)) {
    if (!take_variant(&base, &ignored.variants, &suffix) && !suffix.ptr) return false;
  }
  return true;
}

static bool take_apart(const struct catalogue *c, struct arena *arena, struct model_name *out,
                       struct fault_note *note) {
  struct str base = out->text, suffix;
  bool absent;
  while (!known_base(c, base, out, &absent)) {
    if (take_variant(&base, &out->variants, &suffix)) continue;
    if (suffix.ptr && is_known_without(c, base)) return unknown_variant(out->text, suffix, base, arena, note);
    if (base.len && base.ptr[0] == '~') return unknown_alias(base, arena, note);
    return unknown(c, out->text, arena, note);
  }
  if (absent) return absent_router(base, arena, note);
  return finish(c, arena, out, note);
}

bool model_name_resolve(const struct catalogue *c, struct str text, struct arena *arena, struct model_name *out,
                        struct fault_note *note) {
  *out = (struct model_name){.text = text, .kind = MODEL_PLAIN, .model = catalogue_find(c, text)};
  if (out->model) return true;
  return take_apart(c, arena, out, note);
}
