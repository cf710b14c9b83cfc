// A chat request on its way to the common form: what the files that read it share (chat_conversation.c, chat_tools.c).
#pragma once
#include "llm/conversation.h"
#include "surface/openai_chat.h"

struct reading {
  const struct json_doc *doc;
  struct arena *arena;
  struct conversation *out;
  struct fault_note *note;
  unsigned message;  // the present one, for messages
};

// Notes why the request cannot be read; {NULL,0}: memory is out. Always false.
bool reading_refuse(struct reading *r, struct str param, struct str text);
bool reading_no_memory(struct reading *r);
// A member that is a string: as it is spelt, and decoded. Empty when it is none. False: half a surrogate pair.
struct str reading_inside(struct reading *r, uint32_t object, struct str name);
bool reading_plain(struct reading *r, uint32_t object, struct str name, struct str *out);
enum cache_mark reading_cache_mark(struct reading *r, uint32_t object);
unsigned reading_children(const struct json_doc *doc, uint32_t node);

// --- chat_tools.c ---

// Functions, tools of the provider's own, the wish for a web search, and which tool must be called.
bool chat_tools_read(struct reading *r);
// Is a plugin switched on that is not in the common form?
bool chat_tools_other_plugins(const struct json_doc *doc, uint32_t plugins);
// Is it a choice that only OpenAI's own API has: some of the tools, or one that is no function?
bool chat_tools_own_choice(const struct json_doc *doc, uint32_t choice);
