#define _GNU_SOURCE
#include "store/spool.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "store/record_wire.h"
#include "store/segment.h"

enum {
  FIRST_RECORD = sizeof(struct segment_header),
  // A segment filled this far is left early when nothing waits in it and another lies ready: so a spool that is drained
  // in time keeps writing to the same few warm pages instead of walking through two whole segments.
  LEAVE_EARLY = 256 * 1024,
  ALTERNATING = 2,  // segments in use while the store keeps up
  SPARES = 3,       // drained ones kept after a burst, for the next one
};
_Static_assert(sizeof(struct record_head) + RECORD_WIRE_MAX + 16 <= SPOOL_RECORD_MAX, "a record fits its ceiling");

struct segment {
  struct segment_header *header;   // the mapping
  _Atomic(struct segment *) next;  // set once by the writer: this one is full, go on there
  _Atomic uint32_t committed;      // offset behind the last whole record
  char *path;
};

// The segments are a list from `head` (reader) to `tail` (writer). Drained ones go from the reader back to the writer
// through the places `spares`. Each side has its own cache lines; neither ever waits for the other.
struct spool {
  // the writer's
  struct segment *tail;
  struct segment *reserve;  // taken or made early by spool_ready
  uint64_t sequence;
  _Atomic uint64_t appended, lost;
  char *dir;
  unsigned writer;
  unsigned segments_max;
  // the reader's
  _Alignas(64) struct segment *head;
  uint32_t head_at;  // offset of the first record not yet released
  _Atomic uint64_t released;
  // both
  _Alignas(64) _Atomic(struct segment *) spares[SPARES];
  _Atomic unsigned segments;  // that exist, wherever they are
};

static struct str why_errno(struct arena *arena, const char *what, const char *path) {
  return arena_printf(arena, "cannot %s %s: %s", what, path, strerror(errno));
}

// --- Segments ---

static void segment_begin(struct spool *s, struct segment *segment) {
  atomic_store_explicit(&segment->next, NULL, memory_order_relaxed);
  atomic_store_explicit(&segment->committed, FIRST_RECORD, memory_order_relaxed);
  // The number first: from here on the old records no longer fit, so `released` may go back.
  atomic_store_explicit(&segment->header->sequence, s->sequence++, memory_order_release);
  atomic_store_explicit(&segment->header->released, FIRST_RECORD, memory_order_release);
}

