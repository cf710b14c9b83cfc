// The one table of failures. Three columns deserve a reason:
//   status    5xx only where the fault is truly on our side or the provider's: some clients retry every 5xx for an
//   hour,
//             so capacity is 429 and what the caller can change is 4xx. What is wrong with our account at a provider is
//             not the caller's fault: 502.
//   fallback  whether another endpoint is worth trying before anything was sent to the client.
//   blame     whose health suffers: an endpoint's (this model there), a provider's (all its models), that of our key
//   there,
//             or nobody's.
#include "llm/fault.h"

#include <assert.h>
#include <stddef.h>

static const struct fault_row rows[FAULT_COUNT] = {
    [FAULT_NONE] = {"none", 200, "", false, BLAME_NOBODY, ""},
    [FAULT_BAD_REQUEST] = {"bad_request", 400, "invalid_request", false, BLAME_REQUEST, "The request is not valid."},
    [FAULT_UNKNOWN_MODEL] = {"unknown_model", 400, "invalid_request", false, BLAME_REQUEST,
                             "There is no such model. GET /api/v1/models lists those that can be called."},
    [FAULT_CONTEXT] =
        {"context", 400, "context_length_exceeded", true, BLAME_REQUEST,
         "The request is longer than the model's context. Shorten it or choose a model with a longer one."},
    [FAULT_CONTENT] = {"content", 400, "content_policy_violation", true, BLAME_REQUEST,
                       "The request was refused by a content filter."},
    [FAULT_TOO_LARGE] = {"too_large", 413, "payload_too_large", true, BLAME_REQUEST, "The request body is too large."},
    [FAULT_NOT_FOUND] = {"not_found", 404, "not_found", false, BLAME_REQUEST, "There is nothing at this address."},
    [FAULT_METHOD] = {"method", 405, "invalid_request", false, BLAME_REQUEST,
                      "This address does not take this method; see the Allow header."},
    [FAULT_UNPROCESSABLE] = {"unprocessable", 422, "unprocessable", false, BLAME_REQUEST,
                             "The request is well formed but cannot be carried out."},
    [FAULT_HEAD_TOO_LARGE] = {"head_too_large", 431, "payload_too_large", false, BLAME_REQUEST,
                              "The request has too many header fields, or too long ones."},
    [FAULT_EXPECTATION] = {"expectation", 417, "invalid_request", false, BLAME_REQUEST,
                           "The only expectation that can be met is \"Expect: 100-continue\"."},
    [FAULT_ENCODING] =
        {"encoding", 415, "invalid_request", false, BLAME_REQUEST,
         "Request bodies are taken as they are, without a Content-Encoding. Send the JSON uncompressed."},
    [FAULT_HTTP_VERSION] = {"http_version", 505, "invalid_request", false, BLAME_REQUEST,
                            "Only HTTP/1.0 and HTTP/1.1 are spoken here."},
    [FAULT_UNAUTHENTICATED] =
        {"unauthenticated", 401, "authentication", false, BLAME_KEY,
         "Missing, wrong, disabled or expired API key. Send it as \"Authorization: Bearer KEY\"."},
    [FAULT_FORBIDDEN] = {"forbidden", 403, "permission_denied", false, BLAME_KEY, "This kind of key may not do this."},
    [FAULT_PAYMENT] = {"payment", 402, "payment_required", false, BLAME_KEY,
                       "The key's spending limit is used up. Raise the limit or wait for its reset."},
    [FAULT_RATE_LIMITED] = {"rate_limited", 429, "rate_limit_exceeded", false, BLAME_KEY,
                            "Too many requests. Try again after the time in Retry-After."},
    [FAULT_NO_ENDPOINT] = {"no_endpoint", 404, "not_found", false, BLAME_REQUEST,
                           "No endpoint of this model fits the request."},
    [FAULT_UNSUPPORTED] = {"unsupported", 400, "invalid_request", true, BLAME_REQUEST,
                           "The provider's protocol cannot carry this request."},
    [FAULT_UPSTREAM_AUTH] = {"upstream_auth", 502, "provider_unavailable", true, BLAME_CREDENTIAL,
                             "The provider refused the gateway's credentials. Its API key must be corrected in the "
                             "gateway's configuration."},
    [FAULT_UPSTREAM_BILLING] =
        {"upstream_billing", 502, "provider_unavailable", true, BLAME_CREDENTIAL,
         "The gateway's account at the provider has no credit left. It must be topped up there."},
    [FAULT_UPSTREAM_RATE] = {"upstream_rate", 429, "rate_limit_exceeded", true, BLAME_CREDENTIAL,
                             "The provider limits the rate of requests. Try again after the time in Retry-After."},
    [FAULT_UPSTREAM_BUSY] = {"upstream_busy", 429, "rate_limit_exceeded", true, BLAME_NOBODY,
                             "As many requests as the provider may have (max_concurrency) are under way there. Try "
                             "again in a while."},
    [FAULT_UPSTREAM_OVERLOAD] = {"upstream_overload", 503, "provider_overloaded", true, BLAME_ENDPOINT,
                                 "The provider is overloaded. Try again in a while."},
    [FAULT_UPSTREAM_ERROR] = {"upstream_error", 502, "provider_unavailable", true, BLAME_ENDPOINT,
                              "The provider failed to answer the request."},
    [FAULT_UPSTREAM_MODEL] = {"upstream_model", 502, "provider_unavailable", true, BLAME_ENDPOINT,
                              "The provider does not know this model, or not at this address. The endpoint must be "
                              "corrected in the gateway's configuration."},
    [FAULT_UPSTREAM_INVALID] = {"upstream_invalid", 502, "provider_unavailable", true, BLAME_ENDPOINT,
                                "The provider's answer could not be understood."},
    [FAULT_UPSTREAM_ANSWER] = {"upstream_answer", 502, "provider_unavailable", true, BLAME_NOBODY,
                               "The provider's model wrote an answer that its own service refused."},
    [FAULT_UPSTREAM_CUT] = {"upstream_cut", 502, "provider_unavailable", true, BLAME_ENDPOINT,
                            "The provider closed the connection before its answer was complete."},
    [FAULT_CONNECT] = {"connect", 502, "provider_unavailable", true, BLAME_PROVIDER,
                       "No connection to the provider could be made."},
    [FAULT_RESOLVE] = {"resolve", 502, "provider_unavailable", true, BLAME_PROVIDER,
                       "The provider's host name could not be resolved."},
    [FAULT_TIMEOUT] = {"timeout", 504, "timeout", true, BLAME_ENDPOINT, "The provider did not answer in time."},
    [FAULT_CLIENT_GONE] = {"client_gone", 499, "unmapped", false, BLAME_NOBODY,
                           "The client went away before the answer was complete."},
    [FAULT_CLIENT_SLOW] = {"client_slow", 408, "timeout", false, BLAME_REQUEST, "The request did not arrive in time."},
    [FAULT_SHUTDOWN] = {"shutdown", 503, "server", false, BLAME_GATEWAY,
                        "The gateway is shutting down. Send the request again."},
    [FAULT_OVERLOADED] = {"overloaded", 503, "provider_overloaded", false, BLAME_GATEWAY,
                          "The gateway has more requests than it can serve. Try again after the time in Retry-After."},
    [FAULT_NO_RECORD] = {"no_record", 503, "server", false, BLAME_GATEWAY,
                         "The gateway cannot record requests at the moment. Try again in a while; its log says more."},
    [FAULT_NOT_BUILT] = {"not_built", 501, "server", false, BLAME_GATEWAY,
                         "This is not available in this version of the gateway."},
    [FAULT_CONFLICT] = {"conflict", 409, "invalid_request", false, BLAME_REQUEST,
                        "A request with this Idempotency-Key is under way. Ask again after the time in Retry-After."},
    [FAULT_INTERNAL] = {"internal", 500, "server", false, BLAME_GATEWAY, "The gateway failed. Its log says more."},
};

