// The configuration file: YAML (or JSON) into one immutable struct. Every trouble is found at once, with its place.
//   file -> libfyaml -> tree -> one table of settings (config/table.c: name, type, default, reloadable, help) -> struct
// ${ENV_NAME} and ${file:/path} are filled in, in scalar values only, after parsing.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "llm/model.h"
#include "llm/money.h"
#include "llm/preferences.h"

struct config_listen {
  struct str host;       // "127.0.0.1", "::", "0.0.0.0"; empty for a unix socket
  uint16_t port;         // 0 takes a free one
  struct str unix_path;  // of "unix:/path"
  bool tls;
};

struct config_key {  // auth.keys[]
  struct str name, key;
  bool has_limit;
  money_pico limit;
  unsigned line, column;
};

struct config_provider {
  struct str id;
  enum protocol protocol;
  bool protocol_given;
  struct str base_url;  // empty: the provider table's
  struct api_key_secret *keys;
  size_t key_count;
  struct str ca_file;
  struct str name;
  unsigned connect_timeout_ms, first_byte_timeout_ms, first_token_timeout_ms, idle_timeout_ms,
      total_timeout_ms;            // 0: defaults
  uint64_t min_tokens_per_second;  // 0: the default
  uint64_t max_concurrency;        // 0: any number
  unsigned probe_interval_ms;      // 0: the default
  // what single protocols want beside a key
  struct str region, aws_access_key_id, aws_secret_access_key, aws_session_token;  // bedrock
  struct str aws_container_url, aws_container_token, aws_container_token_file;     // bedrock, from the environment
  struct str aws_role, aws_web_token_file, aws_sts_url;  // bedrock: a role for a web identity; from the environment
  struct str credentials_file, credentials;              // vertex: and what it holds
  struct str api_version;                                // azure
  struct str data_policy;                                // of its endpoints that have none
  unsigned line, column;                                 // 0: not from a file
};

struct config_override {        // models[].endpoints[].pricing.overrides[]
  uint64_t min_prompt_tokens;   // 0: not given
  unsigned utc_start, utc_end;  // HHMM
  bool has_start, has_end;
  struct pricing prices;
  unsigned line, column;
};

struct config_endpoint {
  struct str provider, model;
  uint64_t context_length, max_completion_tokens, max_prompt_tokens;  // 0: catalogue's
  struct pricing pricing;             // PRICE_UNSET members: catalogue's; its overrides are these:
  struct config_override *overrides;  // in order, the last that applies wins
  size_t override_count;
  struct str api, tag, quantization, region, data_policy;
  struct str_list supported_parameters, input_modalities, output_modalities;
  unsigned line, column;
};

struct config_model {
  struct str id, name, description;
  struct config_endpoint *endpoints;  // none: the catalogue's endpoints at configured providers
  size_t endpoint_count;
  unsigned line, column;
};

struct config {
  struct str path;  // empty: built from the environment
  struct config_listen *listen;
  size_t listen_count;
  struct str tls_cert, tls_key;
  unsigned workers;  // 0: one a core
  struct str data_dir, store, shared_state;
  struct str management_key;  // empty: generated
  struct config_key *keys;
  size_t key_count;
  struct config_provider *providers;
  size_t provider_count;
  struct config_model *models;
  size_t model_count;
  bool demo;
  bool fetch_private;  // URLs that clients name may lead to private addresses
  // server.* limits and times, with defaults
  uint64_t max_body_bytes;
  unsigned header_timeout_ms, body_timeout_ms, idle_timeout_ms, write_timeout_ms, drain_timeout_ms;
  unsigned overload_lag_ms;
  unsigned keepalive_comment_ms;  // silence after which a stream gets a comment
  struct str_list cors_origins;
  // upstream.*: defaults for providers, pool
  unsigned upstream_connect_timeout_ms, upstream_first_byte_timeout_ms, upstream_first_token_timeout_ms,
      upstream_idle_timeout_ms, upstream_total_timeout_ms, upstream_pool_idle_ms;
  uint64_t upstream_min_tokens_per_second, upstream_max_event_bytes;
  // routing.*
  bool health;
  unsigned probe_interval_ms;  // 0: never
  bool hedge;
  uint64_t hedge_max_percent;
  unsigned queue_timeout_ms;
  uint64_t queue_max;
  struct str_list auto_allowed, auto_excluded;
  enum cost_tier auto_tier;
  struct preferences routing;  // and what holds for every request: only, ignore, sort, policies
  // cache.*, idempotency.*
  bool cache_enabled, cache_shared;
  uint64_t cache_max_bytes, cache_max_entry_bytes, idempotency_max_bytes;
  struct str http_proxy, https_proxy, no_proxy;  // from the environment, upper or lower case
};

struct config_problem {
  unsigned line, column;  // 0: no place in the file
  struct str text;        // says what to do
};
struct config_problems {
  struct config_problem *items;
  size_t count, cap;
};

// Adds a problem; `line` and `column` count from 1. Only the first 1,000 are kept. When memory is out, the list says
// so: after this call `count` is never 0.
PRINTF_LIKE(5, 6)
void config_problem_add(struct arena *arena, struct config_problems *problems, unsigned line, unsigned column,
                        const char *format, ...);
// Reads and checks a file. Always returns all problems found; true when there are none. Everything is in `arena`.
bool config_load(struct arena *arena, struct str path, struct config *out, struct config_problems *problems);
// The same from bytes in memory, `path` is for messages.
bool config_parse(struct arena *arena, struct str path, struct str text, struct config *out,
                  struct config_problems *problems);
// Both: what a file leaves out comes from SIGNALBOX_LISTEN, SIGNALBOX_WORKERS, SIGNALBOX_DATA_DIR and
// SIGNALBOX_MANAGEMENT_KEY, else from the table's defaults; proxies come from the environment. Provider keys in the
// environment add no providers to a file's.
//
// No file: providers from environment keys (the provider table names them), model servers that answer on this machine's
// usual ports, and the demo provider. Takes up to 50 ms.
bool config_from_environment(struct arena *arena, struct config *out, struct config_problems *problems);
// -c FILE, else $SIGNALBOX_CONFIG, ./signalbox.yaml, /etc/signalbox/signalbox.yaml; {NULL,0}: none exists.
struct str config_find(struct arena *arena, const char *given);
// "file:line:column: text" lines on stderr.
void config_problems_print(const struct config_problems *problems, struct str path);
// The table of settings as a Markdown table, for docs and --help.
void config_help(struct buf *out);
