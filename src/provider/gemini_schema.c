#include "provider/gemini_schema.h"

#include "json/json.h"
#include "provider/encode.h"

enum {
  LAYERS = 16,    // objects that say something about one value: the schema, what it refers to, what allOf adds
  REFS = 32,      // references that are open inside each other
  DEPTH = 32,     // levels of nesting
  VALUES = 8192,  // schemas, properties and names written in all: references multiply
};

struct writing {
  const struct json_doc *doc;
  struct buf *out;
  struct arena *arena;
  uint32_t refs[REFS];
  unsigned ref_count, depth, values;
};

// All objects that describe one value. Of a keyword that several have, the first one's counts.
struct view {
  uint32_t nodes[LAYERS];
  unsigned count;
  unsigned own;          // those before this one may have alternatives; the others are what alternatives share
  unsigned told;         // and those before this one are told in the description
  uint32_t description;  // JSON_NONE: the first own one
  unsigned refs;         // how many references it added
  bool recursive;        // it refers to a schema it is part of
  bool nullable;
};

enum kind { KIND_NONE, KIND_STRING, KIND_NUMBER, KIND_INTEGER, KIND_BOOLEAN, KIND_ARRAY, KIND_OBJECT, KIND_NULL };

static const struct str kind_names[] = {
    [KIND_STRING] = {"string", 6},   [KIND_NUMBER] = {"number", 6}, [KIND_INTEGER] = {"integer", 7},
    [KIND_BOOLEAN] = {"boolean", 7}, [KIND_ARRAY] = {"array", 5},   [KIND_OBJECT] = {"object", 6},
    [KIND_NULL] = {"null", 4}};

static const char *const kind_words[] = {
    [KIND_STRING] = "STRING",   [KIND_NUMBER] = "NUMBER", [KIND_INTEGER] = "INTEGER",
    [KIND_BOOLEAN] = "BOOLEAN", [KIND_ARRAY] = "ARRAY",   [KIND_OBJECT] = "OBJECT"};

static bool spend(struct writing *w) {
  return ++w->values <= VALUES;
}

// --- what describes a value ---

// A part of a JSON pointer as the key it means (RFC 6901).
static struct str pointer_key(const struct writing *w, struct str part) {
  char *key = str_find_char(part, '~', 0) == SIZE_MAX ? NULL : arena_alloc(w->arena, part.len);
  size_t n = 0;
  if (!key) return part;
  for (size_t i = 0; i < part.len; i++) {
    bool tilde = part.ptr[i] == '~' && i + 1 < part.len && (part.ptr[i + 1] == '0' || part.ptr[i + 1] == '1');
    key[n++] = !tilde ? part.ptr[i] : part.ptr[i + 1] == '0' ? '~' : '/';
    i += tilde;
  }
  return str_from(key, n);
}

// "#/$defs/City": the pointer's parts are keys, or an array's numbers.
static uint32_t resolve(const struct writing *w, uint32_t reference) {
  struct str path, part;
  uint32_t node = 0;
  if (!json_string(w->doc, reference, w->arena, &path) || !str_starts(path, STR("#"))) return JSON_NONE;
  path = str_skip(path, 1);
  if (!path.len) return node;
  if (path.ptr[0] != '/') return JSON_NONE;
  path = str_skip(path, 1);
  while (node != JSON_NONE && str_split(&path, '/', &part)) {
    struct str key = pointer_key(w, part);
    uint64_t number;
    if (json_is(w->doc, node, JSON_ARRAY) && str_to_u64(key, 4096, &number)) {
      uint32_t item = json_first(w->doc, node);
      while (number-- && item != JSON_NONE) item = json_next(w->doc, node, item);
      node = item;
    } else {
      node = json_get(w->doc, node, key);
    }
  }
  return node;
}

