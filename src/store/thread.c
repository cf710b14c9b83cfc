// The store's thread: drains the spools, runs jobs, notices keys changed by another process.
#define _GNU_SOURCE
#include <time.h>

#include "base/log.h"
#include "base/time.h"
#include "store/private.h"

// A commit costs as much as some fifty rows. So the pause between two grows while few rows come and shrinks while many
// do, but not beyond what keeps the spools small and warm in the cache.
enum { BATCH_WANTED = 1000, PAUSE_MIN_MS = 20, PAUSE_MAX_MS = 160, IDLE_MS = 250 };
enum { RETRY_FIRST_MS = 100, RETRY_MAX_MS = 5000 };

struct pace {
  unsigned pause_ms, retry_ms;  // retry_ms: 0 while the database can be written
  uint64_t keys_version, keys_changes, keys_looked_ns;
};

void store_attach(struct store *s, struct spool *spool) {
  if (s->spool_count < STORE_SPOOLS) s->spools[s->spool_count++] = spool;
}

// Waits for a job or the time; under the mutex.
static void wait_ms(struct store *s, unsigned ms) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += (long)(ms % 1000) * 1000000;
  until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_cond_timedwait(&s->wake, &s->mutex, &until);
}

static struct store_job *take_job(struct store *s) {
  struct store_job *job = s->first;
  if (!job) return NULL;
  s->first = job->next;
  if (!s->first) s->last = &s->first;
  s->job_count--;
  return job;
}

static unsigned clamp(unsigned value, unsigned low, unsigned high) {
  return value < low ? low : value > high ? high : value;
}

// Drains, with growing pauses after failures: the spools hold what comes meanwhile. How long to wait then, in ms.
static unsigned drain_step(struct store *s, struct pace *p) {
  uint64_t waiting = store_backlog(s);
  if (!store_drain(s)) {
    if (!p->retry_ms) log_error("store: the database cannot be written (%s); records wait in the spool", s->trouble);
    return p->retry_ms = clamp(p->retry_ms * 2, RETRY_FIRST_MS, RETRY_MAX_MS);
  }
  if (p->retry_ms) log_info("store: the database can be written again");
  p->retry_ms = 0;
  if (!waiting) return p->pause_ms = IDLE_MS;
  if (waiting > 2 * BATCH_WANTED) p->pause_ms /= 2;
  if (waiting < BATCH_WANTED) p->pause_ms *= 2;
  return p->pause_ms = clamp(p->pause_ms, PAUSE_MIN_MS, PAUSE_MAX_MS);
}

// Our own changes at once; another process's when a look is due, as looking takes locks on the file.
static void look_at_keys(struct store *s, struct pace *p) {
  uint64_t now = time_mono_ns();
  if (s->keys_changes == p->keys_changes && now - p->keys_looked_ns < (uint64_t)IDLE_MS * 1000000) return;
  p->keys_changes = s->keys_changes;
  p->keys_looked_ns = now;
  uint64_t version = store_keys_version(s);
  if (version == p->keys_version) return;
  p->keys_version = version;
  if (s->on_keys_changed) s->on_keys_changed(s->context);
}

static void *thread_main(void *context) {
  struct store *s = context;
  struct pace pace = {.keys_version = store_keys_version(s), .keys_changes = s->keys_changes};
  pthread_mutex_lock(&s->mutex);
  for (;;) {
    struct store_job *job = take_job(s);
    if (!job && s->stopping) break;
    pthread_mutex_unlock(&s->mutex);
    unsigned pause = 0;
    if (job)
      job->run(s, job);
    else
      pause = drain_step(s, &pace);
    look_at_keys(s, &pace);  // before a job is done: who then hears of a key can use it
    if (job) job->done(job);
    pthread_mutex_lock(&s->mutex);
    if (pause && !s->first && !s->stopping) wait_ms(s, pause);
  }
  pthread_mutex_unlock(&s->mutex);
  return NULL;
}

bool store_start(struct store *s, void (*on_keys_changed)(void *context), void *context) {
  s->on_keys_changed = on_keys_changed;
  s->context = context;
  s->running = pthread_create(&s->thread, NULL, thread_main, s) == 0;
  return s->running;
}

void store_stop(struct store *s) {
  if (s->running) {
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    s->running = false;
  }
  if (!store_drain(s))
    log_error("store: the last records could not be stored (%s); they wait in the spool for the next start",
              s->trouble);
}

bool store_submit(struct store *s, struct store_job *job) {
  pthread_mutex_lock(&s->mutex);
  bool room = s->job_count < STORE_JOBS_MAX && !s->stopping;
  if (room) {
    job->next = NULL;
    *s->last = job;
    s->last = &job->next;
    s->job_count++;
    pthread_cond_signal(&s->wake);
  }
  pthread_mutex_unlock(&s->mutex);
  return room;
}

struct store_stats store_stats(const struct store *s) {
  struct store_stats stats = {atomic_load(&s->rows), atomic_load(&s->batches), atomic_load(&s->failures),
                              store_backlog(s), 0};
  for (unsigned i = 0; i < s->spool_count; i++) stats.lost += spool_lost(s->spools[i]);
  return stats;
}
