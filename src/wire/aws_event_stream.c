#include "wire/aws_event_stream.h"

#include <stdint.h>
#include <zlib.h>

enum { PRELUDE = 12, CRC = 4, HEADERS_MAX = 128 * 1024 };

static uint32_t u32(const char *p) {
  const unsigned char *u = (const unsigned char *)p;
  return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static size_t u16(const char *p) {
  const unsigned char *u = (const unsigned char *)p;
  return (size_t)u[0] << 8 | u[1];
}

static bool crc_is(struct str bytes, const char *crc) {
  return crc32(0, (const unsigned char *)bytes.ptr, (unsigned)bytes.len) == u32(crc);
}

static void note(struct aws_event *event, struct str name, struct str value) {
  if (str_eq(name, STR(":message-type")))
    event->message_type = value;
  else if (str_eq(name, STR(":event-type")) || str_eq(name, STR(":exception-type")) || str_eq(name, STR(":error-code")))
    event->type = value;
  else if (str_eq(name, STR(":error-message")))
    event->error_message = value;
}

// One header: name length u8, name, type u8, value. 0: it does not fit.
static size_t header_take(struct str in, struct aws_event *event) {
  static const uint8_t sizes[] = {0, 0, 1, 2, 4, 8, 0, 0, 8, 16};  // by type; 6 and 7 carry their own
  if (!in.len) return 0;
  size_t name_len = (unsigned char)in.ptr[0], at = 1 + name_len;
  if (!name_len || at >= in.len) return 0;
  struct str name = str_from(in.ptr + 1, name_len);
  unsigned type = (unsigned char)in.ptr[at++];
  if (type >= sizeof sizes) return 0;
  size_t len = sizes[type];
  if (type == 6 || type == 7) {
    if (in.len - at < 2) return 0;
    len = u16(in.ptr + at);
    at += 2;
  }
  if (in.len - at < len) return 0;
  if (type == 7) note(event, name, str_from(in.ptr + at, len));
  return at + len;
}

enum aws_event_result aws_event_next(struct str in, size_t *taken, struct aws_event *event) {
  *taken = 0;
  *event = (struct aws_event){0};
  if (in.len < PRELUDE) return AWS_EVENT_MORE;
  size_t total = u32(in.ptr), headers = u32(in.ptr + 4);
  if (!crc_is(str_from(in.ptr, 8), in.ptr + 8)) return AWS_EVENT_BROKEN;
  if (total > AWS_EVENT_MAX || headers > HEADERS_MAX || total < PRELUDE + CRC + headers) return AWS_EVENT_BROKEN;
  if (in.len < total) return AWS_EVENT_MORE;
  if (!crc_is(str_from(in.ptr, total - CRC), in.ptr + total - CRC)) return AWS_EVENT_BROKEN;
  struct str rest = str_from(in.ptr + PRELUDE, headers);
  while (rest.len) {
    size_t used = header_take(rest, event);
    if (!used) return AWS_EVENT_BROKEN;
    rest = str_skip(rest, used);
  }
  event->payload = str_from(in.ptr + PRELUDE + headers, total - PRELUDE - CRC - headers);
  *taken = total;
  return AWS_EVENT_FOUND;
}
