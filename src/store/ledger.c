// The ledger: batches of records in, single rows out.
//
// A row's place `seq` follows from its id and grows with time (llm/generation_id.h). So rows are appended, in order, to
// one tree without any other index, which is what makes a row cost one microsecond instead of three to ten; a record
// that comes a second time (killed between commit and release) meets itself at its place and is left out; and an id is
// found by looking at its place. When another id sits there already (the clock went back), the next free place is
// taken.
#include <string.h>

#include "llm/generation_id.h"
#include "store/detail.h"
#include "store/private.h"

enum { BATCH = 8192, SUMS = 64, PROBES = 256 };

enum flag {
  FLAG_STREAMED = 1,
  FLAG_CANCELLED = 2,
  FLAG_USAGE_KNOWN = 4,
  FLAG_USAGE_ESTIMATED = 8,
  FLAG_FROM_CACHE = 16
};

// The order of bind_row and read_row.
#define COLUMNS                                                                                                \
  "seq, id, created_us, key_id, model, provider, status, fault, flags, latency_ms, generation_ms, gateway_us," \
  " prompt, completion, cached, reasoning, cost_pico, cost_prompt_pico, cost_completion_pico, detail"

// Valid until the statement moves on.
static struct str text_in_place(sqlite3_stmt *st, int column) {
  const char *text = (const char *)sqlite3_column_text(st, column);
  return str_from(text, text ? (size_t)sqlite3_column_bytes(st, column) : 0);
}

bool store_ledger_prepare(struct store *s) {
  const struct {
    sqlite3_stmt **to;
    const char *sql;
  } statements[] = {
      {&s->begin, "BEGIN IMMEDIATE"},
      {&s->commit, "COMMIT"},
      {&s->rollback, "ROLLBACK"},
      {&s->insert, "INSERT OR IGNORE INTO generations(" COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"},
      {&s->id_at, "SELECT id FROM generations WHERE seq=?"},
      {&s->add_usage,
       "INSERT INTO key_usage VALUES(?,?,?,?,?,?) ON CONFLICT(key_id, day) DO UPDATE SET "
       "requests=requests+excluded.requests,"
       " prompt=prompt+excluded.prompt, completion=completion+excluded.completion, "
       "cost_pico=cost_pico+excluded.cost_pico"},
      {&s->row_at, "SELECT " COLUMNS " FROM generations WHERE seq=?"},
      {&s->data_version, "PRAGMA data_version"},
  };
  buf_init(&s->detail, 256 * 1024);
  for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
    if (sqlite3_prepare_v3(s->db, statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT, statements[i].to, NULL) !=
        SQLITE_OK)
      return false;
  return true;
}

void store_ledger_finalize(struct store *s) {
  sqlite3_stmt **statements[] = {&s->begin, &s->commit,    &s->rollback, &s->insert,
                                 &s->id_at, &s->add_usage, &s->row_at,   &s->data_version};
  for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
    sqlite3_finalize(*statements[i]);
    *statements[i] = NULL;
  }
  buf_free(&s->detail);
}

// --- In ---

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
  unsigned sum_count, sum_last;  // the sum that the last row went to
  struct sum sums[SUMS];
};

static bool sums_write(struct batch *b) {
  bool ok = true;
  for (unsigned i = 0; i < b->sum_count && ok; i++) {
    const struct sum *m = &b->sums[i];
    sqlite3_stmt *st = b->store->add_usage;
    sqlite3_bind_text(st, 1, m->key_id, (int)m->key_len, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, m->day);
    sqlite3_bind_int64(st, 3, m->requests);
    sqlite3_bind_int64(st, 4, m->prompt);
    sqlite3_bind_int64(st, 5, m->completion);
    sqlite3_bind_int64(st, 6, m->cost);
    ok = store_step(st);
  }
  b->sum_count = b->sum_last = 0;
  return ok;
}

static bool sum_is_of(const struct sum *m, struct str key_id, int64_t day) {
  return m->day == day && str_eq(str_from(m->key_id, m->key_len), key_id);
}

static bool sum_add(struct batch *b, const struct record *r) {
  // No key of ours has a longer id.
  if (!r->key_id.len || r->key_id.len > sizeof b->sums[0].key_id) return true;
  int64_t day = (int64_t)(r->created_us / 86400000000u);
  unsigned i = b->sum_last;
  if (i >= b->sum_count || !sum_is_of(&b->sums[i], r->key_id, day))
    for (i = 0; i < b->sum_count && !sum_is_of(&b->sums[i], r->key_id, day); i++) {
    }
  if (i == SUMS) {
    if (!sums_write(b)) return false;
    i = 0;
  }
  struct sum *m = &b->sums[i];
  if (i == b->sum_count) {
    b->sum_count++;
    *m = (struct sum){.key_len = r->key_id.len, .day = day};
    memcpy(m->key_id, r->key_id.ptr, r->key_id.len);
  }
  b->sum_last = i;
  m->requests++;
  m->prompt += (int64_t)r->usage.prompt;
  m->completion += (int64_t)r->usage.completion;
  m->cost += r->cost.total;
  return true;
}

