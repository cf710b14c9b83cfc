// Addresses as people write them: where to listen, and URLs of others.
#pragma once
#include "config/config.h"

// "127.0.0.1:8787", "localhost:8787", "[::1]:8787", ":8787" (every IPv4 address), "unix:/path". NULL when fine, else
// what is wrong. The result points into `text` or to constants.
MUST_CHECK const char *address_listen(struct str text, struct config_listen *out);
bool address_listen_eq(const struct config_listen *a, const struct config_listen *b);
// http:// or https://, a host, perhaps a port, and a path when `path` allows one; slashes at its end are cut off.
MUST_CHECK const char *address_url(struct str text, bool path, struct str *out);
