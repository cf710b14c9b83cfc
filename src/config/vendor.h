// The two places where the configuration meets the provider table and the environment.
#pragma once
#include "config/value.h"

// Providers with a known vendor's id get what the file does not say: protocol, and the vendor's key from the
// environment (only when the base_url is the vendor's, so that no key goes to another host).
void vendor_fill(struct reader *r);
// HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY and their lower-case forms, which win.
void vendor_proxies(struct reader *r);
// Tells for each TCP port on 127.0.0.1 whether something accepts connections there, all at once.
void vendor_probe(const unsigned *ports, bool *answers, size_t count, unsigned limit_ms);
