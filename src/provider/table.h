// A vendor is a row. Everything that knows vendors by name iterates this table: routing, CLI, docs, GET /providers,
// start without configuration.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "llm/model.h"

// How reasoning is asked for.
enum wish_form {
  WISH_EFFORT,    // "reasoning_effort"
  WISH_OBJECT,    // OpenRouter's "reasoning" object
  WISH_THINKING,  // "thinking":{"type":"enabled"}, and "reasoning_effort" beside it where the model has levels
  WISH_BUDGET,    // "enable_thinking" and "thinking_budget"
  WISH_TEMPLATE,  // "chat_template_kwargs":{"enable_thinking":…}, and "reasoning_effort" beside it
};
// What of an assistant's earlier reasoning goes back to the service that may have made it.
enum replay_form {
  REPLAY_AS_SENT,    // readable text as the client sent it; signed and encrypted pieces are nobody's and go nowhere
  REPLAY_NEVER,      // nothing: it is refused, or useless
  REPLAY_CONTENT,    // the text, as "reasoning_content"
  REPLAY_REASONING,  // the text, as "reasoning"
  REPLAY_TAGS,       // the text between <think> tags before the content, of GLM models; of others nothing
  REPLAY_ALL,        // everything, "reasoning_details" with what is in them
};
// What becomes of the marks clients set for prompt caches.
enum mark_form {
  MARKS_AS_SENT,
  MARKS_CUT,         // it caches by itself
  MARKS_CONTROL,     // "cache_control"
  MARKS_BREAKPOINT,  // "prompt_cache_breakpoint", by those models that have it
};

// How a vendor's OpenAI-like dialect differs; zero is plain OpenAI Chat (providers/openai-chat.md), passed on as it
// came.
struct provider_quirks {
  const char *max_tokens_field;  // rename max_tokens / max_completion_tokens to this; NULL: leave as sent
  bool no_stream_options;        // refuses stream_options (usage comes unasked, or never)
  bool no_done;                  // its streams end without [DONE] once a finish_reason was seen
  bool cached_outside;           // cached tokens that are more than the prompt's are not among them
  bool reasoning_outside;        // completion_tokens do not include reasoning_tokens
  bool openai_models;            // its models are OpenAI's own: those that reason refuse sampling parameters
  const char *const *deny;       // NULL-ended list of request members it refuses; they are dropped
  const char *const *know;       // NULL-ended list of its own members, beside those OpenRouter documents
  bool strict;              // it refuses those that other services know (provider_is_foreign); those nobody knows pass
  bool gateway;             // another gateway: it knows what OpenRouter's clients send
  bool by_model;            // some of this depends on the model (provider/quirks.c)
  const char *auth_header;  // NULL: "Authorization: Bearer KEY"; else "NAME: KEY"

  enum wish_form wish;
  enum replay_form replay;
  const char *blobs;  // REPLAY_ALL: only details in which this word stands (their format's); NULL: any
  enum mark_form marks;
  bool fills_replay;         // a turn that called tools must have its reasoning back, be it empty
  bool no_developer;         // knows no developer role: it is the system's
  bool one_system;           // one system message, and first
  bool alternates;           // the user and the assistant take turns
  bool plain_text;           // content that is only text must be a string
  bool text_results;         // a tool's result is text: pictures go into the user's message behind it
  bool no_names;             // refuses messages[].name
  bool no_strict;            // refuses "strict" in tools and formats
  bool auto_choice;          // tool_choice can only be auto
  bool auto_while_thinks;    // the same, of models that think
  bool object_format;        // knows json_object, not json_schema: the schema is told in words
  bool schema_format;        // knows json_schema, not json_object
  bool counted_logprobs;     // "logprobs" is the number of them
  bool audio_urls;           // audio is a data URL
  bool inlines_images;       // fetches no picture by URL
  bool inlines_files;        // fetches no file by URL
  unsigned temperature_max;  // 0: OpenAI's 2
};

struct provider_row {
  const char *id, *name;  // slug; display name
  enum protocol protocol;
  const char *base_url;     // NULL: must be configured
  const char *env_keys[3];  // environment variables of its key, in order; NULL-padded
  bool local;               // a model server on this machine, needs no key
  unsigned local_port;      // where it usually listens
  struct provider_quirks quirks;
  enum data_policy data;                             // unknown unless its terms for paying customers leave no doubt
  const char *privacy_url, *terms_url, *status_url;  // NULL when unknown
};
extern const struct provider_row provider_rows[];
extern const size_t provider_row_count;
// NULL when there is no such row.
const struct provider_row *provider_row_find(struct str id);
const char *protocol_name(enum protocol protocol);
bool protocol_parse(struct str name, enum protocol *out);
// What the vendor of a protocol of its own is like, for services elsewhere that speak it; NULL for those of many
// vendors.
const struct provider_quirks *protocol_quirks(enum protocol protocol);
// Is this a member of requests that only some service's own dialect knows?
bool provider_is_foreign(struct str member);
// The same of messages; NULL-ended.
extern const char *const provider_foreign_in_messages[];
// The rows as a Markdown table, for docs/providers.md.
void provider_table_markdown(struct buf *out);
