// What an answer of Gemini's rests on: pages it was grounded in, and where they are cited; recitations. It comes in
// pieces, mostly behind the text, and counts in bytes of UTF-8; what is given on counts in characters.
#pragma once
#include "json/json.h"
#include "llm/event.h"

struct gemini_source;
struct gemini_support;
struct gemini_run;

struct gemini_sources {
  struct buf words;  // what is kept of titles, addresses and cited texts
  struct gemini_source *sources;
  struct gemini_support *supports;
  uint32_t source_count, source_cap, support_count, support_cap, seen;
  struct gemini_run *runs;  // of characters of the same width: where bytes and characters part
  uint32_t run_count, run_cap;
  uint64_t bytes, characters;  // of the text so far
  uint64_t parts[16];          // where the text of each part of the content begins, in bytes
  uint32_t part_count;
  uint64_t part_from;            // where that of the present part begins, in characters
  uint32_t queries;              // searches that were made
  struct buf searched, fetched;  // JSON: what was searched for, what was read
};

void gemini_sources_begin(struct gemini_sources *s);
void gemini_sources_free(struct gemini_sources *s);
// A part of the content begins, of any kind.
void gemini_sources_part(struct gemini_sources *s);
// More of the text, as it is given on. False: out of memory.
bool gemini_sources_text(struct gemini_sources *s, struct str inside);
// Keeps what a candidate says of its sources. False: out of memory.
bool gemini_sources_take(struct gemini_sources *s, const struct json_doc *doc, uint32_t candidate);
// Gives it all on, once the text is complete. False: out of memory.
bool gemini_sources_give(struct gemini_sources *s, struct event_sink sink);
