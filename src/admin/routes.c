#include "admin/routes.h"

#include "admin/account_routes.h"
#include "admin/catalogue_json.h"
#include "admin/explain_route.h"
#include "admin/health_json.h"
#include "admin/preset_routes.h"
#include "gateway/gateway.h"
#include "gateway/path.h"
#include "gateway/request.h"

// --- the process ---

static void handle_health(struct request *r) {
  request_reply_json(r, 200, STR("{\"status\":\"ok\"}"));
}

static void handle_ready(struct request *r) {
  if (gateway_is_draining(r->worker->gateway) || !spool_ready(r->worker->spool))
    request_reply_json(r, 503, STR("{\"status\":\"not ready\"}"));
  else
    request_reply_json(r, 200, STR("{\"status\":\"ready\"}"));
}

static void handle_metrics(struct request *r) {
  struct buf *out = worker_scratch(&r->worker->body);
  gateway_metrics(r->worker->gateway, out);
  request_reply_text(r, 200, STR("text/plain; version=0.0.4; charset=utf-8"), buf_view(out));
}

static void handle_root(struct request *r) {
  request_reply_text(
      r, 200, STR("text/plain; charset=utf-8"),
      STR("Signalbox is running. The API is at /api/v1 (also /v1); this version has no dashboard yet.\n"));
}

// --- the catalogue ---

static void handle_models(struct request *r) {
  struct buf *out = worker_scratch(&r->worker->body);
  models_json(out, request_catalogue(r), r->query);
  request_reply_json(r, 200, buf_view(out));
}

static void handle_models_count(struct request *r) {
  struct buf *out = worker_scratch(&r->worker->body);
  models_count_json(out, request_catalogue(r), r->query);
  request_reply_json(r, 200, buf_view(out));
}

static void handle_providers(struct request *r) {
  struct buf *out = worker_scratch(&r->worker->body);
  providers_json(out, request_catalogue(r));
  request_reply_json(r, 200, buf_view(out));
}

// "author/slug" from a path of one or two segments, percent-decoded.
static struct str model_id(struct request *r) {
  struct str raw =
      r->args[1].len ? arena_printf(&r->arena, "%.*s/%.*s", STR_ARGS(r->args[0]), STR_ARGS(r->args[1])) : r->args[0];
  return percent_decode(&r->arena, raw);
}

static void reply_found(struct request *r, bool found, struct str id, struct buf *out) {
  if (found)
    request_reply_json(r, 200, buf_view(out));
  else
    request_reply_fault(r, FAULT_NOT_FOUND,
                        arena_printf(&r->arena, "There is no model %.*s. GET /api/v1/models lists all.", STR_ARGS(id)));
}

static void handle_model(struct request *r) {
  struct buf *out = worker_scratch(&r->worker->body);
  struct str id = model_id(r);
  reply_found(r, model_json(out, request_catalogue(r), id), id, out);
}

static struct health_view health_view_of(const struct request *r) {
  return (struct health_view){
      .index = &r->ws->snapshot->health, .now_ms = loop_now_ms(r->worker->loop), .timing = r->has_key};
}

static void handle_endpoints(struct request *r) {
  struct buf *out = worker_scratch(&r->worker->body);
  struct str id = model_id(r);
  struct health_view health = health_view_of(r);
  reply_found(r, endpoints_json(out, request_catalogue(r), id, &health), id, out);
}

static void handle_figures(struct request *r) {
  struct buf *out = worker_scratch(&r->worker->body);
  struct health_view health = health_view_of(r);
  health_json(out, &health, request_catalogue(r));
  request_reply_json(r, 200, buf_view(out));
}

// --- not in this version ---

static void handle_not_built(struct request *r) {
  request_reply_fault(r, FAULT_NOT_BUILT, STR("This route is not in this version of Signalbox."));
}

const struct route admin_routes[] = {
    // Inference first: the table is searched from the top.
    {HTTP_POST, "/chat/completions", false, ACCESS_INFERENCE, request_chat},
    {HTTP_GET, "/models", false, ACCESS_OPEN, handle_models},
    {HTTP_GET, "/models/count", false, ACCESS_OPEN, handle_models_count},
    {HTTP_GET, "/model/*/*", false, ACCESS_OPEN, handle_model},
    {HTTP_GET, "/model/*", false, ACCESS_OPEN, handle_model},
    {HTTP_GET, "/models/*/*/endpoints", false, ACCESS_OPEN_MORE, handle_endpoints},
    {HTTP_GET, "/providers", false, ACCESS_OPEN, handle_providers},
    {HTTP_GET, "/key", false, ACCESS_ACCOUNT, handle_key},
    {HTTP_GET, "/auth/key", false, ACCESS_ACCOUNT, handle_key},
    {HTTP_POST, "/signalbox/explain", false, ACCESS_ACCOUNT, handle_explain},
    {HTTP_GET, "/signalbox/health", false, ACCESS_ACCOUNT, handle_figures},
    {HTTP_GET, "/generation", false, ACCESS_ACCOUNT, handle_generation},
    {HTTP_GET, "/keys", false, ACCESS_MANAGEMENT, handle_keys_list},
    {HTTP_POST, "/keys", false, ACCESS_MANAGEMENT, handle_keys_create},
    {HTTP_GET, "/keys/*", false, ACCESS_MANAGEMENT, handle_keys_get},
    {HTTP_PATCH, "/keys/*", false, ACCESS_MANAGEMENT, handle_keys_update},
    {HTTP_DELETE, "/keys/*", false, ACCESS_MANAGEMENT, handle_keys_delete},
    {HTTP_GET, "/presets", false, ACCESS_ACCOUNT, handle_presets_list},
    {HTTP_GET, "/presets/*", false, ACCESS_ACCOUNT, handle_presets_get},
    {HTTP_PATCH, "/presets/*", false, ACCESS_ACCOUNT, handle_presets_update},
    {HTTP_DELETE, "/presets/*", false, ACCESS_ACCOUNT, handle_presets_delete},
    {HTTP_GET, "/presets/*/versions", false, ACCESS_ACCOUNT, handle_presets_versions},
    {HTTP_GET, "/presets/*/versions/*", false, ACCESS_ACCOUNT, handle_presets_version},
    {HTTP_POST, "/presets/*/chat/completions", false, ACCESS_ACCOUNT, handle_presets_chat},
    {HTTP_GET, "/healthz", true, ACCESS_OPEN, handle_health},
    {HTTP_GET, "/readyz", true, ACCESS_OPEN, handle_ready},
    {HTTP_GET, "/metrics", true, ACCESS_OPEN, handle_metrics},
    {HTTP_GET, "/", true, ACCESS_OPEN, handle_root},
    // Of the contract, but not in this version.
    {HTTP_POST, "/completions", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_POST, "/responses", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_POST, "/messages", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_POST, "/messages/count_tokens", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_POST, "/embeddings", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_POST, "/rerank", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_POST, "/images", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_POST, "/audio/speech", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_POST, "/audio/transcriptions", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_GET, "/models/user", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_GET, "/credits", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_GET, "/activity", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_POST, "/presets/*/messages", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_POST, "/presets/*/responses", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_GET, "/guardrails", false, ACCESS_ACCOUNT, handle_not_built},
    {HTTP_GET, "/byok", false, ACCESS_ACCOUNT, handle_not_built},
};
const size_t admin_route_count = sizeof admin_routes / sizeof admin_routes[0];