// All but `seq`.
static void bind_row(struct store *s, const struct record *r) {
  sqlite3_stmt *st = s->insert;
  buf_clear(&s->detail);
  detail_write(&s->detail, r);
  // Only without memory can it fail: the numbers are worth more than the details.
  struct str detail = s->detail.failed ? STR("{}") : buf_view(&s->detail);
  int64_t flags = (r->streamed ? FLAG_STREAMED : 0) | (r->cancelled ? FLAG_CANCELLED : 0) |
                  (r->usage.known ? FLAG_USAGE_KNOWN : 0) | (r->usage.estimated ? FLAG_USAGE_ESTIMATED : 0) |
                  (r->from_cache ? FLAG_FROM_CACHE : 0);
  sqlite3_bind_text(st, 2, r->id.len ? r->id.ptr : "", (int)r->id.len, SQLITE_STATIC);
  sqlite3_bind_int64(st, 3, (int64_t)r->created_us);
  store_bind_text(st, 4, r->key_id);
  store_bind_text(st, 5, r->model);
  store_bind_text(st, 6, r->provider);
  sqlite3_bind_int64(st, 7, r->status);
  // By name: the numbers of enum fault may move from one version to the next.
  store_bind_text(st, 8, r->fault ? str_from_cstr(fault_row((enum fault)r->fault)->name) : (struct str){0});
  sqlite3_bind_int64(st, 9, flags);
  sqlite3_bind_int64(st, 10, r->latency_ms);
  sqlite3_bind_int64(st, 11, r->generation_ms);
  sqlite3_bind_int64(st, 12, r->gateway_us);
  sqlite3_bind_int64(st, 13, (int64_t)r->usage.prompt);
  sqlite3_bind_int64(st, 14, (int64_t)r->usage.completion);
  sqlite3_bind_int64(st, 15, (int64_t)r->usage.cached);
  sqlite3_bind_int64(st, 16, (int64_t)r->usage.reasoning);
  sqlite3_bind_int64(st, 17, r->cost.total);
  sqlite3_bind_int64(st, 18, r->cost.prompt);
  sqlite3_bind_int64(st, 19, r->cost.completion);
  sqlite3_bind_text(st, 20, detail.ptr, (int)detail.len, SQLITE_STATIC);
}

// Does the row at this place, if there is one, have this id?
static bool is_same(struct store *s, int64_t seq, struct str id) {
  sqlite3_bind_int64(s->id_at, 1, seq);
  bool same = sqlite3_step(s->id_at) == SQLITE_ROW && str_eq(text_in_place(s->id_at, 0), id);
  sqlite3_reset(s->id_at);
  return same;
}

static bool insert(void *context, const struct record *r) {
  struct batch *b = context;
  struct store *s = b->store;
  bind_row(s, r);
  int64_t first = generation_seq(r->id);
  for (int64_t seq = first; seq < first + PROBES; seq++) {
    sqlite3_bind_int64(s->insert, 1, seq);
    if (!store_step(s->insert)) break;
    if (sqlite3_changes(s->db) == 1) {
      b->inserted++;
      if (!sum_add(b, r)) break;
      return true;
    }
    if (is_same(s, seq, r->id)) return true;
  }
  b->failed = true;
  return false;
}

// Ends the batch's transaction. False: nothing of it is in the database.
static bool commit(struct batch *b) {
  struct store *s = b->store;
  if (!b->failed && sums_write(b) && store_step(s->commit)) {
    atomic_fetch_add(&s->rows, b->inserted);
    atomic_fetch_add(&s->batches, 1);
    return true;
  }
  snprintf(s->trouble, sizeof s->trouble, "%s", sqlite3_errmsg(s->db));
  if (!sqlite3_get_autocommit(s->db)) store_step(s->rollback);
  atomic_fetch_add(&s->failures, 1);
  return false;
}

// One transaction over all spools, at most BATCH rows of each.
static bool drain_once(struct store *s, size_t *moved) {
  struct batch b = {.store = s};
  size_t taken[STORE_SPOOLS] = {0};
  *moved = 0;
  b.failed = !store_step(s->begin);
  for (unsigned i = 0; i < s->spool_count && !b.failed; i++) taken[i] = spool_read(s->spools[i], BATCH, insert, &b);
  if (!commit(&b)) return false;
  for (unsigned i = 0; i < s->spool_count; i++) {
    if (taken[i]) spool_release(s->spools[i], taken[i]);
    *moved += taken[i];
  }
  return true;
}

uint64_t store_backlog(const struct store *s) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < s->spool_count; i++) sum += spool_backlog(s->spools[i]);
  return sum;
}

bool store_drain(struct store *s) {
  // What is there now: loops that go on appending must not keep this busy for ever.
  uint64_t left = store_backlog(s);
  for (size_t moved = 1; left && moved; left -= moved < left ? moved : left)
    if (!drain_once(s, &moved)) return false;
  return true;
}