static void view_add(struct writing *w, struct view *v, uint32_t node) {
  if (!json_is(w->doc, node, JSON_OBJECT) || v->count == LAYERS) return;
  for (unsigned i = 0; i < v->count; i++)
    if (v->nodes[i] == node) return;
  v->nodes[v->count++] = node;
  uint32_t reference = json_get(w->doc, node, STR("$ref")), all = json_get(w->doc, node, STR("allOf"));
  uint32_t target = reference == JSON_NONE ? JSON_NONE : resolve(w, reference);
  bool open = w->ref_count == REFS;
  for (unsigned i = 0; i < w->ref_count; i++) open |= w->refs[i] == target;
  if (target != JSON_NONE && open) {
    v->recursive = true;
  } else if (target != JSON_NONE) {
    w->refs[w->ref_count++] = target;
    v->refs++;
    view_add(w, v, target);
  }
  for (uint32_t a = json_is(w->doc, all, JSON_ARRAY) ? json_first(w->doc, all) : JSON_NONE; a != JSON_NONE;
       a = json_next(w->doc, all, a))
    view_add(w, v, a);
}

static void view_end(struct writing *w, const struct view *v) {
  w->ref_count -= v->refs;
}

static uint32_t get(const struct writing *w, const struct view *v, struct str key) {
  for (unsigned i = 0; i < v->count; i++) {
    uint32_t found = json_get(w->doc, v->nodes[i], key);
    if (found != JSON_NONE) return found;
  }
  return JSON_NONE;
}

static uint32_t get_own(const struct writing *w, const struct view *v, struct str key) {
  struct view own = *v;
  own.count = v->own;
  return get(w, &own, key);
}

static enum kind kind_of(const struct writing *w, uint32_t type) {
  for (int k = KIND_STRING; k <= KIND_NULL; k++) {
    struct str raw = json_raw(w->doc, type);  // some write them in capitals already
    if (raw.len == kind_names[k].len + 2 && str_eq_nocase(str_from(raw.ptr + 1, raw.len - 2), kind_names[k]))
      return (enum kind)k;
  }
  return KIND_NONE;
}

// The type where none is given, by the keywords that only one has.
static enum kind kind_guess(const struct writing *w, const struct view *v) {
  static const struct {
    struct str key;
    enum kind kind;
  } rows[] = {
      {{"properties", 10}, KIND_OBJECT}, {{"required", 8}, KIND_OBJECT},    {{"additionalProperties", 20}, KIND_OBJECT},
      {{"items", 5}, KIND_ARRAY},        {{"prefixItems", 11}, KIND_ARRAY}, {{"minItems", 8}, KIND_ARRAY},
      {{"minimum", 7}, KIND_NUMBER},     {{"maximum", 7}, KIND_NUMBER},     {{"multipleOf", 10}, KIND_NUMBER},
      {{"pattern", 7}, KIND_STRING}};
  if (v->recursive) return KIND_OBJECT;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (get(w, v, rows[i].key) != JSON_NONE) return rows[i].kind;
  uint32_t values = get(w, v, STR("enum")), one = get(w, v, STR("const"));
  uint32_t first = json_is(w->doc, values, JSON_ARRAY) ? json_first(w->doc, values) : one;
  if (json_is(w->doc, first, JSON_NUMBER)) return KIND_NUMBER;
  if (json_is(w->doc, first, JSON_TRUE) || json_is(w->doc, first, JSON_FALSE)) return KIND_BOOLEAN;
  return KIND_NONE;
}

// --- what the form has no keyword for ---

static bool is_among(const struct json_doc *doc, uint32_t key, const struct str *names, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (json_string_is(doc, key, names[i])) return true;
  return false;
}

// Is it written as a keyword, or without meaning for the model?
static bool is_silent(const struct writing *w, uint32_t key, uint32_t value) {
  static const struct str names[] = {{"type", 4},
                                     {"description", 11},
                                     {"nullable", 8},
                                     {"properties", 10},
                                     {"required", 8},
                                     {"items", 5},
                                     {"minItems", 8},
                                     {"maxItems", 8},
                                     {"minProperties", 13},
                                     {"maxProperties", 13},
                                     {"minimum", 7},
                                     {"maximum", 7},
                                     {"minLength", 9},
                                     {"maxLength", 9},
                                     {"pattern", 7},
                                     {"enum", 4},
                                     {"const", 5},
                                     {"anyOf", 5},
                                     {"oneOf", 5},
                                     {"allOf", 5},
                                     {"$ref", 4},
                                     {"$defs", 5},
                                     {"definitions", 11},
                                     {"$schema", 7},
                                     {"$id", 3},
                                     {"$comment", 8},
                                     {"$anchor", 7},
                                     {"title", 5},
                                     {"discriminator", 13},
                                     {"readOnly", 8},
                                     {"writeOnly", 9},
                                     {"deprecated", 10},
                                     {"strict", 6},
                                     {"propertyOrdering", 16}};
  if (is_among(w->doc, key, names, sizeof names / sizeof *names)) return true;
  bool no = json_is(w->doc, value, JSON_FALSE), flag = no || json_is(w->doc, value, JSON_TRUE);
  if (json_string_is(w->doc, key, STR("default"))) return false;
  return no || (flag && json_string_is(w->doc, key, STR("additionalProperties")));
}

