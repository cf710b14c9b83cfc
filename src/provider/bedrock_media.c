#include "provider/bedrock_media.h"

#include <string.h>

#include "provider/bedrock_models.h"
#include "provider/encode.h"

enum { NAME_MAX_LEN = 180 };

// --- formats ---

struct format {
  const char *type, *format;
};

static const struct format images[] = {
    {"image/png", "png"}, {"image/jpeg", "jpeg"}, {"image/gif", "gif"}, {"image/webp", "webp"}, {0}};
static const struct format videos[] = {{"video/mp4", "mp4"},
                                       {"video/quicktime", "mov"},
                                       {"video/x-matroska", "mkv"},
                                       {"video/matroska", "mkv"},
                                       {"video/webm", "webm"},
                                       {"video/x-flv", "flv"},
                                       {"video/mpeg", "mpeg"},
                                       {"video/x-ms-wmv", "wmv"},
                                       {"video/3gpp", "three_gp"},
                                       {"video/x-ms-asf", "wmv"},
                                       {"video/mov", "mov"},
                                       {"video/mkv", "mkv"},
                                       {"video/flv", "flv"},
                                       {"video/mpg", "mpg"},
                                       {"video/wmv", "wmv"},
                                       {"video/three_gp", "three_gp"},
                                       {0}};
static const struct format audios[] = {
    {"audio/wav", "wav"},   {"audio/x-wav", "wav"}, {"audio/wave", "wav"},       {"audio/mp3", "mp3"},
    {"audio/mpeg", "mp3"},  {"audio/flac", "flac"}, {"audio/x-flac", "flac"},    {"audio/ogg", "ogg"},
    {"audio/opus", "opus"}, {"audio/aac", "aac"},   {"audio/x-aac", "x-aac"},    {"audio/mp4", "mp4"},
    {"audio/m4a", "m4a"},   {"audio/x-m4a", "m4a"}, {"audio/webm", "webm"},      {"audio/pcm", "pcm"},
    {"audio/pcm16", "pcm"}, {"audio/l16", "pcm"},   {"audio/x-matroska", "mka"}, {0}};
