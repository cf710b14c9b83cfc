// OpenAI Chat Completions as OpenRouter speaks it: what clients send and read, for providers of the same dialect.
// Bytes are spliced, not re-encoded: the request goes on with only those members changed that must be; the reply gets
// OpenRouter's extras. Pure: no clock, no socket.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "json/json.h"
#include "llm/conversation.h"
#include "llm/event.h"
#include "llm/fault.h"
#include "llm/model.h"
#include "llm/usage.h"
#include "provider/table.h"

// A client's request. Strings point into the body or the arena.
struct chat_request {
  struct str body;
  struct json_doc doc;       // top level, messages and their members
  struct chat_index *index;  // which known member is where; in the arena
  struct str model;          // empty when absent
  struct str models[16];     // "models": fallbacks
  unsigned model_count;
  bool stream;
  bool has_tools;
  bool wants_json;          // response_format is one of JSON
  bool hides_reasoning;     // the client does not want to see it
  uint8_t odd;              // what the messages have in them: CHAT_ODD_… of chat_members.h
  bool require_parameters;  // provider.require_parameters: a provider that cannot take all of it is not asked
  uint64_t max_tokens;      // 0: not given
  struct str user, session_id;
  struct str text_last;  // reserved for the demo provider; unused here
};

struct fault_note {
  enum fault fault;    // FAULT_NONE: fine
  struct str message;  // for the client, names what to do; in the arena or static
  struct str param;    // member at fault, or empty
};

// Checks the body as OpenRouter would (MAP 4): valid JSON object, messages a non-empty array of objects with a role,
// known members of the right type and range; unknown members are let through. False: *note says why.
// The request's doc must be freed with chat_request_free.
bool chat_request_parse(struct chat_request *r, struct str body, struct arena *arena, struct fault_note *note);
void chat_request_free(struct chat_request *r);

// How many pictures its messages hold.
uint64_t chat_request_images(const struct chat_request *r);

// A file that the request names by URL and the gateway has fetched, since the provider would not. A list, newest first.
struct chat_file {
  const struct chat_file *next;
  struct str url, media_type, data;  // data: base64
};

// The body for one endpoint: `model` becomes the endpoint's own name (added when absent); gateway-only members
// (provider, models, route, plugins, transforms, usage, preset, session_id, trace, debug, cache_control at top level,
// ...) and what the quirks deny are cut out; max_tokens is renamed as the quirks say; a stream gets "stream_options"
// with include_usage true, keeping the client's other options. Where the service is known to want them otherwise,
// messages, tools, formats and what is said of reasoning are changed, too (provider/table.h). All other bytes stay as
// they were. False: out of memory.
bool chat_request_build(const struct chat_request *r, const struct endpoint *endpoint, struct buf *out);
// Notes the client's members that this leaves out because the endpoint would refuse them, or brings into its range.
void chat_request_lost(const struct chat_request *r, const struct endpoint *endpoint, struct translation *t);
// Must this request be asked by the Responses API, at an endpoint that else is asked by Chat? Azure takes files, and of
// its newest models tools, only there.
bool chat_request_wants_responses(const struct chat_request *r, const struct endpoint *endpoint);
// May there be URLs in it that the endpoint does not fetch itself?
bool chat_request_names_files(const struct chat_request *r, const struct endpoint *endpoint);
// The same, but the first long run of unchanged bytes is not copied: *hole (zeroed) says what belongs where. `files`
// are put in place of their URLs.
bool chat_request_build_around(const struct chat_request *r, const struct endpoint *endpoint,
                               const struct chat_file *files, struct buf *out, struct buf_hole *hole);

// The request in the common form, for providers of another dialect; it points into the body and the arena. False: *note
// says what has no meaning there.
bool chat_conversation(const struct chat_request *r, struct arena *arena, struct conversation *out,
                       struct fault_note *note);

// Puts reasoning back into an assistant's turn that has lost it: `details`, the elements of a reasoning_details array,
// as chat_events_carry gave them. They live in the arena. False: out of memory, or no such elements; the turn is as it
// was.
bool chat_conversation_restore(struct turn *turn, struct str details, struct arena *arena);

// What one reply needs to be rewritten.
struct chat_reply {
  struct str generation_id;  // "gen-…"
  const struct endpoint *endpoint;
  uint64_t created;        // unix seconds; becomes the provider's own when it gives one
  uint64_t asked_at;       // unix seconds, when the request came: prices may depend on the hour
  uint64_t images;         // pictures in the request, where they have a price; 0 when nobody set it
  uint64_t request_bytes;  // length of the request body: base of an estimate; 0 when nobody set it
  bool hides_reasoning;    // the client does not want to see it; false when nobody set it
  bool wants_json;         // it asked for JSON; false when nobody set it
  // found in the reply
  struct usage usage;
  struct cost cost;  // of it, when the answer is complete:
  bool priced;
  char finish_reason[24];  // normal form: stop, length, tool_calls, content_filter, error; empty: none yet
  char native_finish_reason[40];
  char upstream_id[64];
  uint64_t text_bytes;  // bytes of content and reasoning seen: base of an estimate when usage is missing
  // trouble
  enum fault fault;
  char message[256];
};
void chat_reply_init(struct chat_reply *reply, struct str generation_id, const struct endpoint *endpoint,
                     uint64_t created);

