// One row of the ledger: everything kept of a request, however it ended. Written once, when its outcome is known.
// Strings are borrowed; the spool copies them.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "llm/fault.h"
#include "llm/usage.h"

struct record {
  struct str id;              // "gen-<unix seconds>-<20 alphanumerics>", unique
  uint64_t created_us;        // unix time of arrival
  struct str key_id;          // of the caller's key; empty when it had none
  struct str model;           // ours: "openai/gpt-4o-mini"; what was asked for when unknown
  struct str provider;        // slug of the one that answered (or failed last); may be empty
  struct str provider_name;   // its display name
  struct str upstream_model;  // its own name for the model
  struct str upstream_id;     // its id of the reply
  struct str finish_reason, native_finish_reason;
  struct str api_type;  // "completions"
  struct str user, session_id, app_title, http_referer, user_agent;
  struct str preset_id;      // of the preset it was made with; empty: none
  struct str router;         // what chose the model ("openrouter/auto"); empty: the request named it
  struct str error;          // message when it failed
  struct str attempts_json;  // JSON array of {"provider","model","status","fault","latency_ms"}; empty: none
  uint16_t status;           // HTTP status the client got (499: gone before it got one)
  uint16_t fault;            // enum fault; FAULT_NONE: answered
  bool streamed, cancelled;
  bool from_cache;         // the answer was kept: upstream_id is the generation that made it
  uint32_t latency_ms;     // arrival to first byte of the answer
  uint32_t generation_ms;  // first byte to last byte
  uint32_t gateway_us;     // our own share
  struct usage usage;
  struct cost cost;  // zero unless billed
};