static bool is_known_format(const struct writing *w, uint32_t format) {
  static const struct str names[] = {{"date-time", 9}, {"enum", 4},  {"int32", 5},
                                     {"int64", 5},     {"float", 5}, {"double", 6}};
  return is_among(w->doc, format, names, sizeof names / sizeof *names);
}

// Appends JSON to the inside of a string.
static void restate(struct buf *out, struct str name, struct str json, bool *any, bool text) {
  if (!*any && text) buf_char(out, ' ');
  buf_str(out, *any ? STR(", ") : STR("("));
  *any = true;
  buf_str(out, name);
  buf_lit(out, ": ");
  for (size_t i = 0; i < json.len; i++) {
    if (json.ptr[i] == '"' || json.ptr[i] == '\\') buf_char(out, '\\');
    buf_char(out, (unsigned char)json.ptr[i] < ' ' ? ' ' : json.ptr[i]);
  }
}

static bool is_text(const struct writing *w, uint32_t value) {
  return json_is(w->doc, value, JSON_STRING) && json_raw(w->doc, value).len > 2;
}

// `more` and `more_value`: one keyword that this value's type cannot carry; JSON_NONE: none.
static void write_description(struct writing *w, const struct view *v, struct str more, uint32_t more_value) {
  uint32_t given = v->description != JSON_NONE ? v->description : get_own(w, v, STR("description"));
  bool text = is_text(w, given), any = false;
  struct buf *out = w->out;
  size_t before = out->len;
  json_write_key(out, STR("description"));
  buf_char(out, '"');
  if (text) buf_append(out, json_raw(w->doc, given).ptr + 1, json_raw(w->doc, given).len - 2);
  for (unsigned i = 0; i < v->told; i++)
    for (uint32_t key = json_first(w->doc, v->nodes[i]); key != JSON_NONE;) {
      uint32_t value = json_next(w->doc, v->nodes[i], key);
      bool format = json_string_is(w->doc, key, STR("format"));
      struct str name = json_raw(w->doc, key);
      if (format ? !is_known_format(w, value) : !is_silent(w, key, value))
        restate(out, str_from(name.ptr + 1, name.len - 2),
                json_is(w->doc, value, JSON_STRING)
                    ? str_from(json_raw(w->doc, value).ptr + 1, json_raw(w->doc, value).len - 2)
                    : json_raw(w->doc, value),
                &any, text);
      key = json_next(w->doc, v->nodes[i], value);
    }
  if (more_value != JSON_NONE) restate(out, more, json_raw(w->doc, more_value), &any, text);
  if (any) buf_char(out, ')');
  buf_char(out, '"');
  if (!text && !any) out->len = before;
}

// --- values ---

static void write_view(struct writing *w, const struct view *v);
static void write_node(struct writing *w, uint32_t node);

static void write_raw(struct writing *w, const struct view *v, struct str key) {
  uint32_t value = get(w, v, key);
  if (json_is(w->doc, value, JSON_NUMBER) || json_is(w->doc, value, JSON_STRING))
    encode_json(w->out, key, json_raw(w->doc, value));
}

