// The store's thread: drains the spools, runs jobs, notices keys changed by another process.
#define _GNU_SOURCE
#include <time.h>

#include "base/log.h"
#include "store/private.h"

enum { BUSY_MS = 100, IDLE_MS = 250, RETRY_FIRST_MS = 100, RETRY_MAX_MS = 5000 };

void store_attach(struct store *s, struct spool *spool) {
  if (s->spool_count < STORE_SPOOLS) s->spools[s->spool_count++] = spool;
}

static uint64_t backlog(const struct store *s) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < s->spool_count; i++) sum += spool_backlog(s->spools[i]);
  return sum;
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

// Drains with growing pauses after failures: the spools hold what comes meanwhile. The next pause in ms.
static unsigned drain_step(struct store *s, unsigned *retry_ms) {
  if (store_drain(s)) {
    if (*retry_ms) log_info("store: the database can be written again");
    *retry_ms = 0;
    return backlog(s) ? BUSY_MS : IDLE_MS;
  }
  if (!*retry_ms) log_error("store: the database cannot be written (%s); records wait in the spool", sqlite3_errmsg(s->db));
  *retry_ms = *retry_ms ? *retry_ms * 2 : RETRY_FIRST_MS;
  if (*retry_ms > RETRY_MAX_MS) *retry_ms = RETRY_MAX_MS;
  return *retry_ms;
}

static void *thread_main(void *context) {
  struct store *s = context;
  unsigned retry_ms = 0;
  uint64_t keys_version = store_keys_version(s);
  pthread_mutex_lock(&s->mutex);
  for (;;) {
    struct store_job *job = take_job(s);
    if (job) {
      pthread_mutex_unlock(&s->mutex);
      job->run(s, job);
      job->done(job);
      pthread_mutex_lock(&s->mutex);
      continue;
    }
    if (s->stopping) break;
    pthread_mutex_unlock(&s->mutex);
    unsigned pause = drain_step(s, &retry_ms);
    uint64_t version = store_keys_version(s);
    if (version != keys_version) {
      keys_version = version;
      s->on_keys_changed(s->context);
    }
    pthread_mutex_lock(&s->mutex);
    if (!s->first && !s->stopping) wait_ms(s, pause);
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
  if (!store_drain(s)) log_error("store: the last records could not be stored; they wait in the spool for the next start");
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
  struct store_stats stats = {atomic_load(&s->rows), atomic_load(&s->batches), atomic_load(&s->failures), backlog(s), 0};
  for (unsigned i = 0; i < s->spool_count; i++) stats.lost += spool_lost(s->spools[i]);
  return stats;
}
