// Reads what earlier processes left in the spool's directory. A file is trusted record by record: what has the right
// checksum for its segment and place is delivered, whatever lies around it.
//
// - All valid up to some point, nothing valid behind it: the usual end of a killed process, a torn record or old bytes.
// - Valid records behind an invalid one, or a wrong header: damage. What is valid is delivered, the file is kept as
//   NAME.bad.
#define _GNU_SOURCE
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "store/record_wire.h"
#include "store/segment.h"
#include "store/spool.h"

enum { FIRST_RECORD = sizeof(struct segment_header) };

struct left_file {
  char *path;
  uint64_t writer, sequence;
  bool damaged, unread;
};

struct spool_replay {
  struct left_file *files;
  size_t count, cap;
};

// --- One segment's bytes ---

enum segment_state { SEGMENT_GOOD, SEGMENT_DAMAGED };

// A valid record's length, or 0.
static uint32_t record_at(struct str bytes, uint64_t sequence, size_t at) {
  struct record_head head;
  if (bytes.len - at < sizeof head) return 0;
  memcpy(&head, bytes.ptr + at, sizeof head);
  uint32_t length = atomic_load_explicit(&head.length, memory_order_relaxed);
  if (head.mark != RECORD_MARK || length % 16 || length <= sizeof head) return 0;
  if (length > SPOOL_RECORD_MAX || length > bytes.len - at) return 0;
  return segment_checksum(sequence, at, length, bytes.ptr + at + sizeof head) == head.checksum ? length : 0;
}

static bool all_zero(struct str bytes) {
  for (size_t i = 0; i < bytes.len; i++)
    if (bytes.ptr[i]) return false;
  return true;
}

// Hands over the valid records. *stopped is set when `take` said no.
static enum segment_state segment_walk(struct str bytes, bool (*take)(void *, const struct record *), void *context,
                                       size_t *taken, bool *stopped) {
  struct segment_header header;
  if (bytes.len < sizeof header) return all_zero(bytes) ? SEGMENT_GOOD : SEGMENT_DAMAGED;
  memcpy(&header, bytes.ptr, sizeof header);
  uint64_t magic = atomic_load_explicit(&header.magic, memory_order_relaxed);
  // Without its magic a file was still being made, and holds nothing.
  if (magic == 0 && all_zero(str_skip(bytes, sizeof header))) return SEGMENT_GOOD;
  uint64_t sequence = atomic_load_explicit(&header.sequence, memory_order_relaxed);
  uint64_t at = atomic_load_explicit(&header.released, memory_order_relaxed);
  if (magic != segment_magic() || at < FIRST_RECORD || at > SPOOL_SEGMENT || at % 16) return SEGMENT_DAMAGED;

  enum segment_state state = SEGMENT_GOOD;
  bool gap = false;
  while (at < bytes.len) {
    uint32_t length = record_at(bytes, sequence, at);
    struct record record;
    if (length && record_decode(str_from(bytes.ptr + at + 16, length - 16), &record)) {
      if (gap) state = SEGMENT_DAMAGED;
      if (!take(context, &record)) {
        *stopped = true;
        return state;
      }
      ++*taken;
      at += length;
    } else {
      gap = true;
      at += 16;
    }
  }
  return state;
}

// --- The files ---

// The whole file in malloc'd memory: reading cannot be hurt by a file that shrinks, as a mapping could.
static bool file_read(const char *path, size_t most, struct str *out) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  char *bytes = fd < 0 ? NULL : malloc(most);
  size_t len = 0;
  ssize_t n = bytes ? 1 : -1;
  while (n > 0 && len < most) {
    n = read(fd, bytes + len, most - len);
    if (n < 0 && errno == EINTR)
      n = 1;
    else if (n > 0)
      len += (size_t)n;
  }
  if (fd >= 0) close(fd);
  if (n < 0)
    free(bytes);
  else
    *out = str_from(bytes, len);
  return n >= 0;
}

// "<writer>-<number>.spool"
static bool name_parse(const char *name, uint64_t *writer) {
  struct str rest = str_from_cstr(name), piece;
  uint64_t number;
  if (!str_ends(rest, STR(".spool"))) return false;
  rest.len -= STR(".spool").len;
  return str_split(&rest, '-', &piece) && str_to_u64(piece, UINT32_MAX, writer) &&
         str_to_u64(rest, UINT64_MAX, &number);
}

