// The ledger: batches of records in, single rows out.
#include "store/private.h"

#include <string.h>

enum { BATCH = 2000, SUMS = 64 };

static const char insert_sql[] =
    "INSERT OR IGNORE INTO generations VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
static const char add_usage_sql[] =
    "INSERT INTO key_usage VALUES(?,?,?,?,?,?) ON CONFLICT(key_id, day) DO UPDATE SET requests=requests+excluded.requests,"
    " prompt=prompt+excluded.prompt, completion=completion+excluded.completion, cost_pico=cost_pico+excluded.cost_pico";

bool store_ledger_prepare(struct store *s) {
  return sqlite3_prepare_v3(s->db, insert_sql, -1, SQLITE_PREPARE_PERSISTENT, &s->insert, NULL) == SQLITE_OK &&
         sqlite3_prepare_v3(s->db, add_usage_sql, -1, SQLITE_PREPARE_PERSISTENT, &s->add_usage, NULL) == SQLITE_OK &&
         sqlite3_prepare_v3(s->db, "SELECT * FROM generations WHERE id=?", -1, SQLITE_PREPARE_PERSISTENT,
                            &s->select_generation, NULL) == SQLITE_OK;
}

void store_ledger_finalize(struct store *s) {
  sqlite3_finalize(s->insert);
  sqlite3_finalize(s->add_usage);
  sqlite3_finalize(s->select_generation);
  s->insert = s->add_usage = s->select_generation = NULL;
}

// --- in ---

// What the rows of a batch add to key_usage, summed first: one statement a key and day instead of one a row.
struct sum {
  char key_id[64];
  size_t key_len;
  int64_t day, requests, prompt, completion, cost;
};
struct batch {
  struct store *store;
  bool failed;
  uint64_t inserted;
  unsigned sum_count;
  struct sum sums[SUMS];
};

static bool sums_write(struct batch *b) {
  for (unsigned i = 0; i < b->sum_count; i++) {
    const struct sum *m = &b->sums[i];
    sqlite3_stmt *st = b->store->add_usage;
    sqlite3_bind_text(st, 1, m->key_id, (int)m->key_len, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, m->day);
    sqlite3_bind_int64(st, 3, m->requests);
    sqlite3_bind_int64(st, 4, m->prompt);
    sqlite3_bind_int64(st, 5, m->completion);
    sqlite3_bind_int64(st, 6, m->cost);
    bool ok = sqlite3_step(st) == SQLITE_DONE;
    sqlite3_reset(st);
    if (!ok) return false;
  }
  b->sum_count = 0;
  return true;
}

static bool sum_add(struct batch *b, const struct record *r) {
  if (!r->key_id.len || r->key_id.len > sizeof b->sums[0].key_id) return true;
  int64_t day = (int64_t)(r->created_us / 86400000000u);
  struct sum *m = NULL;
  for (unsigned i = 0; i < b->sum_count && !m; i++)
    if (b->sums[i].day == day && str_eq(str_from(b->sums[i].key_id, b->sums[i].key_len), r->key_id)) m = &b->sums[i];
  if (!m) {
    if (b->sum_count == SUMS && !sums_write(b)) return false;
    m = &b->sums[b->sum_count++];
    *m = (struct sum){.key_len = r->key_id.len, .day = day};
    memcpy(m->key_id, r->key_id.ptr, r->key_id.len);
  }
  m->requests++;
  m->prompt += (int64_t)r->usage.prompt;
  m->completion += (int64_t)r->usage.completion;
  m->cost += r->cost.total;
  return true;
}

static void bind_count(sqlite3_stmt *st, int at, uint64_t n) {
  if (n)
    sqlite3_bind_int64(st, at, (int64_t)n);
  else
    sqlite3_bind_null(st, at);
}

static bool insert(void *context, const struct record *r) {
  struct batch *b = context;
  sqlite3_stmt *st = b->store->insert;
  const struct str texts[] = {r->key_id,       r->model,         r->provider,      r->provider_name,
                              r->upstream_model, r->upstream_id, r->finish_reason, r->native_finish_reason,
                              r->api_type,     r->user,          r->session_id,    r->app_title,
                              r->http_referer, r->user_agent,    r->error,         r->attempts_json};
  int at = 1;
  store_bind_text(st, at++, r->id);
  sqlite3_bind_int64(st, at++, (int64_t)r->created_us);
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) store_bind_text(st, at++, texts[i]);
  sqlite3_bind_int(st, at++, r->status);
  store_bind_text(st, at++, r->fault ? str_from_cstr(fault_row((enum fault)r->fault)->name) : (struct str){0});
  const int64_t numbers[] = {r->streamed,     r->cancelled,       r->latency_ms,
                             r->generation_ms, r->gateway_us,     r->usage.known,
                             r->usage.estimated, (int64_t)r->usage.prompt, (int64_t)r->usage.completion,
                             (int64_t)r->usage.total};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sqlite3_bind_int64(st, at++, numbers[i]);
  const uint64_t counts[] = {r->usage.cached,       r->usage.cache_write,      r->usage.reasoning,
                             r->usage.audio_prompt, r->usage.audio_completion, r->usage.image_completion};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) bind_count(st, at++, counts[i]);
  sqlite3_bind_int64(st, at++, r->cost.total);
  sqlite3_bind_int64(st, at++, r->cost.prompt);
  sqlite3_bind_int64(st, at++, r->cost.completion);
  bool ok = sqlite3_step(st) == SQLITE_DONE;
  bool fresh = ok && sqlite3_changes(b->store->db) > 0;
  sqlite3_reset(st);
  if (fresh) b->inserted++;
  if (ok && fresh) ok = sum_add(b, r);
  b->failed |= !ok;
  return ok;
}