bool store_ledger_replay(struct store *s, struct arena *arena, struct str spool_dir, struct str *why) {
  struct spool_replay *replay;
  struct batch b = {.store = s};
  if (!spool_replay_begin(arena, spool_dir, &replay, why)) return false;
  b.failed = !store_step(s->begin);
  if (!b.failed) spool_replay_read(replay, insert, &b);
  bool ok = commit(&b);
  if (!ok)
    *why = arena_printf(arena, "cannot store the records of the last run: %s. They are kept in %.*s.", s->trouble,
                        STR_ARGS(spool_dir));
  spool_replay_done(replay, ok);
  return ok;
}

// --- Out ---

static enum fault fault_named(struct str name) {
  for (int f = 1; f < FAULT_COUNT; f++)
    if (str_eq(name, str_from_cstr(fault_row((enum fault)f)->name))) return (enum fault)f;
  return name.len ? FAULT_INTERNAL : FAULT_NONE;
}

static bool read_row(sqlite3_stmt *st, struct arena *arena, struct record *r) {
  int64_t flags = sqlite3_column_int64(st, 8);
  *r = (struct record){
      .id = store_text(st, 1, arena),
      .created_us = (uint64_t)sqlite3_column_int64(st, 2),
      .key_id = store_text(st, 3, arena),
      .model = store_text(st, 4, arena),
      .provider = store_text(st, 5, arena),
      .status = (uint16_t)sqlite3_column_int(st, 6),
      .fault = (uint16_t)fault_named(text_in_place(st, 7)),
      .streamed = flags & FLAG_STREAMED,
      .cancelled = flags & FLAG_CANCELLED,
      .from_cache = flags & FLAG_FROM_CACHE,
      .latency_ms = (uint32_t)sqlite3_column_int64(st, 9),
      .generation_ms = (uint32_t)sqlite3_column_int64(st, 10),
      .gateway_us = (uint32_t)sqlite3_column_int64(st, 11),
      .usage = {.known = flags & FLAG_USAGE_KNOWN,
                .estimated = flags & FLAG_USAGE_ESTIMATED,
                .prompt = (uint64_t)sqlite3_column_int64(st, 12),
                .completion = (uint64_t)sqlite3_column_int64(st, 13),
                .cached = (uint64_t)sqlite3_column_int64(st, 14),
                .reasoning = (uint64_t)sqlite3_column_int64(st, 15)},
      .cost = {.total = sqlite3_column_int64(st, 16),
               .prompt = sqlite3_column_int64(st, 17),
               .completion = sqlite3_column_int64(st, 18)},
  };
  return detail_read(text_in_place(st, 19), arena, r);
}

bool store_generation(struct store *s, struct arena *arena, struct str id, struct record *out, bool *found,
                      struct str *why) {
  sqlite3_stmt *st = s->row_at;
  int64_t first = generation_seq(id);
  int rc = SQLITE_ROW;
  bool memory = true;
  *found = false;
  // Places are taken without holes: the first empty one ends the search.
  for (int64_t seq = first; seq < first + PROBES && rc == SQLITE_ROW && !*found; seq++) {
    sqlite3_bind_int64(st, 1, seq);
    rc = sqlite3_step(st);
    *found = rc == SQLITE_ROW && str_eq(text_in_place(st, 1), id);
    if (*found) memory = read_row(st, arena, out);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) *why = store_trouble(s, arena, "cannot read the ledger");
    sqlite3_reset(st);
  }
  if (!memory) *why = STR("out of memory");
  return memory && (rc == SQLITE_ROW || rc == SQLITE_DONE);
}

bool store_recent(struct store *s, struct arena *arena, size_t most, void (*row)(void *context, const struct record *),
                  void *context, struct str *why) {
  sqlite3_stmt *st = NULL;
  int rc = sqlite3_prepare_v2(s->db, "SELECT " COLUMNS " FROM generations ORDER BY seq DESC LIMIT ?", -1, &st, NULL);
  if (rc == SQLITE_OK) {
    sqlite3_bind_int64(st, 1, most > INT64_MAX ? INT64_MAX : (sqlite3_int64)most);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
      struct record r;
      if (!read_row(st, arena, &r)) break;
      row(context, &r);
    }
  }
  if (rc == SQLITE_ROW)
    *why = STR("out of memory");
  else if (rc != SQLITE_DONE)
    *why = store_trouble(s, arena, "cannot read the ledger");
  sqlite3_finalize(st);
  return rc == SQLITE_DONE;
}

bool store_totals(struct store *s, struct arena *arena, struct store_totals *out, struct str *why) {
  static const char sql[] =
      "SELECT coalesce(sum(requests),0), coalesce(sum(prompt),0), coalesce(sum(completion),0), "
      "coalesce(sum(cost_pico),0)"
      " FROM key_usage";
  sqlite3_stmt *st = NULL;
  bool ok = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
  if (ok)
    *out = (struct store_totals){(uint64_t)sqlite3_column_int64(st, 0), (uint64_t)sqlite3_column_int64(st, 1),
                                 (uint64_t)sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3)};
  else
    *why = store_trouble(s, arena, "cannot read the ledger");
  sqlite3_finalize(st);
  return ok;
}
