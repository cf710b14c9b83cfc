#include "provider/schema.h"

#include "json/json.h"

// Keywords a grammar cannot hold.
static bool is_bound(const struct json_doc *doc, uint32_t key, uint32_t value) {
  static const struct str names[] = {{"minimum", 7},           {"maximum", 7},        {"exclusiveMinimum", 16},
                                     {"exclusiveMaximum", 16}, {"multipleOf", 10},    {"minLength", 9},
                                     {"maxLength", 9},         {"maxItems", 8},       {"uniqueItems", 11},
                                     {"minProperties", 13},    {"maxProperties", 13}, {"patternProperties", 17},
                                     {"propertyNames", 13}};
  uint64_t n;
  if (json_string_is(doc, key, STR("minItems"))) return !json_u64(doc, value, 1, &n);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (json_string_is(doc, key, names[i])) return true;
  return false;
}

static bool is_object_schema(const struct json_doc *doc, uint32_t schema) {
  uint32_t type = json_get(doc, schema, STR("type"));
  if (json_string_is(doc, type, STR("object")) || json_get(doc, schema, STR("properties")) != JSON_NONE) return true;
  for (uint32_t t = json_is(doc, type, JSON_ARRAY) ? json_first(doc, type) : JSON_NONE; t != JSON_NONE;
       t = json_next(doc, type, t))
    if (json_string_is(doc, t, STR("object"))) return true;
  return false;
}

static void write_schema(const struct json_doc *doc, uint32_t schema, struct buf *out);

// The values of an object, or the elements of an array, are schemas.
static void write_schemas(const struct json_doc *doc, uint32_t holder, struct buf *out) {
  bool object = json_is(doc, holder, JSON_OBJECT);
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

static void write_member(const struct json_doc *doc, uint32_t key, uint32_t value, struct buf *out) {
  static const struct str nested[] = {{"properties", 10}, {"$defs", 5}, {"definitions", 11}, {"anyOf", 5},
                                      {"oneOf", 5},       {"allOf", 5}, {"prefixItems", 11}};
  if (out->len && out->ptr[out->len - 1] != '{') buf_char(out, ',');
  buf_str(out, json_raw(doc, key));
  buf_char(out, ':');
  for (size_t i = 0; i < sizeof nested / sizeof *nested; i++) {
    if (!json_string_is(doc, key, nested[i])) continue;
    write_schemas(doc, value, out);
    return;
  }
  if (json_string_is(doc, key, STR("items")) || json_string_is(doc, key, STR("not")))
    write_schema(doc, value, out);
  else
    buf_str(out, json_raw(doc, value));
}

// The description, with the bounds that were taken out: "minimum: 1, maximum: 9".
static void write_description(const struct json_doc *doc, uint32_t schema, bool bounds, struct buf *out) {
  struct str given = json_raw(doc, json_get(doc, schema, STR("description")));
  bool text = given.len > 2 && given.ptr[0] == '"', first = true;
  if (!text && !bounds) return;
  json_write_key(out, STR("description"));
  buf_char(out, '"');
  if (text) buf_append(out, given.ptr + 1, given.len - 2);
  if (text && bounds) buf_char(out, ' ');
  if (bounds) buf_char(out, '(');
  for (uint32_t key = json_first(doc, schema); key != JSON_NONE;) {
    uint32_t value = json_next(doc, schema, key);
    if (is_bound(doc, key, value)) {
      struct str name = json_raw(doc, key), bound = json_raw(doc, value);
      if (!first) buf_lit(out, ", ");
      buf_append(out, name.ptr + 1, name.len - 2);
      buf_lit(out, ": ");
      for (size_t i = 0; i < bound.len; i++) {
        if (bound.ptr[i] == '"' || bound.ptr[i] == '\\') buf_char(out, '\\');
        buf_char(out, (unsigned char)bound.ptr[i] < ' ' ? ' ' : bound.ptr[i]);
      }
      first = false;
    }
    key = json_next(doc, schema, value);
  }
  if (bounds) buf_char(out, ')');
  buf_char(out, '"');
}

static void write_schema(const struct json_doc *doc, uint32_t schema, struct buf *out) {
  if (!json_is(doc, schema, JSON_OBJECT)) {  // true, false
    buf_str(out, json_raw(doc, schema));
    return;
  }
  bool object = is_object_schema(doc, schema), bounds = false;
  buf_char(out, '{');
  for (uint32_t key = json_first(doc, schema); key != JSON_NONE;) {
    uint32_t value = json_next(doc, schema, key);
    bool bound = is_bound(doc, key, value);
    bounds |= bound;
    bool ours = json_string_is(doc, key, STR("description")) ||
                (object && json_string_is(doc, key, STR("additionalProperties")));
    if (!bound && !ours) write_member(doc, key, value, out);
    key = json_next(doc, schema, value);
  }
  write_description(doc, schema, bounds, out);
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
