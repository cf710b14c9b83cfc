// API keys in the database, and what each has spent.
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "store/private.h"

// Runs one change and finalizes the statement. Keys are worth a wait for the disk: they survive a power cut too.
static bool run(struct store *s, sqlite3_stmt *st, int prepared, struct str *why) {
  store_exec(s, "PRAGMA synchronous=FULL");
  bool ok = prepared == SQLITE_OK && sqlite3_step(st) == SQLITE_DONE;
  int code = sqlite3_extended_errcode(s->db);
  if (!ok && (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE))
    *why = STR("there is such a key already");
  else if (!ok)
    *why = str_from_cstr(store_advice(code));
  sqlite3_finalize(st);
  store_exec(s, "PRAGMA synchronous=NORMAL");
  if (ok) s->keys_changes++;
  return ok;
}

static void bind_limit(sqlite3_stmt *st, int at, const struct key_row *row) {
  if (row->has_limit)
    sqlite3_bind_int64(st, at, row->limit);
  else
    sqlite3_bind_null(st, at);
}

bool store_key_insert(struct store *s, const struct key_row *row, struct str *why) {
  sqlite3_stmt *st = NULL;
  int rc = sqlite3_prepare_v2(s->db, "INSERT INTO keys VALUES(?,?,?,?,?,?,?,?,?,?)", -1, &st, NULL);
  if (rc == SQLITE_OK) {
    store_bind_text(st, 1, row->id);
    sqlite3_bind_text(st, 2, row->name.ptr ? row->name.ptr : "", (int)row->name.len, SQLITE_STATIC);
    sqlite3_bind_text(st, 3, row->prefix.ptr ? row->prefix.ptr : "", (int)row->prefix.len, SQLITE_STATIC);
    sqlite3_bind_blob(st, 4, row->hash, sizeof row->hash, SQLITE_STATIC);
    sqlite3_bind_int(st, 5, row->management);
    sqlite3_bind_int(st, 6, row->disabled);
    bind_limit(st, 7, row);
    sqlite3_bind_int64(st, 8, (sqlite3_int64)row->created);
    sqlite3_bind_int64(st, 9, (sqlite3_int64)row->updated);
    sqlite3_bind_int64(st, 10, (sqlite3_int64)row->expires);
  }
  return run(s, st, rc, why);
}

bool store_key_update(struct store *s, const struct key_row *row, struct str *why) {
  sqlite3_stmt *st = NULL;
  int rc = sqlite3_prepare_v2(s->db, "UPDATE keys SET name=?,disabled=?,limit_pico=?,expires=?,updated=? WHERE id=?",
                              -1, &st, NULL);
  if (rc == SQLITE_OK) {
    sqlite3_bind_text(st, 1, row->name.ptr ? row->name.ptr : "", (int)row->name.len, SQLITE_STATIC);
    sqlite3_bind_int(st, 2, row->disabled);
    bind_limit(st, 3, row);
    sqlite3_bind_int64(st, 4, (sqlite3_int64)row->expires);
    sqlite3_bind_int64(st, 5, (sqlite3_int64)row->updated);
    store_bind_text(st, 6, row->id);
  }
  return run(s, st, rc, why);
}

bool store_key_delete(struct store *s, struct str id, bool *found, struct str *why) {
  sqlite3_stmt *st = NULL;
  int rc = sqlite3_prepare_v2(s->db, "DELETE FROM keys WHERE id=?", -1, &st, NULL);
  if (rc == SQLITE_OK) store_bind_text(st, 1, id);
  bool ok = run(s, st, rc, why);
  *found = ok && sqlite3_changes(s->db) > 0;
  return ok;
}

// Days since 1970 at which the present UTC day, week (Monday) and month began.
static void periods(int64_t *day, int64_t *week, int64_t *month) {
  time_t now = (time_t)(time_unix_us() / 1000000);
  struct tm tm;
  gmtime_r(&now, &tm);
  *day = now / 86400;
  *week = *day - (tm.tm_wday + 6) % 7;
  *month = *day - (tm.tm_mday - 1);
}

