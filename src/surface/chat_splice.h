// What the files that make a provider's body of a client's share (chat_build.c, chat_turns.c, chat_toolset.c,
// chat_wish.c). The body is gone through once, from front to end: what stays is copied in runs, what must change is
// left out or written anew. Written for them alone.
#pragma once
#include "surface/chat_members.h"
#include "surface/chat_shared.h"

struct splice {
  const struct chat_request *r;
  const struct endpoint *e;
  const struct provider_quirks *quirks;  // the vendor's, with what is true of this endpoint alone
  bool picky;                            // members may be refused
  uint32_t lacks;                        // parameters that it is said not to take: bits of names.h
  struct str tier;                       // the service tier it is of; empty: the usual one
  bool tier_elsewhere;                   // which the model has at other endpoints
  bool reasons;                   // one of OpenAI's models that will reason: it refuses to be steered by sampling
  bool refuses_stop;              // the same, and no stops
  bool foreign_tools;             // some are not for this provider
  bool no_tools;                  // the tools are left out: they must not be called
  bool openrouter;                // the provider is OpenRouter and knows its own extras
  bool thinks;                    // a model that will think, at a service where that changes what it takes
  const struct chat_file *files;  // fetched for it
  struct buf wish;                // members that ask for reasoning, as this provider wants them: `"a":1,"b":2`
  bool wish_as_sent;              // it is what stands there
  bool wish_written;
  bool tagged;               // reasoning went back between tags
  struct buf *out;           // NULL: only what would be lost is of interest
  struct buf_hole *hole;     // NULL: everything is copied
  uint32_t at;               // bytes of the body copied or skipped
  struct translation *lost;  // NULL: of no interest
};

// --- chat_build.c ---

// Copies the body up to `to`, unless that is behind us.
void splice_copy(struct splice *s, size_t to);
// Puts `with` in place of the bytes [from, to).
void splice_replace(struct splice *s, size_t from, size_t to, struct str with);
// Is this request member refused, by name or as one of OpenRouter's alone?
bool splice_denies(const struct splice *s, struct str name);
// Notes the name of something the provider is not told.
void splice_lost(struct splice *s, struct str name);

// A walk over the members of an object or the elements of an array, some of which are left out with the comma that goes
// with them. Call one of the two for each, in order, then walk_end.
struct walk {
  const struct json_doc *doc;
  size_t base;      // where the doc's text begins in the body
  uint32_t within;  // the container
  size_t kept_end;  // where the last one that stays ends; 0: none so far
};
void walk_keep(struct splice *s, struct walk *w, uint32_t value);
// `first`: the key, or the element. `next`: the one behind, or JSON_NONE.
void walk_cut(struct splice *s, struct walk *w, uint32_t value, uint32_t next);
// Copies what stays, without the closing bracket: members may be added. True when there is something in it.
bool walk_end(struct splice *s, struct walk *w);

// --- chat_turns.c ---

// Goes over the messages and changes them as the quirks say.
void chat_turns_splice(struct splice *s);

// --- chat_toolset.c ---

// Is there a tool for this provider, or no tool of another? Notes which.
bool chat_tools_any(struct splice *s, uint32_t tools);
// Goes over the tools.
void chat_tools_splice(struct splice *s, uint32_t value);
// Is the choice among them left out?
bool chat_choice_is_cut(struct splice *s, uint32_t value);
// The format of the answer.
void chat_format_splice(struct splice *s, uint32_t value);
// A schema that must be told in words, as a JSON value; empty: none.
struct str chat_format_told(const struct splice *s);

// --- chat_wish.c ---

// Makes `wish` of what the client wants of reasoning. False: out of memory.
bool chat_wish_make(struct splice *s);
