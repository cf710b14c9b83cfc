#include "wire/http1.h"

enum { EXTENSION_MAX = 256, TRAILER_MAX = 8 * 1024, DIGITS_MAX = 15 };

enum state {
  SIZE,           // hex digits of a chunk's size
  EXTENSION,      // behind ';', or blanks
  SIZE_LF,        // the LF that ends the size line
  DATA,           //
  DATA_CR,        // the CRLF behind a chunk's data
  DATA_LF,        //
  TRAILER_BEGIN,  // at the start of a trailer line
  TRAILER_LINE,   // inside one
  TRAILER_LF,     //
  LAST_LF,        // the LF that ends it all
  DONE,
  FAILED,
};

static int hex_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static bool is_text(char c) {
  return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

// One byte outside of data. The next state, or FAILED.
static enum state step(struct chunked *c, char byte) {
  switch ((enum state)c->state) {
    case SIZE: {
      int digit = hex_of(byte);
      if (digit >= 0) {
        if (++c->digits > DIGITS_MAX) return FAILED;
        c->left = c->left << 4 | (unsigned)digit;
        return SIZE;
      }
      if (!c->digits) return FAILED;
      if (byte == '\r') return SIZE_LF;
      c->extension = 0;
      return byte == ';' || byte == ' ' || byte == '\t' ? EXTENSION : FAILED;
    }
    case EXTENSION:
      if (byte == '\r') return SIZE_LF;
      return is_text(byte) && ++c->extension <= EXTENSION_MAX ? EXTENSION : FAILED;
    case SIZE_LF:
      if (byte != '\n') return FAILED;
      c->digits = 0;
      return c->left ? DATA : TRAILER_BEGIN;
    case DATA_CR: return byte == '\r' ? DATA_LF : FAILED;
    case DATA_LF: return byte == '\n' ? SIZE : FAILED;
    case TRAILER_BEGIN:
      if (byte == '\r') return LAST_LF;
      // fall through
    case TRAILER_LINE:
      if (byte == '\r') return TRAILER_LF;
      return is_text(byte) && ++c->trailer <= TRAILER_MAX ? TRAILER_LINE : FAILED;
    case TRAILER_LF: return byte == '\n' ? TRAILER_BEGIN : FAILED;
    case LAST_LF: return byte == '\n' ? DONE : FAILED;
    default: return FAILED;
  }
}

enum http_result chunked_feed(struct chunked *c, struct str in, size_t *taken, struct str *data) {
  *data = str_from(in.ptr, 0);
  size_t at = 0;
  while (at < in.len && c->state != DONE && c->state != FAILED) {
    if (c->state == DATA) {
      size_t n = in.len - at < c->left ? in.len - at : (size_t)c->left;
      *data = str_from(in.ptr + at, n);
      c->left -= n;
      if (!c->left) c->state = DATA_CR;
      *taken = at + n;
      return HTTP_MORE;
    }
    c->state = (uint8_t)step(c, in.ptr[at]);
    at++;
  }
  *taken = at;
  return c->state == DONE ? HTTP_DONE : c->state == FAILED ? HTTP_FAILED : HTTP_MORE;
}