// Enumerations hold strings; numbers among them have a format of their own. An empty string is refused there.
static void write_enum(struct writing *w, const struct view *v, enum kind kind) {
  uint32_t list = get(w, v, STR("enum")), one = get(w, v, STR("const"));
  bool listed = json_is(w->doc, list, JSON_ARRAY), any = false;
  if (!listed && one == JSON_NONE) return;
  size_t before = w->out->len;
  if (kind != KIND_STRING) encode_plain(w->out, STR("format"), STR("enum"));
  encode_array(w->out, STR("enum"));
  for (uint32_t e = listed ? json_first(w->doc, list) : one; e != JSON_NONE && spend(w);
       e = listed ? json_next(w->doc, list, e) : JSON_NONE) {
    struct str raw = json_raw(w->doc, e);
    bool string = json_is(w->doc, e, JSON_STRING);
    if (string ? raw.len <= 2 : !json_is(w->doc, e, JSON_NUMBER)) continue;
    if (any) buf_char(w->out, ',');
    if (!string) buf_char(w->out, '"');
    buf_str(w->out, raw);
    if (!string) buf_char(w->out, '"');
    any = true;
  }
  buf_char(w->out, ']');
  if (!any) w->out->len = before;
}

// An array must say what it holds. The form knows no tuples: any element may be what one of them may be.
static void write_items(struct writing *w, const struct view *v) {
  uint32_t items = get(w, v, STR("items")), tuple = get(w, v, STR("prefixItems")), count = 0;
  if (json_is(w->doc, items, JSON_ARRAY)) tuple = items;
  for (uint32_t p = json_is(w->doc, tuple, JSON_ARRAY) ? json_first(w->doc, tuple) : JSON_NONE; p != JSON_NONE;
       p = json_next(w->doc, tuple, p))
    count++;
  json_write_key(w->out, STR("items"));
  if (count == 1) {
    write_node(w, json_first(w->doc, tuple));
  } else if (count) {
    buf_lit(w->out, "{\"anyOf\":[");
    for (uint32_t p = json_first(w->doc, tuple), n = 0; p != JSON_NONE; p = json_next(w->doc, tuple, p)) {
      if (n++) buf_char(w->out, ',');
      write_node(w, p);
    }
    buf_lit(w->out, "]}");
  } else {
    write_node(w, items);
  }
  bool least = get(w, v, STR("minItems")) != JSON_NONE, most = get(w, v, STR("maxItems")) != JSON_NONE;
  if (count && !least) encode_u64(w->out, STR("minItems"), count);
  if (count && !most) encode_u64(w->out, STR("maxItems"), count);
}

static bool has_key(const struct json_doc *doc, uint32_t object, struct str raw_key) {
  for (uint32_t key = json_first(doc, object); key != JSON_NONE;
       key = json_next(doc, object, json_next(doc, object, key)))
    if (str_eq(json_raw(doc, key), raw_key)) return true;
  return false;
}

// Is this name among the properties of the layers before `layers`?
static bool has_property(const struct writing *w, const struct view *v, unsigned layers, struct str raw_key) {
  for (unsigned i = 0; i < layers; i++) {
    uint32_t properties = json_get(w->doc, v->nodes[i], STR("properties"));
    if (json_is(w->doc, properties, JSON_OBJECT) && has_key(w->doc, properties, raw_key)) return true;
  }
  return false;
}

static void write_properties(struct writing *w, const struct view *v) {
  size_t before = w->out->len;
  bool any = false;
  encode_object(w->out, STR("properties"));
  for (unsigned i = 0; i < v->count; i++) {
    uint32_t properties = json_get(w->doc, v->nodes[i], STR("properties"));
    for (uint32_t key = json_is(w->doc, properties, JSON_OBJECT) ? json_first(w->doc, properties) : JSON_NONE;
         key != JSON_NONE && spend(w);) {
      uint32_t value = json_next(w->doc, properties, key);
      if (!i || !has_property(w, v, i, json_raw(w->doc, key))) {
        if (any) buf_char(w->out, ',');
        buf_str(w->out, json_raw(w->doc, key));
        buf_char(w->out, ':');
        write_node(w, value);
        any = true;
      }
      key = json_next(w->doc, properties, value);
    }
  }
  buf_char(w->out, '}');
  if (!any) w->out->len = before;  // one without any is refused
}

static void write_required(struct writing *w, const struct view *v) {
  size_t before = w->out->len;
  bool any = false;
  encode_array(w->out, STR("required"));
  for (unsigned i = 0; i < v->count; i++) {
    uint32_t names = json_get(w->doc, v->nodes[i], STR("required"));
    for (uint32_t n = json_is(w->doc, names, JSON_ARRAY) ? json_first(w->doc, names) : JSON_NONE;
         n != JSON_NONE && spend(w); n = json_next(w->doc, names, n)) {
      if (!has_property(w, v, v->count, json_raw(w->doc, n))) continue;
      if (any) buf_char(w->out, ',');
      buf_str(w->out, json_raw(w->doc, n));
      any = true;
    }
  }
  buf_char(w->out, ']');
  if (!any) w->out->len = before;
}