static void row_take(sqlite3_stmt *st, struct arena *arena, struct key_row *row) {
  *row = (struct key_row){.id = store_text(st, 0, arena), .declared = sqlite3_column_type(st, 1) == SQLITE_NULL};
  if (!row->declared) {
    row->name = store_text(st, 1, arena);
    row->prefix = store_text(st, 2, arena);
    if (sqlite3_column_bytes(st, 3) == sizeof row->hash)
      memcpy(row->hash, sqlite3_column_blob(st, 3), sizeof row->hash);
    row->management = sqlite3_column_int(st, 4);
    row->disabled = sqlite3_column_int(st, 5);
    row->has_limit = sqlite3_column_type(st, 6) != SQLITE_NULL;
    row->limit = sqlite3_column_int64(st, 6);
    row->created = (uint64_t)sqlite3_column_int64(st, 7);
    row->updated = (uint64_t)sqlite3_column_int64(st, 8);
    row->expires = (uint64_t)sqlite3_column_int64(st, 9);
  }
  row->spent = sqlite3_column_int64(st, 10);
  row->spent_day = sqlite3_column_int64(st, 11);
  row->spent_week = sqlite3_column_int64(st, 12);
  row->spent_month = sqlite3_column_int64(st, 13);
}

bool store_key_list(struct store *s, struct arena *arena, struct key_row **rows, size_t *count, struct str *why) {
  static const char sql[] =
      "WITH spent AS (SELECT key_id, sum(cost_pico) AS total, sum(CASE WHEN day>=?1 THEN cost_pico ELSE 0 END) AS day,"
      " sum(CASE WHEN day>=?2 THEN cost_pico ELSE 0 END) AS week, sum(CASE WHEN day>=?3 THEN cost_pico ELSE 0 END) AS "
      "month"
      " FROM key_usage GROUP BY key_id)"
      " SELECT k.id, k.name, k.prefix, k.hash, k.management, k.disabled, k.limit_pico, k.created, k.updated, k.expires,"
      " coalesce(u.total,0), coalesce(u.day,0), coalesce(u.week,0), coalesce(u.month,0)"
      " FROM keys k LEFT JOIN spent u ON u.key_id=k.id"
      " UNION ALL SELECT u.key_id,NULL,NULL,NULL,0,0,NULL,0,0,0,u.total,u.day,u.week,u.month FROM spent u"
      " WHERE u.key_id NOT IN (SELECT id FROM keys) ORDER BY 8, 1";
  sqlite3_stmt *st = NULL;
  int64_t day, week, month;
  size_t cap = 0;
  *rows = NULL;
  *count = 0;
  periods(&day, &week, &month);
  int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
  if (rc == SQLITE_OK) {
    sqlite3_bind_int64(st, 1, day);
    sqlite3_bind_int64(st, 2, week);
    sqlite3_bind_int64(st, 3, month);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
      if (*count == cap) {
        cap = cap ? cap * 2 : 16;
        struct key_row *grown = arena_alloc(arena, cap * sizeof *grown);
        if (!grown) break;
        if (*count) memcpy(grown, *rows, *count * sizeof *grown);
        *rows = grown;
      }
      row_take(st, arena, &(*rows)[(*count)++]);
    }
  }
  if (rc != SQLITE_DONE) *why = store_trouble(s, arena, "reading the keys");
  sqlite3_finalize(st);
  return rc == SQLITE_DONE;
}

uint64_t store_keys_version(struct store *s) {
  // data_version moves when another connection has committed; ours are counted by us.
  uint64_t version =
      sqlite3_step(s->data_version) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s->data_version, 0) : 0;
  sqlite3_reset(s->data_version);
  return version << 32 | s->keys_changes;
}
