#include "store/record_wire.h"

#include <assert.h>

// Every string of a record, in the order of the wire. New ones go to the end, with a new SEGMENT_MAGIC.
static const size_t string_at[] = {
    offsetof(struct record, id),
    offsetof(struct record, key_id),
    offsetof(struct record, model),
    offsetof(struct record, provider),
    offsetof(struct record, provider_name),
    offsetof(struct record, upstream_model),
    offsetof(struct record, upstream_id),
    offsetof(struct record, finish_reason),
    offsetof(struct record, native_finish_reason),
    offsetof(struct record, api_type),
    offsetof(struct record, user),
    offsetof(struct record, session_id),
    offsetof(struct record, app_title),
    offsetof(struct record, http_referer),
    offsetof(struct record, user_agent),
    offsetof(struct record, error),
    offsetof(struct record, attempts_json),
};
enum { STRINGS = sizeof string_at / sizeof *string_at };

// Counts that few records have. They stand behind the strings, all of them, when one is not zero. What is not there is
// zero, so records of earlier versions can be read, and the other way round. No more can be added: the rare texts are
// behind them.
static const size_t rare_at[] = {
    offsetof(struct record, usage.cache_write_1h),     offsetof(struct record, usage.image_prompt),
    offsetof(struct record, usage.video_prompt),       offsetof(struct record, usage.video_completion),
    offsetof(struct record, usage.audio_cached),       offsetof(struct record, usage.image_cached),
    offsetof(struct record, usage.video_cached),       offsetof(struct record, usage.images),
    offsetof(struct record, usage.web_searches),       offsetof(struct record, usage.billed_prompt),
    offsetof(struct record, usage.billed_completion),  offsetof(struct record, usage.beside.prompt),
    offsetof(struct record, usage.beside.completion),  offsetof(struct record, usage.beside.cached),
    offsetof(struct record, usage.beside.cache_write),
};
enum { RARE = sizeof rare_at / sizeof *rare_at };

// Texts that few records have (FLAG_TEXTS). They stand behind the rare counts, which are all there then: first their
// lengths. What else comes goes to the end of both lists, with a flag of its own.
static const size_t text_at[] = {offsetof(struct record, preset_id), offsetof(struct record, router)};
enum { TEXTS = sizeof text_at / sizeof *text_at };

enum flag {
  FLAG_STREAMED = 1,
  FLAG_CANCELLED = 2,
  FLAG_USAGE_KNOWN = 4,
  FLAG_USAGE_ESTIMATED = 8,
  FLAG_USAGE_BILLED = 16,
  FLAG_FROM_CACHE = 32,
  FLAG_TEXTS = 64
};

// The numbers, without holes, so that no stray byte of ours gets into a file.
struct numbers {
  uint64_t created_us;
  uint64_t prompt, completion, total, cached, cache_write, reasoning, audio_prompt, audio_completion, image_completion;
  int64_t cost_total, cost_prompt, cost_completion;
  uint32_t latency_ms, generation_ms, gateway_us;
  uint16_t status, fault;
  uint32_t flags;
  uint16_t lengths[STRINGS];
  uint16_t zero;
};
_Static_assert(sizeof(struct numbers) == 13 * 8 + 3 * 4 + 2 * 2 + 4 + 2 * (STRINGS + 1), "no holes");
_Static_assert(sizeof(struct numbers) + STRINGS * RECORD_STRING_MAX + RECORD_ATTEMPTS_MAX + RARE * sizeof(uint64_t) +
                       TEXTS * (sizeof(uint16_t) + RECORD_STRING_MAX) <=
                   RECORD_WIRE_MAX,
               "RECORD_WIRE_MAX is too small");

static uint16_t length_kept(struct str s, bool is_attempts) {
  if (is_attempts) return s.len <= RECORD_ATTEMPTS_MAX ? (uint16_t)s.len : 0;
  if (LIKELY(s.len <= RECORD_STRING_MAX)) return (uint16_t)s.len;
  size_t len = RECORD_STRING_MAX;
  while (len > RECORD_STRING_MAX - 4 && ((unsigned char)s.ptr[len] & 0xc0) == 0x80) len--;
  return (uint16_t)len;
}

static bool has_texts(const struct record *r) {
  return r->preset_id.len || r->router.len;
}

static size_t rare_encode(char *out, const struct record *r) {
  uint64_t counts[RARE], any = has_texts(r);
  for (unsigned i = 0; i < RARE; i++) {
    memcpy(&counts[i], (const char *)r + rare_at[i], sizeof counts[i]);
    any |= counts[i];
  }
  if (LIKELY(!any)) return 0;
  memcpy(out, counts, sizeof counts);
  return sizeof counts;
}

static size_t texts_encode(char *out, const struct record *r) {
  uint16_t lengths[TEXTS];
  char *at = out + sizeof lengths;
  if (LIKELY(!has_texts(r))) return 0;
  for (unsigned i = 0; i < TEXTS; i++) {
    struct str s;
    memcpy(&s, (const char *)r + text_at[i], sizeof s);
    lengths[i] = length_kept(s, false);
    if (lengths[i]) memcpy(at, s.ptr, lengths[i]);
    at += lengths[i];
  }
  memcpy(out, lengths, sizeof lengths);
  return (size_t)(at - out);
}

