// Small things every decoder of a provider's dialect needs: members as insides, counts, failures.
#pragma once
#include "json/json.h"
#include "llm/event.h"

// A string's characters as they are spelt (llm/event.h); empty for anything else.
struct str decode_inside(const struct json_doc *doc, uint32_t node);
struct str decode_member(const struct json_doc *doc, uint32_t object, struct str name);
// A count of tokens; false when the member is none.
bool decode_count(const struct json_doc *doc, uint32_t object, struct str name, uint64_t *out);
// The same, 0 when it is none.
uint64_t decode_count_or_0(const struct json_doc *doc, uint32_t object, struct str name);

// Copies an inside into a fixed array, cut to fit so that it stays one.
void decode_keep(char *into, size_t size, struct str inside);

// Notes a failure; an empty message becomes the fault's own.
void decode_fail(struct decode_failure *failure, enum fault fault, struct str message);
// The same with a JSON string as its message, decoded; a fault's own when it is none.
void decode_fail_json(struct decode_failure *failure, enum fault fault, const struct json_doc *doc, uint32_t message);
// Bytes that make no sense, or no memory to read them. Always DECODE_FAILED.
enum decode_result decode_refuse(struct decode_failure *failure, const char *message);
enum decode_result decode_no_memory(struct decode_failure *failure);
// Parses one JSON object of a reply or stream; false: noted.
bool decode_parse(struct json_doc *doc, struct str text, unsigned depth, struct decode_failure *failure);
// Do the words of a message say that the prompt is too long? Every provider has its own (providers/README 6).
bool decode_is_context(struct str message);

// Shorthands for the events most dialects give.
void decode_give(struct event_sink sink, struct event event);
// Text, reasoning, signature: nothing for an empty one.
void decode_give_text(struct event_sink sink, enum event_kind kind, uint32_t block, struct str text);
void decode_give_arguments(struct event_sink sink, uint32_t call, struct str inside);
// A JSON value as the arguments of a call: an object becomes its text, a string stays, nothing and null become {}.
// False: out of memory.
bool decode_give_arguments_json(struct event_sink sink, uint32_t call, const struct json_doc *doc, uint32_t value);
