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
  CHAT_REWRITE,         // its inside, or all of it, may be said otherwise
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

// name, action, types, types of elements, most elements, whole, range, min, max. The ones most requests have come
// first.
#define CHAT_REQUEST_MEMBERS(X)                                                                                       \
  X(MODEL, "model", CHAT_MODEL, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0)                                            \
  X(MESSAGES, "messages", CHAT_PASS, CHAT_ARRAY, CHAT_OBJECT, 0, false, CHAT_FREE, 0, 0)                              \
  X(STREAM, "stream", CHAT_PASS, CHAT_BOOL, 0, 0, false, CHAT_FREE, 0, 0)                                             \
  X(MAX_TOKENS, "max_tokens", CHAT_MAX_TOKENS, CHAT_NUMBER, 0, 0, true, CHAT_AT_LEAST, 1, 0)                          \
  X(TEMPERATURE, "temperature", CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_BETWEEN, 0, 2)                              \
  X(TOOLS, "tools", CHAT_PASS, CHAT_ARRAY, CHAT_OBJECT, 0, false, CHAT_FREE, 0, 0)                                    \
  X(TOOL_CHOICE, "tool_choice", CHAT_PASS, CHAT_STRING | CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                   \
  X(STREAM_OPTIONS, "stream_options", CHAT_STREAM_OPTIONS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                 \
  X(MAX_COMPLETION_TOKENS, "max_completion_tokens", CHAT_MAX_TOKENS, CHAT_NUMBER, 0, 0, true, CHAT_AT_LEAST, 1, 0)    \
  X(RESPONSE_FORMAT, "response_format", CHAT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                         \
  X(PROVIDER, "provider", CHAT_CUT, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                                        \
  X(MODELS, "models", CHAT_CUT, CHAT_ARRAY, CHAT_STRING, 16, false, CHAT_FREE, 0, 0)                                  \
  X(USER, "user", CHAT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0)                                               \
  X(USAGE, "usage", CHAT_CUT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                                         \
  X(REASONING, "reasoning", CHAT_REWRITE, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                                  \
  X(REASONING_EFFORT, "reasoning_effort", CHAT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0)                       \
  X(TOP_P, "top_p", CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_ABOVE, 0, 1)                                            \
  X(TOP_K, "top_k", CHAT_PASS, CHAT_NUMBER, 0, 0, true, CHAT_AT_LEAST, 0, 0)                                          \
  X(MIN_P, "min_p", CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_BETWEEN, 0, 1)                                          \
  X(TOP_A, "top_a", CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_BETWEEN, 0, 1)                                          \
  X(FREQUENCY_PENALTY, "frequency_penalty", CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_BETWEEN, -2, 2)                 \
  X(PRESENCE_PENALTY, "presence_penalty", CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_BETWEEN, -2, 2)                   \
  X(REPETITION_PENALTY, "repetition_penalty", CHAT_PASS, CHAT_NUMBER, 0, 0, false, CHAT_ABOVE, 0, 2)                  \
  X(SEED, "seed", CHAT_PASS, CHAT_NUMBER, 0, 0, true, CHAT_FREE, 0, 0)                                                \
  X(N, "n", CHAT_PASS, CHAT_NUMBER, 0, 0, true, CHAT_BETWEEN, 1, 128)                                                 \
  X(STOP, "stop", CHAT_PASS, CHAT_STRING | CHAT_ARRAY, CHAT_STRING, 4, false, CHAT_FREE, 0, 0)                        \
  X(LOGIT_BIAS, "logit_bias", CHAT_PASS, CHAT_OBJECT, CHAT_NUMBER, 0, false, CHAT_FREE, 0, 0)                         \
  X(LOGPROBS, "logprobs", CHAT_PASS, CHAT_BOOL, 0, 0, false, CHAT_FREE, 0, 0)                                         \
  X(TOP_LOGPROBS, "top_logprobs", CHAT_PASS, CHAT_NUMBER, 0, 0, true, CHAT_BETWEEN, 0, 20)                            \
  X(PARALLEL_TOOL_CALLS, "parallel_tool_calls", CHAT_PASS, CHAT_BOOL, 0, 0, false, CHAT_FREE, 0, 0)                   \
  X(VERBOSITY, "verbosity", CHAT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0)                                     \
  X(MODALITIES, "modalities", CHAT_PASS, CHAT_ARRAY, CHAT_STRING, 0, false, CHAT_FREE, 0, 0)                          \
  X(AUDIO, "audio", CHAT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                                             \
  X(PREDICTION, "prediction", CHAT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                                   \
  X(METADATA, "metadata", CHAT_PASS, CHAT_OBJECT, CHAT_STRING, 16, false, CHAT_FREE, 0, 0)                            \
  X(PROMPT_CACHE_KEY, "prompt_cache_key", CHAT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0)                       \
  X(PROMPT_CACHE_OPTIONS, "prompt_cache_options", CHAT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)               \
  X(SERVICE_TIER, "service_tier", CHAT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0)                               \
  X(WEB_SEARCH_OPTIONS, "web_search_options", CHAT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                   \
  X(ROUTE, "route", CHAT_CUT, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0)                                              \
  X(PRESET, "preset", CHAT_CUT, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0)                                            \
  X(PLUGINS, "plugins", CHAT_CUT_PASS, CHAT_ARRAY, CHAT_OBJECT, 0, false, CHAT_FREE, 0, 0)                            \
  X(TRANSFORMS, "transforms", CHAT_CUT_PASS, CHAT_ARRAY, CHAT_STRING, 0, false, CHAT_FREE, 0, 0)                      \
  X(SESSION_ID, "session_id", CHAT_CUT_PASS, CHAT_STRING, 0, 0, false, CHAT_FREE, 0, 0)                               \
  X(TRACE, "trace", CHAT_CUT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                                         \
  X(DEBUG, "debug", CHAT_CUT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                                         \
  X(CACHE_CONTROL, "cache_control", CHAT_CUT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                         \
  X(INCLUDE_REASONING, "include_reasoning", CHAT_CUT_PASS, CHAT_BOOL, 0, 0, false, CHAT_FREE, 0, 0)                   \
  X(IMAGE_CONFIG, "image_config", CHAT_CUT_PASS, CHAT_OBJECT, 0, 0, false, CHAT_FREE, 0, 0)                           \
  X(STOP_SERVER_TOOLS_WHEN, "stop_server_tools_when", CHAT_CUT_PASS, CHAT_ARRAY, CHAT_OBJECT, 0, false, CHAT_FREE, 0, \
    0)                                                                                                                \
  X(MAX_TOOL_CALLS, "max_tool_calls", CHAT_CUT_PASS, CHAT_NUMBER, 0, 0, true, CHAT_AT_LEAST, 0, 0)

enum chat_member_id {
#define X(id, ...) CHAT_MEMBER_##id,
  CHAT_REQUEST_MEMBERS(X)
#undef X
      CHAT_MEMBER_COUNT  // also: a member we do not know, which is let through
};
const struct chat_member *chat_member_row(enum chat_member_id id);
// The bit of names.h under which endpoints list it among their supported_parameters; 0: they do not.
uint32_t chat_member_parameter(enum chat_member_id id);
enum chat_member_id chat_member_find(const struct json_doc *doc, uint32_t key);

// What the messages have in them that may have to change for a provider.
enum {
  CHAT_ODD_PARTS = 1,        // content that is an array
  CHAT_ODD_RESULT = 1 << 1,  // the same in a tool's message
  CHAT_ODD_DEVELOPER = 1 << 2,
  CHAT_ODD_SYSTEM = 1 << 3,  // a system's message that is not the first
  CHAT_ODD_REPEAT = 1 << 4,  // two of the user's or the assistant's in a row
  CHAT_ODD_NAME = 1 << 5,
  CHAT_ODD_CALLS = 1 << 6,
  CHAT_ODD_OTHER = 1 << 7,  // members beside role, content, name and those of tool calls
};

#define CHAT_BIT(id) ((uint64_t)1 << (id))
_Static_assert(CHAT_MEMBER_COUNT < 64, "a set of them is 64 bits");

// What one walk over a request's members finds, for all who ask for a member later.
struct chat_index {
  uint32_t at[CHAT_MEMBER_COUNT];  // value nodes; JSON_NONE: not sent
  uint8_t ids[64];                 // of the first keys, in order
  uint64_t present;                // CHAT_BIT of each that was sent, CHAT_MEMBER_COUNT among them
};
static inline uint32_t chat_member_at(const struct chat_request *r, enum chat_member_id id) {
  return r->index->at[id];
}
// The ID of a request's key that is the n-th.
static inline enum chat_member_id chat_member_nth(const struct chat_request *r, size_t n, uint32_t key) {
  return LIKELY(n < sizeof r->index->ids) ? (enum chat_member_id)r->index->ids[n] : chat_member_find(&r->doc, key);
}