static void write_kind(struct writing *w, const struct view *v, enum kind kind) {
  uint32_t format = get(w, v, STR("format")), values = get(w, v, STR("enum"));
  uint32_t fixed = values != JSON_NONE ? values : get(w, v, STR("const"));
  if (kind == KIND_NONE) kind = KIND_STRING;
  encode_plain(w->out, STR("type"), str_from_cstr(kind_words[kind]));
  if (v->told) write_description(w, v, STR("only"), kind == KIND_BOOLEAN ? fixed : JSON_NONE);
  if (v->nullable) encode_json(w->out, STR("nullable"), STR("true"));
  if (kind <= KIND_INTEGER) {
    if (is_known_format(w, format) && fixed == JSON_NONE) encode_json(w->out, STR("format"), json_raw(w->doc, format));
    write_enum(w, v, kind);
  }
  switch (kind) {
    case KIND_STRING:
      write_raw(w, v, STR("minLength"));
      write_raw(w, v, STR("maxLength"));
      write_raw(w, v, STR("pattern"));
      return;
    case KIND_NUMBER:
    case KIND_INTEGER:
      write_raw(w, v, STR("minimum"));
      write_raw(w, v, STR("maximum"));
      return;
    case KIND_ARRAY:
      write_items(w, v);
      write_raw(w, v, STR("minItems"));
      write_raw(w, v, STR("maxItems"));
      return;
    case KIND_OBJECT:
      write_properties(w, v);
      write_required(w, v);
      write_raw(w, v, STR("minProperties"));
      write_raw(w, v, STR("maxProperties"));
      return;
    default: return;
  }
}

// --- alternatives ---

static bool is_null(const struct writing *w, uint32_t schema) {
  return kind_of(w, json_get(w->doc, schema, STR("type"))) == KIND_NULL ||
         (json_get(w->doc, schema, STR("const")) != JSON_NONE &&
          json_type(w->doc, json_get(w->doc, schema, STR("const"))) == JSON_NULL);
}

// One of the alternatives, with what stands beside them. `alone`: it is the only one but null.
static void write_alternative(struct writing *w, const struct view *base, uint32_t node, bool alone) {
  struct view v = {.description = JSON_NONE, .nullable = alone && base->nullable};
  if (alone) v.description = base->description != JSON_NONE ? base->description : get_own(w, base, STR("description"));
  view_add(w, &v, node);
  v.own = v.told = v.count;
  for (unsigned i = 0; i < base->count && v.count < LAYERS; i++) v.nodes[v.count++] = base->nodes[i];
  if (alone) v.told = v.count;
  write_view(w, &v);
  view_end(w, &v);
}

static void write_alternatives(struct writing *w, const struct view *v, uint32_t list) {
  bool any = false;
  buf_char(w->out, '{');
  write_description(w, v, (struct str){0}, JSON_NONE);
  if (v->nullable) encode_json(w->out, STR("nullable"), STR("true"));
  encode_array(w->out, STR("anyOf"));
  for (uint32_t a = json_first(w->doc, list); a != JSON_NONE; a = json_next(w->doc, list, a)) {
    if (is_null(w, a)) continue;
    if (any) buf_char(w->out, ',');
    any = true;
    write_alternative(w, v, a, false);
  }
  buf_lit(w->out, "]}");
}

// {"type":["string","integer"]}
static void write_kinds(struct writing *w, const struct view *v, const enum kind *kinds, unsigned count) {
  struct view plain = *v;
  plain.nullable = false;
  plain.told = 0;
  buf_char(w->out, '{');
  write_description(w, v, (struct str){0}, JSON_NONE);
  if (v->nullable) encode_json(w->out, STR("nullable"), STR("true"));
  encode_array(w->out, STR("anyOf"));
  for (unsigned i = 0; i < count; i++) {
    if (i) buf_char(w->out, ',');
    buf_char(w->out, '{');
    write_kind(w, &plain, kinds[i]);
    buf_char(w->out, '}');
  }
  buf_lit(w->out, "]}");
}

