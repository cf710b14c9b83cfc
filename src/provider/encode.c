#include "provider/encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "json/escape.h"
#include "json/utf8.h"

// --- members ---

void encode_inside(struct buf *out, struct str key, struct str inside) {
  json_write_key(out, key);
  buf_char(out, '"');
  buf_str(out, inside);
  buf_char(out, '"');
}

void encode_plain(struct buf *out, struct str key, struct str plain) {
  json_write_key(out, key);
  json_write_str(out, plain);
}

void encode_json(struct buf *out, struct str key, struct str json) {
  json_write_key(out, key);
  buf_str(out, json);
}

void encode_u64(struct buf *out, struct str key, uint64_t value) {
  json_write_key(out, key);
  buf_u64(out, value);
}

void encode_object(struct buf *out, struct str key) {
  json_write_key(out, key);
  buf_char(out, '{');
}

void encode_array(struct buf *out, struct str key) {
  json_write_key(out, key);
  buf_char(out, '[');
}

void encode_element(struct buf *out) {
  if (out->len && out->ptr[out->len - 1] != '[') buf_char(out, ',');
  buf_char(out, '{');
}

void encode_path(struct buf *out, struct str text, const char *also) {
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.ptr[i];
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 (c && (strchr("-._~", c) || strchr(also, c)));
    if (plain)
      buf_char(out, (char)c);
    else
      buf_printf(out, "%%%02X", c);
  }
}

// --- numbers ---

static double value_of(struct str number) {
  char text[64];
  size_t n = number.len < sizeof text - 1 ? number.len : sizeof text - 1;
  memcpy(text, number.ptr, n);
  text[n] = 0;
  return strtod(text, NULL);
}

bool encode_number_is(struct str number, double value) {
  return number.len && value_of(number) == value;
}

