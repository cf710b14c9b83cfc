// The layout of a segment:
//
//   header (64 bytes): magic, size of a record's fixed part, `released`: offset up to which the store has committed
//   record: size (4, written last), checksum (8), struct packed, the strings; padded to 8
//   ... zeros, or END where the writer went on to the next segment
#define _GNU_SOURCE
#include "store/spool.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum {
  HEADER = 64,
  STRING_MAX = 512,
  SPARES = 4,  // drained segments that wait to be used again
};
#define END UINT32_MAX
static const char magic[8] = "SBSPOOL1";

struct head {
  char magic[8];
  uint32_t record_size, unused;
  _Atomic(uint64_t) released;
};

struct entry {
  _Atomic(uint32_t) size;  // of all of it; 0: not written yet
  uint32_t unused;
  uint64_t checksum;
  char bytes[];
};

struct segment {
  char *base;  // SPOOL_SEGMENT bytes
  char path[512];
  _Atomic(struct segment *) next;
};

struct spool {
  char dir[400];
  unsigned writer;
  uint64_t bytes_max;
  // the writer's
  struct segment *tail;
  size_t at;
  uint64_t sequence;
  _Atomic(uint64_t) lost, appended;
  // the reader's
  struct segment *head;
  size_t read_at;
  _Atomic(uint64_t) released;
  // between them
  _Atomic(struct segment *) spares[SPARES];
  _Atomic(uint64_t) segments;
};

// The strings of a record, by place.
static const size_t strings[] = {
#define S(member) offsetof(struct record, member)
    S(id), S(key_id), S(model), S(provider), S(provider_name), S(upstream_model), S(upstream_id), S(finish_reason),
    S(native_finish_reason), S(api_type), S(user), S(session_id), S(app_title), S(http_referer), S(user_agent), S(error),
    S(attempts_json),
#undef S
};
enum { STRINGS = sizeof strings / sizeof strings[0] };

static struct str *string_at(struct record *r, int i) {
  return (struct str *)((char *)r + strings[i]);
}

// A record without its pointers.
struct packed {
  uint64_t created_us;
  uint32_t latency_ms, generation_ms, gateway_us;
  uint16_t status, fault;
  uint8_t streamed, cancelled;
  uint16_t lengths[STRINGS];
  struct usage usage;
  struct cost cost;
};

