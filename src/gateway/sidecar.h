// Reasoning that clients lose: what signed a turn's tool calls, kept for a while by the first call's ID, so that the
// next request can be completed. Shared by all loops, bounded in time and memory; never across keys.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

enum { SIDECAR_SECONDS = 3600, SIDECAR_BYTES = 16 << 20, SIDECAR_ENTRY_MAX = 256 * 1024 };

struct sidecar;
struct sidecar *sidecar_new(void);
void sidecar_free(struct sidecar *s);
// Keeps `details` (the inside of a JSON array of reasoning details) under a caller's key and a call's ID (an inside).
// The oldest go when there is no room; failure to keep is no failure.
void sidecar_put(struct sidecar *s, struct str key_id, struct str call_id, struct str details, uint64_t now_ms);
// A copy in the arena; empty when nothing is kept.
struct str sidecar_get(struct sidecar *s, struct str key_id, struct str call_id, struct arena *arena, uint64_t now_ms);
