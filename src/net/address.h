// Addresses of hosts: which of them belong to the open Internet, and connecting to one.
#pragma once
#include <stdbool.h>

#include "base/str.h"
#include "net/dns.h"

// None of RFC 6890's special ones, which lead into a house.
bool address_is_public(const struct dns_address *a);
// Is this host, as an address is written, a private, loopback or link-local one? (Names are looked at once they are
// resolved; behind a proxy it is the proxy that resolves them.)
bool address_is_private_host(struct str host);
// A non-blocking descriptor that connects, or has; -1 and errno.
int address_dial(const struct dns_address *a);
