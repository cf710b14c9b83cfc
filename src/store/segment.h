// How a spool's file looks, for its writer (spool.c) and for the one who finds it after a crash (spool_replay.c).
//
//   0        64                                                     SPOOL_SEGMENT
//   | header | head payload | head payload | ... | torn or old bytes |
//
// Records are aligned to 16 bytes. A file is used again and again without being cleared: what counts is that a record's
// checksum fits the segment's present sequence number, its place and its length. Old and torn records do not.
#pragma once
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "store/spool.h"

// The last character is the version of the record's wire form.
#define SEGMENT_MAGIC "SBSPOOL1"

struct segment_header {
  _Atomic uint64_t magic;     // SEGMENT_MAGIC, stored last when the file is made
  _Atomic uint64_t sequence;  // grows with every use of any segment of this writer; the order of segments
  _Atomic uint64_t released;  // offset: everything before it is in the database
  uint64_t writer;
  uint64_t zero[4];
};
_Static_assert(sizeof(struct segment_header) == 64, "on disk");

struct record_head {
  _Atomic uint32_t length;  // with this head, a multiple of 16; stored last
  uint32_t mark;            // RECORD_MARK
  uint64_t checksum;
};
_Static_assert(sizeof(struct record_head) == 16, "on disk");
enum { RECORD_MARK = 0x5265c0de };

static inline uint64_t segment_magic(void) {
  uint64_t magic;
  memcpy(&magic, SEGMENT_MAGIC, sizeof magic);
  return magic;
}

// A multiply-and-fold hash over the payload (a multiple of 16 bytes): two lanes, about 10 bytes a nanosecond. It finds
// accidents, not forgeries.
static inline uint64_t fold(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}
static inline uint64_t segment_checksum(uint64_t sequence, uint64_t offset, uint32_t length, const void *payload) {
  const uint64_t k0 = 0xa0761d6478bd642fu, k1 = 0xe7037ed1a0b428dbu, k2 = 0x8ebc6af09c88c6e3u;
  uint64_t a = fold(sequence ^ k0, offset ^ k1), b = fold(length ^ k2, sequence ^ k1);
  const char *at = payload, *end = at + (length - sizeof(struct record_head));
  for (uint64_t w[4]; end - at >= 32; at += 32) {
    memcpy(w, at, sizeof w);
    a = fold(w[0] ^ k1, w[1] ^ a);
    b = fold(w[2] ^ k2, w[3] ^ b);
  }
  if (at < end) {
    uint64_t w[2];
    memcpy(w, at, sizeof w);
    a = fold(w[0] ^ k1, w[1] ^ a);
  }
  return fold(a ^ k0, b ^ k2);
}