// A whole answer (status 200) of the provider. True: *out has the client's body, with id, provider, model,
// native_finish_reason, usage.cost, no null members that strict clients refuse, and every member they need
// (ecosystem 2.3). False: it is no chat completion or carries an error; fault and message say what. `shape` (may be
// NULL) is what earlier replies, best of the same endpoint, looked like: it starts zeroed and makes the next ones
// cheaper (chat_shape.h).
struct chat_shape;
bool chat_reply_whole(struct chat_reply *reply, struct str body, struct chat_shape *shape, struct buf *out);

// A stream. Keep it small: one lives as long as each open stream.
struct chat_stream;
struct chat_stream *chat_stream_new(struct chat_reply *reply);  // NULL: out of memory. `reply` must outlive it.
void chat_stream_drop(struct chat_stream *s);
enum chat_stream_result {
  CHAT_MORE,    // *out may have got an event for the client
  CHAT_DONE,    // the provider's end has come ([DONE]): call chat_stream_end
  CHAT_BROKEN,  // error event, or senseless data: reply->fault and message; nothing was written
};
// Takes the data of one event of the provider and appends what the client gets ("data: {...}\n\n", or nothing).
// Chunks get our id, provider and model and lose null members; usage is kept back for the end.
enum chat_stream_result chat_stream_event(struct chat_stream *s, struct str data, struct buf *out);
// True once something that counts as output (content, reasoning, tool call, refusal, finish) has been written.
bool chat_stream_spoke(const struct chat_stream *s);
// The provider's stream is over. When every choice has given its finish_reason: writes the one usage chunk (choices [],
// usage with cost) and "data: [DONE]\n\n", returns true. So too when the provider gives no reasons but has answered and
// ended in order ([DONE] came: `saw_done`); the reasons are then written first. Else: returns false and sets
// FAULT_UPSTREAM_CUT: the caller writes an error chunk. Usage the provider never gave is estimated, the prompt from
// request_bytes.
bool chat_stream_end(struct chat_stream *s, bool saw_done, uint64_t request_bytes, struct buf *out);
// The error chunk of OpenRouter (MAP 14): error{code,message,metadata{error_type}} and choices[0] with
// finish_reason "error". No [DONE] follows.
void chat_stream_error(struct buf *out, const struct chat_reply *reply, enum fault fault, struct str message);

// An answer that comes as events (llm/event.h) from a provider of another dialect, written in this one.
struct chat_events;
struct chat_events_options {
  bool stream;
  bool hide_reasoning;           // the client does not want to see it
  const char *reasoning_format;  // whose signatures these are; NULL: nobody's
  struct str answer_tool;        // calls of this tool are the answer itself; empty: none are
  struct str repeated;  // inside: what the answer may begin with though the client said it; outlives the events
  const struct tool_name *tool_names;  // as the provider was told them, where that differs; outlive the events
  size_t tool_name_count;
  bool collect;  // keep the reasoning that tool calls came from, for chat_events_carry
};
// NULL: out of memory. `reply` must outlive it.
struct chat_events *chat_events_new(struct chat_reply *reply, struct chat_events_options options);
void chat_events_drop(struct chat_events *e);
struct event_sink chat_events_sink(struct chat_events *e);
// A stream's events are written to `out` until the next call of this.
void chat_events_into(struct chat_events *e, struct buf *out);
// True once something that counts as output has been written.
bool chat_events_spoke(const struct chat_events *e);
// The provider has paused its turn (EVENT_PAUSE) and wants to be asked to go on: `blocks` is what it said, as elements
// of its own list. When it is asked, chat_events_go_on: what then comes continues the same answer.
bool chat_events_paused(const struct chat_events *e, struct str *blocks);
void chat_events_go_on(struct chat_events *e);
// The decoder has said that the answer is complete: the whole body, or the end of the stream: finish_reason, the usage
// chunk and [DONE]. False: out of memory. Usage the provider never gave is estimated, the prompt from request_bytes.
bool chat_events_end(struct chat_events *e, uint64_t request_bytes, struct buf *out);
// After the end, with `collect`: the reasoning details that the answer's tool calls came from, and the first call's ID
// (an inside). Both live as long as `e`. False: it called nothing, or told nothing of its reasoning.
bool chat_events_carry(const struct chat_events *e, struct str *call_id, struct str *details);

// Reads a provider's HTTP error (any of the shapes in providers/*.md): class and message for the client and the record.
enum fault chat_error_read(unsigned status, struct str body, struct arena *arena, struct str *message);
// OpenRouter's envelope. `metadata_json`: members to add inside metadata ("\"provider_name\":\"OpenAI\""), or empty.
void chat_error_write(struct buf *out, enum fault fault, struct str message, struct str metadata_json);
// With members beside the metadata, too ("\"availability\":{…}"), or empty.
void chat_error_write_with(struct buf *out, enum fault fault, struct str message, struct str metadata_json,
                           struct str members_json);
