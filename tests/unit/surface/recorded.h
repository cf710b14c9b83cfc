// Recorded exchanges of real providers, from ../shared/fixtures (SIGNALBOX_RECORDED names another place). They are
// other people's and not part of this repository; MANIFEST.md beside them says what each file is.
#pragma once
#include <dirent.h>
#include <libfyaml.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "dialect_run.h"

// libfyaml itself loses a little when it looks up a path.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);
const char *__lsan_default_suppressions(void) {
  return "leak:libfyaml.so\n";
}
const char *__lsan_default_options(void) {
  return "print_suppressions=0";
}

struct recorded {
  const char *file;  // its path
  const char *url;   // asked; NULL where the file holds only what was answered
  unsigned status;
  struct str request, reply;  // bodies; an empty request: not recorded
};

static inline const char *recorded_root(void) {
  const char *named = getenv("SIGNALBOX_RECORDED");
  return named ? named : "../shared/fixtures";
}

static inline bool recorded_there(void) {
  DIR *there = opendir(recorded_root());
  if (!there) {
    printf("# no recordings at %s\n", recorded_root());
    return false;
  }
  closedir(there);
  return true;
}

// What a provider's stream looks like from its first byte on.
static inline bool recorded_is_stream(const struct recorded *r) {
  struct str s = r->reply;
  bool frames = s.len > 12 && !s.ptr[0] && !s.ptr[1] && (unsigned char)s.ptr[2] < 0x20 && strstr(r->file, "bedrock");
  return frames || str_starts(s, STR("data:")) || str_starts(s, STR("event:")) || str_starts(s, STR(":"));
}

// --- bodies in YAML ---

static inline char *recorded_scalar(struct fy_node *node, const char *path, size_t *len) {
  struct fy_node *found = node ? fy_node_by_path(node, path, FY_NT, FYNWF_DONT_FOLLOW) : NULL;
  const char *text = found && fy_node_is_scalar(found) ? fy_node_get_scalar(found, len) : NULL;
  return text ? str_dup(str_from(text, *len)) : NULL;
}

static inline char *recorded_unbase64(char *packed, size_t *len) {
  size_t packed_len = *len;
  *len = 0;
  for (size_t i = 0; i < packed_len; i++)
    if ((unsigned char)packed[i] > ' ') packed[(*len)++] = packed[i];
  unsigned char *plain = malloc(*len + 4);
  int n = EVP_DecodeBlock(plain, (unsigned char *)packed, (int)*len);
  while (n > 0 && *len && packed[*len - 1] == '=') n--, --*len;
  free(packed);
  *len = n > 0 ? (size_t)n : 0;
  return (char *)plain;
}

// The gateway asks for bodies as they are; some recorders did not.
static inline char *recorded_unzipped(char *body, size_t *len) {
  enum { ROOM = 1 << 20 };
  if (!body || *len < 2 || body[0] != '\x1f' || body[1] != '\x8b') return body;
  z_stream z = {.next_in = (Bytef *)body, .avail_in = (uInt)*len, .avail_out = ROOM};
  char *plain = malloc(ROOM);
  z.next_out = (Bytef *)plain;
  inflateInit2(&z, 31);
  inflate(&z, Z_FINISH);
  *len = z.total_out;
  inflateEnd(&z);
  free(body);
  return plain;
}

// A body: text as it was, base64 of it, or JSON that was taken apart and is put together again.
static inline char *recorded_body(struct fy_node *message, size_t *len) {
  static const char *const texts[] = {"/body/string", "/body"};
  struct fy_node *parsed = fy_node_by_path(message, "/parsed_body", FY_NT, FYNWF_DONT_FOLLOW);
  *len = 0;
  if (parsed) {
    char *json = fy_emit_node_to_string(parsed, FYECF_MODE_JSON_ONELINE | FYECF_WIDTH_INF);
    *len = json ? strlen(json) : 0;
    return json;
  }
  char *packed = recorded_scalar(message, "/body/base64_string", len);
  if (packed) return recorded_unzipped(recorded_unbase64(packed, len), len);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char *text = recorded_scalar(message, texts[i], len);
    size_t tag_len = 0;
    if (!text) continue;
    const char *tag = fy_node_get_tag(fy_node_by_path(message, texts[i], FY_NT, FYNWF_DONT_FOLLOW), &tag_len);
    bool binary = tag && str_ends(str_from(tag, tag_len), STR("binary"));
    return recorded_unzipped(binary ? recorded_unbase64(text, len) : text, len);
  }
  return NULL;
}

// --- files ---

struct recorded_walk {
  void (*on_exchange)(const struct recorded *r);
  const char *file;
};