const struct fault_row *fault_row(enum fault fault) {
  assert(fault < FAULT_COUNT);
  assert(rows[fault].name != NULL);
  return &rows[fault];
}

enum fault fault_of_status(unsigned status) {
  switch (status) {
    case 401:
    case 403: return FAULT_UPSTREAM_AUTH;
    case 402: return FAULT_UPSTREAM_BILLING;
    case 404:
    case 410: return FAULT_UPSTREAM_MODEL;
    case 405: return FAULT_UPSTREAM_INVALID;  // a wrong base URL: our path is not there
    case 408:
    case 499:
    case 504:
    case 524: return FAULT_TIMEOUT;
    case 409:  // a conflict, too early, something it depends on: the next try may do better
    case 424:
    case 425: return FAULT_UPSTREAM_ERROR;
    case 413:
    case 431: return FAULT_TOO_LARGE;
    case 422: return FAULT_UNPROCESSABLE;
    case 429: return FAULT_UPSTREAM_RATE;
    case 451: return FAULT_CONTENT;
    case 498:  // Groq: no flex capacity
    case 503:
    case 529: return FAULT_UPSTREAM_OVERLOAD;
    default: break;
  }
  if (status >= 200 && status < 300) return FAULT_NONE;
  if (status >= 400 && status < 500) return FAULT_BAD_REQUEST;
  if (status >= 500 && status < 600) return FAULT_UPSTREAM_ERROR;
  return FAULT_UPSTREAM_INVALID;
}
