// The items of an OpenAI response's output, told bit by bit or whole, into events: part of responses_reply.h.
//
// Items are known by their place in the output: some services give one item another ID in each event. A text may come
// in pieces, only at its end, only with its item, or only in the finished response: of each it is remembered how much
// was given and what it was, and what is missing is added whenever more is told.
#pragma once
#include "base/buf.h"
#include "json/json.h"
#include "llm/event.h"

struct responses_item;
struct responses_items {
  struct event_sink sink;
  const struct json_doc *doc;  // what is read at the moment
  bool serves_custom;          // xAI: custom tools are its own, and it has run them
  struct responses_item *items;
  uint32_t count;
  uint32_t calls;       // the client is asked for
  uint32_t blocks;      // parts of texts and reasoning so far
  uint64_t characters;  // of the text so far
  uint64_t searches;    // in the web, made by the provider
  struct buf held;      // arguments of a call that may be several in a wrapper
  bool no_memory;       // or more items than anybody makes
};
void responses_items_init(struct responses_items *s, struct event_sink sink);
void responses_items_free(struct responses_items *s);

// What an event tells a piece of, or the whole of.
enum responses_telling {
  RESPONSES_TEXT,
  RESPONSES_REFUSAL,
  RESPONSES_SUMMARY,
  RESPONSES_REASONING,
  RESPONSES_ARGUMENTS,
};
// `event` is the node of the stream's event. `text`: the piece; `whole`: all of the part it belongs to.
void responses_item_tell(struct responses_items *s, uint32_t event, enum responses_telling what, struct str text,
                         bool whole);
void responses_item_added(struct responses_items *s, uint32_t event);
void responses_item_annotation(struct responses_items *s, uint32_t event);
void responses_item_done(struct responses_items *s, uint32_t event);
// The output of a response that has ended: what its items still lack; then every call ends.
void responses_items_end(struct responses_items *s, uint32_t output);
