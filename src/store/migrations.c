// The schema, as numbered steps forward. PRAGMA user_version says how many have been made.
#include "store/private.h"

static const char *const steps[] = {
    // 1
    "CREATE TABLE keys("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL, prefix TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,"
    " management INTEGER NOT NULL, disabled INTEGER NOT NULL, limit_pico INTEGER,"
    " created INTEGER NOT NULL, updated INTEGER NOT NULL, expires INTEGER) WITHOUT ROWID;"
    // Money is in 1e-12 USD, times of requests in microseconds. Ids begin with the second: rows go in nearly in order.
    "CREATE TABLE generations("
    " id TEXT PRIMARY KEY, created_us INTEGER NOT NULL, key_id TEXT, model TEXT, provider TEXT, provider_name TEXT,"
    " upstream_model TEXT, upstream_id TEXT, finish_reason TEXT, native_finish_reason TEXT, api_type TEXT, user TEXT,"
    " session_id TEXT, app_title TEXT, http_referer TEXT, user_agent TEXT, error TEXT, attempts TEXT,"
    " status INTEGER NOT NULL, fault TEXT, streamed INTEGER NOT NULL, cancelled INTEGER NOT NULL,"
    " latency_ms INTEGER NOT NULL, generation_ms INTEGER NOT NULL, gateway_us INTEGER NOT NULL,"
    " usage_known INTEGER NOT NULL, usage_estimated INTEGER NOT NULL, prompt INTEGER NOT NULL,"
    " completion INTEGER NOT NULL, total INTEGER NOT NULL, cached INTEGER, cache_write INTEGER, reasoning INTEGER,"
    " audio_prompt INTEGER, audio_completion INTEGER, image_completion INTEGER,"
    " cost_pico INTEGER NOT NULL, cost_prompt_pico INTEGER NOT NULL, cost_completion_pico INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    // What each key has spent a day (UTC), kept with every batch, so that no key's sum ever needs all its rows.
    "CREATE TABLE key_usage("
    " key_id TEXT NOT NULL, day INTEGER NOT NULL, requests INTEGER NOT NULL, prompt INTEGER NOT NULL,"
    " completion INTEGER NOT NULL, cost_pico INTEGER NOT NULL, PRIMARY KEY(key_id, day)) WITHOUT ROWID;",
};
enum { STEPS = sizeof steps / sizeof steps[0] };

static int version_of(struct store *s) {
  sqlite3_stmt *st;
  int version = -1;
  if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
    version = sqlite3_column_int(st, 0);
  sqlite3_finalize(st);
  return version;
}

bool store_migrate(struct store *s, struct arena *arena, struct str *why) {
  int version = version_of(s);
  if (version > STEPS) {
    *why = arena_printf(arena, "the database was written by a newer signalbox (schema %d, this program knows %d): use that version",
                        version, STEPS);
    return false;
  }
  if (version == STEPS) return true;
  bool ok = version >= 0 && store_exec(s, "BEGIN IMMEDIATE");
  if (ok) version = version_of(s);  // another process may have been faster
  for (int i = version; ok && i < STEPS; i++) ok = store_exec(s, steps[i]);
  const char *set = arena_printf(arena, "PRAGMA user_version=%d", STEPS).ptr;
  if (ok) ok = store_exec(s, set) && store_exec(s, "COMMIT");
  if (ok) return true;
  *why = store_trouble(s, arena, "bringing the database's schema up to date");
  store_exec(s, "ROLLBACK");
  return false;
}
