// Everything that can go wrong with a request, as one enum, and one table that says what each means.
#pragma once
#include <stdbool.h>

enum fault {
  FAULT_NONE,
  // the request is to blame
  FAULT_BAD_REQUEST,     // malformed or invalid
  FAULT_UNKNOWN_MODEL,   // no such model
  FAULT_CONTEXT,         // longer than the model takes
  FAULT_CONTENT,         // refused by a moderation filter
  FAULT_TOO_LARGE,       // body over the limit
  FAULT_NOT_FOUND,       // no such route or resource
  FAULT_METHOD,          // the route does not take this method
  FAULT_UNPROCESSABLE,   // understood but impossible
  FAULT_HEAD_TOO_LARGE,  // too many or too long header fields
  FAULT_EXPECTATION,     // an Expect field we cannot meet
  FAULT_ENCODING,        // a body in a content coding
  FAULT_HTTP_VERSION,    // neither HTTP/1.0 nor 1.1
  // the client's key
  FAULT_UNAUTHENTICATED,  // missing, wrong, disabled or expired key
  FAULT_FORBIDDEN,        // the wrong kind of key
  FAULT_PAYMENT,          // the key's limit is used up
  FAULT_RATE_LIMITED,     // ours
  // the provider
  FAULT_NO_ENDPOINT,        // none fits the request
  FAULT_UNSUPPORTED,        // this one cannot be asked so: its protocol has no way to say it
  FAULT_UPSTREAM_AUTH,      // it refuses our key
  FAULT_UPSTREAM_BILLING,   // our account there is empty
  FAULT_UPSTREAM_RATE,      // 429
  FAULT_UPSTREAM_BUSY,      // as many of our requests as it may have are under way there
  FAULT_UPSTREAM_OVERLOAD,  // 503, 529: overloaded
  FAULT_UPSTREAM_ERROR,     // 5xx
  FAULT_UPSTREAM_MODEL,     // it does not know the model
  FAULT_UPSTREAM_INVALID,   // its answer makes no sense
  FAULT_UPSTREAM_ANSWER,    // its model wrote what its service refuses: once more may do
  FAULT_UPSTREAM_CUT,       // closed before the end
  FAULT_CONNECT,            // refused, unreachable, TLS failure
  FAULT_RESOLVE,            // its name cannot be resolved
  FAULT_TIMEOUT,            // it was too slow
  // the rest
  FAULT_CLIENT_GONE,  // nobody is left to answer
  FAULT_CLIENT_SLOW,  // the request did not arrive in time (408)
  FAULT_SHUTDOWN,     // the gateway is going down
  FAULT_OVERLOADED,   // the gateway itself has more to do than it can
  FAULT_NO_RECORD,    // the store or its spool cannot take it now
  FAULT_NOT_BUILT,    // not in this version
  FAULT_CONFLICT,     // a request with the same Idempotency-Key is under way
  FAULT_INTERNAL,
  FAULT_COUNT
};

enum blame {
  BLAME_NOBODY,
  BLAME_REQUEST,
  BLAME_KEY,         // the client's
  BLAME_CREDENTIAL,  // our key at the provider
  BLAME_ENDPOINT,
  BLAME_PROVIDER,
  BLAME_GATEWAY
};

struct fault_row {
  const char *name;        // in records, logs and metrics: "upstream_rate"
  unsigned status;         // what the client gets
  const char *error_type;  // OpenRouter's stable vocabulary (MAP 15.2)
  bool fallback;           // another endpoint may do better
  enum blame blame;
  const char *message;  // when nothing better is known
};
const struct fault_row *fault_row(enum fault fault);
// The class of a provider's HTTP error by its status alone.
enum fault fault_of_status(unsigned status);
