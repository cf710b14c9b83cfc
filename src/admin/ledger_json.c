#include "admin/ledger_json.h"

#include <time.h>

#include "json/json.h"

static void text(struct buf *out, const char *name, struct str value) {
  json_write_key(out, str_from_cstr(name));
  if (value.len)
    json_write_str(out, value);
  else
    buf_lit(out, "null");
}

static void number(struct buf *out, const char *name, uint64_t value) {
  json_write_key(out, str_from_cstr(name));
  buf_u64(out, value);
}

static void money(struct buf *out, const char *name, money_pico value) {
  json_write_key(out, str_from_cstr(name));
  if (value < 0) buf_char(out, '-');
  money_write(out, value < 0 ? -value : value);
}

static void flag(struct buf *out, const char *name, bool value) {
  json_write_key(out, str_from_cstr(name));
  buf_str(out, value ? STR("true") : STR("false"));
}

static void nulls(struct buf *out, const char *const *names) {
  for (; *names; names++) text(out, *names, (struct str){0});
}

void ledger_when(struct buf *out, const char *name, uint64_t unix_us) {
  char moment[40];
  time_t seconds = (time_t)(unix_us / 1000000);
  struct tm tm;
  gmtime_r(&seconds, &tm);
  size_t n = strftime(moment, sizeof moment, "%Y-%m-%dT%H:%M:%S", &tm);
  json_write_key(out, str_from_cstr(name));
  buf_printf(out, "\"%.*s.%03uZ\"", (int)n, moment, (unsigned)(unix_us / 1000 % 1000));
}

// Copies a member that is there and of this type; strict clients take a missing member, but no null, for most of these.
static void copied(struct buf *out, const char *name, const struct json_doc *doc, uint32_t node, enum json_type type) {
  if (!json_is(doc, node, type)) return;
  json_write_key(out, str_from_cstr(name));
  buf_str(out, json_raw(doc, node));
}

// How an attempt came about and how long it took, as it was recorded.
static void circumstances(struct buf *out, const struct json_doc *doc, uint32_t a) {
  copied(out, "tag", doc, json_get(doc, a, STR("tag")), JSON_STRING);
  copied(out, "latency", doc, json_get(doc, a, STR("latency_ms")), JSON_NUMBER);
  copied(out, "started", doc, json_get(doc, a, STR("started_ms")), JSON_NUMBER);
  copied(out, "reason", doc, json_get(doc, a, STR("reason")), JSON_STRING);
}

static void attempt(struct buf *out, const struct json_doc *doc, uint32_t a) {
  uint32_t status = json_get(doc, a, STR("status"));
  uint64_t code = 0;
  buf_char(out, '{');
  copied(out, "provider_name", doc, json_get(doc, a, STR("provider")), JSON_STRING);
  copied(out, "model_permaslug", doc, json_get(doc, a, STR("model")), JSON_STRING);
  circumstances(out, doc, a);
  copied(out, "fault", doc, json_get(doc, a, STR("fault")), JSON_STRING);
  flag(out, "is_byok", false);
  // A provider that never answered has no status.
  if (json_u64(doc, status, 999, &code) && code)
    number(out, "status", code);
  else
    text(out, "status", (struct str){0});
  buf_char(out, '}');
}

// The attempt that answered. `a`: as it was recorded; JSON_NONE where the row itself tells all there is to it.
static void answer(struct buf *out, const struct record *r, const struct json_doc *doc, uint32_t a) {
  struct str dropped = json_raw(doc, json_get(doc, a, STR("dropped")));
  buf_char(out, '{');
  json_write_key(out, STR("provider_name"));
  json_write_str(out, r->provider_name.len ? r->provider_name : r->provider);
  text(out, "model_permaslug", r->model);
  if (json_get(doc, a, STR("reason")) == JSON_NONE) {
    number(out, "latency", r->latency_ms);
    number(out, "started", 0);
    text(out, "reason", STR("first"));
  } else {
    circumstances(out, doc, a);
  }
  if (r->upstream_id.len) text(out, "id", r->upstream_id);
  flag(out, "is_byok", false);
  number(out, "status", 200);
  if (dropped.len) {
    json_write_key(out, STR("dropped_parameters"));
    buf_str(out, dropped);
  }
  buf_char(out, '}');
}

// The attempts that failed, as they were recorded, and the one that answered (recorded without a fault), with what it
// could not be told. A single one that lost nothing is told by the row itself.
static void provider_responses(struct buf *out, const struct record *r) {
  struct json_doc doc = {0};
  uint32_t answered = JSON_NONE;
  json_write_key(out, STR("provider_responses"));
  buf_char(out, '[');
  bool any = false;
  if (r->attempts_json.len && json_parse(&doc, r->attempts_json, 3) == JSON_OK) {
    for (uint32_t a = json_first(&doc, 0); a != JSON_NONE; a = json_next(&doc, 0, a)) {
      bool lossy = json_get(&doc, a, STR("dropped")) != JSON_NONE;  // earlier versions kept it of failures, too
      if (json_get(&doc, a, STR("fault")) == JSON_NONE && (lossy || !r->fault)) {
        answered = a;
        continue;
      }
      if (any) buf_char(out, ',');
      any = true;
      attempt(out, &doc, a);
    }
  }
  if (!r->fault && r->provider.len) {
    if (any) buf_char(out, ',');
    answer(out, r, &doc, answered);
  }
  buf_char(out, ']');
  json_doc_free(&doc);
}