static const struct format documents[] = {
    {"application/pdf", "pdf"},
    {"text/csv", "csv"},
    {"application/csv", "csv"},
    {"text/html", "html"},
    {"text/markdown", "md"},
    {"text/x-markdown", "md"},
    {"application/msword", "doc"},
    {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"},
    {"application/vnd.ms-excel", "xls"},
    {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"},
    {"application/json", "txt"},
    {"application/xml", "txt"},
    {"application/yaml", "txt"},
    {"application/x-yaml", "txt"},
    {"application/javascript", "txt"},
    {0}};
static const char *const document_ends[] = {"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"};

static struct str format_of_type(const struct format *rows, struct str type) {
  for (; rows->type; rows++)
    if (str_eq_nocase(type, str_from_cstr(rows->type))) return str_from_cstr(rows->format);
  return (struct str){0};
}

// What stands behind the last dot of a name or an address, without a query.
static struct str ending(struct str name) {
  size_t query = str_find_char(name, '?', 0), at = name.len;
  if (query != SIZE_MAX) at = name.len = query;
  while (at && name.ptr[at - 1] != '.' && name.ptr[at - 1] != '/') at--;
  return at && name.ptr[at - 1] == '.' ? str_skip(name, at) : (struct str){0};
}

// "s3://bucket/key": Bedrock fetches it itself. {NULL,0}: the part is none of these.
static struct str s3_of(const struct part *p) {
  if (str_starts(p->url, STR("s3://"))) return p->url;
  if (str_starts(p->data, STR("s3://"))) return p->data;
  return str_starts(p->id, STR("s3://")) ? p->id : (struct str){0};
}

static struct str document_format(const struct part *p) {
  struct str type = encode_media_type(p), name = p->name.len ? p->name : s3_of(p);
  bool pdf = str_starts(p->data, STR("JVBERi0"));
  for (size_t i = 0; !pdf && i < sizeof document_ends / sizeof *document_ends; i++)
    if (str_eq_nocase(ending(name), str_from_cstr(document_ends[i]))) return str_from_cstr(document_ends[i]);
  if (!pdf && str_eq_nocase(ending(name), STR("htm"))) return STR("html");
  struct str format = format_of_type(documents, type);
  if (!format.len && str_starts_nocase(type, STR("text/"))) return STR("txt");
  return format;
}

static struct str format_of(const struct part *p) {
  const struct format *rows = p->kind == PART_IMAGE ? images : p->kind == PART_VIDEO ? videos : audios;
  if (p->kind == PART_FILE) return document_format(p);
  struct str format = format_of_type(rows, encode_media_type(p));
  if (format.len) return format;
  // Of a place in S3 only the name tells.
  char type[32];
  struct str end = ending(s3_of(p)), kind = p->kind == PART_IMAGE ? STR("image/") : STR("video/");
  if (p->kind == PART_AUDIO) kind = STR("audio/");
  if (!end.len || kind.len + end.len > sizeof type) return (struct str){0};
  memcpy(type, kind.ptr, kind.len);
  memcpy(type + kind.len, end.ptr, end.len);
  if (str_eq_nocase(end, STR("jpg"))) return STR("jpeg");
  return format_of_type(rows, str_from(type, kind.len + end.len));
}

unsigned bedrock_media_kind(const struct part *p) {
  static const char *const texts[] = {"csv", "html", "txt", "md"};
  switch (p->kind) {
    case PART_IMAGE: return BEDROCK_IMAGE;
    case PART_AUDIO:
    case PART_VIDEO: return BEDROCK_VIDEO;
    case PART_FILE: break;
    default: return 0;
  }
  struct str format = document_format(p);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (str_eq(format, str_from_cstr(texts[i]))) return BEDROCK_TEXT_DOCUMENT;
  return BEDROCK_DOCUMENT;
}

// --- names ---

static bool is_plain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Letters, digits, single spaces, hyphens, parentheses and brackets, without the ending.
static struct str plain_name(struct str name, struct arena *arena) {
  struct str end = ending(name);
  char *made = arena_alloc(arena, NAME_MAX_LEN + 1);
  size_t n = 0;
  bool blank = false;
  if (!made) return (struct str){0};
  if (end.len && end.len + 1 < name.len) name.len -= end.len + 1;
  for (size_t i = 0; i < name.len && n + 1 < NAME_MAX_LEN; i++) {
    char c = name.ptr[i];
    bool good = is_plain(c) || (c && strchr("-()[]", c));
    if (good && blank) made[n++] = ' ';
    if (good) made[n++] = c;
    blank = !good && n;
  }
  return n ? str_from(made, n) : STR("document");
}

static bool is_taken(const struct bedrock_documents *d, struct str name) {
  for (unsigned i = 0; i < d->count && i < BEDROCK_NAMES; i++)
    if (str_eq(d->names[i], name)) return true;
  return false;
}

// A name that is taken already has the document's number behind it.
static void write_document_name(const struct part *p, struct bedrock_documents *d, struct arena *arena,
                                struct buf *out) {
  struct str plain = plain_name(p->name, arena), name = plain;
  bool many = d->count >= BEDROCK_NAMES;  // those are not remembered
  for (unsigned number = d->count + 1; name.ptr && (is_taken(d, name) || (many && name.len == plain.len)); number++)
    name = arena_printf(arena, "%.*s %u", STR_ARGS(plain), number);
  if (d->count < BEDROCK_NAMES) d->names[d->count] = name;
  d->count++;
  encode_plain(out, STR("name"), name);
}

// --- blocks ---

static bool refuse_format(const struct part *p, struct translation *t) {
  if (p->kind == PART_IMAGE)
    return translation_refuse(t, FAULT_UNSUPPORTED, STR("Bedrock takes PNG, JPEG, GIF and WebP pictures only."));
  if (p->kind == PART_FILE)
    return translation_refuse(
        t, FAULT_UNSUPPORTED,
        STR("Bedrock takes PDF, Word, Excel, CSV, HTML, Markdown and text files only; this file is none of them."));
  return translation_refuse(t, FAULT_UNSUPPORTED, STR("Bedrock does not take this format of audio or video."));
}

static struct str member_of(const struct part *p) {
  switch (p->kind) {
    case PART_IMAGE: return STR("image");
    case PART_VIDEO: return STR("video");
    case PART_AUDIO: return STR("audio");
    default: return STR("document");
  }
}

bool bedrock_media_block(const struct part *p, struct bedrock_documents *so_far, struct translation *t,
                         struct buf *out) {
  struct str s3 = s3_of(p), format = format_of(p);
  if (!p->data.len && !s3.len)
    return translation_refuse(
        t, FAULT_UNSUPPORTED,
        STR("Bedrock takes images and files as data URLs, or as s3:// addresses: it fetches nothing else itself."));
  if (!format.len) return refuse_format(p, t);
  encode_element(out);
  encode_object(out, member_of(p));
  encode_plain(out, STR("format"), format);
  if (p->kind == PART_FILE) write_document_name(p, so_far, t->arena, out);
  encode_object(out, STR("source"));
  if (s3.len) {
    encode_object(out, STR("s3Location"));
    encode_plain(out, STR("uri"), s3);
    buf_char(out, '}');
  } else {
    encode_plain(out, STR("bytes"), p->data);
  }
  buf_char(out, '}');
  if (p->kind == PART_FILE && p->context.len) encode_inside(out, STR("context"), p->context);
  if (p->cited) buf_lit(out, ",\"citations\":{\"enabled\":true}");
  buf_lit(out, "}}");
  return true;
}
