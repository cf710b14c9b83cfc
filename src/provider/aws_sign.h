// The header fields that prove a POST to AWS is ours (provider/sigv4.h does the arithmetic).
#pragma once
#include "base/arena.h"
#include "base/buf.h"

struct aws_credentials {
  struct str access_key_id, secret_access_key, session_token;  // the last may be empty
};
struct aws_call {
  struct str host;  // as in the Host field
  struct str path;  // as it is sent
  struct str region, service;
  struct str body;
  uint64_t unix_s;
};
// Appends X-Amz-Date, X-Amz-Security-Token and Authorization, each as "\r\nname: value"; Host and Content-Type
// (application/json) are signed with them. out->failed: no memory.
void aws_sign(const struct aws_call *call, const struct aws_credentials *credentials, struct arena *arena,
              struct buf *out);
