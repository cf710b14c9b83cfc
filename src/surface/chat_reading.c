#include "surface/chat_reading.h"

#include "surface/chat_shared.h"

bool reading_refuse(struct reading *r, struct str param, struct str text) {
  bool no_memory = !text.ptr;
  *r->note = (struct fault_note){no_memory ? FAULT_INTERNAL : FAULT_BAD_REQUEST,
                                 no_memory ? STR("Out of memory.") : text, param};
  return false;
}

bool reading_no_memory(struct reading *r) {
  return reading_refuse(r, (struct str){0}, (struct str){0});
}

struct str reading_inside(struct reading *r, uint32_t object, struct str name) {
  return chat_inside(r->doc, json_get(r->doc, object, name));
}

bool reading_plain(struct reading *r, uint32_t object, struct str name, struct str *out) {
  uint32_t value = json_get(r->doc, object, name);
  *out = (struct str){0};
  if (!chat_has_text(r->doc, value) || json_string(r->doc, value, r->arena, out)) return true;
  return reading_refuse(r, name, arena_printf(r->arena, "\"%.*s\" holds half a surrogate pair.", STR_ARGS(name)));
}

enum cache_mark reading_cache_mark(struct reading *r, uint32_t object) {
  uint32_t control = json_get(r->doc, object, STR("cache_control"));
  if (json_is(r->doc, control, JSON_OBJECT))
    return json_string_is(r->doc, json_get(r->doc, control, STR("ttl")), STR("1h")) ? CACHE_1H : CACHE_5M;
  return json_is(r->doc, json_get(r->doc, object, STR("prompt_cache_breakpoint")), JSON_OBJECT) ? CACHE_5M : CACHE_NONE;
}

unsigned reading_children(const struct json_doc *doc, uint32_t node) {
  unsigned n = 0;
  for (uint32_t c = json_first(doc, node); c != JSON_NONE; c = json_next(doc, node, c)) n++;
  return n;
}
