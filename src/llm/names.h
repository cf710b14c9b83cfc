// Sets of names that models share (request parameters, modalities): as bits while they are worked on, as lists in the
// snapshot. A list is made once for each different set.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "llm/model.h"

// The bits, in the order of the shipped catalogue (a test compares them): NAME_BIT(tools), MODALITY_BIT(image).
// clang-format off
#define NAMES_OF_PARAMETERS(X) \
  X(temperature) \
  X(top_p) \
  X(top_k) \
  X(min_p) \
  X(top_a) \
  X(frequency_penalty) \
  X(presence_penalty) \
  X(repetition_penalty) \
  X(max_tokens) \
  X(max_completion_tokens) \
  X(logit_bias) \
  X(logprobs) \
  X(top_logprobs) \
  X(prediction) \
  X(seed) \
  X(response_format) \
  X(structured_outputs) \
  X(stop) \
  X(tools) \
  X(tool_choice) \
  X(parallel_tool_calls) \
  X(include_reasoning) \
  X(reasoning) \
  X(reasoning_effort) \
  X(web_search_options) \
  X(verbosity)
#define NAMES_OF_MODALITIES(X) \
  X(text) \
  X(image) \
  X(file) \
  X(audio) \
  X(video) \
  X(embeddings) \
  X(rerank) \
  X(speech) \
  X(transcription)
// clang-format on
enum names_parameter {
#define NAMES_ENUM(name) NAMES_PARAMETER_##name,
  NAMES_OF_PARAMETERS(NAMES_ENUM)
#undef NAMES_ENUM
      NAMES_PARAMETER_COUNT
};
enum names_modality {
#define NAMES_ENUM(name) NAMES_MODALITY_##name,
  NAMES_OF_MODALITIES(NAMES_ENUM)
#undef NAMES_ENUM
      NAMES_MODALITY_COUNT
};
#define NAME_BIT(name) ((uint32_t)1 << NAMES_PARAMETER_##name)
#define MODALITY_BIT(name) ((uint32_t)1 << NAMES_MODALITY_##name)

#define NAMES_MODALITIES ((uint32_t)1 << 31)  // marks a mask of modalities; else it is one of parameters

enum { NAMES_SLOTS = 512 };  // a power of two, several times the number of sets that ship

struct name_lists {  // all-zero is empty
  struct {
    uint32_t mask;
    struct str_list list;
  } slots[NAMES_SLOTS];
  size_t count;
  bool failed;  // out of memory
};

// The list lives in the arena; empty when the mask is, or memory is out.
struct str_list names_list(struct name_lists *lists, struct arena *arena, uint32_t mask);
// Names that are not among ours have no bit and are left out.
uint32_t names_parameter_mask(struct str_list list);
uint32_t names_modality_mask(struct str_list list);
// What a service that speaks OpenAI Chat takes as a rule, for when nothing better is known.
uint32_t names_common_parameters(void);
