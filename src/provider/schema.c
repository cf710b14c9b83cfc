#include "provider/schema.h"

#include "json/json.h"

enum { DEFINITIONS_MAX = 64 };  // more are not searched for a cycle: such a schema counts as one with a cycle

// What becomes of a keyword.
enum fate {
  FATE_TELL,     // a grammar cannot hold it: it is told in the description
  FATE_KEEP,     // as it is
  FATE_SCHEMA,   // its value is a schema
  FATE_SCHEMAS,  // its value holds schemas: an object's values, or an array's elements
  FATE_OURS,     // written here
  FATE_DROP,     // says nothing about the answer
};

static bool is_object_schema(const struct json_doc *doc, uint32_t schema) {
  uint32_t type = json_get(doc, schema, STR("type"));
  if (json_string_is(doc, type, STR("object")) || json_get(doc, schema, STR("properties")) != JSON_NONE) return true;
  for (uint32_t t = json_is(doc, type, JSON_ARRAY) ? json_first(doc, type) : JSON_NONE; t != JSON_NONE;
       t = json_next(doc, type, t))
    if (json_string_is(doc, t, STR("object"))) return true;
  return false;
}

static bool is_known_format(const struct json_doc *doc, uint32_t value) {
  static const struct str names[] = {{"date-time", 9}, {"time", 4}, {"date", 4}, {"duration", 8}, {"email", 5},
                                     {"hostname", 8},  {"uri", 3},  {"ipv4", 4}, {"ipv6", 4},     {"uuid", 4}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (json_string_is(doc, value, names[i])) return true;
  return false;
}

// Neither what looks around nor what looks back, nor long repetitions. `value` is still escaped.
static bool is_simple_pattern(const struct json_doc *doc, uint32_t value) {
  struct str text = json_raw(doc, value);
  unsigned repeat = 0, digits = 0;
  if (str_find(text, STR("(?"), 0) != SIZE_MAX) return false;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if (c == '{') repeat = 1;
    if (c == '}') repeat = 0;
    digits = repeat && c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > 2) return false;
    // A backslash of the pattern is written as two.
    if (c != '\\' || i + 2 >= text.len) continue;
    char next = text.ptr[i + 1] == '\\' ? text.ptr[i + 2] : 0;
    if (next == 'b' || next == 'B' || (next >= '1' && next <= '9')) return false;
    i += next ? 2 : 1;
  }
  return json_is(doc, value, JSON_STRING);
}

static enum fate fate_of(const struct json_doc *doc, uint32_t key, uint32_t value, bool object) {
  static const struct {
    struct str name;
    enum fate fate;
  } rows[] = {{{"type", 4}, FATE_KEEP},
              {{"enum", 4}, FATE_KEEP},
              {{"const", 5}, FATE_KEEP},
              {{"required", 8}, FATE_KEEP},
              {{"title", 5}, FATE_KEEP},
              {{"default", 7}, FATE_KEEP},
              {{"properties", 10}, FATE_SCHEMAS},
              {{"$defs", 5}, FATE_SCHEMAS},
              {{"definitions", 11}, FATE_SCHEMAS},
              {{"anyOf", 5}, FATE_SCHEMAS},
              {{"oneOf", 5}, FATE_SCHEMAS},
              {{"allOf", 5}, FATE_SCHEMAS},
              {{"items", 5}, FATE_SCHEMA},
              {{"description", 11}, FATE_OURS},
              {{"$schema", 7}, FATE_DROP},
              {{"$id", 3}, FATE_DROP},
              {{"$comment", 8}, FATE_DROP}};
  uint64_t n;
  if (json_string_is(doc, key, STR("minItems"))) return json_u64(doc, value, 1, &n) ? FATE_KEEP : FATE_TELL;
  if (json_string_is(doc, key, STR("pattern"))) return is_simple_pattern(doc, value) ? FATE_KEEP : FATE_TELL;
  if (json_string_is(doc, key, STR("format"))) return is_known_format(doc, value) ? FATE_KEEP : FATE_TELL;
  // Only a place in this schema can be looked up.
  if (json_string_is(doc, key, STR("$ref")))
    return str_starts(json_raw(doc, value), STR("\"#")) ? FATE_KEEP : FATE_TELL;
  if (json_string_is(doc, key, STR("additionalProperties")))
    return json_is(doc, value, JSON_OBJECT) && json_first(doc, value) != JSON_NONE ? FATE_TELL
           : object                                                                ? FATE_OURS
                                                                                   : FATE_DROP;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (json_string_is(doc, key, rows[i].name)) return rows[i].fate;
  return FATE_TELL;
}

