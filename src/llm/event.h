// What a model's answer says, in one form for all dialects: a provider's dialect turns its reply or stream into events,
// a client's dialect writes them. Dialects meet only here.
//
// Texts are the insides of JSON strings, as valid UTF-8 and still escaped: every dialect's carrier is JSON, so a piece
// of text goes from one to the other without being decoded. They point into what was handed to the decoder and are gone
// when the callback returns.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "llm/fault.h"
#include "llm/usage.h"

enum event_kind {
  EVENT_BEGIN,        // id, model: the provider's own
  EVENT_TEXT,         // text: a piece of the answer
  EVENT_PHASE,        // text: what the text behind it is for (OpenAI's commentary, final_answer)
  EVENT_REFUSAL,      // text: a piece of what the model says when it declines
  EVENT_REASONING,    // text: a piece of the readable reasoning, or of its summary; id
  EVENT_SIGNATURE,    // text: a piece of what proves the reasoning before it; opaque, byte for byte
  EVENT_ENCRYPTED,    // text: reasoning that only the provider can read, whole; opaque
  EVENT_CALL,         // call, id, name: a tool call begins; text: a signature that belongs to it, opaque
  EVENT_ARGUMENTS,    // call, text: a piece of its arguments, which are JSON in a string
  EVENT_CALL_END,     // call: its arguments are complete
  EVENT_SERVER_TOOL,  // name, id, arguments, text (its result): a tool the provider ran itself, whole
  EVENT_LOGPROBS,     // json: elements of OpenAI's logprobs.content, with commas between them
  EVENT_CITATION,     // block, or from and to; url, title, cited, json: a source of the text;
                      // without a url json is all there is
  EVENT_IMAGE,        // name: its media type, text: its data (base64): a picture the model made
  EVENT_AUDIO,        // name: its media type, text: a piece of its data (base64): speech the model made
  EVENT_PAUSE,        // json: the provider wants to be asked to go on; what it said so far, as elements of its own list
  EVENT_FINISH,       // finish, native: why it ended
  EVENT_USAGE,        // usage: so far; each replaces the one before
};

// Why an answer ended: the five of OpenRouter.
enum finish { FINISH_STOP, FINISH_LENGTH, FINISH_TOOL_CALLS, FINISH_CONTENT_FILTER, FINISH_ERROR };

struct event {
  enum event_kind kind;
  enum finish finish;
  uint32_t call;                       // which tool call, counted from 0 in order of appearance
  uint32_t block;                      // which part of the answer the text, reasoning or signature belongs to; grows
  bool summary;                        // of EVENT_REASONING: the text is a summary
  bool has_range;                      // of EVENT_CITATION: from and to are known, else it is of the whole block
  uint64_t from, to;                   // characters of the whole text before the cited ones, and up to their end
  struct str text;                     // the inside of a JSON string
  struct str id, name, model, native;  // insides of JSON strings
  struct str url, title, cited;        // insides of JSON strings
  struct str arguments;                // the inside of a JSON string
  struct str json;                     // a whole JSON value: the provider's own object
  const struct usage *usage;
};

// Who takes the events. Never called again after a decoder has reported a failure.
struct event_sink {
  void (*on_event)(void *context, const struct event *event);
  void *context;
};

// What a decoder says of the bytes it was given.
enum decode_result {
  DECODE_MORE,    // taken; more is to come
  DECODE_DONE,    // the provider's own end has come
  DECODE_FAILED,  // an error the provider told, or bytes that make no sense: fault and message say which
};
struct decode_failure {
  enum fault fault;
  char message[256];       // for the client; cut to fit at a character's start
  unsigned retry_after_s;  // how long to wait, when the body says so; 0: it does not
};
