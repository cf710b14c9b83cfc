#include "surface/preferences.h"

#include <stdio.h>

#include "surface/chat_members.h"

enum {
  SLUGS_MAX = 256,  // each is compared with every provider
  SHOWN_MAX = 64,   // of a name that is not known
  USD_MILLION = -6  // prices of tokens are written per million of them
};

struct reading {
  const struct json_doc *doc;
  uint32_t object;  // the `provider` object
  struct arena *arena;
  struct fault_note *note;
};

static bool refuse(const struct reading *r, const char *member, struct str must) {
  struct str param = arena_printf(r->arena, "provider.%s", member);
  struct str message = arena_printf(r->arena, "\"provider.%s\" must be %.*s.", member, STR_ARGS(must));
  if (!param.ptr || !message.ptr) {
    *r->note = (struct fault_note){FAULT_INTERNAL, STR("Out of memory."), {0}};
    return false;
  }
  *r->note = (struct fault_note){FAULT_BAD_REQUEST, message, param};
  return false;
}

static bool no_memory(const struct reading *r) {
  *r->note = (struct fault_note){FAULT_INTERNAL, STR("Out of memory."), {0}};
  return false;
}

// JSON_NONE also for null.
static uint32_t member(const struct reading *r, uint32_t object, const char *name) {
  uint32_t value = json_get(r->doc, object, str_from_cstr(name));
  return json_type(r->doc, value) == JSON_NULL ? JSON_NONE : value;
}

// Wishes that nobody knows would be lost without a word. `names`: of all members that object may have.
static bool check_names(const struct reading *r, uint32_t object, const char *within, const char *const *names,
                        struct str list) {
  for (uint32_t key = json_first(r->doc, object); key != JSON_NONE;) {
    const char *const *name = names;
    while (*name && !json_string_is(r->doc, key, str_from_cstr(*name))) name++;
    if (!*name) {
      struct str raw = json_raw(r->doc, key);
      int len = (int)(raw.len - 2 < SHOWN_MAX ? raw.len - 2 : SHOWN_MAX);
      struct str param = arena_printf(r->arena, "provider%s.%.*s", within, len, raw.ptr + 1);
      struct str message = arena_printf(r->arena, "\"%.*s\" is not known; \"provider%s\" may have %.*s.",
                                        STR_ARGS(param), within, STR_ARGS(list));
      if (!param.ptr || !message.ptr) return no_memory(r);
      *r->note = (struct fault_note){FAULT_BAD_REQUEST, message, param};
      return false;
    }
    key = json_next(r->doc, object, json_next(r->doc, object, key));
  }
  return true;
}

// --- members ---

static bool read_bool(const struct reading *r, const char *name, bool *out) {
  uint32_t value = member(r, r->object, name);
  if (value == JSON_NONE || json_bool(r->doc, value, out)) return true;
  return refuse(r, name, STR("true or false"));
}

static bool read_slugs(const struct reading *r, const char *name, struct str_list *out) {
  uint32_t list = member(r, r->object, name);
  size_t count = 0;
  if (list == JSON_NONE) return true;
  if (!json_is(r->doc, list, JSON_ARRAY)) return refuse(r, name, STR("an array of provider slugs"));
  for (uint32_t item = json_first(r->doc, list); item != JSON_NONE; item = json_next(r->doc, list, item)) {
    if (!json_is(r->doc, item, JSON_STRING)) return refuse(r, name, STR("an array of provider slugs, as strings"));
    if (++count > SLUGS_MAX) return refuse(r, name, STR("an array of at most 256 provider slugs"));
  }
  struct str *items = count ? arena_alloc(r->arena, count * sizeof *items) : NULL;
  if (count && !items) return no_memory(r);
  count = 0;
  for (uint32_t item = json_first(r->doc, list); item != JSON_NONE; item = json_next(r->doc, list, item)) {
    if (json_string(r->doc, item, r->arena, &items[count++])) continue;
    return r->arena->failed ? no_memory(r) : refuse(r, name, STR("an array of strings of valid Unicode"));
  }
  *out = (struct str_list){items, count};
  return true;
}

static bool read_collection(const struct reading *r, bool *deny) {
  uint32_t value = member(r, r->object, "data_collection");
  *deny = json_string_is(r->doc, value, STR("deny"));
  if (value == JSON_NONE || *deny || json_string_is(r->doc, value, STR("allow"))) return true;
  return refuse(r, "data_collection", STR("\"allow\" or \"deny\""));
}

#define QUANTIZATION_WORD(name) #name ", "
#define QUANTIZATION_WORDS "an array of these: " QUANTIZATIONS(QUANTIZATION_WORD)

// A word without escapes, as all of these are; empty for anything else.
static struct str word_of(const struct json_doc *doc, uint32_t node) {
  struct str raw = json_raw(doc, node);
  if (!json_is(doc, node, JSON_STRING) || doc->nodes[node].escaped) return (struct str){0};
  return str_from(raw.ptr + 1, raw.len - 2);
}

