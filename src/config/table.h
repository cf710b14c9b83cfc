// The table of settings: every name the configuration knows, with its type, default, meaning and place in the struct.
// The reader, the defaults, the documentation and the advice for unknown names all come from it.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum setting_type {
  SETTING_SECTION,       // a mapping of further settings
  SETTING_SECTIONS,      // a list of mappings; its path ends in "[]"
  SETTING_TEXT,          // struct str
  SETTING_ID,            // struct str: a word of letters, digits and . _ -
  SETTING_MODEL_ID,      // struct str: a word that may also hold / : @ +
  SETTING_FILE,          // struct str: a file that can be read
  SETTING_URL,           // struct str: http or https, without its last slash
  SETTING_SECRET,        // struct str: visible ASCII
  SETTING_SECRETS,       // struct api_key_secret *, size_t
  SETTING_LISTEN,        // struct config_listen *, size_t
  SETTING_SWITCH,        // bool
  SETTING_WORKERS,       // unsigned; 0 is auto
  SETTING_TIME,          // unsigned, milliseconds
  SETTING_SIZE,          // uint64_t, bytes
  SETTING_COUNT,         // uint64_t
  SETTING_CLOCK,         // unsigned, HHMM, and the bool at count_at
  SETTING_PRICE,         // price_femto
  SETTING_LIMIT,         // money_pico, and the bool at count_at
  SETTING_TEXTS,         // struct str_list
  SETTING_ORIGINS,       // struct str_list of origins (scheme://host[:port]) or *
  SETTING_PROTOCOL,      // enum protocol, and the bool at count_at
  SETTING_SORT,          // enum sort_by
  SETTING_SLUGS,         // struct str_list: providers, perhaps with a sub-offer, or their names
  SETTING_COST_TIER,     // enum cost_tier
  SETTING_PATTERNS,      // struct str_list: model ids that may hold *
  SETTING_COLLECTION,    // bool: deny
  SETTING_STORE,         // struct str
  SETTING_SHARED_STATE,  // struct str
  SETTING_CACHE_SCOPE,   // bool: shared
  SETTING_POLICY,        // struct str: a text, or {training, retention} as one of its words
  SETTING_TYPE_COUNT
};

struct setting {
  const char *path;  // "providers[].base_url"
  enum setting_type type;
  size_t at;                 // offset of the value in the struct of its list (or in struct config)
  size_t count_at;           // offset of what goes with it, for the types that say so
  size_t size, place_at;     // SETTING_SECTIONS: of an element; offset of its line and column
  const char *shorthand;     // SETTING_SECTIONS: an item that is a single value stands for this member
  const char *default_text;  // as it would be written; NULL: none
  const char *env;           // environment variable that stands in for a missing line
  bool required, fixed;      // fixed: a reload does not change it
  uint64_t min, max;         // of numbers
  const char *help;
};

extern const struct setting settings[];
extern const size_t setting_count;

// The last part of a path, without "[]": "base_url".
struct str setting_key(const struct setting *setting);
// True when the setting stands directly in the section with this path ("" is the whole file).
bool setting_in(const struct setting *setting, const char *section);
// NULL when there is none.
const struct setting *setting_find(const char *section, struct str key);
// "a time", for messages and the documentation.
const char *setting_type_name(enum setting_type type);
// Never shown in messages.
bool setting_is_secret(enum setting_type type);
