// The request members OpenRouter documents (MAP 4): one row each, read by the check and by the splice.
#pragma once
#include "surface/openai_chat.h"

enum chat_action {
  CHAT_PASS,            // goes on as it is
  CHAT_CUT,             // the gateway's alone: providers do not know it
  CHAT_CUT_PASS,        // the same, but OpenRouter as a provider knows it
  CHAT_MODEL,           // becomes the endpoint's name
  CHAT_MAX_TOKENS,      // renamed where a provider knows only the other spelling
  CHAT_STREAM_OPTIONS,  // must ask for usage
  CHAT_REASONING,       // OpenRouter's object; others know reasoning_effort
};

// Sets of types: bits of enum json_type.
enum {
  CHAT_BOOL = 1 << JSON_TRUE | 1 << JSON_FALSE,
  CHAT_NUMBER = 1 << JSON_NUMBER,
  CHAT_STRING = 1 << JSON_STRING,
  CHAT_ARRAY = 1 << JSON_ARRAY,
  CHAT_OBJECT = 1 << JSON_OBJECT,
};

enum chat_range {
  CHAT_FREE,
  CHAT_BETWEEN,  // min and max belong to it
  CHAT_ABOVE,    // min does not, max does
  CHAT_AT_LEAST,
};

struct chat_member {
  struct str name;
  uint8_t action, types;
  uint8_t items;      // types of an array's elements; 0: not looked at
  uint8_t items_max;  // 0: any number
  bool whole;         // a number without fraction
  uint8_t range;
  double min, max;
};

// The row of a key; NULL for a member we do not know, which is let through.
const struct chat_member *chat_member_find(const struct json_doc *doc, uint32_t key);
