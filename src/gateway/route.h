// The table of HTTP routes: what is served, to whom, by which handler. Handed to the gateway at start, so that this
// layer does not know the account API above it.
#pragma once
#include <stdbool.h>

#include "base/str.h"
#include "policy/keyring.h"
#include "wire/http1.h"

struct request;

enum route_access {
  ACCESS_OPEN,        // anyone; keys are not looked at
  ACCESS_OPEN_MORE,   // anyone; who has a valid key is told more
  ACCESS_INFERENCE,   // an API key
  ACCESS_ACCOUNT,     // any valid key
  ACCESS_MANAGEMENT,  // the management key
};

struct route {
  enum http_method method;
  const char *path;  // "/models/*/*/endpoints": below the API prefixes; a '*' takes one segment
  bool bare;         // not below a prefix: "/healthz"
  enum route_access access;
  // The request's body is complete. Answers by request_reply_json and its like, now or later; never both.
  void (*handle)(struct request *r);
};

enum { ROUTE_ARGS = 4 };
struct route_match {
  const struct route *route;    // NULL: none
  bool path_known;              // some other method is served there
  unsigned methods;             // of the path, as bits 1 << enum http_method, when `route` is NULL
  bool doubled;                 // "/api/v1/v1/...": answered, with a warning
  struct str args[ROUTE_ARGS];  // what the stars took, still percent-encoded
};
// Folds double slashes, cuts a trailing one and the prefixes /api/v1, /v1, /api/v1/v1, /v1/v1. `path` may be rewritten
// in `folded`, which must hold path.len bytes and outlive the match.
struct route_match route_find(const struct route *routes, size_t count, enum http_method method, struct str path,
                              char *folded);
