#include "gateway/prepare.h"

#include "gateway/credential.h"
#include "gateway/fetch.h"
#include "gateway/path.h"
#include "provider/encode.h"
#include "provider/quirks.h"

enum { FILE_MAX = 20 << 20, FETCHES_MAX = 20, TIMEOUT_MS = 15000, HOPS_MAX = 3 };

// The file being fetched for an attempt.
struct file_fetch {
  struct fetch fetch;
  struct attempt *attempt;
  struct part *part;
  struct str url;  // the part's, or where it led
  unsigned hops;   // redirects followed
};

static bool is_web(struct str url) {
  return str_starts_nocase(url, STR("http://")) || str_starts_nocase(url, STR("https://"));
}

// What the provider reaches better itself: its own storage, and videos on YouTube.
static bool is_theirs(const struct dialect *d, struct str url) {
  if (!d || d->frames == FRAMES_AWS) return false;
  return str_find(url, STR("generativelanguage.googleapis.com"), 0) != SIZE_MAX ||
         str_find(url, STR("youtube.com/"), 0) != SIZE_MAX || str_find(url, STR("youtu.be/"), 0) != SIZE_MAX;
}

// Kinds of parts that the target does not fetch itself, as bits 1 << enum part_kind.
static unsigned wanted_kinds(const struct attempt *a) {
  const unsigned image = 1u << PART_IMAGE, file = 1u << PART_FILE;
  struct provider_quirks room;
  const struct provider_quirks *quirks = quirks_of(a->endpoint, &room);
  if (a->dialect) return a->dialect->inlines_files ? image | file | 1u << PART_VIDEO | 1u << PART_AUDIO : 0;
  return (quirks->inlines_images ? image : 0) | (quirks->inlines_files ? file : 0);
}

// One URL is fetched once: the same file elsewhere in the request.
static bool is_copied(const struct conversation *c, struct part *part) {
  for (size_t i = 0; i < c->turn_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++) {
      const struct part *other = &c->turns[i].parts[p];
      if (other == part) return false;
      if (!other->data.len || !str_eq(other->url, part->url)) continue;
      part->data = other->data;
      part->media_type = other->media_type;
      return true;
    }
  return false;
}

static struct part *next_file(const struct attempt *a) {
  struct inference *in = a->request->inference;
  const struct conversation *c = in->conversation;
  unsigned kinds = c ? wanted_kinds(a) : 0;
  for (size_t i = 0; kinds && i < c->turn_count; i++)
    for (size_t p = 0; p < c->turns[i].count; p++) {
      struct part *part = &c->turns[i].parts[p];
      bool wanted =
          kinds >> part->kind & 1 && is_web(part->url) && !part->data.len && !is_theirs(a->dialect, part->url);
      if (wanted && !is_copied(c, part)) return part;
    }
  return NULL;
}

// Where a redirect leads; empty: nowhere. Every hop is looked at like the first: an address of the open Internet must
// not lead into the house.
static struct str redirect_target(const struct file_fetch *file) {
  const struct fetch *f = &file->fetch;
  struct arena *arena = &file->attempt->request->arena;
  bool redirect = f->status == 301 || f->status == 302 || f->status == 303 || f->status == 307 || f->status == 308;
  struct str to = str_from_cstr(f->location);
  if (!redirect || !to.len || file->hops == HOPS_MAX) return (struct str){0};
  if (is_web(to)) return arena_str(arena, to);
  size_t host = str_find(file->url, STR("://"), 0) + 3, slash = str_find_char(file->url, '/', host);
  struct str origin = slash == SIZE_MAX ? file->url : str_from(file->url.ptr, slash);
  if (str_starts(to, STR("//"))) return arena_printf(arena, "%.*s%.*s", (int)(host - 2), file->url.ptr, STR_ARGS(to));
  if (to.ptr[0] != '/') return (struct str){0};
  return arena_printf(arena, "%.*s%.*s", STR_ARGS(origin), STR_ARGS(to));
}

