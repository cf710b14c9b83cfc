// Opening: the directory, its lock, the database, its schema, and the records of a process that was killed.
#define _GNU_SOURCE
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rand.h"
#include "store/keyhash.h"
#include "store/private.h"

// Statistics cost a mutex at each allocation of SQLite's, and nobody asks for them. Only before its first use.
static void sqlite_configure(void) {
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static struct str path_in(struct arena *arena, struct str dir, const char *name) {
  return arena_printf(arena, "%.*s/%s", STR_ARGS(dir), name);
}

static bool make_dirs(struct arena *arena, struct str dir, struct str *why) {
  char *path = (char *)arena_str(arena, dir).ptr;
  if (!path) return *why = STR("out of memory"), false;
  for (size_t i = 1; i <= dir.len; i++) {
    if (i < dir.len && path[i] != '/') continue;
    char kept = path[i];
    path[i] = 0;
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
      *why = arena_printf(
          arena, "cannot make data_dir %s: %s. Choose another data_dir, or give this user the right to write there.",
          path, strerror(errno));
      return false;
    }
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
      *why = arena_printf(arena, "data_dir %s is a file, not a directory", path);
      return false;
    }
    path[i] = kept;
  }
  if (access(path, W_OK | X_OK) == 0) return true;
  *why = arena_printf(
      arena, "data_dir %s cannot be written: %s. Give this user the right to write there, or choose another data_dir.",
      path, strerror(errno));
  return false;
}

// Only one gateway may own a data_dir: two would replay each other's spools. The number inside is for people.
static bool take_lock(struct store *s, struct arena *arena, struct str dir, struct str *why) {
  struct str path = path_in(arena, dir, "lock");
  char pid[24] = "";
  s->lock_fd = path.ptr ? open(path.ptr, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (s->lock_fd < 0) {
    *why = arena_printf(arena, "cannot open %s: %s. Give this user the right to write in data_dir.", path.ptr,
                        strerror(errno));
    return false;
  }
  if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0) {
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(s->lock_fd, 0) == 0 && pwrite(s->lock_fd, pid, (size_t)n, 0) == n) return true;
    return true;  // a full disk: held all the same
  }
  ssize_t n = pread(s->lock_fd, pid, sizeof pid - 1, 0);
  if (n > 0) pid[strcspn(pid, "\n")] = 0;
  *why = arena_printf(
      arena, "another signalbox%s%s%s already runs on data_dir %.*s. Stop it, or give this one another data_dir.",
      n > 0 ? " (process " : "", pid, n > 0 ? ")" : "", STR_ARGS(dir));
  return false;
}

