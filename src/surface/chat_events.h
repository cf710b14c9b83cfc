// What the two files that write an answer of events share (chat_events.c, chat_details.c). Written for them alone.
#pragma once
#include "surface/chat_repeat.h"
#include "surface/chat_shared.h"

struct chat_events {
  struct chat_reply *reply;
  struct chat_events_options options;
  struct buf *out;                                          // a stream's
  struct buf content, refusal, calls, images, annotations;  // a whole answer's
  struct buf reasoning, details;   // a whole answer's; details also of a stream whose reasoning is kept
  struct buf logprobs, citations;  // a whole answer's
  struct buf audio;                // a whole answer's
  struct buf prefix;               // of a stream's chunks, up to the delta's members
  bool begun, spoke, finished, failed, call_open;
  uint32_t call_count;     // calls the client sees
  uint32_t answer_call;    // the call that is the answer, + 1; 0: none
  uint32_t first_call;     // the decoder's number of the client's call 0: those before are the answer's
  uint32_t detail_count;   // reasoning details so far; the open one is the last
  uint32_t detail_block;   // its block
  enum event_kind detail;  // what it holds last: EVENT_REASONING, EVENT_SIGNATURE; else none is open
  struct chat_repeat repeat;
  uint64_t characters;  // of the text so far
  uint64_t block_from;  // the text of this block begins there
  uint32_t block;
  enum finish finish;
  char phase[24];  // of the text, see EVENT_PHASE; empty: none
  bool phase_told;
  struct buf pause;     // what the provider said before it paused its turn, as it wants it back
  struct usage before;  // what the turn cost up to there
  uint32_t block_base;  // its parts are counted on from here
  uint32_t block_top;   // parts so far
  char first_id[256];   // of the client's first call; empty: none, or too long
};

// --- chat_events.c ---

// A chunk up to its delta's members, and from behind them to its end.
void chat_chunk_begin(struct chat_events *e);
void chat_chunk_end(struct chat_events *e);
// An inside between its quotes.
void chat_quoted(struct buf *out, struct str inside);

// --- chat_details.c: reasoning, and what goes back to the model with it ---

void chat_details_reasoning(struct chat_events *e, const struct event *event);
void chat_details_encrypted(struct chat_events *e, const struct event *event);
void chat_details_server_tool(struct chat_events *e, const struct event *event);
// Ends the detail that is being collected.
void chat_details_close(struct chat_events *e);
// A blob of its own (encrypted reasoning, the signature of a call): among the collected details, and written to `out`.
void chat_details_collect(struct chat_events *e, struct str data, struct str id, uint32_t index);
void chat_details_write(struct chat_events *e, struct buf *out, struct str data, struct str id, uint32_t index);