// Looks at the types a value may have; the list holds those that are not null.
static unsigned kinds_of(const struct writing *w, struct view *v, enum kind *kinds) {
  uint32_t type = get(w, v, STR("type"));
  unsigned count = 0;
  if (!json_is(w->doc, type, JSON_ARRAY)) {
    enum kind kind = kind_of(w, type);
    v->nullable |= kind == KIND_NULL;
    if (kind != KIND_NONE && kind != KIND_NULL) kinds[count++] = kind;
    return count;
  }
  for (uint32_t t = json_first(w->doc, type); t != JSON_NONE; t = json_next(w->doc, type, t)) {
    enum kind kind = kind_of(w, t);
    bool seen = kind == KIND_NONE || kind == KIND_NULL;
    v->nullable |= kind == KIND_NULL;
    for (unsigned i = 0; i < count; i++) seen |= kinds[i] == kind;
    if (!seen) kinds[count++] = kind;
  }
  return count;
}

static bool lists_null(const struct writing *w, uint32_t list) {
  for (uint32_t e = json_is(w->doc, list, JSON_ARRAY) ? json_first(w->doc, list) : JSON_NONE; e != JSON_NONE;
       e = json_next(w->doc, list, e))
    if (json_type(w->doc, e) == JSON_NULL) return true;
  return false;
}

// The alternatives but null; *only is the last of them.
static unsigned count_alternatives(const struct writing *w, struct view *v, uint32_t list, uint32_t *only) {
  unsigned count = 0;
  for (uint32_t a = json_first(w->doc, list); a != JSON_NONE; a = json_next(w->doc, list, a)) {
    if (is_null(w, a)) {
      v->nullable = true;
      continue;
    }
    *only = a;
    count++;
  }
  return count;
}

static void write_typed(struct writing *w, struct view *v) {
  enum kind kinds[KIND_NULL];
  unsigned count = kinds_of(w, v, kinds);
  v->nullable |= lists_null(w, get(w, v, STR("enum")));
  if (count > 1) {
    write_kinds(w, v, kinds, count);
    return;
  }
  buf_char(w->out, '{');
  write_kind(w, v, count ? kinds[0] : kind_guess(w, v));
  buf_char(w->out, '}');
}

static void write_view(struct writing *w, const struct view *given) {
  struct view v = *given;
  uint32_t list = get_own(w, &v, STR("anyOf")), only = JSON_NONE;
  if (!spend(w) || w->depth == DEPTH) {
    buf_lit(w->out, "{\"type\":\"OBJECT\"}");
    return;
  }
  w->depth++;
  if (!json_is(w->doc, list, JSON_ARRAY)) list = get_own(w, &v, STR("oneOf"));
  if (!json_is(w->doc, list, JSON_ARRAY)) list = JSON_NONE;
  v.nullable |= json_type(w->doc, get_own(w, &v, STR("nullable"))) == JSON_TRUE;
  unsigned count = count_alternatives(w, &v, list, &only);
  if (count > 1)
    write_alternatives(w, &v, list);
  else if (count)
    write_alternative(w, &v, only, true);
  else
    write_typed(w, &v);
  w->depth--;
}

static void write_node(struct writing *w, uint32_t node) {
  struct view v = {.description = JSON_NONE};
  view_add(w, &v, node);
  v.own = v.told = v.count;
  write_view(w, &v);
  view_end(w, &v);
}

bool gemini_schema_write(struct buf *out, struct str schema, struct translation *t) {
  struct json_doc doc = {0};
  struct writing w = {.doc = &doc, .out = out, .arena = t->arena};
  enum json_error error = json_parse(&doc, schema, UINT32_MAX);
  if (error == JSON_OK)
    write_node(&w, 0);
  else
    buf_str(out, schema);  // a key twice: the provider shall say what it thinks of it
  json_doc_free(&doc);
  if (error == JSON_NO_MEMORY) return false;
  if (w.values > VALUES)
    return translation_refuse(t, FAULT_UNSUPPORTED,
                              STR("A JSON schema is too large for this model once its references are written out."));
  return true;
}
