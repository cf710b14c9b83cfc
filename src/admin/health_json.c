#include "admin/health_json.h"

#include "json/json.h"
#include "llm/fault.h"
#include "policy/health.h"

// --- members ---

static void null_member(struct buf *out, struct str key) {
  json_write_key(out, key);
  buf_lit(out, "null");
}

static void string_or_null(struct buf *out, struct str key, struct str value) {
  if (!value.len) {
    null_member(out, key);
    return;
  }
  json_write_key(out, key);
  json_write_str(out, value);
}

static void figure_or_null(struct buf *out, struct str key, bool known, double figure) {
  if (!known) {
    null_member(out, key);
    return;
  }
  json_write_key(out, key);
  buf_printf(out, "%.2f", figure);
}

static void percentiles_or_null(struct buf *out, struct str key, bool known, const double figures[HEALTH_PERCENTILES]) {
  if (!known) {
    null_member(out, key);
    return;
  }
  json_write_key(out, key);
  buf_char(out, '{');
  figure_or_null(out, STR("p50"), true, figures[HEALTH_P50]);
  figure_or_null(out, STR("p75"), true, figures[HEALTH_P75]);
  figure_or_null(out, STR("p90"), true, figures[HEALTH_P90]);
  figure_or_null(out, STR("p99"), true, figures[HEALTH_P99]);
  buf_char(out, '}');
}

// --- of an endpoint ---

uint64_t endpoint_benched_until(const struct health_index *h, const struct endpoint *e, uint64_t now_ms) {
  uint64_t until = 0, keys = UINT64_MAX, at = 0;
  if (h->endpoints && h->endpoints[e->index]) until = health_benched_until(h->endpoints[e->index], now_ms);
  if (h->providers && h->providers[e->provider->index])
    at = health_benched_until(h->providers[e->provider->index], now_ms);
  if (at > until) until = at;
  for (size_t i = 0; h->keys && h->keys[e->provider->index] && i < e->provider->key_count; i++) {
    const struct health_record *record = h->keys[e->provider->index][i];
    at = record ? health_benched_until(record, now_ms) : 0;
    if (at < keys) keys = at;
  }
  return keys != UINT64_MAX && keys > until ? keys : until;
}

static int status_of(const struct health_report *report, bool benched) {
  if (benched || report->state == HEALTH_BENCHED) return -5;
  if (report->half_open || report->state == HEALTH_PROBING) return -3;
  if (report->state == HEALTH_POOR) return -2;
  return report->state == HEALTH_DEGRADED ? -1 : 0;
}

void endpoint_health_members(struct buf *out, const struct health_view *view, const struct endpoint *e) {
  struct health_report report = {.uptime_5m = -1, .uptime_30m = -1, .uptime_1d = -1};
  const struct health_index *index = view ? view->index : NULL;
  struct health_record *record = index && index->endpoints ? index->endpoints[e->index] : NULL;
  if (record) health_report(record, view->now_ms, &report);
  bool benched = index && endpoint_benched_until(index, e, view->now_ms) > view->now_ms;
  bool timing = view && view->timing;
  json_write_key(out, STR("status"));
  buf_printf(out, "%d", status_of(&report, benched));
  figure_or_null(out, STR("uptime_last_5m"), report.uptime_5m >= 0, report.uptime_5m);
  figure_or_null(out, STR("uptime_last_30m"), report.uptime_30m >= 0, report.uptime_30m);
  figure_or_null(out, STR("uptime_last_1d"), report.uptime_1d >= 0, report.uptime_1d);
  percentiles_or_null(out, STR("latency_last_30m"), timing && report.has_latency, report.latency_30m);
  percentiles_or_null(out, STR("throughput_last_30m"), timing && report.has_throughput, report.throughput_30m);
}

// --- all records ---

struct named_record {
  const char *kind;
  struct health_record *record;
  const struct provider *provider;
  const struct endpoint *endpoint;  // NULL: a provider's or a key's
  size_t key;                       // from 1, in the order of the configuration; 0: not a key's
};

static const char *state_text(const struct health_report *report) {
  static const char *const words[] = {
      [HEALTH_UP] = "up",           [HEALTH_DEGRADED] = "degraded", [HEALTH_POOR] = "poor",
      [HEALTH_PROBING] = "probing", [HEALTH_BENCHED] = "benched",
  };
  bool waits = report->half_open && report->state != HEALTH_PROBING && report->state != HEALTH_BENCHED;
  return waits ? "half_open" : words[report->state];
}

static void name_members(struct buf *out, const struct named_record *n) {
  const struct endpoint *e = n->endpoint;
  string_or_null(out, STR("kind"), str_from_cstr(n->kind));
  string_or_null(out, STR("provider"), n->provider->id);
  string_or_null(out, STR("model"), e ? e->model->id : (struct str){0});
  string_or_null(out, STR("tag"), e ? e->tag : (struct str){0});
  if (!n->key) {
    null_member(out, STR("key"));
    return;
  }
  json_write_key(out, STR("key"));
  buf_u64(out, n->key);
}

static void record_object(struct buf *out, const struct health_view *view, const struct named_record *n, bool *any) {
  struct health_report report;
  if (!n->record) return;
  health_report(n->record, view->now_ms, &report);
  if (!report.noted) return;
  uint64_t until = report.benched_until_ms, now = view->now_ms;
  bool failed = report.last_fault != FAULT_NONE;
  if (*any) buf_char(out, ',');
  *any = true;
  buf_char(out, '{');
  name_members(out, n);
  string_or_null(out, STR("state"), str_from_cstr(state_text(&report)));
  json_write_key(out, STR("benched_for_s"));
  buf_u64(out, until > now ? (until - now + 999) / 1000 : 0);
  string_or_null(out, STR("last_fault"), str_from_cstr(failed ? fault_row(report.last_fault)->name : NULL));
  figure_or_null(out, STR("uptime_5m"), report.uptime_5m >= 0, report.uptime_5m);
  json_write_key(out, STR("requests_30m"));
  buf_u64(out, report.requests_30m);
  figure_or_null(out, STR("latency_p50_ms"), report.has_latency, report.latency_30m[HEALTH_P50]);
  figure_or_null(out, STR("throughput_p50"), report.has_throughput, report.throughput_30m[HEALTH_P50]);
  buf_char(out, '}');
}

static void provider_objects(struct buf *out, const struct health_view *view, const struct provider *p, bool *any) {
  const struct health_index *h = view->index;
  struct named_record named = {.kind = "provider", .record = h->providers[p->index], .provider = p};
  record_object(out, view, &named, any);
  for (size_t k = 0; k < p->key_count; k++) {
    named = (struct named_record){.kind = "key", .record = h->keys[p->index][k], .provider = p, .key = k + 1};
    record_object(out, view, &named, any);
  }
}

void health_json(struct buf *out, const struct health_view *view, const struct catalogue *c) {
  bool any = false, known = view->index && view->index->endpoints;
  buf_lit(out, "{\"data\":[");
  for (size_t m = 0; known && m < c->model_count; m++) {
    for (size_t i = 0; i < c->models[m].endpoint_count; i++) {
      const struct endpoint *e = &c->models[m].endpoints[i];
      struct named_record named = {
          .kind = "endpoint", .record = view->index->endpoints[e->index], .provider = e->provider, .endpoint = e};
      record_object(out, view, &named, &any);
    }
  }
  for (size_t i = 0; known && i < c->provider_count; i++) provider_objects(out, view, &c->providers[i], &any);
  buf_lit(out, "]}");
}
