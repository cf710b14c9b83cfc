// What the files of the store share.
#pragma once
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/buf.h"
#include "store/store.h"

enum {
  STORE_SPOOLS = 256,
  STORE_JOBS_MAX = 1024,
  STORE_APPLICATION_ID = 0x53474258  // "SGBX" in the database's header
};

struct store {
  sqlite3 *db;
  // kept prepared: sqlite3_finalize(NULL) is harmless, so that half of them may be missing
  sqlite3_stmt *begin, *commit, *rollback, *insert, *id_at, *add_usage, *row_at, *data_version;
  struct buf detail;  // of the row being inserted
  int lock_fd;        // of DATA_DIR/lock; -1: not held (the CLI)
  // thread
  pthread_t thread;
  pthread_mutex_t mutex;  // of the queue below
  pthread_cond_t wake;
  bool running, stopping;
  struct store_job *first, **last;
  unsigned job_count;
  void (*on_keys_changed)(void *context);
  void *context;
  uint64_t keys_changes;     // by this connection
  uint64_t presets_changes;  // the same
  struct spool *spools[STORE_SPOOLS];
  unsigned spool_count;
  char trouble[160];  // SQLite's words for the last failed batch
  _Atomic(uint64_t) rows, batches, failures;
};

bool store_exec(struct store *s, const char *sql);
// Runs a kept statement that gives no rows.
bool store_step(sqlite3_stmt *st);
// A sentence that says what to do about a result code of SQLite's.
const char *store_advice(int code);
// "<what>: <SQLite's last error>. <what to do>", in the arena.
struct str store_trouble(struct store *s, struct arena *arena, const char *what);
// A text column's copy in the arena; empty for NULL.
struct str store_text(sqlite3_stmt *st, int column, struct arena *arena);
void store_bind_text(sqlite3_stmt *st, int at, struct str text);  // empty: NULL; `text` must live until the reset
bool store_migrate(struct store *s, struct arena *arena, const char *path, struct str *why);
bool store_ledger_prepare(struct store *s);
void store_ledger_finalize(struct store *s);
uint64_t store_backlog(const struct store *s);
// Records left by earlier processes, in one transaction.
bool store_ledger_replay(struct store *s, struct arena *arena, struct str spool_dir, struct str *why);