static bool read_quantizations(const struct reading *r, uint16_t *out) {
  uint32_t list = member(r, r->object, "quantizations");
  // without the last comma
  struct str words = {QUANTIZATION_WORDS, sizeof QUANTIZATION_WORDS - 3};
  if (list == JSON_NONE) return true;
  if (!json_is(r->doc, list, JSON_ARRAY)) return refuse(r, "quantizations", words);
  for (uint32_t item = json_first(r->doc, list); item != JSON_NONE; item = json_next(r->doc, list, item)) {
    enum quantization q = quantization_parse(word_of(r->doc, item));
    if (q == QUANTIZATION_COUNT) return refuse(r, "quantizations", words);
    *out |= (uint16_t)(1 << q);
  }
  return true;
}

static bool read_sort(const struct reading *r, struct preferences *out) {
  uint32_t sort = member(r, r->object, "sort");
  if (sort == JSON_NONE) return true;
  if (json_is(r->doc, sort, JSON_STRING)) {
    if (sort_by_parse(word_of(r->doc, sort), &out->sort)) return true;
    return refuse(r, "sort", STR(SORT_WORDS));
  }
  if (!json_is(r->doc, sort, JSON_OBJECT))
    return refuse(r, "sort", STR(SORT_WORDS ", or an object with \"by\" and \"partition\""));
  uint32_t by = member(r, sort, "by"), partition = member(r, sort, "partition");
  if (by != JSON_NONE && !sort_by_parse(word_of(r->doc, by), &out->sort)) return refuse(r, "sort.by", STR(SORT_WORDS));
  out->across_models = json_string_is(r->doc, partition, STR("none"));
  if (partition == JSON_NONE || out->across_models || json_string_is(r->doc, partition, STR("model"))) return true;
  return refuse(r, "sort.partition", STR("\"model\" or \"none\""));
}

static bool read_figure(const struct reading *r, uint32_t value, double *out) {
  return json_double(r->doc, value, out) && *out >= 0;
}

static bool read_cutoffs(const struct reading *r, const char *name, struct cutoffs *out) {
  static const char *const percentiles[CUTOFFS + 1] = {"p50", "p75", "p90", "p99"};
  uint32_t value = member(r, r->object, name);
  if (value == JSON_NONE) return true;
  if (json_is(r->doc, value, JSON_NUMBER)) {
    out->given = true;
    if (read_figure(r, value, &out->at[CUTOFF_P50])) return true;
    return refuse(r, name, STR("a number that is not negative"));
  }
  if (!json_is(r->doc, value, JSON_OBJECT))
    return refuse(r, name, STR("a number, or an object with \"p50\", \"p75\", \"p90\" and \"p99\""));
  char within[64];
  snprintf(within, sizeof within, ".%s", name);
  if (!check_names(r, value, within, percentiles, STR("p50, p75, p90 and p99"))) return false;
  for (unsigned i = 0; i < CUTOFFS; i++) {
    uint32_t figure = member(r, value, percentiles[i]);
    if (figure == JSON_NONE) continue;
    out->given = true;
    if (read_figure(r, figure, &out->at[i])) continue;
    char path[64];
    snprintf(path, sizeof path, "%s.%s", name, percentiles[i]);
    return refuse(r, path, STR("a number that is not negative"));
  }
  return true;
}

// --- max_price ---

// The digits of a decimal, and where its point stands among them: of "12.5e-3" 125 and -1.
struct decimal {
  struct str digits;  // perhaps with a point inside
  int64_t point;      // digits before the point, the exponent counted in
};

static bool decimal_split(struct str text, struct decimal *out) {
  size_t at = 0, whole = 0, digits = 0;
  bool point = false;
  for (; at < text.len; at++) {
    char c = text.ptr[at];
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      digits++;
      whole += !point;
    } else {
      break;
    }
  }
  *out = (struct decimal){str_from(text.ptr, at), (int64_t)whole};
  if (!digits || at == text.len) return digits > 0;
  if (text.ptr[at] != 'e' && text.ptr[at] != 'E') return false;
  struct str exponent = str_skip(text, at + 1);
  bool minus = str_starts(exponent, STR("-"));
  if (minus || str_starts(exponent, STR("+"))) exponent = str_skip(exponent, 1);
  while (exponent.len > 1 && exponent.ptr[0] == '0') exponent = str_skip(exponent, 1);
  uint64_t value;
  if (!str_to_u64(exponent, 1000000, &value)) return false;
  out->point += minus ? -(int64_t)value : (int64_t)value;
  return true;
}

