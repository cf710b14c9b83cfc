// The crash-safe queue between one event loop and the store: memory-mapped append-only segments. Appending is a memory
// copy and a release store: no system call, no lock, no allocation (but for a new segment), and kill -9 loses nothing,
// because the pages belong to the kernel. One writer (the loop), one reader (the store's thread).
//
//   DATA_DIR/spool/<writer>-<sequence>.spool    segments of SPOOL_SEGMENT bytes; a drained one is used again or removed
//
// A store that is down makes the spool grow segment by segment, up to the ceiling given to spool_open.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "llm/record.h"

enum { SPOOL_SEGMENT = 1024 * 1024, SPOOL_RECORD_MAX = 16 * 1024 };

struct spool;

// Opens writer number `writer`'s spool for appending (a fresh segment). `dir` is made if missing (0700). NULL on
// failure, with a sentence in *why (static or in `arena`). `bytes_max`: all segments together.
struct spool *spool_open(struct arena *arena, struct str dir, unsigned writer, uint64_t bytes_max, struct str *why);
void spool_close(struct spool *s);
// Writer side. Strings longer than 512 bytes are cut (UTF-8 safe). False when the disk or the ceiling is full: the
// record was not taken, spool_lost counts it.
bool spool_append(struct spool *s, const struct record *record);
uint64_t spool_lost(const struct spool *s);
// Makes sure the next append will not need a new segment, or says that it cannot: for refusing work early.
bool spool_ready(struct spool *s);

// Reader side (another thread): calls `take` for each record not yet released, oldest first, at most `most`. Records
// stay until spool_release(s, n) gives back the first n of them: call it after the store has committed. `take`
// returning false stops. Returns how many were taken.
size_t spool_read(struct spool *s, size_t most, bool (*take)(void *context, const struct record *record),
                  void *context);
void spool_release(struct spool *s, size_t count);
// Records appended and not released.
uint64_t spool_backlog(const struct spool *s);

// On start, before any spool_open: hands every record that earlier processes left in `dir` to `take` (a torn last
// record is skipped: its length and checksum do not fit). The files are removed by spool_replay_done, after the commit.
// False with *why on an unreadable directory. A damaged segment is kept aside as NAME.bad, never thrown away.
struct spool_replay;
bool spool_replay_begin(struct arena *arena, struct str dir, struct spool_replay **replay, struct str *why);
size_t spool_replay_read(struct spool_replay *replay, bool (*take)(void *context, const struct record *record),
                         void *context);
void spool_replay_done(struct spool_replay *replay, bool committed);