// Makes a file of which every block is there, so that writing through the mapping cannot fail.
static struct segment_header *map_new_file(const char *path) {
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return NULL;
  int error = posix_fallocate(fd, 0, SPOOL_SEGMENT);
  void *map = error ? MAP_FAILED : mmap(NULL, SPOOL_SEGMENT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (!error && map == MAP_FAILED) error = errno;
  close(fd);
  if (!error) return map;
  unlink(path);
  errno = error;
  return NULL;
}

// NULL with errno when the disk or memory is full.
static struct segment *segment_new(struct spool *s) {
  struct segment *segment = calloc(1, sizeof *segment);
  if (!segment) return NULL;
  for (;;) {
    if (asprintf(&segment->path, "%s/%u-%llu.spool", s->dir, s->writer, (unsigned long long)s->sequence) < 0) {
      free(segment);
      errno = ENOMEM;
      return NULL;
    }
    segment->header = map_new_file(segment->path);
    if (segment->header) break;
    free(segment->path);
    if (errno != EEXIST) {
      free(segment);
      return NULL;
    }
    s->sequence++;
  }
  segment->header->writer = s->writer;
  segment_begin(s, segment);
  atomic_store_explicit(&segment->header->magic, segment_magic(), memory_order_release);
  atomic_fetch_add_explicit(&s->segments, 1, memory_order_relaxed);
  return segment;
}

static void segment_drop(struct spool *s, struct segment *segment, bool keep_file) {
  if (!keep_file) unlink(segment->path);
  munmap(segment->header, SPOOL_SEGMENT);
  free(segment->path);
  free(segment);
  atomic_fetch_sub_explicit(&s->segments, 1, memory_order_relaxed);
}

static struct segment *take_spare(struct spool *s) {
  for (unsigned i = 0; i < SPARES; i++) {
    if (!atomic_load_explicit(&s->spares[i], memory_order_relaxed)) continue;
    struct segment *spare = atomic_exchange_explicit(&s->spares[i], NULL, memory_order_acquire);
    if (!spare) continue;
    segment_begin(s, spare);
    return spare;
  }
  return NULL;
}

// A segment to go on in: an old one, or a new one while the ceiling allows.
static struct segment *segment_get(struct spool *s) {
  struct segment *segment = take_spare(s);
  if (segment) return segment;
  if (atomic_load_explicit(&s->segments, memory_order_relaxed) >= s->segments_max) return NULL;
  return segment_new(s);
}

// --- Open and close ---

// One more than the highest number in the names of this writer's files, also those kept aside.
static uint64_t first_sequence(DIR *dir, unsigned writer) {
  uint64_t next = 1;
  for (struct dirent *e; (e = readdir(dir));) {
    struct str rest = str_from_cstr(e->d_name), piece;
    uint64_t number;
    if (!str_split(&rest, '-', &piece) || !str_to_u64(piece, UINT32_MAX, &number) || number != writer) continue;
    if (!str_split(&rest, '.', &piece) || !str_to_u64(piece, UINT64_MAX / 2, &number)) continue;
    if (number >= next) next = number + 1;
  }
  return next;
}

struct spool *spool_open(struct arena *arena, struct str dir, unsigned writer, uint64_t bytes_max, struct str *why) {
  struct spool *s = aligned_alloc(64, sizeof *s);
  if (!s) {
    *why = STR("out of memory");
    return NULL;
  }
  memset(s, 0, sizeof *s);
  s->writer = writer;
  s->segments_max = bytes_max / SPOOL_SEGMENT < UINT32_MAX ? (unsigned)(bytes_max / SPOOL_SEGMENT) : UINT32_MAX;
  if (s->segments_max < ALTERNATING) s->segments_max = ALTERNATING;
  s->dir = str_dup(dir);
  DIR *listing = NULL;
  if (!s->dir) {
    *why = STR("out of memory");
  } else if ((mkdir(s->dir, 0700) < 0 && errno != EEXIST) || !(listing = opendir(s->dir))) {
    *why = why_errno(arena, "use the spool directory", s->dir);
  } else {
    s->sequence = first_sequence(listing, writer);
    s->tail = segment_new(s);
    if (!s->tail) *why = why_errno(arena, "make a file of 1 MiB in", s->dir);
  }
  if (listing) closedir(listing);
  if (!s->tail) {
    free(s->dir);
    free(s);
    return NULL;
  }
  s->head = s->tail;
  s->head_at = FIRST_RECORD;
  return s;
}

void spool_close(struct spool *s) {
  if (!s) return;
  bool keep = spool_backlog(s) != 0;
  for (struct segment *segment = s->head, *next; segment; segment = next) {
    next = atomic_load_explicit(&segment->next, memory_order_acquire);
    segment_drop(s, segment, keep);
  }
  for (struct segment *spare; (spare = take_spare(s));) segment_drop(s, spare, false);
  if (s->reserve) segment_drop(s, s->reserve, false);
  assert(atomic_load(&s->segments) == 0);
  free(s->dir);
  free(s);
}

// --- The writer's side ---

static void go_on_in(struct spool *s, struct segment *segment) {
  atomic_store_explicit(&s->tail->next, segment, memory_order_release);
  s->tail = segment;
}

static bool next_segment(struct spool *s) {
  struct segment *segment = s->reserve ? s->reserve : segment_get(s);
  s->reserve = NULL;
  if (segment) go_on_in(s, segment);
  return segment != NULL;
}

static void leave_early(struct spool *s) {
  if (s->reserve || spool_backlog(s)) return;
  bool may_make = atomic_load_explicit(&s->segments, memory_order_relaxed) < ALTERNATING;
  struct segment *segment = may_make ? segment_get(s) : take_spare(s);
  if (segment) go_on_in(s, segment);
}

bool spool_append(struct spool *s, const struct record *record) {
  uint32_t at = atomic_load_explicit(&s->tail->committed, memory_order_relaxed);
  if (UNLIKELY(at >= LEAVE_EARLY)) {
    if (at <= SPOOL_SEGMENT - SPOOL_RECORD_MAX) {
      leave_early(s);
    } else if (!next_segment(s)) {
      atomic_fetch_add_explicit(&s->lost, 1, memory_order_relaxed);
      return false;
    }
    at = atomic_load_explicit(&s->tail->committed, memory_order_relaxed);
  }
  struct segment_header *header = s->tail->header;
  struct record_head *head = (struct record_head *)((char *)header + at);
  char *payload = (char *)(head + 1);
  size_t size = record_encode(payload, record);
  size_t padding = -size & 15;
  memset(payload + size, 0, padding);
  uint32_t length = (uint32_t)(sizeof *head + size + padding);
  assert(length <= SPOOL_RECORD_MAX);
  head->mark = RECORD_MARK;
  head->checksum = segment_checksum(atomic_load_explicit(&header->sequence, memory_order_relaxed), at, length, payload);
  atomic_store_explicit(&head->length, length, memory_order_release);
  // Counted before the reader can see it, so that it never releases more than was appended.
  uint64_t appended = atomic_load_explicit(&s->appended, memory_order_relaxed);
  atomic_store_explicit(&s->appended, appended + 1, memory_order_release);
  atomic_store_explicit(&s->tail->committed, at + length, memory_order_release);
  // The next record's lines were last touched by the reader: asked for now, they are here when it is written.
  for (uint32_t i = 0; i < length; i += 64) __builtin_prefetch((char *)header + at + length + i, 1);
  return true;
}

bool spool_ready(struct spool *s) {
  uint32_t at = atomic_load_explicit(&s->tail->committed, memory_order_relaxed);
  if (LIKELY(at <= SPOOL_SEGMENT - SPOOL_RECORD_MAX)) return true;
  if (!s->reserve) s->reserve = segment_get(s);
  return s->reserve != NULL;
}

uint64_t spool_lost(const struct spool *s) {
  return atomic_load_explicit(&s->lost, memory_order_relaxed);
}

// `released` is read first: it may only be behind what is then read of `appended`.
uint64_t spool_backlog(const struct spool *s) {
  uint64_t released = atomic_load_explicit(&s->released, memory_order_acquire);
  return atomic_load_explicit(&s->appended, memory_order_acquire) - released;
}

// --- The reader's side ---

// True when a whole record lies at *segment, *at; steps over to the next segment where this one is used up.
static bool find_record(struct segment **segment, uint32_t *at) {
  for (;;) {
    if (*at < atomic_load_explicit(&(*segment)->committed, memory_order_acquire)) return true;
    struct segment *next = atomic_load_explicit(&(*segment)->next, memory_order_acquire);
    if (!next) return false;
    // What the writer committed before it went on is visible now.
    if (*at < atomic_load_explicit(&(*segment)->committed, memory_order_acquire)) return true;
    *segment = next;
    *at = FIRST_RECORD;
  }
}

static struct record_head *head_at(struct segment *segment, uint32_t at) {
  return (struct record_head *)((char *)segment->header + at);
}

static uint32_t length_of(struct record_head *head) {
  return atomic_load_explicit(&head->length, memory_order_relaxed);
}

size_t spool_read(struct spool *s, size_t most, bool (*take)(void *context, const struct record *record),
                  void *context) {
  struct segment *segment = s->head;
  uint32_t at = s->head_at;
  size_t taken = 0;
  while (taken < most && find_record(&segment, &at)) {
    struct record_head *head = head_at(segment, at);
    struct record record;
    bool whole = record_decode(str_from((char *)(head + 1), length_of(head) - sizeof *head), &record);
    assert(whole);
    if (!whole || !take(context, &record)) break;
    at += length_of(head);
    taken++;
  }
  return taken;
}

// Gives a drained segment back to the writer, or removes it when enough lie there already. Only the first one's memory
// stays resident: the writer takes that first.
static void recycle(struct spool *s, struct segment *segment) {
  for (unsigned i = 0; i < SPARES; i++) {
    struct segment *none = NULL;
    if (atomic_load_explicit(&s->spares[i], memory_order_relaxed)) continue;
    if (i) madvise(segment->header, SPOOL_SEGMENT, MADV_DONTNEED);
    if (atomic_compare_exchange_strong_explicit(&s->spares[i], &none, segment, memory_order_release,
                                                memory_order_relaxed))
      return;
  }
  segment_drop(s, segment, false);
}

static void leave_head(struct spool *s, struct segment *next) {
  while (s->head != next) {
    struct segment *drained = s->head;
    s->head = atomic_load_explicit(&drained->next, memory_order_acquire);
    atomic_store_explicit(&drained->header->released, SPOOL_SEGMENT, memory_order_release);
    recycle(s, drained);
  }
}

void spool_release(struct spool *s, size_t count) {
  assert(count <= spool_backlog(s));
  for (size_t i = 0; i < count; i++) {
    struct segment *segment = s->head;
    bool found = find_record(&segment, &s->head_at);
    assert(found);
    if (!found) return;
    leave_head(s, segment);
    s->head_at += length_of(head_at(segment, s->head_at));
  }
  // Also steps out of a segment that the writer has left, so that it lies ready to be used again.
  struct segment *segment = s->head;
  find_record(&segment, &s->head_at);
  leave_head(s, segment);
  atomic_store_explicit(&s->head->header->released, s->head_at, memory_order_release);
  atomic_fetch_add_explicit(&s->released, count, memory_order_release);
}
