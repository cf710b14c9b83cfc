#include "policy/shedder.h"

#include "base/rand.h"

static const double gain = 0.06, off_max = -5;     // the rate is 1.06 to 0.7 times what is carried
static const double smoothing = 0.2, rise = 0.02;  // of what is carried, a window
static const double floor_part = 0.1;  // of what it carried at first: refusing alone may be more than it can do

static const float memory = 0.9f;  // of what was asked for, a window: what waits in line has not asked yet

enum {
  WINDOWS_ON = 5,
  WINDOWS_OFF = 10,  // of less than can be carried
  BURST_WINDOWS = 2,
  LULL_WINDOWS = 10,
  RETRY_MAX_S = 60,
};

// The part of each key, so that those who asked for less get what they asked for, and all together `total`. When less
// was asked for, all may ask for more in proportion: what waits in line has not asked yet.
static double fair_part(const float *asked, double total) {
  double part = 0, sum = 0;
  float most = 0;
  for (int i = 0; i < SHEDDER_BUCKETS; i++) {
    sum += asked[i];
    if (asked[i] > most) most = asked[i];
  }
  if (sum <= total) return sum > 0 ? most * total / sum : total;
  for (int round = 0; round < 8; round++) {  // each round divides what the last one left over
    double used = 0;
    unsigned hungry = 0;
    for (int i = 0; i < SHEDDER_BUCKETS; i++) {
      used += asked[i] < part ? asked[i] : part;
      hungry += asked[i] > part;
    }
    if (!hungry || total - used < 0.01 * total) break;
    part += (total - used) / hungry;
  }
  return part;
}

static unsigned clamp_seconds(double s) {
  return s < 1 ? 1 : s > RETRY_MAX_S ? RETRY_MAX_S : (unsigned)(s + 0.999);
}

// The rate follows what is brought to an end while there is always somebody waiting for a quarter of the target: above
// it as long as the wait is shorter than the target, below it when it is longer. With less to do it rises until there
// is more.
static void steer(struct shedder *s, double wait, double target, double elapsed) {
  double done = s->done / elapsed, asked = (s->admitted + s->refused) / elapsed;
  double off = (target - wait) / target;
  if (wait > target / 4)
    s->carried += (done - s->carried) * smoothing;
  else if (s->refused)
    s->carried *= 1 + rise;
  if (s->carried < s->floor) s->carried = s->floor;
  s->rate = s->carried * (1 + gain * (off < off_max ? off_max : off));
  s->calm = wait < target && asked < s->rate ? s->calm + 1 : 0;
  if (s->calm >= WINDOWS_OFF) s->on = false;
  s->part = fair_part(s->asked, s->rate * s->asked_ms) / s->asked_ms;
  s->retry_after_s = clamp_seconds(s->refused / elapsed / s->rate);
}

static void turn_on(struct shedder *s, double elapsed, uint64_t now_ms) {
  s->on = true;
  s->calm = 0;
  s->carried = (s->done + s->admitted + 1) / 2.0 / elapsed;
  s->floor = s->carried * floor_part;
  for (int i = 0; i < SHEDDER_BUCKETS; i++) {
    s->credit[i] = 1;
    s->filled_ms[i] = now_ms;
  }
}

void shedder_look(struct shedder *s, uint64_t wait_us, unsigned target_ms, uint64_t now_ms) {
  if (!target_ms) s->on = false;
  if (!target_ms || now_ms < s->window_ms + SHEDDER_WINDOW_MS) return;
  double elapsed = (double)(now_ms - s->window_ms), wait = (double)wait_us, target = target_ms * 1000.0;
  if (elapsed >= LULL_WINDOWS * SHEDDER_WINDOW_MS && !(s->on && wait > target)) {
    // Nobody has asked for a while: what was seen before it is no measure of what is carried, nor of what is asked for.
    *s = (struct shedder){.window_ms = now_ms, .over = wait > target};
    return;
  }
  s->over = wait > target ? s->over + 1 : 0;
  s->asked_ms += elapsed;
  if (!s->on && s->over >= WINDOWS_ON) turn_on(s, elapsed, now_ms);
  if (s->on) steer(s, wait, target, elapsed);
  s->window_ms = now_ms;
  s->admitted = s->refused = s->done = 0;
  s->asked_ms *= memory;
  for (int i = 0; i < SHEDDER_BUCKETS; i++) s->asked[i] *= memory;
}

bool shedder_admit(struct shedder *s, uint64_t key, uint64_t now_ms) {
  unsigned i = (unsigned)(rand_mix(key) % SHEDDER_BUCKETS);
  s->asked[i]++;
  if (s->on) {
    double most = s->part * BURST_WINDOWS * SHEDDER_WINDOW_MS;
    if (most < 1) most = 1;
    s->credit[i] += s->part * (double)(now_ms - s->filled_ms[i]);
    s->filled_ms[i] = now_ms;
    if (s->credit[i] > most) s->credit[i] = most;
    if (s->credit[i] < 1) {
      s->refused++;
      return false;
    }
    s->credit[i] -= 1;
  }
  s->admitted++;
  return true;
}

void shedder_done(struct shedder *s) {
  s->done++;
}

unsigned shedder_retry_after_s(const struct shedder *s) {
  return s->retry_after_s ? s->retry_after_s : 1;
}
