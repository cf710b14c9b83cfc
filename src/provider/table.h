// A vendor is a row. Everything that knows vendors by name iterates this table: routing, CLI, docs, GET /providers,
// start without configuration.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "llm/model.h"

// How a vendor's OpenAI-like dialect differs; zero is plain OpenAI Chat (providers/openai-chat.md).
struct provider_quirks {
  const char *max_tokens_field;  // rename max_tokens / max_completion_tokens to this; NULL: leave as sent
  bool no_stream_options;        // refuses stream_options (usage comes unasked, or never)
  bool no_done;                  // its streams end without [DONE] once a finish_reason was seen
  bool cached_outside;           // cached tokens that are more than the prompt's are not among them
  bool reasoning_outside;        // completion_tokens do not include reasoning_tokens
  bool openai_models;            // its models are OpenAI's own: those that reason refuse sampling parameters
  const char *const *deny;       // NULL-ended list of request members it refuses; they are dropped
  const char *auth_header;       // NULL: "Authorization: Bearer KEY"; else "NAME: KEY"
};

struct provider_row {
  const char *id, *name;  // slug; display name
  enum protocol protocol;
  const char *base_url;     // NULL: must be configured
  const char *env_keys[3];  // environment variables of its key, in order; NULL-padded
  bool local;               // a model server on this machine, needs no key
  unsigned local_port;      // where it usually listens
  struct provider_quirks quirks;
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
// The rows as a Markdown table, for docs/providers.md.
void provider_table_markdown(struct buf *out);
