#include "gateway/metadata.h"

#include <string.h>

#include "base/limits.h"
#include "gateway/response_cache.h"
#include "json/json.h"
#include "policy/plan.h"
#include "provider/encode.h"

static void write_endpoint(struct buf *out, const struct endpoint *e) {
  if (out->ptr[out->len - 1] != '[') buf_char(out, ',');
  buf_lit(out, "{\"provider\":");
  json_write_str(out, e->provider->name);
  buf_lit(out, ",\"model\":");
  json_write_str(out, e->model->id);
}

static void write_available(const struct inference *in, struct buf *out) {
  buf_printf(out, ",\"endpoints\":{\"total\":%u,\"available\":[", in->target_count);
  for (unsigned i = 0; i < in->target_count; i++) {
    write_endpoint(out, in->targets[i]);
    buf_printf(out, ",\"selected\":%s}", in->targets[i] == in->at->endpoint ? "true" : "false");
  }
  buf_lit(out, "]}");
}

static void write_tag(struct buf *out, const struct endpoint *e) {
  if (!e->tag.len) return;
  buf_lit(out, ",\"tag\":");
  json_write_str(out, e->tag);
}

static void write_attempts(const struct inference *in, unsigned status, struct buf *out) {
  buf_lit(out, ",\"attempts\":[");
  for (unsigned i = 0; i < in->attempt_count; i++) {
    const struct attempt_row *a = &in->attempts[i];
    write_endpoint(out, a->endpoint);
    write_tag(out, a->endpoint);
    buf_printf(out, ",\"status\":%u,\"reason\":\"%s\",\"fault\":\"%s\",\"latency_ms\":%u}", a->status,
               attempt_reason_name(a->reason), a->fault ? fault_row(a->fault)->name : "slower", a->latency_ms);
  }
  if (status) {
    const struct attempt *a = in->at;
    uint64_t took = a->spoke_ns > a->started_ns ? a->spoke_ns - a->started_ns : 0;
    write_endpoint(out, a->endpoint);
    write_tag(out, a->endpoint);
    buf_printf(out, ",\"status\":%u,\"reason\":\"%s\",\"latency_ms\":%u}", status,
               attempt_reason_name((enum attempt_reason)a->reason), (unsigned)(took / 1000000));
  }
  buf_char(out, ']');
}

static void write_dropped(const struct translation *t, struct buf *out) {
  if (!t->dropped_count) return;
  buf_lit(out, ",\"dropped_parameters\":[");
  for (unsigned i = 0; i < t->dropped_count; i++) {
    if (i) buf_char(out, ',');
    json_write_str(out, t->dropped[i]);
  }
  buf_char(out, ']');
}

const char *metadata_strategy(const struct inference *in) {
  const char *strategy = in->plan ? in->plan->strategy : "direct";
  bool other = in->at->endpoint->model != in->targets[0]->model;
  return other && strcmp(strategy, "direct") == 0 ? "fallback" : strategy;
}

// Of an answer that was kept: nobody was asked. `response_cache` is ours.
static void write_hit(const struct inference *in, const struct cache_facts *f, uint64_t age_s, uint64_t left_s,
                      struct buf *out) {
  struct buf summary;
  buf_init(&summary, LIMIT_HEADER_LINE);
  buf_printf(&summary, "available=0, selected=response cache (%.*s)", STR_ARGS(f->source_id));
  buf_lit(out, ",\"openrouter_metadata\":{\"requested\":");
  json_write_str(out, in->requested.len ? in->requested : f->model);
  encode_plain(out, STR("strategy"), f->strategy);
  buf_lit(out, ",\"region\":null");
  encode_plain(out, STR("summary"), buf_view(&summary));
  buf_lit(out,
          ",\"attempt\":0,\"is_byok\":false,\"endpoints\":{\"total\":0,\"available\":[]},\"attempts\":[],"
          "\"response_cache\":{\"source_id\":");
  json_write_str(out, f->source_id);
  buf_printf(out, ",\"age_seconds\":%llu,\"ttl_seconds\":%llu}}", (unsigned long long)age_s,
             (unsigned long long)left_s);
  if (summary.failed) out->failed = true;
  buf_free(&summary);
}

static void write_all(const struct inference *in, unsigned status, struct buf *out) {
  const struct endpoint *e = in->at->endpoint;
  buf_lit(out, ",\"openrouter_metadata\":{\"requested\":");
  json_write_str(out, in->requested);
  buf_printf(out, ",\"strategy\":\"%s\",\"region\":", metadata_strategy(in));
  if (e->region.len)
    json_write_str(out, e->region);
  else
    buf_lit(out, "null");
  struct buf summary;
  buf_init(&summary, LIMIT_HEADER_LINE);
  buf_printf(&summary, "available=%u, selected=%.*s", in->target_count, STR_ARGS(e->provider->name));
  encode_plain(out, STR("summary"), buf_view(&summary));
  if (summary.failed) out->failed = true;
  buf_free(&summary);
  buf_printf(out, ",\"attempt\":%u,\"is_byok\":false", in->attempt_count + (status != 0));
  write_available(in, out);
  write_attempts(in, status, out);
  write_dropped(&in->at->translation, out);
  buf_char(out, '}');
}

void metadata_add(struct request *r, struct buf *out, struct str tail, unsigned status) {
  const struct inference *in = r->inference;
  struct str end = str_from(out->ptr, out->len);
  uint64_t age_s = 0, left_s = 0;
  if (!r->wants_metadata || !in || out->failed) return;
  const struct cache_facts *hit = cache_step_hit(r, &age_s, &left_s);
  if (!in->at && !hit) return;
  if (!str_ends(end, tail) || end.len == tail.len || end.ptr[end.len - tail.len - 1] != '}') return;
  out->len -= tail.len + 1;
  if (hit)
    write_hit(in, hit, age_s, left_s, out);
  else
    write_all(in, status, out);
  buf_char(out, '}');
  buf_str(out, tail);
}
