// Credentials that must be fetched and run out: Google's access tokens, and what a container on AWS is given. One of
// each for a provider and a loop, renewed before its end; requests wait for the first.
#pragma once
#include "gateway/request.h"
#include "provider/aws_sign.h"

enum credential_state {
  CREDENTIAL_NONE,     // this provider needs none of that kind
  CREDENTIAL_READY,    // *credential is usable now
  CREDENTIAL_WAITING,  // attempt_prepared will be called
  CREDENTIAL_FAILED,   // *why says it
};
struct credential {
  struct str token;            // Google's
  struct aws_credentials aws;  // a container's
};
enum credential_state credential_get(struct attempt *a, const struct provider *p, struct credential *out,
                                     struct str *why);
// What is usable now, without asking or waiting. False: nothing.
bool credential_now(const struct request *r, const struct provider *p, struct credential *out);
// The attempt waits no longer.
void credential_forget_waiter(struct attempt *a);
// The provider refused it: whoever asks next gets a new one. False: its credentials are not of the fetched kind.
bool credential_refused(struct worker *w, const struct provider *p);
// When a loop ends.
void credential_free_all(struct worker *w);
