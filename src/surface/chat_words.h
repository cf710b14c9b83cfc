// The names of members in replies and chunks that the gateway reads or writes itself, recognised once and then handled
// as small numbers and sets of them.
#pragma once
#include "json/json.h"

// By length, so that the comparisons fall into groups.
#define CHAT_WORDS(X)                                   \
  X(ID, "id")                                           \
  X(NAME, "name")                                       \
  X(ROLE, "role")                                       \
  X(COST, "cost")                                       \
  X(TYPE, "type")                                       \
  X(INDEX, "index")                                     \
  X(MODEL, "model")                                     \
  X(USAGE, "usage")                                     \
  X(ERROR, "error")                                     \
  X(DELTA, "delta")                                     \
  X(AUDIO, "audio")                                     \
  X(OBJECT, "object")                                   \
  X(X_GROQ, "x_groq")                                   \
  X(IMAGES, "images")                                   \
  X(CREATED, "created")                                 \
  X(CHOICES, "choices")                                 \
  X(MESSAGE, "message")                                 \
  X(CONTENT, "content")                                 \
  X(REFUSAL, "refusal")                                 \
  X(IS_BYOK, "is_byok")                                 \
  X(PROVIDER, "provider")                               \
  X(FUNCTION, "function")                               \
  X(METADATA, "metadata")                               \
  X(REASONING, "reasoning")                             \
  X(TOOL_CALLS, "tool_calls")                           \
  X(MODERATION, "moderation")                           \
  X(OBFUSCATION, "obfuscation")                         \
  X(ANNOTATIONS, "annotations")                         \
  X(COST_DETAILS, "cost_details")                       \
  X(TOTAL_TOKENS, "total_tokens")                       \
  X(AUDIO_TOKENS, "audio_tokens")                       \
  X(VIDEO_TOKENS, "video_tokens")                       \
  X(IMAGE_TOKENS, "image_tokens")                       \
  X(FINISH_REASON, "finish_reason")                     \
  X(FUNCTION_CALL, "function_call")                     \
  X(PROMPT_TOKENS, "prompt_tokens")                     \
  X(CACHED_TOKENS, "cached_tokens")                     \
  X(EXECUTED_TOOLS, "executed_tools")                   \
  X(SERVER_TOOL_USE, "server_tool_use")                 \
  X(REASONING_TOKENS, "reasoning_tokens")               \
  X(REASONING_CONTENT, "reasoning_content")             \
  X(REASONING_DETAILS, "reasoning_details")             \
  X(COMPLETION_TOKENS, "completion_tokens")             \
  X(NUM_CACHED_TOKENS, "num_cached_tokens")             \
  X(SYSTEM_FINGERPRINT, "system_fingerprint")           \
  X(CACHE_WRITE_TOKENS, "cache_write_tokens")           \
  X(NUM_SEARCH_QUERIES, "num_search_queries")           \
  X(OPENROUTER_METADATA, "openrouter_metadata")         \
  X(NATIVE_FINISH_REASON, "native_finish_reason")       \
  X(PROMPT_TOKENS_DETAILS, "prompt_tokens_details")     \
  X(CACHED_TOKENS_DETAILS, "cached_tokens_details")     \
  X(PROMPT_CACHE_HIT_TOKENS, "prompt_cache_hit_tokens") \
  X(COMPLETION_TOKENS_DETAILS, "completion_tokens_details")

enum chat_word {
  CHAT_WORD_OTHER,
#define X(id, name) CHAT_WORD_##id,
  CHAT_WORDS(X)
#undef X
      CHAT_WORD_COUNT
};
_Static_assert(CHAT_WORD_COUNT <= 64, "a set of words is 64 bits");

typedef uint64_t chat_word_set;
#define CHAT_SET(id) ((chat_word_set)1 << CHAT_WORD_##id)

// The word that a key is, however it is spelt.
enum chat_word chat_word_of(const struct json_doc *doc, uint32_t key);
static inline bool chat_word_in(enum chat_word word, chat_word_set set) {
  return set >> word & 1;
}

// The members of an object by word: value nodes, JSON_NONE when absent (all of them, when it is no object). Of a key
// that comes twice the last one counts. What is filed under CHAT_WORD_OTHER means nothing.
struct chat_members {
  uint32_t at[CHAT_WORD_COUNT];
};
void chat_members_read(struct chat_members *members, const struct json_doc *doc, uint32_t object);
