// The account answers in OpenRouter's shapes (MAP 17), onto a buffer. Money as plain decimals, times as RFC 3339.
#pragma once
#include "base/buf.h"
#include "llm/record.h"
#include "store/store.h"

// GET /generation: {"data":{...}}
void generation_json(struct buf *out, const struct record *row);
// The inner object alone: {...}
void generation_item_json(struct buf *out, const struct record *row);
// GET /key: {"data":{...}}
void key_json(struct buf *out, const struct key_row *row);
// One element of /keys: {...}
void keys_item_json(struct buf *out, const struct key_row *row);
// `"name":"2026-11-27T10:00:00.000Z"`, with a comma before it where one is due.
void ledger_when(struct buf *out, const char *name, uint64_t unix_us);
