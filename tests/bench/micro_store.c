// What the store costs, without a gateway around it: appending to a spool, moving records into the database, hashing a
// key.
//   gcc -std=gnu17 -O2 -Isrc tests/bench/micro_store.c src/store/*.c src/json/*.c src/base/*.c src/llm/fault.c
//   src/llm/generation_id.c
//       -lsqlite3 -lcrypto -lpthread -o micro_store && ./micro_store [records] [rows a batch]
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/rand.h"
#include "base/time.h"
#include "llm/generation_id.h"
#include "store/keyhash.h"
#include "store/store.h"

static double cpu_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static long resident_kb(void) {
  long pages = 0, resident = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f || fscanf(f, "%ld %ld", &pages, &resident) != 2) resident = 0;
  if (f) fclose(f);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

// As a short chat request leaves it; arrivals 20 µs apart.
static void make_record(struct record *r, struct rand *random, uint64_t n, char id[GENERATION_ID_SIZE]) {
  uint64_t created_us = 1760000000000000u + n * 20;
  generation_id(id, created_us, 0, random);
  *r = (struct record){.id = str_from(id, GENERATION_ID_SIZE - 1),
                       .created_us = created_us,
                       .key_id = STR("key_0123456789abcdef"),
                       .model = STR("openai/gpt-4o-mini"),
                       .provider = STR("openai"),
                       .provider_name = STR("OpenAI"),
                       .upstream_model = STR("gpt-4o-mini"),
                       .upstream_id = STR("chatcmpl-0123456789abcdefghijklmnop"),
                       .finish_reason = STR("stop"),
                       .native_finish_reason = STR("stop"),
                       .api_type = STR("completions"),
                       .user_agent = STR("OpenAI/Python 1.50.0"),
                       .status = 200,
                       .latency_ms = 412,
                       .generation_ms = 1,
                       .gateway_us = 37,
                       .usage = {.known = true, .prompt = 120, .completion = 55, .total = 175},
                       .cost = {.total = 51000000, .prompt = 18000000, .completion = 33000000}};
}

static void bench_ledger(const char *dir, uint64_t records, uint64_t batch) {
  struct arena arena = {0};
  struct str why;
  struct rand random;
  rand_seed(&random);
  struct store *s = store_open(&arena, str_from_cstr(dir), true, &why);
  struct spool *spool = s ? spool_open(&arena, arena_printf(&arena, "%s/spool", dir), 0, 256u << 20, &why) : NULL;
  if (!spool) {
    fprintf(stderr, "%.*s\n", STR_ARGS(why));
    exit(1);
  }
  store_attach(s, spool);
  struct record *rows = calloc(batch, sizeof *rows);
  char(*ids)[GENERATION_ID_SIZE] = calloc(batch, sizeof *ids);
  double append = 0, drain = 0;
  for (uint64_t n = 0; n < records; n += batch) {
    for (uint64_t i = 0; i < batch; i++) make_record(&rows[i], &random, n + i, ids[i]);
    double start = cpu_us();
    for (uint64_t i = 0; i < batch; i++)
      if (!spool_append(spool, &rows[i])) abort();
    append += cpu_us() - start;
    start = cpu_us();
    if (!store_drain(s)) abort();
    drain += cpu_us() - start;
  }
  uint64_t done = store_stats(s).rows;
  printf("%llu records, %llu a batch: append %.3f us, into the database %.2f us of CPU each; %ld KB resident\n",
         (unsigned long long)done, (unsigned long long)batch, append / (double)done, drain / (double)done,
         resident_kb());
  double start = cpu_us();
  struct record found;
  bool is_there;
  if (!store_generation(s, &arena, rows[batch / 2].id, &found, &is_there, &why) || !is_there) abort();
  printf("finding a generation: %.0f us\n", cpu_us() - start);
  free(rows);
  free(ids);
  spool_close(spool);
  store_close(s);
  arena_free(&arena);
}

static void bench_hash(void) {
  static const uint8_t pepper[32] = {1};
  enum { ROUNDS = 500000 };
  struct key_hasher *h = key_hasher_new(pepper);
  uint8_t hash[32];
  double start = cpu_us();
  for (int i = 0; i < ROUNDS; i++)
    key_hasher_hash(h, STR("sk-sb-v1-0123456789abcdefghijklmnopqrstuvwxyz0123456"), hash);
  printf("hashing a key: %.3f us\n", (cpu_us() - start) / ROUNDS);
  key_hasher_free(h);
}

int main(int argc, char **argv) {
  uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000,
           batch = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000;
  char dir[] = "/var/tmp/micro-store-XXXXXX", command[64];
  if (!mkdtemp(dir)) return 1;
  printf("%ld KB resident at first\n", resident_kb());
  bench_ledger(dir, records, batch);
  bench_hash();
  snprintf(command, sizeof command, "rm -r %s", dir);
  return system(command) != 0;
}