// What the client calls a number that the provider calls `key`.
static struct str member_of(struct str key) {
  static const char *const rows[][2] = {{"p", "top_p"},
                                        {"topP", "top_p"},
                                        {"k", "top_k"},
                                        {"topK", "top_k"},
                                        {"random_seed", "seed"},
                                        {"presencePenalty", "presence_penalty"},
                                        {"frequencyPenalty", "frequency_penalty"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (str_eq(key, str_from_cstr(rows[i][0]))) return str_from_cstr(rows[i][1]);
  return key;
}

void encode_number(struct buf *out, struct str key, struct str number, double min, double max, struct translation *t) {
  if (!number.len) return;
  double value = value_of(number);
  json_write_key(out, key);
  if (value >= min && value <= max) {
    buf_str(out, number);
    return;
  }
  buf_printf(out, "%.16g", value < min ? min : max);
  translation_drop(t, member_of(key));
}

// --- texts ---

bool encode_decode(struct str inside, struct arena *arena, struct str *out) {
  char *bytes = arena_alloc(arena, inside.len + 4);
  size_t n = 0;
  if (!bytes) return false;
  if (!inside.len) inside = STR("");
  for (const char *p = inside.ptr, *end = p + inside.len; p < end;) {
    if (*p != '\\') {
      bytes[n++] = *p++;
      continue;
    }
    unsigned len = escape_decode(&p, end, bytes + n);
    if (escape_is_lone(bytes + n, len)) return false;
    n += len;
  }
  *out = str_from(bytes, n);
  return true;
}

// How long the white space at p is: itself, or an escape of it; 0: it is none.
static size_t blank_at(const char *p, const char *end) {
  if (*p == ' ') return 1;
  return end - p >= 2 && *p == '\\' && strchr("nrtf", p[1]) ? 2 : 0;
}

bool encode_is_blank(struct str inside) {
  if (!inside.len) return true;
  const char *p = inside.ptr, *end = p + inside.len;
  for (size_t n; p < end && (n = blank_at(p, end));) p += n;
  return p == end;
}

struct str encode_trim_end(struct str inside) {
  if (!inside.len) return inside;
  // Escapes can only be told from the front.
  size_t keep = 0;
  for (const char *p = inside.ptr, *end = p + inside.len; p < end;) {
    size_t blank = blank_at(p, end);
    p += blank ? blank : *p == '\\' ? 2 : 1;
    if (!blank) keep = (size_t)(p - inside.ptr);
  }
  return str_from(inside.ptr, keep);
}

bool encode_arguments(struct buf *out, struct str inside, struct arena *arena) {
  struct str text;
  struct json_doc doc = {0};
  if (!encode_decode(inside, arena, &text)) text = (struct str){0};
  text = str_trim(text);
  if (!text.len || str_eq(text, STR("null"))) {
    if (encode_is_blank(inside) || text.len)
      buf_lit(out, "{}");
    else
      buf_lit(out, "{\"input\":\"\"}");  // half a surrogate pair: no JSON can hold it
    return true;
  }
  enum json_error error = json_parse(&doc, text, 0);
  bool object = error == JSON_OK && json_is(&doc, 0, JSON_OBJECT);
  json_doc_free(&doc);
  if (error == JSON_NO_MEMORY) return false;
  if (object) {
    buf_str(out, text);
  } else {
    buf_lit(out, "{\"input\":\"");
    buf_str(out, inside);
    buf_lit(out, "\"}");
  }
  return true;
}

// --- IDs ---

static bool in_alphabet(struct str id, struct encode_alphabet alphabet) {
  if (id.len < alphabet.min || id.len > alphabet.max) return false;
  for (size_t i = 0; i < id.len; i++) {
    char c = id.ptr[i];
    bool good =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr(alphabet.more, c));
    if (!good) return false;
  }
  return true;
}

struct str encode_id(struct str id, struct encode_alphabet alphabet, struct arena *arena) {
  static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  if (in_alphabet(id, alphabet)) return id;
  size_t len = alphabet.min > 1 ? alphabet.min : 24;
  char *made = arena_alloc(arena, len);
  if (!made) return (struct str){0};
  // FNV-1a from two starts, then the digits of both: enough that no two IDs of a conversation meet.
  uint64_t h[2] = {14695981039346656037u, 1099511628211u * 7};
  for (size_t i = 0; i < id.len; i++)
    for (int k = 0; k < 2; k++) h[k] = (h[k] ^ (unsigned char)id.ptr[i]) * 1099511628211u;
  for (int k = 0; k < 2; k++) h[k] ^= h[k] >> 29, h[k] *= 0xBF58476D1CE4E5B9u, h[k] ^= h[k] >> 32;
  for (size_t i = 0; i < len; i++) {
    made[i] = letters[h[i & 1] % 62];
    h[i & 1] /= 62;
    if (!h[i & 1]) h[i & 1] = 0x9E3779B97F4A7C15u;
  }
  return str_from(made, len);
}

// --- media ---

static bool is_utf8(struct str s) {
  if (!s.len) return true;
  for (const char *p = s.ptr, *end = p + s.len; p < end;) {
    unsigned len = (unsigned char)*p < 0x80 ? 1 : utf8_length(p, end);
    if (!len) return false;
    p += len;
  }
  return true;
}

struct str encode_media_type(const struct part *part) {
  static const struct {
    struct str start, type;
  } rows[] = {{{"iVBORw0KGgo", 11}, {"image/png", 9}},
              {{"/9j/", 4}, {"image/jpeg", 10}},
              {{"R0lGOD", 6}, {"image/gif", 9}},
              {{"UklGR", 5}, {"image/webp", 10}},
              {{"JVBERi0", 7}, {"application/pdf", 15}}};
  struct str declared = part->media_type;
  bool guess = part->kind == PART_IMAGE || (part->kind == PART_FILE && !str_starts(declared, STR("text/")));
  for (size_t i = 0; guess && i < sizeof rows / sizeof *rows; i++)
    if (str_starts(part->data, rows[i].start)) return rows[i].type;
  if (str_eq(declared, STR("image/jpg"))) return STR("image/jpeg");
  if (str_eq(declared, STR("application/x-pdf"))) return STR("application/pdf");
  return declared;
}

void encode_media_url(struct buf *out, struct str key, const struct part *part, struct arena *arena) {
  struct str url = part->url;
  if (!url.len)
    url = arena_printf(arena, "data:%.*s;base64,%.*s", STR_ARGS(encode_media_type(part)), STR_ARGS(part->data));
  encode_plain(out, key, url);
}

bool encode_media_is(const struct part *part, struct str prefix) {
  return str_starts(encode_media_type(part), prefix);
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct str encode_base64(struct str bytes, struct arena *arena) {
  char *text = arena_alloc(arena, bytes.len / 3 * 4 + 4);
  size_t n = 0;
  if (!text) return (struct str){0};
  for (size_t i = 0; i < bytes.len; i += 3) {
    size_t left = bytes.len - i;
    const unsigned char *p = (const unsigned char *)bytes.ptr + i;
    uint32_t group = (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0) | (left > 2 ? p[2] : 0);
    text[n++] = digits[group >> 18];
    text[n++] = digits[group >> 12 & 63];
    text[n++] = left > 1 ? digits[group >> 6 & 63] : '=';
    text[n++] = left > 2 ? digits[group & 63] : '=';
  }
  return str_from(text, n);
}

struct str encode_unbase64(struct str text, struct arena *arena) {
  unsigned char *bytes = arena_alloc(arena, text.len / 4 * 3 + 4);
  size_t n = 0;
  uint32_t group = 0;
  unsigned have = 0;
  if (!bytes) return (struct str){0};
  for (size_t i = 0; i < text.len; i++) {
    char c = text.ptr[i];
    if (c == '=') break;
    if (c == '\n' || c == '\r' || c == ' ') continue;
    const char *at = c ? strchr(digits, c == '-' ? '+' : c == '_' ? '/' : c) : NULL;
    if (!at) return (struct str){0};
    group = group << 6 | (uint32_t)(at - digits);
    if (++have < 4) continue;
    bytes[n++] = (unsigned char)(group >> 16);
    bytes[n++] = (unsigned char)(group >> 8);
    bytes[n++] = (unsigned char)group;
    group = have = 0;
  }
  if (have == 1) return (struct str){0};
  if (have >= 2) bytes[n++] = (unsigned char)(group >> (have == 2 ? 4 : 10));
  if (have == 3) bytes[n++] = (unsigned char)(group >> 2);
  return str_from((char *)bytes, n);
}

struct str encode_escape(struct str plain, struct arena *arena) {
  struct str made = {0};
  struct buf text;
  buf_init(&text, LIMIT_REPLY_BODY);
  json_write_str(&text, plain);
  if (text.failed)
    arena->failed = true;
  else
    made = arena_str(arena, str_from(text.ptr + 1, text.len - 2));
  buf_free(&text);
  return made;
}

struct str encode_text_file(const struct part *part, struct arena *arena) {
  struct str bytes = encode_unbase64(part->data, arena);
  if (!bytes.ptr || !is_utf8(bytes)) return (struct str){0};
  return encode_escape(bytes, arena);
}

static bool is_text_type(struct str type) {
  static const char *const types[] = {"application/json", "application/xml", "application/yaml", "application/x-yaml"};
  if (str_starts(type, STR("text/")) || str_ends(type, STR("+json")) || str_ends(type, STR("+xml"))) return true;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (str_eq(type, str_from_cstr(types[i]))) return true;
  return false;
}

struct str encode_file_as_text(const struct part *part, struct arena *arena) {
  if (part->kind != PART_FILE || !part->data.len || !is_text_type(encode_media_type(part))) return (struct str){0};
  struct str text = encode_text_file(part, arena), name = encode_escape(part->name, arena);
  if (!text.ptr || !part->name.len || !name.ptr) return text;
  return arena_printf(arena, "%.*s:\\n\\n%.*s", STR_ARGS(name), STR_ARGS(text));
}

bool encode_parse(struct json_doc *doc, struct str text, unsigned depth, struct translation *t) {
  enum json_error error = json_parse(doc, text, depth);
  if (error == JSON_NO_MEMORY) t->no_memory = true;
  return error == JSON_OK;
}

bool encode_is_media(const struct part *part) {
  return part->kind == PART_IMAGE || part->kind == PART_FILE || part->kind == PART_AUDIO || part->kind == PART_VIDEO;
}

bool encode_system_is_text(const struct conversation *c, struct translation *t) {
  for (size_t i = 0; i < c->turn_count; i++)
    for (size_t p = 0; c->turns[i].role == ROLE_SYSTEM && p < c->turns[i].count; p++)
      if (c->turns[i].parts[p].kind != PART_TEXT && c->turns[i].parts[p].kind != PART_REFUSAL)
        return translation_refuse(
            t, FAULT_UNSUPPORTED,
            STR("This provider takes only text from the system. Send pictures and files in a user message."));
  return true;
}

struct str encode_parameters(struct str schema, struct translation *t) {
  struct json_doc doc = {0};
  bool parsed = schema.len && encode_parse(&doc, schema, 1, t);
  bool empty = !parsed || json_first(&doc, 0) == JSON_NONE;
  bool typed = !empty && json_get(&doc, 0, STR("type")) != JSON_NONE;
  json_doc_free(&doc);
  if (empty) return STR("{\"type\":\"object\",\"properties\":{}}");
  return typed ? schema : arena_printf(t->arena, "{\"type\":\"object\",%.*s", STR_ARGS(str_skip(schema, 1)));
}

bool encode_is_object(struct str inside, struct translation *t, struct str *object) {
  struct json_doc doc = {0};
  if (!encode_decode(inside, t->arena, object)) return false;
  *object = str_trim(*object);
  bool is = encode_parse(&doc, *object, 0, t) && json_is(&doc, 0, JSON_OBJECT);
  json_doc_free(&doc);
  return is;
}

bool encode_done(const struct translation *t, const struct buf *out) {
  return !t->no_memory && !t->arena->failed && !out->failed;
}

static const struct encode_native *find_native(const struct encode_native *known, size_t count, struct str name) {
  for (size_t i = 0; i < count; i++)
    if (str_eq(name, str_from_cstr(known[i].name))) return &known[i];
  return NULL;
}

const struct extra *encode_extra_find(const struct conversation *c, struct str name) {
  for (size_t i = 0; i < c->extra_count; i++)
    if (str_eq(c->extra[i].name, name)) return &c->extra[i];
  return NULL;
}

void encode_extra(struct buf *out, const struct conversation *c, struct translation *t,
                  const struct encode_native *known, size_t count) {
  for (size_t i = 0; i < c->extra_count; i++) {
    const struct extra *extra = &c->extra[i];
    const struct encode_native *row = find_native(known, count, extra->name);
    if (row && row->native && !*row->native) continue;
    if (row)
      encode_json(out, str_from_cstr(row->native ? row->native : row->name), extra->json);
    else if (!extra->idle)
      translation_drop(t, extra->name);
  }
}

void encode_note_extra(const struct conversation *c, struct translation *t) {
  encode_extra(NULL, c, t, NULL, 0);
}

void encode_note_native_tools(const struct conversation *c, struct translation *t) {
  if (c->native_count) translation_drop(t, STR("tools"));
}

void encode_note_web_search(const struct conversation *c, struct translation *t) {
  if (c->web_search.asked_by.len) translation_drop(t, c->web_search.asked_by);
}

void encode_note_logprobs(const struct conversation *c, struct translation *t) {
  if (c->logprobs) translation_drop(t, STR("logprobs"));
  if (c->top_logprobs) translation_drop(t, STR("top_logprobs"));
}

bool encode_names_function(const struct conversation *c) {
  for (size_t i = 0; c->choice == CHOICE_NAMED && i < c->tool_count; i++)
    if (str_eq(c->tools[i].name, c->choice_name)) return true;
  return false;
}
