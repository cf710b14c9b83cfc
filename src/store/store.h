// The embedded store: SQLite (WAL) in DATA_DIR/signalbox.db, and the one thread that talks to it. Event loops hand it
// records through their spools and jobs through store_submit; they never wait.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "llm/money.h"
#include "llm/record.h"
#include "store/spool.h"

struct store;

// Opens or makes the database (0600) and brings its schema up to date, replays what old spools hold, without starting
// a thread. With replay_spools it is the gateway's: it takes DATA_DIR/lock until store_close, and refuses when another
// process has it. NULL on failure with a sentence that says what to do in *why (in `arena`): read-only directory, disk
// full, corrupt database (it is never removed or overwritten), a schema newer than this program. The CLI (keys, usage)
// uses the same call beside a running server (busy timeout 5 s).
struct store *store_open(struct arena *arena, struct str data_dir, bool replay_spools, struct str *why);
void store_close(struct store *s);

// --- API keys -----------------------------------------------------------------------------------------------------
// The key's text is shown once and never stored; the store keeps HMAC-SHA256(pepper, text). The pepper is
// DATA_DIR/pepper (32 random bytes, 0600), made at first start.
struct key_row {
  struct str id;      // "key_" + 16 alphanumerics
  struct str name;    // label
  struct str prefix;  // first characters, for people: "sk-sb-v1-ab12…"
  uint8_t hash[32];
  bool management, disabled, declared;  // declared: from the configuration, not in the store
  bool has_limit;
  money_pico limit;                                      // USD
  uint64_t created, updated, expires;                    // unix seconds; expires 0: never
  money_pico spent, spent_day, spent_week, spent_month;  // UTC; weeks begin on Monday
};
// 32 bytes, read or made. False with *why.
bool store_pepper(struct arena *arena, struct str data_dir, uint8_t pepper[32], struct str *why);
void store_key_hash(const uint8_t pepper[32], struct str key_text, uint8_t hash[32]);
// A fresh key text "sk-sb-v1-" + 43 characters carrying 256 random bits; in `arena`.
struct str store_key_text(struct arena *arena);
// Synchronous calls: from the CLI, from start-up, or inside a job (on the store's thread).
bool store_key_insert(struct store *s, const struct key_row *row, struct str *why);
bool store_key_update(struct store *s, const struct key_row *row, struct str *why);  // name, disabled, limit, expires
bool store_key_delete(struct store *s, struct str id, bool *found, struct str *why);
// All keys with what each has spent (also rows for declared keys that only appear in the ledger), in `arena`.
bool store_key_list(struct store *s, struct arena *arena, struct key_row **rows, size_t *count, struct str *why);
// Changes whenever another connection (the CLI) or this one changed the keys.
uint64_t store_keys_version(struct store *s);

// --- Ledger -------------------------------------------------------------------------------------------------------
// Moves everything the spools hold into the database (one transaction a batch). Only on the store's thread.
bool store_drain(struct store *s);
// Reads one generation after a drain; strings in `arena`. *found false: no such id.
bool store_generation(struct store *s, struct arena *arena, struct str id, struct record *out, bool *found,
                      struct str *why);
// For `signalbox usage` and tests: calls `row` for the newest `most` records.
bool store_recent(struct store *s, struct arena *arena, size_t most, void (*row)(void *context, const struct record *),
                  void *context, struct str *why);
// Of all requests of all keys, from the sums that are kept a day.
struct store_totals {
  uint64_t requests, prompt, completion;
  money_pico cost;
};
bool store_totals(struct store *s, struct arena *arena, struct store_totals *out, struct str *why);

// --- The thread ---------------------------------------------------------------------------------------------------
// Adds a loop's spool to what the thread drains. Before store_start.
void store_attach(struct store *s, struct spool *spool);
// Starts the thread: it drains the spools when they hold something (looks every 20 to 160 ms while records come, 250 ms
// when idle), runs jobs at once, and calls on_keys_changed (on its own thread, may be NULL) when store_keys_version
// moved.
bool store_start(struct store *s, void (*on_keys_changed)(void *context), void *context);
// Drains all and stops the thread. Loops must have stopped appending.
void store_stop(struct store *s);

// A piece of work on the store's thread. `run` may use every synchronous call above. Then `done` is called, still on
// the store's thread: it hands the job back to its loop. The caller owns the job's memory until done.
struct store_job {
  struct store_job *next;
  void (*run)(struct store *s, struct store_job *job);
  void (*done)(struct store_job *job);
};
// False when the queue is full (1,024 waiting): answer 503.
bool store_submit(struct store *s, struct store_job *job);

// For /metrics. Thread-safe.
struct store_stats {
  uint64_t rows, batches, failures, backlog, lost;
};
struct store_stats store_stats(const struct store *s);
