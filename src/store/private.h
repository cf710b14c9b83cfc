// What the files of the store share.
#pragma once
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "store/store.h"

enum { STORE_SPOOLS = 256, STORE_JOBS_MAX = 1024 };

struct store {
  sqlite3 *db;
  sqlite3_stmt *insert, *add_usage, *select_generation;
  int lock_fd;  // of DATA_DIR/lock; -1: not held (the CLI)
  // thread
  pthread_t thread;
  pthread_mutex_t mutex;  // of the queue below
  pthread_cond_t wake;
  bool running, stopping;
  struct store_job *first, **last;
  unsigned job_count;
  void (*on_keys_changed)(void *context);
  void *context;
  uint64_t keys_changes;  // by this connection
  struct spool *spools[STORE_SPOOLS];
  unsigned spool_count;
  _Atomic(uint64_t) rows, batches, failures;
};

bool store_exec(struct store *s, const char *sql);
// A sentence of SQLite's last error.
struct str store_trouble(struct store *s, struct arena *arena, const char *doing);
// An embedded text column; empty for NULL. In the arena.
struct str store_text(sqlite3_stmt *st, int column, struct arena *arena);
void store_bind_text(sqlite3_stmt *st, int at, struct str text);  // empty: NULL; `text` must live until the reset
bool store_migrate(struct store *s, struct arena *arena, struct str *why);
bool store_ledger_prepare(struct store *s);
void store_ledger_finalize(struct store *s);
// Records left by earlier processes, in one transaction.
bool store_ledger_replay(struct store *s, struct arena *arena, struct str spool_dir, struct str *why);