static void on_file(struct fetch *f) {
  struct file_fetch *file = (struct file_fetch *)((char *)f - offsetof(struct file_fetch, fetch));
  struct attempt *a = file->attempt;
  struct request *r = a->request;
  struct part *part = file->part;
  struct str why = {0}, to = redirect_target(file);
  if (to.len) {
    fetch_end(f);
    file->hops++;
    file->url = to;
    if (fetch_start(f, to, (struct str){0}, (struct str){0}, !request_config(r)->fetch_private)) return;
    f->status = 0;
  }
  a->file = NULL;
  if (!f->status)
    why = arena_str(&r->arena, str_from_cstr(f->why));
  else if (f->status != 200)
    why = arena_printf(&r->arena, "it answered with status %u", f->status);
  else if (!f->body.len)
    why = STR("it is empty");
  if (!why.len) {
    struct str type = str_from_cstr(f->content_type);
    size_t semicolon = str_find_char(type, ';', 0);
    if (semicolon != SIZE_MAX) type.len = semicolon;
    part->data = encode_base64(buf_view(&f->body), &r->arena);
    part->media_type = arena_str(&r->arena, str_trim(type));
    part->media_type = encode_media_type(part);  // by its first bytes, where they tell
    if (!part->data.ptr) why = STR("out of memory");
    if (part->kind == PART_IMAGE && !why.len && !str_starts(part->media_type, STR("image/")))
      why = STR("it is no picture");
  }
  fetch_end(f);
  if (!why.len) {
    attempt_prepared(a);
    return;
  }
  part->data = (struct str){0};
  attempt_failed(a, FAULT_UNSUPPORTED,
                 arena_printf(&r->arena, "%.*s could not be fetched: %.*s. Send it as a data URL.",
                              (int)(part->url.len < 200 ? part->url.len : 200), part->url.ptr, STR_ARGS(why)));
}

static enum prepare_result fetch_file(struct attempt *a, struct part *part, struct fault_note *note) {
  struct request *r = a->request;
  struct file_fetch *file = arena_zalloc(&r->arena, sizeof *file);
  *note = (struct fault_note){FAULT_INTERNAL, STR("Out of memory."), {0}};
  if (!file) return PREPARE_FAILED;
  file->attempt = a;
  file->part = part;
  file->url = part->url;
  file->fetch.worker = r->worker;
  file->fetch.done = on_file;
  file->fetch.body_max = FILE_MAX;
  file->fetch.timeout_ms = TIMEOUT_MS;
  if (++a->file_count > FETCHES_MAX) {
    *note = (struct fault_note){
        FAULT_UNSUPPORTED, STR("The request names more than 20 files by URL. Send some as data URLs."), {0}};
    return PREPARE_FAILED;
  }
  a->file = file;
  bool public_only = !request_config(r)->fetch_private;
  if (fetch_start(&file->fetch, part->url, (struct str){0}, (struct str){0}, public_only)) return PREPARE_WAITING;
  a->file = NULL;
  fetch_end(&file->fetch);
  *note = (struct fault_note){
      FAULT_UNSUPPORTED,
      arena_printf(&r->arena, "A file's URL cannot be fetched: %s. Send the file as a data URL.", file->fetch.why),
      {0}};
  return PREPARE_FAILED;
}

enum prepare_result prepare(struct attempt *a, struct fault_note *note) {
  struct request *r = a->request;
  const struct provider *p = a->endpoint->provider;
  struct credential credential;
  struct str why;
  switch (credential_get(a, p, &credential, &why)) {
    case CREDENTIAL_WAITING: return PREPARE_WAITING;
    case CREDENTIAL_FAILED:
      *note = (struct fault_note){
          FAULT_UPSTREAM_AUTH, arena_printf(&r->arena, "%.*s: %.*s", STR_ARGS(p->name), STR_ARGS(why)), {0}};
      return PREPARE_FAILED;
    default: break;
  }
  struct part *file = next_file(a);
  return file ? fetch_file(a, file, note) : PREPARE_READY;
}

void prepare_cancel(struct attempt *a) {
  credential_forget_waiter(a);
  if (a->file) fetch_end(&a->file->fetch);
  a->file = NULL;
}
