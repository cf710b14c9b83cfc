// Server-sent events (WHATWG HTML, 9.2.6): finds the events in a stream of bytes that come in any pieces.
// Lines end in LF, CR or CRLF; a BOM at the start is skipped; comment lines are reported, not delivered; several data
// lines join with LF; an event is dispatched by its blank line, so an unterminated last one never is.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum sse_result {
  SSE_MORE,      // no complete event in the bytes
  SSE_EVENT,     // *event is filled
  SSE_COMMENT,   // a comment (a keep-alive), or a block without a data line: nothing to deliver
  SSE_TOO_LONG,  // an event, complete or not, or a line of more than event_max bytes: nothing may be given any more
};

struct sse_event {
  struct str type;  // "event:" field; empty means "message"
  struct str data;  // joined data lines
};

// All-zero is a valid start, but for `joined`, whose ceiling must be set with sse_init.
struct sse {
  bool started;       // the BOM has been dealt with
  size_t searched;    // bytes at the start of the next input that are known to hold no event end
  struct buf joined;  // only used for events of several data lines
};
void sse_init(struct sse *s, size_t event_max);
void sse_free(struct sse *s);

// Looks at the bytes not yet taken, contiguous from the first. SSE_EVENT and SSE_COMMENT: *taken bytes are done with;
// call again with what is behind. SSE_MORE: *taken is 0 (or covers skipped blank lines and comments); the caller keeps
// the rest and calls again when there is more. Event strings point into `in` or into s->joined and live until the next
// call. Work is linear also when bytes come one by one. When memory for several data lines runs out, s->joined.failed
// is set and the event's data is cut. A comment line is reported as soon as it has ended, a block without a data line
// (a lone "event:" or "id:") like one.
enum sse_result sse_next(struct sse *s, struct str in, size_t *taken, struct sse_event *event);
