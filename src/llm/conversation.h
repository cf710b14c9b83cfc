// What a client asks of a model, in one form for all dialects: a client's dialect makes it of its request, a provider's
// dialect writes its own request from it (answers go the other way as llm/event.h). Dialects meet only here.
//
// Strings are of two kinds. Those marked "inside" are the insides of JSON strings, still escaped: text goes from one
// dialect's JSON to the other's without being decoded. Those marked "JSON" are whole values as they were written. All
// others are plain text. Everything lives in the request's body or arena.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "llm/fault.h"

enum role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

enum part_kind {
  PART_TEXT,         // text
  PART_REFUSAL,      // text: the model declined
  PART_IMAGE,        // url or data with media_type; detail
  PART_FILE,         // url, or data with media_type, or id; name
  PART_AUDIO,        // data, media_type ("audio/wav")
  PART_VIDEO,        // url or data with media_type
  PART_REASONING,    // text and/or signature or encrypted; format, id
  PART_CALL,         // id, name, arguments; signature
  PART_SERVER_TOOL,  // id, name, arguments, text (its result); format: a tool the provider ran itself
};

enum cache_mark { CACHE_NONE, CACHE_5M, CACHE_1H };

struct part {
  enum part_kind kind;
  enum cache_mark cache;  // the prompt up to here is worth keeping
  struct str text;        // inside
  struct str url;         // "https://…"
  struct str data;        // base64
  struct str media_type;  // "image/png"
  struct str name;        // of the file or the function
  struct str id;          // of the call, the file, or the piece of reasoning
  struct str detail;      // of an image: "low", "high"
  struct str arguments;   // inside: a JSON object as text, if the model wrote one
  struct str signature;   // inside: what proves the reasoning, or belongs to the call; opaque
  struct str encrypted;   // inside: reasoning only its provider can read; opaque
  struct str format;      // whose signature, encrypted or tool it is: "anthropic-claude-v1"; empty: unknown
  bool summary;           // the reasoning's text is a summary of it
  bool cited;             // of a file: the model shall say where in it what it says stands
  struct str context;     // inside: of a file: what it is, beside what is in it
  struct str native;      // JSON: the part as one provider knows it; the text says the same to all others
};

struct turn {
  enum role role;
  struct part *parts;
  size_t count;
  struct str name;     // inside: of the participant; empty: none
  struct str call_id;  // of ROLE_TOOL: the call this answers
  struct str phase;    // inside: what the model's text was for (OpenAI's commentary, final_answer); empty: not told
};

struct tool {
  struct str name;
  struct str description;  // inside; empty: none
  struct str parameters;   // JSON schema; empty: none given
  bool strict;
  enum cache_mark cache;
};

// A tool that is no function of the client's: the provider runs it, or knows what it is.
struct native_tool {
  struct str type;  // inside: its `type`; empty: it has none
  struct str name;  // its name; empty: it has none
  struct str json;  // the whole tool, as the client wrote it
};

// The client wants the provider to look things up in the web.
struct web_search {
  struct str asked_by;  // the request's member: "web_search_options", "plugins", "tools"; empty: it does not
  struct str native;    // JSON: the tool as the client wrote it, of the kinds OpenAI has; empty: another way
  uint64_t max_uses;    // 0: not given
  struct str allowed_domains, blocked_domains;  // JSON arrays of strings; empty: not given
  struct str user_location;                     // JSON: {city, country, region, timezone}; empty: not given
  struct str context_size;                      // inside: low, medium, high; empty: not given
};

// A member of the request that this form has no place for; some providers know it.
struct extra {
  struct str name;  // inside
  struct str json;
  bool idle;  // false, or empty: nothing is lost where it is not known
};

enum tool_choice { CHOICE_UNSET, CHOICE_AUTO, CHOICE_NONE, CHOICE_REQUIRED, CHOICE_NAMED };
enum answer_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_SCHEMA };
enum effort {
  EFFORT_UNSET,
  EFFORT_NONE,
  EFFORT_MINIMAL,
  EFFORT_LOW,
  EFFORT_MEDIUM,
  EFFORT_HIGH,
  EFFORT_XHIGH,
  EFFORT_MAX
};
enum flag { FLAG_UNSET, FLAG_NO, FLAG_YES };

// Numbers are JSON, as the client spelt them; empty: not given.
struct conversation {
  struct turn *turns;
  size_t turn_count;
  struct tool *tools;
  size_t tool_count;
  struct native_tool *native_tools;
  size_t native_count;
  struct web_search web_search;
  enum tool_choice choice;
  struct str choice_name;  // of CHOICE_NAMED
  enum flag parallel_calls;
  bool stream;
  uint64_t max_tokens;  // 0: not given
  struct str temperature, top_p, top_k, seed, frequency_penalty, presence_penalty;
  struct str *stops;  // inside
  size_t stop_count;
  enum answer_format format;
  struct str schema, schema_name, schema_description;  // JSON; plain; inside
  bool schema_strict;
  enum effort effort;
  uint64_t reasoning_tokens;  // a budget; 0: not given
  bool reasoning_hidden;      // the client does not want to see it
  struct str reasoning_own;   // JSON: the client's `reasoning`, where it says more (summary, mode, context)
  struct str user, service_tier, prompt_cache_key;
  bool logprobs;          // of the answer's tokens
  uint64_t top_logprobs;  // and of so many others at each place
  struct str metadata;    // JSON object of strings
  enum cache_mark cache;  // mark the end of the whole prompt
  const struct extra *extra;
  size_t extra_count;
  struct str betas;  // the client's header field anthropic-beta: "one,two"; empty: it has none
};

// One translation of a conversation for one endpoint: what could not be carried, and why it was refused if it was.
enum { TRANSLATION_DROPS = 32 };
// A tool's name as the provider is told it, and as the client spells it (inside).
struct tool_name {
  struct str told, own;
};
struct translation {
  struct arena *arena;
  struct str dropped[TRANSLATION_DROPS];  // names of request members, each once
  unsigned dropped_count;
  struct str answer_tool;  // the format is had by a tool of ours: its arguments are the answer; empty: it is not
  struct str repeated;  // inside: what the answer may begin with once more, the end of the conversation; empty: nothing
  struct tool_name *tool_names;  // those that differ
  size_t tool_name_count;
  struct str fields;  // header fields that go with this body, each "\r\nname: value"
  // The provider may pause its turn and be asked to go on: where in the body what it said so far belongs, behind the
  // last message. 0: it does not pause.
  size_t messages_end;
  bool no_memory;
  enum fault fault;    // FAULT_NONE: fine
  struct str message;  // for the client; names what to do
};
// Notes that a member of the request has no counterpart at the provider.
void translation_drop(struct translation *t, struct str name);
// Notes why the request cannot go to this provider. Always false.
bool translation_refuse(struct translation *t, enum fault fault, struct str message);

// Is a piece of reasoning worth sending to a provider of this format? Only its own blobs are.
bool reasoning_is_of(const struct part *part, const char *format);
// The name of the function a tool turn answers; empty when no call before it has that id.
struct str conversation_call_name(const struct conversation *c, size_t turn, struct str call_id);
// OpenRouter's share of max_tokens for an effort, as a budget: at least 1024, at most 128000 (MAP 11). 0 for none and
// unset.
uint64_t effort_budget(enum effort effort, uint64_t max_tokens);
// The effort nearest to a budget.
enum effort effort_of_budget(uint64_t budget, uint64_t max_tokens);