// A limit: what lies below the smallest price makes no difference and is left out; what is above all prices is the
// greatest.
static bool limit_parse(struct str text, int power, price_femto *out) {
  struct decimal d;
  if (!decimal_split(text, &d)) return false;
  int64_t places = d.point + power + 15;  // how many digits stand before the point of the result
  size_t at = 0;
  *out = 0;
  for (; places > 0; places--) {
    if (at < d.digits.len && d.digits.ptr[at] == '.') at++;
    int digit = at < d.digits.len ? d.digits.ptr[at++] - '0' : 0;
    if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, digit, out)) {
      *out = INT64_MAX;
      return true;
    }
    if (at == d.digits.len && !*out) return true;  // zero, whatever its exponent
  }
  return true;
}

static bool read_price(const struct reading *r, uint32_t prices, const char *name, int power, price_femto *out) {
  uint32_t value = member(r, prices, name);
  if (value == JSON_NONE) return true;
  bool string = json_is(r->doc, value, JSON_STRING), number = json_is(r->doc, value, JSON_NUMBER);
  struct str text = string ? str_trim(word_of(r->doc, value)) : json_raw(r->doc, value);
  if ((string || number) && limit_parse(text, power, out)) return true;
  char path[64];
  snprintf(path, sizeof path, "max_price.%s", name);
  return refuse(r, path, STR("a price in USD, as a number or a decimal string, and not negative"));
}

static bool read_prices(const struct reading *r, struct preferences *out) {
  uint32_t prices = member(r, r->object, "max_price");
  if (prices == JSON_NONE) return true;
  if (!json_is(r->doc, prices, JSON_OBJECT))
    return refuse(r, "max_price",
                  STR("an object with \"prompt\", \"completion\", \"request\", \"image\" or \"audio\""));
  return read_price(r, prices, "prompt", USD_MILLION, &out->max_prompt) &&
         read_price(r, prices, "completion", USD_MILLION, &out->max_completion) &&
         read_price(r, prices, "request", 0, &out->max_request) && read_price(r, prices, "image", 0, &out->max_image) &&
         read_price(r, prices, "audio", 0, &out->max_audio);
}

// --- the object ---

static bool read_distillable(const struct reading *r) {
  bool only = false;
  if (!read_bool(r, "enforce_distillable_text", &only)) return false;
  if (!only) return true;
  *r->note = (struct fault_note){FAULT_BAD_REQUEST,
                                 STR("\"provider.enforce_distillable_text\" is not supported here: the licences of "
                                     "models are not in the catalogue. Leave it out, or name the models you may use."),
                                 STR("provider.enforce_distillable_text")};
  return false;
}

// For the provider that answers: none of those that are asked here has any.
static bool read_options(const struct reading *r) {
  uint32_t options = member(r, r->object, "options");
  if (options == JSON_NONE) return true;
  struct str must = STR("an object of objects, by provider slug");
  if (!json_is(r->doc, options, JSON_OBJECT)) return refuse(r, "options", must);
  for (uint32_t key = json_first(r->doc, options); key != JSON_NONE;) {
    uint32_t value = json_next(r->doc, options, key);
    if (!json_is(r->doc, value, JSON_OBJECT) && !json_is(r->doc, value, JSON_NULL)) return refuse(r, "options", must);
    key = json_next(r->doc, options, value);
  }
  return true;
}

static const char *const members[] = {"order",
                                      "only",
                                      "ignore",
                                      "allow_fallbacks",
                                      "require_parameters",
                                      "data_collection",
                                      "zdr",
                                      "sort",
                                      "quantizations",
                                      "max_price",
                                      "preferred_min_throughput",
                                      "preferred_max_latency",
                                      "enforce_distillable_text",
                                      "options",
                                      NULL};
#define MEMBERS                                                                                                      \
  "order, only, ignore, allow_fallbacks, require_parameters, data_collection, zdr, sort, quantizations, max_price, " \
  "preferred_min_throughput, preferred_max_latency, enforce_distillable_text and options"

bool preferences_read(const struct chat_request *request, struct arena *arena, struct preferences *out,
                      struct fault_note *note) {
  struct reading r = {&request->doc, chat_member_at(request, CHAT_MEMBER_PROVIDER), arena, note};
  *out = PREFERENCES_NONE;
  if (!json_is(r.doc, r.object, JSON_OBJECT)) return true;
  bool fallbacks = true;
  bool good = check_names(&r, r.object, "", members, STR(MEMBERS)) && read_slugs(&r, "order", &out->order) &&
              read_slugs(&r, "only", &out->only) && read_slugs(&r, "ignore", &out->ignore) &&
              read_bool(&r, "allow_fallbacks", &fallbacks) &&
              read_bool(&r, "require_parameters", &out->require_parameters) &&
              read_collection(&r, &out->deny_collection) && read_bool(&r, "zdr", &out->zdr) && read_distillable(&r) &&
              read_quantizations(&r, &out->quantizations) && read_sort(&r, out) &&
              read_cutoffs(&r, "preferred_min_throughput", &out->min_throughput) &&
              read_cutoffs(&r, "preferred_max_latency", &out->max_latency) && read_prices(&r, out) && read_options(&r);
  out->no_fallbacks = !fallbacks;
  return good;
}
