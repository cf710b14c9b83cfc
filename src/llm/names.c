// Bits to shared lists and back.
#include "llm/names.h"

#include "llm/shipped.h"

static struct str_list list_make(struct name_lists *lists, struct arena *arena, uint32_t mask) {
  uint32_t bits = mask & ~NAMES_MODALITIES;
  size_t count = (size_t)__builtin_popcount(bits);
  struct str *items = count ? arena_alloc(arena, count * sizeof *items) : NULL;
  if (!items) {
    lists->failed = lists->failed || count;
    return (struct str_list){0};
  }
  for (size_t at = 0; at < count; at++, bits &= bits - 1) {
    unsigned bit = (unsigned)__builtin_ctz(bits);
    items[at] = mask & NAMES_MODALITIES ? shipped_modality(bit) : shipped_parameter(bit);
  }
  return (struct str_list){items, count};
}

struct str_list names_list(struct name_lists *lists, struct arena *arena, uint32_t mask) {
  size_t at = mask * 2654435761u >> 20 & (NAMES_SLOTS - 1);
  while (lists->slots[at].list.count && lists->slots[at].mask != mask) at = (at + 1) & (NAMES_SLOTS - 1);
  if (lists->slots[at].list.count) return lists->slots[at].list;
  struct str_list list = list_make(lists, arena, mask);
  if (list.count && lists->count < NAMES_SLOTS / 2) {  // so that a free slot is always near
    lists->slots[at].mask = mask;
    lists->slots[at].list = list;
    lists->count++;
  }
  return list;
}

static uint32_t mask_of(struct str_list list, struct str (*name)(unsigned bit)) {
  uint32_t mask = 0;
  for (size_t i = 0; i < list.count; i++) {
    for (unsigned bit = 0; name(bit).len; bit++) {
      if (str_eq(name(bit), list.items[i])) mask |= (uint32_t)1 << bit;
    }
  }
  return mask;
}

uint32_t names_parameter_mask(struct str_list list) {
  return mask_of(list, shipped_parameter);
}

uint32_t names_modality_mask(struct str_list list) {
  return mask_of(list, shipped_modality);
}

uint32_t names_common_parameters(void) {
  static const char *const common[] = {
      "temperature",       "top_p",           "max_tokens", "stop", "seed", "tools", "tool_choice", "response_format",
      "frequency_penalty", "presence_penalty"};
  uint32_t mask = 0;
  for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
    struct str name = str_from_cstr(common[i]);
    mask |= names_parameter_mask((struct str_list){&name, 1});
  }
  return mask;
}
