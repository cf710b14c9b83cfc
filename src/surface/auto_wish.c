#include "surface/auto_wish.h"

#include "json/utf8.h"
#include "surface/chat_members.h"

// Of one list: how many patterns, how many characters each has and all together.
enum { PATTERNS_MAX = 1024, PATTERN_LENGTH_MAX = 1024, PATTERNS_LENGTH_MAX = 65536 };

static bool refuse(struct fault_note *note, struct str message) {
  *note = (struct fault_note){FAULT_BAD_REQUEST, message, STR("plugins")};
  return false;
}

static size_t characters(struct str text) {
  size_t n = 0;
  for (size_t i = 0; i < text.len; i++) n += !utf8_is_tail((unsigned char)text.ptr[i]);
  return n;
}

static bool read_patterns(const struct json_doc *doc, uint32_t plugin, struct str key, struct arena *arena,
                          struct str_list *out, struct fault_note *note) {
  uint32_t list = json_get(doc, plugin, key);
  size_t n = 0, all = 0;
  if (json_type(doc, list) == JSON_NULL) return true;
  struct str wrong = arena_printf(arena,
                                  "\"%.*s\" of the plugin auto-router must be an array of at most %d patterns, as "
                                  "\"anthropic/*\", each of 1 to %d characters, %d in all.",
                                  STR_ARGS(key), PATTERNS_MAX, PATTERN_LENGTH_MAX, PATTERNS_LENGTH_MAX);
  if (!json_is(doc, list, JSON_ARRAY)) return refuse(note, wrong);
  for (uint32_t i = json_first(doc, list); i != JSON_NONE; i = json_next(doc, list, i)) n++;
  if (n > PATTERNS_MAX) return refuse(note, wrong);
  struct str *items = arena_alloc(arena, (n + 1) * sizeof *items);
  if (!items) return refuse(note, STR("Out of memory."));
  n = 0;
  for (uint32_t i = json_first(doc, list); i != JSON_NONE; i = json_next(doc, list, i), n++) {
    if (!json_string(doc, i, arena, &items[n])) return refuse(note, wrong);
    size_t length = characters(items[n]);
    all += length;
    if (length == 0 || length > PATTERN_LENGTH_MAX || all > PATTERNS_LENGTH_MAX) return refuse(note, wrong);
  }
  *out = (struct str_list){items, n};
  return true;
}

// The tier, or its predecessor: 0 means up to the 90th percentile of price, 10 up to the 10th.
static bool read_cost(const struct json_doc *doc, uint32_t plugin, struct auto_wish *wish, struct fault_note *note) {
  static const struct {
    struct str name;
    enum cost_tier tier;
  } tiers[] = {{{"low", 3}, TIER_LOW},
               {{"medium", 6}, TIER_MEDIUM},
               {{"high", 4}, TIER_HIGH},
               {{"xhigh", 5}, TIER_XHIGH},
               {{"max", 3}, TIER_MAX}};
  uint32_t tier = json_get(doc, plugin, STR("cost_tier"));
  uint32_t tradeoff = json_get(doc, plugin, STR("cost_quality_tradeoff"));
  uint64_t number;
  if (json_type(doc, tradeoff) != JSON_NULL) {
    if (!json_u64(doc, tradeoff, 10, &number))
      return refuse(note, STR("\"cost_quality_tradeoff\" of the plugin auto-router must be a whole number from 0 (the "
                              "best) to 10 (the cheapest); \"cost_tier\" is its successor."));
    wish->tier = TIER_ANY;
    wish->ceiling = (uint8_t)(90 - 8 * number);
  }
  if (json_type(doc, tier) == JSON_NULL) return true;
  for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
    if (!json_string_is(doc, tier, tiers[i].name)) continue;
    wish->tier = tiers[i].tier;
    return true;
  }
  return refuse(note, STR("\"cost_tier\" of the plugin auto-router must be low, medium, high, xhigh or max."));
}

// What the last assistant message says it is of.
static struct str last_model(const struct chat_request *r, struct arena *arena) {
  const struct json_doc *doc = &r->doc;
  uint32_t messages = chat_member_at(r, CHAT_MEMBER_MESSAGES), last = JSON_NONE;
  struct str model = {0};
  for (uint32_t m = json_first(doc, messages); m != JSON_NONE; m = json_next(doc, messages, m))
    if (json_string_is(doc, json_get(doc, m, STR("role")), STR("assistant"))) last = m;
  uint32_t node = json_get(doc, last, STR("model"));
  if (!json_is(doc, node, JSON_STRING) || !json_string(doc, node, arena, &model)) return (struct str){0};
  return model;
}

// `otherwise`: when the plugin does not say.
static bool read_flag(const struct json_doc *doc, struct str key, bool otherwise, struct arena *arena, bool *out,
                      struct fault_note *note) {
  uint32_t flag = json_get(doc, 0, key);
  *out = otherwise;
  if (json_type(doc, flag) == JSON_NULL || json_bool(doc, flag, out)) return true;
  return refuse(note, arena_printf(arena, "\"%.*s\" of the plugin auto-router must be true or false.", STR_ARGS(key)));
}

// All of it must be right, also where it is not enabled.
static bool read_plugin(const struct chat_request *r, const struct json_doc *doc, struct arena *arena,
                        struct auto_wish *wish, struct str *pinned, struct fault_note *note) {
  struct auto_wish given = *wish;
  bool enabled, pin, pins = json_type(doc, json_get(doc, 0, STR("pin_model"))) != JSON_NULL;
  if (!read_flag(doc, STR("enabled"), true, arena, &enabled, note)) return false;
  if (!read_flag(doc, STR("pin_model"), false, arena, &pin, note)) return false;
  if (!read_patterns(doc, 0, STR("allowed_models"), arena, &given.allowed, note)) return false;
  if (!read_patterns(doc, 0, STR("excluded_models"), arena, &given.excluded, note)) return false;
  if (!read_cost(doc, 0, &given, note)) return false;
  if (!enabled) return true;
  if (pins) given.no_pin = !pin;
  if (pin) *pinned = last_model(r, arena);
  *wish = given;
  return true;
}

bool auto_wish_read(const struct chat_request *r, struct arena *arena, struct auto_wish *wish, struct str *pinned,
                    struct fault_note *note) {
  const struct json_doc *doc = &r->doc;
  uint32_t plugins = chat_member_at(r, CHAT_MEMBER_PLUGINS);
  bool good = true;
  *pinned = (struct str){0};
  for (uint32_t p = json_first(doc, plugins); p != JSON_NONE && good; p = json_next(doc, plugins, p)) {
    uint32_t id = json_get(doc, p, STR("id"));
    if (!json_string_is(doc, id, STR("auto-router")) && !json_string_is(doc, id, STR("auto-beta-router"))) continue;
    struct json_doc plugin = {0};  // the request's does not reach into its lists
    good = json_parse(&plugin, json_raw(doc, p), 2) == JSON_OK
               ? read_plugin(r, &plugin, arena, wish, pinned, note)
               : refuse(note, STR("The plugin auto-router has a member twice, or memory is out."));
    json_doc_free(&plugin);
  }
  return good;
}