static uint64_t sequence_of(const char *path) {
  struct str head;
  uint64_t sequence = 0;
  if (!file_read(path, sizeof(struct segment_header), &head)) return 0;
  if (head.len == sizeof(struct segment_header))
    memcpy(&sequence, head.ptr + offsetof(struct segment_header, sequence), sizeof sequence);
  free((char *)head.ptr);
  return sequence;
}

static int by_writer_then_sequence(const void *left, const void *right) {
  const struct left_file *a = left, *b = right;
  if (a->writer != b->writer) return a->writer < b->writer ? -1 : 1;
  return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static bool add_file(struct spool_replay *replay, struct str dir, const char *name, uint64_t writer) {
  if (replay->count == replay->cap) {
    size_t cap = replay->cap ? replay->cap * 2 : 8;
    struct left_file *files = realloc(replay->files, cap * sizeof *files);
    if (!files) return false;
    replay->files = files;
    replay->cap = cap;
  }
  struct left_file *file = &replay->files[replay->count];
  *file = (struct left_file){.writer = writer};
  if (asprintf(&file->path, "%.*s/%s", STR_ARGS(dir), name) < 0) return false;
  file->sequence = sequence_of(file->path);
  replay->count++;
  return true;
}

static void replay_drop(struct spool_replay *replay) {
  for (size_t i = 0; i < replay->count; i++) free(replay->files[i].path);
  free(replay->files);
  free(replay);
}

bool spool_replay_begin(struct arena *arena, struct str dir, struct spool_replay **out, struct str *why) {
  struct spool_replay *replay = calloc(1, sizeof *replay);
  char *path = str_dup(dir);
  DIR *listing = path ? opendir(path) : NULL;
  bool fine = replay && path && (listing || errno == ENOENT);
  if (replay && path && !fine)
    *why = arena_printf(arena, "cannot read the spool directory %s: %s", path, strerror(errno));
  bool memory = replay && path;
  uint64_t writer;
  for (struct dirent *e; memory && listing && (e = readdir(listing));)
    if (name_parse(e->d_name, &writer)) memory = add_file(replay, dir, e->d_name, writer);
  if (!memory) *why = STR("out of memory");
  if (listing) closedir(listing);
  free(path);
  if (fine && memory) {
    if (replay->count) qsort(replay->files, replay->count, sizeof *replay->files, by_writer_then_sequence);
    *out = replay;
    return true;
  }
  if (replay) replay_drop(replay);
  return false;
}

size_t spool_replay_read(struct spool_replay *replay, bool (*take)(void *context, const struct record *record),
                         void *context) {
  size_t taken = 0;
  bool stopped = false;
  for (size_t i = 0; i < replay->count && !stopped; i++) {
    struct left_file *file = &replay->files[i];
    struct str bytes;
    if (!file_read(file->path, SPOOL_SEGMENT, &bytes)) {
      log_error("spool: cannot read %s (%s): left where it is", file->path, strerror(errno));
      file->unread = true;
      continue;
    }
    file->damaged = segment_walk(bytes, take, context, &taken, &stopped) == SEGMENT_DAMAGED;
    free((char *)bytes.ptr);
  }
  return taken;
}

static void keep_aside(const char *path) {
  char *bad;
  if (asprintf(&bad, "%s.bad", path) < 0) return;
  if (rename(path, bad) < 0)
    log_error("spool: %s is damaged and cannot be renamed: %s", path, strerror(errno));
  else
    log_warn("spool: a file was damaged; its readable records were taken, the file is kept as %s", bad);
  free(bad);
}

void spool_replay_done(struct spool_replay *replay, bool committed) {
  for (size_t i = 0; committed && i < replay->count; i++) {
    const struct left_file *file = &replay->files[i];
    if (file->damaged)
      keep_aside(file->path);
    else if (!file->unread && unlink(file->path) < 0)
      log_warn("spool: cannot remove %s: %s", file->path, strerror(errno));
  }
  replay_drop(replay);
}
