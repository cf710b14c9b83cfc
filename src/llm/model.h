// What can be called: providers, models, and the endpoints where a provider serves a model. One immutable set of these
// is the catalogue snapshot that requests read. Everything lives in the snapshot's arena.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "llm/usage.h"

enum protocol {
  PROTOCOL_OPENAI,
  PROTOCOL_ANTHROPIC,
  PROTOCOL_GEMINI,
  PROTOCOL_VERTEX,
  PROTOCOL_BEDROCK,
  PROTOCOL_AZURE,
  PROTOCOL_COHERE,
  PROTOCOL_MISTRAL,
  PROTOCOL_DEMO,
  PROTOCOL_COUNT
};

struct str_list {
  const struct str *items;
  size_t count;
};

struct provider_quirks;  // provider/table.h

struct api_key_secret {
  struct str value;
  unsigned weight;  // 1 unless configured
};

// What may become of prompts at an endpoint.
enum data_policy {
  DATA_UNKNOWN,
  DATA_TRAINS,   // may be stored and learnt from
  DATA_STORES,   // kept for a while (abuse monitoring), not learnt from
  DATA_NOTHING,  // zero data retention
};

struct provider {
  struct str id;    // slug used in routing: "openai"
  struct str name;  // shown to people: "OpenAI"
  enum protocol protocol;
  struct str base_url;  // without trailing slash
  const struct api_key_secret *keys;
  size_t key_count;
  const struct provider_quirks *quirks;  // never NULL
  struct str env_key;                    // environment variable of its key, for messages; may be empty
  struct str ca_file;                    // extra trust anchors; empty: the system's
  unsigned connect_timeout_ms, first_byte_timeout_ms, first_token_timeout_ms, idle_timeout_ms, total_timeout_ms;
  unsigned min_tokens_per_second;  // of a stream; 0: any
  unsigned max_concurrency;        // requests under way at a time; 0: any number
  unsigned probe_interval_ms;      // between two active probes while it is benched; 0: never
  // what single protocols want beside a key; empty: not given
  struct str region, aws_access_key_id, aws_secret_access_key, aws_session_token;  // bedrock
  struct str aws_container_url, aws_container_token, aws_container_token_file;     // bedrock
  struct str aws_role, aws_web_token_file, aws_sts_url;  // bedrock: a role for a web identity; from the environment
  struct str credentials;                                // vertex: the file's JSON
  struct str api_version;                                // azure
  enum data_policy data;                                 // at its endpoints that say nothing themselves
  uint32_t index;                                        // place in the snapshot's list
};

// How an endpoint is asked, where its protocol has several ways: OpenAI's and Azure's chat or Responses, Bedrock's
// Converse or, for Claude, InvokeModel.
enum endpoint_api { API_AUTO, API_CHAT, API_RESPONSES, API_CONVERSE, API_INVOKE };

// What routing asks of an endpoint, worked out of the rest of it (endpoint_facts.c) so that most filters are one AND.
struct endpoint_facts {
  uint64_t traits;                                    // what a request may object to: bits of endpoint_facts.h
  uint32_t lacks;                                     // parameters it does not take, see parameters_lacking
  uint32_t may_lack;                                  // the same, where only the catalogue says so
  double price;                                       // what the draw goes by, see routing_price
  price_femto prompt_price, completion_price;         // as in its pricing
  uint32_t prompt_tokens_max, completion_tokens_max;  // UINT32_MAX: not known
};

struct model;
struct endpoint {
  // One line of the cache has all that routing reads of most endpoints: a thousand are looked at in microseconds.
  _Alignas(64) struct endpoint_facts facts;
  const struct provider *provider;
  uint32_t index;
  const struct model *model;
  struct str upstream_model;  // the provider's own name for it
  enum endpoint_api api;
  uint64_t context_length;  // tokens; 0 unknown
  uint64_t max_completion_tokens, max_prompt_tokens;
  struct pricing pricing;
  struct str tag;  // its sub-offer at the provider ("turbo", "us-east5", "fp8"); empty: there is one offer only
  struct str quantization, region, data_policy;
  struct str_list supported_parameters;
  uint32_t parameters, input_modalities, output_modalities;  // bits of names.h; 0: not known
  bool parameters_shipped;  // they are the catalogue's: what it really takes shows when a request is written for it
};
_Static_assert(offsetof(struct endpoint, index) + sizeof(uint32_t) <= 64, "one line of the cache");

struct model {
  struct str id;              // "openai/gpt-4o-mini"
  struct str canonical_slug;  // may carry a date; the id when unknown
  struct str name, description;
  uint64_t created;  // unix seconds, 0 unknown
  uint64_t context_length, max_completion_tokens;
  struct str_list input_modalities, output_modalities, supported_parameters;
  struct str tokenizer, hugging_face_id;
  struct str knowledge_cutoff;       // YYYY-MM-DD; empty: unknown
  const struct endpoint *endpoints;  // in order of preference; never empty
  size_t endpoint_count;
};

// All models by id, with look-up. Pure data, built by catalogue.c.
struct catalogue {
  const struct model *models;  // sorted by id
  size_t model_count;
  const struct provider *providers;
  size_t provider_count;
  size_t endpoint_count;  // of all models; an endpoint's index is below it
};
// Exact id; NULL when unknown.
const struct model *catalogue_find(const struct catalogue *c, struct str id);
// The id nearest in spelling to an unknown one, for "did you mean"; {NULL,0} when nothing is near.
struct str catalogue_nearest(const struct catalogue *c, struct str id);
const struct provider *catalogue_provider(const struct catalogue *c, struct str id);
