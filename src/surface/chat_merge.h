// A request made of the client's and what stands for it elsewhere: a preset's members (MAP 9.4), what a variant of the
// model's name asks for. Pure; the client's own members go on byte for byte.
//
//   preset   {"model":"a/b","temperature":0.2,"tools":[f,g]}   + "Be brief."
//   request  {"model":"@preset/x","messages":[user],"temperature":1,"tools":[g']}
//   merged   {"model":"a/b","messages":[system,user],"temperature":1,"tools":[f,g']}
//
// The merge is shallow and the request wins; a member that is null counts as not sent. Members that say the same thing
// in several ways (max_tokens and max_completion_tokens; reasoning, reasoning_effort and include_reasoning) count as
// one: where the request has any of them, the preset's stay out. A request that names models without a model does not
// get the preset's model; one that names a model gets the preset's `models` as what comes after it.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "surface/openai_chat.h"

// What a preset says to the gateway itself; it is not merged into the request.
struct chat_merge_flags {
  bool has_cache_enabled, cache_enabled;
  bool has_cache_ttl;
  uint64_t cache_ttl_seconds;  // 1 to 86400
};

struct chat_preset {
  struct str config;         // a JSON object
  struct str system_prompt;  // empty: none
};

// *out: the request's object with the preset's members, in the arena; `body` is its text. A model "name@preset/slug"
// becomes "name", "@preset/slug" becomes the preset's (the member goes when it has none); `preset` goes. Tools are
// united: the preset's first, but as the request defines them where it has the same. The system prompt becomes the
// first message, unless the request has a message of the system's or a developer's: then the request's stand alone.
// False: *note says why (no object, a preset that is damaged, no model in either, out of memory).
bool chat_merge(struct str body, const struct chat_preset *preset, struct arena *arena, struct str *out,
                struct chat_merge_flags *flags, struct fault_note *note);

// *out: the request with what variants of its model stand for. `thinking`: reasoning is switched on, unless the request
// says anything of it. `online`: the web plugin is added, unless there is one, web_search_options, or a tool that
// searches. The request's own text when nothing is to be added. False: *note says why.
bool chat_merge_variant(struct str body, bool thinking, bool online, struct arena *arena, struct str *out,
                        struct fault_note *note);

// The same for a request that has been parsed: it is parsed anew where something was added. False: *note says why; the
// request must still be freed.
bool chat_request_vary(struct chat_request *r, bool thinking, bool online, struct arena *arena,
                       struct fault_note *note);

enum { CHAT_PRESET_MAX = 256 * 1024 };  // bytes of a preset's members and its system prompt together

// What a request leaves behind as a preset: its members that a preset can have (no messages, stream, user ...), checked
// as a request's are, and the texts of its system and developer messages, or its `system_prompt`. In the arena. False:
// *note says why.
bool chat_preset_read(struct str body, struct arena *arena, struct chat_preset *out, struct fault_note *note);