bool store_exec(struct store *s, const char *sql) {
  return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

bool store_step(sqlite3_stmt *st) {
  bool ok = sqlite3_step(st) == SQLITE_DONE;
  sqlite3_reset(st);
  return ok;
}

const char *store_advice(int code) {
  switch (code & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return "The file is damaged or no database; it was left as it is. Restore a backup, or move signalbox.db and "
             "signalbox.db-wal aside to begin with an empty one.";
    case SQLITE_FULL: return "Free some space on the disk of data_dir.";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM: return "Give this user the right to write in data_dir and to all files there.";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "Another process has kept it locked for 5 seconds: a backup or a sqlite3 shell? Try again.";
    case SQLITE_IOERR: return "The disk of data_dir is full or failing; the system's log may say more.";
    default: return "Nothing was changed.";
  }
}

struct str store_trouble(struct store *s, struct arena *arena, const char *what) {
  int code = sqlite3_extended_errcode(s->db);
  return arena_printf(arena, "%s: %s. %s", what, sqlite3_errmsg(s->db), store_advice(code));
}

struct str store_text(sqlite3_stmt *st, int column, struct arena *arena) {
  const char *text = (const char *)sqlite3_column_text(st, column);
  return text ? arena_str(arena, str_from(text, (size_t)sqlite3_column_bytes(st, column))) : (struct str){0};
}

void store_bind_text(sqlite3_stmt *st, int at, struct str text) {
  if (text.len)
    sqlite3_bind_text(st, at, text.ptr, (int)text.len, SQLITE_STATIC);
  else
    sqlite3_bind_null(st, at);
}

// A program that ends leaves the write-ahead log to the gateway, which alone copies it back: never in the middle of one
// of its batches. The last one to close does so in any case.
static bool open_database(struct store *s, struct arena *arena, struct str dir, bool own, struct str *why) {
  struct str path = path_in(arena, dir, "signalbox.db");
  if (!path.ptr) return *why = STR("out of memory"), false;
  mode_t old = umask(0077);
  int rc = sqlite3_open_v2(path.ptr, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
  if (!s->db) {
    umask(old);
    return *why = STR("out of memory"), false;
  }
  sqlite3_busy_timeout(s->db, 5000);
  sqlite3_extended_result_codes(s->db, 1);
  // Pages of 16 KiB quarter the number of writes; the size counts only for a new file. NORMAL: a killed process loses
  // nothing, a power cut may lose the last moments, the file stays sound.
  bool ok = rc == SQLITE_OK &&
            store_exec(s,
                       "PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                       "PRAGMA cache_size=-1000; SELECT count(*) FROM sqlite_schema") &&
            store_exec(s, own ? "PRAGMA wal_autocheckpoint=1000" : "PRAGMA wal_autocheckpoint=0");
  umask(old);  // the log and its index are made by the first access
  if (!ok) {
    *why = store_trouble(s, arena, path.ptr);
    return false;
  }
  return store_migrate(s, arena, path.ptr, why);
}

struct store *store_open(struct arena *arena, struct str data_dir, bool replay_spools, struct str *why) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, sqlite_configure);
  while (data_dir.len > 1 && data_dir.ptr[data_dir.len - 1] == '/') data_dir.len--;
  struct store *s = calloc(1, sizeof *s);
  if (!s) return *why = STR("out of memory"), NULL;
  s->lock_fd = -1;
  s->last = &s->first;
  pthread_mutex_init(&s->mutex, NULL);
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&s->wake, &attr);
  pthread_condattr_destroy(&attr);
  bool ok = make_dirs(arena, data_dir, why) && (!replay_spools || take_lock(s, arena, data_dir, why)) &&
            open_database(s, arena, data_dir, replay_spools, why);
  if (ok && !store_ledger_prepare(s)) {
    *why = store_trouble(s, arena, "cannot use the database");
    ok = false;
  }
  if (ok && replay_spools) ok = store_ledger_replay(s, arena, path_in(arena, data_dir, "spool"), why);
  if (ok) return s;
  store_close(s);
  return NULL;
}

void store_close(struct store *s) {
  if (!s) return;
  store_ledger_finalize(s);
  if (s->db) sqlite3_close(s->db);
  if (s->lock_fd >= 0) close(s->lock_fd);
  pthread_mutex_destroy(&s->mutex);
  pthread_cond_destroy(&s->wake);
  free(s);
}

// --- secrets ---

bool store_pepper(struct arena *arena, struct str data_dir, uint8_t pepper[32], struct str *why) {
  if (!make_dirs(arena, data_dir, why)) return false;
  const char *path = path_in(arena, data_dir, "pepper").ptr;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    // Under another name first: nobody may ever read half of it.
    struct str fresh = arena_printf(arena, "%s.%ld", path, (long)getpid());
    rand_bytes(pepper, 32);
    fd = open(fresh.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, pepper, 32) == 32 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    if (written && link(fresh.ptr, path) != 0 && errno != EEXIST) written = false;
    int error = errno;
    unlink(fresh.ptr);
    if (!written) {
      *why = arena_printf(arena, "cannot write %s: %s", path, strerror(error));
      return false;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
  }
  ssize_t n = fd >= 0 ? read(fd, pepper, 32) : -1;
  if (fd >= 0) close(fd);
  if (n == 32) return true;
  *why =
      arena_printf(arena, "%s must hold 32 bytes; restore it from a backup: without it no stored key is valid", path);
  return false;
}

void store_key_hash(const uint8_t pepper[32], struct str key_text, uint8_t hash[32]) {
  struct key_hasher *h = key_hasher_new(pepper);
  if (!h) abort();  // out of memory at start: nothing can go on
  key_hasher_hash(h, key_text, hash);
  key_hasher_free(h);
}

struct str store_key_text(struct arena *arena) {
  uint8_t random[32];
  char text[48];
  rand_bytes(random, sizeof random);
  EVP_EncodeBlock((unsigned char *)text, random, sizeof random);  // 43 characters and one '='
  for (int i = 0; i < 43; i++) text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
  return arena_printf(arena, "sk-sb-v1-%.43s", text);
}
