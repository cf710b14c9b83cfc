// What the files of openai_chat.h share. Written for them alone.
#pragma once
#include "surface/chat_words.h"
#include "surface/openai_chat.h"

#define CHAT_COUNT(array) (sizeof(array) / sizeof *(array))

// --- chat_shared.c: names, texts, members ---

// True for a string with something in it.
bool chat_has_text(const struct json_doc *doc, uint32_t node);
// A string's characters as they are spelt, without its quotes; empty for anything else.
struct str chat_inside(const struct json_doc *doc, uint32_t node);
// The members of a reply or chunk that decide what it is, and of its first choice.
struct chat_top {
  uint32_t id, created, choices, usage, error, x_groq, obfuscation, system_fingerprint;
  uint32_t first;              // choices[0]
  struct chat_members choice;  // of the first one
};
void chat_top_read(struct chat_top *top, const struct json_doc *doc);
// Copies an object's members, but for those we write ourselves (`ours`) and nulls that strict clients refuse.
void chat_copy_others(const struct json_doc *doc, uint32_t object, chat_word_set ours, struct buf *out);
// Null, under a name that strict clients refuse as null.
bool chat_null_refused(const struct json_doc *doc, enum chat_word word, uint32_t value);
// `"key":value` as it stands, with a comma before it unless an object has just begun.
void chat_copy_member(const struct json_doc *doc, uint32_t key, uint32_t value, struct buf *out);
// The members every object of ours begins with: `{"id":…,"provider":…,"model":…,"object":…,"created":…`.
void chat_begin(const struct chat_reply *reply, struct str object, struct buf *out);
// Takes the provider's id, once it gives one, and from the first object also its time of creation: all chunks of a
// stream tell the same.
void chat_note_origin(struct chat_reply *reply, const struct json_doc *doc, const struct chat_top *top, bool first);
// Puts text into a fixed array of the reply, cut to fit at a character's start.
void chat_keep(char *into, size_t size, struct str text);
// Notes a failure on the reply.
void chat_fail(struct chat_reply *reply, enum fault fault, struct str message);

// --- chat_parts.c: texts that come in lists ---

// Content that is a list of parts (Databricks, Mistral's models anywhere): the texts in it, or the reasoning, as the
// inside of a string. True: there are some.
bool chat_parts_text(const struct json_doc *doc, uint32_t content, bool reasoning, struct buf *out);
// The readable text of reasoning_details, as the inside of a string. True: there is some.
bool chat_details_text(const struct json_doc *doc, uint32_t details, struct buf *out);

// --- chat_finish.c: why an answer ended ---

struct chat_finish {
  struct str normal;  // stop, length, tool_calls, content_filter or error; empty while the answer goes on
  struct str native;  // JSON: the provider's own word, or null
};
// Reads a choice's finish. `called`: the answer holds tool calls. `whole`: there is nothing more to come, so a provider
// that gave no reason simply stopped.
struct chat_finish chat_finish_read(const struct chat_reply *reply, const struct json_doc *doc,
                                    const struct chat_members *choice, bool called, bool whole);
// The normal form of a provider's word.
struct str chat_finish_normal(struct str native);
// `"finish_reason":…,"native_finish_reason":…`
void chat_finish_write(const struct chat_finish *finish, struct buf *out);
// Remembers the finish of the first choice that has one.
void chat_finish_keep(struct chat_reply *reply, const struct chat_finish *finish);

// --- chat_usage.c ---

// Where the usage object of a reply or chunk stands: at the top, in x_groq, or in the choice; JSON_NONE without one.
uint32_t chat_usage_find(const struct json_doc *doc, const struct chat_top *top);
// Reads a usage object in any spelling of the OpenAI-like services. False: it is none.
bool chat_usage_read(const struct json_doc *doc, uint32_t usage, const struct provider_quirks *quirks,
                     struct usage *out);
// What reply->usage costs at its endpoint: reply->cost.
void chat_usage_price(struct chat_reply *reply);
// Estimates the tokens of an answer of which the provider says that it has none, although there is text: it has not
// counted them.
void chat_usage_check(struct chat_reply *reply);
// The estimate for an answer whose provider never told: four bytes a token.
void chat_usage_estimate(struct chat_reply *reply, uint64_t request_bytes);
// `"usage":{…}`: reply->usage and cost, and whatever else stood in the provider's object (JSON_NONE: nothing).
void chat_usage_write(const struct chat_reply *reply, const struct json_doc *doc, uint32_t usage, struct buf *out);

// --- chat_calls.c: tool calls ---

enum { CHAT_CALLS_MAX = 16 };

// A call that has begun in a stream.
struct chat_call {
  uint32_t id_hash;    // of the provider's id; 0 when it gave none
  uint8_t choice;      // the choice it belongs to
  uint8_t index;       // the provider's index
  bool function;       // a function call, not one of another kind
  bool has_arguments;  // some have come
  bool named;          // its name has been told
};
// The calls of a stream in order of appearance. A call's index in what we write counts those before it in its choice.
// What comes after CHAT_CALLS_MAX of them is passed on with the provider's own index.
struct chat_calls {
  uint8_t count;
  struct chat_call items[CHAT_CALLS_MAX];
};
// What writing one delta's calls found.
struct chat_pieces {
  uint32_t arguments;   // node of the only piece's arguments, when it does nothing but go on with them; or JSON_NONE
  size_t arguments_at;  // where their characters went in out
  bool began;           // a call began
};
// `"tool_calls":[…]` of a delta: each piece with an index, only the first one of a call with id and type, the name
// once, since clients join what comes in pieces; arguments as strings. `end`: the choice ends here, so calls without
// arguments get "{}". Nothing at all is written when there is nothing to say. `calls` may be JSON_NONE.
struct chat_pieces chat_calls_piece(struct chat_calls *known, const struct chat_reply *reply, uint64_t choice,
                                    const struct json_doc *doc, uint32_t calls, bool end, struct buf *out);
// Has this choice called anything?
bool chat_calls_any(const struct chat_calls *known, uint64_t choice);
// `"tool_calls":[…]` of a whole message: every call with id, type and arguments that are a string with JSON in it.
void chat_calls_whole(const struct chat_reply *reply, const struct json_doc *doc, uint32_t calls, struct buf *out);

// --- chat_error.c ---

// The error in a reply or chunk that came with status 200: an `error` member, one inside the first choice, a flat
// {"object":"error"}, a failed base_resp. True: noted on the reply.
bool chat_error_inside(struct chat_reply *reply, const struct json_doc *doc, const struct chat_top *top);