static uint64_t checksum(const char *bytes, size_t n) {
  uint64_t h = 0x9E3779B97F4A7C15u ^ n, word;
  for (size_t i = 0; i + 8 <= n; i += 8) {
    memcpy(&word, bytes + i, 8);
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h;
}

// --- segments ---

static struct segment *segment_map(const char *path, int fd) {
  struct segment *g = calloc(1, sizeof *g);
  if (!g) return NULL;
  g->base = mmap(NULL, SPOOL_SEGMENT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (g->base == MAP_FAILED) {
    free(g);
    return NULL;
  }
  snprintf(g->path, sizeof g->path, "%s", path);
  return g;
}

static void segment_format(struct segment *g, size_t used) {
  memset(g->base, 0, used);
  struct head *h = (struct head *)g->base;
  memcpy(h->magic, magic, sizeof magic);
  h->record_size = sizeof(struct packed);
  atomic_store_explicit(&h->released, HEADER, memory_order_relaxed);
  atomic_store_explicit(&g->next, NULL, memory_order_relaxed);
}

static void segment_remove(struct segment *g) {
  unlink(g->path);
  munmap(g->base, SPOOL_SEGMENT);
  free(g);
}

// A new file, its blocks taken: a full disk is found here and never as a signal later.
static struct segment *segment_create(struct spool *s) {
  if ((atomic_load(&s->segments) + 1) * SPOOL_SEGMENT > s->bytes_max) return errno = ENOSPC, NULL;
  char path[512];
  snprintf(path, sizeof path, "%s/%u-%llu.spool", s->dir, s->writer, (unsigned long long)s->sequence++);
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return NULL;
  int error = posix_fallocate(fd, 0, SPOOL_SEGMENT);
  struct segment *g = error ? NULL : segment_map(path, fd);
  close(fd);
  if (!g) {
    unlink(path);
    if (error) errno = error;
    return NULL;
  }
  segment_format(g, HEADER);
  atomic_fetch_add(&s->segments, 1);
  return g;
}

static struct segment *spare_take(struct spool *s) {
  for (int i = 0; i < SPARES; i++) {
    struct segment *g = atomic_exchange_explicit(&s->spares[i], NULL, memory_order_acquire);
    if (g) return g;
  }
  return NULL;
}

static bool spare_put(struct spool *s, struct segment *g) {
  for (int i = 0; i < SPARES; i++) {
    struct segment *none = NULL;
    if (atomic_compare_exchange_strong_explicit(&s->spares[i], &none, g, memory_order_release, memory_order_relaxed))
      return true;
  }
  segment_remove(g);
  atomic_fetch_sub(&s->segments, 1);
  return false;
}

// --- open, close ---

static bool make_dir(const char *dir) {
  return mkdir(dir, 0700) == 0 || errno == EEXIST;
}

struct spool *spool_open(struct arena *arena, struct str dir, unsigned writer, uint64_t bytes_max, struct str *why) {
  struct spool *s = calloc(1, sizeof *s);
  if (!s || dir.len >= sizeof s->dir) {
    free(s);
    *why = STR("the path of data_dir is too long");
    return NULL;
  }
  memcpy(s->dir, dir.ptr, dir.len);
  s->writer = writer;
  s->bytes_max = bytes_max;
  s->at = s->read_at = HEADER;
  // What an earlier process could not hand over keeps its name: ours begin behind it.
  if (make_dir(s->dir))
    do s->tail = segment_create(s);
    while (!s->tail && errno == EEXIST);
  if (s->tail) {
    s->head = s->tail;
    return s;
  }
  *why = arena_printf(arena, "cannot write in %s: %s", s->dir, strerror(errno));
  free(s);
  return NULL;
}

void spool_close(struct spool *s) {
  if (!s) return;
  bool drained = spool_backlog(s) == 0;
  for (struct segment *g; (g = spare_take(s));) segment_remove(g);
  for (struct segment *g = s->head, *next; g; g = next) {
    next = atomic_load(&g->next);
    if (drained) {
      segment_remove(g);
    } else {  // the next start replays it
      munmap(g->base, SPOOL_SEGMENT);
      free(g);
    }
  }
  free(s);
}

// --- writing ---

static struct str shortened(struct str text) {
  if (text.len <= STRING_MAX) return text;
  text.len = STRING_MAX;
  while (text.len && ((unsigned char)text.ptr[text.len] & 0xC0) == 0x80) text.len--;
  return text;
}

static bool next_segment(struct spool *s) {
  struct segment *g = spare_take(s);
  if (!g) g = segment_create(s);
  if (!g) return false;
  struct entry *e = (struct entry *)(s->tail->base + s->at);
  atomic_store_explicit(&s->tail->next, g, memory_order_release);
  atomic_store_explicit(&e->size, END, memory_order_release);
  s->tail = g;
  s->at = HEADER;
  return true;
}

bool spool_append(struct spool *s, const struct record *record) {
  struct str texts[STRINGS];
  size_t size = offsetof(struct entry, bytes) + sizeof(struct packed);
  for (int i = 0; i < STRINGS; i++) {
    texts[i] = shortened(*string_at((struct record *)record, i));
    size += texts[i].len;
  }
  size_t padded = (size + 7) & ~(size_t)7;
  assert(padded <= SPOOL_RECORD_MAX);
  // There is always room left for the END mark.
  if (s->at + padded + sizeof(struct entry) > SPOOL_SEGMENT && !next_segment(s)) {
    atomic_fetch_add_explicit(&s->lost, 1, memory_order_relaxed);
    return false;
  }
  struct entry *e = (struct entry *)(s->tail->base + s->at);
  struct packed *p = (struct packed *)e->bytes;
  *p = (struct packed){
      .created_us = record->created_us,
      .latency_ms = record->latency_ms,
      .generation_ms = record->generation_ms,
      .gateway_us = record->gateway_us,
      .status = record->status,
      .fault = record->fault,
      .streamed = record->streamed,
      .cancelled = record->cancelled,
      .usage = record->usage,
      .cost = record->cost,
  };
  char *to = e->bytes + sizeof *p;
  for (int i = 0; i < STRINGS; i++) {
    p->lengths[i] = (uint16_t)texts[i].len;
    if (texts[i].len) memcpy(to, texts[i].ptr, texts[i].len);
    to += texts[i].len;
  }
  e->checksum = checksum(e->bytes, padded - offsetof(struct entry, bytes));
  atomic_store_explicit(&e->size, (uint32_t)padded, memory_order_release);
  s->at += padded;
  atomic_store_explicit(&s->appended, atomic_load_explicit(&s->appended, memory_order_relaxed) + 1,
                        memory_order_release);
  return true;
}

uint64_t spool_lost(const struct spool *s) {
  return atomic_load_explicit(&s->lost, memory_order_relaxed);
}

bool spool_ready(struct spool *s) {
  if (s->at + 2 * SPOOL_RECORD_MAX <= SPOOL_SEGMENT) return true;
  struct segment *g = spare_take(s);
  if (!g) g = segment_create(s);
  if (!g) return false;
  spare_put(s, g);  // when the reader was faster, its segments are there
  return true;
}

// --- reading ---

// The record at an offset of a segment. False: there is none (yet), or it is damaged.
static bool entry_read(const char *base, size_t at, struct record *out, size_t *size, bool *damaged) {
  *damaged = false;
  if (at + sizeof(struct entry) > SPOOL_SEGMENT) return false;
  const struct entry *e = (const struct entry *)(base + at);
  *size = atomic_load_explicit(&((struct entry *)e)->size, memory_order_acquire);
  if (*size == 0 || *size == END) return false;
  size_t payload = *size - offsetof(struct entry, bytes);
  *damaged = true;
  if (*size < sizeof *e + sizeof(struct packed) || *size > SPOOL_SEGMENT - at || *size % 8) return false;
  if (checksum(e->bytes, payload) != e->checksum) return false;
  const struct packed *p = (const struct packed *)e->bytes;
  *out = (struct record){
      .created_us = p->created_us,
      .latency_ms = p->latency_ms,
      .generation_ms = p->generation_ms,
      .gateway_us = p->gateway_us,
      .status = p->status,
      .fault = p->fault,
      .streamed = p->streamed,
      .cancelled = p->cancelled,
      .usage = p->usage,
      .cost = p->cost,
  };
  const char *from = e->bytes + sizeof *p;
  size_t left = payload - sizeof *p;
  for (int i = 0; i < STRINGS; i++) {
    if (p->lengths[i] > left) return false;
    *string_at(out, i) = str_from(from, p->lengths[i]);
    from += p->lengths[i];
    left -= p->lengths[i];
  }
  *damaged = false;
  return true;
}

static bool at_end(const struct segment *g, size_t at) {
  return atomic_load_explicit(&((struct entry *)(g->base + at))->size, memory_order_acquire) == END;
}

size_t spool_read(struct spool *s, size_t most, bool (*take)(void *context, const struct record *record),
                  void *context) {
  struct segment *g = s->head;
  size_t at = s->read_at, taken = 0;
  while (taken < most) {
    struct record record;
    size_t size;
    bool damaged;
    if (entry_read(g->base, at, &record, &size, &damaged)) {
      if (!take(context, &record)) break;
      taken++;
      at += size;
    } else if (!damaged && at_end(g, at)) {
      g = atomic_load_explicit(&g->next, memory_order_acquire);
      at = HEADER;
    } else {
      break;
    }
  }
  return taken;
}

// The reader is done with its first segment: zeroed, it serves the writer again.
static void recycle(struct spool *s) {
  struct segment *g = s->head;
  s->head = atomic_load_explicit(&g->next, memory_order_acquire);
  size_t used = s->read_at + sizeof(struct entry);
  s->read_at = HEADER;
  segment_format(g, used);
  spare_put(s, g);
}

void spool_release(struct spool *s, size_t count) {
  for (size_t i = 0; i < count; i++) {
    while (at_end(s->head, s->read_at)) recycle(s);
    struct entry *e = (struct entry *)(s->head->base + s->read_at);
    s->read_at += atomic_load_explicit(&e->size, memory_order_acquire);
    struct head *h = (struct head *)s->head->base;
    atomic_store_explicit(&h->released, s->read_at, memory_order_release);
  }
  while (at_end(s->head, s->read_at)) recycle(s);
  atomic_fetch_add_explicit(&s->released, count, memory_order_release);
}

uint64_t spool_backlog(const struct spool *s) {
  uint64_t released = atomic_load_explicit(&s->released, memory_order_acquire);
  return atomic_load_explicit(&s->appended, memory_order_acquire) - released;
}

// --- replay ---

struct replay_file {
  struct replay_file *next;
  char path[512];
  bool damaged;
};
struct spool_replay {
  struct replay_file *files;
};

bool spool_replay_begin(struct arena *arena, struct str dir, struct spool_replay **replay, struct str *why) {
  struct spool_replay *r = *replay = arena_zalloc(arena, sizeof *r);
  const char *path = arena_str(arena, dir).ptr;
  if (!r || !path) return *why = STR("out of memory"), false;
  DIR *d = opendir(path);
  if (!d) {
    if (errno == ENOENT) return true;
    *why = arena_printf(arena, "cannot read %s: %s", path, strerror(errno));
    return false;
  }
  for (struct dirent *e; (e = readdir(d));) {
    struct str name = str_from_cstr(e->d_name);
    if (!str_ends(name, STR(".spool"))) continue;
    struct replay_file *f = arena_zalloc(arena, sizeof *f);
    if (!f) break;
    snprintf(f->path, sizeof f->path, "%.255s/%.250s", path, e->d_name);
    f->next = r->files;
    r->files = f;
  }
  closedir(d);
  return true;
}

static size_t replay_file(struct replay_file *f, bool (*take)(void *, const struct record *), void *context) {
  int fd = open(f->path, O_RDWR | O_CLOEXEC);
  struct stat st;
  size_t taken = 0;
  f->damaged = true;
  if (fd < 0) return 0;
  struct segment *g = fstat(fd, &st) == 0 && st.st_size == SPOOL_SEGMENT ? segment_map(f->path, fd) : NULL;
  bool empty = st.st_size == 0;
  close(fd);
  if (!g) {
    f->damaged = !empty;  // made, but killed before its blocks were taken
    return 0;
  }
  const struct head *h = (const struct head *)g->base;
  static const char zero[8];
  bool blank = memcmp(h->magic, zero, 8) == 0;
  if (memcmp(h->magic, magic, sizeof magic) == 0 && h->record_size == sizeof(struct packed)) {
    size_t at = (size_t)atomic_load(&((struct head *)g->base)->released), size;
    struct record record;
    f->damaged = at < HEADER || at > SPOOL_SEGMENT || at % 8;
    while (!f->damaged && entry_read(g->base, at, &record, &size, &f->damaged) && take(context, &record)) {
      taken++;
      at += size;
    }
  } else if (blank) {
    f->damaged = false;
  }
  munmap(g->base, SPOOL_SEGMENT);
  free(g);
  return taken;
}

size_t spool_replay_read(struct spool_replay *replay, bool (*take)(void *context, const struct record *record),
                         void *context) {
  size_t taken = 0;
  for (struct replay_file *f = replay->files; f; f = f->next) taken += replay_file(f, take, context);
  return taken;
}

void spool_replay_done(struct spool_replay *replay, bool committed) {
  for (struct replay_file *f = replay->files; committed && f; f = f->next) {
    if (!f->damaged) {
      unlink(f->path);
      continue;
    }
    char bad[520];
    snprintf(bad, sizeof bad, "%.500s.bad", f->path);
    log_warn("spool: %s is damaged or of another version; what could be read is stored, the file is kept as %s", f->path,
             bad);
    if (rename(f->path, bad) != 0) log_error("spool: cannot rename %s: %s", f->path, strerror(errno));
  }
}
