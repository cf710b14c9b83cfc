// The schema, as numbered steps forward. PRAGMA user_version says how many have been made. A step that has been
// released is never changed: the next change is a new step. Views hold nothing, and are apart.
#include "store/private.h"

static const char *const steps[] = {
    // 1. Money is in 1e-12 USD.
    "CREATE TABLE keys("
    " id TEXT PRIMARY KEY, name TEXT NOT NULL, prefix TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,"
    " management INTEGER NOT NULL, disabled INTEGER NOT NULL, limit_pico INTEGER,"
    " created INTEGER NOT NULL, updated INTEGER NOT NULL, expires INTEGER) WITHOUT ROWID;"
    "CREATE TABLE settings(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    // Rows lie in order of time and nothing else is indexed: writing one is an append (ledger.c tells more of `seq`).
    "CREATE TABLE generations("
    " seq INTEGER PRIMARY KEY, id TEXT NOT NULL, created_us INTEGER NOT NULL, key_id TEXT, model TEXT, provider TEXT, "
    "status INTEGER NOT NULL,"
    " fault TEXT, flags INTEGER NOT NULL, latency_ms INTEGER NOT NULL, generation_ms INTEGER NOT NULL,"
    " gateway_us INTEGER NOT NULL, prompt INTEGER NOT NULL, completion INTEGER NOT NULL, cached INTEGER NOT NULL,"
    " reasoning INTEGER NOT NULL, cost_pico INTEGER NOT NULL, cost_prompt_pico INTEGER NOT NULL,"
    " cost_completion_pico INTEGER NOT NULL, detail TEXT NOT NULL);"
    // What each key has spent a day (UTC), kept with every batch, so that no key's sum ever needs all its rows.
    "CREATE TABLE key_usage("
    " key_id TEXT NOT NULL, day INTEGER NOT NULL, requests INTEGER NOT NULL, prompt INTEGER NOT NULL,"
    " completion INTEGER NOT NULL, cost_pico INTEGER NOT NULL, PRIMARY KEY(key_id, day)) WITHOUT ROWID;",
    // 2. Presets: versions are kept for ever, the newest is the one in use. Times in microseconds.
    "CREATE TABLE presets("
    " id TEXT PRIMARY KEY, slug TEXT NOT NULL UNIQUE COLLATE NOCASE, name TEXT NOT NULL, description TEXT,"
    " status INTEGER NOT NULL, creator TEXT, created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL,"
    " status_updated_us INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE preset_versions("
    " preset_id TEXT NOT NULL, version INTEGER NOT NULL, id TEXT NOT NULL, config TEXT NOT NULL, system_prompt TEXT,"
    " creator TEXT, created_us INTEGER NOT NULL, PRIMARY KEY(preset_id, version)) WITHOUT ROWID;",
    // 3. Nothing but the view.
    "",
};
enum { STEPS = sizeof steps / sizeof steps[0] };

// For people with the sqlite3 program or another tool at the file (docs/operations.md). It holds nothing: made anew
// after every step, so that this is the only place that says what it shows; a change of it is a step.
static const char view[] =
    "DROP VIEW IF EXISTS ledger;"
    "CREATE VIEW ledger AS SELECT id, strftime('%Y-%m-%dT%H:%M:%fZ', created_us / 1e6, 'unixepoch') AS created, "
    "key_id, "
    "model,"
    " provider, status, fault, flags & 1 AS streamed, flags >> 1 & 1 AS cancelled, latency_ms, generation_ms, "
    "gateway_us,"
    " prompt, completion, cached, reasoning, cost_pico / 1e12 AS cost_usd,"
    " json_extract(detail, '$.upstream_model') AS upstream_model, json_extract(detail, '$.upstream_id') AS upstream_id,"
    " json_extract(detail, '$.finish_reason') AS finish_reason, json_extract(detail, '$.user') AS user,"
    " json_extract(detail, '$.session_id') AS session_id, json_extract(detail, '$.app_title') AS app_title,"
    " json_extract(detail, '$.user_agent') AS user_agent, json_extract(detail, '$.preset_id') AS preset_id,"
    " json_extract(detail, '$.router') AS router, json_extract(detail, '$.error') AS error,"
    " json_extract(detail, '$.attempts') AS attempts FROM generations;";

static int64_t number(struct store *s, const char *sql) {
  sqlite3_stmt *st = NULL;
  int64_t value = -1;
  if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
    value = sqlite3_column_int64(st, 0);
  sqlite3_finalize(st);
  return value;
}

// In a transaction, so that of two programs that start at once one waits and finds everything done.
static bool step_forward(struct store *s) {
  if (!store_exec(s, "BEGIN IMMEDIATE")) return false;
  int64_t version = number(s, "PRAGMA user_version");
  bool ok = version >= 0;
  for (int64_t i = version; ok && i < STEPS; i++) ok = store_exec(s, steps[i]);
  ok = ok && store_exec(s, view);
  char set[80];
  snprintf(set, sizeof set, "PRAGMA application_id=%d; PRAGMA user_version=%d", STORE_APPLICATION_ID, (int)STEPS);
  return ok && store_exec(s, set) && store_exec(s, "COMMIT");
}

bool store_migrate(struct store *s, struct arena *arena, const char *path, struct str *why) {
  int64_t version = number(s, "PRAGMA user_version"), owner = number(s, "PRAGMA application_id");
  int64_t tables = number(s, "SELECT count(*) FROM sqlite_schema");
  if (owner != STORE_APPLICATION_ID && tables > 0) {
    *why = arena_printf(arena,
                        "%s is another program's database; it was left as it is. Choose another data_dir, or move the "
                        "file away.",
                        path);
    return false;
  }
  if (version > STEPS) {
    *why = arena_printf(arena,
                        "%s was written by a newer signalbox (schema %lld, this program knows %d); it was left as it "
                        "is. Use that version, or a backup made before it.",
                        path, (long long)version, (int)STEPS);
    return false;
  }
  if (version == STEPS || (version >= 0 && owner >= 0 && tables >= 0 && step_forward(s))) return true;
  *why = store_trouble(s, arena, path);
  if (!sqlite3_get_autocommit(s->db)) store_exec(s, "ROLLBACK");
  return false;
}
