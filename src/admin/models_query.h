// The query of GET /models: which models are asked for, and in which order.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "llm/model.h"

enum models_sort {
  MODELS_BY_ID,
  MODELS_NEWEST,
  MODELS_CHEAPEST,  // by the sum of the first endpoint's prompt and completion prices
  MODELS_DEAREST,
  MODELS_LONGEST_CONTEXT,
};

enum { MODELS_LIMIT_MAX = 1000, MODELS_LIMIT_DEFAULT = 500 };

// Lists are comma-separated; empty members filter nothing.
struct models_query {
  struct str q;  // part of an id or a name
  struct str supported_parameters, input_modalities, output_modalities;
  struct str model_authors, providers;
  uint64_t context;  // at least
  enum models_sort sort;
  bool paged;  // offset or limit was given
  uint64_t offset, limit;
  struct str after_id, before_id;  // Anthropic's way of paging
  bool codex;                      // client_version was given: Codex asks
};

// What is unknown, or not a value we know, is passed over: clients add to their queries as they like. Decoded text
// lives in the arena.
void models_query_parse(struct arena *arena, struct str query, struct models_query *out);
// The models asked for, all pages of them, in order. `found` has room for all models of the catalogue.
size_t models_query_run(const struct models_query *query, const struct catalogue *c, const struct model **found);
