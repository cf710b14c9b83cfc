// Decoder of the chunked transfer coding (RFC 9112 7.1), strict: hexadecimal digits, CRLF, nothing lenient.
//
//   SIZE --;--> EXTENSION --CR--> SIZE_LF --(size > 0)--> DATA > DATA_CR > DATA_LF --> SIZE
//     \-----------CR-------------/   \----(size = 0)--> LINE <--> TRAILER (name, value, LF) ; LINE --CR--> END_LF >
//     DONE
#include "wire/http1.h"

enum {
  SIZE_DIGITS = 15,  // 60 bits: no overflow
  EXTENSION_MAX = 256,
  TRAILER_MAX = 8 * 1024,
};

enum state {
  SIZE,  // zero: the start
  EXTENSION,
  SIZE_LF,
  DATA,
  DATA_CR,
  DATA_LF,
  LINE,  // first byte of a trailer line
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,
  END_LF,
  DONE,
  FAILED,
};

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// A byte of an extension or of a trailer's value.
static bool is_text(char c) {
  unsigned char byte = (unsigned char)c;
  return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

static bool is_token(char c) {
  if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) return true;
  return c && strchr("!#$%&'*+-.^_`|~", c);
}

static enum state on_size(struct chunked *c, char byte) {
  int digit = hex_value(byte);
  if (digit >= 0) {
    if (c->digits == SIZE_DIGITS) return FAILED;
    c->digits++;
    c->left = c->left << 4 | (uint64_t)digit;
    return SIZE;
  }
  if (c->digits == 0) return FAILED;
  if (byte == '\r') return SIZE_LF;
  c->extension = 1;
  return byte == ';' ? EXTENSION : FAILED;
}

static enum state on_extension(struct chunked *c, char byte) {
  if (byte == '\r') return SIZE_LF;
  return is_text(byte) && ++c->extension <= EXTENSION_MAX ? EXTENSION : FAILED;
}

static enum state on_trailer(struct chunked *c, char byte) {
  if (++c->trailer > TRAILER_MAX) return FAILED;
  switch ((enum state)c->state) {
    case LINE: return byte == '\r' ? END_LF : is_token(byte) ? TRAILER_NAME : FAILED;
    case TRAILER_NAME: return byte == ':' ? TRAILER_VALUE : is_token(byte) ? TRAILER_NAME : FAILED;
    case TRAILER_VALUE: return byte == '\r' ? TRAILER_LF : is_text(byte) ? TRAILER_VALUE : FAILED;
    case TRAILER_LF: return byte == '\n' ? LINE : FAILED;
    default: return byte == '\n' ? DONE : FAILED;
  }
}

static enum state size_begin(struct chunked *c) {
  c->left = 0;
  c->digits = 0;
  return SIZE;
}

// Everything but DATA, DONE and FAILED, one byte a step.
static enum state on_byte(struct chunked *c, char byte) {
  switch ((enum state)c->state) {
    case SIZE: return on_size(c, byte);
    case EXTENSION: return on_extension(c, byte);
    case SIZE_LF: return byte != '\n' ? FAILED : c->left ? DATA : LINE;
    case DATA_CR: return byte == '\r' ? DATA_LF : FAILED;
    case DATA_LF: return byte == '\n' ? size_begin(c) : FAILED;
    default: return on_trailer(c, byte);
  }
}

enum http_result chunked_feed(struct chunked *c, struct str in, size_t *taken, struct str *data) {
  size_t at = 0;
  *data = str_from(in.ptr, 0);
  while (at < in.len && c->state != DATA && c->state < DONE) c->state = (uint8_t)on_byte(c, in.ptr[at++]);
  if (c->state == DATA && at < in.len) {
    size_t run = in.len - at < c->left ? in.len - at : (size_t)c->left;
    *data = str_from(in.ptr + at, run);
    at += run;
    c->left -= run;
    if (c->left == 0) c->state = DATA_CR;
    // The usual CRLF behind the data is taken along, so that a chunk needs one call.
    if (c->state == DATA_CR && in.len - at >= 2 && in.ptr[at] == '\r' && in.ptr[at + 1] == '\n') {
      c->state = (uint8_t)size_begin(c);
      at += 2;
    }
  }
  *taken = at;
  return c->state == DONE ? HTTP_DONE : c->state == FAILED ? HTTP_FAILED : HTTP_MORE;
}
