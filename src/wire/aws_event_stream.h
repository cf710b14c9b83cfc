// Amazon's binary event stream (application/vnd.amazon.eventstream): finds the messages in a stream of bytes that come
// in any pieces, and checks both checksums of each.
//
//   total u32 | headers u32 | crc32 of these 8 bytes | headers | payload | crc32 of all before      (big-endian)
//
// Source: https://smithy.io/2.0/aws/amazon-eventstream.html
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum aws_event_result {
  AWS_EVENT_MORE,    // no complete message in the bytes
  AWS_EVENT_FOUND,   // *event is filled
  AWS_EVENT_BROKEN,  // a checksum or a length is wrong: nothing behind it can be trusted
};

// Strings point into the input.
struct aws_event {
  struct str message_type;  // "event", "exception" or "error"
  struct str type;          // :event-type, :exception-type or :error-code
  struct str error_message;
  struct str payload;
};
enum { AWS_EVENT_MAX = 24 << 20 };  // bytes of a message; longer ones are broken

// Looks at the bytes not yet taken, contiguous from the first. AWS_EVENT_FOUND: *taken bytes are done with.
enum aws_event_result aws_event_next(struct str in, size_t *taken, struct aws_event *event);
