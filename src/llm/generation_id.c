#include "llm/generation_id.h"

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
enum { MOMENT = 4, LOOP = 2, RANDOM = 14, PREFIX = 15 };  // "gen-1700000000-"

static void write62(char *out, int n, uint64_t value) {
  while (n--) {
    out[n] = digits[value % 62];
    value /= 62;
  }
}

static bool read62(const char *text, int n, uint64_t *out) {
  *out = 0;
  for (int i = 0; i < n; i++) {
    char c = text[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                : c >= 'a' && c <= 'z' ? c - 'a' + 36
                                       : -1;
    if (digit < 0) return false;
    *out = *out * 62 + (unsigned)digit;
  }
  return true;
}

void generation_id(char out[GENERATION_ID_SIZE], uint64_t unix_us, unsigned loop, struct rand *rand) {
  uint64_t seconds = unix_us / 1000000 % 10000000000u;
  memcpy(out, "gen-0000000000-", PREFIX);
  for (int i = 13; i >= 4; i--, seconds /= 10) out[i] = (char)('0' + seconds % 10);
  write62(out + PREFIX, MOMENT, unix_us % 1000000);
  write62(out + PREFIX + MOMENT, LOOP, loop & 255);
  rand_alnum(rand, out + PREFIX + MOMENT + LOOP, RANDOM);
  out[PREFIX + MOMENT + LOOP + RANDOM] = 0;
}

int64_t generation_seq(struct str id) {
  uint64_t seconds, us, loop;
  if (id.len == GENERATION_ID_SIZE - 1 && str_starts(id, STR("gen-")) && id.ptr[14] == '-' &&
      str_to_u64(str_from(id.ptr + 4, 10), UINT64_MAX, &seconds) && read62(id.ptr + PREFIX, MOMENT, &us) &&
      read62(id.ptr + PREFIX + MOMENT, LOOP, &loop) && us < 1000000 && loop < 256)
    return (int64_t)((seconds * 1000000 + us) << 8 | loop);
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < id.len; i++) h = (h ^ (unsigned char)id.ptr[i]) * 1099511628211u;
  return -(int64_t)(h >> 2) - 1000;
}