void generation_item_json(struct buf *out, const struct record *r) {
  static const char *const unknown[] = {
      "app_id",           "request_id",         "service_tier",           "web_search_engine",
      "workspace_id",     "num_fetches",        "num_input_audio_prompt", "num_media_completion",
      "num_media_prompt", "num_search_results", "moderation_latency",     NULL};
  const struct usage *u = &r->usage;
  buf_char(out, '{');
  text(out, "id", r->id);
  text(out, "upstream_id", r->from_cache ? (struct str){0} : r->upstream_id);
  text(out, "response_cache_source_id", r->from_cache ? r->upstream_id : (struct str){0});
  ledger_when(out, "created_at", r->created_us);
  json_write_key(out, STR("model"));
  json_write_str(out, r->model);
  text(out, "provider_name", r->provider_name);
  provider_responses(out, r);
  text(out, "api_type", r->api_type);
  flag(out, "streamed", r->streamed);
  flag(out, "cancelled", r->cancelled);
  text(out, "finish_reason", r->finish_reason);
  text(out, "native_finish_reason", r->native_finish_reason);
  number(out, "latency", r->latency_ms);
  number(out, "generation_time", r->generation_ms);
  number(out, "tokens_prompt", u->prompt);
  number(out, "tokens_completion", u->completion);
  number(out, "native_tokens_prompt", u->prompt);
  number(out, "native_tokens_completion", u->completion);
  number(out, "native_tokens_reasoning", u->reasoning);
  number(out, "native_tokens_cached", u->cached);
  number(out, "native_tokens_completion_images", u->image_completion);
  flag(out, "usage_estimated", u->estimated);
  money(out, "usage", r->cost.total);
  money(out, "total_cost", r->cost.total);
  money(out, "upstream_inference_cost", r->cost.total);
  buf_lit(out, ",\"cache_discount\":null");
  flag(out, "is_byok", false);
  buf_lit(out, ",\"data_region\":\"global\"");
  json_write_key(out, STR("origin"));
  json_write_str(out, r->http_referer);
  text(out, "http_referer", r->http_referer);
  text(out, "app_title", r->app_title);
  text(out, "user_agent", r->user_agent);
  text(out, "external_user", r->user);
  text(out, "session_id", r->session_id);
  text(out, "preset_id", r->preset_id);
  text(out, "router", r->router);
  number(out, "status", r->status);
  text(out, "error", r->error);
  nulls(out, unknown);
  buf_char(out, '}');
}

void generation_json(struct buf *out, const struct record *r) {
  buf_lit(out, "{\"data\":");
  generation_item_json(out, r);
  buf_char(out, '}');
}

// What /key and /keys share: limit, usage in its windows, expiry.
static void spending(struct buf *out, const struct key_row *k) {
  static const char *const byok[] = {"byok_usage", "byok_usage_daily", "byok_usage_weekly", "byok_usage_monthly"};
  if (k->has_limit) {
    money(out, "limit", k->limit);
    money(out, "limit_remaining", k->limit > k->spent ? k->limit - k->spent : 0);
  } else {
    buf_lit(out, ",\"limit\":null,\"limit_remaining\":null");
  }
  buf_lit(out, ",\"limit_reset\":null,\"include_byok_in_limit\":false,\"creator_user_id\":null");
  money(out, "usage", k->spent);
  money(out, "usage_daily", k->spent_day);
  money(out, "usage_weekly", k->spent_week);
  money(out, "usage_monthly", k->spent_month);
  for (size_t i = 0; i < sizeof byok / sizeof byok[0]; i++) number(out, byok[i], 0);
  if (k->expires)
    ledger_when(out, "expires_at", k->expires * 1000000);
  else
    buf_lit(out, ",\"expires_at\":null");
}

void key_json(struct buf *out, const struct key_row *k) {
  buf_lit(out, "{\"data\":{");
  json_write_key(out, STR("label"));
  json_write_str(out, k->name.len ? k->name : k->prefix);
  spending(out, k);
  flag(out, "is_free_tier", false);
  flag(out, "is_management_key", k->management);
  flag(out, "is_provisioning_key", k->management);
  buf_lit(
      out,
      ",\"workspace_id\":\"default\",\"organization_id\":null,\"allowed_data_regions\":[\"global\"],"
      "\"free_model_daily_requests\":{\"used\":0,\"limit\":-1,\"remaining\":-1},\"external_user\":null,"
      "\"rate_limit\":{\"requests\":-1,\"interval\":\"10s\",\"note\":\"There is no rate limit; this member is kept for "
      "old clients.\"}}}");
}

void keys_item_json(struct buf *out, const struct key_row *k) {
  static const char hex[] = "0123456789abcdef";
  char hash[64];
  for (int i = 0; i < 32; i++) {
    hash[2 * i] = hex[k->hash[i] >> 4];
    hash[2 * i + 1] = hex[k->hash[i] & 15];
  }
  buf_char(out, '{');
  text(out, "hash", str_from(hash, sizeof hash));
  text(out, "id", k->id);
  json_write_key(out, STR("name"));
  json_write_str(out, k->name);
  json_write_key(out, STR("label"));
  json_write_str(out, k->prefix);
  flag(out, "disabled", k->disabled);
  flag(out, "is_management_key", k->management);
  spending(out, k);
  ledger_when(out, "created_at", k->created * 1000000);
  ledger_when(out, "updated_at", k->updated * 1000000);
  buf_lit(out, ",\"workspace_id\":\"default\",\"external_user\":null}");
}
