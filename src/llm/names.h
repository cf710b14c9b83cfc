// Sets of names that models share (request parameters, modalities): as bits while they are worked on, as lists in the
// snapshot. A list is made once for each different set.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "llm/model.h"

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