static bool texts_decode(struct str bytes, struct record *r) {
  uint16_t lengths[TEXTS];
  if (bytes.len < RARE * sizeof(uint64_t) + sizeof lengths) return false;
  bytes = str_skip(bytes, RARE * sizeof(uint64_t));
  memcpy(lengths, bytes.ptr, sizeof lengths);
  bytes = str_skip(bytes, sizeof lengths);
  for (unsigned i = 0; i < TEXTS; i++) {
    if (lengths[i] > bytes.len) return false;
    struct str s = str_from(bytes.ptr, lengths[i]);
    memcpy((char *)r + text_at[i], &s, sizeof s);
    bytes = str_skip(bytes, lengths[i]);
  }
  return true;
}

static void rare_decode(struct str bytes, struct record *r) {
  for (unsigned i = 0; i < RARE && bytes.len >= (i + 1) * sizeof(uint64_t); i++)
    memcpy((char *)r + rare_at[i], bytes.ptr + i * sizeof(uint64_t), sizeof(uint64_t));
}

size_t record_encode(char *out, const struct record *r) {
  struct numbers n = {
      .created_us = r->created_us,
      .prompt = r->usage.prompt,
      .completion = r->usage.completion,
      .total = r->usage.total,
      .cached = r->usage.cached,
      .cache_write = r->usage.cache_write,
      .reasoning = r->usage.reasoning,
      .audio_prompt = r->usage.audio_prompt,
      .audio_completion = r->usage.audio_completion,
      .image_completion = r->usage.image_completion,
      .cost_total = r->cost.total,
      .cost_prompt = r->cost.prompt,
      .cost_completion = r->cost.completion,
      .latency_ms = r->latency_ms,
      .generation_ms = r->generation_ms,
      .gateway_us = r->gateway_us,
      .status = r->status,
      .fault = r->fault,
      .flags = (r->streamed ? FLAG_STREAMED : 0u) | (r->cancelled ? FLAG_CANCELLED : 0u) |
               (r->usage.known ? FLAG_USAGE_KNOWN : 0u) | (r->usage.estimated ? FLAG_USAGE_ESTIMATED : 0u) |
               (r->usage.billed ? FLAG_USAGE_BILLED : 0u) | (r->from_cache ? FLAG_FROM_CACHE : 0u) |
               (has_texts(r) ? FLAG_TEXTS : 0u),
  };
  char *at = out + sizeof n;
  for (unsigned i = 0; i < STRINGS; i++) {
    struct str s;
    memcpy(&s, (const char *)r + string_at[i], sizeof s);
    n.lengths[i] = length_kept(s, i == STRINGS - 1);
    if (n.lengths[i]) memcpy(at, s.ptr, n.lengths[i]);
    at += n.lengths[i];
  }
  at += rare_encode(at, r);
  at += texts_encode(at, r);
  memcpy(out, &n, sizeof n);
  assert((size_t)(at - out) <= RECORD_WIRE_MAX);
  return (size_t)(at - out);
}

bool record_decode(struct str bytes, struct record *r) {
  struct numbers n;
  if (bytes.len < sizeof n) return false;
  memcpy(&n, bytes.ptr, sizeof n);
  *r = (struct record){
      .created_us = n.created_us,
      .status = n.status,
      .fault = n.fault,
      .streamed = n.flags & FLAG_STREAMED,
      .cancelled = n.flags & FLAG_CANCELLED,
      .from_cache = n.flags & FLAG_FROM_CACHE,
      .latency_ms = n.latency_ms,
      .generation_ms = n.generation_ms,
      .gateway_us = n.gateway_us,
      .usage = {.known = n.flags & FLAG_USAGE_KNOWN,
                .estimated = n.flags & FLAG_USAGE_ESTIMATED,
                .prompt = n.prompt,
                .completion = n.completion,
                .total = n.total,
                .cached = n.cached,
                .cache_write = n.cache_write,
                .reasoning = n.reasoning,
                .audio_prompt = n.audio_prompt,
                .audio_completion = n.audio_completion,
                .image_completion = n.image_completion,
                .billed = n.flags & FLAG_USAGE_BILLED},
      .cost = {.total = n.cost_total, .prompt = n.cost_prompt, .completion = n.cost_completion},
  };
  struct str rest = str_skip(bytes, sizeof n);
  for (unsigned i = 0; i < STRINGS; i++) {
    if (n.lengths[i] > rest.len) return false;
    struct str s = str_from(rest.ptr, n.lengths[i]);
    memcpy((char *)r + string_at[i], &s, sizeof s);
    rest = str_skip(rest, n.lengths[i]);
  }
  rare_decode(rest, r);
  return !(n.flags & FLAG_TEXTS) || texts_decode(rest, r);
}