static void write_schema(const struct json_doc *doc, uint32_t schema, struct buf *out);

// The values of an object, or the elements of an array, are schemas.
static void write_schemas(const struct json_doc *doc, uint32_t holder, struct buf *out) {
  bool object = json_is(doc, holder, JSON_OBJECT);
  if (!object && !json_is(doc, holder, JSON_ARRAY)) {
    buf_str(out, json_raw(doc, holder));
    return;
  }
  buf_char(out, object ? '{' : '[');
  for (uint32_t c = json_first(doc, holder), n = 0; c != JSON_NONE; c = json_next(doc, holder, c), n++) {
    if (n) buf_char(out, ',');
    if (object) {
      buf_str(out, json_raw(doc, c));
      buf_char(out, ':');
      c = json_next(doc, holder, c);
    }
    write_schema(doc, c, out);
  }
  buf_char(out, object ? '}' : ']');
}

static void write_member(const struct json_doc *doc, uint32_t key, uint32_t value, enum fate fate, struct buf *out) {
  if (out->len && out->ptr[out->len - 1] != '{') buf_char(out, ',');
  // Of alternatives that exclude each other a grammar knows only that there are some.
  if (json_string_is(doc, key, STR("oneOf")))
    buf_lit(out, "\"anyOf\"");
  else
    buf_str(out, json_raw(doc, key));
  buf_char(out, ':');
  if (fate == FATE_SCHEMAS)
    write_schemas(doc, value, out);
  else if (fate == FATE_SCHEMA)
    write_schema(doc, value, out);
  else
    buf_str(out, json_raw(doc, value));
}

// JSON as a piece of a JSON string.
static void write_told(struct str json, struct buf *out) {
  for (size_t i = 0; i < json.len; i++) {
    unsigned char c = (unsigned char)json.ptr[i];
    if (c == '"' || c == '\\') buf_char(out, '\\');
    buf_char(out, c < ' ' ? ' ' : (char)c);
  }
}

// The description, with what was taken out: "minimum: 1, maximum: 9".
static void write_description(const struct json_doc *doc, uint32_t schema, bool object, bool told, struct buf *out) {
  struct str given = json_raw(doc, json_get(doc, schema, STR("description")));
  bool text = given.len > 2 && given.ptr[0] == '"', first = true;
  if (!text && !told) return;
  json_write_key(out, STR("description"));
  buf_char(out, '"');
  if (text) buf_append(out, given.ptr + 1, given.len - 2);
  if (text && told) buf_char(out, ' ');
  if (told) buf_char(out, '(');
  for (uint32_t key = json_first(doc, schema); key != JSON_NONE;) {
    uint32_t value = json_next(doc, schema, key);
    if (fate_of(doc, key, value, object) == FATE_TELL) {
      struct str name = json_raw(doc, key);
      if (!first) buf_lit(out, ", ");
      buf_append(out, name.ptr + 1, name.len - 2);
      buf_lit(out, ": ");
      write_told(json_raw(doc, value), out);
      first = false;
    }
    key = json_next(doc, schema, value);
  }
  if (told) buf_char(out, ')');
  buf_char(out, '"');
}

