// Access tokens for Google Cloud from a credentials file: what is asked for, and what comes back.
// Source: https://developers.google.com/identity/protocols/oauth2/service-account (RFC 7523). Pure: the time is given.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

// The URL and the form (application/x-www-form-urlencoded) that ask for a token. `credentials`: the file's JSON, of a
// service account or an authorized user. False: *why says what is wrong with it.
bool google_token_ask(struct str credentials, uint64_t unix_s, struct arena *arena, struct str *url, struct str *form,
                      struct str *why);
// Adds the field that names whose quota a user's requests are charged to, where the credentials say so.
struct buf;
void google_quota_field(struct str credentials, struct buf *out);
// The answer. False: it is none; *why may tell what the service said.
bool google_token_read(struct str body, struct arena *arena, struct str *token, uint64_t *expires_in_s,
                       struct str *why);
