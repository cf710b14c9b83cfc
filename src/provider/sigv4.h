// AWS Signature Version 4 of a request in its headers.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
// Pure: the time is given.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

struct sigv4_header {
  struct str name;   // any case
  struct str value;  // as it is sent; several lines of one name are joined by the caller or given one by one
};

struct sigv4_request {
  struct str method;
  struct str path;                     // as it is sent, without the query; empty counts as "/"
  struct str query;                    // as it is sent, without '?'
  const struct sigv4_header *headers;  // those to be signed, host and x-amz-date among them
  size_t header_count;
  struct str body;
  struct str region, service;
  struct str access_key_id, secret_access_key;
  char time[17];           // "20250101T000000Z"
  bool path_as_it_is;      // no dot segments or double slashes are taken out, and nothing is encoded again (S3)
  bool keep_dot_segments;  // the path is encoded again, but its segments stay
};

// "20250101T000000Z" of seconds since 1970.
void sigv4_time(uint64_t unix_s, char out[17]);
// Appends the value of the Authorization field. False: out of memory.
bool sigv4_authorization(const struct sigv4_request *r, struct arena *arena, struct buf *out);
// Its steps, for tests: the canonical request, and what is signed.
bool sigv4_canonical(const struct sigv4_request *r, struct arena *arena, struct buf *out);
void sigv4_string_to_sign(const struct sigv4_request *r, struct str canonical, struct buf *out);
