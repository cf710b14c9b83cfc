// How endpoints, providers and keys have been doing: passive figures from the requests themselves, and a circuit
// breaker. One table for all loops, outliving every snapshot; a record is found once, when a snapshot is made, and then
// noted and read without looking anything up. Pure: time (ms of the monotonic clock) and randomness are arguments.
//
//   closed      in use. It opens by a significant outage of the last 30 s, or at once by what leaves no doubt
//               (Retry-After, a refused key).
//   open        benched: asked only when nothing better is left, until `until`; every bench ends.
//   half open   the bench has ended: one request at a time is let through as a probe; after some successes the breaker
//               closes, after a failure it opens again, for longer (to a ceiling, with jitter).
//
// Each attempt has a pass: whether it is the probe, and what it can tell. One that began before the breaker opened says
// nothing about what came after, however late it ends: it counts for the figures, and decides nothing. Only the probe's
// own end makes room for the next.
//
// Health never refuses a request: it only says who comes last.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "llm/fault.h"

enum health_kind { HEALTH_ENDPOINT, HEALTH_PROVIDER, HEALTH_KEY };

enum health_state {
  HEALTH_UP,        // also: nothing is known
  HEALTH_DEGRADED,  // uptime 80 to 95 % (of at least 100 requests): after the healthy ones
  HEALTH_POOR,      // uptime below 80 %: last resort
  HEALTH_PROBING,   // half open, and the probe is under way: like HEALTH_BENCHED for everybody else. Half open without
                    // a probe under way is HEALTH_UP, so that the next request is the probe.
  HEALTH_BENCHED,
};

struct health;         // the table
struct health_record;  // of one endpoint, provider or key

struct health *health_new(void);  // NULL: out of memory
void health_free(struct health *h);
// How often a bench has begun, of all records.
uint64_t health_benches(const struct health *h);
// Finds or makes the record of an identity that survives reloads ("openai gpt-4o-mini openai/gpt-4o-mini").
// Thread-safe, locks: not for the hot path. NULL: out of memory.
struct health_record *health_record(struct health *h, enum health_kind kind, struct str identity);

// --- reading: thread-safe, lock-free, a few nanoseconds ---

enum health_state health_state(const struct health_record *r, uint64_t now_ms);
// When its bench ends; 0: it is not benched.
uint64_t health_benched_until(const struct health_record *r, uint64_t now_ms);
// Rolling figures of the last 5 minutes (of 30, when nothing came in 5); 0: none.
// The p90 is what nine of ten answers do not fall short of: a high latency, a low throughput.
enum health_percentile { HEALTH_P50, HEALTH_P75, HEALTH_P90, HEALTH_P99, HEALTH_P95, HEALTH_PERCENTILES };
double health_latency_ms(const struct health_record *r, enum health_percentile p, uint64_t now_ms);  // to first token
double health_throughput(const struct health_record *r, enum health_percentile p, uint64_t now_ms);  // tokens/s

// --- noting: thread-safe; a lock of the record's own, held for less than a microsecond ---

struct health_pass {
  uint64_t opened : 24;  // how often its breaker had opened when the attempt began
  uint64_t probe : 40;   // it is the probe, and this is its mark; 0: it is none
};
// Of an attempt that is made without being admitted, as nothing better is left.
struct health_pass health_pass(const struct health_record *r);
// An attempt is about to be made. False: it is half open and its probe is under way; ask another if there is one, or
// go on with the pass all the same. Every attempt that was admitted ends in one of the three below; a probe of which
// nothing is heard for a minute is forgotten, as its stream is long or its end was lost.
bool health_admit(struct health_record *r, uint64_t now_ms, struct health_pass *pass);
struct health_sample {
  uint64_t now_ms;
  uint32_t latency_ms;  // from the attempt's begin to its first token (of a whole answer: to its end)
  uint32_t total_ms;    // to its end
  uint64_t tokens;      // of the answer
};
void health_success(struct health_record *r, struct health_pass pass, const struct health_sample *s);
// `retry_after_s`: as the provider asked; 0: it did not. At most 10 minutes are believed. `random`: any 64 bits, for
// the jitter; it is believed however long ago the attempt began. A fault for which nobody here is to blame only gives a
// probe back.
void health_failure(struct health_record *r, struct health_pass pass, enum fault fault, unsigned retry_after_s,
                    uint64_t now_ms, uint64_t random);
// The attempt ended without a verdict (its client left, another was faster, the request was to blame): gives a probe
// back.
void health_abandon(struct health_record *r, struct health_pass pass);

// Active probes. Is it benched for an outage that a sign of life may end? No longer when one did, in vain, until it has
// been well again. A lock while it is benched.
bool health_wants_probe(struct health_record *r, uint64_t now_ms);
// A sign of life, asked for at `asked_ms`: the bench of an outage that had begun by then ends, and it is half open.
// True: it has ended one.
bool health_alive(struct health_record *r, uint64_t asked_ms, uint64_t now_ms);

// One more is under way. False: there are `limit` already, and it is not counted. Both in one order with whatever else
// is sequentially consistent: a queue in front of it (gateway/waiting.h) relies on it.
bool health_enter(struct health_record *r, unsigned limit);
void health_leave(struct health_record *r);

// --- for people: locks ---

struct health_report {
  bool noted;  // anything, ever
  enum health_state state;
  bool half_open;  // its bench has ended, and nothing good has come since
  uint64_t benched_until_ms;
  enum fault last_fault;
  double uptime_5m, uptime_30m, uptime_1d;  // percent; below 0: no requests
  uint64_t requests_30m;
  bool has_latency, has_throughput;
  double latency_30m[HEALTH_PERCENTILES], throughput_30m[HEALTH_PERCENTILES];
};
void health_report(struct health_record *r, uint64_t now_ms, struct health_report *out);

// Whose record a failed attempt goes to: BLAME_ENDPOINT, BLAME_PROVIDER or BLAME_CREDENTIAL (the key's). All others:
// nobody's, and health_abandon is called for all three. It is the fault's blame, but for 529, which is the provider's.
enum blame health_blame(enum fault fault, unsigned status);
