#include "store/presets.h"

#include <string.h>

#include "base/rand.h"
#include "store/private.h"

// --- changes ---

// What presets say is worth a wait for the disk: like keys, it survives a power cut too.
static bool begin(struct store *s) {
  store_exec(s, "PRAGMA synchronous=FULL");
  return store_exec(s, "BEGIN IMMEDIATE");
}

// Commits when all went well, else undoes everything.
static bool end(struct store *s, bool ok, struct str *why) {
  ok = ok && store_exec(s, "COMMIT");
  if (!ok) *why = str_from_cstr(store_advice(sqlite3_extended_errcode(s->db)));
  if (!sqlite3_get_autocommit(s->db)) store_exec(s, "ROLLBACK");
  store_exec(s, "PRAGMA synchronous=NORMAL");
  if (ok) s->presets_changes++;
  return ok;
}

static sqlite3_stmt *prepare(struct store *s, const char *sql) {
  sqlite3_stmt *st = NULL;
  return sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK ? st : NULL;
}

// Runs a change; NULL has failed already.
static bool finish(sqlite3_stmt *st) {
  bool ok = st && sqlite3_step(st) == SQLITE_DONE;
  sqlite3_finalize(st);
  return ok;
}

// Text that may be empty but is not NULL.
static void bind_filled(sqlite3_stmt *st, int at, struct str text) {
  sqlite3_bind_text(st, at, text.len ? text.ptr : "", (int)text.len, SQLITE_STATIC);
}

