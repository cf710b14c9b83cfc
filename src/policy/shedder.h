// Who is served when the gateway itself has more to do than it can: as many requests are admitted as it has been seen
// to bring to an end, and every key gets an equal part of them; what a key does not use is divided among the others
// (max-min fairness). Off until requests have had to wait for longer than `target_ms` through five windows of 100 ms,
// and again when less comes than can be carried, or nothing for a second. Keys share a bucket when their hashes do.
// Pure; of one loop.
//
// The wait in front of the loop is kept near the target by the rate of admission. As long as somebody waits at all the
// loop is busy, so that little is lost by the target being met.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { SHEDDER_BUCKETS = 256, SHEDDER_WINDOW_MS = 100 };

struct shedder {
  uint64_t window_ms;  // began then
  bool on;
  unsigned over, calm;               // windows in a row
  unsigned admitted, refused, done;  // in this window
  double carried;                    // by the loop while it is busy, requests a millisecond
  double rate;                       // of admission
  double floor;                      // of the rate
  double part;                       // of one key
  unsigned retry_after_s;
  double asked_ms;
  float asked[SHEDDER_BUCKETS];    // in asked_ms, the last windows counting most
  double credit[SHEDDER_BUCKETS];  // requests
  uint64_t filled_ms[SHEDDER_BUCKETS];
};

// Once a turn of the loop at least: how long who comes has to wait for it at the moment. `target_ms` 0: nobody is ever
// refused.
void shedder_look(struct shedder *s, uint64_t wait_us, unsigned target_ms, uint64_t now_ms);
// A request of this key (its hash: any number). False: it must be refused.
bool shedder_admit(struct shedder *s, uint64_t key, uint64_t now_ms);
// One that was admitted has come to its end, whatever it was.
void shedder_done(struct shedder *s);
// How long those that were refused in a second would keep it busy: what a refused client may be told to wait, 1 to 60.
unsigned shedder_retry_after_s(const struct shedder *s);
