// What the reply, stream and error files of openai_chat.h share.
#pragma once
#include "surface/openai_chat.h"

// The normal form of a finish reason ("eos" > "stop"); what is not known becomes "stop".
struct str chat_finish_normal(struct str native);
// Puts text into a fixed array of the reply, cut to fit at a character's start.
void chat_keep(char *into, size_t size, struct str text);
// Reads a usage object in any spelling of the OpenAI-like services. False: it is none.
bool chat_usage_read(const struct json_doc *doc, uint32_t usage, const struct provider_quirks *quirks, struct usage *out);
// `"usage":{...}` with the provider's own members and ours: total_tokens, cost, is_byok, cost_details. usage JSON_NONE (an
// estimate): only from reply->usage.
void chat_usage_write(const struct chat_reply *reply, const struct json_doc *doc, uint32_t usage, struct buf *out);
// The members every object of ours begins with: `{"id":…,"provider":…,"model":…,"object":…,"created":`.
void chat_begin(const struct chat_reply *reply, struct str object, uint64_t created, struct buf *out);
// `"key":value` as it stands, with a comma before it where needed.
void chat_copy_member(const struct json_doc *doc, uint32_t key, uint32_t value, struct buf *out);
// Is the member null and of a name that strict clients refuse as null?
bool chat_null_refused(const struct json_doc *doc, uint32_t key, uint32_t value);
// Class and message of an error member or a flat error object; `status` when no code says better.
enum fault chat_error_in(const struct json_doc *doc, uint32_t error, unsigned status, struct arena *arena,
                         struct str *message);
// Notes a failure on the reply.
void chat_fail(struct chat_reply *reply, enum fault fault, struct str message);