// A random UUID (version 4).
static struct str fresh_id(struct arena *arena) {
  uint8_t b[16];
  rand_bytes(b, sizeof b);
  b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
  b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
  return arena_printf(arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
                      b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

static bool insert_preset(struct store *s, const struct preset_row *row) {
  sqlite3_stmt *st = prepare(s, "INSERT INTO presets VALUES(?,?,?,?,?,?,?,?,?)");
  if (!st) return false;
  store_bind_text(st, 1, row->id);
  store_bind_text(st, 2, row->slug);
  bind_filled(st, 3, row->name);
  store_bind_text(st, 4, row->description);
  sqlite3_bind_int64(st, 5, row->status);
  store_bind_text(st, 6, row->creator);
  sqlite3_bind_int64(st, 7, (sqlite3_int64)row->created_us);
  sqlite3_bind_int64(st, 8, (sqlite3_int64)row->updated_us);
  sqlite3_bind_int64(st, 9, (sqlite3_int64)row->status_updated_us);
  return finish(st);
}

static bool insert_version(struct store *s, const struct preset_version_row *row) {
  sqlite3_stmt *st = prepare(s, "INSERT INTO preset_versions VALUES(?,?,?,?,?,?,?)");
  if (!st) return false;
  store_bind_text(st, 1, row->preset_id);
  sqlite3_bind_int64(st, 2, (sqlite3_int64)row->version);
  store_bind_text(st, 3, row->id);
  bind_filled(st, 4, row->config);
  store_bind_text(st, 5, row->system_prompt);
  store_bind_text(st, 6, row->creator);
  sqlite3_bind_int64(st, 7, (sqlite3_int64)row->created_us);
  return finish(st);
}

static bool write_preset(struct store *s, const struct preset_row *row) {
  sqlite3_stmt *st =
      prepare(s, "UPDATE presets SET name=?,description=?,status=?,updated_us=?,status_updated_us=? WHERE id=?");
  if (!st) return false;
  bind_filled(st, 1, row->name);
  store_bind_text(st, 2, row->description);
  sqlite3_bind_int64(st, 3, row->status);
  sqlite3_bind_int64(st, 4, (sqlite3_int64)row->updated_us);
  sqlite3_bind_int64(st, 5, (sqlite3_int64)row->status_updated_us);
  store_bind_text(st, 6, row->id);
  return finish(st);
}

// One number; false: the database cannot say.
static bool count_of(struct store *s, const char *sql, struct str preset_id, uint64_t *out) {
  sqlite3_stmt *st = prepare(s, sql);
  if (st && preset_id.len) store_bind_text(st, 1, preset_id);
  bool ok = st && sqlite3_step(st) == SQLITE_ROW;
  if (ok) *out = (uint64_t)sqlite3_column_int64(st, 0);
  sqlite3_finalize(st);
  return ok;
}

static bool put(struct store *s, struct arena *arena, struct str slug, struct preset_row *preset,
                struct preset_version_row *version, bool *full, struct str *why) {
  bool found;
  uint64_t count = 0;
  if (!store_preset_find(s, arena, slug, preset, &found, why)) return false;
  if (!found) {
    if (!count_of(s, "SELECT count(*) FROM presets", STR(""), &count)) return false;
    if (count >= PRESETS_MAX) return *full = true, false;
    *preset = (struct preset_row){.id = fresh_id(arena), .slug = slug, .name = slug, .creator = version->creator};
    preset->created_us = version->created_us;
  }
  version->id = fresh_id(arena);
  version->preset_id = preset->id;
  version->version = preset->version + 1;
  preset->version = version->version;
  preset->version_id = version->id;
  preset->updated_us = version->created_us;
  if (arena->failed) return false;
  return insert_version(s, version) && (found ? write_preset(s, preset) : insert_preset(s, preset));
}

bool store_preset_put(struct store *s, struct arena *arena, struct str slug, struct preset_row *preset,
                      struct preset_version_row *version, bool *full, struct str *why) {
  *full = false;
  bool ok = begin(s) && put(s, arena, slug, preset, version, full, why);
  return end(s, ok, why);
}

bool store_preset_update(struct store *s, const struct preset_row *row, struct str *why) {
  bool ok = begin(s) && write_preset(s, row);
  return end(s, ok, why);
}

bool store_preset_delete(struct store *s, struct str id, bool *found, struct str *why) {
  static const char *const sql[] = {"DELETE FROM preset_versions WHERE preset_id=?", "DELETE FROM presets WHERE id=?"};
  bool ok = begin(s);
  *found = false;
  for (int i = 0; i < 2 && ok; i++) {
    sqlite3_stmt *st = prepare(s, sql[i]);
    if (st) store_bind_text(st, 1, id);
    ok = finish(st);
    *found = ok && sqlite3_changes(s->db) > 0;
  }
  return end(s, ok, why);
}

// --- reading ---

#define PRESET_COLUMNS                                                                                                \
  "SELECT p.id, p.slug, p.name, p.description, p.status, p.creator, p.created_us, p.updated_us,"                      \
  " p.status_updated_us, coalesce(v.version, 0), v.id FROM presets p LEFT JOIN preset_versions v ON v.preset_id=p.id" \
  " AND v.version=(SELECT max(version) FROM preset_versions WHERE preset_id=p.id) "

static void take_preset(sqlite3_stmt *st, struct arena *arena, void *into) {
  *(struct preset_row *)into = (struct preset_row){
      .id = store_text(st, 0, arena),
      .slug = store_text(st, 1, arena),
      .name = store_text(st, 2, arena),
      .description = store_text(st, 3, arena),
      .status = (unsigned)sqlite3_column_int(st, 4),
      .creator = store_text(st, 5, arena),
      .created_us = (uint64_t)sqlite3_column_int64(st, 6),
      .updated_us = (uint64_t)sqlite3_column_int64(st, 7),
      .status_updated_us = (uint64_t)sqlite3_column_int64(st, 8),
      .version = (uint64_t)sqlite3_column_int64(st, 9),
      .version_id = store_text(st, 10, arena),
  };
}

#define VERSION_COLUMNS \
  "SELECT id, preset_id, version, config, system_prompt, creator, created_us FROM preset_versions "

static void take_version(sqlite3_stmt *st, struct arena *arena, void *into) {
  *(struct preset_version_row *)into = (struct preset_version_row){
      .id = store_text(st, 0, arena),
      .preset_id = store_text(st, 1, arena),
      .version = (uint64_t)sqlite3_column_int64(st, 2),
      .config = store_text(st, 3, arena),
      .system_prompt = store_text(st, 4, arena),
      .creator = store_text(st, 5, arena),
      .created_us = (uint64_t)sqlite3_column_int64(st, 6),
  };
}

// All rows of a bound statement, which it finalizes (NULL: it could not be prepared), as an array in the arena.
static bool take_all(struct store *s, sqlite3_stmt *st, struct arena *arena, size_t row_size,
                     void (*take)(sqlite3_stmt *st, struct arena *arena, void *into), void **rows, size_t *count,
                     struct str *why) {
  size_t cap = 0;
  char *all = NULL;
  int rc = SQLITE_ERROR;
  *count = 0;
  while (st && !arena->failed && (rc = sqlite3_step(st)) == SQLITE_ROW) {
    if (*count == cap) {
      cap = cap ? cap * 2 : 8;
      char *grown = arena_alloc(arena, cap * row_size);
      if (!grown) break;
      if (*count) memcpy(grown, all, *count * row_size);
      all = grown;
    }
    take(st, arena, all + (*count)++ * row_size);
  }
  bool ok = rc == SQLITE_DONE && !arena->failed;
  if (!ok) *why = arena->failed ? STR("out of memory") : store_trouble(s, arena, "reading the presets");
  sqlite3_finalize(st);
  *rows = all;
  return ok;
}

bool store_preset_find(struct store *s, struct arena *arena, struct str slug, struct preset_row *out, bool *found,
                       struct str *why) {
  sqlite3_stmt *st = prepare(s, PRESET_COLUMNS "WHERE p.slug=?");
  void *rows;
  size_t count;
  if (st) bind_filled(st, 1, slug);
  bool ok = take_all(s, st, arena, sizeof *out, take_preset, &rows, &count, why);
  *found = ok && count > 0;
  if (*found) *out = *(struct preset_row *)rows;
  return ok;
}

static void bind_page(sqlite3_stmt *st, int at, uint64_t offset, uint64_t most) {
  sqlite3_bind_int64(st, at, (sqlite3_int64)(most < INT64_MAX ? most : INT64_MAX));
  sqlite3_bind_int64(st, at + 1, (sqlite3_int64)(offset < INT64_MAX ? offset : INT64_MAX));
}

static bool counted(struct store *s, struct arena *arena, bool ok, struct str *why) {
  if (!ok) *why = store_trouble(s, arena, "counting the presets");
  return ok;
}

bool store_preset_list(struct store *s, struct arena *arena, uint64_t offset, uint64_t most, struct preset_row **rows,
                       size_t *count, uint64_t *total, struct str *why) {
  sqlite3_stmt *st = prepare(s, PRESET_COLUMNS "ORDER BY p.updated_us DESC, p.slug LIMIT ? OFFSET ?");
  void *all;
  if (st) bind_page(st, 1, offset, most);
  bool ok = take_all(s, st, arena, sizeof **rows, take_preset, &all, count, why);
  *rows = all;
  return ok && counted(s, arena, count_of(s, "SELECT count(*) FROM presets", STR(""), total), why);
}

bool store_preset_version(struct store *s, struct arena *arena, struct str preset_id, uint64_t version,
                          struct preset_version_row *out, bool *found, struct str *why) {
  sqlite3_stmt *st = prepare(s, VERSION_COLUMNS "WHERE preset_id=? AND version=?");
  void *rows;
  size_t count;
  if (st) {
    bind_filled(st, 1, preset_id);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)(version < INT64_MAX ? version : INT64_MAX));
  }
  bool ok = take_all(s, st, arena, sizeof *out, take_version, &rows, &count, why);
  *found = ok && count > 0;
  if (*found) *out = *(struct preset_version_row *)rows;
  return ok;
}

bool store_preset_versions(struct store *s, struct arena *arena, struct str preset_id, uint64_t offset, uint64_t most,
                           struct preset_version_row **rows, size_t *count, uint64_t *total, struct str *why) {
  sqlite3_stmt *st = prepare(s, VERSION_COLUMNS "WHERE preset_id=? ORDER BY version LIMIT ? OFFSET ?");
  void *all;
  if (st) {
    bind_filled(st, 1, preset_id);
    bind_page(st, 2, offset, most);
  }
  bool ok = take_all(s, st, arena, sizeof **rows, take_version, &all, count, why);
  *rows = all;
  return ok && counted(s, arena,
                       count_of(s, "SELECT count(*) FROM preset_versions WHERE preset_id=?", preset_id, total), why);
}

uint64_t store_presets_version(struct store *s) {
  // As of keys: data_version moves when another connection has committed; ours are counted by us.
  uint64_t version =
      sqlite3_step(s->data_version) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s->data_version, 0) : 0;
  sqlite3_reset(s->data_version);
  return version << 32 | s->presets_changes;
}