static bool begin(struct store *s) {
  return store_exec(s, "BEGIN IMMEDIATE");
}

// Ends the batch's transaction. False: nothing of it is in the database.
static bool commit(struct batch *b) {
  struct store *s = b->store;
  if (!b->failed && sums_write(b) && store_exec(s, "COMMIT")) {
    atomic_fetch_add(&s->rows, b->inserted);
    atomic_fetch_add(&s->batches, 1);
    return true;
  }
  store_exec(s, "ROLLBACK");
  atomic_fetch_add(&s->failures, 1);
  return false;
}

static bool drain_spool(struct store *s, struct spool *spool) {
  // What is there now: a loop that goes on appending must not keep this busy for ever.
  for (uint64_t left = spool_backlog(spool); left;) {
    struct batch b = {.store = s};
    if (!begin(s)) return atomic_fetch_add(&s->failures, 1), false;
    size_t n = spool_read(spool, left < BATCH ? (size_t)left : BATCH, insert, &b);
    if (!commit(&b)) return false;
    if (!n) return true;
    spool_release(spool, n);
    left -= n;
  }
  return true;
}

bool store_drain(struct store *s) {
  bool ok = true;
  for (unsigned i = 0; i < s->spool_count; i++)
    if (!drain_spool(s, s->spools[i])) ok = false;
  return ok;
}

bool store_ledger_replay(struct store *s, struct arena *arena, struct str spool_dir, struct str *why) {
  struct spool_replay *replay;
  struct batch b = {.store = s};
  if (!spool_replay_begin(arena, spool_dir, &replay, why)) return false;
  bool ok = begin(s);
  if (ok) {
    spool_replay_read(replay, insert, &b);
    ok = commit(&b);
  }
  if (!ok) *why = store_trouble(s, arena, "storing the records of the last run");
  spool_replay_done(replay, ok);
  return ok;
}

// --- out ---

static enum fault fault_named(struct str name) {
  for (int f = 1; f < FAULT_COUNT; f++)
    if (str_eq(name, str_from_cstr(fault_row((enum fault)f)->name))) return (enum fault)f;
  return name.len ? FAULT_INTERNAL : FAULT_NONE;
}

static void row_read(sqlite3_stmt *st, struct arena *arena, struct record *r) {
  *r = (struct record){0};
  struct str *const texts[] = {&r->key_id,       &r->model,         &r->provider,      &r->provider_name,
                               &r->upstream_model, &r->upstream_id, &r->finish_reason, &r->native_finish_reason,
                               &r->api_type,     &r->user,          &r->session_id,    &r->app_title,
                               &r->http_referer, &r->user_agent,    &r->error,         &r->attempts_json};
  int at = 0;
  r->id = store_text(st, at++, arena);
  r->created_us = (uint64_t)sqlite3_column_int64(st, at++);
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) *texts[i] = store_text(st, at++, arena);
  r->status = (uint16_t)sqlite3_column_int(st, at++);
  r->fault = (uint16_t)fault_named(store_text(st, at++, arena));
  r->streamed = sqlite3_column_int(st, at++);
  r->cancelled = sqlite3_column_int(st, at++);
  r->latency_ms = (uint32_t)sqlite3_column_int64(st, at++);
  r->generation_ms = (uint32_t)sqlite3_column_int64(st, at++);
  r->gateway_us = (uint32_t)sqlite3_column_int64(st, at++);
  r->usage.known = sqlite3_column_int(st, at++);
  r->usage.estimated = sqlite3_column_int(st, at++);
  uint64_t *const counts[] = {&r->usage.prompt,      &r->usage.completion,   &r->usage.total,
                              &r->usage.cached,      &r->usage.cache_write,  &r->usage.reasoning,
                              &r->usage.audio_prompt, &r->usage.audio_completion, &r->usage.image_completion};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) *counts[i] = (uint64_t)sqlite3_column_int64(st, at++);
  r->cost.total = sqlite3_column_int64(st, at++);
  r->cost.prompt = sqlite3_column_int64(st, at++);
  r->cost.completion = sqlite3_column_int64(st, at++);
}

bool store_generation(struct store *s, struct arena *arena, struct str id, struct record *out, bool *found,
                      struct str *why) {
  sqlite3_stmt *st = s->select_generation;
  store_bind_text(st, 1, id);
  int rc = sqlite3_step(st);
  *found = rc == SQLITE_ROW;
  if (*found) row_read(st, arena, out);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) *why = store_trouble(s, arena, "reading the ledger");
  sqlite3_reset(st);
  return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

bool store_recent(struct store *s, struct arena *arena, size_t most, void (*row)(void *context, const struct record *),
                  void *context, struct str *why) {
  sqlite3_stmt *st;
  int rc = sqlite3_prepare_v2(s->db, "SELECT * FROM generations ORDER BY id DESC LIMIT ?", -1, &st, NULL);
  if (rc == SQLITE_OK) sqlite3_bind_int64(st, 1, (sqlite3_int64)most);
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step(st);
    if (rc != SQLITE_ROW) break;
    struct record r;
    row_read(st, arena, &r);
    row(context, &r);
  }
  if (rc != SQLITE_DONE) *why = store_trouble(s, arena, "reading the ledger");
  sqlite3_finalize(st);
  return rc == SQLITE_DONE;
}