static inline void recorded_interaction(const struct recorded_walk *w, struct fy_node *node) {
  static const char *const codes[] = {"/response/status/code", "/response/code"};
  struct recorded r = {.file = w->file, .status = 200};
  size_t len = 0;
  char *url = recorded_scalar(node, "/request/uri", &len);
  if (!url) url = recorded_scalar(node, "/request/url", &len);
  for (int i = 0; i < 2; i++) {
    char *code = recorded_scalar(node, codes[i], &len);
    if (code) r.status = (unsigned)strtoul(code, NULL, 10);
    free(code);
  }
  char *request = recorded_body(fy_node_by_path(node, "/request", FY_NT, FYNWF_DONT_FOLLOW), &len);
  r.request = request ? str_from(request, len) : (struct str){0};
  char *reply = recorded_body(fy_node_by_path(node, "/response", FY_NT, FYNWF_DONT_FOLLOW), &len);
  r.reply = reply ? str_from(reply, len) : (struct str){0};
  r.url = url;
  w->on_exchange(&r);
  free(url);
  free(request);
  free(reply);
}

static inline void recorded_yaml(const struct recorded_walk *w) {
  struct fy_document *doc = fy_document_build_from_file(NULL, w->file);
  if (!doc) fail_msg("%s cannot be read", w->file);
  struct fy_node *list = fy_node_by_path(fy_document_root(doc), "/interactions", FY_NT, FYNWF_DONT_FOLLOW);
  if (!list) list = fy_node_by_path(fy_document_root(doc), "/http_interactions", FY_NT, FYNWF_DONT_FOLLOW);
  for (int i = 0; list && i < fy_node_sequence_item_count(list); i++)
    recorded_interaction(w, fy_node_sequence_get_by_index(list, i));
  fy_document_destroy(doc);
}

// One payload a line, without its framing.
static inline void recorded_lines(const struct recorded_walk *w, struct str text) {
  struct buf events;
  struct str line;
  bool frames = strstr(w->file, "bedrock") != NULL, chat = str_find(text, STR("\"choices\":"), 0) < 400;
  buf_init(&events, 1 << 26);
  while (str_split(&text, '\n', &line)) {
    if (!line.len) continue;
    if (!frames) {
      buf_lit(&events, "data: ");
      buf_str(&events, line);
      buf_lit(&events, "\n\n");
      continue;
    }
    size_t name = str_find_char(line, '"', 2), from = str_find_char(line, '{', 1);
    frame_write(&events, "event", str_from(line.ptr + 2, name - 2), str_from(line.ptr + from, line.len - from - 1));
  }
  if (chat) buf_lit(&events, "data: [DONE]\n\n");
  w->on_exchange(&(struct recorded){.file = w->file, .status = 200, .reply = buf_view(&events)});
  buf_free(&events);
}

// A status line, fields, a blank line, the body.
static inline void recorded_http(const struct recorded_walk *w, struct str text) {
  size_t line = str_find_char(text, ' ', 0), body = str_find(text, STR("\n\n"), 0);
  if (body == SIZE_MAX) body = str_find(text, STR("\r\n\r\n"), 0) + 2;
  unsigned status = (unsigned)strtoul(text.ptr + line, NULL, 10);
  w->on_exchange(&(struct recorded){.file = w->file, .status = status, .reply = str_skip(text, body + 2)});
}

static inline struct str recorded_read(const char *path) {
  struct buf text;
  buf_init(&text, 1 << 26);
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  for (size_t n = 1; n;) {
    assert_true(buf_reserve(&text, 1 << 16));
    n = fread(text.ptr + text.len, 1, 1 << 16, f);
    text.len += n;
  }
  fclose(f);
  return buf_view(&text);
}

static inline void recorded_file(const struct recorded_walk *w) {
  struct str name = str_from_cstr(w->file);
  if (str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml"))) {
    recorded_yaml(w);
    return;
  }
  struct str text = recorded_read(w->file);
  struct recorded r = {.file = w->file, .status = str_ends(name, STR("error.json")) ? 400 : 200, .reply = text};
  if (str_ends(name, STR(".chunks.txt")))
    recorded_lines(w, text);
  else if (str_ends(name, STR(".http")))
    recorded_http(w, text);
  else if (!str_ends(name, STR(".md")))
    w->on_exchange(&r);
  free((char *)text.ptr);
}

// Everything in a folder and those inside it.
static inline void recorded_each(const char *path, void (*on_exchange)(const struct recorded *r)) {
  struct dirent **entries = NULL;
  int n = scandir(path, &entries, NULL, alphasort);
  for (int i = 0; i < n; i++) {
    char inner[4096];
    snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
    if (entries[i]->d_name[0] == '.') {
    } else if (entries[i]->d_type == DT_DIR) {
      recorded_each(inner, on_exchange);
    } else {
      recorded_file(&(struct recorded_walk){on_exchange, inner});
    }
    free(entries[i]);
  }
  free(entries);
}