static void write_schema(const struct json_doc *doc, uint32_t schema, struct buf *out) {
  if (!json_is(doc, schema, JSON_OBJECT)) {  // true, false
    buf_str(out, json_raw(doc, schema));
    return;
  }
  bool object = is_object_schema(doc, schema), told = false;
  buf_char(out, '{');
  for (uint32_t key = json_first(doc, schema); key != JSON_NONE;) {
    uint32_t value = json_next(doc, schema, key);
    enum fate fate = fate_of(doc, key, value, object);
    told |= fate == FATE_TELL;
    if (fate == FATE_KEEP || fate == FATE_SCHEMA || fate == FATE_SCHEMAS) write_member(doc, key, value, fate, out);
    key = json_next(doc, schema, value);
  }
  write_description(doc, schema, object, told, out);
  if (object) {
    json_write_key(out, STR("additionalProperties"));
    buf_lit(out, "false");
  }
  buf_char(out, '}');
}

bool schema_write_strict(struct buf *out, struct str schema) {
  struct json_doc doc = {0};
  enum json_error error = json_parse(&doc, schema, UINT32_MAX);
  if (error == JSON_OK)
    write_schema(&doc, 0, out);
  else
    buf_str(out, schema);  // a key twice: the provider shall say what it thinks of it
  json_doc_free(&doc);
  return error != JSON_NO_MEMORY;
}

// --- cycles ---

struct definitions {
  const struct json_doc *doc;
  uint32_t keys[DEFINITIONS_MAX], values[DEFINITIONS_MAX];
  unsigned count;
  bool too_many;
  enum { UNSEEN, OPEN, DONE } state[DEFINITIONS_MAX];
};

static void definitions_add(struct definitions *d, struct str name) {
  uint32_t holder = json_get(d->doc, 0, name);
  for (uint32_t key = json_is(d->doc, holder, JSON_OBJECT) ? json_first(d->doc, holder) : JSON_NONE;
       key != JSON_NONE;) {
    uint32_t value = json_next(d->doc, holder, key);
    if (d->count == DEFINITIONS_MAX) {
      d->too_many = true;
      return;
    }
    d->keys[d->count] = key;
    d->values[d->count++] = value;
    key = json_next(d->doc, holder, value);
  }
}

// The definition a "$ref" leads to; `count`: none. *whole: it is the whole schema.
static unsigned definition_of(const struct definitions *d, uint32_t reference, bool *whole) {
  struct str path = json_raw(d->doc, reference);
  *whole = str_eq(path, STR("\"#\"")) || str_eq(path, STR("\"#/\""));
  size_t slash = SIZE_MAX;
  for (size_t i = 0; i < path.len; i++)
    if (path.ptr[i] == '/') slash = i;
  if (!str_starts(path, STR("\"#/")) || slash == SIZE_MAX) return d->count;
  struct str name = str_from(path.ptr + slash + 1, path.len - slash - 2);
  for (unsigned i = 0; i < d->count; i++)
    if (json_string_is(d->doc, d->keys[i], name)) return i;
  return d->count;
}

// Does anything in [from, to) of the nodes lead back to a definition that is open? At most DEFINITIONS_MAX calls deep.
static bool leads_back(struct definitions *d, uint32_t from, uint32_t to) {
  for (uint32_t i = from; i + 1 < to; i++) {
    bool whole;
    if (!json_string_is(d->doc, i, STR("$ref")) || !json_is(d->doc, i + 1, JSON_STRING)) continue;
    unsigned at = definition_of(d, i + 1, &whole);
    if (whole) return true;
    if (at == d->count || d->state[at] == DONE) continue;
    if (d->state[at] == OPEN) return true;
    d->state[at] = OPEN;
    uint32_t value = d->values[at];
    if (leads_back(d, value, d->doc->nodes[value].next)) return true;
    d->state[at] = DONE;
  }
  return false;
}

bool schema_is_recursive(struct str schema, bool *no_memory) {
  struct json_doc doc = {0};
  enum json_error error = json_parse(&doc, schema, UINT32_MAX);
  if (error == JSON_NO_MEMORY) *no_memory = true;
  struct definitions d = {.doc = &doc};
  bool recursive = false;
  if (error == JSON_OK) {
    definitions_add(&d, STR("$defs"));
    definitions_add(&d, STR("definitions"));
    recursive = d.too_many || leads_back(&d, 0, doc.count);
  }
  json_doc_free(&doc);
  return recursive;
}
