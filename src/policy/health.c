#include "policy/health.h"
#include <stddef.h>
enum health_state health_state(const struct health_record *r, uint64_t n) {
  (void)r;
  (void)n;
  return HEALTH_UP;
}
uint64_t health_benched_until(const struct health_record *r, uint64_t n) {
  (void)r;
  (void)n;
  return 0;
}
bool health_latency_ms(const struct health_record *r, uint64_t n, double o[HEALTH_PERCENTILES]) {
  (void)r;
  (void)n;
  (void)o;
  return false;
}
bool health_admit(struct health_record *r, uint64_t n) {
  (void)r;
  (void)n;
  return true;
}
void health_success(struct health_record *r, const struct health_sample *s) {
  (void)r;
  (void)s;
}
void health_failure(struct health_record *r, enum fault f, unsigned a, uint64_t n, uint64_t x) {
  (void)r;
  (void)f;
  (void)a;
  (void)n;
  (void)x;
}
void health_abandon(struct health_record *r) {
  (void)r;
}
enum blame health_blame(enum fault f, unsigned s) {
  (void)s;
  return fault_row(f)->blame;
}
