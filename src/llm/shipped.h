// The catalogue that ships with the program: static rows, made by scripts/catalogue into llm/catalogue_data.inc. Only
// facts that change from vendor to vendor are rows; what is common is worked out when a snapshot is built.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "llm/usage.h"

struct shipped_endpoint {
  uint8_t provider;                         // see shipped_provider
  const char *upstream;                     // the provider's own name for the model
  const char *prices;                       // decimals in a fixed order; see shipped_pricing
  uint32_t context, max_output, max_input;  // tokens; 0 unknown
  uint32_t parameters;                      // bits; see shipped_parameter
};

struct shipped_model {
  const char *id, *name;
  const char *canonical_slug, *hugging_face_id, *knowledge;  // NULL: the id; unknown
  uint32_t created, context;
  uint16_t first_endpoint, endpoint_count;  // in order of preference
  uint16_t input, output;                   // bits; see shipped_modality
  uint8_t tokenizer;
};

// Sorted by id.
extern const struct shipped_model shipped_models[];
extern const size_t shipped_model_count;
extern const char shipped_date[];  // the day the facts are of, "2026-07-02"

// NULL when it does not ship.
const struct shipped_model *shipped_find(struct str id);
const struct shipped_endpoint *shipped_endpoints_of(const struct shipped_model *model);
// A provider's offer by its own name for a model, whatever our id; NULL when it does not ship. *model is its model.
const struct shipped_endpoint *shipped_find_upstream(struct str provider, struct str upstream,
                                                     const struct shipped_model **model);
struct str shipped_tokenizer(const struct shipped_model *model);
// The slug of a provider's number, the name of a bit; {NULL, 0} behind the last.
struct str shipped_provider(unsigned number);
struct str shipped_parameter(unsigned bit);
struct str shipped_modality(unsigned bit);
// The prices of a row; what becomes of them for long prompts goes to `overrides`, which *out then points to.
enum { SHIPPED_OVERRIDES_MAX = 4 };
void shipped_pricing(const struct shipped_endpoint *endpoint, struct pricing *out,
                     struct price_override overrides[SHIPPED_OVERRIDES_MAX]);
