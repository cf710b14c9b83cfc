// A segment of arbitrary bytes: whatever a crash, a bad disk or another program left there, reading it ends, stays
// inside and only hands over records that decode. The first byte chooses whether the checksums are made to fit first,
// so that the code behind them is reached too.
#include "store/spool_replay.c"

static bool take(void *context, const struct record *record) {
  char wire[RECORD_WIRE_MAX];
  size_t *bytes = context;
  *bytes += record_encode(wire, record);
  return true;
}

// Gives every record head that follows from the lengths a mark and a checksum that fit.
static void make_fit(char *bytes, size_t size) {
  uint64_t magic = segment_magic(), sequence, at = FIRST_RECORD;
  if (size < sizeof(struct segment_header)) return;
  memcpy(bytes, &magic, sizeof magic);
  memcpy(&sequence, bytes + 8, sizeof sequence);
  memcpy(bytes + 16, &at, sizeof at);
  while (size - at > 16) {
    uint32_t length, mark = RECORD_MARK;
    memcpy(&length, bytes + at, sizeof length);
    length = (length & (SPOOL_RECORD_MAX - 16)) + 16;
    if (length > size - at) break;
    memcpy(bytes + at, &length, sizeof length);
    memcpy(bytes + at + 4, &mark, sizeof mark);
    uint64_t checksum = segment_checksum(sequence, at, length, bytes + at + 16);
    memcpy(bytes + at + 8, &checksum, sizeof checksum);
    at += length;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0 || size > SPOOL_SEGMENT) return 0;
  char *bytes = malloc(size);
  if (!bytes) return 0;
  memcpy(bytes, data + 1, size - 1);
  if (data[0] & 1) make_fit(bytes, size - 1);
  size_t taken = 0, encoded = 0;
  bool stopped = false;
  enum segment_state state = segment_walk(str_from(bytes, size - 1), take, &encoded, &taken, &stopped);
  assert(!stopped);
  assert(state == SEGMENT_GOOD || state == SEGMENT_DAMAGED);
  assert(encoded >= taken);
  free(bytes);
  return 0;
}
