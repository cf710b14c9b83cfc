// Nanoseconds to decide where a request goes, with all filters set and real health records, some of them benched:
//   cmake --build --preset release --target micro_routing && build/release/tests/bench/micro_routing [DECISIONS [ROW]]
// ROW is part of a row's name as printed: "20 endpoints". tests/instructions counts with it what a decision takes.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "llm/endpoint_facts.h"
#include "llm/names.h"
#include "policy/routing.h"

enum { PROVIDERS = 20, MODELS = 5, ENDPOINTS = 1000, NOW_MS = 10000000, ROW_NAME = 64 };

static struct provider providers[PROVIDERS];
static struct endpoint endpoints[ENDPOINTS];
static struct model models[MODELS];
static const struct model *chosen[MODELS];
static struct health_record *records[ENDPOINTS], *provider_records[PROVIDERS], *key_records[PROVIDERS],
    **keys[PROVIDERS];
static struct health_index health_index = {records, provider_records, keys};
static char names[PROVIDERS][32];
static const char *wanted = "";  // part of the names of the rows to measure
static size_t rounds = 20000;

static uint64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void check(bool good) {
  if (!good) abort();
}

static struct health_record *record(struct health *h, enum health_kind kind, const char *of, unsigned n) {
  char identity[64];
  snprintf(identity, sizeof identity, "%s %u", of, n);
  struct health_record *r = health_record(h, kind, str_from_cstr(identity));
  check(r);
  return r;
}

// One in 16 endpoints fails and is benched, the others have figures; so is one provider of 16.
static void note(struct health_record *r, unsigned n) {
  for (unsigned i = 0; i < 3; i++) {
    uint64_t at = NOW_MS - 2000 + i * 100;
    struct health_pass pass;
    check(health_admit(r, at, &pass) || n % 16 == 5);
    if (n % 16 == 5)
      health_failure(r, pass, FAULT_UPSTREAM_RATE, 60, at, n);
    else
      health_success(r, pass, &(struct health_sample){at, 200 + n * 7 % 900, 1500 + n * 13 % 900, 100});
  }
}

static void world_make(struct health *h, unsigned endpoint_count, unsigned model_count) {
  static const char *const quantizations[] = {"fp8", "bf16", "int4", "", "fp16"};
  for (unsigned i = 0; i < PROVIDERS; i++) {
    snprintf(names[i], sizeof names[i], "provider-%u", i);
    providers[i] =
        (struct provider){.id = str_from_cstr(names[i]), .name = str_from_cstr(names[i]), .index = i, .key_count = 1};
    provider_records[i] = record(h, HEALTH_PROVIDER, "provider", i);
    key_records[i] = record(h, HEALTH_KEY, "key", i);
    keys[i] = &key_records[i];
    note(provider_records[i], i);
    note(key_records[i], 0);
  }
  for (unsigned i = 0; i < endpoint_count; i++) {
    struct endpoint *e = &endpoints[i];
    struct model *m = &models[(size_t)i * model_count / endpoint_count];
    *e = (struct endpoint){.provider = &providers[i * 7 % PROVIDERS],
                           .model = m,
                           .pricing = PRICING_UNSET,
                           .quantization = str_from_cstr(quantizations[i % 5]),
                           .context_length = 128000,
                           .max_completion_tokens = 8192,
                           .index = i};
    e->pricing.prompt = (price_femto)(1 + i * 37 % 90) * 1000000000;
    e->pricing.completion = (price_femto)(2 + i * 53 % 90) * 1000000000;
    e->parameters = NAME_BIT(max_tokens) | NAME_BIT(temperature) | NAME_BIT(top_p) | NAME_BIT(tools);
    endpoint_facts_fill(e);
    if (!m->endpoint_count++) m->endpoints = e;
    records[i] = record(h, HEALTH_ENDPOINT, "endpoint", i);
    note(records[i], i);
  }
  for (unsigned i = 0; i < model_count; i++) chosen[i] = &models[i];
}

static int ascending(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}

static void row_name(char name[static ROW_NAME], unsigned endpoint_count, unsigned model_count, const char *how) {
  snprintf(name, ROW_NAME, "%4u endpoints of %u model%s %s", endpoint_count, model_count,
           model_count == 1 ? ", " : "s,", how);
}

static void measure(const char *how, struct routing_query *q, unsigned endpoint_count) {
  char name[ROW_NAME];
  row_name(name, endpoint_count, q->model_count, how);
  if (!strstr(name, wanted)) return;
  uint64_t *took = calloc(rounds, sizeof *took);
  struct arena arena = {0};
  struct routing result;
  check(took);
  for (size_t i = 0; i < rounds; i++) {
    q->seed = i;
    arena_free(&arena);
    uint64_t from = nanoseconds();
    check(routing_decide(q, &arena, &result));
    took[i] = nanoseconds() - from;
  }
  unsigned stay = result.count + result.removed[ROUTING_FILTER_PLACES];
  check(result.count > 0);
  qsort(took, rounds, sizeof *took, ascending);
  printf("routing, %-42s %4u stay %8llu ns p50 %8llu ns p99\n", name, stay, (unsigned long long)took[rounds / 2],
         (unsigned long long)took[rounds * 99 / 100]);
  free(took);
  arena_free(&arena);
}

static void measure_world(unsigned endpoint_count, unsigned model_count) {
  struct health *h = health_new();
  check(h);
  memset(models, 0, sizeof models);
  world_make(h, endpoint_count, model_count);
  struct catalogue catalogue = {.models = models,
                                .model_count = model_count,
                                .providers = providers,
                                .provider_count = PROVIDERS,
                                .endpoint_count = endpoint_count};
  struct str only[PROVIDERS - 2], ignored[] = {str_from_cstr("provider-3"), str_from_cstr("provider-9/fp8")};
  for (unsigned i = 0; i < PROVIDERS - 2; i++) only[i] = providers[i].id;
  struct preferences wish = PREFERENCES_NONE;
  wish.only = (struct str_list){only, PROVIDERS - 2};
  wish.ignore = (struct str_list){ignored, 2};
  wish.quantizations = (uint16_t) ~(1u << QUANTIZATION_int4);
  wish.max_prompt = wish.max_completion = (price_femto)85 * 1000000000;
  wish.require_parameters = true;
  struct request_facts facts = {.prompt_tokens = 2000,
                                .prompt_tokens_least = 1000,
                                .max_tokens = 4096,
                                .parameters = NAME_BIT(max_tokens) | NAME_BIT(temperature) | NAME_BIT(tools),
                                .tools = true};
  struct routing_query q = {.catalogue = &catalogue,
                            .models = chosen,
                            .model_count = model_count,
                            .preferences = &wish,
                            .facts = &facts,
                            .health = &health_index,
                            .now_ms = NOW_MS,
                            .max = 16};
  measure("by draw", &q, endpoint_count);
  wish.sort = SORT_THROUGHPUT;
  measure("by figure", &q, endpoint_count);
  wish.max_latency = (struct cutoffs){true, {[CUTOFF_P90] = 1}};
  measure("with cutoffs", &q, endpoint_count);
  health_free(h);
}

int main(int argc, char **argv) {
  if (argc > 1) rounds = strtoul(argv[1], NULL, 10);
  if (argc > 2) wanted = argv[2];
  check(rounds > 0);
  measure_world(20, 1);
  measure_world(1000, 1);
  measure_world(1000, MODELS);
  return 0;
}
